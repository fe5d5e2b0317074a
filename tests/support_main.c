/*
 * support_main.c - the main of an end-to-end suite: TAP with the skipped tests, which Check does
 * not know, and the folder that all tests of the suite have theirs in. What is still in it at the
 * end was left by a test that failed: its log is shown.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SKIPS_MAX 64

static struct {
	const char *name, *reason;
} skips[SKIPS_MAX];
static int skips_len;

TCase *
support_case(Suite *s, const char *name, void (*setup)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, support_end);
	suite_add_tcase(s, tc);
	return tc;
}

void
support_add(TCase *tc, const TTest *test, bool able, const char *reason)
{
	if (able) {
		tcase_add_test(tc, test);
	} else if (skips_len < SKIPS_MAX) {
		skips[skips_len].name = test->name;
		skips[skips_len++].reason = reason;
	}
}

/* Check's lines without its plan, the skipped ones, a plan for both. */
static void
print_tap(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[4096];
	int n = 0, i;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, "1..", 3) == 0)
			continue;
		n += strncmp(line, "ok ", 3) == 0 || strncmp(line, "not ok ", 7) == 0;
		fputs(line, stdout);
	}
	if (f != NULL)
		fclose(f);
	for (i = 0; i < skips_len; i++)
		printf("ok %d - %s # SKIP %s\n", ++n, skips[i].name, skips[i].reason);
	printf("1..%d\n", n);
}

/* The logs of failed tests, then everything goes. */
static void
clean_up(const char *folder)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "for f in %s/*/broker.log %s/*/child.err; do "
		 "[ ! -s $f ] || { echo; echo $f:; tail -n 60 $f; } >&2; done; "
		 "rm -rf %s",
		 folder, folder, folder);
	if (system(command) != 0)
		fprintf(stderr, "%s: not removed\n", folder);
}

int
support_run(Suite *suite)
{
	char folder[] = "/tmp/comlease.XXXXXX", tap[64];
	SRunner *runner = srunner_create(suite);
	int failed;

	if (mkdtemp(folder) == NULL || chmod(folder, 0755) < 0 ||
	    setenv("COMLEASE_SUITE", folder, 1) < 0) {
		perror(folder);
		return EXIT_FAILURE;
	}
	snprintf(tap, sizeof(tap), "%s/tap", folder);
	srunner_set_tap(runner, tap);
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	print_tap(tap);
	clean_up(folder);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
