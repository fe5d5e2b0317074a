/*
 * test_shim_build.c - the shim in front of a program that was built in another way: without and
 * with _FORTIFY_SOURCE, with 64-bit off_t and time_t, for 64 and for 32 bits. What the compiler
 * can't build here is skipped. ld.so must find the shim of the right class and say nothing.
 */
#include "shim_fixture.h"
#include "support.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char lock[160];

static void
set_up(const char *build)
{
	shim_set_up();
	ck_assert(shim_client_use(build));
	setenv("COMLEASE_TEST_STDERR", "1", 1); /* ld.so would complain there */
	setenv("COMLEASE_DEVICES", fake.device, 1);
	setenv("COMLEASE_LOCK_DIR", fake.folder, 1);
	snprintf(lock, sizeof(lock), "%s/LCK..%s", fake.folder, strrchr(fake.device, '/') + 1);
}

/* The broker's lock, through which the real calls would find what target is, or nothing. */
static void
put_lock(const char *target)
{
	unlink(lock);
	ck_assert_int_eq(symlink(target, lock), 0);
}

static void
use_all(const char *build)
{
	static const char *const kinds[] = { "open",   "open64",   "__open_2",   "__open64_2",
					     "openat", "openat64", "__openat_2", "__openat64_2",
					     "creat",  "creat64",  "__open",     "__open64" };
	struct stat before, after;
	char line[80];

	set_up(build);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		snprintf(line, sizeof(line), "%s 3 O_RDWR\nfds 4\n", kinds[i]);
		run_client(line, kinds[i], fake.device, "rw,noctty", "fds", NULL);
		ck_assert_int_eq(fake.acquires, (int)i + 1);
	}
	run_client("fopen 3 O_RDWR\nfopen64 4 O_RDWR\nfreopen64 0 O_RDWR\nfds 5\n", "fopen",
		   fake.device, "r+", "fopen64", fake.device, "w", "freopen64", fake.device, "r+",
		   "fds", NULL);
	ck_assert_int_eq(fake.acquires, (int)(sizeof(kinds) / sizeof(kinds[0])) + 3);
	put_lock(fake.folder);
	run_client("stat -1 ENOENT\nlstat -1 ENOENT\nfstatat -1 ENOENT\nstatx -1 ENOENT\n"
		   "access -1 ENOENT\nreadlink -1 ENOENT\nreadlinkat -1 ENOENT\n"
		   "truncate -1 ENOENT\n",
		   "stat", lock, "lstat", lock, "fstatat", lock, "statx", lock, "access", lock,
		   "readlink", lock, "readlinkat", lock, "truncate", lock, NULL);
	put_lock("nothing");
	run_client("utime 0 -\nutimes 0 -\nutimensat 0 -\nunlink 0 -\n", "utime", lock, "utimes",
		   lock, "utimensat", lock, "unlink", lock, NULL);
	ck_assert_int_eq(stat(fake.device, &before), 0);
	run_client("terminal ENXIO\nopen 3 O_RDWR\nsctty 0 -\nterminal ENXIO\nchmod 0 -\n"
		   "fchmod 0 -\nchown 0 -\nfchown 0 -\nlogin_tty 0 -\non terminals: *\n"
		   "terminal ENXIO\n",
		   "session", "tty", "open", fake.device, "rw", "sctty", "3", "tty", "chmod",
		   fake.device, "fchmod", "3", "chown", fake.device, "fchown", "3", "login-tty",
		   "3", "tty", NULL);
	ck_assert_int_eq(stat(fake.device, &after), 0);
	ck_assert_uint_eq(before.st_mode, after.st_mode);
	ck_assert_uint_eq(before.st_uid, after.st_uid);
}

/* A file of which only a 64-bit off_t knows the size, and a request with an argument. */
static void
use_others(const char *build)
{
	char file[128];

	set_up(build);
	snprintf(file, sizeof(file), "%s/file", fake.folder);
	run_client_alike("open", file, "rw,creat,excl", "stat", file, "lstat", file, "fstatat",
			 file, "truncate", file, "utimensat", file, "open", file, "rw,creat,excl",
			 "unlink", file, "stat", file, NULL);
	ck_assert_int_eq(write(fake.master, "abc\n", 4), 4);
	run_client("open 3 O_RDWR\nFIONREAD 0 4\n", "open", fake.device, "rw,noctty", "input", "3",
		   NULL);
	run_client("threads 16\nvfork 3\nopen 3 O_RDWR\nopen 4 O_RDWR\nfds 5\n", "threads",
		   fake.device, "/dev/comlease-absent", "vfork", fake.device, "fork", "open",
		   fake.device, "rw,noctty", "spawn", shim_client_path(), "open", fake.device,
		   "rw,noctty", "fds", NULL);
}

#define BUILD_TESTS(name, build)                                                                   \
	START_TEST(name##_build_opens_ports_and_sees_no_locks)                                     \
	{                                                                                          \
		use_all(build);                                                                    \
	}                                                                                          \
	END_TEST                                                                                   \
	START_TEST(name##_build_works_as_ever)                                                     \
	{                                                                                          \
		use_others(build);                                                                 \
	}                                                                                          \
	END_TEST

BUILD_TESTS(plain, "shim_client-plain")
BUILD_TESTS(fortified, "shim_client-fortified")
BUILD_TESTS(large, "shim_client-large")
BUILD_TESTS(plain_32_bit, "shim_client32-plain")
BUILD_TESTS(fortified_32_bit, "shim_client32-fortified")
BUILD_TESTS(large_32_bit, "shim_client32-large")

static void
add(TCase *t, const TTest *one, const TTest *other, const char *build)
{
	bool able = shim_client_use(build);

	support_add(t, one, able, "this compiler builds nothing for 32 bits here");
	support_add(t, other, able, "this compiler builds nothing for 32 bits here");
}

#define ADD(t, name, build)                                                                        \
	add(t, name##_build_opens_ports_and_sees_no_locks, name##_build_works_as_ever, build)

int
main(void)
{
	Suite *suite = suite_create("shim_build");
	TCase *t = tcase_create("builds");

	suite_add_tcase(suite, t);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, NULL, shim_tear_down);
	ADD(t, plain, "shim_client-plain");
	ADD(t, fortified, "shim_client-fortified");
	ADD(t, large, "shim_client-large");
	ADD(t, plain_32_bit, "shim_client32-plain");
	ADD(t, fortified_32_bit, "shim_client32-fortified");
	ADD(t, large_32_bit, "shim_client32-large");
	return support_run(suite);
}
