/*
 * support_line.c - bytes over a pty: reading them soon, is a descriptor dead. Knows no broker.
 */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Between a hang-up and the next open of the slave a master reads EIO and polls as ready: no event
 * tells when that is over. */
size_t
support_read(int fd, void *buffer, size_t size)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	size_t have = 0;
	ssize_t n;

	while (have < size && support_poll(fd, POLLIN, until)) {
		n = read(fd, (char *)buffer + have, size - have);
		if (n == 0)
			break;
		if (n < 0 && errno == EIO && support_now_ms() < until)
			sched_yield();
		else if (n < 0 && errno != EAGAIN)
			break;
		have += n > 0 ? (size_t)n : 0;
	}
	return have;
}

void
support_write(int fd, const void *bytes, size_t size)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	size_t sent = 0;
	ssize_t n;

	while (sent < size) {
		ck_assert(support_poll(fd, POLLOUT, until));
		n = write(fd, (const char *)bytes + sent, size - sent);
		ck_assert_msg(n > 0 || (n < 0 && errno == EAGAIN), "write: %s", strerror(errno));
		sent += n > 0 ? (size_t)n : 0;
	}
}

bool
support_is_dead(int fd)
{
	struct termios t;
	char byte;

	if (tcgetattr(fd, &t) == 0)
		return false;
	ck_assert_int_eq(errno, EIO);
	ck_assert_int_eq(read(fd, &byte, 1), 0);
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(errno, EIO);
	return true;
}

void
support_expect_line(int fd, int master)
{
	char text[8] = "";

	support_write(fd, "ping", 4);
	ck_assert_uint_eq(support_read(master, text, 4), 4);
	ck_assert_str_eq(text, "ping");
	support_write(master, "pong", 4);
	ck_assert_uint_eq(support_read(fd, text, 4), 4);
	ck_assert_str_eq(text, "pong");
}
