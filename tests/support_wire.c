/*
 * support_wire.c - Varlink by hand against the broker under test.
 */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
connect_socket(int fd)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, support_socket);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void
init(struct support_client *c)
{
	memset(c, 0, sizeof(*c));
	c->fd = -1;
	c->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(c->socket, 0);
}

void
support_connect(struct support_client *c)
{
	init(c);
	connect_socket(c->socket);
	varlink_init(&c->varlink, c->socket, VARLINK_REPLY_BYTES_MAX, true);
}

/* The kernel notes who called connect(), on a description that the test has, too. */
static void
be_stranger(struct support_child *test, void *arg)
{
	const struct support_client *c = arg;
	char byte;

	if (c->uid != getuid())
		ck_assert_int_eq(setresuid(c->uid, c->uid, c->uid), 0);
	connect_socket(c->socket);
	close(c->socket);
	support_say(test, 'c');
	while (read(test->hear, &byte, 1) > 0)
		;
}

void
support_connect_as(struct support_client *c, uid_t uid)
{
	init(c);
	c->uid = uid;
	support_fork(&c->stranger, be_stranger, c, c->socket);
	support_hear(&c->stranger);
	varlink_init(&c->varlink, c->socket, VARLINK_REPLY_BYTES_MAX, true);
}

void
support_connect_stranger(struct support_client *c)
{
	support_connect_as(c, getuid());
}

static void
forget_reply(struct support_client *c)
{
	json_decref(c->message);
	c->message = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void
support_close(struct support_client *c)
{
	forget_reply(c);
	varlink_clear(&c->varlink);
	close(c->socket);
	c->socket = -1;
	if (c->stranger.pid != 0)
		support_finish(&c->stranger);
}

void
support_call(struct support_client *c, const char *method, json_t *parameters, bool more)
{
	char name[128];
	json_t *call;

	snprintf(name, sizeof(name), "%s%s", strchr(method, '.') == NULL ? "io.comlease." : "",
		 method);
	call = varlink_call_new(name, parameters != NULL ? parameters : json_object(), more);
	ck_assert_ptr_nonnull(call);
	ck_assert_int_eq(varlink_queue(&c->varlink, call, -1), 0);
	json_decref(call);
	while (varlink_flush(&c->varlink) == VARLINK_AGAIN)
		ck_assert(support_poll(c->socket, POLLOUT, support_now_ms() + SUPPORT_SOON_MS));
}

bool
support_next(struct support_client *c)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	int r;

	forget_reply(c);
	while ((r = varlink_next(&c->varlink, &c->message, &c->fd)) == VARLINK_AGAIN) {
		ck_assert_msg(support_poll(c->socket, POLLIN, until), "no reply");
		r = varlink_receive(&c->varlink);
		if (r == VARLINK_EOF || r == -ECONNRESET)
			return false;
		ck_assert_int_ge(r, 0);
	}
	ck_assert_int_eq(r, 0);
	ck_assert_int_eq(varlink_reply_parse(c->message, &c->reply), 0);
	return true;
}

json_t *
support_reply(struct support_client *c)
{
	ck_assert_msg(support_next(c), "the broker closed the connection");
	if (c->reply.error != NULL)
		ck_abort_msg("%s %s", c->reply.error, json_dumps(c->reply.parameters, 0));
	return c->reply.parameters;
}

json_t *
support_error(struct support_client *c, const char *error)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", strchr(error, '.') == NULL ? "io.comlease." : "",
		 error);
	ck_assert_msg(support_next(c), "the broker closed the connection");
	ck_assert_msg(c->reply.error != NULL, "a reply, instead of %s", name);
	ck_assert_str_eq(c->reply.error, name);
	return c->reply.parameters;
}

void
support_expect_silence(struct support_client *c, int for_ms)
{
	json_t *message;

	if (varlink_next(&c->varlink, &message, NULL) == VARLINK_AGAIN &&
	    !support_poll(c->socket, POLLIN, support_now_ms() + for_ms))
		return;
	support_next(c);
	ck_abort_msg("unexpected: %s", json_dumps(c->message, 0));
}

json_t *
support_ask(struct support_client *c, const char *method, json_t *parameters)
{
	support_call(c, method, parameters, false);
	return support_reply(c);
}

int
support_take(struct support_client *c)
{
	int fd = c->fd;

	ck_assert_int_ge(fd, 0);
	c->fd = -1;
	return fd;
}

