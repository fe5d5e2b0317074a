/*
 * lease_live.c - the core: one live lease, from lease_hold() to lease_end(), and what its holder
 * and its keeper report of it. It refuses to know who else wants the port: each change only puts
 * the port into the dirty list, and lease_yield.c draws the conclusions.
 */
#include "lease_internal.h"

#include <assert.h>

bool
lease_is_held(const struct lease_port *port)
{
	return port->state == LEASE_HELD || port->state == LEASE_YIELDING;
}

static bool
is_alive(const struct lease_port *port, uint64_t token)
{
	return lease_is_held(port) && port->token == token;
}

void
lease_watch_taking(struct lease_host *host, struct lease_port *port)
{
	uint64_t at_ms = port->waiting > 0 ? port->take_by_ms : LEASE_NEVER;

	if (port->untaken.armed ? at_ms != port->untaken.at_ms : at_ms != LEASE_NEVER)
		lease_timer_set(host, &port->untaken, at_ms);
}

void
lease_hold(struct lease_host *host, struct lease_port *port, uint64_t token,
	   const struct lease_request *what, uint64_t since_ms, uint64_t now_ms)
{
	const struct lease_place *place = lease_place_at(what, port);

	if (!place && what->place_count > 0)
		place = &what->places[0];
	lease_enter(host, port, LEASE_HELD, now_ms);
	port->since_ms = since_ms < now_ms ? since_ms : now_ms;
	port->token = token;
	port->opened = false;
	port->standby = what->standby;
	port->rank = place ? lease_rank(place) : 0;
	port->max_hold_ms = what->max_hold_ms;
	port->grace_ms = what->grace_ms;
	lease_timer_set(host, &port->hold,
			lease_add(port->since_ms + host->slept_ms, what->max_hold_ms));
}

void
lease_disarm(struct lease_host *host, struct lease_port *port)
{
	port->take_by_ms = LEASE_NEVER;
	lease_watch_taking(host, port);
	lease_timer_set(host, &port->grace, LEASE_NEVER);
	lease_timer_set(host, &port->hold, LEASE_NEVER);
	lease_timer_set(host, &port->look, LEASE_NEVER);
	lease_timer_set(host, &port->linger, LEASE_NEVER);
}

static void
unhold(struct lease_host *host, struct lease_port *port)
{
	lease_disarm(host, port);
	port->ended = port->token;
	port->token = 0;
	port->standby = port->busy = port->lingers = false;
	port->is_idle = port->is_over = port->owes_revoke = port->is_overdue = false;
	port->busy_since_ms = port->yield_by_ms = 0;
	port->yield_reason = LEASE_NONE;
	port->max_hold_ms = port->grace_ms = 0;
	port->rank = 0;
}

void
lease_opened(struct lease_host *host, struct lease_port *port, uint64_t token, uint64_t now_ms)
{
	if (!is_alive(port, token))
		return;
	port->lingers = false;
	lease_timer_set(host, &port->linger, LEASE_NEVER);
	if (port->opened)
		return;
	port->opened = true;
	port->take_by_ms = lease_add(now_ms, host->take_ms);
	lease_watch_taking(host, port);
}

int
lease_taken(struct lease_host *host, struct lease_port *port, uint64_t token)
{
	if (!is_alive(port, token))
		return 1;
	port->opened = true;
	port->take_by_ms = LEASE_NEVER;
	lease_watch_taking(host, port);
	return 0;
}

int
lease_linger(struct lease_host *host, struct lease_port *port, uint64_t token, uint64_t until_ms)
{
	if (!is_alive(port, token))
		return 1;
	port->lingers = true;
	lease_timer_set(host, &port->linger, until_ms);
	return 0;
}

bool
lease_is_busy(const struct lease_port *port, uint64_t now_ms)
{
	return port->standby && port->busy &&
	       lease_since(port->busy_since_ms, now_ms) < port->policy.max_busy_ms;
}

int
lease_busy(struct lease_host *host, struct lease_port *port, uint64_t token, bool busy,
	   uint64_t now_ms)
{
	if (!is_alive(port, token))
		return 1;
	if (port->busy == busy)
		return 0;
	port->busy = busy;
	port->busy_since_ms = busy ? now_ms : 0;
	lease_port_to(port, &host->dirty);
	return 0;
}

int
lease_idle(struct lease_host *host, struct lease_port *port, uint64_t token, bool idle,
	   uint64_t now_ms)
{
	(void)now_ms;
	if (!is_alive(port, token))
		return 1;
	port->is_idle = idle;
	lease_port_to(port, &host->dirty);
	return 0;
}

int
lease_hand_off(struct lease_host *host, struct lease_port *port, uint64_t token,
	       struct lease_request *to)
{
	assert(!to || (to->waits && lease_place_at(to, port)));
	if (!is_alive(port, token))
		return 1;
	port->successor = to;
	lease_port_to(port, &host->dirty);
	return 0;
}

enum lease_reason
lease_end_reason(const struct lease_port *port, enum lease_reason reason)
{
	if (reason == LEASE_RELEASED && port->state == LEASE_YIELDING)
		return port->yield_reason;
	return reason;
}

/* Whether there is still a line that a successor could go on with. */
static bool
leaves_line(enum lease_reason reason)
{
	return reason == LEASE_RELEASED || reason == LEASE_DIED || reason == LEASE_YIELDED ||
	       reason == LEASE_EXPIRED || reason == LEASE_PREEMPTED;
}

int
lease_end(struct lease_host *host, struct lease_port *port, uint64_t token,
	  enum lease_reason reason, uint64_t now_ms)
{
	assert(reason != LEASE_NONE);
	if (!is_alive(port, token))
		return 1;
	unhold(host, port);
	port->used = ++host->ends;
	port->reason = reason;
	port->keeps_line = port->successor && !port->disabled && leaves_line(reason);
	lease_enter_turnaround(host, port, now_ms);
	return 0;
}

void
lease_resume(struct lease_host *host, struct lease_port *port, uint64_t token,
	     const struct lease_request *what, uint64_t now_ms)
{
	assert(token > 0);
	if (is_alive(port, token)) {
		lease_opened(host, port, token, now_ms);
		return;
	}
	assert(!lease_is_held(port));
	if (host->token < token)
		host->token = token;
	port->successor = NULL;
	lease_hold(host, port, token, what, what->since_ms, now_ms);
	port->opened = true;
}
