/*
 * varlink_pair.c - what the tests of the Varlink codec share: both ends of one connection.
 */
#include "varlink_pair.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CLOSED_MS 3000 /* less than Check gives a test */

struct varlink broker, client;
int pair[2];
static int fds_before;

static int
count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

void
pair_open(void)
{
	fds_before = count_fds();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	varlink_init(&broker, pair[0], VARLINK_REQUEST_BYTES_MAX, false);
	varlink_init(&client, pair[1], VARLINK_REPLY_BYTES_MAX, true);
}

void
pair_close(void)
{
	varlink_clear(&broker);
	varlink_clear(&client);
	close(pair[0]);
	close(pair[1]);
	ck_assert_int_eq(count_fds(), fds_before);
}

/* Sends bytes as one message of the socket, with count descriptors. */
ssize_t
send_raw(int socket, const void *bytes, size_t len, const int *fds, size_t count, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (void *)(size_t)bytes, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (count > 0) {
		struct cmsghdr *c = &control.align;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, count * sizeof(int));
	}
	return sendmsg(socket, &msg, MSG_NOSIGNAL | flags);
}

/* The next message has {"n": n}, and a descriptor or none. Returns it. */
int
expect(struct varlink *v, int n, bool with_fd)
{
	json_t *message;
	int fd;

	ck_assert_int_eq(varlink_next(v, &message, &fd), 0);
	ck_assert_int_eq(json_integer_value(json_object_get(message, "n")), n);
	json_decref(message);
	ck_assert(with_fd == (fd >= 0));
	return fd;
}

void
expect_none(struct varlink *v)
{
	json_t *message;
	int fd;

	ck_assert_int_eq(varlink_next(v, &message, &fd), VARLINK_AGAIN);
	ck_assert_ptr_null(message);
	ck_assert_int_eq(fd, -1);
}

/* {"n":7,"s":"xxx"} of len bytes in all and its NUL. */
char *
long_message(size_t len)
{
	static const char head[] = "{\"n\":7,\"s\":\"";
	char *text = malloc(len + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, 'x', len);
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + len - 2, "\"}", 3);
	return text;
}

int
receive_all(struct varlink *v)
{
	int r;

	while ((r = varlink_receive(v)) == 0)
		;
	return r;
}

/* A pipe whose reading end tells whether the writing end is still open anywhere. */
bool
is_open_elsewhere(int reading_end)
{
	char byte;

	return read(reading_end, &byte, 1) < 0 && errno == EAGAIN;
}

bool
is_closed_elsewhere(int reading_end)
{
	struct pollfd end = { .fd = reading_end, .events = POLLIN };

	return poll(&end, 1, CLOSED_MS) == 1 && end.revents == POLLHUP;
}

void
make_pipe(int ends[2])
{
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
}
