/*
 * test_e2e_deadline.c - holders that are asked to let go at a deadline or for a higher class, with
 * a real comleased: max-hold, idle-timeout, preempt, min-hold.
 */
#include "support.h"

#include <string.h>
#include <unistd.h>

static int master;

static void
begin(const char *config)
{
	support_begin();
	master = support_plug("modem0");
	support_start(config);
}

/* ---- deadlines ---- */

static void
begin_max_hold(void)
{
	begin(SUPPORT_PORT("modem0") "max-hold = 2\nyield-grace = 1\n");
}

START_TEST(max_hold_asks_then_takes_the_port_also_if_nobody_waits)
{
	struct support_client watch;
	int64_t start = support_now_ms();
	uint64_t token;
	int fd = support_acquire("modem0", &token);

	support_watch(&watch, token, "watching");
	ck_assert_str_eq(support_string(support_event(&watch, "yieldWanted"), "reason", NULL),
			 "expired");
	ck_assert_int_ge(support_now_ms() - start, 1900);
	support_event(&watch, "ended");
	ck_assert_int_ge(support_now_ms() - start, 2900);
	ck_assert(support_is_dead(fd));
	support_log_wait("end port=modem0 .*reason=expired");
	close(fd);
	support_close(&watch);
}
END_TEST

static void
begin_max_hold_of_a_class(void)
{
	begin(SUPPORT_PORT("modem0") "max-hold = 60 fax:1\n");
}

static void
expect_asked(uint64_t token)
{
	struct support_client watch;

	support_connect(&watch);
	support_call(&watch, "Watch", json_pack("{s:I}", "token", (json_int_t)token), true);
	while (strcmp(support_string(support_reply(&watch), "event", NULL), "yieldWanted") != 0)
		;
	support_close(&watch);
}

/* The port's own would be waited for in vain. */
START_TEST(max_hold_of_the_class_and_of_the_request_are_shorter)
{
	uint64_t token;
	int fd =
	    support_acquire_with(json_pack("{s:s, s:s}", "port", "modem0", "class", "fax"), &token);

	expect_asked(token);
	close(fd);
	fd =
	    support_acquire_with(json_pack("{s:s, s:i}", "port", "modem0", "maxHold", 100), &token);
	expect_asked(token);
	close(fd);
}
END_TEST

static void
begin_idle(void)
{
	begin(SUPPORT_PORT("modem0") "idle-timeout = 3\nyield-grace = 10\n");
}

START_TEST(idle_timeout_asks_a_holder_that_moves_no_byte)
{
	struct support_client watch;
	int64_t start;
	uint64_t token;
	int fd = support_acquire("modem0", &token);

	support_watch(&watch, token, "watching");
	support_poll(-1, 0, support_now_ms() + 1000);
	start = support_now_ms();
	support_expect_line(fd, master);
	ck_assert_str_eq(support_string(support_event(&watch, "yieldWanted"), "reason", NULL),
			 "expired");
	ck_assert_int_ge(support_now_ms() - start, 2900);
	support_expect_line(fd, master); /* it works again: that was not meant */
	support_event(&watch, "resumed");
	close(fd);
	support_event(&watch, "ended");
	support_close(&watch);
}
END_TEST

/* ---- preemption ---- */

static void
begin_lower(void)
{
	begin(SUPPORT_PORT(
	    "modem0") "order = mail fax\npreempt = lower\nmin-hold = 1\nyield-grace = 1\n");
}

START_TEST(higher_class_asks_a_lower_one_after_its_min_hold)
{
	struct support_client watch, mail;
	int64_t start = support_now_ms();
	uint64_t token;
	int fd = support_acquire_with(json_pack("{s:s, s:s}", "port", "modem0", "class", "fax"),
				      &token),
	    next;

	support_watch(&watch, token, "watching");
	support_queue(&mail, "modem0", json_pack("{s:s}", "class", "mail"));
	ck_assert_str_eq(support_string(support_event(&watch, "yieldWanted"), "reason", NULL),
			 "preempted");
	ck_assert_int_ge(support_now_ms() - start, 950);
	close(fd);
	next = support_granted(&mail, NULL);
	support_log_wait("end port=modem0 .*reason=preempted");
	support_event(&watch, "ended");
	close(next);
	support_close(&mail);
	support_close(&watch);
}
END_TEST

START_TEST(same_or_lower_class_never_preempts)
{
	struct support_client watch, other;
	uint64_t token;
	int fd = support_acquire_with(json_pack("{s:s, s:s}", "port", "modem0", "class", "mail"),
				      &token);

	support_watch(&watch, token, "watching");
	support_queue(&other, "modem0", json_pack("{s:s, s:i}", "class", "mail", "priority", 100));
	support_expect_silence(&watch, 1300);
	close(fd);
	close(support_granted(&other, NULL));
	support_event(&watch, "ended");
	support_close(&other);
	support_close(&watch);
}
END_TEST

static void
begin_never(void)
{
	begin(SUPPORT_PORT("modem0") "preempt = never\n");
}

START_TEST(preempt_never_asks_no_standby_holder_either)
{
	struct support_client watch, mail;
	uint64_t token;
	int fd = support_stand_by(&token);

	support_watch(&watch, token, "watching");
	support_queue(&mail, "modem0", NULL);
	support_expect_silence(&watch, 300);
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
	Suite *s = suite_create("e2e_deadline");
	TCase *tc = support_case(s, "max_hold", begin_max_hold);

	support_add(tc, max_hold_asks_then_takes_the_port_also_if_nobody_waits, able, needs_cap);
	tc = support_case(s, "max_hold of a class", begin_max_hold_of_a_class);
	tcase_add_test(tc, max_hold_of_the_class_and_of_the_request_are_shorter);
	tc = support_case(s, "idle", begin_idle);
	tcase_add_test(tc, idle_timeout_asks_a_holder_that_moves_no_byte);
	tc = support_case(s, "lower", begin_lower);
	tcase_add_test(tc, higher_class_asks_a_lower_one_after_its_min_hold);
	tcase_add_test(tc, same_or_lower_class_never_preempts);
	tc = support_case(s, "never", begin_never);
	tcase_add_test(tc, preempt_never_asks_no_standby_holder_either);
	return support_run(s);
}
