/* test_lease_hand_off.c - the core: a lease that goes to a successor, and the line that is kept up
 * for it. */
#include "lease_fixture.h"

static void
hand_off(int i)
{
	ck_assert_int_eq(lease_hand_off(&host, &port, port.token, i < 0 ? NULL : &r[i]), 0);
}

START_TEST(handed_off_lease_goes_to_its_successor_and_the_line_stays_up)
{
	hold(&port, 100);
	ask(0, 100, LEASE_NEVER);
	ask(_i ? on_standby(1) : 1, 0, LEASE_NEVER);
	hand_off(1);
	ck_assert_int_eq(lease_hand_off(&host, &port, port.token + 1, &r[1]), 1);
	expect_rest(LEASE_NEVER);
	end_with(&port, LEASE_RELEASED, true);
	lease_turnaround(&host, &port, now); /* once more, the same */
	expect_turnaround(LEASE_RELEASED, TOKEN);
	ck_assert(step.keep_line);
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 1);
	ck_assert_ptr_null(port.successor);
	end_with(&port, LEASE_RELEASED, false);
}
END_TEST

static const struct {
	enum lease_reason reason;
	bool keeps;
} ends[] = {
	{ LEASE_RELEASED, true },   { LEASE_DIED, true },      { LEASE_YIELDED, true },
	{ LEASE_EXPIRED, true },    { LEASE_PREEMPTED, true }, { LEASE_REVOKED, false },
	{ LEASE_UNPLUGGED, false }, { LEASE_HUNGUP, false },   { LEASE_FAILED, false },
};

START_TEST(successor_is_the_next_whatever_ended_the_lease)
{
	hold(&port, 100);
	ask(0, 100, LEASE_NEVER);
	ask(1, 0, LEASE_NEVER);
	hand_off(1);
	end_with(&port, ends[_i].reason, ends[_i].keeps);
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 1);
}
END_TEST

START_TEST(line_kept_for_one_who_left_is_hung_up)
{
	hold(&port, 100);
	ask(0, 0, LEASE_NEVER);
	ask(1, 0, LEASE_NEVER);
	hand_off(1);
	end_with(&port, LEASE_RELEASED, true);
	if (_i == 1)
		lease_ready(&host, &port, now); /* FREE, but the call is not this one's */
	lease_cancel(&host, &r[1]);
	expect_turnaround(_i ? LEASE_NONE : LEASE_RELEASED, _i ? 0 : TOKEN);
	ck_assert(!step.keep_line);
	expect_rest(LEASE_NEVER);
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 0);
}
END_TEST

START_TEST(line_kept_for_one_who_left_is_granted_to_nobody_in_his_last_moment)
{
	hold(&port, 100);
	ask(0, 0, now + 10);
	ask(1, 0, LEASE_NEVER);
	hand_off(1);
	end_with(&port, LEASE_RELEASED, true);
	lease_ready(&host, &port, now);
	lease_cancel(&host, &r[1]);
	now += 10;
	expect_outcome(LEASE_STEP_TIMEOUT, 0);
	expect_turnaround(LEASE_NONE, 0);
}
END_TEST

START_TEST(successor_granted_another_port_is_none_any_more)
{
	hold(&port, 100);
	hold(&other, 101);
	ask_both(0);
	hand_off(0);
	end_with(&port, LEASE_RELEASED, true);
	end_with(&other, LEASE_RELEASED, false);
	lease_ready(&host, &other, now);
	expect_at(&other, LEASE_STEP_GRANT, 0);
	expect_turnaround(LEASE_RELEASED, TOKEN);
	ck_assert(!step.keep_line);
}
END_TEST

START_TEST(successor_gets_the_port_that_was_kept_for_it)
{
	hold(&port, 100);
	hold(&other, 101);
	ask_both(0);
	hand_off(0);
	now += 5;
	end_with(&port, LEASE_RELEASED, true);
	lease_end(&host, &other, other.token, LEASE_DIED, now - 5);
	lease_absent(&host, &other, now);
	lease_turnaround(&host, &other, now);
	expect_at(&other, LEASE_STEP_TURNAROUND, -1);
	lease_ready(&host, &other, now);
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 0); /* used later than the other */
}
END_TEST

