/*
 * shim_open.c - is this open() ours? Most are not, and are to be let through in well under a
 * microsecond: one stat() tells. It asks the broker only about what could be a serial device.
 *
 * The tricky idea: an open raises DTR and may wait for carrier, so it can't be tried first and
 * undone afterwards; the question comes before it. What is not there at all (unplugged) is asked
 * about by its name, where that name is one that a device could have.
 */
#include "internal.h"
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 8

static int
open_present(int dirfd, const char *path, dev_t rdev, int flags)
{
	char absolute[SHIM_PATH_MAX];

	if (!shim_absolute(dirfd, path, absolute, sizeof(absolute)))
		snprintf(absolute, sizeof(absolute), "/dev/?"); /* the number is what counts */
	return shim_acquire(absolute, rdev, shim_is_listed(absolute, rdev), flags);
}

/* Replaces a link's path by what it points to. */
static bool
follow_link(char *absolute, size_t size)
{
	char target[SHIM_PATH_MAX], folder[SHIM_PATH_MAX];
	ssize_t length = readlink(absolute, target, sizeof(target) - 1);

	if (length <= 0)
		return false;
	target[length] = '\0';
	strcpy(folder, absolute);
	*strrchr(folder, '/') = '\0';
	return comlease_absolute(folder, target, absolute, size);
}

/* Nothing is there: by that name, and by those that dangling links lead to. */
static int
open_absent(int dirfd, const char *path, int flags)
{
	char absolute[SHIM_PATH_MAX];
	int links = 0, fd = SHIM_NOT_OURS;

	if (!shim_absolute(dirfd, path, absolute, sizeof(absolute)))
		return SHIM_NOT_OURS;
	do {
		if (shim_is_listed(absolute, 0))
			return shim_acquire(absolute, 0, true, flags);
		if (comlease_is_below_dev(absolute) && !(flags & O_CREAT))
			fd = shim_acquire(absolute, 0, false, flags);
	} while (fd == SHIM_NOT_OURS && !(flags & O_NOFOLLOW) && ++links <= LINKS_MAX &&
		 follow_link(absolute, sizeof(absolute)));
	return fd;
}

static int
decide(int dirfd, const char *path, int flags, const struct shim_stat *status)
{
	if (status->error == EFAULT || status->error == ENAMETOOLONG)
		return SHIM_NOT_OURS;
	if (shim_is_lock_name(path) && shim_is_managed_lock(dirfd, path))
		return shim_open_lock(dirfd, path, flags);
	if (comlease_is_no_port_open(flags))
		return SHIM_NOT_OURS;
	if (status->error == 0 && S_ISCHR(status->mode) && comlease_can_be_serial(status->rdev))
		return open_present(dirfd, path, status->rdev, flags);
	if (status->error == ENOENT && path && path[0] && !shim_is_inside())
		return open_absent(dirfd, path, flags);
	return SHIM_NOT_OURS;
}

int
shim_open(int dirfd, const char *path, int flags)
{
	struct shim_stat status;
	int error, fd;

	shim_stat(dirfd, path, (flags & O_NOFOLLOW) ? AT_SYMLINK_NOFOLLOW : 0, &status);
	if (status.error == 0 && !S_ISCHR(status.mode) && !shim_is_lock_name(path))
		return SHIM_NOT_OURS; /* nearly all: not one call more for them */
	error = errno;
	fd = decide(dirfd, path, flags, &status);
	if (fd != -1)
		errno = error;
	return fd;
}
