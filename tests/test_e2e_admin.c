/*
 * test_e2e_admin.c - who may do what, maintenance, and handing a lease over, with a real comleased.
 */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ANN    65533
#define NOBODY 65534

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start("[broker]\nmode = 0666\n" SUPPORT_PORT("modem0"));
}

static json_t *
modem0(void)
{
	return json_pack("{s:s}", "port", "modem0");
}

static void
call_as(struct support_client *c, uid_t uid, const char *method, json_t *parameters)
{
	support_connect_as(c, uid);
	support_call(c, method, parameters, false);
}

static void
expect_denied(uid_t uid, const char *method, json_t *parameters)
{
	struct support_client c;

	call_as(&c, uid, method, parameters);
	support_error(&c, "org.varlink.service.PermissionDenied");
	support_close(&c);
}

static void
expect_allowed(uid_t uid, const char *method, json_t *parameters)
{
	struct support_client c;

	call_as(&c, uid, method, parameters);
	support_reply(&c);
	support_close(&c);
}

/* ---- access ---- */

static void
begin_rules(void)
{
	support_begin();
	master = support_plug("modem0");
	support_plug("modem1");
	support_start("[broker]\nmode = 0666\n" SUPPORT_PORT("modem0")
			  SUPPORT_PORT("modem1") "[pool both]\nports = modem0 modem1\n"
						 "[access]\ndisable = 65533\n"
						 "[access modem0]\nask = 65533\nrevoke = 65533\n");
}

START_TEST(only_who_may_ask_gets_the_port)
{
	expect_denied(NOBODY, "Acquire", modem0());
	expect_allowed(ANN, "Acquire", modem0());
	expect_allowed(NOBODY, "Acquire", json_pack("{s:s}", "port", "modem1"));
}
END_TEST

START_TEST(pool_leaves_out_ports_that_the_user_may_not_have)
{
	struct support_client c, second;
	int fd;

	call_as(&c, NOBODY, "Acquire", json_pack("{s:s}", "port", "both"));
	ck_assert_str_eq(support_string(support_reply(&c), "lease", "port", NULL), "modem1");
	fd = support_take(&c);
	call_as(&second, NOBODY, "Acquire", json_pack("{s:s, s:i}", "port", "both", "wait", 0));
	support_error(&second, "Busy");
	close(fd);
	support_close(&second);
	support_close(&c);
}
END_TEST

START_TEST(only_who_may_revoke_disable_and_evict_does)
{
	int fd = support_acquire("modem0", NULL);

	expect_denied(NOBODY, "Revoke", modem0());
	expect_allowed(ANN, "Revoke", modem0());
	close(fd);
	expect_denied(NOBODY, "Disable", modem0());
	expect_allowed(ANN, "Disable", modem0());
	expect_denied(NOBODY, "Enable", modem0());
	expect_allowed(ANN, "Enable", modem0());
	expect_denied(ANN, "Evict", modem0());
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(only_the_holders_user_speaks_for_a_lease)
{
	uint64_t token;
	int fd =
	    support_acquire_with(json_pack("{s:s, s:b}", "port", "modem1", "standby", 1), &token);
	json_int_t number = (json_int_t)token;
	struct support_client c;

	expect_denied(NOBODY, "SetBusy", json_pack("{s:I, s:b}", "token", number, "busy", 1));
	expect_denied(NOBODY, "Handoff", json_pack("{s:s, s:s}", "port", "modem1", "label", "x"));
	support_connect_as(&c, NOBODY);
	support_call(&c, "Watch", json_pack("{s:I}", "token", number), true);
	support_error(&c, "org.varlink.service.PermissionDenied");
	support_call(&c, "Yield", json_pack("{s:I}", "token", number), true);
	support_error(&c, "org.varlink.service.PermissionDenied");
	support_close(&c);
	close(fd);
}
END_TEST

/* ---- disable ---- */

static void
ask(const char *method, json_t *parameters)
{
	struct support_client c;

	support_connect(&c);
	support_ask(&c, method, parameters);
	support_close(&c);
}

START_TEST(disabled_port_is_not_granted_and_its_holder_goes_on)
{
	struct support_client waiter, late;
	int fd = support_acquire("modem0", NULL);
	json_t *port, *error;

	support_queue(&waiter, "modem0", NULL);
	ask("Disable", json_pack("{s:s, s:s}", "port", "modem0", "reason", "new SIM"));
	support_expect_line(fd, master);
	close(fd);
	support_wait_port("modem0", "disabled", 1);
	port = support_list("modem0");
	ck_assert_ptr_nonnull(strstr(support_string(port, "reason", NULL), "new SIM"));
	json_decref(port);
	support_connect_stranger(&late);
	support_call(&late, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 50),
		     false);
	error = support_error(&late, "TimedOut");
	ck_assert_ptr_nonnull(strstr(support_string(error, "message", NULL), "new SIM"));
	support_close(&late);
	support_wait_port("modem0", "disabled", 1);
	ask("Enable", modem0());
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, master);
	close(fd);
	support_close(&waiter);
}
END_TEST

