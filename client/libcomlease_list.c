/*
 * libcomlease_list.c - what ports there are, why a request waits, and giving a lease back: plain
 * views of the broker's replies.
 *
 * The tricky idea: a list is one allocation for the array and one reference to the reply, whose
 * strings the ports point to; the reference stands in front of the array.
 */
#include "libcomlease.h"

#include <stdlib.h>
#include <string.h>

struct list {
	json_t *reply;
	struct comlease_port ports[];
};

static const char *
text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static int64_t
number(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

struct comlease_process
comlease_process_from(const json_t *from)
{
	return (struct comlease_process){
		.pid = (pid_t)number(from, "pid"),
		.uid = (uid_t)number(from, "uid"),
		.command = text(from, "command"),
	};
}

static const char *
or_empty(const char *string)
{
	return string ? string : "";
}

static void
fill_port(struct comlease_port *port, const json_t *from)
{
	const json_t *lease = json_object_get(from, "lease");

	*port = (struct comlease_port){
		.name = or_empty(text(from, "name")),
		.device = or_empty(text(from, "device")),
		.state = or_empty(text(from, "state")),
		.reason = text(from, "reason"),
		.rdev = (uint64_t)number(from, "rdev"),
		.token = (uint64_t)number(lease, "token"),
		.holder = comlease_process_from(json_object_get(lease, "owner")),
		.holder_since_ms = number(lease, "since"),
		.waiting = (size_t)number(from, "waiting"),
	};
}

int
comlease_list(struct comlease *c, struct comlease_port **ports, size_t *count)
{
	json_t *reply, *array, *port;
	struct list *list;
	size_t i;

	if (comlease_call(c, "io.comlease.List", NULL, &reply) < 0)
		return -1;
	array = json_object_get(reply, "ports");
	if (!json_is_array(array)) {
		json_decref(reply);
		return comlease_fail(c, EPROTO, "the broker's answer to List makes no sense");
	}
	list = malloc(sizeof(*list) + json_array_size(array) * sizeof(list->ports[0]));
	if (!list) {
		json_decref(reply);
		return comlease_fail(c, ENOMEM, "out of memory");
	}
	list->reply = reply;
	json_array_foreach (array, i, port)
		fill_port(&list->ports[i], port);
	*ports = list->ports;
	*count = json_array_size(array);
	return 0;
}

void
comlease_list_free(struct comlease_port *ports, size_t count)
{
	struct list *list;

	(void)count;
	if (!ports)
		return;
	list = (struct list *)(void *)((char *)ports - offsetof(struct list, ports));
	json_decref(list->reply);
	free(list);
}

int
comlease_waiting(const struct comlease *c, struct comlease_waiting *waiting)
{
	const json_t *from = c->waiting, *holder = json_object_get(from, "holder");
	const json_t *foreign = json_object_get(from, "foreign");
	const json_t *owner =
	    json_object_get(holder ? holder : foreign, holder ? "owner" : "process");

	if (!from) {
		errno = EAGAIN;
		return -1;
	}
	*waiting = (struct comlease_waiting){
		.port = or_empty(text(from, "port")),
		.device = or_empty(text(from, "device")),
		.state = or_empty(text(from, "state")),
		.reason = text(from, "reason"),
		.ahead = number(from, "ahead"),
		.holder = comlease_process_from(owner),
		.holder_since_ms = number(holder ? holder : foreign, "since"),
	};
	return 0;
}

int
comlease_release(struct comlease *c, uint64_t token)
{
	return comlease_call(c, "io.comlease.Release",
			     json_pack("{s:I}", "token", (json_int_t)token), NULL);
}

const char *
comlease_version(void)
{
	return COMLEASE_VERSION;
}
