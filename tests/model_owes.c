/* model_owes.c - what has to happen now, and when; see model_lease.h. */
#include "model_lease.h"

uint64_t
model_untaken_at(const struct model *m, int port)
{
	const struct model_port *p = &m->ports[port];

	if (!model_held(p) || !p->opened || p->taken || p->untaken_said || m->take == LEASE_NEVER)
		return LEASE_NEVER;
	return model_waiting(m, port) > 0 ? p->opened_at + m->take : LEASE_NEVER;
}

const char *
model_owes_first(const struct model *m, uint64_t now)
{
	for (int i = 0; i < MODEL_REQUESTS; i++) {
		if (m->requests[i].queued && m->requests[i].deadline <= now)
			return "a request's time is over, and nothing is said";
		if (m->requests[i].queued && model_all_faulted(m, i))
			return "a faulted port's waiter isn't told";
	}
	for (int i = 0; i < MODEL_PORTS; i++) {
		const struct model_port *p = &m->ports[i];

		if (model_grantee(m, i, now) != NOBODY)
			return "a free port has waiters and isn't granted";
		if (p->must_clean)
			return "a turnaround is not begun";
		if (p->line_kept && p->successor == NOBODY)
			return "a line is kept for nobody";
		if (p->due != LEASE_NEVER && p->due <= now)
			return "a late keeper isn't reported";
		if (model_untaken_at(m, i) <= now)
			return "an untaken grant isn't reported";
		if (model_held(p) && p->lingers && p->linger_until <= now)
			return "a lingering lease isn't reported";
		if (p->state == LEASE_HELD && (p->over || p->idle) && !model_is_busy(p, now) &&
		    now >= m->hold)
			return "a holder isn't asked at a deadline";
	}
	return NULL;
}

static const char *
owes_yielding(const struct model *m, int port, uint64_t now)
{
	const struct model_port *p = &m->ports[port];
	int promised = NOBODY;

	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].promised == port)
			promised = i;
	if (model_is_busy(p, now))
		return "a busy holder isn't told that it may stay";
	if (p->yield_reason == LEASE_EXPIRED && !p->over && !p->idle)
		return "a holder isn't told that it may stay";
	if (p->revoke_said && promised != NOBODY)
		return "a waiter counts on a holder who has not let go in time";
	if (p->revoke_said)
		return p->yield_reason == LEASE_EXPIRED || model_is_wanted(m, port, now)
			   ? NULL
			   : "a holder who has not let go isn't told that it may stay";
	if (p->yield_reason != LEASE_EXPIRED &&
	    (promised == NOBODY || model_choice(m, port, promised, now) == 0))
		return "a holder is asked for nobody";
	return p->yield_by <= now ? "a port isn't taken back" : NULL;
}

const char *
model_owes(const struct model *m, uint64_t now)
{
	const char *wrong = model_owes_first(m, now);

	for (int i = 0; i < MODEL_PORTS && !wrong; i++) {
		int candidate = model_candidate(m, i);

		if (m->ports[i].state == LEASE_YIELDING)
			wrong = owes_yielding(m, i, now);
		if (m->ports[i].state == LEASE_HELD && now >= m->hold && candidate != NOBODY &&
		    model_choice(m, i, candidate, now) > 0)
			wrong = "a holder isn't asked";
	}
	return wrong;
}

static void
sooner(uint64_t *at, uint64_t other)
{
	if (other < *at)
		*at = other;
}

static uint64_t
deadline_held(const struct model *m, int port, uint64_t now)
{
	const struct model_port *p = &m->ports[port];
	int candidate = model_candidate(m, port);
	uint64_t at = model_untaken_at(m, port);

	if (p->lingers)
		sooner(&at, p->linger_until);
	if (p->state == LEASE_YIELDING && !p->revoke_said)
		sooner(&at, p->yield_by);
	if (p->state == LEASE_HELD && now < m->hold) {
		if (model_waiting(m, port) > 0 || p->over || p->idle)
			sooner(&at, m->hold);
	} else if (p->state == LEASE_HELD) {
		if (candidate != NOBODY)
			sooner(&at, model_choice_from(m, port, candidate, now));
		if ((p->over || p->idle) && p->policy.max_busy_ms != LEASE_NEVER)
			sooner(&at, p->busy_since + p->policy.max_busy_ms);
	}
	return at;
}

uint64_t
model_deadline(const struct model *m, uint64_t now)
{
	uint64_t at = LEASE_NEVER;

	for (int i = 0; i < MODEL_REQUESTS; i++) {
		const struct model_request *r = &m->requests[i];

		if (r->queued)
			sooner(&at, r->deadline);
		for (int j = 0; r->queued && j < r->place_count; j++)
			sooner(&at, r->places[j].rises_at);
	}
	for (int i = 0; i < MODEL_PORTS; i++) {
		sooner(&at, m->ports[i].due);
		if (m->ports[i].state == LEASE_FREE && model_waiting(m, i) > 0)
			sooner(&at, m->hold);
		if (model_held(&m->ports[i]))
			sooner(&at, deadline_held(m, i, now));
	}
	return at;
}

uint64_t
model_deadline_awake(const struct model *m)
{
	uint64_t at = LEASE_NEVER;

	for (int i = 0; i < MODEL_PORTS; i++)
		if (model_held(&m->ports[i]) && !m->ports[i].over)
			sooner(&at, m->ports[i].over_at);
	return at;
}
