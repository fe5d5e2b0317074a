/*
 * varlink.c - Varlink on one socket: receiving whole messages, with their descriptors.
 *
 * Responsible for received frames, their limit, and for where descriptors may come from and which
 * message they belong to; varlink_send.c is the other direction. Refuses to know what a message
 * says (varlink_message.c) and how JSON is read (varlink_json.c).
 *
 * The tricky idea: peek before you read. On a stream the kernel glues a plain message and one with
 * a descriptor into a single read, and tells which read a descriptor came with, not which byte.
 * - A client (takes_fds) peeks to find the end of the message and reads exactly up to it. So every
 *   read belongs to one message, and a descriptor that comes with a message's first read is that
 *   message's; one that comes later is an error. A whole message has to be taken before the next.
 * - A server wants no descriptors at all: closing one may block for hours (a lingering TCP socket).
 *   Where the kernel doesn't refuse them at the sender, it peeks without a control buffer:
 *   MSG_CTRUNC says that a descriptor waits, and the peek drops only a copy of the reference. What
 *   it then reads is no more than what was peeked. An out-of-band byte escapes this: a plain read
 *   throws it away unseen, descriptor and all; hence SO_OOBINLINE, which makes it a byte like
 * others.
 */
#include "varlink.h"

#include "varlink_json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define BUFFER_BYTES_MIN ((size_t)1008) /* malloc keeps such small ones at hand */

static bool
kernel_refuses_descriptors(int socket)
{
	int passes = 1;
	socklen_t size = sizeof(passes);

	return getsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &passes, &size) == 0 && passes == 0;
}

