/* test_lease_order.c - the core: classes, ageing, standby behind all others, and requests for one
 * of several ports. */
#include "lease_fixture.h"

/* Who is first in the queue, and so on to the last. */
static void
expect_order(const int *wanted, size_t n)
{
	const struct lease_place *place = lease_first(&port);

	ck_assert_uint_eq(port.waiting, n);
	for (size_t i = 0; i < n; i++, place = lease_after(place)) {
		ck_assert_ptr_eq(place->request, &r[wanted[i]]);
		ck_assert_uint_eq(lease_ahead(place), i);
	}
}

#define EXPECT_ORDER(...)                                                                          \
	expect_order((const int[]){ __VA_ARGS__ }, sizeof((int[]){ __VA_ARGS__ }) / sizeof(int))

static void
at(uint64_t ms)
{
	now = START + ms;
	ck_assert(!lease_next(&host, now, &step));
}

START_TEST(class_goes_before_priority_and_standby_behind_all)
{
	bring_to(LEASE_ABSENT);
	ask(on_standby(0), 100, LEASE_NEVER);
	ask(with_rank(1, 2), 100, LEASE_NEVER);
	ask(with_rank(2, 0), 0, LEASE_NEVER);
	ask(with_rank(3, 1), 0, LEASE_NEVER);
	ask(with_rank(4, 1), 5, LEASE_NEVER);
	EXPECT_ORDER(2, 4, 3, 1, 0);
}
END_TEST

START_TEST(negative_rank_is_the_first_one)
{
	port.policy.age_step_ms = 10;
	bring_to(LEASE_ABSENT);
	ask(with_rank(0, -7), 0, LEASE_NEVER);
	ask(with_rank(1, 0), 1, LEASE_NEVER);
	EXPECT_ORDER(1, 0);
}
END_TEST

START_TEST(standby_has_neither_rank_nor_priority_nor_age)
{
	port.policy.age_step_ms = 10;
	bring_to(LEASE_ABSENT);
	ask(on_standby(with_rank(0, 3)), 0, LEASE_NEVER);
	now++;
	ask(on_standby(with_rank(1, 0)), 9, LEASE_NEVER);
	ask(with_rank(2, 9), 0, LEASE_NEVER);
	EXPECT_ORDER(2, 0, 1);
	at(500);
	ask(with_rank(3, 9), 0, LEASE_NEVER);
	EXPECT_ORDER(2, 3, 0, 1);
}
END_TEST

START_TEST(waiter_rises_by_one_rank_for_each_step)
{
	port.policy.age_step_ms = 10;
	bring_to(LEASE_ABSENT);
	ask(with_rank(0, 2), 0, LEASE_NEVER);
	expect_rest(START + 10);
	at(5);
	ask(with_rank(1, 1), 0, LEASE_NEVER);
	ask(with_rank(2, 2), 5, LEASE_NEVER);
	EXPECT_ORDER(1, 2, 0);
	at(10); /* 0: level 1, as 1 is, and waits longer */
	EXPECT_ORDER(0, 1, 2);
	at(15); /* 1: level 0; 2: level 1, with its priority */
	EXPECT_ORDER(1, 2, 0);
	at(20);
	EXPECT_ORDER(0, 1, 2);
}
END_TEST

