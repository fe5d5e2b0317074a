/*
 * test_shim_view.c - which paths are the lock file of a managed port, by which call they may be
 * named, and that the broker's own file, which is really there, is neither seen nor touched.
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

/* A name that no machine's own lock folder has. */
#define NAME "comlease-test-view"
#define TAKE "rw,creat,excl"

static char folder[80], lock[160];

static void
set_up(void)
{
	char device[128];

	shim_set_up();
	snprintf(device, sizeof(device), "%s/" NAME, fake.folder);
	ck_assert_int_eq(symlink(fake.device, device), 0);
	setenv("COMLEASE_DEVICES", device, 1);
	snprintf(folder, sizeof(folder), "%s/lock", fake.folder);
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	setenv("COMLEASE_LOCK_DIR", folder, 1);
	snprintf(lock, sizeof(lock), "%s/LCK.." NAME, folder);
}

/* The broker's own. */
static void
write_lock(void)
{
	FILE *file = fopen(lock, "we");

	ck_assert_ptr_nonnull(file);
	fputs("      4711\n", file);
	fclose(file);
	ck_assert_int_eq(chmod(lock, 0600), 0);
}

static void
assert_untouched(void)
{
	struct stat status;
	char text[20] = "";
	FILE *file = fopen(lock, "re");

	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), file));
	ck_assert_str_eq(text, "      4711\n");
	ck_assert_int_eq(fstat(fileno(file), &status), 0);
	ck_assert_uint_eq(status.st_mode & 0777, 0600);
	ck_assert_uint_eq(status.st_uid, geteuid());
	ck_assert_uint_eq(status.st_nlink, 1);
	ck_assert_int_gt(status.st_mtime, 1);
	fclose(file);
}

/* ---- paths ---- */

static const char *const folders[] = { "/var/lock",         "/run/lock",         "/var/run/lock",
				       "/var/lock/lockdev", "/run/lock/lockdev", "/var/spool/lock",
				       "/var/spool/locks",  "/var/spool/uucp",   "/usr/spool/lock",
				       "/usr/spool/locks",  "/usr/spool/uucp",   "/etc/locks" };

START_TEST(each_folder_that_programs_use_is_known)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/LCK.." NAME, folders[_i]);
	run_client("open 3 O_RDWR\nopen 4 O_RDWR\nunlink 0 -\n", "open", path, TAKE, "open", path,
		   TAKE, "unlink", path, NULL);
	ck_assert_int_ne(access(path, F_OK), 0);
}
END_TEST

START_TEST(each_form_of_the_path_is_known)
{
	char odd[240];

	write_lock();
	run_client("chdir 0 -\nstat -1 ENOENT\nopen 3 O_RDWR\nbelow 5 O_RDWR\n", "chdir", folder,
		   "stat", "LCK.." NAME, "open", "./LCK.." NAME, TAKE, "below", folder,
		   "LCK.." NAME, NULL);
	snprintf(odd, sizeof(odd), "%s/../lock//./LCK.." NAME, folder);
	run_client("stat -1 ENOENT\nopen 3 O_RDWR\nunlink 0 -\n", "stat", odd, "open", odd, TAKE,
		   "unlink", odd, NULL);
	snprintf(odd, sizeof(odd), "%s/aLCK..LCK..", folder);
	ck_assert_int_eq(mkdir(odd, 0755), 0);
	strcat(odd, "/../LCK.." NAME);
	run_client("stat -1 ENOENT\nopen 3 O_RDWR\nunlink 0 -\n", "stat", odd, "open", odd, TAKE,
		   "unlink", odd, NULL);
	snprintf(odd, sizeof(odd), "%s/", folder);
	setenv("COMLEASE_LOCK_DIR", odd, 1);
	run_client("open 3 O_RDWR\n", "open", lock, TAKE, NULL);
	assert_untouched();
}
END_TEST

START_TEST(each_form_of_the_devices_name_is_known)
{
	const char *number = strrchr(fake.device, '/') + 1;
	static const char *const forms[] = { "LCK..", "LCK..pts_", "LCK..pts/" };
	char path[160];

	setenv("COMLEASE_DEVICES", fake.device, 1);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s%s", folder, forms[i], number);
		run_client("open 3 O_RDWR\nstat -1 ENOENT\nunlink 0 -\n", "open", path, TAKE,
			   "stat", path, "unlink", path, NULL);
		ck_assert_int_ne(access(path, F_OK), 0);
	}
}
END_TEST

