/*
 * broker_pool.c - which ports a request may have, and by which rules it waits there: its places in
 * the core's queues. A request for one port has one place, a request for a pool has one at each of
 * the pool's ports that its client may ask for. It refuses to know which of them it will get.
 *
 * The tricky idea: membership is never remembered but in the places themselves. Whatever changes it
 * (ports that come and go, ids that a keeper reads from a device, a reload), pool_changed() works
 * the places out anew, and touches only the requests whose places are others now; they keep the
 * time since when they wait, and so their place in the order.
 */
#include "broker.h"
#include "class.h"
#include "clock.h"
#include "log.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define NEVER_MS(seconds) ((seconds) == CONFIG_NEVER ? LEASE_NEVER : (uint64_t)(seconds)*1000)

bool
pool_has(const struct config_pool *pool, const struct port *port)
{
	uint32_t i;

	switch (pool->match) {
	case CONFIG_MATCH_PORTS:
		for (i = 0; i < pool->port_count; i++)
			if (strcmp(pool->ports[i], port->config.name) == 0)
				return true;
		return false;
	case CONFIG_MATCH_USB:
		return strncmp(port->identity, "usb:", 4) == 0 &&
		       fnmatch(pool->pattern, port->identity + 4, 0) == 0;
	case CONFIG_MATCH_TAG:
		return strcmp(pool->pattern, port->config.tag) == 0;
	case CONFIG_MATCH_PATH:
		return fnmatch(pool->pattern, port->config.device, 0) == 0 ||
		       (port->last_node[0] != '\0' &&
			fnmatch(pool->pattern, port->last_node, 0) == 0);
	}
	return false;
}

/* ---- places ---- */

static bool
is_member(const struct request *r, const struct config_pool *pool, const struct port *port)
{
	if (*r->pool == '\0')
		return port == r->port;
	return pool != NULL && pool_has(pool, port);
}

static bool
may_have(const struct request *r, const struct port *port)
{
	return *r->pool == '\0' || access_peer_may_ask(r->peer, port, r->pool);
}

/* Room for so many; fewer if there is no memory. */
static struct lease_place *
room(struct request *r, size_t count)
{
	struct lease_place *grown;

	if (count <= r->place_max)
		return r->core.places;
	grown = calloc(count, sizeof(*grown));
	if (grown == NULL)
		return r->core.places;
	free(r->grown);
	r->place_max = count;
	return r->core.places = r->grown = grown;
}

/* The port's rules bound what was asked for; of a pool, those of the strictest port. */
static void
obey(struct request *r, const struct port *port)
{
	const char *pool = *r->pool != '\0' ? r->pool : NULL;
	uint64_t hold_ms = NEVER_MS(class_max_hold_s(&port->config, r->class));
	uint64_t grace_ms = NEVER_MS(port->config.yield_grace_s);
	int top = access_top_priority(r->peer, port, pool);

	if (r->core.max_hold_ms > hold_ms)
		r->core.max_hold_ms = hold_ms;
	if (r->core.grace_ms > grace_ms)
		r->core.grace_ms = grace_ms;
	if (r->core.priority > top)
		r->core.priority = top;
}

static void
add_place(struct request *r, struct port *port)
{
	r->core.places[r->core.place_count++] = (struct lease_place){
		.port = &port->lease,
		.rank = (int)class_rank(&port->config, r->class),
	};
	obey(r, port);
}

bool
request_place(struct request *r)
{
	struct broker *b = r->broker;
	const struct config_pool *pool = config_find_pool(&b->config, r->pool);
	bool some = false;
	struct port *port;
	size_t count = 0;

	if (*r->pool != '\0')
		TAILQ_FOREACH (port, &b->ports, entry)
			count++;
	room(r, count);
	r->core.place_count = 0;
	r->core.priority = r->priority;
	r->core.max_hold_ms = r->max_hold_ms < 0 ? LEASE_NEVER : (uint64_t)r->max_hold_ms;
	r->core.grace_ms = r->grace_ms < 0 ? LEASE_NEVER : (uint64_t)r->grace_ms;
	if (*r->pool == '\0') {
		add_place(r, r->port);
		return true;
	}
	TAILQ_FOREACH (port, &b->ports, entry) {
		if (!is_member(r, pool, port))
			continue;
		some = true;
		if (may_have(r, port) && r->core.place_count < r->place_max)
			add_place(r, port);
	}
	request_look_ahead(r);
	return r->core.place_count > 0 || !some;
}

