/*
 * libcomlease_fixture.c - see libcomlease_fixture.h.
 */
#include "libcomlease_fixture.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct comlease *c;
struct comlease_request request;
static int fds_before;

static int
count_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

int64_t
library_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
set_up(void)
{
	const struct comlease_request init = COMLEASE_REQUEST_INIT;

	fds_before = count_fds();
	fake_init(&fake);
	fake_up(&fake);
	request = init;
	request.port = "modem0";
	c = comlease_connect(fake.path);
	ck_assert_ptr_nonnull(c);
}

/* Every test fails if it leaves a descriptor. */
static void
tear_down(void)
{
	comlease_disconnect(c);
	fake_clear(&fake);
	ck_assert_int_eq(count_fds(), fds_before);
}

void
assert_fails(int fd, int error)
{
	int got = errno;

	ck_assert_int_eq(fd, -1);
	ck_assert_msg(got == error, "errno is %s, not %s (%s)", strerrorname_np(got),
		      strerrorname_np(error), comlease_error(c));
	ck_assert_str_ne(comlease_error(c), "");
}

void
assert_call(const char *method, int index, const char *expected)
{
	json_t *call;
	char *text;

	ck_assert(fake_await_calls(&fake, method, index + 1));
	call = fake_call(&fake, method, index);
	text = json_dumps(call, JSON_COMPACT | JSON_SORT_KEYS);
	ck_assert_str_eq(text, expected);
	free(text);
	json_decref(call);
}

TCase *
library_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	return tcase;
}
