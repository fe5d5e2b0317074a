/*
 * broker_grant.c - from the keeper's descriptor to the client's hand, and what is kept of a holder
 * across a restart of this process.
 */
#include "broker.h"
#include "clock.h"
#include "kin.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- granted ---- */

/* Sending can end the connection, and with it the request that it is for. */
static void
send_lease(struct peer *p, const struct port *port, int fd)
{
	json_t *lease = describe_lease(port, port->holder);
	json_t *parameters = fd >= 0 ? json_pack("{s:o, s:i}", "lease", lease, "fd", 0)
				     : json_pack("{s:o}", "lease", lease);

	peer_send(p, varlink_reply_new(parameters, false), fd);
	peer_done(p);
}

/* The descriptor is there: it goes to the client at once, or waits for his Attach. */
static void
deliver(struct request *r, int fd)
{
	r->delivered = true;
	if (r->peer == NULL) {
		close(fd); /* the roster tells the keeper, and the keeper us */
	} else if (r->more) {
		r->fd = fd;
		send_lease(r->peer, r->port, -1);
	} else {
		send_lease(r->peer, r->port, fd);
	}
}

static void
holder_opened(struct port *port, const struct ipc_message *m, int fd)
{
	struct request *r = port->holder;
	struct broker *b = port->broker;

	port_expect_joining(port);
	if (fd < 0) {
		port_end(port, LEASE_FAILED, m->text);
		return;
	}
	lease_opened(&b->host, &port->lease, m->token, clock_now_ms());
	r->descriptions = 1;
	deliver(r, fd);
	publish_note(b, &(struct publish_event){ .event = "grant",
						 .granted = r,
						 .port = port,
						 .request = r,
						 .token = m->token,
						 .waited_ms = (int64_t)r->waited_ms,
						 .held_ms = -1 });
	request_join_kin(r);
}

static void
joiner_opened(struct request *r, const struct ipc_message *m, int fd)
{
	struct port *port = r->port;
	struct peer *p = r->peer;

	TAILQ_REMOVE(&port->joining, r, entry);
	if (port->lease.token != m->token) {
		if (fd >= 0)
			close(fd); /* the lease ended meanwhile */
		request_route(r);
		return;
	}
	if (fd < 0) {
		request_failed(r, m->text);
		return;
	}
	publish_event(port->broker, &(struct publish_event){ .event = "join",
							     .port = port,
							     .request = r,
							     .token = m->token,
							     .waited_ms = -1,
							     .held_ms = -1 });
	if (r->more) {
		r->stage = REQUEST_JOINED;
		TAILQ_INSERT_TAIL(&port->joined, r, entry);
		deliver(r, fd);
	} else {
		request_free(r);
		send_lease(p, port, fd);
	}
}

void
request_opened(struct port *port, const struct ipc_message *m, int fd)
{
	struct ipc_message lost = *m;
	struct request *r;

	if (fd < 0 && m->error == EMFILE && m->text[0] == '\0') {
		snprintf(lost.text, sizeof(lost.text),
			 "the broker has no descriptor left; try again");
		m = &lost;
	}
	if (port->holder != NULL && !port->holder->delivered && port->holder->id == m->id) {
		holder_opened(port, m, fd);
		return;
	}
	TAILQ_FOREACH (r, &port->joining, entry)
		if (r->id == m->id)
			break;
	if (r != NULL)
		joiner_opened(r, m, fd);
	else if (fd >= 0)
		close(fd); /* whoever wanted it has gone */
	if (port->holder != NULL && port->holder->delivered)
		port_expect_joining(port);
}

void
request_attach(struct request *r)
{
	const struct port *port = r->port;
	struct peer *p = r->peer;
	int fd = r->fd;

	r->fd = -1;
	if (r->stage == REQUEST_JOINED)
		request_gone(r); /* it is served */
	send_lease(p, port, fd);
}

/* ---- across a restart ---- */

void
request_save(const struct request *r, char text[IPC_TEXT_MAX])
{
	snprintf(text, IPC_TEXT_MAX, "%ld %lu %" PRId64 " %" PRIu64 " %s %s %s", (long)r->pid,
		 (unsigned long)r->uid, r->since_real_ms, r->waited_ms,
		 *r->key != '\0' ? r->key : "-", *r->label != '\0' ? r->label : "-", r->command);
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
	r->since_real_ms = clock_real_ms();
	if (sscanf(text, "%ld %lu %" SCNd64 " %" SCNu64 " %32s %64s %63[^\n]", &pid, &uid,
		   &r->since_real_ms, &r->waited_ms, r->key, r->label, r->command) < 6)
		log_line("restore port=%s token=%" PRIu64 " holder unknown", port->config.name,
			 token);
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
