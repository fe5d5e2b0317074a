/* test_lockfile.c - UUCP lock files: names, every form, whose they are, and that one of two wins.
 */
#include "lockfile_fixture.h"
#include "support.h"

#include "../broker/kin.h"
#include "../broker/lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAME   LOCKFILE_NAME
#define ROUNDS 300

/* ---- names ---- */

static bool
has(const struct lockfile_names *names, const char *name)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (strcmp(names->names[i], name) == 0)
			return true;
	return false;
}

START_TEST(names_are_those_of_the_path_and_of_what_it_leads_to)
{
	struct lockfile_names names;
	char target[PATH_MAX], last[80], below[80];

	support_plug("modem0");
	lockfile_names(support_path("modem0"), &names);
	ck_assert_ptr_nonnull(realpath(support_path("modem0"), target));
	snprintf(last, sizeof(last), "LCK..%.20s", strrchr(target, '/') + 1);
	snprintf(below, sizeof(below), "LCK..pts_%.20s", strrchr(target, '/') + 1);
	ck_assert_uint_eq(names.count, 3);
	ck_assert(has(&names, "LCK..modem0"));
	ck_assert(has(&names, last));
	ck_assert(has(&names, below));
	lockfile_names("/dev/none9", &names);
	ck_assert_uint_eq(names.count, 1);
	ck_assert_str_eq(names.names[0], "LCK..none9");
	lockfile_names("/dev/serial/by-id/usb-X", &names);
	ck_assert_uint_eq(names.count, 2);
	ck_assert(has(&names, "LCK..serial_by-id_usb-X"));
}
END_TEST

/* ---- forms ---- */

START_TEST(every_form_tells_its_owner)
{
	static const char *const forms[][2] = { { "", "\n" },      { "", "" },
						{ "     ", "\n" }, { " ", " minicom ann\n" },
						{ "", "\r\n" },    { "000", "\n" } };
	int32_t four = getpid();
	int64_t eight = getpid();
	char text[64];
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		snprintf(text, sizeof(text), "%s%d%s", forms[i][0], (int)getpid(), forms[i][1]);
		lockfile_put(text, strlen(text), 0);
		lockfile_expect(0, getpid());
	}
	lockfile_put_pid(getpid(), 0);
	lockfile_expect(0, getpid());
	lockfile_put(text, strlen(text) + 1, 0); /* with its NUL */
	lockfile_expect(0, getpid());
	lockfile_put(&four, sizeof(four), 0);
	lockfile_expect(0, getpid());
	lockfile_put(&eight, sizeof(eight), 0);
	lockfile_expect(0, getpid());
}
END_TEST

START_TEST(four_digits_are_a_text_not_a_binary_number)
{
	pid_t owner;

	lockfile_put("0001", 4, 0);
	ck_assert_int_eq(lockfile_examine(&owner), 0);
	ck_assert_int_eq(owner, 1);
}
END_TEST

START_TEST(what_is_no_pid_is_being_written_and_stale_after_a_while)
{
	static const char *const texts[] = { "",          "\n",   "hello\n",
					     "0\n",       "-1\n", "99999999999\n",
					     "1234567x\n" };
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		lockfile_put(texts[i], strlen(texts[i]), 0);
		lockfile_expect(3, 0);
		lockfile_put(texts[i], strlen(texts[i]), 11);
		lockfile_expect(1, 0);
	}
}
END_TEST

START_TEST(none_a_link_and_a_fifo_are_told_apart)
{
	pid_t owner;

	lockfile_expect(2, 0);
	lockfile_put_pid(getpid(), 0);
	ck_assert_int_eq(renameat(lockfile_dir, NAME, lockfile_dir, "other"), 0);
	ck_assert_int_eq(symlinkat("other", lockfile_dir, NAME), 0);
	ck_assert_int_eq(lockfile_examine(&owner), -ELOOP);
	ck_assert_int_lt(lockfile_take(lockfile_dir, NAME, &owner), 0);
	ck_assert_int_eq(unlinkat(lockfile_dir, NAME, 0), 0);
	ck_assert_int_eq(mkfifoat(lockfile_dir, NAME, 0666), 0); /* must not block */
	ck_assert_int_eq(lockfile_examine(&owner), -EINVAL);
	ck_assert_int_lt(lockfile_take(lockfile_dir, NAME, &owner), 0);
}
END_TEST

