/*
 * broker_request.c - a request from Acquire to its one outcome: joined to the lease of those it
 * belongs to, queued, granted, attached, or refused. It knows what a client is told, not how a keeper
 * works.
 *
 * The order of things: a request for a port that is held is first compared with the holder (the
 * supervisor looks, one request of a port at a time), since a process must not queue behind itself;
 * its place in the queue counts from when it asked all the same.
 */
#include "broker.h"
#include "kin.h"
#include "log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void route(struct request *);

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

/* One error with the port's name, a sentence, and who is in the way. */
static void
refuse(struct request *r, const char *error, const char *message, bool with_holder)
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
	parameters = json_pack("{s:s, s:s, s:o*, s:I}", "port", port->config.name, "message", message,
	    "holder", port->holder == NULL ? NULL : describe_lease(port, port->holder), "waiting",
	    (json_int_t)port->lease.waiting);
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
		.waited_ms = broker_real_ms() - r->since_real_ms,
		.held_ms = -1 });
}

void
request_failed(struct request *r, const char *why)
{
	char text[IPC_TEXT_MAX + 128];

	snprintf(text, sizeof(text), "%s: %s", r->port->config.name,
	    *why != '\0' ? why : "the device can't be used");
	note_leave(r, "failed");
	refuse(r, "io.comlease.OpenFailed", text, false);
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
		refuse(r, "io.comlease.Absent", text, false);
	} else if (r->wait_ms == 0) {
		snprintf(text, sizeof(text), "%s: %s", port->config.name, why);
		refuse(r, "io.comlease.Busy", text, true);
	} else {
		snprintf(text, sizeof(text), "%s: not to be had within %.3g s: %s",
		    port->config.name, (double)r->wait_ms / 1000, why);
		refuse(r, "io.comlease.TimedOut", text, true);
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

	if (r->wait_ms < 0)
		return LEASE_NEVER;
	if (r->wait_ms > 0)
		return now + (uint64_t)r->wait_ms;
	if (port->lease.state == LEASE_HELD || port->lease.state == LEASE_ABSENT ||
	    port->lease.waiting > 0)
		return now;
	if (port->lease.state == LEASE_FREE && now >= port->broker->hold_until_ms)
		return now;
	return now + port->config.hangup_ms + port->config.settle_ms + port->config.drain_ms +
	    BROKER_HOLD_MS + BROKER_KEEPER_MS;
}

static struct requests *
kin_of(const struct request *r)
{
	return &r->port->kin[(unsigned)r->pid % BROKER_KIN_BUCKETS];
}

void
request_dequeued(struct request *r)
{
	TAILQ_REMOVE(kin_of(r), r, kin);
}

/* False: the queue is full, and the request is no more. */
static bool
queue(struct request *r)
{
	struct port *port = r->port;
	struct broker *b = port->broker;
	uint64_t now = broker_now_ms();
	char text[128];

	if (port->lease.waiting >= port->config.queue_max) {
		snprintf(text, sizeof(text), "%s: %zu wait already, as many as max-waiters allows",
		    port->config.name, port->lease.waiting);
		refuse(r, "io.comlease.QueueFull", text, false);
		request_free(r);
		return false;
	}
	r->core.deadline_ms = deadline(r, now);
	r->stage = REQUEST_WAITING;
	TAILQ_INSERT_TAIL(kin_of(r), r, kin);
	lease_request(&b->host, &port->lease, &r->core, now);
	publish_note(b,
	    &(struct publish_event){
		.event = "request", .port = port, .request = r, .waited_ms = -1, .held_ms = -1 });
	publish_port(port);
	return true;
}

/* Behind a lease: it has to wait, and is told so at once. */
static void
queue_behind(struct request *r)
{
	if (queue(r) && r->peer != NULL && r->more && r->wait_ms != 0)
		publish_waiting(r);
}

/* ---- joining the holder's lease ---- */

static void
join(struct request *r)
{
	struct port *port = r->port;
	struct ipc_message m = { .type = IPC_OPEN, .token = port->lease.token };

	r->id = m.id = ++port->broker->ids;
	r->stage = REQUEST_JOINING;
	TAILQ_INSERT_TAIL(&port->joining, r, entry);
	port_tell(port, &m);
}

