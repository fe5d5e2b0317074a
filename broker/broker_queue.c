/*
 * broker_queue.c - a request into the core's queues and out of them. It knows how long somebody who
 * does not want to wait waits all the same; which ports are a request's it leaves to broker_pool.c,
 * and who is granted to the core.
 *
 * The tricky idea: a pool may have no port at the moment (nothing like it is plugged in). Such a
 * request stands in no queue of the core, which knows no port for it, but in a list of its own,
 * until pool_changed() places it or its time is over.
 */
#include "broker.h"
#include "clock.h"
#include "kin.h"

#include <stdio.h>
#include <string.h>

/* ---- until when ---- */

/* Waiting for it is waiting for somebody else, or for the device: not for our own work. */
static bool
is_hopeless(const struct port *port)
{
	switch (port->lease.state) {
	case LEASE_HELD:
	case LEASE_YIELDING:
	case LEASE_ABSENT:
	case LEASE_DISABLED:
		return true;
	case LEASE_FOREIGN:
		return !foreign_is_looking(port);
	case LEASE_FREE:
	case LEASE_TURNAROUND:
	case LEASE_FAULTED:
		break;
	}
	return false;
}

/* How long our own work may take there before it can be granted; 0: it can't be, or could be now.
 */
static uint64_t
work_ms(const struct port *port, uint64_t now)
{
	const struct config_port *config = &port->config;

	if (is_hopeless(port) || port->lease.waiting > 0)
		return 0;
	if (port->lease.state == LEASE_FREE && now >= port->broker->hold_until_ms)
		return 0;
	return (uint64_t)config->hangup_ms + config->settle_ms + config->drain_ms +
	       config->quiet_ms + (*config->init != '\0' ? 3 * config->init_timeout_ms : 0) +
	       BROKER_HOLD_MS + BROKER_KEEPER_MS;
}

/* Who does not want to wait still waits for the cleaning after the last one, as long as nobody is
 * before him: that is nobody's being there, only our own work. */
static uint64_t
deadline(const struct request *r, uint64_t now)
{
	uint64_t most_ms = 0, ms;
	size_t i;

	if (r->wait_ms != 0)
		return r->until_ms;
	for (i = 0; i < r->core.place_count; i++) {
		ms = work_ms((const struct port *)r->core.places[i].port, now);
		most_ms = ms > most_ms ? ms : most_ms;
	}
	return now + most_ms;
}

/* ---- in and out ---- */

struct requests *
request_kin(const struct request *r)
{
	return &r->port->kin[(unsigned)r->pid % BROKER_KIN_BUCKETS];
}

void
request_dequeued(struct request *r)
{
	if (*r->pool == '\0')
		TAILQ_REMOVE(request_kin(r), r, kin);
}

static void
enter(struct request *r, uint64_t deadline_ms)
{
	struct broker *b = r->broker;

	r->core.deadline_ms = deadline_ms;
	if (r->core.place_count > 0)
		lease_request(&b->host, &r->core, broker_now_ms(b));
	else
		TAILQ_INSERT_TAIL(&b->unplaced, r, entry);
}

static void
withdraw(struct request *r)
{
	if (r->core.place_count > 0)
		lease_cancel(&r->broker->host, &r->core);
	else
		TAILQ_REMOVE(&r->broker->unplaced, r, entry);
}

void
request_leave(struct request *r)
{
	withdraw(r);
	request_dequeued(r);
}

/* ---- a request comes ---- */

static bool
is_full(const struct request *r)
{
	const struct port *port;
	size_t i;

	for (i = 0; i < r->core.place_count; i++) {
		port = (const struct port *)r->core.places[i].port;
		if (port->lease.waiting < port->config.queue_max)
			return false;
	}
	return r->core.place_count > 0;
}

static bool
refuse(struct request *r, const char *error, const char *text, bool with_holder)
{
	request_refuse(r, error, text, with_holder);
	request_free(r);
	return false;
}

static bool
refuse_full(struct request *r)
{
	char text[224];

	if (*r->pool != '\0')
		snprintf(text, sizeof(text),
			 "%s: as many wait for each port of the pool as max-waiters allows",
			 r->pool);
	else
		snprintf(text, sizeof(text), "%s: %zu wait already, as many as max-waiters allows",
			 r->port->config.name, r->port->lease.waiting);
	return refuse(r, "io.comlease.QueueFull", text, false);
}

static bool
refuse_deadlock(struct request *r, const struct port *own)
{
	char why[512], whose[512], text[1400];

	describe_why(r->port, why, sizeof(why));
	describe_why(own, whose, sizeof(whose));
	if (*r->pool != '\0')
		snprintf(text, sizeof(text),
			 "%s: each port of this pool is held by this process, or by somebody who "
			 "waits for it: %s is %s; let go of it first",
			 r->pool, own->config.name, whose);
	else
		snprintf(text, sizeof(text),
			 "%s: %s, who waits in turn for %s, %s: each would wait for the other for "
			 "ever; let go of %s first",
			 r->port->config.name, why, own->config.name, whose, own->config.name);
	return refuse(r, "io.comlease.Deadlock", text, true);
}

/* Does its client have the port himself, outside comlease? So it is with a lease that has outlived
 * all of comleased, and with a descriptor from before it. */
