/*
 * test_e2e_lock.c - UUCP lock files both ways, with a real comleased: its own, so that programs
 * outside say "locked by pid N", and others', which it waits for.
 */
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOCK "lock/LCK..modem0"

static void
begin(void)
{
	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

static void
begin_leased(void)
{
	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_OPEN_PORT);
}

/* Whose pid stands there as programs read it; 0: no file. */
static pid_t
locked_by(void)
{
	FILE *f = fopen(support_path(LOCK), "re");
	char text[32] = "";
	size_t n;

	if (f == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	ck_assert_uint_eq(n, 11); /* FHS: ten columns and a newline */
	ck_assert_int_eq(text[10], '\n');
	return (pid_t)atoi(text);
}

static void
write_lock(const void *bytes, size_t size)
{
	int fd = open(support_path(LOCK), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	support_write(fd, bytes, size);
	close(fd);
}

/* ---- its own ---- */

START_TEST(lock_file_holds_the_keepers_pid_before_during_and_after_a_lease)
{
	pid_t keeper = support_keeper("modem0");
	int fd;

	ck_assert_int_eq(locked_by(), keeper);
	fd = support_acquire("modem0", NULL);
	ck_assert_int_eq(locked_by(), keeper);
	close(fd);
	support_log_wait("end port=modem0");
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(locked_by(), keeper);
	support_stop();
	ck_assert_int_eq(locked_by(), 0);
}
END_TEST

START_TEST(new_keeper_takes_the_lock_of_the_killed_one_over)
{
	pid_t keeper = support_keeper("modem0");
	int fd = support_acquire("modem0", NULL);

	support_kill_keeper("modem0");
	support_log_wait("device port=modem0 state=present");
	close(fd);
	close(support_acquire("modem0", NULL));
	ck_assert_int_ne(locked_by(), keeper);
	ck_assert_int_eq(locked_by(), support_keeper("modem0"));
}
END_TEST

START_TEST(with_own_leased_there_is_a_lock_during_leases_only)
{
	int fd;

	ck_assert_int_eq(locked_by(), 0);
	fd = support_acquire("modem0", NULL);
	ck_assert_int_eq(locked_by(), support_keeper("modem0"));
	close(fd);
	support_log_wait("end port=modem0");
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(locked_by(), 0);
}
END_TEST

/* A client may flock what it was leased (picocom, tio and gammu do). */
START_TEST(client_can_flock_its_descriptor)
{
	int fd = support_acquire("modem0", NULL);

	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	support_log_wait("end port=modem0");
	fd = support_acquire("modem0", NULL);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}
END_TEST

START_TEST(line_is_exclusive_during_a_lease)
{
	int fd = support_acquire("modem0", NULL), exclusive = 0;

	ck_assert_int_eq(ioctl(fd, TIOCGEXCL, &exclusive), 0);
	ck_assert_int_eq(exclusive, 1);
	ck_assert_int_eq(ioctl(fd, TIOCNXCL), 0);
	close(fd);
	support_log_wait("end port=modem0");
	fd = support_acquire("modem0", NULL);
	ck_assert_int_eq(ioctl(fd, TIOCGEXCL, &exclusive), 0);
	ck_assert_int_eq(exclusive, 1);
	close(fd);
}
END_TEST

/* ---- others' ---- */

static void
say_lock(struct support_child *test, void *arg)
{
	char text[32];
	int form = *(int *)arg, pid = (int)getpid();

	if (form == 2)
		write_lock(&pid, sizeof(pid));
	else
		write_lock(text,
			   (size_t)snprintf(text, sizeof(text), form == 0 ? "%10d\n" : "%d", pid));
	support_say(test, 'l');
	while (read(test->hear, text, 1) > 0)
		;
}

static void
expect_lock_waited_for(int form, bool kill_it)
{
	struct support_client waiter;
	struct support_child locker;
	json_t *port;

	support_fork(&locker, say_lock, &form, -1);
	support_hear(&locker);
	port = support_foreign(locker.pid);
	ck_assert_ptr_nonnull(strstr(support_string(port, "foreign", "how", NULL), "LCK..modem0"));
	json_decref(port);
	support_queue(&waiter, "modem0", NULL);
	support_expect_silence(&waiter, 100);
	ck_assert_int_eq(access(support_path(LOCK), F_OK), 0); /* never that of a live process */
	if (kill_it) {
		support_kill(&locker);
	} else {
		ck_assert_int_eq(unlink(support_path(LOCK)), 0);
	}
	close(support_granted(&waiter, NULL));
	if (!kill_it)
		support_finish(&locker);
	support_close(&waiter);
}

START_TEST(lock_file_of_a_live_process_is_waited_for)
{
	expect_lock_waited_for(0, false);
}
END_TEST

START_TEST(unpadded_lock_file_is_waited_for)
{
	expect_lock_waited_for(1, false);
}
END_TEST

START_TEST(binary_lock_file_is_waited_for)
{
	expect_lock_waited_for(2, false);
}
END_TEST

START_TEST(lock_file_of_a_killed_process_is_in_nobodys_way)
{
	expect_lock_waited_for(0, true);
}
END_TEST

START_TEST(stale_lock_file_is_removed)
{
	char text[32];
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	support_stop();
	write_lock(text, (size_t)snprintf(text, sizeof(text), "%10d\n", (int)pid));
	support_start(NULL);
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(locked_by(), support_keeper("modem0"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_lock");
	TCase *tc = support_case(s, "own", begin);

	tcase_add_test(tc, lock_file_holds_the_keepers_pid_before_during_and_after_a_lease);
	tcase_add_test(tc, new_keeper_takes_the_lock_of_the_killed_one_over);
	tcase_add_test(tc, client_can_flock_its_descriptor);
	support_add(tc, line_is_exclusive_during_a_lease, support_can_revoke(),
		    "only with CAP_SYS_ADMIN is TIOCEXCL set");
	tcase_add_test(tc, stale_lock_file_is_removed);
	tc = support_case(s, "leased", begin_leased);
	tcase_add_test(tc, with_own_leased_there_is_a_lock_during_leases_only);
	tcase_add_test(tc, lock_file_of_a_live_process_is_waited_for);
	tcase_add_test(tc, unpadded_lock_file_is_waited_for);
	tcase_add_test(tc, binary_lock_file_is_waited_for);
	tcase_add_test(tc, lock_file_of_a_killed_process_is_in_nobodys_way);
	return support_run(s);
}
