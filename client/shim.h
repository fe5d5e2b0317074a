/*
 * shim.h - what the parts of libcomlease-shim.so share. The shim is loaded into programs that know
 * nothing of it (LD_PRELOAD): no state after a call has returned, no descriptor left, errno as the
 * real call would leave it, nothing printed unless COMLEASE_DEBUG is set.
 */
#ifndef COMLEASE_SHIM_H
#define COMLEASE_SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

/*
 * A hook has a C name of its own and the symbol of the function that it stands before: under their
 * real names the headers' declarations would get in the way (fortified inlines, 64-bit off_t
 * renaming, and `nonnull`, with which the compiler drops our checks for NULL).
 */
#define SHIM_HOOK(symbol) __asm__(symbol) __attribute__((visibility("default")))

/* ---- shim_next.c: the functions behind ours ---- */

/* clang-format off */
#define SHIM_SYMBOLS(X) \
	X(open) X(open64) X(__open) X(__open64) X(__open_2) X(__open64_2) X(openat) X(openat64) \
	X(__openat_2) X(__openat64_2) X(creat) X(creat64) X(fopen) X(fopen64) X(freopen) \
	X(freopen64) X(stat) X(stat64) X(lstat) X(lstat64) X(fstatat) X(fstatat64) X(statx) \
	X(__xstat) X(__xstat64) X(__lxstat) X(__lxstat64) X(__fxstatat) X(__fxstatat64) \
	X(__stat64_time64) X(__lstat64_time64) X(__fstatat64_time64) X(access) X(faccessat) \
	X(euidaccess) X(eaccess) X(readlink) X(readlinkat) X(__readlink_chk) X(__readlinkat_chk) \
	X(link) X(linkat) X(symlink) X(symlinkat) X(rename) X(renameat) X(renameat2) X(unlink) \
	X(unlinkat) X(remove) X(truncate) X(truncate64) X(chmod) X(fchmod) X(fchmodat) X(lchmod) \
	X(chown) X(fchown) X(lchown) X(fchownat) X(utime) X(utimes) X(lutimes) X(futimesat) \
	X(utimensat) X(__utime64) X(__utimes64) X(__lutimes64) X(__futimesat64) X(__utimensat64) \
	X(ioctl) X(__ioctl_time64) X(login_tty)
/* clang-format on */

#define SHIM_ENUM(name) SHIM_##name,
enum shim_symbol { SHIM_SYMBOLS(SHIM_ENUM) SHIM_SYMBOL_COUNT };

typedef void shim_function(void);

/* The next definition of that symbol, to be cast to its type; NULL: not to be found (yet). */
shim_function *shim_next(enum shim_symbol);

/* ---- shim_open.c: is it ours? ---- */

#define SHIM_NOT_OURS (-2)

/* The whole decision about an open(): a descriptor as the caller wants it; -1 and errno; or
 * SHIM_NOT_OURS, errno untouched: the real call is to be made. Any path, NULL and unmapped
 * included; flags as for open(). */
int shim_open(int dirfd, const char *path, int flags);

/* ---- shim_path.c: names ---- */

/* Longer than any port's path or lock file's; and programs open on small stacks, too. */
#define SHIM_PATH_MAX 512

/* What one stat() tells, by raw system call. */
struct shim_stat {
	int error; /* 0, or the errno; errno itself is untouched */
	mode_t mode;
	dev_t rdev;
};

/* flags: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH. */
void shim_stat(int dirfd, const char *path, int flags, struct shim_stat *);
void shim_fstat(int fd, struct shim_stat *);

/* The absolute path, "//", "." and ".." removed by their letters alone, links as they are. False:
 * too long, or the folder is not known. */
bool shim_absolute(int dirfd, const char *path, char *absolute, size_t size);

/* Is that device, by path or by rdev (0: by path alone), one of COMLEASE_DEVICES? */
bool shim_is_listed(const char *absolute, dev_t rdev);

/* Calls matches() for each device of COMLEASE_DEVICES until it says true. */
bool shim_any_listed(bool (*matches)(const char *device, void *context), void *context);

/* The environment, but not that of a program with more rights than its caller; NULL if unset or "".
 */
const char *shim_environment(const char *name);

/* True while the broker is asked in this thread: jansson, NSS and others open files then. */
bool shim_is_inside(void);
bool shim_set_inside(bool); /* what it was before */

/* To stderr, if COMLEASE_DEBUG is set. */
__attribute__((format(printf, 1, 2))) void shim_debug(const char *format, ...);

/* ---- shim_lease.c: the broker ---- */

/* Waits for the lease. listed: this device is known to be managed. Result as of shim_open(). */
int shim_acquire(const char *absolute, dev_t rdev, bool listed, int flags);

/* ---- shim_port.c: which ports there are ---- */

struct shim_port {
	const char *device;
	dev_t rdev;           /* 0: not known by number */
	const char *lock_dir; /* where the broker has the lock files of all ports; or NULL */
};

/* Calls matches() for each port until it says true. errno stays. */
bool shim_any_port(bool (*matches)(const struct shim_port *, void *context), void *context);

/* Is that the node of a port's device? */
bool shim_is_managed(const struct shim_stat *);

/* ---- shim_lock.c: the private view of LCK..(managed port) ---- */

/* Is one of its parts LCK..something? Nearly never: so one strstr() finds it out, whose few
 * instructions for sixteen bytes are what each unrelated open() pays. Only for a path that the
 * kernel has read: it may be unmapped. */
static inline bool
shim_is_lock_name(const char *path)
{
	const char *found = path ? strstr(path, "LCK..") : NULL;

	while (found && found != path && found[-1] != '/')
		found = strstr(found + 1, "LCK..");
	return found != NULL;
}

/* Is that the lock file of a managed port? Give it only what shim_is_lock_name() has let through.
 */
bool shim_is_managed_lock(int dirfd, const char *path);

/* The same for any path, NULL and unmapped included. */
bool shim_is_lock(int dirfd, const char *path);

/* Is that the lock file of this device? */
bool shim_is_lock_of(int dirfd, const char *path, const char *device);

/* open() of such a file. */
int shim_open_lock(int dirfd, const char *path, int flags);

/* ---- shim_busy.c: a standby holder's call ---- */

/* The lock file of a managed port has been made (true) or removed. Under `comlease run --standby`,
 * if it is that of the port that is held, the broker is told; otherwise nothing happens. errno
 * stays. It may be called in a signal handler. */
void shim_busy(int dirfd, const char *path, bool busy);

#endif
