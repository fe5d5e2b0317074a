/*
 * lease_yield.c - the core: which holder is asked to let go, for whom, and when he may stay after
 * all. It refuses to know how a waiter gets the port: that is a grant like any other, to whoever is
 * first then.
 *
 * The one idea: promises. A port that is asked, or that is being cleaned, is linked to one request,
 * and that request to this port, so that no more holders are asked than there are waiters. A
 * promise gives no right to the port; it says that this waiter's wish is being seen to. It stands
 * until the port is granted, to whomever, or can't be for now, or until the waiter leaves. Every
 * change of one puts all ports of that request into the dirty list, since each of their queues now
 * has another first waiter to be seen to.
 */
#include "lease_internal.h"

enum { NOT_NOW, STANDBY_FIRST, LOWER_THEN }; /* how good a choice a port is */

static void
request_changed(struct lease_host *host, struct lease_request *request)
{
	for (size_t i = 0; i < request->place_count; i++)
		lease_port_to(request->places[i].port, &host->dirty);
}

static void
promise(struct lease_host *host, struct lease_port *port, struct lease_request *request)
{
	port->promise = request;
	request->promised = port;
	request_changed(host, request);
}

void
lease_unpromise(struct lease_host *host, struct lease_port *port)
{
	struct lease_request *request = port->promise;

	if (!request)
		return;
	port->promise = NULL;
	request->promised = NULL;
	request_changed(host, request);
}

static bool
is_seen_to(const struct lease_place *place)
{
	return place->request->promised != NULL;
}

/* The first whose wish nobody sees to; NULL. Those before it are promised a port each, so there are
 * fewer of them than ports. */
static struct lease_place *
candidate(const struct lease_port *port)
{
	struct lease_place *place = NULL;

	if (port->successor && !port->successor->standby)
		place = lease_place_at(port->successor, port);
	if (place && !is_seen_to(place))
		return place;
	place = lease_first(port);
	while (place && !place->request->standby && is_seen_to(place))
		place = lease_after(place);
	return place && !place->request->standby ? place : NULL;
}

/* Whether the rules let that one have the holder asked, the time aside; and after what time. */
static int
choice(const struct lease_port *port, const struct lease_place *place)
{
	if (port->disabled || port->policy.preempt == LEASE_PREEMPT_NEVER)
		return NOT_NOW;
	if (port->standby)
		return STANDBY_FIRST;
	if (port->policy.preempt == LEASE_PREEMPT_LOWER && lease_rank(place) < port->rank)
		return LOWER_THEN;
	return NOT_NOW;
}

static int
choice_now(const struct lease_port *port, const struct lease_place *place, uint64_t now_ms)
{
	int how = choice(port, place);

	if (how == STANDBY_FIRST && lease_is_busy(port, now_ms))
		return NOT_NOW;
	if (how == LOWER_THEN && lease_since(port->since_ms, now_ms) < port->policy.min_hold_ms)
		return NOT_NOW;
	return how;
}

/* Whether the port, which nobody has been promised, will be granted without anybody being asked. */
static bool
comes_anyway(const struct lease_port *port, const struct lease_place *place, uint64_t now_ms)
{
	if (port->promise || port->disabled || port->is_overdue)
		return false;
	if (port->state == LEASE_TURNAROUND)
		return true;
	if (port->state != LEASE_YIELDING || lease_is_busy(port, now_ms))
		return false;
	if (port->yield_reason == LEASE_EXPIRED)
		return port->is_over || port->is_idle;
	return choice_now(port, place, now_ms) != NOT_NOW;
}

/* Promises the request a port that comes anyway, if it has one. */
static bool
sees_to_it(struct lease_host *host, struct lease_request *request, uint64_t now_ms)
{
	for (size_t i = 0; i < request->place_count; i++) {
		struct lease_place *place = &request->places[i];

		if (comes_anyway(place->port, place, now_ms) && candidate(place->port) == place) {
			promise(host, place->port, request);
			return true;
		}
	}
	return false;
}

/* The best port to be asked for a request. */
static struct lease_port *
best_to_ask(const struct lease_request *request, uint64_t now_ms)
{
	struct lease_port *best = NULL;
	int best_how = NOT_NOW;

	for (size_t i = 0; i < request->place_count; i++) {
		struct lease_place *place = &request->places[i];
		struct lease_port *port = place->port;
		int how = port->state == LEASE_HELD ? choice_now(port, place, now_ms) : NOT_NOW;

		if (how == NOT_NOW || (best && how > best_how) || candidate(port) != place)
			continue;
		if (!best || how < best_how || port->since_ms < best->since_ms) {
			best = port;
			best_how = how;
		}
	}
	return best;
}

bool
lease_step_live(struct lease_step *step, enum lease_step_type type, struct lease_port *port)
{
	*step = (struct lease_step){ .type = type, .port = port, .token = port->token };
	return true;
}

