/*
 * test_keeper_lockfile.c - the keeper's own lock files, when somebody removes or replaces them.
 */
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST "hangup-ms = 0\n"

static const char *
lock_path(const char *name)
{
	static char path[2][160];
	static unsigned turn;

	turn ^= 1u;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", rig.locks, name);
	return path[turn];
}

/* By the keeper; false: it was not. */
static bool
is_made_again_within(int ms)
{
	double end = rig_now_us() + ms * 1e3;

	while (rig_read_lock(rig_lock_name()) != rig.keeper && rig_now_us() < end)
		poll(NULL, 0, 3);
	return rig_read_lock(rig_lock_name()) == rig.keeper;
}

START_TEST(lock_file_that_somebody_removes_is_made_again)
{
	int fd, count;

	rig_ready(FAST);
	count = rig_count_locks();
	ck_assert_int_eq(unlink(lock_path(rig_lock_name())), 0);
	ck_assert(is_made_again_within(RIG_SOON_MS));
	fd = rig_open(1, true);
	ck_assert_int_eq(rename(lock_path(rig_lock_name()), lock_path("away")), 0);
	ck_assert(is_made_again_within(RIG_SOON_MS));
	ck_assert_int_eq(unlink(lock_path("away")), 0);
	ck_assert_int_eq(unlink(lock_path(rig_lock_name())), 0);
	ck_assert(is_made_again_within(RIG_SOON_MS));
	close(fd);
	rig_expect(IPC_GONE);
	ck_assert_int_eq(rig_count_locks(), count);
	rig_end();
}
END_TEST

START_TEST(lock_file_that_is_given_up_is_not_made_again)
{
	rig_ready(FAST);
	rig_tell(IPC_OWN, 0, 0, "");
	rig_turnaround(0, LEASE_NONE, 0);
	ck_assert_int_eq(rig_count_locks(), 0);
	rig_expect_quiet();
	ck_assert_int_eq(rig_count_locks(), 0);
	rig_end();
}
END_TEST

/* Two programs that are each as sure as the other would keep each other busy for ever. */
START_TEST(lock_file_that_somebody_removes_all_the_time_is_left_to_him)
{
	int removed = 0;

	rig_ready(FAST);
	while (removed < 100 && is_made_again_within(RIG_SOON_MS)) {
		ck_assert_int_eq(unlink(lock_path(rig_lock_name())), 0);
		removed++;
	}
	ck_assert_int_ge(removed, 3);
	ck_assert_int_lt(removed, 100);
	rig_turnaround(0, LEASE_NONE, 0);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
	rig_end();
}
END_TEST

/* He lives, and found a way to put his own in place of ours. */
START_TEST(lock_file_that_a_live_process_has_put_over_ours_is_left_alone)
{
	rig_ready(FAST);
	rig_write_lock("mine", (long)getpid());
	ck_assert_int_eq(rename(lock_path("mine"), lock_path(rig_lock_name())), 0);
	rig_expect_quiet();
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), getpid());
	ck_assert_uint_eq(rig_turnaround_foreign(0), IPC_EVIDENCE_LOCKFILE);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), getpid());
	ck_assert_int_eq(unlink(lock_path(rig_lock_name())), 0);
	rig_turnaround(0, LEASE_NONE, 0);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
	rig_end();
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("lockfile");

	tcase_add_test(t, lock_file_that_somebody_removes_is_made_again);
	tcase_add_test(t, lock_file_that_is_given_up_is_not_made_again);
	tcase_add_test(t, lock_file_that_somebody_removes_all_the_time_is_left_to_him);
	tcase_add_test(t, lock_file_that_a_live_process_has_put_over_ours_is_left_alone);
	return rig_run("keeper_lockfile", t, NULL);
}
