/*
 * model_explore.h - all short sequences of a few operations, and a port that is never at rest; for
 * test_model_lease.c.
 */
#ifndef COMLEASE_MODEL_EXPLORE_H
#define COMLEASE_MODEL_EXPLORE_H

#include "model_world.h"

#define SEQUENCE_MAX 1000

struct sequence {
	struct world_config config;
	size_t n;
	struct op ops[SEQUENCE_MAX];
};

/* The queue of one port and its keeper; two ports, their holders, and who wants them. */
enum explore_what { EXPLORE_QUEUE, EXPLORE_HOLDERS };

struct exploration {
	enum explore_what what;
	struct world_config config;
	size_t depth;
	const uint8_t *settles; /* how far each operation may be settled: each of these */
	size_t settles_n;
	unsigned seconds; /* without an end of a short part: SIGALRM */
};

/* NULL, or what went wrong: after the sequence that then stands in *s. *done: operations. */
const char *explore(const struct exploration *, struct sequence *s, uint64_t *done);

/* Mail without end, and one fax: NULL, or what went wrong. `random` chooses the circumstances. */
const char *starve(unsigned random);

#endif
