/* test_lease_live.c - the core: what ends a lease by time, lingering, busy holders, leases that are
 * resumed, and ports that somebody else has or that are disabled. */
#include "lease_fixture.h"

#define HOLD 100u

START_TEST(holder_is_asked_at_max_hold_though_nobody_waits)
{
	r[0].max_hold_ms = HOLD;
	hold(&port, 0);
	expect_rest_awake(START + HOLD);
	expect_rest(LEASE_NEVER);
	now += HOLD - 1;
	expect_rest_awake(START + HOLD);
	now += 1;
	expect_yield(&port, LEASE_EXPIRED, -1);
	expect_rest(now + GRACE);
	expect_rest_awake(LEASE_NEVER);
	now += GRACE;
	expect_revoke(&port, LEASE_EXPIRED);
	end_with(&port, LEASE_EXPIRED, false);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(suspend_counts_for_max_hold_and_nothing_else)
{
	r[0].max_hold_ms = HOLD;
	host.slept_ms = 1000;
	hold(&port, 0);
	ask(1, 0, now + HOLD);
	expect_rest_awake(START + 1000 + HOLD);
	now += 10;
	host.slept_ms += HOLD - 11;
	expect_rest_awake(START + 1000 + HOLD);
	host.slept_ms += 1;
	expect_yield(&port, LEASE_EXPIRED, -1);
	host.slept_ms += 100000;
	expect_rest(now + GRACE);
	lease_end(&host, &port, port.token, LEASE_EXPIRED, now);
	expect_at(&port, LEASE_STEP_TURNAROUND, -1);
	ck_assert(r[1].waits);
}
END_TEST

START_TEST(ended_lease_has_no_deadlines_any_more)
{
	r[0].max_hold_ms = HOLD;
	hold(&port, 0);
	lease_linger(&host, &port, port.token, now + 10);
	lease_idle(&host, &port, port.token, true, now);
	expect_yield(&port, LEASE_EXPIRED, -1);
	end_and_clean(port.token);
	expect_rest(LEASE_NEVER);
	expect_rest_awake(LEASE_NEVER);
	ck_assert(!port.lingers && !port.is_idle && !port.busy && !port.standby);
	ck_assert_uint_eq(port.max_hold_ms + port.grace_ms + port.yield_by_ms, 0);
	r[0].max_hold_ms = LEASE_NEVER;
	hold(&port, 0);
	expect_rest(LEASE_NEVER);
	expect_rest_awake(LEASE_NEVER);
}
END_TEST

START_TEST(removed_port_has_no_deadlines_any_more)
{
	r[0].max_hold_ms = HOLD;
	hold(&port, 0);
	lease_linger(&host, &port, port.token, now + 10);
	lease_idle(&host, &port, port.token, true, now);
	expect_yield(&port, LEASE_EXPIRED, -1);
	lease_port_remove(&host, &port);
	expect_rest(LEASE_NEVER);
	expect_rest_awake(LEASE_NEVER);
}
END_TEST

START_TEST(idle_holder_is_asked_until_a_byte_passes)
{
	hold(&port, 0);
	ck_assert_int_eq(lease_idle(&host, &port, port.token, true, now), 0);
	ck_assert_int_eq(lease_idle(&host, &port, port.token + 1, true, now), 1);
	expect_yield(&port, LEASE_EXPIRED, -1);
	lease_idle(&host, &port, port.token, false, now);
	expect_keep(&port);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(one_reason_goes_and_the_other_keeps_him_asked)
{
	r[0].max_hold_ms = HOLD;
	port.policy.preempt = LEASE_PREEMPT_STANDBY;
	hold(&port, on_standby(0));
	now += HOLD - 2;
	ask(1, 0, LEASE_NEVER);
	expect_yield(&port, LEASE_YIELDED, 1);
	now += 2;
	expect_rest(now - 2 + GRACE); /* max-hold: only noted */
	ck_assert_int_eq(port.yield_reason, LEASE_YIELDED);
	lease_cancel(&host, &r[1]);
	expect_rest(now - 2 + GRACE); /* neither KEEP nor YIELD, and the grace goes on */
	ck_assert_int_eq(port.yield_reason, LEASE_EXPIRED);
	lease_idle(&host, &port, port.token, true, now);
	lease_idle(&host, &port, port.token, false, now);
	expect_rest(now - 2 + GRACE);
	now += GRACE - 2;
	expect_revoke(&port, LEASE_EXPIRED);
}
END_TEST

START_TEST(deadline_serves_who_waits_at_another_port_too)
{
	other.policy.preempt = LEASE_PREEMPT_STANDBY;
	hold(&port, 0);
	hold(&other, on_standby(1));
	lease_idle(&host, &port, port.token, true, now);
	expect_yield(&port, LEASE_EXPIRED, -1);
	ask_both(2);
	expect_rest(now + GRACE); /* the standby holder is spared */
	lease_idle(&host, &port, port.token, false, now);
	expect_keep(&port);
	expect_yield(&other, LEASE_YIELDED, 2);
}
END_TEST

START_TEST(holder_at_a_deadline_may_stay_while_busy)
{
	r[0].max_hold_ms = HOLD;
	hold(&port, on_standby(0));
	now += HOLD;
	expect_yield(&port, LEASE_EXPIRED, -1);
	lease_busy(&host, &port, port.token, true, now);
	expect_keep(&port);
	expect_rest(LEASE_NEVER);
	port.policy.max_busy_ms = 50;
	lease_policy_changed(&host, &port, now);
	expect_rest(now + 50);
	lease_busy(&host, &port, port.token, false, now);
	expect_yield(&port, LEASE_EXPIRED, -1);
}
END_TEST

static void
standbys_hold_both(void)
{
	port.policy.preempt = other.policy.preempt = LEASE_PREEMPT_STANDBY;
	hold(&port, on_standby(100));
	now += 1;
	hold(&other, on_standby(101));
	now += 1;
}

START_TEST(busy_holder_is_not_asked)
{
	standbys_hold_both();
	ck_assert_int_eq(lease_busy(&host, &port, port.token, true, now), 0);
	ck_assert_int_eq(lease_busy(&host, &port, port.token + 9, true, now), 1);
	ck_assert(port.busy);
	ck_assert_uint_eq(port.busy_since_ms, now);
	ask_both(0);
	expect_yield(&other, LEASE_YIELDED, 0); /* though held shorter */
	ask_both(1);
	expect_rest(now + GRACE);
	lease_busy(&host, &port, port.token, false, now);
	expect_yield(&port, LEASE_YIELDED, 1);
}
END_TEST

START_TEST(holder_that_becomes_busy_may_stay)
{
	standbys_hold_both();
	ask(0, 0, LEASE_NEVER);
	expect_yield(&port, LEASE_YIELDED, 0);
	now += GRACE; /* in the last moment */
	lease_busy(&host, &port, port.token, true, now);
	expect_keep(&port);
	expect_rest(LEASE_NEVER);
	now += 7;
	lease_busy(&host, &port, port.token, false, now);
	expect_yield(&port, LEASE_YIELDED, 0);
	expect_rest(now + GRACE);
}
END_TEST

START_TEST(busy_counts_for_so_long)
{
	standbys_hold_both();
	port.policy.max_busy_ms = 100;
	lease_busy(&host, &port, port.token, true, now);
	expect_rest(LEASE_NEVER); /* nobody waits */
	ask(0, 0, LEASE_NEVER);
	expect_rest(now + 100);
	now += 50;
	lease_busy(&host, &port, port.token, true, now); /* no news */
	expect_rest(now + 50);
	now += 50;
	expect_yield(&port, LEASE_YIELDED, 0);
	lease_busy(&host, &port, port.token, false, now);
	lease_busy(&host, &port, port.token, true, now); /* the next call */
	expect_keep(&port);
	expect_rest(now + 100);
}
END_TEST

START_TEST(other_leases_are_not_busy)
{
	port.policy.preempt = LEASE_PREEMPT_LOWER;
	hold(&port, with_rank(100, 1));
	lease_busy(&host, &port, port.token, true, now);
	ask(0, 0, LEASE_NEVER);
	expect_yield(&port, LEASE_PREEMPTED, 0);
}
END_TEST

START_TEST(disabled_port_keeps_its_deadlines)
{
	r[0].max_hold_ms = HOLD;
	hold(&port, 0);
	lease_disable(&host, &port, true, now);
	expect_rest(LEASE_NEVER);
	now += HOLD;
	expect_yield(&port, LEASE_EXPIRED, -1);
}
END_TEST

START_TEST(lease_lingers_until_then_unless_it_is_opened_again)
{
	hold(&port, 0);
	ck_assert_int_eq(lease_linger(&host, &port, port.token, now + 10), 0);
	ck_assert_int_eq(lease_linger(&host, &port, port.token + 1, now + 5), 1);
	ck_assert(port.lingers);
	expect_rest(now + 10);
	lease_opened(&host, &port, port.token, now);
	ck_assert(!port.lingers);
	expect_rest(LEASE_NEVER);
	lease_linger(&host, &port, port.token, now + 10);
	now += 10;
	expect_at(&port, LEASE_STEP_LINGERED, -1);
	ck_assert_uint_eq(step.token, port.token);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(resumed_lease_goes_on_as_it_was)
{
	r[0].since_ms = now - 70;
	r[0].max_hold_ms = HOLD;
	r[0].grace_ms = 12;
	r[0].standby = true;
	r[0].place_count = 1;
	places[0][0].rank = 3;
	host.slept_ms = 500;
	lease_resume(&host, &port, 5, &r[0], now);
	ck_assert(port.standby && port.rank == 3);
	ck_assert_uint_eq(port.since_ms, now - 70);
	ck_assert_uint_eq(port.max_hold_ms, HOLD);
	ck_assert(!r[0].waits);
	expect_rest_awake(now + 30 + 500);
	now += 30;
	expect_yield(&port, LEASE_EXPIRED, -1);
	expect_rest(now + 12);
}
END_TEST

START_TEST(disabled_port_is_granted_to_nobody)
{
	lease_disable(&host, &port, true, now);
	ask(0, 0, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
	ck_assert_int_eq(port.state, LEASE_DISABLED);
	lease_disable(&host, &port, true, now);
	expect_rest(LEASE_NEVER);
	lease_disable(&host, &port, false, now);
	expect_turnaround(LEASE_NONE, 0);
	lease_ready(&host, &port, now);
	expect_grant(0, TOKEN);
}
END_TEST

START_TEST(foreign_port_is_granted_when_it_is_clean_again)
{
	lease_foreign(&host, &port, now);
	ask(0, 0, LEASE_NEVER);
	lease_ready(&host, &port, now);
	expect_rest(LEASE_NEVER);
	ck_assert_int_eq(port.state, LEASE_FOREIGN);
	lease_turnaround(&host, &port, now);
	expect_turnaround(LEASE_NONE, 0);
	lease_ready(&host, &port, now);
	expect_grant(0, TOKEN);
}
END_TEST

START_TEST(port_keeps_its_policy)
{
	port.policy.min_hold_ms = 7;
	lease_port_init(&host, &port, now);
	ck_assert_uint_eq(port.policy.min_hold_ms, 7);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	const TTest *const plain[] = {
		holder_is_asked_at_max_hold_though_nobody_waits,
		suspend_counts_for_max_hold_and_nothing_else,
		ended_lease_has_no_deadlines_any_more,
		removed_port_has_no_deadlines_any_more,
		idle_holder_is_asked_until_a_byte_passes,
		one_reason_goes_and_the_other_keeps_him_asked,
		deadline_serves_who_waits_at_another_port_too,
		holder_at_a_deadline_may_stay_while_busy,
		busy_holder_is_not_asked,
		holder_that_becomes_busy_may_stay,
		busy_counts_for_so_long,
		other_leases_are_not_busy,
		disabled_port_keeps_its_deadlines,
		lease_lingers_until_then_unless_it_is_opened_again,
		resumed_lease_goes_on_as_it_was,
		disabled_port_is_granted_to_nobody,
		foreign_port_is_granted_when_it_is_clean_again,
		port_keeps_its_policy,
	};
	Suite *suite = suite_create("lease_live");
	TCase *tc = tcase_create("lease_live");

	tcase_add_checked_fixture(tc, setup_lease, NULL);
	for (int i = 0; i < COUNT(plain); i++)
		tcase_add_test(tc, plain[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
