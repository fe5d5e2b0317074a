/*
 * test_e2e_shim_storm.c - many programs that open and close under the shim as fast as the machine
 * allows: each open works, each grant goes to whoever has waited longest, and the broker is
 * afterwards as it was before: descriptors, memory, queues.
 *
 * The order is read from the broker's log, which tells each request and each grant in the order in
 * which they were.
 */
#include "waiter.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CROWD      50
#define OPENS      10000
#define STORM_MS   140000 /* far more than it takes */
#define WAITS_MAX  256
#define GROWTH_KIB 2048 /* of the broker's memory; each open that leaks 256 bytes would be more */

#define FOUR                                                                                       \
	"[broker]\nmax-connections-per-user = 1000\n" SUPPORT_PORT("modem0")                       \
	    SUPPORT_PORT("modem1") SUPPORT_PORT("modem2")                                          \
		SUPPORT_PORT("modem3") "[pool any]\nports = modem0 modem1 modem2 modem3\n"

static struct support_child crowd[CROWD];

static void
begin_one(void)
{
	waiter_begin();
	support_plug("modem0");
	support_start("[broker]\nmax-connections-per-user = 1000\n" SUPPORT_PORT("modem0"));
}

static void
begin_four(void)
{
	waiter_begin();
	support_plug("modem0");
	support_plug("modem1");
	support_plug("modem2");
	support_plug("modem3");
	support_start(FOUR);
}

/* ---- the log ---- */

/*
 * Who waits, in the order of the log. It tells of a request when that enters the queue. A program
 * that asks again before its close has been noticed enters a moment later than others who came
 * after it, and has its place before them all the same: so whoever is granted may be before those
 * who came after his last grant, seldom, and before nobody else. Of the pool, as many may have been
 * granted before him as there are other ports whose keepers have not opened yet.
 */
struct wait {
	long pid;
	int line;
	char what[32]; /* the port, or "pool" */
};
static struct wait waits[WAITS_MAX], last_grants[WAITS_MAX];
static int waits_len, last_grants_len, line_number, grants, early;

static void
note_request(long pid, const char *what)
{
	ck_assert_int_lt(waits_len, WAITS_MAX);
	waits[waits_len] = (struct wait){ .pid = pid, .line = line_number };
	snprintf(waits[waits_len++].what, sizeof(waits[0].what), "%s", what);
}

static struct wait *
last_grant(long pid)
{
	int i = 0;

	while (i < last_grants_len && last_grants[i].pid != pid)
		i++;
	if (i == last_grants_len) {
		ck_assert_int_lt(last_grants_len++, WAITS_MAX);
		last_grants[i] = (struct wait){ .pid = pid };
	}
	return &last_grants[i];
}

static void
note_grant(const char *line, long pid)
{
	struct wait *last = last_grant(pid);
	int i, at = 0, before = 0, overtaken = 0, may_be;

	while (at < waits_len && waits[at].pid != pid)
		at++;
	ck_assert_msg(at < waits_len, "a grant without a request: %s", line);
	for (i = 0; i < at; i++) {
		if (strcmp(waits[i].what, waits[at].what) != 0)
			continue;
		before += waits[i].line < last->line;
		overtaken++;
	}
	may_be = strcmp(waits[at].what, "pool") == 0 ? 3 : 0;
	ck_assert_msg(before <= may_be, "out of turn: %s", line);
	early += overtaken > may_be;
	memmove(waits + at, waits + at + 1, (size_t)(--waits_len - at) * sizeof(waits[0]));
	last->line = line_number;
	grants++;
}

static void
note_line(const char *line)
{
	const char *port = strstr(line, " port="), *pid = strstr(line, " pid=");
	char name[32] = "";

	line_number++;
	if (port == NULL || pid == NULL)
		return;
	sscanf(port, " port=%31s", name);
	if (strstr(line, "broker: request ") != NULL)
		note_request(atol(pid + 5), strstr(line, "\"pool any\"") != NULL ? "pool" : name);
	else if (strstr(line, "broker: grant ") != NULL)
		note_grant(line, atol(pid + 5));
}

