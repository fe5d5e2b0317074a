/*
 * lease_fixture.h - stack-like objects and a clock, for the tests of the core: one host, two
 * ports, some requests. Each test starts with setup_lease(): the ports are FREE and
 * settled, the time is START, a grant is to be taken within TAKE, the first token is 17.
 */
#ifndef COMLEASE_LEASE_FIXTURE_H
#define COMLEASE_LEASE_FIXTURE_H

#include "../broker/lease.h"

#include <check.h>

#define START 1000u
#define TAKE  50u
#define TOKEN 17u
#define MANY  200
#define GRACE 30u

extern struct lease_host host;
extern struct lease_port port, other;
extern struct lease_request r[MANY];
extern struct lease_place places[MANY][2];
extern struct lease_step step; /* the last one */
extern uint64_t now;

void setup_lease(void);
void setup_lease_with(uint64_t take_ms, uint64_t hold_until_ms);

/* Brings `port`, which is FREE, to a state, settled. HELD: by r[MANY - 1], opened, under TOKEN. */
void bring_to(enum lease_state);

/* Queues r[i] for the port, to wait until deadline. Its rank, standby, max_hold_ms, grace_ms are
 * what the test has written before: 0, no, LEASE_NEVER, GRACE. */
void ask(int i, int priority, uint64_t deadline_ms);

/* The same for another port, or for both (the `other` one second), without a deadline. */
void ask_at(int i, struct lease_port *);
void ask_both(int i);

/* r[i] as a class of that rank, as standby; returns i. */
int with_rank(int i, int rank);
int on_standby(int i);

/* Grants a FREE port to r[i], which asks for it; it is opened and taken. Its token. */
uint64_t hold(struct lease_port *, int i);

/* The next step must be this one, of `port` or that one; for request i (-1: none). */
void expect_step(enum lease_step_type);
void expect_at(struct lease_port *, enum lease_step_type, int i);
void expect_outcome(enum lease_step_type, int i);
void expect_grant(int i, uint64_t token);
void expect_turnaround(enum lease_reason, uint64_t token);
void expect_yield(struct lease_port *, enum lease_reason, int i);
void expect_keep(struct lease_port *);
void expect_revoke(struct lease_port *, enum lease_reason);

/* Nothing to do before that time. */
void expect_rest(uint64_t deadline_ms);
void expect_rest_awake(uint64_t deadline_ms);

/* The lease under that token ends, the port is cleaned and FREE. */
void end_and_clean(uint64_t token);

/* The live lease of a port ends so; its TURNAROUND step must say the same. */
void end_with(struct lease_port *, enum lease_reason, bool keep_line);

/* The main of a suite: TAP to stdout. */
int run_suite(Suite *);

#endif
