/*
 * model_world.h - the core and its model side by side: does one operation to both, lets the core
 * settle, and compares. A world is one block of memory without outside pointers: copied away and
 * back to the same address, it is what it was.
 */
#ifndef COMLEASE_MODEL_WORLD_H
#define COMLEASE_MODEL_WORLD_H

#include "model_lease.h"

#include <stdio.h>

enum op_type {
	OP_REQUEST,
	OP_CANCEL,
	OP_OPENED,
	OP_TAKEN,
	OP_END,
	OP_RESUME,
	OP_READY,
	OP_TURNAROUND,
	OP_FAULT,
	OP_ABSENT,
	OP_EXPECT,
	OP_REMOVE, /* and init again */
	OP_ADVANCE,
	OP_TYPES,
};

#define SETTLE_ALL 255

/* Small numbers relative to the world's state, so that any part of a sequence is a sequence. */
struct op {
	uint8_t type;
	uint8_t port, request;
	int8_t priority;
	uint8_t waited; /* since_ms = now - waited; END: reason */
	uint8_t wait;   /* ms to the deadline, or the keeper's word; 255: forever */
	uint8_t ms;     /* ADVANCE */
	uint8_t stale;  /* OPENED, TAKEN, END: the token is this much wrong */
	uint8_t settle; /* how many steps the core may take afterwards */
};

struct world_config {
	uint8_t ports, requests, take, hold; /* take 255: never */
	bool clean;                          /* port 0 starts FREE */
};

struct world {
	struct world_config config;
	uint64_t now, resumed;
	struct lease_host host;
	struct lease_port ports[MODEL_PORTS];
	struct lease_request requests[MODEL_REQUESTS];
	struct model model;
	/* Kept by the world itself, for the invariants. */
	uint64_t live[MODEL_PORTS]; /* tokens */
	uint64_t last_token;
	bool waits[MODEL_REQUESTS];
	uint64_t steps[LEASE_STEP_LATE + 1]; /* taken, by type */
};

void world_init(struct world *, const struct world_config *);

/* Whether the operation means anything in the present state; others may be given, too. */
bool world_allows(const struct world *, const struct op *);

/* NULL, or what went wrong. */
const char *world_do(struct world *, const struct op *);

void op_print(FILE *, const struct op *);

#endif
