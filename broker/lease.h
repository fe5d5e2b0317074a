/*
 * lease.h - the core: who gets which port, when, and until when.
 *
 * The core holds the queues and the state of every port and derives from them, one step at a time,
 * what has to happen. It performs nothing: no I/O, no clock (the time is an argument, milliseconds
 * of any monotonic clock), no allocation (hosts, ports and requests are the caller's objects, and
 * must stay where they are while the core knows them), no event loop. Single-threaded.
 *
 * The caller reports what happened (a request came, the keeper says that a port is clean, a lease
 * has ended) and then settles:
 *
 *	while (lease_next(&host, now, &step))
 *		carry out step;
 *	set one timer to lease_deadline(&host);
 *
 * Nobody else grants. The cost of every call grows at most with the logarithm of the number of
 * waiters and ports.
 *
 * Error rule: negative = failure, 0 = done, positive = a documented condition. Calling a function
 * in a state that its comment excludes is a bug of the caller and asserts.
 */
#ifndef COMLEASE_LEASE_H
#define COMLEASE_LEASE_H

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LEASE_NEVER UINT64_MAX

/* Where a port is. The names for people are in lease_state_name(). */
enum lease_state {
	LEASE_ABSENT,     /* the device is not there: requests wait */
	LEASE_TURNAROUND, /* being cleaned between two leases: requests wait */
	LEASE_FREE,       /* clean, nobody has it */
	LEASE_HELD,       /* granted: exactly one token is alive */
	LEASE_FAULTED,    /* the device failed: requests make it try again once, then fail */
};

/* Why a lease ended: DESIGN.md section 4.5. LEASE_NONE is never reported as an end. */
enum lease_reason {
	LEASE_NONE,
	LEASE_RELEASED,
	LEASE_DIED,
	LEASE_EXPIRED,
	LEASE_REVOKED,
	LEASE_UNPLUGGED,
	LEASE_HUNGUP,
	LEASE_FAILED, /* printed as "faulted" */
};

enum lease_step_type {
	/* The request left the queue and is the holder under `token`: let the keeper open the
	 * device. Then lease_opened(), or lease_end() if that failed. */
	LEASE_STEP_GRANT,
	/* The request left the queue: its time is over. */
	LEASE_STEP_TIMEOUT,
	/* The request left the queue: its port is FAULTED and another try failed or is not
	 * possible. Where both are true, FAIL comes rather than TIMEOUT. */
	LEASE_STEP_FAIL,
	/* The port is in TURNAROUND: let the keeper clean it (`reason` is that of the lease
	 * that ended, LEASE_NONE if there was none). Then lease_ready(), lease_fault() or
	 * lease_absent(). */
	LEASE_STEP_TURNAROUND,
	/* The grant has been under way for its time while others wait: find out whether the
	 * holder took it, and call lease_taken() or lease_end(LEASE_EXPIRED). Comes once, and
	 * if nobody waits when the time is over, then as soon as somebody does. */
	LEASE_STEP_UNTAKEN,
	/* The keeper is late (lease_expect()). A port in HELD stays so; any other is now
	 * FAULTED, and its requests get LEASE_STEP_FAIL next. Comes once per lease_expect(). */
	LEASE_STEP_LATE,
};

struct lease_port;
struct lease_request;

struct lease_step {
	enum lease_step_type type;
	enum lease_reason reason;
	struct lease_port *port;
	struct lease_request *request; /* GRANT, TIMEOUT, FAIL; otherwise NULL */
	uint64_t token; /* GRANT, UNTAKEN; TURNAROUND: that of the ended lease or 0 */
};

/* A node of the deadline tree; private to the core. */
struct lease_timer {
	RB_ENTRY(lease_timer) node;
	uint64_t at_ms;
	uint64_t order; /* of arming, for those that are due at the same time */
	uint8_t type;
	bool armed;
};

RB_HEAD(lease_timers, lease_timer);
RB_HEAD(lease_queue, lease_request);
TAILQ_HEAD(lease_ports, lease_port);

/*
 * A client's wish for a port. All zero at first. The caller fills in what stands above the line,
 * leaves it alone and keeps the node alive from lease_request() until the request has its one
 * outcome: a GRANT, TIMEOUT or FAIL step, or lease_cancel(). Then it may be used again.
 */
struct lease_request {
	int priority;      /* the higher one first */
	uint64_t since_ms; /* when it began to wait; may lie before now (a client that returns) */
	uint64_t deadline_ms; /* LEASE_NEVER, or when TIMEOUT comes; <= now: only if free at once */
	/* ---- the core's own ---- */
	RB_ENTRY(lease_request) node;
	struct lease_timer timer;
	struct lease_port *port; /* NULL: not in a queue */
	uint64_t arrival;
};

