/*
 * preload_serial.c - makes ptys into serial ports for the program that it is preloaded into: they
 * are character devices of another kind, have a place in sysfs, and do what serial_driver.c
 * imitates. Which ptys: see serial_rig.h. Responsible for the calls that lead there; knows nothing
 * of what they do.
 *
 * The tricky idea: everything but these few calls goes to the kernel directly, and what stands in
 * front (the shim) stays in front. What the C library does inside (tcsetattr() calls no ioctl()
 * that could be seen) is taken at its name.
 */
#undef _FORTIFY_SOURCE /* its inline versions would stand in the way */
#include "serial_driver.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

static int
said(int result)
{
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}

static struct serial_line *
line_of(int fd)
{
	struct stat st;

	if (serial_state() == NULL || syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) < 0)
		return NULL;
	return S_ISCHR(st.st_mode) ? serial_line_of_rdev(st.st_rdev) : NULL;
}

/* ---- where they are in sysfs ---- */

/* /sys/class/tty/pts/N/rest and /sys/dev/char/188:N/rest are FOLDER/sys/LINE/tty/rest and .../dev.
 */
static const char *
translate(const char *path, char other[PATH_MAX])
{
	static const struct {
		const char *prefix, *name;
	} places[] = { { "/sys/class/tty/pts/", "tty" }, { "/sys/dev/char/188:", "dev" } };
	struct serial_line *line;
	unsigned number;
	size_t i, length;
	int end = 0;

	for (i = 0; i < 2 && serial_state() != NULL; i++) {
		length = strlen(places[i].prefix);
		if (strncmp(path, places[i].prefix, length) != 0 ||
		    sscanf(path + length, "%u%n", &number, &end) != 1)
			continue;
		line = serial_line_of_rdev(makedev(136 + number / 256, number % 256));
		if (line == NULL)
			continue;
		snprintf(other, PATH_MAX, "%s/sys/%d/%s%s", serial_folder(),
			 serial_line_number(line), places[i].name, path + length + end);
		return other;
	}
	return path;
}

ssize_t
readlink(const char *restrict path, char *restrict buffer, size_t size)
{
	char other[PATH_MAX];

	return syscall(SYS_readlinkat, AT_FDCWD, translate(path, other), buffer, size);
}

ssize_t __readlink_chk(const char *path, char *buffer, size_t size, size_t room);

ssize_t
__readlink_chk(const char *path, char *buffer, size_t size, size_t room)
{
	return readlink(path, buffer, size < room ? size : room);
}

FILE *
fopen(const char *restrict path, const char *restrict mode)
{
	union {
		void *object;
		FILE *(*open)(const char *restrict, const char *restrict);
	} next = { .object = dlsym(RTLD_NEXT, "fopen") };
	char other[PATH_MAX];

	return next.open(translate(path, other), mode);
}

/* ---- which device they are ---- */

static int
look(int dirfd, const char *path, struct stat *st, int flags)
{
	char other[PATH_MAX];
	int result = (int)syscall(SYS_newfstatat, dirfd, translate(path, other), st, flags);

	if (result == 0 && S_ISCHR(st->st_mode) && serial_line_of_rdev(st->st_rdev) != NULL)
		st->st_rdev = makedev(SERIAL_MAJOR, minor(st->st_rdev));
	return result;
}

/* amd64, where both widths are the same. */
#define STAT_HOOKS(suffix)                                                                         \
	int stat##suffix(const char *restrict path, struct stat##suffix *restrict st)              \
	{                                                                                          \
		return look(AT_FDCWD, path, (struct stat *)(void *)st, 0);                         \
	}                                                                                          \
	int lstat##suffix(const char *restrict path, struct stat##suffix *restrict st)             \
	{                                                                                          \
		return look(AT_FDCWD, path, (struct stat *)(void *)st, AT_SYMLINK_NOFOLLOW);       \
	}                                                                                          \
	int fstat##suffix(int fd, struct stat##suffix *st)                                         \
	{                                                                                          \
		return look(fd, "", (struct stat *)(void *)st, AT_EMPTY_PATH);                     \
	}                                                                                          \
	int fstatat##suffix(int dirfd, const char *restrict path,                                  \
			    struct stat##suffix *restrict st, int flags)                           \
	{                                                                                          \
		return look(dirfd, path, (struct stat *)(void *)st, flags);                        \
	}

STAT_HOOKS()
STAT_HOOKS(64)

/* How programs called them before glibc 2.33: libserialport. */
int __xstat(int version, const char *path, struct stat *st);
int __lxstat(int version, const char *path, struct stat *st);
int __fxstat(int version, int fd, struct stat *st);

int
__xstat(int version, const char *path, struct stat *st)
{
	(void)version;
	return look(AT_FDCWD, path, st, 0);
}

