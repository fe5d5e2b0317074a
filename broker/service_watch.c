/*
 * service_watch.c - the methods of a holder that gives way: Watch, Yield, SetBusy.
 */
#include "broker.h"
#include "parameter.h"
#include "service.h"

#include <stdio.h>
#include <string.h>

/* The live lease of that token, or the answer: NULL. */
static struct port *
live_port(struct broker *b, struct peer *p, uint64_t token)
{
	struct port *port = service_find_token(b, token);

	if (port == NULL)
		service_ended(p);
	return port;
}

static bool
refused_holder(struct peer *p, const struct port *port)
{
	if (port->holder->uid == p->uid)
		return false;
	service_denied(p);
	return true;
}

/* ---- Watch ---- */

void
service_watch(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	json_int_t token = 0;
	const struct parameter parameters[] = { { "token", PARAMETER_NUMBER, 1, INT64_MAX, &token },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);
	struct port *port;

	if (wrong != NULL || token == 0) {
		service_invalid(p, wrong != NULL ? wrong : "token");
	} else if (!call->more) {
		service_error(p, VARLINK_ERROR("ExpectedMore"), json_object());
	} else if ((port = live_port(b, p, (uint64_t)token)) != NULL) {
		if (!access_may_revoke(p, port))
			service_denied(p);
		else if (watch_add(port, p) < 0)
			peer_kill(p, "no memory");
	}
}

/* ---- Yield ---- */

/* What is asked for anew, copied: the holder is no more when it is asked. */
struct again {
	char label[sizeof(((struct request *)0)->label)];
	char key[sizeof(((struct request *)0)->key)];
	char class[sizeof(((struct request *)0)->class)];
	struct request_wish wish;
};

static const char *
or_null(const char *text)
{
	return *text != '\0' ? text : NULL;
}

static void
same_again(const struct port *port, struct again *again)
{
	const struct request *r = port->holder;

	memcpy(again->label, r->label, sizeof(again->label));
	memcpy(again->key, r->key, sizeof(again->key));
	memcpy(again->class, r->class, sizeof(again->class));
	again->wish = (struct request_wish){
		.pool = *r->pool != '\0' ? config_find_pool(&port->broker->config, r->pool) : NULL,
		.label = or_null(again->label),
		.key = or_null(again->key),
		.class = or_null(again->class),
		.wait_ms = -1,
		.max_hold_ms = r->max_hold_ms,
		.grace_ms = r->grace_ms,
		.priority = r->priority,
		.more = true,
		.standby = true,
	};
	if (again->wish.pool == NULL)
		again->wish.port = (struct port *)port;
}

static bool
refused_yield(struct peer *p, const struct port *port)
{
	char text[256];

	if (refused_holder(p, port))
		return true;
	if (!port->lease.standby) {
		snprintf(text, sizeof(text),
			 "%s: not held in standby: it is given back by closing the device",
			 port->config.name);
		service_not_holder(p, text);
		return true;
	}
	if (port->config.revocable || port->holder->descriptions == 0)
		return false;
	snprintf(text, sizeof(text),
		 "%s: configured with \"revocation = none\": close the device, which ends the "
		 "lease, and then acquire it again with \"standby\"",
		 port->config.name);
	service_error_port(p, INTERFACE "NotRevocable", port, text);
	return true;
}

void
service_yield(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	json_int_t token = 0;
	const struct parameter parameters[] = { { "token", PARAMETER_NUMBER, 1, INT64_MAX, &token },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);
	struct again again;
	struct port *port;

	if (wrong != NULL || token == 0) {
		service_invalid(p, wrong != NULL ? wrong : "token");
	} else if (!call->more) {
		service_error(p, VARLINK_ERROR("ExpectedMore"), json_object());
	} else if ((port = live_port(b, p, (uint64_t)token)) != NULL && !refused_yield(p, port)) {
		same_again(port, &again);
		port_end(port, LEASE_YIELDED, NULL);
		service_ask(b, p, &again.wish);
	}
}

/* ---- SetBusy ---- */

static struct port *
busy_port(struct broker *b, struct peer *p, uint64_t token, const char *name)
{
	struct port *port;

	if (token != 0)
		return live_port(b, p, token);
	port = broker_find_port(b, name);
	if (port == NULL) {
		service_no_such_port(b, p, name);
	} else if (!lease_is_held(&port->lease)) {
		service_nobody_holds(p, port);
		return NULL;
	}
	return port;
}

void
service_busy(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	json_int_t token = 0;
	const char *name = NULL, *wrong;
	bool busy = false;
	const struct parameter parameters[] = { { "token", PARAMETER_NUMBER, 1, INT64_MAX, &token },
						{ "port", PARAMETER_NAME, 0, 0, &name },
						{ "busy", PARAMETER_BOOL, 0, 0, &busy },
						PARAMETER_END };
	struct port *port;

	wrong = parameter_take_all(call->parameters, parameters);
	if (wrong == NULL && (token == 0) == (name == NULL))
		wrong = token == 0 ? "token" : "port";
	if (wrong == NULL && !json_is_boolean(json_object_get(call->parameters, "busy")))
		wrong = "busy";
	if (wrong != NULL) {
		service_invalid(p, wrong);
		return;
	}
	port = busy_port(b, p, (uint64_t)token, name);
	if (port == NULL || refused_holder(p, port))
		return;
	port->busy_by_word = busy;
	port_line_changed(port);
	peer_send(p,
		  varlink_reply_new(json_pack("{s:b}", "standby", (int)port->lease.standby), false),
		  -1);
	peer_done(p);
	broker_settle(b);
}
