/*
 * bridge_link.c - LINK, and LINK.lock beside it.
 *
 * Responsible for: one bridge at a time for one LINK; nothing that is not a bridge's is ever
 * overwritten or removed; nothing is left at a clean end. Refuses to know: what LINK leads to.
 *
 * The tricky idea: the lock file is flock()ed while the bridge lives, and names where LINK leads
 * before LINK does. So the link of a bridge that was killed is known without guessing: nobody has
 * the lock, and the link leads to where the lock file says.
 */
#include "bridge_link.h"
#include "cli.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK      "comlease bridge " /* how a lock file of ours begins */
#define LOCK_MODE 0644
#define WAY_OUT   "remove it, or name another link"

static int fail(const struct bridge_link *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* "LINK: ..." */
static int
fail(const struct bridge_link *l, const char *format, ...)
{
	struct text t = { 0 };
	char *message;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&message, format, ap) < 0)
		message = NULL;
	va_end(ap);
	text_add_foreign(&t, l->path);
	text_add(&t, ": ");
	text_add_foreign(&t, message ? message : "no memory");
	free(message);
	cli_fail(CLI_CANT_CREATE, "%s", t.s);
	text_free(&t);
	return CLI_CANT_CREATE;
}

static int
fail_folder(const struct bridge_link *l, int error)
{
	const char *slash = strrchr(l->path, '/');
	int len = slash ? (int)(slash - l->path) : 1;
	const char *folder = slash ? (len ? l->path : "/") : ".";

	switch (error) {
	case ENOENT:
		return fail(l, "there is no folder %.*s: make it, or name another link",
			    len ? len : 1, folder);
	case ENOTDIR:
		return fail(l, "%.*s is no folder: name another link", len ? len : 1, folder);
	case EACCES:
	case EPERM:
	case EROFS:
		return fail(l, "can't be made in %.*s: %s; name a link where you may write",
			    len ? len : 1, folder, strerror(error));
	default:
		return fail(l, "%s; name another link", strerror(error));
	}
}

/* ---- the lock file ---- */

/* What it says: 0, or -1: it is no lock file of a bridge. */
static int
read_lock(int fd, char text[256], long *pid)
{
	ssize_t n = pread(fd, text, 255, 0);

	text[n > 0 ? n : 0] = '\0';
	*pid = 0;
	if (n == 0)
		return 0;
	if (n < 0 || strncmp(text, MARK, strlen(MARK)) != 0)
		return -1;
	*pid = strtol(text + strlen(MARK), NULL, 10);
	return 0;
}

/* Does it name that target? The first line is the mark, each other one a target. */
static bool
names_target(const char *text, const char *target)
{
	size_t len = strlen(target);

	while ((text = strchr(text, '\n')) != NULL) {
		text++;
		if (strncmp(text, target, len) == 0 && text[len] == '\n')
			return len > 0;
	}
	return false;
}

static int
fail_busy(const struct bridge_link *l, int fd)
{
	struct stat st = { 0 };
	char text[256];
	long pid;

	read_lock(fd, text, &pid);
	fstat(fd, &st);
	const char *user = text_user(st.st_uid);
	if (user)
		return fail(
		    l,
		    "another bridge has it (pid %ld, user %s); end that one, or name another link",
		    pid, user);
	return fail(l,
		    "another bridge has it (pid %ld, uid %u); end that one, or name another link",
		    pid, st.st_uid);
}

/* Somebody else's lock file can be read at most. */
static int
fail_open(const struct bridge_link *l, int error)
{
	struct stat st;
	int fd, status;

	if (lstat(l->lock_path, &st) < 0)
		return fail_folder(l, error);
	fd = open(l->lock_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && S_ISREG(st.st_mode) && flock(fd, LOCK_SH | LOCK_NB) < 0)
		status = fail_busy(l, fd);
	else
		status = fail(l, "its lock file %s: %s; " WAY_OUT, l->lock_path, strerror(error));
	if (fd >= 0)
		close(fd);
	return status;
}

/* Opens and locks it. Its owner may remove it at that moment: then there is another one. */
static int
lock(struct bridge_link *l)
{
	struct stat here, there;

	for (;;) {
		int fd = open(l->lock_path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
			      LOCK_MODE);
		if (fd < 0)
			return fail_open(l, errno);
		if (fstat(fd, &here) < 0 || !S_ISREG(here.st_mode)) {
			close(fd);
			return fail(l, "%s is there already, and no lock file; " WAY_OUT,
				    l->lock_path);
		}
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			int status = fail_busy(l, fd);
			close(fd);
			return status;
		}
		if (lstat(l->lock_path, &there) == 0 && here.st_ino == there.st_ino &&
		    here.st_dev == there.st_dev) {
			l->lock = fd;
			return 0;
		}
		close(fd);
	}
}

