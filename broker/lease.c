/*
 * lease.c - the core: the state of every port, and what a report does to it. It refuses to know
 * what a device, a client or a clock is; lease.h is its contract.
 *
 * The one idea: a step is never remembered, it is derived. The functions here change the state of a
 * port and put the port into the host's dirty list; lease_next() asks each dirty port what its
 * state calls for, and drops it from the list when the answer is "nothing". So no order of calls
 * can lose a step or take it twice, and a port at rest costs nothing.
 *
 * - lease_live.c: a live lease, and what its holder reports.
 * - lease_queue.c: one tree of places a port, in the order of grants.
 * - lease_timer.c: the deadlines. A timer is armed only while its firing changes an answer, so
 *   lease_deadline() wakes nobody for nothing.
 * - lease_next.c: the steps. First the order and the deadlines of now (a late keeper gets no
 *   grant), then the dirty ports, then the wanted ones: a waiter that gets a FREE port has nobody
 *   asked.
 * - lease_yield.c: which holder is asked, and for whom.
 *
 * Fields change in one place each: the state in lease_enter() and, between HELD and YIELDING, in
 * lease_yield.c; a lease begins in lease_hold() and ends in lease_end(), a request comes in
 * lease_request() and goes in lease_leave(), a promise is made and broken in lease_yield.c.
 *
 * To add a key to the order: place_cmp(). A state: the enum, port_step(), a function that enters
 * it. A deadline: the timer's type, lease_timer_set() where its condition changes, fire().
 */
#include "lease_internal.h"

#include <assert.h>

void
lease_port_to(struct lease_port *port, struct lease_ports *list)
{
	if (port->list == list)
		return;
	if (port->list)
		TAILQ_REMOVE(port->list, port, link);
	port->list = list;
	if (list)
		TAILQ_INSERT_TAIL(list, port, link);
}

void
lease_enter(struct lease_host *host, struct lease_port *port, enum lease_state state,
	    uint64_t now_ms)
{
	assert(!lease_is_held(port) || port->token == 0);
	if (port->state != state)
		port->since_ms = now_ms;
	port->state = state;
	if (state != LEASE_TURNAROUND) {
		port->owes_turnaround = false;
		port->reason = LEASE_NONE;
		port->ended = 0;
	}
	if (state != LEASE_TURNAROUND && state != LEASE_FREE) {
		port->keeps_line = false;
		lease_unpromise(host, port);
	}
	port->may_fail = state == LEASE_FAULTED;
	host->may_fail = host->may_fail || port->may_fail;
	lease_port_to(port, &host->dirty);
}

void
lease_enter_turnaround(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	lease_enter(host, port, LEASE_TURNAROUND, now_ms);
	port->owes_turnaround = true;
}

void
lease_drop_line(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	port->keeps_line = false;
	lease_enter_turnaround(host, port, now_ms);
}

static void
queue_changed(struct lease_host *host, struct lease_port *port)
{
	lease_watch_taking(host, port);
	lease_port_to(port, &host->dirty);
}

void
lease_leave(struct lease_host *host, struct lease_request *request)
{
	if (request->promised)
		lease_unpromise(host, request->promised);
	for (size_t i = 0; i < request->place_count; i++) {
		struct lease_port *port = request->places[i].port;

		lease_queue_remove(host, &request->places[i]);
		if (port->successor == request)
			port->successor = NULL;
		queue_changed(host, port);
	}
	lease_timer_set(host, &request->timer, LEASE_NEVER);
	request->waits = false;
}

void
lease_host_init(struct lease_host *host, uint64_t first_token, uint64_t take_ms,
		uint64_t hold_until_ms)
{
	assert(first_token > 0);
	*host = (struct lease_host){
		.token = first_token - 1,
		.take_ms = take_ms,
		.hold_until_ms = hold_until_ms,
	};
	RB_INIT(&host->timers);
	RB_INIT(&host->awake);
	RB_INIT(&host->rises);
	TAILQ_INIT(&host->dirty);
	TAILQ_INIT(&host->wanted);
	TAILQ_INIT(&host->parked);
}

void
lease_port_init(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	(void)host;
	*port = (struct lease_port){
		.policy = port->policy,
		.state = LEASE_ABSENT,
		.since_ms = now_ms,
		.take_by_ms = LEASE_NEVER,
	};
	RB_INIT(&port->queue);
	lease_timer_init(&port->late, LEASE_TIMER_LATE);
	lease_timer_init(&port->untaken, LEASE_TIMER_UNTAKEN);
	lease_timer_init(&port->grace, LEASE_TIMER_GRACE);
	lease_timer_init(&port->hold, LEASE_TIMER_HOLD);
	lease_timer_init(&port->look, LEASE_TIMER_LOOK);
	lease_timer_init(&port->linger, LEASE_TIMER_LINGER);
}

