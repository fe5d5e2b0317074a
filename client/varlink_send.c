/*
 * varlink_send.c - Varlink on one socket: messages queued and sent, with a descriptor.
 *
 * Responsible for the bytes that the socket has not taken yet. Refuses to bound them: how much a
 * peer may leave unread is its owner's to decide (varlink_unsent()).
 *
 * The tricky idea: a descriptor is attached to the first byte of a sendmsg(). So one sendmsg() ends
 * where the message with the descriptor starts, and the next starts there.
 */
#include "varlink.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES_MIN ((size_t)256)

static void
drop_descriptor(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
free_out(struct varlink *v)
{
	free(v->out);
	v->out = NULL;
	v->out_len = v->out_size = v->out_sent = 0;
}

static int
make_room_out(struct varlink *v, size_t bytes)
{
	size_t unsent = v->out_len - v->out_sent, size;
	char *out;

	if (bytes <= v->out_size - v->out_len)
		return 0;
	/* Moving only what is the smaller half keeps the cost of a stream that never empties flat.
	 */
	if (v->out_sent >= unsent && v->out_sent > 0) {
		memmove(v->out, v->out + v->out_sent, unsent);
		v->out_len = unsent;
		v->out_fd_at -= v->out_fd >= 0 ? v->out_sent : 0;
		v->out_sent = 0;
		if (bytes <= v->out_size - v->out_len)
			return 0;
	}
	if (bytes > SIZE_MAX / 4 || v->out_size > SIZE_MAX / 4)
		return -ENOMEM;
	size = v->out_size == 0 ? BUFFER_BYTES_MIN : v->out_size * 2;
	if (size < v->out_len + bytes)
		size = v->out_len + bytes;
	out = realloc(v->out, size);
	if (out == NULL)
		return -ENOMEM;
	v->out = out;
	v->out_size = size;
	return 0;
}

static int
append_out(const char *bytes, size_t count, void *data)
{
	struct varlink *v = data;

	if (make_room_out(v, count) != 0)
		return -1;
	memcpy(v->out + v->out_len, bytes, count);
	v->out_len += count;
	return 0;
}

int
varlink_queue(struct varlink *v, const json_t *message, int fd)
{
	size_t unsent = varlink_unsent(v);

	if (fd >= 0 && v->out_fd >= 0) {
		close(fd);
		return -EBUSY;
	}
	if (json_dump_callback(message, append_out, v, JSON_COMPACT) != 0 ||
	    append_out("", 1, v) != 0) {
		v->out_len = v->out_sent + unsent;
		if (unsent == 0)
			free_out(v);
		drop_descriptor(&fd);
		return -ENOMEM;
	}
	if (fd >= 0) {
		v->out_fd = fd;
		v->out_fd_at = v->out_sent + unsent;
	}
	return 0;
}

/* One sendmsg(): plain bytes up to where a descriptor waits, or from there on and with it. */
static ssize_t
send_some(struct varlink *v)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = v->out + v->out_sent, .iov_len = varlink_unsent(v) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (v->out_fd >= 0 && v->out_sent < v->out_fd_at) {
		iov.iov_len = v->out_fd_at - v->out_sent;
	} else if (v->out_fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &v->out_fd, sizeof(int));
	}
	return sendmsg(v->socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int
varlink_flush(struct varlink *v)
{
	while (varlink_unsent(v) > 0) {
		bool with_fd = v->out_fd >= 0 && v->out_sent == v->out_fd_at;
		ssize_t n = send_some(v);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return VARLINK_AGAIN;
		if (n < 0)
			return -errno;
		/* The descriptor went with the first byte, however few were taken. */
		if (with_fd)
			drop_descriptor(&v->out_fd);
		v->out_sent += (size_t)n;
	}
	free_out(v);
	return 0;
}

size_t
varlink_unsent(const struct varlink *v)
{
	return v->out_len - v->out_sent;
}
