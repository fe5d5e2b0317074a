/*
 * broker_inspector.c - the channel to the inspector, which looks who has a device without us: one
 * question a port at a time, and what is done when nobody answers. It draws no conclusions.
 *
 * The tricky idea: something may happen after the inspector has looked and before its answer is
 * here. So "nobody" counts only if nothing has happened since the question (inspect_again);
 * "somebody" counts at once, unless nobody has seen him and what spoke for him has been taken back.
 * And what the inspector says by itself is older than the answer to a question under way, and does
 * not count beside it.
 */
#include "broker_foreign.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct foreign_answer nobody = { .who = { .pid = -1 } };

/* ---- asking ---- */

static bool
is_anything_asked(const struct broker *b)
{
	const struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry)
		if (port->inspect_id != 0)
			return true;
	return false;
}

/* Its next word is due. */
static void
expect(struct broker *b)
{
	const struct timeval limit = { .tv_sec = BROKER_KEEPER_MS / 1000 };

	if (!evtimer_pending(&b->inspector_late, NULL))
		evtimer_add(&b->inspector_late, &limit);
}

static bool
tell(struct port *port, struct ipc_message *m)
{
	struct broker *b = port->broker;
	int error;

	snprintf(m->text, sizeof(m->text), "%s", port->config.name);
	error = b->inspector < 0 ? -EPIPE : ipc_send(b->inspector, m, -1);
	if (error < 0 && error != -EPIPE)
		log_line("tell inspector port=%s type=%u error=%s", port->config.name, m->type,
			 strerror(-error));
	return error == 0;
}

/* What can't be sent is asked again when a new inspector comes. */
static void
ask(struct port *port)
{
	struct ipc_message m = { .type = IPC_INSPECT,
				 .number = port->rdev,
				 .flag = port->evidence };

	m.id = port->inspect_id = ++port->broker->ids;
	port->inspect_again = false;
	expect(port->broker);
	tell(port, &m);
}

/* Whatever it says, it is back. It may have nothing to say by itself. */
static void
knock(struct port *port)
{
	struct ipc_message m = { .type = IPC_INSPECT,
				 .id = ++port->broker->ids,
				 .number = port->rdev,
				 .flag = port->evidence };

	tell(port, &m);
}

void
foreign_ask(struct port *port)
{
	if (port->broker->inspector_lost) {
		knock(port);
		foreign_answered(port, &nobody);
	} else if (port->inspect_id != 0) {
		port->inspect_again = true;
	} else {
		ask(port);
	}
}

bool
foreign_ask_evict(struct port *port, bool terminate)
{
	struct ipc_message m = { .type = IPC_EVICT, .flag = terminate };

	m.id = ++port->broker->ids;
	return tell(port, &m);
}

/* ---- answers ---- */

static void
read_answer(const struct port *port, const struct ipc_message *m, struct foreign_answer *answer)
{
	size_t name = strlen(m->text) + 1;

	*answer = nobody;
	answer->blind = (m->flag & IPC_FOREIGN_BLIND) != 0;
	if (!(m->flag & IPC_FOREIGN_HELD))
		return;
	answer->held = true;
	answer->login = (m->flag & IPC_FOREIGN_LOGIN) != 0;
	answer->reopened = (m->flag & IPC_FOREIGN_ALIVE) != 0 && m->id > port->hung_up_id;
	answer->count = m->number > 0 ? (unsigned)m->number : 1;
	if (name >= sizeof(m->text) || foreign_parse(m->text + name, &answer->who) < 0)
		answer->who = (struct foreign){ .pid = 0, .how = FOREIGN_OPEN };
}

/* True if that answer counts. */
static bool
take_answer(struct port *port, const struct ipc_message *m, const struct foreign_answer *answer)
{
	bool held = answer->held && (answer->who.pid != 0 || port->evidence != 0);
	bool again = port->inspect_again;

	if (m->id != port->inspect_id)
		return false; /* an earlier one's, or by itself while one is under way */
	port->inspect_id = 0;
	if (m->id != 0)
		evtimer_del(&port->broker->inspector_late);
	if (again)
		ask(port);
	else if (is_anything_asked(port->broker))
		expect(port->broker);
	return held || !again;
}

static void
handle(struct broker *b, const struct ipc_message *m)
{
	struct port *port = broker_find_port(b, m->text);
	struct foreign_answer answer;

	if (port == NULL)
		return; /* no longer configured */
	if (m->type == IPC_EVICTED) {
		evict_signalled(port, (unsigned)m->number, m->error);
	} else if (m->type == IPC_FOREIGN) {
		read_answer(port, m, &answer);
		if (take_answer(port, m, &answer)) {
			foreign_answered(port, &answer);
			doubt_inspected(port, m->id);
		}
	} else {
		log_line("unknown message type=%u from the inspector", m->type);
	}
}

/* Of every port: what is there has been asked of another one, or of none. */
static void
ask_all(struct broker *b)
{
	struct port *port;

	b->inspector_lost = false;
	TAILQ_FOREACH (port, &b->ports, entry) {
		port->inspect_id = 0; /* nobody answers that any more */
		port->inspect_again = false;
		if (port->lease.state == LEASE_DISABLED ||
		    (port->rdev == 0 && port->lease.state != LEASE_FOREIGN))
			continue;
		ask(port);
		publish_port(port);
	}
}

/* ---- the channel ---- */

static void
disconnect(struct broker *b)
{
	if (b->inspector < 0)
		return;
	event_del(&b->inspector_event);
	close(b->inspector);
	b->inspector = -1;
}

static void
on_inspector(evutil_socket_t socket, short what, void *arg)
{
	struct broker *b = arg;
	struct ipc_message m;
	int fd, result;

	(void)what;
	/* nearly always there is one; if there are more, the loop comes back */
	result = ipc_receive(socket, &m, &fd);
	if (result == 0 && fd >= 0)
		close(fd);
	if (result < 0) { /* it has died: a new one is on its way, or late */
		disconnect(b);
		expect(b);
	} else if (result == 0 && b->inspector_lost) {
		log_line("inspector back");
		ask_all(b); /* what it has to say may be old */
	} else if (result == 0) {
		handle(b, &m);
	}
	broker_settle(b);
}

/* Waiting on would keep ports from everybody for want of a look: go on, and say so. */
static void
on_late(evutil_socket_t socket, short what, void *arg)
{
	struct broker *b = arg;
	struct port *port;

	(void)socket;
	(void)what;
	if (b->inspector >= 0 && !is_anything_asked(b))
		return;
	log_line("inspector %s: ports are granted without a look at who has them outside comlease",
		 b->inspector < 0 ? "is not there" : "does not answer");
	b->inspector_lost = true;
	TAILQ_FOREACH (port, &b->ports, entry) {
		publish_port(port);
		if (port->inspect_id == 0)
			continue;
		port->inspect_id = 0;
		port->inspect_again = false;
		foreign_answered(port, &nobody);
	}
	broker_settle(b);
}

void
foreign_connect(struct broker *b, int channel)
{
	disconnect(b);
	b->inspector = channel;
	event_assign(&b->inspector_event, b->base, channel, EV_READ | EV_PERSIST, on_inspector, b);
	event_add(&b->inspector_event, NULL);
	evtimer_del(&b->inspector_late);
	ask_all(b);
}

void
foreign_init(struct broker *b)
{
	b->inspector = -1;
	evtimer_assign(&b->inspector_late, b->base, on_late, b);
	expect(b);
}

void
foreign_free(struct broker *b)
{
	disconnect(b);
	evtimer_del(&b->inspector_late);
}
