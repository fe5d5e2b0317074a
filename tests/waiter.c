/*
 * waiter.c - see waiter.h.
 */
#include "waiter.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support_internal.h"

#define WORDS_MAX 12

void
waiter_begin(void)
{
	static const char *const names[] = { "DEVICES", "REQUIRE",  "PRIORITY", "CLASS", "MAX_HOLD",
					     "STANDBY", "LOCK_DIR", "WAIT",     "KEY" };
	char name[64];

	support_begin();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "COMLEASE_%s", names[i]);
		unsetenv(name);
	}
}

const char *
waiter_program(void)
{
	static char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%stests/waiter_client", support_build);
	return path;
}

/* The test's own processes are not to be preloaded: only what is started here. */
void
waiter_exec(struct support_child *child, const char *const words[], bool shim)
{
	const char *asan = getenv("ASAN_OPTIONS");
	char options[512], path[PATH_MAX + 32], *before = asan != NULL ? strdup(asan) : NULL;

	snprintf(options, sizeof(options), "%s:verify_asan_link_order=0:detect_leaks=0",
		 asan != NULL ? asan : "");
	setenv("ASAN_OPTIONS", options, 1);
	snprintf(path, sizeof(path), "%slibcomlease-shim.so", support_build);
	if (shim)
		setenv("LD_PRELOAD", path, 1);
	support_exec(child, words);
	unsetenv("LD_PRELOAD");
	if (before != NULL)
		setenv("ASAN_OPTIONS", before, 1);
	else
		unsetenv("ASAN_OPTIONS");
	free(before);
}

void
waiter_start(struct support_child *child, const char *name, const char *variable)
{
	const char *words[] = { waiter_program(), support_path(name), NULL };
	char variable_name[64] = "";

	if (variable != NULL) {
		snprintf(variable_name, sizeof(variable_name), "%.*s", (int)strcspn(variable, "="),
			 variable);
		setenv(variable_name, strchr(variable, '=') + 1, 1);
	}
	waiter_exec(child, words, true);
	if (variable != NULL)
		unsetenv(variable_name);
	waiter_expect(child, "ready");
}

void
waiter_storm(struct support_child *child, int count, int hold_us, const char *const names[])
{
	char counts[2][16], paths[4][128];
	const char *words[WORDS_MAX] = { waiter_program(), "storm", counts[0], counts[1] };

	snprintf(counts[0], sizeof(counts[0]), "%d", count);
	snprintf(counts[1], sizeof(counts[1]), "%d", hold_us);
	for (int i = 0; names[i] != NULL; i++) {
		snprintf(paths[i], sizeof(paths[i]), "%s", support_path(names[i]));
		words[4 + i] = paths[i];
	}
	waiter_exec(child, words, true);
}

void
waiter_expect(const struct support_child *child, const char *line)
{
	ck_assert_str_eq(support_hear_line(child), line);
}

void
waiter_queue(struct support_child *child, const char *name)
{
	char pattern[64];

	waiter_start(child, name, NULL);
	support_say(child, 'o');
	snprintf(pattern, sizeof(pattern), "request .*pid=%d ", (int)child->pid);
	support_log_wait(pattern);
}

void
waiter_hold(struct support_child *child, const char *name)
{
	waiter_start(child, name, NULL);
	support_say(child, 'o');
	waiter_expect(child, "opened");
}

pid_t
waiter_pid_said(const struct support_child *child, const char *word)
{
	const char *line = support_hear_line(child);
	size_t length = strlen(word);

	ck_assert_msg(strncmp(line, word, length) == 0 && line[length] == ' ', "%s", line);
	return (pid_t)atoi(line + length);
}

void
waiter_release(struct support_child *child)
{
	support_say(child, 'c');
	waiter_expect(child, "closed");
	support_finish(child);
}