bool
request_is_placed(const struct request *r)
{
	const struct config_pool *pool = config_find_pool(&r->broker->config, r->pool);
	const struct lease_place *place = r->core.places;
	size_t n = 0;
	struct port *port;

	TAILQ_FOREACH (port, &r->broker->ports, entry) {
		if (!is_member(r, pool, port) || !may_have(r, port))
			continue;
		if (n == r->core.place_count || place[n].port != &port->lease ||
		    place[n].rank != (int)class_rank(&port->config, r->class))
			return false;
		n++;
	}
	return n == r->core.place_count && (*r->pool == '\0' || pool != NULL);
}

/* ---- for display ---- */

/* The lower, the sooner. */
static int
prospect(const struct port *port)
{
	static const int order[] = {
		[LEASE_FREE] = 0,   [LEASE_TURNAROUND] = 1, [LEASE_YIELDING] = 2,
		[LEASE_HELD] = 3,   [LEASE_DISABLED] = 5,   [LEASE_FOREIGN] = 6,
		[LEASE_ABSENT] = 7, [LEASE_FAULTED] = 8,
	};

	return order[port->lease.state] + (port->lease.state == LEASE_HELD && port->lease.busy);
}

void
request_look_ahead(struct request *r)
{
	struct port *best = NULL, *port;
	size_t i;

	if (*r->pool == '\0')
		return;
	for (i = 0; i < r->core.place_count; i++) {
		port = (struct port *)r->core.places[i].port;
		if (r->core.promised == &port->lease) {
			r->port = port;
			return;
		}
		if (best == NULL || prospect(port) < prospect(best))
			best = port;
	}
	r->port = best != NULL ? best : TAILQ_FIRST(&r->broker->ports);
}

/* ---- changes ---- */

static size_t
count_waiting(const struct broker *b)
{
	const struct port *port;
	const struct request *r;
	size_t count = 0;

	TAILQ_FOREACH (port, &b->ports, entry)
		count += port->lease.waiting;
	TAILQ_FOREACH (r, &b->unplaced, entry)
		count++;
	return count;
}

/* Each request stands at its first place only. */
static size_t
list_misplaced(struct broker *b, struct request **list)
{
	const struct lease_place *place;
	struct port *port;
	struct request *r;
	size_t n = 0;

	TAILQ_FOREACH (port, &b->ports, entry)
		for (place = lease_first(&port->lease); place != NULL; place = lease_after(place)) {
			r = (struct request *)place->request;
			if (place == r->core.places && !request_is_placed(r))
				list[n++] = r;
		}
	TAILQ_FOREACH (r, &b->unplaced, entry)
		if (!request_is_placed(r))
			list[n++] = r;
	return n;
}

static int
by_age(const void *a, const void *b)
{
	const struct request *x = *(struct request *const *)a, *y = *(struct request *const *)b;

	if (x->core.since_ms != y->core.since_ms)
		return x->core.since_ms < y->core.since_ms ? -1 : 1;
	return (x->core.arrival > y->core.arrival) - (x->core.arrival < y->core.arrival);
}

void
pool_changed(struct broker *b)
{
	size_t count = count_waiting(b), i;
	struct request **list = count > 0 ? calloc(count, sizeof(struct request *)) : NULL;

	if (list == NULL) {
		if (count > 0)
			log_line("places error=no memory");
		return;
	}
	count = list_misplaced(b, list);
	qsort(list, count, sizeof(struct request *), by_age);
	for (i = 0; i < count; i++)
		request_place_anew(list[i]);
	free(list);
}
