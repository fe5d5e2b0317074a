/*
 * seccomp_client.c - an ordinary program that opens things by raw system calls, linked statically:
 * no shim gets into it. For test_e2e_seccomp*.c. It knows nothing of comlease. Its arguments are
 * commands, done one after another, most with a line of result on standard output:
 *
 *	seccomp_client open /dev/ttyS0 rw hear
 *	open 3 O_RDWR
 *
 * hear waits for a byte on standard input; at its end the program ends with 0. What is open at the
 * start is closed, but for 0, 1, 2, unless the first word is "keep".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static char **words;

static const char *
word(void)
{
	if (!*words) {
		fputs("seccomp_client: a word is missing\n", stderr);
		exit(64);
	}
	return *words++;
}

static int
flags_word(void)
{
	static const struct {
		const char *name;
		int flag;
	} names[] = { { "rw", O_RDWR },       { "r", O_RDONLY },         { "w", O_WRONLY },
		      { "creat", O_CREAT },   { "excl", O_EXCL },        { "nonblock", O_NONBLOCK },
		      { "append", O_APPEND }, { "cloexec", O_CLOEXEC },  { "path", O_PATH },
		      { "noctty", O_NOCTTY }, { "nofollow", O_NOFOLLOW } };
	const char *text = word();
	int flags = 0;

	while (*text) {
		size_t length = strcspn(text, ",");

		for (size_t i = 0; i < sizeof names / sizeof *names; i++)
			if (strlen(names[i].name) == length &&
			    strncmp(text, names[i].name, length) == 0)
				flags |= names[i].flag;
		text += length + (text[length] == ',');
	}
	return flags;
}

static void
print(const char *what, long result)
{
	if (result < 0)
		printf("%s -1 %s\n", what, strerrorname_np(errno));
	else
		printf("%s %ld\n", what, result);
}

static void
print_fd(const char *what, long fd)
{
	int flags = fd < 0 ? 0 : fcntl((int)fd, F_GETFL), mode = flags & O_ACCMODE;

	if (fd < 0) {
		print(what, fd);
		return;
	}
	printf("%s %ld %s%s%s%s\n", what, fd,
	       mode == O_RDWR     ? "O_RDWR"
	       : mode == O_RDONLY ? "O_RDONLY"
				  : "O_WRONLY",
	       (flags & O_NONBLOCK) ? "|O_NONBLOCK" : "", (flags & O_APPEND) ? "|O_APPEND" : "",
	       (fcntl((int)fd, F_GETFD) & FD_CLOEXEC) ? "|O_CLOEXEC" : "");
}

/* ---- the commands ---- */

static void
do_open(void)
{
	const char *path = word();

	print_fd("open", syscall(SYS_openat, AT_FDCWD, path, flags_word(), 0666));
}

static void
do_legacy(void)
{
	const char *path = word();
	int flags = flags_word();

#ifdef SYS_open
	print_fd("open", syscall(SYS_open, path, flags, 0666));
#else
	print_fd("open", syscall(SYS_openat, AT_FDCWD, path, flags, 0666));
#endif
}

static void
do_creat(void)
{
#ifdef SYS_creat
	print_fd("creat", syscall(SYS_creat, word(), 0666));
#else
	print_fd("creat", creat(word(), 0666));
#endif
}

static void
do_openat2(void)
{
	const char *path = word();
	struct open_how how = { .flags = (unsigned)flags_word() };

	print_fd("openat2", syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how));
}

/* FOLDER NAME FLAGS */
static void
do_below(void)
{
	int folder = open(word(), O_PATH | O_DIRECTORY | O_CLOEXEC);
	const char *name = word();

	print_fd("below", syscall(SYS_openat, folder, name, flags_word(), 0666));
	close(folder);
}

/* The path's last byte is the last one of a page, and behind it is nothing. */
static void
do_edge(void)
{
	const char *path = word();
	size_t page = (size_t)sysconf(_SC_PAGESIZE), size = strlen(path) + 1;
	char *map =
	    mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || munmap(map + page, page) < 0)
		exit(1);
	memcpy(map + page - size, path, size);
	print_fd("edge", syscall(SYS_openat, AT_FDCWD, map + page - size, flags_word(), 0666));
	print_fd("edge", syscall(SYS_openat, AT_FDCWD, map + page, O_RDONLY));
	munmap(map, page);
	print_fd("edge", syscall(SYS_openat, AT_FDCWD, NULL, O_RDONLY));
}

/* The system call of a 32-bit program, which does not care what the upper halves of the registers
 * are. Its path is where such a program's could be. */
static void
do_int80(void)
{
#if defined(__x86_64__) && defined(__LP64__)
	const uint64_t upper = 0xdeadbeefULL << 32;
	const char *path = word();
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long fd;

	if (low == MAP_FAILED)
		exit(1);
	snprintf(low, 4096, "%s", path);
	__asm__ volatile("int $0x80"
			 : "=a"(fd)
			 : "a"(5UL), "b"((uintptr_t)low | upper),
			   "c"((unsigned)flags_word() | upper), "d"(upper)
			 : "memory", "r8", "r9", "r10", "r11");
	if (fd < 0) {
		errno = (int)-fd;
		fd = -1;
	}
	print_fd("int80", fd);
#endif
}

