/* model_step.c - whether a step of the core's is right, and what it does; see model_lease.h. */
#include "model_lease.h"

static const char *
step_grant(struct model *m, const struct model_step *s, uint64_t now)
{
	const struct model_request *r = &m->requests[s->request];

	if (model_grantee(m, s->port, now) != s->request)
		return "a grant that is not this one's, or not now";
	if (model_best_free(m, s->request, now) != s->port)
		return "a grant of a port that isn't the least recently used one";
	if (s->token != m->next_token)
		return "a grant under the wrong token";
	m->next_token++;
	model_grant(m, s->port, s->token, r, model_place(m, s->request, s->port)->rank, now);
	return NULL;
}

static const char *
step_turnaround(struct model_port *p, const struct model_step *s)
{
	if (p->line_kept && p->successor == NOBODY) {
		p->line_kept = false;
		p->must_clean = true;
	}
	if (p->state != LEASE_TURNAROUND || !p->must_clean)
		return "a turnaround that nobody needs";
	if (s->reason != p->reason || s->token != p->ended)
		return "a turnaround with the wrong reason or token";
	if (s->keep_line != p->line_kept)
		return "a line kept or hung up that should not be";
	p->must_clean = false;
	return NULL;
}

static const char *
step_late(struct model_port *p, uint64_t now)
{
	if (p->due == LEASE_NEVER || p->due > now)
		return "late, but nothing is due";
	p->late = true;
	p->due = LEASE_NEVER;
	if (!model_held(p))
		model_go(p, LEASE_FAULTED, now);
	return NULL;
}

static const char *
step_untaken(struct model *m, const struct model_step *s, uint64_t now)
{
	if (model_untaken_at(m, s->port) > now)
		return "untaken, but not so";
	m->ports[s->port].untaken_said = true;
	return NULL;
}

static const char *
step_timeout(const struct model *m, const struct model_step *s, uint64_t now)
{
	if (m->requests[s->request].deadline > now)
		return "a timeout before its time";
	if (model_all_faulted(m, s->request))
		return "a timeout where it should fail";
	if (model_best_free(m, s->request, now) != NOBODY)
		return "a timeout where it should be granted";
	return s->port == m->requests[s->request].places[0].port ? NULL : "a timeout elsewhere";
}

static const char *
step_fail(const struct model *m, const struct model_step *s)
{
	const struct model_request *r = &m->requests[s->request];

	if (!model_all_faulted(m, s->request))
		return "a failure, and not all its ports have one";
	for (int i = 0; i < r->place_count; i++)
		if (m->ports[r->places[i].port].since > m->ports[s->port].since)
			return "a failure of a port that wasn't the last";
	return NULL;
}

/* A request leaves with its outcome. */
static const char *
step_outcome(struct model *m, const struct model_step *s, uint64_t now)
{
	const char *wrong;

	if (s->request < 0 || !m->requests[s->request].queued ||
	    !model_place(m, s->request, s->port))
		return "an outcome for a request that isn't in that queue";
	if (s->type == LEASE_STEP_GRANT)
		wrong = step_grant(m, s, now);
	else if (s->type == LEASE_STEP_TIMEOUT)
		wrong = step_timeout(m, s, now);
	else
		wrong = step_fail(m, s);
	model_leave(m, s->request);
	return wrong;
}

/* Whether a port that is promised nobody is going to be granted without being asked. */
static bool
comes_anyway(const struct model *m, int port, int request, uint64_t now)
{
	const struct model_port *p = &m->ports[port];

	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].promised == port)
			return false;
	if (p->disabled || model_candidate(m, port) != request)
		return false;
	if (p->state == LEASE_TURNAROUND)
		return true;
	if (p->state != LEASE_YIELDING || p->revoke_said || model_is_busy(p, now))
		return false;
	if (p->yield_reason == LEASE_EXPIRED)
		return p->over || p->idle;
	return model_choice(m, port, request, now) > 0;
}

static const char *
yield_for(const struct model *m, const struct model_step *s, uint64_t now)
{
	const struct model_request *r = &m->requests[s->request];
	const struct model_port *p = &m->ports[s->port];
	int how = model_choice(m, s->port, s->request, now);

	if (!r->queued || r->standby || model_candidate(m, s->port) != s->request)
		return "a holder is asked for the wrong one";
	if (how == 0 || p->over || p->idle)
		return "a holder is asked who may not be asked";
	if (s->reason != (p->standby ? LEASE_YIELDED : LEASE_PREEMPTED))
		return "a holder is asked with the wrong reason";
	for (int i = 0; i < r->place_count; i++) {
		int port = r->places[i].port, other = model_choice(m, port, s->request, now);
		const struct model_port *q = &m->ports[port];

		if (comes_anyway(m, port, s->request, now))
			return "a holder is asked, and another port comes anyway";
		if (q->state != LEASE_HELD || other == 0 || model_candidate(m, port) != s->request)
			continue;
		if (other < how || (other == how && q->since < p->since))
			return "a holder is asked, and another one is better";
	}
	return NULL;
}

