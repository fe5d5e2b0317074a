/*
 * lockfile_fixture.c - a folder with one lock file, for the tests of lockfile.c.
 */
#include "lockfile_fixture.h"

#include "../broker/lockfile.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int lockfile_dir;

void
lockfile_begin(void)
{
	support_begin();
	lockfile_dir = open(support_scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_ge(lockfile_dir, 0);
}

void
lockfile_end(void)
{
	close(lockfile_dir);
	support_end();
}

/* A file with that contents, `age_s` seconds old. */
void
lockfile_put(const void *bytes, size_t size, int age_s)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	int fd =
	    openat(lockfile_dir, LOCKFILE_NAME, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
	clock_gettime(CLOCK_REALTIME, &times[1]);
	times[1].tv_sec -= age_s;
	ck_assert_int_eq(futimens(fd, times), 0);
	close(fd);
}

void
lockfile_put_pid(pid_t pid, int age_s)
{
	char text[16];

	snprintf(text, sizeof(text), "%10d\n", (int)pid);
	lockfile_put(text, strlen(text), age_s);
}

int
lockfile_examine(pid_t *owner)
{
	int64_t written_ms;

	return lockfile_read(lockfile_dir, LOCKFILE_NAME, owner, &written_ms);
}

void
lockfile_expect(int result, pid_t owner)
{
	pid_t found;

	ck_assert_int_eq(lockfile_examine(&found), result);
	ck_assert_int_eq(found, owner);
}

pid_t
lockfile_dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	waitpid(pid, NULL, 0);
	return pid;
}
