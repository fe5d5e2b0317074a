/*
 * support_process.c - child processes of a test, and what /proc tells of comleased's.
 */
#include "support.h"

#include "support_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t
support_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool
support_poll(int fd, short events, int64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left = until_ms - support_now_ms();

	return poll(&p, 1, left > 0 ? (int)left : 0) > 0;
}

/* ---- /proc ---- */

static size_t
read_proc(pid_t pid, const char *file, char *buffer, size_t size)
{
	char path[64];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = read(fd, buffer, size - 1);
		close(fd);
	}
	buffer[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static pid_t
parent_of(pid_t pid)
{
	char text[512], *end, state;
	int parent;

	if (read_proc(pid, "stat", text, sizeof(text)) == 0 || (end = strrchr(text, ')')) == NULL ||
	    sscanf(end + 1, " %c %d", &state, &parent) != 2)
		return 0;
	return parent;
}

int
support_children(pid_t pid, pid_t *children, int max)
{
	DIR *dir = opendir("/proc");
	struct dirent *d;
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((d = readdir(dir)) != NULL) {
		pid_t each = (pid_t)atoi(d->d_name);

		if (each > 0 && parent_of(each) == pid) {
			if (n < max)
				children[n] = each;
			n++;
		}
	}
	closedir(dir);
	return n;
}

/* The child of the supervisor with that role, and that port as its last argument. */
static pid_t
find_role(const char *role, const char *port)
{
	pid_t children[64];
	char text[512], *last;
	int i, n = support_children(support_pid, children, 64);
	size_t len;

	for (i = 0; i < n && i < 64; i++) {
		len = read_proc(children[i], "cmdline", text, sizeof(text));
		if (len < 2 || memmem(text, len, role, strlen(role)) == NULL)
			continue;
		last = memrchr(text, '\0', len - 1);
		if (port == NULL || (last != NULL && strcmp(last + 1, port) == 0))
			return children[i];
	}
	return 0;
}

pid_t
support_broker(void)
{
	return find_role("--role=broker", NULL);
}

pid_t
support_keeper(const char *port)
{
	return find_role("--role=keeper", port);
}

void
support_command(pid_t pid, char *text, size_t size)
{
	size_t i, len = read_proc(pid, "cmdline", text, size);

	for (i = 0; i + 1 < len; i++)
		if (text[i] == '\0')
			text[i] = ' ';
}

/* A pty's number is used again at once: the inspector then watches whoever, in a test that runs
 * beside this one, still has open what had the number before. A pidfd of a process of another
 * group. */
static bool
is_about_another_test(pid_t pid, const char *fd)
{
	char path[64], line[128];
	int other = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo/%.10s", (int)pid, fd);
	f = pid != 0 && fd[0] != '.' ? fopen(path, "re") : NULL;
	while (f != NULL && fgets(line, sizeof(line), f) != NULL &&
	       sscanf(line, "Pid: %d", &other) != 1)
		;
	if (f != NULL)
		fclose(f);
	return other > 0 && getpgid(other) >= 0 && getpgid(other) != getpgrp();
}

int
support_count_fds(pid_t pid)
{
	const struct dirent *entry;
	char path[64];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)(pid != 0 ? pid : getpid()));
	dir = opendir(path);
	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		n += !is_about_another_test(pid, entry->d_name);
	closedir(dir);
	return n - (pid != 0 ? 2 : 3); /* "." and "..", and our own look at ourselves */
}

void
support_pause(pid_t pid)
{
	char text[512] = "";
	const char *end;

	ck_assert_int_eq(kill(pid, SIGSTOP), 0);
	do { /* nothing tells when it has stopped */
		ck_assert_uint_gt(read_proc(pid, "stat", text, sizeof(text)), 0);
		end = strrchr(text, ')');
		ck_assert_ptr_nonnull(end);
	} while (end[2] != 'T');
}

void
support_resume(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGCONT), 0);
}

static void
kill_role(pid_t pid, const char *what)
{
	char pattern[96];

	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	snprintf(pattern, sizeof(pattern), "ended %s.* pid=%d signal=9", what, (int)pid);
	support_log_wait(pattern);
}

void
support_kill_broker(void)
{
	kill_role(support_broker(), "broker");
}

void
support_kill_keeper(const char *port)
{
	kill_role(support_keeper(port), "keeper");
}

/* One that it killed, and that the kernel took longer to end than it waited. */
static void
reap_left(const pid_t *children, int count)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	int i;

	for (i = 0; i < count; i++)
		while (waitpid(children[i], NULL, WNOHANG) == 0 && support_now_ms() < until)
			poll(NULL, 0, 2);
}

