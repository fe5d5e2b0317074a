/*
 * fake_broker.c - see fake_broker.h. It aborts when the test's own surroundings fail.
 */
#undef NDEBUG
#include "fake_broker.h"

#include "../client/varlink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

struct fake_broker fake;

struct peer {
	struct varlink varlink;
	bool close; /* once all is sent */
};

/* ---- what it answers ---- */

static json_t *
lease(const struct fake_broker *broker)
{
	return json_pack("{s:I,s:s,s:s,s:{s:i,s:i,s:s},s:I,s:I,s:i}", "token", (json_int_t)17,
			 "port", "modem0", "device", broker->device, "owner", "pid", 4711, "uid",
			 1000, "command", "efax", "since", (json_int_t)1700000000000, "waited",
			 (json_int_t)340, "descriptions", 1);
}

static json_t *
waiting(const struct fake_broker *broker)
{
	return json_pack("{s:{s:s,s:s,s:s,s:i,s:o}}", "waiting", "port", "modem0", "device",
			 broker->device, "state", "held", "ahead", 2, "holder", lease(broker));
}

static int
open_device(const struct fake_broker *broker)
{
	return open(broker->device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

static void
say(struct peer *peer, json_t *message, int fd)
{
	assert(message);
	assert(varlink_queue(&peer->varlink, message, fd) == 0);
	json_decref(message);
}

static void
grant(struct fake_broker *broker, struct peer *peer, bool with_fd)
{
	say(peer, varlink_reply_new(json_pack("{s:o,s:i}", "lease", lease(broker), "fd", 0), false),
	    with_fd ? open_device(broker) : -1);
}

static void
fail(struct peer *peer, const char *error)
{
	say(peer,
	    varlink_error_new(error,
			      strcmp(error, "org.varlink.service.PermissionDenied") == 0
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
		return strcmp(port, "modem0") == 0;
	return (rdev && rdev == broker->rdev) || (device && strcmp(device, broker->device) == 0) ||
	       (device && strcmp(device, "/dev/comlease-absent") == 0);
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
		say(peer,
		    varlink_error_new("io.comlease.NoSuchPort",
				      json_pack("{s:s,s:[s]}", "port", "other", "ports", "modem0")),
		    -1);
		return;
	}
	if (call->more && broker->mode != FAKE_ERROR)
		say(peer, varlink_reply_new(waiting(broker), true), -1);
	switch ((int)broker->mode) {
	case FAKE_GRANT:
		if (call->more)
			say(peer,
			    varlink_reply_new(json_pack("{s:o}", "lease", lease(broker)), false),
			    -1);
		else
			grant(broker, peer, true);
		break;
	case FAKE_ERROR:
		fail(peer, broker->error);
		break;
	case FAKE_CLOSE:
		peer->close = true;
		break;
	case FAKE_GARBAGE:
		assert(write(peer->varlink.socket, "{\"nonsense\"", 12) == 12);
		break;
	case FAKE_BOTH:
		say(peer, varlink_error_new("io.comlease.Busy", json_object()),
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
	say(peer,
	    varlink_reply_new(json_pack("{s:[{s:s,s:s,s:I,s:s,s:I,s:b,s:o,s:i,s:[]}]}", "ports",
					"name", "modem0", "device", broker->device, "rdev",
					(json_int_t)broker->rdev, "state", "held", "since",
					(json_int_t)1, "revocable", 1, "lease", lease(broker),
					"waiting", 3, "waiters"),
			      false),
	    -1);
}

static void
answer(struct fake_broker *broker, struct peer *peer, json_t *message)
{
	struct varlink_call call;

	assert(varlink_call_parse(message, &call) == 0);
	if (strcmp(call.interface_method, "io.comlease.Acquire") == 0)
		acquire(broker, peer, &call);
	else if (strcmp(call.interface_method, "io.comlease.Attach") == 0)
		grant(broker, peer, true);
	else if (broker->mode == FAKE_ERROR)
		fail(peer, broker->error);
	else if (broker->mode == FAKE_CLOSE)
		peer->close = true;
	else if (strcmp(call.interface_method, "io.comlease.List") == 0)
		list(broker, peer);
	else
		say(peer, varlink_reply_new(json_object(), false), -1);
}

/* ---- connections ---- */

static void
hang_up(struct fake_broker *broker, int i)
{
	struct peer *peer = broker->peers[i];

	if (!peer)
		return;
	varlink_clear(&peer->varlink);
	close(peer->varlink.socket);
	free(peer);
	broker->peers[i] = NULL;
	broker->hung_up++;
}

static void
accept_peer(struct fake_broker *broker)
{
	int fd = accept4(broker->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), i = 0;
	struct peer *peer = calloc(1, sizeof(*peer));

	assert(fd >= 0 && peer);
	while (broker->peers[i])
		i++;
	assert(i < FAKE_CONNECTIONS_MAX);
	varlink_init(&peer->varlink, fd, VARLINK_REQUEST_BYTES_MAX, false);
	broker->peers[i] = peer;
	broker->connections++;
	if (broker->mode == FAKE_QUOTA) {
		fail(peer, "io.comlease.QuotaExceeded");
		varlink_flush(&peer->varlink);
		hang_up(broker, i);
	}
}

static void
serve_peer(struct fake_broker *broker, int i)
{
	struct peer *peer = broker->peers[i];
	json_t *message;
	int r = varlink_receive(&peer->varlink);

	while (r == 0 && varlink_next(&peer->varlink, &message, NULL) == 0) {
		answer(broker, peer, message);
		json_decref(message);
	}
	if (r != 0 && r != VARLINK_AGAIN)
		peer->close = true;
	varlink_flush(&peer->varlink);
	if (peer->close)
		hang_up(broker, i);
}

static void *
serve(void *context)
{
	struct fake_broker *broker = context;
	struct pollfd pollfds[FAKE_CONNECTIONS_MAX + 2];

	for (;;) {
		pollfds[FAKE_CONNECTIONS_MAX] = (struct pollfd){ broker->stop[0], POLLIN, 0 };
		pollfds[FAKE_CONNECTIONS_MAX + 1] =
		    (struct pollfd){ broker->mode == FAKE_DEAF ? -1 : broker->listener, POLLIN, 0 };
		for (int i = 0; i < FAKE_CONNECTIONS_MAX; i++) {
			struct peer *peer = broker->peers[i];

			pollfds[i] = (struct pollfd){ peer ? peer->varlink.socket : -1, POLLIN, 0 };
		}
		assert(poll(pollfds, FAKE_CONNECTIONS_MAX + 2, -1) > 0);
		if (pollfds[FAKE_CONNECTIONS_MAX].revents)
			return NULL;
		for (int i = 0; i < FAKE_CONNECTIONS_MAX; i++)
			if (broker->peers[i] && pollfds[i].revents)
				serve_peer(broker, i);
		if (pollfds[FAKE_CONNECTIONS_MAX + 1].revents)
			accept_peer(broker);
	}
}

/* ---- its life ---- */

void
fake_init(struct fake_broker *broker)
{
	struct termios raw;
	struct stat status;

	memset(broker, 0, sizeof(*broker));
	pthread_mutex_init(&broker->lock, NULL);
	strcpy(broker->folder, "/tmp/comlease-test-XXXXXX");
	assert(mkdtemp(broker->folder));
	snprintf(broker->path, sizeof(broker->path), "%s/s", broker->folder);
	broker->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert(broker->master >= 0 && grantpt(broker->master) == 0 &&
	       unlockpt(broker->master) == 0);
	assert(ptsname_r(broker->master, broker->device, sizeof(broker->device)) == 0);
	assert(stat(broker->device, &status) == 0);
	broker->rdev = status.st_rdev;
	assert(tcgetattr(broker->master, &raw) == 0);
	cfmakeraw(&raw);
	assert(tcsetattr(broker->master, TCSANOW, &raw) == 0);
}

void
fake_clear(struct fake_broker *broker)
{
	char command[128];

	if (broker->up)
		fake_down(broker, true);
	close(broker->master);
	json_decref(broker->last);
	pthread_mutex_destroy(&broker->lock);
	snprintf(command, sizeof(command), "rm -rf %s", broker->folder);
	assert(system(command) == 0);
}

void
fake_up(struct fake_broker *broker)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, broker->path);
	unlink(broker->path);
	broker->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(broker->listener >= 0);
	assert(bind(broker->listener, (struct sockaddr *)&address, sizeof(address)) == 0);
	usleep(20000); /* bound and not yet listening: what a client can meet */
	assert(listen(broker->listener, broker->mode == FAKE_DEAF ? 0 : 64) == 0);
	assert(pipe2(broker->stop, O_CLOEXEC) == 0);
	assert(pthread_create(&broker->thread, NULL, serve, broker) == 0);
	broker->up = true;
}

void
fake_down(struct fake_broker *broker, bool remove_socket)
{
	assert(write(broker->stop[1], "x", 1) == 1);
	pthread_join(broker->thread, NULL);
	close(broker->listener);
	for (int i = 0; i < FAKE_CONNECTIONS_MAX; i++)
		hang_up(broker, i);
	close(broker->stop[0]);
	close(broker->stop[1]);
	if (remove_socket)
		unlink(broker->path);
	broker->up = false;
}

json_int_t
fake_last_number(struct fake_broker *broker, const char *name)
{
	const json_t *value;
	json_int_t number;

	pthread_mutex_lock(&broker->lock);
	value = json_object_get(broker->last, name);
	number = value ? json_integer_value(value) : -1;
	pthread_mutex_unlock(&broker->lock);
	return number;
}

void
fake_last_text(struct fake_broker *broker, const char *name, char *text, size_t size)
{
	const char *value;

	pthread_mutex_lock(&broker->lock);
	value = json_string_value(json_object_get(broker->last, name));
	snprintf(text, size, "%s", value ? value : "");
	pthread_mutex_unlock(&broker->lock);
}

bool
fake_await(atomic_int *counter, int value)
{
	for (int i = 0; i < 1000 && *counter < value; i++)
		usleep(5000);
	return *counter >= value;
}
