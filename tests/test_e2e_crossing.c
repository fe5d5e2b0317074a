/*
 * test_e2e_crossing.c - things that happen at the same moment: a client goes, a device goes, a
 * keeper dies or the configuration changes while an answer is on its way. To have them cross, the
 * broker or a keeper is stopped meanwhile. The broker outlives all of it, and nobody gets what is
 * another's.
 */
#include "support.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int master;
static pid_t broker, keeper;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_plug("modem1");
	support_plug("modem2");
	support_start(SUPPORT_PORT("modem0") SUPPORT_PORT("modem1") SUPPORT_PORT("modem2"));
	broker = support_broker();
	keeper = support_keeper("modem0");
}

/* The same broker goes on, and modem0 works. */
static void
expect_well(void)
{
	int fd = support_acquire("modem0", NULL);

	support_expect_line(fd, master);
	close(fd);
	ck_assert_int_eq(support_broker(), broker);
	support_log_expect("ended broker", 0);
}

static void
ask(struct support_client *c, json_int_t wait, bool more)
{
	support_call(c, "Acquire", json_pack("{s:s, s:I}", "port", "modem0", "wait", wait), more);
}

/* The broker has taken what was sent before. */
static void
let_it_be_heard(void)
{
	json_decref(support_list("modem0"));
}

/* A request of the holder's process, granted with `more` and not attached. */
static void
join_with_more(struct support_client *c)
{
	support_connect(c);
	ask(c, 60000, true);
	ck_assert_ptr_nonnull(json_object_get(support_reply(c), "lease"));
}

/* ---- a client goes ---- */

/* _i: with `more`. */
START_TEST(joiner_goes_as_its_descriptor_comes)
{
	int fd = support_acquire_here("modem0", NULL);
	struct support_client joiner;

	support_connect(&joiner);
	support_pause(keeper);
	ask(&joiner, 60000, _i != 0);
	let_it_be_heard();
	support_pause(broker);
	support_resume(keeper);
	poll(NULL, 0, 100); /* it opens, and answers a broker that does not listen */
	support_close(&joiner);
	support_resume(broker);
	close(fd);
	expect_well();
}
END_TEST

START_TEST(joiner_goes_as_it_attaches)
{
	struct support_client joiner;
	uint64_t token;
	int fd = support_acquire_here("modem0", &token);

	join_with_more(&joiner);
	support_pause(broker);
	support_call(&joiner, "Attach", json_pack("{s:I}", "token", (json_int_t)token), false);
	support_close(&joiner);
	support_resume(broker);
	close(fd);
	expect_well();
}
END_TEST

/* ---- a subscriber goes ---- */

/* With these ports, up to NULL, and no others. */
static void
reload_with(const char *const ports[])
{
	FILE *f = fopen(support_path("conf"), "we");

	ck_assert_ptr_nonnull(f);
	for (; *ports != NULL; ports++)
		fprintf(f, "[port %s]\ndevice = %s\nhangup-ms = 0\n%s", *ports,
			support_path(*ports), support_can_revoke() ? "" : "revocation = none\n");
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	support_log_wait("reload result=done");
}
#define RELOAD_WITH(...) reload_with((const char *const[]){ __VA_ARGS__, NULL })

/* It has joined a lease, has a stream of changes, and the port goes. */
START_TEST(port_goes_under_a_subscriber_that_joined)
{
	int fd = support_acquire_here("modem0", NULL);
	struct support_client joiner;

	join_with_more(&joiner);
	support_call(&joiner, "List", NULL, true);
	support_reply(&joiner);
	RELOAD_WITH("modem1", "modem2");
	support_wait_port("modem1", "free", 0);
	support_close(&joiner);
	close(fd);
	RELOAD_WITH("modem0", "modem1", "modem2");
	support_wait_port("modem0", "free", 0);
	expect_well();
}
END_TEST