START_TEST(what_only_looks_like_a_lock_is_an_ordinary_file)
{
	static const char *const names[] = { "../LCK.." NAME, "LCK..", "LCK." NAME,
					     "LCK.." NAME "2", "lck.." NAME };
	char path[200];

	for (int i = 0; i < 5; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		run_client("open 3 O_RDWR\nopen -1 EEXIST\nstat 0 -\ntruncate 0 -\nchmod 0 -\n"
			   "unlink 0 -\nunlink -1 ENOENT\n",
			   "open", path, TAKE, "open", path, TAKE, "stat", path, "truncate", path,
			   "chmod", path, "unlink", path, "unlink", path, NULL);
	}
}
END_TEST

/* ---- calls ---- */

START_TEST(no_call_sees_the_brokers_lock)
{
	write_lock();
	run_client("stat -1 ENOENT\nlstat -1 ENOENT\nfstatat -1 ENOENT\nstatx -1 ENOENT\n"
		   "access -1 ENOENT\naccess-rw -1 ENOENT\nfaccessat -1 ENOENT\n"
		   "readlink -1 ENOENT\nreadlinkat -1 ENOENT\nopen -1 ENOENT\nopen -1 ENOENT\n",
		   "stat", lock, "lstat", lock, "fstatat", lock, "statx", lock, "access", lock,
		   "access-rw", lock, "faccessat", lock, "readlink", lock, "readlinkat", lock,
		   "open", lock, "r", "open", lock, "path", NULL);
	/* So it would be without the shim: the test means something. */
	run_plain_client("stat 0 -\nreadlink -1 EINVAL\nopen 3 O_RDONLY\n", "stat", lock,
			 "readlink", lock, "open", lock, "r", NULL);
	assert_untouched();
}
END_TEST

START_TEST(a_lock_that_is_a_link_is_not_seen_either)
{
	ck_assert_int_eq(symlink("4711", lock), 0);
	run_client("readlink -1 ENOENT\nlstat -1 ENOENT\nsymlink 0 -\nunlink 0 -\n", "readlink",
		   lock, "lstat", lock, "symlink", "4712", lock, "unlink", lock, NULL);
	run_plain_client("readlink 4 -\n", "readlink", lock, NULL);
}
END_TEST

START_TEST(no_call_touches_the_brokers_lock)
{
	char temporary[160];

	snprintf(temporary, sizeof(temporary), "%s/TMP.1", folder);
	write_lock();
	run_client("unlink 0 -\nunlinkat 0 -\nremove 0 -\ntruncate -1 ENOENT\nchmod 0 -\n"
		   "fchmodat 0 -\nchown 0 -\nlchown 0 -\nfchownat 0 -\nutime 0 -\nutimes 0 -\n"
		   "utimensat 0 -\n",
		   "unlink", lock, "unlinkat", lock, "remove", lock, "truncate", lock, "chmod",
		   lock, "fchmodat", lock, "chown", lock, "lchown", lock, "fchownat", lock, "utime",
		   lock, "utimes", lock, "utimensat", lock, NULL);
	assert_untouched();
	run_client("link -1 ENOENT\nrename -1 ENOENT\nrenameat2 -1 ENOENT\nopen 3 O_RDWR\n"
		   "link 0 -\nrename 0 -\nopen 4 O_RDWR\nrenameat2 0 -\n",
		   "link", lock, temporary, "rename", lock, temporary, "renameat2", lock, temporary,
		   "open", temporary, TAKE, "link", temporary, lock, "rename", temporary, lock,
		   "open", temporary, TAKE, "renameat2", temporary, lock, NULL);
	ck_assert_int_ne(access(temporary, F_OK), 0);
	run_client("creat 3 O_RDWR\nfopen 4 O_RDWR\nfopen 5 O_RDWR|O_APPEND\nfreopen64 0 O_RDWR\n",
		   "creat", lock, "", "fopen", lock, "w", "fopen", lock, "a", "freopen64", lock,
		   "w", NULL);
	assert_untouched();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shim_view");
	TCase *t = tcase_create("view");

	suite_add_tcase(suite, t);
	tcase_set_timeout(t, 20);
	tcase_add_checked_fixture(t, set_up, shim_tear_down);
	tcase_add_loop_test(t, each_folder_that_programs_use_is_known, 0,
			    (int)(sizeof(folders) / sizeof(folders[0])));
	tcase_add_test(t, each_form_of_the_path_is_known);
	tcase_add_test(t, each_form_of_the_devices_name_is_known);
	tcase_add_test(t, what_only_looks_like_a_lock_is_an_ordinary_file);
	tcase_add_test(t, no_call_sees_the_brokers_lock);
	tcase_add_test(t, a_lock_that_is_a_link_is_not_seen_either);
	tcase_add_test(t, no_call_touches_the_brokers_lock);
	return support_run(suite);
}
