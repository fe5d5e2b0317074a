/*
 * shim_client.c - an ordinary program that opens things, for test_shim.c to run under LD_PRELOAD.
 * It knows nothing of comlease. Its arguments are commands, done one after another, each with a
 * line of result on standard output:
 *
 *	shim_client open /dev/ttyS0 rw,nonblock fds
 *	open 3 O_RDWR|O_NONBLOCK
 *	fds 3
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What fortified programs call. */
int __open_2(const char *, int);
int __open64_2(const char *, int);
int __openat_2(int, const char *, int);
int __openat64_2(int, const char *, int);

static int
parse_flags(const char *text)
{
	static const struct {
		const char *name;
		int flag;
	} names[] = { { "rw", O_RDWR },
		      { "r", O_RDONLY },
		      { "w", O_WRONLY },
		      { "nonblock", O_NONBLOCK },
		      { "cloexec", O_CLOEXEC },
		      { "append", O_APPEND },
		      { "noctty", O_NOCTTY },
		      { "creat", O_CREAT },
		      { "excl", O_EXCL },
		      { "path", O_PATH },
		      { "directory", O_DIRECTORY },
		      { "nofollow", O_NOFOLLOW },
		      { "trunc", O_TRUNC } };
	int flags = 0;

	while (*text) {
		size_t length = strcspn(text, ",");

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strlen(names[i].name) == length &&
			    !strncmp(text, names[i].name, length))
				flags |= names[i].flag;
		text += length + (text[length] == ',');
	}
	return flags;
}

static void
print_fd(const char *what, int fd)
{
	int error = errno, flags = fcntl(fd, F_GETFL), mode = flags & O_ACCMODE;

	if (fd < 0) {
		printf("%s -1 %s\n", what, strerrorname_np(error));
		return;
	}
	printf("%s %d %s%s%s%s%s\n", what, fd,
	       mode == O_RDWR     ? "O_RDWR"
	       : mode == O_RDONLY ? "O_RDONLY"
				  : "O_WRONLY",
	       (flags & O_NONBLOCK) ? "|O_NONBLOCK" : "", (flags & O_APPEND) ? "|O_APPEND" : "",
	       (fcntl(fd, F_GETFD) & FD_CLOEXEC) ? "|O_CLOEXEC" : "",
	       error ? " errno-changed" : "");
}

static void
print_result(const char *what, int result)
{
	printf("%s %d %s\n", what, result, result < 0 ? strerrorname_np(errno) : "-");
}

static void
print_stream(const char *what, FILE *stream)
{
	if (!stream) {
		printf("%s NULL %s\n", what, strerrorname_np(errno));
		return;
	}
	print_fd(what, fileno(stream));
}

static void
print_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = -3; /* ".", "..", and the folder itself */

	while (readdir(folder))
		count++;
	closedir(folder);
	printf("fds %d\n", count);
}

static void
ignore_signal(int number)
{
	(void)number;
}

