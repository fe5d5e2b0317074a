/*
 * preload_machine.c - for a comleased that is to see umockdev's machine (mock_udev.c): stands in
 * front of umockdev's preload. The supervisor alone gets that: its children open real devices, and
 * umockdev leaks a descriptor at each open of one. And udevd does not run there, whatever runs on
 * the real machine: its data base knows nothing of devices that are made up.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ISO C has no cast from an object's address to a function's. */
union symbol {
	void *object;
	int (*access)(const char *, int);
};

int access(const char *, int);

__attribute__((constructor)) static void
be_the_last(void)
{
	unsetenv("LD_PRELOAD");
}

int
access(const char *path, int mode)
{
	union symbol next = { .object = dlsym(RTLD_NEXT, "access") };

	if (strcmp(path, "/run/udev/control") == 0) {
		errno = ENOENT;
		return -1;
	}
	return next.access(path, mode);
}
