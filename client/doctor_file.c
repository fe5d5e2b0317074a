/*
 * doctor_file.c - reading files, /proc and the lists of users below the doctor's root.
 *
 * Responsible for: that a check can be tried on a folder that looks like a machine. Refuses to
 * know: what the checks look for.
 */
#include "doctor.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
below(const struct doctor *d, const char *path, char full[PATH_MAX])
{
	snprintf(full, PATH_MAX, "%s%s", d->root, path);
}

bool
doctor_stat(const struct doctor *d, const char *path, struct stat *st)
{
	char full[PATH_MAX];

	below(d, path, full);
	return stat(full, st) == 0;
}

bool
doctor_exists(const struct doctor *d, const char *path)
{
	struct stat st;

	return doctor_stat(d, path, &st);
}

bool
doctor_read(const struct doctor *d, const char *path, char *text, size_t size)
{
	char full[PATH_MAX];
	struct stat st;
	size_t used = 0;
	ssize_t n = 0;

	text[0] = '\0';
	below(d, path, full);
	/* a FIFO would wait for its writer, a device is none of ours */
	int fd = stat(full, &st) == 0 && S_ISREG(st.st_mode)
		     ? open(full, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
		     : -1;
	while (fd >= 0 && used + 1 < size && (n = read(fd, text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	if (fd >= 0)
		close(fd);
	return fd >= 0 && n >= 0;
}

void
doctor_each_file(struct doctor *d, const char *folder,
		 void (*take)(struct doctor *, const char *folder, const char *name, void *context),
		 void *context)
{
	char full[PATH_MAX];
	struct dirent **names;

	below(d, folder, full);
	int count = scandir(full, &names, NULL, alphasort);
	for (int i = 0; i < count; i++) {
		if (names[i]->d_name[0] != '.')
			take(d, folder, names[i]->d_name, context);
		free(names[i]);
	}
	if (count >= 0)
		free(names);
}

static bool
is_named(const struct doctor *d, unsigned pid, const char *command)
{
	char path[64], name[64];

	snprintf(path, sizeof path, "/proc/%u/comm", pid);
	if (!doctor_read(d, path, name, sizeof name))
		return false;
	name[strcspn(name, "\n")] = '\0';
	return strcmp(name, command) == 0;
}

bool
doctor_is_running(const struct doctor *d, const char *command)
{
	char full[PATH_MAX];
	struct dirent *entry;
	bool found = false;

	below(d, "/proc", full);
	DIR *processes = opendir(full);
	while (processes && !found && (entry = readdir(processes))) {
		if (isdigit((unsigned char)entry->d_name[0]))
			found = is_named(d, (unsigned)atoi(entry->d_name), command);
	}
	if (processes)
		closedir(processes);
	return found;
}

const char *const doctor_rules_folders[] = { "/etc/udev/rules.d",           "/run/udev/rules.d",
					     "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d",
					     "/lib/udev/rules.d",           NULL };

bool
doctor_find_rules(const struct doctor *d, const char *name, char path[256])
{
	struct stat st;

	for (size_t i = 0; doctor_rules_folders[i]; i++) {
		snprintf(path, 256, "%s/%s", doctor_rules_folders[i], name);
		if (doctor_stat(d, path, &st))
			return S_ISREG(st.st_mode) && st.st_size > 0;
	}
	return false;
}

/* ---- users and groups ---- */

/* NULL in the real machine, where the system itself is asked, who may know more than a file. */
static FILE *
open_list(const struct doctor *d, const char *path)
{
	char full[PATH_MAX];

	below(d, path, full);
	return d->root[0] ? fopen(full, "re") : NULL;
}

static bool
is_member(const struct group *group, const char *user)
{
	for (char **member = group->gr_mem; *member; member++) {
		if (strcmp(*member, user) == 0)
			return true;
	}
	return false;
}

void
doctor_group(const struct doctor *d, gid_t gid, const char *user, char name[64], bool *has_user)
{
	FILE *list = open_list(d, "/etc/group");
	struct group *group = NULL;

	snprintf(name, 64, "%u", (unsigned)gid);
	*has_user = false;
	if (!d->root[0])
		group = getgrgid(gid);
	while (list && (group = fgetgrent(list)) && group->gr_gid != gid)
		continue;
	if (group) {
		snprintf(name, 64, "%s", group->gr_name);
		*has_user = is_member(group, user);
	}
	if (list)
		fclose(list);
}

bool
doctor_has_user(const struct doctor *d, const char *name)
{
	FILE *list = open_list(d, "/etc/passwd");
	struct passwd *user = NULL;

	if (!d->root[0])
		user = getpwnam(name);
	while (list && (user = fgetpwent(list)) && strcmp(user->pw_name, name) != 0)
		continue;
	if (list)
		fclose(list);
	return user != NULL;
}

bool
doctor_has_systemd(const struct doctor *d)
{
	return doctor_exists(d, "/run/systemd/system");
}

const char *
doctor_sudo(const struct doctor *d)
{
	return d->uid == 0 ? "" : "sudo ";
}
