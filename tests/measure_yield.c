/*
 * measure_yield.c - from a waiter's Acquire to its grant, with a standby holder that lets go as
 * soon as it is asked; and from the end of a foreign holder to the grant.
 *
 * The other one is a child in both cases (the waiter must not belong to the holder): it says over a
 * pipe when it has the port, and is told when it is to take it again.
 */
#include "measure.h"

#include "../include/comlease.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TIMES 64 /* of a round, at most */

struct other {
	pid_t pid;
	int say, hear;     /* the bench's ends */
	double *closed_at; /* shared */
};

/* In the child: true: once more; false: the end. */
static bool
next(int say, int hear)
{
	char byte = 1;

	return write(say, &byte, 1) == 1 && read(hear, &byte, 1) == 1;
}

static int
acquire_standby(struct comlease *c, uint64_t *token)
{
	struct comlease_request request = COMLEASE_REQUEST_INIT;
	struct comlease_lease lease = { .size = sizeof(lease) };
	int fd;

	request.port = "p0";
	request.standby = 1;
	fd = comlease_acquire(c, &request, &lease);
	if (fd < 0)
		measure_fail("standby: %s", comlease_error(c));
	*token = lease.token;
	return fd;
}

/* Has the port in standby, lets go as soon as it is asked, and has it again. It sleeps when it is
 * asked, and the watch ends after the grant: nothing but what has to be is measured. */
static void
stand_by(const struct world *w, int say, int hear)
{
	struct comlease *c = world_connect(w), *watch;
	struct comlease_event event = { .size = sizeof(event) };
	uint64_t token;
	bool again;
	int fd;

	do {
		fd = acquire_standby(c, &token);
		watch = world_connect(w);
		if (comlease_watch(watch, token) < 0)
			measure_fail("watch: %s", comlease_error(watch));
		if (write(say, "", 1) != 1)
			return;
		do
			if (comlease_next_event(watch, &event, COMLEASE_FOREVER) < 0)
				measure_fail("event: %s", comlease_error(watch));
		while (event.type != COMLEASE_EVENT_YIELD_WANTED);
		close(fd);
		again = next(say, hear);
		comlease_disconnect(watch);
	} while (again);
}

/* Has the device without comlease. */
static void
be_foreign(const char *device, int say, int hear, double *closed_at)
{
	int fd;

	do {
		fd = open(device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			measure_fail("%s", device);
		if (!next(say, hear)) /* somebody waits */
			return;
		*closed_at = measure_now_us();
		close(fd);
	} while (next(say, hear));
}

static struct other *
start(const struct world *w, const char *device)
{
	struct other *o = calloc(1, sizeof(*o));
	int to[2], from[2];

	if (o == NULL || pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		measure_fail("pipes");
	o->closed_at =
	    mmap(NULL, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (o->closed_at == MAP_FAILED)
		measure_fail("memory");
	o->pid = measure_fork();
	if (o->pid == 0) {
		close(to[1]);
		close(from[0]);
		if (device == NULL)
			stand_by(w, from[1], to[0]);
		else
			be_foreign(device, from[1], to[0], o->closed_at);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	o->say = to[1];
	o->hear = from[0];
	return o;
}

struct other *
yield_start(const struct world *w)
{
	return start(w, NULL);
}

struct other *
foreign_start(const struct world *w, const char *device)
{
	return start(w, device);
}

static void
hear(const struct other *o)
{
	char byte;

	if (read(o->hear, &byte, 1) != 1)
		measure_fail("the other one has gone");
}

static void
say(const struct other *o)
{
	char byte = 1;

	if (write(o->say, &byte, 1) != 1)
		measure_fail("the other one has gone");
}

void
yield_round(struct other *o, const struct world *w, size_t times, struct series *series)
{
	struct comlease *c = world_connect(w), *looker = world_connect(w);
	double values[TIMES], asked_at;
	size_t i;
	int fd;

	for (i = 0; i < times && i < TIMES; i++) {
		hear(o); /* it has the port, and watches */
		world_await(looker, "held", 0);
		asked_at = measure_now_us();
		fd = measure_acquire(c, 0);
		values[i] = measure_now_us() - asked_at;
		hear(o); /* it has let go */
		close(fd);
		say(o);
	}
	series_add(series, measure_median(values, i));
	comlease_disconnect(c);
	comlease_disconnect(looker);
}

/* A request that is under way while the foreign holder goes; then the port is the bench's. */
static double
foreign_once(struct other *o, struct comlease *looker, struct comlease *c)
{
	struct comlease_request request = COMLEASE_REQUEST_INIT;
	double granted_at;
	int fd;

	hear(o);
	world_await(looker, "foreign", 0);
	request.port = "p0";
	if (comlease_request(c, &request) < 0)
		measure_fail("request: %s", comlease_error(c));
	world_await(looker, "foreign", 1);
	say(o);
	while ((fd = comlease_dispatch(c, NULL)) < 0)
		measure_poll(comlease_fd(c));
	granted_at = measure_now_us();
	hear(o);
	close(fd);
	world_await(looker, "free", 0);
	say(o);
	return granted_at - *o->closed_at;
}

void
foreign_round(struct other *o, const struct world *w, size_t times, struct series *series)
{
	struct comlease *c = world_connect(w), *looker = world_connect(w);
	double values[TIMES];
	size_t i;

	for (i = 0; i < times && i < TIMES; i++)
		values[i] = foreign_once(o, looker, c);
	series_add(series, measure_median(values, i));
	comlease_disconnect(c);
	comlease_disconnect(looker);
}

void
other_stop(struct other *o)
{
	hear(o);
	close(o->say);
	kill(o->pid, SIGKILL); /* it may wait for something else */
	measure_reap(o->pid);
	close(o->hear);
	munmap(o->closed_at, sizeof(double));
	free(o);
}
