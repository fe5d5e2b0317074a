/*
 * run_fixture.c - see run_fixture.h.
 */
#include "run_fixture.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX   32
#define PATIENCE_MS 10000

pid_t run_pid;
static int out = -1, in = -1;

static void
beside(char *path, size_t size, const char *name)
{
	char self[400] = "";

	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	*strrchr(self, '/') = '\0';
	snprintf(path, size, "%s/%s", self, name);
	ck_assert_msg(access(path, X_OK) == 0, "%s is not there", path);
}

const char *
run_holder(void)
{
	static char path[512];

	beside(path, sizeof(path), "holder_client");
	return path;
}

const char *
run_comlease(void)
{
	static char path[512];

	beside(path, sizeof(path), "../comlease");
	return path;
}

static void
set_up(void)
{
	static const char *const variables[] = { "WAIT",  "CLASS",   "LABEL",    "PORT",  "KEY",
						 "TOKEN", "STANDBY", "MAX_HOLD", "DEVICE" };
	char name[64];

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		snprintf(name, sizeof(name), "COMLEASE_%s", variables[i]);
		unsetenv(name);
	}
	fake_init(&fake);
	fake.rising = true;
	fake_up(&fake);
	setenv("COMLEASE_SOCKET", fake.path, 1);
	run_pid = 0;
}

/* The command ends with its standard input. */
static void
tear_down(void)
{
	if (run_pid) {
		kill(run_pid, SIGKILL);
		kill(run_pid, SIGCONT);
		waitpid(run_pid, NULL, 0);
	}
	close(in);
	close(out);
	fake_clear(&fake);
}

static void
become_run(char *const words[], const int input[2], const int output[2])
{
	char options[512];

	snprintf(options, sizeof(options), "%s/err", fake.folder);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails tears nothing down */
	setpgid(0, 0);
	dup2(input[0], 0);
	dup2(output[1], 1);
	dup2(open(options, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), 2);
	close_range(3, ~0U, 0);
	snprintf(options, sizeof(options), "%s:verify_asan_link_order=0:detect_leaks=0",
		 getenv("ASAN_OPTIONS") ? getenv("ASAN_OPTIONS") : "");
	setenv("ASAN_OPTIONS", options, 1);
	execv(run_comlease(), words);
	_exit(99);
}

void
run_start(const char *word, ...)
{
	const char *words[WORDS_MAX] = { "comlease", "run", word };
	int input[2], output[2], count = 2;
	va_list rest;

	va_start(rest, word);
	while (words[count] != NULL) {
		ck_assert_int_lt(++count, WORDS_MAX);
		words[count] = va_arg(rest, const char *);
	}
	va_end(rest);
	ck_assert_int_eq(pipe2(input, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
	run_pid = fork();
	if (run_pid == 0)
		become_run((char *const *)(uintptr_t)words, input, output);
	close(input[0]);
	close(output[1]);
	in = input[1];
	out = output[0];
}

static char *
said(void)
{
	static char text[8192];
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/err", fake.folder);
	file = fopen(path, "r");
	text[file ? fread(text, 1, sizeof(text) - 1, file) : 0] = '\0';
	if (file)
		fclose(file);
	return text;
}

void
run_expect(const char *pattern)
{
	char line[512] = "";
	size_t length = 0;

	while (length < sizeof(line) - 1) {
		struct pollfd pollfd = { .fd = out, .events = POLLIN };

		if (poll(&pollfd, 1, PATIENCE_MS) <= 0 || read(out, line + length, 1) <= 0 ||
		    line[length] == '\n')
			break;
		length++;
	}
	line[length] = '\0';
	ck_assert_msg(fnmatch(pattern, line, 0) == 0, "expected: %s; got: %s; run said: %s",
		      pattern, line, said());
}

void
run_expect_silence(int ms)
{
	struct pollfd pollfd = { .fd = out, .events = POLLIN };

	ck_assert_int_eq(poll(&pollfd, 1, ms), 0);
}

void
run_tell(const char *text)
{
	ck_assert_int_eq(write(in, text, strlen(text)), (ssize_t)strlen(text));
}

int
run_end(void)
{
	struct pollfd pollfd = { .fd = pidfd_open(run_pid, 0), .events = POLLIN };
	int status;

	ck_assert_msg(poll(&pollfd, 1, PATIENCE_MS) == 1, "run does not end; it said: %s", said());
	close(pollfd.fd);
	ck_assert_int_eq(waitpid(run_pid, &status, 0), run_pid);
	run_pid = 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void
run_expect_said(const char *text)
{
	for (int i = 0; i < PATIENCE_MS / 10 && !strstr(said(), text); i++)
		usleep(10000);
	ck_assert_msg(strstr(said(), text) != NULL, "never said: %s; but: %s", text, said());
}

int
run_count_said(const char *text)
{
	const char *at = said();
	int count = 0;

	while ((at = strstr(at, text)) != NULL) {
		at += strlen(text);
		count++;
	}
	return count;
}

void
run_ask(const char *reason)
{
	struct timespec now;
	char event[256];

	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(event, sizeof(event),
		 "{\"event\":\"yieldWanted\",\"deadline\":%lld,\"reason\":\"%s\",\"asker\":"
		 "{\"pid\":812,\"uid\":0,\"command\":\"uucico\"}}",
		 (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 5000, reason);
	fake_event(&fake, event, false);
}

TCase *
run_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 30);
	suite_add_tcase(suite, tcase);
	return tcase;
}