/* The first in the queue, by age, is of the holder's class and may not have him asked; the
 * successor may. Not even a holder who has no grace at all is asked over and over again. */
START_TEST(holder_is_asked_once_for_a_successor_who_is_not_the_first)
{
	port.policy.preempt = LEASE_PREEMPT_LOWER;
	port.policy.age_step_ms = 10;
	r[with_rank(100, 1)].grace_ms = 0;
	hold(&port, 100);
	ask(with_rank(0, 1), 0, LEASE_NEVER);
	now += 100;
	ask(with_rank(1, 0), -1, LEASE_NEVER);
	ck_assert(!lease_next(&host, now, &step));
	hand_off(1);
	expect_yield(&port, LEASE_PREEMPTED, 1);
	expect_revoke(&port, LEASE_PREEMPTED);
	ck_assert(!lease_next(&host, now, &step));
	ck_assert_int_eq(port.state, LEASE_YIELDING);
}
END_TEST

START_TEST(hand_off_can_be_taken_back)
{
	hold(&port, 100);
	ask(0, 0, LEASE_NEVER);
	ask(1, 0, LEASE_NEVER);
	hand_off(1);
	hand_off(-1);
	end_with(&port, LEASE_RELEASED, false);
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 0);
}
END_TEST

START_TEST(lost_line_is_kept_for_nobody)
{
	hold(&port, 100);
	ask(0, 0, LEASE_NEVER);
	hand_off(0);
	end_with(&port, LEASE_RELEASED, true);
	if (_i == 0)
		lease_absent(&host, &port, now);
	if (_i == 1)
		lease_foreign(&host, &port, now);
	if (_i == 2)
		lease_ready(&host, &port, now);
	lease_turnaround(&host, &port, now);
	expect_turnaround(LEASE_NONE, 0);
	ck_assert(!step.keep_line);
	ck_assert_ptr_eq(port.successor, &r[0]);
}
END_TEST

START_TEST(disabled_port_keeps_no_line)
{
	hold(&port, 100);
	ask(0, 0, LEASE_NEVER);
	hand_off(0);
	if (_i == 0)
		lease_disable(&host, &port, true, now);
	end_with(&port, LEASE_RELEASED, _i != 0);
	if (_i == 2)
		lease_ready(&host, &port, now);
	if (_i > 0) {
		lease_disable(&host, &port, true, now);
		expect_turnaround(_i == 1 ? LEASE_RELEASED : LEASE_NONE, _i == 1 ? TOKEN : 0);
		ck_assert(!step.keep_line);
	}
	lease_ready(&host, &port, now);
	expect_rest(LEASE_NEVER);
	ck_assert_int_eq(port.state, LEASE_DISABLED);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	const TTest *const plain[] = {
		line_kept_for_one_who_left_is_granted_to_nobody_in_his_last_moment,
		successor_granted_another_port_is_none_any_more,
		successor_gets_the_port_that_was_kept_for_it,
		holder_is_asked_once_for_a_successor_who_is_not_the_first,
		hand_off_can_be_taken_back,
	};
	Suite *suite = suite_create("lease_hand_off");
	TCase *tc = tcase_create("lease_hand_off");

	tcase_add_checked_fixture(tc, setup_lease, NULL);
	tcase_add_loop_test(tc, handed_off_lease_goes_to_its_successor_and_the_line_stays_up, 0, 2);
	tcase_add_loop_test(tc, successor_is_the_next_whatever_ended_the_lease, 0, COUNT(ends));
	tcase_add_loop_test(tc, line_kept_for_one_who_left_is_hung_up, 0, 2);
	tcase_add_loop_test(tc, lost_line_is_kept_for_nobody, 0, 3);
	tcase_add_loop_test(tc, disabled_port_keeps_no_line, 0, 3);
	for (int i = 0; i < COUNT(plain); i++)
		tcase_add_test(tc, plain[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
