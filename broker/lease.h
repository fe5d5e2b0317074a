/*
 * lease.h - the core: who gets which port, when, and until when.
 *
 * The core holds the queues and the state of every port and derives from them, one step at a time,
 * what has to happen. It performs nothing: no I/O, no clock (the time is an argument, milliseconds
 * of any monotonic clock), no allocation (hosts, ports, requests and places are the caller's
 * objects, and must stay where they are while the core knows them), no event loop. Single-threaded.
 *
 * The caller reports what happened (a request came, the keeper says that a port is clean, a lease
 * has ended) and then settles:
 *
 *	while (lease_next(&host, now, &step))
 *		carry out step;
 *	set one timer to lease_deadline(&host), another one that counts suspend to
 *	lease_deadline_awake(&host);
 *
 * Nobody else grants, asks a holder to yield, or takes a port back by time. The cost of every call
 * grows at most with the logarithm of the number of waiters, and linearly with the number of ports
 * that one request names.
 *
 * Order of a port's queue: requests before standby requests; then by level; then the higher
 * priority; then who waits longer; then who came first. The level starts as the rank of the
 * request's class on that port and falls by one for each age_step_ms waited, down to -1: there
 * priority no longer counts, so that everybody gets there, and nobody who came later passes.
 * Standby requests do not age, and have neither rank nor priority before one another.
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

/* Where a port is. The names for people are in lease_state_name(). "Not while HELD", here and
 * below, is: nor while YIELDING. */
enum lease_state {
	LEASE_ABSENT,     /* the device is not there: requests wait */
	LEASE_FOREIGN,    /* somebody has it without us: requests wait */
	LEASE_DISABLED,   /* nobody has it, and it is not to be granted: requests wait */
	LEASE_TURNAROUND, /* being cleaned between two leases: requests wait */
	LEASE_FREE,       /* clean, nobody has it */
	LEASE_HELD,       /* granted: exactly one token is alive */
	LEASE_YIELDING,   /* the same, and the holder has been asked to let go */
	LEASE_FAULTED,    /* the device failed: requests make it try again once, then fail */
};

/* Why a lease ended: DESIGN.md section 4.5. LEASE_NONE is never reported as an end. */
enum lease_reason {
	LEASE_NONE,
	LEASE_RELEASED,
	LEASE_DIED,
	LEASE_YIELDED,   /* a standby holder let go when it was asked */
	LEASE_EXPIRED,   /* max-hold, idle-timeout, or not taken in time */
	LEASE_PREEMPTED, /* gave way to a higher class */
	LEASE_REVOKED,
	LEASE_UNPLUGGED,
	LEASE_HUNGUP,
	LEASE_FAILED, /* printed as "faulted" */
};

enum lease_preempt { LEASE_PREEMPT_NEVER, LEASE_PREEMPT_STANDBY, LEASE_PREEMPT_LOWER };

enum lease_step_type {
	/* The request left all its queues and is the holder under `token`: let the keeper open the
	 * device. Then lease_opened(), or lease_end() if that failed. */
	LEASE_STEP_GRANT,
	/* The request left its queues: its time is over. `port`: its first one. */
	LEASE_STEP_TIMEOUT,
	/* The request left its queues: every one of its ports is FAULTED and another try failed or
	 * is not possible. Where both are true, FAIL comes rather than TIMEOUT. `port`: the one
	 * whose fault was the last. */
	LEASE_STEP_FAIL,
	/* The port is in TURNAROUND: let the keeper clean it (`reason` is that of the lease that
	 * ended, LEASE_NONE if there was none; `keep_line`: the call goes on under the next
	 * lease). Then lease_ready(), lease_fault() or lease_absent(). */
	LEASE_STEP_TURNAROUND,
	/* The grant has been under way for its time while others wait: find out whether the
	 * holder took it, and call lease_taken() or lease_end(LEASE_EXPIRED). Comes once, and
	 * if nobody waits when the time is over, then as soon as somebody does. */
	LEASE_STEP_UNTAKEN,
	/* The keeper is late (lease_expect()). A port in HELD stays so; any other is now
	 * FAULTED, and its requests get LEASE_STEP_FAIL next. Comes once per lease_expect(). */
	LEASE_STEP_LATE,
	/* HELD -> YIELDING: ask the holder to let go until port->yield_by_ms. `reason`: what the
	 * end will be if he does (YIELDED, PREEMPTED, EXPIRED). `request`: for whom, or NULL (a
	 * deadline). */
	LEASE_STEP_YIELD,
	/* YIELDING -> HELD: the port is no longer wanted, or the holder became busy: tell him. */
	LEASE_STEP_KEEP,
	/* The grace is over: take the port back, lease_end(`reason`: REVOKED, PREEMPTED, EXPIRED).
	 * Comes once; a port that can't be taken back stays YIELDING, and whoever it was asked for
	 * has another one asked, if he may have others. */
	LEASE_STEP_REVOKE,
	/* Nobody came back within the time of lease_linger(): lease_end(RELEASED). */
	LEASE_STEP_LINGERED,
};

