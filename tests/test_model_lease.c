/*
 * test_model_lease.c - the core against its model: random operations, and all short sequences.
 *
 *	COMLEASE_SEED	repeats a run (the seed is printed)
 *	COMLEASE_STEPS	random operations, default a million; fewer also shorten the exhaustive part
 *
 * Runs happen in a child, so that an assertion, a crash or an endless loop of the core is a failing
 * sequence like any other. What the child does stands in shared memory; the parent leaves out of it
 * what the failure doesn't need (each try in a child again), and prints the rest.
 */
#include "model_world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OPS_MAX       1000 /* of one random sequence */
#define STEPS_DEFAULT 1000000
#define DEPTH         7
#define DEPTH_SHORT   5
#define RUN_SECONDS   20 /* without a word from the core; one sequence takes a millisecond */
#define TRY_SECONDS   1

struct sequence {
	struct world_config config;
	size_t n;
	struct op ops[OPS_MAX];
};

/* Shared with the child. */
static struct shared {
	struct sequence sequence; /* what it does, or is about to */
	char message[128];
	uint64_t done; /* operations */
	uint64_t steps[LEASE_STEP_LATE + 1];
} * shared;

static uint64_t steps_max = STEPS_DEFAULT, seed, rng;
static struct world world;
static int tests, failures;

static void
report(bool ok, const char *sentence)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tests, sentence);
	failures += !ok;
}

/* xorshift64*: the same on every machine. */
static unsigned
dice(unsigned sides)
{
	rng ^= rng >> 12;
	rng ^= rng << 25;
	rng ^= rng >> 27;
	return (unsigned)((rng * 0x2545F4914F6CDD1DULL) >> 33) % sides;
}

static uint8_t
pick(const uint8_t *from, unsigned n)
{
	return from[dice(n)];
}

static struct op
random_op(const struct world_config *config)
{
	static const uint8_t types[] = {
		OP_REQUEST, OP_REQUEST, OP_REQUEST,    OP_REQUEST,    OP_REQUEST, OP_REQUEST,
		OP_CANCEL,  OP_OPENED,  OP_OPENED,     OP_TAKEN,      OP_END,     OP_END,
		OP_END,     OP_RESUME,  OP_READY,      OP_READY,      OP_READY,   OP_READY,
		OP_READY,   OP_READY,   OP_TURNAROUND, OP_TURNAROUND, OP_FAULT,   OP_ABSENT,
		OP_EXPECT,  OP_ADVANCE, OP_ADVANCE,    OP_ADVANCE,    OP_REMOVE
	};
	static const uint8_t waits[] = { 0, 1, 2, 3, 5, 8, 20, 255, 255 };
	static const uint8_t settles[] = { 0, 0, 1, 2, SETTLE_ALL, SETTLE_ALL, SETTLE_ALL };
	static const uint8_t advances[] = { 1, 1, 2, 3, 5, 30 };

	return (struct op){
		.type = pick(types, sizeof(types)),
		.port = (uint8_t)dice(config->ports),
		.request = (uint8_t)dice(config->requests),
		.priority = (int8_t)((int)dice(3) - 1),
		.waited = (uint8_t)(dice(2) * dice(20)),
		.wait = pick(waits, sizeof(waits)),
		.ms = pick(advances, sizeof(advances)),
		.stale = (uint8_t)(dice(8) == 0),
		.settle = pick(settles, sizeof(settles)),
	};
}

static struct world_config
random_config(void)
{
	static const uint8_t takes[] = { 0, 1, 4, 10, 255 };

	return (struct world_config){
		.ports = (uint8_t)(1 + dice(MODEL_PORTS)),
		.requests = (uint8_t)(1 + dice(MODEL_REQUESTS)),
		.take = pick(takes, sizeof(takes)),
		.hold = (uint8_t)(dice(2) * dice(60)),
		.clean = dice(2),
	};
}

