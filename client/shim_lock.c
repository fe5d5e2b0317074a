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
#include <sys/syscall.h>
#include <unistd.h>

/* context: the absolute path. */
static bool
is_lock_of(const struct shim_port *port, void *context)
{
	const char *name = comlease_lock_name(context, port->lock_dir);

	return name && comlease_is_lock_of(name, port->device);
}

bool
shim_is_lock_of(int dirfd, const char *path, const char *device)
{
	char absolute[SHIM_PATH_MAX];
	const char *name;
	int error = errno;
	bool is_lock = false;

	if (shim_absolute(dirfd, path, absolute, sizeof(absolute)) &&
	    (name = comlease_lock_name(absolute, shim_environment("COMLEASE_LOCK_DIR"))) != NULL)
		is_lock = comlease_is_lock_of(name, device);
	errno = error;
	return is_lock;
}

/* Also while the broker is asked: nothing in there names a lock file, but a signal handler may, or
 * what it longjmp()ed to (minicom), and it must not remove the broker's own. */
bool
shim_is_managed_lock(int dirfd, const char *path)
{
	char absolute[SHIM_PATH_MAX];

	return shim_absolute(dirfd, path, absolute, sizeof(absolute)) &&
	       shim_any_port(is_lock_of, absolute);
}

bool
shim_is_lock(int dirfd, const char *path)
{
	struct shim_stat status;

	shim_stat(dirfd, path, AT_SYMLINK_NOFOLLOW, &status);
	return status.error != EFAULT && status.error != ENAMETOOLONG && shim_is_lock_name(path) &&
	       shim_is_managed_lock(dirfd, path);
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
