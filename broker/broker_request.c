/*
 * broker_request.c - a request from Acquire to its one outcome: joined to the lease of those it
 * belongs to, queued, granted, attached, or refused. It knows what a client is told, not how a
 * keeper works.
 *
 * The order of things: a request for a port that is held is first compared with the holder (the
 * supervisor looks, one request of a port at a time), since a process must not queue behind itself;
 * its place in the queue counts from when it asked all the same.
 */
#include "broker.h"
#include "clock.h"
#include "kin.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- the client's side ---- */

/* The request is answered: the client may ask for something else. */
static void
detach(struct request *r)
{
	struct peer *p = r->peer;

	r->peer = NULL;
	if (p != NULL && p->request == r)
		p->request = NULL;
}

static void
close_all(struct request *r)
{
	if (r->fd >= 0)
		close(r->fd);
	if (r->pidfd >= 0)
		close(r->pidfd);
	if (r->stat >= 0)
		close(r->stat);
	r->fd = r->pidfd = r->stat = -1;
}

void
request_free(struct request *r)
{
	publish_notes(r->broker); /* it may stand there */
	detach(r);
	close_all(r);
	free(r->grown);
	free(r);
}

void
request_free_later(struct request *r)
{
	close_all(r);
	TAILQ_INSERT_TAIL(&r->broker->over, r, entry);
}

void
request_look(struct request *r)
{
	if (r->pidfd < 0)
		r->pidfd = r->peer != NULL ? peer_pidfd(r->peer) : kin_pidfd(r->pid);
	if (r->stat < 0)
		r->stat = kin_stat(r->pid);
}

void
request_look_closely(struct request *r)
{
	request_look(r);
	if (r->start_ticks == 0 && r->stat >= 0)
		r->start_ticks = kin_start_ticks(r->stat);
}

void
request_refuse(struct request *r, const char *error, const char *message, bool with_holder)
{
	struct port *port = r->port;
	struct peer *p = r->peer;
	json_t *parameters;
	const char *name =
	    r->core.place_count == 0 && *r->pool != '\0' ? r->pool : port->config.name;

	detach(r);
	if (p == NULL)
		return;
	if (!with_holder) {
		service_error(p, error, json_pack("{s:s, s:s}", "port", name, "message", message));
		return;
	}
	parameters =
	    json_pack("{s:s, s:s, s:o*, s:I}", "port", port->config.name, "message", message,
		      "holder", port->holder == NULL ? NULL : describe_lease(port, port->holder),
		      "waiting", (json_int_t)port->lease.waiting);
	service_error(p, error, parameters);
}

static void
note_leave(const struct request *r, const char *reason)
{
	publish_event(r->broker,
		      &(struct publish_event){ .event = "leave",
					       .port = r->port,
					       .request = r,
					       .reason = reason,
					       .waited_ms = clock_real_ms() - r->since_real_ms,
					       .held_ms = -1 });
}

/* It may not have what it asks for. */
void
request_deny(struct request *r)
{
	struct peer *p = r->peer;

	detach(r);
	if (p != NULL)
		service_error(p, VARLINK_ERROR("PermissionDenied"), json_object());
	request_free(r);
}

void
request_failed(struct request *r, const char *why)
{
	char text[IPC_TEXT_MAX + 128];

	snprintf(text, sizeof(text), "%s: %s", r->port->config.name,
		 *why != '\0' ? why : "the device can't be used");
	note_leave(r, "failed");
	request_refuse(r, "io.comlease.OpenFailed", text, false);
	request_free(r);
}

void
request_revoked(struct request *r)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: taken back before its descriptor came",
		 r->port->config.name);
	note_leave(r, "revoked");
	request_refuse(r, "io.comlease.Revoked", text, false);
	request_free(r);
}

/* To those that it could have. */
static void
publish_ports(const struct request *r)
{
	size_t i;

	for (i = 0; i < r->core.place_count; i++)
		publish_port((struct port *)r->core.places[i].port);
}

/* "modem0", or "modem1 (of pool modem)". */
static const char *
target(const struct request *r, char text[160])
{
	if (r->core.place_count == 0)
		snprintf(text, 160, "%s", r->pool);
	else if (*r->pool != '\0')
		snprintf(text, 160, "%s (of pool %s)", r->port->config.name, r->pool);
	else
		snprintf(text, 160, "%s", r->port->config.name);
	return text;
}

void
request_timed_out(struct request *r)
{
	const struct port *port;
	char name[160], why[512], text[768];
	bool absent;

	request_look_ahead(r);
	port = r->port;
	absent = r->core.place_count == 0 || port->lease.state == LEASE_ABSENT;
	if (r->core.place_count == 0)
		snprintf(why, sizeof(why), "this pool has no port at the moment");
	else
		describe_why(port, why, sizeof(why));
	note_leave(r, "timeout");
	publish_ports(r);
	if (absent || r->wait_ms == 0)
		snprintf(text, sizeof(text), "%s: %s", target(r, name), why);
	else
		snprintf(text, sizeof(text), "%s: not to be had within %.3g s: %s", target(r, name),
			 (double)r->wait_ms / 1000, why);
	if (absent)
		request_refuse(r, "io.comlease.Absent", text, false);
	else
		request_refuse(r, r->wait_ms == 0 ? "io.comlease.Busy" : "io.comlease.TimedOut",
			       text, true);
	request_free(r);
}

/* ---- a new one ---- */