static bool
has_it_outside(const struct request *r)
{
	const struct port *port = r->port;
	struct kin kin;

	return *r->pool == '\0' && port->lease.state == LEASE_FOREIGN && r->pid > 0 &&
	       port->foreign.pid == r->pid &&
	       (kin_look(r->pid, &kin) < 0 || kin.start_ticks == port->foreign.start_ticks);
}

static bool
refuse_own(struct request *r)
{
	char why[512], text[768];

	describe_why(r->port, why, sizeof(why));
	snprintf(
	    text, sizeof(text),
	    "%s: %s: that is this process itself, which would wait for ever; let go of it first",
	    r->port->config.name, why);
	return refuse(r, "io.comlease.Deadlock", text, true);
}

/* All its ports are login terminals, which nobody gives up. */
static bool
is_in_vain_for_ever(const struct request *r)
{
	size_t i;

	for (i = 0; i < r->core.place_count; i++)
		if (!foreign_is_login((const struct port *)r->core.places[i].port))
			return false;
	return r->core.place_count > 0;
}

static bool
refuse_login(struct request *r)
{
	char why[512], text[768];

	describe_why(r->port, why, sizeof(why));
	snprintf(text, sizeof(text), "%s: %s", r->port->config.name, why);
	return refuse(r, "io.comlease.OpenFailed", text, false);
}

void
request_give_up(struct port *port)
{
	struct lease_place *place, *next;
	struct request *r;
	char why[512];

	for (place = lease_first(&port->lease); place != NULL; place = next) {
		next = lease_after(place);
		r = (struct request *)place->request;
		if (!is_in_vain_for_ever(r))
			continue;
		request_leave(r);
		r->port = port;
		describe_why(port, why, sizeof(why));
		request_failed(r, why);
	}
}

bool
request_queue(struct request *r)
{
	struct broker *b = r->broker;
	const struct port *own;
	char text[128];
	size_t i;

	if (!request_place(r)) {
		request_deny(r);
		return false;
	}
	if (r->core.place_count == 0 && r->wait_ms == 0) {
		snprintf(text, sizeof(text), "%s: this pool has no port at the moment", r->pool);
		return refuse(r, "io.comlease.Absent", text, false);
	}
	if (is_in_vain_for_ever(r))
		return refuse_login(r);
	if (is_full(r))
		return refuse_full(r);
	if (r->wait_ms != 0 && has_it_outside(r))
		return request_doubt(r, r->port) ? false : refuse_own(r);
	own = r->wait_ms == 0 ? NULL : request_would_deadlock(r);
	if (own != NULL)
		return request_doubt(r, NULL) ? false : refuse_deadlock(r, own);
	r->certain = false;
	r->stage = REQUEST_WAITING;
	if (*r->pool == '\0')
		TAILQ_INSERT_TAIL(request_kin(r), r, kin);
	enter(r, deadline(r, clock_now_ms()));
	publish_note(b, &(struct publish_event){ .event = "request",
						 .port = r->port,
						 .request = r,
						 .waited_ms = -1,
						 .held_ms = -1 });
	for (i = 0; i < r->core.place_count; i++)
		publish_port((struct port *)r->core.places[i].port);
	return true;
}

/* ---- while it waits ---- */

bool
request_place_anew(struct request *r)
{
	char why[128];

	withdraw(r);
	if (*r->pool != '\0' && config_find_pool(&r->broker->config, r->pool) == NULL) {
		snprintf(why, sizeof(why), "pool %s is no longer configured", r->pool);
		request_failed(r, why);
		return false;
	}
	if (TAILQ_EMPTY(&r->broker->ports)) {
		request_failed(r, "no port is configured any more");
		return false;
	}
	if (!request_place(r)) {
		request_deny(r);
		return false;
	}
	enter(r, r->core.deadline_ms);
	return true;
}

/* None of its ports is worth waiting for. */
static bool
is_waiting_in_vain(const struct request *r)
{
	size_t i;

	for (i = 0; i < r->core.place_count; i++)
		if (!is_hopeless((const struct port *)r->core.places[i].port))
			return false;
	return true;
}

void
request_hasten(struct port *port)
{
	uint64_t now = broker_now_ms(port->broker);
	struct lease_place *place, *next;
	struct request *r;

	if (!is_hopeless(port) || lease_is_held(&port->lease))
		return;
	for (place = lease_first(&port->lease); place != NULL; place = next) {
		next = lease_after(place);
		r = (struct request *)place->request;
		if (r->wait_ms != 0 || r->core.deadline_ms <= now || !is_waiting_in_vain(r))
			continue;
		withdraw(r);
		enter(r, now);
	}
}

void
request_requeue(struct request *r)
{
	r->stage = REQUEST_NEW;
	r->delivered = false;
	r->since_real_ms = clock_real_ms() - (int64_t)(clock_now_ms() - r->core.since_ms);
	request_queue(r);
}

uint64_t
request_unplaced_due(struct broker *b, uint64_t now_ms)
{
	uint64_t next_ms = LEASE_NEVER;
	struct request *r, *next;

	for (r = TAILQ_FIRST(&b->unplaced); r != NULL; r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->until_ms > now_ms) {
			next_ms = r->until_ms < next_ms ? r->until_ms : next_ms;
			continue;
		}
		TAILQ_REMOVE(&b->unplaced, r, entry);
		request_timed_out(r);
		next = TAILQ_FIRST(&b->unplaced); /* who knows who went with it */
		next_ms = LEASE_NEVER;
	}
	return next_ms;
}
