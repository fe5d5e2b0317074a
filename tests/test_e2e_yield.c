/*
 * test_e2e_yield.c - standby holders, with a real comleased: who is asked to let go, for whom,
 * until when, and how the port comes back. Whether a descriptor is dead, and who has the line, is
 * asked of the descriptors and of the other end of the line.
 */
#include "support.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int master;

static void
begin(const char *config)
{
	support_begin();
	master = support_plug("modem0");
	support_start(config);
}

static void
begin_plain(void)
{
	begin(SUPPORT_PORT("modem0") "order = mail fax\n");
}

static void
begin_short(void)
{
	begin(SUPPORT_PORT("modem0") "yield-grace = 1\n");
}

/* ---- standby ---- */

START_TEST(standby_holder_keeps_the_port_while_nobody_else_wants_it)
{
	struct support_client watch;
	uint64_t token;
	int fd = support_stand_by(&token);
	json_t *port;

	support_watch(&watch, token, "watching");
	support_expect_silence(&watch, 200);
	port = support_list("modem0");
	ck_assert(json_is_true(json_object_get(json_object_get(port, "lease"), "standby")));
	json_decref(port);
	support_expect_line(fd, master);
	close(fd);
	ck_assert_str_eq(support_string(support_event(&watch, "ended"), "reason", NULL),
			 "released");
	support_close(&watch);
}
END_TEST

START_TEST(standby_holder_is_asked_when_somebody_waits_and_told_for_whom)
{
	struct support_client watch, mail;
	uint64_t token;
	int fd = support_stand_by(&token), next;
	json_t *event, *port;

	support_watch(&watch, token, "watching");
	support_queue(&mail, "modem0", json_pack("{s:s}", "class", "mail"));
	event = support_event(&watch, "yieldWanted");
	ck_assert_str_eq(support_string(event, "reason", NULL), "yielded");
	ck_assert_str_eq(support_string(event, "askerClass", NULL), "mail");
	ck_assert_int_eq(support_int(event, "asker", "pid", NULL), mail.stranger.pid);
	ck_assert_int_gt(support_int(event, "deadline", NULL), 0);
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "state", NULL), "yielding");
	json_decref(port);
	support_expect_line(fd, master); /* it is only asked */
	close(fd);
	next = support_granted(&mail, NULL);
	ck_assert_str_eq(support_string(support_event(&watch, "ended"), "reason", NULL), "yielded");
	support_log_wait("end port=modem0 .*reason=yielded");
	support_expect_line(next, master);
	close(next);
	support_close(&mail);
	support_close(&watch);
}
END_TEST

START_TEST(yield_queues_behind_all_others_and_gives_the_port_back)
{
	struct support_client holder, waiters[3];
	uint64_t token, again;
	json_t *reply;
	int fd, i;

	support_connect_stranger(&holder);
	reply = support_ask(&holder, "Acquire",
			    json_pack("{s:s, s:b}", "port", "modem0", "standby", 1));
	token = (uint64_t)support_int(reply, "lease", "token", NULL);
	fd = support_take(&holder);
	for (i = 0; i < 2; i++)
		support_queue(&waiters[i], "modem0", NULL);
	support_call(&holder, "Yield", json_pack("{s:I}", "token", (json_int_t)token), true);
	reply = support_reply(&holder);
	ck_assert_ptr_nonnull(json_object_get(reply, "waiting"));
	close(fd);
	support_queue(&waiters[2], "modem0", json_pack("{s:i}", "priority", -100));
	for (i = 0; i < 3; i++) {
		fd = support_granted(&waiters[i], NULL);
		support_expect_line(fd, master);
		close(fd);
		support_close(&waiters[i]);
	}
	fd = support_granted(&holder, &again);
	ck_assert_uint_gt(again, token);
	support_expect_line(fd, master);
	close(fd);
	support_close(&holder);
}
END_TEST

/* A descriptor that is still open at Yield is cut off: the next one never shares the line. */
START_TEST(yield_cuts_off_what_is_still_open)
{
	struct support_client holder, waiter;
	json_t *reply;
	int fd, next;

	support_connect_stranger(&holder);
	reply = support_ask(&holder, "Acquire",
			    json_pack("{s:s, s:b}", "port", "modem0", "standby", 1));
	fd = support_take(&holder);
	support_queue(&waiter, "modem0", NULL);
	support_call(&holder, "Yield",
		     json_pack("{s:I}", "token", support_int(reply, "lease", "token", NULL)), true);
	next = support_granted(&waiter, NULL);
	ck_assert(support_is_dead(fd));
	support_expect_line(next, master);
	close(fd);
	close(next);
	support_close(&waiter);
	close(support_granted(&holder, NULL));
	support_close(&holder);
}
END_TEST

START_TEST(withdrawn_wish_lets_the_standby_holder_go_on)
{
	struct support_client watch, mail;
	uint64_t token;
	int fd = support_stand_by(&token);

	support_watch(&watch, token, "watching");
	support_queue(&mail, "modem0", NULL);
	support_event(&watch, "yieldWanted");
	support_close(&mail);
	support_event(&watch, "resumed");
	support_wait_port("modem0", "held", 0);
	support_expect_line(fd, master);
	close(fd);
	support_event(&watch, "ended");
	support_close(&watch);
}
END_TEST