int
__lxstat(int version, const char *path, struct stat *st)
{
	(void)version;
	return look(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

int
__fxstat(int version, int fd, struct stat *st)
{
	(void)version;
	return look(fd, "", st, AT_EMPTY_PATH);
}

int
statx(int dirfd, const char *restrict path, int flags, unsigned mask, struct statx *restrict st)
{
	int result = (int)syscall(SYS_statx, dirfd, path, flags, mask, st);
	dev_t rdev = result == 0 ? makedev(st->stx_rdev_major, st->stx_rdev_minor) : 0;

	if (result == 0 && S_ISCHR(st->stx_mode) && serial_line_of_rdev(rdev) != NULL)
		st->stx_rdev_major = SERIAL_MAJOR;
	return result;
}

/* ---- opens ---- */

static int
open_at(int dirfd, const char *path, int flags, mode_t mode)
{
	struct serial_line *line = NULL;
	char other[PATH_MAX];
	struct stat st;
	int fd, result;

	path = translate(path, other);
	if (serial_state() != NULL && (flags & O_PATH) == 0 &&
	    syscall(SYS_newfstatat, dirfd, path, &st, 0) == 0 && S_ISCHR(st.st_mode))
		line = serial_line_of_rdev(st.st_rdev);
	result = line != NULL ? serial_opening(line) : 0;
	if (result < 0)
		return said(result);
	fd = (int)syscall(SYS_openat, dirfd, path, flags, mode);
	if (fd >= 0 && line != NULL)
		serial_opened(line, fd, flags);
	return fd;
}

#define MODE_OF(flags, mode)                                                                       \
	do {                                                                                       \
		va_list arguments;                                                                 \
		va_start(arguments, flags);                                                        \
		mode = ((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE                  \
			   ? va_arg(arguments, mode_t)                                             \
			   : 0;                                                                    \
		va_end(arguments);                                                                 \
	} while (0)

#define OPEN_HOOKS(suffix)                                                                         \
	int open##suffix(const char *path, int flags, ...)                                         \
	{                                                                                          \
		mode_t mode;                                                                       \
		MODE_OF(flags, mode);                                                              \
		return open_at(AT_FDCWD, path, flags, mode);                                       \
	}                                                                                          \
	int openat##suffix(int dirfd, const char *path, int flags, ...)                            \
	{                                                                                          \
		mode_t mode;                                                                       \
		MODE_OF(flags, mode);                                                              \
		return open_at(dirfd, path, flags, mode);                                          \
	}                                                                                          \
	int __open##suffix##_2(const char *path, int flags);                                       \
	int __open##suffix##_2(const char *path, int flags)                                        \
	{                                                                                          \
		return open_at(AT_FDCWD, path, flags, 0);                                          \
	}                                                                                          \
	int __openat##suffix##_2(int dirfd, const char *path, int flags);                          \
	int __openat##suffix##_2(int dirfd, const char *path, int flags)                           \
	{                                                                                          \
		return open_at(dirfd, path, flags, 0);                                             \
	}

OPEN_HOOKS()
OPEN_HOOKS(64)

/* ---- requests ---- */

static int
request_of(int fd, unsigned long request, void *argument)
{
	/* a tty's, by its number: nothing else is looked at */
	struct serial_line *line = (request & 0xff00) == 'T' << 8 ? line_of(fd) : NULL;
	int result = line != NULL ? serial_request(line, fd, request, argument) : SERIAL_PASS;

	if (result != SERIAL_PASS)
		return said(result);
	result = (int)syscall(SYS_ioctl, fd, request, argument);
	if (result == 0 && line != NULL)
		serial_requested(line, fd, request);
	return result;
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return request_of(fd, request, argument);
}

/* The C library's termios is not the kernel's: it does that itself. */
int
tcsetattr(int fd, int actions, const struct termios *settings)
{
	static const unsigned long requests[] = { TCSETS, TCSETSW, TCSETSF };
	union {
		void *object;
		int (*set)(int, int, const struct termios *);
	} next = { .object = dlsym(RTLD_NEXT, "tcsetattr") };
	struct serial_line *line = line_of(fd);
	unsigned long request = requests[actions >= 0 && actions < 3 ? actions : 0];
	int result = line != NULL ? serial_request(line, fd, request, NULL) : SERIAL_PASS;

	if (result != SERIAL_PASS)
		return said(result);
	result = next.set(fd, actions, settings);
	if (result == 0 && line != NULL)
		serial_requested(line, fd, request);
	return result;
}

int
tcflow(int fd, int action)
{
	return request_of(fd, TCXONC, (void *)(intptr_t)action);
}

int
tcflush(int fd, int which)
{
	return request_of(fd, TCFLSH, (void *)(intptr_t)which);
}

int
tcdrain(int fd)
{
	return request_of(fd, TCSBRK, (void *)1);
}

int
tcsendbreak(int fd, int duration)
{
	return request_of(fd, duration <= 0 ? TCSBRK : TCSBRKP,
			  (void *)(intptr_t)(duration <= 0 ? 0 : (duration + 99) / 100));
}
