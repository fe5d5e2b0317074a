/*
 * lease_next.c - the core's steps: what the state of the ports and the time call for. lease.c says
 * how the parts work together.
 */
#include "lease_internal.h"

#define OWNER(timer, type, member) ((type *)(void *)((char *)(timer)-offsetof(type, member)))

/* Whom the port would be granted to now; NULL. */
static struct lease_request *
grantee(const struct lease_host *host, const struct lease_port *port, uint64_t now_ms)
{
	if (port->state != LEASE_FREE || port->waiting == 0 || now_ms < host->hold_until_ms ||
	    lease_timer_is_due(&port->late, now_ms) || (port->keeps_line && !port->successor))
		return NULL;
	return port->successor ? port->successor : lease_first(port)->request;
}

/* Of the ports that the request would get now: the one that was kept for it, else the least
 * recently used; NULL. */
static struct lease_port *
best_free(const struct lease_host *host, const struct lease_request *request, uint64_t now_ms)
{
	struct lease_port *best = NULL;

	for (size_t i = 0; i < request->place_count; i++) {
		struct lease_port *port = request->places[i].port;

		if (grantee(host, port, now_ms) != request)
			continue;
		if (port->successor == request)
			return port;
		if (!best || port->used < best->used)
			best = port;
	}
	return best;
}

static bool
step_request(struct lease_host *host, struct lease_port *port, struct lease_request *request,
	     enum lease_step_type type, struct lease_step *step)
{
	*step = (struct lease_step){ .type = type, .port = port, .request = request };
	lease_leave(host, request);
	return true;
}

static bool
step_grant(struct lease_host *host, struct lease_port *port, struct lease_request *request,
	   uint64_t now_ms, struct lease_step *step)
{
	step_request(host, port, request, LEASE_STEP_GRANT, step);
	step->token = ++host->token;
	lease_hold(host, port, step->token, request, now_ms, now_ms);
	return true;
}

/* The one whose fault was the last. */
static bool
step_fail(struct lease_host *host, struct lease_request *request, struct lease_step *step)
{
	struct lease_port *last = request->places[0].port;

	for (size_t i = 1; i < request->place_count; i++)
		if (request->places[i].port->since_ms > last->since_ms)
			last = request->places[i].port;
	return step_request(host, last, request, LEASE_STEP_FAIL, step);
}

static bool
step_turnaround(struct lease_port *port, struct lease_step *step)
{
	*step = (struct lease_step){
		.type = LEASE_STEP_TURNAROUND,
		.reason = port->reason,
		.port = port,
		.token = port->ended,
		.keep_line = port->keeps_line,
	};
	port->owes_turnaround = false;
	return true;
}

static bool
step_late(struct lease_host *host, struct lease_port *port, uint64_t now_ms,
	  struct lease_step *step)
{
	lease_step_live(step, LEASE_STEP_LATE, port);
	port->is_late = true;
	if (!lease_is_held(port))
		lease_enter(host, port, LEASE_FAULTED, now_ms);
	return true;
}

static bool
step_untaken(struct lease_port *port, struct lease_step *step)
{
	port->take_by_ms = LEASE_NEVER;
	return lease_step_live(step, LEASE_STEP_UNTAKEN, port);
}

/* A request's time is over, unless it gets a port in this very moment. */
static bool
step_overdue(struct lease_host *host, struct lease_request *request, uint64_t now_ms,
	     struct lease_step *step)
{
	struct lease_port *port = best_free(host, request, now_ms);

	if (lease_all_faulted(request))
		return step_fail(host, request, step);
	if (port)
		return step_grant(host, port, request, now_ms, step);
	return step_request(host, request->places[0].port, request, LEASE_STEP_TIMEOUT, step);
}

static bool
is_held_back(const struct lease_host *host, const struct lease_port *port, uint64_t now_ms)
{
	if (now_ms >= host->hold_until_ms)
		return false;
	if (port->state == LEASE_HELD)
		return port->waiting > 0 || port->is_over || port->is_idle;
	return port->state == LEASE_FREE && port->waiting > 0;
}

/* What the state of a port calls for, deadlines and other waiters' wishes aside. */
static bool
port_step(struct lease_host *host, struct lease_port *port, uint64_t now_ms,
	  struct lease_step *step)
{
	struct lease_request *request;

