/*
 * libcomlease_request.c - the machine that brings one request to its end: asks, takes answers, and
 * looks for a broker when there is none. libcomlease.c drives it and shows its states.
 *
 * The tricky idea: the broker forgets its queue when it dies, so a request that is sent again
 * carries what is left of its time and how long it has been waiting in all: that is its old place.
 * A Yield is sent again until a broker has taken it (then the request is queued, and after the next
 * loss it is an Acquire like any other) or knows that the lease is over.
 */
#include "libcomlease.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A connection that lasted so long was a working broker's. */
#define LASTING_MS    2000
#define LOSS_DELAY_MS 50 /* doubled with each connection that did not last */
#define LOSSES_MAX    5

/* ---- asking ---- */

static int
set(json_t *object, const char *name, json_t *value)
{
	return json_object_set_new(object, name, value);
}

static int
set_text(json_t *object, const char *name, const char *text)
{
	return text ? set(object, name, json_string(text)) : 0;
}

static int
set_limit(json_t *object, const char *name, int64_t ms)
{
	return ms == COMLEASE_FOREVER ? 0 : set(object, name, json_integer(ms));
}

static json_t *
acquire_parameters(const struct comlease *c)
{
	const struct comlease_request *request = &c->request;
	int64_t now_ms = comlease_now_ms(), left_ms = c->deadline_ms - now_ms;
	json_t *p = json_object();
	int r = set_text(p, "port", request->port);

	r |= set_text(p, "device", request->device);
	r |= set_text(p, "class", request->class_name);
	r |= set_text(p, "label", request->label);
	r |= set_text(p, "key", request->key);
	if (request->device && request->rdev)
		r |= set(p, "rdev", json_integer((json_int_t)request->rdev));
	if (c->deadline_ms != INT64_MAX)
		r |= set(p, "wait", json_integer(left_ms > 0 ? left_ms : 0));
	if (request->priority)
		r |= set(p, "priority", json_integer(request->priority));
	if (request->standby)
		r |= set(p, "standby", json_true());
	r |= set_limit(p, "maxHold", request->max_hold_ms);
	r |= set_limit(p, "yieldGrace", request->yield_grace_ms);
	if (c->reconnected) {
		r |= set(p, "waited", json_integer(now_ms - c->started_ms));
		r |= set(p, "since", json_integer(c->started_ms));
	}
	if (r == 0)
		return p;
	json_decref(p);
	return NULL;
}

static int
ask(struct comlease *c)
{
	json_t *parameters = acquire_parameters(c); /* first, so that its faults show in any case */

	if (!parameters)
		return comlease_fail(c, EINVAL, "a name in the request is no UTF-8");
	c->phase = PHASE_ASK;
	c->asked_ms = comlease_now_ms();
	c->bounded = c->yields != 0;
	if (c->yields == 0)
		return comlease_send(c, "io.comlease.Acquire", parameters, c->streamed);
	json_decref(parameters);
	return comlease_send(c, "io.comlease.Yield",
			     json_pack("{s:I}", "token", (json_int_t)c->yields), true);
}

/* The lease that was to be yielded has ended already: it only has to be asked for. */
static int
ask_anew(struct comlease *c)
{
	c->yields = 0;
	comlease_forget_error(c);
	if (ask(c) == 0)
		errno = EAGAIN;
	return -1;
}

/* Looks for a broker until the earlier one of deadline and reconnect_ms after since_ms. */
static int
look(struct comlease *c, int64_t first_at_ms, int64_t since_ms, bool restarting)
{
	int64_t until_ms = comlease_after_ms(since_ms, c->request.reconnect_ms);

	json_decref(c->waiting);
	c->waiting = NULL;
	c->reconnected = true;
	c->phase = PHASE_LOOK;
	comlease_look_start(c, first_at_ms, until_ms < c->deadline_ms ? until_ms : c->deadline_ms,
			    restarting);
	errno = EAGAIN;
	return -1;
}

/* The connection broke while a request was under way. -1: EAGAIN, or the failure. */
static int
lost(struct comlease *c)
{
	int64_t now_ms = comlease_now_ms(), delay_ms = 0;

	if (now_ms - c->asked_ms >= LASTING_MS || c->losses == 0) {
		c->losses = 0;
		c->lost_ms = now_ms;
	} else {
		delay_ms = LOSS_DELAY_MS << (c->losses < LOSSES_MAX ? c->losses : LOSSES_MAX);
	}
	c->losses++;
	if (c->request.reconnect_ms == 0 || now_ms >= c->deadline_ms ||
	    now_ms >= comlease_after_ms(c->lost_ms, c->request.reconnect_ms))
		return comlease_fail(c, ECONNREFUSED, "%s: the broker has gone",
				     comlease_socket_path(c));
	return look(c, now_ms + delay_ms, c->lost_ms, true);
}

static bool
is_valid(const struct comlease_request *request)
{
	return !request->port != !request->device && request->wait_ms >= COMLEASE_FOREVER &&
	       request->reconnect_ms >= 0 && request->priority >= -100 &&
	       request->priority <= 100 && request->max_hold_ms >= COMLEASE_FOREVER &&
	       request->max_hold_ms != 0 && request->yield_grace_ms >= COMLEASE_FOREVER;
}

