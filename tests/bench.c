/*
 * bench.c - what comlease costs, side by side in one run: figures, not tests. It exits 0 unless it
 * could not measure.
 *
 *	bench [--json]
 *
 * All processes run on one core, and what is compared is measured in turns (measure.h). F is the
 * unit in which the goals are set: a round trip over a Unix socket that brings a descriptor.
 */
#include "measure.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS      12
#define HAND_OVERS  40 /* of a round */
#define CROWD       10000
#define IDLE_PARTS  4
#define IDLE_MS     500
#define FIGURES_MAX 32

enum goal_kind { NO_GOAL, VALUE_AT_MOST, RATIO_AT_MOST, RATIO_AT_LEAST };

struct figure {
	char what[80];
	double value;
	const char *unit;
	double ratio;   /* 0: none */
	const char *to; /* what the ratio is to */
	enum goal_kind kind;
	double goal;
};

static struct figure figures[FIGURES_MAX];
static size_t figure_count;
static bool json;

static void
progress(const char *what)
{
	if (!json)
		fprintf(stderr, "measuring %s...\n", what);
}

static struct figure *
add(const char *what, double value, const char *unit)
{
	struct figure *f = &figures[figure_count < FIGURES_MAX - 1 ? figure_count++ : figure_count];

	*f = (struct figure){ .value = value, .unit = unit };
	snprintf(f->what, sizeof(f->what), "%s", what);
	return f;
}

static void
compare(struct figure *f, double ratio, const char *to, enum goal_kind kind, double goal)
{
	f->ratio = ratio;
	f->to = to;
	f->kind = kind;
	f->goal = goal;
}

static bool
is_met(const struct figure *f)
{
	if (f->kind == RATIO_AT_LEAST)
		return f->ratio >= f->goal;
	return (f->kind == VALUE_AT_MOST ? f->value : f->ratio) <= f->goal;
}

/* ---- what is measured ---- */

static void
add_leases(const struct lease_series *s)
{
	const struct series *f = &s->round_trip;

	add("F: socket round trip with a descriptor", series_median(f), "us");
	compare(add("direct: open, flock, tcsetattr, close", series_median(&s->direct), "us"),
		series_ratio(&s->direct, f), "F", NO_GOAL, 0);
	compare(add("acquire, port idle", series_median(&s->acquire), "us"),
		series_ratio(&s->acquire, f), "F", RATIO_AT_MOST, 4);
	compare(add("the same with a new connection", series_median(&s->acquire_fresh), "us"),
		series_ratio(&s->acquire_fresh, f), "F", NO_GOAL, 0);
	compare(add("acquire, close and turnaround, in a row", series_median(&s->cycle), "us"),
		series_ratio(&s->cycle, f), "F", NO_GOAL, 0);
}

static void
add_hand_overs(const struct series *f, const struct series *one, const struct series *many,
	       size_t waiters)
{
	char what[80];

	compare(add("hand-over, 1 waiter", series_median(one), "us"), series_ratio(one, f), "F",
		RATIO_AT_MOST, 6);
	snprintf(what, sizeof(what), "hand-over, %zu waiters", waiters + 1);
	compare(add(what, series_median(many), "us"), series_ratio(many, one), "1 waiter",
		RATIO_AT_MOST, 1.2);
}

static void
add_yields(const struct series *yield, const struct series *one)
{
	compare(add("standby holder asked, gone, granted", series_median(yield), "us"),
		series_ratio(yield, one), "hand-over", RATIO_AT_MOST, 1.5);
}

static void
bench_leases(size_t waiters)
{
	static struct lease_series s;
	static struct series one, many, yield;
	struct other *yielder;
	struct world yielding;
	struct pair *quiet_pair, *crowded_pair;
	struct world quiet, lonely, crowded;
	struct lease_bench *b;
	struct crowd crowd;
	double before;
	pid_t broker;
	int i;

	world_start(&quiet, 1, 16);
	world_start(&lonely, 1, 16);
	world_start(&crowded, 1, (unsigned)waiters + 16);
	world_start(&yielding, 1, 16);
	yielder = yield_start(&yielding);
	b = lease_bench_start(&quiet);
	quiet_pair = pair_start(&lonely);
	crowded_pair = pair_start(&crowded);
	broker = world_find(&crowded, "comleased-brk");
	before = measure_memory(broker);
	progress("memory of waiters");
	crowd_start(&crowd, &crowded, waiters);
	world_await_held(&crowded, waiters + 1);
	before = (measure_memory(broker) - before) / (double)waiters;
	progress("leases");
	for (i = 0; i < ROUNDS; i++) {
		lease_bench_round(b, &s);
		pair_round(quiet_pair, 0, HAND_OVERS, &one);
		pair_round(crowded_pair, waiters, HAND_OVERS, &many);
		yield_round(yielder, &yield);
	}
	add_leases(&s);
	add_hand_overs(&s.round_trip, &one, &many, waiters);
	add_yields(&yield, &one);
	compare(add("broker's memory for a waiting client", before, "bytes"), 0, NULL,
		VALUE_AT_MOST, 4096);
	lease_bench_stop(b);
	crowd_stop(&crowd);
	pair_stop(crowded_pair);
	pair_stop(quiet_pair);
	other_stop(yielder);
	world_stop(&yielding);
	world_stop(&crowded);
	world_stop(&lonely);
	world_stop(&quiet);
}

/* Before the grant somebody looks through the descriptors of all processes: not beside a crowd with
 * tens of thousands. */
static void
bench_foreign(const struct world *w)
{
	static struct series foreign;
	struct other *outsider = foreign_start(w, w->device);
	int i;

	progress("foreign holders");
	for (i = 0; i < ROUNDS; i++)
		foreign_round(outsider, w, HAND_OVERS / 4, &foreign);
	compare(add("foreign holder gone to grant", series_median(&foreign) / 1e3, "ms"), 0, NULL,
		VALUE_AT_MOST, 20);
	other_stop(outsider);
}

