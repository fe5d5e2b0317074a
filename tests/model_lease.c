/*
 * model_lease.c - the naive reference model of the core; see model_lease.h. Written from lease.h,
 * not from lease.c: where the two disagree, the header decides.
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

	memset(p, 0, sizeof(*p));
	p->state = LEASE_ABSENT;
	p->since = now;
	p->due = LEASE_NEVER;
}

/* Whether a comes before b. */
static bool
before(const struct model_request *a, const struct model_request *b)
{
	if (a->priority > b->priority)
		return true;
	if (a->priority < b->priority)
		return false;
	if (a->since < b->since)
		return true;
	return a->since == b->since && a->call < b->call;
}

int
model_waiting(const struct model *m, int port)
{
	int n = 0;

	for (int i = 0; i < MODEL_REQUESTS; i++)
		n += m->requests[i].queued && m->requests[i].port == port;
	return n;
}

int
model_ahead(const struct model *m, int request)
{
	const struct model_request *r = &m->requests[request];
	int n = 0;

	for (int i = 0; i < MODEL_REQUESTS; i++)
		n += m->requests[i].queued && m->requests[i].port == r->port &&
		     before(&m->requests[i], r);
	return n;
}

int
model_first(const struct model *m, int port)
{
	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].queued && m->requests[i].port == port && model_ahead(m, i) == 0)
			return i;
	return -1;
}

static void
go(struct model_port *p, enum lease_state state, uint64_t now)
{
	if (p->state != state)
		p->since = now;
	p->state = state;
	p->must_clean = state == LEASE_TURNAROUND;
}

static void
clean(struct model_port *p, enum lease_reason reason, uint64_t ended, uint64_t now)
{
	go(p, LEASE_TURNAROUND, now);
	p->reason = reason;
	p->ended = ended;
}

void
model_request(struct model *m, int port, int request, const struct lease_request *wish,
	      uint64_t now)
{
	struct model_port *p = &m->ports[port];

	if (p->state == LEASE_FAULTED && !p->late && model_waiting(m, port) == 0)
		clean(p, LEASE_NONE, 0, now);
	m->requests[request] = (struct model_request){
		.queued = true,
		.port = port,
		.priority = wish->priority,
		.since = wish->since_ms,
		.deadline = wish->deadline_ms,
		.call = m->calls++,
	};
}

void
model_cancel(struct model *m, int request)
{
	m->requests[request].queued = false;
}

static bool
alive(const struct model_port *p, uint64_t token)
{
	return p->state == LEASE_HELD && p->token == token;
}

