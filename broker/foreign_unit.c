/*
 * foreign_unit.c - reads a cgroup's path. Asks the system nothing. A container says more than a
 * unit within it; of units the innermost counts, but for those that are a user's login.
 */
#include "foreign_unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define ID_DIGITS   64 /* of a container */
#define ID_SHOWN    12
#define NAME_LENGTH 255

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

static bool
starts_with(const char *name, const char *start)
{
	return strncmp(name, start, strlen(start)) == 0;
}

/* "docker-ID.scope", "libpod-ID.scope", "cri-containerd-ID.scope", or, before them, "docker/ID".
 * True: `unit` is said. */
static bool
is_container(const char *name, const char *parent, char *unit, size_t size)
{
	size_t length = ends_with(name, ".scope") ? strlen(name) - strlen(".scope") : strlen(name);
	const char *id = name + length - ID_DIGITS;

	if (starts_with(name, "lxc.payload.") && name[strlen("lxc.payload.")] != '\0') {
		snprintf(unit, size, "lxc-%s", name + strlen("lxc.payload."));
		return true;
	}
	if (length < ID_DIGITS || strspn(id, "0123456789abcdef") != ID_DIGITS ||
	    (id > name && id[-1] != '-'))
		return false;
	if (id > name)
		snprintf(unit, size, "%.*s%.*s", (int)(id - name), name, ID_SHOWN, id);
	else if (strcmp(parent, "docker") == 0)
		snprintf(unit, size, "docker-%.*s", ID_SHOWN, id);
	else
		snprintf(unit, size, "%.*s", ID_SHOWN, id);
	return true;
}

static bool
is_unit(const char *name)
{
	return (ends_with(name, ".service") && !starts_with(name, "user@")) ||
	       (ends_with(name, ".scope") && !starts_with(name, "session-") &&
		strcmp(name, "init.scope") != 0);
}

/* Takes the path apart. */
static void
read_path(char *path, char *unit, size_t size)
{
	char *name, *rest = path;
	const char *parent = "";

	while ((name = strsep(&rest, "/")) != NULL) {
		if (strlen(name) > NAME_LENGTH || *name == '\0')
			continue;
		if (is_container(name, parent, unit, size))
			return;
		if (is_unit(name))
			snprintf(unit, size, "%s", name);
		parent = name;
	}
}

/* The path in the line of version 2, or in systemd's own of version 1. */
static char *
find_path(char *text)
{
	char *line, *rest = text, *found = NULL;

	while ((line = strsep(&rest, "\n")) != NULL) {
		if (starts_with(line, "0::") && strcmp(line, "0::/") != 0)
			return line + strlen("0::");
		if (strstr(line, ":name=systemd:") != NULL)
			found = strstr(line, ":name=systemd:") + strlen(":name=systemd:");
	}
	return found;
}

void
foreign_unit(const char *cgroup, char *unit, size_t size)
{
	char raw[NAME_LENGTH + 1] = "", *copy = strdup(cgroup);
	char *path = copy == NULL ? NULL : find_path(copy);

	if (path != NULL)
		read_path(path, raw, sizeof(raw));
	log_escape(raw, unit, size);
	free(copy);
}
