/* test_lease_state.c - the core's states: every report in every state, failures, misuse. */
#include "lease_fixture.h"

#include <signal.h>
#include <stdio.h>

static void
report_ready(void)
{
	lease_ready(&host, &port, now);
}

static void
report_turnaround(void)
{
	lease_turnaround(&host, &port, now);
}

static void
report_fault(void)
{
	lease_fault(&host, &port, now);
}

static void
report_absent(void)
{
	lease_absent(&host, &port, now);
}

static void
report_foreign(void)
{
	lease_foreign(&host, &port, now);
}

static void
report_disable(void)
{
	lease_disable(&host, &port, true, now);
}

static void
report_enable(void)
{
	lease_disable(&host, &port, false, now);
}

static void
report_resume(void)
{
	r[0].since_ms = now;
	lease_resume(&host, &port, 3, &r[0], now);
}

static void
report_end(void)
{
	int wanted = port.token == TOKEN ? 0 : 1;

	ck_assert_int_eq(lease_end(&host, &port, TOKEN, LEASE_DIED, now), wanted);
}

static void
report_late(void)
{
	lease_expect(&host, &port, now);
	expect_step(LEASE_STEP_LATE);
}

static void
report_request(void)
{
	ask(0, 0, LEASE_NEVER);
}

/* Every report in every state: where it leads, and which step follows (-1: none). */
#define NONE (-1)
static const struct {
	enum lease_state from;
	void (*report)(void);
	enum lease_state to;
	int step;
} transitions[] = {
	{ LEASE_ABSENT, report_ready, LEASE_ABSENT, NONE },
	{ LEASE_ABSENT, report_turnaround, LEASE_TURNAROUND, LEASE_STEP_TURNAROUND },
	{ LEASE_ABSENT, report_fault, LEASE_FAULTED, NONE },
	{ LEASE_ABSENT, report_absent, LEASE_ABSENT, NONE },
	{ LEASE_ABSENT, report_resume, LEASE_HELD, NONE },
	{ LEASE_ABSENT, report_end, LEASE_ABSENT, NONE },
	{ LEASE_ABSENT, report_late, LEASE_FAULTED, NONE },
	{ LEASE_ABSENT, report_request, LEASE_ABSENT, NONE },
	{ LEASE_TURNAROUND, report_ready, LEASE_FREE, NONE },
	{ LEASE_TURNAROUND, report_turnaround, LEASE_TURNAROUND, LEASE_STEP_TURNAROUND },
	{ LEASE_TURNAROUND, report_fault, LEASE_FAULTED, NONE },
	{ LEASE_TURNAROUND, report_absent, LEASE_ABSENT, NONE },
	{ LEASE_TURNAROUND, report_resume, LEASE_HELD, NONE },
	{ LEASE_TURNAROUND, report_end, LEASE_TURNAROUND, NONE },
	{ LEASE_TURNAROUND, report_late, LEASE_FAULTED, NONE },
	{ LEASE_TURNAROUND, report_request, LEASE_TURNAROUND, NONE },
	{ LEASE_FREE, report_ready, LEASE_FREE, NONE },
	{ LEASE_FREE, report_turnaround, LEASE_TURNAROUND, LEASE_STEP_TURNAROUND },
	{ LEASE_FREE, report_fault, LEASE_FAULTED, NONE },
	{ LEASE_FREE, report_absent, LEASE_ABSENT, NONE },
	{ LEASE_FREE, report_resume, LEASE_HELD, NONE },
	{ LEASE_FREE, report_end, LEASE_FREE, NONE },
	{ LEASE_FREE, report_late, LEASE_FAULTED, NONE },
	{ LEASE_FREE, report_request, LEASE_HELD, LEASE_STEP_GRANT },
	{ LEASE_HELD, report_end, LEASE_TURNAROUND, LEASE_STEP_TURNAROUND },
	{ LEASE_HELD, report_late, LEASE_HELD, NONE },
	{ LEASE_ABSENT, report_foreign, LEASE_FOREIGN, NONE },
	{ LEASE_ABSENT, report_disable, LEASE_ABSENT, NONE },
	{ LEASE_TURNAROUND, report_foreign, LEASE_FOREIGN, NONE },
	{ LEASE_TURNAROUND, report_disable, LEASE_TURNAROUND, NONE },
	{ LEASE_FREE, report_foreign, LEASE_FOREIGN, NONE },
	{ LEASE_FREE, report_disable, LEASE_DISABLED, NONE },
	{ LEASE_FREE, report_enable, LEASE_FREE, NONE },
	{ LEASE_HELD, report_disable, LEASE_HELD, NONE },
	{ LEASE_FAULTED, report_foreign, LEASE_FOREIGN, NONE },
	{ LEASE_FAULTED, report_disable, LEASE_FAULTED, NONE },
	{ LEASE_FOREIGN, report_ready, LEASE_FOREIGN, NONE },
	{ LEASE_FOREIGN, report_turnaround, LEASE_TURNAROUND, LEASE_STEP_TURNAROUND },
	{ LEASE_FOREIGN, report_fault, LEASE_FAULTED, NONE },
	{ LEASE_FOREIGN, report_absent, LEASE_ABSENT, NONE },
	{ LEASE_FOREIGN, report_foreign, LEASE_FOREIGN, NONE },
	{ LEASE_FOREIGN, report_resume, LEASE_HELD, NONE },
	{ LEASE_FOREIGN, report_end, LEASE_FOREIGN, NONE },
	{ LEASE_FOREIGN, report_late, LEASE_FAULTED, NONE },
	{ LEASE_FOREIGN, report_request, LEASE_FOREIGN, NONE },
	{ LEASE_FOREIGN, report_disable, LEASE_FOREIGN, NONE },
	{ LEASE_DISABLED, report_ready, LEASE_DISABLED, NONE },
	{ LEASE_DISABLED, report_turnaround, LEASE_TURNAROUND, LEASE_STEP_TURNAROUND },
	{ LEASE_DISABLED, report_fault, LEASE_FAULTED, NONE },
	{ LEASE_DISABLED, report_absent, LEASE_ABSENT, NONE },
	{ LEASE_DISABLED, report_foreign, LEASE_FOREIGN, NONE },
	{ LEASE_DISABLED, report_resume, LEASE_HELD, NONE },
	{ LEASE_DISABLED, report_end, LEASE_DISABLED, NONE },
	{ LEASE_DISABLED, report_late, LEASE_FAULTED, NONE },
	{ LEASE_DISABLED, report_request, LEASE_DISABLED, NONE },
	{ LEASE_DISABLED, report_disable, LEASE_DISABLED, NONE },
	{ LEASE_DISABLED, report_enable, LEASE_TURNAROUND, LEASE_STEP_TURNAROUND },
	{ LEASE_FAULTED, report_ready, LEASE_FAULTED, NONE },
	{ LEASE_FAULTED, report_turnaround, LEASE_TURNAROUND, LEASE_STEP_TURNAROUND },
	{ LEASE_FAULTED, report_fault, LEASE_FAULTED, NONE },
	{ LEASE_FAULTED, report_absent, LEASE_ABSENT, NONE },
	{ LEASE_FAULTED, report_resume, LEASE_HELD, NONE },
	{ LEASE_FAULTED, report_end, LEASE_FAULTED, NONE },
	{ LEASE_FAULTED, report_late, LEASE_FAULTED, NONE },
	{ LEASE_FAULTED, report_request, LEASE_TURNAROUND, LEASE_STEP_TURNAROUND },
};