struct lease_port;
struct lease_request;

struct lease_step {
	enum lease_step_type type;
	enum lease_reason reason;
	struct lease_port *port;
	struct lease_request *request; /* GRANT, TIMEOUT, FAIL, YIELD; otherwise NULL */
	uint64_t token; /* of the live lease; TURNAROUND: that of the ended lease or 0 */
	bool keep_line; /* TURNAROUND */
};

/* A node of a deadline tree; private to the core. */
struct lease_timer {
	RB_ENTRY(lease_timer) node;
	uint64_t at_ms;
	uint64_t order; /* of arming, for those that are due at the same time */
	uint8_t type;
	bool armed;
};

RB_HEAD(lease_timers, lease_timer);
RB_HEAD(lease_queue, lease_place);
TAILQ_HEAD(lease_ports, lease_port);

/* A request in the queue of one port. All zero at first; the caller fills in what stands above the
 * line. */
struct lease_place {
	struct lease_port *port;
	int rank; /* of the request's class there: 0 goes first */
	/* ---- the core's own ---- */
	RB_ENTRY(lease_place) node;
	struct lease_timer rise;       /* the next fall of `level` */
	struct lease_request *request; /* NULL: not in the queue */
	int level;
};

/*
 * A client's wish for one of several ports (of one: place_count is 1). All zero at first. The
 * caller fills in what stands above the line, leaves it alone and keeps the node and the places
 * alive from lease_request() until the request has its one outcome: a GRANT, TIMEOUT or FAIL step,
 * or lease_cancel(). Then it may be used again.
 */
struct lease_request {
	struct lease_place *places; /* each port at most once */
	size_t place_count;         /* >= 1 */
	int priority;               /* the higher one first */
	bool standby;               /* gives way when somebody else waits */
	uint64_t since_ms; /* when it began to wait; may lie before now (a client that returns) */
	uint64_t deadline_ms; /* LEASE_NEVER, or when TIMEOUT comes; <= now: only if free at once */
	uint64_t max_hold_ms; /* of the lease; suspend counts; LEASE_NEVER */
	uint64_t grace_ms;    /* from being asked to REVOKE */
	/* ---- the core's own ---- */
	struct lease_timer timer;
	struct lease_port *promised; /* that port is asked, or being cleaned, for this request */
	uint64_t arrival;
	bool waits; /* in its queues */
};

/* A port's rules. The caller's; may change at any time (lease_policy_changed()). */
struct lease_policy {
	enum lease_preempt preempt;
	uint64_t age_step_ms; /* LEASE_NEVER or 0: nobody rises */
	uint64_t min_hold_ms; /* LEASE_PREEMPT_LOWER asks nobody earlier */
	uint64_t max_busy_ms; /* LEASE_NEVER */
};