/* Each had it once for each open: nobody joined a lease that he had closed. */
static void
expect_in_turn(int count)
{
	FILE *f = fopen(support_path("broker.log"), "re");
	char line[1024];

	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		note_line(line);
	fclose(f);
	ck_assert_int_eq(grants, count);
	ck_assert_int_eq(waits_len, 0);
	ck_assert_int_le(early, count / 100);
	support_log_expect("leave |join |cut off|turn away|fault", 0);
}

/* ---- the broker's memory ---- */

static long
memory_kib(void)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)support_broker());
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "VmRSS: %ld", &kib);
	fclose(f);
	return kib;
}

static void
expect_no_growth(long before_kib)
{
#ifndef __SANITIZE_ADDRESS__ /* keeps what is freed */
	ck_assert_int_le(memory_kib(), before_kib + GROWTH_KIB);
#else
	(void)before_kib;
#endif
}

/* ---- the storms ---- */

static void
join(struct support_child *child)
{
	int status;

	ck_assert(support_poll(child->pidfd, POLLIN, support_now_ms() + STORM_MS));
	status = support_reap(child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "an open failed: status %#x",
		      status);
}

static void
storm_one(int opens, int hold_us)
{
	static const char *const names[] = { "modem0", NULL };

	for (int i = 0; i < CROWD; i++)
		waiter_storm(&crowd[i], opens / CROWD, hold_us, names);
	for (int i = 0; i < CROWD; i++)
		join(&crowd[i]);
	support_wait_port("modem0", "free", 0);
}

START_TEST(ten_thousand_opens_by_fifty_programs)
{
	long before_kib;

	storm_one(OPENS / 10, 0);
	before_kib = memory_kib();
	storm_one(OPENS, 0);
	expect_no_growth(before_kib);
	expect_in_turn(OPENS + OPENS / 10);
}
END_TEST

START_TEST(opens_that_are_held_a_moment)
{
	storm_one(OPENS / 10, 300);
	expect_in_turn(OPENS / 10);
}
END_TEST

/* By the library, as `comlease run` does it: a shim knows devices, and no pools. */
static void
acquire_any(struct support_child *test, void *arg)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;

	(void)test;
	wish.port = "any";
	for (int i = 0; i < *(int *)arg; i++) {
		struct comlease *c = comlease_connect(support_socket);
		int fd = comlease_acquire(c, &wish, NULL);

		ck_assert_int_ge(fd, 0);
		close(fd);
		comlease_disconnect(c);
	}
}

START_TEST(opens_of_four_ports_and_of_their_pool)
{
	static const char *const names[] = { "modem0", "modem1", "modem2", "modem3",
					     "modem0", "modem1", "modem2" };
	int each = OPENS / CROWD;

	for (int i = 0; i < CROWD; i++) {
		const char *from[] = { names[i % 4], names[i % 4 + 1], names[i % 4 + 2],
				       names[i % 4 + 3], NULL };

		if (i % 5 == 0)
			support_fork(&crowd[i], acquire_any, &each, -1);
		else
			waiter_storm(&crowd[i], each, 0, from);
	}
	for (int i = 0; i < CROWD; i++)
		join(&crowd[i]);
	for (int i = 0; i < 4; i++)
		support_wait_port(names[i], "free", 0);
	expect_in_turn(OPENS);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_shim_storm");
	TCase *tc = support_case(s, "one", begin_one);

	tcase_set_timeout(tc, 150);
	tcase_add_test(tc, ten_thousand_opens_by_fifty_programs);
	tcase_add_test(tc, opens_that_are_held_a_moment);
	tc = support_case(s, "four", begin_four);
	tcase_set_timeout(tc, 150);
	tcase_add_test(tc, opens_of_four_ports_and_of_their_pool);
	return support_run(s);
}
