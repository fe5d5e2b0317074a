/*
 * seccomp_supervisor.c - the process that answers for the command: one loop over the kernel's
 * notifications and the waits. What an open() means is decided elsewhere.
 *
 * The tricky idea: it never waits for one program while others could go on, and it is nobody's
 * business: no terminal, no descriptor of the command's (a pipeline would wait for its end), no
 * signal but SIGKILL ends it. It ends when the last process under the filter has, which the kernel
 * reports as POLLHUP. If it is killed, open() fails with ENOSYS in all of them.
 */
#include "internal.h"
#include "seccomp_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BATCH    64
#define KEPT_FDS 16

void
seccomp_debug(const char *format, ...)
{
	char line[512];
	va_list arguments;

	if (!getenv("COMLEASE_DEBUG"))
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	dprintf(STDERR_FILENO, "comlease-seccomp[%d]: %s\n", (int)getpid(), line);
}

bool
seccomp_has_room(size_t descriptors)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 || descriptors + KEPT_FDS <= limit.rlim_cur;
}

/* ---- the hand-over ---- */

static void
reply(int socket, int r)
{
	if (send(socket, &r, sizeof r, MSG_NOSIGNAL) != (ssize_t)sizeof r || r < 0)
		exit(EXIT_FAILURE);
}

/* May we look into it? Before there is a filter, so that there is a way back. */
static void
take_greeting(int socket)
{
	struct seccomp_hello hello;
	uint64_t word = 0;
	ssize_t n;

	if (recv(socket, &hello, sizeof hello, 0) != (ssize_t)sizeof hello)
		exit(EXIT_FAILURE);
	n = seccomp_tracee_read((pid_t)hello.pid, hello.address, &word, sizeof word);
	reply(socket, n == (ssize_t)sizeof word && word == hello.word ? 0 : -EPERM);
}

/* No listener: there is no filter either, and nobody to tell. */
static int
take_listener(int socket)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof control.bytes };
	const struct cmsghdr *c;
	int fd;

	if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) != 1 || !(c = CMSG_FIRSTHDR(&m)) ||
	    c->cmsg_type != SCM_RIGHTS)
		exit(EXIT_SUCCESS);
	memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

/* ---- what it is asked ---- */

/* A port is nobody's controlling terminal: at its session leader's exit the kernel would hang it up
 * for everybody. */
static void
refuse_terminal(const struct seccomp_event *e)
{
	struct seccomp_stat status;

	seccomp_path_stat_fd(e->tid, (int)e->argument[0], &status);
	if (status.error == 0 && S_ISCHR(status.mode) && comlease_can_be_serial(status.rdev) &&
	    seccomp_path_is_listed("", status.rdev))
		seccomp_listener_answer(e->id, 0);
	else
		seccomp_listener_pass(e->id);
}

static void
answer(const struct seccomp_event *e)
{
	seccomp_wait_interrupted(e->tid); /* unless it asks for the same again */
	switch (e->call->kind) {
	case SECCOMP_KIND_OPEN:
	case SECCOMP_KIND_OPENAT2:
	case SECCOMP_KIND_CREAT:
		seccomp_open(e);
		break;
	case SECCOMP_KIND_TERMINAL:
		refuse_terminal(e);
		break;
	default:
		seccomp_lock_call(e);
		break;
	}
}

/* Asked without a poll() that says so, the kernel would wait for the next one. Where others wait
 * they are not all looked at after each. */
static void
answer_some(struct pollfd *listener)
{
	struct seccomp_event e;
	int left = BATCH;

	while (listener->revents & POLLIN) {
		if (seccomp_listener_next(&e) == 0)
			answer(&e);
		if (seccomp_wait_fds() == 0 || --left == 0 || poll(listener, 1, 0) <= 0)
			break;
	}
}

/* ---- the loop ---- */

static struct pollfd *
make_room(struct pollfd *fds, size_t *room, size_t count)
{
	struct pollfd *more;

	if (count <= *room)
		return fds;
	more = realloc(fds, 2 * count * sizeof *fds);
	if (!more)
		exit(EXIT_FAILURE);
	*room = 2 * count;
	return more;
}

static void
serve(void)
{
	size_t room = 0, count;
	struct pollfd *fds = make_room(NULL, &room, BATCH);

	for (;;) {
		count = 1 + seccomp_wait_fds();
		fds = make_room(fds, &room, count);
		fds[0] = (struct pollfd){ seccomp_listener_fd(), POLLIN, 0 };
		if (poll(fds, count, seccomp_wait_poll(fds + 1)) < 0)
			continue;
		if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			break;
		seccomp_wait_dispatch(fds + 1);
		answer_some(fds);
	}
	free(fds);
}

void
seccomp_supervisor_run(int socket)
{
	seccomp_path_init();
	take_greeting(socket);
	reply(socket, seccomp_listener_init(take_listener(socket)));
	close(socket);
	serve();
	exit(EXIT_SUCCESS);
}