START_TEST(every_report_leads_to_its_state)
{
	uint64_t before;

	bring_to(transitions[_i].from);
	before = port.since_ms;
	now += 7;
	transitions[_i].report();
	if (transitions[_i].step != NONE)
		expect_step((enum lease_step_type)transitions[_i].step);
	expect_rest(LEASE_NEVER);
	ck_assert_int_eq(port.state, transitions[_i].to);
	ck_assert_uint_eq(port.since_ms, transitions[_i].to == transitions[_i].from ? before : now);
	ck_assert((port.token != 0) == (port.state == LEASE_HELD));
}
END_TEST

static void
end_without_reason(void)
{
	lease_end(&host, &port, TOKEN, LEASE_NONE, now);
}

static void
request_twice(void)
{
	ask(0, 0, LEASE_NEVER);
	ask(0, 0, LEASE_NEVER);
}

static void
cancel_what_is_not_queued(void)
{
	lease_cancel(&host, &r[MANY - 1]);
}

static void
ahead_of_what_is_not_queued(void)
{
	lease_ahead(&places[0][0]);
}

static void
after_what_is_not_queued(void)
{
	lease_after(&places[0][0]);
}

static void
hand_off_to_one_who_does_not_wait(void)
{
	lease_hand_off(&host, &port, port.token, &r[MANY - 1]);
}

static void
hand_off_to_one_who_waits_elsewhere(void)
{
	lease_absent(&host, &other, now);
	ask_at(0, &other);
	lease_hand_off(&host, &port, port.token, &r[0]);
}

static void
request_nothing(void)
{
	r[0].place_count = 0;
	lease_request(&host, &r[0], now);
}

static void
remove_with_waiters(void)
{
	ask(0, 0, LEASE_NEVER);
	lease_port_remove(&host, &port);
}

static void
resume_token_zero(void)
{
	lease_resume(&host, &other, 0, &r[0], now);
}

static void
first_token_zero(void)
{
	lease_host_init(&host, 0, TAKE, 0);
}

/* All of them on a HELD port. */
static void (*const misuses[])(void) = { report_ready,
					 report_turnaround,
					 report_fault,
					 report_absent,
					 report_foreign,
					 hand_off_to_one_who_does_not_wait,
					 hand_off_to_one_who_waits_elsewhere,
					 request_nothing,
					 report_resume,
					 end_without_reason,
					 request_twice,
					 cancel_what_is_not_queued,
					 ahead_of_what_is_not_queued,
					 after_what_is_not_queued,
					 remove_with_waiters,
					 resume_token_zero,
					 first_token_zero };

