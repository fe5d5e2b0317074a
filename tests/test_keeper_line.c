/*
 * test_keeper_line.c - what a keeper sees of a live lease's line (activity, idleness, carrier),
 * what it does with a lease that lingers or whose line is kept, and what it keeps for its broker.
 */
#include "keeper_rig.h"
#include "serial_rig.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define FAST "hangup-ms = 0\n"

static void
expect_line(uint64_t token, unsigned flag)
{
	struct ipc_message m = rig_expect(IPC_LINE);

	ck_assert_uint_eq(m.token, token);
	ck_assert_uint_eq(m.flag, flag);
}

/* ---- activity ---- */

/* _i 0: a byte goes out, 1: one comes in. */
START_TEST(activity_is_told_once_and_so_is_its_end)
{
	double start;
	char c;
	int fd, i;

	rig_ready(FAST "busy-by = activity:1\n");
	fd = rig_open(1, true);
	rig_expect_quiet();
	start = rig_now_us();
	for (i = 0; i < 10; i++) {
		if (_i == 0) {
			ck_assert_int_eq(write(fd, "x", 1), 1);
		} else {
			ck_assert_int_eq(write(rig.master, "x", 1), 1);
			while (read(fd, &c, 1) != 1)
				;
		}
	}
	expect_line(1, IPC_LINE_ACTIVE);
	expect_line(1, 0);
	ck_assert_double_ge(rig_now_us() - start, 990e3);
	ck_assert_double_lt(rig_now_us() - start, 9000e3);
	rig_expect_quiet();
	ck_assert_int_eq(write(fd, "x", 1), 1);
	expect_line(1, IPC_LINE_ACTIVE);
	close(fd);
	rig_expect(IPC_GONE);
	rig_expect_quiet();
	fd = rig_open(2, true); /* nothing of the lease before */
	rig_expect_quiet();
	close(fd);
	rig_end();
}
END_TEST

