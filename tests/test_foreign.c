/*
 * test_foreign.c - the look through /proc: who counts as a foreign holder, and what is said of him.
 */
#include "support.h"

#include "../broker/foreign.h"
#include "../broker/foreign_process.h"
#include "../broker/foreign_scan.h"
#include "../broker/roster.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY_UID 65534

static struct foreign_target target;
static struct foreign_scan scan;
static int roster;

static void
begin(void)
{
	struct stat st;

	support_begin();
	support_plug("modem0");
	ck_assert_int_eq(stat(support_path("modem0"), &st), 0);
	roster = roster_new();
	ck_assert_int_ge(roster, 0);
	target.rdev = st.st_rdev;
	target.roster = roster;
}

static void
end(void)
{
	close(roster);
	support_end();
}

/* One whole look. */
static void
look(pid_t supervisor)
{
	struct foreign_target *targets[1] = { &target };
	int result;

	ck_assert_int_eq(foreign_scan_begin(&scan, targets, 1, supervisor), 0);
	do
		result = foreign_scan_step(&scan);
	while (result > 0);
	ck_assert_int_eq(result, 0);
	foreign_scan_end(&scan);
}

static void
expect_found(size_t count)
{
	look(-1);
	ck_assert_msg(target.total == count, "%zu rather than %zu, first pid %d", target.total,
		      count, target.count > 0 ? (int)target.found[0].pid : 0);
}

/* ---- holders ---- */

enum hold { OPEN, FLOCK, TWICE, FORKED };

