/*
 * service.c - the methods of io.comlease: decode, call the broker, encode. Those that end a lease
 * are in service_end.c.
 */
#include "broker.h"
#include "log.h"
#include "parameter.h"
#include "service.h"

#include "../include/comlease.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

extern const char comlease_varlink[]; /* the interface definition, embedded */

/* ---- errors ---- */

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
service_no_such_port(struct broker *b, struct peer *p, const char *name)
{
	json_t *names = json_array();
	struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry)
		json_array_append_new(names, json_string(port->config.name));
	service_error(p, INTERFACE "NoSuchPort",
		      json_pack("{s:s, s:o}", "port", name, "ports", names));
}

/* ---- List, Monitor ---- */

/* The first name that is no port, or NULL. */
static const char *
unknown_port(struct broker *b, const json_t *names)
{
	const json_t *each;
	size_t i;

	json_array_foreach (names, i, each)
		if (broker_find_port(b, json_string_value(each)) == NULL)
			return json_string_value(each);
	return NULL;
}

static json_t *
list_ports(struct broker *b, const json_t *names)
{
	json_t *ports = json_array();
	const json_t *each;
	struct port *port;
	size_t i;
	int error = 0;

	if (names == NULL) {
		TAILQ_FOREACH (port, &b->ports, entry)
			error |= json_array_append_new(ports, describe_port(port));
	}
	json_array_foreach (names, i, each)
		error |= json_array_append_new(
		    ports, describe_port(broker_find_port(b, json_string_value(each))));
	if (error == 0)
		return ports;
	json_decref(ports);
	return NULL;
}

static void
subscribe(struct broker *b, struct peer *p, enum subscription_kind kind, json_t *names,
	  const char *member, json_t *first)
{
	if (publish_subscribe(b, p, kind, names) < 0) {
		json_decref(first);
		peer_kill(p, "no memory");
		return;
	}
	peer_send(p, varlink_reply_new(json_pack("{s:o}", member, first), true), -1);
}

static void
method_list(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	json_t *names = NULL;
	const struct parameter parameters[] = { { "ports", PARAMETER_NAMES, 0, 0, &names },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);

	if (wrong != NULL) {
		service_invalid(p, wrong);
	} else if ((wrong = unknown_port(b, names)) != NULL) {
		service_no_such_port(b, p, wrong);
	} else if (call->more) {
		subscribe(b, p, SUBSCRIBE_LIST, names, "ports", list_ports(b, names));
	} else {
		peer_send(
		    p, varlink_reply_new(json_pack("{s:o}", "ports", list_ports(b, names)), false),
		    -1);
		peer_done(p);
	}
}

static void
method_monitor(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	json_t *names = NULL;
	const struct parameter parameters[] = { { "ports", PARAMETER_NAMES, 0, 0, &names },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);

	if (wrong != NULL)
		service_invalid(p, wrong);
	else if ((wrong = unknown_port(b, names)) != NULL)
		service_no_such_port(b, p, wrong);
	else if (!call->more)
		service_error(p, VARLINK_ERROR("ExpectedMore"), json_object());
	else
		subscribe(b, p, SUBSCRIBE_MONITOR, names, "events", json_array());
}

/* ---- Acquire, Attach ---- */

static struct port *
find_device(struct broker *b, const char *device, uint64_t rdev)
{
	struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry)
		if ((rdev != 0 && port->rdev == rdev) || strcmp(port->config.device, device) == 0)
			return port;
	return NULL;
}

static void
method_acquire(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	struct request_wish wish = { .more = call->more };
	const char *name = NULL, *device = NULL, *wrong;
	json_int_t rdev = 0, wait = -1, priority = 0, waited = 0;
	const struct parameter parameters[] = {
		{ "port", PARAMETER_NAME, 0, 0, &name },
		{ "device", PARAMETER_TEXT, 0, 4096, &device },
		{ "rdev", PARAMETER_NUMBER, 0, INT64_MAX, &rdev },
		{ "wait", PARAMETER_NUMBER, 0, INT64_C(1) << 40, &wait },
		{ "priority", PARAMETER_NUMBER, -100, 100, &priority },
		{ "label", PARAMETER_NAME, 0, 0, &wish.label },
		{ "key", PARAMETER_KEY, 0, 0, &wish.key },
		{ "waited", PARAMETER_NUMBER, 0, INT64_C(1) << 40, &waited },
		PARAMETER_END
	};
	struct port *port;

	wrong = parameter_take_all(call->parameters, parameters);
	if (wrong == NULL && (name == NULL) == (device == NULL))
		wrong = name == NULL ? "port" : "device";
	if (wrong != NULL) {
		service_invalid(p, wrong);
		return;
	}
	port = name != NULL ? broker_find_port(b, name) : find_device(b, device, (uint64_t)rdev);
	if (port == NULL) {
		service_no_such_port(b, p, name != NULL ? name : device);
		return;
	}
	wish.wait_ms = wait;
	wish.waited_ms = waited;
	wish.priority = (int)priority;
	request_new(port, p, &wish);
	broker_settle(b);
	if (p->request != NULL && p->request->stage == REQUEST_WAITING && p->request->more)
		publish_waiting(p->request);
}

