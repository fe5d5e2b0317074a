/*
 * model_lease.h - what broker/lease.h says, once more, as simply as possible: arrays, linear scans,
 * no trees, no lists, no timers. It doesn't choose steps; it judges those that the core takes, and
 * the promises that the core makes on the way to them.
 *
 * Ports and requests are numbers. Functions have the names and the contract of lease.h.
 *
 *	model_lease.c	what reports do to the state
 *	model_order.c	who is before whom, who may be asked for whom
 *	model_step.c	whether a step, a promise is right
 *	model_owes.c	what has to happen, and when
 */
#ifndef COMLEASE_MODEL_LEASE_H
#define COMLEASE_MODEL_LEASE_H

#include "../broker/lease.h"

#define MODEL_PORTS    3
#define MODEL_REQUESTS 8
#define NOBODY         (-1)

struct model_place {
	int port, rank, level;
	uint64_t rises_at;
};

struct model_request {
	bool queued;
	int place_count;
	struct model_place places[MODEL_PORTS];
	int priority;
	bool standby;
	uint64_t since, deadline, max_hold, grace, call;
	int promised; /* a port, or NOBODY */
};

struct model_port {
	struct lease_policy policy;
	enum lease_state state;
	uint64_t token, since, used;
	bool opened, taken, untaken_said; /* the live lease */
	uint64_t opened_at;
	bool standby, busy, idle, over, lingers, revoke_said;
	int rank, successor;
	uint64_t busy_since, linger_until, over_at, max_hold, grace, yield_by;
	enum lease_reason yield_reason;
	bool disabled;
	bool must_clean; /* a TURNAROUND step is to come */
	bool line_kept;
	enum lease_reason reason;
	uint64_t ended;
	uint64_t due; /* the keeper's next word */
	bool late;
};

struct model {
	struct model_port ports[MODEL_PORTS];
	struct model_request requests[MODEL_REQUESTS];
	uint64_t hold, take, next_token, calls, slept, ends;
};

struct model_step {
	enum lease_step_type type;
	enum lease_reason reason;
	int port, request; /* request: NOBODY without */
	uint64_t token;
	bool keep_line;
};

/* What the core decides without a step: by request, the port promised; by port, yield_reason. */
struct model_seen {
	int promised[MODEL_REQUESTS];
	enum lease_reason yield_reason[MODEL_PORTS];
};

/* ---- model_lease.c ---- */

void model_init(struct model *, uint64_t first_token, uint64_t take, uint64_t hold);
void model_port_init(struct model *, int port, uint64_t now);
void model_request(struct model *, int request, const struct model_request *, uint64_t now);
void model_cancel(struct model *, int request);
void model_opened(struct model *, int port, uint64_t token, uint64_t now);
int model_taken(struct model *, int port, uint64_t token);
int model_linger(struct model *, int port, uint64_t token, uint64_t until);
int model_busy(struct model *, int port, uint64_t token, bool busy, uint64_t now);
int model_idle(struct model *, int port, uint64_t token, bool idle);
int model_hand_off(struct model *, int port, uint64_t token, int request);
int model_end(struct model *, int port, uint64_t token, enum lease_reason, uint64_t now);
void model_resume(struct model *, int port, uint64_t token, const struct model_request *,
		  uint64_t now);
void model_ready(struct model *, int port, uint64_t now);
void model_turnaround(struct model *, int port, uint64_t now);
void model_foreign(struct model *, int port, uint64_t now);
void model_disable(struct model *, int port, bool disabled, uint64_t now);
void model_fault(struct model *, int port, uint64_t now);
void model_absent(struct model *, int port, uint64_t now);
void model_expect(struct model *, int port, uint64_t at);

bool model_held(const struct model_port *);
void model_go(struct model_port *, enum lease_state, uint64_t now);
void model_clean(struct model_port *, enum lease_reason, uint64_t ended, uint64_t now);
void model_grant(struct model *, int port, uint64_t token, const struct model_request *, int rank,
		 uint64_t since);
void model_leave(struct model *, int request);

/* The time passes: levels, max-hold. Before each lease_next(). */
void model_tick(struct model *, uint64_t now);

/* ---- model_order.c ---- */

/* The place of a request at a port, or NULL. */
const struct model_place *model_place(const struct model *, int request, int port);
int model_waiting(const struct model *, int port);
int model_ahead(const struct model *, int port, int request);
int model_first(const struct model *, int port); /* NOBODY */

/* The first in the queue may have its holder asked. */
bool model_is_wanted(const struct model *, int port, uint64_t now);
bool model_all_faulted(const struct model *, int request);

/* Who gets the port now, or NOBODY; where a request that gets one now gets it, or NOBODY. */
int model_grantee(const struct model *, int port, uint64_t now);
int model_best_free(const struct model *, int request, uint64_t now);

bool model_is_busy(const struct model_port *, uint64_t now);

/* The first normal one in the queue to whom nothing is promised. */
int model_candidate(const struct model *, int port);

/* Whether the holder may be asked for that request: 0, or how good a choice he is (1: the best).
 * From when on, if only the time speaks against it; else LEASE_NEVER. */
int model_choice(const struct model *, int port, int request, uint64_t now);
uint64_t model_choice_from(const struct model *, int port, int request, uint64_t now);

/* ---- model_step.c ---- */

/* Takes a step of the core's, and what else it decided in that call; NULL, or why it is wrong. The
 * step may be NULL: there was none. */
const char *model_step(struct model *, const struct model_step *, const struct model_seen *,
		       uint64_t now);

/* ---- model_owes.c ---- */

/* NULL if nothing is left to do, or what is. */
const char *model_owes(const struct model *, uint64_t now);

/* The same, but for what has to do with asking. */
const char *model_owes_first(const struct model *, uint64_t now);

/* When something is to be done by itself; for a settled model. */
uint64_t model_deadline(const struct model *, uint64_t now);
uint64_t model_deadline_awake(const struct model *);
uint64_t model_untaken_at(const struct model *, int port);

#endif
