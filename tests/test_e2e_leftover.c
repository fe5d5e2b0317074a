/*
 * test_e2e_leftover.c - what is left of a lease that ends in an unusual way: descriptors that are
 * still open, a watcher, bytes that nobody has read; with a real comleased.
 */
#include "support.h"

#include <signal.h>
#include <stdio.h>
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
	begin(SUPPORT_PORT("modem0"));
}

static void
begin_slow(void)
{
	begin(SUPPORT_PORT_AT("modem0") "hangup-ms = 3000\n");
}

static void
begin_open(void)
{
	begin(SUPPORT_PORT_AT("modem0") "own = leased\nhangup-ms = 2000\n");
}

static void
call(const char *method, json_t *parameters)
{
	struct support_client c;

	support_connect(&c);
	support_ask(&c, method, parameters);
	support_close(&c);
}

static void
reload_without_ports(void)
{
	FILE *f = fopen(support_path("conf"), "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	support_log_wait("reload result=done");
}

/* Hand-off keeps the line up, not the old holder's descriptors. */
START_TEST(lease_handed_off_is_dead_when_it_is_released_and_still_open)
{
	struct support_client successor;
	uint64_t token;
	int old = support_acquire("modem0", &token), next;

	support_queue(&successor, "modem0", json_pack("{s:s}", "label", "login"));
	call("Handoff", json_pack("{s:s, s:s}", "port", "modem0", "label", "login"));
	call("Release", json_pack("{s:I}", "token", (json_int_t)token));
	next = support_granted(&successor, NULL);
	ck_assert(support_is_dead(old));
	support_expect_line(next, master);
	close(next);
	close(old);
	support_close(&successor);
}
END_TEST

START_TEST(lease_handed_off_is_dead_when_its_standby_holder_yields)
{
	struct support_client successor, holder;
	uint64_t token;
	int next, old = support_acquire_with(
		      json_pack("{s:s, s:b}", "port", "modem0", "standby", 1), &token);

	/* it is not asked to let go: it is in a call */
	call("SetBusy", json_pack("{s:I, s:b}", "token", (json_int_t)token, "busy", 1));
	support_queue(&successor, "modem0", json_pack("{s:s}", "label", "login"));
	call("Handoff", json_pack("{s:s, s:s}", "port", "modem0", "label", "login"));
	support_connect_stranger(&holder);
	support_call(&holder, "Yield", json_pack("{s:I}", "token", (json_int_t)token), true);
	next = support_granted(&successor, NULL);
	ck_assert(support_is_dead(old));
	close(next);
	close(old);
	support_close(&successor);
	support_close(&holder);
}
END_TEST

START_TEST(watcher_is_told_when_the_port_goes_before_it_is_clean)
{
	struct support_client watcher, c;
	uint64_t token;
	int old = support_acquire("modem0", &token);

	support_watch(&watcher, token, "watching");
	support_connect(&c);
	support_call(&c, "Revoke", json_pack("{s:s}", "port", "modem0"), false);
	support_wait_port("modem0", "turnaround", -1);
	reload_without_ports();
	support_event(&watcher, "revoked");
	support_error(&c, "OpenFailed"); /* nobody sees to it any more that it is done */
	support_close(&watcher);
	support_close(&c);
	close(old);
	support_connect(&c); /* the broker lives */
	support_ask(&c, "List", NULL);
	support_close(&c);
	ck_assert_int_eq(support_log_count("ended broker"), 0);
	support_stop();
}
END_TEST

/* What a disabled port does is nobody's business, but it may be enabled before it is clean. */
START_TEST(open_during_maintenance_is_seen_when_that_ends)
{
	struct support_child outsider;
	int fd = support_acquire("modem0", NULL);

	call("Disable", json_pack("{s:s}", "port", "modem0"));
	close(fd);
	support_wait_port("modem0", "turnaround", -1);
	support_outsider(&outsider, SUPPORT_OPEN);
	call("Enable", json_pack("{s:s}", "port", "modem0"));
	support_log_wait("foreign port=modem0");
	support_finish(&outsider);
	support_wait_port("modem0", "free", 0);
}
END_TEST

int
main(void)
{
	static const char needs_cap[] = "taking a port back needs CAP_SYS_ADMIN";
	bool able = support_can_revoke();
	Suite *s = suite_create("e2e_leftover");
	TCase *plain = tcase_create("plain"), *slow = tcase_create("slow");
	TCase *open = tcase_create("open");

	tcase_set_timeout(plain, 60);
	tcase_set_timeout(slow, 60);
	tcase_set_timeout(open, 60);
	tcase_add_checked_fixture(plain, begin_plain, support_end);
	tcase_add_checked_fixture(slow, begin_slow, support_end);
	tcase_add_checked_fixture(open, begin_open, support_end);
	tcase_add_test(open, open_during_maintenance_is_seen_when_that_ends);
	support_add(plain, lease_handed_off_is_dead_when_it_is_released_and_still_open, able,
		    needs_cap);
	support_add(plain, lease_handed_off_is_dead_when_its_standby_holder_yields, able,
		    needs_cap);
	support_add(slow, watcher_is_told_when_the_port_goes_before_it_is_clean, able, needs_cap);
	suite_add_tcase(s, plain);
	suite_add_tcase(s, slow);
	suite_add_tcase(s, open);
	return support_run(s);
}
