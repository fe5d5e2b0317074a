/*
 * measure_hand_over.c - from one holder's close() to the descriptor in the next one's hand.
 *
 * Two processes alternate. Neither may be the other's ancestor, or he would join his lease. The
 * holder closes when the other one waits, then sleeps until that one has the descriptor: so the
 * core is there for the hand-over alone. Between rounds one of them holds, so that a crowd behind
 * them stays where it is.
 */
#include "measure.h"

#include "../include/comlease.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TIMES 128 /* hand-overs of a round, at most */

struct shared {
	double closed_at; /* 0: nobody yet */
	size_t behind;    /* how many wait behind the two */
	size_t count, goal;
	double values[TIMES + 1]; /* one more as the pair ends */
};

struct pair {
	const struct world *world;
	struct shared *shared;
	pid_t processes[2];
	int wake[2][2]; /* pipes: to each of them */
	int go[2], done[2];
};

/* The round is over: holds until the next one. False: there is none. */
static bool
rest(const struct pair *p)
{
	char byte = 1;

	return write(p->done[1], &byte, 1) == 1 && read(p->go[0], &byte, 1) == 1;
}

static void
alternate(const struct pair *p, int self)
{
	struct comlease *c = world_connect(p->world), *looker = world_connect(p->world);
	struct shared *s = p->shared;
	char byte = 1;
	int fd;

	for (;;) {
		fd = measure_acquire(c, 100);
		if (s->closed_at > 0) {
			s->values[s->count++] = measure_now_us() - s->closed_at;
			if (write(p->wake[!self][1], &byte, 1) != 1)
				return;
		}
		if (s->count >= s->goal && !rest(p))
			return;
		world_await(looker, "held", s->behind + 1);
		s->closed_at = measure_now_us();
		close(fd);
		if (read(p->wake[self][0], &byte, 1) != 1)
			return;
	}
}

static void
start_one(struct pair *p, int which)
{
	p->processes[which] = measure_fork();
	if (p->processes[which] > 0)
		return;
	close(p->go[1]);
	alternate(p, which);
	_exit(0);
}

static void
await_round(const struct pair *p)
{
	char byte;

	if (read(p->done[0], &byte, 1) != 1)
		measure_fail("the two holders have gone");
}

struct pair *
pair_start(const struct world *w)
{
	struct pair *p = calloc(1, sizeof(*p));

	if (p == NULL)
		measure_fail("memory");
	p->world = w;
	p->shared = mmap(NULL, sizeof(*p->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p->shared == MAP_FAILED || pipe2(p->wake[0], O_CLOEXEC) < 0 ||
	    pipe2(p->wake[1], O_CLOEXEC) < 0 || pipe2(p->go, O_CLOEXEC) < 0 ||
	    pipe2(p->done, O_CLOEXEC) < 0)
		measure_fail("pipes");
	start_one(p, 0);
	await_round(p); /* it holds */
	start_one(p, 1);
	close(p->done[1]);
	return p;
}

void
pair_round(struct pair *p, size_t behind, size_t times, struct series *series)
{
	struct shared *s = p->shared;
	char byte = 1;

	s->behind = behind;
	s->count = 0;
	s->goal = times < TIMES ? times : TIMES;
	if (write(p->go[1], &byte, 1) != 1)
		measure_fail("the two holders have gone");
	await_round(p);
	series_add(series, measure_median(s->values, s->count));
}

/* Whoever holds ends by the end of the pipe, the other one by that of the first. */
void
pair_stop(struct pair *p)
{
	int i;

	close(p->go[1]);
	close(p->go[0]);
	for (i = 0; i < 2; i++) {
		close(p->wake[i][0]);
		close(p->wake[i][1]);
	}
	measure_reap(p->processes[0]);
	measure_reap(p->processes[1]);
	close(p->done[0]);
	munmap(p->shared, sizeof(*p->shared));
	free(p);
}