void
lease_policy_changed(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	(void)now_ms;
	lease_port_to(port, &host->dirty);
}

void
lease_port_remove(struct lease_host *host, struct lease_port *port)
{
	assert(port->waiting == 0);
	lease_timer_set(host, &port->late, LEASE_NEVER);
	lease_disarm(host, port);
	lease_port_to(port, NULL);
}

/* A FAULTED port is tried again for a request that has no other, unless that would save others
 * from the FAIL that they are about to get. */
static void
try_again(struct lease_host *host, struct lease_request *request, uint64_t now_ms)
{
	if (!lease_all_faulted(request))
		return;
	for (size_t i = 0; i < request->place_count; i++) {
		struct lease_port *port = request->places[i].port;

		if (!port->is_late && (!host->may_fail || !lease_doomed(port)))
			lease_enter_turnaround(host, port, now_ms);
	}
}

void
lease_request(struct lease_host *host, struct lease_request *request, uint64_t now_ms)
{
	uint64_t at_ms = request->deadline_ms > now_ms ? request->deadline_ms : now_ms;
	bool fails;

	assert(!request->waits && request->place_count > 0);
	try_again(host, request, now_ms);
	request->waits = true;
	request->promised = NULL;
	request->arrival = host->arrivals++;
	fails = lease_all_faulted(request);
	for (size_t i = 0; i < request->place_count; i++) {
		struct lease_place *place = &request->places[i];

		lease_queue_insert(host, place, request, now_ms);
		if (fails)
			place->port->may_fail = host->may_fail = true;
		queue_changed(host, place->port);
	}
	lease_timer_init(&request->timer, LEASE_TIMER_REQUEST);
	lease_timer_set(host, &request->timer, at_ms);
}

void
lease_cancel(struct lease_host *host, struct lease_request *request)
{
	assert(request->waits);
	lease_leave(host, request);
}

void
lease_ready(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	assert(!lease_is_held(port));
	if (port->state == LEASE_TURNAROUND && !port->owes_turnaround)
		lease_enter(host, port, port->disabled ? LEASE_DISABLED : LEASE_FREE, now_ms);
}

void
lease_turnaround(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	assert(!lease_is_held(port));
	if (port->state != LEASE_TURNAROUND)
		port->keeps_line = false;
	lease_enter_turnaround(host, port, now_ms);
}

void
lease_foreign(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	assert(!lease_is_held(port));
	lease_enter(host, port, LEASE_FOREIGN, now_ms);
}

void
lease_disable(struct lease_host *host, struct lease_port *port, bool disabled, uint64_t now_ms)
{
	port->disabled = disabled;
	if (disabled)
		lease_unpromise(host, port);
	if (disabled && port->keeps_line)
		lease_drop_line(host, port, now_ms);
	else if (disabled && port->state == LEASE_FREE)
		lease_enter(host, port, LEASE_DISABLED, now_ms);
	else if (!disabled && port->state == LEASE_DISABLED)
		lease_enter_turnaround(host, port, now_ms);
	lease_port_to(port, &host->dirty);
}

void
lease_fault(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	assert(!lease_is_held(port));
	lease_enter(host, port, LEASE_FAULTED, now_ms);
}

void
lease_absent(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	assert(!lease_is_held(port));
	lease_enter(host, port, LEASE_ABSENT, now_ms);
}

void
lease_expect(struct lease_host *host, struct lease_port *port, uint64_t at_ms)
{
	port->is_late = false;
	lease_timer_set(host, &port->late, at_ms);
}

const char *
lease_state_name(enum lease_state state)
{
	static const char *const names[] = {
		[LEASE_ABSENT] = "absent",     [LEASE_FOREIGN] = "foreign",
		[LEASE_DISABLED] = "disabled", [LEASE_TURNAROUND] = "turnaround",
		[LEASE_FREE] = "free",         [LEASE_HELD] = "held",
		[LEASE_YIELDING] = "yielding", [LEASE_FAULTED] = "faulted",
	};

	return names[state];
}

const char *
lease_reason_name(enum lease_reason reason)
{
	static const char *const names[] = {
		[LEASE_NONE] = "none",       [LEASE_RELEASED] = "released",
		[LEASE_DIED] = "died",       [LEASE_YIELDED] = "yielded",
		[LEASE_EXPIRED] = "expired", [LEASE_PREEMPTED] = "preempted",
		[LEASE_REVOKED] = "revoked", [LEASE_UNPLUGGED] = "unplugged",
		[LEASE_HUNGUP] = "hungup",   [LEASE_FAILED] = "faulted",
	};

	return names[reason];
}
