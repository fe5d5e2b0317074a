/*
 * seccomp_listener.c - the kernel's end of the supervisor: notifications come in, answers go out.
 * It decides nothing.
 *
 * The tricky idea: whoever waits for an answer may be killed or interrupted at any time, and the
 * kernel does not tell; an answer to what has gone fails with ENOENT, and that is no error. Giving
 * a descriptor and answering with it is one step, so that a call that is interrupted at that moment
 * leaves no descriptor behind in its program.
 *
 * What was looked at (a path in memory, a link) may be another when the kernel goes on: this is no
 * security boundary, and nobody gains by tricking it what he could not have without.
 */
#include "seccomp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Linux 6.6: who answers wakes the other on his own processor, as long as they take turns. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define SYNC_WAKE_UP 1UL

static int listener = -1;
static bool can_give_and_answer;
static struct seccomp_notif *request;
static struct seccomp_notif_resp *response;
static size_t request_size, response_size;

/* A kernel's structures may be larger than those of our headers. */
static int
allocate(void)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return -errno;
	request_size = sizes.seccomp_notif;
	response_size = sizes.seccomp_notif_resp;
	if (request_size < sizeof *request)
		request_size = sizeof *request;
	if (response_size < sizeof *response)
		response_size = sizeof *response;
	request = calloc(1, request_size);
	response = calloc(1, response_size);
	return request && response ? 0 : -ENOMEM;
}

static int
add_fd(uint64_t id, int fd, uint32_t flags, uint32_t fd_flags)
{
	struct seccomp_notif_addfd add = {
		.id = id, .flags = flags, .srcfd = (uint32_t)fd, .newfd_flags = fd_flags
	};
	int r;

	do {
		r = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
	} while (r < 0 && (errno == EINTR || errno == EAGAIN));
	return r < 0 ? -errno : r;
}

int
seccomp_listener_init(int fd)
{
	int r = allocate();

	if (r < 0)
		return r;
	listener = fd;
	ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
	/* nobody has that number: ENOENT says that all else is understood */
	can_give_and_answer = add_fd(0, listener, SECCOMP_ADDFD_FLAG_SEND, 0) == -ENOENT;
	return can_give_and_answer || add_fd(0, listener, 0, 0) == -ENOENT ? 0 : -ENOSYS;
}

int
seccomp_listener_fd(void)
{
	return listener;
}

int
seccomp_listener_next(struct seccomp_event *event)
{
	uint64_t mask;

	memset(request, 0, request_size);
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, request) < 0)
		return -EAGAIN;
	event->id = request->id;
	event->tid = (pid_t)request->pid;
	event->call = seccomp_filter_find(request->data.arch, request->data.nr);
	/* int 0x80 in a 64-bit program: the upper halves are anything, and nobody looks at them */
	mask = (request->data.arch & __AUDIT_ARCH_64BIT) ? UINT64_MAX : UINT32_MAX;
	for (size_t i = 0; i < 6; i++)
		event->argument[i] = request->data.args[i] & mask;
	if (event->call && event->tid != 0) /* 0: of a world that we can't see */
		return 0;
	seccomp_listener_pass(event->id);
	return -EAGAIN;
}

static int
respond(uint64_t id, int64_t value, int error, uint32_t flags)
{
	int r;

	memset(response, 0, response_size);
	response->id = id;
	response->val = value;
	response->error = error;
	response->flags = flags;
	do {
		r = ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, response);
	} while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

void
seccomp_listener_pass(uint64_t id)
{
	respond(id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

void
seccomp_listener_answer(uint64_t id, int64_t value)
{
	respond(id, value, 0, 0);
}

void
seccomp_listener_fail(uint64_t id, int error)
{
	respond(id, 0, -error, 0);
}

/* -ENOENT: nobody waits for it; -EINPROGRESS: it has been answered; -ESRCH: its process is ending.
 */
static bool
is_gone(int r)
{
	return r == -ENOENT || r == -EINPROGRESS || r == -ESRCH;
}

int
seccomp_listener_give(uint64_t id, int fd, bool close_on_exec)
{
	uint32_t flags = can_give_and_answer ? SECCOMP_ADDFD_FLAG_SEND : 0;
	int r = add_fd(id, fd, flags, close_on_exec ? O_CLOEXEC : 0);

	if (r >= 0 && !can_give_and_answer)
		r = respond(id, r, 0, 0);
	if (r >= 0)
		return 0;
	if (is_gone(r))
		return -ENOENT;
	seccomp_listener_fail(id, -r);
	return r;
}

bool
seccomp_listener_is_waiting(uint64_t id)
{
	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}
