/*
 * lease_next.c - the core's steps: what the state of the ports and the time call for. lease.c says
 * how the parts work together.
 */
#include "lease_internal.h"

#define OWNER(timer, type, member) ((type *)(void *)((char *)(timer)-offsetof(type, member)))

/* Whether the first in the queue may have the port. */
static bool
can_grant(const struct lease_host *host, const struct lease_port *port, uint64_t now_ms)
{
	return port->state == LEASE_FREE && port->waiting > 0 && now_ms >= host->hold_until_ms &&
	       !lease_timer_is_due(&port->late, now_ms);
}

static bool
step_request(struct lease_host *host, struct lease_request *request, enum lease_step_type type,
	     struct lease_step *step)
{
	*step = (struct lease_step){ .type = type, .port = request->port, .request = request };
	lease_leave(host, request);
	return true;
}

static bool
step_grant(struct lease_host *host, struct lease_port *port, uint64_t now_ms,
	   struct lease_step *step)
{
	step_request(host, lease_first(port), LEASE_STEP_GRANT, step);
	step->token = ++host->token;
	lease_hold(host, port, step->token, now_ms);
	return true;
}

static bool
step_turnaround(struct lease_port *port, struct lease_step *step)
{
	*step = (struct lease_step){
		.type = LEASE_STEP_TURNAROUND,
		.reason = port->reason,
		.port = port,
		.token = port->ended,
	};
	port->owes_turnaround = false;
	return true;
}

static bool
step_late(struct lease_host *host, struct lease_port *port, uint64_t now_ms,
	  struct lease_step *step)
{
	*step = (struct lease_step){ .type = LEASE_STEP_LATE, .port = port };
	port->is_late = true;
	if (port->state != LEASE_HELD)
		lease_enter(host, port, LEASE_FAULTED, now_ms);
	return true;
}

static bool
step_untaken(struct lease_port *port, struct lease_step *step)
{
	*step = (struct lease_step){
		.type = LEASE_STEP_UNTAKEN,
		.port = port,
		.token = port->token,
	};
	port->take_by_ms = LEASE_NEVER;
	return true;
}

/* A request's time is over, unless it gets the port in this very moment. */
static bool
step_overdue(struct lease_host *host, struct lease_request *request, uint64_t now_ms,
	     struct lease_step *step)
{
	struct lease_port *port = request->port;

	if (port->state == LEASE_FAULTED)
		return step_request(host, request, LEASE_STEP_FAIL, step);
	if (can_grant(host, port, now_ms) && lease_first(port) == request)
		return step_grant(host, port, now_ms, step);
	return step_request(host, request, LEASE_STEP_TIMEOUT, step);
}

/* What the state of a port calls for, deadlines aside. */
static bool
port_step(struct lease_host *host, struct lease_port *port, uint64_t now_ms,
	  struct lease_step *step)
{
	if (port->state == LEASE_TURNAROUND && port->owes_turnaround)
		return step_turnaround(port, step);
	if (port->state == LEASE_FAULTED && port->waiting > 0)
		return step_request(host, lease_first(port), LEASE_STEP_FAIL, step);
	if (can_grant(host, port, now_ms))
		return step_grant(host, port, now_ms, step);
	lease_port_to(port, port->state == LEASE_FREE && port->waiting > 0 ? &host->parked : NULL);
	return false;
}

/* A timer has done its duty; every one of them is a step. */
static bool
fire(struct lease_host *host, struct lease_timer *timer, uint64_t now_ms, struct lease_step *step)
{
	lease_timer_set(host, timer, LEASE_NEVER);
	switch ((enum lease_timer_type)timer->type) {
	case LEASE_TIMER_LATE:
		return step_late(host, OWNER(timer, struct lease_port, late), now_ms, step);
	case LEASE_TIMER_UNTAKEN:
		return step_untaken(OWNER(timer, struct lease_port, untaken), step);
	case LEASE_TIMER_REQUEST:
		break;
	}
	return step_overdue(host, OWNER(timer, struct lease_request, timer), now_ms, step);
}

bool
lease_next(struct lease_host *host, uint64_t now_ms, struct lease_step *step)
{
	struct lease_timer *timer = lease_timer_first(host);
	struct lease_port *port;

	if (timer && lease_timer_is_due(timer, now_ms))
		return fire(host, timer, now_ms, step);
	while (now_ms >= host->hold_until_ms && (port = TAILQ_FIRST(&host->parked)))
		lease_port_to(port, &host->dirty);
	while ((port = TAILQ_FIRST(&host->dirty)))
		if (port_step(host, port, now_ms, step))
			return true;
	return false;
}

uint64_t
lease_deadline(const struct lease_host *host)
{
	const struct lease_timer *timer = lease_timer_first(host);
	uint64_t at_ms = timer ? timer->at_ms : LEASE_NEVER;

	if (!TAILQ_EMPTY(&host->dirty))
		return 0;
	if (!TAILQ_EMPTY(&host->parked) && host->hold_until_ms < at_ms)
		return host->hold_until_ms;
	return at_ms;
}
