/*
 * broker_doubt.c - a request that seems to wait for what its own process has. It decides nothing:
 * it sees to it that such a request is refused for what is, and not for what was.
 *
 * The tricky idea: a program that closes one port and asks for the next one is here before anybody
 * has told us of its close: its lease seems to be alive, and others to wait for it. So whoever
 * knows is asked to look now (his answer comes after what he has to tell), and then the request
 * begins anew. Its place counts from when it came all the same.
 */
#include "broker.h"
#include "clock.h"

/* Who does not answer in that time has other troubles. On a busy machine a look at some hundred
 * processes takes a second, and the one that was under way comes first. A keeper that hangs is
 * given up later (BROKER_KEEPER_MS), and that may be what he waits for. */
#define DOUBT_MS 3000

static void
look(struct request *r, struct port *port)
{
	struct ipc_message m = { .type = IPC_CHECK, .id = r->id };

	r->checks++;
	r->is_outside = !lease_is_held(&port->lease);
	if (r->is_outside)
		foreign_look(port);
	else
		port_tell(port, &m);
}

bool
request_doubt(struct request *r, struct port *only)
{
	struct broker *b = r->broker;
	struct port *port;

	if (r->certain)
		return false;
	r->stage = REQUEST_DOUBTED;
	r->id = ++b->ids;
	r->checks = 0;
	r->doubt_until = clock_now_ms() + DOUBT_MS;
	TAILQ_INSERT_TAIL(&b->doubted, r, entry);
	broker_alarm(b, r->doubt_until);
	TAILQ_FOREACH (port, &b->ports, entry)
		if (only != NULL ? port == only : port->blocked)
			look(r, port);
	return true;
}

static void
begin_anew(struct request *r)
{
	TAILQ_REMOVE(&r->broker->doubted, r, entry);
	r->stage = REQUEST_NEW;
	r->certain = true;
	request_route(r);
}

void
doubt_checked(struct broker *b, uint64_t id)
{
	struct request *r;

	TAILQ_FOREACH (r, &b->doubted, entry)
		if (r->id == id)
			break;
	if (r != NULL && --r->checks == 0)
		begin_anew(r);
}

/* To a question that was asked after the request came. */
void
doubt_inspected(struct port *port, uint64_t id)
{
	struct request *r, *next;

	for (r = TAILQ_FIRST(&port->broker->doubted); r != NULL; r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->is_outside && r->port == port && r->id < id)
			begin_anew(r);
	}
}

uint64_t
doubt_due(struct broker *b, uint64_t now_ms)
{
	struct request *r;

	while ((r = TAILQ_FIRST(&b->doubted)) != NULL && r->doubt_until <= now_ms)
		begin_anew(r);
	return r != NULL ? r->doubt_until : LEASE_NEVER;
}

void
doubt_fail(struct port *port, const char *why)
{
	struct request *r, *next;

	for (r = TAILQ_FIRST(&port->broker->doubted); r != NULL; r = next) {
		next = TAILQ_NEXT(r, entry);
		if (r->port != port)
			continue;
		TAILQ_REMOVE(&port->broker->doubted, r, entry);
		request_failed(r, why);
	}
}
