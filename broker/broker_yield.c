/*
 * broker_yield.c - a lease before its end: its holder is asked to let go, and made to; is in a
 * call, or idle; has closed the device and may open it again. When any of that happens is the
 * core's decision; here it is carried out and made known.
 *
 * The tricky idea: a lease that lingers has nothing open, so nobody but its holder's process could
 * open it again. That process is watched while it lingers, and only then: its end ends the lease.
 */
#include "broker.h"
#include "clock.h"
#include "kin.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A little later: somebody waits for the port. `detail` lasts. */
static void
note(struct port *port, const char *event, const char *reason, const char *detail)
{
	publish_note(port->broker, &(struct publish_event){ .event = event,
							    .port = port,
							    .request = port->holder,
							    .token = port->lease.token,
							    .reason = reason,
							    .detail = detail,
							    .waited_ms = -1,
							    .held_ms = -1 });
}

/* ---- asked to let go ---- */

void
port_yield(struct port *port, const struct lease_step *step)
{
	const struct request *asker = (const struct request *)step->request;
	char text[sizeof(port->asker)] = "";

	if (port->lease.lingers) { /* there is nobody to be asked */
		port_end(port, LEASE_RELEASED, NULL);
		return;
	}
	if (asker != NULL)
		snprintf(text, sizeof(text), "for %s (pid %ld, uid %lu)",
			 *asker->command != '\0' ? asker->command : "a process", (long)asker->pid,
			 (unsigned long)asker->uid);
	if (strcmp(text, port->asker) != 0) {
		publish_notes(port->broker); /* the last one may stand there */
		memcpy(port->asker, text, sizeof(text));
	}
	watch_yield(port, asker);
	note(port, "yield", lease_reason_name(step->reason), asker != NULL ? port->asker : NULL);
	publish_port(port);
}

void
port_keep(struct port *port)
{
	if (!port->late)
		port->reason[0] = '\0'; /* it may say that he could not be made to go */
	note(port, "keep", NULL, NULL);
	watch_keep(port);
	publish_port(port);
}

void
port_revoke(struct port *port, enum lease_reason reason)
{
	char detail[96];

	if (!port->config.revocable) {
		snprintf(port->reason, sizeof(port->reason),
			 "its holder has not let go when asked, and can't be made to: "
			 "\"revocation = none\"");
		log_line("revoke port=%s token=%" PRIu64 " error=%s", port->config.name,
			 port->lease.token, "not revocable");
		publish_port(port);
		return;
	}
	snprintf(detail, sizeof(detail), "did not let go within %.3g s of being asked",
		 (double)port->lease.grace_ms / 1000);
	port->forced = true;
	port_end(port, reason, detail);
}

/* ---- nothing is open ---- */

static enum lease_reason
how_it_ended(struct port *port)
{
	struct request *r = port->holder;

	request_look(r);
	return kin_was_killed(r->stat, r->pidfd) ? LEASE_DIED : LEASE_RELEASED;
}

void
port_lingered(struct port *port)
{
	struct broker *b = port->broker;

	if (TAILQ_EMPTY(&port->joining))
		port_end(port, how_it_ended(port), NULL);
	else /* somebody is on the way */
		lease_linger(&b->host, &port->lease, port->lease.token,
			     broker_now_ms(b) + BROKER_KEEPER_MS);
}

static void
on_holder(evutil_socket_t socket, short what, void *arg)
{
	struct port *port = arg;

	(void)socket;
	(void)what;
	if (port->holder != NULL && port->lease.lingers) {
		port_end(port, how_it_ended(port), NULL);
		broker_settle(port->broker);
	}
}

static bool
may_linger(const struct port *port, enum lease_reason reason)
{
	const struct request *r = port->holder;

	return port->config.linger_ms > 0 && reason == LEASE_RELEASED &&
	       port->lease.state == LEASE_HELD && port->lease.successor == NULL && r->pidfd >= 0 &&
	       !kin_has_ended(r->pidfd);
}

void
port_gone(struct port *port, bool is_clean)
{
	struct broker *b = port->broker;
	struct request *r = port->holder;
	enum lease_reason reason;

	if (!r->delivered)
		return; /* it is still to be opened */
	reason = how_it_ended(port);
	port->cleaned = is_clean ? port->lease.token : 0;
	r->descriptions = 0;
	if (!may_linger(port, reason)) {
		port_end(port, reason, NULL);
		return;
	}
	lease_linger(&b->host, &port->lease, port->lease.token,
		     broker_now_ms(b) + port->config.linger_ms);
	event_del(&port->holder_event);
	event_assign(&port->holder_event, b->base, r->pidfd, EV_READ, on_holder, port);
	event_add(&port->holder_event, NULL);
	publish_port(port);
}

void
port_revived(struct port *port)
{
	struct broker *b = port->broker;

	event_del(&port->holder_event);
	port->cleaned = 0;
	port->holder->descriptions = 1;
	lease_opened(&b->host, &port->lease, port->lease.token, broker_now_ms(b));
	publish_port(port);
}

/* ---- busy and idle ---- */

static bool
is_busy(const struct port *port)
{
	return port->busy_by_word || (port->config.busy_by_dcd && port->line & IPC_LINE_CARRIER) ||
	       (port->config.busy_by_activity_s > 0 && port->line & IPC_LINE_ACTIVE);
}

void
port_line_changed(struct port *port)
{
	struct broker *b = port->broker;
	bool busy = is_busy(port);

	if (!lease_is_held(&port->lease))
		return;
	lease_idle(&b->host, &port->lease, port->lease.token, (port->line & IPC_LINE_IDLE) != 0,
		   broker_now_ms(b));
	if (!port->lease.standby || busy == port->lease.busy)
		return;
	lease_busy(&b->host, &port->lease, port->lease.token, busy, broker_now_ms(b));
	port_tell_holder(port); /* it must outlive us that he says so */
	note(port, busy ? "busy" : "idle", NULL, NULL);
	publish_port(port);
}

/* ---- rules ---- */

static uint64_t
span_ms(uint32_t seconds)
{
	return seconds == CONFIG_NEVER ? LEASE_NEVER : (uint64_t)seconds * 1000;
}

void
port_policy(struct port *port)
{
	static const enum lease_preempt preempt[] = {
		[CONFIG_PREEMPT_NEVER] = LEASE_PREEMPT_NEVER,
		[CONFIG_PREEMPT_STANDBY] = LEASE_PREEMPT_STANDBY,
		[CONFIG_PREEMPT_LOWER] = LEASE_PREEMPT_LOWER,
	};
	struct broker *b = port->broker;

	port->lease.policy = (struct lease_policy){
		.preempt = preempt[port->config.preempt],
		.age_step_ms = span_ms(port->config.age_step_s),
		.min_hold_ms = span_ms(port->config.min_hold_s),
		.max_busy_ms = span_ms(port->config.max_busy_s),
	};
	lease_policy_changed(&b->host, &port->lease, broker_now_ms(b));
	if (lease_is_held(&port->lease))
		port_line_changed(port); /* busy-by may be another */
}
