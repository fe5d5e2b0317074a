/*
 * libcomlease_open.c - what the open() of a device and of its lock file mean, for all that stands
 * before a program's calls: the shim, in the program itself, and `comlease run --seccomp`, outside.
 *
 * Nothing here allocates, locks or asks the broker, and errno may change: the shim calls it in
 * programs' signal handlers.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* The others are certainly none (Documentation/admin-guide/devices.txt). */
bool
comlease_can_be_serial(dev_t rdev)
{
	switch (major(rdev)) {
	case 1:   /* mem, null, random */
	case 2:   /* old pty masters */
	case 5:   /* tty, console, ptmx */
	case 6:   /* lp */
	case 7:   /* vcs */
	case 9:   /* st */
	case 10:  /* misc */
	case 13:  /* input */
	case 14:  /* sound */
	case 21:  /* sg */
	case 29:  /* fb */
	case 81:  /* video */
	case 89:  /* i2c */
	case 90:  /* mtd */
	case 108: /* ppp */
	case 116: /* alsa */
	case 128: /* pty masters */
	case 180: /* usb: printers, hid */
	case 189: /* usb devices */
	case 195: /* nvidia */
	case 226: /* drm */
		return false;
	case 4: /* virtual consoles, then ttyS */
		return minor(rdev) >= 64;
	default:
		return true;
	}
}

int
comlease_open_errno(int error, bool there)
{
	switch (error) {
	case ENODEV:
		return there ? ENXIO : ENOENT;
	case EPERM:
		return EACCES;
	case EINTR:
	case EIO:
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return error;
	default:
		return EBUSY;
	}
}

bool
comlease_is_no_port_open(int flags)
{
	return (flags & (O_PATH | O_DIRECTORY)) ||
	       (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
}

/* ---- names ---- */

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
comlease_absolute(const char *folder, const char *path, char *absolute, size_t size)
{
	size_t length = 0;
	bool done = true;

	if (path[0] != '/')
		done = folder && append_path(absolute, size, &length, folder);
	done = done && append_path(absolute, size, &length, path);
	if (done && length == 0)
		absolute[length++] = '/';
	absolute[done ? length : 0] = '\0';
	return done;
}

bool
comlease_is_below_dev(const char *absolute)
{
	return strncmp(absolute, "/dev/", 5) == 0 && strncmp(absolute, "/dev/shm/", 9) != 0 &&
	       strncmp(absolute, "/dev/mqueue/", 12) != 0 && strncmp(absolute, "/dev/fd/", 8) != 0;
}

const char *
comlease_next_device(const char *list, char *path, size_t size)
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

/* ---- lock files ---- */

#define PREFIX "LCK.."

static const char *const folders[] = { "/var/lock",         "/run/lock",         "/var/run/lock",
				       "/var/lock/lockdev", "/run/lock/lockdev", "/var/spool/lock",
				       "/var/spool/locks",  "/var/spool/uucp",   "/usr/spool/lock",
				       "/usr/spool/locks",  "/usr/spool/uucp",   "/etc/locks" };

static bool
is_lock_folder(const char *folder, size_t length, const char *more)
{
	size_t more_length = more ? strlen(more) : 0;

	while (more_length > 1 && more[more_length - 1] == '/')
		more_length--;
	if (more_length == length && memcmp(more, folder, length) == 0)
		return true;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (strlen(folders[i]) == length && memcmp(folders[i], folder, length) == 0)
			return true;
	return false;
}

/* The first part of a path that begins as a lock file's name; what follows may have a '/' of its
 * own (LCK..pts/3). */
const char *
comlease_lock_name(const char *absolute, const char *more)
{
	const char *slash = strstr(absolute, "/" PREFIX);

	if (!slash || slash == absolute || !slash[strlen("/" PREFIX)])
		return NULL;
	return is_lock_folder(absolute, (size_t)(slash - absolute), more)
		   ? slash + strlen("/" PREFIX)
		   : NULL;
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
is_device(const char *folder, const char *name, bool slashes, dev_t rdev)
{
	struct stat status;
	char path[sizeof("/dev/serial/by-path/") + NAME_MAX];
	int prefix = snprintf(path, sizeof(path), "%s", folder);

	snprintf(path + prefix, sizeof(path) - (size_t)prefix, "%s", name);
	for (char *c = path + prefix; slashes && *c; c++)
		*c = *c == '_' ? '/' : *c;
	return stat(path, &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == rdev;
}

/* Does a program that opened the device by some usual link call its lock file NAME? mgetty writes
 * '/' as '_'; most take what stands behind the last '/'. */
static bool
is_link_to(const char *name, dev_t rdev)
{
	if (strlen(name) > NAME_MAX)
		return false;
	return is_device("/dev/", name, false, rdev) ||
	       (strchr(name, '_') && is_device("/dev/", name, true, rdev)) ||
	       is_device("/dev/serial/by-id/", name, false, rdev) ||
	       is_device("/dev/serial/by-path/", name, false, rdev);
}

bool
comlease_is_lock_of(const char *name, const char *device)
{
	struct stat status;
	char target[PATH_MAX];

	if (is_name_of(name, device))
		return true;
	if (realpath(device, target) && is_name_of(name, target))
		return true;
	return stat(device, &status) == 0 && S_ISCHR(status.st_mode) &&
	       is_link_to(name, status.st_rdev);
}
