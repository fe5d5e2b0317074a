/*
 * lockfile.c - UUCP lock files: names, contents, owners. Knows nothing of ports or leases, and
 * trusts nobody who can write into the folder: no link is followed, nothing that blocks is opened.
 *
 * The tricky idea: a stale file must not be removed by its name, under which somebody else may have
 * put a live one since we looked. So it is moved aside first, and what was moved is compared with
 * what was judged; our own takers also hold a flock on the stale file, so that only one of them is
 * at it. A new file appears with its contents, by link().
 */
#include "lockfile.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "kin.h"

#define WRITE_MS 10000 /* a writer needs less between creating the file and filling it */
#define TICK_MS  1000  /* start times and file times are that exact, by far */
#define STEP_MS  60000 /* clocks are set: a start may seem that much later than it was */
#define TRIES    16

/* ---- names ---- */

static void
add_name(struct lockfile_names *names, const char *rest)
{
	char name[LOCKFILE_NAME_MAX];
	size_t i;
	int n = snprintf(name, sizeof(name), "LCK..%s", rest);

	if (*rest == '\0' || n >= (int)sizeof(name) || names->count == LOCKFILE_NAMES_MAX)
		return;
	for (i = 0; name[i] != '\0'; i++)
		if (name[i] == '/')
			name[i] = '_';
	for (i = 0; i < names->count; i++)
		if (strcmp(names->names[i], name) == 0)
			return;
	memcpy(names->names[names->count++], name, sizeof(name));
}

static void
add_path(struct lockfile_names *names, const char *path)
{
	const char *slash = strrchr(path, '/');

	add_name(names, slash == NULL ? path : slash + 1);
	if (strncmp(path, "/dev/", 5) == 0)
		add_name(names, path + 5);
}

void
lockfile_names(const char *device, struct lockfile_names *names)
{
	char target[PATH_MAX];

	memset(names, 0, sizeof(*names));
	add_path(names, device);
	if (realpath(device, target) != NULL)
		add_path(names, target);
}

/* ---- contents ---- */

/* Digits, perhaps with blanks in front, and perhaps with more words behind. */
static pid_t
parse_text(const char *bytes, size_t n)
{
	size_t i = 0, start;
	long long value = 0;

	while (i < n && (bytes[i] == ' ' || bytes[i] == '\t'))
		i++;
	start = i;
	while (i < n && bytes[i] >= '0' && bytes[i] <= '9' && value <= INT_MAX)
		value = value * 10 + (bytes[i++] - '0');
	if (i == start || value > INT_MAX || (i < n && strchr(" \t\r\n", bytes[i]) == NULL))
		return 0;
	return (pid_t)value;
}

/* Four bytes of digits would be a larger number than any pid: text wins. */
static pid_t
parse_owner(const char *bytes, size_t n)
{
	pid_t pid = parse_text(bytes, n);
	int32_t four;
	int64_t eight;

	if (pid == 0 && n == sizeof(four)) {
		memcpy(&four, bytes, sizeof(four));
		pid = four > 0 ? four : 0;
	} else if (pid == 0 && n == sizeof(eight)) {
		memcpy(&eight, bytes, sizeof(eight));
		pid = eight > 0 && eight <= INT_MAX ? (pid_t)eight : 0;
	}
	return pid;
}

/* ---- does the owner live? ---- */

static bool
exists(pid_t pid)
{
	int pidfd = kin_pidfd(pid);
	bool ended;

	if (pidfd == -ESRCH || pidfd == -EINVAL || pidfd == -ENOENT)
		return false; /* or that number is only a thread's */
	if (pidfd < 0)
		return kill(pid, 0) == 0 || errno != ESRCH;
	ended = kin_has_ended(pidfd);
	close(pidfd);
	return !ended;
}

/*
 * Both times are of the wall clock, which may have been set forward in between (a machine without a
 * clock dials in, then asks for the time): then a lock of a live process looks older than its
 * process. A file in memory that looks older than the system proves that; else a minute is given.
 */
static bool
started_after(uint64_t start_ticks, int64_t written_ms, int fd)
{
	int64_t start_ms = kin_start_ms(start_ticks);
	struct statfs fs;

	if (start_ms <= written_ms + TICK_MS)
		return false;
	if (written_ms + TICK_MS < kin_boot_ms())
		return fstatfs(fd, &fs) == 0 && fs.f_type != TMPFS_MAGIC;
	return start_ms > written_ms + STEP_MS;
}

static bool
is_live(pid_t pid, int64_t written_ms, int fd)
{
	struct kin kin;

	if (!exists(pid))
		return false;
	if (kin_look(pid, &kin) < 0)
		return true; /* hidden from us */
	return !kin_is_kernel(&kin) && !started_after(kin.start_ticks, written_ms, fd);
}

/* ---- reading ---- */

