/*
 * test_e2e_inspector.c - the inspector as a child of a real comleased: what it may, that it is
 * started again, and that it goes when comleased does.
 */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* 0: there is none now. */
static pid_t
find_inspector(void)
{
	pid_t children[32];
	char command[256];
	int i, n = support_children(support_pid, children, 32);

	for (i = 0; i < n && i < 32; i++) {
		support_command(children[i], command, sizeof(command));
		if (strstr(command, "--role=inspector") != NULL)
			return children[i];
	}
	return 0;
}

static unsigned long long
status_of(pid_t pid, const char *key)
{
	unsigned long long value = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtoull(line + strlen(key), NULL, 16);
	fclose(f);
	return value;
}

START_TEST(inspector_has_three_capabilities_at_the_most)
{
	const unsigned long long three = 1ULL << 19 | 1ULL << 2 | 1ULL << 5;

	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	ck_assert_uint_eq(status_of(find_inspector(), "CapPrm:"), geteuid() == 0 ? three : 0);
	ck_assert_uint_eq(status_of(find_inspector(), "CapEff:"), geteuid() == 0 ? three : 0);
	ck_assert_uint_eq(status_of(find_inspector(), "NoNewPrivs:"), 1);
}
END_TEST

START_TEST(inspector_that_died_is_started_again_and_nobody_notices)
{
	pid_t pid, broker;
	int i;

	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	broker = support_broker();
	for (i = 0; i < 3; i++) {
		pid = find_inspector();
		ck_assert_int_gt(pid, 0);
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		support_log_wait("ended inspector pid=[0-9]+ signal=9");
		support_log_wait("start inspector pid=");
		close(support_acquire("modem0", NULL));
	}
	ck_assert_int_eq(support_broker(), broker);
	support_kill_broker();
	close(support_acquire("modem0", NULL));
	ck_assert_int_gt(find_inspector(), 0);
}
END_TEST

START_TEST(nobody_is_refused_for_what_he_has_just_closed_however_long_the_look_takes)
{
	struct support_client c;

	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	int fd = open(support_path("modem0"), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	support_log_wait("foreign port=modem0 pid=[0-9]");
	pid_t pid = find_inspector();
	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	close(fd);
	support_connect(&c);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	usleep(1500000); /* so long does a look take on a busy machine */
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
	support_reply(&c);
	close(support_take(&c));
	support_close(&c);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(stopped_inspector_is_killed_in_the_end)
{
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	ck_assert_int_eq(kill(find_inspector(), SIGSTOP), 0);
	support_stop();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("inspector");
	TCase *t = tcase_create("inspector");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, support_begin, support_end);
	tcase_add_test(t, inspector_has_three_capabilities_at_the_most);
	tcase_add_test(t, inspector_that_died_is_started_again_and_nobody_notices);
	tcase_add_test(t,
		       nobody_is_refused_for_what_he_has_just_closed_however_long_the_look_takes);
	tcase_add_test(t, stopped_inspector_is_killed_in_the_end);
	suite_add_tcase(suite, t);
	return support_run(suite);
}
