/* model_explore.c - everything that can happen, as far as a few operations go; see
 * model_explore.h. */
#include "model_explore.h"

#include <unistd.h>

/* One port, three requests, and everything that can happen to them. */
static const struct op queue_ops[] = {
	{ .type = OP_REQUEST, .request = 0, .wait = 255, .hold = 255 },
	{ .type = OP_REQUEST, .request = 1, .wait = 2, .priority = 1, .hold = 255 },
	{ .type = OP_REQUEST, .request = 2, .wait = 0, .waited = 3, .hold = 255 },
	{ .type = OP_CANCEL, .request = 0 },
	{ .type = OP_CANCEL, .request = 1 },
	{ .type = OP_OPENED },
	{ .type = OP_TAKEN },
	{ .type = OP_END },
	{ .type = OP_RESUME, .hold = 255 },
	{ .type = OP_READY },
	{ .type = OP_TURNAROUND },
	{ .type = OP_FAULT },
	{ .type = OP_ABSENT },
	{ .type = OP_EXPECT, .wait = 2 },
	{ .type = OP_EXPECT, .wait = 255 },
	{ .type = OP_ADVANCE, .ms = 1 },
	{ .type = OP_ADVANCE, .ms = 3 },
};

/* Two ports, and requests of each kind: a standby one, one of a low class for both, one of a high
 * class for the first. The first port starts in the standby one's hands. */
static const struct op holder_ops[] = {
	{ .type = OP_REQUEST, .yes = 1, .wait = 255, .hold = 255, .grace = 2 },
	{ .type = OP_REQUEST, .request = 1, .more = 2, .rank = 5, .wait = 255, .hold = 4 },
	{ .type = OP_REQUEST, .request = 2, .wait = 255, .hold = 255, .grace = 255 },
	{ .type = OP_CANCEL, .request = 1 },
	{ .type = OP_CANCEL, .request = 2 },
	{ .type = OP_END, .port = 0 },
	{ .type = OP_END, .port = 1 },
	{ .type = OP_READY, .port = 0 },
	{ .type = OP_READY, .port = 1 },
	{ .type = OP_TURNAROUND, .port = 1 },
	{ .type = OP_FAULT, .port = 1 },
	{ .type = OP_BUSY, .yes = 1 },
	{ .type = OP_BUSY },
	{ .type = OP_IDLE, .yes = 1 },
	{ .type = OP_IDLE },
	{ .type = OP_HAND_OFF, .request = 1, .yes = 1 },
	{ .type = OP_DISABLE, .yes = 1 },
	{ .type = OP_DISABLE },
	{ .type = OP_ADVANCE, .ms = 2 },
	{ .type = OP_SLEEP, .ms = 4 },
};

static const struct op holder_prelude[] = {
	{ .type = OP_POLICY, .preempt = 2, .age = 3, .min_hold = 1, .max_busy = 3 },
	{ .type = OP_POLICY, .port = 1, .preempt = 1, .age = 255, .max_busy = 255 },
	{ .type = OP_REQUEST, .yes = 1, .wait = 255, .hold = 255, .grace = 2 },
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct run {
	const struct exploration *e;
	const struct op *letters;
	size_t letters_n;
	struct sequence *s;
	uint64_t *done;
};

static struct world world;

/* What the world is after the sequence is continued by every letter, and by every one after that,
 * down to depth. */
static const char *
go_on(const struct run *run, size_t depth)
{
	struct sequence *s = run->s;
	struct world before = world;
	const char *wrong = NULL;

	if (depth == 0)
		return NULL;
	if (depth == 4)
		alarm(run->e->seconds);
	for (size_t i = 0; i < run->letters_n * run->e->settles_n; i++) {
		struct op *op = &s->ops[s->n];

		*op = run->letters[i / run->e->settles_n];
		op->settle = run->e->settles[i % run->e->settles_n];
		if (!world_allows(&world, op))
			continue;
		s->n++;
		++*run->done;
		wrong = world_do(&world, op);
		if (!wrong)
			wrong = go_on(run, depth - 1);
		if (wrong)
			return wrong;
		s->n--;
		world = before;
	}
	return NULL;
}

const char *
explore(const struct exploration *e, struct sequence *s, uint64_t *done)
{
	bool holders = e->what == EXPLORE_HOLDERS;
	struct run run = {
		.e = e,
		.letters = holders ? holder_ops : queue_ops,
		.letters_n = holders ? COUNT(holder_ops) : COUNT(queue_ops),
		.s = s,
		.done = done,
	};

	s->n = 0;
	s->config = e->config;
	world_init(&world, &s->config);
	for (size_t i = 0; holders && i < COUNT(holder_prelude); i++) {
		s->ops[i] = holder_prelude[i];
		s->ops[i].settle = SETTLE_ALL;
		s->n++;
		world_do(&world, &s->ops[i]);
	}
	return go_on(&run, e->depth);
}
