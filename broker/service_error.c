/*
 * service_error.c - the answers that are no: the standard errors and those of io.comlease.
 */
#include "service.h"

#include <stdio.h>

void
service_error(struct peer *p, const char *error, json_t *parameters)
{
	peer_send(p, varlink_error_new(error, parameters), -1);
	peer_done(p);
}

void
service_error_port(struct peer *p, const char *error, const struct port *port, const char *message)
{
	service_error(p, error,
		      json_pack("{s:s, s:s}", "port", port->config.name, "message", message));
}

void
service_invalid(struct peer *p, const char *parameter)
{
	service_error(p, VARLINK_ERROR("InvalidParameter"),
		      json_pack("{s:s}", "parameter", parameter));
}

void
service_denied(struct peer *p)
{
	service_error(p, VARLINK_ERROR("PermissionDenied"), json_object());
}

void
service_no_such_port(struct broker *b, struct peer *p, const char *name)
{
	json_t *names = json_array();
	struct port *port;
	size_t i;

	TAILQ_FOREACH (port, &b->ports, entry)
		json_array_append_new(names, json_string(port->config.name));
	for (i = 0; i < b->config.pool_count; i++)
		json_array_append_new(names, json_string(b->config.pools[i].name));
	service_error(p, INTERFACE "NoSuchPort",
		      json_pack("{s:s, s:o}", "port", name, "ports", names));
}

void
service_not_holder(struct peer *p, const char *message)
{
	service_error(p, INTERFACE "NotHolder", json_pack("{s:s}", "message", message));
}

void
service_nobody_holds(struct peer *p, const struct port *port)
{
	char text[128];

	snprintf(text, sizeof(text), "%s: nobody holds it", port->config.name);
	service_not_holder(p, text);
}

void
service_ended(struct peer *p)
{
	service_error(p, INTERFACE "Revoked",
		      json_pack("{s:s, s:s}", "port", "", "message", "that lease has ended"));
}
