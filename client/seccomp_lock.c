/*
 * seccomp_lock.c - the lock files of managed ports (LCK..ttyS0), as the shim shows them
 * (shim_lock.c): they are never there and can always be made; what is written into one goes into
 * memory that goes with its descriptor. The broker's own file is neither seen nor touched.
 * Under `run --standby` the broker hears of a lock that is made or removed: its holder is in a
 * call.
 *
 * The tricky idea: telling the broker takes a moment, which nobody else is to wait for; so a child
 * does it, and answers the call itself.
 */
#include "internal.h"
#include "seccomp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BROKER_S 2

bool
seccomp_lock_is_name(const char *path)
{
	const char *at = path;

	/* a part's beginning: the name of a device below a folder has a '/' of its own */
	while ((at = strstr(at, "LCK..")) && at != path && at[-1] != '/')
		at++;
	return at != NULL;
}

/* ---- in a call ---- */

static void
nothing(int signo)
{
	(void)signo;
}

/* In the child. A broker that does not answer has the call in its socket all the same. */
static void
tell(uint64_t token, bool busy)
{
	struct sigaction action = { .sa_handler = nothing };
	struct comlease *c = comlease_connect(NULL);

	sigaction(SIGALRM, &action, NULL);
	alarm(BROKER_S);
	if (c)
		comlease_busy(c, token, busy);
	alarm(0);
}

/* True: we are a child that has told the broker, is to answer, and to end. */
static bool
tell_broker(const struct seccomp_path *path, bool busy, bool *is_child)
{
	struct seccomp_environment e;
	const char *device, *token;
	pid_t pid = -1;

	*is_child = false;
	seccomp_environment_read(&e, path->tid);
	device = seccomp_environment_get(&e, "COMLEASE_DEVICE");
	token = seccomp_environment_get(&e, "COMLEASE_TOKEN");
	if (seccomp_environment_get(&e, "COMLEASE_STANDBY") && device && token &&
	    seccomp_path_is_lock(path, device) && (pid = fork()) == 0) {
		tell(strtoull(token, NULL, 10), busy);
		*is_child = true;
	}
	seccomp_environment_free(&e);
	return pid <= 0;
}

/* The call returns 0 once the broker has been told. */
static void
done(const struct seccomp_event *e, const struct seccomp_path *lock, bool busy)
{
	bool is_child;

	if (tell_broker(lock, busy, &is_child))
		seccomp_listener_answer(e->id, 0);
	if (is_child)
		_exit(0);
}

/* ---- open ---- */

static void
give(const struct seccomp_event *e, int flags)
{
	int fd = memfd_create("comlease-lock", MFD_CLOEXEC);

	if (fd < 0) {
		seccomp_listener_fail(e->id, errno);
		return;
	}
	if (flags & O_APPEND)
		fcntl(fd, F_SETFL, O_APPEND);
	seccomp_debug("thread %d: a lock of its own: the lease counts", (int)e->tid);
	seccomp_listener_give(e->id, fd, flags & O_CLOEXEC);
	close(fd);
}

void
seccomp_lock_open(const struct seccomp_event *e, const struct seccomp_path *path, int flags)
{
	bool is_child = false;

	if ((flags & O_PATH) || ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT))) {
		seccomp_listener_fail(e->id, ENOENT);
		return;
	}
	if (!(flags & O_CREAT) || tell_broker(path, true, &is_child))
		give(e, flags);
	if (is_child)
		_exit(0);
}

/* ---- what is done with its name ---- */

static bool
take_path(const struct seccomp_event *e, int dirfd, int path, struct seccomp_path *result)
{
	if (path < 0)
		return false;
	result->tid = e->tid;
	result->dirfd = dirfd < 0 ? AT_FDCWD : (int)e->argument[dirfd];
	return seccomp_tracee_path(e->tid, e->argument[path], result->name) == 0;
}

static bool
is_lock(const struct seccomp_path *path)
{
	return seccomp_lock_is_name(path->name) && seccomp_path_is_lock(path, NULL);
}

/* A temporary file has become the lock. It stays where it is: its maker removes it, and a file that
 * was renamed is no loss, while to remove it with our rights and not its maker's might be. */
static void
make_from(const struct seccomp_event *e, const struct seccomp_path *from,
	  const struct seccomp_path *lock)
{
	struct seccomp_stat status;

	seccomp_path_stat(from, false, &status);
	if (status.error)
		seccomp_listener_fail(e->id, status.error);
	else
		done(e, lock, true);
}

/* The lock is not there to be linked to or moved; whoever tries to move it wants it gone. */
static void
refuse(const struct seccomp_event *e, const struct seccomp_path *lock)
{
	bool is_child = false;

	if (e->call->kind != SECCOMP_KIND_RENAME || tell_broker(lock, false, &is_child))
		seccomp_listener_fail(e->id, ENOENT);
	if (is_child)
		_exit(0);
}

void
seccomp_lock_call(const struct seccomp_event *e)
{
	const struct seccomp_call *call = e->call;
	static struct seccomp_path path, to;
	bool has_path = take_path(e, call->dirfd, call->path, &path);

	if (has_path && is_lock(&path)) {
		if (call->to_path >= 0)
			refuse(e, &path);
		else if (call->kind == SECCOMP_KIND_ADORN)
			seccomp_listener_answer(e->id, 0);
		else
			done(e, &path, call->kind != SECCOMP_KIND_REMOVE);
	} else if (has_path && take_path(e, call->to_dirfd, call->to_path, &to) && is_lock(&to)) {
		make_from(e, &path, &to);
	} else {
		seccomp_listener_pass(e->id);
	}
}