static bool
failed(const char *wrong)
{
	if (wrong)
		snprintf(shared->message, sizeof(shared->message), "%s", wrong);
	return wrong != NULL;
}

/* Does the shared sequence. */
static bool
replay(void)
{
	const struct sequence *s = &shared->sequence;

	world_init(&world, &s->config);
	for (size_t i = 0; i < s->n; i++)
		if (failed(world_do(&world, &s->ops[i])))
			return false;
	return true;
}

static bool
run_sequence(struct sequence *s)
{
	alarm(RUN_SECONDS);
	s->config = random_config();
	world_init(&world, &s->config);
	for (s->n = 0; s->n < OPS_MAX;) {
		struct op *op = &s->ops[s->n];

		do
			*op = random_op(&s->config);
		while (!world_allows(&world, op));
		s->n++;
		if (failed(world_do(&world, op)))
			return false;
	}
	return true;
}

static bool
run_random(void)
{
	for (; shared->done < steps_max; shared->done += OPS_MAX) {
		if (!run_sequence(&shared->sequence))
			return false;
		for (int i = 0; i <= LEASE_STEP_LATE; i++)
			shared->steps[i] += world.steps[i];
	}
	return true;
}

/* One port, three requests, and everything that can happen to them. */
static const struct op alphabet[] = {
	{ .type = OP_REQUEST, .request = 0, .wait = 255 },
	{ .type = OP_REQUEST, .request = 1, .wait = 2, .priority = 1 },
	{ .type = OP_REQUEST, .request = 2, .wait = 0, .waited = 3 },
	{ .type = OP_CANCEL, .request = 0 },
	{ .type = OP_CANCEL, .request = 1 },
	{ .type = OP_OPENED },
	{ .type = OP_TAKEN },
	{ .type = OP_END },
	{ .type = OP_RESUME },
	{ .type = OP_READY },
	{ .type = OP_TURNAROUND },
	{ .type = OP_FAULT },
	{ .type = OP_ABSENT },
	{ .type = OP_EXPECT, .wait = 2 },
	{ .type = OP_EXPECT, .wait = 255 },
	{ .type = OP_ADVANCE, .ms = 1 },
	{ .type = OP_ADVANCE, .ms = 3 },
};

#define LETTERS (sizeof(alphabet) / sizeof(alphabet[0]))

/* What the world is after the shared sequence is continued by every letter, and by every one after
 * that, down to depth. `settles` says how far each one may be settled. */
static bool
explore(size_t depth, const uint8_t *settles, size_t settles_n)
{
	struct sequence *s = &shared->sequence;
	struct world before = world;

	if (depth == 0)
		return true;
	if (depth == 4)
		alarm(RUN_SECONDS);
	for (size_t i = 0; i < LETTERS * settles_n; i++) {
		struct op *op = &s->ops[s->n];

		*op = alphabet[i / settles_n];
		op->settle = settles[i % settles_n];
		if (!world_allows(&world, op))
			continue;
		s->n++;
		shared->done++;
		if (failed(world_do(&world, op)) || !explore(depth - 1, settles, settles_n))
			return false;
		s->n--;
		world = before;
	}
	return true;
}

static bool
explore_from(bool clean, uint8_t hold, size_t depth, const uint8_t *settles, size_t settles_n)
{
	struct sequence *s = &shared->sequence;

	s->n = 0;
	s->config = (struct world_config){
		.ports = 1,
		.requests = 3,
		.take = 2,
		.hold = hold,
		.clean = clean,
	};
	world_init(&world, &s->config);
	return explore(depth, settles, settles_n);
}

static bool
run_settled(void)
{
	static const uint8_t settles[] = { SETTLE_ALL };
	size_t depth = steps_max < STEPS_DEFAULT ? DEPTH_SHORT : DEPTH;

	return explore_from(true, 0, depth, settles, 1) &&
	       explore_from(true, 2, depth - 1, settles, 1) &&
	       explore_from(false, 0, depth - 1, settles, 1);
}

