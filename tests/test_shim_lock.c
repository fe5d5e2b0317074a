/*
 * test_shim_lock.c - the shim's private view of LCK..(managed port): by shim_client.c under the
 * shim, with the real files of /run/lock beside it.
 */
#include "shim_fixture.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER "/run/lock"

static char lock[128], mgetty_lock[128], temporary[128];

/* The lock files' names for the fake broker's pty. */
static void
set_up_locks(void)
{
	const char *name;

	shim_set_up();
	name = strrchr(fake.device, '/') + 1;
	snprintf(lock, sizeof(lock), "%s/LCK..%s", FOLDER, name);
	snprintf(mgetty_lock, sizeof(mgetty_lock), "%s/LCK..pts_%s", FOLDER, name);
	snprintf(temporary, sizeof(temporary), "%s/TMP.comlease-%d", FOLDER, (int)getpid());
	setenv("COMLEASE_DEVICES", fake.device, 1);
	unlink(lock);
	unlink(mgetty_lock);
}

static void
tear_down_locks(void)
{
	unlink(lock);
	unlink(mgetty_lock);
	unlink(temporary);
	shim_tear_down();
}

static void
write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void
assert_file(const char *path, const char *text)
{
	char got[64] = "";
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(got, 1, sizeof(got) - 1, file), 0);
	fclose(file);
	ck_assert_str_eq(got, text);
}

/* What every program may do with the lock of a managed port, `path`, whatever is really there. */
static void
assert_private(const char *path)
{
	run_client("open 3 O_RDWR\nfile 1234\nopen 4 O_RDWR|O_CLOEXEC\nunlink 0 -\nfds 5\n", "open",
		   path, "rw,creat,excl", "file", "3", "open", path, "w,creat,excl,cloexec",
		   "unlink", path, "fds", NULL);
	run_client("open -1 ENOENT\nopen 3 O_RDWR\ncreat 4 O_RDWR\n", "open", path, "r", "open",
		   path, "w", "creat", path, "", NULL);
	run_client(
	    "stat -1 ENOENT\nlstat -1 ENOENT\nfstatat -1 ENOENT\naccess -1 ENOENT\nfaccessat -1 "
	    "ENOENT\n",
	    "stat", path, "lstat", path, "fstatat", path, "access", path, "faccessat", path, NULL);
	run_client(
	    "fopen NULL ENOENT\nfopen 3 O_RDWR\nfopen 4 O_RDWR|O_APPEND\nunlinkat 0 -\nremove 0 -\n"
	    "chmod 0 -\n",
	    "fopen", path, "r", "fopen", path, "w", "fopen", path, "a", "unlinkat", path, "remove",
	    path, "chmod", path, NULL);
}

START_TEST(a_managed_ports_lock_never_exists_and_can_always_be_taken)
{
	assert_private(lock);
	ck_assert_int_ne(access(lock, F_OK), 0);
	assert_private(mgetty_lock);
	ck_assert_int_ne(access(mgetty_lock, F_OK), 0);
	ck_assert_int_eq(fake.connections, 0); /* COMLEASE_DEVICES tells */
}
END_TEST

START_TEST(the_brokers_own_lock_file_is_not_seen_and_not_touched)
{
	write_file(lock, "      4711\n");
	assert_private(lock);
	assert_file(lock, "      4711\n");
}
END_TEST

START_TEST(a_lock_is_linked_or_renamed_into_place)
{
	write_file(temporary, "x");
	run_client("link 0 -\nlinkat 0 -\nsymlink 0 -\nstat 0 -\n", "link", temporary, lock,
		   "linkat", temporary, lock, "symlink", temporary, lock, "stat", temporary, NULL);
	run_client("rename 0 -\nstat -1 ENOENT\n", "rename", temporary, lock, "stat", temporary,
		   NULL);
	write_file(temporary, "x");
	run_client("renameat 0 -\nstat -1 ENOENT\n", "renameat", temporary, lock, "stat", temporary,
		   NULL);
	run_client("link -1 ENOENT\nrename -1 ENOENT\n", "link", temporary, lock, "rename",
		   temporary, lock, NULL);
	run_client("link -1 ENOENT\nrename -1 ENOENT\n", "link", lock, temporary, "rename", lock,
		   temporary, NULL);
	ck_assert_int_ne(access(lock, F_OK), 0);
}
END_TEST

