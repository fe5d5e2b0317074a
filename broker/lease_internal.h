/*
 * lease_internal.h - what the files of the core share: lease.c (states), lease_live.c (the live
 * lease), lease_next.c (steps), lease_yield.c (whom to ask for whom), lease_queue.c (order),
 * lease_timer.c (deadlines). Nobody else includes it.
 */
#ifndef COMLEASE_LEASE_INTERNAL_H
#define COMLEASE_LEASE_INTERNAL_H

#include "lease.h"

/* Of a tree that not every file uses all of. RB_GENERATE_STATIC needs a macro that glibc lacks. */
#define LEASE_TREE(name, type, field, cmp)                                                         \
	RB_GENERATE_INTERNAL(name, type, field, cmp, __attribute__((unused)) static)

/* In the order in which they fire when they are due at the same time: a late keeper decides what
 * becomes of its requests, and whoever waits to the last moment still has the holder asked. Each of
 * the last two has a tree of its own in the host. */
enum lease_timer_type {
	LEASE_TIMER_LATE,
	LEASE_TIMER_UNTAKEN,
	LEASE_TIMER_REQUEST,
	LEASE_TIMER_LINGER,
	LEASE_TIMER_GRACE,
	LEASE_TIMER_LOOK,
	LEASE_TIMER_HOLD,
	LEASE_TIMER_RISE,
};

void lease_timer_init(struct lease_timer *, enum lease_timer_type);

/* Arms it, whether it was armed or not; LEASE_NEVER disarms it. */
void lease_timer_set(struct lease_host *, struct lease_timer *, uint64_t at_ms);
bool lease_timer_is_due(const struct lease_timer *, uint64_t now_ms);

/* The armed one of a tree that fires first; NULL. */
struct lease_timer *lease_timer_first(const struct lease_timers *);

/* a + b; LEASE_NEVER where either is, or where it would be later. */
uint64_t lease_add(uint64_t a, uint64_t b);

/* How long ago that was; 0 if it is to come. */
uint64_t lease_since(uint64_t since_ms, uint64_t now_ms);

/* Nothing but the tree, `waiting`, the level, and its timer. */
void lease_queue_insert(struct lease_host *, struct lease_place *, struct lease_request *,
			uint64_t now_ms);
void lease_queue_remove(struct lease_host *, struct lease_place *);

/* The level falls by one. */
void lease_queue_rise(struct lease_host *, struct lease_place *);

/* The first request in a FAULTED port's queue that has no other port left; NULL. Linear. */
struct lease_request *lease_doomed(const struct lease_port *);
bool lease_all_faulted(const struct lease_request *);

/* >= 0, whatever the caller wrote. */
int lease_rank(const struct lease_place *);

/* A request gets its outcome: out of its queues, timers disarmed; nobody's promise or successor. */
void lease_leave(struct lease_host *, struct lease_request *);

/* Moves a port to a list: the host's dirty, wanted or parked one, or none (NULL). */
void lease_port_to(struct lease_port *, struct lease_ports *);

/* Changes the state; not out of HELD while the token is alive. */
void lease_enter(struct lease_host *, struct lease_port *, enum lease_state, uint64_t now_ms);
void lease_enter_turnaround(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* The call that a kept line carries does not go on: the turnaround comes once more. */
void lease_drop_line(struct lease_host *, struct lease_port *, uint64_t now_ms);

/* Who has not taken his grant is asked about only while others wait: follows a change of that. */
void lease_watch_taking(struct lease_host *, struct lease_port *);

/* A lease begins; `what` is the request that it was granted to. */
void lease_hold(struct lease_host *, struct lease_port *, uint64_t token,
		const struct lease_request *what, uint64_t since_ms, uint64_t now_ms);

/* No timer of the live lease is armed any more. */
void lease_disarm(struct lease_host *, struct lease_port *);

/* Links nobody to the port; its request, if there was one, may be promised another. */
void lease_unpromise(struct lease_host *, struct lease_port *);

/* Whether the holder is busy, in the sense that keeps him from being asked. */
bool lease_is_busy(const struct lease_port *, uint64_t now_ms);

/* Fills in a step about a port's live lease. Always true. */
bool lease_step_live(struct lease_step *, enum lease_step_type, struct lease_port *);

/* HELD -> YIELDING, for that request or for a deadline (NULL). Always true. */
bool lease_step_yield(struct lease_host *, struct lease_port *, struct lease_request *,
		      uint64_t now_ms, struct lease_step *);

/* What a HELD or YIELDING port, all else being done, calls for: YIELD (perhaps of another port),
 * KEEP, REVOKE. */
bool lease_step_wanted(struct lease_host *, struct lease_port *, uint64_t now_ms,
		       struct lease_step *);

#endif