START_TEST(disabled_port_stays_so_over_a_stop_and_start)
{
	json_t *port;

	ask("Disable", json_pack("{s:s, s:s}", "port", "modem0", "reason", "new SIM"));
	support_stop();
	support_start(NULL);
	support_wait_port("modem0", "disabled", 0);
	port = support_list("modem0");
	ck_assert_ptr_nonnull(strstr(support_string(port, "reason", NULL), "new SIM"));
	json_decref(port);
	ask("Enable", modem0());
	support_stop();
	ck_assert_int_lt(access(support_path("state/modem0.memo"), F_OK), 0);
	support_start(NULL);
	close(support_acquire("modem0", NULL));
}
END_TEST

START_TEST(disabled_port_stays_so_over_a_new_broker_and_a_new_keeper)
{
	struct support_client waiter;
	json_t *port;

	ask("Disable", json_pack("{s:s, s:s}", "port", "modem0", "reason", "new SIM"));
	support_queue(&waiter, "modem0", NULL);
	support_kill_keeper("modem0");
	support_wait_port("modem0", "disabled", 1);
	support_expect_silence(&waiter, 100);
	support_close(&waiter);
	support_kill_broker();
	support_wait_port("modem0", "disabled", 0);
	port = support_list("modem0");
	ck_assert_ptr_nonnull(strstr(support_string(port, "reason", NULL), "new SIM"));
	json_decref(port);
	ask("Enable", modem0());
	close(support_acquire("modem0", NULL));
}
END_TEST