static void
bench_data(const struct world *w)
{
	static struct data_series s;

	progress("data");
	measure_data(w, ROUNDS, &s);
	compare(add("data through a lease", series_median(&s.rate_leased), "MB/s"),
		series_ratio(&s.rate_leased, &s.rate_direct), "direct", RATIO_AT_LEAST, 0.95);
	compare(
	    add("a byte there and back through a lease", series_median(&s.latency_leased), "us"),
	    series_ratio(&s.latency_leased, &s.latency_direct), "direct", RATIO_AT_MOST, 1.05);
}

static void
bench_open(const struct world *w)
{
	static struct open_series s;
	char file[128];
	FILE *f;

	progress("open() under the shim and under seccomp");
	snprintf(file, sizeof(file), "%s/file", w->folder);
	f = fopen(file, "we");
	if (f == NULL || fclose(f) != 0)
		measure_fail("%s", file);
	measure_open(w, file, ROUNDS, &s);
	add("open and close of a file", series_median(&s.plain), "us");
	compare(add("what the shim adds to it", series_difference(&s.shimmed, &s.plain), "us"),
		series_difference(&s.shimmed, &s.plain) / series_median(&s.stat), "stat",
		VALUE_AT_MOST, 1);
	add("stat: the least that it can be", series_median(&s.stat), "us");
	add("what run --seccomp adds to an open", series_difference(&s.caught, &s.plain), "us");
}

static void
bench_core(void)
{
	static struct series few, many;

	progress("the core");
	measure_core(10, 100000, ROUNDS, &few, &many);
	add("the core's part of a lease, 10 waiters", series_median(&few), "ns");
	compare(add("the same, 100000 waiters", series_median(&many), "ns"),
		series_ratio(&many, &few), "10 waiters", NO_GOAL, 0);
}

/* The quietest part: keepers of ptys also wake when other programs make and remove ptys, since they
 * watch /dev/pts. */
static void
bench_idle(void)
{
	double values[IDLE_PARTS];
	unsigned long before;
	struct world w;
	int i;

	progress("idle");
	world_start(&w, MEASURE_PORTS_MAX, 16);
	sleep(1); /* what the start left behind */
	for (i = 0; i < IDLE_PARTS; i++) {
		before = world_context_switches(&w);
		usleep(IDLE_MS * 1000);
		values[i] = (double)(world_context_switches(&w) - before) * 1e3 / IDLE_MS;
	}
	measure_median(values, IDLE_PARTS);
	add("context switches a second, 20 idle ports", values[0], "1/s");
	world_stop(&w);
}

/* ---- the report ---- */

static void
print_goal(const struct figure *f, char *text, size_t size)
{
	text[0] = '\0';
	if (f->kind == VALUE_AT_MOST)
		snprintf(text, size, "<= %g %s", f->goal, f->unit);
	else if (f->kind != NO_GOAL)
		snprintf(text, size, "%s %g x %s", f->kind == RATIO_AT_MOST ? "<=" : ">=", f->goal,
			 f->to);
}

static void
print_table(void)
{
	char ratio[32], goal[32];
	size_t i;

	printf("%-42s %12s  %-18s %-18s %s\n", "what", "figure", "ratio", "goal", "met");
	for (i = 0; i < figure_count; i++) {
		const struct figure *f = &figures[i];

		ratio[0] = '\0';
		if (f->ratio > 0)
			snprintf(ratio, sizeof(ratio), "%.2f x %s", f->ratio, f->to);
		print_goal(f, goal, sizeof(goal));
		printf("%-42s %6.*f %-5s  %-18s %-18s %s\n", f->what, f->value < 100 ? 2 : 0,
		       f->value, f->unit, ratio, goal,
		       f->kind == NO_GOAL ? ""
		       : is_met(f)        ? "yes"
					  : "NO");
	}
}

static void
print_json(int core, size_t waiters)
{
	size_t i;

	printf("{\"core\":%d,\"waiters\":%zu,\"figures\":[", core, waiters);
	for (i = 0; i < figure_count; i++) {
		const struct figure *f = &figures[i];

		printf("%s\n{\"what\":\"%s\",\"value\":%.4g,\"unit\":\"%s\"", i > 0 ? "," : "",
		       f->what, f->value, f->unit);
		if (f->ratio > 0)
			printf(",\"ratio\":%.4g,\"to\":\"%s\"", f->ratio, f->to);
		if (f->kind != NO_GOAL)
			printf(",\"goal\":%g,\"met\":%s", f->goal, is_met(f) ? "true" : "false");
		printf("}");
	}
	printf("\n]}\n");
}

int
main(int argc, char **argv)
{
	struct world w;
	size_t waiters;
	int core;

	measure_open_child(argc, argv);
	json = argc == 2 && strcmp(argv[1], "--json") == 0;
	if (argc > 1 && !json) {
		fputs("usage: bench [--json]\n", stderr);
		return 64;
	}
	core = measure_pin();
	waiters = crowd_size(CROWD);
	if (!json && waiters < CROWD)
		printf("The limit on descriptors allows %zu waiters, not %d.\n", waiters, CROWD);
	bench_leases(waiters);
	world_start(&w, 1, 16);
	bench_foreign(&w);
	world_stop(&w);
	world_start(&w, 1, 16);
	bench_data(&w);
	bench_open(&w);
	world_stop(&w);
	bench_core();
	bench_idle();
	if (json)
		print_json(core, waiters);
	else
		print_table();
	return EXIT_SUCCESS;
}
