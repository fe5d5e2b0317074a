/*
 * model_world.h - the core and its model side by side: does one operation to both, lets the core
 * settle, and compares (model_check.c). A world is one block of memory without outside pointers:
 * copied away and back to the same address, it is what it was.
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
	OP_LINGER,
	OP_BUSY,
	OP_IDLE,
	OP_HAND_OFF,
	OP_END,
	OP_RESUME,
	OP_READY,
	OP_TURNAROUND,
	OP_FOREIGN,
	OP_DISABLE,
	OP_FAULT,
	OP_ABSENT,
	OP_EXPECT,
	OP_POLICY,
	OP_REMOVE, /* and init again */
	OP_SLEEP,  /* the clock that counts suspend goes on by ms */
	OP_ADVANCE,
	OP_TYPES,
};

#define SETTLE_ALL 255

/* Small numbers relative to the world's state, so that any part of a sequence is a sequence. In
 * times 255 stands for never. */
struct op {
	uint8_t type;
	uint8_t port, request;
	uint8_t more; /* REQUEST: the other ports, one bit each */
	uint8_t rank; /* two bits a port */
	int8_t priority;
	uint8_t waited; /* since_ms = now - waited; END: reason */
	uint8_t wait;   /* ms to the deadline, or the keeper's word, or how long it lingers */
	uint8_t ms;     /* ADVANCE, SLEEP */
	uint8_t hold, grace;
	uint8_t yes; /* REQUEST: standby; BUSY, IDLE, DISABLE; HAND_OFF: to `request`, or nobody */
	uint8_t preempt, age, min_hold, max_busy; /* POLICY */
	uint8_t stale;                            /* the token is this much wrong */
	uint8_t settle;                           /* how many steps the core may take afterwards */
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
	struct lease_place places[MODEL_REQUESTS][MODEL_PORTS];
	struct model model;
	/* Kept by the world itself, for the invariants. */
	uint64_t live[MODEL_PORTS]; /* tokens */
	uint64_t last_token;
	bool waits[MODEL_REQUESTS];
	bool answers[MODEL_PORTS]; /* a standby holder that says it is busy, */
	uint64_t answers_since[MODEL_PORTS];
	uint64_t steps[LEASE_STEP_LINGERED + 1]; /* taken, by type */
};

void world_init(struct world *, const struct world_config *);

/* Whether the operation means anything in the present state; others may be given, too. */
bool world_allows(const struct world *, const struct op *);

/* NULL, or what went wrong. */
const char *world_do(struct world *, const struct op *);

void op_print(FILE *, const struct op *);

/* ---- model_check.c ---- */

/* Lets the core take steps, at most `max` of them, and compares after each. */
const char *world_settle(struct world *, unsigned max);

#endif
