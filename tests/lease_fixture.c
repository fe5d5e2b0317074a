/* lease_fixture.c - see lease_fixture.h. */
#include "lease_fixture.h"

#include <stdlib.h>
#include <string.h>

struct lease_host host;
struct lease_port port, other;
struct lease_request r[MANY];
struct lease_step step;
uint64_t now;

static void
free_port(struct lease_port *p)
{
	lease_port_init(&host, p, now);
	lease_turnaround(&host, p, now);
	ck_assert(lease_next(&host, now, &step));
	lease_ready(&host, p, now);
	ck_assert(!lease_next(&host, now, &step));
}

void
setup_lease_with(uint64_t take_ms, uint64_t hold_until_ms)
{
	memset(r, 0, sizeof(r));
	now = START;
	lease_host_init(&host, TOKEN, take_ms, hold_until_ms);
	free_port(&port);
	free_port(&other);
}

void
setup_lease(void)
{
	setup_lease_with(TAKE, 0);
}

void
bring_to(enum lease_state state)
{
	if (state == LEASE_ABSENT)
		lease_absent(&host, &port, now);
	if (state == LEASE_FAULTED)
		lease_fault(&host, &port, now);
	if (state == LEASE_TURNAROUND) {
		lease_turnaround(&host, &port, now);
		expect_turnaround(LEASE_NONE, 0);
	}
	if (state == LEASE_HELD) {
		ask(MANY - 1, 0, LEASE_NEVER);
		expect_grant(MANY - 1, TOKEN);
		lease_opened(&host, &port, TOKEN, now);
	}
	expect_rest(LEASE_NEVER);
	ck_assert_int_eq(port.state, state);
}

void
ask(int i, int priority, uint64_t deadline_ms)
{
	r[i].priority = priority;
	r[i].since_ms = now;
	r[i].deadline_ms = deadline_ms;
	lease_request(&host, &port, &r[i], now);
}

void
expect_step(enum lease_step_type type)
{
	ck_assert(lease_next(&host, now, &step));
	ck_assert_int_eq(step.type, type);
	ck_assert_ptr_eq(step.port, &port);
}

void
expect_outcome(enum lease_step_type type, int i)
{
	expect_step(type);
	ck_assert_ptr_eq(step.request, &r[i]);
	ck_assert_ptr_null(r[i].port);
}

void
expect_grant(int i, uint64_t token)
{
	expect_outcome(LEASE_STEP_GRANT, i);
	ck_assert_uint_eq(step.token, token);
	ck_assert_uint_eq(port.token, token);
	ck_assert_int_eq(port.state, LEASE_HELD);
}

void
expect_turnaround(enum lease_reason reason, uint64_t token)
{
	expect_step(LEASE_STEP_TURNAROUND);
	ck_assert_ptr_null(step.request);
	ck_assert_int_eq(step.reason, reason);
	ck_assert_uint_eq(step.token, token);
	ck_assert_int_eq(port.state, LEASE_TURNAROUND);
}

void
expect_rest(uint64_t deadline_ms)
{
	ck_assert(!lease_next(&host, now, &step));
	ck_assert_uint_eq(lease_deadline(&host), deadline_ms);
}

void
end_and_clean(uint64_t token)
{
	ck_assert_int_eq(lease_end(&host, &port, token, LEASE_RELEASED, now), 0);
	expect_turnaround(LEASE_RELEASED, token);
	lease_ready(&host, &port, now);
}

int
run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	int failed;

	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