static bool
run_unsettled(void)
{
	static const uint8_t settles[] = { SETTLE_ALL, 0, 1 };
	size_t depth = steps_max < STEPS_DEFAULT ? DEPTH_SHORT - 1 : DEPTH - 3;

	return explore_from(true, 0, depth, settles, 3) && explore_from(true, 2, depth, settles, 3);
}

/* Runs it in a child; whether all was well. */
static bool
in_child(bool (*run)(void), unsigned seconds, bool quiet)
{
	int status, null;
	pid_t pid;

	fflush(NULL);
	shared->message[0] = '\0';
	pid = fork();
	if (pid == 0) {
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (quiet && null >= 0)
			dup2(null, STDERR_FILENO);
		alarm(seconds);
		exit(run() ? EXIT_SUCCESS : EXIT_FAILURE);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		perror("test_model_lease: child");
		exit(EXIT_FAILURE);
	}
	if (status != 0 && shared->message[0] == '\0')
		failed(WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "the child failed");
	return status == 0;
}

/* Whether the sequence still fails without the operations from `at` on; if so, they are gone. */
static bool
leave_out(struct sequence *best, size_t at, size_t count)
{
	struct sequence *s = &shared->sequence;

	*s = *best;
	memmove(&s->ops[at], &s->ops[at + count], (s->n - at - count) * sizeof(s->ops[0]));
	s->n -= count;
	if (in_child(replay, TRY_SECONDS, true))
		return false;
	*best = *s;
	return true;
}

static void
shrink(struct sequence *best)
{
	for (size_t count = best->n; count > 0; count /= 2)
		for (size_t at = 0; at + count <= best->n;)
			if (!leave_out(best, at, count))
				at += count;
}

static void
show_failure(void)
{
	struct sequence *best = malloc(sizeof(*best));

	if (!best)
		return;
	printf("# failed: %s\n", shared->message);
	*best = shared->sequence;
	printf("# after %zu operations; without those that don't matter:\n", best->n);
	shrink(best);
	shared->sequence = *best;
	in_child(replay, TRY_SECONDS, true);
	printf("# ports=%d requests=%d take=%d hold=%d clean=%d\n", best->config.ports,
	       best->config.requests, best->config.take, best->config.hold, best->config.clean);
	for (size_t i = 0; i < best->n; i++)
		op_print(stdout, &best->ops[i]);
	printf("# %s\n", shared->message);
	free(best);
}

static void
test(bool (*run)(void), const char *sentence)
{
	bool ok;

	shared->done = 0;
	ok = in_child(run, RUN_SECONDS, false);
	printf("# %llu operations\n", (unsigned long long)shared->done);
	report(ok, sentence);
	if (!ok)
		show_failure();
}

/* A comparison of nothing with nothing would pass as well. */
static bool
saw_every_step(void)
{
	bool all = true;

	printf("# grants, timeouts, failures, turnarounds, untaken, late:");
	for (int i = 0; i <= LEASE_STEP_LATE; i++) {
		printf(" %llu", (unsigned long long)shared->steps[i]);
		all = all && shared->steps[i] > steps_max / 1000;
	}
	putchar('\n');
	return all;
}

static uint64_t
number_from(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : otherwise;
}

int
main(void)
{
	shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("test_model_lease: mmap");
		return EXIT_FAILURE;
	}
	steps_max = number_from("COMLEASE_STEPS", STEPS_DEFAULT);
	seed = number_from("COMLEASE_SEED", (uint64_t)time(NULL) << 20 | (uint64_t)getpid());
	rng = seed * 2 + 1;
	printf("1..4\n# COMLEASE_SEED=%llu\n", (unsigned long long)seed);
	test(run_random, "core_and_model_agree_after_every_random_operation");
	report(saw_every_step(), "random_operations_lead_to_every_kind_of_step");
	test(run_settled, "core_and_model_agree_after_every_short_sequence");
	test(run_unsettled, "core_and_model_agree_when_reports_come_between_the_steps");
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
