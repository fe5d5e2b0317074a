/*
 * shim_path.c - names and the environment: what a path says by its letters, what one stat() says,
 * and which devices `comlease run` has named. It asks nobody but the kernel.
 *
 * The tricky idea: a device that is unplugged has no inode to compare, so its path is compared as
 * it was meant, absolute and without detours, but never resolved.
 */
#include "internal.h"
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

bool
shim_is_inside(void)
{
	return inside;
}

bool
shim_set_inside(bool value)
{
	bool before = inside;

	inside = value;
	return before;
}

const char *
shim_environment(const char *name)
{
	const char *value = secure_getenv(name);

	return value && value[0] ? value : NULL;
}

void
shim_debug(const char *format, ...)
{
	char line[512];
	va_list arguments;
	int error = errno, length, more;

	if (!shim_environment("COMLEASE_DEBUG"))
		return;
	length = snprintf(line, sizeof(line), "comlease-shim[%d]: ", (int)getpid());
	va_start(arguments, format);
	more = vsnprintf(line + length, sizeof(line) - (size_t)length, format, arguments);
	va_end(arguments);
	length += more > 0 ? more : 0;
	if ((size_t)length > sizeof(line) - 2)
		length = (int)sizeof(line) - 2;
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)length) < 0)
		errno = 0; /* nobody to tell */
	errno = error;
}

#define STAT_FLAGS (AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC) /* no network round trip */

#if defined(__x86_64__) && defined(__LP64__)

/* A few per cent faster than statx(), and known to each sandbox that allows stat(). */
static int
raw_stat(int dirfd, const char *path, int flags, struct shim_stat *result)
{
	struct stat status;

	if (syscall(SYS_newfstatat, dirfd, path, &status, flags | STAT_FLAGS) < 0)
		return -1;
	result->mode = status.st_mode;
	result->rdev = status.st_rdev;
	return 0;
}

#else

/* The one that is alike on all architectures. */
static int
raw_stat(int dirfd, const char *path, int flags, struct shim_stat *result)
{
	struct statx status;

	if (syscall(SYS_statx, dirfd, path, flags | STAT_FLAGS, STATX_TYPE, &status) < 0)
		return -1;
	result->mode = status.stx_mode;
	result->rdev = makedev(status.stx_rdev_major, status.stx_rdev_minor);
	return 0;
}

#endif

void
shim_stat(int dirfd, const char *path, int flags, struct shim_stat *result)
{
	int error = errno;

	*result = (struct shim_stat){ 0 };
	if (raw_stat(dirfd, path, flags, result) < 0) {
		result->error = errno;
		errno = error;
	}
}

void
shim_fstat(int fd, struct shim_stat *result)
{
	shim_stat(fd, "", AT_EMPTY_PATH, result);
}

/* ---- absolute paths ---- */

/* Where a relative path starts. */
static bool
folder_of(int dirfd, char *folder, size_t size)
{
	char link[32];
	ssize_t length;

	if (dirfd == AT_FDCWD)
		return syscall(SYS_getcwd, folder, size) > 0 && folder[0] == '/';
	snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
	length = readlink(link, folder, size - 1);
	if (length <= 0)
		return false;
	folder[length] = '\0';
	return folder[0] == '/';
}

bool
shim_absolute(int dirfd, const char *path, char *absolute, size_t size)
{
	char folder[SHIM_PATH_MAX];
	int error = errno;
	bool known = path[0] == '/' || folder_of(dirfd, folder, sizeof(folder));
	bool done = comlease_absolute(known ? folder : NULL, path, absolute, size);

	errno = error;
	return done;
}

/* ---- COMLEASE_DEVICES ---- */

bool
shim_any_listed(bool (*matches)(const char *device, void *context), void *context)
{
	const char *list = shim_environment("COMLEASE_DEVICES");
	char device[SHIM_PATH_MAX];

	while (list && *list) {
		list = comlease_next_device(list, device, sizeof(device));
		if (*device != '\0' && matches(device, context))
			return true;
	}
	return false;
}

struct wanted {
	const char *absolute;
	dev_t rdev;
};

static bool
is_wanted(const char *device, void *context)
{
	const struct wanted *wanted = context;
	struct shim_stat status;
	char absolute[SHIM_PATH_MAX];

	if (shim_absolute(AT_FDCWD, device, absolute, sizeof(absolute)) &&
	    strcmp(absolute, wanted->absolute) == 0)
		return true;
	if (wanted->rdev == 0)
		return false;
	shim_stat(AT_FDCWD, device, 0, &status);
	return status.error == 0 && S_ISCHR(status.mode) && status.rdev == wanted->rdev;
}

bool
shim_is_listed(const char *absolute, dev_t rdev)
{
	struct wanted wanted = { absolute, rdev };

	return shim_any_listed(is_wanted, &wanted);
}
