/*
 * shim_lock_hooks.c - LD_PRELOAD: the calls that name a file without opening it, for the lock files
 * of managed ports (shim_lock.c): they are not there, making one succeeds, removing one succeeds,
 * and shim_busy() hears of both.
 * Every other path goes to the real call at once; only access() to a managed device that its
 * permissions forbid is said to be allowed, because the broker gives it.
 *
 * The tricky idea: a macro makes type, declaration and definition of each hook from one line, so
 * that forty of them stay alike.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Declares a hook, its type, and makes the real call; where there is none: ENOSYS. */
#define HOOK(name, ...)                                                                            \
	typedef int name##_function(__VA_ARGS__);                                                  \
	int shim_hook_##name(__VA_ARGS__) SHIM_HOOK(#name);                                        \
	int shim_hook_##name(__VA_ARGS__)

#define REAL(name, ...)                                                                            \
	(shim_next(SHIM_##name) ? ((name##_function *)shim_next(SHIM_##name))(__VA_ARGS__)         \
				: fail(ENOSYS))

static int
fail(int error)
{
	errno = error;
	return -1;
}

/* ---- it is not there ---- */

#define STAT_HOOK(name)                                                                            \
	HOOK(name, const char *path, void *status)                                                 \
	{                                                                                          \
		return shim_is_lock(AT_FDCWD, path) ? fail(ENOENT) : REAL(name, path, status);     \
	}

#define XSTAT_HOOK(name)                                                                           \
	HOOK(name, int version, const char *path, void *status)                                    \
	{                                                                                          \
		return shim_is_lock(AT_FDCWD, path) ? fail(ENOENT)                                 \
						    : REAL(name, version, path, status);           \
	}

#define STATAT_HOOK(name)                                                                          \
	HOOK(name, int dirfd, const char *path, void *status, int flags)                           \
	{                                                                                          \
		return shim_is_lock(dirfd, path) ? fail(ENOENT)                                    \
						 : REAL(name, dirfd, path, status, flags);         \
	}

#define XSTATAT_HOOK(name)                                                                         \
	HOOK(name, int version, int dirfd, const char *path, void *status, int flags)              \
	{                                                                                          \
		return shim_is_lock(dirfd, path)                                                   \
			   ? fail(ENOENT)                                                          \
			   : REAL(name, version, dirfd, path, status, flags);                      \
	}

/* A port's user needs no permission for its node: the broker opens it (cu asks before it opens). */
static int
permit(int dirfd, const char *path, int result)
{
	struct shim_stat status;
	char absolute[PATH_MAX];

	if (result == 0 || errno != EACCES)
		return result;
	shim_stat(dirfd, path, true, &status);
	if (status.error == 0 && S_ISCHR(status.mode) &&
	    shim_absolute(dirfd, path, absolute, sizeof(absolute)) &&
	    shim_is_listed(absolute, status.rdev))
		return 0;
	return fail(EACCES);
}

#define ACCESS_HOOK(name)                                                                          \
	HOOK(name, const char *path, int mode)                                                     \
	{                                                                                          \
		return shim_is_lock(AT_FDCWD, path)                                                \
			   ? fail(ENOENT)                                                          \
			   : permit(AT_FDCWD, path, REAL(name, path, mode));                       \
	}

STAT_HOOK(stat)
STAT_HOOK(stat64)
STAT_HOOK(lstat)
STAT_HOOK(lstat64)
XSTAT_HOOK(__xstat)
XSTAT_HOOK(__xstat64)
XSTAT_HOOK(__lxstat)
XSTAT_HOOK(__lxstat64)
STATAT_HOOK(fstatat)
STATAT_HOOK(fstatat64)
XSTATAT_HOOK(__fxstatat)
XSTATAT_HOOK(__fxstatat64)
ACCESS_HOOK(access)
ACCESS_HOOK(euidaccess)
ACCESS_HOOK(eaccess)

HOOK(faccessat, int dirfd, const char *path, int mode, int flags)
{
	return shim_is_lock(dirfd, path)
		   ? fail(ENOENT)
		   : permit(dirfd, path, REAL(faccessat, dirfd, path, mode, flags));
}

HOOK(statx, int dirfd, const char *path, int flags, unsigned mask, void *status)
{
	return shim_is_lock(dirfd, path) ? fail(ENOENT)
					 : REAL(statx, dirfd, path, flags, mask, status);
}

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

	shim_stat(from_dirfd, from, false, &status);
	return status.error ? fail(status.error) : made(dirfd, lock);
}

HOOK(link, const char *from, const char *to)
{
	if (shim_is_lock(AT_FDCWD, from))
		return fail(ENOENT);
	return shim_is_lock(AT_FDCWD, to) ? link_to_lock(AT_FDCWD, from, AT_FDCWD, to)
					  : REAL(link, from, to);
}

HOOK(linkat, int from_dirfd, const char *from, int to_dirfd, const char *to, int flags)
{
	if (shim_is_lock(from_dirfd, from))
		return fail(ENOENT);
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
	return fail(ENOENT);
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

/* ---- it can be removed, and adorned ---- */

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

HOOK(chmod, const char *path, mode_t mode)
{
	return shim_is_lock(AT_FDCWD, path) ? 0 : REAL(chmod, path, mode);
}

HOOK(fchmodat, int dirfd, const char *path, mode_t mode, int flags)
{
	return shim_is_lock(dirfd, path) ? 0 : REAL(fchmodat, dirfd, path, mode, flags);
}

HOOK(chown, const char *path, uid_t uid, gid_t gid)
{
	return shim_is_lock(AT_FDCWD, path) ? 0 : REAL(chown, path, uid, gid);
}

HOOK(lchown, const char *path, uid_t uid, gid_t gid)
{
	return shim_is_lock(AT_FDCWD, path) ? 0 : REAL(lchown, path, uid, gid);
}

HOOK(fchownat, int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
	return shim_is_lock(dirfd, path) ? 0 : REAL(fchownat, dirfd, path, uid, gid, flags);
}

HOOK(utime, const char *path, const void *times)
{
	return shim_is_lock(AT_FDCWD, path) ? 0 : REAL(utime, path, times);
}

HOOK(utimes, const char *path, const void *times)
{
	return shim_is_lock(AT_FDCWD, path) ? 0 : REAL(utimes, path, times);
}

HOOK(utimensat, int dirfd, const char *path, const void *times, int flags)
{
	return shim_is_lock(dirfd, path) ? 0 : REAL(utimensat, dirfd, path, times, flags);
}
