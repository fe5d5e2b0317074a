/*
 * test_bridge.c - `comlease bridge`: programs that know nothing of comlease wait for the port, have
 * it, and give it back. Real comleased, real ptys.
 */
#include "bridge_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void
expect_released(int leases)
{
	support_log_expect("end port=modem0 .*reason=released", leases);
	support_wait_port("modem0", "free", 0);
}

/* ---- waiting and having ---- */

START_TEST(program_that_opens_the_link_has_the_port_until_it_closes)
{
	bridge_start();
	support_wait_port("modem0", "free", 0);
	int fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	support_log_expect("grant port=modem0 .*label=link", 1);
	close(fd);
	expect_released(1);
	fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	close(fd);
	expect_released(2);
	bridge_stop();
}
END_TEST

START_TEST(program_waits_behind_a_holder_and_what_it_wrote_is_kept)
{
	int holder = support_acquire("modem0", NULL);

	bridge_start();
	int fd = bridge_open();
	support_wait_port("modem0", "held", 1);
	support_write(fd, "kept", 4);
	bridge_expect_said("modem0: held by ");
	support_expect_line(holder, bridge_master);
	bridge_expect_nothing(bridge_master, 100);
	close(holder);
	bridge_expect(bridge_master, "kept");
	support_expect_line(fd, bridge_master);
	close(fd);
	bridge_stop();
}
END_TEST

static void
open_as_nobody(struct support_child *me, void *excludes)
{
	char byte;
	int fd;

	if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
		_exit(1);
	fd = open(support_path("link"), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || (*(bool *)excludes && ioctl(fd, TIOCEXCL) < 0))
		_exit(2);
	if (write(me->say, "", 1) != 1 || read(me->hear, &byte, 1) != 0)
		_exit(3);
}

START_TEST(exclusion_that_a_program_has_asked_for_ends_with_it)
{
	struct support_child program;

	bridge_start_with("--mode", "666", NULL);
	for (int i = 1; i <= 3; i++) {
		support_fork(&program, open_as_nobody, &(bool){ i < 3 }, -1);
		support_hear(&program);
		support_wait_port("modem0", "held", 0);
		support_finish(&program);
		expect_released(i);
	}
	bridge_stop();
}
END_TEST

START_TEST(program_that_gives_up_leaves_the_queue)
{
	int holder = support_acquire("modem0", NULL);

	bridge_start();
	int fd = bridge_open();
	support_wait_port("modem0", "held", 1);
	close(fd);
	support_wait_port("modem0", "held", 0);
	close(holder);
	bridge_stop();
}
END_TEST

START_TEST(what_is_written_just_before_the_close_is_sent)
{
	bridge_start();
	for (int i = 0; i < 20; i++) {
		int fd = bridge_open();
		support_write(fd, "ATH\r", 4);
		close(fd);
		bridge_expect(bridge_master, "ATH\r");
	}
	support_wait_port("modem0", "free", 0); /* visits may be one where the bridge is slow */
	bridge_stop();
}
END_TEST