static const char *
step_yield(struct model *m, const struct model_step *s, uint64_t now)
{
	struct model_port *p = &m->ports[s->port];
	const char *wrong = NULL;

	if (p->state != LEASE_HELD || now < m->hold || model_is_busy(p, now))
		return "a holder is asked who isn't one, or is busy, or too early";
	if (s->request == NOBODY && (s->reason != LEASE_EXPIRED || (!p->over && !p->idle)))
		return "a holder is asked for nobody and nothing";
	if (s->request != NOBODY)
		wrong = model_owes_first(m, now);
	if (!wrong && s->request != NOBODY)
		wrong = yield_for(m, s, now);
	p->state = LEASE_YIELDING;
	p->yield_reason = s->reason;
	p->yield_by = p->grace == LEASE_NEVER ? LEASE_NEVER : now + p->grace;
	p->revoke_said = false;
	return wrong;
}

/* Why a YIELDING port is asked; NULL: it isn't any more. */
static bool
is_asked(const struct model *m, int port, uint64_t now)
{
	const struct model_port *p = &m->ports[port];
	int candidate = model_candidate(m, port);

	if (model_is_busy(p, now))
		return false;
	if (p->over || p->idle)
		return true;
	if (p->yield_reason == LEASE_EXPIRED)
		return false;
	if (p->revoke_said)
		return model_is_wanted(m, port, now);
	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].promised == port && model_choice(m, port, i, now) > 0)
			return true;
	return candidate != NOBODY && model_choice(m, port, candidate, now) > 0;
}

static const char *
step_keep(struct model *m, const struct model_step *s, uint64_t now)
{
	struct model_port *p = &m->ports[s->port];

	if (p->state != LEASE_YIELDING || is_asked(m, s->port, now))
		return "the holder may stay, but it is wanted";
	p->state = LEASE_HELD;
	p->yield_reason = LEASE_NONE;
	p->yield_by = 0;
	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].promised == s->port)
			m->requests[i].promised = NOBODY;
	return model_owes_first(m, now);
}

static const char *
step_revoke(struct model *m, const struct model_step *s, uint64_t now)
{
	struct model_port *p = &m->ports[s->port];
	enum lease_reason reason = p->yield_reason;

	if (p->state != LEASE_YIELDING || p->yield_by > now || p->revoke_said)
		return "a port is taken back, and its time isn't over";
	if (!is_asked(m, s->port, now))
		return "a port is taken back that is not wanted";
	if (s->reason != (reason == LEASE_YIELDED ? LEASE_REVOKED : reason))
		return "a port is taken back for the wrong reason";
	p->revoke_said = true;
	for (int i = 0; i < MODEL_REQUESTS; i++)
		if (m->requests[i].promised == s->port)
			m->requests[i].promised = NOBODY;
	return model_owes_first(m, now);
}

static const char *
step_lingered(struct model_port *p, uint64_t now)
{
	if (!model_held(p) || !p->lingers || p->linger_until > now)
		return "lingered, but not so";
	p->linger_until = LEASE_NEVER;
	return NULL;
}

static const char *
take(struct model *m, const struct model_step *s, uint64_t now)
{
	bool live = s->type != LEASE_STEP_TURNAROUND && s->type != LEASE_STEP_GRANT &&
		    s->type != LEASE_STEP_TIMEOUT && s->type != LEASE_STEP_FAIL;

	if (live && s->token != m->ports[s->port].token)
		return "a step under the wrong token";
	switch (s->type) {
	case LEASE_STEP_TURNAROUND:
		if (m->ports[s->port].state == LEASE_FREE && m->ports[s->port].line_kept &&
		    m->ports[s->port].successor == NOBODY)
			model_clean(&m->ports[s->port], LEASE_NONE, 0, now);
		return step_turnaround(&m->ports[s->port], s);
	case LEASE_STEP_LATE:
		return step_late(&m->ports[s->port], now);
	case LEASE_STEP_UNTAKEN:
		return step_untaken(m, s, now);
	case LEASE_STEP_YIELD:
		return step_yield(m, s, now);
	case LEASE_STEP_KEEP:
		return step_keep(m, s, now);
	case LEASE_STEP_REVOKE:
		return step_revoke(m, s, now);
	case LEASE_STEP_LINGERED:
		return step_lingered(&m->ports[s->port], now);
	default:
		return step_outcome(m, s, now);
	}
}

