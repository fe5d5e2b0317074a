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
const char *shim_preload_first;
void (*run_client_between)(void);

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* This program's folder. */
static const char *
folder(void)
{
	static char path[400];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[length > 0 ? length : 0] = '\0';
	*strrchr(path, '/') = '\0';
	return path;
}

static char client[512];

bool
shim_client_use(const char *build)
{
	const char *given = getenv("COMLEASE_TEST_CLIENT");

	if (given && !build)
		snprintf(client, sizeof(client), "%s", given);
	else
		snprintf(client, sizeof(client), "%s/%s", folder(), build ? build : "shim_client");
	return access(client, X_OK) == 0;
}

const char *
shim_client_path(void)
{
	return client;
}

/* Where there is one for 32-bit programs too, ld.so finds out which of them. */
static void
set_preload(void)
{
	static const char both[] = "comlease-shim/$LIB/libcomlease-shim.so";
	static const char one[] = "libcomlease-shim.so";
	const char *given = getenv("COMLEASE_TEST_SHIM");
	char shim[512], all[1100];

	snprintf(shim, sizeof(shim), "%s/../comlease-shim", folder());
	snprintf(shim, sizeof(shim), "%s/../%s", folder(), access(shim, X_OK) == 0 ? both : one);
	if (given)
		snprintf(shim, sizeof(shim), "%s", given);
	if (shim_preload_first)
		snprintf(all, sizeof(all), "%s/%s:%s", folder(), shim_preload_first, shim);
	setenv("LD_PRELOAD", shim_preload_first ? all : shim, 1);
}

void
shim_set_up(void)
{
	static const char *const variables[] = { "DEVICES",  "WAIT",    "REQUIRE", "PRIORITY",
						 "LABEL",    "KEY",     "DEBUG",   "CLASS",
						 "MAX_HOLD", "STANDBY", "TOKEN",   "DEVICE",
						 "LOCK_DIR" };
	char name[64];

	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		snprintf(name, sizeof(name), "COMLEASE_%s", variables[i]);
		unsetenv(name);
	}
	unsetenv("COMLEASE_TEST_STDERR");
	shim_preload_first = NULL;
	run_client_between = NULL;
	ck_assert(shim_client_use(NULL));
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
become_client(const char *const *words, bool shimmed, int output)
{
	char options[512];

	dup2(open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	if (getenv("COMLEASE_TEST_STDERR"))
		dup2(output, STDERR_FILENO);
	close_range(3, ~0U, 0);
	if (shimmed)
		set_preload();
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

#define TEXT_MAX 4096

static void
run(const char *const *words, bool shimmed, char text[TEXT_MAX])
{
	int64_t start_ms = now_ms();
	int output[2], status;
	pid_t child;

	ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
	child = fork();
	if (child == 0)
		become_client(words, shimmed, output[1]);
	close(output[1]);
	read_all(output[0], text, TEXT_MAX);
	close(output[0]);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	run_client_ms = now_ms() - start_ms;
	ck_assert_msg(status == 0, "status %#x, it said:\n%s", (unsigned)status, text);
}

static void
take_words(const char *words[WORDS_MAX], va_list rest)
{
	int count = 0;

	while (words[count] != NULL)
		count++;
	while ((words[count] = va_arg(rest, const char *)) != NULL)
		ck_assert_int_lt(++count, WORDS_MAX);
}

static void
expect(const char *expected, const char *const *words, bool shimmed)
{
	char text[TEXT_MAX];

	run(words, shimmed, text);
	ck_assert_msg(fnmatch(expected, text, 0) == 0, "expected:\n%sgot:\n%s", expected, text);
}

void
run_client(const char *expected, ...)
{
	const char *words[WORDS_MAX] = { shim_client_path() };
	va_list rest;

	va_start(rest, expected);
	take_words(words, rest);
	va_end(rest);
	expect(expected, words, true);
}

void
run_plain_client(const char *expected, ...)
{
	const char *words[WORDS_MAX] = { shim_client_path() };
	va_list rest;

	va_start(rest, expected);
	take_words(words, rest);
	va_end(rest);
	expect(expected, words, false);
}

void
run_client_alike(const char *word, ...)
{
	const char *words[WORDS_MAX] = { shim_client_path(), word };
	char with[TEXT_MAX], without[TEXT_MAX];
	va_list rest;

	va_start(rest, word);
	take_words(words, rest);
	va_end(rest);
	run(words, false, without);
	if (run_client_between)
		run_client_between();
	run(words, true, with);
	ck_assert_msg(strcmp(with, without) == 0, "with the shim:\n%swithout:\n%s", with, without);
}
