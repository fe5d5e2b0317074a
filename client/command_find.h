/*
 * command_find.h - which file a command's name stands for.
 */
#ifndef COMLEASE_COMMAND_FIND_H
#define COMLEASE_COMMAND_FIND_H

#include <limits.h>

/* Looks for `name` as a shell does, by PATH unless it has a slash: 0 and the path, or ENOENT,
 * EACCES. */
int command_find(const char *name, char path[PATH_MAX]);

#endif