START_TEST(the_brokers_own_lock_file_is_not_moved_and_not_linked)
{
	write_file(lock, "      4711\n");
	run_client("link -1 ENOENT\nlinkat -1 ENOENT\nrename -1 ENOENT\nrenameat -1 ENOENT\n",
		   "link", lock, temporary, "linkat", lock, temporary, "rename", lock, temporary,
		   "renameat", lock, temporary, NULL);
	ck_assert_int_ne(access(temporary, F_OK), 0);
	assert_file(lock, "      4711\n");
}
END_TEST

START_TEST(an_absent_device_has_its_lock_by_name)
{
	setenv("COMLEASE_DEVICES", "/dev/comlease/absent", 1);
	assert_private(FOLDER "/LCK..absent");
	assert_private(FOLDER "/LCK..comlease_absent");
}
END_TEST

START_TEST(each_form_of_the_locks_path_is_recognised)
{
	const char *name = strrchr(lock, '/') + 1;
	char odd[160];

	write_file(lock, "x");
	run_client("chdir 0 -\nstat -1 ENOENT\n", "chdir", FOLDER, "stat", name, NULL);
	snprintf(odd, sizeof(odd), "/var//lock/./%s", name);
	run_client("stat -1 ENOENT\n", "stat", odd, NULL);
	snprintf(odd, sizeof(odd), "%s/%s", fake.folder, name);
	write_file(odd, "x"); /* not a folder of lock files */
	run_client("stat 0 -\nunlink 0 -\nstat -1 ENOENT\n", "stat", odd, "unlink", odd, "stat",
		   odd, NULL);
}
END_TEST

START_TEST(a_link_and_its_target_are_one_port)
{
	char link[128];

	snprintf(link, sizeof(link), "%s/comlease-test-modem", fake.folder);
	ck_assert_int_eq(symlink(fake.device, link), 0);
	setenv("COMLEASE_DEVICES", link, 1);
	assert_private(FOLDER "/LCK..comlease-test-modem");
	assert_private(lock);
	assert_private(mgetty_lock);
}
END_TEST

START_TEST(other_lock_files_are_left_alone)
{
	static const char other[] = FOLDER "/LCK..comlease-test-other";

	unlink(other);
	run_client("stat -1 ENOENT\nopen 3 O_RDWR\nstat 0 -\nopen -1 EEXIST\nlink -1 EEXIST\n",
		   "stat", other, "open", other, "rw,creat,excl", "stat", other, "open", other,
		   "rw,creat,excl", "link", other, other, NULL);
	ck_assert_int_eq(access(other, F_OK), 0);
	run_client("unlink 0 -\nunlink -1 ENOENT\n", "unlink", other, "unlink", other, NULL);
	unsetenv("COMLEASE_DEVICES");
	run_client("open 3 O_RDWR\nopen -1 EEXIST\nunlink 0 -\nunlink -1 ENOENT\nfds 4\n", "open",
		   other, "rw,creat,excl", "open", other, "rw,creat,excl", "unlink", other,
		   "unlink", other, "fds", NULL);
	run_client("open -1 ENOENT\n", "open", FOLDER "/LCK..", "r", NULL);
}
END_TEST

START_TEST(the_broker_knows_the_ports_where_the_environment_does_not)
{
	unsetenv("COMLEASE_DEVICES");
	write_file(lock, "x");
	assert_private(lock);
	ck_assert_int_gt(fake.connections, 0);
	assert_file(lock, "x");
	fake_down(&fake, true);
	run_client("stat 0 -\nunlink 0 -\nstat -1 ENOENT\n", "stat", lock, "unlink", lock, "stat",
		   lock, NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shim_lock");
	TCase *t = tcase_create("locks");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, t);
	tcase_set_timeout(t, 20);
	tcase_add_checked_fixture(t, set_up_locks, tear_down_locks);
	tcase_add_test(t, a_managed_ports_lock_never_exists_and_can_always_be_taken);
	tcase_add_test(t, the_brokers_own_lock_file_is_not_seen_and_not_touched);
	tcase_add_test(t, a_lock_is_linked_or_renamed_into_place);
	tcase_add_test(t, the_brokers_own_lock_file_is_not_moved_and_not_linked);
	tcase_add_test(t, an_absent_device_has_its_lock_by_name);
	tcase_add_test(t, each_form_of_the_locks_path_is_recognised);
	tcase_add_test(t, a_link_and_its_target_are_one_port);
	tcase_add_test(t, other_lock_files_are_left_alone);
	tcase_add_test(t, the_broker_knows_the_ports_where_the_environment_does_not);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
