/*
 * lease_queue.c - who is before whom: one tree of places a port. place_cmp() is the only place that
 * knows the order. Nothing that it looks at changes while a place is in the tree: to rise, a place
 * is taken out and put in again.
 */
#include "lease_internal.h"

#include <assert.h>

#define LEVEL_LAST (-1) /* priority counts no longer */

/* <0: a is granted before b. */
static int
place_cmp(const struct lease_place *a, const struct lease_place *b)
{
	const struct lease_request *x = a->request, *y = b->request;

	if (x->standby != y->standby)
		return x->standby ? 1 : -1;
	if (!x->standby && a->level != b->level)
		return a->level < b->level ? -1 : 1;
	if (!x->standby && a->level > LEVEL_LAST && x->priority != y->priority)
		return x->priority > y->priority ? -1 : 1;
	if (x->since_ms != y->since_ms)
		return x->since_ms < y->since_ms ? -1 : 1;
	return x->arrival < y->arrival ? -1 : x->arrival > y->arrival;
}

LEASE_TREE(lease_queue, lease_place, node, place_cmp)

int
lease_rank(const struct lease_place *place)
{
	return place->rank > 0 ? place->rank : 0;
}

/* How long a level lasts there; LEASE_NEVER: for ever. */
static uint64_t
age_step(const struct lease_place *place)
{
	uint64_t step_ms = place->port->policy.age_step_ms;

	return step_ms == 0 || place->request->standby ? LEASE_NEVER : step_ms;
}

/* Where it stands after the time that it has waited already. */
static void
set_level(struct lease_host *host, struct lease_place *place, uint64_t now_ms)
{
	uint64_t step_ms = age_step(place), since_ms = place->request->since_ms;
	uint64_t steps = step_ms == LEASE_NEVER ? 0 : lease_since(since_ms, now_ms) / step_ms;
	int rank = lease_rank(place);

	place->level = LEVEL_LAST;
	lease_timer_init(&place->rise, LEASE_TIMER_RISE);
	if (steps > (uint64_t)rank)
		return;
	place->level = rank - (int)steps;
	lease_timer_set(host, &place->rise, lease_add(since_ms + steps * step_ms, step_ms));
}

void
lease_queue_insert(struct lease_host *host, struct lease_place *place,
		   struct lease_request *request, uint64_t now_ms)
{
	assert(!place->request);
	place->request = request;
	set_level(host, place, now_ms);
	RB_INSERT(lease_queue, &place->port->queue, place);
	place->port->waiting++;
}

void
lease_queue_remove(struct lease_host *host, struct lease_place *place)
{
	RB_REMOVE(lease_queue, &place->port->queue, place);
	place->port->waiting--;
	lease_timer_set(host, &place->rise, LEASE_NEVER);
	place->request = NULL;
}

void
lease_queue_rise(struct lease_host *host, struct lease_place *place)
{
	struct lease_timer *rise = &place->rise;

	RB_REMOVE(lease_queue, &place->port->queue, place);
	place->level--;
	RB_INSERT(lease_queue, &place->port->queue, place);
	lease_timer_set(host, rise,
			place->level > LEVEL_LAST ? lease_add(rise->at_ms, age_step(place))
						  : LEASE_NEVER);
}

struct lease_place *
lease_first(const struct lease_port *port)
{
	struct lease_queue queue = port->queue; /* the tree macros want it writable */

	return RB_MIN(lease_queue, &queue);
}

struct lease_place *
lease_after(const struct lease_place *place)
{
	assert(place->request);
	return lease_queue_RB_NEXT((struct lease_place *)place);
}

struct lease_place *
lease_place_at(const struct lease_request *request, const struct lease_port *port)
{
	for (size_t i = 0; i < request->place_count; i++)
		if (request->places[i].port == port)
			return &request->places[i];
	return NULL;
}

size_t
lease_ahead(const struct lease_place *place)
{
	struct lease_place *before = (struct lease_place *)place, *after = before;
	size_t n;

	assert(place->request);
	for (n = 0;; n++) {
		if (!(before = lease_queue_RB_PREV(before)))
			return n;
		if (!(after = lease_queue_RB_NEXT(after)))
			return place->port->waiting - 1 - n;
	}
}

bool
lease_all_faulted(const struct lease_request *request)
{
	for (size_t i = 0; i < request->place_count; i++)
		if (request->places[i].port->state != LEASE_FAULTED)
			return false;
	return true;
}

struct lease_request *
lease_doomed(const struct lease_port *port)
{
	struct lease_place *place = lease_first(port);

	while (place && !lease_all_faulted(place->request))
		place = lease_after(place);
	return place ? place->request : NULL;
}