/* Two subscribers that go at the same moment: the first one's end is told to the second one. */
START_TEST(subscribers_go_as_a_port_goes)
{
	int fd = support_acquire_here("modem0", NULL);
	struct support_client lister, monitor, third;

	join_with_more(&lister);
	support_call(&lister, "List", NULL, true);
	support_reply(&lister);
	support_connect(&monitor);
	support_call(&monitor, "Monitor", NULL, true);
	support_reply(&monitor);
	support_connect_stranger(&third); /* its events are told 20 ms later */
	support_ask(&third, "Acquire", json_pack("{s:s}", "port", "modem2"));
	support_pause(broker);
	support_close(&lister);
	support_close(&monitor);
	RELOAD_WITH("modem0", "modem2");
	support_resume(broker);
	close(fd);
	support_close(&third);
	expect_well();
	RELOAD_WITH("modem0", "modem1", "modem2");
}
END_TEST

/* ---- the lease goes ---- */

START_TEST(descriptor_of_a_lease_that_has_ended_is_not_attached)
{
	struct support_client joiner, c;
	uint64_t token, next;
	int fd = support_acquire_here("modem0", &token), other;

	join_with_more(&joiner);
	support_connect(&c);
	support_ask(&c, "Revoke", json_pack("{s:s}", "port", "modem0"));
	other = support_acquire("modem0", &next);
	support_call(&joiner, "Attach", json_pack("{s:I}", "token", (json_int_t)next), false);
	support_error(&joiner, "NotHolder");
	support_close(&joiner);
	support_close(&c);
	close(fd);
	close(other);
	expect_well();
}
END_TEST

START_TEST(lease_that_is_revoked_before_it_is_there_is_told_so)
{
	struct support_client first, c;

	support_connect_stranger(&first);
	support_connect(&c);
	support_pause(keeper);
	ask(&first, 60000, false);
	let_it_be_heard();
	support_call(&c, "Revoke", json_pack("{s:s}", "port", "modem0"), false);
	let_it_be_heard();
	support_resume(keeper);
	support_error(&first, "Revoked");
	support_reply(&c);
	support_close(&first);
	support_close(&c);
	expect_well();
}
END_TEST

/* ---- the device goes ---- */

/* Granted, but not opened yet: it waits on, as long as it said. */
START_TEST(time_to_wait_is_not_begun_anew_when_the_device_goes)
{
	struct support_client c;
	int64_t asked = support_now_ms();

	support_connect(&c);
	support_pause(keeper);
	ask(&c, 4000, false);
	let_it_be_heard();
	poll(NULL, 0, 3000);
	support_unplug("modem0");
	support_resume(keeper);
	support_error(&c, "Absent");
	ck_assert_int_ge(support_now_ms() - asked, 3990);
	ck_assert_int_lt(support_now_ms() - asked, 3000 + 3990);
	support_close(&c);
	master = support_plug("modem0");
	expect_well();
}
END_TEST

START_TEST(request_waits_when_device_and_keeper_go_before_its_grant)
{
	struct support_client c;
	int fd;

	support_connect(&c);
	support_pause(keeper);
	ask(&c, 60000, false);
	let_it_be_heard();
	support_unplug("modem0");
	support_kill_keeper("modem0");
	support_wait_port("modem0", "absent", 1);
	master = support_plug("modem0");
	support_reply(&c);
	fd = support_take(&c);
	support_expect_line(fd, master);
	close(fd);
	support_close(&c);
	expect_well();
}
END_TEST

/* ---- the keeper hangs ---- */

START_TEST(joiner_is_told_that_the_keeper_hangs)
{
	int fd = support_acquire_here("modem0", NULL);
	struct support_client joiner;

	support_connect(&joiner);
	support_pause(keeper);
	ask(&joiner, 60000, false);
	ck_assert_ptr_nonnull(
	    strstr(support_string(support_error(&joiner, "OpenFailed"), "message", NULL),
		   "its keeper does not answer"));
	support_resume(keeper);
	support_log_wait("back port=modem0 state=held");
	support_expect_line(fd, master);
	support_close(&joiner);
	close(fd);
	expect_well();
}
END_TEST

