/*
 * test_libcomlease_watch.c - the client library on a lease that one has: events, yielding it,
 * saying that a call is in progress; and the members of a request that came with 0.2.
 */
#include "libcomlease_fixture.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct comlease_event event = { .size = sizeof(event) };

static int64_t
wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the request ---- */

START_TEST(new_members_are_sent_only_when_they_are_set)
{
	close(comlease_acquire(c, &request, NULL));
	assert_call("Acquire", 0, "{\"port\":\"modem0\"}");
	request.class_name = "fax";
	request.standby = 1;
	request.max_hold_ms = 60000;
	request.yield_grace_ms = 0;
	close(comlease_acquire(c, &request, NULL));
	assert_call("Acquire", 1,
		    "{\"class\":\"fax\",\"maxHold\":60000,\"port\":\"modem0\",\"standby\":true,"
		    "\"yieldGrace\":0}");
	request.max_hold_ms = 0;
	assert_fails(comlease_acquire(c, &request, NULL), EINVAL);
	request.max_hold_ms = COMLEASE_FOREVER;
	request.yield_grace_ms = -2;
	assert_fails(comlease_acquire(c, &request, NULL), EINVAL);
	request.yield_grace_ms = COMLEASE_FOREVER;
	request.class_name = "\xff";
	assert_fails(comlease_acquire(c, &request, NULL), EINVAL);
}
END_TEST

/* As 0.1.0 had it. */
struct old_request {
	size_t size;
	const char *port, *device;
	uint64_t rdev;
	int64_t wait_ms;
	int priority;
	const char *label, *key;
	int64_t reconnect_ms;
};

START_TEST(a_caller_compiled_against_the_old_structure_keeps_working)
{
	struct {
		struct old_request request;
		unsigned char behind[64];
	} old;

	ck_assert_uint_eq(sizeof(struct old_request),
			  offsetof(struct comlease_request, class_name));
	memset(&old, 0x55, sizeof(old));
	old.request = (struct old_request){ .size = sizeof(old.request),
					    .port = "modem0",
					    .wait_ms = COMLEASE_FOREVER,
					    .reconnect_ms = 30000 };
	close(comlease_acquire(c, (const struct comlease_request *)(const void *)&old, NULL));
	assert_call("Acquire", 0, "{\"port\":\"modem0\"}");
}
END_TEST

START_TEST(a_foreign_holder_is_named_to_who_waits)
{
	struct comlease_waiting waiting;

	fake.mode = FAKE_HOLD;
	fake.foreign = true;
	ck_assert_int_eq(comlease_request(c, &request), 0);
	while (comlease_waiting(c, &waiting) < 0) {
		poll(&(struct pollfd){ comlease_fd(c), comlease_events(c), 0 }, 1, 1000);
		comlease_dispatch(c, NULL);
	}
	ck_assert_str_eq(waiting.state, "foreign");
	ck_assert_int_eq(waiting.holder.pid, 815);
	ck_assert_str_eq(waiting.holder.command, "minicom");
	ck_assert_int_eq(waiting.holder_since_ms, 1700000000000);
}
END_TEST

/* ---- watching ---- */

static void
assert_event(enum comlease_event_type type, const char *reason)
{
	int r = comlease_next_event(c, &event, 5000);

	ck_assert_msg(r == 0, "%s (%s)", strerrorname_np(errno), comlease_error(c));
	ck_assert_int_eq((int)event.type, (int)type);
	if (reason)
		ck_assert_str_eq(event.reason, reason);
	else
		ck_assert_ptr_null(event.reason);
}

