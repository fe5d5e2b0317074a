/*
 * fake_broker_answer.c - see fake_broker.h: what it answers to each call.
 */
#undef NDEBUG
#include "fake_broker_internal.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static json_t *
lease(const struct fake_broker *broker)
{
	return json_pack("{s:I,s:s,s:s,s:{s:i,s:i,s:s},s:I,s:I,s:i}", "token", broker->token,
			 "port", "modem0", "device", broker->device, "owner", "pid", 4711, "uid",
			 1000, "command", "efax", "since", (json_int_t)1700000000000, "waited",
			 (json_int_t)340, "descriptions", 1);
}

static json_t *
waiting(const struct fake_broker *broker)
{
	if (broker->foreign)
		return json_pack("{s:{s:s,s:s,s:s,s:i,s:{s:{s:i,s:i,s:s},s:s,s:I,s:i}}}", "waiting",
				 "port", "modem0", "device", broker->device, "state", "foreign",
				 "ahead", 0, "foreign", "process", "pid", 815, "uid", 0, "command",
				 "minicom", "how", "has it open", "since",
				 (json_int_t)1700000000000, "others", 0);
	return json_pack("{s:{s:s,s:s,s:s,s:i,s:o}}", "waiting", "port", "modem0", "device",
			 broker->device, "state", "held", "ahead", 2, "holder", lease(broker));
}

