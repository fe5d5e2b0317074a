/*
 * ask.c - what the commands ask the broker, and how they say that it didn't work.
 *
 * Responsible for: from an errno or a typed error to an exit status and a message with a way out.
 * Refuses to know: tables, command lines, the socket (libcomlease's).
 */
#include "ask.h"
#include "internal.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_AGAIN_MS 30000
#define REASON_MAX   200 /* bytes: the broker's */

static int
no_memory(void)
{
	return cli_fail(CLI_SYSTEM, "no memory");
}

struct comlease *
ask_connect(const struct cli *cli)
{
	struct comlease *c = comlease_connect(cli->socket);

	if (!c)
		exit(no_memory());
	return c;
}

json_t *
ask_parameters_ports(char *const *names, int count)
{
	json_t *parameters = json_object();

	if (count == 0)
		return parameters;
	json_t *ports = json_array();
	for (int i = 0; i < count; i++)
		json_array_append_new(ports, json_string(names[i]));
	json_object_set_new(parameters, "ports", ports);
	return parameters;
}

/* Words that can't be sent are no port either: the broker would only say "invalid parameter". */
static int
reject_unsendable(char *const *names, int count)
{
	for (int i = 0; i < count; i++) {
		json_t *name = json_string(names[i]);
		if (!name || names[i][0] == '\0') {
			struct text t = { 0 };
			text_add_foreign(&t, names[i]);
			json_decref(name);
			int status = cli_fail(CLI_NO_PORT, "there is no port `%s`", t.s);
			text_free(&t);
			return status;
		}
		json_decref(name);
	}
	return CLI_OK;
}

json_t *
ask_list(struct comlease *c, char *const *names, int count, int *status)
{
	json_t *reply;

	*status = reject_unsendable(names, count);
	if (*status)
		return NULL;
	if (comlease_call_within(c, "io.comlease.List", ask_parameters_ports(names, count), &reply,
				 ASK_MS) < 0) {
		*status = ask_failed(c);
		return NULL;
	}
	if (json_is_array(json_object_get(reply, "ports")))
		return reply;
	json_decref(reply);
	*status =
	    cli_fail(CLI_PROTOCOL, "the broker's list has no ports in it: is that comleased?");
	return NULL;
}

json_t *
ask_ports(struct comlease *c, char *const *names, int count, int *status)
{
	json_t *list = ask_list(c, names, count, status);
	json_t *ports = json_incref(json_object_get(list, "ports"));

	json_decref(list);
	return ports;
}

/* `known`: an array of names. */
static int
no_such_port(const char *name, const json_t *known)
{
	size_t count = json_array_size(known), shown = count < 20 ? count : 20;
	const char **names = calloc(count + 1, sizeof *names);
	struct text t = { 0 };

	if (!names)
		return no_memory();
	text_add(&t, "there is no port `");
	text_add_foreign(&t, name ? name : "?");
	text_add(&t, "`");
	for (size_t i = 0; i < count; i++) {
		const char *s = json_string_value(json_array_get(known, i));
		names[i] = s ? s : "";
	}
	const char *nearest = name ? text_nearest(name, names, count) : NULL;
	if (nearest) {
		text_add(&t, "; did you mean ");
		text_add_foreign(&t, nearest);
		text_add(&t, "?");
	}
	text_add(&t, nearest ? " " : "; ");
	text_add(&t, count ? "ports: " : "no port is configured (comlease.conf(5))");
	for (size_t i = 0; i < shown; i++) {
		text_add(&t, i ? ", " : "");
		text_add_foreign(&t, names[i]);
	}
	if (count > shown)
		text_addf(&t, " and %zu more", count - shown);
	cli_fail(CLI_NO_PORT, "%s", t.s);
	text_free(&t);
	free(names);
	return CLI_NO_PORT;
}

json_t *
ask_port_named(json_t *ports, const char *name)
{
	json_t *port, *known;
	size_t i;

	json_array_foreach (ports, i, port) {
		const char *s = status_string(port, "name");
		if (s && strcmp(s, name) == 0)
			return port;
	}
	known = json_array();
	json_array_foreach (ports, i, port)
		json_array_append(known, json_object_get(port, "name"));
	no_such_port(name, known);
	json_decref(known);
	return NULL;
}

static void
fail_pool(const json_t *pool)
{
	const json_t *ports = json_object_get(pool, "ports"), *port;
	struct text t = { 0 };
	size_t i;

	text_add_foreign(&t, status_string(pool, "name"));
	text_add(&t, " is a pool: name one of its ports");
	json_array_foreach (ports, i, port) {
		text_add(&t, i ? ", " : ": ");
		text_add_foreign(&t, json_string_value(port));
	}
	cli_fail(CLI_NO_PORT, "%s", t.s);
	text_free(&t);
}

