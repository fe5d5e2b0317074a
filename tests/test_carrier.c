/*
 * test_carrier.c - a modem's carrier, waited for in the driver: its edges are told, nothing is held
 * by the thread that waits, and a driver that does otherwise harms nobody else.
 */
#include "../broker/carrier.h"

#include "serial_rig.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SOON_MS  3000
#define QUIET_MS 100

static struct serial_line *line;
static struct carrier carrier;
static int master, device;

static void
begin(void)
{
	char name[64];

	serial_rig_reset();
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(grantpt(master) | unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, name, sizeof(name)), 0);
	line = serial_rig_plug(master);
	device = open(name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(device, 0);
	carrier_init(&carrier);
}

static int
count(const char *path)
{
	DIR *dir = opendir(path);
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static double
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* . and .., and the main thread. One that has been joined is there a moment longer. */
static void
expect_no_thread(void)
{
	double until = now_ms() + 10000;

	while (count("/proc/self/task") != 3) {
		ck_assert_double_lt(now_ms(), until);
		sched_yield();
	}
}

static bool
is_readable(int within_ms)
{
	struct pollfd p = { .fd = carrier.fd, .events = POLLIN };

	return poll(&p, 1, within_ms) > 0;
}

static void
expect_told(int state)
{
	ck_assert_msg(is_readable(SOON_MS), "nothing is told, but %d is due", state);
	ck_assert_int_eq(carrier_take(&carrier), state);
}

/* A thread that was given up, as the machine had no time for it, comes out by itself. */
static void
start_watching(void)
{
	double until = now_ms() + 10000;
	int error;

	while ((error = carrier_start(&carrier, device)) == -EBUSY && now_ms() < until)
		sched_yield();
	ck_assert_int_eq(error, 0);
}

static void
start(void)
{
	start_watching();
	serial_rig_wait(&line->waits, 1);
}

START_TEST(each_edge_is_told_once)
{
	int i;

	start();
	ck_assert(!is_readable(QUIET_MS)); /* down is what is taken for granted */
	for (i = 0; i < 20; i++) {
		serial_set_inputs(line, TIOCM_CD, i % 2 == 0);
		expect_told(i % 2 == 0);
		serial_rig_wait(&line->waits, 1);
	}
	ck_assert(!is_readable(QUIET_MS));
	carrier_stop(&carrier);
	expect_no_thread();
}
END_TEST

START_TEST(other_lines_are_nothing_to_tell)
{
	start();
	serial_set_inputs(line, TIOCM_CTS | TIOCM_DSR, false);
	serial_set_inputs(line, TIOCM_RI, true);
	ck_assert(!is_readable(QUIET_MS));
	carrier_stop(&carrier);
}
END_TEST

START_TEST(carrier_that_is_up_already_is_told)
{
	serial_set_inputs(line, TIOCM_CD, true);
	ck_assert_int_eq(carrier_start(&carrier, device), 0);
	expect_told(1);
	carrier_stop(&carrier);
}
END_TEST

START_TEST(storm_of_edges_ends_in_what_is_true)
{
	int i;

	start();
	for (i = 0; i < 2001; i++)
		serial_set_inputs(line, TIOCM_CD, i % 2 == 0);
	/* the last edge may have come between the thread's look and its wait */
	ck_assert_int_eq(carrier_check(&carrier), 1);
	serial_set_inputs(line, TIOCM_CD, false);
	ck_assert_int_eq(carrier_check(&carrier), 0);
	carrier_stop(&carrier);
	expect_no_thread();
}
END_TEST

/* _i 1: as an 8250's, which sleeps on through a hang-up. */
START_TEST(stop_ends_the_wait_at_once)
{
	int descriptors = count("/proc/self/fd"), i;
	double begun = now_ms();

	line->sleeps_on = _i == 1;
	for (i = 0; i < 20; i++) {
		start();
		carrier_stop(&carrier);
		expect_no_thread();
		ck_assert_int_eq(line->waits, 0);
	}
	ck_assert_double_lt(now_ms() - begun, SOON_MS);
	ck_assert_int_eq(count("/proc/self/fd"), descriptors);
}
END_TEST

/* It comes before the thread waits, in it, or between two waits. */
START_TEST(stop_at_any_moment_ends_the_thread)
{
	int i;

	for (i = 0; i < 200; i++) {
		start_watching();
		if (i % 3 == 0)
			serial_set_inputs(line, TIOCM_CD, i % 2 == 0);
		carrier_stop(&carrier);
	}
	expect_no_thread();
}
END_TEST

/* A signal that comes just before the wait ends nothing. */
START_TEST(thread_that_did_not_hear_the_signal_is_called_again)
{
	line->dawdle_ms = 400;
	start();
	carrier_stop(&carrier);
	ck_assert_int_ge(carrier.lost, 0);
	expect_no_thread();
	line->dawdle_ms = 0;
	ck_assert_int_eq(carrier_start(&carrier, device), 0);
	ck_assert_int_lt(carrier.lost, 0);
	carrier_stop(&carrier);
	expect_no_thread();
}
END_TEST

START_TEST(hang_up_is_told_by_a_driver_that_ends_the_wait)
{
	start();
	ck_assert_int_eq(ioctl(device, TIOCVHANGUP), 0);
	expect_told(-EIO);
	carrier_stop(&carrier);
	expect_no_thread();
}
END_TEST

START_TEST(hang_up_is_found_where_the_driver_sleeps_on)
{
	line->sleeps_on = true;
	start();
	ck_assert_int_eq(ioctl(device, TIOCVHANGUP), 0);
	ck_assert(!is_readable(QUIET_MS));
	ck_assert_int_eq(carrier_check(&carrier), -EIO);
	carrier_stop(&carrier);
	expect_no_thread();
}
END_TEST

START_TEST(unplugging_ends_the_wait)
{
	start();
	close(master);
	expect_told(-EIO);
	carrier_stop(&carrier);
}
END_TEST

/* _i 0: has no TIOCMIWAIT; 1: no TIOCMGET either. */
START_TEST(driver_that_cannot_tell_says_so)
{
	if (_i == 0)
		line->has_no_wait = true;
	else
		serial_rig_break(line, TIOCMGET, ENOTTY);
	ck_assert_int_eq(carrier_start(&carrier, device), 0);
	while (carrier_take(&carrier) != -ENOTTY)
		ck_assert(is_readable(SOON_MS));
	ck_assert_int_eq(carrier_check(&carrier), -ENOTTY);
	carrier_stop(&carrier);
	expect_no_thread();
}
END_TEST

/* Its thread is given up, and no other is risked before the driver lets it go. */
START_TEST(driver_that_does_not_let_go_costs_a_moment_and_no_more)
{
	double begun;

	start();
	serial_rig_block(line, TIOCMGET); /* with its next look */
	serial_set_inputs(line, TIOCM_CD, true);
	serial_rig_wait(&line->stuck, 1);
	begun = now_ms();
	carrier_stop(&carrier);
	ck_assert_double_lt(now_ms() - begun, 1500);
	ck_assert_int_ge(carrier.lost, 0);
	ck_assert_int_lt(carrier.fd, 0);
	ck_assert_int_eq(carrier_start(&carrier, device), -EBUSY);
	serial_rig_block(line, 0);
	serial_rig_wait(&line->stuck, 0);
	serial_rig_wait(&line->waits, 0);
	start_watching();
	carrier_stop(&carrier);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("carrier");
	TCase *t = tcase_create("carrier");
	SRunner *runner;
	int failed;

	(void)argc;
	serial_rig_main(argv);
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, begin, NULL);
	tcase_add_test(t, each_edge_is_told_once);
	tcase_add_test(t, other_lines_are_nothing_to_tell);
	tcase_add_test(t, carrier_that_is_up_already_is_told);
	tcase_add_test(t, storm_of_edges_ends_in_what_is_true);
	tcase_add_loop_test(t, stop_ends_the_wait_at_once, 0, 2);
	tcase_add_test(t, stop_at_any_moment_ends_the_thread);
	tcase_add_test(t, thread_that_did_not_hear_the_signal_is_called_again);
	if (geteuid() == 0) {
		tcase_add_test(t, hang_up_is_told_by_a_driver_that_ends_the_wait);
		tcase_add_test(t, hang_up_is_found_where_the_driver_sleeps_on);
	} else {
		printf("# SKIP hang-ups: need CAP_SYS_ADMIN\n");
	}
	tcase_add_test(t, unplugging_ends_the_wait);
	tcase_add_loop_test(t, driver_that_cannot_tell_says_so, 0, 2);
	tcase_add_test(t, driver_that_does_not_let_go_costs_a_moment_and_no_more);
	suite_add_tcase(suite, t);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return serial_rig_end(failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
