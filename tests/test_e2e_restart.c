/*
 * test_e2e_restart.c - broker, keeper or all of comleased ends while leases live and clients wait.
 * P9: no holder notices, nobody else gets in, whoever waited gets the port in his turn, by himself.
 */
#include "support.h"

#include <unistd.h>

#define WAITERS 3

static int master;
static struct support_child holder, waiters[WAITERS];
static int64_t token;
static json_int_t since;

static struct comlease_request
wish_of(const char *label, int priority)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;

	wish.port = "modem0";
	wish.label = label;
	wish.priority = priority;
	return wish;
}

/* A holder, and three who wait: the last one has priority. */
static void
begin_with_queue(void)
{
	struct comlease_request wish = wish_of("first", 0);
	json_t *port;
	int i;

	support_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	support_hold(&holder, &wish);
	token = support_held(&holder);
	ck_assert_int_gt(token, 0);
	for (i = 0; i < WAITERS; i++) {
		wish = wish_of("queue", i == WAITERS - 1 ? 9 : 0);
		support_hold(&waiters[i], &wish);
		support_log_wait("request .*label=queue");
	}
	port = support_list("modem0");
	since = support_int(port, "lease", "since", NULL);
	json_decref(port);
}

/* Bytes both ways, by the holder. */
static void
expect_undisturbed(void)
{
	char bytes[4096];

	support_say(&holder, 'w');
	support_expect_line_of(&holder, "written");
	ck_assert_uint_eq(support_read(master, bytes, sizeof(bytes)), sizeof(bytes));
	support_write(master, "pong", 4);
	support_say(&holder, 'r');
	support_expect_line_of(&holder, "read pong");
}

/* The status shows him as before, nobody else gets in. */
static void
expect_known(void)
{
	struct support_client c;
	json_t *port;

	support_wait_port("modem0", "held", WAITERS);
	port = support_list("modem0");
	ck_assert_int_eq(support_int(port, "lease", "token", NULL), token);
	ck_assert_int_eq(support_int(port, "lease", "owner", "pid", NULL), holder.pid);
	ck_assert_int_eq(support_int(port, "lease", "owner", "uid", NULL), (json_int_t)getuid());
	ck_assert_str_eq(support_string(port, "lease", "label", NULL), "first");
	ck_assert_int_eq(support_int(port, "lease", "since", NULL), since);
	json_decref(port);
	support_connect_stranger(&c);
	support_call(&c, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 100), false);
	support_error(&c, "TimedOut");
	support_close(&c);
	ck_assert(support_is_quiet(&waiters[0], 0) && support_is_quiet(&waiters[1], 0));
}

/* The waiters have it in their order, one at a time. */
static void
expect_queue_served(void)
{
	static const int order[WAITERS] = { 2, 0, 1 };
	int64_t last = token, next;
	int i, j;

	for (i = 0; i < WAITERS; i++) {
		next = support_held(&waiters[order[i]]);
		ck_assert_int_gt(next, last);
		last = next;
		for (j = i + 1; j < WAITERS; j++)
			ck_assert(support_is_quiet(&waiters[order[j]], 20));
		support_finish(&waiters[order[i]]);
	}
}

START_TEST(broker_killed_while_a_lease_lives)
{
	support_kill_broker();
	expect_undisturbed();
	expect_known();
	expect_undisturbed();
	support_finish(&holder);
	expect_queue_served();
}
END_TEST

START_TEST(keeper_killed_while_a_lease_lives)
{
	support_kill_keeper("modem0");
	expect_undisturbed();
	expect_known();
	expect_undisturbed();
	support_finish(&holder);
	expect_queue_served();
}
END_TEST

START_TEST(broker_and_keeper_killed_while_a_lease_lives)
{
	support_kill_keeper("modem0");
	support_kill_broker();
	expect_undisturbed();
	expect_known();
	expect_undisturbed();
	support_finish(&holder);
	expect_queue_served();
}
END_TEST

/* What ended while nobody looked is noticed: the roster tells. */
START_TEST(holder_ends_while_the_broker_is_dead)
{
	support_kill_broker();
	support_finish(&holder);
	expect_queue_served();
}
END_TEST

START_TEST(holder_joins_and_is_revoked_after_a_restart)
{
	struct support_client c;

	support_kill_broker();
	expect_known();
	support_say(&holder, 'a');
	ck_assert_int_eq(support_held(&holder), token);
	support_wait_descriptions("modem0", 2);
	support_connect(&c);
	support_call(&c, "Revoke", json_pack("{s:s, s:I}", "port", "modem0", "token", token),
		     false);
	if (support_can_revoke())
		support_reply(&c);
	else
		support_error(&c, "NotRevocable");
	support_close(&c);
	if (!support_can_revoke())
		support_finish(&holder);
	expect_queue_served();
	if (support_can_revoke())
		support_finish(&holder);
}
END_TEST

START_TEST(wait_goes_on_when_comleased_is_started_again)
{
	support_stop();
	support_finish(&holder);
	support_start(NULL);
	expect_queue_served();
}
END_TEST

START_TEST(holder_works_on_while_comleased_is_started_again)
{
	support_stop();
	expect_undisturbed();
	support_start(NULL);
	expect_undisturbed();
	support_finish(&holder);
	expect_queue_served();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_restart");
	TCase *tc = tcase_create("restart");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin_with_queue, support_end);
	tcase_add_test(tc, broker_killed_while_a_lease_lives);
	tcase_add_test(tc, keeper_killed_while_a_lease_lives);
	tcase_add_test(tc, broker_and_keeper_killed_while_a_lease_lives);
	tcase_add_test(tc, holder_ends_while_the_broker_is_dead);
	tcase_add_test(tc, holder_joins_and_is_revoked_after_a_restart);
	tcase_add_test(tc, wait_goes_on_when_comleased_is_started_again);
	tcase_add_test(tc, holder_works_on_while_comleased_is_started_again);
	suite_add_tcase(s, tc);
	return support_run(s);
}
