/*
 * seccomp_path.c - paths as another process means them: from its root, its working directory, its
 * descriptors. It asks nobody but the kernel and the environment, and opens no file (O_PATH alone).
 *
 * The tricky idea: nearly every program has our own root; then one stat() through /proc/TID/cwd or
 * /proc/TID/fd/N is all that its path needs. That is known by the root's mount, whose number no
 * other namespace has. For the others (chroot, containers) the path is taken by its letters, and
 * resolved in their root.
 */
#include "internal.h"
#include "seccomp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define LINK_BYTES 48 /* "/proc/TID/fd/N" */

static struct statx our_root;

/* ---- what is there ---- */

static int
look_at(int dirfd, const char *path, int flags, struct statx *status)
{
	return statx(dirfd, path, flags | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC,
		     STATX_TYPE | STATX_INO | STATX_MNT_ID, status) < 0
		   ? -errno
		   : 0;
}

static void
fill(struct seccomp_stat *result, int error, const struct statx *status)
{
	*result = (struct seccomp_stat){ .error = -error };
	if (error)
		return;
	result->mode = status->stx_mode;
	result->rdev = makedev(status->stx_rdev_major, status->stx_rdev_minor);
}

void
seccomp_path_init(void)
{
	if (look_at(AT_FDCWD, "/", 0, &our_root) < 0)
		our_root.stx_mask = 0;
}

static bool
has_our_root(pid_t tid)
{
	char link[LINK_BYTES];
	struct statx root;

	snprintf(link, sizeof link, "/proc/%d/root", (int)tid);
	return look_at(AT_FDCWD, link, 0, &root) == 0 && root.stx_ino == our_root.stx_ino &&
	       root.stx_mnt_id == our_root.stx_mnt_id &&
	       root.stx_dev_minor == our_root.stx_dev_minor &&
	       root.stx_dev_major == our_root.stx_dev_major;
}

/* Where its relative paths begin. */
static void
base_of(const struct seccomp_path *path, char base[LINK_BYTES])
{
	if (path->dirfd == AT_FDCWD)
		snprintf(base, LINK_BYTES, "/proc/%d/cwd", (int)path->tid);
	else
		snprintf(base, LINK_BYTES, "/proc/%d/fd/%d", (int)path->tid, path->dirfd);
}

/* "/proc/self" is who asks: that is us, on behalf of the program. */
static bool
is_about_itself(const struct seccomp_path *path, char *other, size_t size)
{
	static const char *const names[][2] = {
		{ "/proc/self/", "" },    { "/proc/thread-self/", "" }, { "/dev/fd/", "fd/" },
		{ "/dev/stdin", "fd/0" }, { "/dev/stdout", "fd/1" },    { "/dev/stderr", "fd/2" },
	};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t length = strlen(names[i][0]);
		if (strncmp(path->name, names[i][0], length) == 0)
			return snprintf(other, size, "/proc/%d/%s%s", (int)path->tid, names[i][1],
					path->name + length) < (int)size;
	}
	return false;
}

static void
stat_here(const struct seccomp_path *path, int flags, struct seccomp_stat *result)
{
	char base[LINK_BYTES], other[PATH_MAX + LINK_BYTES];
	struct statx status = { .stx_mode = 0 };
	int fd, r;

	if (path->name[0] == '/') {
		bool own = is_about_itself(path, other, PATH_MAX);
		fill(result, look_at(AT_FDCWD, own ? other : path->name, flags, &status), &status);
		return;
	}
	base_of(path, base);
	if (snprintf(other, sizeof other, "%s/%s", base, path->name) < PATH_MAX) {
		fill(result, look_at(AT_FDCWD, other, flags, &status), &status);
		return;
	}
	fd = open(base, O_PATH | O_CLOEXEC);
	r = fd < 0 ? -errno : look_at(fd, path->name, flags, &status);
	if (fd >= 0)
		close(fd);
	fill(result, r, &status);
}

