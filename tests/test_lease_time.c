/* test_lease_time.c - the core's deadlines: of requests, of grants that nobody takes, of keepers
 * that don't speak. */
#include "lease_fixture.h"

START_TEST(request_times_out_at_its_deadline_and_not_before)
{
	bring_to(LEASE_ABSENT);
	ask(0, 0, now + 10);
	expect_rest(START + 10);
	now += 9;
	expect_rest(START + 10);
	now += 1;
	expect_outcome(LEASE_STEP_TIMEOUT, 0);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(deadline_is_the_earliest_one)
{
	bring_to(LEASE_ABSENT);
	ask(0, 0, now + 30);
	ask(1, 0, now + 10);
	ask(2, 0, now + 20);
	expect_rest(START + 10);
	lease_cancel(&host, &r[1]);
	expect_rest(START + 20);
	lease_expect(&host, &port, now + 15);
	expect_rest(START + 15);
	lease_expect(&host, &port, now + 25);
	expect_rest(START + 20);
	lease_expect(&host, &port, LEASE_NEVER);
	lease_cancel(&host, &r[2]);
	expect_rest(START + 30);
}
END_TEST

START_TEST(deadline_is_at_once_until_settled)
{
	ask(0, 0, LEASE_NEVER);
	ck_assert_uint_eq(lease_deadline(&host), 0);
	expect_grant(0, TOKEN);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(overdue_requests_time_out_in_the_order_of_their_deadlines)
{
	bring_to(LEASE_ABSENT);
	ask(0, 0, now + 20);
	ask(1, 9, now + 20);
	ask(2, 0, now + 10);
	now += 100;
	expect_outcome(LEASE_STEP_TIMEOUT, 2);
	expect_outcome(LEASE_STEP_TIMEOUT, 0);
	expect_outcome(LEASE_STEP_TIMEOUT, 1);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(granted_request_has_no_deadline_any_more)
{
	ask(0, 0, now + 10);
	expect_grant(0, TOKEN);
	expect_rest(LEASE_NEVER);
	now += 100;
	expect_rest(LEASE_NEVER);
}
END_TEST

/* What becomes of a request that doesn't wait, in each state. */
static const struct {
	enum lease_state state;
	enum lease_step_type outcome;
} no_wait[] = {
	{ LEASE_ABSENT, LEASE_STEP_TIMEOUT },  { LEASE_TURNAROUND, LEASE_STEP_TIMEOUT },
	{ LEASE_FREE, LEASE_STEP_GRANT },      { LEASE_HELD, LEASE_STEP_TIMEOUT },
	{ LEASE_FAULTED, LEASE_STEP_TIMEOUT },
};

START_TEST(request_that_does_not_wait_is_never_left_queued)
{
	bring_to(no_wait[_i].state);
	ask(0, 0, _i % 2 ? now : 0);
	expect_outcome(no_wait[_i].outcome, 0);
	if (no_wait[_i].state == LEASE_FAULTED)
		expect_turnaround(LEASE_NONE, 0);
	expect_rest(LEASE_NEVER);
	ck_assert_uint_eq(port.waiting, 0);
}
END_TEST

START_TEST(request_that_does_not_wait_is_not_granted_behind_another)
{
	ask(0, 1, LEASE_NEVER);
	ask(1, 0, 0);
	expect_outcome(LEASE_STEP_TIMEOUT, 1);
	expect_grant(0, TOKEN);
	lease_end(&host, &port, TOKEN, LEASE_DIED, now);
	expect_turnaround(LEASE_DIED, TOKEN);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(request_that_does_not_wait_goes_before_a_lower_one)
{
	ask(0, 0, LEASE_NEVER);
	ask(1, 1, 0);
	expect_grant(1, TOKEN);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(overdue_request_is_granted_if_the_port_is_free_now)
{
	bring_to(LEASE_TURNAROUND);
	ask(0, 0, now + 10);
	now += 11;
	lease_ready(&host, &port, now);
	expect_grant(0, TOKEN);
}
END_TEST

START_TEST(overdue_request_on_a_faulted_port_fails)
{
	bring_to(LEASE_TURNAROUND);
	ask(0, 0, now + 10);
	ask(1, 1, LEASE_NEVER);
	now += 11;
	lease_fault(&host, &port, now);
	expect_outcome(LEASE_STEP_FAIL, 0);
	expect_outcome(LEASE_STEP_FAIL, 1);
}
END_TEST

START_TEST(untaken_grant_is_reported_once_while_others_wait)
{
	bring_to(LEASE_HELD);
	now += 5;
	ask(0, 0, LEASE_NEVER);
	expect_rest(START + TAKE);
	now = START + TAKE;
	expect_step(LEASE_STEP_UNTAKEN);
	ck_assert_uint_eq(step.token, TOKEN);
	ck_assert_ptr_null(step.request);
	expect_rest(LEASE_NEVER);
	ask(1, 0, LEASE_NEVER);
	lease_opened(&host, &port, TOKEN, now);
	expect_rest(LEASE_NEVER);
	lease_end(&host, &port, TOKEN, LEASE_EXPIRED, now);
	expect_turnaround(LEASE_EXPIRED, TOKEN);
}
END_TEST

START_TEST(untaken_grant_is_reported_as_soon_as_somebody_waits)
{
	bring_to(LEASE_HELD);
	now += TAKE + 100;
	expect_rest(LEASE_NEVER);
	ask(0, 0, LEASE_NEVER);
	expect_step(LEASE_STEP_UNTAKEN);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(request_that_does_not_wait_has_an_untaken_grant_reported)
{
	bring_to(LEASE_HELD);
	now += TAKE;
	ask(0, 0, 0);
	expect_step(LEASE_STEP_UNTAKEN);
	expect_outcome(LEASE_STEP_TIMEOUT, 0);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(nobody_asks_about_a_grant_when_the_last_waiter_has_gone)
{
	bring_to(LEASE_HELD);
	ask(0, 0, LEASE_NEVER);
	ask(1, 0, LEASE_NEVER);
	lease_cancel(&host, &r[0]);
	expect_rest(START + TAKE);
	lease_cancel(&host, &r[1]);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(taken_grant_is_not_reported)
{
	ask(0, 0, LEASE_NEVER);
	ask(1, 0, LEASE_NEVER);
	expect_grant(0, TOKEN);
	expect_rest(LEASE_NEVER); /* not opened: the keeper's time, not the holder's */
	if (_i == 0)
		lease_opened(&host, &port, TOKEN, now);
	ck_assert_int_eq(lease_taken(&host, &port, TOKEN), 0);
	lease_opened(&host, &port, TOKEN, now);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(resumed_lease_counts_as_taken)
{
	lease_resume(&host, &port, 5, &r[0], now);
	lease_opened(&host, &port, 5, now);
	ask(0, 0, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(resuming_the_live_lease_is_its_opening)
{
	ask(0, 0, LEASE_NEVER);
	expect_grant(0, TOKEN);
	ask(1, 0, LEASE_NEVER);
	now += 3;
	lease_resume(&host, &port, TOKEN, &r[0], now);
	expect_rest(now + TAKE);
	lease_resume(&host, &port, TOKEN, &r[0], now + 1);
	expect_rest(now + TAKE);
}
END_TEST

START_TEST(next_grant_has_its_full_time)
{
	bring_to(LEASE_HELD);
	ask(0, 0, LEASE_NEVER);
	ask(1, 0, LEASE_NEVER);
	now += TAKE - 1;
	end_and_clean(TOKEN);
	expect_grant(0, TOKEN + 1);
	expect_rest(LEASE_NEVER);
	now += 10;
	lease_opened(&host, &port, TOKEN + 1, now);
	expect_rest(now + TAKE);
}
END_TEST

START_TEST(grant_may_stay_untaken_for_ever_if_so_configured)
{
	setup_lease_with(LEASE_NEVER - (uint64_t)_i * (START - 1), 0);
	bring_to(LEASE_HELD);
	ask(0, 0, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(late_keeper_is_reported_once)
{
	bring_to(LEASE_TURNAROUND);
	ask(0, 0, LEASE_NEVER);
	lease_expect(&host, &port, now + 10);
	expect_rest(START + 10);
	now += 10;
	expect_step(LEASE_STEP_LATE);
	ck_assert_ptr_null(step.request);
	ck_assert_int_eq(port.state, LEASE_FAULTED);
	ck_assert_uint_eq(port.since_ms, now);
	expect_outcome(LEASE_STEP_FAIL, 0);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(request_to_a_late_keeper_fails_at_once)
{
	bring_to(LEASE_TURNAROUND);
	lease_expect(&host, &port, now);
	expect_step(LEASE_STEP_LATE);
	ask(0, 0, LEASE_NEVER);
	ask(1, 0, 0);
	expect_outcome(LEASE_STEP_FAIL, 1);
	expect_outcome(LEASE_STEP_FAIL, 0);
	expect_rest(LEASE_NEVER);
	lease_expect(&host, &port, LEASE_NEVER);
	ask(0, 0, LEASE_NEVER);
	expect_turnaround(LEASE_NONE, 0);
}
END_TEST

START_TEST(late_keeper_leaves_the_holder_alone)
{
	bring_to(LEASE_HELD);
	lease_taken(&host, &port, TOKEN);
	ask(0, 0, LEASE_NEVER);
	lease_expect(&host, &port, now);
	expect_step(LEASE_STEP_LATE);
	expect_rest(LEASE_NEVER);
	ck_assert_uint_eq(port.token, TOKEN);
	end_and_clean(TOKEN);
	expect_grant(0, TOKEN + 1);
}
END_TEST

START_TEST(late_keeper_gets_no_grant)
{
	lease_expect(&host, &port, now + 10);
	now += 12;
	ask(0, 0, LEASE_NEVER);
	r[1].deadline_ms = START + 5;
	expect_step(LEASE_STEP_LATE);
	expect_outcome(LEASE_STEP_FAIL, 0);
}
END_TEST

START_TEST(late_keeper_gets_no_grant_for_one_who_ran_out_of_time_first)
{
	bring_to(LEASE_TURNAROUND);
	ask(0, 0, now + 5);
	lease_expect(&host, &port, now + 10);
	now += 12;
	lease_ready(&host, &port, now);
	expect_outcome(LEASE_STEP_TIMEOUT, 0);
	expect_step(LEASE_STEP_LATE);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(one_late_keeper_does_not_disturb_another_port)
{
	bring_to(LEASE_TURNAROUND);
	lease_expect(&host, &port, now);
	expect_step(LEASE_STEP_LATE);
	ask_at(0, &other);
	ck_assert(lease_next(&host, now, &step));
	ck_assert_int_eq(step.type, LEASE_STEP_GRANT);
	ck_assert_ptr_eq(step.port, &other);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	const TTest *const plain[] = {
		request_times_out_at_its_deadline_and_not_before,
		deadline_is_the_earliest_one,
		deadline_is_at_once_until_settled,
		overdue_requests_time_out_in_the_order_of_their_deadlines,
		granted_request_has_no_deadline_any_more,
		request_that_does_not_wait_is_not_granted_behind_another,
		request_that_does_not_wait_goes_before_a_lower_one,
		overdue_request_is_granted_if_the_port_is_free_now,
		overdue_request_on_a_faulted_port_fails,
		untaken_grant_is_reported_once_while_others_wait,
		untaken_grant_is_reported_as_soon_as_somebody_waits,
		request_that_does_not_wait_has_an_untaken_grant_reported,
		nobody_asks_about_a_grant_when_the_last_waiter_has_gone,
		resumed_lease_counts_as_taken,
		resuming_the_live_lease_is_its_opening,
		next_grant_has_its_full_time,
		late_keeper_is_reported_once,
		request_to_a_late_keeper_fails_at_once,
		late_keeper_leaves_the_holder_alone,
		late_keeper_gets_no_grant,
		late_keeper_gets_no_grant_for_one_who_ran_out_of_time_first,
		one_late_keeper_does_not_disturb_another_port,
	};
	Suite *suite = suite_create("lease_time");
	TCase *tc = tcase_create("lease_time");

	tcase_add_checked_fixture(tc, setup_lease, NULL);
	tcase_add_loop_test(tc, request_that_does_not_wait_is_never_left_queued, 0, COUNT(no_wait));
	tcase_add_loop_test(tc, taken_grant_is_not_reported, 0, 2);
	tcase_add_loop_test(tc, grant_may_stay_untaken_for_ever_if_so_configured, 0, 2);
	for (int i = 0; i < COUNT(plain); i++)
		tcase_add_test(tc, plain[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