START_TEST(nobody_passes_who_came_later_than_one_at_the_last_level)
{
	port.policy.age_step_ms = 10;
	bring_to(LEASE_ABSENT);
	ask(with_rank(0, 1), -100, LEASE_NEVER);
	at(20); /* level -1 */
	ask(with_rank(1, 0), 100, LEASE_NEVER);
	EXPECT_ORDER(0, 1);
	at(1000);
	EXPECT_ORDER(0, 1);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(priority_counts_until_the_last_level)
{
	port.policy.age_step_ms = 10;
	bring_to(LEASE_ABSENT);
	ask(with_rank(0, 0), 0, LEASE_NEVER);
	at(9);
	ask(with_rank(1, 0), 1, LEASE_NEVER);
	EXPECT_ORDER(1, 0);
	at(10);
	EXPECT_ORDER(0, 1);
	at(19); /* both at the last level */
	EXPECT_ORDER(0, 1);
}
END_TEST

START_TEST(client_that_returns_stands_where_it_stood)
{
	port.policy.age_step_ms = 10;
	bring_to(LEASE_ABSENT);
	ask(with_rank(0, 1), 9, LEASE_NEVER);
	r[1].since_ms = START - 19;
	r[1].deadline_ms = LEASE_NEVER;
	r[1].place_count = 1;
	places[1][0] = (struct lease_place){ .port = &port, .rank = 2 };
	lease_request(&host, &r[1], now); /* level 1, and falls to 0 in 1 ms */
	EXPECT_ORDER(0, 1);
	expect_rest(START + 1);
	at(1);
	EXPECT_ORDER(1, 0);
}
END_TEST

START_TEST(nobody_rises_without_an_age_step)
{
	port.policy.age_step_ms = _i ? LEASE_NEVER : 0;
	bring_to(LEASE_ABSENT);
	ask(with_rank(0, 1), 0, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
	at(100000);
	ask(with_rank(1, 0), 0, LEASE_NEVER);
	EXPECT_ORDER(1, 0);
}
END_TEST

START_TEST(new_age_step_counts_from_the_next_rise_on)
{
	port.policy.age_step_ms = 10;
	bring_to(LEASE_ABSENT);
	ask(with_rank(0, 2), 0, LEASE_NEVER);
	expect_rest(START + 10);
	port.policy.age_step_ms = 100;
	lease_policy_changed(&host, &port, now);
	expect_rest(START + 10);
	now += 10;
	expect_rest(START + 110);
	port.policy.age_step_ms = 0;
	now += 100;
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(gone_waiter_rises_no_more)
{
	port.policy.age_step_ms = 10;
	bring_to(LEASE_ABSENT);
	ask(with_rank(0, 2), 0, LEASE_NEVER);
	lease_cancel(&host, &r[0]);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(pool_gets_the_port_that_is_free)
{
	hold(&port, 0);
	ask_both(1);
	expect_at(&other, LEASE_STEP_GRANT, 1);
	ck_assert_uint_eq(port.waiting, 0);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(pool_waits_at_all_its_ports_and_leaves_them_all)
{
	hold(&port, 0);
	hold(&other, 1);
	ask_both(2);
	ck_assert_uint_eq(port.waiting + other.waiting, 2);
	ck_assert_ptr_eq(lease_place_at(&r[2], &other), &places[2][1]);
	expect_rest(LEASE_NEVER);
	end_with(&other, LEASE_RELEASED, false);
	lease_ready(&host, &other, now);
	expect_at(&other, LEASE_STEP_GRANT, 2);
	ck_assert_uint_eq(port.waiting + other.waiting, 0);
}
END_TEST

START_TEST(pool_gets_the_least_recently_used_port)
{
	ask_both(0);
	expect_at(&port, LEASE_STEP_GRANT, 0); /* neither was used: the first one */
	end_and_clean(port.token);
	ck_assert_uint_eq(port.used, 1);
	ask_both(0);
	expect_at(&other, LEASE_STEP_GRANT, 0);
	end_with(&other, LEASE_DIED, false);
	lease_ready(&host, &other, now);
	ask_both(0);
	expect_at(&port, LEASE_STEP_GRANT, 0);
}
END_TEST

START_TEST(pool_does_not_pass_who_came_before_for_one_port)
{
	hold(&port, 0);
	hold(&other, 1);
	ask_at(2, &port);
	ask_both(3);
	ask_at(4, &other);
	end_with(&port, LEASE_RELEASED, false);
	lease_ready(&host, &port, now);
	expect_at(&port, LEASE_STEP_GRANT, 2);
	end_with(&other, LEASE_RELEASED, false);
	lease_ready(&host, &other, now);
	expect_at(&other, LEASE_STEP_GRANT, 3);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(class_may_have_another_rank_at_each_port)
{
	hold(&port, 0);
	hold(&other, 1);
	ask_both(with_rank(2, 1));
	lease_cancel(&host, &r[2]);
	places[2][1].rank = 0;
	ask_both(2);
	ask_both(with_rank(3, 0));
	ck_assert_ptr_eq(lease_first(&port)->request, &r[3]);
	ck_assert_ptr_eq(lease_first(&other)->request, &r[2]);
}
END_TEST

START_TEST(pool_is_never_granted_a_port_that_is_not_free)
{
	static const enum lease_state states[] = { LEASE_ABSENT, LEASE_FOREIGN, LEASE_DISABLED,
						   LEASE_FAULTED, LEASE_TURNAROUND };

	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		setup_lease();
		bring_to(states[i]);
		ask_both(0);
		expect_at(&other, LEASE_STEP_GRANT, 0);
		ask_both(1);
		expect_rest(LEASE_NEVER);
		ck_assert_uint_eq(port.waiting, 1);
	}
}
END_TEST

START_TEST(pool_fails_only_when_its_last_port_has_failed)
{
	hold(&other, 0);
	bring_to(LEASE_FAULTED);
	ask_both(1);
	expect_rest(LEASE_NEVER); /* the other port will do: no new try */
	ck_assert_int_eq(port.state, LEASE_FAULTED);
	now += 5;
	lease_end(&host, &other, other.token, LEASE_FAILED, now);
	lease_fault(&host, &other, now);
	expect_at(&other, LEASE_STEP_FAIL, 1);
	expect_rest(LEASE_NEVER);
}
END_TEST

START_TEST(pool_of_failed_ports_has_all_of_them_tried_again)
{
	lease_fault(&host, &other, now);
	bring_to(LEASE_FAULTED);
	ask_both(0);
	expect_at(&port, LEASE_STEP_TURNAROUND, -1);
	expect_at(&other, LEASE_STEP_TURNAROUND, -1);
	expect_rest(LEASE_NEVER);
	lease_fault(&host, &port, now);
	expect_rest(LEASE_NEVER);
	lease_ready(&host, &other, now);
	expect_at(&other, LEASE_STEP_GRANT, 0);
}
END_TEST

START_TEST(failed_port_is_tried_again_though_a_pool_waits_there)
{
	hold(&other, 0);
	bring_to(LEASE_FAULTED);
	ask_both(1);
	expect_rest(LEASE_NEVER);
	ask_at(2, &port);
	expect_turnaround(LEASE_NONE, 0);
	lease_fault(&host, &port, now);
	expect_at(&port, LEASE_STEP_FAIL, 2);
	expect_rest(LEASE_NEVER);
	ck_assert(r[1].waits);
}
END_TEST

START_TEST(pool_that_does_not_wait_gets_what_is_free_or_nothing)
{
	ask_both(0);
	lease_cancel(&host, &r[0]);
	r[0].deadline_ms = 0;
	lease_request(&host, &r[0], now);
	expect_at(&port, LEASE_STEP_GRANT, 0);
	r[1].place_count = 2;
	places[1][0].port = &other;
	places[1][1].port = &port;
	hold(&other, 2);
	r[1].since_ms = now;
	r[1].deadline_ms = 0;
	lease_request(&host, &r[1], now);
	expect_at(&other, LEASE_STEP_TIMEOUT, 1);
	expect_rest(LEASE_NEVER);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	const TTest *const plain[] = {
		class_goes_before_priority_and_standby_behind_all,
		negative_rank_is_the_first_one,
		standby_has_neither_rank_nor_priority_nor_age,
		waiter_rises_by_one_rank_for_each_step,
		nobody_passes_who_came_later_than_one_at_the_last_level,
		priority_counts_until_the_last_level,
		client_that_returns_stands_where_it_stood,
		new_age_step_counts_from_the_next_rise_on,
		gone_waiter_rises_no_more,
		pool_gets_the_port_that_is_free,
		pool_waits_at_all_its_ports_and_leaves_them_all,
		pool_gets_the_least_recently_used_port,
		pool_does_not_pass_who_came_before_for_one_port,
		class_may_have_another_rank_at_each_port,
		pool_is_never_granted_a_port_that_is_not_free,
		pool_fails_only_when_its_last_port_has_failed,
		pool_of_failed_ports_has_all_of_them_tried_again,
		failed_port_is_tried_again_though_a_pool_waits_there,
		pool_that_does_not_wait_gets_what_is_free_or_nothing,
	};
	Suite *suite = suite_create("lease_order");
	TCase *tc = tcase_create("lease_order");

	tcase_add_checked_fixture(tc, setup_lease, NULL);
	tcase_add_loop_test(tc, nobody_rises_without_an_age_step, 0, 2);
	for (int i = 0; i < COUNT(plain); i++)
		tcase_add_test(tc, plain[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
