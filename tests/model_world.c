/* model_world.c - see model_world.h. */
#include "model_world.h"

#include <string.h>

#define START_MS    1000
#define FIRST_TOKEN 100

/* No settling is that long; a core that goes on and on is caught here. */
#define STEPS_MAX 1000

static const char *settle(struct world *, unsigned max);

void
world_init(struct world *w, const struct world_config *config)
{
	uint64_t take = config->take == 255 ? LEASE_NEVER : config->take;

	memset(w, 0, sizeof(*w));
	w->config = *config;
	w->now = START_MS;
	w->last_token = FIRST_TOKEN - 1;
	lease_host_init(&w->host, FIRST_TOKEN, take, START_MS + config->hold);
	model_init(&w->model, FIRST_TOKEN, take, START_MS + config->hold);
	for (int i = 0; i < MODEL_PORTS; i++) {
		lease_port_init(&w->host, &w->ports[i], w->now);
		model_port_init(&w->model, i, w->now);
	}
	if (config->clean) {
		world_do(w, &(struct op){ .type = OP_TURNAROUND, .settle = SETTLE_ALL });
		world_do(w, &(struct op){ .type = OP_READY, .settle = SETTLE_ALL });
	}
}

bool
world_allows(const struct world *w, const struct op *op)
{
	bool held = w->model.ports[op->port].state == LEASE_HELD;

	if (op->port >= w->config.ports || op->request >= w->config.requests)
		return false;
	switch ((enum op_type)op->type) {
	case OP_REQUEST:
		return !w->model.requests[op->request].queued;
	case OP_CANCEL:
		return w->model.requests[op->request].queued;
	case OP_OPENED:
	case OP_TAKEN:
	case OP_END:
		return held || op->stale > 0;
	case OP_RESUME:
		return !held || op->stale == 0;
	case OP_READY:
	case OP_TURNAROUND:
	case OP_FAULT:
	case OP_ABSENT:
		return !held;
	case OP_REMOVE:
		return model_waiting(&w->model, op->port) == 0;
	default:
		return true;
	}
}

static void
do_request(struct world *w, const struct op *op)
{
	struct lease_request *r = &w->requests[op->request];

	r->priority = op->priority;
	r->since_ms = w->now - op->waited;
	r->deadline_ms = op->wait == 255 ? LEASE_NEVER : op->wait == 0 ? 0 : w->now + op->wait;
	w->waits[op->request] = true;
	lease_request(&w->host, &w->ports[op->port], r, w->now);
	model_request(&w->model, op->port, op->request, r, w->now);
}

static const char *
do_end(struct world *w, const struct op *op, uint64_t token)
{
	enum lease_reason reason = 1 + op->waited % LEASE_FAILED;
	int got = lease_end(&w->host, &w->ports[op->port], token, reason, w->now);

	if (got != model_end(&w->model, op->port, token, reason, w->now))
		return "lease_end() returns the wrong thing";
	if (got == 0)
		w->live[op->port] = 0;
	return NULL;
}

static const char *
do_taken(struct world *w, const struct op *op, uint64_t token)
{
	if (lease_taken(&w->host, &w->ports[op->port], token) !=
	    model_taken(&w->model, op->port, token))
		return "lease_taken() returns the wrong thing";
	return NULL;
}

/* A lease of before has a token below ours (a host's own ones go on), or above (another epoch). */
static void
do_resume(struct world *w, const struct op *op)
{
	uint64_t token = w->live[op->port];

	if (token == 0 && op->waited % 2 && w->resumed < FIRST_TOKEN - 1)
		token = ++w->resumed;
	else if (token == 0)
		token = w->model.next_token + op->wait;
	if (w->last_token < token)
		w->last_token = token;
	w->live[op->port] = token;
	lease_resume(&w->host, &w->ports[op->port], token, w->now);
	model_resume(&w->model, op->port, token, w->now);
}

static void
do_remove(struct world *w, int port)
{
	lease_port_remove(&w->host, &w->ports[port]);
	lease_port_init(&w->host, &w->ports[port], w->now);
	model_port_init(&w->model, port, w->now);
	w->live[port] = 0;
}

static void
do_expect(struct world *w, const struct op *op)
{
	uint64_t at = op->wait == 255 ? LEASE_NEVER : w->now + op->wait;

	lease_expect(&w->host, &w->ports[op->port], at);
	model_expect(&w->model, op->port, at);
}

#define BOTH(verb)                                                                                 \
	do {                                                                                       \
		lease_##verb(&w->host, &w->ports[op->port], w->now);                               \
		model_##verb(&w->model, op->port, w->now);                                         \
	} while (0)

