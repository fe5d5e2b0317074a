/* model_world.c - operations on both the core and its model; see model_world.h. */
#include "model_world.h"

#include <string.h>

#define START_MS    1000
#define FIRST_TOKEN 100

static uint64_t
or_never(uint8_t ms)
{
	return ms == 255 ? LEASE_NEVER : ms;
}

void
world_init(struct world *w, const struct world_config *config)
{
	uint64_t take = or_never(config->take);

	memset(w, 0, sizeof(*w));
	w->config = *config;
	w->now = START_MS;
	w->last_token = FIRST_TOKEN - 1;
	lease_host_init(&w->host, FIRST_TOKEN, take, START_MS + config->hold);
	model_init(&w->model, FIRST_TOKEN, take, START_MS + config->hold);
	for (int i = 0; i < MODEL_REQUESTS; i++) {
		w->requests[i].places = w->places[i];
		w->model.requests[i].promised = NOBODY;
	}
	for (int i = 0; i < MODEL_PORTS; i++) {
		lease_port_init(&w->host, &w->ports[i], w->now);
		model_port_init(&w->model, i, w->now);
	}
	if (config->clean) {
		world_do(w, &(struct op){ .type = OP_TURNAROUND, .settle = SETTLE_ALL });
		world_do(w, &(struct op){ .type = OP_READY, .settle = SETTLE_ALL });
	}
}

static bool
allows_live(const struct world *w, const struct op *op)
{
	bool held = model_held(&w->model.ports[op->port]);

	if (op->type == OP_HAND_OFF && op->yes &&
	    (!w->model.requests[op->request].queued ||
	     !model_place(&w->model, op->request, op->port)))
		return false;
	return held || op->stale > 0;
}

