/*
 * test_bridge_standby.c - a program at a bridge in standby stays attached while somebody else has
 * the port.
 */
#include "bridge_rig.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

START_TEST(program_stays_attached_while_somebody_else_has_the_port)
{
	struct support_client other;
	char text[5] = "";

	bridge_start_with("--standby", NULL);
	int fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	support_queue(&other, "modem0", NULL);
	int theirs = support_granted(&other, NULL);
	support_write(fd, "later", 5);
	support_expect_line(theirs, bridge_master);
	bridge_expect_nothing(bridge_master, 100);
	bridge_expect_nothing(fd, 0);
	close(theirs);
	support_close(&other);
	ck_assert_uint_eq(support_read(bridge_master, text, 5), 5);
	ck_assert_int_eq(memcmp(text, "later", 5), 0);
	support_expect_line(fd, bridge_master);
	close(fd);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

START_TEST(port_comes_back_behind_everybody_else)
{
	struct support_client first, second;

	bridge_start_with("--standby", NULL);
	int fd = bridge_connect();
	support_queue(&first, "modem0", NULL);
	int theirs = support_granted(&first, NULL);
	support_queue(&second, "modem0", NULL);
	close(theirs);
	theirs = support_granted(&second, NULL);
	support_expect_line(theirs, bridge_master);
	close(theirs);
	support_close(&first);
	support_close(&second);
	support_write(fd, "x", 1);
	bridge_expect(bridge_master, "x");
	close(fd);
	bridge_stop();
}
END_TEST

/* Writes rising numbers for as long as it is not told to stop, and then says how many. */
static void
count_up(struct support_child *test, void *argument)
{
	unsigned *total = argument;
	char line[16];

	int fd = bridge_open();
	support_say(test, 'o');
	while (!support_poll(test->hear, POLLIN, support_now_ms() + 1)) {
		for (int i = 0; i < 50; i++) {
			snprintf(line, sizeof(line), "%07u\n", (*total)++);
			support_write(fd, line, 8);
		}
	}
	dprintf(test->say, "%u\n", *total);
	support_hear(test);
	support_hear(test);
	close(fd);
}

static unsigned lines_read;

/* Reads on, and each line must be the next one. */
static void
check_lines(int for_ms, unsigned up_to)
{
	static char line[9];
	static size_t have;
	int64_t until = support_now_ms() + for_ms;
	char wanted[16];

	while (lines_read < up_to && support_poll(bridge_master, POLLIN, until)) {
		ssize_t n = read(bridge_master, line + have, 8 - have);
		if (n < 0)
			ck_assert(errno == EIO || errno == EAGAIN);
		have += n > 0 ? (size_t)n : 0;
		if (have < 8)
			continue;
		snprintf(wanted, sizeof(wanted), "%07u\n", lines_read++);
		ck_assert_str_eq(line, wanted);
		have = 0;
	}
}

START_TEST(no_byte_is_lost_or_doubled_when_the_port_goes_and_comes)
{
	struct support_child program;
	unsigned total = 0;

	bridge_start_with("--standby", NULL);
	support_fork(&program, count_up, &total, -1);
	ck_assert_int_eq(support_hear(&program), 'o');
	for (int i = 0; i < 15; i++) {
		check_lines(40, ~0U);
		struct support_client other;
		support_queue(&other, "modem0", NULL);
		check_lines(5, ~0U);
		int theirs = support_granted(&other, NULL);
		check_lines(10, ~0U);
		close(theirs);
		support_close(&other);
	}
	support_say(&program, 's');
	ck_assert_int_eq(sscanf(support_hear_line(&program), "%u", &total), 1);
	check_lines(SUPPORT_SOON_MS, total);
	ck_assert_uint_eq(lines_read, total);
	ck_assert_uint_gt(total, 1000);
	support_say(&program, 's');
	support_finish(&program);
	ck_assert_int_ge(support_log_count("end port=modem0 .*reason=yielded"), 10);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

/* Nobody reads at the far end: what the bridge has taken can't go before the port has to. */
START_TEST(what_can_not_be_sent_before_the_port_goes_is_sent_when_it_is_back)
{
	struct support_client other;
	size_t sent = 0, got = 0;
	char bytes[1000];
	ssize_t n;

	memset(bytes, 'j', sizeof(bytes));
	bridge_start_with("--standby", "--yield-grace", "4", NULL);
	int fd = bridge_connect();
	do {
		n = write(fd, bytes, sizeof(bytes));
		sent += n > 0 ? (size_t)n : 0;
	} while (n > 0 || support_poll(fd, POLLOUT, support_now_ms() + 200));
	support_queue(&other, "modem0", NULL);
	int theirs = support_granted(&other, NULL);
	close(theirs);
	support_close(&other);
	support_log_wait("end port=modem0 .*reason=yielded");
	while (got < sent && (n = (ssize_t)support_read(bridge_master, bytes, 1)) > 0)
		got += (size_t)n;
	ck_assert_uint_eq(got, sent);
	support_expect_line(fd, bridge_master);
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(line_settings_are_back_with_the_port)
{
	struct support_client other;
	struct termios t;

	bridge_start_with("--standby", NULL);
	int fd = bridge_connect();
	tcgetattr(fd, &t);
	cfsetspeed(&t, B19200);
	tcsetattr(fd, TCSANOW, &t);
	bridge_wait_speed(B19200);
	support_queue(&other, "modem0", NULL);
	int theirs = support_granted(&other, NULL);
	tcgetattr(theirs, &t);
	ck_assert_uint_ne(cfgetospeed(&t), B19200);
	close(theirs);
	support_close(&other);
	bridge_wait_speed(B19200);
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(program_can_be_told_who_has_the_port)
{
	struct support_client other;
	char text[512];

	bridge_start_with("--standby", "--announce", NULL);
	int fd = bridge_connect();
	support_queue(&other, "modem0", NULL);
	int theirs = support_granted(&other, NULL);
	snprintf(text, sizeof(text), "\r\n[comlease: modem0 is held by test_bridge_sta (pid %d, u",
		 (int)other.stranger.pid);
	bridge_expect(fd, text);
	close(theirs);
	support_close(&other);
	for (char c = 0; c != '\n';)
		ck_assert_uint_eq(support_read(fd, &c, 1), 1);
	bridge_expect(fd, "\r\n[comlease: modem0 is here]\r\n");
	support_expect_line(fd, bridge_master);
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(program_that_closes_while_the_port_is_away_leaves_the_queue)
{
	struct support_client other;

	bridge_start_with("--standby", NULL);
	int fd = bridge_connect();
	support_queue(&other, "modem0", NULL);
	int theirs = support_granted(&other, NULL);
	support_wait_port("modem0", "held", 1);
	close(fd);
	support_wait_port("modem0", "held", 0);
	close(theirs);
	support_close(&other);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

START_TEST(bridge_that_is_not_in_standby_keeps_the_port)
{
	struct support_client other;

	bridge_start();
	int fd = bridge_connect();
	support_queue(&other, "modem0", NULL);
	support_expect_silence(&other, 200);
	support_expect_line(fd, bridge_master);
	close(fd);
	close(support_granted(&other, NULL));
	support_close(&other);
	bridge_stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bridge_standby");
	TCase *tc = support_case(s, "standby", bridge_begin);

	tcase_add_test(tc, program_stays_attached_while_somebody_else_has_the_port);
	tcase_add_test(tc, port_comes_back_behind_everybody_else);
	tcase_add_test(tc, no_byte_is_lost_or_doubled_when_the_port_goes_and_comes);
	tcase_add_test(tc, what_can_not_be_sent_before_the_port_goes_is_sent_when_it_is_back);
	tcase_add_test(tc, line_settings_are_back_with_the_port);
	tcase_add_test(tc, program_can_be_told_who_has_the_port);
	tcase_add_test(tc, program_that_closes_while_the_port_is_away_leaves_the_queue);
	tcase_add_test(tc, bridge_that_is_not_in_standby_keeps_the_port);
	return support_run(s);
}