void
model_opened(struct model *m, int port, uint64_t token, uint64_t now)
{
	struct model_port *p = &m->ports[port];

	if (alive(p, token) && !p->opened && !p->taken) {
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
model_end(struct model *m, int port, uint64_t token, enum lease_reason reason, uint64_t now)
{
	struct model_port *p = &m->ports[port];

	if (!alive(p, token))
		return 1;
	p->token = 0;
	clean(p, reason, token, now);
	return 0;
}

static void
grant(struct model_port *p, uint64_t token, bool taken, uint64_t now)
{
	go(p, LEASE_HELD, now);
	p->token = token;
	p->opened = p->asked = false;
	p->taken = taken;
}

void
model_resume(struct model *m, int port, uint64_t token, uint64_t now)
{
	if (alive(&m->ports[port], token)) {
		model_opened(m, port, token, now);
		return;
	}
	grant(&m->ports[port], token, true, now);
	if (m->next_token <= token)
		m->next_token = token + 1;
}

void
model_ready(struct model *m, int port, uint64_t now)
{
	if (m->ports[port].state == LEASE_TURNAROUND && !m->ports[port].must_clean)
		go(&m->ports[port], LEASE_FREE, now);
}

void
model_turnaround(struct model *m, int port, uint64_t now)
{
	struct model_port *p = &m->ports[port];

	if (p->state == LEASE_TURNAROUND)
		p->must_clean = true;
	else
		clean(p, LEASE_NONE, 0, now);
}

void
model_fault(struct model *m, int port, uint64_t now)
{
	go(&m->ports[port], LEASE_FAULTED, now);
}

void
model_absent(struct model *m, int port, uint64_t now)
{
	go(&m->ports[port], LEASE_ABSENT, now);
}

void
model_expect(struct model *m, int port, uint64_t at)
{
	m->ports[port].late = false;
	m->ports[port].due = at;
}

static bool
late_is_due(const struct model_port *p, uint64_t now)
{
	return p->due != LEASE_NEVER && p->due <= now;
}

/* The request that would get the port now, or -1. */
static int
grantable(const struct model *m, int port, uint64_t now)
{
	const struct model_port *p = &m->ports[port];

	if (p->state != LEASE_FREE || now < m->hold || late_is_due(p, now))
		return -1;
	return model_first(m, port);
}

/* When UNTAKEN is due. */
static uint64_t
untaken_at(const struct model *m, int port)
{
	const struct model_port *p = &m->ports[port];

	if (p->state != LEASE_HELD || !p->opened || p->taken || p->asked || m->take == LEASE_NEVER)
		return LEASE_NEVER;
	return model_waiting(m, port) > 0 ? p->opened_at + m->take : LEASE_NEVER;
}

static const char *
step_grant(struct model *m, const struct model_step *s, uint64_t now)
{
	if (grantable(m, s->port, now) != s->request)
		return "a grant that is not this one's, or not now";
	if (s->token != m->next_token)
		return "a grant under the wrong token";
	m->next_token++;
	grant(&m->ports[s->port], s->token, false, now);
	return NULL;
}

static const char *
step_turnaround(struct model_port *p, const struct model_step *s)
{
	if (!p->must_clean)
		return "a turnaround that nobody needs";
	if (s->reason != p->reason || s->token != p->ended)
		return "a turnaround with the wrong reason or token";
	p->must_clean = false;
	return NULL;
}

static const char *
step_late(struct model_port *p, uint64_t now)
{
	if (!late_is_due(p, now))
		return "late, but nothing is due";
	p->late = true;
	p->due = LEASE_NEVER;
	if (p->state != LEASE_HELD)
		go(p, LEASE_FAULTED, now);
	return NULL;
}

static const char *
step_untaken(struct model *m, const struct model_step *s, uint64_t now)
{
	if (untaken_at(m, s->port) > now)
		return "untaken, but not so";
	if (s->token != m->ports[s->port].token)
		return "untaken under the wrong token";
	m->ports[s->port].asked = true;
	return NULL;
}

static const char *
step_timeout(const struct model *m, const struct model_step *s, uint64_t now)
{
	if (m->requests[s->request].deadline > now)
		return "a timeout before its time";
	if (m->ports[s->port].state == LEASE_FAULTED)
		return "a timeout where it should fail";
	if (grantable(m, s->port, now) == s->request)
		return "a timeout where it should be granted";
	return NULL;
}

const char *
model_step(struct model *m, const struct model_step *s, uint64_t now)
{
	struct model_port *p = &m->ports[s->port];
	const char *wrong = NULL;

	if (s->type == LEASE_STEP_TURNAROUND)
		return step_turnaround(p, s);
	if (s->type == LEASE_STEP_LATE)
		return step_late(p, now);
	if (s->type == LEASE_STEP_UNTAKEN)
		return step_untaken(m, s, now);
	if (s->request < 0 || !m->requests[s->request].queued ||
	    m->requests[s->request].port != s->port)
		return "an outcome for a request that isn't in that queue";
	if (s->type == LEASE_STEP_GRANT)
		wrong = step_grant(m, s, now);
	else if (s->type == LEASE_STEP_TIMEOUT)
		wrong = step_timeout(m, s, now);
	else if (p->state != LEASE_FAULTED)
		wrong = "a failure on a port that has none";
	m->requests[s->request].queued = false;
	return wrong;
}

const char *
model_owes(const struct model *m, uint64_t now)
{
	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].queued && m->requests[i].deadline <= now)
			return "a request's time is over, and nothing is said";
	for (int i = 0; i < MODEL_PORTS; i++) {
		if (grantable(m, i, now) >= 0)
			return "a free port has waiters and isn't granted";
		if (m->ports[i].must_clean)
			return "a turnaround is not begun";
		if (m->ports[i].state == LEASE_FAULTED && model_waiting(m, i) > 0)
			return "a faulted port's waiter isn't told";
		if (late_is_due(&m->ports[i], now))
			return "a late keeper isn't reported";
		if (untaken_at(m, i) <= now)
			return "an untaken grant isn't reported";
	}
	return NULL;
}

static void
sooner(uint64_t *at, uint64_t other)
{
	if (other < *at)
		*at = other;
}

uint64_t
model_deadline(const struct model *m)
{
	uint64_t at = LEASE_NEVER;

	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].queued)
			sooner(&at, m->requests[i].deadline);
	for (int i = 0; i < MODEL_PORTS; i++) {
		sooner(&at, m->ports[i].due);
		sooner(&at, untaken_at(m, i));
		if (m->ports[i].state == LEASE_FREE && model_waiting(m, i) > 0)
			sooner(&at, m->hold);
	}
	return at;
}
