/*
 * preload_halt.c - stops its process (SIGSTOP) right before a system call, so that a test can do
 * something between two of them. Preloaded into `comlease bridge`.
 *
 * COMLEASE_TEST_HALT is a path: while PATH.read is there, it stops before it reads a pty's master,
 * while PATH.open is there, before it opens a pty's slave, while PATH.reset is there, before it
 * sets one's line settings anew; and removes the file, so that each stops it once.
 * COMLEASE_TEST_MERGE: inotify watches no pty's slave itself, only folders, so that two opens one
 * after another become one event, as otherwise only two at the very same time do.
 */
#include <asm/termbits.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define SLAVES "/dev/pts/"

/* ISO C has no cast from an object's address to a function's. */
union symbol {
	void *object;
	int (*open)(const char *, int, ...);
	ssize_t (*read)(int, void *, size_t);
	int (*ioctl)(int, unsigned long, ...);
	int (*add_watch)(int, const char *, uint32_t);
};

static union symbol
next(const char *name)
{
	return (union symbol){ .object = dlsym(RTLD_NEXT, name) };
}

static int
is_slave(const char *path)
{
	return strncmp(path, SLAVES, strlen(SLAVES)) == 0;
}

static void
halt(const char *call)
{
	const char *path = getenv("COMLEASE_TEST_HALT");
	char file[256];

	snprintf(file, sizeof(file), "%s.%s", path ? path : "", call);
	if (path && unlink(file) == 0)
		raise(SIGSTOP);
}

int
ioctl(int fd, unsigned long request, ...)
{
	void *argument;
	va_list rest;

	va_start(rest, request);
	argument = va_arg(rest, void *);
	va_end(rest);
	if (request == TCSETSF2)
		halt("reset");
	return next("ioctl").ioctl(fd, request, argument);
}

ssize_t
read(int fd, void *buffer, size_t size)
{
	unsigned int number;

	if (ioctl(fd, TIOCGPTN, &number) == 0)
		halt("read");
	return next("read").read(fd, buffer, size);
}

int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list rest;

	if (flags & O_CREAT) {
		va_start(rest, flags);
		mode = va_arg(rest, mode_t);
		va_end(rest);
	}
	if (is_slave(path))
		halt("open");
	return next("open").open(path, flags, mode);
}

int
inotify_add_watch(int fd, const char *path, uint32_t mask)
{
	if (getenv("COMLEASE_TEST_MERGE") && is_slave(path))
		return INT32_MAX;
	return next("inotify_add_watch").add_watch(fd, path, mask);
}