START_TEST(a_watched_lease_tells_what_happens_to_it)
{
	char text[256];

	ck_assert_int_eq(comlease_watch(c, 17), 0);
	assert_call("Watch", 0, "{\"token\":17}");
	ck_assert_int_eq(comlease_next_event(c, &event, 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
	snprintf(text, sizeof(text),
		 "{\"event\":\"yieldWanted\",\"deadline\":%lld,\"reason\":\"yielded\",\"asker\":"
		 "{\"pid\":812,\"uid\":10,\"command\":\"uucico\"},\"askerClass\":\"mail\"}",
		 (long long)wall_ms() + 60000);
	fake_event(&fake, text, false);
	ck_assert_int_eq(poll(&(struct pollfd){ comlease_fd(c), comlease_events(c), 0 }, 1, 5000),
			 1);
	assert_event(COMLEASE_EVENT_YIELD_WANTED, "yielded");
	ck_assert_int_gt(event.left_ms, 50000);
	ck_assert_int_le(event.left_ms, 60000);
	ck_assert_int_eq(event.asker.pid, 812);
	ck_assert_uint_eq(event.asker.uid, 10);
	ck_assert_str_eq(event.asker.command, "uucico");
	fake_event(&fake, "{\"event\":\"resumed\"}", false);
	assert_event(COMLEASE_EVENT_RESUMED, NULL);
	ck_assert_int_eq(event.asker.pid, 0);
	fake_event(&fake, "{\"event\":\"yieldWanted\",\"deadline\":5,\"reason\":\"expired\"}",
		   false);
	assert_event(COMLEASE_EVENT_YIELD_WANTED, "expired");
	ck_assert_int_eq(event.left_ms, 0); /* long ago */
	ck_assert_int_eq(event.asker.pid, 0);
	fake_event(&fake, "{\"event\":\"ended\",\"reason\":\"expired\"}", true);
	assert_event(COMLEASE_EVENT_ENDED, "expired");
	assert_fails(comlease_next_event(c, &event, 0), EINVAL);
	ck_assert_int_eq(comlease_busy(c, 17, 0), 0); /* the connection is free again */
}
END_TEST

static const struct {
	const char *json;
	enum comlease_event_type type;
} last_events[] = {
	{ "{\"event\":\"revoked\"}", COMLEASE_EVENT_REVOKED },
	{ "{\"event\":\"unplugged\"}", COMLEASE_EVENT_UNPLUGGED },
	{ "{\"event\":\"ended\"}", COMLEASE_EVENT_ENDED },
	{ "{\"event\":\"unheard\"}", COMLEASE_EVENT_ENDED },
};

START_TEST(what_is_not_known_is_passed_over_but_an_end_is_an_end)
{
	ck_assert_int_eq(comlease_watch(c, 17), 0);
	fake_event(&fake, "{\"event\":\"unheard\"}", false);
	fake_event(&fake, last_events[_i].json, true);
	assert_event(last_events[_i].type, NULL);
}
END_TEST

START_TEST(an_event_that_comes_first_is_not_lost)
{
	fake.watch_first = "{\"event\":\"yieldWanted\",\"reason\":\"preempted\"}";
	ck_assert_int_eq(comlease_watch(c, 17), 0);
	assert_event(COMLEASE_EVENT_YIELD_WANTED, "preempted");
	ck_assert_int_eq(comlease_next_event(c, &event, 0), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(who_may_not_watch_is_told_at_once)
{
	fake.watch_error = "io.comlease.Revoked";
	assert_fails(comlease_watch(c, 17), ESTALE);
	fake.watch_error = "io.comlease.NotHolder";
	assert_fails(comlease_watch(c, 17), EPERM);
	assert_fails(comlease_next_event(c, &event, 0), EINVAL);
}
END_TEST

START_TEST(a_small_event_structure_is_not_overrun)
{
	struct comlease_event small;

	memset(&small, 0x55, sizeof(small));
	small.size = offsetof(struct comlease_event, reason);
	fake.watch_first = "{\"event\":\"yieldWanted\",\"reason\":\"preempted\"}";
	ck_assert_int_eq(comlease_watch(c, 17), 0);
	ck_assert_int_eq(comlease_next_event(c, &small, 0), 0);
	ck_assert_int_eq((int)small.type, COMLEASE_EVENT_YIELD_WANTED);
	ck_assert_int_eq(((char *)&small.reason)[0], 0x55);
}
END_TEST

START_TEST(a_watch_ends_when_the_broker_goes_and_can_be_begun_again)
{
	ck_assert_int_eq(comlease_watch(c, 17), 0);
	fake_down(&fake, true);
	assert_fails(comlease_next_event(c, &event, 5000), ECONNRESET);
	assert_fails(comlease_watch(c, 17), ECONNREFUSED);
	fake_up(&fake);
	ck_assert_int_eq(comlease_watch(c, 17), 0);
	ck_assert_int_eq(comlease_next_event(c, &event, 50), -1);
	ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(busy_and_idle_name_the_lease)
{
	ck_assert_int_eq(comlease_busy(c, 17, 1), 0);
	ck_assert_int_eq(comlease_busy(c, 17, 0), 0);
	assert_call("SetBusy", 0, "{\"busy\":true,\"token\":17}");
	assert_call("SetBusy", 1, "{\"busy\":false,\"token\":17}");
	fake.mode = FAKE_ERROR;
	fake.error = "io.comlease.Revoked";
	assert_fails(comlease_busy(c, 17, 1), ESTALE);
}
END_TEST

static void
add_watch(TCase *tcase)
{
	tcase_add_test(tcase, new_members_are_sent_only_when_they_are_set);
	tcase_add_test(tcase, a_caller_compiled_against_the_old_structure_keeps_working);
	tcase_add_test(tcase, a_foreign_holder_is_named_to_who_waits);
	tcase_add_test(tcase, a_watched_lease_tells_what_happens_to_it);
	tcase_add_loop_test(tcase, what_is_not_known_is_passed_over_but_an_end_is_an_end, 0,
			    sizeof(last_events) / sizeof(last_events[0]));
	tcase_add_test(tcase, an_event_that_comes_first_is_not_lost);
	tcase_add_test(tcase, who_may_not_watch_is_told_at_once);
	tcase_add_test(tcase, a_small_event_structure_is_not_overrun);
	tcase_add_test(tcase, a_watch_ends_when_the_broker_goes_and_can_be_begun_again);
	tcase_add_test(tcase, busy_and_idle_name_the_lease);
}

int
main(void)
{
	Suite *suite = suite_create("libcomlease_watch");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_watch(library_case(suite, "watch"));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
