/*
 * test_bridge_end.c - `comlease bridge`: visits and bridges that end, and what is refused.
 */
#include "bridge_rig.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(revoked_program_reads_end_of_file_and_the_next_one_can_come)
{
	struct support_client c;

	bridge_start();
	int fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	support_connect(&c);
	support_ask(&c, "Revoke", json_pack("{s:s}", "port", "modem0"));
	support_close(&c);
	bridge_expect_end(fd);
	bridge_expect_said("modem0: the program has lost the port: revoked");
	close(fd);
	support_wait_port("modem0", "free", 0);
	fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(program_whose_time_is_over_is_hung_up)
{
	bridge_start_with("--max-hold", "0.3", "--yield-grace", "0.4", NULL);
	int fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	bridge_expect_end(fd);
	bridge_expect_said("modem0: asked to let go within 1 s: its time is over");
	close(fd);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

START_TEST(bridge_that_is_killed_leaves_no_lease)
{
	bridge_start();
	int fd = bridge_connect();
	support_kill(&bridge);
	bridge_expect_end(fd);
	close(fd);
	support_wait_port("modem0", "free", 0);
	bridge_start(); /* the leftover is ours */
	fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	close(fd);
	bridge_stop();
}
END_TEST

static const int ends[] = { SIGINT, SIGHUP, SIGTERM };

START_TEST(bridge_is_ended_by_a_signal_while_a_program_has_the_port)
{
	bridge_start();
	int fd = bridge_connect();
	ck_assert_int_eq(kill(bridge.pid, ends[_i]), 0);
	int status = support_reap(&bridge);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_int_lt(access(support_path("link"), F_OK), 0);
	ck_assert_int_lt(access(support_path("link.lock"), F_OK), 0);
	bridge_expect_end(fd);
	close(fd);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(permissions_of_the_device_can_be_chosen)
{
	struct stat st;

	bridge_start_with("-m", "640", NULL);
	ck_assert_int_eq(stat(support_path("link"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0640);
	bridge_stop();
}
END_TEST

START_TEST(unknown_port_and_missing_broker_are_told)
{
	ck_assert_int_eq(bridge_fail("modem1", support_path("link")), 66);
	bridge_expect_said("there is no port `modem1`");
	ck_assert_int_eq(bridge_fail("modem0", support_path("")), 64);
	support_expect_no_leak();
	support_stop();
	ck_assert_int_eq(bridge_fail("modem0", support_path("link")), 69);
	ck_assert_int_lt(access(support_path("link.lock"), F_OK), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bridge_end");
	TCase *tc = support_case(s, "ends", bridge_begin);

	support_add(tc, revoked_program_reads_end_of_file_and_the_next_one_can_come,
		    support_can_revoke(), "needs CAP_SYS_ADMIN");
	tcase_add_test(tc, program_whose_time_is_over_is_hung_up);
	tcase_add_test(tc, bridge_that_is_killed_leaves_no_lease);
	tcase_add_loop_test(tc, bridge_is_ended_by_a_signal_while_a_program_has_the_port, 0, 3);
	tcase_add_test(tc, permissions_of_the_device_can_be_chosen);
	tcase_add_test(tc, unknown_port_and_missing_broker_are_told);
	return support_run(s);
}
