/*
 * test_shim_tty.c - under the shim a leased port never becomes a controlling terminal, and what is
 * asked of its modem lines is the kernel's answer.
 */
#include "shim_fixture.h"
#include "support.h"

#include <check.h>
#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* With the ports named by `comlease run` (0), or by the broker (1). */
static void
name_ports(int how)
{
	if (how == 0)
		setenv("COMLEASE_DEVICES", fake.device, 1);
}

/* ---- the controlling terminal ---- */

START_TEST(an_open_without_O_NOCTTY_makes_no_controlling_terminal)
{
	name_ports(_i);
	run_client("terminal ENXIO\nopen 3 O_RDWR\nterminal ENXIO\nfopen 4 O_RDWR\nterminal "
		   "ENXIO\n",
		   "session", "tty", "open", fake.device, "rw", "tty", "fopen", fake.device, "r+",
		   "tty", NULL);
	/* So it would be without the shim: the test means something. */
	run_plain_client("open 3 O_RDWR\nterminal yes\n", "session", "open", fake.device, "rw",
			 "tty", NULL);
}
END_TEST

START_TEST(TIOCSCTTY_on_a_port_succeeds_and_does_nothing)
{
	name_ports(_i);
	run_client("open 3 O_RDWR\nsctty 0 -\nterminal ENXIO\nsctty 0 -\nfds 4\n", "session",
		   "open", fake.device, "rw,noctty", "sctty", "3", "tty", "sctty", "3", "fds",
		   NULL);
	run_plain_client("open 3 O_RDWR\nsctty 0 -\nterminal yes\n", "session", "open", fake.device,
			 "rw,noctty", "sctty", "3", "tty", NULL);
}
END_TEST

START_TEST(login_tty_on_a_port_makes_no_controlling_terminal)
{
	name_ports(_i);
	run_client("open 3 O_RDWR\nlogin_tty 0 -\non terminals: 11\nterminal ENXIO\nfds 3\n",
		   "session", "open", fake.device, "rw,noctty", "login-tty", "3", "tty", "fds",
		   NULL);
	run_plain_client("open 3 O_RDWR\nlogin_tty 0 -\non terminals: 11\nterminal yes\n",
			 "session", "open", fake.device, "rw,noctty", "login-tty", "3", "tty",
			 NULL);
}
END_TEST

START_TEST(another_terminal_becomes_the_controlling_one_as_ever)
{
	int master, slave;
	char name[64];

	name_ports(_i);
	ck_assert_int_eq(openpty(&master, &slave, name, NULL, NULL), 0);
	run_client_alike("session", "open", name, "rw,noctty", "sctty", "3", "tty", NULL);
	run_client_alike("session", "open", name, "rw,noctty", "login-tty", "3", "tty", NULL);
	run_client("open 3 O_RDWR\nsctty 0 -\nterminal yes\n", "session", "open", name, "rw,noctty",
		   "sctty", "3", "tty", NULL);
	close(master);
	close(slave);
}
END_TEST

START_TEST(TIOCSCTTY_on_what_is_no_terminal_fails_as_ever)
{
	name_ports(_i);
	run_client_alike("session", "open", "/", "r", "sctty", "3", "sctty", "9", "open",
			 "/dev/null", "rw", "sctty", "4", "login-tty", "4", NULL);
	ck_assert_int_eq(fake.acquires, 0);
}
END_TEST

START_TEST(without_a_broker_no_terminal_is_a_port)
{
	fake_down(&fake, true);
	run_client("open 3 O_RDWR\nsctty 0 -\nterminal yes\n", "session", "open", fake.device,
		   "rw,noctty", "sctty", "3", "tty", NULL);
}
END_TEST

/* ---- other requests ---- */

/* A port that is a pty (a soft modem) has no modem lines, and none are faked. */
START_TEST(a_pty_has_no_modem_lines_under_the_shim_either)
{
	name_ports(_i);
	run_client("open 3 O_RDWR\nTIOCMGET -1 ENOTTY\nTIOCMSET -1 ENOTTY\nTIOCMBIS -1 ENOTTY\n"
		   "TIOCMBIC -1 ENOTTY\nTIOCMIWAIT -1 ENOTTY\nTIOCGICOUNT -1 ENOTTY\n"
		   "TIOCGSERIAL -1 ENOTTY\n",
		   "open", fake.device, "rw,noctty", "modem", "3", NULL);
	run_client_alike("open", fake.device, "rw,noctty", "modem", "3", NULL);
}
END_TEST

START_TEST(an_ioctl_with_an_argument_gets_it)
{
	int ends[2];

	name_ports(_i);
	ck_assert_int_eq(write(fake.master, "abc\n", 4), 4);
	run_client("open 3 O_RDWR\nFIONREAD 0 4\n", "open", fake.device, "rw,noctty", "input", "3",
		   NULL);
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	run_client_alike("input", "9", NULL);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shim_tty");
	TCase *t = tcase_create("terminals");

	suite_add_tcase(suite, t);
	tcase_set_timeout(t, 20);
	tcase_add_checked_fixture(t, shim_set_up, shim_tear_down);
	tcase_add_loop_test(t, an_open_without_O_NOCTTY_makes_no_controlling_terminal, 0, 2);
	tcase_add_loop_test(t, TIOCSCTTY_on_a_port_succeeds_and_does_nothing, 0, 2);
	tcase_add_loop_test(t, login_tty_on_a_port_makes_no_controlling_terminal, 0, 2);
	tcase_add_loop_test(t, another_terminal_becomes_the_controlling_one_as_ever, 0, 2);
	tcase_add_loop_test(t, TIOCSCTTY_on_what_is_no_terminal_fails_as_ever, 0, 2);
	tcase_add_test(t, without_a_broker_no_terminal_is_a_port);
	tcase_add_loop_test(t, a_pty_has_no_modem_lines_under_the_shim_either, 0, 2);
	tcase_add_loop_test(t, an_ioctl_with_an_argument_gets_it, 0, 2);
	return support_run(suite);
}