int
ask_check_name(const json_t *list, const char *name)
{
	json_t *known = json_array(), *pool;
	size_t i;

	json_array_extend(known, json_object_get(list, "ports"));
	json_array_foreach (json_object_get(list, "pools"), i, pool)
		json_array_append(known, pool);
	int status = ask_port_named(known, name) ? 0 : CLI_NO_PORT;
	json_decref(known);
	return status;
}

const json_t *
ask_port_in(json_t *list, const char *name)
{
	const json_t *pools = json_object_get(list, "pools"), *pool;
	size_t i;

	json_array_foreach (pools, i, pool) {
		const char *s = status_string(pool, "name");
		if (s && strcmp(s, name) == 0) {
			fail_pool(pool);
			return NULL;
		}
	}
	return ask_port_named(json_object_get(list, "ports"), name);
}

int
ask_not_allowed(const json_t *port, const json_t *lease, const char *verb, const char *key)
{
	struct text t = { 0 };

	text_add_foreign(&t, status_string(port, "name"));
	if (lease) {
		text_add(&t, ": held by ");
		status_process(&t, status_object(lease, "owner"));
	}
	text_addf(
	    &t, ": only %sroot, the broker's own user and whom `%s` in comlease.conf names may %s",
	    lease ? "that user, " : "", key, verb);
	cli_fail(CLI_DENIED, "%s", t.s);
	text_free(&t);
	return CLI_DENIED;
}

static int
no_broker(const struct comlease *c)
{
	struct text path = { 0 };

	text_add_foreign(&path, comlease_socket_path(c));
	int status = cli_fail(
	    CLI_NO_BROKER,
	    "no broker at %s: start comleased (comleased(8)), or name its socket with -s", path.s);
	text_free(&path);
	return status;
}

static int
status_of(int error, const char *name)
{
	static const char *const nothing_to_do[] = { "io.comlease.NotHolder",
						     "io.comlease.NotForeign",
						     "io.comlease.NoSuchWaiter" };

	for (size_t i = 0; name && i < sizeof nothing_to_do / sizeof *nothing_to_do; i++) {
		if (strcmp(name, nothing_to_do[i]) == 0)
			return CLI_NO;
	}
	switch (error) {
	case EPERM:
	case EACCES:
		return CLI_DENIED;
	case ESTALE:
		return CLI_NO;
	case ENOTSUP:
		return CLI_CONFIG;
	case EBUSY:
	case ETIMEDOUT:
	case ENODEV:
	case ENOSPC:
	case EDQUOT:
		return CLI_NOT_IN_TIME;
	case EIO:
	case EDEADLK:
		return CLI_UNUSABLE;
	case EINVAL:
		return CLI_USAGE;
	case EPROTO:
	case ENOSYS:
		return CLI_PROTOCOL;
	case ECONNREFUSED:
	case ECONNRESET:
		return CLI_NO_BROKER;
	default:
		return CLI_SYSTEM;
	}
}

int
ask_failed(const struct comlease *c)
{
	int error = errno;
	const char *name = comlease_error_name(c);
	struct text t = { 0 };

	if (name && strcmp(name, "io.comlease.NoSuchPort") == 0) {
		const json_t *parameters = comlease_error_parameters(c);
		return no_such_port(status_string(parameters, "port"),
				    json_object_get(parameters, "ports"));
	}
	if (!name && (error == ECONNREFUSED || error == ENOENT))
		return no_broker(c);
	text_add_foreign(&t, comlease_error(c));
	if (t.len == 0)
		text_add(&t, strerror(error));
	if (!name && error == ETIMEDOUT)
		text_add(&t, "; comlease doctor tells what to do");
	int status = cli_fail(status_of(error, name), "%s", t.s);
	text_free(&t);
	return status;
}

int
ask_again(struct comlease *c, bool *said)
{
	if (!*said)
		cli_fail(0, "the broker has gone; waiting until it is back");
	*said = true;
	int error;
	do {
		error = comlease_look(c, ASK_AGAIN_MS) < 0 ? errno : 0;
	} while (error == EINTR);
	errno = error;
	return error ? ask_failed(c) : 0;
}

json_t *
ask_reason(const char *what, const char *reason)
{
	json_t *text = json_string(reason);

	if (!text) {
		cli_fail(CLI_USAGE, "%s: the reason is not UTF-8", what);
	} else if (strlen(reason) > REASON_MAX) {
		cli_fail(CLI_USAGE, "%s: the reason has %zu bytes; up to %d are kept", what,
			 strlen(reason), REASON_MAX);
		json_decref(text);
		text = NULL;
	}
	return text;
}