void
varlink_init(struct varlink *v, int socket, size_t bytes_max, bool takes_fds)
{
	static const int on = 1;

	*v = (struct varlink){ .socket = socket,
			       .bytes_max = bytes_max,
			       .takes_fds = takes_fds,
			       .peeks = takes_fds || !kernel_refuses_descriptors(socket),
			       .fd = -1,
			       .out_fd = -1 };
	/* Fails only on what is no socket, and then so will everything else. */
	if (v->peeks && !takes_fds)
		(void)setsockopt(socket, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

static void
drop_descriptor(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void
free_in(struct varlink *v)
{
	free(v->in);
	v->in = NULL;
	v->in_start = v->in_len = v->in_size = v->in_scanned = 0;
}

void
varlink_clear(struct varlink *v)
{
	drop_descriptor(&v->fd);
	drop_descriptor(&v->out_fd);
	free_in(v);
	free(v->out);
	v->out = NULL;
	v->out_len = v->out_size = v->out_sent = 0;
}

/* The NUL of the first message not taken; NULL: it isn't whole. Looks at each byte once. */
static char *
message_end(struct varlink *v)
{
	char *end;

	if (v->in_scanned == v->in_len)
		return NULL;
	end = memchr(v->in + v->in_scanned, '\0', v->in_len - v->in_scanned);
	v->in_scanned = end != NULL ? (size_t)(end - v->in) : v->in_len;
	return end;
}

/* Makes room for at least one byte more; the buffer never exceeds one message of the longest. */
static int
make_room_in(struct varlink *v)
{
	size_t limit = v->bytes_max + 1, size;
	char *in;

	if (v->in_start > 0) {
		memmove(v->in, v->in + v->in_start, v->in_len - v->in_start);
		v->in_len -= v->in_start;
		v->in_scanned -= v->in_start;
		v->in_start = 0;
	}
	if (v->in_len == limit)
		return VARLINK_FULL;
	if (v->in_len < v->in_size)
		return 0;
	size = v->in_size == 0 ? BUFFER_BYTES_MIN : v->in_size * 2;
	if (size > limit)
		size = limit;
	in = realloc(v->in, size);
	if (in == NULL)
		return -ENOMEM;
	v->in = in;
	v->in_size = size;
	return 0;
}

/* recvmsg() that never blocks: bytes, 0 at the end, -errno. */
static ssize_t
receive_message(int socket, struct msghdr *msg, int flags)
{
	ssize_t n;

	do
		n = recvmsg(socket, msg, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* How many bytes may be read now, by what can be seen without reading them. */
static ssize_t
peek(struct varlink *v, char *to, size_t room)
{
	struct iovec iov = { .iov_base = to, .iov_len = room };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = receive_message(v->socket, &msg, MSG_PEEK);
	const char *end;

	if (n <= 0)
		return n;
	if (!v->takes_fds)
		return (msg.msg_flags & MSG_CTRUNC) != 0 ? -EPROTO : n;
	end = memchr(to, '\0', (size_t)n);
	return end != NULL ? end + 1 - to : n;
}

/* Takes over the descriptors that came with a read. They are ours from the moment of the read, so
 * each one is either kept as the message's or closed. */
static int
take_descriptors(struct varlink *v, struct msghdr *msg, bool at_start)
{
	bool wrong = (msg->msg_flags & MSG_CTRUNC) != 0, any = false;
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t i, count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < count; i++) {
			wrong = wrong || any || !at_start;
			any = true;
			drop_descriptor(&v->fd);
			memcpy(&v->fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
		}
	}
	if (!wrong)
		return 0;
	drop_descriptor(&v->fd);
	/* There was room for one: that none came means that this process may open no more. */
	return any ? -EPROTO : -EMFILE;
}

static ssize_t
read_bytes(struct varlink *v, char *to, size_t bytes)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = to, .iov_len = bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	int r;

	if (v->takes_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	n = receive_message(v->socket, &msg, 0);
	if (n <= 0 || !v->takes_fds)
		return n;
	r = take_descriptors(v, &msg, v->in_len == 0);
	return r < 0 ? r : n;
}

static int
after_end(const struct varlink *v)
{
	return varlink_is_partial(v) ? -EPROTO : VARLINK_EOF;
}

int
varlink_receive(struct varlink *v)
{
	size_t room;
	ssize_t n;
	char *to;
	int r;

	if (v->takes_fds && message_end(v) != NULL)
		return VARLINK_FULL;
	r = make_room_in(v);
	if (r != 0)
		return r == VARLINK_FULL && message_end(v) == NULL ? -EMSGSIZE : r;
	to = v->in + v->in_len;
	room = v->in_size - v->in_len;
	n = v->peeks ? peek(v, to, room) : (ssize_t)room;
	if (n > 0)
		n = read_bytes(v, to, (size_t)n);
	if (n > 0) {
		v->in_len += (size_t)n;
		return v->in_len > v->bytes_max && message_end(v) == NULL ? -EMSGSIZE : 0;
	}
	r = n == 0 ? after_end(v) : n == -EAGAIN ? VARLINK_AGAIN : (int)n;
	if (v->in_len == 0)
		free_in(v);
	return r;
}

int
varlink_next(struct varlink *v, json_t **message, int *fd)
{
	char *end = message_end(v), *text;
	int r;

	*message = NULL;
	if (fd != NULL)
		*fd = -1;
	if (end == NULL)
		return VARLINK_AGAIN;
	text = v->in + v->in_start;
	r = varlink_json_parse(text, (size_t)(end - text), message);
	v->in_start = v->in_scanned = (size_t)(end + 1 - v->in);
	if (v->in_start == v->in_len)
		free_in(v);
	if (r == 0 && v->fd >= 0 && fd == NULL) {
		json_decref(*message);
		*message = NULL;
		r = -EPROTO;
	}
	if (r == 0 && fd != NULL) {
		*fd = v->fd;
		v->fd = -1;
	}
	drop_descriptor(&v->fd);
	return r;
}

bool
varlink_has_input(const struct varlink *v)
{
	return v->in_len > v->in_start;
}

bool
varlink_is_partial(const struct varlink *v)
{
	return v->in_len > v->in_start && v->in[v->in_len - 1] != '\0';
}
