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
#include "model_explore.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define STEPS_DEFAULT 1000000
#define DEPTH         6
#define DEPTH_SHORT   5
#define OFFICES       20000 /* endless mail and a fax */
#define RUN_SECONDS   20    /* without a word from the core; one sequence takes a millisecond */
#define TRY_SECONDS   1

/* Shared with the child. */
static struct shared {
	struct sequence sequence; /* what it does, or is about to */
	char message[128];
	uint64_t done; /* operations */
	uint64_t steps[LEASE_STEP_LINGERED + 1];
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
		OP_REQUEST, OP_REQUEST,    OP_REQUEST,    OP_REQUEST, OP_REQUEST,  OP_REQUEST,
		OP_REQUEST, OP_REQUEST,    OP_CANCEL,     OP_OPENED,  OP_OPENED,   OP_TAKEN,
		OP_LINGER,  OP_BUSY,       OP_BUSY,       OP_IDLE,    OP_HAND_OFF, OP_END,
		OP_END,     OP_END,        OP_RESUME,     OP_READY,   OP_READY,    OP_READY,
		OP_READY,   OP_READY,      OP_READY,      OP_READY,   OP_READY,    OP_TURNAROUND,
		OP_FOREIGN, OP_TURNAROUND, OP_TURNAROUND, OP_DISABLE, OP_FAULT,    OP_FAULT,
		OP_ABSENT,  OP_EXPECT,     OP_POLICY,     OP_ADVANCE, OP_ADVANCE,  OP_ADVANCE,
		OP_ADVANCE, OP_SLEEP,      OP_REMOVE,
	};
	static const uint8_t waits[] = { 0, 1, 2, 5, 20, 255, 255, 255, 255, 255, 255, 255 };
	static const uint8_t settles[] = { 0, 0, 1, 2, SETTLE_ALL, SETTLE_ALL, SETTLE_ALL };
	static const uint8_t advances[] = { 1, 1, 2, 3, 5, 30 };
	static const uint8_t times[] = { 0, 1, 3, 10, 40, 255, 255 };
	uint8_t type = pick(types, sizeof(types));

	return (struct op){
		.type = type,
		.port = (uint8_t)dice(config->ports),
		.request = (uint8_t)dice(config->requests),
		.more = (uint8_t)(dice(2) * dice(8)),
		.rank = (uint8_t)(dice(2) * dice(64)),
		.priority = (int8_t)((int)dice(3) - 1),
		.waited = (uint8_t)(dice(2) * dice(20)),
		.wait = pick(waits, sizeof(waits)),
		.ms = pick(advances, sizeof(advances)),
		.hold = pick(times, sizeof(times)),
		.grace = pick(times, sizeof(times)),
		.yes = (uint8_t)(type == OP_DISABLE ? dice(4) == 0 : dice(2)),
		.preempt = (uint8_t)dice(3),
		.age = pick(times, sizeof(times)),
		.min_hold = (uint8_t)(dice(2) * dice(10)),
		.max_busy = pick(times, sizeof(times)),
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
	for (s->n = 0; s->n < SEQUENCE_MAX;) {
		struct op *op = &s->ops[s->n];

		do
			*op = random_op(&s->config);
		while (!world_allows(&world, op));
		if (s->n < s->config.ports) {
			op->type = OP_POLICY;
			op->port = (uint8_t)s->n;
		}
		s->n++;
		if (failed(world_do(&world, op)))
			return false;
	}
	return true;
}

static bool
run_random(void)
{
	for (; shared->done < steps_max; shared->done += SEQUENCE_MAX) {
		if (!run_sequence(&shared->sequence))
			return false;
		for (int i = 0; i <= LEASE_STEP_LINGERED; i++)
			shared->steps[i] += world.steps[i];
	}
	return true;
}

static const uint8_t settled[] = { SETTLE_ALL }, partly[] = { SETTLE_ALL, 0, 1 };

static bool
explore_from(enum explore_what what, bool clean, uint8_t hold, size_t depth, bool settles)
{
	struct exploration e = {
		.what = what,
		.config = { .ports = what == EXPLORE_HOLDERS ? 2 : 1,
			    .requests = 3,
			    .take = 2,
			    .hold = hold,
			    .clean = clean },
		.depth = depth,
		.settles = settles ? settled : partly,
		.settles_n = settles ? sizeof(settled) : sizeof(partly),
		.seconds = RUN_SECONDS,
	};

	return !failed(explore(&e, &shared->sequence, &shared->done));
}

static size_t
depth(void)
{
	return steps_max < STEPS_DEFAULT ? DEPTH_SHORT : DEPTH;
}

static bool
run_queue(void)
{
	return explore_from(EXPLORE_QUEUE, true, 0, depth(), true) &&
	       explore_from(EXPLORE_QUEUE, true, 2, depth(), true) &&
	       explore_from(EXPLORE_QUEUE, false, 0, depth(), true);
}

static bool
run_holders(void)
{
	return explore_from(EXPLORE_HOLDERS, true, 0, depth(), true) &&
	       explore_from(EXPLORE_HOLDERS, true, 3, depth() - 1, true);
}

static bool
run_unsettled(void)
{
	return explore_from(EXPLORE_QUEUE, true, 0, depth() - 2, false) &&
	       explore_from(EXPLORE_QUEUE, true, 2, depth() - 2, false) &&
	       explore_from(EXPLORE_HOLDERS, true, 0, depth() - 3, false);
}

static bool
run_starve(void)
{
	for (; shared->done < OFFICES; shared->done++)
		if (failed(starve(dice(1000000))))
			return false;
	return true;
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

	printf("# grants, timeouts, failures, turnarounds, untaken, late, yields, keeps, "
	       "revokes, lingered:");
	for (int i = 0; i <= LEASE_STEP_LINGERED; i++) {
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
	printf("1..6\n# COMLEASE_SEED=%llu\n", (unsigned long long)seed);
	test(run_random, "core_and_model_agree_after_every_random_operation");
	report(saw_every_step(), "random_operations_lead_to_every_kind_of_step");
	test(run_queue, "core_and_model_agree_after_every_short_sequence");
	test(run_holders, "core_and_model_agree_on_who_is_asked_after_every_short_sequence");
	test(run_unsettled, "core_and_model_agree_when_reports_come_between_the_steps");
	test(run_starve, "fax_is_granted_in_time_though_mail_never_ends");
	return failures ? EXIT_FAILURE : EXIT_SUCCESS;
}
