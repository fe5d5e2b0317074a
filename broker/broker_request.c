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
	publish_notes(r->port->broker); /* it may stand there */
	detach(r);
	close_all(r);
	free(r);
}

void
request_free_later(struct request *r)
{
	close_all(r);
	TAILQ_INSERT_TAIL(&r->port->broker->over, r, entry);
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
request_refuse(struct request *r, const char *error, const char *message, bool with_holder)
{
	struct port *port = r->port;
	struct peer *p = r->peer;
	json_t *parameters;

	detach(r);
	if (p == NULL)
		return;
	if (!with_holder) {
		service_error_port(p, error, port, message);
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
	publish_event(r->port->broker,
		      &(struct publish_event){ .event = "leave",
					       .port = r->port,
					       .request = r,
					       .reason = reason,
					       .waited_ms = clock_real_ms() - r->since_real_ms,
					       .held_ms = -1 });
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

void
request_timed_out(struct request *r)
{
	const struct port *port = r->port;
	char why[512], text[768];

	describe_why(port, why, sizeof(why));
	note_leave(r, "timeout");
	publish_port(r->port);
	if (port->lease.state == LEASE_ABSENT) {
		snprintf(text, sizeof(text), "%s: %s", port->config.name, why);
		request_refuse(r, "io.comlease.Absent", text, false);
	} else if (r->wait_ms == 0) {
		snprintf(text, sizeof(text), "%s: %s", port->config.name, why);
		request_refuse(r, "io.comlease.Busy", text, true);
	} else {
		snprintf(text, sizeof(text), "%s: not to be had within %.3g s: %s",
			 port->config.name, (double)r->wait_ms / 1000, why);
		request_refuse(r, "io.comlease.TimedOut", text, true);
	}
	request_free(r);
}

/* ---- into the queue ---- */

/* Until when. Who does not want to wait still waits for the cleaning after the last one, as long as
 * nobody is before him: that is nobody's being there, only our own work. */
static uint64_t
deadline(const struct request *r, uint64_t now)
{
	const struct port *port = r->port;

	if (r->wait_ms != 0)
		return r->until_ms;
	if (port->lease.state == LEASE_HELD || port->lease.state == LEASE_ABSENT ||
	    port->lease.waiting > 0)
		return now;
	if (port->lease.state == LEASE_FREE && now >= port->broker->hold_until_ms)
		return now;
	return now + port->config.hangup_ms + port->config.settle_ms + port->config.drain_ms +
	       BROKER_HOLD_MS + BROKER_KEEPER_MS;
}

struct requests *
request_kin(const struct request *r)
{
	return &r->port->kin[(unsigned)r->pid % BROKER_KIN_BUCKETS];
}

void
request_dequeued(struct request *r)
{
	TAILQ_REMOVE(request_kin(r), r, kin);
}

bool
request_queue(struct request *r)
{
	struct port *port = r->port;
	struct broker *b = port->broker;
	uint64_t now = clock_now_ms();
	char text[128];

	if (port->lease.waiting >= port->config.queue_max) {
		snprintf(text, sizeof(text), "%s: %zu wait already, as many as max-waiters allows",
			 port->config.name, port->lease.waiting);
		request_refuse(r, "io.comlease.QueueFull", text, false);
		request_free(r);
		return false;
	}
	r->core.deadline_ms = deadline(r, now);
	r->stage = REQUEST_WAITING;
	TAILQ_INSERT_TAIL(request_kin(r), r, kin);
	lease_request(&b->host, &port->lease, &r->core, now);
	publish_note(
	    b,
	    &(struct publish_event){
		.event = "request", .port = port, .request = r, .waited_ms = -1, .held_ms = -1 });
	publish_port(port);
	return true;
}

/* ---- a new one ---- */

/* How long it says that it has waited: believed for a while after a restart, when clients come back
 * that were in the old queue. */
static uint64_t
since(const struct broker *b, int64_t waited_ms, uint64_t now)
{
	if (waited_ms <= 0 || now >= b->returns_until_ms)
		return now;
	return (uint64_t)waited_ms < now ? now - (uint64_t)waited_ms : 0;
}

void
request_new(struct port *port, struct peer *peer, const struct request_wish *wish)
{
	struct request *r = calloc(1, sizeof(*r));
	uint64_t now = clock_now_ms();

	if (r == NULL) {
		service_error_port(peer, "io.comlease.OpenFailed", port,
				   "the broker has no memory");
		return;
	}
	if (peer->request != NULL)
		request_gone(peer->request);
	r->port = port;
	r->peer = peer;
	peer->request = r;
	r->pid = peer->pid;
	r->uid = peer->uid;
	r->fd = r->pidfd = r->stat = -1;
	r->told_ahead = -1;
	r->wait_ms = wish->wait_ms;
	r->until_ms = wish->wait_ms < 0 ? LEASE_NEVER : now + (uint64_t)wish->wait_ms;
	r->more = wish->more;
	r->core.priority = wish->priority;
	r->core.since_ms = since(port->broker, wish->waited_ms, now);
	r->since_real_ms = clock_real_ms() - (int64_t)(now - r->core.since_ms);
	snprintf(r->label, sizeof(r->label), "%s", wish->label != NULL ? wish->label : "");
	snprintf(r->key, sizeof(r->key), "%s", wish->key != NULL ? wish->key : "");
	if (peer->command[0] == '\0')
		kin_command(peer->pid, peer->command, sizeof(peer->command));
	log_escape(peer->command, r->command, sizeof(r->command));
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
		if (port->lease.state == LEASE_HELD)
			request_ask_next(port);
		break;
	case REQUEST_JOINING:
		TAILQ_REMOVE(&port->joining, r, entry);
		request_free(r);
		break;
	case REQUEST_WAITING:
		lease_cancel(&port->broker->host, &r->core);
		request_dequeued(r);
		note_leave(r, "gone");
		publish_port(port);
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
	case REQUEST_NEW:
		request_free(r);
		break;
	}
}
