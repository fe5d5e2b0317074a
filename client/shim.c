/*
 * shim.c - LD_PRELOAD: open() and its relatives. Each hook asks shim_open() and, if the path is not
 * ours, makes the real call with the very same arguments. It decides nothing.
 *
 * The tricky idea: no hook reads its arguments before the kernel has accepted them, so that NULL
 * and unmapped paths get the kernel's EFAULT as ever.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int open_function(const char *path, int flags, ...);
typedef int open_2_function(const char *path, int flags);
typedef int openat_function(int dirfd, const char *path, int flags, ...);
typedef int openat_2_function(int dirfd, const char *path, int flags);
typedef int creat_function(const char *path, mode_t mode);

int shim_hook_open(const char *, int, ...) SHIM_HOOK("open");
int shim_hook_open64(const char *, int, ...) SHIM_HOOK("open64");
int shim_hook___open(const char *, int, ...) SHIM_HOOK("__open");
int shim_hook___open64(const char *, int, ...) SHIM_HOOK("__open64");
int shim_hook_open_2(const char *, int) SHIM_HOOK("__open_2");
int shim_hook_open64_2(const char *, int) SHIM_HOOK("__open64_2");
int shim_hook_openat(int, const char *, int, ...) SHIM_HOOK("openat");
int shim_hook_openat64(int, const char *, int, ...) SHIM_HOOK("openat64");
int shim_hook_openat_2(int, const char *, int) SHIM_HOOK("__openat_2");
int shim_hook_openat64_2(int, const char *, int) SHIM_HOOK("__openat64_2");
int shim_hook_creat(const char *, mode_t) SHIM_HOOK("creat");
int shim_hook_creat64(const char *, mode_t) SHIM_HOOK("creat64");

/* The mode is there only if a file may be made. */
#define TAKE_MODE(mode, flags)                                                                     \
	do {                                                                                       \
		va_list arguments;                                                                 \
                                                                                                   \
		va_start(arguments, flags);                                                        \
		if (((flags)&O_CREAT) || ((flags)&O_TMPFILE) == O_TMPFILE)                         \
			mode = va_arg(arguments, mode_t);                                          \
		va_end(arguments);                                                                 \
	} while (0)

static int
raw_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

static int
real_open(enum shim_symbol symbol, const char *path, int flags, mode_t mode)
{
	open_function *next = (open_function *)shim_next(symbol);

	return next ? next(path, flags, mode) : raw_openat(AT_FDCWD, path, flags, mode);
}

static int
real_openat(enum shim_symbol symbol, int dirfd, const char *path, int flags, mode_t mode)
{
	openat_function *next = (openat_function *)shim_next(symbol);

	return next ? next(dirfd, path, flags, mode) : raw_openat(dirfd, path, flags, mode);
}

#define OPEN_HOOK(name)                                                                            \
	int shim_hook_##name(const char *path, int flags, ...)                                     \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
		int fd;                                                                            \
                                                                                                   \
		TAKE_MODE(mode, flags);                                                            \
		fd = shim_open(AT_FDCWD, path, flags);                                             \
		return fd != SHIM_NOT_OURS ? fd : real_open(SHIM_##name, path, flags, mode);       \
	}

OPEN_HOOK(open)
OPEN_HOOK(open64)
OPEN_HOOK(__open)
OPEN_HOOK(__open64)

#define OPENAT_HOOK(name)                                                                          \
	int shim_hook_##name(int dirfd, const char *path, int flags, ...)                          \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
		int fd;                                                                            \
                                                                                                   \
		TAKE_MODE(mode, flags);                                                            \
		fd = shim_open(dirfd, path, flags);                                                \
		return fd != SHIM_NOT_OURS ? fd                                                    \
					   : real_openat(SHIM_##name, dirfd, path, flags, mode);   \
	}

OPENAT_HOOK(openat)
OPENAT_HOOK(openat64)

/* ---- the fortified ones, which end the program for O_CREAT without a mode: so does the next ----
 */

static int
open_2(enum shim_symbol symbol, const char *path, int flags)
{
	open_2_function *next = (open_2_function *)shim_next(symbol);
	int fd = (flags & O_CREAT) ? SHIM_NOT_OURS : shim_open(AT_FDCWD, path, flags);

	if (fd != SHIM_NOT_OURS)
		return fd;
	return next ? next(path, flags) : raw_openat(AT_FDCWD, path, flags, 0);
}

static int
openat_2(enum shim_symbol symbol, int dirfd, const char *path, int flags)
{
	openat_2_function *next = (openat_2_function *)shim_next(symbol);
	int fd = (flags & O_CREAT) ? SHIM_NOT_OURS : shim_open(dirfd, path, flags);

	if (fd != SHIM_NOT_OURS)
		return fd;
	return next ? next(dirfd, path, flags) : raw_openat(dirfd, path, flags, 0);
}

int
shim_hook_open_2(const char *path, int flags)
{
	return open_2(SHIM___open_2, path, flags);
}

int
shim_hook_open64_2(const char *path, int flags)
{
	return open_2(SHIM___open64_2, path, flags);
}

int
shim_hook_openat_2(int dirfd, const char *path, int flags)
{
	return openat_2(SHIM___openat_2, dirfd, path, flags);
}

int
shim_hook_openat64_2(int dirfd, const char *path, int flags)
{
	return openat_2(SHIM___openat64_2, dirfd, path, flags);
}

/* ---- creat ---- */

static int
creat_either(enum shim_symbol symbol, const char *path, mode_t mode)
{
	const int flags = O_CREAT | O_WRONLY | O_TRUNC;
	creat_function *next = (creat_function *)shim_next(symbol);
	int fd = shim_open(AT_FDCWD, path, flags);

	if (fd != SHIM_NOT_OURS)
		return fd;
	return next ? next(path, mode) : raw_openat(AT_FDCWD, path, flags, mode);
}

int
shim_hook_creat(const char *path, mode_t mode)
{
	return creat_either(SHIM_creat, path, mode);
}

int
shim_hook_creat64(const char *path, mode_t mode)
{
	return creat_either(SHIM_creat64, path, mode);
}
