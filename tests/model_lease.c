/*
 * model_lease.c - the naive reference model of the core: what reports do; see model_lease.h.
 * Written from lease.h, not from lease.c: where the two disagree, the header decides.
 */
#include "model_lease.h"

#include <string.h>

void
model_init(struct model *m, uint64_t first_token, uint64_t take, uint64_t hold)
{
	memset(m, 0, sizeof(*m));
	m->next_token = first_token;
	m->take = take;
	m->hold = hold;
}

void
model_port_init(struct model *m, int port, uint64_t now)
{
	struct model_port *p = &m->ports[port];
	struct lease_policy policy = p->policy;

	memset(p, 0, sizeof(*p));
	p->policy = policy;
	p->state = LEASE_ABSENT;
	p->since = now;
	p->due = LEASE_NEVER;
	p->successor = NOBODY;
}

bool
model_held(const struct model_port *p)
{
	return p->state == LEASE_HELD || p->state == LEASE_YIELDING;
}

void
model_go(struct model_port *p, enum lease_state state, uint64_t now)
{
	if (p->state != state)
		p->since = now;
	p->state = state;
	p->must_clean = state == LEASE_TURNAROUND;
	if (state != LEASE_TURNAROUND && state != LEASE_FREE)
		p->line_kept = false;
}

void
model_clean(struct model_port *p, enum lease_reason reason, uint64_t ended, uint64_t now)
{
	model_go(p, LEASE_TURNAROUND, now);
	p->reason = reason;
	p->ended = ended;
}

/* Nobody in the queue has a failure before him. */
static bool
may_try_again(const struct model *m, int port)
{
	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].queued && model_place(m, i, port) && model_all_faulted(m, i))
			return false;
	return m->ports[port].state == LEASE_FAULTED && !m->ports[port].late;
}

static void
set_level(const struct model_request *r, struct model_place *place,
	  const struct lease_policy *policy, uint64_t now)
{
	uint64_t step = policy->age_step_ms;

	place->level = place->rank;
	place->rises_at = LEASE_NEVER;
	if (r->standby || step == 0 || step == LEASE_NEVER)
		return;
	place->rises_at = r->since + step;
	while (place->level >= 0 && place->rises_at <= now) {
		place->level--;
		place->rises_at += step;
	}
	if (place->level < 0)
		place->rises_at = LEASE_NEVER;
}

void
model_request(struct model *m, int request, const struct model_request *wish, uint64_t now)
{
	struct model_request *r = &m->requests[request];
	bool again[MODEL_PORTS];

	*r = *wish;
	r->queued = false;
	for (int i = 0; i < MODEL_PORTS; i++)
		again[i] = model_all_faulted(m, request) && model_place(m, request, i) &&
			   may_try_again(m, i);
	for (int i = 0; i < MODEL_PORTS; i++)
		if (again[i])
			model_clean(&m->ports[i], LEASE_NONE, 0, now);
	for (int i = 0; i < r->place_count; i++)
		set_level(r, &r->places[i], &m->ports[r->places[i].port].policy, now);
	r->queued = true;
	r->call = m->calls++;
	r->promised = NOBODY;
}

void
model_leave(struct model *m, int request)
{
	m->requests[request].queued = false;
	m->requests[request].promised = NOBODY;
	for (int i = 0; i < MODEL_PORTS; i++)
		if (m->ports[i].successor == request)
			m->ports[i].successor = NOBODY;
}

void
model_cancel(struct model *m, int request)
{
	model_leave(m, request);
}

static bool
alive(const struct model_port *p, uint64_t token)
{
	return model_held(p) && p->token == token;
}

void
model_opened(struct model *m, int port, uint64_t token, uint64_t now)
{
	struct model_port *p = &m->ports[port];

	if (!alive(p, token))
		return;
	p->lingers = false;
	if (!p->opened && !p->taken) {
		p->opened = true;
		p->opened_at = now;
	}
}

int
model_taken(struct model *m, int port, uint64_t token)
{
	if (!alive(&m->ports[port], token))
		return 1;
	m->ports[port].taken = true;
	return 0;
}

int
model_linger(struct model *m, int port, uint64_t token, uint64_t until)
{
	if (!alive(&m->ports[port], token))
		return 1;
	m->ports[port].lingers = true;
	m->ports[port].linger_until = until;
	return 0;
}

int
model_busy(struct model *m, int port, uint64_t token, bool busy, uint64_t now)
{
	struct model_port *p = &m->ports[port];

	if (!alive(p, token))
		return 1;
	if (busy && !p->busy)
		p->busy_since = now;
	if (!busy)
		p->busy_since = 0;
	p->busy = busy;
	return 0;
}

