/*
 * shim_lock_hooks.c - LD_PRELOAD: the calls that name a file without opening it, for the lock files
 * of managed ports (shim_lock.c): they are not there, making one succeeds, removing one succeeds,
 * and shim_busy() hears of both.
 * Every other path goes to the real call; only access() to a managed device that its permissions
 * forbid is said to be allowed, because the broker gives it.
 *
 * The tricky idea: a path may be unmapped, and is looked at only after the kernel has read it. What
 * merely looks is therefore done first and hidden afterwards; what changes something asks before.
 */
#include "shim_hook.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- it is not there ---- */

/* These results say that the path has been read, and more than that nothing is there. */
static int
hide(int dirfd, const char *path, int result)
{
	int error = errno;

	if (result < 0 && error != EACCES && error != EROFS)
		return result;
	if (shim_is_lock_name(path) && shim_is_managed_lock(dirfd, path))
		return shim_fail(ENOENT);
	errno = error;
	return result;
}

#define STAT_HOOK(name)                                                                            \
	HOOK(name, const char *path, void *status)                                                 \
	{                                                                                          \
		return hide(AT_FDCWD, path, REAL(name, path, status));                             \
	}

#define XSTAT_HOOK(name)                                                                           \
	HOOK(name, int version, const char *path, void *status)                                    \
	{                                                                                          \
		return hide(AT_FDCWD, path, REAL(name, version, path, status));                    \
	}

#define STATAT_HOOK(name)                                                                          \
	HOOK(name, int dirfd, const char *path, void *status, int flags)                           \
	{                                                                                          \
		return hide(dirfd, path, REAL(name, dirfd, path, status, flags));                  \
	}

#define XSTATAT_HOOK(name)                                                                         \
	HOOK(name, int version, int dirfd, const char *path, void *status, int flags)              \
	{                                                                                          \
		return hide(dirfd, path, REAL(name, version, dirfd, path, status, flags));         \
	}

/* A port's user needs no permission for its node: the broker opens it (cu asks before it opens). */
static int
permit(int dirfd, const char *path, int result)
{
	struct shim_stat status;
	char absolute[SHIM_PATH_MAX];

	result = hide(dirfd, path, result);
	if (result == 0 || errno != EACCES)
		return result;
	shim_stat(dirfd, path, 0, &status);
	if (status.error == 0 && S_ISCHR(status.mode) &&
	    shim_absolute(dirfd, path, absolute, sizeof(absolute)) &&
	    shim_is_listed(absolute, status.rdev))
		return 0;
	return shim_fail(EACCES);
}

#define ACCESS_HOOK(name)                                                                          \
	HOOK(name, const char *path, int mode)                                                     \
	{                                                                                          \
		return permit(AT_FDCWD, path, REAL(name, path, mode));                             \
	}

STAT_HOOK(stat)
STAT_HOOK(stat64)
STAT_HOOK(lstat)
STAT_HOOK(lstat64)
STAT_HOOK(__stat64_time64)
STAT_HOOK(__lstat64_time64)
XSTAT_HOOK(__xstat)
XSTAT_HOOK(__xstat64)
XSTAT_HOOK(__lxstat)
XSTAT_HOOK(__lxstat64)
STATAT_HOOK(fstatat)
STATAT_HOOK(fstatat64)
STATAT_HOOK(__fstatat64_time64)
XSTATAT_HOOK(__fxstatat)
XSTATAT_HOOK(__fxstatat64)
ACCESS_HOOK(access)
ACCESS_HOOK(euidaccess)
ACCESS_HOOK(eaccess)

HOOK(faccessat, int dirfd, const char *path, int mode, int flags)
{
	return permit(dirfd, path, REAL(faccessat, dirfd, path, mode, flags));
}

HOOK(statx, int dirfd, const char *path, int flags, unsigned mask, void *status)
{
	return hide(dirfd, path, REAL(statx, dirfd, path, flags, mask, status));
}

/* ---- it is no link ---- */

/* Its result is ssize_t: HOOK's int would cut nothing off, but lose the sign. */
#define READLINK_HOOK(name, dirfd, given, passed)                                                  \
	typedef ssize_t name##_function given;                                                     \
	ssize_t shim_hook_##name given SHIM_HOOK(#name);                                           \
	ssize_t shim_hook_##name given                                                             \
	{                                                                                          \
		name##_function *next = (name##_function *)shim_next(SHIM_##name);                 \
		ssize_t result = next ? next passed : shim_fail(ENOSYS);                           \
                                                                                                   \
		return hide_link(dirfd, path, size, result);                                       \
	}

/* EINVAL: it is no link, or there was no room, and then the path has not been read. */
static ssize_t
hide_link(int dirfd, const char *path, size_t size, ssize_t result)
{
	bool is_read = result >= 0 || errno == EACCES || (errno == EINVAL && size > 0);

	return is_read && hide(dirfd, path, 0) < 0 ? -1 : result;
}

