/*
 * ipc.c - messages between supervisor, broker and keepers. It knows how they travel, not what they
 * mean. SOCK_SEQPACKET keeps each message whole, and with it the descriptor that belongs to it.
 */
#include "ipc.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int
ipc_pair(int *a, int *b)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	*a = fds[0];
	*b = fds[1];
	return 0;
}

static void
put_fd(struct msghdr *header, union control *control, int fd)
{
	struct cmsghdr *c;

	memset(control, 0, sizeof(*control));
	header->msg_control = control->bytes;
	header->msg_controllen = sizeof(control->bytes);
	c = CMSG_FIRSTHDR(header);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
}

int
ipc_send(int channel, const struct ipc_message *message, int fd)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)message, .iov_len = sizeof(*message) };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	ssize_t n;

	if (fd >= 0)
		put_fd(&header, &control, fd);
	do
		n = sendmsg(channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	return 0;
}

/* The descriptor that came along, or -1. */
static int
take_fd(struct msghdr *header)
{
	struct cmsghdr *c;
	int fd;

	for (c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(&fd, CMSG_DATA(c), sizeof(int));
		return fd;
	}
	return -1;
}

/* A text that was cut to size must not end within a character: it becomes JSON. */
static void
cut_text(char *text)
{
	size_t n = IPC_TEXT_MAX - 1;

	text[n] = '\0';
	if (strlen(text) == n)
		while (n > 0 && ((unsigned char)text[n - 1] & 0x80) != 0)
			text[--n] = '\0';
}

int
ipc_receive(int channel, struct ipc_message *message, int *fd)
{
	struct iovec iov = { .iov_base = message, .iov_len = sizeof(*message) };
	union control control;
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(channel, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 1;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return -EPIPE;
	if (n < 0)
		return -errno;
	*fd = take_fd(&header);
	if (n == sizeof(*message) && *fd < 0 && (header.msg_flags & MSG_CTRUNC) != 0)
		message->error = EMFILE; /* there was room for one: this process may open no more */
	else if (n != sizeof(*message) || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		return -EPROTO;
	}
	cut_text(message->text);
	return 0;
}