START_TEST(misuse_asserts)
{
	bring_to(LEASE_HELD);
	ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr)); /* assert() is loud */
	misuses[_i]();
}
END_TEST

START_TEST(fault_fails_everybody_queued_in_order)
{
	bring_to(LEASE_TURNAROUND);
	ask(0, 0, LEASE_NEVER);
	ask(1, 1, LEASE_NEVER);
	expect_rest(LEASE_NEVER);
	lease_fault(&host, &port, now);
	expect_outcome(LEASE_STEP_FAIL, 1);
	ask(2, 2, LEASE_NEVER); /* others still have theirs before them: no try of its own */
	expect_outcome(LEASE_STEP_FAIL, 2);
	expect_outcome(LEASE_STEP_FAIL, 0);
	expect_rest(LEASE_NEVER);
	ck_assert_int_eq(port.state, LEASE_FAULTED);
}
END_TEST

START_TEST(request_makes_a_faulted_port_try_again)
{
	bring_to(LEASE_FAULTED);
	for (int i = 0; i < 3; i++) {
		ask(0, 0, LEASE_NEVER);
		expect_turnaround(LEASE_NONE, 0);
		ask(1, 0, LEASE_NEVER);
		expect_rest(LEASE_NEVER);
		lease_fault(&host, &port, now);
		expect_outcome(LEASE_STEP_FAIL, 0);
		expect_outcome(LEASE_STEP_FAIL, 1);
		expect_rest(LEASE_NEVER);
	}
	ask(0, 0, LEASE_NEVER);
	expect_turnaround(LEASE_NONE, 0);
	lease_ready(&host, &port, now);
	expect_grant(0, TOKEN);
}
END_TEST

START_TEST(device_that_answers_in_time_saves_its_waiters)
{
	bring_to(LEASE_TURNAROUND);
	ask(0, 0, LEASE_NEVER);
	lease_fault(&host, &port, now);
	lease_turnaround(&host, &port, now);
	expect_turnaround(LEASE_NONE, 0);
	expect_rest(LEASE_NEVER);
	ck_assert_uint_eq(port.waiting, 1);
}
END_TEST

START_TEST(absent_device_keeps_its_waiters)
{
	bring_to(LEASE_TURNAROUND);
	ask(0, 0, LEASE_NEVER);
	lease_turnaround(&host, &port, now);
	lease_absent(&host, &port, now);
	expect_rest(LEASE_NEVER);
	ck_assert_ptr_eq(lease_first(&port)->request, &r[0]);
}
END_TEST

START_TEST(states_and_reasons_have_names)
{
	ck_assert_str_eq(lease_state_name(LEASE_ABSENT), "absent");
	ck_assert_str_eq(lease_state_name(LEASE_TURNAROUND), "turnaround");
	ck_assert_str_eq(lease_state_name(LEASE_FREE), "free");
	ck_assert_str_eq(lease_state_name(LEASE_HELD), "held");
	ck_assert_str_eq(lease_state_name(LEASE_FAULTED), "faulted");
	ck_assert_str_eq(lease_state_name(LEASE_FOREIGN), "foreign");
	ck_assert_str_eq(lease_state_name(LEASE_DISABLED), "disabled");
	ck_assert_str_eq(lease_state_name(LEASE_YIELDING), "yielding");
	ck_assert_str_eq(lease_reason_name(LEASE_YIELDED), "yielded");
	ck_assert_str_eq(lease_reason_name(LEASE_PREEMPTED), "preempted");
	for (enum lease_reason i = LEASE_NONE; i <= LEASE_FAILED; i++)
		for (enum lease_reason j = LEASE_NONE; j < i; j++)
			ck_assert_str_ne(lease_reason_name(i), lease_reason_name(j));
	ck_assert_str_eq(lease_reason_name(LEASE_RELEASED), "released");
	ck_assert_str_eq(lease_reason_name(LEASE_FAILED), "faulted");
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	const TTest *const plain[] = {
		fault_fails_everybody_queued_in_order,
		request_makes_a_faulted_port_try_again,
		device_that_answers_in_time_saves_its_waiters,
		absent_device_keeps_its_waiters,
		states_and_reasons_have_names,
	};
	Suite *suite = suite_create("lease_state");
	TCase *tc = tcase_create("lease_state");

	tcase_add_checked_fixture(tc, setup_lease, NULL);
	tcase_add_loop_test(tc, every_report_leads_to_its_state, 0, COUNT(transitions));
	tcase_add_loop_test_raise_signal(tc, misuse_asserts, SIGABRT, 0, COUNT(misuses));
	for (int i = 0; i < COUNT(plain); i++)
		tcase_add_test(tc, plain[i]);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