START_TEST(second_standby_request_waits_without_asking_the_first)
{
	struct support_client watch, other;
	uint64_t token;
	int fd = support_stand_by(&token);

	support_watch(&watch, token, "watching");
	support_queue(&other, "modem0", json_pack("{s:b}", "standby", 1));
	support_expect_silence(&watch, 200);
	close(fd);
	close(support_granted(&other, NULL));
	support_close(&other);
	support_event(&watch, "ended");
	support_close(&watch);
}
END_TEST

START_TEST(who_does_not_want_to_wait_asks_nobody_to_yield)
{
	struct support_client watch, other;
	uint64_t token;
	int fd = support_stand_by(&token);

	support_watch(&watch, token, "watching");
	support_connect_stranger(&other);
	support_call(&other, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 0),
		     false);
	support_error(&other, "Busy");
	support_close(&other);
	support_expect_silence(&watch, 100);
	close(fd);
	support_event(&watch, "ended");
	support_close(&watch);
}
END_TEST

START_TEST(standby_holder_that_does_not_let_go_loses_the_port_at_the_end_of_the_grace)
{
	struct support_client watch, mail;
	int64_t asked;
	uint64_t token;
	int fd = support_stand_by(&token), next;

	support_watch(&watch, token, "watching");
	asked = support_now_ms();
	support_queue(&mail, "modem0", NULL);
	support_event(&watch, "yieldWanted");
	next = support_granted(&mail, NULL);
	ck_assert_int_ge(support_now_ms() - asked, 950);
	ck_assert(support_is_dead(fd));
	support_event(&watch, "revoked");
	support_log_wait("end port=modem0 .*reason=revoked");
	support_expect_line(next, master);
	close(fd);
	close(next);
	support_close(&mail);
	support_close(&watch);
}
END_TEST

/* A holder that is stopped hears nothing, and loses the port all the same. */
START_TEST(stopped_holder_loses_the_port_too)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child holder;
	struct support_client mail;
	int next, status;

	wish.port = "modem0";
	wish.standby = 1;
	support_hold(&holder, &wish);
	ck_assert_int_gt(support_held(&holder), 0);
	ck_assert_int_eq(kill(holder.pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(holder.pid, &status, WUNTRACED), holder.pid);
	support_queue(&mail, "modem0", NULL);
	next = support_granted(&mail, NULL);
	support_expect_line(next, master);
	ck_assert_int_eq(kill(holder.pid, SIGCONT), 0);
	support_kill(&holder);
	close(next);
	support_close(&mail);
}
END_TEST

/* ---- who may ---- */

START_TEST(watch_of_a_lease_that_has_ended_is_refused)
{
	struct support_client c;
	uint64_t token;

	close(support_stand_by(&token));
	support_log_wait("end port=modem0");
	support_connect(&c);
	support_call(&c, "Watch", json_pack("{s:I}", "token", (json_int_t)token), true);
	support_error(&c, "Revoked");
	support_close(&c);
}
END_TEST

/* A broker that comes anew still knows the lease, that it is standby, and who watches again. */
START_TEST(standby_lease_survives_the_broker)
{
	struct support_client watch, mail;
	uint64_t token;
	int fd = support_stand_by(&token);

	support_kill_broker();
	support_watch(&watch, token, "watching");
	support_queue(&mail, "modem0", NULL);
	support_event(&watch, "yieldWanted");
	close(fd);
	close(support_granted(&mail, NULL));
	support_event(&watch, "ended");
	support_close(&mail);
	support_close(&watch);
}
END_TEST

int
main(void)
{
	static const char needs_cap[] = "taking a port back needs CAP_SYS_ADMIN";
	bool able = support_can_revoke();
	Suite *s = suite_create("e2e_yield");
	TCase *tc = tcase_create("standby"), *grace = tcase_create("grace");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin_plain, support_end);
	tcase_add_test(tc, standby_holder_keeps_the_port_while_nobody_else_wants_it);
	tcase_add_test(tc, standby_holder_is_asked_when_somebody_waits_and_told_for_whom);
	support_add(tc, yield_queues_behind_all_others_and_gives_the_port_back, able, needs_cap);
	support_add(tc, yield_cuts_off_what_is_still_open, able, needs_cap);
	tcase_add_test(tc, withdrawn_wish_lets_the_standby_holder_go_on);
	tcase_add_test(tc, second_standby_request_waits_without_asking_the_first);
	tcase_add_test(tc, who_does_not_want_to_wait_asks_nobody_to_yield);
	tcase_add_test(tc, watch_of_a_lease_that_has_ended_is_refused);
	tcase_add_test(tc, standby_lease_survives_the_broker);
	tcase_set_timeout(grace, 60);
	tcase_add_checked_fixture(grace, begin_short, support_end);
	support_add(grace,
		    standby_holder_that_does_not_let_go_loses_the_port_at_the_end_of_the_grace,
		    able, needs_cap);
	support_add(grace, stopped_holder_loses_the_port_too, able, needs_cap);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, grace);
	return support_run(s);
}
