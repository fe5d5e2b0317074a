/*
 * broker_port.c - a port: what its keeper is told, how a lease ends, and how the port itself comes
 * and goes. It refuses to know who is next.
 *
 * The tricky idea: an end is made known when the turnaround is done, not when the lease is over:
 * only then no old descriptor works any more.
 */
#include "broker.h"
#include "clock.h"
#include "log.h"

#include <errno.h>
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
	TAILQ_INIT(&port->watches);
	TAILQ_INIT(&port->asking);
	TAILQ_INIT(&port->joining);
	TAILQ_INIT(&port->joined);
	for (i = 0; i < BROKER_KIN_BUCKETS; i++)
		TAILQ_INIT(&port->kin[i]);
	snprintf(port->reason, sizeof(port->reason), "its keeper has not reported yet");
	event_assign(&port->holder_event, b->base, -1, EV_READ, NULL, NULL);
	foreign_new_port(port);
	lease_port_init(&b->host, &port->lease, broker_now_ms(b));
	port_policy(port);
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
port_tell_holder(struct port *port)
{
	struct ipc_message m = { .type = IPC_HOLDER,
				 .token = port->lease.token,
				 .flag = port->lease.successor != NULL };

	request_save(port->holder, m.text);
	port_tell(port, &m);
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
	struct broker *b = port->broker;

	port->reason[0] = '\0';
	lease_expect(&b->host, &port->lease, LEASE_NEVER);
	lease_ready(&b->host, &port->lease, broker_now_ms(b));
	port_settled(port);
}

/* What is to be done beside the cleaning. A keeper that is replaced is told the same again. */
static unsigned
turn_flags(struct port *port, const struct lease_step *step)
{
	unsigned flags = port->turn & (IPC_TURN_REVOKE | IPC_TURN_DRAINED);

	if (port->forced)
		flags |= IPC_TURN_REVOKE;
	if (step->token != 0 && foreign_lease_ended(port))
		flags |= IPC_TURN_DRAINED;
	if (step->keep_line)
		flags |= IPC_TURN_KEEP;
	if (port->anyway)
		flags |= IPC_TURN_ANYWAY;
	return flags;
}

void
port_turnaround(struct port *port, const struct lease_step *step)
{
	struct ipc_message m = { .type = IPC_TURNAROUND, .token = step->token };
	bool is_clean = step->token != 0 && step->token == port->cleaned;

	port->cleaned = 0;
	port->turn = m.flag = turn_flags(port, step);
	if (is_clean && m.flag == 0) { /* the keeper has said so together with the end */
		if (port->lease.disabled || foreign_ready(port, 0))
			port_clean(port);
		else
			port_settled(port);
		return;
	}
	if (port->lease.disabled && step->token == 0 && !port->forced && port->ended == NULL) {
		port_clean(port); /* nobody of ours has it, and others work on it */
		return;
	}
	m.number = step->reason;
	m.id = port->turnaround_id = ++port->broker->ids;
	port_expect(port, BROKER_KEEPER_MS);
	port_tell(port, &m);
}

void
port_open(struct port *port, struct request *r)
{
	struct ipc_message m = { .type = IPC_OPEN, .token = port->lease.token, .number = 1 };
	uint64_t now = clock_now_ms();

	port->holder = r;
	port->forced = port->busy_by_word = false;
	port->line = port->turn = 0;
	r->port = port;
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
	else if (reason != LEASE_FAILED && reason != LEASE_HUNGUP)
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
	struct broker *b = port->broker;
	struct request *r = port->holder;

	note_end(port);
	reason = lease_end_reason(&port->lease, reason);
	port->ended_token = port->lease.token;
	port->forced |= reason == LEASE_REVOKED;
	event_del(&port->holder_event);
	lease_end(&b->host, &port->lease, port->lease.token, reason, broker_now_ms(b));
	port->holder = NULL;
	port->ended_reason = reason;
	if (!port->forced && r->descriptions == 0)
		watch_ended_later(port, reason);
	else if (!port->forced)
		watch_ended(port, reason); /* else once the descriptors are dead */
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
	if (port->lease.state == LEASE_FAULTED || port->lease.state == LEASE_TURNAROUND) {
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
	broker_tell_trouble(port->broker);
	publish_event(port->broker,
		      &(struct publish_event){ .event = "state",
					       .port = port,
					       .state = lease_state_name(port->lease.state),
					       .reason = troubled ? port->reason : NULL,
					       .waited_ms = -1,
					       .held_ms = -1 });
}

static void
forget_turn(struct port *port)
{
	port->forced = false;
	port->turn = 0;
}

void
port_settled(struct port *port)
{
	if (port->lease.state != LEASE_FAULTED)
		note_end(port); /* else not before old descriptors are known to be dead */
	note_state(port);
	tell_revoker(port);
	if (!lease_is_held(&port->lease))
		watch_ended(port, port->ended_reason);
	if (port->lease.state == LEASE_FREE || port->lease.state == LEASE_DISABLED)
		forget_turn(port);
	request_hasten(port);
	publish_port(port);
	foreign_settled(port);
}

/* The keeper took longer than it had said. */
void
port_late(struct port *port)
{
	struct broker *b = port->broker;

	port->late = true;
	snprintf(port->reason, sizeof(port->reason),
		 "its keeper does not answer: a call to the device hangs; if it does not come "
		 "back, unplug the device or end the keeper");
	log_line("late port=%s state=%s", port->config.name, lease_state_name(port->lease.state));
	if (lease_is_held(&port->lease) && port->holder != NULL && !port->holder->delivered) {
		port_end(port, LEASE_FAILED, port->reason);
		lease_fault(&b->host, &port->lease, broker_now_ms(b));
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

static void
fail_all(struct requests *list, const char *why)
{
	struct request *r;

	while ((r = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, r, entry);
		request_failed(r, why);
	}
}

/* Everybody who wants something of it. Who wants any port of a pool waits for the others. */
static void
drop_requests(struct port *port)
{
	const char *why = "it is no longer configured";
	struct lease_place *place;
	struct request *r, *next;

	fail_all(&port->asking, why);
	fail_all(&port->joining, why);
	doubt_fail(port, why);
	while ((place = lease_first(&port->lease)) != NULL) {
		r = (struct request *)place->request;
		if (*r->pool != '\0') {
			request_place_anew(r);
			continue;
		}
		request_leave(r);
		request_failed(r, why);
	}
	for (r = TAILQ_FIRST(&port->broker->unplaced); r != NULL; r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->port == port)
			request_place_anew(r); /* only to show another port */
	}
}

void
port_free(struct port *port)
{
	struct broker *b = port->broker;

	TAILQ_REMOVE(&b->ports, port, entry); /* no request is placed at it any more */
	drop_requests(port);
	/* a lease that was taken back may still have watches: they go when it is clean */
	watch_ended(port, lease_is_held(&port->lease) ? LEASE_NONE : port->ended_reason);
	event_del(&port->holder_event);
	if (port->holder != NULL && !port->holder->delivered)
		request_failed(port->holder, "it is no longer configured");
	else if (port->holder != NULL)
		request_free(port->holder);
	port->holder = NULL;
	request_drop_joined(port);
	note_end(port);
	snprintf(port->reason, sizeof(port->reason), "it is no longer configured");
	tell_revoker(port);
	foreign_forget(port);
	publish_removed(port);
	port_disconnect(port);
	publish_notes(b);
	lease_port_remove(&b->host, &port->lease);
	free(port);
}