	if (port->keeps_line && !port->successor)
		lease_drop_line(host, port, now_ms);
	if (port->state == LEASE_TURNAROUND && port->owes_turnaround)
		return step_turnaround(port, step);
	if (port->may_fail && (request = lease_doomed(port)))
		return step_fail(host, request, step);
	port->may_fail = false;
	if ((request = grantee(host, port, now_ms)))
		return step_grant(host, best_free(host, request, now_ms), request, now_ms, step);
	if (is_held_back(host, port, now_ms)) {
		lease_port_to(port, &host->parked);
		return false;
	}
	if (port->state == LEASE_HELD && (port->is_over || port->is_idle) &&
	    !lease_is_busy(port, now_ms))
		return lease_step_yield(host, port, NULL, now_ms, step);
	lease_port_to(port, lease_is_held(port) ? &host->wanted : NULL);
	return false;
}

/* Brings order and holds up to date, which is no step. */
static void
absorb(struct lease_host *host, uint64_t now_ms)
{
	struct lease_timer *timer;

	while ((timer = lease_timer_first(&host->rises)) && timer->at_ms <= now_ms) {
		struct lease_place *place = OWNER(timer, struct lease_place, rise);

		lease_queue_rise(host, place);
		lease_port_to(place->port, &host->dirty);
	}
	while ((timer = lease_timer_first(&host->awake)) &&
	       timer->at_ms <= now_ms + host->slept_ms) {
		struct lease_port *port = OWNER(timer, struct lease_port, hold);

		lease_timer_set(host, timer, LEASE_NEVER);
		port->is_over = true;
		lease_port_to(port, &host->dirty);
	}
}

/* A timer has done its duty. Whether that was a step. */
static bool
fire(struct lease_host *host, struct lease_timer *timer, uint64_t now_ms, struct lease_step *step)
{
	struct lease_port *port;

	lease_timer_set(host, timer, LEASE_NEVER);
	switch ((enum lease_timer_type)timer->type) {
	case LEASE_TIMER_LATE:
		return step_late(host, OWNER(timer, struct lease_port, late), now_ms, step);
	case LEASE_TIMER_UNTAKEN:
		return step_untaken(OWNER(timer, struct lease_port, untaken), step);
	case LEASE_TIMER_REQUEST:
		return step_overdue(host, OWNER(timer, struct lease_request, timer), now_ms, step);
	case LEASE_TIMER_LINGER:
		return lease_step_live(step, LEASE_STEP_LINGERED,
				       OWNER(timer, struct lease_port, linger));
	case LEASE_TIMER_GRACE:
		port = OWNER(timer, struct lease_port, grace);
		port->owes_revoke = true;
		break;
	default:
		port = OWNER(timer, struct lease_port, look);
	}
	lease_port_to(port, &host->dirty);
	return false;
}

static bool
next_of_dirty(struct lease_host *host, uint64_t now_ms, struct lease_step *step)
{
	struct lease_port *port;

	while ((port = TAILQ_FIRST(&host->dirty)))
		if (port_step(host, port, now_ms, step))
			return true;
	return false;
}

/* What was not due when a port was looked at may be so now. */
static void
look_again(struct lease_host *host, uint64_t now_ms)
{
	struct lease_port *port;

	while (host->now_ms != now_ms && (port = TAILQ_FIRST(&host->wanted)))
		lease_port_to(port, &host->dirty);
	host->now_ms = now_ms;
	while (now_ms >= host->hold_until_ms && (port = TAILQ_FIRST(&host->parked)))
		lease_port_to(port, &host->dirty);
}

bool
lease_next(struct lease_host *host, uint64_t now_ms, struct lease_step *step)
{
	struct lease_timer *timer;
	struct lease_port *port;

	absorb(host, now_ms);
	while ((timer = lease_timer_first(&host->timers)) && timer->at_ms <= now_ms)
		if (fire(host, timer, now_ms, step))
			return true;
	look_again(host, now_ms);
	while (!next_of_dirty(host, now_ms, step)) {
		host->may_fail = false;
		if (!(port = TAILQ_FIRST(&host->wanted)))
			return false;
		lease_port_to(port, NULL);
		if (lease_step_wanted(host, port, now_ms, step))
			return true;
	}
	return true;
}

uint64_t
lease_deadline(const struct lease_host *host)
{
	const struct lease_timer *timer = lease_timer_first(&host->timers);
	const struct lease_timer *rise = lease_timer_first(&host->rises);
	uint64_t at_ms = timer ? timer->at_ms : LEASE_NEVER;

	if (!TAILQ_EMPTY(&host->dirty) || !TAILQ_EMPTY(&host->wanted))
		return 0;
	if (rise && rise->at_ms < at_ms)
		at_ms = rise->at_ms;
	if (!TAILQ_EMPTY(&host->parked) && host->hold_until_ms < at_ms)
		return host->hold_until_ms;
	return at_ms;
}

uint64_t
lease_deadline_awake(const struct lease_host *host)
{
	const struct lease_timer *timer = lease_timer_first(&host->awake);

	return timer ? timer->at_ms : LEASE_NEVER;
}
