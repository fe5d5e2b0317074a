/*
 * lease_internal.h - what the files of the core share: lease.c (states), lease_next.c (steps),
 * lease_queue.c (order), lease_timer.c (deadlines). Nobody else includes it.
 */
#ifndef COMLEASE_LEASE_INTERNAL_H
#define COMLEASE_LEASE_INTERNAL_H

#include "lease.h"

/* Of a tree that not every file uses all of. RB_GENERATE_STATIC needs a macro that glibc lacks. */
#define LEASE_TREE(name, type, field, cmp)                                                         \
	RB_GENERATE_INTERNAL(name, type, field, cmp, __attribute__((unused)) static)

/* In the order in which they fire when they are due at the same time: a late keeper decides what
 * becomes of its requests, and whoever waits to the last moment still has the holder asked. */
enum lease_timer_type {
	LEASE_TIMER_LATE,
	LEASE_TIMER_UNTAKEN,
	LEASE_TIMER_REQUEST,
};

void lease_timer_init(struct lease_timer *, enum lease_timer_type);

/* Arms it, whether it was armed or not; LEASE_NEVER disarms it. */
void lease_timer_set(struct lease_host *, struct lease_timer *, uint64_t at_ms);
bool lease_timer_is_due(const struct lease_timer *, uint64_t now_ms);

/* The armed one that fires first; NULL. */
struct lease_timer *lease_timer_first(const struct lease_host *);

/* Nothing but the tree, `waiting`, and the request's `port` and `arrival`. */
void lease_queue_insert(struct lease_host *, struct lease_port *, struct lease_request *);
void lease_queue_remove(struct lease_request *);

/* A request gets its outcome: out of its queue, timer disarmed. */
void lease_leave(struct lease_host *, struct lease_request *);

/* Moves a port to a list: the host's dirty or parked one, or none (NULL). */
void lease_port_to(struct lease_port *, struct lease_ports *);

/* Changes the state; not out of HELD while the token is alive. */
void lease_enter(struct lease_host *, struct lease_port *, enum lease_state, uint64_t now_ms);

/* A lease begins. */
void lease_hold(struct lease_host *, struct lease_port *, uint64_t token, uint64_t now_ms);

#endif
