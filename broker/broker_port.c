/*
 * broker_port.c - what the keepers say, and what they are told. It turns their reports into calls of
 * the core, which alone decides what follows.
 *
 * A keeper's word counts only for what it answers: a late READY of an earlier turnaround, or a
 * descriptor for a request that has gone, changes nothing.
 */
#include "broker.h"
#include "kin.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void on_channel(evutil_socket_t, short, void *);

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
	for (i = 0; i < BROKER_KIN_BUCKETS; i++)
		TAILQ_INIT(&port->kin[i]);
	snprintf(port->reason, sizeof(port->reason), "its keeper has not reported yet");
	lease_port_init(&b->host, &port->lease, broker_now_ms());
	lease_expect(&b->host, &port->lease, broker_now_ms() + BROKER_KEEPER_MS);
	TAILQ_INSERT_TAIL(&b->ports, port, entry);
	return 0;
}

static void
close_channel(struct port *port)
{
	if (port->channel < 0)
		return;
	event_del(&port->channel_event);
	close(port->channel);
	port->channel = -1;
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

static void
expect(struct port *port, uint64_t in_ms)
{
	lease_expect(&port->broker->host, &port->lease, broker_now_ms() + in_ms);
}

static void
port_clean(struct port *port)
{
	port->reason[0] = '\0';
	lease_expect(&port->broker->host, &port->lease, LEASE_NEVER);
	lease_ready(&port->broker->host, &port->lease, broker_now_ms());
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
	expect(port, BROKER_KEEPER_MS);
	port_tell(port, &m);
}

void
port_open(struct port *port, struct request *r)
{
	struct ipc_message m = { .type = IPC_OPEN, .token = port->lease.token, .number = 1 };
	uint64_t now = broker_now_ms();

	port->holder = r;
	r->stage = REQUEST_GRANTED;
	r->delivered = false;
	r->waited_ms = now - r->core.since_ms;
	r->since_real_ms = broker_real_ms();
	r->id = m.id = ++port->broker->ids;
	request_save(r, m.text);
	expect(port, BROKER_KEEPER_MS);
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
	port->held_ms = broker_real_ms() - r->since_real_ms;
	snprintf(port->detail, sizeof(port->detail), "%s", detail != NULL ? detail : "");
}

void
port_end(struct port *port, enum lease_reason reason, const char *detail)
{
	struct request *r = port->holder;

	note_end(port);
	port->ended_token = port->lease.token;
	lease_end(&port->broker->host, &port->lease, port->lease.token, reason, broker_now_ms());
	port->holder = NULL;
	request_stop_asking(port);
	if (r->delivered)
		keep_ended(port, r, reason, detail);
	else
		fail_undelivered(r, reason, detail);
	publish_port(port);
}

static void
tell_revoker(struct port *port)
{
	struct peer *p = port->revoker;

	port->revoker = NULL;
	if (p == NULL)
		return;
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
	note_end(port);
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
	    "its keeper does not answer: a call to the device hangs; if it does not come back, unplug "
	    "the device or end the keeper");
	log_line("late port=%s state=%s", port->config.name, lease_state_name(port->lease.state));
	if (port->lease.state == LEASE_HELD && port->holder != NULL && !port->holder->delivered) {
		port_end(port, LEASE_FAILED, port->reason);
		lease_fault(&b->host, &port->lease, broker_now_ms());
	}
	while (!TAILQ_EMPTY(&port->joining)) {
		struct request *r = TAILQ_FIRST(&port->joining);

		TAILQ_REMOVE(&port->joining, r, entry);
		request_failed(r, port->reason);
	}
	port_settled(port);
	broker_serve(b);
}

/* ---- from the keeper ---- */

static void
set_absent(struct port *port, const char *why)
{
	struct broker *b = port->broker;

	if (port->lease.state == LEASE_HELD)
		port_end(port, LEASE_UNPLUGGED, why);
	snprintf(port->reason, sizeof(port->reason), "%s", why);
	port->rdev = 0;
	lease_expect(&b->host, &port->lease, LEASE_NEVER);
	lease_absent(&b->host, &port->lease, broker_now_ms());
	port_settled(port);
}

static void
set_fault(struct port *port, const char *why)
{
	struct broker *b = port->broker;

	if (port->lease.state == LEASE_HELD)
		port_end(port, LEASE_FAILED, why);
	snprintf(port->reason, sizeof(port->reason), "%s", why);
	lease_expect(&b->host, &port->lease, LEASE_NEVER);
	lease_fault(&b->host, &port->lease, broker_now_ms());
	port_settled(port);
}

static void
set_ready(struct port *port, const struct ipc_message *m)
{
	port->rdev = m->number;
	port_clean(port);
}

/* The roster lists nothing of the live lease any more. */
static void
set_gone(struct port *port, bool is_clean)
{
	struct request *r = port->holder;

	if (!r->delivered)
		return; /* it is still to be opened */
	request_look(r);
	port->cleaned = is_clean ? port->lease.token : 0;
	port_end(port, kin_was_killed(r->stat, r->pidfd) ? LEASE_DIED : LEASE_RELEASED, NULL);
}

/* A keeper that starts while a lease is alive. */
static void
report_held(struct port *port, const struct ipc_message *m)
{
	struct ipc_message holder = { .type = IPC_HOLDER, .token = port->lease.token };

	lease_expect(&port->broker->host, &port->lease, LEASE_NEVER);
	if (!port->holder->delivered) {
		port_open(port, port->holder); /* the last one did not get so far */
	} else if (m->token == port->lease.token) {
		request_save(port->holder, holder.text);
		port_tell(port, &holder);
	} else {
		set_gone(port, false);
	}
}

