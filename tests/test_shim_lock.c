/*
 * test_shim_lock.c - the shim's private view of LCK..(managed port), and what a standby holder's
 * lock says of his calls: by shim_client.c under the shim. Which paths are lock files is in
 * test_shim_view.c.
 */
#include "shim_fixture.h"
#include "support.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[80]; /* of the broker's lock files, and of others */
static char lock[128], mgetty_lock[128], temporary[128];

/* A file of that name in there, in one of a few buffers used in turn. */
static const char *
in_folder(const char *name)
{
	static char paths[4][128];
	static int turn;
	char *path = paths[turn++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

/* The lock files' names for the fake broker's pty. */
static void
set_up_locks(void)
{
	const char *name;

	shim_set_up();
	name = strrchr(fake.device, '/') + 1;
	snprintf(folder, sizeof(folder), "%s/lock", fake.folder);
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	snprintf(lock, sizeof(lock), "%s/LCK..%s", folder, name);
	snprintf(mgetty_lock, sizeof(mgetty_lock), "%s/LCK..pts_%s", folder, name);
	snprintf(temporary, sizeof(temporary), "%s/TMP.1", folder);
	setenv("COMLEASE_DEVICES", fake.device, 1);
	setenv("COMLEASE_LOCK_DIR", folder, 1);
	fake.lock_dir = folder;
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
	assert_private(in_folder("LCK..absent"));
	assert_private(in_folder("LCK..comlease_absent"));
}
END_TEST

START_TEST(a_link_and_its_target_are_one_port)
{
	char link[128];

	snprintf(link, sizeof(link), "%s/comlease-test-modem", fake.folder);
	ck_assert_int_eq(symlink(fake.device, link), 0);
	setenv("COMLEASE_DEVICES", link, 1);
	assert_private(in_folder("LCK..comlease-test-modem"));
	assert_private(lock);
	assert_private(mgetty_lock);
}
END_TEST

START_TEST(other_lock_files_are_left_alone)
{
	const char *other = in_folder("LCK..comlease-test-other");

	run_client("stat -1 ENOENT\nopen 3 O_RDWR\nstat 0 -\nopen -1 EEXIST\nlink -1 EEXIST\n",
		   "stat", other, "open", other, "rw,creat,excl", "stat", other, "open", other,
		   "rw,creat,excl", "link", other, other, NULL);
	ck_assert_int_eq(access(other, F_OK), 0);
	run_client("unlink 0 -\nunlink -1 ENOENT\n", "unlink", other, "unlink", other, NULL);
	unsetenv("COMLEASE_DEVICES");
	unsetenv("COMLEASE_LOCK_DIR");
	run_client("open 3 O_RDWR\nopen -1 EEXIST\nunlink 0 -\nunlink -1 ENOENT\nfds 4\n", "open",
		   other, "rw,creat,excl", "open", other, "rw,creat,excl", "unlink", other,
		   "unlink", other, "fds", NULL);
	run_client("open -1 ENOENT\n", "open", in_folder("LCK.."), "r", NULL);
}
END_TEST

START_TEST(the_broker_knows_the_ports_where_the_environment_does_not)
{
	unsetenv("COMLEASE_DEVICES");
	unsetenv("COMLEASE_LOCK_DIR");
	write_file(lock, "x");
	assert_private(lock);
	ck_assert_int_gt(fake.connections, 0);
	assert_file(lock, "x");
	fake_down(&fake, true);
	run_client("stat 0 -\nunlink 0 -\nstat -1 ENOENT\n", "stat", lock, "unlink", lock, "stat",
		   lock, NULL);
}
END_TEST

/* ---- a standby holder's call ---- */

/* As `run --standby` starts a program. */
static void
be_standby(void)
{
	setenv("COMLEASE_STANDBY", "1", 1);
	setenv("COMLEASE_TOKEN", "17", 1);
	setenv("COMLEASE_DEVICE", fake.device, 1);
}

/* The calls since the last time: "busy", "idle" for each, or "" if there was none. */
static void
assert_busy(const char *expected)
{
	static int seen;
	char text[200] = "";

	for (; seen < fake_calls(&fake, "SetBusy"); seen++) {
		json_t *call = fake_call(&fake, "SetBusy", seen);

		ck_assert_int_eq(json_integer_value(json_object_get(call, "token")), 17);
		strcat(text, json_is_true(json_object_get(call, "busy")) ? "busy " : "idle ");
		json_decref(call);
	}
	ck_assert_str_eq(text, expected);
}

START_TEST(making_and_removing_the_lock_tells_of_a_call)
{
	be_standby();
	run_client("open 3 O_RDWR\nunlink 0 -\nfds 4\n", "open", lock, "rw,creat,excl", "unlink",
		   lock, "fds", NULL);
	assert_busy("busy idle ");
	write_file(temporary, "x");
	run_client("link 0 -\nunlinkat 0 -\nlinkat 0 -\nremove 0 -\nsymlink 0 -\n", "link",
		   temporary, mgetty_lock, "unlinkat", mgetty_lock, "linkat", temporary, lock,
		   "remove", lock, "symlink", temporary, lock, NULL);
	assert_busy("busy idle busy idle busy ");
	run_client("rename 0 -\nrename -1 ENOENT\n", "rename", temporary, lock, "rename", lock,
		   temporary, NULL);
	assert_busy("busy idle ");
	run_client("creat 3 O_RDWR\nfopen 4 O_RDWR\n", "creat", lock, "", "fopen", lock, "w", NULL);
	assert_busy("busy busy ");
}
END_TEST

START_TEST(looking_at_the_lock_or_failing_to_make_it_tells_of_none)
{
	be_standby();
	run_client("open -1 ENOENT\nopen 3 O_RDWR\nstat -1 ENOENT\naccess -1 ENOENT\nchmod 0 -\n"
		   "link -1 ENOENT\nrename -1 ENOENT\n",
		   "open", lock, "r", "open", lock, "w", "stat", lock, "access", lock, "chmod",
		   lock, "link", temporary, lock, "rename", temporary, lock, NULL);
	assert_busy("");
}
END_TEST

START_TEST(without_standby_nobody_is_told)
{
	be_standby();
	unsetenv("COMLEASE_STANDBY");
	assert_private(lock);
	ck_assert_int_eq(fake.connections, 0);
}
END_TEST

START_TEST(only_the_lock_of_the_port_that_is_held_counts)
{
	char devices[200];

	be_standby();
	snprintf(devices, sizeof(devices), "/dev/comlease/absent:%s", fake.device);
	setenv("COMLEASE_DEVICES", devices, 1);
	assert_private(in_folder("LCK..absent"));
	ck_assert_int_eq(fake.connections, 0);
	run_client("unlink 0 -\n", "unlink", lock, NULL);
	assert_busy("idle ");
}
END_TEST

START_TEST(a_call_that_can_t_be_told_of_is_no_ones_trouble)
{
	be_standby();
	setenv("COMLEASE_DEBUG", "1", 1);
	setenv("COMLEASE_TEST_STDERR", "1", 1);
	fake.mode = FAKE_ERROR;
	fake.error = "io.comlease.Revoked";
	run_client("*lease 17: not idle: {*io.comlease.Revoked*\nunlink 0 -\nfds 3\n", "unlink",
		   lock, "fds", NULL);
	fake.mode = FAKE_CLOSE;
	run_client("*does not answer*\nunlink 0 -\nfds 3\n", "unlink", lock, "fds", NULL);
	fake_down(&fake, true);
	run_client("*no broker*\nunlink 0 -\nfds 3\n", "unlink", lock, "fds", NULL);
	unsetenv("COMLEASE_DEBUG");
	run_client("open 3 O_RDWR\nunlink 0 -\n", "open", lock, "rw,creat,excl", "unlink", lock,
		   NULL);
	setenv("COMLEASE_TOKEN", "17,\"x\":1", 1);
	fake_up(&fake);
	run_client("unlink 0 -\n", "unlink", lock, NULL);
	ck_assert_int_eq(fake_calls(&fake, "SetBusy"), 2); /* the first two above */
	unsetenv("COMLEASE_TEST_STDERR");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shim_lock");
	TCase *t = tcase_create("locks");

	suite_add_tcase(suite, t);
	tcase_set_timeout(t, 20);
	tcase_add_checked_fixture(t, set_up_locks, shim_tear_down);
	tcase_add_test(t, a_managed_ports_lock_never_exists_and_can_always_be_taken);
	tcase_add_test(t, the_brokers_own_lock_file_is_not_seen_and_not_touched);
	tcase_add_test(t, a_lock_is_linked_or_renamed_into_place);
	tcase_add_test(t, the_brokers_own_lock_file_is_not_moved_and_not_linked);
	tcase_add_test(t, an_absent_device_has_its_lock_by_name);
	tcase_add_test(t, a_link_and_its_target_are_one_port);
	tcase_add_test(t, other_lock_files_are_left_alone);
	tcase_add_test(t, the_broker_knows_the_ports_where_the_environment_does_not);
	tcase_add_test(t, making_and_removing_the_lock_tells_of_a_call);
	tcase_add_test(t, looking_at_the_lock_or_failing_to_make_it_tells_of_none);
	tcase_add_test(t, without_standby_nobody_is_told);
	tcase_add_test(t, only_the_lock_of_the_port_that_is_held_counts);
	tcase_add_test(t, a_call_that_can_t_be_told_of_is_no_ones_trouble);
	return support_run(suite);
}