/* Where the link leads, and where it is about to lead. */
static int
write_lock(const struct bridge_link *l, const char *next)
{
	char text[256];
	int n = snprintf(text, sizeof text, MARK "%ld\n%s\n%s\n", (long)getpid(), next, l->target);

	if (pwrite(l->lock, text, (size_t)n, 0) == n && ftruncate(l->lock, n) == 0)
		return 0;
	return fail(l, "its lock file: %s", strerror(errno));
}

/* ---- the link ---- */

static const char *
kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return "a folder";
	case S_IFREG:
		return "a file";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	default:
		return "something else";
	}
}

/* The target of a symbolic link; "": it is none. */
static void
read_link(const char *path, char target[256])
{
	ssize_t n = readlink(path, target, 255);

	target[n > 0 ? n : 0] = '\0';
}

/* Nobody's, or that of the bridge whose lock file this was: then it is ours. */
static int
check_link(struct bridge_link *l, const char *said)
{
	char target[256];
	struct stat st;

	if (lstat(l->path, &st) < 0)
		return errno == ENOENT ? 0 : fail_folder(l, errno);
	if (!S_ISLNK(st.st_mode))
		return fail(l, "there already: %s, which is never overwritten; " WAY_OUT,
			    kind(st.st_mode));
	read_link(l->path, target);
	if (!names_target(said, target))
		return fail(l, "there already: a link to %s, which is no bridge's; " WAY_OUT,
			    target);
	snprintf(l->target, sizeof l->target, "%.63s", target);
	return 0;
}

/* One that a bridge was killed over: between the two steps of bridge_link_point(). */
static void
remove_new(const struct bridge_link *l, const char *said)
{
	char target[256], *new;

	if (asprintf(&new, "%s.new", l->path) < 0)
		return;
	read_link(new, target);
	if (names_target(said, target))
		unlink(new);
	free(new);
}

int
bridge_link_take(struct bridge_link *l, const char *path)
{
	char said[256];
	long pid;
	int status;

	*l = (struct bridge_link){ .path = path, .lock = -1 };
	if (asprintf(&l->lock_path, "%s.lock", path) < 0) {
		l->lock_path = NULL;
		return cli_fail(CLI_SYSTEM, "no memory");
	}
	status = lock(l);
	if (status == 0 && read_lock(l->lock, said, &pid) < 0) {
		status = fail(l, "%s is there already, and no lock file; " WAY_OUT, l->lock_path);
		close(l->lock);
		l->lock = -1; /* not ours to remove */
	} else if (status == 0) {
		remove_new(l, said);
		status = check_link(l, said);
	}
	if (status)
		bridge_link_remove(l);
	return status;
}

/* Not over anything that has come there since. Not every file system has RENAME_NOREPLACE. */
static int
rename_link(const struct bridge_link *l, const char *new)
{
	struct stat st;

	if (*l->target)
		return rename(new, l->path);
	if (renameat2(AT_FDCWD, new, AT_FDCWD, l->path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (lstat(l->path, &st) < 0)
		return rename(new, l->path);
	errno = EEXIST;
	return -1;
}

int
bridge_link_point(struct bridge_link *l, const char *target)
{
	char *new;
	int status = write_lock(l, target);

	if (status)
		return status;
	if (asprintf(&new, "%s.new", l->path) < 0)
		return cli_fail(CLI_SYSTEM, "no memory");
	if (symlink(target, new) < 0) {
		status = errno == EEXIST ? fail(l, "%s is there already; " WAY_OUT, new)
					 : fail_folder(l, errno);
	} else if (rename_link(l, new) < 0) {
		status =
		    errno == EEXIST ? fail(l, "there already; " WAY_OUT) : fail_folder(l, errno);
		unlink(new);
	}
	if (status == 0)
		snprintf(l->target, sizeof l->target, "%s", target);
	free(new);
	return status;
}

void
bridge_link_remove(struct bridge_link *l)
{
	char target[256];

	if (l->lock >= 0) {
		read_link(l->path, target);
		if (*l->target && strcmp(target, l->target) == 0)
			unlink(l->path);
		unlink(l->lock_path);
		close(l->lock);
	}
	l->lock = -1;
	l->target[0] = '\0';
	free(l->lock_path);
	l->lock_path = NULL;
}
