/*
 * seccomp_open.c - is this open() ours? The shim's question (shim_open.c), asked from outside:
 * nearly all are not, and go on after one look. What could be a port is waited for
 * (seccomp_wait.c), the lock files of ports are seccomp_lock.c's.
 */
#include "internal.h"
#include "seccomp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LINKS_MAX 8

static bool
take_flags(const struct seccomp_event *e, int *flags)
{
	struct open_how how;

	switch (e->call->kind) {
	case SECCOMP_KIND_CREAT:
		*flags = O_CREAT | O_WRONLY | O_TRUNC;
		return true;
	case SECCOMP_KIND_OPENAT2:
		if (seccomp_tracee_read(e->tid, e->argument[(int)e->call->flags], &how,
					sizeof how) != (ssize_t)sizeof how)
			return false;
		*flags = (int)how.flags;
		return true;
	default:
		*flags = (int)e->argument[(int)e->call->flags];
		return true;
	}
}

/* ---- what is not there: by that name, and by those that dangling links lead to ---- */

static bool
is_name_of_port(const char *absolute, int flags, bool *listed)
{
	*listed = seccomp_path_is_listed(absolute, 0);
	return *listed || (comlease_is_below_dev(absolute) && !(flags & O_CREAT));
}

bool
seccomp_open_next_name(const struct seccomp_path *path, char absolute[PATH_MAX], int flags,
		       bool *listed)
{
	for (int links = 0; links < LINKS_MAX && !(flags & O_NOFOLLOW); links++) {
		if (!seccomp_path_follow(path, absolute))
			return false;
		if (is_name_of_port(absolute, flags, listed))
			return true;
	}
	return false;
}

static bool
is_absent_port(struct seccomp_wish *wish)
{
	if (!seccomp_path_absolute(&wish->path, wish->absolute))
		return false;
	return is_name_of_port(wish->absolute, wish->flags, &wish->listed) ||
	       seccomp_open_next_name(&wish->path, wish->absolute, wish->flags, &wish->listed);
}

static bool
is_present_port(struct seccomp_wish *wish, const struct seccomp_stat *status)
{
	if (!S_ISCHR(status->mode) || !comlease_can_be_serial(status->rdev))
		return false;
	if (!seccomp_path_absolute(&wish->path, wish->absolute))
		snprintf(wish->absolute, PATH_MAX, "/dev/?"); /* the number is what counts */
	wish->rdev = status->rdev;
	wish->listed = seccomp_path_is_listed(wish->absolute, wish->rdev);
	return true;
}

static bool
is_port(struct seccomp_wish *wish)
{
	struct seccomp_stat status;

	if (comlease_is_no_port_open(wish->flags))
		return false;
	seccomp_path_stat(&wish->path, !(wish->flags & O_NOFOLLOW), &status);
	if (status.error == 0)
		return is_present_port(wish, &status);
	return status.error == ENOENT && wish->path.name[0] && is_absent_port(wish);
}

void
seccomp_open(const struct seccomp_event *e)
{
	static struct seccomp_wish wish;

	wish.rdev = 0;
	wish.path.tid = e->tid;
	wish.path.dirfd = e->call->dirfd < 0 ? AT_FDCWD : (int)e->argument[(int)e->call->dirfd];
	if (seccomp_tracee_path(e->tid, e->argument[(int)e->call->path], wish.path.name) < 0 ||
	    !take_flags(e, &wish.flags))
		seccomp_listener_pass(e->id);
	else if (seccomp_lock_is_name(wish.path.name) && seccomp_path_is_lock(&wish.path, NULL))
		seccomp_lock_open(e, &wish.path, wish.flags);
	else if (is_port(&wish))
		seccomp_wait_begin(e, &wish);
	else
		seccomp_listener_pass(e->id);
}
