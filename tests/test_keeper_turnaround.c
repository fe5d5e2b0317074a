/*
 * test_keeper_turnaround.c - what a keeper does between two leases: nothing that was written is
 * lost, nothing that a holder set is left, and what waits can be interrupted.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST "hangup-ms = 0\n"

START_TEST(bytes_written_before_close_all_arrive)
{
	char out[4096], in[4096];
	uint64_t token;
	size_t i;
	int fd;

	rig_ready(FAST);
	for (i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 7 + i / 256);
	for (token = 1; token <= 100; token++) {
		fd = rig_open(token, true);
		ck_assert_int_eq(write(fd, out, sizeof(out)), sizeof(out));
		close(fd);
		rig_expect(IPC_GONE);
		rig_turnaround(token, LEASE_RELEASED, false);
		ck_assert_uint_eq(rig_read_master(in, sizeof(in)), sizeof(in));
		ck_assert_mem_eq(in, out, sizeof(in));
	}
	rig_end();
}
END_TEST

static void
assert_clean(int fd)
{
	struct termios t;
	char c;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B115200);
	ck_assert_uint_eq(t.c_lflag, 0);
	ck_assert_uint_eq(t.c_oflag, 0);
	ck_assert_uint_eq(t.c_iflag, 0);
	ck_assert_int_eq(t.c_cc[VMIN], 1);
	ck_assert_int_eq(read(fd, &c, 1), -1); /* no input of before */
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(write(fd, "clean", 5), 5); /* not stopped */
}

/* The master takes what is there, and nothing has come back to it as an echo. */
static void
assert_only(const char *expected)
{
	char buffer[64] = "";

	ck_assert_uint_eq(rig_read_master(buffer, strlen(expected)), strlen(expected));
	ck_assert_str_eq(buffer, expected);
	ck_assert_int_eq(read(rig.master, buffer, sizeof(buffer)), -1);
}

/* _i & 1: he keeps his descriptor and is revoked; _i & 2: the line is idled at B0 between leases.
 */
START_TEST(line_of_a_bad_holder_is_clean_at_the_next_grant)
{
	struct termios t;
	int bad, fd;

	rig_ready((_i & 2) != 0 ? "hangup-ms = 20\n" : FAST);
	bad = rig_open(1, true);
	ck_assert_int_eq(tcgetattr(bad, &t), 0);
	t.c_lflag = ICANON | ECHO | ISIG;
	t.c_iflag = ICRNL | IXON;
	t.c_oflag = OPOST | ONLCR;
	t.c_cc[VMIN] = 99;
	cfsetspeed(&t, B1800);
	ck_assert_int_eq(tcsetattr(bad, TCSANOW, &t), 0);
	ck_assert_int_eq(ioctl(bad, TIOCEXCL), 0);
	ck_assert_int_eq(write(rig.master, "stale", 5), 5);
	assert_only("stale"); /* echoed: it has been taken in */
	ck_assert_int_eq(tcflow(bad, TCOOFF), 0);
	if ((_i & 1) == 0) {
		close(bad);
		rig_expect(IPC_GONE);
	}
	rig_turnaround(1, (_i & 1) != 0 ? LEASE_REVOKED : LEASE_RELEASED, (_i & 1) != 0);
	fd = rig_open(2, true);
	assert_clean(fd);
	assert_only("clean");
	close(fd);
	rig_end();
}
END_TEST

static speed_t
master_speed(void)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(rig.master, &t), 0);
	return cfgetospeed(&t);
}

START_TEST(idle_line_is_down_and_a_grant_brings_it_up)
{
	double start;
	int fd;

	rig_ready("hangup-ms = 60\nbaud = 9600\n");
	ck_assert_uint_eq(master_speed(), B0);
	fd = rig_open(1, true);
	ck_assert_uint_eq(master_speed(), B9600);
	close(fd);
	rig_expect(IPC_GONE);
	start = rig_now_us();
	rig_turnaround(1, LEASE_RELEASED, false);
	ck_assert_double_ge(rig_now_us() - start, 59e3);
	ck_assert_uint_eq(master_speed(), B0);
	rig_end();
}
END_TEST

START_TEST(revocation_joins_a_turnaround_that_waits)
{
	uint64_t first, second;

	rig_ready("hangup-ms = 1000\n");
	first = rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	ck_assert_uint_eq(rig_expect_busy(), 1000);
	second = rig_ask(IPC_TURNAROUND, 0, LEASE_REVOKED, true);
	ck_assert_uint_eq(rig_expect(IPC_READY).id, first);
	ck_assert_uint_eq(rig_expect(IPC_READY).id, second);
	rig_end();
}
END_TEST

/* The new broker does not know that it takes long, and would call the keeper late. */
START_TEST(new_broker_is_told_how_long_a_turnaround_still_takes)
{
	rig_init(FAST "settle-ms = 20000\n");
	rig_plug();
	rig_start();
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	ck_assert_uint_eq(rig_expect_busy(), 20000);
	rig_reconnect();
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	ck_assert_uint_ge(rig_expect_busy(), 15000);
	rig_end();
}
END_TEST

START_TEST(end_of_the_supervisor_ends_a_turnaround_that_waits)
{
	double start = rig_now_us();

	rig_init(FAST "settle-ms = 60000\n");
	rig_plug();
	rig_start();
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	ck_assert_uint_eq(rig_expect_busy(), 60000);
	rig_end();
	ck_assert_double_lt(rig_now_us() - start, 5e6);
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("turnaround"), *root = tcase_create("revocation");

	tcase_add_test(t, bytes_written_before_close_all_arrive);
	tcase_add_test(t, idle_line_is_down_and_a_grant_brings_it_up);
	tcase_add_test(t, new_broker_is_told_how_long_a_turnaround_still_takes);
	tcase_add_test(t, end_of_the_supervisor_ends_a_turnaround_that_waits);
	tcase_add_loop_test(root, line_of_a_bad_holder_is_clean_at_the_next_grant, 0, 4);
	tcase_add_test(root, revocation_joins_a_turnaround_that_waits);
	return rig_run("keeper_turnaround", t, root);
}