/* While it is disabled nobody's locks are in the way of whoever works on the modem. */
START_TEST(disabled_port_is_open_to_others)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	int fd, exclusive = -1;

	support_wait_port("modem0", "free", 0);
	fd = open(support_path("modem0"), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		ck_assert_int_eq(ioctl(fd, TIOCGEXCL, &exclusive), 0);
	ck_assert(fd < 0 || exclusive == (int)support_can_revoke()); /* root gets in */
	if (fd >= 0)
		close(fd);
	support_wait_port("modem0", "free", 0);
	ask("Disable", modem0());
	support_wait_port("modem0", "disabled", 0);
	while ((fd = open(support_path("modem0"), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)) < 0)
		ck_assert_int_lt(support_now_ms(), until);
	do /* the keeper hears of it a moment later */
		ck_assert_int_eq(ioctl(fd, TIOCGEXCL, &exclusive), 0);
	while (exclusive != 0 && !support_poll(-1, 0, support_now_ms() + 2) &&
	       support_now_ms() < until);
	ck_assert_int_eq(exclusive, 0);
	close(fd);
	ask("Enable", modem0());
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(who_opened_it_during_maintenance_is_waited_for)
{
	struct support_child outsider;
	struct termios t;

	ask("Disable", modem0());
	support_wait_port("modem0", "disabled", 0);
	support_outsider(&outsider, SUPPORT_OPEN);
	ck_assert_int_eq(tcgetattr(master, &t), 0);
	t.c_lflag |= ICANON;
	ck_assert_int_eq(tcsetattr(master, TCSANOW, &t), 0);
	ask("Enable", modem0());
	json_decref(support_foreign(outsider.pid));
	ck_assert_int_eq(tcgetattr(master, &t), 0);
	ck_assert_uint_ne(t.c_lflag & ICANON, 0); /* he was not disturbed */
	support_finish(&outsider);
	support_wait_port("modem0", "free", 0);
}
END_TEST

/* ---- hand-off ---- */

/* Long enough to be told from a slow machine. */
#define HANGUP    "2000"
#define HANGUP_MS 2000

static void
begin_hangup(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start("[broker]\nmode = 0666\n" SUPPORT_PORT_AT("modem0") "hangup-ms = " HANGUP
									  "\n");
}

START_TEST(handed_off_lease_goes_to_that_waiter_and_the_line_stays_up)
{
	struct support_client first, second;
	int64_t start;
	uint64_t token;
	char byte = 0;
	int fd = support_acquire("modem0", &token), next;

	support_queue(&first, "modem0", json_pack("{s:i}", "priority", 100));
	support_queue(&second, "modem0", json_pack("{s:s}", "label", "login"));
	ask("Handoff", json_pack("{s:s, s:s}", "port", "modem0", "label", "login"));
	support_expect_silence(&second, 50);
	support_expect_line(fd, master);
	support_write(master, "!", 1); /* what the line says meanwhile is the successor's to read */
	start = support_now_ms();
	close(fd);
	next = support_granted(&second, NULL);
	ck_assert_int_lt(support_now_ms() - start, HANGUP_MS - 100); /* no hang-up */
	ck_assert_uint_eq(support_read(next, &byte, 1), 1);
	ck_assert_int_eq(byte, '!');
	start = support_now_ms();
	close(next);
	next = support_granted(&first, NULL);
	ck_assert_int_ge(support_now_ms() - start, HANGUP_MS - 10); /* and now there is one */
	close(next);
	support_close(&first);
	support_close(&second);
}
END_TEST

START_TEST(line_is_hung_up_if_the_successor_goes)
{
	struct support_client first, second;
	int64_t start;
	int fd = support_acquire("modem0", NULL);

	support_queue(&first, "modem0", NULL);
	support_queue(&second, "modem0", json_pack("{s:s}", "label", "login"));
	ask("Handoff", json_pack("{s:s, s:i}", "port", "modem0", "pid", (int)second.stranger.pid));
	support_close(&second);
	support_wait_port("modem0", "held", 1);
	start = support_now_ms();
	close(fd);
	close(support_granted(&first, NULL));
	ck_assert_int_ge(support_now_ms() - start, HANGUP_MS - 10);
	support_close(&first);
}
END_TEST

START_TEST(hand_off_to_nobody_is_refused_and_says_who_waits)
{
	struct support_client c, waiter;
	int fd = support_acquire("modem0", NULL);
	json_t *error;

	support_queue(&waiter, "modem0", json_pack("{s:s}", "label", "mail"));
	support_connect(&c);
	support_call(&c, "Handoff", json_pack("{s:s, s:s}", "port", "modem0", "label", "login"),
		     false);
	error = support_error(&c, "NoSuchWaiter");
	ck_assert_ptr_nonnull(strstr(support_string(error, "message", NULL), "mail"));
	support_close(&c);
	close(fd);
	close(support_granted(&waiter, NULL));
	support_close(&waiter);
}
END_TEST

int
main(void)
{
	static const char needs_root[] = "other users' processes need root";
	bool root = geteuid() == 0, able = support_can_revoke();
	Suite *s = suite_create("e2e_admin");
	TCase *tc = support_case(s, "access", begin_rules);

	support_add(tc, only_who_may_ask_gets_the_port, root, needs_root);
	support_add(tc, pool_leaves_out_ports_that_the_user_may_not_have, root, needs_root);
	support_add(tc, only_who_may_revoke_disable_and_evict_does, root && able, needs_root);
	support_add(tc, only_the_holders_user_speaks_for_a_lease, root, needs_root);
	tc = support_case(s, "disable", begin);
	tcase_add_test(tc, disabled_port_is_not_granted_and_its_holder_goes_on);
	tcase_add_test(tc, disabled_port_stays_so_over_a_stop_and_start);
	tcase_add_test(tc, disabled_port_stays_so_over_a_new_broker_and_a_new_keeper);
	tcase_add_test(tc, disabled_port_is_open_to_others);
	tcase_add_test(tc, who_opened_it_during_maintenance_is_waited_for);
	tc = support_case(s, "hand_off", begin_hangup);
	tcase_add_test(tc, handed_off_lease_goes_to_that_waiter_and_the_line_stays_up);
	tcase_add_test(tc, line_is_hung_up_if_the_successor_goes);
	tcase_add_test(tc, hand_off_to_nobody_is_refused_and_says_who_waits);
	return support_run(s);
}