/* It belongs to the holder: it shares the lease, or would wait for itself. */
static void
join_or_refuse(struct request *r)
{
	const struct request *holder = r->port->holder;
	char why[512], text[768];

	if (r->uid == holder->uid && holder->descriptions < BROKER_DESCRIPTIONS_MAX) {
		join(r);
		return;
	}
	describe_why(r->port, why, sizeof(why));
	snprintf(text, sizeof(text), "%s: %s, to whom this process (pid %ld, uid %ld) belongs; %s",
	    r->port->config.name, why, (long)r->pid, (long)r->uid,
	    r->uid == holder->uid ? "he has as many descriptors open as a lease may have"
				  : "under another uid it can't share his lease and would wait for "
				    "itself");
	refuse(r, "io.comlease.Deadlock", text, true);
	request_free(r);
}

/* The supervisor answers in order; one question a port at a time keeps its socket from filling. */
static void
ask_next(struct port *port)
{
	struct request *r = TAILQ_FIRST(&port->asking);
	struct ipc_message m = { .type = IPC_LOOKUP };

	if (r == NULL || r->id != 0)
		return;
	r->id = m.id = ++port->broker->ids;
	m.token = port->lease.token;
	request_look(port->holder);
	/* A holder that has ended is nobody's ancestor, and his number may be another's now. */
	m.number = (uint64_t)(uint32_t)r->pid << 32;
	if (port->holder->pidfd < 0 || !kin_has_ended(port->holder->pidfd))
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
	ask_next(port);
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

static void
route(struct request *r)
{
	struct port *port = r->port;
	const struct request *holder = port->holder;

	if (port->lease.state != LEASE_HELD) {
		queue(r);
	} else if ((r->pid == holder->pid && r->uid == holder->uid) ||
	    (*r->key != '\0' && strcmp(r->key, holder->key) == 0)) {
		join_or_refuse(r);
	} else {
		r->id = 0;
		r->stage = REQUEST_ASKING;
		TAILQ_INSERT_TAIL(&port->asking, r, entry);
		ask_next(port);
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
		route(r);
	}
}

void
request_requeue(struct request *r)
{
	r->stage = REQUEST_NEW;
	r->delivered = false;
	queue(r);
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
	uint64_t now = broker_now_ms();

	if (r == NULL) {
		service_error_port(peer, "io.comlease.OpenFailed", port, "the broker has no memory");
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
	r->more = wish->more;
	r->core.priority = wish->priority;
	r->core.since_ms = since(port->broker, wish->waited_ms, now);
	r->since_real_ms = broker_real_ms() - (int64_t)(now - r->core.since_ms);
	snprintf(r->label, sizeof(r->label), "%s", wish->label != NULL ? wish->label : "");
	snprintf(r->key, sizeof(r->key), "%s", wish->key != NULL ? wish->key : "");
	if (peer->command[0] == '\0')
		kin_command(peer->pid, peer->command, sizeof(peer->command));
	log_escape(peer->command, r->command, sizeof(r->command));
	route(r);
}

/* ---- granted ---- */

static void
send_lease(struct request *r, const struct request *holder, int fd)
{
	struct peer *p = r->peer;
	json_t *lease = describe_lease(r->port, holder);
	json_t *parameters = fd >= 0 ? json_pack("{s:o, s:i}", "lease", lease, "fd", 0)
				     : json_pack("{s:o}", "lease", lease);

	peer_send(p, varlink_reply_new(parameters, false), fd);
	peer_done(p);
}

/* The descriptor is there: it goes to the client at once, or waits for his Attach. */
static void
deliver(struct request *r, const struct request *holder, int fd)
{
	r->delivered = true;
	if (r->peer == NULL) {
		close(fd); /* the roster tells the keeper, and the keeper us */
	} else if (r->more) {
		r->fd = fd;
		send_lease(r, holder, -1);
	} else {
		send_lease(r, holder, fd);
	}
}

/* Of several requests of one process the first is granted; the others would wait for it. */
static void
join_kin(const struct request *holder)
{
	struct port *port = holder->port;
	struct requests *kin = kin_of(holder);
	struct request *r, *next;

	for (r = TAILQ_FIRST(kin); r != NULL; r = next) {
		next = TAILQ_NEXT(r, kin);
		if (r->pid != holder->pid || r->uid != holder->uid)
			continue;
		lease_cancel(&port->broker->host, &r->core);
		request_dequeued(r);
		join_or_refuse(r);
		if (port->holder != holder)
			break;
	}
}

static void
holder_opened(struct port *port, const struct ipc_message *m, int fd)
{
	struct request *r = port->holder;
	struct broker *b = port->broker;

	lease_expect(&b->host, &port->lease, LEASE_NEVER);
	if (fd < 0) {
		port_end(port, LEASE_FAILED, m->text);
		return;
	}
	lease_opened(&b->host, &port->lease, m->token, broker_now_ms());
	r->descriptions = 1;
	deliver(r, r, fd);
	publish_note(b,
	    &(struct publish_event){ .event = "grant",
		.granted = r,
		.port = port,
		.request = r,
		.token = m->token,
		.waited_ms = (int64_t)r->waited_ms,
		.held_ms = -1 });
	join_kin(r);
}

static void
joiner_opened(struct request *r, const struct ipc_message *m, int fd)
{
	struct port *port = r->port;

	TAILQ_REMOVE(&port->joining, r, entry);
	if (port->lease.token != m->token) {
		if (fd >= 0)
			close(fd); /* the lease ended meanwhile */
		route(r);
		return;
	}
	if (fd < 0) {
		request_failed(r, m->text);
		return;
	}
	r->stage = REQUEST_JOINED;
	publish_event(port->broker,
	    &(struct publish_event){ .event = "join",
		.port = port,
		.request = r,
		.token = m->token,
		.waited_ms = -1,
		.held_ms = -1 });
	deliver(r, port->holder, fd);
	if (r->fd < 0)
		request_free(r);
}

void
request_opened(struct port *port, const struct ipc_message *m, int fd)
{
	struct ipc_message lost = *m;
	struct request *r;

	if (fd < 0 && m->error == EMFILE && m->text[0] == '\0') {
		snprintf(lost.text, sizeof(lost.text), "the broker has no descriptor left; try again");
		m = &lost;
	}
	if (port->holder != NULL && !port->holder->delivered && port->holder->id == m->id) {
		holder_opened(port, m, fd);
		return;
	}
	TAILQ_FOREACH(r, &port->joining, entry)
		if (r->id == m->id) {
			joiner_opened(r, m, fd);
			return;
		}
	if (fd >= 0)
		close(fd); /* whoever wanted it has gone */
}

void
request_attach(struct request *r)
{
	int fd = r->fd;

	r->fd = -1;
	send_lease(r, r->port->holder, fd);
	if (r->stage == REQUEST_JOINED)
		request_free(r);
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
			ask_next(port);
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
	case REQUEST_NEW:
	case REQUEST_JOINED:
		request_free(r);
		break;
	}
}

/* ---- across a restart ---- */

void
request_save(const struct request *r, char text[IPC_TEXT_MAX])
{
	snprintf(text, IPC_TEXT_MAX, "%ld %lu %" PRId64 " %" PRIu64 " %s %s %s", (long)r->pid,
	    (unsigned long)r->uid, r->since_real_ms, r->waited_ms, *r->key != '\0' ? r->key : "-",
	    *r->label != '\0' ? r->label : "-", r->command);
}

struct request *
request_restore(struct port *port, uint64_t token, const char *text)
{
	struct request *r = calloc(1, sizeof(*r));
	unsigned long uid = 0;
	long pid = 0;

	if (r == NULL)
		return NULL;
	r->fd = r->pidfd = r->stat = -1;
	r->port = port;
	r->stage = REQUEST_GRANTED;
	r->delivered = true;
	r->descriptions = 1;
	r->since_real_ms = broker_real_ms();
	if (sscanf(text, "%ld %lu %" SCNd64 " %" SCNu64 " %32s %64s %63[^\n]", &pid, &uid,
		&r->since_real_ms, &r->waited_ms, r->key, r->label, r->command) < 6)
		log_line("restore port=%s token=%" PRIu64 " holder unknown", port->config.name, token);
	r->pid = (pid_t)pid;
	r->uid = (uid_t)uid;
	if (strcmp(r->key, "-") == 0)
		r->key[0] = '\0';
	if (strcmp(r->label, "-") == 0)
		r->label[0] = '\0';
	if (pid > 0)
		request_look(r);
	return r;
}