static int
open_modem(void)
{
	int fd = open(support_path("modem0"), O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		_exit(1);
	return fd;
}

/* Opens, says so, and ends when it is let go. */
static void
hold(struct support_child *me, void *how)
{
	int fd = open_modem();
	char byte;

	if (*(enum hold *)how == FLOCK && flock(fd, LOCK_EX) < 0)
		_exit(1);
	if (*(enum hold *)how == TWICE && fcntl(open_modem(), F_DUPFD_CLOEXEC, 100) < 0)
		_exit(1);
	if (*(enum hold *)how == FORKED && fork() > 0) /* who opened it goes */
		_exit(0);
	if (write(me->say, "", 1) != 1)
		_exit(1);
	while (read(me->hear, &byte, 1) > 0)
		;
}

static void
start_holder(struct support_child *child, enum hold how)
{
	support_fork(child, hold, &how, -1);
	support_hear(child);
}

START_TEST(nobody_is_found_where_nobody_has_it)
{
	expect_found(0);
	ck_assert_uint_gt(scan.looked_at, 1);
}
END_TEST

START_TEST(plain_open_is_found_and_described)
{
	struct support_child child;
	const struct foreign *who = &target.found[0];
	char command[32] = "";
	FILE *f;

	start_holder(&child, OPEN);
	expect_found(1);
	ck_assert_uint_eq(target.count, 1);
	ck_assert_int_eq(who->pid, child.pid);
	ck_assert_uint_eq(who->uid, geteuid());
	ck_assert_uint_eq(who->how, FOREIGN_OPEN);
	ck_assert_uint_gt(who->start_ticks, 0);
	f = fopen("/proc/self/comm", "re");
	ck_assert_ptr_nonnull(fgets(command, sizeof(command), f));
	fclose(f);
	command[strcspn(command, "\n")] = '\0';
	ck_assert_str_eq(who->command, command);
	support_finish(&child);
	expect_found(0);
}
END_TEST

/* Lets go of what a child left behind: it ends by the end of our pipe. */
static void
end_orphans(struct support_child *child)
{
	close(child->say);
	close(child->hear);
	close(child->pidfd);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

START_TEST(inherited_descriptor_is_found_without_any_open)
{
	struct support_child child;

	start_holder(&child, FORKED);
	ck_assert_int_eq(waitpid(child.pid, NULL, 0), child.pid);
	expect_found(1);
	ck_assert_int_ne(target.found[0].pid, child.pid);
	end_orphans(&child);
	expect_found(0);
}
END_TEST

START_TEST(flock_is_told_also_when_who_took_it_has_gone)
{
	struct support_child child;
	int fd;

	start_holder(&child, FLOCK);
	expect_found(1);
	ck_assert_uint_eq(target.found[0].how, FOREIGN_OPEN | FOREIGN_FLOCK);
	ck_assert_int_eq(foreign_process_find_flock(support_path("modem0")), child.pid);
	support_finish(&child);
	ck_assert_int_eq(foreign_process_find_flock(support_path("modem0")), 0);
	fd = open_modem();
	start_holder(&child, OPEN);
	if (fork() == 0)
		_exit(flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : 1);
	ck_assert_int_gt(waitpid(-1, NULL, 0), 0);
	expect_found(2);
	ck_assert_int_eq(target.found[0].pid, getpid());
	ck_assert_uint_eq(target.found[0].how, FOREIGN_OPEN | FOREIGN_FLOCK);
	ck_assert_uint_eq(target.found[1].how, FOREIGN_OPEN);
	close(fd);
	support_finish(&child);
}
END_TEST

START_TEST(process_with_two_descriptors_is_one_holder)
{
	struct support_child child;

	start_holder(&child, TWICE);
	expect_found(1);
	support_finish(&child);
}
END_TEST

START_TEST(several_are_counted_beyond_those_that_are_listed)
{
	struct support_child children[FOREIGN_FOUND_MAX + 6];
	size_t i, count = sizeof(children) / sizeof(children[0]);

	for (i = 0; i < count; i++)
		start_holder(&children[i], i % 2 == 0 ? OPEN : TWICE);
	expect_found(count);
	ck_assert_uint_eq(target.count, FOREIGN_FOUND_MAX);
	for (i = 0; i < count; i++)
		support_finish(&children[i]);
}
END_TEST

START_TEST(supervisor_and_its_children_are_ours)
{
	struct support_child child;
	int fd;

	start_holder(&child, OPEN);
	fd = open_modem();
	expect_found(2);
	look(getpid());
	ck_assert_uint_eq(target.total, 0);
	close(fd);
	support_finish(&child);
}
END_TEST

START_TEST(what_the_roster_lists_is_ours_and_what_is_opened_beside_it_is_not)
{
	int leased = open_modem(), fd;
	struct support_child child;

	ck_assert_int_eq(roster_add(roster, leased, 7), 0);
	support_fork(&child, hold, &(enum hold){ OPEN }, leased);
	support_hear(&child); /* it has a copy of the lease, and an open of its own */
	expect_found(1);
	ck_assert_int_eq(target.found[0].pid, child.pid);
	ck_assert_uint_eq(target.listed_count, 2);
	support_finish(&child);
	fd = dup(leased);
	close(leased);
	expect_found(0); /* under another number */
	ck_assert_uint_eq(target.listed_count, 1);
	target.roster = -1;
	expect_found(1);
	close(fd);
}
END_TEST

/* Of a tty that was hung up nothing is left but a number. */
START_TEST(dead_descriptor_is_no_holder)
{
	struct support_child child;
	int fd;

	start_holder(&child, OPEN);
	fd = open_modem();
	expect_found(2);
	ck_assert(target.alive);
	ck_assert_int_eq(ioctl(fd, TIOCVHANGUP), 0);
	close(fd);
	expect_found(0);
	ck_assert(!target.alive);
	fd = open_modem();
	expect_found(1);
	ck_assert(target.alive);
	ck_assert_int_eq(target.found[0].pid, getpid());
	close(fd);
	support_finish(&child);
}
END_TEST

static void *
sleep_for_ever(void *unused)
{
	for (;;)
		pause();
	return unused;
}

/* The leader of a process has ended; another thread goes on, with the descriptors. */
static void
hold_by_thread(struct support_child *me, void *unused)
{
	pthread_t thread;

	(void)unused;
	open_modem();
	if (pthread_create(&thread, NULL, sleep_for_ever, NULL) != 0 || write(me->say, "", 1) != 1)
		_exit(1);
	syscall(SYS_exit, 0);
}

static char
state_of(pid_t pid)
{
	char path[40], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%*d (%*[^)]) %c", &state), 1);
	fclose(f);
	return state;
}

START_TEST(thread_that_outlives_its_leader_is_found)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	struct support_child child;

	support_fork(&child, hold_by_thread, NULL, -1);
	support_hear(&child);
	while (state_of(child.pid) != 'Z' && support_now_ms() < until)
		sched_yield();
	expect_found(1);
	ck_assert_int_eq(target.found[0].pid, child.pid);
	support_kill(&child);
}
END_TEST

