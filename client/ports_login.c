/*
 * ports_login.c - which serial ports are somebody's terminal: a getty waits there for a login.
 *
 * Responsible for: finding the process, or the unit that would start it again. Refuses to know:
 * anything of the port but its number and name. A getty has the port as its controlling terminal,
 * which /proc tells everybody, so that no right is needed.
 */
#include "ports.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static bool
is_getty(const char *command)
{
	static const char *const names[] = { "agetty", "getty",   "mingetty",
					     "login",  "sulogin", "fgetty" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strcmp(command, names[i]) == 0)
			return true;
	}
	return false;
}

/* "812 (agetty) S 1 812 812 1088 ...": the terminal's number as the kernel writes it there. */
static bool
read_terminal(const char *proc, unsigned pid, char command[32], dev_t *terminal)
{
	char path[PATH_MAX], line[512] = "";
	unsigned number;

	snprintf(path, sizeof path, "%.3000s/%u/stat", proc, pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t n = fread(line, 1, sizeof line - 1, file);
	fclose(file);
	line[n] = '\0';
	char *begin = strchr(line, '('), *end = strrchr(line, ')');
	if (!begin || !end || sscanf(end + 1, " %*c %*d %*d %*d %u", &number) != 1 || number == 0)
		return false;
	snprintf(command, 32, "%.*s", (int)(end - begin - 1), begin + 1);
	*terminal = makedev(number >> 8 & 0xfff, (number & 0xff) | (number >> 12 & 0xfff00));
	return true;
}

static void
take_process(struct ports *ports, const char *proc, unsigned pid)
{
	char command[32];
	dev_t terminal;

	if (!read_terminal(proc, pid, command, &terminal) || !is_getty(command))
		return;
	for (size_t i = 0; i < ports->count; i++) {
		struct ports_device *d = &ports->devices[i];
		if (d->rdev == terminal && d->rdev != 0)
			snprintf(d->login, sizeof d->login, "%s (pid %u)", command, pid);
	}
}

static void
find_processes(struct ports *ports, const char *root)
{
	char proc[PATH_MAX];
	struct dirent *entry;

	snprintf(proc, sizeof proc, "%s/proc", root);
	DIR *processes = opendir(proc);
	while (processes && (entry = readdir(processes))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			take_process(ports, proc, (unsigned)atoi(entry->d_name));
	}
	if (processes)
		closedir(processes);
}

/* Of a unit that is to run there and does not at the moment. */
static void
find_unit(struct ports_device *d, const char *root)
{
	static const char *const folders[] = { "/etc/systemd/system", "/run/systemd/generator" };
	const char *name = strrchr(d->node, '/');
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; name && i < 2 && d->login[0] == '\0'; i++) {
		snprintf(path, sizeof path, "%s%s/getty.target.wants/serial-getty@%s.service", root,
			 folders[i], name + 1);
		if (lstat(path, &st) == 0)
			snprintf(d->login, sizeof d->login, "serial-getty@%s.service", name + 1);
	}
}

void
ports_find_logins(struct ports *ports, const char *root)
{
	find_processes(ports, root);
	for (size_t i = 0; i < ports->count; i++)
		find_unit(&ports->devices[i], root);
}
