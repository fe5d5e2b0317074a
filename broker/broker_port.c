/*
 * broker_port.c - what the keepers say, and what they are told. It turns their reports into calls
 * of the core, which alone decides what follows.
 *
 * A keeper's word counts only for what it answers: a late READY of an earlier turnaround, or a
 * descriptor for a request that has gone, changes nothing.
 */
#include "broker.h"
#include "clock.h"
#include "kin.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int
port_new(struct broker *b, const struct config_port *config)
{
	struct port *port = calloc(1, sizeof(*port));
	size_t i;

	if (port == NULL)
		return -ENOMEM;
	port->config = *config;
	port->broker = b;
	port->channel = -1;
	TAILQ_INIT(&port->asking);
	TAILQ_INIT(&port->joining);
	TAILQ_INIT(&port->joined);
	for (i = 0; i < BROKER_KIN_BUCKETS; i++)
		TAILQ_INIT(&port->kin[i]);
	snprintf(port->reason, sizeof(port->reason), "its keeper has not reported yet");
	lease_port_init(&b->host, &port->lease, clock_now_ms());
	lease_expect(&b->host, &port->lease, clock_now_ms() + BROKER_KEEPER_MS);
	TAILQ_INSERT_TAIL(&b->ports, port, entry);
	return 0;
}

/* ---- to the keeper ---- */

void
port_tell(struct port *port, const struct ipc_message *m)
{
	int error = port->channel < 0 ? -EPIPE : ipc_send(port->channel, m, -1);

	/* If it has died there will be a new one; if it hangs it will be late. */
	if (error < 0 && error != -EPIPE)
		log_line("tell port=%s type=%u error=%s", port->config.name, m->type,
			 strerror(-error));
}

void
port_expect(struct port *port, uint64_t in_ms)
{
	lease_expect(&port->broker->host, &port->lease, clock_now_ms() + in_ms);
}

void
port_expect_joining(struct port *port)
{
	if (TAILQ_EMPTY(&port->joining))
		lease_expect(&port->broker->host, &port->lease, LEASE_NEVER);
	else
		port_expect(port, BROKER_KEEPER_MS);
}

void
port_clean(struct port *port)
{
	port->reason[0] = '\0';
	lease_expect(&port->broker->host, &port->lease, LEASE_NEVER);
	lease_ready(&port->broker->host, &port->lease, clock_now_ms());
	port_settled(port);
}

void
port_turnaround(struct port *port, uint64_t token, enum lease_reason reason)
{
	struct ipc_message m = { .type = IPC_TURNAROUND, .token = token, .number = reason };
	bool is_clean = token != 0 && token == port->cleaned;

	port->cleaned = 0;
	if (is_clean) { /* the keeper has said so together with the end */
		port_clean(port);
		return;
	}
	m.id = port->turnaround_id = ++port->broker->ids;
	m.flag = reason == LEASE_REVOKED || reason == LEASE_EXPIRED;
	port_expect(port, BROKER_KEEPER_MS);
	port_tell(port, &m);
}

void
port_open(struct port *port, struct request *r)
{
	struct ipc_message m = { .type = IPC_OPEN, .token = port->lease.token, .number = 1 };
	uint64_t now = clock_now_ms();

	port->holder = r;
	r->stage = REQUEST_GRANTED;
	r->delivered = false;
	r->waited_ms = now - r->core.since_ms;
	r->since_real_ms = clock_real_ms();
	r->id = m.id = ++port->broker->ids;
	request_save(r, m.text);
	port_expect(port, BROKER_KEEPER_MS);
	port_tell(port, &m);
	publish_port(port);
}

/* ---- ends ---- */

static void
note_end(struct port *port)
{
	struct request *r = port->ended;

	port->ended = NULL;
	if (r == NULL)
		return;
	publish_note(port->broker,
		     &(struct publish_event){ .event = "end",
					      .port = port,
					      .request = r,
					      .token = port->ended_token,
					      .reason = lease_reason_name(port->ended_reason),
					      .detail = *port->detail != '\0' ? port->detail : NULL,
					      .waited_ms = -1,
					      .held_ms = port->held_ms });
	request_free_later(r);
	if (*port->detail != '\0')
		publish_notes(port->broker); /* the next end has another detail */
}

/* A client that was granted the port and has nothing of it yet. */
static void
fail_undelivered(struct request *r, enum lease_reason reason, const char *detail)
{
	if (r->peer == NULL)
		request_free(r);
	else if (reason == LEASE_UNPLUGGED)
		request_requeue(r);
	else if (reason == LEASE_REVOKED || reason == LEASE_RELEASED)
		request_revoked(r);
	else
		request_failed(r, detail != NULL ? detail : lease_reason_name(reason));
}

