/*
 * measure.h - what the parts of the bench share. Everything runs on one core, and what is compared
 * is measured in turns, a round of each, so that whatever else the machine does hits all alike.
 *
 *	measure.c	 clock, samples, processes
 *	measure_world.c	 a comleased with ptys in a scratch folder
 *	measure_lease.c	 what a lease costs: F, direct open, acquire, cycle
 *	measure_hand_over.c from one holder to the next
 *	measure_yield.c	 from a standby or a foreign holder to the one who waits
 *	measure_crowd.c	 thousands of waiters in helper processes
 *	measure_data.c	 bytes through a leased descriptor
 *	measure_open.c	 an unrelated open(): alone, under the shim, under seccomp
 *	measure_core.c	 lease.c alone
 *
 * What can't be measured ends the program, with the reason (measure_fail()).
 */
#ifndef COMLEASE_TESTS_MEASURE_H
#define COMLEASE_TESTS_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MEASURE_ROUNDS_MAX 64
#define MEASURE_PORTS_MAX  20
#define CROWD_HELPERS_MAX  200

/* One figure a round. */
struct series {
	double round[MEASURE_ROUNDS_MAX];
	size_t count;
};

/* ---- measure.c ---- */

double measure_now_us(void);

/* Until that descriptor is readable. */
void measure_poll(int fd);

__attribute__((noreturn, format(printf, 1, 2))) void measure_fail(const char *format, ...);

/* Sorts. */
double measure_median(double *values, size_t count);

void series_add(struct series *, double);
double series_median(const struct series *);

/* The median of the rounds' ratios; and of their differences. */
double series_ratio(const struct series *, const struct series *base);
double series_difference(const struct series *, const struct series *base);

/* All on one core from here; returns its number. */
int measure_pin(void);

/* The path of what was built beside the folder of the tests. */
void measure_beside(const char *name, char *path, size_t size);

/* A child that ends with its parent; 0 in the child. */
pid_t measure_fork(void);
void measure_reap(pid_t);

/* ---- measure_world.c ---- */

struct comlease;

struct world {
	char folder[64], socket[96];
	char device[64]; /* of p0 */
	int masters[MEASURE_PORTS_MAX];
	size_t ports; /* named p0, p1... */
	pid_t comleased;
};

/* Starts a comleased that has that many ports and takes that many clients. */
void world_start(struct world *, size_t ports, unsigned clients);
void world_stop(struct world *);

/* The process of that name (as PR_SET_NAME gave it) among its children. */
pid_t world_find(const struct world *, const char *name);

/* Of all its processes, since their start. */
unsigned long world_context_switches(const struct world *);

/* Waits until p0 has that many waiters and is in that state. */
void world_await(struct comlease *, const char *state, size_t waiting);

/* The same for "held", with a connection of its own. */
void world_await_held(const struct world *, size_t waiting);

/* A connection object for that world. */
struct comlease *world_connect(const struct world *);

/* A new raw pty: the slave's path in `name`. Returns the master. */
int measure_pty(char *name, size_t size);

/* ---- measure_lease.c: each adds one round's median, microseconds ---- */

struct lease_bench; /* processes and connections that live through all rounds */

struct lease_series {
	struct series round_trip;    /* F */
	struct series direct;        /* flock, open, tcsetattr, close */
	struct series acquire;       /* idle port, open connection */
	struct series acquire_fresh; /* connect, acquire, disconnect */
	struct series cycle;         /* acquire, close, and again */
};

struct lease_bench *lease_bench_start(const struct world *);
void lease_bench_round(struct lease_bench *, struct lease_series *);
void lease_bench_stop(struct lease_bench *);

/* p0, waiting for it. */
int measure_acquire(struct comlease *, int priority);

/* ---- measure_hand_over.c ---- */

/* Two who take p0 in turns, before all others (priority 100); one of them has it when this returns.
 */
struct pair *pair_start(const struct world *);

/* From one holder's close() to the descriptor in the next one's hand, while `behind` others wait.
 */
void pair_round(struct pair *, size_t behind, size_t times, struct series *);
void pair_stop(struct pair *);

/* ---- measure_yield.c ---- */

/* A child that waits for a standby holder that lets go as soon as it is asked; and one that has the
 * device open without comlease. */
struct other;

struct other *yield_start(const struct world *);
struct other *foreign_start(const struct world *, const char *device);
void other_stop(struct other *);

/* From Acquire to the descriptor; from the foreign holder's close() to the descriptor of who waits.
 */
void yield_round(struct other *, struct series *);
void foreign_round(struct other *, const struct world *, size_t times, struct series *);

/* ---- measure_crowd.c ---- */

struct crowd {
	pid_t helpers[CROWD_HELPERS_MAX];
	size_t helper_count, waiters;
	int end; /* closed: they go */
};

/* How many the limit on descriptors allows, at most `wanted`. */
size_t crowd_size(size_t wanted);
void crowd_start(struct crowd *, const struct world *, size_t waiters);
void crowd_stop(struct crowd *);

/* Bytes of that process, shared pages by their share (PSS). */
double measure_memory(pid_t);

/* ---- measure_data.c ---- */

struct data_series {
	struct series rate_leased, rate_direct;       /* MB/s */
	struct series latency_leased, latency_direct; /* us, there and back */
};

void measure_data(const struct world *, size_t rounds, struct data_series *);

/* ---- measure_open.c ---- */

struct open_series {
	struct series plain, shimmed, caught; /* open and close, us */
	struct series stat;                   /* of the same file, without the shim */
};

/* The bench calls itself with these arguments; never returns then. */
void measure_open_child(int argc, char **argv);
void measure_open(const struct world *, const char *file, size_t rounds, struct open_series *);

/* ---- measure_core.c ---- */

/* ns for request, grant, end and turnaround, with that many others in the queue. */
void measure_core(size_t few, size_t many, size_t rounds, struct series *with_few,
		  struct series *with_many);

#endif