/* What programs do with LCK..ttyS0. */
static void
do_lock(void)
{
	long fd = syscall(SYS_openat, AT_FDCWD, word(), O_CREAT | O_EXCL | O_WRONLY, 0644);

	print("lock", fd < 0 ? fd : write((int)fd, "      4711\n", 11));
	close((int)fd);
}

static void
do_link(void)
{
	const char *from = word();

	print("link", syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, word(), 0));
}

static void
do_rename(void)
{
	const char *from = word();

	print("rename", syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, word(), 0));
}

static void
do_unlink(void)
{
	print("unlink", syscall(SYS_unlinkat, AT_FDCWD, word(), 0));
}

static void
do_chmod(void)
{
	print("chmod", syscall(SYS_fchmodat, AT_FDCWD, word(), 0600));
}

static void
do_chdir(void)
{
	print("chdir", chdir(word()));
}

static void
do_chroot(void)
{
	print("chroot", chroot(word()));
}

static void
do_setuid(void)
{
	print("setuid", setuid((uid_t)atoi(word())));
}

static void
do_close(void)
{
	print("close", close(atoi(word())));
}

/* A session of its own, with this descriptor as its terminal: 1 if it became that. */
static void
do_terminal(void)
{
	int fd = atoi(word()), r;
	pid_t session;

	setsid();
	r = ioctl(fd, TIOCSCTTY, 0);
	print("terminal", r < 0 ? r : ioctl(fd, TIOCGSID, &session) == 0);
}

static void
nothing(int signo)
{
	(void)signo;
}

static void
set_alarm(int flags)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = flags };
	int ms = atoi(word());
	struct itimerval timer = { .it_value = { ms / 1000, ms % 1000 * 1000 },
				   .it_interval = { ms / 1000, ms % 1000 * 1000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Each of so many milliseconds a signal, from here on. */
static void
do_alarm(void)
{
	set_alarm(0);
}

static void
do_restarting(void)
{
	set_alarm(SA_RESTART);
}

static void
do_hear(void)
{
	char byte;
	ssize_t n;

	while ((n = read(STDIN_FILENO, &byte, 1)) < 0 && errno == EINTR)
		;
	if (n != 1)
		exit(0);
}

/* The rest in a child, whose status is said at its end. */
static void
do_fork(void)
{
	pid_t pid = fork();
	int status;

	if (pid <= 0)
		return;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	print("child", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	exit(0);
}

static void
do_exec(void)
{
	char **all = words - 2; /* "fork", or whatever was before, and "exec" */

	all[0] = program_invocation_name;
	all[1] = (char *)(uintptr_t) "keep";
	execv(program_invocation_name, all);
	print("exec", -1);
}

/* PATH N: so many opens of it; how many have failed. */
static void
do_often(void)
{
	const char *path = word();
	int failed = 0, fd;

	for (int n = atoi(word()); n > 0; n--) {
		fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
		failed += fd < 0;
		close(fd);
	}
	print("often", failed);
}

static void do_all(void);

static void *
rest(void *argument)
{
	do_all();
	return argument;
}

static void
do_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, rest, NULL);
	pthread_join(thread, NULL);
	exit(0);
}

static const struct {
	const char *name;
	void (*run)(void);
} commands[] = {
	{ "open", do_open },         { "legacy", do_legacy }, { "creat", do_creat },
	{ "openat2", do_openat2 },   { "below", do_below },   { "edge", do_edge },
	{ "lock", do_lock },         { "link", do_link },     { "rename", do_rename },
	{ "unlink", do_unlink },     { "chmod", do_chmod },   { "chdir", do_chdir },
	{ "chroot", do_chroot },     { "setuid", do_setuid }, { "close", do_close },
	{ "terminal", do_terminal }, { "alarm", do_alarm },   { "restarting", do_restarting },
	{ "hear", do_hear },         { "fork", do_fork },     { "exec", do_exec },
	{ "often", do_often },       { "thread", do_thread }, { "int80", do_int80 }
};

static void
do_all(void)
{
	while (*words) {
		const char *name = word();
		size_t i = 0;

		while (i < sizeof commands / sizeof *commands &&
		       strcmp(commands[i].name, name) != 0)
			i++;
		if (i == sizeof commands / sizeof *commands) {
			fprintf(stderr, "seccomp_client: %s?\n", name);
			exit(64);
		}
		commands[i].run();
	}
}

int
main(int argc, char **argv)
{
	(void)argc;
	setvbuf(stdout, NULL, _IOLBF, 0);
	words = argv + 1;
	if (*words && strcmp(*words, "keep") == 0)
		words++;
	else
		syscall(SYS_close_range, 3U, ~0U, 0U);
	do_all();
	return 0;
}
