/*
 * shim_lock.c - which paths are lock files of managed ports, and what open() of one gives. The
 * hooks are in shim_lock_hooks.c.
 *
 * Programs take /var/lock/LCK..ttyS0 before they open /dev/ttyS0, and give up where the broker (or
 * another waiter) already has it. For a managed port such a lock means nothing: the lease counts.
 * The tricky idea: the view has no state. A managed port's lock never exists and can always be
 * taken; what is written into it goes into memory that goes with its descriptor.
 */
#include "internal.h"
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool
is_lock_of(const char *device, void *name)
{
	return comlease_is_lock_of(name, device);
}

static bool
is_lock_path(int dirfd, const char *path)
{
	char absolute[PATH_MAX];
	const char *name;

	if (!shim_absolute(dirfd, path, absolute, sizeof(absolute)))
		return false;
	name = comlease_lock_name(absolute, shim_environment("COMLEASE_LOCK_DIR"));
	if (!name)
		return false;
	if (shim_environment("COMLEASE_DEVICES"))
		return shim_any_listed(is_lock_of, (void *)(uintptr_t)name);
	return shim_any_port(is_lock_of, (void *)(uintptr_t)name);
}

bool
shim_is_lock_of(int dirfd, const char *path, const char *device)
{
	char absolute[PATH_MAX];
	const char *name;
	int error = errno;
	bool is_lock = false;

	if (shim_absolute(dirfd, path, absolute, sizeof(absolute)) &&
	    (name = comlease_lock_name(absolute, shim_environment("COMLEASE_LOCK_DIR"))) != NULL)
		is_lock = comlease_is_lock_of(name, device);
	errno = error;
	return is_lock;
}

bool
shim_is_managed_lock(int dirfd, const char *path)
{
	int error = errno;
	/* Also while the broker is asked: nothing in there names a lock file, but a signal handler
	 * may, or what it longjmp()ed to (minicom), and it must not remove the broker's own. */
	bool is_lock = is_lock_path(dirfd, path);

	errno = error;
	return is_lock;
}

int
shim_open_lock(int dirfd, const char *path, int flags)
{
	int fd;

	if ((flags & O_PATH) || ((flags & O_ACCMODE) == O_RDONLY && !(flags & O_CREAT))) {
		errno = ENOENT;
		return -1;
	}
	fd = (int)syscall(SYS_memfd_create, "comlease-lock", (flags & O_CLOEXEC) ? 1U : 0U);
	if (fd >= 0 && (flags & O_APPEND))
		fcntl(fd, F_SETFL, O_APPEND);
	shim_debug("%s: a lock of its own: the lease counts", path);
	if (fd >= 0 && (flags & O_CREAT))
		shim_busy(dirfd, path, true);
	return fd;
}
