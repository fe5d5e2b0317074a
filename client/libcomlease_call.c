/*
 * libcomlease_call.c - calls and replies on the connection: one call and one reply, a stream of
 * replies, and the steps that the acquire machine takes. It knows no method but by name.
 *
 * The tricky idea: a send that fails is no end. A broker that refuses a connection (quota) sends
 * its reason and closes, so what it sent is read before its going away is reported.
 */
#include "libcomlease.h"

#include <poll.h>
#include <unistd.h>

static int
fail_memory(struct comlease *c)
{
	return comlease_fail(c, ENOMEM, "out of memory");
}

/* Sends what it can; only a broken codec fails here, a broken connection shows when it is read. */
static void
flush(struct comlease *c)
{
	if (varlink_unsent(&c->varlink) > 0)
		varlink_flush(&c->varlink);
}

int
comlease_send(struct comlease *c, const char *method, json_t *parameters, bool more)
{
	json_t *call = varlink_call_new(method, parameters ? parameters : json_object(), more);
	int r;

	if (!call)
		return fail_memory(c);
	r = varlink_queue(&c->varlink, call, -1);
	json_decref(call);
	if (r < 0)
		return fail_memory(c);
	flush(c);
	return 0;
}

static int
fail_protocol(struct comlease *c)
{
	comlease_drop(c);
	return comlease_fail(c, EPROTO, "%s: what answers there is no comlease broker",
			     comlease_socket_path(c));
}

/* 0: a message; -1. */
static int
receive_message(struct comlease *c, json_t **message, int *fd)
{
	int r;

	while ((r = varlink_next(&c->varlink, message, fd)) == VARLINK_AGAIN) {
		r = varlink_receive(&c->varlink);
		if (r == 0)
			continue;
		if (r == VARLINK_AGAIN || r == -EINTR) {
			errno = EAGAIN;
			return -1;
		}
		if (r == VARLINK_EOF || r == -ECONNRESET || r == -EPIPE) {
			comlease_drop(c);
			return comlease_fail(c, ECONNRESET, "%s: the broker has gone",
					     comlease_socket_path(c));
		}
		break;
	}
	if (r == 0)
		return 0;
	if (r == -ENOMEM) {
		comlease_drop(c);
		return fail_memory(c);
	}
	if (r == -EMFILE) { /* the lease's descriptor came, and is lost: so is the lease */
		comlease_drop(c);
		return comlease_fail(c, EMFILE, "this process may open no more descriptors");
	}
	return fail_protocol(c);
}

int
comlease_receive(struct comlease *c, json_t **parameters, int *fd, bool *continues)
{
	struct varlink_reply reply;
	json_t *message;

	flush(c);
	*fd = -1;
	if (receive_message(c, &message, fd) < 0)
		return -1;
	if (varlink_reply_parse(message, &reply) < 0 || (reply.error && *fd >= 0)) {
		json_decref(message);
		if (*fd >= 0)
			close(*fd);
		*fd = -1;
		return fail_protocol(c);
	}
	if (reply.error) {
		comlease_fail_reply(c, message);
		json_decref(message);
		return -1;
	}
	*parameters = json_incref(reply.parameters);
	*continues = reply.continues;
	json_decref(message);
	return 0;
}

/* Waits for a reply: as comlease_receive(), but -1 with EAGAIN only when it is until_ms; EINTR. No
 * call here expects a descriptor. */
static int
await(struct comlease *c, json_t **parameters, bool *continues, int64_t until_ms)
{
	int fd;

	while (comlease_receive(c, parameters, &fd, continues) < 0) {
		struct pollfd pollfd = { .fd = c->socket, .events = POLLIN };

		if (errno != EAGAIN)
			return -1;
		if (varlink_unsent(&c->varlink) > 0)
			pollfd.events |= POLLOUT;
		switch (poll(&pollfd, 1, comlease_poll_ms(until_ms))) {
		case -1:
			return comlease_fail(c, errno, "interrupted while waiting for the broker");
		case 0:
			errno = EAGAIN;
			return -1;
		}
	}
	if (fd >= 0) {
		close(fd);
		json_decref(*parameters);
		return fail_protocol(c);
	}
	return 0;
}

static int
start(struct comlease *c, const char *method, json_t *parameters, bool more)
{
	if (c->phase != PHASE_IDLE) {
		json_decref(parameters);
		return comlease_fail(c, EALREADY, "a request is under way on this connection");
	}
	comlease_forget_error(c);
	if (comlease_open_socket(c) < 0) {
		json_decref(parameters);
		return -1;
	}
	return comlease_send(c, method, parameters, more);
}

int
comlease_call_within(struct comlease *c, const char *method, json_t *parameters, json_t **reply,
		     int timeout_ms)
{
	int64_t until_ms = comlease_after_ms(comlease_now_ms(), timeout_ms);
	bool continues = false;
	json_t *result = NULL;

	if (start(c, method, parameters, false) < 0)
		return -1;
	if (await(c, &result, &continues, until_ms) < 0) {
		int error = errno;

		if (error == EINTR || error == EAGAIN)
			comlease_drop(c);
		errno = error;
		if (error != EAGAIN)
			return -1;
		return comlease_fail(c, ETIMEDOUT,
				     "%s: the broker does not answer: nothing came for %d seconds",
				     comlease_socket_path(c), timeout_ms / 1000);
	}
	if (continues) {
		json_decref(result);
		return fail_protocol(c);
	}
	if (reply)
		*reply = result;
	else
		json_decref(result);
	return 0;
}

int
comlease_call(struct comlease *c, const char *method, json_t *parameters, json_t **reply)
{
	return comlease_call_within(c, method, parameters, reply, -1);
}

int
comlease_call_more(struct comlease *c, const char *method, json_t *parameters)
{
	if (start(c, method, parameters, true) < 0)
		return -1;
	c->phase = PHASE_STREAM;
	return 0;
}

int
comlease_next_reply(struct comlease *c, json_t **reply, int timeout_ms)
{
	int64_t until_ms = comlease_after_ms(comlease_now_ms(), timeout_ms);
	bool continues = false;

	if (c->phase != PHASE_STREAM)
		return comlease_fail(c, EINVAL, "no stream is under way");
	if (await(c, reply, &continues, until_ms) < 0) {
		if (errno != EINTR && errno != EAGAIN)
			c->phase = PHASE_IDLE;
		return -1;
	}
	if (continues)
		return 0;
	c->phase = PHASE_IDLE;
	return 1;
}