bool
world_allows(const struct world *w, const struct op *op)
{
	bool held = model_held(&w->model.ports[op->port]);

	if (op->port >= w->config.ports || op->request >= w->config.requests)
		return false;
	switch ((enum op_type)op->type) {
	case OP_REQUEST:
		return !w->model.requests[op->request].queued;
	case OP_CANCEL:
		return w->model.requests[op->request].queued;
	case OP_OPENED:
	case OP_TAKEN:
	case OP_LINGER:
	case OP_BUSY:
	case OP_IDLE:
	case OP_HAND_OFF:
	case OP_END:
		return allows_live(w, op);
	case OP_RESUME:
		return !held || op->stale == 0;
	case OP_READY:
	case OP_TURNAROUND:
	case OP_FOREIGN:
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
wish_to_model(const struct lease_request *r, const struct world *w, struct model_request *wish)
{
	*wish = (struct model_request){
		.place_count = (int)r->place_count,
		.priority = r->priority,
		.standby = r->standby,
		.since = r->since_ms,
		.deadline = r->deadline_ms,
		.max_hold = r->max_hold_ms,
		.grace = r->grace_ms,
	};
	for (size_t i = 0; i < r->place_count; i++) {
		wish->places[i].port = (int)(r->places[i].port - w->ports);
		wish->places[i].rank = r->places[i].rank;
	}
}

/* The places start with the operation's port, and go round from there. */
static void
wish_from_op(struct world *w, const struct op *op, struct lease_request *r)
{
	r->priority = op->priority;
	r->standby = op->yes;
	r->since_ms = w->now - op->waited;
	r->deadline_ms = op->wait == 255 ? LEASE_NEVER : op->wait == 0 ? 0 : w->now + op->wait;
	r->max_hold_ms = or_never(op->hold);
	r->grace_ms = or_never(op->grace);
	r->place_count = 0;
	for (int i = 0; i < w->config.ports; i++) {
		int port = (op->port + i) % w->config.ports;

		if (i > 0 && !(op->more >> port & 1))
			continue;
		r->places[r->place_count].port = &w->ports[port];
		r->places[r->place_count++].rank = op->rank >> (2 * port) & 3;
	}
}

static void
do_request(struct world *w, const struct op *op)
{
	struct lease_request *r = &w->requests[op->request];
	struct model_request wish;

	wish_from_op(w, op, r);
	wish_to_model(r, w, &wish);
	w->waits[op->request] = true;
	lease_request(&w->host, r, w->now);
	model_request(&w->model, op->request, &wish, w->now);
}

static const char *
do_end(struct world *w, const struct op *op, uint64_t token)
{
	struct lease_port *p = &w->ports[op->port];
	enum lease_reason reason = 1 + op->waited % LEASE_FAILED;
	enum lease_reason called = lease_end_reason(p, reason);
	int got;

	if (called !=
	    (reason == LEASE_RELEASED && p->state == LEASE_YIELDING ? p->yield_reason : reason))
		return "lease_end_reason() returns the wrong thing";
	got = lease_end(&w->host, p, token, called, w->now);
	if (got != model_end(&w->model, op->port, token, called, w->now))
		return "lease_end() returns the wrong thing";
	if (got == 0) {
		w->live[op->port] = 0;
		w->answers[op->port] = false;
	}
	return NULL;
}

static const char *
do_live(struct world *w, const struct op *op, uint64_t token)
{
	struct lease_port *p = &w->ports[op->port];
	uint64_t until = op->wait == 255 ? LEASE_NEVER : w->now + op->wait;
	int got, expected;

	if (op->type == OP_TAKEN) {
		got = lease_taken(&w->host, p, token);
		expected = model_taken(&w->model, op->port, token);
	} else if (op->type == OP_LINGER) {
		got = lease_linger(&w->host, p, token, until);
		expected = model_linger(&w->model, op->port, token, until);
	} else if (op->type == OP_IDLE) {
		got = lease_idle(&w->host, p, token, op->yes, w->now);
		expected = model_idle(&w->model, op->port, token, op->yes);
	} else {
		got =
		    lease_hand_off(&w->host, p, token, op->yes ? &w->requests[op->request] : NULL);
		expected =
		    model_hand_off(&w->model, op->port, token, op->yes ? op->request : NOBODY);
	}
	return got == expected ? NULL : "a report of the holder's returns the wrong thing";
}

static const char *
do_busy(struct world *w, const struct op *op, uint64_t token)
{
	int got = lease_busy(&w->host, &w->ports[op->port], token, op->yes, w->now);

	if (got != model_busy(&w->model, op->port, token, op->yes, w->now))
		return "lease_busy() returns the wrong thing";
	if (got == 0) {
		if (op->yes && !w->answers[op->port])
			w->answers_since[op->port] = w->now;
		w->answers[op->port] = op->yes;
	}
	return NULL;
}

/* A lease of before has a token below ours (a host's own ones go on), or above (another epoch). */
static void
do_resume(struct world *w, const struct op *op)
{
	struct lease_place places[MODEL_PORTS] = { 0 };
	struct lease_request what = { .places = places };
	struct model_request wish;
	uint64_t token = w->live[op->port];

	wish_from_op(w, op, &what);
	wish_to_model(&what, w, &wish);
	if (token == 0 && op->waited % 2 && w->resumed < FIRST_TOKEN - 1)
		token = ++w->resumed;
	else if (token == 0)
		token = w->model.next_token + op->wait;
	if (w->last_token < token)
		w->last_token = token;
	w->live[op->port] = token;
	lease_resume(&w->host, &w->ports[op->port], token, &what, w->now);
	model_resume(&w->model, op->port, token, &wish, w->now);
}

static void
do_policy(struct world *w, const struct op *op)
{
	struct lease_policy policy = {
		.preempt = op->preempt,
		.age_step_ms = or_never(op->age),
		.min_hold_ms = op->min_hold,
		.max_busy_ms = or_never(op->max_busy),
	};

	w->ports[op->port].policy = w->model.ports[op->port].policy = policy;
	lease_policy_changed(&w->host, &w->ports[op->port], w->now);
}

static void
do_remove(struct world *w, int port)
{
	lease_port_remove(&w->host, &w->ports[port]);
	lease_port_init(&w->host, &w->ports[port], w->now);
	model_port_init(&w->model, port, w->now);
	w->live[port] = 0;
	w->answers[port] = false;
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

static void
do_state(struct world *w, const struct op *op)
{
	switch ((enum op_type)op->type) {
	case OP_READY:
		BOTH(ready);
		break;
	case OP_TURNAROUND:
		BOTH(turnaround);
		break;
	case OP_FOREIGN:
		BOTH(foreign);
		break;
	case OP_FAULT:
		BOTH(fault);
		break;
	case OP_ABSENT:
		BOTH(absent);
		break;
	default:
		lease_disable(&w->host, &w->ports[op->port], op->yes, w->now);
		model_disable(&w->model, op->port, op->yes, w->now);
	}
}

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
	case OP_LINGER:
	case OP_IDLE:
	case OP_HAND_OFF:
		return do_live(w, op, token);
	case OP_BUSY:
		return do_busy(w, op, token);
	case OP_END:
		return do_end(w, op, token);
	case OP_RESUME:
		do_resume(w, op);
		break;
	case OP_EXPECT:
		do_expect(w, op);
		break;
	case OP_POLICY:
		do_policy(w, op);
		break;
	case OP_REMOVE:
		do_remove(w, op->port);
		break;
	case OP_SLEEP:
		w->host.slept_ms += op->ms;
		w->model.slept += op->ms;
		break;
	case OP_ADVANCE:
		w->now += op->ms;
		break;
	default:
		do_state(w, op);
	}
	return NULL;
}

const char *
world_do(struct world *w, const struct op *op)
{
	const char *wrong;

	if (!world_allows(w, op))
		return NULL;
	wrong = do_op(w, op);
	return wrong ? wrong : world_settle(w, op->settle);
}

void
op_print(FILE *out, const struct op *op)
{
	static const char *const names[] = {
		"request", "cancel", "opened", "taken",  "linger",     "busy",    "idle",
		"handoff", "end",    "resume", "ready",  "turnaround", "foreign", "disable",
		"fault",   "absent", "expect", "policy", "remove",     "sleep",   "advance",
	};

	fprintf(out,
		"# %s port=%d request=%d more=%d rank=%d priority=%d waited=%d wait=%d ms=%d "
		"hold=%d grace=%d yes=%d preempt=%d age=%d min_hold=%d max_busy=%d stale=%d "
		"settle=%d\n",
		names[op->type], op->port, op->request, op->more, op->rank, op->priority,
		op->waited, op->wait, op->ms, op->hold, op->grace, op->yes, op->preempt, op->age,
		op->min_hold, op->max_busy, op->stale, op->settle);
}