START_TEST(what_is_written_before_the_close_is_sent_when_the_port_is_free)
{
	int holder = support_acquire("modem0", NULL);

	bridge_start();
	int fd = bridge_open();
	support_write(fd, "first", 5);
	support_wait_port("modem0", "held", 1);
	close(fd);
	fd = bridge_open(); /* his turn comes after that */
	support_write(fd, "second", 6);
	close(holder);
	bridge_expect(bridge_master, "firstsecond");
	close(fd);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

START_TEST(port_can_be_asked_for_at_the_first_byte)
{
	bridge_start_with("--when", "write", NULL);
	int fd = bridge_open();
	usleep(150000);
	ck_assert_int_eq(support_log_count("request port=modem0"), 0);
	support_write(fd, "x", 1);
	bridge_expect(bridge_master, "x");
	close(fd);
	expect_released(1);
	bridge_stop();
}
END_TEST

START_TEST(program_is_hung_up_when_its_time_to_wait_is_over)
{
	int holder = support_acquire("modem0", NULL);

	bridge_start_with("-w", "0.2", NULL);
	int fd = bridge_open();
	bridge_expect_end(fd);
	bridge_expect_said("not to be had within 0.2 s");
	close(fd);
	close(holder);
	support_wait_port("modem0", "free", 0);
	fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	close(fd);
	bridge_stop();
}
END_TEST

/* ---- comes and goes ---- */

START_TEST(close_and_open_between_two_looks_is_a_release)
{
	bridge_start();
	int fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	kill(bridge.pid, SIGSTOP);
	close(fd);
	fd = bridge_open();
	kill(bridge.pid, SIGCONT);
	support_log_wait("end port=modem0 .*reason=released");
	support_log_wait("grant port=modem0");
	support_expect_line(fd, bridge_master);
	close(fd);
	expect_released(2);
	bridge_stop();
}
END_TEST

START_TEST(each_of_many_programs_in_a_row_has_a_lease_of_its_own)
{
	bridge_start();
	for (int i = 0; i < 100; i++) {
		int fd = bridge_open();
		support_expect_line(fd, bridge_master);
		close(fd);
	}
	expect_released(100);
	ck_assert_int_eq(support_log_count("grant port=modem0"), 100);
	ck_assert_int_eq(support_log_count("join port=modem0"), 0);
	bridge_stop();
}
END_TEST

START_TEST(other_terminals_do_not_matter)
{
	bridge_start();
	int fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	int other = support_plug("other");
	ck_assert_int_ge(other, 0);
	for (int i = 0; i < 20; i++) {
		int end = open(support_path("other"), O_RDWR | O_NOCTTY | O_CLOEXEC);
		ck_assert_int_ge(end, 0);
		close(end);
		support_expect_line(fd, bridge_master);
	}
	ck_assert_int_eq(support_log_count("end port=modem0"), 0);
	close(fd);
	expect_released(1);
	bridge_stop();
}
END_TEST

START_TEST(two_programs_on_one_link_share_a_lease)
{
	int fds[3];

	bridge_start();
	kill(bridge.pid, SIGSTOP); /* so that all opens are seen at once */
	for (int i = 0; i < 3; i++)
		fds[i] = bridge_open();
	kill(bridge.pid, SIGCONT);
	support_log_wait("grant port=modem0");
	for (int i = 0; i < 2; i++) {
		support_expect_line(fds[i], bridge_master);
		close(fds[i]);
	}
	support_expect_line(fds[2], bridge_master);
	ck_assert_int_eq(support_log_count("end port=modem0"), 0);
	close(fds[2]);
	expect_released(1);
	ck_assert_int_eq(support_log_count("grant port=modem0"), 1);
	bridge_stop();
}
END_TEST

START_TEST(what_a_program_has_not_read_does_not_reach_the_next_one)
{
	int waiting = 0;

	bridge_start();
	int fd = bridge_connect();
	support_write(bridge_master, "stale", 5);
	for (int i = 0; i < 1000 && waiting < 5; i++) {
		ioctl(fd, FIONREAD, &waiting);
		usleep(5000);
	}
	ck_assert_int_eq(waiting, 5);
	close(fd);
	fd = bridge_open();
	support_log_expect("grant port=modem0", 2);
	support_write(bridge_master, "fresh", 5);
	bridge_expect(fd, "fresh");
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(what_could_not_be_sent_for_a_program_that_has_closed_is_dropped)
{
	int holder = support_acquire("modem0", NULL);

	bridge_start_with("-w", "0.2", NULL);
	int fd = bridge_open();
	support_write(fd, "stale", 5);
	close(fd);
	bridge_expect_said("5 bytes of a program that has closed were thrown away");
	close(holder);
	support_wait_port("modem0", "free", 0);
	fd = bridge_open();
	support_write(fd, "fresh", 5);
	bridge_expect(bridge_master, "fresh");
	close(fd);
	bridge_stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bridge");
	TCase *tc = support_case(s, "waiting", bridge_begin);

	tcase_add_test(tc, program_that_opens_the_link_has_the_port_until_it_closes);
	tcase_add_test(tc, program_waits_behind_a_holder_and_what_it_wrote_is_kept);
	tcase_add_test(tc, program_that_gives_up_leaves_the_queue);
	tcase_add_test(tc, exclusion_that_a_program_has_asked_for_ends_with_it);
	tcase_add_test(tc, what_is_written_just_before_the_close_is_sent);
	tcase_add_test(tc, what_is_written_before_the_close_is_sent_when_the_port_is_free);
	tcase_add_test(tc, port_can_be_asked_for_at_the_first_byte);
	tcase_add_test(tc, program_is_hung_up_when_its_time_to_wait_is_over);
	tc = support_case(s, "comes and goes", bridge_begin);
	tcase_add_test(tc, close_and_open_between_two_looks_is_a_release);
	tcase_add_test(tc, each_of_many_programs_in_a_row_has_a_lease_of_its_own);
	tcase_add_test(tc, other_terminals_do_not_matter);
	tcase_add_test(tc, two_programs_on_one_link_share_a_lease);
	tcase_add_test(tc, what_a_program_has_not_read_does_not_reach_the_next_one);
	tcase_add_test(tc, what_could_not_be_sent_for_a_program_that_has_closed_is_dropped);
	return support_run(s);
}