void
service_not_holder(struct peer *p, const char *message)
{
	service_error(p, INTERFACE "NotHolder", json_pack("{s:s}", "message", message));
}

static void
method_attach(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	json_int_t token = 0;
	const struct parameter parameters[] = { { "token", PARAMETER_NUMBER, 1, INT64_MAX, &token },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);
	struct request *r = p->request;

	if (wrong != NULL || token == 0) {
		service_invalid(p, "token");
		return;
	}
	if (r != NULL && r->fd >= 0 && r->port->lease.token == (uint64_t)token)
		request_attach(r);
	else
		service_not_holder(
		    p, "no descriptor of that lease waits for this connection: it was not "
		       "granted here with "
		       "\"more\", has been attached, or has been taken back");
	(void)b;
}

/* ---- dispatch ---- */

static const struct method {
	const char *name;
	void (*run)(struct broker *, struct peer *, const struct varlink_call *);
} methods[] = {
	{ "List", method_list },      { "Acquire", method_acquire },
	{ "Attach", method_attach },  { "Release", service_release },
	{ "Revoke", service_revoke }, { "Monitor", method_monitor },
};

static const struct varlink_interface interfaces[] = {
	{ "io.comlease", comlease_varlink },
	{ NULL, NULL },
};

static const struct varlink_service service = {
	.vendor = "comlease",
	.product = "comleased",
	.version = COMLEASE_VERSION,
	.url = "https://example.org/comlease",
	.interfaces = interfaces,
};

static void
unknown_method(struct peer *p, const char *name)
{
	const char *dot = strrchr(name, '.');
	json_t *interface = json_stringn(name, dot == NULL ? 0 : (size_t)(dot - name));

	if (strncmp(name, INTERFACE, strlen(INTERFACE)) == 0) {
		json_decref(interface);
		service_error(p, VARLINK_ERROR("MethodNotFound"),
			      json_pack("{s:s}", "method", name));
	} else {
		service_error(p, VARLINK_ERROR("InterfaceNotFound"),
			      json_pack("{s:o}", "interface", interface));
	}
}

/* A holder who has read his descriptor need not read what comes after it in time. */
static void
note_taken(struct broker *b, const struct peer *p)
{
	const struct request *r = p->request;

	if (r != NULL && r->stage == REQUEST_GRANTED && r->fd < 0 && peer_has_read_all(p))
		lease_taken(&b->host, &r->port->lease, r->port->lease.token);
}

static void
on_call(struct peer *p, const struct varlink_call *call)
{
	struct broker *b = p->owner;
	const char *name = call->interface_method;
	json_t *reply;
	size_t i;
	int result = varlink_service_answer(&service, call, &reply);

	if (call->oneway) { /* to which nothing is answered; without an answer no method makes sense
			     */
		if (result == 0)
			json_decref(reply);
		log_line("client pid=%ld uid=%ld: a oneway call is ignored", (long)p->pid,
			 (long)p->uid);
		peer_done(p);
		return;
	}
	if (result <= 0) {
		peer_send(p, result < 0 ? NULL : reply, -1);
		peer_done(p);
		return;
	}
	if (call->upgrade) {
		service_invalid(p, "upgrade");
		return;
	}
	note_taken(b, p);
	if (strcmp(name, INTERFACE "Acquire") != 0)
		publish_notes(b); /* who looks or ends finds in the log what led here */
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strncmp(name, INTERFACE, strlen(INTERFACE)) == 0 &&
		    strcmp(name + strlen(INTERFACE), methods[i].name) == 0) {
			methods[i].run(b, p, call);
			return;
		}
	unknown_method(p, name);
}

static void
on_gone(struct peer *p)
{
	broker_peer_gone(p->owner, p);
}

const struct peer_handler service_handler = { .call = on_call, .gone = on_gone };
