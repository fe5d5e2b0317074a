/*
 * preload_lookup.c - stands before the shim with a dlsym() that opens a file, as one does whose
 * first allocation asks an allocator that reads its settings; and that finds nothing, so that the
 * shim has nothing but system calls.
 */
#include <fcntl.h>
#include <stddef.h>
#include <unistd.h>

/* Without dlfcn.h, which says that it never comes back. */
void *dlsym(void *handle, const char *name);

void *
dlsym(void *handle, const char *name)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)handle;
	(void)name;
	if (fd >= 0)
		close(fd);
	return NULL;
}