struct lease_port {
	/* Written by the caller before lease_port_init(). */
	struct lease_policy policy;
	/* Readable by the caller, written by the core. */
	enum lease_state state;
	uint64_t token;    /* of the live lease; 0 unless HELD or YIELDING */
	uint64_t since_ms; /* when `state` was entered; YIELDING and HELD are one here */
	size_t waiting;    /* requests in the queue */
	bool disabled;     /* no new grants */
	bool standby;      /* the live lease gives way */
	bool busy;         /* its holder says that it is in a call, since busy_since_ms */
	bool lingers;      /* nothing of it is open */
	uint64_t busy_since_ms;
	uint64_t yield_by_ms;            /* YIELDING: when REVOKE comes */
	enum lease_reason yield_reason;  /* YIELDING: what the end will be if the holder lets go */
	uint64_t used;                   /* order of its last end, by `ends`; 0: there was none */
	uint64_t max_hold_ms, grace_ms;  /* of the live lease */
	struct lease_request *successor; /* lease_hand_off() */
	/* ---- the core's own: ... ---- */
	struct lease_queue queue;
	struct lease_timer late;    /* the keeper's next word is due */
	struct lease_timer untaken; /* the grant is to be taken; armed only while others wait */
	struct lease_timer grace, hold, look, linger; /* hold: counts suspend; look: a rule of time
						       * (min_hold, max_busy) changes its answer */
	struct lease_request *promise; /* whom the port is asked or cleaned for; see lease.c */
	TAILQ_ENTRY(lease_port) link;
	struct lease_ports *list; /* where `link` is: the host's dirty or parked; NULL: neither */
	int rank;                 /* the live lease's class */
	bool owes_turnaround;     /* the step is still to come */
	bool owes_revoke;         /* the same: the grace is over */
	bool is_overdue;          /* REVOKE came: while he is still there nobody counts on it */
	bool may_fail;            /* FAULTED, and FAIL is perhaps to come for some in the queue */
	bool keeps_line;          /* the last turnaround did: for the successor only */
	bool opened;              /* the keeper opened the device for the live lease */
	bool is_late;             /* LATE came, and no lease_expect() since */
	bool is_idle, is_over;    /* idle-timeout, max-hold: the holder is to be asked */
	uint64_t take_by_ms;      /* when UNTAKEN is due; LEASE_NEVER: not opened, taken, or told */
	enum lease_reason reason; /* of the lease that the present turnaround follows */
	uint64_t ended;           /* and its token */
};

struct lease_host {
	uint64_t slept_ms; /* the caller's: how far a clock that counts suspend is ahead of `now`;
			    * set it before each call that takes the time */
	/* ---- the core's own ---- */
	struct lease_timers timers;
	struct lease_timers awake; /* those that count suspend */
	struct lease_timers rises; /* of places: the order of now comes before all else */
	struct lease_ports dirty;  /* ports that may have a step to take */
	struct lease_ports wanted; /* and those that have none but, perhaps, asking their holder */
	struct lease_ports parked; /* ports with waiters that the hold keeps from granting, or whose
				    * holder it keeps from being asked */
	uint64_t hold_until_ms;    /* no grants before (after a restart) */
	uint64_t now_ms;           /* of the last lease_next() */
	uint64_t arrivals;         /* one counter for the host */
	uint64_t ends;             /* the same for ends of leases */
	uint64_t alarms;           /* the same for timers */
	uint64_t token;            /* the last one given */
	uint64_t take_ms;          /* a grant is to be taken within this time if others wait */
	bool may_fail;             /* some port's may_fail was set since all was settled */
};

/*
 * first_token: the first grant gets this number (> 0); they only rise. take_ms: see UNTAKEN.
 * hold_until_ms: no grant before that time, and no YIELD, so that an old queue can form again (0:
 * at once).
 */
void lease_host_init(struct lease_host *, uint64_t first_token, uint64_t take_ms,
		     uint64_t hold_until_ms);

