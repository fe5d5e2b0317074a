/*
 * test_e2e_restart.c - broker, keeper or all of comleased ends while leases live and clients wait.
 * P9: no holder notices, nobody else gets in, whoever waited gets the port in his turn, by himself.
 */
#include "queue_rig.h"

#include <unistd.h>

static int master;
static struct support_child holder, waiters[QUEUE_WAITERS];
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
	for (i = 0; i < QUEUE_WAITERS; i++) {
		wish = wish_of("queue", i == QUEUE_WAITERS - 1 ? 9 : 0);
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

/* As before, and since when. */
static void
expect_known(void)
{
	json_t *port;

	queue_expect_known(&holder, token, waiters);
	port = support_list("modem0");
	ck_assert_int_eq(support_int(port, "lease", "since", NULL), since);
	json_decref(port);
}

static void
expect_queue_served(void)
{
	queue_expect_served(waiters, token);
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
