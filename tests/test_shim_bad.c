/*
 * test_shim_bad.c - what no broker manages goes to the kernel as it is, whatever it is: each call
 * is made twice, with the shim and without, and has to give the same result and the same errno.
 */
#include "shim_fixture.h"
#include "support.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[80], longest[5000], component[300];

/* The kinds of files there are, and paths that are none; below `folder`, or not. */
static const char *const files[] = {
	"file",
	"unreadable",
	"folder",
	"fifo",
	"socket",
	"link",
	"dangling",
	"dangling-to-dev",
	"loop",
	"file/below",
	"nowhere",
	"nowhere/below",
	"LCK..comlease-other",
	"LCK..",
	".",
};
static const char *const paths[] = {
	"",
	"/",
	"//",
	"/dev/null",
	"/dev/full",
	"/dev/tty",
	"/dev/ptmx",
	"/dev",
	"/dev/",
	"/dev/comlease-nowhere",
	"/dev/null/",
	"/proc/self/fd/0",
	"/proc/self/fd/77",
	"/run/lock/LCK..comlease-nowhere",
	"@null",
	"@unmapped",
	"@edge",
	longest,
	component,
};

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))
#define PATHS        (COUNT(files) + COUNT(paths))

static const char *
path_at(int i)
{
	static char path[200];

	if (i >= COUNT(files))
		return paths[i - COUNT(files)];
	snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
	return path;
}

/* Is it one that a library which checks arguments would stumble over, as ASan's? */
static bool
is_unmapped(int i)
{
	return path_at(i)[0] == '@';
}

/* fopen() of a FIFO would wait for its other end; and ASan reads a path before the kernel does. */
static bool
is_for_stdio(int i)
{
#ifdef __SANITIZE_ADDRESS__
	if (is_unmapped(i))
		return false;
#endif
	return !strstr(path_at(i), "fifo");
}

static bool
makes_nothing(int i)
{
	const char *path = path_at(i);

	return is_unmapped(i) || !*path || path == longest || path == component;
}

static void
make(const char *name, int kind)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ck_assert_int_eq(mknod(path, (mode_t)kind | 0600, 0), 0);
}

static void
make_link(const char *name, const char *target)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	ck_assert_int_eq(symlink(target, path), 0);
}

static void
make_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
}