static void
stat_there(const struct seccomp_path *path, bool follow, struct seccomp_stat *result)
{
	char absolute[PATH_MAX], link[LINK_BYTES];
	struct open_how how = { .flags = O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW),
				.resolve = RESOLVE_IN_ROOT };
	struct statx status = { .stx_mode = 0 };
	int root, fd = -1, r = -ENOENT;

	snprintf(link, sizeof link, "/proc/%d/root", (int)path->tid);
	root = open(link, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root >= 0 && seccomp_path_absolute(path, absolute))
		fd = (int)syscall(SYS_openat2, root, absolute, &how, sizeof how);
	if (fd >= 0)
		r = look_at(fd, "", AT_EMPTY_PATH, &status);
	else if (root >= 0)
		r = -errno;
	fill(result, r, &status);
	if (fd >= 0)
		close(fd);
	if (root >= 0)
		close(root);
}

void
seccomp_path_stat(const struct seccomp_path *path, bool follow, struct seccomp_stat *result)
{
	if (has_our_root(path->tid))
		stat_here(path, follow ? 0 : AT_SYMLINK_NOFOLLOW, result);
	else
		stat_there(path, follow, result);
}

void
seccomp_path_stat_fd(pid_t tid, int fd, struct seccomp_stat *result)
{
	char link[LINK_BYTES];
	struct statx status = { .stx_mode = 0 };

	snprintf(link, sizeof link, "/proc/%d/fd/%d", (int)tid, fd);
	fill(result, look_at(AT_FDCWD, link, 0, &status), &status);
}

/* ---- names ---- */

static bool
read_link(const char *link, char target[PATH_MAX])
{
	ssize_t n = readlink(link, target, PATH_MAX - 1);

	target[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* The folder's path, seen from the program's root. */
static bool
folder_of(const struct seccomp_path *path, char folder[PATH_MAX])
{
	char link[LINK_BYTES], root[PATH_MAX];
	size_t length;

	base_of(path, link);
	if (!read_link(link, folder) || folder[0] != '/')
		return false;
	snprintf(link, sizeof link, "/proc/%d/root", (int)path->tid);
	if (!read_link(link, root))
		return false;
	length = strlen(root);
	if (length > 1 && strncmp(folder, root, length) == 0 &&
	    (folder[length] == '/' || !folder[length]))
		memmove(folder, folder + length, strlen(folder + length) + 1);
	return true;
}

bool
seccomp_path_absolute(const struct seccomp_path *path, char absolute[PATH_MAX])
{
	char folder[PATH_MAX];
	bool known = path->name[0] == '/' || folder_of(path, folder);

	return comlease_absolute(known ? folder : NULL, path->name, absolute, PATH_MAX);
}

bool
seccomp_path_follow(const struct seccomp_path *path, char absolute[PATH_MAX])
{
	char link[PATH_MAX + LINK_BYTES], target[PATH_MAX];
	int n = snprintf(link, sizeof link, "/proc/%d/root%s", (int)path->tid, absolute);

	if (n >= PATH_MAX || !read_link(link, target))
		return false;
	snprintf(link, sizeof link, "%s", absolute);
	*strrchr(link, '/') = '\0';
	return comlease_absolute(link, target, absolute, PATH_MAX);
}

/* ---- COMLEASE_DEVICES ---- */

static bool
is_device(const char *device, const char *absolute, dev_t rdev)
{
	char plain[PATH_MAX];
	struct statx status = { .stx_mode = 0 };

	if (comlease_absolute(NULL, device, plain, sizeof plain) && strcmp(plain, absolute) == 0)
		return true;
	return rdev != 0 && look_at(AT_FDCWD, device, 0, &status) == 0 &&
	       S_ISCHR(status.stx_mode) &&
	       makedev(status.stx_rdev_major, status.stx_rdev_minor) == rdev;
}

bool
seccomp_path_is_listed(const char *absolute, dev_t rdev)
{
	const char *list = getenv("COMLEASE_DEVICES");
	char device[PATH_MAX];

	while (list && *list) {
		list = comlease_next_device(list, device, sizeof device);
		if (*device && is_device(device, absolute, rdev))
			return true;
	}
	return false;
}

bool
seccomp_path_is_lock(const struct seccomp_path *path, const char *only)
{
	const char *list = getenv("COMLEASE_DEVICES"), *name;
	char absolute[PATH_MAX], device[PATH_MAX];

	if (!seccomp_path_absolute(path, absolute))
		return false;
	name = comlease_lock_name(absolute, getenv("COMLEASE_LOCK_DIR"));
	if (!name || only)
		return name && comlease_is_lock_of(name, only);
	while (list && *list) {
		list = comlease_next_device(list, device, sizeof device);
		if (*device && comlease_is_lock_of(name, device))
			return true;
	}
	return false;
}
