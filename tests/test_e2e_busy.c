/*
 * test_e2e_busy.c - a standby holder in a call is not asked to let go, with a real comleased: by
 * its word, by bytes on the line, for no longer than max-busy.
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

static void
begin_plain(void)
{
	begin(SUPPORT_PORT("modem0") "order = mail fax\n");
}

static void
begin_short(void)
{
	begin(SUPPORT_PORT("modem0") "yield-grace = 2\n");
}

static void
say_busy(uint64_t token, bool busy)
{
	struct support_client c;

	support_connect(&c);
	support_ask(&c, "SetBusy",
		    json_pack("{s:I, s:b}", "token", (json_int_t)token, "busy", (int)busy));
	support_close(&c);
}

START_TEST(busy_standby_holder_is_not_asked_until_it_is_idle)
{
	struct support_client watch, mail;
	uint64_t token;
	int fd = support_stand_by(&token), next;
	json_t *port;

	support_watch(&watch, token, "watching");
	say_busy(token, true);
	support_queue(&mail, "modem0", NULL);
	support_expect_silence(&watch, 300);
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "state", NULL), "held");
	ck_assert_int_gt(support_int(port, "lease", "busySince", NULL), 0);
	json_decref(port);
	say_busy(token, false);
	support_event(&watch, "yieldWanted");
	close(fd);
	next = support_granted(&mail, NULL);
	close(next);
	support_event(&watch, "ended");
	support_close(&mail);
	support_close(&watch);
}
END_TEST

START_TEST(call_that_begins_while_it_is_asked_ends_the_grace)
{
	struct support_client watch, mail;
	uint64_t token;
	int fd = support_stand_by(&token);

	support_watch(&watch, token, "watching");
	support_queue(&mail, "modem0", NULL);
	support_event(&watch, "yieldWanted");
	say_busy(token, true);
	support_event(&watch, "resumed");
	support_expect_silence(&watch, 2500); /* longer than the grace */
	support_expect_line(fd, master);
	say_busy(token, false);
	support_event(&watch, "yieldWanted");
	close(fd);
	close(support_granted(&mail, NULL));
	support_event(&watch, "ended");
	support_close(&mail);
	support_close(&watch);
}
END_TEST

static void
begin_max_busy(void)
{
	begin(SUPPORT_PORT("modem0") "max-busy = 1\n");
}

START_TEST(call_counts_for_no_longer_than_max_busy)
{
	struct support_client watch, mail;
	uint64_t token;
	int64_t start;
	int fd = support_stand_by(&token);

	support_watch(&watch, token, "watching");
	start = support_now_ms();
	say_busy(token, true);
	support_queue(&mail, "modem0", NULL);
	support_event(&watch, "yieldWanted");
	ck_assert_int_ge(support_now_ms() - start, 900);
	close(fd);
	close(support_granted(&mail, NULL));
	support_event(&watch, "ended");
	support_close(&mail);
	support_close(&watch);
}
END_TEST

static void
begin_activity(void)
{
	begin(SUPPORT_PORT("modem0") "busy-by = activity:3\n");
}

/* Bytes on the line are a call; three seconds after the last one there is none any more. */
START_TEST(bytes_on_the_line_are_a_call)
{
	struct support_client watch, mail;
	uint64_t token;
	int64_t last;
	int fd = support_stand_by(&token);

	support_watch(&watch, token, "watching");
	last = support_now_ms();
	support_expect_line(fd, master);
	support_log_wait("busy port=modem0");
	support_queue(&mail, "modem0", NULL);
	support_expect_silence(&watch, 400);
	support_event(&watch, "yieldWanted");
	ck_assert_int_ge(support_now_ms() - last, 2900);
	close(fd);
	close(support_granted(&mail, NULL));
	support_event(&watch, "ended");
	support_close(&mail);
	support_close(&watch);
}
END_TEST

START_TEST(waiter_behind_a_call_is_told_why_it_waits)
{
	struct support_client mail;
	uint64_t token;
	int fd = support_stand_by(&token);
	json_t *error;

	say_busy(token, true);
	support_connect_stranger(&mail);
	support_call(&mail, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 200),
		     false);
	error = support_error(&mail, "TimedOut");
	ck_assert_ptr_nonnull(strstr(support_string(error, "message", NULL), "call"));
	support_close(&mail);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_busy");
	TCase *tc = support_case(s, "plain", begin_plain);

	tcase_add_test(tc, busy_standby_holder_is_not_asked_until_it_is_idle);
	tcase_add_test(tc, waiter_behind_a_call_is_told_why_it_waits);
	tc = support_case(s, "grace", begin_short);
	tcase_add_test(tc, call_that_begins_while_it_is_asked_ends_the_grace);
	tc = support_case(s, "max_busy", begin_max_busy);
	tcase_add_test(tc, call_counts_for_no_longer_than_max_busy);
	tc = support_case(s, "activity", begin_activity);
	tcase_add_test(tc, bytes_on_the_line_are_a_call);
	return support_run(s);
}
