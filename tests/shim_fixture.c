/*
 * shim_fixture.c - see shim_fixture.h.
 */
#include "shim_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX 32

int64_t run_client_ms;

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The first of these that exists: what the variable says, or beside this program. */
static void
find(char *path, size_t size, const char *variable, const char *const *candidates)
{
	char self[400] = "";
	const char *given = getenv(variable);
	char *slash;

	if (given) {
		snprintf(path, size, "%s", given);
		return;
	}
	ck_assert_int_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	slash = strrchr(self, '/');
	*slash = '\0';
	for (; *candidates; candidates++) {
		snprintf(path, size, "%s/%s", self, *candidates);
		if (access(path, R_OK) == 0)
			return;
	}
	ck_abort_msg("%s is not set, and %s is not there", variable, path);
}

const char *
shim_client_path(void)
{
	static const char *const candidates[] = { "shim_client", NULL };
	static char path[512];

	find(path, sizeof(path), "COMLEASE_TEST_CLIENT", candidates);
	return path;
}

static const char *
shim_path(void)
{
	static const char *const candidates[] = { "../libcomlease-shim.so",
						  "../client/libcomlease-shim.so",
						  "libcomlease-shim.so", NULL };
	static char path[512];

	find(path, sizeof(path), "COMLEASE_TEST_SHIM", candidates);
	return path;
}

void
shim_set_up(void)
{
	static const char *const variables[] = { "DEVICES",  "WAIT",    "REQUIRE", "PRIORITY",
						 "LABEL",    "KEY",     "DEBUG",   "CLASS",
						 "MAX_HOLD", "STANDBY", "TOKEN",   "DEVICE" };
	char name[64];

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		snprintf(name, sizeof(name), "COMLEASE_%s", variables[i]);
		unsetenv(name);
	}
	fake_init(&fake);
	fake_up(&fake);
	setenv("COMLEASE_SOCKET", fake.path, 1);
}

void
shim_tear_down(void)
{
	fake_clear(&fake);
}

/* Descriptors 0, 1, 2 and no other. */
static void
become_client(const char *const *words, int output)
{
	char options[512];

	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	if (getenv("COMLEASE_TEST_STDERR"))
		dup2(output, STDERR_FILENO);
	close_range(3, ~0U, 0);
	setenv("LD_PRELOAD", shim_path(), 1);
	snprintf(options, sizeof(options), "%s:verify_asan_link_order=0:detect_leaks=0",
		 getenv("ASAN_OPTIONS") ? getenv("ASAN_OPTIONS") : "");
	setenv("ASAN_OPTIONS", options, 1);
	execv(shim_client_path(), (char *const *)(uintptr_t)words);
	_exit(127);
}

static void
read_all(int fd, char *text, size_t size)
{
	size_t length = 0;
	ssize_t got;

	while (length < size - 1 && (got = read(fd, text + length, size - 1 - length)) > 0)
		length += (size_t)got;
	text[length] = '\0';
}

void
run_client(const char *expected, ...)
{
	const char *words[WORDS_MAX] = { shim_client_path() };
	int64_t start_ms = now_ms();
	int output[2], count = 1, status;
	char text[4096];
	va_list rest;
	pid_t child;

	va_start(rest, expected);
	while ((words[count] = va_arg(rest, const char *)) != NULL)
		ck_assert_int_lt(++count, WORDS_MAX);
	va_end(rest);
	ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
	child = fork();
	if (child == 0)
		become_client(words, output[1]);
	close(output[1]);
	read_all(output[0], text, sizeof(text));
	close(output[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	run_client_ms = now_ms() - start_ms;
	ck_assert_msg(fnmatch(expected, text, 0) == 0, "expected:\n%sgot:\n%s", expected, text);
	ck_assert_int_eq(status, 0);
}
