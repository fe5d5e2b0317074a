/*
 * preload_nopassrights.c - makes the kernel look older than 6.16: SO_PASSRIGHTS is not known, so
 * clients can send descriptors. Preloaded into comleased by the tests.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

typedef int (*getter)(int, int, int, void *restrict, socklen_t *restrict);
typedef int (*setter)(int, int, int, const void *, socklen_t);

/* ISO C has no cast from an object's address to a function's. */
union symbol {
	void *object;
	getter get;
	setter set;
};

static union symbol
next(const char *name)
{
	return (union symbol){ .object = dlsym(RTLD_NEXT, name) };
}

int
getsockopt(int fd, int level, int option, void *restrict value, socklen_t *restrict size)
{
	if (level == SOL_SOCKET && option == SO_PASSRIGHTS) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return next("getsockopt").get(fd, level, option, value, size);
}

int
setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	if (level == SOL_SOCKET && option == SO_PASSRIGHTS) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return next("setsockopt").set(fd, level, option, value, size);
}
