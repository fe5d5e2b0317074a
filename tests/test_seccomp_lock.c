/*
 * test_seccomp_lock.c - the lock files of managed ports as programs under `comlease run --seccomp`
 * see them: never there, always to be had; and the broker's own is not touched.
 */
#include "seccomp_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK "lock/LCK..modem0"

/* Of the broker's own lock file. */
static struct stat before;

static void
begin(void)
{
	seccomp_rig_begin();
	ck_assert_int_eq(lstat(support_path(LOCK), &before), 0);
}

static void
end(void)
{
	struct stat now;

	ck_assert_int_eq(lstat(support_path(LOCK), &now), 0);
	ck_assert_uint_eq(now.st_ino, before.st_ino);
	ck_assert_uint_eq(now.st_mode, before.st_mode);
	ck_assert_int_eq(now.st_mtim.tv_sec, before.st_mtim.tv_sec);
	ck_assert_int_eq(now.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
	seccomp_rig_end();
}

static void
make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

START_TEST(lock_of_a_managed_port_is_taken_and_removed)
{
	char lock[128];

	snprintf(lock, sizeof(lock), "%s", support_path(LOCK));
	seccomp_rig_expect("open -1 ENOENT\nlock 11\nchmod 0\nopen 3 O_RDWR\nunlink 0\n",
			   seccomp_rig_client(), "open", lock, "r", "lock", lock, "chmod", lock,
			   "open", seccomp_rig_device(), "rw", "unlink", lock, NULL);
}
END_TEST

START_TEST(lock_is_taken_by_link_and_rename)
{
	char lock[128], temporary[128], odd[160];

	snprintf(lock, sizeof(lock), "%s", support_path(LOCK));
	snprintf(odd, sizeof(odd), "%s//lock/../lock/./LCK..modem0", support_scratch);
	snprintf(temporary, sizeof(temporary), "%s", support_path("lock/LTMP.1"));
	make_file(temporary);
	seccomp_rig_expect("link 0\nlink 0\nunlink 0\nrename 0\nlink -1 ENOENT\nrename -1 ENOENT\n",
			   seccomp_rig_client(), "link", temporary, lock, "link", temporary, odd,
			   "unlink", odd, "rename", temporary, lock, "link", "/nothing", lock,
			   "rename", lock, temporary, NULL);
	unlink(temporary);
}
END_TEST

START_TEST(lock_of_another_device_is_a_file)
{
	char lock[128], other[128];
	struct stat status;

	snprintf(lock, sizeof(lock), "%s", support_path("lock/LCK..other"));
	snprintf(other, sizeof(other), "%s", support_path("LCK..modem0")); /* no lock folder */
	seccomp_rig_expect("lock 11\nlock 11\nlock -1 EEXIST\nunlink 0\n", seccomp_rig_client(),
			   "lock", lock, "lock", other, "lock", lock, "unlink", other, NULL);
	ck_assert_int_eq(stat(lock, &status), 0);
	ck_assert_int_eq(status.st_size, 11);
	unlink(lock);
}
END_TEST

START_TEST(standby_holder_is_in_a_call_while_it_has_the_lock)
{
	struct support_child child;
	char lock[128];
	json_t *port;

	snprintf(lock, sizeof(lock), "%s", support_path(LOCK));
	seccomp_rig_run(&child, "--standby", "modem0", "--", seccomp_rig_client(), "lock", lock,
			"hear", "unlink", lock, "hear", NULL);
	seccomp_rig_hear(&child, "lock 11\n");
	port = support_list("modem0");
	ck_assert_ptr_nonnull(json_object_get(json_object_get(port, "lease"), "busySince"));
	json_decref(port);
	support_say(&child, 'u');
	seccomp_rig_hear(&child, "unlink 0\n");
	port = support_list("modem0");
	ck_assert_ptr_null(json_object_get(json_object_get(port, "lease"), "busySince"));
	json_decref(port);
	ck_assert_int_eq(kill(child.pid, SIGTERM), 0);
	support_reap(&child);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("seccomp_lock");
	TCase *tc = tcase_create("seccomp_lock");

	tcase_add_checked_fixture(tc, begin, end);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, lock_of_a_managed_port_is_taken_and_removed);
	tcase_add_test(tc, lock_is_taken_by_link_and_rename);
	tcase_add_test(tc, lock_of_another_device_is_a_file);
	tcase_add_test(tc, standby_holder_is_in_a_call_while_it_has_the_lock);
	return s;
}

int
main(void)
{
	return support_run(suite());
}
