/*
 * service_end.c - the methods that end a lease: Release and Revoke, and who may call them.
 */
#include "broker.h"
#include "parameter.h"
#include "service.h"

#include <stdio.h>
#include <unistd.h>

/* The broker's own user and root may do to any lease what its holder may. */
static bool
may_release(const struct peer *p, const struct port *port)
{
	return p->uid == 0 || p->uid == geteuid() || p->uid == port->holder->uid;
}

/* Answered when the turnaround is done: port_settled(). */
static void
end_lease(struct port *port, struct peer *p, enum lease_reason reason, const char *detail)
{
	port->revoker = p;
	port->revoked = reason == LEASE_REVOKED ? port->lease.token : 0;
	port->forced = reason == LEASE_REVOKED;
	port_end(port, reason, detail);
}

static bool
refused_end(struct peer *p, const struct port *port, bool may)
{
	char text[192];

	if (!may) {
		service_denied(p);
		return true;
	}
	if (port->config.revocable || port->lease.lingers) /* of what lingers nothing is open */
		return false;
	snprintf(text, sizeof(text),
		 "%s: configured with \"revocation = none\": only its holder can end "
		 "it, by closing the device",
		 port->config.name);
	service_error_port(p, INTERFACE "NotRevocable", port, text);
	return true;
}

void
service_release(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	json_int_t token = 0;
	const struct parameter parameters[] = { { "token", PARAMETER_NUMBER, 1, INT64_MAX, &token },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);
	struct port *port = service_find_token(b, (uint64_t)token);

	if (wrong != NULL || token == 0) {
		service_invalid(p, "token");
	} else if (port == NULL) {
		service_ended(p);
	} else if (!refused_end(p, port, may_release(p, port))) {
		end_lease(port, p, LEASE_RELEASED, NULL);
		broker_settle(b);
	}
}

void
service_revoke(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	const char *name = NULL, *reason = NULL, *wrong;
	json_int_t token = 0;
	const struct parameter parameters[] = { { "port", PARAMETER_NAME, 0, 0, &name },
						{ "token", PARAMETER_NUMBER, 1, INT64_MAX, &token },
						{ "reason", PARAMETER_TEXT, 0, 200, &reason },
						PARAMETER_END };
	char text[128];
	struct port *port;

	wrong = parameter_take_all(call->parameters, parameters);
	port = name == NULL ? NULL : broker_find_port(b, name);
	if (wrong != NULL || name == NULL) {
		service_invalid(p, wrong != NULL ? wrong : "port");
	} else if (port == NULL) {
		service_no_such_port(b, p, name);
	} else if (!lease_is_held(&port->lease)) {
		service_nobody_holds(p, port);
	} else if (token != 0 && (uint64_t)token != port->lease.token) {
		snprintf(text, sizeof(text), "%s: that lease has ended; another one holds the port",
			 port->config.name);
		service_error_port(p, INTERFACE "Revoked", port, text);
	} else if (!refused_end(p, port, access_may_revoke(p, port))) {
		end_lease(port, p, LEASE_REVOKED, reason);
		broker_settle(b);
	}
}
