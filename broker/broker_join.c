/*
 * broker_join.c - nobody queues behind himself: which requests share the holder's lease, which
 * would wait for themselves, and which are strangers and queue.
 *
 * A request for a port that is held is first compared with the holder. The supervisor looks (one
 * request of a port at a time, so that its socket does not fill); the place in the queue counts
 * from when the request came all the same.
 */
#include "broker.h"
#include "kin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Behind a lease: it has to wait, and is told so at once. */
static void
queue_behind(struct request *r)
{
	if (request_queue(r) && r->peer != NULL && r->more && r->wait_ms != 0)
		publish_waiting(r);
}

static void
join(struct request *r)
{
	struct port *port = r->port;
	struct ipc_message m = { .type = IPC_OPEN, .token = port->lease.token };

	r->id = m.id = ++port->broker->ids;
	r->stage = REQUEST_JOINING;
	r->certain = false;
	if (TAILQ_EMPTY(&port->joining) && port->holder->delivered)
		port_expect(port, BROKER_KEEPER_MS);
	TAILQ_INSERT_TAIL(&port->joining, r, entry);
	port_tell(port, &m);
}

/* With those that are being opened. */
static bool
has_room(const struct port *port)
{
	const struct request *r;
	unsigned count = port->holder->descriptions;

	TAILQ_FOREACH (r, &port->joining, entry)
		count++;
	return count < BROKER_DESCRIPTIONS_MAX;
}

/* It belongs to the holder: it shares the lease, or would wait for itself. */
static void
join_or_refuse(struct request *r)
{
	const struct request *holder = r->port->holder;
	char why[512], text[768];

	if (r->uid == holder->uid && has_room(r->port)) {
		join(r);
		return;
	}
	if (request_doubt(r, r->port))
		return;
	describe_why(r->port, why, sizeof(why));
	snprintf(text, sizeof(text), "%s: %s, to whom this process (pid %ld, uid %ld) belongs; %s",
		 r->port->config.name, why, (long)r->pid, (long)r->uid,
		 r->uid == holder->uid
		     ? "he has as many descriptors open as a lease may have"
		     : "under another uid it can't share his lease and would wait for "
		       "itself");
	request_refuse(r, "io.comlease.Deadlock", text, true);
	request_free(r);
}

/* Whoever started before the holder descends from others: that much needs no supervisor. */
static bool
may_descend(const struct request *r, const struct request *holder)
{
	struct peer *p = r->peer;
	struct kin kin;

	if (holder->pidfd < 0 || holder->start_ticks == 0 || p == NULL)
		return true;
	if (p->start_ticks == 0 && kin_look(p->pid, &kin) == 0)
		p->start_ticks = kin.start_ticks;
	return p->start_ticks == 0 || p->start_ticks >= holder->start_ticks;
}

void
request_ask_next(struct port *port)
{
	struct request *r = TAILQ_FIRST(&port->asking);
	struct ipc_message m = { .type = IPC_LOOKUP };

	if (r == NULL || r->id != 0)
		return;
	r->id = m.id = ++port->broker->ids;
	m.token = port->lease.token;
	request_look_closely(port->holder);
	/* A holder that has ended is nobody's ancestor, and his number may be another's now. */
	m.number = (uint64_t)(uint32_t)r->pid << 32;
	if (may_descend(r, port->holder) &&
	    (port->holder->pidfd < 0 || !kin_has_ended(port->holder->pidfd)))
		m.number |= (uint32_t)port->holder->pid;
	memcpy(m.text, port->config.name, sizeof(port->config.name));
	if (ipc_send(event_get_fd(&port->broker->supervisor), &m, -1) < 0)
		request_answered(port, r->id, false);
}

void
request_answered(struct port *port, uint64_t id, bool belongs)
{
	struct request *r = TAILQ_FIRST(&port->asking);

	if (r == NULL || r->id != id)
		return; /* it has gone, or the lease has ended */
	TAILQ_REMOVE(&port->asking, r, entry);
	if (belongs)
		join_or_refuse(r);
	else
		queue_behind(r);
	request_ask_next(port);
}

void
request_stop_asking(struct port *port)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&port->asking)) != NULL) {
		TAILQ_REMOVE(&port->asking, r, entry);
		queue_behind(r);
	}
}

void
request_drop_joined(struct port *port)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&port->joined)) != NULL)
		request_gone(r);
}

static bool
shows_key(const struct request *r, const struct request *holder)
{
	return *r->key != '\0' && strcmp(r->key, holder->key) == 0;
}

/* Who asks for any port of a pool shares only what he shows the key of: his other leases are not
 * what he asks for. */
static void
route_pool(struct request *r)
{
	const struct config_pool *pool = config_find_pool(&r->broker->config, r->pool);
	struct port *port;

	TAILQ_FOREACH (port, &r->broker->ports, entry)
		if (lease_is_held(&port->lease) && shows_key(r, port->holder) && pool != NULL &&
		    pool_has(pool, port)) {
			r->port = port;
			join_or_refuse(r);
			return;
		}
	request_queue(r);
}

void
request_route(struct request *r)
{
	struct port *port = r->port;
	const struct request *holder = port->holder;

	if (*r->pool != '\0') {
		route_pool(r);
	} else if (!lease_is_held(&port->lease)) {
		request_queue(r);
	} else if ((r->pid == holder->pid && r->uid == holder->uid) || shows_key(r, holder)) {
		join_or_refuse(r);
	} else {
		r->id = 0;
		r->stage = REQUEST_ASKING;
		TAILQ_INSERT_TAIL(&port->asking, r, entry);
		request_ask_next(port);
	}
}

void
request_rejoin(struct port *port)
{
	struct requests joining = TAILQ_HEAD_INITIALIZER(joining);
	struct request *r;

	TAILQ_CONCAT(&joining, &port->joining, entry);
	while ((r = TAILQ_FIRST(&joining)) != NULL) {
		TAILQ_REMOVE(&joining, r, entry);
		request_route(r);
	}
}

void
request_join_kin(const struct request *holder)
{
	struct port *port = holder->port;
	struct requests *kin = request_kin(holder);
	struct request *r, *next;

	for (r = TAILQ_FIRST(kin); r != NULL; r = next) {
		next = TAILQ_NEXT(r, kin);
		if (r->pid != holder->pid || r->uid != holder->uid)
			continue;
		request_leave(r);
		join_or_refuse(r);
		if (port->holder != holder)
			break;
	}
}