/* The old descriptor still works: nothing else may be said. */
START_TEST(revocation_that_did_not_happen_is_not_confirmed)
{
	int fd = support_acquire("modem0", NULL);
	struct support_client c;

	support_connect(&c);
	support_pause(keeper);
	support_call(&c, "Revoke", json_pack("{s:s}", "port", "modem0"), false);
	ck_assert_ptr_nonnull(
	    strstr(support_string(support_error(&c, "OpenFailed"), "message", NULL),
		   "its keeper does not answer"));
	ck_assert(!support_is_dead(fd));
	ck_assert_int_eq(support_log_count("end port=modem0"), 0);
	support_resume(keeper);
	support_wait_port("modem0", "free", 0);
	ck_assert(support_is_dead(fd));
	support_log_wait("end port=modem0");
	close(fd);
	support_close(&c);
	expect_well();
}
END_TEST

/* ---- */

/* The broker sleeps while much happens: the keeper can't tell it, and it must not be deaf for ever
 * to the keeper afterwards. */
START_TEST(keeper_that_was_not_heard_is_heard_again)
{
	char link[128], away[128];

	snprintf(link, sizeof(link), "%s", support_path("modem0"));
	snprintf(away, sizeof(away), "%s", support_path("away"));
	support_pause(broker);
	for (int i = 0; support_log_count("reason=broker does not read") == 0; i++) {
		ck_assert_int_lt(i, 5000);
		ck_assert_int_eq(rename(link, away), 0);
		poll(NULL, 0, 1);
		ck_assert_int_eq(rename(away, link), 0);
		poll(NULL, 0, 1);
	}
	support_resume(broker);
	expect_well();
}
END_TEST

/* He took his descriptor long ago, and does not read something else. */
START_TEST(holder_with_unread_events_keeps_his_lease)
{
	struct support_client holder, waiter;
	int fd, i;

	support_connect_stranger(&holder);
	support_ask(&holder, "Acquire", json_pack("{s:s}", "port", "modem0"));
	fd = support_take(&holder);
	support_call(&holder, "Monitor", NULL, true);
	support_reply(&holder);
	for (i = 0; i < 10; i++)
		close(support_acquire("modem1", NULL));
	support_queue(&waiter, "modem0", NULL);
	support_expect_silence(&waiter, 5500);
	support_expect_line(fd, master);
	support_log_expect("end port=modem0", 0);
	close(fd);
	close(support_granted(&waiter, NULL));
	support_close(&waiter);
	support_close(&holder);
	expect_well();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("e2e_crossing");
	TCase *tcase = tcase_create("crossing");
	bool revokes = support_can_revoke();
	const char *why = "needs CAP_SYS_ADMIN, to take a port back";

	tcase_set_timeout(tcase, 60);
	tcase_add_checked_fixture(tcase, begin, support_end);
	tcase_add_loop_test(tcase, joiner_goes_as_its_descriptor_comes, 0, 2);
	tcase_add_test(tcase, joiner_goes_as_it_attaches);
	tcase_add_test(tcase, port_goes_under_a_subscriber_that_joined);
	tcase_add_test(tcase, subscribers_go_as_a_port_goes);
	support_add(tcase, descriptor_of_a_lease_that_has_ended_is_not_attached, revokes, why);
	support_add(tcase, lease_that_is_revoked_before_it_is_there_is_told_so, revokes, why);
	tcase_add_test(tcase, time_to_wait_is_not_begun_anew_when_the_device_goes);
	tcase_add_test(tcase, request_waits_when_device_and_keeper_go_before_its_grant);
	tcase_add_test(tcase, joiner_is_told_that_the_keeper_hangs);
	support_add(tcase, revocation_that_did_not_happen_is_not_confirmed, revokes, why);
	tcase_add_test(tcase, keeper_that_was_not_heard_is_heard_again);
	tcase_add_test(tcase, holder_with_unread_events_keeps_his_lease);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