static int
open_file(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* As lockfile_read(), of an open file. */
static int
examine(int fd, pid_t *owner, int64_t *written_ms)
{
	char bytes[80];
	struct stat st;
	ssize_t n;
	int64_t age_ms;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	n = pread(fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return -errno;
	*written_ms = (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
	*owner = parse_owner(bytes, (size_t)n);
	if (*owner > 0)
		return is_live(*owner, *written_ms, fd) ? 0 : 1;
	age_ms = clock_real_ms() - *written_ms;
	return age_ms > -WRITE_MS && age_ms < WRITE_MS ? 3 : 1;
}

int
lockfile_read(int dir, const char *name, pid_t *owner, int64_t *written_ms)
{
	int result, fd = open_file(dir, name);

	*owner = 0;
	*written_ms = 0;
	if (fd < 0)
		return fd == -ENOENT ? 2 : fd;
	result = examine(fd, owner, written_ms);
	close(fd);
	return result;
}

/* ---- taking ---- */

static int
fill(int fd)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%10ld\n", (long)getpid());
	ssize_t written;

	if (fchmod(fd, 0644) < 0)
		return -errno;
	written = write(fd, text, (size_t)n);
	return written < 0 ? -errno : written == n ? 0 : -EIO;
}

static int
link_result(int result)
{
	return result == 0 ? 0 : errno == EEXIST ? 1 : -errno;
}

/* By a file that has no name before it has its contents: nothing is left if we die. */
static int
put_unnamed(int dir, const char *name)
{
	char path[40];
	int result, fd = openat(dir, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);

	if (fd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = fill(fd);
	if (result == 0)
		result = link_result(linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW));
	close(fd);
	return result;
}

static int
put_named(int dir, const char *name)
{
	char path[32];
	int result, fd;

	snprintf(path, sizeof(path), "LTMP.%ld", (long)getpid());
	unlinkat(dir, path, 0);
	fd = openat(dir, path, O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	result = fill(fd);
	if (result == 0)
		result = link_result(linkat(dir, path, dir, name, 0));
	unlinkat(dir, path, 0);
	close(fd);
	return result;
}

/* 0; 1: the name is taken; -errno. */
static int
put(int dir, const char *name)
{
	int result = put_unnamed(dir, name);

	/* not every file system has files without a name */
	if (result == -EOPNOTSUPP || result == -EISDIR || result == -EINVAL || result == -ENOENT)
		result = put_named(dir, name);
	return result;
}

/* Removes the file of that name if it is the one that is open. */
static int
remove_judged(int dir, const char *name, int fd)
{
	struct stat judged, moved;
	char aside[40];
	bool same;

	snprintf(aside, sizeof(aside), "LTMP.%ld.old", (long)getpid());
	if (fstat(fd, &judged) < 0)
		return -errno;
	if (fstatat(dir, name, &moved, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (moved.st_ino != judged.st_ino || moved.st_dev != judged.st_dev)
		return 0; /* look again */
	if (renameat(dir, name, dir, aside) < 0)
		return errno == ENOENT ? 0 : -errno;
	same = fstatat(dir, aside, &moved, AT_SYMLINK_NOFOLLOW) == 0 &&
	       moved.st_ino == judged.st_ino && moved.st_dev == judged.st_dev;
	if (!same && linkat(dir, aside, dir, name, 0) < 0 && errno != EEXIST)
		return -errno;
	unlinkat(dir, aside, 0);
	return 0;
}

/* 0: it has gone, or is another one now; 1: it is a live process's; -errno. */
static int
clear(int dir, const char *name, pid_t *owner, bool insist)
{
	int64_t written_ms;
	int result, fd = open_file(dir, name);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	result = examine(fd, owner, &written_ms);
	if (result == 0 && *owner == getpid())
		result = 1; /* of before; nobody else has our pid */
	else if (result == 0 || result == 3)
		result = 2;
	/* anybody who can read the file could hold this lock for ever: then without it */
	if (result == 1)
		result =
		    flock(fd, LOCK_EX | LOCK_NB) == 0 || insist ? remove_judged(dir, name, fd) : 0;
	close(fd);
	return result == 2 ? 1 : result;
}

int
lockfile_take(int dir, const char *name, pid_t *owner)
{
	int result, tries;

	*owner = 0;
	for (tries = 0; tries < TRIES; tries++) {
		result = put(dir, name);
		if (result <= 0)
			return result;
		result = clear(dir, name, owner, tries >= TRIES / 2);
		if (result != 0)
			return result;
	}
	return -EAGAIN;
}

void
lockfile_leave(int dir, const char *name)
{
	int64_t written_ms;
	pid_t owner = 0;
	int fd = open_file(dir, name);

	if (fd < 0)
		return;
	if (examine(fd, &owner, &written_ms) >= 0 && owner == getpid())
		remove_judged(dir, name, fd);
	close(fd);
}
