/*
 * support_holder.c - a child process that holds a lease and does odd things with it. It closes
 * nothing by itself before it is told: what the kernel does at its end is what is tested.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITE_BYTES 4096

static void
say_line(const struct support_child *test, const char *word, long long number)
{
	dprintf(test->say, number >= 0 ? "%s %lld\n" : "%s\n", word, number);
}

static int
acquire(const struct support_child *test, const struct comlease_request *wish)
{
	struct comlease_lease lease = { .size = sizeof(lease) };
	struct comlease *c = comlease_connect(support_socket);
	int fd = comlease_acquire(c, wish, &lease);

	if (fd < 0)
		say_line(test, "errno", errno);
	else
		say_line(test, "held", (long long)lease.token);
	comlease_disconnect(c);
	return fd;
}

static void
write_all(int fd)
{
	char bytes[WRITE_BYTES];

	memset(bytes, 'w', sizeof(bytes));
	support_write(fd, bytes, sizeof(bytes));
}

static void
read_four(const struct support_child *test, int fd)
{
	char text[5] = "";

	support_read(fd, text, 4);
	dprintf(test->say, "read %s\n", text);
}

/* Both live until the test closes its end. */
static void
keep_in_child(const struct support_child *test)
{
	struct pollfd end = { .fd = test->hear };
	pid_t pid = fork();

	if (pid > 0) {
		say_line(test, "forked", pid);
		return;
	}
	close(test->say);
	poll(&end, 1, -1); /* without reading: the bytes are the parent's */
	_exit(0);
}

static void
execute(const struct support_child *test, int fd)
{
	dup2(test->hear, 0);
	dup2(test->say, 1);
	fcntl(fd, F_SETFD, 0);
	say_line(test, "executing", -1);
	execlp("cat", "cat", (char *)NULL);
	_exit(127);
}

static void
obey(const struct support_child *test, const struct comlease_request *wish, int fd, char byte)
{
	if (byte == 'w' || byte == 'W' || byte == 'X')
		write_all(fd);
	if (byte == 'X' || byte == 'p')
		_exit(0);
	if (byte == 'c' || byte == 'W')
		close(fd);
	if (byte == 'c')
		say_line(test, "closed", -1);
	if (byte == 'w' || byte == 'W')
		say_line(test, "written", -1);
	if (byte == 'r')
		read_four(test, fd);
	if (byte == 'a')
		acquire(test, wish);
	if (byte == 'f')
		keep_in_child(test);
	if (byte == 'e')
		execute(test, fd);
}

static void
hold(struct support_child *test, void *arg)
{
	const struct comlease_request *wish = arg;
	int fd = acquire(test, wish);
	char byte;

	while (read(test->hear, &byte, 1) > 0)
		obey(test, wish, fd, byte);
}

void
support_hold(struct support_child *child, const struct comlease_request *wish)
{
	support_fork(child, hold, (void *)(uintptr_t)wish, -1);
}

int64_t
support_held(const struct support_child *child)
{
	const char *line = support_hear_line(child);

	if (strncmp(line, "held ", 5) == 0)
		return strtoll(line + 5, NULL, 10);
	ck_assert_msg(strncmp(line, "errno ", 6) == 0, "a holder says: %s", line);
	return -strtoll(line + 6, NULL, 10);
}

void
support_expect_line_of(const struct support_child *child, const char *line)
{
	ck_assert_str_eq(support_hear_line(child), line);
}

void
support_reap_orphan(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "an orphan ended with %#x",
		      status);
}
