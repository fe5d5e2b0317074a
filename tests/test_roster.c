/* test_roster.c - the kernel's list of descriptions: what it lists, and until when. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../broker/ipc.h"
#include "../broker/roster.h"

static int roster, master;
static char node[64];

static void
set_up(void)
{
	roster = roster_new();
	ck_assert_int_ge(roster, 0);
	master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_ge(master, 0);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, node, sizeof(node)), 0);
}

static void
tear_down(void)
{
	close(roster);
	close(master);
}

static int
add(uint64_t token)
{
	int fd = open(node, O_RDWR | O_NOCTTY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(roster_add(roster, fd, token), 0);
	return fd;
}

static int
count(uint64_t token)
{
	struct roster_entry entries[ROSTER_ENTRIES_MAX];
	int i, n = roster_read(roster, entries, ROSTER_ENTRIES_MAX), sum = 0;

	ck_assert_int_ge(n, 0);
	for (i = 0; i < n; i++)
		sum += entries[i].token == token;
	return sum;
}

START_TEST(entry_lives_until_the_last_copy_is_closed)
{
	struct ipc_message m = { .type = 1 };
	int fd = add(1), copy = dup(fd), a, b, status;
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_eq(ipc_pair(&a, &b), 0);
	ck_assert_int_eq(ipc_send(a, &m, fd), 0);
	close(fd);
	ck_assert_int_eq(count(1), 1);
	close(copy);
	ck_assert_int_eq(count(1), 1);
	close(a);
	close(b);
	ck_assert_int_eq(count(1), 1);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	ck_assert_int_eq(count(1), 0);
}
END_TEST

START_TEST(every_token_is_listed_in_full)
{
	const uint64_t big = UINT64_C(0xfedcba9876543210);
	int fds[4] = { add(1), add(big), add(big), add(UINT64_MAX) }, i;

	ck_assert_int_eq(count(1), 1);
	ck_assert_int_eq(count(big), 2);
	ck_assert_int_eq(count(UINT64_MAX), 1);
	ck_assert_int_eq(count(2), 0);
	for (i = 0; i < 4; i++)
		close(fds[i]);
	ck_assert_int_eq(count(big), 0);
}
END_TEST

/* The keeper closes its copy, so the same number is added again and again. */
START_TEST(entries_with_the_same_number_are_told_apart)
{
	struct roster_entry entries[ROSTER_ENTRIES_MAX];
	bool seen[8] = { false };
	int copies[8], i, n, fd;

	for (i = 0; i < 8; i++) {
		fd = add((uint64_t)i + 1);
		copies[i] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
		close(fd);
	}
	n = roster_read(roster, entries, ROSTER_ENTRIES_MAX);
	ck_assert_int_eq(n, 8);
	for (i = 0; i < n; i++) {
		ck_assert_int_eq(entries[i].target, entries[0].target);
		ck_assert_uint_lt(entries[i].nth, 8);
		ck_assert(!seen[entries[i].nth]);
		seen[entries[i].nth] = true;
	}
	for (i = 0; i < 8; i++) {
		ck_assert_int_eq(roster_has_process(roster, (uint64_t)i + 1, getpid()), 1);
		close(copies[i]);
		ck_assert_int_eq(roster_has_process(roster, (uint64_t)i + 1, getpid()), 0);
	}
}
END_TEST

START_TEST(full_roster_is_read_whole)
{
	struct roster_entry few[3];
	int fds[ROSTER_ENTRIES_MAX], i;

	for (i = 0; i < ROSTER_ENTRIES_MAX; i++)
		fds[i] = add(UINT64_MAX);
	ck_assert_int_eq(count(UINT64_MAX), ROSTER_ENTRIES_MAX);
	ck_assert_int_eq(roster_read(roster, few, 3), 3);
	for (i = 0; i < ROSTER_ENTRIES_MAX; i++)
		close(fds[i]);
	ck_assert_int_eq(count(UINT64_MAX), 0);
}
END_TEST

START_TEST(process_is_found_by_its_description)
{
	int fd = add(5), other = add(6), pipes[2];
	pid_t child;
	char c;

	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		close(other);
		close(pipes[0]);
		if (write(pipes[1], "", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	ck_assert_int_eq(read(pipes[0], &c, 1), 1);
	close(fd);
	ck_assert_int_eq(roster_has_process(roster, 5, child), 1);
	ck_assert_int_eq(roster_has_process(roster, 6, child), 0);
	ck_assert_int_eq(roster_has_process(roster, 5, getpid()), 0);
	ck_assert_int_eq(roster_has_process(roster, 6, getpid()), 1);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	ck_assert_int_eq(roster_has_process(roster, 6, child), -ESRCH);
	close(other);
}
END_TEST

START_TEST(descriptor_of_a_process_is_told_from_others_of_the_same_node)
{
	int fd = add(5), copy = dup(fd), beside = open(node, O_RDWR | O_NOCTTY | O_CLOEXEC);

	ck_assert_int_eq(roster_has_descriptor(roster, getpid(), fd), 1);
	ck_assert_int_eq(roster_has_descriptor(roster, getpid(), copy), 1);
	ck_assert_int_eq(roster_has_descriptor(roster, getpid(), beside), 0);
	ck_assert_int_eq(roster_has_descriptor(roster, getpid(), 1000), 0);
	close(fd);
	ck_assert_int_eq(roster_has_descriptor(roster, getpid(), copy), 1);
	close(copy);
	ck_assert_int_eq(roster_has_descriptor(roster, getpid(), beside), 0);
	close(beside);
}
END_TEST

START_TEST(data_does_not_wake_it_and_a_hangup_does_once)
{
	struct roster_entry entry;
	int fd = add(9);

	ck_assert_int_eq(write(master, "hello\n", 6), 6);
	ck_assert_int_eq(roster_take_events(roster), 0);
	ck_assert_int_eq(roster_read(roster, &entry, 1), 1);
	ck_assert(!entry.hungup);
	close(master);
	ck_assert_int_eq(roster_take_events(roster), 1);
	ck_assert_int_eq(roster_take_events(roster), 0);
	ck_assert_int_eq(roster_read(roster, &entry, 1), 1);
	ck_assert(entry.hungup);
	close(fd);
	ck_assert_int_eq(roster_read(roster, &entry, 1), 0);
	master = -1;
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("roster");
	TCase *t = tcase_create("roster");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, entry_lives_until_the_last_copy_is_closed);
	tcase_add_test(t, every_token_is_listed_in_full);
	tcase_add_test(t, entries_with_the_same_number_are_told_apart);
	tcase_add_test(t, full_roster_is_read_whole);
	tcase_add_test(t, process_is_found_by_its_description);
	tcase_add_test(t, descriptor_of_a_process_is_told_from_others_of_the_same_node);
	tcase_add_test(t, data_does_not_wake_it_and_a_hangup_does_once);
	suite_add_tcase(s, t);
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
