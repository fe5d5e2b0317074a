/*
 * hotplug_link.c - the folder of links: FOLDER/modem0 -> /dev/ttyUSB1 while that device is there.
 * It refuses to know why a port is there, and never touches what is no link into /dev: that is
 * somebody else's.
 *
 * The tricky idea: root writes here, perhaps below a folder of somebody else's. So the folder is
 * opened once, without following a link, it must be ours, with nobody else allowed to write, and
 * everything goes through that descriptor. Above it nobody else may be able to put another one in
 * its place, for the keepers will go by the path.
 */
#include "hotplug.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW "~new" /* no port's name has a tilde */

__attribute__((format(printf, 3, 4))) static int
fail(char *error, int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CONFIG_ERROR_MAX, format, args);
	va_end(args);
	return result;
}

/* ---- the folder ---- */

/* Where only we, or root, can rename what is ours. */
static int
open_parent(const char *folder, char *error)
{
	char path[PATH_MAX];
	const char *slash = strrchr(folder, '/');
	struct stat st;
	int fd;

	if (slash == NULL || slash - folder >= PATH_MAX)
		return fail(error, -EINVAL, "%s: no absolute path", folder);
	snprintf(path, sizeof(path), "%.*s", slash == folder ? 1 : (int)(slash - folder), folder);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int result = -errno;

		if (fd >= 0)
			close(fd);
		return fail(error, result, "%s: %s", path, strerror(-result));
	}
	if ((st.st_uid == geteuid() || st.st_uid == 0) &&
	    ((st.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (st.st_mode & S_ISVTX) != 0))
		return fd;
	close(fd);
	return fail(
	    error, -EPERM,
	    "%s: others may write there (owner %u, mode %04o), and could lead ports to other "
	    "devices; chown and chmod it, or use another socket (-s)",
	    path, (unsigned)st.st_uid, (unsigned)st.st_mode & 07777);
}

/* Ours, and with nobody's things in it from here on. */
static int
claim(int fd, const char *folder, char *error)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(error, -errno, "%s: %s", folder, strerror(errno));
	if (st.st_uid != geteuid())
		return fail(error, -EPERM,
			    "%s: it belongs to uid %u, not to comleased; remove it, or use another "
			    "socket (-s)",
			    folder, (unsigned)st.st_uid);
	if ((st.st_mode & 07777) != 0755 && fchmod(fd, 0755) < 0)
		return fail(error, -errno, "%s: %s", folder, strerror(errno));
	return 0;
}

/* A descriptor; -ENOENT if it is not there and not to be made. */
static int
open_folder(const char *folder, bool make, char *error)
{
	int parent = open_parent(folder, error), fd = -1, result;
	const char *name;

	if (parent < 0)
		return parent;
	name = strrchr(folder, '/') + 1;
	if (!make || mkdirat(parent, name, 0755) == 0 || errno == EEXIST)
		fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	result = fd < 0 ? -errno : 0;
	close(parent);
	if (result == -ENOENT)
		return result;
	if (result == -ENOTDIR || result == -ELOOP)
		return fail(
		    error, result,
		    "%s: there already, and no folder; remove it, or use another socket (-s)",
		    folder);
	if (result < 0)
		return fail(error, result, "%s: %s", folder, strerror(-result));
	result = claim(fd, folder, error);
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

/* ---- one link ---- */

/* Where it leads; false: it is not one of ours. */
static bool
read_link(int fd, const char *name, char *target, size_t size)
{
	ssize_t n = readlinkat(fd, name, target, size);

	if (n <= 0 || (size_t)n == size)
		return false;
	target[n] = '\0';
	return strncmp(target, "/dev/", 5) == 0;
}

static int
make_link(int fd, const char *folder, const struct hotplug_link *link, char *error)
{
	char target[64];
	struct stat st;

	if (read_link(fd, link->port, target, sizeof(target))) {
		if (strcmp(target, link->node) == 0)
			return 0;
	} else if (fstatat(fd, link->port, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		return fail(error, -EEXIST,
			    "%s/%s: there already, and not made by comleased; remove it, or give "
			    "the port another name",
			    folder, link->port);
	}
	unlinkat(fd, NEW, 0); /* of one that was killed */
	if (symlinkat(link->node, fd, NEW) == 0 && renameat(fd, NEW, fd, link->port) == 0)
		return 0;
	return fail(error, -errno, "%s/%s: %s", folder, link->port, strerror(errno));
}

/* Does the link under that name have to go before others are made? Also if it leads to the device
 * that is now another port's: at no time do two lead to one. */
static bool
is_wrong(const char *name, const char *target, const struct hotplug_link *links, size_t count)
{
	size_t i;
	bool is_kept = false;

	for (i = 0; i < count; i++) {
		if (strcmp(links[i].port, name) == 0)
			is_kept = true;
		else if (strcmp(links[i].node, target) == 0)
			return true;
	}
	return !is_kept;
}

/* Takes over fd. */
static void
remove_wrong(int fd, const struct hotplug_link *links, size_t count)
{
	DIR *folder = fdopendir(fd);
	struct dirent *entry;
	char target[64];

	if (folder == NULL) {
		close(fd);
		return;
	}
	while ((entry = readdir(folder)) != NULL)
		if (read_link(dirfd(folder), entry->d_name, target, sizeof(target)) &&
		    is_wrong(entry->d_name, target, links, count))
			unlinkat(dirfd(folder), entry->d_name, 0);
	closedir(folder);
}

/* ---- all of them ---- */

int
hotplug_link_set(const char *folder, const struct hotplug_link *links, size_t count,
		 char error[CONFIG_ERROR_MAX])
{
	char ignored[CONFIG_ERROR_MAX] = "";
	int fd, copy, result = 0, one;
	size_t i;

	error[0] = '\0';
	fd = open_folder(folder, true, error);
	if (fd < 0)
		return fd;
	copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (copy < 0) {
		result = fail(error, -errno, "%s: %s", folder, strerror(errno));
		count = 0;
	} else {
		remove_wrong(copy, links, count);
	}
	for (i = 0; i < count; i++) { /* the others are made in spite of one that can't be */
		one = make_link(fd, folder, &links[i], result == 0 ? error : ignored);
		result = result == 0 ? one : result;
	}
	close(fd);
	return result;
}

void
hotplug_link_remove(const char *folder)
{
	char ignored[CONFIG_ERROR_MAX];
	int fd = open_folder(folder, false, ignored);

	if (fd < 0)
		return;
	remove_wrong(fd, NULL, 0);
	rmdir(folder); /* only if nothing else is in it */
}

bool
hotplug_follow_link(const char *device, char node[64])
{
	char found[PATH_MAX];

	if (realpath(device, found) == NULL || strlen(found) >= 64)
		return false;
	strcpy(node, found);
	return true;
}
