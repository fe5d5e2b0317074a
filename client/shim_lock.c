/*
 * shim_lock.c - which paths are lock files of managed ports, and what open() of one gives. The
 * hooks are in shim_lock_hooks.c.
 *
 * Programs take /var/lock/LCK..ttyS0 before they open /dev/ttyS0, and give up where the broker (or
 * another waiter) already has it. For a managed port such a lock means nothing: the lease counts.
 * The tricky idea: the view has no state. A managed port's lock never exists and can always be
 * taken; what is written into it goes into memory that goes with its descriptor.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PREFIX "LCK.."

static const char *const folders[] = { "/var/lock",         "/run/lock",         "/var/run/lock",
				       "/var/lock/lockdev", "/run/lock/lockdev", "/var/spool/lock",
				       "/var/spool/locks",  "/var/spool/uucp",   "/usr/spool/lock",
				       "/usr/spool/locks",  "/usr/spool/uucp",   "/etc/locks" };

/* The NAME of .../LCK..NAME in one of the folders; NULL. */
static const char *
name_in_folder(char *absolute)
{
	char *slash = strrchr(absolute, '/');

	if (!slash || slash == absolute || strncmp(slash + 1, PREFIX, strlen(PREFIX)) != 0)
		return NULL;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (strcmp(folders[i], absolute) == 0)
			return slash + 1 + strlen(PREFIX);
	return NULL;
}

/* "ttyS0" for /dev/ttyS0, and for /dev/pts/3 "3" and (mgetty) "pts_3". */
static bool
is_name_of(const char *name, const char *device)
{
	const char *slash = strrchr(device, '/');
	const char *below = strncmp(device, "/dev/", 5) == 0 ? device + 5 : device + 1;

	if (!slash)
		return false;
	if (strcmp(name, slash + 1) == 0)
		return true;
	for (; *name && *below; name++, below++)
		if (*name != *below && !(*name == '_' && *below == '/'))
			return false;
	return *name == *below;
}

static bool
is_device(const char *folder, const char *name, bool slashes, const struct shim_stat *device)
{
	struct shim_stat status;
	char path[sizeof("/dev/serial/by-path/") + NAME_MAX];
	int prefix = snprintf(path, sizeof(path), "%s", folder);

	snprintf(path + prefix, sizeof(path) - (size_t)prefix, "%s", name);
	for (char *c = path + prefix; slashes && *c; c++)
		*c = *c == '_' ? '/' : *c;
	shim_stat(AT_FDCWD, path, true, &status);
	return status.error == 0 && S_ISCHR(status.mode) && status.rdev == device->rdev;
}

/* Does a program that opened the device by some usual link call its lock file NAME? mgetty writes
 * '/' as '_'; most take what stands behind the last '/'. */
static bool
is_link_to(const char *name, const struct shim_stat *device)
{
	if (device->error || !S_ISCHR(device->mode) || strlen(name) > NAME_MAX)
		return false;
	return is_device("/dev/", name, false, device) ||
	       (strchr(name, '_') && is_device("/dev/", name, true, device)) ||
	       is_device("/dev/serial/by-id/", name, false, device) ||
	       is_device("/dev/serial/by-path/", name, false, device);
}

static bool
is_lock_of(const char *device, void *name)
{
	struct shim_stat status;
	char target[PATH_MAX];

	if (is_name_of(name, device))
		return true;
	if (realpath(device, target) && is_name_of(name, target))
		return true;
	shim_stat(AT_FDCWD, device, true, &status);
	return is_link_to(name, &status);
}

static bool
is_lock_path(int dirfd, const char *path)
{
	char absolute[PATH_MAX];
	const char *name;

	if (!shim_absolute(dirfd, path, absolute, sizeof(absolute)))
		return false;
	name = name_in_folder(absolute);
	if (!name || !*name)
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
	    (name = name_in_folder(absolute)) != NULL)
		is_lock = is_lock_of(device, (void *)(uintptr_t)name);
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
