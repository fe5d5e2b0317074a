/*
 * broker_keeper.c - what the keepers say. It turns their reports into calls of the core, which
 * alone decides what follows.
 *
 * A keeper's word counts only for what it answers: a late READY of an earlier turnaround, or a
 * descriptor for a request that has gone, changes nothing.
 */
#include "broker.h"
#include "clock.h"
#include "log.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
set_absent(struct port *port, const char *why)
{
	struct broker *b = port->broker;

	if (lease_is_held(&port->lease))
		port_end(port, LEASE_UNPLUGGED, why);
	snprintf(port->reason, sizeof(port->reason), "%s", why);
	port->rdev = 0;
	port->node[0] = '\0';
	lease_expect(&b->host, &port->lease, LEASE_NEVER);
	lease_absent(&b->host, &port->lease, broker_now_ms(b));
	port_settled(port);
}

static void
set_fault(struct port *port, const char *why)
{
	struct broker *b = port->broker;

	if (lease_is_held(&port->lease))
		port_end(port, LEASE_FAILED, why);
	snprintf(port->reason, sizeof(port->reason), "%s", why);
	lease_expect(&b->host, &port->lease, LEASE_NEVER);
	lease_fault(&b->host, &port->lease, broker_now_ms(b));
	port_settled(port);
}

/* The device is there, and nobody of ours has it. */
static void
set_present(struct port *port)
{
	struct broker *b = port->broker;

	lease_expect(&b->host, &port->lease, LEASE_NEVER);
	/* after a turnaround that failed old descriptors may work still: nobody looks before they
	 * are dead */
	if (port->lease.disabled || port->ended != NULL)
		lease_turnaround(&b->host, &port->lease, broker_now_ms(b));
	else
		foreign_look(port);
}

static void
set_ready(struct port *port, const struct ipc_message *m)
{
	port->rdev = m->number;
	lease_expect(&port->broker->host, &port->lease, LEASE_NEVER);
	if (port->lease.disabled || foreign_ready(port, m->flag))
		port_clean(port);
	else
		port_settled(port); /* the lease is over all the same */
}

/* A keeper that starts while a lease is alive. */
static void
report_held(struct port *port, const struct ipc_message *m)
{
	lease_expect(&port->broker->host, &port->lease, LEASE_NEVER);
	if (!port->holder->delivered && !m->flag) {
		set_absent(port, m->text);
	} else if (!port->holder->delivered) {
		/* The last one did not get so far, and nobody knows who has the device since it
		 * died: its client waits on until that is known, and it is clean. */
		port_end(port, LEASE_UNPLUGGED, NULL);
		set_present(port);
	} else if (m->token == port->lease.token) {
		port_tell_holder(port);
	} else if (!port->lease.lingers) {
		port_gone(port, false);
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
	lease_resume(&b->host, &port->lease, m->token, &r->core, broker_now_ms(b));
	port->holder = r;
	port->reason[0] = '\0';
	port_line_changed(port);
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
	port->node[0] = '\0'; /* follows */
	if (m->flag)
		port->reason[0] = '\0';
	if (!first)
		foreign_new_keeper(port);
	if (!first && port->lease.disabled)
		port_tell_disabled(port);
	if (lease_is_held(&port->lease))
		report_held(port, m);
	else if (first && m->token != 0)
		report_resume(port, m);
	else if (m->flag && port->lease.state == LEASE_TURNAROUND)
		lease_turnaround(&b->host, &port->lease, broker_now_ms(b));
	else if (m->flag)
		set_present(port);
	else
		set_absent(port, m->text);
	request_rejoin(port); /* what the last keeper was asked for and did not do */
	publish_port(port);
	broker_serve(b);
}

static void
handle_state(struct port *port, const struct ipc_message *m)
{
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
	else if (port->lease.state == LEASE_ABSENT || port->lease.state == LEASE_FAULTED) {
		port->rdev = m->number; /* PRESENT */
		set_present(port);
	}
}

static void
handle_lease(struct port *port, const struct ipc_message *m)
{
	if (!lease_is_held(&port->lease) || m->token != port->lease.token)
		return;
	if (m->type == IPC_GONE) {
		port_gone(port, m->flag != 0);
	} else if (m->type == IPC_HUNGUP) {
		port_end(port, LEASE_HUNGUP, NULL);
	} else if (m->type == IPC_LINE) {
		port->line = m->flag;
		port_line_changed(port);
	} else {
		port->holder->descriptions = (unsigned)m->number;
		publish_port(port);
	}
}

/* What the device is and where: pools may want it now, or no longer. */
static void
handle_identity(struct port *port, const struct ipc_message *m)
{
	char identity[sizeof(port->identity)];
	size_t n = strlen(m->text) + 1;
	bool moved;

	snprintf(identity, sizeof(identity), "%.*s", (int)sizeof(identity) - 1, m->text);
	snprintf(port->node, sizeof(port->node), "%s", n < sizeof(m->text) ? m->text + n : "");
	moved = port->node[0] != '\0' && strcmp(port->last_node, port->node) != 0;
	publish_port(port);
	if (strcmp(port->identity, identity) == 0 && !moved)
		return;
	memcpy(port->identity, identity, sizeof(identity));
	if (moved)
		memcpy(port->last_node, port->node, sizeof(port->last_node));
	pool_changed(port->broker);
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
	case IPC_LINE:
		handle_lease(port, m);
		break;
	case IPC_STRANGER:
		foreign_stranger(port, m->flag);
		break;
	case IPC_IDENTITY:
		handle_identity(port, m);
		break;
	case IPC_MEMO:
		port_remember(port, m->text);
		break;
	case IPC_CHECKED:
		doubt_checked(port->broker, m->id);
		break;
	case IPC_BUSY:
		port_expect(port, m->number + BROKER_KEEPER_MS);
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
	if (port->lease.state == LEASE_FAULTED) {
		set_present(port);
	} else {
		port->reason[0] = '\0';
		port_expect_joining(port);
	}
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

void
port_disconnect(struct port *port)
{
	if (port->channel < 0)
		return;
	event_del(&port->channel_event);
	close(port->channel);
	port->channel = -1;
}

static void
on_channel(evutil_socket_t socket, short what, void *arg)
{
	struct port *port = arg;

	(void)socket;
	(void)what;
	/* nearly always there is one; if there are more, the loop comes back */
	if (!drain(port, 1)) {
		/* It has died: a new one is on its way, and late if it does not come. Until then
		 * nobody keeps others out. */
		port_disconnect(port);
		port_expect(port, BROKER_KEEPER_MS);
		if (port->lease.state == LEASE_FREE)
			foreign_look(port);
	}
	broker_settle(port->broker);
}

void
port_connect(struct port *port, int channel)
{
	if (port->channel >= 0)
		drain(port, INT_MAX); /* what the old keeper said before it died is true */
	port_disconnect(port);
	port->channel = channel;
	event_assign(&port->channel_event, port->broker->base, channel, EV_READ | EV_PERSIST,
		     on_channel, port);
	event_add(&port->channel_event, NULL);
	port_expect(port, BROKER_KEEPER_MS);
}
