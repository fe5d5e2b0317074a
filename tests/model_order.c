/* model_order.c - who is before whom, and who may be asked for whom; see model_lease.h. */
#include "model_lease.h"

const struct model_place *
model_place(const struct model *m, int request, int port)
{
	const struct model_request *r = &m->requests[request];

	for (int i = 0; i < r->place_count; i++)
		if (r->places[i].port == port)
			return &r->places[i];
	return NULL;
}

static bool
waits_at(const struct model *m, int request, int port)
{
	return m->requests[request].queued && model_place(m, request, port);
}

/* Whether a comes before b there. */
static bool
before(const struct model *m, int port, int a, int b)
{
	const struct model_request *x = &m->requests[a], *y = &m->requests[b];
	int x_level = model_place(m, a, port)->level, y_level = model_place(m, b, port)->level;

	if (x->standby != y->standby)
		return y->standby;
	if (!x->standby) {
		if (x_level != y_level)
			return x_level < y_level;
		if (x_level >= 0 && x->priority != y->priority)
			return x->priority > y->priority;
	}
	if (x->since != y->since)
		return x->since < y->since;
	return x->call < y->call;
}

int
model_waiting(const struct model *m, int port)
{
	int n = 0;

	for (int i = 0; i < MODEL_REQUESTS; i++)
		n += waits_at(m, i, port);
	return n;
}

int
model_ahead(const struct model *m, int port, int request)
{
	int n = 0;

	for (int i = 0; i < MODEL_REQUESTS; i++)
		n += waits_at(m, i, port) && before(m, port, i, request);
	return n;
}

int
model_first(const struct model *m, int port)
{
	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (waits_at(m, i, port) && model_ahead(m, port, i) == 0)
			return i;
	return NOBODY;
}

bool
model_all_faulted(const struct model *m, int request)
{
	const struct model_request *r = &m->requests[request];

	for (int i = 0; i < r->place_count; i++)
		if (m->ports[r->places[i].port].state != LEASE_FAULTED)
			return false;
	return true;
}

int
model_grantee(const struct model *m, int port, uint64_t now)
{
	const struct model_port *p = &m->ports[port];

	if (p->state != LEASE_FREE || now < m->hold || (p->due != LEASE_NEVER && p->due <= now))
		return NOBODY;
	if (p->successor != NOBODY)
		return p->successor;
	return p->line_kept ? NOBODY : model_first(m, port);
}

int
model_best_free(const struct model *m, int request, uint64_t now)
{
	const struct model_request *r = &m->requests[request];
	int best = NOBODY;

	for (int i = 0; i < r->place_count; i++) {
		int port = r->places[i].port;

		if (model_grantee(m, port, now) != request)
			continue;
		if (m->ports[port].successor == request)
			return port;
		if (best == NOBODY || m->ports[port].used < m->ports[best].used)
			best = port;
	}
	return best;
}

bool
model_is_busy(const struct model_port *p, uint64_t now)
{
	uint64_t max = p->policy.max_busy_ms;

	return p->standby && p->busy && (max == LEASE_NEVER || now < p->busy_since + max);
}

int
model_candidate(const struct model *m, int port)
{
	int successor = m->ports[port].successor, best = NOBODY;

	if (successor != NOBODY && !m->requests[successor].standby &&
	    m->requests[successor].promised == NOBODY)
		return successor;
	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (waits_at(m, i, port) && !m->requests[i].standby &&
		    m->requests[i].promised == NOBODY &&
		    (best == NOBODY || before(m, port, i, best)))
			best = i;
	return best;
}

uint64_t
model_choice_from(const struct model *m, int port, int request, uint64_t now)
{
	const struct model_port *p = &m->ports[port];

	if (p->disabled || p->policy.preempt == LEASE_PREEMPT_NEVER)
		return LEASE_NEVER;
	if (p->standby && !model_is_busy(p, now))
		return 0;
	if (p->standby && p->policy.max_busy_ms == LEASE_NEVER)
		return LEASE_NEVER;
	if (p->standby)
		return p->busy_since + p->policy.max_busy_ms;
	if (p->policy.preempt == LEASE_PREEMPT_LOWER &&
	    model_place(m, request, port)->rank < p->rank)
		return p->since + p->policy.min_hold_ms;
	return LEASE_NEVER;
}

int
model_choice(const struct model *m, int port, int request, uint64_t now)
{
	if (model_choice_from(m, port, request, now) > now)
		return 0;
	return m->ports[port].standby ? 1 : 2;
}

bool
model_is_wanted(const struct model *m, int port, uint64_t now)
{
	int first = model_first(m, port), candidate = model_candidate(m, port);

	return (first != NOBODY && !m->requests[first].standby &&
		model_choice(m, port, first, now) > 0) ||
	       (candidate != NOBODY && model_choice(m, port, candidate, now) > 0);
}
