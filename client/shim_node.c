/*
 * shim_node.c - LD_PRELOAD: owner, permissions and times. A managed port's node keeps the owner and
 * the permissions that the administrator gave it: mgetty and others change them for whoever logs
 * in, and would not set back what the next user of the port needs. The lock file of a managed port
 * (shim_lock.c) is not there to be changed. Both succeed and do nothing. Times are nobody's rights:
 * a node's are set as ever.
 *
 * The tricky idea: a link is not the node. Who changes the link itself (lchown) changes it.
 */
#include "shim_hook.h"

#include <fcntl.h>

static bool
is_kept(int dirfd, const char *path, int flags)
{
	struct shim_stat status;

	shim_stat(dirfd, path, flags & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH), &status);
	if (status.error == EFAULT || status.error == ENAMETOOLONG)
		return false;
	return shim_is_managed(&status) ||
	       (shim_is_lock_name(path) && shim_is_managed_lock(dirfd, path));
}

static bool
is_kept_fd(int fd)
{
	struct shim_stat status;

	shim_fstat(fd, &status);
	return shim_is_managed(&status);
}

/* ---- owner and permissions ---- */

HOOK(chmod, const char *path, mode_t mode)
{
	return is_kept(AT_FDCWD, path, 0) ? 0 : REAL(chmod, path, mode);
}

HOOK(lchmod, const char *path, mode_t mode)
{
	return is_kept(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW) ? 0 : REAL(lchmod, path, mode);
}

HOOK(fchmod, int fd, mode_t mode)
{
	return is_kept_fd(fd) ? 0 : REAL(fchmod, fd, mode);
}

HOOK(fchmodat, int dirfd, const char *path, mode_t mode, int flags)
{
	return is_kept(dirfd, path, flags) ? 0 : REAL(fchmodat, dirfd, path, mode, flags);
}

HOOK(chown, const char *path, uid_t uid, gid_t gid)
{
	return is_kept(AT_FDCWD, path, 0) ? 0 : REAL(chown, path, uid, gid);
}

HOOK(lchown, const char *path, uid_t uid, gid_t gid)
{
	return is_kept(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW) ? 0 : REAL(lchown, path, uid, gid);
}

HOOK(fchown, int fd, uid_t uid, gid_t gid)
{
	return is_kept_fd(fd) ? 0 : REAL(fchown, fd, uid, gid);
}

HOOK(fchownat, int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	return is_kept(dirfd, path, flags) ? 0 : REAL(fchownat, dirfd, path, uid, gid, flags);
}

/* ---- times ---- */

#define TIMES_HOOK(name)                                                                           \
	HOOK(name, const char *path, const void *times)                                            \
	{                                                                                          \
		return shim_is_lock(AT_FDCWD, path) ? 0 : REAL(name, path, times);                 \
	}

#define TIMESAT_HOOK(name)                                                                         \
	HOOK(name, int dirfd, const char *path, const void *times)                                 \
	{                                                                                          \
		return shim_is_lock(dirfd, path) ? 0 : REAL(name, dirfd, path, times);             \
	}

#define TIMESAT_FLAGS_HOOK(name)                                                                   \
	HOOK(name, int dirfd, const char *path, const void *times, int flags)                      \
	{                                                                                          \
		return shim_is_lock(dirfd, path) ? 0 : REAL(name, dirfd, path, times, flags);      \
	}

TIMES_HOOK(utime)
TIMES_HOOK(utimes)
TIMES_HOOK(lutimes)
TIMES_HOOK(__utime64)
TIMES_HOOK(__utimes64)
TIMES_HOOK(__lutimes64)
TIMESAT_HOOK(futimesat)
TIMESAT_HOOK(__futimesat64)
TIMESAT_FLAGS_HOOK(utimensat)
TIMESAT_FLAGS_HOOK(__utimensat64)