static void
alarm_in(const char *ms, int flags, void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };
	struct itimerval timer = { .it_value = { .tv_usec = atoi(ms) * 1000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void
end_wait(int number)
{
	(void)number;
	(void)!write(STDOUT_FILENO, "again\n", 6);
}

/* With SA_RESTART; says that it ran, and sees to it that the next one has none. */
static void
restart_once(int number)
{
	(void)number;
	(void)!write(STDOUT_FILENO, "handler\n", 8);
	alarm_in("200", 0, end_wait);
}

/* What a fortified, 64-bit or stdio call of that name gives; true if it is one. */
__attribute__((no_sanitize("undefined"))) static bool
do_open(const char *name, const char *path, const char *how)
{
	int flags = parse_flags(how), fd;

	errno = 0;
	if (!strcmp(name, "open"))
		fd = open(path, flags, 0600);
	else if (!strcmp(name, "open64"))
		fd = open64(path, flags, 0600);
	else if (!strcmp(name, "__open_2"))
		fd = __open_2(path, flags);
	else if (!strcmp(name, "__open64_2"))
		fd = __open64_2(path, flags);
	else if (!strcmp(name, "openat"))
		fd = openat(AT_FDCWD, path, flags, 0600);
	else if (!strcmp(name, "openat64"))
		fd = openat64(AT_FDCWD, path, flags, 0600);
	else if (!strcmp(name, "__openat_2"))
		fd = __openat_2(AT_FDCWD, path, flags);
	else if (!strcmp(name, "__openat64_2"))
		fd = __openat64_2(AT_FDCWD, path, flags);
	else if (!strcmp(name, "creat"))
		fd = creat(path, 0600);
	else if (!strcmp(name, "creat64"))
		fd = creat64(path, 0600);
	else
		return false;
	print_fd(name, fd);
	return true;
}

static bool
do_stream(const char *name, const char *path, const char *mode)
{
	errno = 0;
	if (!strcmp(name, "fopen"))
		print_stream(name, fopen(path, mode));
	else if (!strcmp(name, "fopen64"))
		print_stream(name, fopen64(path, mode));
	else if (!strcmp(name, "freopen"))
		print_stream(name, freopen(path, mode, stdin));
	else if (!strcmp(name, "freopen64"))
		print_stream(name, freopen64(path, mode, stdin));
	else
		return false;
	return true;
}

static bool
do_two(const char *name, const char *a, const char *b)
{
	errno = 0;
	if (!strcmp(name, "link"))
		print_result(name, link(a, b));
	else if (!strcmp(name, "linkat"))
		print_result(name, linkat(AT_FDCWD, a, AT_FDCWD, b, 0));
	else if (!strcmp(name, "symlink"))
		print_result(name, symlink(a, b));
	else if (!strcmp(name, "rename"))
		print_result(name, rename(a, b));
	else if (!strcmp(name, "renameat"))
		print_result(name, renameat(AT_FDCWD, a, AT_FDCWD, b));
	else
		return false;
	return true;
}

static bool
do_one(const char *name, const char *path)
{
	struct stat status;

	errno = 0;
	if (!strcmp(name, "stat"))
		print_result(name, stat(path, &status));
	else if (!strcmp(name, "lstat"))
		print_result(name, lstat(path, &status));
	else if (!strcmp(name, "fstatat"))
		print_result(name, fstatat(AT_FDCWD, path, &status, 0));
	else if (!strcmp(name, "access"))
		print_result(name, access(path, F_OK));
	else if (!strcmp(name, "faccessat"))
		print_result(name, faccessat(AT_FDCWD, path, F_OK, 0));
	else if (!strcmp(name, "unlink"))
		print_result(name, unlink(path));
	else if (!strcmp(name, "unlinkat"))
		print_result(name, unlinkat(AT_FDCWD, path, 0));
	else if (!strcmp(name, "remove"))
		print_result(name, remove(path));
	else if (!strcmp(name, "chmod"))
		print_result(name, chmod(path, 0644));
	else if (!strcmp(name, "access-rw"))
		print_result(name, access(path, R_OK | W_OK));
	else if (!strcmp(name, "setuid"))
		print_result(name, setuid((uid_t)atoi(path)));
	else if (!strcmp(name, "chdir"))
		print_result(name, chdir(path));
	else if (!strcmp(name, "alarm"))
		alarm_in(path, 0, ignore_signal);
	else if (!strcmp(name, "alarm-restart"))
		alarm_in(path, SA_RESTART, restart_once);
	else if (!strcmp(name, "exec"))
		execl(path, path, "fds", (char *)NULL);
	else
		return false;
	return true;
}

static void
open_below(const char *folder, const char *path)
{
	int dirfd = open(folder, O_DIRECTORY | O_RDONLY), fd;

	errno = 0;
	fd = openat(dirfd, path, O_RDWR | O_NOCTTY);
	print_fd("below", fd);
}

static void
write_and_read(const char *fd_text)
{
	int fd = atoi(fd_text);
	char text[8] = "";

	if (write(fd, "1234", 4) != 4 || lseek(fd, 0, SEEK_SET) != 0 || read(fd, text, 4) != 4)
		printf("file -1 %s\n", strerrorname_np(errno));
	else
		printf("file %s\n", text);
}

static void *
open_in_thread(void *path)
{
	int fd = open(path, O_RDWR | O_NOCTTY);

	if (fd >= 0)
		close(fd);
	return fd >= 0 ? path : NULL;
}

static void
open_in_threads(char *path)
{
	pthread_t threads[16];
	int done = 0;

	for (int i = 0; i < 16; i++)
		pthread_create(&threads[i], NULL, open_in_thread, path);
	for (int i = 0; i < 16; i++) {
		void *result;

		pthread_join(threads[i], &result);
		done += result != NULL;
	}
	printf("threads %d\n", done);
}

/* A thread that waits in open() is cancelled there. */
static void
cancel_in_open(char *path)
{
	pthread_t thread;
	void *result;

	pthread_create(&thread, NULL, open_in_thread, path);
	usleep(300000);
	pthread_cancel(thread);
	pthread_join(thread, &result);
	printf("cancel %s\n", result == PTHREAD_CANCELED ? "canceled" : "finished");
}

static int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The best of ten times 20,000 open() and close(), in nanoseconds each. */
static void
bench(const char *path)
{
	int64_t best = INT64_MAX;

	for (int round = 0; round < 10; round++) {
		int64_t start = now_ns(), each;

		for (int i = 0; i < 20000; i++)
			close(open(path, O_RDONLY));
		each = (now_ns() - start) / 20000;
		best = each < best ? each : best;
	}
	printf("bench %s %lld ns\n", path, (long long)best);
}

/* How many arguments the command took. */
static int
command(char **words, int left)
{
	if (!strcmp(words[0], "fds"))
		return print_fds(), 1;
	if (!strcmp(words[0], "null"))
		return do_open("open", NULL, "r"), 1;
	if (left < 2)
		return -1;
	if (!strcmp(words[0], "close-fd"))
		return close(atoi(words[1])), 2;
	if (!strcmp(words[0], "file"))
		return write_and_read(words[1]), 2;
	if (!strcmp(words[0], "threads"))
		return open_in_threads(words[1]), 2;
	if (!strcmp(words[0], "cancel"))
		return cancel_in_open(words[1]), 2;
	if (!strcmp(words[0], "bench"))
		return bench(words[1]), 2;
	if (do_one(words[0], words[1]))
		return 2;
	if (left < 3)
		return -1;
	if (!strcmp(words[0], "below"))
		return open_below(words[1], words[2]), 3;
	if (do_open(words[0], words[1], words[2]) || do_stream(words[0], words[1], words[2]) ||
	    do_two(words[0], words[1], words[2]))
		return 3;
	return -1;
}

int
main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	for (int i = 1; i < argc;) {
		int taken = command(argv + i, argc - i);

		if (taken < 0) {
			fprintf(stderr, "shim_client: %s?\n", argv[i]);
			return 2;
		}
		i += taken;
	}
	return 0;
}
