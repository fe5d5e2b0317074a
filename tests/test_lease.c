/* test_lease.c - the core: leases, tokens, order, the hold after a restart. Its states are in
 * test_lease_state.c, its deadlines in test_lease_time.c; test_model_lease.c compares all of it
 * with a model. */
#include "lease_fixture.h"

START_TEST(queued_request_is_granted_when_the_lease_ends)
{
	bring_to(LEASE_HELD);
	ask(0, 0, LEASE_NEVER);
	lease_taken(&host, &port, TOKEN);
	expect_rest(LEASE_NEVER);
	end_and_clean(TOKEN);
	expect_grant(0, TOKEN + 1);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(new_port_is_absent_and_keeps_its_waiters)
{
	lease_port_init(&host, &port, now);
	ck_assert_int_eq(port.state, LEASE_ABSENT);
	ask(0, 0, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
	lease_turnaround(&host, &port, now);
	expect_turnaround(LEASE_NONE, 0);
	lease_ready(&host, &port, now);
	expect_grant(0, TOKEN);
}
END_TEST

START_TEST(repeated_turnaround_keeps_reason_and_token)
{
	bring_to(LEASE_HELD);
	lease_end(&host, &port, TOKEN, LEASE_HUNGUP, now);
	expect_turnaround(LEASE_HUNGUP, TOKEN);
	lease_turnaround(&host, &port, now);
	expect_turnaround(LEASE_HUNGUP, TOKEN);
	expect_rest(LEASE_NEVER);
	lease_absent(&host, &port, now);
	lease_turnaround(&host, &port, now);
	expect_turnaround(LEASE_NONE, 0);
}
END_TEST

START_TEST(answer_to_an_earlier_turnaround_frees_nothing)
{
	bring_to(LEASE_TURNAROUND);
	lease_turnaround(&host, &port, now);
	lease_ready(&host, &port, now);
	expect_turnaround(LEASE_NONE, 0);
	ask(0, 0, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(dead_token_does_nothing)
{
	bring_to(LEASE_HELD);
	end_and_clean(TOKEN);
	ask(0, 0, LEASE_NEVER);
	ask(1, 0, LEASE_NEVER);
	expect_grant(0, TOKEN + 1);
	lease_opened(&host, &port, TOKEN, now);
	ck_assert_int_eq(lease_taken(&host, &port, TOKEN), 1);
	ck_assert_int_eq(lease_end(&host, &port, TOKEN, LEASE_DIED, now), 1);
	ck_assert_int_eq(lease_end(&host, &other, TOKEN + 1, LEASE_DIED, now), 1);
	ck_assert_int_eq(lease_end(&host, &other, 0, LEASE_DIED, now), 1);
	expect_rest(LEASE_NEVER);
	ck_assert_uint_eq(port.token, TOKEN + 1);
}
END_TEST

START_TEST(tokens_rise_over_all_ports)
{
	ask_at(0, &other);
	ask(1, 0, LEASE_NEVER);
	ck_assert(lease_next(&host, now, &step));
	ck_assert_ptr_eq(step.port, &other);
	ck_assert_uint_eq(step.token, TOKEN);
	expect_grant(1, TOKEN + 1);
}
END_TEST

START_TEST(tokens_rise_above_a_resumed_one)
{
	lease_resume(&host, &other, 1000, &r[0], now);
	lease_resume(&host, &port, 5, &r[0], now);
	ck_assert_uint_eq(port.token, 5);
	ask(0, 0, LEASE_NEVER);
	end_and_clean(5);
	expect_grant(0, 1001);
}
END_TEST

/* Rows in the order in which they must be granted: since_ms, and the place in which they come. */
static const struct {
	int priority;
	unsigned waited_ms, comes;
} order[] = {
	{ 100, 0, 5 }, { 7, 20, 4 }, { 7, 10, 0 }, { 7, 10, 3 }, { 0, 30, 1 }, { -100, 90, 2 }
};

#define ROWS 6

START_TEST(order_is_priority_then_waiting_time_then_arrival)
{
	bring_to(LEASE_HELD);
	for (unsigned comes = 0; comes < ROWS; comes++)
		for (int i = 0; i < ROWS; i++)
			if (order[i].comes == comes) {
				r[i].priority = order[i].priority;
				r[i].since_ms = now - order[i].waited_ms;
				r[i].deadline_ms = LEASE_NEVER;
				r[i].place_count = 1;
				places[i][0].port = &port;
				lease_request(&host, &r[i], now);
			}
	for (unsigned i = 0; i < ROWS; i++) {
		end_and_clean(TOKEN + i);
		expect_grant((int)i, TOKEN + 1 + i);
	}
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(every_waiter_knows_its_place)
{
	const struct lease_place *at;
	size_t ahead = 0;

	bring_to(LEASE_ABSENT);
	for (int i = 0; i < MANY; i++)
		ask(i, i * 7919 % 23, LEASE_NEVER);
	ck_assert_uint_eq(port.waiting, MANY);
	for (at = lease_first(&port); at; at = lease_after(at), ahead++) {
		ck_assert_uint_eq(lease_ahead(at), ahead);
		ck_assert(!lease_after(at) ||
			  lease_after(at)->request->priority <= at->request->priority);
	}
	ck_assert_uint_eq(ahead, MANY);
	ck_assert_ptr_null(lease_first(&other));
}
END_TEST

START_TEST(cancelled_request_leaves_no_trace)
{
	bring_to(LEASE_HELD);
	ask(0, 1, now + 10);
	ask(1, 0, LEASE_NEVER);
	lease_cancel(&host, &r[0]);
	ck_assert_uint_eq(port.waiting, 1);
	ck_assert_uint_eq(lease_ahead(&places[1][0]), 0);
	expect_rest(now + TAKE);
	lease_taken(&host, &port, TOKEN);
	end_and_clean(TOKEN);
	expect_grant(1, TOKEN + 1);
}
END_TEST

START_TEST(outcome_makes_a_request_usable_again)
{
	for (unsigned i = 0; i < 3; i++) {
		ask(0, 0, now + 10);
		expect_grant(0, TOKEN + i);
		end_and_clean(TOKEN + i);
		expect_rest(LEASE_NEVER);
	}
}
END_TEST

START_TEST(removed_port_takes_no_more_steps)
{
	bring_to(LEASE_HELD);
	lease_expect(&host, &port, now + 10);
	lease_end(&host, &port, TOKEN, LEASE_UNPLUGGED, now);
	lease_port_remove(&host, &port);
	now += 1000;
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(grants_wait_for_the_end_of_the_hold)
{
	setup_lease_with(TAKE, START + 20);
	expect_rest(LEASE_NEVER);
	ask(0, 0, LEASE_NEVER);
	expect_rest(START + 20);
	now += 19;
	ask(1, 1, LEASE_NEVER);
	expect_rest(START + 20);
	now += 1;
	expect_grant(1, TOKEN);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(hold_keeps_nothing_else_from_happening)
{
	setup_lease_with(TAKE, START + 20);
	ask(0, 0, LEASE_NEVER);
	ask(1, 1, 0);
	expect_outcome(LEASE_STEP_TIMEOUT, 1);
	expect_rest(START + 20);
	lease_turnaround(&host, &port, now);
	expect_turnaround(LEASE_NONE, 0);
	expect_rest(LEASE_NEVER);
	lease_fault(&host, &port, now);
	expect_outcome(LEASE_STEP_FAIL, 0);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(hold_wakes_nobody_when_its_last_waiter_has_gone)
{
	setup_lease_with(TAKE, START + 20);
	ask(0, 0, LEASE_NEVER);
	expect_rest(START + 20);
	lease_cancel(&host, &r[0]);
	expect_rest(LEASE_NEVER);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	const TTest *const plain[] = {
		queued_request_is_granted_when_the_lease_ends,
		new_port_is_absent_and_keeps_its_waiters,
		repeated_turnaround_keeps_reason_and_token,
		answer_to_an_earlier_turnaround_frees_nothing,
		dead_token_does_nothing,
		tokens_rise_over_all_ports,
		tokens_rise_above_a_resumed_one,
		order_is_priority_then_waiting_time_then_arrival,
		every_waiter_knows_its_place,
		cancelled_request_leaves_no_trace,
		outcome_makes_a_request_usable_again,
		removed_port_takes_no_more_steps,
		grants_wait_for_the_end_of_the_hold,
		hold_keeps_nothing_else_from_happening,
		hold_wakes_nobody_when_its_last_waiter_has_gone,
	};
	Suite *suite = suite_create("lease");
	TCase *tc = tcase_create("lease");

	tcase_add_checked_fixture(tc, setup_lease, NULL);
	for (int i = 0; i < COUNT(plain); i++)
		tcase_add_test(tc, plain[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