/* We start, and the roster has a lease: its holder goes on. */
static void
report_resume(struct port *port, const struct ipc_message *m)
{
	struct broker *b = port->broker;
	struct request *r = request_restore(port, m->token, m->text);

	if (r == NULL) {
		log_line("restore port=%s error=no memory", port->config.name);
		return; /* late, then faulted: nobody else gets in */
	}
	lease_expect(&b->host, &port->lease, LEASE_NEVER);
	lease_resume(&b->host, &port->lease, m->token, broker_now_ms());
	port->holder = r;
	port->reason[0] = '\0';
	log_line("resume port=%s token=%" PRIu64 " pid=%ld uid=%lu", port->config.name, m->token,
	    (long)r->pid, (unsigned long)r->uid);
}

static void
report(struct port *port, const struct ipc_message *m)
{
	bool first = !port->reported;
	struct broker *b = port->broker;

	port->reported = true;
	port->late = false;
	port->rdev = m->flag ? m->number : 0;
	if (port->lease.state == LEASE_HELD)
		report_held(port, m);
	else if (first && m->token != 0)
		report_resume(port, m);
	else if (m->flag)
		lease_turnaround(&b->host, &port->lease, broker_now_ms());
	else
		set_absent(port, m->text);
	request_rejoin(port); /* what the last keeper was asked for and did not do */
	publish_port(port);
	broker_serve(b);
}

static void
handle_state(struct port *port, const struct ipc_message *m)
{
	struct broker *b = port->broker;
	bool answers = (m->id == 0 && m->type != IPC_READY) ||
	    (m->id == port->turnaround_id && port->lease.state == LEASE_TURNAROUND);

	if (!answers)
		return;
	if (m->type == IPC_READY)
		set_ready(port, m);
	else if (m->type == IPC_ABSENT)
		set_absent(port, m->text);
	else if (m->type == IPC_FAULT)
		set_fault(port, m->text);
	else if (port->lease.state == LEASE_ABSENT || port->lease.state == LEASE_FAULTED) /* PRESENT */
		lease_turnaround(&b->host, &port->lease, broker_now_ms());
}

static void
handle_lease(struct port *port, const struct ipc_message *m)
{
	if (port->lease.state != LEASE_HELD || m->token != port->lease.token)
		return;
	if (m->type == IPC_GONE) {
		set_gone(port, m->flag != 0);
	} else if (m->type == IPC_HUNGUP) {
		port_end(port, LEASE_HUNGUP, NULL);
	} else {
		port->holder->descriptions = (unsigned)m->number;
		publish_port(port);
	}
}

static void
handle(struct port *port, const struct ipc_message *m, int fd)
{
	switch (m->type) {
	case IPC_OPENED:
		request_opened(port, m, fd);
		return; /* which owns the descriptor */
	case IPC_REPORT:
		report(port, m);
		break;
	case IPC_READY:
	case IPC_ABSENT:
	case IPC_FAULT:
	case IPC_PRESENT:
		handle_state(port, m);
		break;
	case IPC_GONE:
	case IPC_COUNT:
	case IPC_HUNGUP:
		handle_lease(port, m);
		break;
	case IPC_BUSY:
		expect(port, m->number + BROKER_KEEPER_MS);
		break;
	default:
		log_line("unknown message type=%u port=%s", m->type, port->config.name);
	}
	if (fd >= 0)
		close(fd);
}

/* It was late and speaks again: whatever it did, the port is cleaned before use. */
static void
recover(struct port *port)
{
	struct broker *b = port->broker;

	if (!port->late)
		return;
	port->late = false;
	log_line("back port=%s state=%s", port->config.name, lease_state_name(port->lease.state));
	lease_expect(&b->host, &port->lease, LEASE_NEVER);
	if (port->lease.state == LEASE_FAULTED)
		lease_turnaround(&b->host, &port->lease, broker_now_ms());
	else
		port->reason[0] = '\0';
	publish_port(port);
}

/* What is in the channel, at most that many. False: it has ended. */
static bool
drain(struct port *port, int most)
{
	struct ipc_message m;
	int fd, result = 0;

	while (most-- > 0 && (result = ipc_receive(port->channel, &m, &fd)) == 0) {
		handle(port, &m, fd);
		recover(port);
	}
	return result >= 0;
}

static void
on_channel(evutil_socket_t socket, short what, void *arg)
{
	struct port *port = arg;

	(void)socket;
	(void)what;
	/* nearly always there is one; if there are more, the loop comes back */
	if (!drain(port, 1)) {
		/* It has died: a new one is on its way, and late if it does not come. */
		close_channel(port);
		expect(port, BROKER_KEEPER_MS);
	}
	broker_settle(port->broker);
}

void
port_connect(struct port *port, int channel)
{
	if (port->channel >= 0)
		drain(port, INT_MAX); /* what the old keeper said before it died is true */
	close_channel(port);
	port->channel = channel;
	event_assign(&port->channel_event, port->broker->base, channel, EV_READ | EV_PERSIST, on_channel,
	    port);
	event_add(&port->channel_event, NULL);
	expect(port, BROKER_KEEPER_MS);
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
	struct peer *p;

	drop_requests(port);
	if (port->holder != NULL && !port->holder->delivered)
		request_failed(port->holder, "it is no longer configured");
	else if (port->holder != NULL)
		request_free(port->holder);
	port->holder = NULL;
	/* What was joined and not attached yet. */
	TAILQ_FOREACH(p, &b->peers, entry)
		if (p->request != NULL && p->request->port == port)
			request_gone(p->request);
	note_end(port);
	tell_revoker(port);
	publish_removed(port);
	close_channel(port);
	publish_notes(b);
	lease_port_remove(&b->host, &port->lease);
	TAILQ_REMOVE(&b->ports, port, entry);
	free(port);
}