/* For note_end(). The client may ask for something else. */
static void
keep_ended(struct port *port, struct request *r, enum lease_reason reason, const char *detail)
{
	request_gone(r);
	port->ended = r;
	port->ended_reason = reason;
	port->held_ms = clock_real_ms() - r->since_real_ms;
	snprintf(port->detail, sizeof(port->detail), "%s", detail != NULL ? detail : "");
}

void
port_end(struct port *port, enum lease_reason reason, const char *detail)
{
	struct request *r = port->holder;

	note_end(port);
	port->ended_token = port->lease.token;
	lease_end(&port->broker->host, &port->lease, port->lease.token, reason, clock_now_ms());
	port->holder = NULL;
	request_stop_asking(port);
	request_drop_joined(port);
	if (r->delivered)
		keep_ended(port, r, reason, detail);
	else
		fail_undelivered(r, reason, detail);
	publish_port(port);
}

/* Not that it is done where it is not: the old descriptors may still work. */
static void
tell_revoker(struct port *port)
{
	struct peer *p = port->revoker;
	char text[IPC_TEXT_MAX + 128];

	port->revoker = NULL;
	if (p == NULL)
		return;
	if (port->lease.state == LEASE_FAULTED) {
		snprintf(text, sizeof(text),
			 "%s: the lease is over, but its descriptors may still work: %s",
			 port->config.name, port->reason);
		service_error_port(p, "io.comlease.OpenFailed", port, text);
		return;
	}
	peer_send(p,
		  varlink_reply_new(port->revoked == 0
					? json_object()
					: json_pack("{s:I}", "token", (json_int_t)port->revoked),
				    false),
		  -1);
	peer_done(p);
}

/* Trouble, and its end. */
static void
note_state(struct port *port)
{
	bool troubled = port->lease.state == LEASE_ABSENT || port->lease.state == LEASE_FAULTED;

	if (!troubled && !port->troubled)
		return;
	port->troubled = troubled;
	publish_event(port->broker,
		      &(struct publish_event){ .event = "state",
					       .port = port,
					       .state = lease_state_name(port->lease.state),
					       .reason = troubled ? port->reason : NULL,
					       .waited_ms = -1,
					       .held_ms = -1 });
}

void
port_settled(struct port *port)
{
	if (port->lease.state != LEASE_FAULTED)
		note_end(port); /* else not before old descriptors are known to be dead */
	note_state(port);
	tell_revoker(port);
	publish_port(port);
}

/* The keeper took longer than it had said. */
void
port_late(struct port *port)
{
	struct broker *b = port->broker;

	port->late = true;
	snprintf(port->reason, sizeof(port->reason),
		 "its keeper does not answer: a call to the device hangs; if it does not come "
		 "back, unplug "
		 "the device or end the keeper");
	log_line("late port=%s state=%s", port->config.name, lease_state_name(port->lease.state));
	if (port->lease.state == LEASE_HELD && port->holder != NULL && !port->holder->delivered) {
		port_end(port, LEASE_FAILED, port->reason);
		lease_fault(&b->host, &port->lease, clock_now_ms());
	}
	while (!TAILQ_EMPTY(&port->joining)) {
		struct request *r = TAILQ_FIRST(&port->joining);

		TAILQ_REMOVE(&port->joining, r, entry);
		request_failed(r, port->reason);
	}
	port_settled(port);
	broker_serve(b);
}

/* ---- no longer configured ---- */

/* Everybody who wants something of it. */
static void
drop_requests(struct port *port)
{
	const char *why = "it is no longer configured";
	struct lease_request *waiting;
	struct request *r;

	while ((r = TAILQ_FIRST(&port->asking)) != NULL) {
		TAILQ_REMOVE(&port->asking, r, entry);
		request_failed(r, why);
	}
	while ((r = TAILQ_FIRST(&port->joining)) != NULL) {
		TAILQ_REMOVE(&port->joining, r, entry);
		request_failed(r, why);
	}
	while ((waiting = lease_first(&port->lease)) != NULL) {
		lease_cancel(&port->broker->host, waiting);
		request_dequeued((struct request *)waiting);
		request_failed((struct request *)waiting, why);
	}
}

void
port_free(struct port *port)
{
	struct broker *b = port->broker;

	drop_requests(port);
	if (port->holder != NULL && !port->holder->delivered)
		request_failed(port->holder, "it is no longer configured");
	else if (port->holder != NULL)
		request_free(port->holder);
	port->holder = NULL;
	request_drop_joined(port);
	note_end(port);
	tell_revoker(port);
	publish_removed(port);
	port_disconnect(port);
	publish_notes(b);
	lease_port_remove(&b->host, &port->lease);
	TAILQ_REMOVE(&b->ports, port, entry);
	free(port);
}
