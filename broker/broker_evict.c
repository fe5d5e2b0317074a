/*
 * broker_evict.c - a port is taken from whoever has it outside comlease: SIGTERM if that is asked
 * for, else, or if that does not help, the line is hung up. It decides who is answered what, and
 * when; who has the port it is told.
 *
 * Beside a lease only SIGTERM is possible: a hang-up would end the lease too.
 */
#include "broker_foreign.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TERMINATE_MS 2000 /* for a process that was sent SIGTERM to let go */

/* ---- answers ---- */

static void
finish(struct port *port)
{
	evtimer_del(&port->evict_late);
	json_decref(port->evicted);
	port->evicted = NULL;
	port->evicting = EVICT_NONE;
	port->evictor = NULL;
}

static void
fail(struct port *port, const char *error, const char *why)
{
	struct peer *p = port->evictor;
	char text[IPC_TEXT_MAX + 160];

	finish(port);
	if (p == NULL)
		return;
	snprintf(text, sizeof(text), "%s: %s", port->config.name, why);
	service_error_port(p, error, port, text);
}

static void
succeed(struct port *port)
{
	struct peer *p = port->evictor;
	json_t *evicted = json_incref(port->evicted);

	finish(port);
	if (p == NULL) {
		json_decref(evicted);
		return;
	}
	peer_send(p, varlink_reply_new(json_pack("{s:o}", "foreign", evicted), false), -1);
	peer_done(p);
}

/* ---- doing it ---- */

static const struct foreign *
whom(const struct port *port)
{
	return lease_is_held(&port->lease) ? &port->intruder : &port->foreign;
}

static void
make_known(struct port *port, const char *how)
{
	const struct peer *p = port->evictor;
	char by[64] = "";

	if (p != NULL)
		snprintf(by, sizeof(by), "asked for by pid %ld, uid %lu", (long)p->pid,
			 (unsigned long)p->uid);
	if (whom(port)->pid >= 0) { /* else he is just being looked at again */
		json_decref(port->evicted);
		port->evicted = describe_foreigner(whom(port), port->foreigners);
	}
	publish_event(port->broker, &(struct publish_event){ .event = "evict",
							     .port = port,
							     .foreign = whom(port),
							     .token = port->lease.token,
							     .reason = how,
							     .detail = by,
							     .waited_ms = -1,
							     .held_ms = -1 });
}

static void
hang_up(struct port *port)
{
	struct broker *b = port->broker;

	evtimer_del(&port->evict_late);
	make_known(port, "hangup");
	foreign_ask_evict(port, false);
	port->evicting = EVICT_CLEANING;
	port->forced = port->anyway = port->hanging_up = true;
	port->foreign.pid = -1;
	port->reason[0] = '\0';
	lease_turnaround(&b->host, &port->lease, broker_now_ms(b));
	publish_port(port);
}

/* SIGTERM does not do it. */
static void
give_up_asking(struct port *port, const char *why)
{
	char text[IPC_TEXT_MAX];

	if (lease_is_held(&port->lease)) {
		snprintf(text, sizeof(text),
			 "%s; hanging the line up would end the lease beside which he has it: "
			 "revoke that, or end him by hand",
			 why);
		fail(port, "io.comlease.NotRevocable", text);
	} else if (!port->config.revocable) {
		snprintf(text, sizeof(text),
			 "%s, and the port is configured with \"revocation = none\", so that it "
			 "can't be hung up: end him by hand",
			 why);
		fail(port, "io.comlease.NotRevocable", text);
	} else {
		hang_up(port);
	}
}

static void
on_evict_late(evutil_socket_t socket, short what, void *arg)
{
	struct port *port = arg;

	(void)socket;
	(void)what;
	give_up_asking(port, "he was sent SIGTERM and has not let go within 2 s");
	broker_settle(port->broker);
}

static void
terminate(struct port *port)
{
	const struct timeval limit = { .tv_sec = TERMINATE_MS / 1000 };

	port->evicting = EVICT_ENDING;
	make_known(port, "terminate");
	if (whom(port)->pid == 0) {
		give_up_asking(port, "who has it can't be seen, and so gets no SIGTERM");
	} else if (!foreign_ask_evict(port, true)) {
		give_up_asking(port, "the inspector, who sends SIGTERM, does not answer");
	} else {
		evtimer_add(&port->evict_late, &limit);
	}
}