static int
open_device(const struct fake_broker *broker)
{
	return open(broker->device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

void
fake_say(struct peer *peer, json_t *message, int fd)
{
	assert(message);
	assert(varlink_queue(&peer->varlink, message, fd) == 0);
	json_decref(message);
}

static void
grant(struct fake_broker *broker, struct peer *peer, bool with_fd)
{
	fake_say(peer,
		 varlink_reply_new(json_pack("{s:o,s:i}", "lease", lease(broker), "fd", 0), false),
		 with_fd ? open_device(broker) : -1);
}

void
fake_grant(struct fake_broker *broker, struct peer *peer, bool more)
{
	if (broker->rising)
		broker->token++;
	if (more)
		fake_say(peer, varlink_reply_new(json_pack("{s:o}", "lease", lease(broker)), false),
			 -1);
	else
		grant(broker, peer, true);
}

void
fake_fail(struct peer *peer, const char *error)
{
	fake_say(peer,
		 varlink_error_new(
		     error, strcmp(error, "org.varlink.service.PermissionDenied") == 0
				? json_object()
				: json_pack("{s:s,s:s,s:[s]}", "port", "modem0", "message",
					    "modem0: a sentence for people", "ports", "modem0")),
		 -1);
}

static bool
is_port(const struct fake_broker *broker, const json_t *parameters)
{
	const char *port = json_string_value(json_object_get(parameters, "port"));
	const char *device = json_string_value(json_object_get(parameters, "device"));
	dev_t rdev = (dev_t)json_integer_value(json_object_get(parameters, "rdev"));

	if (port)
		return strcmp(port, "modem0") == 0 || strcmp(port, "modem") == 0;
	return (rdev && rdev == broker->rdev) || (device && strcmp(device, broker->device) == 0) ||
	       (device && strcmp(device, "/dev/comlease-absent") == 0);
}

static bool
is_free(const struct fake_broker *broker, const json_t *parameters)
{
	const char *device = json_string_value(json_object_get(parameters, "device"));
	const char *free_device = broker->free_device;

	return device && free_device && strcmp(device, free_device) == 0;
}

static void
acquire(struct fake_broker *broker, struct peer *peer, const struct varlink_call *call)
{
	pthread_mutex_lock(&broker->lock);
	json_decref(broker->last);
	broker->last = json_deep_copy(call->parameters);
	pthread_mutex_unlock(&broker->lock);
	broker->acquires++;
	if (!is_port(broker, call->parameters)) {
		fake_say(
		    peer,
		    varlink_error_new("io.comlease.NoSuchPort",
				      json_pack("{s:s,s:[s]}", "port", "other", "ports", "modem0")),
		    -1);
		return;
	}
	if (is_free(broker, call->parameters)) {
		fake_grant(broker, peer, call->more);
		return;
	}
	if (call->more && broker->mode != FAKE_ERROR &&
	    !(broker->mode == FAKE_GRANT && broker->rising))
		fake_say(peer, varlink_reply_new(waiting(broker), true), -1);
	switch ((int)broker->mode) {
	case FAKE_GRANT:
		fake_grant(broker, peer, call->more);
		break;
	case FAKE_HOLD:
		peer->waiting = true;
		peer->more = call->more;
		break;
	case FAKE_ERROR:
		fake_fail(peer, broker->error);
		break;
	case FAKE_CLOSE:
		peer->close = true;
		break;
	case FAKE_GARBAGE:
		assert(write(peer->varlink.socket, "{\"nonsense\"", 12) == 12);
		break;
	case FAKE_BOTH:
		fake_say(peer, varlink_error_new("io.comlease.Busy", json_object()),
			 open_device(broker));
		break;
	case FAKE_NO_FD:
		grant(broker, peer, false);
		break;
	default:
		break;
	}
}

static void
list(const struct fake_broker *broker, struct peer *peer)
{
	fake_say(
	    peer,
	    varlink_reply_new(
		json_pack("{s:[{s:s,s:s,s:I,s:s,s:I,s:b,s:o,s:i,s:[]}],s:[{s:s,s:[s]}],s:s*}",
			  "ports", "name", "modem0", "device", broker->device, "rdev",
			  (json_int_t)broker->rdev, "state", "held", "since", (json_int_t)1,
			  "revocable", 1, "lease", lease(broker), "waiting", 3, "waiters", "pools",
			  "name", "modem", "ports", "modem0", "lockDir", broker->lock_dir),
		false),
	    -1);
}

static void
yield(struct fake_broker *broker, struct peer *peer)
{
	if (broker->yield_mode == FAKE_ERROR) {
		fake_fail(peer, "io.comlease.Revoked");
		return;
	}
	if (broker->yield_mode == FAKE_CLOSE) {
		peer->close = true;
		return;
	}
	fake_say(peer, varlink_reply_new(waiting(broker), true), -1);
	peer->waiting = peer->more = broker->yield_mode == FAKE_HOLD;
	if (!peer->waiting)
		fake_grant(broker, peer, true);
}

static void
watch(const struct fake_broker *broker, struct peer *peer)
{
	const char *first = broker->watch_first;

	if (broker->watch_error && strcmp(broker->watch_error, "close") == 0) {
		peer->close = true;
		return;
	}
	if (broker->watch_error) {
		fake_fail(peer, broker->watch_error);
		return;
	}
	peer->watching = true;
	fake_say(peer,
		 varlink_reply_new(json_loads(first ? first : "{\"event\":\"watching\"}", 0, NULL),
				   true),
		 -1);
}

static void
note_call(struct fake_broker *broker, const struct varlink_call *call)
{
	pthread_mutex_lock(&broker->lock);
	json_array_append_new(broker->calls, json_pack("{s:s,s:O}", "method",
						       strrchr(call->interface_method, '.') + 1,
						       "parameters", call->parameters));
	pthread_cond_broadcast(&broker->called);
	pthread_mutex_unlock(&broker->lock);
}

void
fake_answer(struct fake_broker *broker, struct peer *peer, json_t *message)
{
	struct varlink_call call;

	assert(varlink_call_parse(message, &call) == 0);
	note_call(broker, &call);
	if (strcmp(call.interface_method, "io.comlease.Yield") == 0)
		yield(broker, peer);
	else if (strcmp(call.interface_method, "io.comlease.Watch") == 0)
		watch(broker, peer);
	else if (strcmp(call.interface_method, "io.comlease.Monitor") == 0)
		fake_say(peer, varlink_reply_new(json_pack("{s:[]}", "events"), true), -1);
	else if (strcmp(call.interface_method, "io.comlease.Acquire") == 0)
		acquire(broker, peer, &call);
	else if (strcmp(call.interface_method, "io.comlease.Attach") == 0)
		grant(broker, peer, true);
	else if (broker->mode == FAKE_ERROR)
		fake_fail(peer, broker->error);
	else if (broker->mode == FAKE_CLOSE)
		peer->close = true;
	else if (strcmp(call.interface_method, "io.comlease.List") == 0)
		list(broker, peer);
	else
		fake_say(peer, varlink_reply_new(json_object(), false), -1);
}
