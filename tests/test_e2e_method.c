/*
 * test_e2e_method.c - the methods of io.comlease as a client sees them, with a real comleased:
 * replies in the order of the calls, streams that are complete and in order, tokens that only rise.
 */
#include "support.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

static struct comlease_request
wish_of(const char *label)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;

	wish.port = "modem0";
	wish.label = label;
	return wish;
}

START_TEST(calls_sent_at_once_are_answered_in_their_order)
{
	struct support_client c;
	json_int_t token;
	int fd;

	support_connect(&c);
	support_call(&c, "List", NULL, false);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	support_call(&c, "List", NULL, false);
	support_call(&c, "Nonsense", NULL, false);
	ck_assert_uint_eq(json_array_size(json_object_get(support_reply(&c), "ports")), 1);
	token = support_int(support_reply(&c), "lease", "token", NULL);
	fd = support_take(&c);
	ck_assert_int_eq(support_int(json_array_get(json_object_get(support_reply(&c), "ports"), 0),
				     "lease", "token", NULL),
			 token);
	close(fd);
	support_error(&c, "org.varlink.service.MethodNotFound");
	support_close(&c);
}
END_TEST

START_TEST(attach_to_somebody_elses_token_is_refused)
{
	struct support_client waiter, thief;
	uint64_t token;
	int fd = support_acquire("modem0", &token);

	support_queue(&waiter, "modem0", NULL);
	close(fd);
	while (json_object_get(support_reply(&waiter), "lease") == NULL)
		;
	token = (uint64_t)support_int(waiter.reply.parameters, "lease", "token", NULL);
	support_connect_stranger(&thief);
	support_call(&thief, "Attach", json_pack("{s:I}", "token", (json_int_t)token), false);
	support_error(&thief, "NotHolder");
	support_ask(&waiter, "Attach", json_pack("{s:I}", "token", (json_int_t)token));
	fd = support_take(&waiter);
	support_expect_line(fd, master);
	close(fd);
	support_close(&thief);
	support_close(&waiter);
}
END_TEST

/* The next event must be that one. */
static void
expect_event(struct support_client *monitor, const char *event, const char *label,
	     const char *reason)
{
	json_t *events = json_object_get(support_reply(monitor), "events"), *first;

	ck_assert_uint_eq(json_array_size(events), 1);
	first = json_array_get(events, 0);
	ck_assert_str_eq(support_string(first, "event", NULL), event);
	ck_assert_str_eq(support_string(first, "label", NULL), label);
	if (reason != NULL)
		ck_assert_str_eq(support_string(first, "reason", NULL), reason);
}

START_TEST(monitor_tells_every_event_in_order)
{
	struct comlease_request a = wish_of("a"), b = wish_of("b");
	struct support_child first, second;
	struct support_client monitor, c;

	support_connect(&monitor);
	support_call(&monitor, "Monitor", NULL, true);
	ck_assert_uint_eq(json_array_size(json_object_get(support_reply(&monitor), "events")), 0);
	support_hold(&first, &a);
	expect_event(&monitor, "request", "a", NULL);
	expect_event(&monitor, "grant", "a", NULL);
	support_held(&first);
	support_say(&first, 'a');
	expect_event(&monitor, "join", "a", NULL);
	support_held(&first);
	support_hold(&second, &b);
	expect_event(&monitor, "request", "b", NULL);
	support_queue(&c, "modem0", json_pack("{s:s}", "label", "c"));
	expect_event(&monitor, "request", "c", NULL);
	support_close(&c);
	expect_event(&monitor, "leave", "c", "gone");
	support_kill(&first);
	expect_event(&monitor, "end", "a", "died");
	expect_event(&monitor, "grant", "b", NULL);
	support_held(&second);
	support_finish(&second);
	expect_event(&monitor, "end", "b", "released");
	support_expect_silence(&monitor, 100);
	support_close(&monitor);
}
END_TEST

START_TEST(list_with_more_shows_each_state_that_lasts)
{
	struct comlease_request wish = wish_of("shown");
	struct support_child holder;
	struct support_client list, waiter;
	json_t *port;

	support_connect(&list);
	support_call(&list, "List", NULL, true);
	port = json_array_get(json_object_get(support_reply(&list), "ports"), 0);
	ck_assert_str_eq(support_string(port, "state", NULL), "free");
	support_hold(&holder, &wish);
	ck_assert_int_gt(support_held(&holder), 0);
	do /* at first it is being opened */
		port = json_array_get(json_object_get(support_reply(&list), "ports"), 0);
	while (strcmp(support_string(port, "state", NULL), "held") != 0 ||
	       support_int(port, "lease", "descriptions", NULL) != 1);
	ck_assert_int_eq(support_int(port, "lease", "owner", "pid", NULL), holder.pid);
	support_queue(&waiter, "modem0", json_pack("{s:s}", "label", "behind"));
	do
		port = json_array_get(json_object_get(support_reply(&list), "ports"), 0);
	while (support_int(port, "waiting", NULL) != 1);
	port = json_array_get(json_object_get(port, "waiters"), 0);
	ck_assert_str_eq(support_string(port, "label", NULL), "behind");
	ck_assert_int_eq(support_int(port, "place", NULL), 1);
	ck_assert_int_eq(support_int(port, "owner", "pid", NULL), waiter.stranger.pid);
	support_close(&waiter);
	support_finish(&holder);
	do
		port = json_array_get(json_object_get(support_reply(&list), "ports"), 0);
	while (strcmp(support_string(port, "state", NULL), "free") != 0);
	support_close(&list);
}
END_TEST

/* Longer than news are gathered: whoever was told of the grant is told that it is complete, too. */
START_TEST(list_with_more_shows_that_a_slow_device_has_been_opened)
{
	pid_t keeper = support_keeper("modem0");
	struct support_client list, slow;
	json_t *port;

	support_connect(&list);
	support_call(&list, "List", NULL, true);
	support_reply(&list);
	ck_assert_int_eq(kill(keeper, SIGSTOP), 0);
	support_connect(&slow);
	support_call(&slow, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	do
		port = json_array_get(json_object_get(support_reply(&list), "ports"), 0);
	while (json_object_get(port, "lease") == NULL);
	ck_assert_int_eq(support_int(port, "lease", "descriptions", NULL), 0);
	ck_assert_int_eq(kill(keeper, SIGCONT), 0);
	do
		port = json_array_get(json_object_get(support_reply(&list), "ports"), 0);
	while (support_int(port, "lease", "descriptions", NULL) != 1);
	support_close(&slow);
	support_close(&list);
}
END_TEST

START_TEST(tokens_rise_also_over_restarts)
{
	uint64_t last = 0, token;
	int i;

	for (i = 0; i < 9; i++) {
		close(support_acquire("modem0", &token));
		ck_assert_uint_gt(token, last);
		last = token;
		if (i % 3 == 2) {
			support_stop();
			support_start(NULL);
		}
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_method");
	TCase *tc = tcase_create("method");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, support_end);
	tcase_add_test(tc, calls_sent_at_once_are_answered_in_their_order);
	tcase_add_test(tc, attach_to_somebody_elses_token_is_refused);
	tcase_add_test(tc, monitor_tells_every_event_in_order);
	tcase_add_test(tc, list_with_more_shows_each_state_that_lasts);
	tcase_add_test(tc, list_with_more_shows_that_a_slow_device_has_been_opened);
	tcase_add_test(tc, tokens_rise_also_over_restarts);
	suite_add_tcase(s, tc);
	return support_run(s);
}
