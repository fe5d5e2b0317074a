/* model_check.c - lets the core settle, and compares it with its model after every step; and the
 * invariants, from what the world itself has seen. See model_world.h. */
#include "model_world.h"

#include <string.h>

/* No settling is that long; a core that goes on and on is caught here. */
#define STEPS_MAX 1000

static int
number_of(const struct world *w, const struct lease_request *request)
{
	return request ? (int)(request - w->requests) : NOBODY;
}

static const char *
compare_queue(const struct world *w, int port)
{
	const struct lease_port *p = &w->ports[port];
	const struct lease_place *place = lease_first(p);
	size_t n = 0;

	for (; place; place = lease_after(place), n++) {
		int i = number_of(w, place->request);

		if (place->port != p || lease_place_at(place->request, p) != place || !w->waits[i])
			return "somebody is in a queue who isn't in it";
		if ((size_t)model_ahead(&w->model, port, i) != n || lease_ahead(place) != n)
			return "a place in the queue is wrong";
	}
	if (n != p->waiting || n != (size_t)model_waiting(&w->model, port))
		return "the number of waiters is wrong";
	return NULL;
}

static const char *
compare_port(const struct world *w, int port)
{
	const struct lease_port *p = &w->ports[port];
	const struct model_port *m = &w->model.ports[port];

	if (p->state != m->state || p->since_ms != m->since || p->token != m->token)
		return "state, since_ms or token differs from the model's";
	if (p->token != w->live[port] || (p->token != 0) != lease_is_held(p))
		return "the live token is wrong";
	if (p->standby != m->standby || p->busy != m->busy || p->lingers != m->lingers ||
	    p->busy_since_ms != m->busy_since)
		return "standby, busy or lingers differs from the model's";
	if (p->yield_by_ms != m->yield_by || p->used != m->used || p->disabled != m->disabled)
		return "yield_by_ms, used or disabled differs from the model's";
	if (p->max_hold_ms != m->max_hold || p->grace_ms != m->grace)
		return "max_hold_ms or grace_ms differs from the model's";
	if (number_of(w, p->successor) != m->successor)
		return "the successor differs from the model's";
	return compare_queue(w, port);
}

/* One to one, and no more holders asked than there are waiters. */
static const char *
check_promises(const struct world *w)
{
	int asked = 0, waiters = 0;

	for (int i = 0; i < MODEL_PORTS; i++) {
		const struct lease_port *p = &w->ports[i];

		if (p->promise && (p->promise->promised != p || !p->promise->waits))
			return "a port is promised to one who knows nothing of it";
		if (p->promise &&
		    (p->disabled || (p->state != LEASE_YIELDING && p->state != LEASE_TURNAROUND &&
				     p->state != LEASE_FREE)))
			return "a port is promised that is not to be had";
		asked += p->state == LEASE_YIELDING && p->promise;
	}
	for (int i = 0; i < MODEL_REQUESTS; i++) {
		const struct lease_request *r = &w->requests[i];

		if (r->promised && (r->promised->promise != r || !r->waits || r->standby))
			return "a request is promised a port that is another's";
		waiters += r->waits && !r->standby;
	}
	return asked > waiters ? "more holders are asked than there are waiters" : NULL;
}

static const char *
compare(const struct world *w)
{
	const char *wrong = check_promises(w);

	for (int i = 0; !wrong && i < w->config.ports; i++)
		wrong = compare_port(w, i);
	for (int i = 0; !wrong && i < w->config.requests; i++)
		if (w->requests[i].waits != w->waits[i])
			wrong = "a request has got lost";
	return wrong;
}

/* Whether a holder is in a call that may still go on. */
static bool
is_in_call(const struct world *w, int port)
{
	uint64_t max_ms = w->ports[port].policy.max_busy_ms;

	return w->answers[port] && w->ports[port].standby &&
	       (max_ms == LEASE_NEVER || w->now - w->answers_since[port] < max_ms);
}

static const char *
check_grant(struct world *w, const struct lease_step *step, const struct lease_port *was)
{
	int port = (int)(step->port - w->ports);

	if (was[port].state != LEASE_FREE || was[port].disabled || w->live[port] != 0)
		return "a grant on a port that isn't free";
	if (step->token <= w->last_token)
		return "a token that doesn't rise";
	w->last_token = w->live[port] = step->token;
	return NULL;
}

/* The invariants of a step, from what the world itself has seen. */
static const char *
check_step(struct world *w, const struct lease_step *step, const struct lease_port *was)
{
	int port = (int)(step->port - w->ports);
	int request = number_of(w, step->request);
	bool leaves = step->request && step->type != LEASE_STEP_YIELD;

	w->steps[step->type]++;
	if (step->request && !w->waits[request])
		return "an outcome for a request that has had one";
	if (leaves)
		w->waits[request] = false;
	if ((step->type == LEASE_STEP_YIELD || step->type == LEASE_STEP_REVOKE) &&
	    is_in_call(w, port))
		return "a holder is asked or revoked in a call";
	return step->type == LEASE_STEP_GRANT ? check_grant(w, step, was) : NULL;
}

static void
look(const struct world *w, struct model_seen *seen)
{
	for (int i = 0; i < MODEL_REQUESTS; i++) {
		const struct lease_port *promised = w->requests[i].promised;

		seen->promised[i] = promised ? (int)(promised - w->ports) : NOBODY;
	}
	for (int i = 0; i < MODEL_PORTS; i++)
		seen->yield_reason[i] = w->ports[i].yield_reason;
}

static const char *
take_step(struct world *w, const struct lease_step *step, const struct lease_port *was)
{
	struct model_step s = {
		.type = step->type,
		.reason = step->reason,
		.port = (int)(step->port - w->ports),
		.request = number_of(w, step->request),
		.token = step->token,
		.keep_line = step->keep_line,
	};
	const char *wrong = check_step(w, step, was);
	struct model_seen seen;

	look(w, &seen);
	if (!wrong)
		wrong = model_step(&w->model, &s, &seen, w->now);
	return wrong ? wrong : compare(w);
}

static const char *
check_settled(struct world *w)
{
	struct model_seen seen;
	const char *wrong;

	look(w, &seen);
	wrong = model_step(&w->model, NULL, &seen, w->now);
	if (!wrong)
		wrong = compare(w);
	if (!wrong)
		wrong = model_owes(&w->model, w->now);
	if (wrong)
		return wrong;
	if (lease_deadline(&w->host) <= w->now)
		return "settled, and the deadline is not in the future";
	if (lease_deadline(&w->host) != model_deadline(&w->model, w->now))
		return "the deadline is not the model's";
	if (lease_deadline_awake(&w->host) != model_deadline_awake(&w->model))
		return "the deadline that counts suspend is not the model's";
	return NULL;
}

const char *
world_settle(struct world *w, unsigned max)
{
	struct lease_port was[MODEL_PORTS];
	struct model_seen seen;
	struct lease_step step;
	const char *wrong;

	look(w, &seen);
	wrong = model_step(&w->model, NULL, &seen, w->now);
	if (!wrong)
		wrong = compare(w);
	for (unsigned n = 0; !wrong; n++) {
		if (n >= max && max != SETTLE_ALL)
			return NULL;
		if (n > STEPS_MAX)
			return "settling never ends";
		memcpy(was, w->ports, sizeof(was));
		model_tick(&w->model, w->now);
		if (!lease_next(&w->host, w->now, &step))
			return check_settled(w);
		wrong = take_step(w, &step, was);
	}
	return wrong;
}