void
support_stop(void)
{
	pid_t children[64];
	int status, count = support_children(support_pid, children, 64);

	ck_assert_int_eq(kill(support_pid, SIGTERM), 0);
	ck_assert(support_poll(support_pidfd, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
	ck_assert_int_eq(waitpid(support_pid, &status, 0), support_pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "comleased ended with %#x",
		      status);
	close(support_pidfd);
	support_pid = 0;
	reap_left(children, count);
	ck_assert_int_lt(access(support_socket, F_OK), 0);
	ck_assert_int_lt(access(support_path("socket.lock"), F_OK), 0);
}

void
support_crash(void)
{
	pid_t children[64];
	int i, fd, n = support_children(support_pid, children, 64);

	ck_assert_int_eq(kill(support_pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(support_pid, NULL, 0), support_pid);
	close(support_pidfd);
	support_pid = 0;
	for (i = 0; i < n; i++) { /* the test's own, now */
		fd = (int)syscall(SYS_pidfd_open, children[i], 0);
		ck_assert(fd < 0 || support_poll(fd, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
		ck_assert_int_eq(waitpid(children[i], NULL, 0), children[i]);
		if (fd >= 0)
			close(fd);
	}
}

/* ---- children ---- */

static void
make_pipes(struct support_child *child, struct support_child *inside)
{
	int in[2], out[2];

	ck_assert_int_eq(pipe2(in, O_CLOEXEC), 0);
	ck_assert_int_eq(pipe2(out, O_CLOEXEC), 0);
	*child = (struct support_child){ .say = in[1], .hear = out[0], .pidfd = -1 };
	*inside = (struct support_child){ .say = out[1], .hear = in[0], .pidfd = -1 };
}

static void
started(struct support_child *child, const struct support_child *inside)
{
	ck_assert_int_gt(child->pid, 0);
	close(inside->say);
	close(inside->hear);
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	ck_assert_int_ge(child->pidfd, 0);
}

void
support_fork(struct support_child *child, void (*run)(struct support_child *, void *), void *arg,
	     int keep)
{
	struct support_child inside;

	make_pipes(child, &inside);
	child->pid = fork();
	if (child->pid == 0) {
		support_close_all_but((int[]){ inside.say, inside.hear, keep }, 3);
		inside.pid = getpid();
		run(&inside, arg);
		_exit(0);
	}
	started(child, &inside);
}

/* In the child. */
static void
execute(const struct support_child *inside, const char *const argv[])
{
	char path[4096];
	int error =
	    open(support_path("child.err"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);

	if (error < 0 || dup2(inside->hear, 0) < 0 || dup2(inside->say, 1) < 0 ||
	    dup2(error, 2) < 0)
		_exit(126);
	snprintf(path, sizeof(path), "%s%s", strchr(argv[0], '/') == NULL ? support_build : "",
		 argv[0]);
	setenv("COMLEASE_SOCKET", support_socket, 1);
	execv(path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

void
support_exec(struct support_child *child, const char *const argv[])
{
	struct support_child inside;

	make_pipes(child, &inside);
	child->pid = fork();
	if (child->pid == 0)
		execute(&inside, argv);
	started(child, &inside);
}

void
support_say(const struct support_child *child, char byte)
{
	ck_assert_int_eq(write(child->say, &byte, 1), 1);
}

char
support_hear(const struct support_child *child)
{
	char byte;

	ck_assert_msg(support_poll(child->hear, POLLIN, support_now_ms() + SUPPORT_SOON_MS),
		      "pid %d says nothing", (int)child->pid);
	ck_assert_msg(read(child->hear, &byte, 1) == 1, "pid %d has ended", (int)child->pid);
	return byte;
}

bool
support_is_quiet(const struct support_child *child, int for_ms)
{
	return !support_poll(child->hear, POLLIN, support_now_ms() + for_ms);
}

const char *
support_hear_line(const struct support_child *child)
{
	static char line[1024];
	size_t n = 0;

	while (n < sizeof(line) - 1 && (line[n] = support_hear(child)) != '\n')
		n++;
	line[n] = '\0';
	return line;
}

int
support_reap(struct support_child *child)
{
	int status;

	ck_assert_msg(support_poll(child->pidfd, POLLIN, support_now_ms() + SUPPORT_SOON_MS),
		      "pid %d does not end", (int)child->pid);
	ck_assert_int_eq(waitpid(child->pid, &status, 0), child->pid);
	close(child->pidfd);
	if (child->say >= 0)
		close(child->say);
	close(child->hear);
	child->pid = 0;
	return status;
}

void
support_finish(struct support_child *child)
{
	int status;

	close(child->say);
	child->say = -1;
	status = support_reap(child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a child ended with %#x",
		      status);
}

void
support_kill(struct support_child *child)
{
	ck_assert_int_eq(kill(child->pid, SIGKILL), 0);
	support_reap(child);
}