bool
lease_step_yield(struct lease_host *host, struct lease_port *port, struct lease_request *request,
		 uint64_t now_ms, struct lease_step *step)
{
	enum lease_reason reason = port->standby ? LEASE_YIELDED : LEASE_PREEMPTED;

	if (request)
		promise(host, port, request);
	port->state = LEASE_YIELDING;
	port->is_overdue = false;
	port->yield_reason = request ? reason : LEASE_EXPIRED;
	port->yield_by_ms = lease_add(now_ms, port->grace_ms);
	lease_timer_set(host, &port->look, LEASE_NEVER);
	lease_timer_set(host, &port->grace, port->yield_by_ms);
	lease_port_to(port, &host->dirty);
	lease_step_live(step, LEASE_STEP_YIELD, port);
	step->reason = port->yield_reason;
	step->request = request;
	return true;
}

static bool
step_keep(struct lease_host *host, struct lease_port *port, struct lease_step *step)
{
	lease_unpromise(host, port);
	port->state = LEASE_HELD;
	port->yield_reason = LEASE_NONE;
	port->yield_by_ms = 0;
	port->owes_revoke = port->is_overdue = false;
	lease_timer_set(host, &port->grace, LEASE_NEVER);
	lease_port_to(port, &host->dirty);
	return lease_step_live(step, LEASE_STEP_KEEP, port);
}

static bool
step_revoke(struct lease_host *host, struct lease_port *port, struct lease_step *step)
{
	port->owes_revoke = false;
	port->is_overdue = true;
	/* if he can't be made to go, another one is asked for that waiter */
	lease_unpromise(host, port);
	lease_port_to(port, &host->dirty);
	lease_step_live(step, LEASE_STEP_REVOKE, port);
	step->reason = port->yield_reason == LEASE_YIELDED ? LEASE_REVOKED : port->yield_reason;
	return true;
}

/* Of a holder who has not let go in time, whom no waiter counts on any more. Whoever would have him
 * asked anew as soon as he may stay is among those for whom he is not to. */
static bool
is_wanted(const struct lease_port *port, uint64_t now_ms)
{
	const struct lease_place *first = lease_first(port), *next = candidate(port);

	return (first && !first->request->standby && choice_now(port, first, now_ms) != NOT_NOW) ||
	       (next && choice_now(port, next, now_ms) != NOT_NOW);
}

/* Whether there is still somebody to let go for: the one who was promised, or the next. */
static bool
is_asked_for(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	struct lease_place *place;

	if (port->is_overdue)
		return is_wanted(port, now_ms);
	if (port->promise &&
	    choice_now(port, lease_place_at(port->promise, port), now_ms) == NOT_NOW)
		lease_unpromise(host, port);
	while (!port->promise && (place = candidate(port)) &&
	       choice_now(port, place, now_ms) != NOT_NOW)
		sees_to_it(host, place->request, now_ms);
	return port->promise != NULL;
}

static bool
step_yielding(struct lease_host *host, struct lease_port *port, uint64_t now_ms,
	      struct lease_step *step)
{
	bool expires = port->is_over || port->is_idle;

	if (lease_is_busy(port, now_ms))
		return step_keep(host, port, step);
	if (port->yield_reason != LEASE_EXPIRED && !is_asked_for(host, port, now_ms))
		port->yield_reason = LEASE_EXPIRED;
	if (port->yield_reason == LEASE_EXPIRED && !expires)
		return step_keep(host, port, step);
	return port->owes_revoke && step_revoke(host, port, step);
}

/* When a rule of time lets the holder be asked who may not be asked now. */
static uint64_t
look_at(const struct lease_port *port, uint64_t now_ms)
{
	struct lease_place *place = candidate(port);
	int how = place ? choice(port, place) : NOT_NOW;

	if (lease_is_busy(port, now_ms))
		return how != NOT_NOW || port->is_over || port->is_idle
			   ? lease_add(port->busy_since_ms, port->policy.max_busy_ms)
			   : LEASE_NEVER;
	return how == LOWER_THEN ? lease_add(port->since_ms, port->policy.min_hold_ms)
				 : LEASE_NEVER;
}

static bool
step_held(struct lease_host *host, struct lease_port *port, uint64_t now_ms,
	  struct lease_step *step)
{
	struct lease_place *place;
	uint64_t at_ms;

	while ((place = candidate(port)) && choice_now(port, place, now_ms) != NOT_NOW)
		if (!sees_to_it(host, place->request, now_ms))
			return lease_step_yield(host, best_to_ask(place->request, now_ms),
						place->request, now_ms, step);
	at_ms = look_at(port, now_ms);
	if (port->look.armed ? at_ms != port->look.at_ms : at_ms != LEASE_NEVER)
		lease_timer_set(host, &port->look, at_ms);
	return false;
}

bool
lease_step_wanted(struct lease_host *host, struct lease_port *port, uint64_t now_ms,
		  struct lease_step *step)
{
	if (port->state == LEASE_YIELDING)
		return step_yielding(host, port, now_ms, step);
	return step_held(host, port, now_ms, step);
}
