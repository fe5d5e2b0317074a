/*
 * waiter.h - waiter_client under the shim, as children of an end-to-end test: real processes inside
 * open(). On top of support.h.
 */
#ifndef COMLEASE_TESTS_WAITER_H
#define COMLEASE_TESTS_WAITER_H

#include "support.h"

/* The fixture: support_begin(), and an environment with nothing of comlease's in it. */
void waiter_begin(void);

/* Starts it for SCRATCH/NAME with this environment on top ("COMLEASE_REQUIRE=1"; NULL: none), and
 * waits until it is ready. LD_PRELOAD and COMLEASE_SOCKET are set. */
void waiter_start(struct support_child *, const char *name, const char *variable);

/* Starts `waiter_client storm` on these devices (the last is NULL). */
void waiter_storm(struct support_child *, int count, int hold_us, const char *const names[]);

/* The path of waiter_client. */
const char *waiter_program(void);

/* support_exec() of these words, under the shim or not, with options that ASan needs for that. */
void waiter_exec(struct support_child *, const char *const words[], bool shim);

/* It says this line next, soon. */
void waiter_expect(const struct support_child *, const char *line);

/* waiter_start(), and it waits in open(): the broker has queued it. */
void waiter_queue(struct support_child *, const char *name);

/* waiter_start(), and it has the port. */
void waiter_hold(struct support_child *, const char *name);

/* What `forked PID` or `daemon PID` says. */
pid_t waiter_pid_said(const struct support_child *, const char *word);

/* Closes its descriptors, and it ends. */
void waiter_release(struct support_child *);

#endif
