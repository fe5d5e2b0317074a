/* test_lease_yield.c - the core: which holder is asked to let go, for whom, when he may stay after
 * all, and when the port is taken back. Deadlines of a lease are in test_lease_live.c. */
#include "lease_fixture.h"

static void
standbys_hold_both(void)
{
	port.policy.preempt = other.policy.preempt = LEASE_PREEMPT_STANDBY;
	hold(&port, on_standby(100));
	now += 1;
	hold(&other, on_standby(101));
	now += 1;
}

START_TEST(standby_holder_is_asked_when_somebody_waits)
{
	standbys_hold_both();
	expect_rest(LEASE_NEVER);
	ask(0, 0, LEASE_NEVER);
	expect_yield(&port, LEASE_YIELDED, 0);
	expect_rest(now + GRACE);
	ck_assert(lease_is_held(&port));
	ck_assert_uint_eq(port.since_ms, START);
	ck_assert_int_eq(lease_end_reason(&port, LEASE_RELEASED), LEASE_YIELDED);
	ck_assert_int_eq(lease_end_reason(&port, LEASE_DIED), LEASE_DIED);
	end_with(&port, LEASE_YIELDED, false);
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 0);
	ck_assert(!port.standby);
	ck_assert_int_eq(lease_end_reason(&port, LEASE_RELEASED), LEASE_RELEASED);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(standby_waiter_has_nobody_asked)
{
	standbys_hold_both();
	ask(on_standby(0), 0, LEASE_NEVER);
	ask_both(on_standby(1));
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(other_holders_are_not_asked)
{
	port.policy.preempt = LEASE_PREEMPT_STANDBY;
	hold(&port, with_rank(100, 5));
	ask(with_rank(0, 0), 100, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(nobody_is_asked_where_preempt_is_never)
{
	standbys_hold_both();
	port.policy.preempt = LEASE_PREEMPT_NEVER;
	ask(0, 0, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
	port.policy.preempt = LEASE_PREEMPT_STANDBY;
	lease_policy_changed(&host, &port, now);
	expect_yield(&port, LEASE_YIELDED, 0);
	port.policy.preempt = LEASE_PREEMPT_NEVER;
	lease_policy_changed(&host, &port, now);
	expect_keep(&port);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(request_that_does_not_wait_has_nobody_asked)
{
	standbys_hold_both();
	ask(0, 0, 0);
	expect_outcome(LEASE_STEP_TIMEOUT, 0);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(nobody_is_asked_during_the_hold_after_a_restart)
{
	setup_lease_with(TAKE, START + 20);
	port.policy.preempt = LEASE_PREEMPT_STANDBY;
	r[100].since_ms = now;
	lease_resume(&host, &port, 3, &r[on_standby(100)], now);
	lease_idle(&host, &port, 3, _i, now);
	ask(0, 0, LEASE_NEVER);
	expect_rest(START + 20);
	now += 20;
	expect_yield(&port, _i ? LEASE_EXPIRED : LEASE_YIELDED, _i ? -1 : 0);
}
END_TEST

START_TEST(lower_class_is_asked_after_its_min_hold)
{
	port.policy.preempt = LEASE_PREEMPT_LOWER;
	port.policy.min_hold_ms = 10;
	hold(&port, with_rank(100, 1));
	ask(with_rank(0, 1), 9, LEASE_NEVER);
	expect_rest(LEASE_NEVER); /* no lower one */
	ask(with_rank(1, 0), 0, LEASE_NEVER);
	expect_rest(START + 10);
	now += 9;
	expect_rest(START + 10);
	now += 1;
	expect_yield(&port, LEASE_PREEMPTED, 1);
	now += GRACE;
	expect_revoke(&port, LEASE_PREEMPTED);
	expect_rest(LEASE_NEVER);
}
END_TEST

/* What rises in the queue may be of a higher class than what was first. */
START_TEST(lower_class_is_asked_when_a_higher_one_has_become_the_first)
{
	port.policy.preempt = LEASE_PREEMPT_LOWER;
	port.policy.min_hold_ms = 12;
	port.policy.age_step_ms = 10;
	hold(&port, with_rank(100, 1));
	ask(with_rank(0, 1), 9, LEASE_NEVER);
	now += 5;
	ask(with_rank(1, 0), 0, LEASE_NEVER);
	expect_rest(START + 10);
	now += 5; /* 0: level 0, as 1 is, and a higher priority */
	expect_rest(START + 15);
	now += 5; /* 1: level -1 */
	expect_yield(&port, LEASE_PREEMPTED, 1);
}
END_TEST

START_TEST(core_is_not_settled_before_each_port_has_had_its_step)
{
	standbys_hold_both();
	ask_both(0);
	ask_both(1);
	expect_yield(&port, LEASE_YIELDED, 0);
	expect_yield(&other, LEASE_YIELDED, 1);
	expect_rest(now + GRACE);
	now += GRACE;
	expect_revoke(&port, LEASE_REVOKED);
	ck_assert_uint_eq(lease_deadline(&host), 0);
	expect_revoke(&other, LEASE_REVOKED);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(call_that_ends_between_two_steps_is_noticed)
{
	standbys_hold_both();
	other.policy.max_busy_ms = 1;
	ask(0, 0, LEASE_NEVER);
	expect_yield(&port, LEASE_YIELDED, 0);
	lease_cancel(&host, &r[0]);
	lease_busy(&host, &other, other.token, true, now);
	lease_idle(&host, &other, other.token, true, now);
	expect_keep(&port);
	now += 1;
	expect_yield(&other, LEASE_EXPIRED, -1);
}
END_TEST

START_TEST(waiter_who_left_leaves_the_holder_alone)
{
	standbys_hold_both();
	ask(0, 0, LEASE_NEVER);
	expect_yield(&port, LEASE_YIELDED, 0);
	lease_cancel(&host, &r[0]);
	if (_i == 1) /* before anybody looks, the time is over */
		now += GRACE;
	expect_keep(&port);
	expect_rest(LEASE_NEVER);
	now += 1;
	ask(0, 0, LEASE_NEVER);
	expect_yield(&port, LEASE_YIELDED, 0); /* with a new grace */
}
END_TEST

START_TEST(port_that_is_asked_goes_to_the_next_waiter)
{
	standbys_hold_both();
	ask(0, 0, LEASE_NEVER);
	expect_yield(&port, LEASE_YIELDED, 0);
	ask(1, 0, LEASE_NEVER);
	expect_rest(now + GRACE);
	now += 5;
	lease_cancel(&host, &r[0]);
	expect_rest(now - 5 + GRACE); /* neither KEEP nor a new grace */
	ck_assert_ptr_eq(port.promise, &r[1]);
	ck_assert_ptr_eq(r[1].promised, &port);
}
END_TEST

START_TEST(no_more_holders_are_asked_than_there_are_waiters)
{
	standbys_hold_both();
	ask_both(0);
	expect_yield(&port, LEASE_YIELDED, 0); /* held longest */
	expect_rest(now + GRACE);
	ask_both(1);
	expect_yield(&other, LEASE_YIELDED, 1);
	ask_both(2);
	expect_rest(now + GRACE);
	lease_cancel(&host, &r[1]);
	expect_rest(now + GRACE);
	lease_cancel(&host, &r[2]);
	expect_keep(&other);
	expect_rest(now + GRACE);
}
END_TEST

START_TEST(idle_standby_is_asked_before_a_lower_class_and_the_longest_held_first)
{
	port.policy.preempt = other.policy.preempt = LEASE_PREEMPT_LOWER;
	hold(&port, with_rank(100, 3));
	now += 1;
	hold(&other, _i ? on_standby(101) : with_rank(101, 3));
	ask_both(with_rank(0, 0));
	if (_i)
		expect_yield(&other, LEASE_YIELDED, 0);
	else
		expect_yield(&port, LEASE_PREEMPTED, 0);
	expect_rest(now + GRACE);
}
END_TEST

START_TEST(port_being_cleaned_spares_the_holder)
{
	standbys_hold_both();
	end_with(&other, LEASE_RELEASED, false);
	ask_both(0);
	expect_rest(LEASE_NEVER);
	ask_both(1); /* for this one nothing is being cleaned */
	expect_yield(&port, LEASE_YIELDED, 1);
	lease_ready(&host, &other, now);
	expect_at(&other, LEASE_STEP_GRANT, 0);
	expect_rest(now + GRACE);
}
END_TEST

START_TEST(free_port_spares_the_holder)
{
	port.policy.preempt = other.policy.preempt = LEASE_PREEMPT_STANDBY;
	hold(&port, on_standby(100));
	ask_both(0);
	expect_at(&other, LEASE_STEP_GRANT, 0);
	expect_rest(LEASE_NEVER);
}
END_TEST

/* What becomes of a port that was being cleaned for somebody: he has the holder of another asked.
 */
START_TEST(lost_port_has_another_holder_asked)
{
	standbys_hold_both();
	end_with(&other, LEASE_RELEASED, false);
	ask_both(0);
	expect_rest(LEASE_NEVER);
	if (_i == 0)
		lease_absent(&host, &other, now);
	if (_i == 1)
		lease_fault(&host, &other, now);
	if (_i == 2)
		lease_foreign(&host, &other, now);
	if (_i == 3)
		lease_disable(&host, &other, true, now);
	if (_i == 4) { /* granted to one of a higher class */
		ask_at(1, &other);
		lease_cancel(&host, &r[1]);
		r[1].priority = 1;
		ask_at(1, &other);
		lease_ready(&host, &other, now);
		expect_at(&other, LEASE_STEP_GRANT, 1);
	}
	expect_yield(&port, LEASE_YIELDED, 0);
	expect_rest(now + GRACE);
}
END_TEST

START_TEST(waiter_granted_elsewhere_leaves_the_holder_alone)
{
	standbys_hold_both();
	lease_end(&host, &port, TOKEN, LEASE_DIED, now);
	lease_absent(&host, &port, now);
	ask_both(0);
	expect_yield(&other, LEASE_YIELDED, 0);
	lease_turnaround(&host, &port, now);
	expect_turnaround(LEASE_NONE, 0);
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 0);
	expect_keep(&other);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(waiter_granted_at_the_last_moment_has_nothing_revoked)
{
	standbys_hold_both();
	lease_end(&host, &port, TOKEN, LEASE_DIED, now);
	lease_absent(&host, &port, now);
	ask_both(0);
	expect_yield(&other, LEASE_YIELDED, 0);
	lease_turnaround(&host, &port, now);
	expect_turnaround(LEASE_NONE, 0);
	now += GRACE;
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 0);
	expect_keep(&other);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(port_is_taken_back_once_when_the_grace_is_over)
{
	standbys_hold_both();
	ask(0, 0, LEASE_NEVER);
	expect_yield(&port, LEASE_YIELDED, 0);
	now += GRACE - 1;
	expect_rest(now + 1);
	now += 1;
	expect_revoke(&port, LEASE_REVOKED);
	now += 1000;
	expect_rest(LEASE_NEVER); /* it could not be taken back */
	end_with(&port, LEASE_REVOKED, false);
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 0);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(holder_who_cannot_be_made_to_go_is_not_waited_for)
{
	standbys_hold_both();
	ask_both(0);
	expect_yield(&port, LEASE_YIELDED, 0);
	now += GRACE;
	expect_revoke(&port, LEASE_REVOKED); /* it can't be taken back */
	expect_yield(&other, LEASE_YIELDED, 0);
	expect_rest(now + GRACE);
	end_with(&other, LEASE_YIELDED, false);
	lease_ready(&host, &other, now);
	expect_at(&other, LEASE_STEP_GRANT, 0);
	expect_keep(&port);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(port_is_never_taken_back_without_a_grace)
{
	r[100].grace_ms = LEASE_NEVER;
	standbys_hold_both();
	ask(0, 0, LEASE_NEVER);
	expect_at(&port, LEASE_STEP_YIELD, 0);
	ck_assert_uint_eq(port.yield_by_ms, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(disabled_port_is_asked_for_nobody)
{
	standbys_hold_both();
	if (_i == 0) {
		ask(0, 0, LEASE_NEVER);
		expect_yield(&port, LEASE_YIELDED, 0);
		lease_disable(&host, &port, true, now);
		expect_keep(&port);
	} else {
		lease_disable(&host, &port, true, now);
		ask(0, 0, LEASE_NEVER);
	}
	expect_rest(LEASE_NEVER);
	lease_disable(&host, &port, false, now);
	expect_yield(&port, LEASE_YIELDED, 0);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	const TTest *const plain[] = {
		standby_holder_is_asked_when_somebody_waits,
		standby_waiter_has_nobody_asked,
		other_holders_are_not_asked,
		nobody_is_asked_where_preempt_is_never,
		request_that_does_not_wait_has_nobody_asked,
		lower_class_is_asked_after_its_min_hold,
		lower_class_is_asked_when_a_higher_one_has_become_the_first,
		core_is_not_settled_before_each_port_has_had_its_step,
		call_that_ends_between_two_steps_is_noticed,
		port_that_is_asked_goes_to_the_next_waiter,
		no_more_holders_are_asked_than_there_are_waiters,
		port_being_cleaned_spares_the_holder,
		free_port_spares_the_holder,
		waiter_granted_elsewhere_leaves_the_holder_alone,
		waiter_granted_at_the_last_moment_has_nothing_revoked,
		port_is_taken_back_once_when_the_grace_is_over,
		holder_who_cannot_be_made_to_go_is_not_waited_for,
		port_is_never_taken_back_without_a_grace,
	};
	Suite *suite = suite_create("lease_yield");
	TCase *tc = tcase_create("lease_yield");

	tcase_add_checked_fixture(tc, setup_lease, NULL);
	tcase_add_loop_test(tc, nobody_is_asked_during_the_hold_after_a_restart, 0, 2);
	tcase_add_loop_test(tc, waiter_who_left_leaves_the_holder_alone, 0, 2);
	tcase_add_loop_test(
	    tc, idle_standby_is_asked_before_a_lower_class_and_the_longest_held_first, 0, 2);
	tcase_add_loop_test(tc, lost_port_has_another_holder_asked, 0, 5);
	tcase_add_loop_test(tc, disabled_port_is_asked_for_nobody, 0, 2);
	for (int i = 0; i < COUNT(plain); i++)
		tcase_add_test(tc, plain[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