READLINK_HOOK(readlink, AT_FDCWD, (const char *path, char *to, size_t size), (path, to, size))
READLINK_HOOK(readlinkat, dirfd, (int dirfd, const char *path, char *to, size_t size),
	      (dirfd, path, to, size))
READLINK_HOOK(__readlink_chk, AT_FDCWD, (const char *path, char *to, size_t size, size_t room),
	      (path, to, size, room))
READLINK_HOOK(__readlinkat_chk, dirfd,
	      (int dirfd, const char *path, char *to, size_t size, size_t room),
	      (dirfd, path, to, size, room))

/* ---- it can be made ---- */

/* Its maker holds the line in earnest: a fax answerer in a call. */
static int
made(int dirfd, const char *lock)
{
	shim_busy(dirfd, lock, true);
	return 0;
}

/* The temporary file stays: its maker removes it. */
static int
link_to_lock(int from_dirfd, const char *from, int dirfd, const char *lock)
{
	struct shim_stat status;

	shim_stat(from_dirfd, from, AT_SYMLINK_NOFOLLOW, &status);
	return status.error ? shim_fail(status.error) : made(dirfd, lock);
}

HOOK(link, const char *from, const char *to)
{
	if (shim_is_lock(AT_FDCWD, from))
		return shim_fail(ENOENT);
	return shim_is_lock(AT_FDCWD, to) ? link_to_lock(AT_FDCWD, from, AT_FDCWD, to)
					  : REAL(link, from, to);
}

HOOK(linkat, int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
	if (shim_is_lock(from_dirfd, from))
		return shim_fail(ENOENT);
	return shim_is_lock(to_dirfd, to) ? link_to_lock(from_dirfd, from, to_dirfd, to)
					  : REAL(linkat, from_dirfd, from, to_dirfd, to, flags);
}

HOOK(symlink, const char *target, const char *to)
{
	return shim_is_lock(AT_FDCWD, to) ? made(AT_FDCWD, to) : REAL(symlink, target, to);
}

HOOK(symlinkat, const char *target, int dirfd, const char *to)
{
	return shim_is_lock(dirfd, to) ? made(dirfd, to) : REAL(symlinkat, target, dirfd, to);
}

static int
rename_to_lock(int from_dirfd, const char *from, int dirfd, const char *lock)
{
	return syscall(SYS_unlinkat, from_dirfd, from, 0) < 0 ? -1 : made(dirfd, lock);
}

/* The lock is not there to be moved; whoever tries it wants it gone. */
static int
rename_lock(int dirfd, const char *lock)
{
	shim_busy(dirfd, lock, false);
	return shim_fail(ENOENT);
}

HOOK(rename, const char *from, const char *to)
{
	if (shim_is_lock(AT_FDCWD, from))
		return rename_lock(AT_FDCWD, from);
	return shim_is_lock(AT_FDCWD, to) ? rename_to_lock(AT_FDCWD, from, AT_FDCWD, to)
					  : REAL(rename, from, to);
}

HOOK(renameat, int from_dirfd, const char *from, int to_dirfd, const char *to)
{
	if (shim_is_lock(from_dirfd, from))
		return rename_lock(from_dirfd, from);
	return shim_is_lock(to_dirfd, to) ? rename_to_lock(from_dirfd, from, to_dirfd, to)
					  : REAL(renameat, from_dirfd, from, to_dirfd, to);
}

HOOK(renameat2, int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned flags)
{
	if (shim_is_lock(from_dirfd, from))
		return rename_lock(from_dirfd, from);
	return shim_is_lock(to_dirfd, to) ? rename_to_lock(from_dirfd, from, to_dirfd, to)
					  : REAL(renameat2, from_dirfd, from, to_dirfd, to, flags);
}

/* ---- it can be removed ---- */

static int
removed(int dirfd, const char *lock)
{
	shim_busy(dirfd, lock, false);
	return 0;
}

HOOK(unlink, const char *path)
{
	return shim_is_lock(AT_FDCWD, path) ? removed(AT_FDCWD, path) : REAL(unlink, path);
}

HOOK(unlinkat, int dirfd, const char *path, int flags)
{
	return shim_is_lock(dirfd, path) ? removed(dirfd, path)
					 : REAL(unlinkat, dirfd, path, flags);
}

HOOK(remove, const char *path)
{
	return shim_is_lock(AT_FDCWD, path) ? removed(AT_FDCWD, path) : REAL(remove, path);
}

/* Nothing is there to be shortened. (long: a 32-bit program's off_t, whatever ours is.) */
HOOK(truncate, const char *path, long length)
{
	return shim_is_lock(AT_FDCWD, path) ? shim_fail(ENOENT) : REAL(truncate, path, length);
}

HOOK(truncate64, const char *path, int64_t length)
{
	return shim_is_lock(AT_FDCWD, path) ? shim_fail(ENOENT) : REAL(truncate64, path, length);
}
