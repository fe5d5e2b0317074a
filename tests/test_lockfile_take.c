/* test_lockfile_take.c - taking and leaving a UUCP lock file; of two takers exactly one wins. */
#include "lockfile_fixture.h"
#include "support.h"

#include "../broker/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME      LOCKFILE_NAME
#define ROUNDS    300
#define RACE_WINS 500

/* ---- taking ---- */

START_TEST(taken_one_has_the_form_of_the_fhs_and_leaves_nothing_else)
{
	char text[32] = "", want[32];
	struct stat st;
	mode_t mask = umask(077);
	pid_t owner;
	int fd;

	ck_assert_int_eq(lockfile_take(lockfile_dir, NAME, &owner), 0);
	umask(mask);
	lockfile_expect(0, getpid());
	fd = openat(lockfile_dir, NAME, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(read(fd, text, sizeof(text) - 1), 11);
	ck_assert_int_eq(fstat(fd, &st), 0);
	close(fd);
	ck_assert_int_eq(st.st_mode & 07777, 0644);
	ck_assert_uint_eq(st.st_nlink, 1);
	snprintf(want, sizeof(want), "%10d\n", (int)getpid());
	ck_assert_str_eq(text, want);
	lockfile_leave(lockfile_dir, NAME);
	lockfile_expect(2, 0);
	ck_assert_int_eq(rmdir(support_path("lock")), 0);
	ck_assert_int_eq(rmdir(support_scratch), 0); /* empty: not even a temporary file */
	ck_assert_int_eq(mkdir(support_scratch, 0755), 0);
}
END_TEST

START_TEST(live_one_is_neither_taken_nor_left)
{
	pid_t owner;

	lockfile_put_pid(1, 0);
	ck_assert_int_eq(lockfile_take(lockfile_dir, NAME, &owner), 1);
	ck_assert_int_eq(owner, 1);
	lockfile_leave(lockfile_dir, NAME);
	lockfile_expect(0, 1);
	lockfile_put("", 0, 0);
	ck_assert_int_eq(lockfile_take(lockfile_dir, NAME, &owner), 1);
	ck_assert_int_eq(owner, 0);
	lockfile_expect(3, 0);
}
END_TEST

START_TEST(stale_one_and_ours_of_before_are_taken_over)
{
	pid_t owner, mine = getpid();

	lockfile_put_pid(lockfile_dead_pid(), 0);
	ck_assert_int_eq(lockfile_take(lockfile_dir, NAME, &owner), 0);
	lockfile_expect(0, mine);
	ck_assert_int_eq(lockfile_take(lockfile_dir, NAME, &owner), 0);
	lockfile_expect(0, mine);
	lockfile_put_pid(mine, 3600); /* of a process that had our pid */
	ck_assert_int_eq(lockfile_take(lockfile_dir, NAME, &owner), 0);
	lockfile_expect(0, mine);
	lockfile_put("", 0, 60);
	ck_assert_int_eq(lockfile_take(lockfile_dir, NAME, &owner), 0);
	lockfile_expect(0, mine);
}
END_TEST

/* Whoever can read a stale file can hold a flock on it for ever. */
START_TEST(flock_on_a_stale_one_keeps_nobody_out)
{
	pid_t owner;
	int fd;

	lockfile_put_pid(lockfile_dead_pid(), 0);
	fd = openat(lockfile_dir, NAME, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(lockfile_take(lockfile_dir, NAME, &owner), 0);
	lockfile_expect(0, getpid());
	close(fd);
}
END_TEST

START_TEST(folder_that_cant_be_written_is_an_error)
{
	pid_t owner;
	int fd;

	close(lockfile_dir);
	fd = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_lt(lockfile_take(fd, NAME, &owner), 0);
	close(fd);
	lockfile_dir = open(support_scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}
END_TEST

/* Takes when told, says '1' if it has it, leaves when told again. */
static void
taker(struct support_child *me, void *unused)
{
	int folder = open(support_scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	pid_t owner;
	char byte;

	(void)unused;
	while (read(me->hear, &byte, 1) == 1) {
		byte = byte == 't' ? lockfile_take(folder, NAME, &owner) == 0 ? '1' : '0' : 'l';
		if (byte == 'l')
			lockfile_leave(folder, NAME);
		if (write(me->say, &byte, 1) != 1)
			_exit(1);
	}
}

START_TEST(of_two_takers_exactly_one_wins_whatever_was_there)
{
	struct support_child takers[2];
	pid_t dead = lockfile_dead_pid();
	int round, i, wins[2], total[2] = { 0, 0 };

	for (i = 0; i < 2; i++)
		support_fork(&takers[i], taker, NULL, -1);
	for (round = 0; round < ROUNDS; round++) {
		if (round % 3 != 0)
			lockfile_put_pid(dead, 0); /* stale: both will want to remove it */
		for (i = 0; i < 2; i++)
			support_say(&takers[(i + round) % 2], 't');
		for (i = 0; i < 2; i++)
			wins[i] = support_hear(&takers[i]) == '1';
		ck_assert_msg(wins[0] + wins[1] == 1, "round %d: %d winners", round,
			      wins[0] + wins[1]);
		lockfile_expect(0, takers[wins[1]].pid);
		total[wins[1]]++;
		for (i = 0; i < 2; i++)
			support_say(&takers[i], 'l');
		for (i = 0; i < 2; i++)
			ck_assert_int_eq(support_hear(&takers[i]), 'l');
		lockfile_expect(2, 0);
	}
	printf("# wins: %d and %d\n", total[0], total[1]);
	for (i = 0; i < 2; i++)
		support_finish(&takers[i]);
}
END_TEST

/* What takers in a race share. */
struct race {
	_Atomic int owners;
	_Atomic int wins, doubles;
	int64_t until_ms; /* a slow machine has fewer of them */
};

/* Takes it again and again, and each time leaves a stale file behind for the others to remove. */
static void
racer(struct support_child *me, void *arg)
{
	int fd, folder = open(support_scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct race *race = arg;
	char text[16];
	pid_t owner;

	(void)me;
	snprintf(text, sizeof(text), "%10d\n", (int)lockfile_dead_pid());
	while (race->wins < RACE_WINS && race->doubles == 0 && support_now_ms() < race->until_ms) {
		if (lockfile_take(folder, NAME, &owner) != 0)
			continue;
		if (race->owners++ != 0)
			race->doubles++;
		race->wins++;
		sched_yield();
		race->owners--;
		fd = openat(folder, NAME, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || pwrite(fd, text, strlen(text), 0) < 0)
			race->doubles++; /* somebody removed ours */
		close(fd);
	}
}

START_TEST(of_three_takers_never_two_have_it)
{
	struct support_child racers[3];
	struct race *race =
	    mmap(NULL, sizeof(*race), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int i;

	ck_assert_ptr_ne(race, MAP_FAILED);
	race->until_ms = support_now_ms() + SUPPORT_SOON_MS / 2;
	for (i = 0; i < 3; i++)
		support_fork(&racers[i], racer, race, -1);
	for (i = 0; i < 3; i++)
		support_finish(&racers[i]);
	ck_assert_int_gt(race->wins, 0);
	ck_assert_int_eq(race->doubles, 0);
	munmap(race, sizeof(*race));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lockfile take");
	TCase *t = tcase_create("lockfile take");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, lockfile_begin, lockfile_end);
	tcase_add_test(t, taken_one_has_the_form_of_the_fhs_and_leaves_nothing_else);
	tcase_add_test(t, live_one_is_neither_taken_nor_left);
	tcase_add_test(t, stale_one_and_ours_of_before_are_taken_over);
	tcase_add_test(t, flock_on_a_stale_one_keeps_nobody_out);
	tcase_add_test(t, folder_that_cant_be_written_is_an_error);
	tcase_add_test(t, of_two_takers_exactly_one_wins_whatever_was_there);
	tcase_add_test(t, of_three_takers_never_two_have_it);
	suite_add_tcase(suite, t);
	return support_run(suite);
}
