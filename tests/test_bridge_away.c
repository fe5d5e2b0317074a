/*
 * test_bridge_away.c - a program at a bridge stays attached while the device is unplugged, or while
 * there is no broker.
 */
#include "bridge_rig.h"

#include <termios.h>
#include <unistd.h>

/* ---- the device ---- */

START_TEST(program_sees_a_pause_when_the_device_is_unplugged)
{
	struct termios t;

	bridge_start();
	int fd = bridge_connect();
	tcgetattr(fd, &t);
	cfsetspeed(&t, B19200);
	tcsetattr(fd, TCSANOW, &t);
	bridge_wait_speed(B19200);
	support_unplug("modem0");
	bridge_expect_said("modem0: unplugged; the program waits until it is back");
	support_wait_port("modem0", "absent", 1);
	support_write(fd, "later", 5);
	bridge_master = support_plug("modem0");
	bridge_expect(bridge_master, "later");
	bridge_wait_speed(B19200);
	support_expect_line(fd, bridge_master);
	close(fd);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

/* ---- the broker ---- */

START_TEST(program_that_has_the_port_notices_no_restart_of_the_broker)
{
	bridge_start_with("--standby", NULL);
	int fd = bridge_connect();
	support_kill_broker();
	support_log_wait("broker: serve");
	support_expect_line(fd, bridge_master);
	support_wait_port("modem0", "held", 0);
	bridge_borrow();
	support_write(fd, "x", 1);
	bridge_expect(bridge_master, "x");
	close(fd);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

START_TEST(program_that_waits_notices_no_restart_of_the_broker)
{
	int holder = support_acquire("modem0", NULL);

	bridge_start();
	int fd = bridge_open();
	support_wait_port("modem0", "held", 1);
	support_kill_broker();
	support_log_wait("broker: serve");
	support_wait_port("modem0", "held", 1);
	support_write(fd, "x", 1);
	close(holder);
	bridge_expect(bridge_master, "x");
	close(fd);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

START_TEST(program_keeps_the_port_when_all_of_comleased_is_started_anew)
{
	bridge_start();
	int fd = bridge_connect();
	support_stop();
	support_start(NULL);
	bridge_expect_said("has forgotten this lease; the device was left to the program");
	support_wait_port("modem0", "foreign", 0);
	support_expect_line(fd, bridge_master);
	close(fd);
	support_wait_port("modem0", "free", 0);
	fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(standby_program_sees_a_pause_when_all_of_comleased_is_started_anew)
{
	bridge_start_with("--standby", NULL);
	int fd = bridge_connect();
	support_stop();
	support_start(NULL);
	bridge_expect_said("the program waits for its turn");
	support_wait_port("modem0", "held", 0);
	support_expect_line(fd, bridge_master);
	bridge_borrow();
	support_expect_line(fd, bridge_master);
	close(fd);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

START_TEST(program_may_come_while_there_is_no_broker)
{
	bridge_start();
	support_stop();
	int fd = bridge_open();
	support_write(fd, "x", 1);
	support_start(NULL);
	bridge_expect(bridge_master, "x");
	close(fd);
	support_wait_port("modem0", "free", 0);
	bridge_stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bridge_away");
	TCase *tc = support_case(s, "the device", bridge_begin);

	tcase_add_test(tc, program_sees_a_pause_when_the_device_is_unplugged);
	tc = support_case(s, "the broker", bridge_begin);
	tcase_add_test(tc, program_that_has_the_port_notices_no_restart_of_the_broker);
	tcase_add_test(tc, program_that_waits_notices_no_restart_of_the_broker);
	tcase_add_test(tc, program_keeps_the_port_when_all_of_comleased_is_started_anew);
	tcase_add_test(tc, standby_program_sees_a_pause_when_all_of_comleased_is_started_anew);
	tcase_add_test(tc, program_may_come_while_there_is_no_broker);
	return support_run(s);
}