void
evict_signalled(struct port *port, unsigned count, int error)
{
	char why[128];

	(void)count; /* 0: they have gone by themselves, and that is told too */
	if (port->evicting != EVICT_ENDING || error == 0)
		return;
	snprintf(why, sizeof(why), "he can't be sent SIGTERM (%s)", strerror(error));
	give_up_asking(port, why);
}

/* ---- what becomes known ---- */

void
evict_known(struct port *port)
{
	if (port->evicting == EVICT_LOOKING)
		terminate(port);
	else if (port->evicting == EVICT_HANG)
		hang_up(port);
}

void
evict_gone(struct port *port)
{
	if (port->evicting == EVICT_LOOKING || port->evicting == EVICT_HANG) {
		fail(port, "io.comlease.NotForeign", "nobody outside comlease has it any more");
	} else if (port->evicting == EVICT_ENDING && lease_is_held(&port->lease)) {
		succeed(port);
	} else if (port->evicting == EVICT_ENDING) {
		evtimer_del(&port->evict_late);
		port->evicting = EVICT_CLEANING; /* and is answered when it is clean */
	}
}

void
evict_lease_ended(struct port *port, bool hangs_up)
{
	if (port->evicting != EVICT_ENDING || !hangs_up)
		return; /* the timer runs on */
	evtimer_del(&port->evict_late);
	port->evicting = EVICT_CLEANING;
}

/* He, or another one, was quicker than the turnaround: minicom opens what was hung up again. */
static void
fail_again(struct port *port)
{
	char text[IPC_TEXT_MAX + 96];

	snprintf(text, sizeof(text),
		 "the line was hung up, but now %s: SIGTERM (--term) ends a program that opens it "
		 "again",
		 port->reason);
	fail(port, "io.comlease.OpenFailed", text);
}

void
evict_settled(struct port *port)
{
	bool has_begun = port->evicting == EVICT_ENDING || port->evicting == EVICT_CLEANING;

	if (port->evicting == EVICT_NONE || port->lease.state == LEASE_TURNAROUND)
		return;
	if (port->lease.state == LEASE_DISABLED && !has_begun)
		fail(port, "io.comlease.NotForeign", "it has been disabled meanwhile");
	else if (port->lease.state == LEASE_ABSENT || port->lease.state == LEASE_FAULTED)
		fail(port, "io.comlease.OpenFailed", port->reason);
	else if (port->evicting == EVICT_CLEANING && port->lease.state != LEASE_FOREIGN)
		succeed(port);
	else if (port->evicting == EVICT_CLEANING && !foreign_is_looking(port))
		fail_again(port);
}

/* ---- the method ---- */

void
foreign_evict(struct port *port, struct peer *p, bool with_term)
{
	bool is_held = lease_is_held(&port->lease);

	if (port->evicting != EVICT_NONE) {
		char text[128];

		snprintf(text, sizeof(text), "%s: somebody is being evicted already; try again",
			 port->config.name);
		service_error_port(p, "io.comlease.NotForeign", port, text);
		return;
	}
	port->evictor = p;
	if (is_held && port->intruder.pid < 0)
		fail(port, "io.comlease.NotForeign",
		     "nobody outside comlease has it; it is held under a lease, which revoke ends");
	else if (is_held && !with_term)
		fail(port, "io.comlease.NotRevocable",
		     "he has it beside a lease, and hanging the line up would end that too: evict "
		     "him with SIGTERM (--term), or revoke the lease");
	else if (!is_held && port->lease.state != LEASE_FOREIGN)
		fail(port, "io.comlease.NotForeign", "nobody outside comlease has it");
	else if (!with_term && !port->config.revocable)
		fail(port, "io.comlease.NotRevocable",
		     "configured with \"revocation = none\", so that it can't be hung up: evict "
		     "with SIGTERM (--term), or end whoever has it by hand");
	else
		port->evicting = with_term ? EVICT_LOOKING : EVICT_HANG;
	if (port->evicting != EVICT_NONE && !foreign_is_looking(port))
		evict_known(port);
}

void
evict_init(struct port *port)
{
	evtimer_assign(&port->evict_late, port->broker->base, on_evict_late, port);
}

void
evict_forget(struct port *port)
{
	if (port->evicting != EVICT_NONE)
		fail(port, "io.comlease.NotForeign", "it is no longer configured");
	evtimer_del(&port->evict_late);
}
