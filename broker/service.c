/*
 * service.c - the methods of io.comlease: decode, call the broker, encode. Which are in which file
 * stands in service.h.
 */
#include "broker.h"
#include "log.h"
#include "parameter.h"
#include "service.h"

#include "../include/comlease.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MS_MAX (INT64_C(1) << 40)

extern const char comlease_varlink[]; /* the interface definition, embedded */

/* ---- List, Monitor ---- */

/* The first name that is neither a port's nor a pool's, or NULL. */
static const char *
unknown_name(struct broker *b, const json_t *names)
{
	const json_t *each;
	size_t i;

	json_array_foreach (names, i, each)
		if (broker_find_port(b, json_string_value(each)) == NULL &&
		    config_find_pool(&b->config, json_string_value(each)) == NULL)
			return json_string_value(each);
	return NULL;
}

static bool
has_name(const json_t *names, const char *name)
{
	const json_t *each;
	size_t i;

	json_array_foreach (names, i, each)
		if (strcmp(json_string_value(each), name) == 0)
			return true;
	return false;
}

static int
add_name(json_t *names, const char *name)
{
	return has_name(names, name) ? 0 : json_array_append_new(names, json_string(name));
}

/* The names with, behind a pool's, those of its ports; each once. A new reference, NULL: no
 * memory. */
static json_t *
expand(struct broker *b, const json_t *names)
{
	json_t *all = json_array();
	const struct config_pool *pool;
	const struct port *port;
	const json_t *each;
	int error = 0;
	size_t i;

	json_array_foreach (names, i, each) {
		error |= add_name(all, json_string_value(each));
		pool = config_find_pool(&b->config, json_string_value(each));
		if (pool == NULL)
			continue;
		TAILQ_FOREACH (port, &b->ports, entry)
			if (pool_has(pool, port))
				error |= add_name(all, port->config.name);
	}
	if (error == 0)
		return all;
	json_decref(all);
	return NULL;
}

/* names: expanded, or NULL: all. */
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
	json_array_foreach (names, i, each) {
		port = broker_find_port(b, json_string_value(each));
		if (port != NULL) /* else a pool's */
			error |= json_array_append_new(ports, describe_port(port));
	}
	if (error == 0)
		return ports;
	json_decref(ports);
	return NULL;
}

static json_t *
list(struct broker *b, const json_t *names, const json_t *expanded)
{
	return json_pack("{s:o, s:o, s:s*}", "ports", list_ports(b, expanded), "pools",
			 describe_pools(b, names), "lockDir", b->config.lock_dir);
}

static void
subscribe(struct broker *b, struct peer *p, enum subscription_kind kind, json_t *names,
	  json_t *first)
{
	if (publish_subscribe(b, p, kind, names) < 0) {
		json_decref(first);
		peer_kill(p, "no memory");
		return;
	}
	peer_send(p, varlink_reply_new(first, true), -1);
}

/* The parameter of both. False: the call is answered. *expanded: a new reference, or NULL: all. */
static bool
take_names(struct broker *b, struct peer *p, const struct varlink_call *call, json_t **names,
	   json_t **expanded)
{
	const struct parameter parameters[] = { { "ports", PARAMETER_NAMES, 0, 0, names },
						PARAMETER_END };
	const char *wrong = parameter_take_all(call->parameters, parameters);

	*expanded = NULL;
	if (wrong != NULL) {
		service_invalid(p, wrong);
	} else if ((wrong = unknown_name(b, *names)) != NULL) {
		service_no_such_port(b, p, wrong);
	} else if (*names == NULL || (*expanded = expand(b, *names)) != NULL) {
		return true;
	} else {
		peer_kill(p, "no memory");
	}
	return false;
}

static void
method_list(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	json_t *names = NULL, *expanded;

	if (!take_names(b, p, call, &names, &expanded))
		return;
	if (call->more) {
		subscribe(b, p, SUBSCRIBE_LIST, expanded, list(b, names, expanded));
	} else {
		peer_send(p, varlink_reply_new(list(b, names, expanded), false), -1);
		peer_done(p);
	}
	json_decref(expanded);
}

