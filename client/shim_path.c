/*
 * shim_path.c - names and the environment: what a path says by its letters, what one stat() says,
 * and which devices `comlease run` has named. It asks nobody but the kernel.
 *
 * The tricky idea: a device that is unplugged has no inode to compare, so its path is compared as
 * it was meant, absolute and without detours, but never resolved.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

void
shim_set_inside(bool value)
{
	inside = value;
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

/* statx(): the one call that is alike on all architectures; no automount, no network round trip. */
void
shim_stat(int dirfd, const char *path, bool follow, struct shim_stat *result)
{
	struct statx status;
	int error = errno, flags = AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;

	if (!follow)
		flags |= AT_SYMLINK_NOFOLLOW;
	*result = (struct shim_stat){ 0 };
	if (syscall(SYS_statx, dirfd, path, flags, STATX_TYPE, &status) < 0) {
		result->error = errno;
		errno = error;
		return;
	}
	result->mode = status.stx_mode;
	result->rdev = makedev(status.stx_rdev_major, status.stx_rdev_minor);
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

/* Appends one part to absolute[length], which never ends with '/' ("" is the root). */
static bool
append_part(char *absolute, size_t size, size_t *length, const char *part, size_t part_length)
{
	if (part_length == 0 || (part_length == 1 && part[0] == '.'))
		return true;
	if (part_length == 2 && part[0] == '.' && part[1] == '.') {
		while (*length > 0 && absolute[--*length] != '/')
			;
		return true;
	}
	if (*length + 1 + part_length + 1 > size)
		return false;
	absolute[(*length)++] = '/';
	memcpy(absolute + *length, part, part_length);
	*length += part_length;
	return true;
}

static bool
append_path(char *absolute, size_t size, size_t *length, const char *path)
{
	while (*path) {
		size_t part_length = strcspn(path, "/");

		if (!append_part(absolute, size, length, path, part_length))
			return false;
		path += part_length;
		path += *path == '/'; /* NOLINT(clang-analyzer-core*): it is terminated */
	}
	return true;
}

bool
shim_absolute(int dirfd, const char *path, char *absolute, size_t size)
{
	char folder[PATH_MAX];
	size_t length = 0;
	int error = errno;
	bool done = true;

	if (path[0] != '/')
		done = folder_of(dirfd, folder, sizeof(folder)) &&
		       append_path(absolute, size, &length, folder);
	done = done && append_path(absolute, size, &length, path);
	if (done && length == 0)
		absolute[length++] = '/';
	absolute[done ? length : 0] = '\0';
	errno = error;
	return done;
}

/* ---- COMLEASE_DEVICES ---- */

/* The next path of the list, in which a colon is written "\:" and a backslash "\\". What is too
 * long for `path` is cut: no device has such a path. Returns the rest of the list. */
static const char *
next_listed(const char *list, char *path, size_t size)
{
	size_t n = 0;

	for (; *list != '\0' && *list != ':'; list++) {
		if (*list == '\\' && list[1] != '\0')
			list++;
		if (n + 1 < size)
			path[n++] = *list;
	}
	path[n] = '\0';
	return *list == ':' ? list + 1 : list;
}

bool
shim_any_listed(bool (*matches)(const char *device, void *context), void *context)
{
	const char *list = shim_environment("COMLEASE_DEVICES");
	char device[PATH_MAX];

	while (list && *list) {
		list = next_listed(list, device, sizeof(device));
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
	char absolute[PATH_MAX];

	if (shim_absolute(AT_FDCWD, device, absolute, sizeof(absolute)) &&
	    strcmp(absolute, wanted->absolute) == 0)
		return true;
	if (wanted->rdev == 0)
		return false;
	shim_stat(AT_FDCWD, device, true, &status);
	return status.error == 0 && S_ISCHR(status.mode) && status.rdev == wanted->rdev;
}

bool
shim_is_listed(const char *absolute, dev_t rdev)
{
	struct wanted wanted = { absolute, rdev };

	return shim_any_listed(is_wanted, &wanted);
}
