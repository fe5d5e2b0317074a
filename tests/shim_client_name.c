/*
 * shim_client_name.c - see shim_client.h: calls that name a file without opening it.
 */
#include "shim_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

#define NOBODY 65534

bool
client_name_two(const char *name, const char *a, const char *b)
{
	a = client_path(a);
	b = client_path(b);
	errno = 0;
	if (!strcmp(name, "link"))
		client_print(name, link(a, b));
	else if (!strcmp(name, "linkat"))
		client_print(name, linkat(AT_FDCWD, a, AT_FDCWD, b, 0));
	else if (!strcmp(name, "symlink"))
		client_print(name, symlink(a, b));
	else if (!strcmp(name, "rename"))
		client_print(name, rename(a, b));
	else if (!strcmp(name, "renameat"))
		client_print(name, renameat(AT_FDCWD, a, AT_FDCWD, b));
	else if (!strcmp(name, "renameat2"))
		client_print(name, renameat2(AT_FDCWD, a, AT_FDCWD, b, 0));
	else
		return false;
	return true;
}

/* What only looks. */
__attribute__((no_sanitize("undefined"))) static bool
look(const char *name, const char *path)
{
	struct stat status;
	struct statx extended;
	char target[64];

	if (!strcmp(name, "stat"))
		client_print(name, stat(path, &status));
	else if (!strcmp(name, "lstat"))
		client_print(name, lstat(path, &status));
	else if (!strcmp(name, "fstatat"))
		client_print(name, fstatat(AT_FDCWD, path, &status, 0));
	else if (!strcmp(name, "statx"))
		client_print(name, statx(AT_FDCWD, path, 0, STATX_TYPE, &extended));
	else if (!strcmp(name, "access"))
		client_print(name, access(path, F_OK));
	else if (!strcmp(name, "access-rw"))
		client_print(name, access(path, R_OK | W_OK));
	else if (!strcmp(name, "faccessat"))
		client_print(name, faccessat(AT_FDCWD, path, F_OK, 0));
	else if (!strcmp(name, "readlink"))
		client_print(name, (int)readlink(path, target, sizeof(target)));
	else if (!strcmp(name, "readlinkat"))
		client_print(name, (int)readlinkat(AT_FDCWD, path, target, sizeof(target)));
	else
		return false;
	return true;
}

/* Owner, permissions and times: they make a difference wherever they are carried out. */
__attribute__((no_sanitize("undefined"))) static bool
adorn(const char *name, const char *path)
{
	const struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };

	if (!strcmp(name, "chmod"))
		client_print(name, chmod(path, 0644));
	else if (!strcmp(name, "fchmodat"))
		client_print(name, fchmodat(AT_FDCWD, path, 0644, 0));
	else if (!strcmp(name, "fchmod"))
		client_print(name, fchmod(atoi(path), 0644));
	else if (!strcmp(name, "chown"))
		client_print(name, chown(path, NOBODY, NOBODY));
	else if (!strcmp(name, "lchown"))
		client_print(name, lchown(path, NOBODY, NOBODY));
	else if (!strcmp(name, "fchownat"))
		client_print(name, fchownat(AT_FDCWD, path, NOBODY, NOBODY, 0));
	else if (!strcmp(name, "fchown"))
		client_print(name, fchown(atoi(path), NOBODY, NOBODY));
	else if (!strcmp(name, "fchownat-fd"))
		client_print(name, fchownat(atoi(path), "", NOBODY, NOBODY, AT_EMPTY_PATH));
	else if (!strcmp(name, "utime"))
		client_print(name, utime(path, NULL));
	else if (!strcmp(name, "utimes"))
		client_print(name, utimes(path, NULL));
	else if (!strcmp(name, "utimensat"))
		client_print(name, utimensat(AT_FDCWD, path, times, 0));
	else
		return false;
	return true;
}

__attribute__((no_sanitize("undefined"))) bool
client_name_one(const char *name, const char *path)
{
	path = client_path(path);
	errno = 0;
	if (look(name, path) || adorn(name, path))
		return true;
	if (!strcmp(name, "unlink"))
		client_print(name, unlink(path));
	else if (!strcmp(name, "unlinkat"))
		client_print(name, unlinkat(AT_FDCWD, path, 0));
	else if (!strcmp(name, "remove"))
		client_print(name, remove(path));
	else if (!strcmp(name, "truncate"))
		client_print(name, truncate(path, 0));
	else if (!strcmp(name, "chdir"))
		client_print(name, chdir(path));
	else
		return false;
	return true;
}