int
comlease_begin(struct comlease *c, const struct comlease_request *request, uint64_t yields,
	       bool streamed)
{
	const struct comlease_request init = COMLEASE_REQUEST_INIT;

	if (c->phase != PHASE_IDLE)
		return comlease_fail(c, EALREADY, "a request is under way on this connection");
	comlease_forget_error(c);
	c->request = init;
	memcpy(&c->request, request, request->size < sizeof(init) ? request->size : sizeof(init));
	if (!is_valid(&c->request))
		return comlease_fail(
		    c, EINVAL,
		    "a request names either a port or a device; priority is -100..100; a time is "
		    "not negative, and max_hold_ms not 0");
	c->streamed = streamed || yields != 0;
	c->yields = yields;
	c->started_ms = comlease_now_ms();
	c->deadline_ms = comlease_after_ms(c->started_ms, c->request.wait_ms);
	c->reconnected = false;
	c->losses = 0;
	if (comlease_open_socket(c) == 0)
		return ask(c);
	if (errno != ECONNREFUSED || c->request.reconnect_ms == 0 || c->request.wait_ms == 0)
		return -1;
	look(c, 0, c->started_ms, false);
	return 0;
}

/* ---- the answer ---- */

static void
copy_text(char *to, size_t size, const json_t *from)
{
	const char *text = json_string_value(from);

	memset(to, 0, size);
	if (text)
		memcpy(to, text, strnlen(text, size - 1));
}

static void
fill_lease(struct comlease_lease *lease, const json_t *from)
{
	struct comlease_lease full = { .size = lease->size };

	full.token = (uint64_t)json_integer_value(json_object_get(from, "token"));
	full.waited_ms = json_integer_value(json_object_get(from, "waited"));
	copy_text(full.port, sizeof(full.port), json_object_get(from, "port"));
	copy_text(full.device, sizeof(full.device), json_object_get(from, "device"));
	memcpy(lease, &full, lease->size < sizeof(full) ? lease->size : sizeof(full));
}

static int
fail_answer(struct comlease *c)
{
	comlease_drop(c);
	return comlease_fail(c, EPROTO, "%s: the broker's answer to Acquire makes no sense",
			     comlease_socket_path(c));
}

/* A stream says why it waits, or that the lease is there, to be attached. */
static int
take_progress(struct comlease *c, const json_t *reply, bool continues)
{
	const json_t *lease = json_object_get(reply, "lease");
	json_t *waiting = json_object_get(reply, "waiting");

	c->yields = 0; /* that has been done: from here on it is a request like any other */
	if (continues && json_is_object(waiting)) {
		json_decref(c->waiting);
		c->waiting = json_incref(waiting);
		errno = EAGAIN;
		return -1;
	}
	if (continues || !json_is_integer(json_object_get(lease, "token")))
		return fail_answer(c);
	c->phase = PHASE_ATTACH;
	if (comlease_send(
		c, "io.comlease.Attach",
		json_pack("{s:I}", "token", json_integer_value(json_object_get(lease, "token"))),
		false) < 0)
		return -1;
	errno = EAGAIN;
	return -1;
}

/* Taken back before it was seen: this process was stopped in its turn, for instance. */
static bool
is_dead(int fd)
{
	struct pollfd pollfd = { .fd = fd };

	return poll(&pollfd, 1, 0) > 0 && (pollfd.revents & POLLERR);
}

/* One reply: the descriptor, or -1: EAGAIN, or the failure. */
static int
take_reply(struct comlease *c, const json_t *reply, bool continues, int fd,
	   struct comlease_lease *result)
{
	const json_t *lease = json_object_get(reply, "lease");

	if (c->streamed && c->phase == PHASE_ASK && fd < 0)
		return take_progress(c, reply, continues);
	if (fd < 0 || continues || !json_is_object(lease) ||
	    json_integer_value(json_object_get(reply, "fd")) != 0) {
		if (fd >= 0)
			close(fd);
		return fail_answer(c);
	}
	if (c->request.reconnect_ms > 0 && is_dead(fd)) {
		close(fd);
		comlease_drop(c);
		return lost(c); /* waits on, at the end of the queue */
	}
	if (result)
		fill_lease(result, lease);
	return fd;
}

/* What has arrived: the descriptor, or -1: EAGAIN, or the failure. */
static int
receive(struct comlease *c, struct comlease_lease *result)
{
	bool continues;
	json_t *reply;
	int fd;

	do {
		if (comlease_receive(c, &reply, &fd, &continues) < 0) {
			if (errno == ESTALE && c->yields != 0 && ask_anew(c) < 0 && errno == EAGAIN)
				continue;
			return errno == ECONNRESET ? lost(c) : -1;
		}
		fd = take_reply(c, reply, continues, fd, result);
		json_decref(reply);
	} while (fd < 0 && errno == EAGAIN && c->phase != PHASE_LOOK);
	return fd;
}

/* Yield has no `wait`: with it the deadline is kept here and not by the broker. */
int64_t
comlease_safety_ms(const struct comlease *c)
{
	if (c->deadline_ms == INT64_MAX || c->bounded)
		return c->deadline_ms;
	return comlease_after_ms(c->deadline_ms, DEADLINE_GRACE_MS);
}

static const char *
port_of(const struct comlease *c)
{
	return c->request.port ? c->request.port : c->request.device;
}

int
comlease_step(struct comlease *c, struct comlease_lease *lease)
{
	int fd;

	if (c->phase == PHASE_LOOK && (comlease_look_step(c) < 0 || ask(c) < 0))
		return -1;
	fd = receive(c, lease);
	if (fd >= 0 || errno != EAGAIN || c->phase == PHASE_LOOK ||
	    comlease_now_ms() < comlease_safety_ms(c))
		return fd;
	comlease_drop(c);
	if (c->bounded)
		return comlease_fail(c, ETIMEDOUT, "%s: not back in time", port_of(c));
	/* the broker should have said so */
	return comlease_fail(c, ETIMEDOUT, "%s: the time to wait is over, and the broker is silent",
			     comlease_socket_path(c));
}
