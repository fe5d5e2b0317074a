/*
 * command_find.c - which file a command's name stands for. It runs nothing, and says nothing.
 */
#include "command_find.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int
command_find(const char *name, char path[PATH_MAX])
{
	const char *folders = getenv("PATH");
	int error = ENOENT;
	struct stat st;

	if (strchr(name, '/'))
		folders = NULL;
	else if (!folders)
		folders = "/bin:/usr/bin";
	do {
		size_t len = folders ? strcspn(folders, ":") : 0;
		int n = folders ? snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, folders,
					   len ? "/" : "", name)
				: snprintf(path, PATH_MAX, "%s", name);
		if (n < PATH_MAX && stat(path, &st) == 0) {
			if (S_ISREG(st.st_mode) && eaccess(path, X_OK) == 0)
				return 0;
			if (!folders || S_ISREG(st.st_mode))
				error = EACCES;
		} else if (errno == EACCES && !folders) {
			error =
			    EACCES; /* a folder of PATH that is not ours to search is no answer */
		}
		folders = folders && folders[len] ? folders + len + 1 : NULL;
	} while (folders);
	return error;
}
