/*
 * test_keeper_serial.c - the keeper's back end for real ports, without one: serial_rig.h makes
 * libserialport take a pty for one.
 */
#include "keeper_rig.h"
#include "serial_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define FAST "hangup-ms = 0\n"

static struct serial_line *line;

static void
begin(void)
{
	serial_rig_reset();
	line = serial_rig_any();
}

/* How often libserialport has opened it: without O_CLOEXEC. */
static int
claims(void)
{
	return serial_rig_count(line, SERIAL_OPENED, 0);
}

START_TEST(line_is_set_by_libserialport_and_in_full)
{
	struct termios t;
	int fd;

	rig_ready(FAST "baud = 19200\nflow = rtscts\n");
	fd = rig_open(1, true);
	ck_assert_int_eq(claims(), 1);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B19200);
	ck_assert_uint_eq(t.c_cflag & (CRTSCTS | HUPCL | CLOCAL | CREAD), CRTSCTS | CLOCAL | CREAD);
	ck_assert_uint_eq(t.c_lflag | t.c_oflag | t.c_iflag, 0);
	close(fd);
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

/* Descriptors of the keeper on the line; every one must be close-on-exec, which sp_open() forgets.
 */
static int
keeper_descriptors(void)
{
	char path[64], text[256];
	int fd, file, count = 0;

	for (fd = 0; fd < 64; fd++) {
		memset(text, 0, sizeof(text));
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)rig.keeper, fd);
		if (readlink(path, text, sizeof(text) - 1) < 0 ||
		    strncmp(text, "/dev/pts/", 9) != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)rig.keeper, fd);
		file = open(path, O_RDONLY | O_CLOEXEC);
		ck_assert_int_gt(read(file, text, sizeof(text) - 1), 0);
		close(file);
		ck_assert_int_ne(strtol(strstr(text, "flags:") + 6, NULL, 8) & O_CLOEXEC, 0);
		count++;
	}
	return count;
}

START_TEST(keeper_has_one_description_of_its_own)
{
	rig_ready(FAST);
	ck_assert_int_eq(keeper_descriptors(), 1);
	rig_turnaround(0, LEASE_NONE, false);
	ck_assert_int_eq(keeper_descriptors(), 1);
	rig_end();
}
END_TEST

START_TEST(frame_that_the_device_refuses_is_a_fault_that_names_it)
{
	struct ipc_message m;

	rig_init(FAST "frame = 7E1\n"); /* a pty has eight bits */
	rig_plug();
	rig_start();
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	m = rig_expect(IPC_FAULT);
	ck_assert_msg(strstr(m.text, "frame") != NULL, "%s", m.text);
	rig_end();
}
END_TEST

START_TEST(dtr_is_low_between_leases_and_high_during_one)
{
	double start;
	int fd;

	rig_ready("hangup-ms = 60\n");
	ck_assert_int_eq(line->modem & TIOCM_DTR, 0);
	fd = rig_open(1, true);
	ck_assert_int_ne(line->modem & TIOCM_DTR, 0);
	close(fd);
	rig_expect(IPC_GONE);
	start = rig_now_us();
	rig_turnaround(1, LEASE_RELEASED, false);
	ck_assert_double_ge(rig_now_us() - start, 59e3);
	ck_assert_int_eq(line->modem & TIOCM_DTR, 0);
	rig_end();
}
END_TEST

/* _i: he let go by himself, because he was asked to or not. */
START_TEST(output_is_waited_for_after_an_honest_end)
{
	static const enum lease_reason reasons[] = { LEASE_RELEASED, LEASE_YIELDED, LEASE_EXPIRED,
						     LEASE_PREEMPTED };
	int fd;

	rig_ready(FAST);
	fd = rig_open(1, true);
	line->queued = 1000;
	line->step = 300;
	line->unsent = 3;
	close(fd);
	rig_expect(IPC_GONE);
	rig_ask(IPC_TURNAROUND, 1, reasons[_i], false);
	ck_assert_uint_ge(rig_expect_busy(), 10000);
	rig_expect(IPC_READY);
	ck_assert_int_eq(line->queued, 0);
	ck_assert_int_eq(line->unsent, 0);
	rig_end();
}
END_TEST

START_TEST(transmitter_that_is_never_done_is_waited_for_a_while)
{
	rig_ready(FAST);
	line->unsent = 1 << 30;
	rig_turnaround(1, LEASE_DIED, false);
	rig_end();
}
END_TEST

START_TEST(output_is_not_waited_for_after_a_revocation)
{
	rig_ready(FAST);
	line->queued = 1000;
	rig_turnaround(1, LEASE_REVOKED, true);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_SENT, 1000), 0); /* not even asked */
	rig_end();
}
END_TEST

