/*
 * model_lease.h - what broker/lease.h says, once more, as simply as possible: arrays, linear scans,
 * no trees, no lists, no timers. It doesn't choose steps; it judges those that the core takes.
 *
 * Ports and requests are numbers. Functions have the names and the contract of lease.h.
 */
#ifndef COMLEASE_MODEL_LEASE_H
#define COMLEASE_MODEL_LEASE_H

#include "../broker/lease.h"

#define MODEL_PORTS    3
#define MODEL_REQUESTS 8

struct model_request {
	bool queued;
	int port;
	int priority;
	uint64_t since, deadline, call;
};

struct model_port {
	enum lease_state state;
	uint64_t token, since;
	bool opened, taken, asked; /* the live lease; asked: UNTAKEN came */
	uint64_t opened_at;
	bool must_clean; /* a TURNAROUND step is to come */
	enum lease_reason reason;
	uint64_t ended;
	uint64_t due; /* the keeper's next word */
	bool late;
};

struct model {
	struct model_port ports[MODEL_PORTS];
	struct model_request requests[MODEL_REQUESTS];
	uint64_t hold, take, next_token, calls;
};

struct model_step {
	enum lease_step_type type;
	enum lease_reason reason;
	int port, request; /* request: -1 without */
	uint64_t token;
};

void model_init(struct model *, uint64_t first_token, uint64_t take, uint64_t hold);
void model_port_init(struct model *, int port, uint64_t now);
void model_request(struct model *, int port, int request, const struct lease_request *,
		   uint64_t now);
void model_cancel(struct model *, int request);
void model_opened(struct model *, int port, uint64_t token, uint64_t now);
int model_taken(struct model *, int port, uint64_t token);
int model_end(struct model *, int port, uint64_t token, enum lease_reason, uint64_t now);
void model_resume(struct model *, int port, uint64_t token, uint64_t now);
void model_ready(struct model *, int port, uint64_t now);
void model_turnaround(struct model *, int port, uint64_t now);
void model_fault(struct model *, int port, uint64_t now);
void model_absent(struct model *, int port, uint64_t now);
void model_expect(struct model *, int port, uint64_t at);

/* Takes a step of the core's; NULL, or why it is wrong. */
const char *model_step(struct model *, const struct model_step *, uint64_t now);

/* NULL if nothing is left to do, or what is. */
const char *model_owes(const struct model *, uint64_t now);

/* When something is to be done by itself; for a settled model. */
uint64_t model_deadline(const struct model *);

int model_waiting(const struct model *, int port);
int model_ahead(const struct model *, int request);
int model_first(const struct model *, int port); /* -1: nobody */

#endif
