/*
 * measure_yield.c - from a waiter's Acquire to its grant, with a standby holder that lets go as
 * soon as it is asked; and from the end of a foreign holder to the grant.
 *
 * The other one is a child in both cases (the waiter must not belong to the holder): it says over a
 * pipe when it has the port, and is told when it is to take it again.
 *
 * A yield is a hand-over, whose processes run in the order keeper, broker, keeper, broker, client;
 * and before it broker, supervisor, broker, holder: nobody is asked to let go for one who belongs
 * to him, and only the supervisor may look. That takes longer the more descriptors the waiter has
 * open; so he is a process with nothing but his own, as clients are, and not the bench with those
 * of all its worlds. He is older than the holder, whom the supervisor would look for among his
 * ancestors otherwise.
 */
#include "measure.h"

#include "../include/comlease.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TIMES  64 /* foreign holders of a round, at most */
#define YIELDS 40 /* of a round */

struct other {
	pid_t pid;
	int say, hear;  /* our ends */
	double *shared; /* what it has measured */
};

/* The same, for the child. */
struct self {
	const struct world *world;
	const char *device;
	int say, hear;
	double *shared;
};

/* In the child: true: once more; false: the end. */
static bool
next(const struct self *self)
{
	char byte = 1;

	return write(self->say, &byte, 1) == 1 && read(self->hear, &byte, 1) == 1;
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
stand_by(const struct self *self)
{
	struct comlease *c = world_connect(self->world), *watch;
	struct comlease_event event = { .size = sizeof(event) };
	uint64_t token;
	bool again;
	int fd;

	do {
		fd = acquire_standby(c, &token);
		watch = world_connect(self->world);
		if (comlease_watch(watch, token) < 0)
			measure_fail("watch: %s", comlease_error(watch));
		if (write(self->say, "", 1) != 1)
			return;
		do
			if (comlease_next_event(watch, &event, COMLEASE_FOREVER) < 0)
				measure_fail("event: %s", comlease_error(watch));
		while (event.type != COMLEASE_EVENT_YIELD_WANTED);
		close(fd);
		again = next(self);
		comlease_disconnect(watch);
	} while (again);
}

/* Has the device without comlease. */
static void
be_foreign(const struct self *self)
{
	int fd;

	do {
		fd = open(self->device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			measure_fail("%s", self->device);
		if (!next(self)) /* somebody waits */
			return;
		*self->shared = measure_now_us();
		close(fd);
	} while (next(self));
}

static struct other *
start(const struct world *w, const char *device, void (*run)(const struct self *))
{
	struct other *o = calloc(1, sizeof(*o));
	int to[2], from[2];

	if (o == NULL || pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
		measure_fail("pipes");
	o->shared =
	    mmap(NULL, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (o->shared == MAP_FAILED)
		measure_fail("memory");
	o->pid = measure_fork();
	if (o->pid == 0) {
		struct self self = { w, device, from[1], to[0], o->shared };

		close(to[1]);
		close(from[0]);
		run(&self);
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	o->say = to[1];
	o->hear = from[0];
	return o;
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

/* ---- a standby holder ---- */

/* All other descriptors are closed, but standard input, output and error. */
static void
keep(int a, int b)
{
	unsigned first = (unsigned)(a < b ? a : b), last = (unsigned)(a < b ? b : a);

	if (first > STDERR_FILENO + 1)
		close_range(STDERR_FILENO + 1, first - 1, 0);
	if (last > first + 1)
		close_range(first + 1, last - 1, 0);
	close_range(last + 1, ~0U, 0);
}

static double
yield_once(const struct other *standby, struct comlease *looker, struct comlease *c)
{
	double asked_at, took;
	int fd;

	hear(standby); /* it has the port, and watches */
	world_await(looker, "held", 0);
	asked_at = measure_now_us();
	fd = measure_acquire(c, 0);
	took = measure_now_us() - asked_at;
	hear(standby); /* it has let go */
	close(fd);
	say(standby);
	return took;
}

static void
wait_for_standby(const struct self *self)
{
	struct comlease *c = world_connect(self->world), *looker = world_connect(self->world);
	struct other *standby = NULL;
	double values[YIELDS];
	size_t i;

	keep(self->say, self->hear);
	while (next(self)) {
		if (standby == NULL)
			standby = start(self->world, NULL, stand_by);
		for (i = 0; i < YIELDS; i++)
			values[i] = yield_once(standby, looker, c);
		*self->shared = measure_median(values, YIELDS);
		if (write(self->say, "", 1) != 1)
			return;
	}
}

struct other *
yield_start(const struct world *w)
{
	return start(w, NULL, wait_for_standby);
}

void
yield_round(struct other *waiter, struct series *series)
{
	hear(waiter); /* it is there */
	say(waiter);
	hear(waiter); /* it has measured */
	series_add(series, *waiter->shared);
}

/* ---- a foreign holder ---- */

struct other *
foreign_start(const struct world *w, const char *device)
{
	return start(w, device, be_foreign);
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
	return granted_at - *o->shared;
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
	munmap(o->shared, sizeof(double));
	free(o);
}