struct lease_port {
	/* Readable by the caller, written by the core. */
	enum lease_state state;
	uint64_t token;    /* of the live lease; 0 unless HELD */
	uint64_t since_ms; /* when `state` was entered */
	size_t waiting;    /* requests in the queue */
	/* ---- the core's own ---- */
	struct lease_queue queue;
	struct lease_timer late;    /* the keeper's next word is due */
	struct lease_timer untaken; /* the grant is to be taken; armed only while others wait */
	TAILQ_ENTRY(lease_port) link;
	struct lease_ports *list; /* where `link` is: the host's dirty or parked; NULL: neither */
	bool owes_turnaround;     /* the step is still to come */
	bool opened;              /* the keeper opened the device for the live lease */
	bool is_late;             /* LATE came, and no lease_expect() since */
	uint64_t take_by_ms;      /* when UNTAKEN is due; LEASE_NEVER: not opened, taken, or told */
	enum lease_reason reason; /* of the lease that the present turnaround follows */
	uint64_t ended;           /* and its token */
};

struct lease_host {
	struct lease_timers timers;
	struct lease_ports dirty;  /* ports that may have a step to take */
	struct lease_ports parked; /* FREE ports with waiters that the hold keeps from granting */
	uint64_t hold_until_ms;    /* no grants before (after a restart) */
	uint64_t arrivals;         /* one counter for the host */
	uint64_t alarms;           /* the same for timers */
	uint64_t token;            /* the last one given */
	uint64_t take_ms;          /* a grant is to be taken within this time if others wait */
};

/*
 * first_token: the first grant gets this number (> 0); they only rise. take_ms: see UNTAKEN.
 * hold_until_ms: no grant before that time, so that an old queue can form again (0: at once).
 */
void lease_host_init(struct lease_host *, uint64_t first_token, uint64_t take_ms,
		     uint64_t hold_until_ms);

/* A new port is ABSENT until the keeper has spoken. */
void lease_port_init(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* Forgets a port. Its queue must be empty (cancel the requests first). */
void lease_port_remove(struct lease_host *, struct lease_port *);

/*
 * Queues a request: higher priority first, then the one that waits longer (since_ms), then the
 * earlier call. A request whose deadline is not after now is granted in the next settling or gets
 * TIMEOUT (FAULTED: FAIL) there. A FAULTED port with an empty queue is tried again, by a
 * TURNAROUND step, unless its keeper is late; a request that comes while others still have FAIL
 * before them fails with them.
 */
void lease_request(struct lease_host *, struct lease_port *, struct lease_request *,
		   uint64_t now_ms);

/* Takes a request out of its queue: its client has gone. No step follows for it. */
void lease_cancel(struct lease_host *, struct lease_request *);

/* The first in the queue and the one behind it, in the order of grants; NULL at the end. */
struct lease_request *lease_first(const struct lease_port *);
struct lease_request *lease_after(const struct lease_request *);

/* How many stand before it. Quick for the last and the first ones, else linear. */
size_t lease_ahead(const struct lease_request *);

/* The keeper opened the device for the live lease. The take_ms of UNTAKEN run from here. Nothing
 * happens if that token is not alive (any more), or was opened or taken before. */
void lease_opened(struct lease_host *, struct lease_port *, uint64_t token, uint64_t now_ms);

/* The holder has taken its descriptor: no UNTAKEN any more. 1: that token is not alive. */
int lease_taken(struct lease_host *, struct lease_port *, uint64_t token);

/* The lease has ended: HELD -> TURNAROUND. The reason is not LEASE_NONE. 1: that token is not
 * alive; nothing happens. */
int lease_end(struct lease_host *, struct lease_port *, uint64_t token, enum lease_reason,
	      uint64_t now_ms);

/* The keeper reports a live lease of before (a restart): -> HELD under its token, which counts as
 * taken; later grants get higher ones. If it is HELD under that token already, this is
 * lease_opened(). Not while HELD under another one; token > 0. */
void lease_resume(struct lease_host *, struct lease_port *, uint64_t token, uint64_t now_ms);

/* The turnaround is done: TURNAROUND -> FREE. Nothing happens in another state, or while the
 * TURNAROUND step is still to come (this was the answer to an earlier one). Not while HELD. */
void lease_ready(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* The device appeared, or answers again, and must be cleaned before use: ABSENT or FAULTED or
 * TURNAROUND or FREE -> TURNAROUND, with a TURNAROUND step to come (from TURNAROUND: once more,
 * with the same reason and token). Not while HELD. */
void lease_turnaround(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* The device failed: -> FAULTED; every request in the queue fails. Not while HELD: lease_end()
 * first. */
void lease_fault(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* The device has gone: -> ABSENT; the queue stays. Not while HELD: lease_end() first. */
void lease_absent(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* The keeper's next word is due at that time (LEASE_NEVER: nothing is due). A keeper that was late
 * and speaks again: call this with LEASE_NEVER, then lease_turnaround(). While it is late, requests
 * for a FAULTED port fail at once. */
void lease_expect(struct lease_host *, struct lease_port *, uint64_t at_ms);

/* The next step, in *step; false: nothing to do before lease_deadline(). What the caller learns
 * while it carries a step out may be reported before the next lease_next(). A port whose keeper is
 * late grants nothing. */
bool lease_next(struct lease_host *, uint64_t now_ms, struct lease_step *step);

/* When lease_next() has something to say by itself; LEASE_NEVER: only after another call; 0: not
 * settled yet. Past times mean at once. */
uint64_t lease_deadline(const struct lease_host *);

/* "absent", "free", "held", ... and "released", "died", ...: static strings. */
const char *lease_state_name(enum lease_state);
const char *lease_reason_name(enum lease_reason);

#endif