/* Always one process that has it, and never the same for long: none of the looks may miss it. */
static void
relay(struct support_child *me, void *unused)
{
	(void)unused;
	open_modem();
	if (write(me->say, "", 1) != 1)
		_exit(1);
	for (;;) {
		pid_t pid = fork();

		if (pid < 0)
			_exit(1);
		if (pid > 0)
			_exit(0);
		if (support_poll(me->hear, POLLIN, support_now_ms() + 1))
			_exit(0);
	}
}

START_TEST(device_that_is_handed_from_parent_to_child_is_found_by_every_look)
{
	struct support_child child;
	int i, missed = 0;

	support_fork(&child, relay, NULL, -1);
	support_hear(&child);
	for (i = 0; i < 200; i++) {
		look(-1);
		missed += target.total == 0;
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	ck_assert_int_eq(missed, 0);
	end_orphans(&child);
	expect_found(0);
}
END_TEST

START_TEST(process_that_cant_be_seen_is_counted)
{
	struct support_child child;
	unsigned unseen;

	look(-1);
	unseen = scan.unseen;
	start_holder(&child, OPEN);
	ck_assert_int_eq(seteuid(NOBODY_UID), 0);
	look(-1);
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_uint_eq(target.total, 0);
	ck_assert_uint_gt(scan.unseen, unseen);
	support_finish(&child);
}
END_TEST

START_TEST(look_without_descriptors_fails_and_says_nothing)
{
	struct foreign_target *targets[1] = { &target };
	struct rlimit limit, few;
	int result;

	ck_assert_int_eq(foreign_scan_begin(&scan, targets, 1, -1), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	do
		result = foreign_scan_step(&scan);
	while (result > 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(result, -EMFILE);
	foreign_scan_end(&scan);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("foreign");
	TCase *t = tcase_create("foreign");
	bool root = geteuid() == 0;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, begin, end);
	tcase_add_test(t, nobody_is_found_where_nobody_has_it);
	tcase_add_test(t, plain_open_is_found_and_described);
	tcase_add_test(t, inherited_descriptor_is_found_without_any_open);
	tcase_add_test(t, flock_is_told_also_when_who_took_it_has_gone);
	tcase_add_test(t, process_with_two_descriptors_is_one_holder);
	tcase_add_test(t, several_are_counted_beyond_those_that_are_listed);
	tcase_add_test(t, supervisor_and_its_children_are_ours);
	tcase_add_test(t, what_the_roster_lists_is_ours_and_what_is_opened_beside_it_is_not);
	support_add(t, dead_descriptor_is_no_holder, support_can_revoke(), "needs CAP_SYS_ADMIN");
	tcase_add_test(t, thread_that_outlives_its_leader_is_found);
	tcase_add_test(t, device_that_is_handed_from_parent_to_child_is_found_by_every_look);
	support_add(t, process_that_cant_be_seen_is_counted, root, "needs root");
	tcase_add_test(t, look_without_descriptors_fails_and_says_nothing);
	suite_add_tcase(suite, t);
	return support_run(suite);
}