START_TEST(activity_that_goes_on_is_not_ended)
{
	struct ipc_message m;
	int i, fd, none;

	rig_ready(FAST "busy-by = activity:3\n");
	fd = rig_open(1, true);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	expect_line(1, IPC_LINE_ACTIVE);
	for (i = 0; i < 5; i++) {
		ck_assert(!rig_next(&m, &none, 1000));
		ck_assert_int_eq(write(fd, "x", 1), 1);
	}
	close(fd);
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

START_TEST(idle_line_is_told_once_and_so_is_its_end)
{
	double start;
	int fd;

	rig_ready(FAST "idle-timeout = 1\n");
	start = rig_now_us();
	fd = rig_open(1, true);
	expect_line(1, IPC_LINE_IDLE);
	ck_assert_double_ge(rig_now_us() - start, 990e3);
	rig_expect_quiet();
	/* input that nobody reads is no use of the line */
	ck_assert_int_eq(write(rig.master, "x", 1), 1);
	rig_expect_quiet();
	ck_assert_int_eq(write(fd, "x", 1), 1);
	expect_line(1, 0);
	rig_reconnect();
	rig_expect_quiet();
	expect_line(1, IPC_LINE_IDLE);
	rig_reconnect();
	expect_line(1, IPC_LINE_IDLE);
	close(fd);
	rig_end();
}
END_TEST

/* ---- carrier ---- */

/* The keeper's threads. */
static int
keeper_threads(void)
{
	char command[80];
	FILE *pipe;
	int n = -1;

	snprintf(command, sizeof(command), "ls /proc/%d/task | wc -l", (int)rig.keeper);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%d", &n), 1);
	pclose(pipe);
	return n;
}

START_TEST(carrier_is_told_by_its_edges)
{
	struct serial_line *line = serial_rig_any();
	int fd;

	rig_ready(FAST "busy-by = dcd\n");
	fd = rig_open(1, true);
	rig_expect_quiet();
	serial_set_inputs(line, TIOCM_CD, true);
	expect_line(1, IPC_LINE_CARRIER);
	rig_expect_quiet();
	rig_reconnect();
	expect_line(1, IPC_LINE_CARRIER);
	serial_set_inputs(line, TIOCM_CD, false);
	expect_line(1, 0);
	serial_set_inputs(line, TIOCM_CD, true);
	expect_line(1, IPC_LINE_CARRIER);
	close(fd);
	rig_expect(IPC_GONE);
	rig_turnaround(1, LEASE_RELEASED, 0);
	ck_assert_int_eq(keeper_threads(), 1);
	ck_assert_int_eq(line->waits, 0);
	fd = rig_open(2, true); /* it is up already */
	expect_line(2, IPC_LINE_CARRIER);
	close(fd);
	rig_end();
}
END_TEST

START_TEST(carrier_that_waits_does_not_hold_an_unplugged_device)
{
	struct serial_line *line = serial_rig_any();
	int fd;

	rig_ready(FAST "busy-by = dcd\n");
	fd = rig_open(1, true);
	rig_expect_quiet();
	ck_assert_int_eq(line->waits, 1);
	rig_unplug();
	rig_expect(IPC_ABSENT);
	ck_assert_int_eq(keeper_threads(), 1);
	close(fd);
	rig_plug();
	rig_expect(IPC_PRESENT);
	rig_turnaround(0, LEASE_NONE, 0);
	fd = rig_open(2, true);
	serial_set_inputs(line, TIOCM_CD, true);
	expect_line(2, IPC_LINE_CARRIER);
	rig_end(); /* and not the keeper's end */
	close(fd);
}
END_TEST

/* _i 0: a pty, 1: a port whose driver can't wait. */
START_TEST(device_that_cannot_tell_its_carrier_is_used_without)
{
	int fd;

	if (_i == 1)
		serial_rig_any()->has_no_wait = true;
	rig_ready(FAST "busy-by = dcd\n");
	fd = rig_open(1, true);
	rig_expect_quiet();
	ck_assert_int_eq(keeper_threads(), 1);
	close(fd);
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

/* ---- linger, keep, memo ---- */

START_TEST(lingering_lease_can_be_opened_again)
{
	struct ipc_message m;
	struct termios t;
	int fd;

	rig_ready(FAST "linger-ms = 500\n");
	fd = rig_open(1, true);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	cfsetspeed(&t, B2400);
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
	close(fd);
	m = rig_expect(IPC_GONE);
	ck_assert_uint_eq(m.flag, 0);
	fd = rig_open(1, false); /* and its COUNT */
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B2400);
	close(fd);
	rig_expect(IPC_GONE);
	rig_expect_quiet();
	rig_turnaround(1, LEASE_RELEASED, 0);
	rig_ask(IPC_OPEN, 1, 0, 0);
	ck_assert_int_eq(rig_expect(IPC_OPENED).error, ESTALE);
	close(rig_open(2, true));
	rig_expect(IPC_GONE);
	ck_assert_uint_eq(rig_reconnect().token, 0);
	rig_end();
}
END_TEST

/* _i 1: the old holder keeps his descriptor, and is revoked. */
START_TEST(kept_line_of_a_pty_is_as_it_was)
{
	struct termios t;
	char buffer[8];
	int fd, next;

	rig_ready("hangup-ms = 20\nquiet-ms = 20\nlinger-ms = 1000\n");
	fd = rig_open(1, true);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	cfsetspeed(&t, B2400);
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
	if (_i == 0) {
		ck_assert_int_eq(write(rig.master, "CALL", 4), 4);
		close(fd);
		rig_expect(IPC_GONE);
	}
	rig_turnaround(1, LEASE_RELEASED, IPC_TURN_KEEP | (_i == 1 ? IPC_TURN_REVOKE : 0));
	next = rig_open(2, true);
	ck_assert_int_eq(tcgetattr(next, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B2400);
	ck_assert_uint_eq(t.c_lflag, 0); /* not cooked by the hang-up */
	if (_i == 0)
		ck_assert_int_eq(read(next, buffer, sizeof(buffer)), 4);
	else
		ck_assert_int_eq(write(fd, "x", 1), -1);
	if (_i == 1)
		close(fd);
	close(next);
	rig_end();
}
END_TEST

START_TEST(memo_is_given_back_to_a_new_broker)
{
	rig_ready(FAST);
	rig_tell(IPC_MEMO, 0, 0, "disabled=1 reason=repair");
	close(rig_open(1, true));
	rig_expect(IPC_GONE);
	rig_reconnect();
	ck_assert_str_eq(rig_expect(IPC_MEMO).text, "disabled=1 reason=repair");
	rig_tell(IPC_MEMO, 0, 0, "");
	close(rig_open(2, true));
	rig_expect(IPC_GONE);
	rig_reconnect();
	rig_expect_quiet();
	rig_end();
}
END_TEST

int
main(int argc, char **argv)
{
	TCase *t = tcase_create("line"), *root = tcase_create("revocation");

	(void)argc;
	serial_rig_main(argv);
	tcase_add_checked_fixture(t, serial_rig_reset, NULL);
	tcase_add_checked_fixture(root, serial_rig_reset, NULL);

	tcase_add_loop_test(t, activity_is_told_once_and_so_is_its_end, 0, 2);
	tcase_add_test(t, activity_that_goes_on_is_not_ended);
	tcase_add_test(t, idle_line_is_told_once_and_so_is_its_end);
	tcase_add_test(t, carrier_is_told_by_its_edges);
	tcase_add_test(t, carrier_that_waits_does_not_hold_an_unplugged_device);
	tcase_add_loop_test(t, device_that_cannot_tell_its_carrier_is_used_without, 0, 2);
	tcase_add_test(t, lingering_lease_can_be_opened_again);
	tcase_add_loop_test(t, kept_line_of_a_pty_is_as_it_was, 0, 1);
	tcase_add_loop_test(root, kept_line_of_a_pty_is_as_it_was, 1, 2);
	tcase_add_test(t, memo_is_given_back_to_a_new_broker);
	return serial_rig_end(rig_run("keeper_line", t, root));
}