/* How long it says that it has waited: believed for a while after a restart, when clients come back
 * that were in the old queue. What each said lay unread for another time until we served: so when
 * it began is more exact, as long as it does not contradict (in a time namespace it may). */
static uint64_t
since(const struct broker *b, const struct request_wish *wish, uint64_t now)
{
	uint64_t waited_ms, began_ms = (uint64_t)wish->since_ms;

	if (wish->waited_ms <= 0 || now >= b->returns_until_ms)
		return now;
	waited_ms = (uint64_t)wish->waited_ms < now ? (uint64_t)wish->waited_ms : now;
	if (wish->since_ms >= 0 && began_ms <= now - waited_ms &&
	    now - waited_ms - began_ms <= BROKER_RETURN_MS)
		return began_ms;
	return now - waited_ms;
}

static struct request *
new_request(struct broker *b, struct peer *peer, const struct request_wish *wish)
{
	size_t ports = wish->pool != NULL ? b->config.port_count : 1;
	struct request *r = calloc(1, sizeof(*r) + ports * sizeof(r->places[0]));
	uint64_t now = clock_now_ms();

	if (r == NULL)
		return NULL;
	r->broker = b;
	r->port = wish->port != NULL ? wish->port : TAILQ_FIRST(&b->ports);
	r->place_max = ports;
	r->core.places = r->places;
	r->pid = peer->pid;
	r->uid = peer->uid;
	r->fd = r->pidfd = r->stat = -1;
	r->told.ahead = -1;
	r->wait_ms = wish->wait_ms;
	r->until_ms = wish->wait_ms < 0 ? LEASE_NEVER : now + (uint64_t)wish->wait_ms;
	r->max_hold_ms = wish->max_hold_ms;
	r->grace_ms = wish->grace_ms;
	r->priority = wish->priority;
	r->more = wish->more;
	r->core.standby = wish->standby;
	r->core.since_ms = since(b, wish, now);
	r->since_real_ms = clock_real_ms() - (int64_t)(now - r->core.since_ms);
	snprintf(r->label, sizeof(r->label), "%s", wish->label != NULL ? wish->label : "");
	snprintf(r->key, sizeof(r->key), "%s", wish->key != NULL ? wish->key : "");
	snprintf(r->class, sizeof(r->class), "%s", wish->class != NULL ? wish->class : "");
	snprintf(r->pool, sizeof(r->pool), "%s", wish->pool != NULL ? wish->pool->name : "");
	if (peer->command[0] == '\0')
		kin_command(peer->pid, peer->command, sizeof(peer->command));
	log_escape(peer->command, r->command, sizeof(r->command));
	return r;
}

/* A port that its client may ask for; NULL: there are only others. */
static struct port *
first_port(const struct request *r, const struct request_wish *wish)
{
	bool some = false;
	struct port *port;

	if (wish->port != NULL)
		return access_peer_may_ask(r->peer, wish->port, NULL) ? wish->port : NULL;
	TAILQ_FOREACH (port, &r->broker->ports, entry) {
		if (!pool_has(wish->pool, port))
			continue;
		some = true;
		if (access_peer_may_ask(r->peer, port, r->pool))
			return port;
	}
	return some ? NULL : r->port;
}

static void
refuse_new(struct peer *peer, const struct request_wish *wish, const char *error, const char *why)
{
	const char *name = wish->port != NULL ? wish->port->config.name : wish->pool->name;
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", name, why);
	service_error(peer, error, json_pack("{s:s, s:s}", "port", name, "message", text));
}

void
request_new(struct broker *b, struct peer *peer, const struct request_wish *wish)
{
	struct request *r;

	if (TAILQ_EMPTY(&b->ports)) {
		refuse_new(peer, wish, "io.comlease.Absent", "no port is configured");
		return;
	}
	r = new_request(b, peer, wish);
	if (r == NULL) {
		refuse_new(peer, wish, "io.comlease.OpenFailed", "the broker has no memory");
		return;
	}
	if (peer->request != NULL)
		request_gone(peer->request);
	r->peer = peer;
	peer->request = r;
	r->port = first_port(r, wish);
	if (r->port == NULL) {
		r->port = wish->port != NULL ? wish->port : TAILQ_FIRST(&b->ports);
		request_deny(r);
		return;
	}
	if (*r->class == '\0')
		access_class(peer, r->port, peer->command, r->class);
	request_route(r);
}

/* ---- the client has gone ---- */

void
request_gone(struct request *r)
{
	struct port *port = r->port;

	if (r->stage == REQUEST_GRANTED)
		request_look(r); /* as long as its connection tells who it is */
	detach(r);
	switch (r->stage) {
	case REQUEST_ASKING:
		TAILQ_REMOVE(&port->asking, r, entry);
		request_free(r);
		if (lease_is_held(&port->lease))
			request_ask_next(port);
		break;
	case REQUEST_JOINING:
		TAILQ_REMOVE(&port->joining, r, entry);
		request_free(r);
		break;
	case REQUEST_WAITING:
		request_leave(r);
		note_leave(r, "gone");
		publish_ports(r);
		request_free(r);
		break;
	case REQUEST_GRANTED:
		if (r->fd >= 0)
			close(r->fd); /* the roster sees it */
		r->fd = -1;
		break;
	case REQUEST_JOINED:
		TAILQ_REMOVE(&port->joined, r, entry);
		request_free(r);
		break;
	case REQUEST_DOUBTED:
		TAILQ_REMOVE(&r->broker->doubted, r, entry);
		request_free(r);
		break;
	case REQUEST_NEW:
		request_free(r);
		break;
	}
}