START_TEST(revocation_cuts_a_drain_short)
{
	double start;
	int fd;

	rig_ready(FAST);
	fd = rig_open(1, true);
	line->queued = 1 << 30;
	line->step = 1;
	start = rig_now_us();
	rig_ask(IPC_TURNAROUND, 1, LEASE_RELEASED, false);
	rig_expect_busy();
	rig_ask(IPC_TURNAROUND, 1, LEASE_REVOKED, true);
	rig_expect(IPC_READY);
	rig_expect(IPC_READY);
	ck_assert_double_lt(rig_now_us() - start, 5e6); /* drain-ms: 10 s */
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(errno, EIO);
	close(fd);
	rig_end();
}
END_TEST

/* _i 0: it never moves, 2 s; 1: it moves, but not in time: drain-ms. */
START_TEST(drain_that_runs_out_is_ended_by_a_revocation)
{
	double start, us;
	int before;

	rig_ready(_i == 0 ? FAST "drain-ms = 20000\n" : FAST "drain-ms = 3000\n");
	before = claims();
	line->queued = 1 << 30;
	line->step = _i;
	start = rig_now_us();
	rig_ask(IPC_TURNAROUND, 1, LEASE_RELEASED, false);
	rig_expect_busy();
	while (rig_now_us() - start < 0.5e6)
		rig_expect_quiet();
	rig_expect(IPC_READY);
	us = rig_now_us() - start;
	ck_assert_double_ge(us, _i == 0 ? 1.99e6 : 2.99e6);
	ck_assert_double_lt(us, 15e6);
	ck_assert_int_gt(claims(), before); /* hung up, and opened anew */
	rig_end();
}
END_TEST

START_TEST(attaching_touches_nothing_of_a_line)
{
	struct termios before, after;
	int fd, is_exclusive = -1;
	char node[64];

	rig_init("hangup-ms = 20\n");
	rig_plug();
	ck_assert_int_eq(ptsname_r(rig.master, node, sizeof(node)), 0);
	fd = open(node, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(tcgetattr(fd, &before), 0);
	before.c_cflag |= HUPCL;
	before.c_iflag |= ICRNL | IXANY;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &before), 0);
	ck_assert_int_eq(write(rig.master, "call", 4), 4);
	ck_assert_uint_eq(rig_start().flag, 1);
	rig_expect_quiet();
	ck_assert_int_eq(claims(), 0); /* no sp_open(), which changes settings */
	ck_assert_int_eq(tcgetattr(fd, &after), 0);
	ck_assert_uint_eq(after.c_cflag, before.c_cflag);
	ck_assert_uint_eq(after.c_iflag, before.c_iflag);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
	ck_assert_uint_eq(after.c_oflag, before.c_oflag);
	ck_assert_int_eq(ioctl(fd, TIOCGEXCL, &is_exclusive), 0);
	ck_assert_int_eq(is_exclusive, 0);
	ck_assert_int_ne(line->modem & TIOCM_DTR, 0);
	ck_assert_int_eq(rig_count_locks(), 0);
	close(fd);
	rig_end();
}
END_TEST

START_TEST(identity_on_usb_is_told)
{
	serial_rig_make_usb(line);
	rig_init(FAST);
	rig_plug();
	rig_start();
	ck_assert_str_eq(rig_expect(IPC_IDENTITY).text, "usb:0403:6001");
	rig_unplug();
	rig_expect(IPC_ABSENT);
	rig_plug();
	rig_expect(IPC_PRESENT);
	ck_assert_str_eq(rig_expect(IPC_IDENTITY).text, "usb:0403:6001");
	rig_reconnect();
	ck_assert_str_eq(rig_expect(IPC_IDENTITY).text, "usb:0403:6001");
	rig_end();
}
END_TEST

/* _i 1: he keeps his descriptor and is revoked, and DTR does not fall. */
START_TEST(kept_line_keeps_its_speed_and_dtr)
{
	struct termios t;
	int fd, next;

	rig_ready("hangup-ms = 60\n");
	fd = rig_open(1, true);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	cfsetspeed(&t, B2400);
	t.c_cflag |= HUPCL;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
	serial_rig_mark();
	if (_i == 0) {
		close(fd);
		rig_expect(IPC_GONE);
	}
	rig_turnaround(1, LEASE_RELEASED, IPC_TURN_KEEP);
	ck_assert_int_eq(write(rig.master, "data", 4), 4);
	next = rig_open(2, true);
	ck_assert_int_eq(tcgetattr(next, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B2400);
	ck_assert_uint_eq(t.c_cflag & HUPCL, _i == 1 ? 0 : HUPCL);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_DTR, 0), 0);
	if (_i == 1) {
		ck_assert_int_eq(write(fd, "x", 1), -1);
		close(fd);
	}
	close(next);
	rig_expect(IPC_GONE);
	rig_turnaround(2, LEASE_RELEASED, 0);
	next = rig_open(3, true);
	ck_assert_int_eq(tcgetattr(next, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B115200);
	ck_assert_int_gt(serial_rig_count(line, SERIAL_DTR, 0), 0);
	close(next);
	rig_end();
}
END_TEST

