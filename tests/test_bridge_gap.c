/*
 * test_bridge_gap.c - `comlease bridge`: programs that come and go between two of its system calls.
 * The bridge stops where the test wants it to (preload_halt.c).
 */
#include "bridge_rig.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define ENDED   "end port=modem0 .*reason=released"
#define GRANTED "grant port=modem0"

static void
start(void)
{
	const char *build = getenv("BUILD");
	char path[PATH_MAX], relative[PATH_MAX], options[512];
	const char *asan = getenv("ASAN_OPTIONS");

	snprintf(relative, sizeof(relative), "%s/tests/preload_halt.so",
		 build != NULL ? build : "build/release");
	ck_assert_msg(realpath(relative, path) != NULL, "%s is not built", relative);
	snprintf(options, sizeof(options), "%s:verify_asan_link_order=0", asan ? asan : "");
	setenv("ASAN_OPTIONS", options, 1);
	setenv("COMLEASE_TEST_HALT", support_path("halt"), 1);
	setenv("LD_PRELOAD", path, 1);
	bridge_start();
	unsetenv("LD_PRELOAD");
}

/* It is to stop before that call, the next time. */
static void
arm(const char *call)
{
	char name[32];

	snprintf(name, sizeof(name), "halt.%s", call);
	int fd = open(support_path(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void
wait_for_halt(void)
{
	siginfo_t info = { 0 };

	ck_assert_int_eq(waitid(P_PID, (id_t)bridge.pid, &info, WSTOPPED), 0);
	ck_assert_int_eq(info.si_code, CLD_STOPPED);
}

static void
go_on(void)
{
	ck_assert_int_eq(kill(bridge.pid, SIGCONT), 0);
}

static int
begin_visit(void)
{
	start();
	int fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	return fd;
}

/* What the second program has written goes out in a lease of its own. */
static void
expect_gone(const char *text)
{
	bridge_expect(bridge_master, text);
	support_log_expect(ENDED, 2);
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(support_log_count(GRANTED), 2);
	bridge_stop();
}

/* The same, and it gets the answer. */
static void
expect_second(int fd, const char *text)
{
	bridge_expect(bridge_master, text);
	ck_assert_int_eq(support_log_count(ENDED), 1);
	support_write(bridge_master, "answer", 6);
	bridge_expect(fd, "answer");
	close(fd);
	expect_gone("");
}

START_TEST(program_that_comes_before_the_rest_of_the_last_one_is_taken_has_its_own_lease)
{
	int fd = begin_visit();

	arm("read");
	close(fd);
	wait_for_halt();
	fd = bridge_open();
	support_write(fd, "next", 4);
	go_on();
	expect_second(fd, "next");
}
END_TEST

START_TEST(program_that_has_gone_before_the_rest_of_the_last_one_is_taken_has_its_own_lease)
{
	int fd = begin_visit();

	arm("read");
	close(fd);
	wait_for_halt();
	fd = bridge_open();
	support_write(fd, "next", 4);
	close(fd);
	go_on();
	expect_gone("next");
}
END_TEST

START_TEST(program_that_comes_while_the_last_ones_bytes_are_taken_has_its_own_lease)
{
	int fd = begin_visit();

	arm("read");
	support_write(fd, "last", 4);
	wait_for_halt();
	close(fd);
	fd = bridge_open();
	support_write(fd, "next", 4);
	go_on();
	expect_second(fd, "lastnext"); /* nobody can tell them apart */
}
END_TEST

START_TEST(program_that_goes_while_its_bytes_are_taken_needs_no_second_lease)
{
	int fd = begin_visit();

	arm("read");
	support_write(fd, "last", 4);
	wait_for_halt();
	close(fd);
	go_on();
	bridge_expect(bridge_master, "last");
	support_log_expect(ENDED, 1);
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(support_log_count(GRANTED), 1);
	bridge_stop();
}
END_TEST

START_TEST(program_that_comes_before_the_pty_is_wiped_has_its_own_lease)
{
	int fd = begin_visit();

	arm("open");
	close(fd);
	wait_for_halt();
	fd = bridge_open();
	support_write(fd, "next", 4);
	go_on();
	expect_second(fd, "next");
}
END_TEST

START_TEST(program_that_has_gone_before_the_pty_is_wiped_has_its_own_lease)
{
	int fd = begin_visit();

	arm("open");
	close(fd);
	wait_for_halt();
	fd = bridge_open();
	support_write(fd, "next", 4);
	close(fd);
	go_on();
	expect_gone("next");
}
END_TEST

/* Where nothing is to be reset, nobody's settings can be lost by that. */
START_TEST(settings_that_nobody_has_changed_are_not_reset)
{
	int fd = begin_visit();

	arm("reset");
	close(fd);
	support_log_expect(ENDED, 1);
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(access(support_path("halt.reset"), F_OK), 0);
	bridge_stop();
}
END_TEST

START_TEST(settings_of_a_program_that_goes_while_the_pty_is_wiped_are_reset)
{
	int fd = begin_visit();
	struct termios t;

	arm("read");
	close(fd);
	wait_for_halt();
	fd = bridge_open();
	tcgetattr(fd, &t);
	t.c_lflag |= ICANON | ECHO;
	tcsetattr(fd, TCSANOW, &t);
	arm("open");
	go_on();
	wait_for_halt();
	close(fd);
	go_on();
	support_log_expect(ENDED, 1);
	support_wait_port("modem0", "free", 0);
	fd = bridge_open();
	tcgetattr(fd, &t);
	ck_assert_uint_eq(t.c_lflag, 0);
	close(fd);
	bridge_stop();
}
END_TEST

/* The bridge opens the pty itself to wipe it: one event for its open and the program's. */
START_TEST(close_of_a_program_whose_open_was_not_counted_is_a_release)
{
	setenv("COMLEASE_TEST_MERGE", "1", 1);
	int fd = begin_visit();
	arm("open");
	close(fd);
	wait_for_halt();
	fd = bridge_open();
	go_on();
	support_log_expect(GRANTED, 2);
	support_expect_line(fd, bridge_master);
	kill(bridge.pid, SIGSTOP);
	wait_for_halt();
	close(fd);
	fd = bridge_open();
	go_on();
	support_log_expect(GRANTED, 3);
	support_expect_line(fd, bridge_master);
	close(fd);
	support_log_expect(ENDED, 3);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

/* Two programs, counted as one: the close of one of them is no release. */
START_TEST(programs_that_were_counted_as_one_share_a_lease)
{
	int fds[2];

	setenv("COMLEASE_TEST_MERGE", "1", 1);
	start();
	kill(bridge.pid, SIGSTOP);
	wait_for_halt();
	for (int i = 0; i < 2; i++)
		fds[i] = bridge_open();
	go_on();
	support_log_expect(GRANTED, 1);
	close(fds[0]);
	for (int i = 0; i < 20; i++)
		support_expect_line(fds[1], bridge_master);
	ck_assert_int_eq(support_log_count(ENDED), 0);
	close(fds[1]);
	support_log_expect(ENDED, 1);
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(support_log_count(GRANTED), 1);
	bridge_stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bridge_gap");
	TCase *tc = support_case(s, "the rest", bridge_begin);

	tcase_add_test(
	    tc, program_that_comes_before_the_rest_of_the_last_one_is_taken_has_its_own_lease);
	tcase_add_test(
	    tc, program_that_has_gone_before_the_rest_of_the_last_one_is_taken_has_its_own_lease);
	tcase_add_test(tc,
		       program_that_comes_while_the_last_ones_bytes_are_taken_has_its_own_lease);
	tcase_add_test(tc, program_that_goes_while_its_bytes_are_taken_needs_no_second_lease);
	tc = support_case(s, "the wipe", bridge_begin);
	tcase_add_test(tc, program_that_comes_before_the_pty_is_wiped_has_its_own_lease);
	tcase_add_test(tc, program_that_has_gone_before_the_pty_is_wiped_has_its_own_lease);
	tcase_add_test(tc, settings_that_nobody_has_changed_are_not_reset);
	tcase_add_test(tc, settings_of_a_program_that_goes_while_the_pty_is_wiped_are_reset);
	tc = support_case(s, "counting", bridge_begin);
	tcase_add_test(tc, close_of_a_program_whose_open_was_not_counted_is_a_release);
	tcase_add_test(tc, programs_that_were_counted_as_one_share_a_lease);
	return support_run(s);
}