/* A promise stands until there is a reason. */
static const char *
broken(const struct model *m, int request, uint64_t now)
{
	const struct model_request *r = &m->requests[request];
	const struct model_port *p = &m->ports[r->promised];

	if (p->disabled ||
	    (p->state != LEASE_TURNAROUND && p->state != LEASE_FREE && p->state != LEASE_YIELDING))
		return NULL;
	if (p->state == LEASE_YIELDING && p->yield_reason != LEASE_EXPIRED &&
	    model_choice(m, r->promised, request, now) == 0)
		return NULL;
	return "a promise is broken";
}

/* A new one: to a port that is asked or cleaned, for the first there that has none. */
static const char *
made(const struct model *m, int request)
{
	const struct model_request *r = &m->requests[request];
	const struct model_port *p = &m->ports[r->promised];
	struct model then = *m;

	if (!r->queued || r->standby || !model_place(m, request, r->promised))
		return "a promise to somebody who doesn't wait for it";
	if (p->disabled || (p->state != LEASE_TURNAROUND && p->state != LEASE_YIELDING))
		return "a promise of a port that isn't asked nor cleaned";
	if (p->state == LEASE_YIELDING && p->revoke_said)
		return "a promise of a port whose holder has not let go in time";
	then.requests[request].promised = NOBODY;
	if (model_candidate(&then, r->promised) != request)
		return "a promise to somebody who isn't the next";
	return NULL;
}

static const char *
see_promises(struct model *m, const struct model_seen *seen, const int *before, int except,
	     uint64_t now)
{
	const char *wrong = NULL;

	for (int i = 0; i < MODEL_REQUESTS; i++) {
		if (before[i] != NOBODY && before[i] != seen->promised[i] && !wrong)
			wrong = broken(m, i, now);
	}
	for (int i = 0; i < MODEL_REQUESTS; i++)
		m->requests[i].promised = i == except ? NOBODY : seen->promised[i];
	for (int i = 0; i < MODEL_REQUESTS && !wrong; i++)
		if (i != except && seen->promised[i] != NOBODY && seen->promised[i] != before[i])
			wrong = made(m, i);
	return wrong;
}

static const char *
see_reasons(struct model *m, const struct model_seen *seen, const int *before, int except,
	    uint64_t now)
{
	for (int i = 0; i < MODEL_PORTS; i++) {
		struct model_port *p = &m->ports[i];

		if (i == except || p->yield_reason == seen->yield_reason[i])
			continue;
		if (p->state != LEASE_YIELDING || seen->yield_reason[i] != LEASE_EXPIRED ||
		    (!p->over && !p->idle))
			return "a reason has changed";
		for (int j = 0; j < MODEL_REQUESTS; j++)
			if (before[j] == i && seen->promised[j] == i &&
			    model_choice(m, i, j, now) > 0)
				return "a reason has gone, and there is somebody";
		p->yield_reason = LEASE_EXPIRED;
	}
	return NULL;
}

static void
remember(const struct model *m, int *before)
{
	for (int i = 0; i < MODEL_REQUESTS; i++)
		before[i] = m->requests[i].promised;
}

/* Before a step about asking, the core may have promised ports; the step's own promise aside. */
static const char *
see_before(struct model *m, const struct model_step *s, const struct model_seen *seen, uint64_t now)
{
	int before[MODEL_REQUESTS], except = s->type == LEASE_STEP_REVOKE ? NOBODY : s->port;
	struct model_seen then = *seen;
	const char *wrong;
	bool gives_up = s->type == LEASE_STEP_KEEP || s->type == LEASE_STEP_REVOKE;

	remember(m, before);
	for (int i = 0; gives_up && i < MODEL_REQUESTS; i++)
		if (before[i] == s->port && seen->promised[i] == NOBODY)
			then.promised[i] = s->port;
	wrong = see_promises(m, &then, before, s->request, now);
	return wrong ? wrong : see_reasons(m, seen, before, except, now);
}

const char *
model_step(struct model *m, const struct model_step *s, const struct model_seen *seen, uint64_t now)
{
	const char *wrong = NULL, *seen_wrong;
	int before[MODEL_REQUESTS];

	if (s && (s->type == LEASE_STEP_YIELD || s->type == LEASE_STEP_KEEP ||
		  s->type == LEASE_STEP_REVOKE))
		wrong = see_before(m, s, seen, now);
	if (s && !wrong)
		wrong = take(m, s, now);
	remember(m, before);
	seen_wrong = see_promises(m, seen, before, NOBODY, now);
	if (!wrong)
		wrong = seen_wrong;
	return wrong ? wrong : see_reasons(m, seen, before, NOBODY, now);
}
