/*
 * broker_watch.c - who is told what happens to a lease: the holders that called Watch. It knows
 * what an event looks like, not why it happens.
 *
 * Sending can end a connection; its watch goes later, when nobody walks along a list
 * (watch_drop()).
 *
 * The tricky idea: that he is to let go, or has lost the port, a holder is told at once. That his
 * lease has ended because he closed the device himself he knows: that waits until the next one has
 * the port (watch_tell_later()).
 */
#include "broker.h"
#include "clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct watch {
	TAILQ_ENTRY(watch) entry; /* in port->watches, or in broker->ended */
	struct watches *list;     /* in which of them */
	struct port *port;        /* not once it is in broker->ended */
	struct peer *peer;
	enum lease_reason reason; /* in broker->ended: how it did */
};

static void
tell(const struct watch *w, json_t *parameters)
{
	if (w->peer->dead)
		json_decref(parameters);
	else
		peer_send(w->peer, varlink_reply_new(parameters, true), -1);
}

/* A new reference. */
static json_t *
yield_wanted(const struct port *port, const struct request *asker)
{
	const struct lease_port *lease = &port->lease;
	json_int_t in_ms = (json_int_t)(lease->yield_by_ms - broker_now_ms(port->broker));

	return json_pack("{s:s, s:I, s:s, s:o*, s:s*}", "event", "yieldWanted", "deadline",
			 clock_real_ms() + in_ms, "reason", lease_reason_name(lease->yield_reason),
			 "asker", asker == NULL ? NULL : describe_process(asker), "askerClass",
			 asker == NULL || *asker->class == '\0' ? NULL : asker->class);
}

int
watch_add(struct port *port, struct peer *p)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return -ENOMEM;
	w->port = port;
	w->list = &port->watches;
	w->peer = p;
	p->watch = w;
	TAILQ_INSERT_TAIL(&port->watches, w, entry);
	tell(w, port->lease.state == LEASE_YIELDING ? yield_wanted(port, NULL)
						    : json_pack("{s:s}", "event", "watching"));
	return 0;
}

static void
drop(struct watch *w)
{
	TAILQ_REMOVE(w->list, w, entry);
	w->peer->watch = NULL;
	free(w);
}

void
watch_drop(struct peer *p)
{
	if (p->watch != NULL)
		drop(p->watch);
}

void
watch_yield(struct port *port, const struct request *asker)
{
	struct watch *w;

	TAILQ_FOREACH (w, &port->watches, entry)
		tell(w, yield_wanted(port, asker));
}

void
watch_keep(struct port *port)
{
	struct watch *w;

	TAILQ_FOREACH (w, &port->watches, entry)
		tell(w, json_pack("{s:s}", "event", "resumed"));
}

static const char *
last_event(enum lease_reason reason)
{
	if (reason == LEASE_UNPLUGGED)
		return "unplugged";
	return reason == LEASE_REVOKED ? "revoked" : "ended";
}

/* The first of the list; answering may lead back here, so nobody walks along it. */
static void
tell_end(struct watches *list, enum lease_reason reason)
{
	struct watch *w = TAILQ_FIRST(list);
	/* clang does not follow tqe_prev to the head: NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	struct peer *p = w->peer;

	TAILQ_REMOVE(list, w, entry);
	p->watch = NULL;
	free(w);
	if (p->dead)
		return;
	peer_send(p,
		  varlink_reply_new(json_pack("{s:s, s:s}", "event", last_event(reason), "reason",
					      lease_reason_name(reason)),
				    false),
		  -1);
	peer_done(p);
}

void
watch_ended(struct port *port, enum lease_reason reason)
{
	while (!TAILQ_EMPTY(&port->watches))
		tell_end(&port->watches, reason);
}

void
watch_ended_later(struct port *port, enum lease_reason reason)
{
	struct broker *b = port->broker;
	struct watch *w;

	if (TAILQ_EMPTY(&port->watches))
		return;
	TAILQ_FOREACH (w, &port->watches, entry) {
		w->list = &b->ended;
		w->port = NULL;
		w->reason = reason;
	}
	TAILQ_CONCAT(&b->ended, &port->watches, entry);
	publish_notes_later(b);
}

void
watch_tell_later(struct broker *b)
{
	while (!TAILQ_EMPTY(&b->ended))
		tell_end(&b->ended, TAILQ_FIRST(&b->ended)->reason);
}
