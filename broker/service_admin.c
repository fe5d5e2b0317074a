/*
 * service_admin.c - the methods for those who look after a host's ports: Handoff, Evict, Disable,
 * Enable.
 */
#include "broker.h"
#include "parameter.h"
#include "service.h"

#include <stdio.h>
#include <string.h>

#define NAMED_MAX 5 /* waiters in a sentence */

/* The port of that name, or the answer: NULL. */
static struct port *
named_port(struct broker *b, struct peer *p, const char *wrong, const char *name)
{
	struct port *port = name == NULL ? NULL : broker_find_port(b, name);

	if (wrong != NULL || name == NULL)
		service_invalid(p, wrong != NULL ? wrong : "port");
	else if (port == NULL)
		service_no_such_port(b, p, name);
	return wrong != NULL ? NULL : port;
}

/* ---- Handoff ---- */

/* "efax (pid 812, uid 1000, label fax)" */
static size_t
print_waiter(const struct request *r, char *text, size_t size)
{
	int n = snprintf(text, size, "%s (pid %ld, uid %lu%s%s)",
			 *r->command != '\0' ? r->command : "a process", (long)r->pid,
			 (unsigned long)r->uid, *r->label != '\0' ? ", label " : "", r->label);

	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* The first that fits. */
static struct request *
find_waiter(const struct port *port, pid_t pid, const char *label)
{
	const struct lease_place *place;
	struct request *r;

	for (place = lease_first(&port->lease); place != NULL; place = lease_after(place)) {
		r = (struct request *)place->request;
		if ((pid == 0 || r->pid == pid) && (label == NULL || strcmp(r->label, label) == 0))
			return r;
	}
	return NULL;
}

static void
no_such_waiter(struct peer *p, const struct port *port, pid_t pid, const char *label)
{
	const struct lease_place *place = lease_first(&port->lease);
	char text[1536], whom[32];
	size_t n, shown = 0;

	snprintf(whom, sizeof(whom), "pid %ld", (long)pid);
	n = (size_t)snprintf(text, sizeof(text), "%s: %s%s does not wait for it; %s",
			     port->config.name, label != NULL ? "label " : "",
			     label != NULL ? label : whom,
			     place == NULL ? "nobody does" : "who does: ");
	for (; place != NULL && shown < NAMED_MAX; place = lease_after(place), shown++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", shown > 0 ? ", " : "");
		n += print_waiter((const struct request *)place->request, text + n,
				  sizeof(text) - n);
	}
	if (port->lease.waiting > shown)
		snprintf(text + n, sizeof(text) - n, " and %zu more", port->lease.waiting - shown);
	service_error_port(p, INTERFACE "NoSuchWaiter", port, text);
}

static void
hand_off(struct port *port, struct peer *p, struct request *to)
{
	struct broker *b = port->broker;
	uint64_t token = port->lease.token;
	char text[256] = "to ";

	lease_hand_off(&b->host, &port->lease, token, &to->core);
	port_tell_holder(port); /* or the keeper may clean at once what is to be kept */
	print_waiter(to, text + 3, sizeof(text) - 3);
	publish_event(b, &(struct publish_event){ .event = "handoff",
						  .port = port,
						  .request = port->holder,
						  .token = token,
						  .detail = text,
						  .waited_ms = -1,
						  .held_ms = -1 });
	publish_port(port);
	peer_send(p,
		  varlink_reply_new(json_pack("{s:I, s:o}", "token", (json_int_t)token, "to",
					      describe_process(to)),
				    false),
		  -1);
	peer_done(p);
	broker_settle(b);
}

void
service_handoff(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	const char *name = NULL, *label = NULL, *wrong;
	json_int_t pid = 0;
	const struct parameter parameters[] = { { "port", PARAMETER_NAME, 0, 0, &name },
						{ "pid", PARAMETER_NUMBER, 1, INT32_MAX, &pid },
						{ "label", PARAMETER_NAME, 0, 0, &label },
						PARAMETER_END };
	struct port *port;
	struct request *to;

	wrong = parameter_take_all(call->parameters, parameters);
	if (wrong == NULL && name != NULL && (pid == 0) == (label == NULL))
		wrong = pid == 0 ? "pid" : "label";
	port = named_port(b, p, wrong, name);
	if (port == NULL)
		return;
	if (!lease_is_held(&port->lease)) {
		service_nobody_holds(p, port);
	} else if (!access_may_revoke(p, port)) {
		service_denied(p);
	} else if ((to = find_waiter(port, (pid_t)pid, label)) == NULL) {
		no_such_waiter(p, port, (pid_t)pid, label);
	} else {
		hand_off(port, p, to);
	}
}

/* ---- Evict ---- */

void
service_evict(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	const char *name = NULL;
	bool with_term = false;
	const struct parameter parameters[] = { { "port", PARAMETER_NAME, 0, 0, &name },
						{ "terminate", PARAMETER_BOOL, 0, 0, &with_term },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);
	struct port *port = named_port(b, p, wrong, name);

	if (port == NULL)
		return;
	if (!access_may_evict(p, port)) {
		service_denied(p);
		return;
	}
	foreign_evict(port, p, with_term);
	broker_settle(b);
}

/* ---- Disable, Enable ---- */

static void
set_disabled(struct port *port, struct peer *p, bool disabled, const char *reason)
{
	struct broker *b = port->broker;

	if (!access_may_disable(p, port)) {
		service_denied(p);
		return;
	}
	port_disable(port, disabled, reason);
	service_done(p);
	broker_settle(b);
}

void
service_disable(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	const char *name = NULL, *reason = NULL;
	const struct parameter parameters[] = { { "port", PARAMETER_NAME, 0, 0, &name },
						{ "reason", PARAMETER_TEXT, 0, 200, &reason },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);
	struct port *port = named_port(b, p, wrong, name);

	if (port != NULL)
		set_disabled(port, p, true, reason);
}

void
service_enable(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	const char *name = NULL;
	const struct parameter parameters[] = { { "port", PARAMETER_NAME, 0, 0, &name },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);
	struct port *port = named_port(b, p, wrong, name);

	if (port != NULL)
		set_disabled(port, p, false, NULL);
}