int
model_idle(struct model *m, int port, uint64_t token, bool idle)
{
	if (!alive(&m->ports[port], token))
		return 1;
	m->ports[port].idle = idle;
	return 0;
}

int
model_hand_off(struct model *m, int port, uint64_t token, int request)
{
	if (!alive(&m->ports[port], token))
		return 1;
	m->ports[port].successor = request;
	return 0;
}

int
model_end(struct model *m, int port, uint64_t token, enum lease_reason reason, uint64_t now)
{
	struct model_port *p = &m->ports[port];

	if (!alive(p, token))
		return 1;
	p->token = p->max_hold = p->grace = p->busy_since = p->yield_by = 0;
	p->standby = p->busy = p->idle = p->over = p->lingers = p->revoke_said = false;
	p->yield_reason = LEASE_NONE;
	p->used = ++m->ends;
	model_clean(p, reason, token, now);
	p->line_kept = p->successor != NOBODY && !p->disabled && reason != LEASE_REVOKED &&
		       reason != LEASE_UNPLUGGED && reason != LEASE_HUNGUP &&
		       reason != LEASE_FAILED;
	return 0;
}

void
model_grant(struct model *m, int port, uint64_t token, const struct model_request *r, int rank,
	    uint64_t since)
{
	struct model_port *p = &m->ports[port];

	model_go(p, LEASE_HELD, since);
	p->token = token;
	p->opened = p->taken = p->untaken_said = false;
	p->standby = r->standby;
	p->rank = rank;
	p->max_hold = r->max_hold;
	p->grace = r->grace;
	p->over_at = r->max_hold == LEASE_NEVER ? LEASE_NEVER : since + m->slept + r->max_hold;
	p->successor = NOBODY;
}

void
model_resume(struct model *m, int port, uint64_t token, const struct model_request *what,
	     uint64_t now)
{
	if (alive(&m->ports[port], token)) {
		model_opened(m, port, token, now);
		return;
	}
	model_grant(m, port, token, what, what->places[0].rank, what->since);
	m->ports[port].taken = true;
	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].promised == port)
			m->requests[i].promised = NOBODY;
	if (m->next_token <= token)
		m->next_token = token + 1;
}

void
model_ready(struct model *m, int port, uint64_t now)
{
	struct model_port *p = &m->ports[port];

	if (p->state == LEASE_TURNAROUND && !p->must_clean)
		model_go(p, p->disabled ? LEASE_DISABLED : LEASE_FREE, now);
}

void
model_turnaround(struct model *m, int port, uint64_t now)
{
	struct model_port *p = &m->ports[port];

	if (p->state == LEASE_TURNAROUND) {
		p->must_clean = true;
		return;
	}
	p->line_kept = false;
	model_clean(p, LEASE_NONE, 0, now);
}

void
model_foreign(struct model *m, int port, uint64_t now)
{
	model_go(&m->ports[port], LEASE_FOREIGN, now);
}

void
model_disable(struct model *m, int port, bool disabled, uint64_t now)
{
	struct model_port *p = &m->ports[port];

	p->disabled = disabled;
	if (disabled && p->line_kept) {
		p->line_kept = false;
		model_turnaround(m, port, now);
	} else if (disabled && p->state == LEASE_FREE) {
		model_go(p, LEASE_DISABLED, now);
	} else if (!disabled && p->state == LEASE_DISABLED) {
		model_clean(p, LEASE_NONE, 0, now);
	}
}

void
model_fault(struct model *m, int port, uint64_t now)
{
	model_go(&m->ports[port], LEASE_FAULTED, now);
}

void
model_absent(struct model *m, int port, uint64_t now)
{
	model_go(&m->ports[port], LEASE_ABSENT, now);
}

void
model_expect(struct model *m, int port, uint64_t at)
{
	m->ports[port].late = false;
	m->ports[port].due = at;
}

static void
rise(struct model_place *place, const struct lease_policy *policy, uint64_t now)
{
	while (place->rises_at <= now && place->rises_at != LEASE_NEVER) {
		uint64_t step = policy->age_step_ms;

		place->level--;
		if (place->level < 0 || step == 0 || step == LEASE_NEVER)
			place->rises_at = LEASE_NEVER;
		else
			place->rises_at += step;
	}
}

void
model_tick(struct model *m, uint64_t now)
{
	for (int i = 0; i < MODEL_REQUESTS; i++)
		for (int j = 0; m->requests[i].queued && j < m->requests[i].place_count; j++) {
			struct model_place *place = &m->requests[i].places[j];

			rise(place, &m->ports[place->port].policy, now);
		}
	for (int i = 0; i < MODEL_PORTS; i++)
		if (model_held(&m->ports[i]) && m->ports[i].over_at != LEASE_NEVER &&
		    m->ports[i].over_at <= now + m->slept)
			m->ports[i].over = true;
}