static void
fill_folder(void)
{
	char path[200];

	make("file", S_IFREG);
	make("unreadable", S_IFREG);
	make("fifo", S_IFIFO);
	make("LCK..comlease-other", S_IFREG);
	make_socket();
	make_link("link", "file");
	make_link("dangling", "nothing");
	make_link("dangling-to-dev", "/dev/comlease-nowhere");
	make_link("loop", "loop");
	snprintf(path, sizeof(path), "%s/folder", folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/unreadable", folder);
	ck_assert_int_eq(chmod(path, 0), 0);
}

static void
refill_folder(void)
{
	char command[200];

	snprintf(command, sizeof(command), "rm -rf %s/*", folder);
	ck_assert_int_eq(system(command), 0);
	fill_folder();
}

static void
set_up(void)
{
	shim_set_up();
	setenv("COMLEASE_DEVICES", fake.device, 1);
	memset(longest, 'a', sizeof(longest) - 1);
	memset(component, 'b', sizeof(component) - 1);
	memcpy(component, "/tmp/", 5);
	snprintf(folder, sizeof(folder), "%s/files", fake.folder);
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	fill_folder();
	run_client_between = refill_folder;
}

/* ---- opening ---- */

/* All that don't wait: what would is a FIFO without O_NONBLOCK. */
static const char *const flags[] = { "r,nonblock",         "w,nonblock",
				     "rw,nonblock",        "r,nofollow,nonblock",
				     "r,directory",        "path",
				     "path,nofollow",      "rw,tmpfile",
				     "r,nonblock,cloexec", "r,nonblock,append",
				     "rw,noctty,nonblock" };

START_TEST(open_gives_what_the_kernel_gives)
{
	const char *path = path_at(_i);

	for (int i = 0; i < COUNT(flags); i++) {
		run_client_alike("open", path, flags[i], "fds", NULL);
		run_client_alike("open64", path, flags[i], "openat", path, flags[i], "openat64",
				 path, flags[i], "fds", NULL);
	}
	run_client_alike("__open_2", path, "r,nonblock", "__open64_2", path, "r,nonblock",
			 "__openat_2", path, "r,nonblock", "__openat64_2", path, "r,nonblock",
			 "__open", path, "r,nonblock", "__open64", path, "r,nonblock", "fds", NULL);
	if (is_for_stdio(_i))
		run_client_alike("fopen", path, "r", "fopen", path, "re", "freopen64", path, "r",
				 "fopen", path, "q", "fds", NULL);
}
END_TEST

/* Only in our own folder, and with paths that make nothing. */
START_TEST(creating_gives_what_the_kernel_gives)
{
	const char *path = path_at(_i);

	if ((_i >= COUNT(files) && !makes_nothing(_i)) || strstr(path, "dangling-to-dev"))
		return;
	run_client_alike("open", path, "rw,creat,excl,nonblock", "open", path,
			 "rw,creat,trunc,nonblock", "fds", NULL);
	refill_folder();
	run_client_alike("open", path, "rw,creat,nonblock", "unlink", path, "open", path,
			 "rw,creat,excl", "rename", path, "/nowhere/a", "fds", NULL);
	refill_folder();
	if (is_for_stdio(_i))
		run_client_alike("creat", path, "", "creat64", path, "", "fopen", path, "w",
				 "fopen", path, "a+", "fds", NULL);
}
END_TEST

START_TEST(a_bad_folder_gives_what_the_kernel_gives)
{
	run_client_alike("open-below", "77", "file", "r", "open-below", "-1", "file", "r",
			 "open-below", "0", "file", "r", "open-below", "77", "/dev/null", "rw",
			 "open-below", "77", "", "r", "open-below", "0", "LCK..x", "r,nonblock",
			 "fds", NULL);
	run_client_alike("chdir", folder, "open", "file", "r", "open", "./link", "r", "open",
			 "nowhere", "r", "below", ".", "file", "fds", NULL);
}
END_TEST

START_TEST(a_fifo_without_a_writer_or_reader_does_not_wait)
{
	char fifo[200];

	snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	run_client("open 3 O_RDONLY|O_NONBLOCK\nopen -1 EINTR\n", "open", fifo, "r,nonblock",
		   "close-fd", "3", "alarm", "100", "open", fifo, "r", NULL);
	run_client("open -1 ENXIO\n", "open", fifo, "w,nonblock", NULL);
}
END_TEST

/* ---- looking and changing ---- */

START_TEST(other_calls_give_what_the_kernel_gives)
{
	const char *path = path_at(_i);

#ifdef __SANITIZE_ADDRESS__
	if (is_unmapped(_i))
		return; /* ASan reads it before the kernel does */
#endif
	run_client_alike("stat", path, "lstat", path, "fstatat", path, "statx", path, "access",
			 path, "access-rw", path, "faccessat", path, NULL);
	run_client_alike("readlink", path, "readlinkat", path, "chdir", path, NULL);
	if (!makes_nothing(_i))
		return;
	run_client_alike("chmod", path, "fchmodat", path, "unlink", path, "unlinkat", path,
			 "remove", path, "truncate", path, "utime", path, "utimes", path,
			 "utimensat", path, NULL);
	run_client_alike("link", path, "/nowhere/a", "link", "/dev/null", path, "symlink", "a",
			 path, "rename", path, "/nowhere/a", "renameat", "/nowhere/a", path,
			 "renameat2", path, path, NULL);
}
END_TEST

START_TEST(nobody_asked_the_broker_but_for_what_could_be_a_device)
{
	char file[200];

	snprintf(file, sizeof(file), "%s/file", folder);
	run_client("open 3 O_RDWR\nopen -1 EISDIR\nopen -1 ENOENT\nopen 4 O_RDWR\n", "open", file,
		   "rw", "open", "/", "rw", "open", "/nowhere", "r", "open", "/dev/null", "rw",
		   NULL);
	ck_assert_int_eq(fake.connections, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shim_bad");
	TCase *t = tcase_create("bad");

	suite_add_tcase(suite, t);
	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, set_up, shim_tear_down);
	tcase_add_loop_test(t, open_gives_what_the_kernel_gives, 0, PATHS);
	tcase_add_loop_test(t, creating_gives_what_the_kernel_gives, 0, PATHS);
	tcase_add_test(t, a_bad_folder_gives_what_the_kernel_gives);
	tcase_add_test(t, a_fifo_without_a_writer_or_reader_does_not_wait);
	tcase_add_loop_test(t, other_calls_give_what_the_kernel_gives, 0, PATHS);
	tcase_add_test(t, nobody_asked_the_broker_but_for_what_could_be_a_device);
	return support_run(suite);
}