static void
method_monitor(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	json_t *names = NULL, *expanded;

	if (!take_names(b, p, call, &names, &expanded))
		return;
	if (!call->more)
		service_error(p, VARLINK_ERROR("ExpectedMore"), json_object());
	else
		subscribe(b, p, SUBSCRIBE_MONITOR, expanded, json_pack("{s:[]}", "events"));
	json_decref(expanded);
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

/* A port's name, a pool's, or a device: false if there is none of that name. */
static bool
find_wish(struct broker *b, const char *name, const char *device, uint64_t rdev,
	  struct request_wish *wish)
{
	wish->port = name != NULL ? broker_find_port(b, name) : find_device(b, device, rdev);
	if (wish->port == NULL && name != NULL)
		wish->pool = config_find_pool(&b->config, name);
	return wish->port != NULL || wish->pool != NULL;
}

void
service_ask(struct broker *b, struct peer *p, const struct request_wish *wish)
{
	request_new(b, p, wish);
	broker_settle(b);
	if (p->request != NULL && p->request->stage == REQUEST_WAITING && p->request->more)
		publish_waiting(p->request);
}

static void
method_acquire(struct broker *b, struct peer *p, const struct varlink_call *call)
{
	struct request_wish wish = { .more = call->more };
	const char *name = NULL, *device = NULL, *wrong;
	json_int_t rdev = 0, wait = -1, priority = 0, hold = -1, grace = -1, waited = 0;
	json_int_t since = -1;
	const struct parameter parameters[] = {
		{ "port", PARAMETER_NAME, 0, 0, &name },
		{ "device", PARAMETER_TEXT, 0, 4096, &device },
		{ "rdev", PARAMETER_NUMBER, 0, INT64_MAX, &rdev },
		{ "wait", PARAMETER_NUMBER, 0, MS_MAX, &wait },
		{ "class", PARAMETER_NAME, 0, 0, &wish.class },
		{ "priority", PARAMETER_NUMBER, -100, 100, &priority },
		{ "standby", PARAMETER_BOOL, 0, 0, &wish.standby },
		{ "maxHold", PARAMETER_NUMBER, 1, MS_MAX, &hold },
		{ "yieldGrace", PARAMETER_NUMBER, 0, MS_MAX, &grace },
		{ "label", PARAMETER_NAME, 0, 0, &wish.label },
		{ "key", PARAMETER_KEY, 0, 0, &wish.key },
		{ "waited", PARAMETER_NUMBER, 0, MS_MAX, &waited },
		{ "since", PARAMETER_NUMBER, 0, INT64_MAX, &since },
		PARAMETER_END
	};

	wrong = parameter_take_all(call->parameters, parameters);
	if (wrong == NULL && (name == NULL) == (device == NULL))
		wrong = name == NULL ? "port" : "device";
	if (wrong != NULL) {
		service_invalid(p, wrong);
		return;
	}
	if (!find_wish(b, name, device, (uint64_t)rdev, &wish)) {
		service_no_such_port(b, p, name != NULL ? name : device);
		return;
	}
	wish.wait_ms = wait;
	wish.waited_ms = waited;
	wish.since_ms = since;
	wish.max_hold_ms = hold;
	wish.grace_ms = grace;
	wish.priority = (int)priority;
	service_ask(b, p, &wish);
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

/* ---- for the others ---- */

struct port *
service_find_token(struct broker *b, uint64_t token)
{
	struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry)
		if (lease_is_held(&port->lease) && port->lease.token == token)
			return port;
	return NULL;
}

void
service_done(struct peer *p)
{
	peer_send(p, varlink_reply_new(json_object(), false), -1);
	peer_done(p);
}

/* ---- dispatch ---- */

static const struct method {
	const char *name;
	void (*run)(struct broker *, struct peer *, const struct varlink_call *);
} methods[] = {
	{ "List", method_list },        { "Acquire", method_acquire },
	{ "Attach", method_attach },    { "Release", service_release },
	{ "Revoke", service_revoke },   { "Watch", service_watch },
	{ "Yield", service_yield },     { "SetBusy", service_busy },
	{ "Handoff", service_handoff }, { "Evict", service_evict },
	{ "Disable", service_disable }, { "Enable", service_enable },
	{ "Monitor", method_monitor },
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
