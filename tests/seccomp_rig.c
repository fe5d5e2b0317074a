/*
 * seccomp_rig.c - see seccomp_rig.h.
 *
 * The tricky idea: a supervisor is nobody's child, so the test makes itself the parent of orphans,
 * and can wait for their end, and see their status.
 */
#include "seccomp_rig.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support_internal.h"

#define WORDS_MAX    48
#define CHILDREN_MAX 64

void
seccomp_rig_prepare(void)
{
	static const char *const names[] = { "DEVICES",  "REQUIRE", "PRIORITY", "CLASS", "MAX_HOLD",
					     "STANDBY",  "WAIT",    "KEY",      "LABEL", "DEVICE",
					     "LOCK_DIR", "SECCOMP", "PORT",     "TOKEN" };
	char name[64];

	support_begin();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "COMLEASE_%s", names[i]);
		unsetenv(name);
	}
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

void
seccomp_rig_start(void)
{
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

void
seccomp_rig_begin(void)
{
	seccomp_rig_prepare();
	seccomp_rig_start();
}

static void
await_end(pid_t pid)
{
	int status, pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	ck_assert_int_ge(pidfd, 0);
	ck_assert_msg(support_poll(pidfd, POLLIN, support_now_ms() + SUPPORT_SOON_MS),
		      "pid %d, an orphan, does not end", (int)pid);
	close(pidfd);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "an orphan ended with %#x",
		      status);
}

void
seccomp_rig_await_supervisors(void)
{
	pid_t children[CHILDREN_MAX];
	int n = support_children(getpid(), children, CHILDREN_MAX);

	ck_assert_int_le(n, CHILDREN_MAX);
	for (int i = 0; i < n; i++)
		if (children[i] != support_pid)
			await_end(children[i]);
}

void
seccomp_rig_end(void)
{
	seccomp_rig_await_supervisors();
	support_end();
}

pid_t
seccomp_rig_supervisor(void)
{
	pid_t children[CHILDREN_MAX];
	int n = support_children(getpid(), children, CHILDREN_MAX);
	char command[256];

	for (int i = 0; i < n && i < CHILDREN_MAX; i++) {
		support_command(children[i], command, sizeof(command));
		if (strstr(command, "comlease run") != NULL)
			return children[i];
	}
	ck_abort_msg("there is no supervisor");
}

const char *
seccomp_rig_client(void)
{
	static char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%stests/seccomp_client", support_build);
	return path;
}

const char *
seccomp_rig_device(void)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s", support_path("modem0"));
	return path;
}

static void
start(struct support_child *child, const char *word, va_list words)
{
	const char *argv[WORDS_MAX] = { "comlease", "run" };
	int n = 2;

	for (; word != NULL; word = va_arg(words, const char *)) {
		ck_assert_int_lt(n, WORDS_MAX - 1);
		argv[n++] = word;
	}
	support_exec(child, argv);
}

void
seccomp_rig_run(struct support_child *child, const char *word, ...)
{
	va_list words;

	va_start(words, word);
	start(child, word, words);
	va_end(words);
}

void
seccomp_rig_hear(const struct support_child *child, const char *lines)
{
	char line[256];

	while (*lines != '\0') {
		size_t length = strcspn(lines, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)length, lines);
		support_expect_line_of(child, line);
		lines += length + (lines[length] == '\n');
	}
}

void
seccomp_rig_expect(const char *lines, const char *word, ...)
{
	struct support_child child;
	va_list words;

	va_start(words, word);
	start(&child, word, words);
	va_end(words);
	seccomp_rig_hear(&child, lines);
	support_finish(&child);
}