/* What was written is drained first, and revoked then, though nothing is listed. */
START_TEST(drained_revocation_waits_for_the_drain)
{
	int before;

	rig_ready(FAST);
	before = claims();
	line->queued = 1000;
	line->step = 300;
	rig_ask(IPC_TURNAROUND, 1, LEASE_REVOKED, IPC_TURN_DRAINED);
	ck_assert_uint_ge(rig_expect_busy(), 10000);
	rig_expect(IPC_READY);
	ck_assert_int_eq(line->queued, 0);
	ck_assert_int_gt(claims(), before);
	rig_end();
}
END_TEST

/* Hung up by somebody else while it is free: what the keeper has afterwards is listened to, and is
 * locked for others. */
START_TEST(idle_port_that_is_hung_up_is_still_watched_and_locked)
{
	struct termios t;
	int i, fd;

	rig_ready(FAST);
	for (i = 0; i < 2; i++) {
		fd = open(rig.device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		ck_assert_int_eq(ioctl(fd, TIOCVHANGUP), 0);
		close(fd);
		rig_expect_quiet();
		fd = open(rig.device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), -1);
		ck_assert_int_eq(tcgetattr(fd, &t), 0);
		ck_assert_uint_eq(t.c_lflag, 0); /* repaired: it was noticed */
		close(fd);
	}
	ck_assert_int_eq(keeper_descriptors(), 1);
	rig_unplug();
	rig_expect(IPC_ABSENT);
	rig_end();
}
END_TEST

START_TEST(live_lease_is_not_disturbed_by_a_new_keeper)
{
	struct termios before, after;
	int fd;

	rig_ready("hangup-ms = 20\n");
	fd = rig_open(1, true);
	ck_assert_int_eq(tcgetattr(fd, &before), 0);
	before.c_lflag |= ECHO | ICANON;
	before.c_iflag |= ICRNL;
	before.c_cflag |= HUPCL;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &before), 0);
	rig_kill_keeper();
	ck_assert_uint_eq(rig_start().token, 1);
	ck_assert_int_eq(claims(), 1); /* libserialport has not touched it again */
	ck_assert_int_eq(tcgetattr(fd, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
	ck_assert_uint_eq(after.c_iflag, before.c_iflag);
	ck_assert_uint_eq(after.c_cflag, before.c_cflag);
	close(fd);
	rig_expect(IPC_GONE);
	rig_turnaround(1, LEASE_RELEASED, false);
	ck_assert_int_eq(claims(), 2);
	fd = rig_open(2, true);
	ck_assert_int_eq(tcgetattr(fd, &after), 0);
	ck_assert_uint_eq(after.c_lflag | after.c_iflag, 0);
	ck_assert_uint_eq(after.c_cflag & HUPCL, 0);
	rig_unplug(); /* the description that took over is listened to */
	rig_expect(IPC_ABSENT);
	close(fd);
	rig_end();
}
END_TEST

int
main(int argc, char **argv)
{
	TCase *t = tcase_create("serial"), *root = tcase_create("revocation");

	(void)argc;
	serial_rig_main(argv);

	tcase_add_checked_fixture(t, begin, NULL);
	tcase_add_checked_fixture(root, begin, NULL);
	tcase_add_test(t, line_is_set_by_libserialport_and_in_full);
	tcase_add_test(t, keeper_has_one_description_of_its_own);
	tcase_add_test(t, frame_that_the_device_refuses_is_a_fault_that_names_it);
	tcase_add_test(t, dtr_is_low_between_leases_and_high_during_one);
	tcase_add_loop_test(t, output_is_waited_for_after_an_honest_end, 0, 4);
	tcase_add_test(t, transmitter_that_is_never_done_is_waited_for_a_while);
	tcase_add_test(t, attaching_touches_nothing_of_a_line);
	tcase_add_test(t, identity_on_usb_is_told);
	tcase_add_loop_test(t, kept_line_keeps_its_speed_and_dtr, 0, 1);
	tcase_add_loop_test(root, kept_line_keeps_its_speed_and_dtr, 1, 2);
	tcase_add_test(root, idle_port_that_is_hung_up_is_still_watched_and_locked);
	tcase_add_test(root, drained_revocation_waits_for_the_drain);
	tcase_add_test(t, live_lease_is_not_disturbed_by_a_new_keeper);
	tcase_add_test(root, output_is_not_waited_for_after_a_revocation);
	tcase_add_test(root, revocation_cuts_a_drain_short);
	tcase_add_loop_test(root, drain_that_runs_out_is_ended_by_a_revocation, 0, 2);
	return serial_rig_end(rig_run("keeper_serial", t, root));
}