/* ---- does the owner live? ---- */

START_TEST(stale_when_no_process_has_that_pid)
{
	pid_t pid = lockfile_dead_pid();

	lockfile_put_pid(pid, 0);
	lockfile_expect(1, pid);
	lockfile_put_pid(1, 0);
	lockfile_expect(0, 1);
}
END_TEST

START_TEST(stale_when_the_owner_is_a_zombie)
{
	pid_t pid = fork();
	siginfo_t info;

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	lockfile_put_pid(pid, 0);
	lockfile_expect(1, pid);
	waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(stale_when_the_process_started_after_the_file_was_written)
{
	lockfile_put_pid(getpid(), 30); /* the clock may have been set by a little */
	lockfile_expect(0, getpid());
	lockfile_put_pid(getpid(), 600);
	lockfile_expect(1, getpid());
}
END_TEST

/* The system's clock was wrong when the file was written: a file in memory can't be older than the
 * system. */
START_TEST(file_in_memory_that_seems_older_than_the_system_proves_nothing)
{
	struct statfs fs;
	int64_t age_ms = (int64_t)time(NULL) * 1000 - kin_boot_ms();
	int here = lockfile_dir;

	lockfile_dir = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (lockfile_dir >= 0 && fstatfs(lockfile_dir, &fs) == 0 && fs.f_type == 0x01021994) {
		int folder;
		char path[] = "/dev/shm/comlease.XXXXXX";

		ck_assert_ptr_nonnull(mkdtemp(path));
		folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(lockfile_dir);
		lockfile_dir = folder;
		lockfile_put_pid(getpid(), (int)(age_ms / 1000) + 1000);
		lockfile_expect(0, getpid());
		unlinkat(lockfile_dir, NAME, 0);
		rmdir(path);
	}
	if (lockfile_dir >= 0)
		close(lockfile_dir);
	lockfile_dir = here;
	lockfile_put_pid(getpid(), (int)(age_ms / 1000) + 1000);
	ck_assert_int_eq(fstatfs(lockfile_dir, &fs), 0);
	lockfile_expect(fs.f_type == 0x01021994 ? 0 : 1, getpid());
}
END_TEST

static pthread_barrier_t barrier;

static void *
run_thread(void *tid)
{
	*(pid_t *)tid = gettid();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return NULL;
}

START_TEST(number_of_a_thread_is_nobodys_pid)
{
	pthread_t thread;
	pid_t tid;

	ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, run_thread, &tid), 0);
	pthread_barrier_wait(&barrier);
	lockfile_put_pid(tid, 0);
	lockfile_expect(1, tid);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("lockfile");
	TCase *t = tcase_create("lockfile");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, lockfile_begin, lockfile_end);
	tcase_add_test(t, names_are_those_of_the_path_and_of_what_it_leads_to);
	tcase_add_test(t, every_form_tells_its_owner);
	tcase_add_test(t, four_digits_are_a_text_not_a_binary_number);
	tcase_add_test(t, what_is_no_pid_is_being_written_and_stale_after_a_while);
	tcase_add_test(t, none_a_link_and_a_fifo_are_told_apart);
	tcase_add_test(t, stale_when_no_process_has_that_pid);
	tcase_add_test(t, stale_when_the_owner_is_a_zombie);
	tcase_add_test(t, stale_when_the_process_started_after_the_file_was_written);
	tcase_add_test(t, file_in_memory_that_seems_older_than_the_system_proves_nothing);
	tcase_add_test(t, number_of_a_thread_is_nobodys_pid);
	suite_add_tcase(suite, t);
	return support_run(suite);
}
