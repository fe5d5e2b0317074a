/*
 * keeper_disguise.h - makes libserialport and the keeper take a pty for /dev/ttyUSB-something. For
 * the one file of a test program that includes it: its stat(), readlink(), open(), fopen() and
 * ioctl() stand before the C library's, and give the pty what it lacks: a place in sysfs, modem
 * lines, an output queue and a transmitter. What a driver does by itself (an open raises DTR) is
 * imitated; what only real drivers get wrong is not found here. In a library of the tests it would
 * be in every program: hence a header.
 */
#ifndef COMLEASE_TESTS_KEEPER_DISGUISE_H
#define COMLEASE_TESTS_KEEPER_DISGUISE_H

#undef _FORTIFY_SOURCE /* its inline versions of these functions would stand in the way */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

/* Shared with the keeper's process. */
static struct line {
	volatile bool is_on;
	volatile int modem;  /* TIOCM_ */
	volatile int queued; /* TIOCOUTQ */
	volatile int step;   /* by so much it gets shorter each time that it is read */
	volatile int unsent; /* so often the transmitter is said to be busy */
	volatile int opens;  /* by libserialport */
	volatile int waits;  /* threads in TIOCMIWAIT */
	volatile int falls;  /* of DTR */
	volatile bool is_usb;
	volatile bool has_no_wait; /* the driver has no TIOCMIWAIT */
} * line;

static bool
is_our_pty(const struct stat *st)
{
	return line != NULL && line->is_on && S_ISCHR(st->st_mode) && major(st->st_rdev) == 136;
}

static int
disguise(int result, struct stat *st)
{
	if (result == 0 && is_our_pty(st))
		st->st_rdev = makedev(188, minor(st->st_rdev));
	return result;
}

int
stat(const char *restrict path, struct stat *restrict st)
{
	return disguise(fstatat(AT_FDCWD, path, st, 0), st);
}

int
fstat(int fd, struct stat *st)
{
	return disguise(fstatat(fd, "", st, AT_EMPTY_PATH), st);
}

int __lxstat(int version, const char *path, struct stat *st);
int __open_2(const char *path, int flags);

int
__lxstat(int version, const char *path, struct stat *st)
{
	(void)version;
	if (strncmp(path, "/sys/class/tty/pts/", 19) == 0) {
		memset(st, 0, sizeof(*st));
		st->st_mode = S_IFLNK;
		return 0;
	}
	return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

ssize_t
readlink(const char *restrict path, char *restrict buffer, size_t size)
{
	const char *said = "../../../../class/tty"; /* good for both */

	if (strncmp(path, "/sys/class/tty/pts/", 19) == 0 && line != NULL && line->is_usb)
		said = "../../usb1/1-1/class/tty";

	if (strncmp(path, "/sys/dev/char/188:", 18) != 0 &&
	    strncmp(path, "/sys/class/tty/pts/", 19) != 0)
		return readlinkat(AT_FDCWD, path, buffer, size);
	memcpy(buffer, said, strlen(said));
	return (ssize_t)strlen(said);
}

static int
open_line(const char *path, int flags, mode_t mode)
{
	int fd = openat(AT_FDCWD, path, flags, mode);

	if (fd >= 0 && line != NULL && strncmp(path, "/dev/pts/", 9) == 0) {
		line->modem |= TIOCM_DTR | TIOCM_RTS;
		line->opens += (flags & O_CLOEXEC) == 0;
	}
	return fd;
}

int
open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode = 0;

	va_start(arguments, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return open_line(path, flags, mode);
}

int
__open_2(const char *path, int flags)
{
	return open_line(path, flags, 0);
}

/* Until CD changes or a signal comes. */
static int
wait_for_modem(void)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	int before = line->modem & TIOCM_CD, result = 0;

	if (line->has_no_wait) {
		errno = ENOTTY;
		return -1;
	}
	line->waits++;
	while (result == 0 && (line->modem & TIOCM_CD) == before)
		result = nanosleep(&tick, NULL); /* EINTR */
	line->waits--;
	return result;
}

/* What a real port answers and a pty does not; 1: a pty can do that. */
static int
line_ioctl(unsigned long request, void *argument)
{
	int *value = argument;

	switch (request) {
	case TIOCMGET:
		*value = line->modem;
		return 0;
	case TIOCMSET:
		line->falls += (line->modem & ~*value & TIOCM_DTR) != 0;
		line->modem = *value;
		return 0;
	case TIOCMBIS:
		line->modem |= *value;
		return 0;
	case TIOCMBIC:
		line->falls += (line->modem & *value & TIOCM_DTR) != 0;
		line->modem &= ~*value;
		return 0;
	case TIOCMIWAIT:
		return wait_for_modem();
	case TIOCOUTQ:
		*value = line->queued;
		line->queued = *value > line->step ? *value - line->step : 0;
		return 0;
	case TIOCSERGETLSR:
		*value = line->unsent > 0 ? 0 : TIOCSER_TEMT;
		line->unsent -= line->unsent > 0;
		return 0;
	}
	return 1;
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;
	int result;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	result = line != NULL && line->is_on ? line_ioctl(request, argument) : 1;
	return result <= 0 ? result : (int)syscall(SYS_ioctl, fd, request, argument);
}

/* The files of sysfs that libserialport reads of a device on USB. */
FILE *
fopen(const char *restrict path, const char *restrict mode)
{
	static char vid[] = "0403\n", pid[] = "6001\n", number[] = "1\n";
	int fd;

	if (strncmp(path, "/sys/class/tty/pts/", 19) == 0 && line != NULL && line->is_usb) {
		const char *name = strrchr(path, '/') + 1;

		if (strcmp(name, "idVendor") == 0)
			return fmemopen(vid, sizeof(vid) - 1, "r");
		if (strcmp(name, "idProduct") == 0)
			return fmemopen(pid, sizeof(pid) - 1, "r");
		if (strcmp(name, "busnum") == 0 || strcmp(name, "devnum") == 0)
			return fmemopen(number, sizeof(number) - 1, "r");
	}
	fd = openat(AT_FDCWD, path,
		    O_CLOEXEC | (mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC), 0644);
	return fd < 0 ? NULL : fdopen(fd, mode);
}

/* A fixture: from here on ptys are disguised. */
static void
disguise_begin(void)
{
	line = mmap(NULL, sizeof(*line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(line, MAP_FAILED);
	line->is_on = true;
}

#endif
