/*
 * shim_stdio.c - LD_PRELOAD: fopen() and freopen(), which open inside libc where no other hook sees
 * it.
 *
 * The tricky idea: freopen() onto a leased descriptor is a real freopen() of /dev/null, which gives
 * the stream its mode, its buffer and its old number, and then dup3() onto that number. (A real
 * freopen() of NULL would open the device a second time, through /proc/self/fd.) fopen() with a
 * character set is done likewise, because fdopen() knows of none.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

typedef FILE *fopen_function(const char *path, const char *mode);
typedef FILE *freopen_function(const char *path, const char *mode, FILE *stream);

FILE *shim_hook_fopen(const char *, const char *) SHIM_HOOK("fopen");
FILE *shim_hook_fopen64(const char *, const char *) SHIM_HOOK("fopen64");
FILE *shim_hook_freopen(const char *, const char *, FILE *) SHIM_HOOK("freopen");
FILE *shim_hook_freopen64(const char *, const char *, FILE *) SHIM_HOOK("freopen64");

/* As open() is called for that mode; -1: no such mode, which the real function may refuse. */
static int
flags_of(const char *mode)
{
	bool plus = strchr(mode, '+') != NULL;
	int flags;

	switch (mode[0]) {
	case 'r':
		flags = plus ? O_RDWR : O_RDONLY;
		break;
	case 'w':
		flags = (plus ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
		break;
	case 'a':
		flags = (plus ? O_RDWR : O_WRONLY) | O_CREAT | O_APPEND;
		break;
	default:
		return -1;
	}
	for (const char *m = mode + 1; *m && *m != ','; m++) {
		if (*m == 'x')
			flags |= O_EXCL;
		if (*m == 'e')
			flags |= O_CLOEXEC;
	}
	return flags;
}

static int
open_stream(const char *path, const char *mode)
{
	int flags = mode ? flags_of(mode) : -1;

	return flags < 0 ? SHIM_NOT_OURS : shim_open(AT_FDCWD, path, flags);
}

/* A failing freopen() closes the stream all the same: let the real one do it. */
static FILE *
fail_reopen(freopen_function *next, const char *mode, FILE *stream)
{
	int error = errno;

	next("", mode, stream);
	errno = error;
	return NULL;
}

/* A stream of /dev/null becomes one of what fd is. */
static int
replace(FILE *stream, int fd, const char *mode)
{
	return dup3(fd, fileno(stream), strchr(mode, 'e') ? O_CLOEXEC : 0);
}

/* The stream gets the number that fd has. */
static FILE *
open_with_charset(fopen_function *next, int fd, const char *mode)
{
	int above = fcntl(fd, F_DUPFD_CLOEXEC, fd + 1);
	FILE *stream;

	close(fd);
	stream = above >= 0 ? next("/dev/null", mode) : NULL;
	if (stream && replace(stream, above, mode) < 0) {
		fclose(stream);
		stream = NULL;
	}
	if (above >= 0)
		close(above);
	return stream;
}

static FILE *
stream_of(fopen_function *next, int fd, const char *mode)
{
	FILE *stream;
	int error;

	if (next && strstr(mode, ",ccs="))
		return open_with_charset(next, fd, mode);
	stream = fdopen(fd, mode);
	if (!stream) {
		error = errno;
		close(fd);
		errno = error;
	}
	return stream;
}

static FILE *
fopen_either(enum shim_symbol symbol, const char *path, const char *mode)
{
	fopen_function *next = (fopen_function *)shim_next(symbol);
	int fd = open_stream(path, mode);

	if (fd == -1)
		return NULL;
	if (fd != SHIM_NOT_OURS)
		return stream_of(next, fd, mode);
	if (next)
		return next(path, mode);
	errno = ENOSYS;
	return NULL;
}

FILE *
shim_hook_fopen(const char *path, const char *mode)
{
	return fopen_either(SHIM_fopen, path, mode);
}

FILE *
shim_hook_fopen64(const char *path, const char *mode)
{
	return fopen_either(SHIM_fopen64, path, mode);
}

static FILE *
freopen_either(enum shim_symbol symbol, const char *path, const char *mode, FILE *stream)
{
	freopen_function *next = (freopen_function *)shim_next(symbol);
	int fd = path ? open_stream(path, mode) : SHIM_NOT_OURS;
	FILE *result;

	if (!next) {
		errno = ENOSYS;
		return NULL;
	}
	if (fd == SHIM_NOT_OURS)
		return next(path, mode, stream);
	if (fd == -1)
		return fail_reopen(next, mode, stream);
	result = next("/dev/null", mode, stream);
	if (result && replace(result, fd, mode) < 0)
		result = fail_reopen(next, mode, result);
	close(fd);
	return result;
}

FILE *
shim_hook_freopen(const char *path, const char *mode, FILE *stream)
{
	return freopen_either(SHIM_freopen, path, mode, stream);
}

FILE *
shim_hook_freopen64(const char *path, const char *mode, FILE *stream)
{
	return freopen_either(SHIM_freopen64, path, mode, stream);
}
