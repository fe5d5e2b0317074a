/*
 * test_e2e_foreign.c - programs that have the device without comlease, with a real comleased: each
 * way to have it makes the port FOREIGN, is named, is undisturbed, and is waited for by events.
 */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_OPEN_PORT);
}

static void
expect_waited_for(enum support_way way)
{
	struct support_client waiter;
	struct support_child outsider;
	json_t *port;
	int64_t gone;
	int fd;

	support_outsider(&outsider, way);
	if (way == SUPPORT_INHERITED) /* that its parent has closed its copy nobody tells */
		close(support_open_device());
	port = support_foreign(outsider.pid);
	ck_assert_int_eq(support_int(port, "foreign", "process", "uid", NULL), getuid());
	ck_assert_int_gt(support_int(port, "foreign", "since", NULL), 0);
	json_decref(port);
	support_queue(&waiter, "modem0", NULL);
	support_expect_silence(&waiter, 100);
	gone = support_now_ms();
	support_finish(&outsider);
	fd = support_granted(&waiter, NULL);
	ck_assert_int_lt(support_now_ms() - gone,
			 5000); /* 100 where nobody else wants the machine */
	support_expect_line(fd, master);
	close(fd);
	support_close(&waiter);
}

START_TEST(open_descriptor_is_waited_for)
{
	expect_waited_for(SUPPORT_OPEN);
}
END_TEST

START_TEST(flocked_descriptor_is_waited_for)
{
	expect_waited_for(SUPPORT_FLOCK);
}
END_TEST

START_TEST(exclusive_descriptor_is_waited_for)
{
	expect_waited_for(SUPPORT_EXCLUSIVE);
}
END_TEST

START_TEST(inherited_descriptor_is_waited_for)
{
	expect_waited_for(SUPPORT_INHERITED);
}
END_TEST

START_TEST(closing_is_noticed_while_the_process_lives)
{
	struct support_client waiter;
	struct support_child outsider;

	support_outsider(&outsider, SUPPORT_OPEN);
	json_decref(support_foreign(outsider.pid));
	support_queue(&waiter, "modem0", NULL);
	support_say(&outsider, 'c');
	support_hear(&outsider);
	close(support_granted(&waiter, NULL));
	support_finish(&outsider);
	support_close(&waiter);
}
END_TEST

START_TEST(killed_outsider_is_noticed)
{
	struct support_client waiter;
	struct support_child outsider;

	support_outsider(&outsider, SUPPORT_OPEN);
	json_decref(support_foreign(outsider.pid));
	support_queue(&waiter, "modem0", NULL);
	support_kill(&outsider);
	close(support_granted(&waiter, NULL));
	support_close(&waiter);
}
END_TEST

START_TEST(second_outsider_is_waited_for_too)
{
	struct support_client waiter;
	struct support_child first, second;

	support_outsider(&first, SUPPORT_OPEN);
	json_decref(support_foreign(first.pid));
	support_outsider(&second, SUPPORT_OPEN);
	support_queue(&waiter, "modem0", NULL);
	support_finish(&first);
	json_decref(support_foreign(second.pid));
	support_wait_port("modem0", "foreign", 1);
	support_finish(&second);
	close(support_granted(&waiter, NULL));
	support_close(&waiter);
}
END_TEST

START_TEST(error_of_a_waiting_client_names_who_has_it)
{
	struct support_client c;
	struct support_child outsider;
	char pid[24];
	const char *message;

	support_outsider(&outsider, SUPPORT_OPEN);
	json_decref(support_foreign(outsider.pid));
	support_connect_stranger(&c);
	support_call(&c, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 50), false);
	message = support_string(support_error(&c, "TimedOut"), "message", NULL);
	snprintf(pid, sizeof(pid), "pid %d", (int)outsider.pid);
	ck_assert_ptr_nonnull(strstr(message, pid));
	ck_assert_ptr_nonnull(strstr(message, "outside comlease"));
	support_close(&c);
	support_finish(&outsider);
}
END_TEST

/* ---- at the start ---- */

