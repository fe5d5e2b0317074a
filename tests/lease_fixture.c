/* lease_fixture.c - see lease_fixture.h. */
#include "lease_fixture.h"

#include <stdlib.h>
#include <string.h>

struct lease_host host;
struct lease_port port, other;
struct lease_request r[MANY];
struct lease_place places[MANY][2];
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
	memset(places, 0, sizeof(places));
	memset(&port.policy, 0, sizeof(port.policy));
	memset(&other.policy, 0, sizeof(other.policy));
	port.policy.max_busy_ms = other.policy.max_busy_ms = LEASE_NEVER;
	for (int i = 0; i < MANY; i++) {
		r[i].places = places[i];
		r[i].max_hold_ms = LEASE_NEVER;
		r[i].grace_ms = GRACE;
	}
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
	if (state == LEASE_FOREIGN)
		lease_foreign(&host, &port, now);
	if (state == LEASE_DISABLED)
		lease_disable(&host, &port, true, now);
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
	r[i].place_count = 1;
	places[i][0].port = &port;
	lease_request(&host, &r[i], now);
}

void
ask_at(int i, struct lease_port *p)
{
	r[i].since_ms = now;
	r[i].deadline_ms = LEASE_NEVER;
	r[i].place_count = 1;
	places[i][0].port = p;
	lease_request(&host, &r[i], now);
}

void
ask_both(int i)
{
	r[i].since_ms = now;
	r[i].deadline_ms = LEASE_NEVER;
	r[i].place_count = 2;
	places[i][0].port = &port;
	places[i][1].port = &other;
	lease_request(&host, &r[i], now);
}

int
with_rank(int i, int rank)
{
	places[i][0].rank = places[i][1].rank = rank;
	return i;
}

int
on_standby(int i)
{
	r[i].standby = true;
	return i;
}

uint64_t
hold(struct lease_port *p, int i)
{
	ask_at(i, p);
	expect_at(p, LEASE_STEP_GRANT, i);
	lease_opened(&host, p, p->token, now);
	lease_taken(&host, p, p->token);
	return p->token;
}

void
expect_step(enum lease_step_type type)
{
	ck_assert(lease_next(&host, now, &step));
	ck_assert_int_eq(step.type, type);
	ck_assert_ptr_eq(step.port, &port);
}

void
expect_at(struct lease_port *p, enum lease_step_type type, int i)
{
	ck_assert(lease_next(&host, now, &step));
	ck_assert_int_eq(step.type, type);
	ck_assert_ptr_eq(step.port, p);
	ck_assert_ptr_eq(step.request, i < 0 ? NULL : &r[i]);
}

void
expect_yield(struct lease_port *p, enum lease_reason reason, int i)
{
	expect_at(p, LEASE_STEP_YIELD, i);
	ck_assert_int_eq(step.reason, reason);
	ck_assert_int_eq(p->yield_reason, reason);
	ck_assert_uint_eq(step.token, p->token);
	ck_assert_int_eq(p->state, LEASE_YIELDING);
	ck_assert_uint_eq(p->yield_by_ms, now + p->grace_ms);
}

void
expect_keep(struct lease_port *p)
{
	expect_at(p, LEASE_STEP_KEEP, -1);
	ck_assert_uint_eq(step.token, p->token);
	ck_assert_int_eq(p->state, LEASE_HELD);
	ck_assert_uint_eq(p->yield_by_ms, 0);
	ck_assert_int_eq(p->yield_reason, LEASE_NONE);
}

void
expect_revoke(struct lease_port *p, enum lease_reason reason)
{
	expect_at(p, LEASE_STEP_REVOKE, -1);
	ck_assert_int_eq(step.reason, reason);
	ck_assert_uint_eq(step.token, p->token);
	ck_assert_int_eq(p->state, LEASE_YIELDING);
}

void
expect_outcome(enum lease_step_type type, int i)
{
	expect_step(type);
	ck_assert_ptr_eq(step.request, &r[i]);
	ck_assert(!r[i].waits);
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
expect_rest_awake(uint64_t deadline_ms)
{
	ck_assert(!lease_next(&host, now, &step));
	ck_assert_uint_eq(lease_deadline_awake(&host), deadline_ms);
}

void
end_with(struct lease_port *p, enum lease_reason reason, bool keep_line)
{
	uint64_t token = p->token;

	ck_assert_int_eq(lease_end(&host, p, token, reason, now), 0);
	expect_at(p, LEASE_STEP_TURNAROUND, -1);
	ck_assert_int_eq(step.reason, reason);
	ck_assert_uint_eq(step.token, token);
	ck_assert_int_eq(step.keep_line, keep_line);
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