/* A new port is ABSENT until the keeper has spoken. `policy` is kept. */
void lease_port_init(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* port->policy has been written anew: what depends on it is looked at again. A new age_step_ms
 * counts for requests that come later and for each one's next rise but one: what is set for
 * the next one stands, and who has none before him gets none. */
void lease_policy_changed(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* Forgets a port. Its queue must be empty (cancel the requests first). */
void lease_port_remove(struct lease_host *, struct lease_port *);

/*
 * Queues a request at all its ports. The first of them that is FREE gets it, the least recently
 * used first. A request whose deadline is not after now is granted in the next settling or gets
 * TIMEOUT (all FAULTED: FAIL) there. A FAULTED port is tried again, by a TURNAROUND step, unless
 * its keeper is late, or another of the request's ports is not FAULTED, or some in its queue still
 * have FAIL before them (then the request fails with them; those that wait for another port, too,
 * have not). No port at which the request gives way (standby), and no busy or other holder, is
 * asked for more requests than there are.
 */
void lease_request(struct lease_host *, struct lease_request *, uint64_t now_ms);

/* Takes a request out of its queues: its client has gone. No step follows for it. */
void lease_cancel(struct lease_host *, struct lease_request *);

/* The first in the queue and the one behind it, in the order of grants; NULL at the end. */
struct lease_place *lease_first(const struct lease_port *);
struct lease_place *lease_after(const struct lease_place *);

/* Its place at that port, or NULL. */
struct lease_place *lease_place_at(const struct lease_request *, const struct lease_port *);

/* How many stand before it there. Quick for the last and the first ones, else linear. */
size_t lease_ahead(const struct lease_place *);

/* The keeper opened the device for the live lease. The take_ms of UNTAKEN run from here; max_hold
 * has run since the grant. Ends lingering. Nothing else happens if that token is not alive (any
 * more), or was opened or taken before. */
void lease_opened(struct lease_host *, struct lease_port *, uint64_t token, uint64_t now_ms);

/* The holder has taken its descriptor: no UNTAKEN any more. 1: that token is not alive. */
int lease_taken(struct lease_host *, struct lease_port *, uint64_t token);

/* Nothing of the live lease is open any more, but its holder may open again until then: LINGERED
 * comes then, unless lease_opened() does. 1: that token is not alive. */
int lease_linger(struct lease_host *, struct lease_port *, uint64_t token, uint64_t until_ms);

/* The holder says that it is in a call, or no longer. Counts for a standby lease: while it is busy
 * (for at most max_busy_ms in a row) it is not asked, and what was asked is taken back (KEEP). 1:
 * that token is not alive. */
int lease_busy(struct lease_host *, struct lease_port *, uint64_t token, bool busy,
	       uint64_t now_ms);

/* No byte has passed for idle-timeout (or one has again): the holder is asked to let go, with the
 * end EXPIRED. 1: that token is not alive. */
int lease_idle(struct lease_host *, struct lease_port *, uint64_t token, bool idle,
	       uint64_t now_ms);

/* When the live lease ends it goes to this request, which waits at this port, whatever the order,
 * and the line stays up (unless the port is disabled, or the lease ends with REVOKED, UNPLUGGED,
 * HUNGUP or FAILED). A normal request that is the successor counts as the first of the queue for
 * whom the holder may be asked. NULL: no longer. The successor that leaves, or is granted another
 * port, is none any more, and a line that was kept for it is hung up. 1: that token is not alive.
 */
int lease_hand_off(struct lease_host *, struct lease_port *, uint64_t token,
		   struct lease_request *);

/* What the end of the live lease is called: `reason`, or, after the holder had been asked and
 * let go by itself (RELEASED), port->yield_reason. */
enum lease_reason lease_end_reason(const struct lease_port *, enum lease_reason);

/* The lease has ended: HELD -> TURNAROUND. The reason (already lease_end_reason()'s) is not
 * LEASE_NONE. 1: that token is not alive; nothing happens. */
int lease_end(struct lease_host *, struct lease_port *, uint64_t token, enum lease_reason,
	      uint64_t now_ms);

/* The keeper reports a live lease of before (a restart): -> HELD under its token, which counts as
 * taken; later grants get higher ones. `what`: standby, max_hold_ms, grace_ms of that lease, its
 * first place's rank, and since_ms as the time of its grant (and so port->since_ms); it is only
 * read. If it is HELD under that token already, this is lease_opened(). Not while HELD under
 * another one; token > 0. */
void lease_resume(struct lease_host *, struct lease_port *, uint64_t token,
		  const struct lease_request *what, uint64_t now_ms);

/* The turnaround is done: TURNAROUND -> FREE, or DISABLED. Nothing happens in another state, or
 * while the TURNAROUND step is still to come (this was the answer to an earlier one). Not while
 * HELD. */
void lease_ready(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* The device appeared, or answers again, or nobody else has it any more, and must be cleaned before
 * use: any state -> TURNAROUND, with a TURNAROUND step to come (from TURNAROUND: once more, with
 * the same reason and token). Not while HELD. */
void lease_turnaround(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* Somebody outside has the device: -> FOREIGN; the queue stays. Left by lease_turnaround(). Not
 * while HELD: then it is an intruder, and the caller's to remember. */
void lease_foreign(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* No new grants (the present holder goes on; it is not asked to yield for anybody) or again: FREE
 * -> DISABLED; DISABLED -> TURNAROUND. */
void lease_disable(struct lease_host *, struct lease_port *, bool disabled, uint64_t now_ms);

/* The device failed: -> FAULTED; every request in the queue that has no other port fails. Not while
 * HELD: lease_end() first. */
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

/* The same for max-hold, on the clock that counts suspend (now + slept_ms). */
uint64_t lease_deadline_awake(const struct lease_host *);

/* HELD or YIELDING. */
bool lease_is_held(const struct lease_port *);

/* "absent", "free", "held", ... and "released", "died", ...: static strings. */
const char *lease_state_name(enum lease_state);
const char *lease_reason_name(enum lease_reason);

#endif
