/*
 * lease_fixture.h - three stack-like objects and a clock, for test_lease.c and test_lease_time.c:
 * one host, two ports, some requests. Each test starts with setup_lease(): the ports are FREE and
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

extern struct lease_host host;
extern struct lease_port port, other;
extern struct lease_request r[MANY];
extern struct lease_step step; /* the last one */
extern uint64_t now;

void setup_lease(void);
void setup_lease_with(uint64_t take_ms, uint64_t hold_until_ms);

/* Brings `port`, which is FREE, to a state, settled. HELD: by r[MANY - 1], opened, under TOKEN. */
void bring_to(enum lease_state);

/* Queues r[i] for the port, to wait until deadline. */
void ask(int i, int priority, uint64_t deadline_ms);

/* The next step must be this one, of `port`; for request i. */
void expect_step(enum lease_step_type);
void expect_outcome(enum lease_step_type, int i);
void expect_grant(int i, uint64_t token);
void expect_turnaround(enum lease_reason, uint64_t token);

/* Nothing to do before that time. */
void expect_rest(uint64_t deadline_ms);

/* The lease under that token ends, the port is cleaned and FREE. */
void end_and_clean(uint64_t token);

/* The main of a suite: TAP to stdout. */
int run_suite(Suite *);

#endif
