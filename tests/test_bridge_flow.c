/*
 * test_bridge_flow.c - bytes through `comlease bridge`: each one once and in order, whoever is
 * slow; flushes.
 */
#include "bridge_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define TOTAL_BYTES (4 * 1024 * 1024)

/* A stream that can be checked at any place. */
static unsigned char
byte_at(size_t at, unsigned seed)
{
	return (unsigned char)((at * 2654435761U + seed) >> 13);
}

struct stream {
	int fd;
	unsigned seed;
	size_t done;
	int nap_every; /* this side is slow: it rests after so many turns */
	int turns;
};

static bool
may_go(struct stream *s)
{
	if (s->done == TOTAL_BYTES)
		return false;
	return s->nap_every == 0 || ++s->turns % s->nap_every != 0;
}

static void
send_some(struct stream *s)
{
	unsigned char bytes[3000];
	size_t size = TOTAL_BYTES - s->done;
	ssize_t n;

	size = size < sizeof(bytes) ? size : sizeof(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(s->done + i, s->seed);
	n = write(s->fd, bytes, size);
	ck_assert(n >= 0 || errno == EAGAIN);
	s->done += n > 0 ? (size_t)n : 0;
}

static void
receive_some(struct stream *s)
{
	unsigned char bytes[2000];
	ssize_t n = read(s->fd, bytes, sizeof(bytes));

	bool is_right = n > 0 || (n < 0 && errno == EAGAIN);

	for (ssize_t i = 0; i < n; i++)
		is_right = bytes[i] == byte_at(s->done++, s->seed) && is_right;
	ck_assert_msg(is_right, "one of the last bytes before %zu is wrong", s->done);
}

static short
wish(bool wishes, short event)
{
	return (short)(wishes ? event : 0);
}

static void
exchange(struct stream *out, struct stream *out_end, struct stream *in, struct stream *in_end)
{
	int64_t until = support_now_ms() + 6 * SUPPORT_SOON_MS;

	while (out_end->done < TOTAL_BYTES || in_end->done < TOTAL_BYTES) {
		struct pollfd fds[] = {
			{ out->fd, wish(may_go(out), POLLOUT) | wish(may_go(in_end), POLLIN), 0 },
			{ in->fd, wish(may_go(in), POLLOUT) | wish(may_go(out_end), POLLIN), 0 },
		};

		ck_assert_msg(support_now_ms() < until, "%zu and %zu bytes have come",
			      out_end->done, in_end->done);
		poll(fds, 2, 5);
		if (fds[0].revents & POLLOUT)
			send_some(out);
		if (fds[1].revents & POLLOUT)
			send_some(in);
		if (fds[1].revents & POLLIN)
			receive_some(out_end);
		if (fds[0].revents & POLLIN)
			receive_some(in_end);
	}
}

/* Who rests: nobody, the device's reader, the program's reader. */
static const int naps[][2] = { { 0, 0 }, { 2, 0 }, { 0, 2 } };

START_TEST(each_byte_comes_once_and_in_order_both_ways_at_once)
{
	bridge_start();
	int fd = bridge_connect();
	struct stream out = { .fd = fd, .seed = 1 }, in = { .fd = bridge_master, .seed = 2 };
	struct stream out_end = { .fd = bridge_master, .seed = 1, .nap_every = naps[_i][0] };
	struct stream in_end = { .fd = fd, .seed = 2, .nap_every = naps[_i][1] };
	int64_t start_ms = support_now_ms();

	exchange(&out, &out_end, &in, &in_end);
	printf("# %d MB each way in %d ms\n", TOTAL_BYTES >> 20,
	       (int)(support_now_ms() - start_ms));
	bridge_expect_nothing(fd, 50);
	bridge_expect_nothing(bridge_master, 50);
	close(fd);
	bridge_stop();
}
END_TEST

/* Until nothing more goes in, which is more than `least`. */
static size_t
fill(int fd, size_t least)
{
	char bytes[1000];
	size_t total = 0;
	ssize_t n;

	memset(bytes, 'j', sizeof(bytes));
	do {
		n = write(fd, bytes, sizeof(bytes));
		total += n > 0 ? (size_t)n : 0;
	} while (n > 0 || support_poll(fd, POLLOUT,
				       support_now_ms() + (total > least ? 200 : SUPPORT_SOON_MS)));
	return total;
}

/* How many junk bytes come before `last`. */
static size_t
count_junk(int fd, char last)
{
	size_t junk = 0;
	char byte = 0;

	while (byte != last) {
		ck_assert_uint_eq(support_read(fd, &byte, 1), 1);
		junk += byte == 'j';
	}
	return junk;
}

START_TEST(program_that_is_stopped_by_the_line_blocks_and_loses_nothing)
{
	bridge_start();
	int fd = bridge_connect();
	size_t junk = fill(fd, 0), half = junk / 2;
	char bytes[32 * 1024];
	ck_assert_uint_lt(junk, 64 * 1024);
	ck_assert_uint_eq(support_read(bridge_master, bytes, half), half);
	support_write(fd, "!", 1);
	ck_assert_uint_eq(count_junk(bridge_master, '!'), junk - half);
	close(fd);
	bridge_stop();
}
END_TEST

/* What a terminal's queue of 4 KiB holds can't be taken back: that of the far end, and that of the
 * pty towards the bridge. */
START_TEST(flushed_output_is_not_sent)
{
	bridge_start();
	int fd = bridge_connect();
	size_t junk = fill(fd, 0);
	ck_assert_int_eq(tcflush(fd, TCOFLUSH), 0);
	usleep(100000);
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK);
	support_write(fd, "!", 1);
	size_t left = count_junk(bridge_master, '!');
	printf("# %zu of %zu bytes were sent after all\n", left, junk);
	ck_assert_uint_lt(left, 10000);
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(flushed_input_is_not_read)
{
	bridge_start();
	int fd = bridge_connect();
	size_t junk = fill(bridge_master, 64 * 1024); /* the bridge's own buffer is full */
	ck_assert_int_eq(tcflush(fd, TCIFLUSH), 0);
	/* the bridge has done so, too; what comes before that it would throw away */
	ck_assert(support_poll(bridge_master, POLLOUT, support_now_ms() + SUPPORT_SOON_MS));
	usleep(100000);
	support_write(bridge_master, "!", 1);
	size_t left = count_junk(fd, '!');
	printf("# %zu of %zu bytes were read after all\n", left, junk);
	ck_assert_uint_lt(left, 5000);
	close(fd);
	bridge_stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bridge_flow");
	TCase *tc = support_case(s, "bytes", bridge_begin);

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, each_byte_comes_once_and_in_order_both_ways_at_once, 0, 3);
	tcase_add_test(tc, program_that_is_stopped_by_the_line_blocks_and_loses_nothing);
	tcase_add_test(tc, flushed_output_is_not_sent);
	tcase_add_test(tc, flushed_input_is_not_read);
	return support_run(s);
}
