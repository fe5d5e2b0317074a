/*
 * lease.c - the core: the state of every port, and what a report does to it. It refuses to know
 * what a device, a client or a clock is; lease.h is its contract.
 *
 * The one idea: a step is never remembered, it is derived. The functions here change the state of a
 * port and put the port into the host's dirty list; lease_next() asks each dirty port what its
 * state calls for, and drops it from the list when the answer is "nothing". So no order of calls
 * can lose a step or take it twice, and a port at rest costs nothing.
 *
 * - lease_queue.c: one tree of requests a port, in the order of grants.
 * - lease_timer.c: one tree of deadlines a host. A timer is armed only while its firing is a step
 *   (lease_timer_set() follows each change of that), so firing needs no second thoughts, and
 *   lease_deadline() wakes nobody for nothing.
 * - lease_next.c: the steps. Due timers come before dirty ports: a late keeper gets no grant.
 *
 * Fields change in one place each: the state in lease_enter(), a lease begins in lease_hold() and
 * ends in unhold(), a request comes in lease_request() and goes in lease_leave().
 *
 * To add a key to the order: request_cmp(). A state: the enum, port_step(), a function that enters
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
	assert(port->state != LEASE_HELD || port->token == 0);
	if (port->state != state)
		port->since_ms = now_ms;
	port->state = state;
	if (state != LEASE_TURNAROUND) {
		port->owes_turnaround = false;
		port->reason = LEASE_NONE;
		port->ended = 0;
	}
	lease_port_to(port, &host->dirty);
}

static void
enter_turnaround(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	lease_enter(host, port, LEASE_TURNAROUND, now_ms);
	port->owes_turnaround = true;
}

/* Who has not taken his grant is asked about only while others wait. */
static void
watch_taking(struct lease_host *host, struct lease_port *port)
{
	uint64_t at_ms = port->waiting > 0 ? port->take_by_ms : LEASE_NEVER;

	if (port->untaken.armed ? at_ms != port->untaken.at_ms : at_ms != LEASE_NEVER)
		lease_timer_set(host, &port->untaken, at_ms);
}

void
lease_hold(struct lease_host *host, struct lease_port *port, uint64_t token, uint64_t now_ms)
{
	lease_enter(host, port, LEASE_HELD, now_ms);
	port->token = token;
	port->opened = false;
}

static void
unhold(struct lease_host *host, struct lease_port *port)
{
	port->ended = port->token;
	port->token = 0;
	port->take_by_ms = LEASE_NEVER;
	watch_taking(host, port);
}

static void
queue_changed(struct lease_host *host, struct lease_port *port)
{
	watch_taking(host, port);
	lease_port_to(port, &host->dirty);
}

void
lease_leave(struct lease_host *host, struct lease_request *request)
{
	struct lease_port *port = request->port;

	lease_queue_remove(request);
	lease_timer_set(host, &request->timer, LEASE_NEVER);
	queue_changed(host, port);
}

static bool
is_alive(const struct lease_port *port, uint64_t token)
{
	return port->state == LEASE_HELD && port->token == token;
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
	TAILQ_INIT(&host->dirty);
	TAILQ_INIT(&host->parked);
}

void
lease_port_init(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	(void)host;
	*port = (struct lease_port){
		.state = LEASE_ABSENT,
		.since_ms = now_ms,
		.take_by_ms = LEASE_NEVER,
	};
	RB_INIT(&port->queue);
	lease_timer_init(&port->late, LEASE_TIMER_LATE);
	lease_timer_init(&port->untaken, LEASE_TIMER_UNTAKEN);
}

void
lease_port_remove(struct lease_host *host, struct lease_port *port)
{
	assert(port->waiting == 0);
	lease_timer_set(host, &port->late, LEASE_NEVER);
	lease_timer_set(host, &port->untaken, LEASE_NEVER);
	lease_port_to(port, NULL);
}

void
lease_request(struct lease_host *host, struct lease_port *port, struct lease_request *request,
	      uint64_t now_ms)
{
	uint64_t at_ms = request->deadline_ms > now_ms ? request->deadline_ms : now_ms;

	assert(!request->port);
	if (port->state == LEASE_FAULTED && !port->is_late && port->waiting == 0)
		enter_turnaround(host, port, now_ms);
	lease_queue_insert(host, port, request);
	lease_timer_init(&request->timer, LEASE_TIMER_REQUEST);
	lease_timer_set(host, &request->timer, at_ms);
	queue_changed(host, port);
}

void
lease_cancel(struct lease_host *host, struct lease_request *request)
{
	assert(request->port);
	lease_leave(host, request);
}

void
lease_opened(struct lease_host *host, struct lease_port *port, uint64_t token, uint64_t now_ms)
{
	if (!is_alive(port, token) || port->opened)
		return;
	port->opened = true;
	if (host->take_ms < LEASE_NEVER - now_ms)
		port->take_by_ms = now_ms + host->take_ms;
	watch_taking(host, port);
}

int
lease_taken(struct lease_host *host, struct lease_port *port, uint64_t token)
{
	if (!is_alive(port, token))
		return 1;
	port->opened = true;
	port->take_by_ms = LEASE_NEVER;
	watch_taking(host, port);
	return 0;
}

int
lease_end(struct lease_host *host, struct lease_port *port, uint64_t token,
	  enum lease_reason reason, uint64_t now_ms)
{
	assert(reason != LEASE_NONE);
	if (!is_alive(port, token))
		return 1;
	unhold(host, port);
	port->reason = reason;
	enter_turnaround(host, port, now_ms);
	return 0;
}

void
lease_resume(struct lease_host *host, struct lease_port *port, uint64_t token, uint64_t now_ms)
{
	assert(token > 0);
	if (is_alive(port, token)) {
		lease_opened(host, port, token, now_ms);
		return;
	}
	assert(port->state != LEASE_HELD);
	if (host->token < token)
		host->token = token;
	lease_hold(host, port, token, now_ms);
	port->opened = true;
}

void
lease_ready(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	assert(port->state != LEASE_HELD);
	if (port->state == LEASE_TURNAROUND && !port->owes_turnaround)
		lease_enter(host, port, LEASE_FREE, now_ms);
}

void
lease_turnaround(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	assert(port->state != LEASE_HELD);
	enter_turnaround(host, port, now_ms);
}

void
lease_fault(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	assert(port->state != LEASE_HELD);
	lease_enter(host, port, LEASE_FAULTED, now_ms);
}

void
lease_absent(struct lease_host *host, struct lease_port *port, uint64_t now_ms)
{
	assert(port->state != LEASE_HELD);
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
		[LEASE_ABSENT] = "absent", [LEASE_TURNAROUND] = "turnaround", [LEASE_FREE] = "free",
		[LEASE_HELD] = "held",     [LEASE_FAULTED] = "faulted",
	};

	return names[state];
}

const char *
lease_reason_name(enum lease_reason reason)
{
	static const char *const names[] = {
		[LEASE_NONE] = "none",       [LEASE_RELEASED] = "released",
		[LEASE_DIED] = "died",       [LEASE_EXPIRED] = "expired",
		[LEASE_REVOKED] = "revoked", [LEASE_UNPLUGGED] = "unplugged",
		[LEASE_HUNGUP] = "hungup",   [LEASE_FAILED] = "faulted",
	};

	return names[reason];
}
