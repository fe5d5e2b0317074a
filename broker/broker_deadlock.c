/*
 * broker_deadlock.c - two holders that wait for each other's port, directly or through others.
 * Looks at the queues and changes nothing in them.
 *
 * The idea: "blocked" are the ports that will not be let go of before the asker has got what he
 * asks for: those that he (or a process that waits for him, an ancestor) holds; and, step by step,
 * those whose holder (or a descendant, for which he waits) waits for blocked ports only. If all
 * that is asked for is blocked, it would never come.
 */
#include "broker.h"
#include "kin.h"

#define ANCESTORS_MAX 64
#define LOOKS_MAX     64 /* descents looked up in /proc for one request: that costs */

struct asker {
	const struct request *request;
	pid_t ancestors[ANCESTORS_MAX]; /* himself first */
	size_t ancestor_count;
	unsigned looks;
};

static bool
waits_for_holder(const struct request *r)
{
	size_t i;

	for (i = 0; i < r->core.place_count; i++)
		if (!lease_is_held(r->core.places[i].port))
			return false;
	return r->core.place_count > 0;
}

/* Somebody waits there for whoever holds it, and may wait for the asker. */
static bool
matters(const struct port *port, const struct request *r)
{
	if (!lease_is_held(&port->lease))
		return false;
	return *r->pool != '\0' || (port->lease.waiting > 0 && port != r->port);
}

static void
look_up_ancestors(struct asker *asker)
{
	pid_t pid = asker->request->pid;
	struct kin kin;

	asker->ancestors[asker->ancestor_count++] = pid;
	while (asker->ancestor_count < ANCESTORS_MAX && kin_look(pid, &kin) == 0 &&
	       kin.parent > 1) {
		pid = kin.parent;
		asker->ancestors[asker->ancestor_count++] = pid;
	}
}

/* Does the asker, or one who waits for him, hold it? A holder that has ended is nobody's ancestor.
 */
static bool
is_held_by(const struct port *port, const struct asker *asker)
{
	const struct request *holder = port->holder;
	size_t i;

	if (holder->pidfd >= 0 && kin_has_ended(holder->pidfd))
		return false;
	for (i = 0; i < asker->ancestor_count; i++)
		if (asker->ancestors[i] == holder->pid)
			return true;
	return false;
}

static const struct port *
mark_own(struct broker *b, struct asker *asker)
{
	const struct port *own = NULL;
	struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry) {
		port->blocked = false;
		if (!matters(port, asker->request))
			continue;
		if (asker->ancestor_count == 0)
			look_up_ancestors(asker);
		port->blocked = is_held_by(port, asker);
		if (port->blocked && own == NULL)
			own = port;
	}
	return own;
}

static bool
all_blocked(const struct request *r)
{
	size_t i;

	for (i = 0; i < r->core.place_count; i++)
		if (!((const struct port *)r->core.places[i].port)->blocked)
			return false;
	return true;
}

static bool
is_his(const struct request *waiter, const struct request *holder, struct asker *asker)
{
	if (waiter->pid == holder->pid)
		return waiter->uid == holder->uid;
	return asker->looks < LOOKS_MAX && asker->looks++ < LOOKS_MAX &&
	       kin_is_descendant(waiter->pid, holder->pid);
}

/* Does the holder wait for blocked ports only? */
static bool
is_blocked(const struct broker *b, const struct request *holder, struct asker *asker)
{
	const struct lease_place *place;
	const struct request *waiter;
	const struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry) {
		if (!port->blocked)
			continue;
		for (place = lease_first(&port->lease); place != NULL; place = lease_after(place)) {
			waiter = (const struct request *)place->request;
			if (is_his(waiter, holder, asker) && all_blocked(waiter))
				return true;
		}
	}
	return false;
}

static bool
spread(struct broker *b, struct asker *asker)
{
	bool more = false;
	struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry)
		if (!port->blocked && lease_is_held(&port->lease) &&
		    is_blocked(b, port->holder, asker))
			port->blocked = more = true;
	return more;
}

const struct port *
request_would_deadlock(const struct request *r)
{
	struct asker asker = { .request = r };
	const struct port *own;

	if (!waits_for_holder(r))
		return NULL;
	own = mark_own(r->broker, &asker);
	if (own == NULL)
		return NULL;
	while (!all_blocked(r) && spread(r->broker, &asker))
		;
	return all_blocked(r) ? own : NULL;
}
