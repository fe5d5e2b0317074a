/*
 * broker_grant.c - from the keeper's descriptor to the client's hand, and what is kept of a holder
 * across a restart of this process.
 */
#include "broker.h"
#include "class.h"
#include "clock.h"
#include "log.h"

#include <errno.h>
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
	if (fd < 0 && m->error == EADDRINUSE) { /* its client waits on */
		port_end(port, LEASE_UNPLUGGED, NULL);
		foreign_in_the_way(port);
		return;
	}
	if (fd < 0) {
		port_end(port, LEASE_FAILED, m->text);
		return;
	}
	lease_opened(&b->host, &port->lease, m->token, broker_now_ms(b));
	r->descriptions = 1;
	publish_port(port); /* the device may have taken longer than the last news */
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
	if (fd < 0 && m->error == ESTALE && port->lease.lingers) {
		port_end(port, LEASE_RELEASED, NULL); /* the keeper has given it up already */
		request_route(r);
		return;
	}
	if (fd < 0) {
		request_failed(r, m->text);
		return;
	}
	if (port->lease.lingers)
		port_revived(port);
	port->holder->descriptions++; /* the keeper's count may come after his next request */
	publish_port(port);
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

/* Names that are not there. */
#define NONE "-"

static const char *
or_none(const char *name)
{
	return *name != '\0' ? name : NONE;
}

/* The command last: it is only to be shown, and is cut where the names are very long. */
void
request_save(const struct request *r, char text[IPC_TEXT_MAX])
{
	int n;

	n = snprintf(text, IPC_TEXT_MAX,
		     "%ld %lu %" PRId64 " %" PRIu64 " %" PRId64 " %" PRId64
		     " %d %d %d %s %s %s %s %s",
		     (long)r->pid, (unsigned long)r->uid, r->since_real_ms, r->waited_ms,
		     (int64_t)r->core.max_hold_ms, (int64_t)r->core.grace_ms, r->core.priority,
		     r->core.standby, r->port->busy_by_word, or_none(r->key), or_none(r->class),
		     or_none(r->pool), or_none(r->label), r->command);
	if (n >= IPC_TEXT_MAX)
		log_debug("holder port=%s: the names are too long to be kept whole",
			  r->port->config.name);
}

static void
no_name(char *name)
{
	if (strcmp(name, NONE) == 0)
		name[0] = '\0';
}

static bool
parse_saved(struct request *r, const char *text)
{
	int64_t hold_ms = -1, grace_ms = 0;
	unsigned long uid = 0;
	int standby = 0, busy = 0, n;
	long pid = 0;

	n = sscanf(text,
		   "%ld %lu %" SCNd64 " %" SCNu64 " %" SCNd64 " %" SCNd64
		   " %d %d %d %32s %64s %64s %64s %63[^\n]",
		   &pid, &uid, &r->since_real_ms, &r->waited_ms, &hold_ms, &grace_ms, &r->priority,
		   &standby, &busy, r->key, r->class, r->pool, r->label, r->command);
	no_name(r->key);
	no_name(r->class);
	no_name(r->pool);
	no_name(r->label);
	r->pid = (pid_t)pid;
	r->uid = (uid_t)uid;
	r->core.max_hold_ms = (uint64_t)hold_ms; /* -1: LEASE_NEVER */
	r->core.grace_ms = (uint64_t)grace_ms;
	r->core.priority = r->priority;
	r->core.standby = standby != 0;
	r->port->busy_by_word = busy != 0;
	return n >= 13;
}

/* When it was granted, on the clock of deadlines. That one does not count suspend and this does, as
 * does the only deadline that counts from then. */
static uint64_t
granted_ms(const struct request *r, uint64_t now)
{
	int64_t ago_ms = clock_real_ms() - r->since_real_ms;

	if (ago_ms < 0)
		return now;
	return (uint64_t)ago_ms < now ? now - (uint64_t)ago_ms : 0;
}

struct request *
request_restore(struct port *port, uint64_t token, const char *text)
{
	struct request *r = calloc(1, sizeof(*r) + sizeof(r->places[0]));

	if (r == NULL)
		return NULL;
	r->fd = r->pidfd = r->stat = -1;
	r->broker = port->broker;
	r->port = port;
	r->stage = REQUEST_GRANTED;
	r->delivered = true;
	r->descriptions = 1;
	r->wait_ms = r->max_hold_ms = r->grace_ms = -1;
	r->since_real_ms = clock_real_ms();
	if (!parse_saved(r, text))
		log_line("restore port=%s token=%" PRIu64 " holder unknown", port->config.name,
			 token);
	r->place_max = 1;
	r->core.places = r->places;
	r->core.place_count = 1;
	r->places[0].port = &port->lease;
	r->places[0].rank = (int)class_rank(&port->config, r->class);
	r->core.since_ms = granted_ms(r, clock_now_ms());
	if (r->pid > 0)
		request_look(r);
	return r;
}