static int
acquire(struct support_client *c, json_t *parameters, uint64_t *token)
{
	json_t *reply = support_ask(c, "Acquire", parameters);
	int fd;

	if (token != NULL)
		*token = (uint64_t)support_int(reply, "lease", "token", NULL);
	fd = support_take(c);
	support_close(c);
	return fd;
}

int
support_acquire(const char *port, uint64_t *token)
{
	struct support_client c;

	support_connect_stranger(&c);
	return acquire(&c, json_pack("{s:s}", "port", port), token);
}

int
support_acquire_with(json_t *parameters, uint64_t *token)
{
	struct support_client c;

	support_connect_stranger(&c);
	return acquire(&c, parameters, token);
}

int
support_acquire_here(const char *port, uint64_t *token)
{
	struct support_client c;

	support_connect(&c);
	return acquire(&c, json_pack("{s:s}", "port", port), token);
}

void
support_queue(struct support_client *c, const char *port, json_t *parameters)
{
	json_t *all = json_pack("{s:s}", "port", port);

	json_object_update(all, parameters);
	json_decref(parameters);
	support_connect_stranger(c);
	support_call(c, "Acquire", all, true);
	ck_assert_ptr_nonnull(json_object_get(support_reply(c), "waiting"));
}

int
support_granted(struct support_client *c, uint64_t *token)
{
	json_int_t number;

	while (json_object_get(support_reply(c), "lease") == NULL)
		;
	ck_assert_int_eq(c->fd, -1);
	number = support_int(c->reply.parameters, "lease", "token", NULL);
	support_ask(c, "Attach", json_pack("{s:I}", "token", number));
	ck_assert_int_eq(support_int(c->reply.parameters, "lease", "token", NULL), number);
	if (token != NULL)
		*token = (uint64_t)number;
	return support_take(c);
}

json_t *
support_event(struct support_client *c, const char *event)
{
	json_t *reply = support_reply(c);

	ck_assert_str_eq(support_string(reply, "event", NULL), event);
	return reply;
}

void
support_watch(struct support_client *c, uint64_t token, const char *event)
{
	support_connect(c);
	support_call(c, "Watch", json_pack("{s:I}", "token", (json_int_t)token), true);
	support_event(c, event);
}

int
support_stand_by(uint64_t *token)
{
	return support_acquire_with(
	    json_pack("{s:s, s:b, s:s}", "port", "modem0", "standby", 1, "class", "fax"), token);
}

/* ---- ports ---- */

json_t *
support_list(const char *port)
{
	struct support_client c;
	json_t *reply, *found;

	support_connect(&c);
	reply = support_ask(&c, "List", json_pack("{s:[s]}", "ports", port));
	found = json_incref(json_array_get(json_object_get(reply, "ports"), 0));
	support_close(&c);
	ck_assert_ptr_nonnull(found);
	return found;
}

void
support_wait_port(const char *port, const char *state, int waiting)
{
	struct support_client c;
	json_t *now;

	support_connect(&c);
	support_call(&c, "List", json_pack("{s:[s]}", "ports", port), true);
	do
		now = json_array_get(json_object_get(support_reply(&c), "ports"), 0);
	while (strcmp(support_string(now, "state", NULL), state) != 0 ||
	       (waiting >= 0 && support_int(now, "waiting", NULL) != waiting));
	support_close(&c);
}

void
support_wait_descriptions(const char *port, int count)
{
	struct support_client c;
	json_t *now;

	support_connect(&c);
	support_call(&c, "List", json_pack("{s:[s]}", "ports", port), true);
	do
		now = json_array_get(json_object_get(support_reply(&c), "ports"), 0);
	while (support_int(now, "lease", "descriptions", NULL) != count);
	support_close(&c);
}

static json_t *
walk(json_t *object, va_list names)
{
	const char *name;

	while ((name = va_arg(names, const char *)) != NULL) {
		object = json_object_get(object, name);
		ck_assert_msg(object != NULL, "no member \"%s\"", name);
	}
	return object;
}

json_int_t
support_int(json_t *object, ...)
{
	va_list names;
	json_t *found;

	va_start(names, object);
	found = walk(object, names);
	va_end(names);
	ck_assert(json_is_integer(found));
	return json_integer_value(found);
}

const char *
support_string(json_t *object, ...)
{
	va_list names;
	json_t *found;

	va_start(names, object);
	found = walk(object, names);
	va_end(names);
	ck_assert(json_is_string(found));
	return json_string_value(found);
}
