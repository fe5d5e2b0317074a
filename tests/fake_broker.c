/*
 * fake_broker.c - see fake_broker.h: its life and its connections. It aborts when the test's own
 * surroundings fail.
 */
#undef NDEBUG
#include "fake_broker_internal.h"

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
#include <time.h>
#include <unistd.h>

struct fake_broker fake;

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
		fake_fail(peer, "io.comlease.QuotaExceeded");
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
		fake_answer(broker, peer, message);
		json_decref(message);
	}
	if (r != 0 && r != VARLINK_AGAIN)
		peer->close = true;
	varlink_flush(&peer->varlink);
	if (peer->close)
		hang_up(broker, i);
}

static void
carry_out(struct fake_broker *broker, const json_t *order, struct peer *peer)
{
	json_t *event = json_object_get(order, "event");
	bool last = json_is_true(json_object_get(order, "last"));

	if (event && peer->watching) {
		fake_say(peer, varlink_reply_new(json_incref(event), !last), -1);
		peer->watching = !last;
	}
	if (!event && peer->waiting) {
		fake_grant(broker, peer, peer->more);
		peer->waiting = false;
	}
	varlink_flush(&peer->varlink);
}

/* False: it is to stop. */
static bool
take_orders(struct fake_broker *broker)
{
	json_t *orders, *order;
	char byte = 'x';
	size_t i;

	assert(read(broker->stop[0], &byte, 1) == 1);
	if (byte == 'x')
		return false;
	pthread_mutex_lock(&broker->lock);
	orders = broker->orders;
	broker->orders = json_array();
	pthread_mutex_unlock(&broker->lock);
	json_array_foreach (orders, i, order)
		for (int p = 0; p < FAKE_CONNECTIONS_MAX; p++)
			if (broker->peers[p])
				carry_out(broker, order, broker->peers[p]);
	json_decref(orders);
	return true;
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
		if (pollfds[FAKE_CONNECTIONS_MAX].revents && !take_orders(broker))
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
	pthread_cond_init(&broker->called, NULL);
	broker->calls = json_array();
	broker->orders = json_array();
	broker->token = 17;
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
	json_decref(broker->calls);
	json_decref(broker->orders);
	pthread_cond_destroy(&broker->called);
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

/* ---- orders, and what was asked ---- */

static void
order(struct fake_broker *broker, json_t *what)
{
	assert(what);
	pthread_mutex_lock(&broker->lock);
	json_array_append_new(broker->orders, what);
	pthread_mutex_unlock(&broker->lock);
	assert(write(broker->stop[1], "o", 1) == 1);
}

void
fake_event(struct fake_broker *broker, const char *event, bool last)
{
	order(broker, json_pack("{s:o,s:b}", "event", json_loads(event, 0, NULL), "last", last));
}

void
fake_let(struct fake_broker *broker)
{
	order(broker, json_object());
}

/* The lock is held. */
static json_t *
find_call(const struct fake_broker *broker, const char *method, int index, int *count)
{
	json_t *call, *found = NULL;
	size_t i;

	*count = 0;
	json_array_foreach (broker->calls, i, call)
		if (strcmp(json_string_value(json_object_get(call, "method")), method) == 0 &&
		    (*count)++ == index)
			found = json_object_get(call, "parameters");
	return found;
}

int
fake_calls(struct fake_broker *broker, const char *method)
{
	int count;

	pthread_mutex_lock(&broker->lock);
	find_call(broker, method, -1, &count);
	pthread_mutex_unlock(&broker->lock);
	return count;
}

bool
fake_await_calls(struct fake_broker *broker, const char *method, int count)
{
	struct timespec until;
	int got, r = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&broker->lock);
	while (find_call(broker, method, -1, &got), got < count && r == 0)
		r = pthread_cond_timedwait(&broker->called, &broker->lock, &until);
	pthread_mutex_unlock(&broker->lock);
	return got >= count;
}

json_t *
fake_call(struct fake_broker *broker, const char *method, int index)
{
	json_t *found;
	int count;

	pthread_mutex_lock(&broker->lock);
	found = json_deep_copy(find_call(broker, method, index, &count));
	pthread_mutex_unlock(&broker->lock);
	return found;
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