START_TEST(who_has_the_device_at_the_start_is_undisturbed)
{
	struct support_child outsider;
	struct termios before, after;
	int fd;

	support_begin();
	master = support_plug("modem0");
	support_outsider(&outsider, SUPPORT_OPEN);
	fd = support_open_device();
	ck_assert_int_eq(tcgetattr(fd, &before), 0);
	before.c_cflag &= ~(tcflag_t)CLOCAL;
	before.c_lflag |= ICANON;
	cfsetspeed(&before, B1200);
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &before), 0);
	ck_assert_int_eq(tcgetattr(fd, &before), 0);
	close(fd);
	support_start(SUPPORT_OPEN_PORT);
	json_decref(support_foreign(outsider.pid));
	ck_assert_int_eq(tcgetattr(master, &after), 0);
	ck_assert_uint_eq(after.c_cflag, before.c_cflag);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
	support_say(&outsider, 'd');
	ck_assert_int_eq(support_hear(&outsider), 'n');
	support_finish(&outsider);
	support_wait_port("modem0", "free", 0);
	support_stop(); /* its first count was with somebody to watch */
	support_end();
}
END_TEST

/* P1 over a stop and start of all of comleased. */
START_TEST(holder_of_before_a_stop_and_start_is_a_foreign_holder)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child holder;
	struct support_client waiter;
	char bytes[4096];
	int fd;

	wish.port = "modem0";
	support_hold(&holder, &wish);
	ck_assert_int_gt(support_held(&holder), 0);
	support_stop();
	support_start(NULL);
	json_decref(support_foreign(holder.pid));
	support_queue(&waiter, "modem0", NULL);
	support_expect_silence(&waiter, 100);
	support_say(&holder, 'w'); /* it works on */
	support_expect_line_of(&holder, "written");
	ck_assert_uint_eq(support_read(master, bytes, sizeof(bytes)), sizeof(bytes));
	support_finish(&holder);
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, master);
	close(fd);
	support_close(&waiter);
}
END_TEST

/* ---- what can't be seen ---- */

START_TEST(ordinary_users_broker_says_that_it_can_not_see_everybody)
{
	struct support_child outsider;
	json_t *port, *foreign;
	struct support_client c;

	support_begin();
	support_use_uid(65534);
	master = support_plug("modem0");
	support_start(SUPPORT_OPEN_PORT);
	support_outsider(&outsider, SUPPORT_OPEN); /* as root */
	support_connect(&c);
	support_call(&c, "List", NULL, true);
	do {
		port = json_array_get(json_object_get(support_reply(&c), "ports"), 0);
		foreign = json_object_get(port, "foreign");
	} while (foreign == NULL);
	ck_assert_ptr_null(json_object_get(foreign, "process"));
	ck_assert_ptr_nonnull(strstr(support_string(port, "notice", NULL), "seen"));
	support_close(&c);
	support_finish(&outsider);
	support_wait_port("modem0", "free", 0);
	support_end();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_foreign");
	TCase *tc = tcase_create("foreign"), *alone = tcase_create("alone");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, support_end);
	tcase_add_test(tc, open_descriptor_is_waited_for);
	tcase_add_test(tc, flocked_descriptor_is_waited_for);
	tcase_add_test(tc, exclusive_descriptor_is_waited_for);
	tcase_add_test(tc, inherited_descriptor_is_waited_for);
	tcase_add_test(tc, closing_is_noticed_while_the_process_lives);
	tcase_add_test(tc, killed_outsider_is_noticed);
	tcase_add_test(tc, second_outsider_is_waited_for_too);
	tcase_add_test(tc, error_of_a_waiting_client_names_who_has_it);
	tcase_add_test(tc, holder_of_before_a_stop_and_start_is_a_foreign_holder);
	tcase_set_timeout(alone, 60);
	tcase_add_test(alone, who_has_the_device_at_the_start_is_undisturbed);
	support_add(alone, ordinary_users_broker_says_that_it_can_not_see_everybody, geteuid() == 0,
		    "another user needs root");
	suite_add_tcase(s, tc);
	suite_add_tcase(s, alone);
	return support_run(s);
}