static const char *
do_op(struct world *w, const struct op *op)
{
	uint64_t token = w->live[op->port] - op->stale;

	switch ((enum op_type)op->type) {
	case OP_REQUEST:
		do_request(w, op);
		break;
	case OP_CANCEL:
		w->waits[op->request] = false;
		lease_cancel(&w->host, &w->requests[op->request]);
		model_cancel(&w->model, op->request);
		break;
	case OP_OPENED:
		lease_opened(&w->host, &w->ports[op->port], token, w->now);
		model_opened(&w->model, op->port, token, w->now);
		break;
	case OP_TAKEN:
		return do_taken(w, op, token);
	case OP_END:
		return do_end(w, op, token);
	case OP_RESUME:
		do_resume(w, op);
		break;
	case OP_READY:
		BOTH(ready);
		break;
	case OP_TURNAROUND:
		BOTH(turnaround);
		break;
	case OP_FAULT:
		BOTH(fault);
		break;
	case OP_ABSENT:
		BOTH(absent);
		break;
	case OP_EXPECT:
		do_expect(w, op);
		break;
	case OP_REMOVE:
		do_remove(w, op->port);
		break;
	default:
		w->now += op->ms;
	}
	return NULL;
}

static const char *
compare_port(const struct world *w, int port)
{
	const struct lease_port *p = &w->ports[port];
	const struct model_port *m = &w->model.ports[port];
	const struct lease_request *r = lease_first(p);
	size_t n = 0;

	if (p->state != m->state || p->since_ms != m->since || p->token != m->token)
		return "state, since_ms or token differs from the model's";
	if (p->token != w->live[port] || (p->token != 0) != (p->state == LEASE_HELD))
		return "the live token is wrong";
	for (; r; r = lease_after(r), n++) {
		int i = (int)(r - w->requests);

		if (r->port != p || !w->waits[i] || !w->model.requests[i].queued)
			return "somebody is in a queue who isn't in it";
		if ((size_t)model_ahead(&w->model, i) != n || lease_ahead(r) != n)
			return "a place in the queue is wrong";
	}
	if (n != p->waiting || n != (size_t)model_waiting(&w->model, port))
		return "the number of waiters is wrong";
	return NULL;
}

static const char *
compare(const struct world *w)
{
	const char *wrong = NULL;

	for (int i = 0; !wrong && i < w->config.ports; i++)
		wrong = compare_port(w, i);
	for (int i = 0; !wrong && i < w->config.requests; i++)
		if ((w->requests[i].port != NULL) != w->waits[i])
			wrong = "a request has got lost";
	return wrong;
}

/* The invariants of a step, from what the world itself has seen. */
static const char *
check_step(struct world *w, const struct lease_step *step, const struct lease_port *was, int first)
{
	int port = (int)(step->port - w->ports);
	int request = (int)(step->request - w->requests);

	w->steps[step->type]++;
	if (step->request && !w->waits[request])
		return "an outcome for a request that has had one";
	if (step->request)
		w->waits[request] = false;
	if (step->type != LEASE_STEP_GRANT)
		return NULL;
	if (was[port].state != LEASE_FREE || w->live[port] != 0)
		return "a grant on a port that isn't free";
	if (request != first)
		return "a grant out of order";
	if (step->token <= w->last_token)
		return "a token that doesn't rise";
	w->last_token = w->live[port] = step->token;
	return NULL;
}

static const char *
take_step(struct world *w, const struct lease_step *step, const struct lease_port *was)
{
	int port = (int)(step->port - w->ports);
	struct model_step s = {
		.type = step->type,
		.reason = step->reason,
		.port = port,
		.request = step->request ? (int)(step->request - w->requests) : -1,
		.token = step->token,
	};
	const char *wrong = check_step(w, step, was, model_first(&w->model, port));

	if (!wrong)
		wrong = model_step(&w->model, &s, w->now);
	return wrong ? wrong : compare(w);
}

static const char *
check_settled(const struct world *w)
{
	const char *wrong = model_owes(&w->model, w->now);

	if (wrong)
		return wrong;
	if (lease_deadline(&w->host) <= w->now)
		return "settled, and the deadline is not in the future";
	if (lease_deadline(&w->host) != model_deadline(&w->model))
		return "the deadline is not the model's";
	return NULL;
}

static const char *
settle(struct world *w, unsigned max)
{
	struct lease_port was[MODEL_PORTS];
	struct lease_step step;
	const char *wrong = compare(w);

	for (unsigned n = 0; !wrong; n++) {
		if (n >= max && max != SETTLE_ALL)
			return NULL;
		if (n > STEPS_MAX)
			return "settling never ends";
		memcpy(was, w->ports, sizeof(was));
		if (!lease_next(&w->host, w->now, &step))
			return check_settled(w);
		wrong = take_step(w, &step, was);
	}
	return wrong;
}

const char *
world_do(struct world *w, const struct op *op)
{
	const char *wrong;

	if (!world_allows(w, op))
		return NULL;
	wrong = do_op(w, op);
	return wrong ? wrong : settle(w, op->settle);
}

void
op_print(FILE *out, const struct op *op)
{
	static const char *const names[] = {
		"request",    "cancel", "opened", "taken",  "end",    "resume",  "ready",
		"turnaround", "fault",  "absent", "expect", "remove", "advance",
	};

	fprintf(out,
		"# %s port=%d request=%d priority=%d waited=%d wait=%d ms=%d stale=%d settle=%d\n",
		names[op->type], op->port, op->request, op->priority, op->waited, op->wait, op->ms,
		op->stale, op->settle);
}
