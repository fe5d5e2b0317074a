/*
 * doctor_lock.c - UUCP lock files that their program has left behind, and the folder of them.
 *
 * Responsible for: telling a dead owner from one that is only somebody else's. Refuses to know:
 * whose port it is. comleased removes those of its own ports by itself; a program outside may give
 * up at one, and for ports that nobody manages nobody else clears it away.
 */
#include "doctor.h"
#include "status_table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LOCK_DIR "/run/lock"

struct locks {
	size_t live, stale;
};

/* "      4312\n", or the number's own four or eight bytes; 0: neither. */
static pid_t
read_owner(const struct doctor *d, const char *path)
{
	char text[64];
	struct stat st;
	int64_t pid = 0;
	int32_t half;

	if (!doctor_stat(d, path, &st) || !doctor_read(d, path, text, sizeof text))
		return 0;
	if ((off_t)strspn(text, " 0123456789\n") == st.st_size) {
		pid = strtoll(text, NULL, 10);
	} else if (st.st_size == sizeof pid) {
		memcpy(&pid, text, sizeof pid);
	} else if (st.st_size == sizeof half) {
		memcpy(&half, text, sizeof half);
		pid = half;
	} else {
		pid = strtoll(text, NULL, 10);
	}
	return pid > 0 && pid <= INT32_MAX ? (pid_t)pid : 0;
}

static void
take_lock(struct doctor *d, const char *folder, const char *name, void *context)
{
	struct locks *locks = context;
	char path[512];

	if (strncmp(name, "LCK..", 5) != 0)
		return;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	pid_t owner = read_owner(d, path);
	if (owner == 0)
		return;
	if (kill(owner, 0) == 0 || errno != ESRCH) {
		locks->live++;
		return;
	}
	locks->stale++;
	doctor_say(d, DOCTOR_WARN, NULL,
		   "%s is stale: its process, %d, is no more; some programs take the port for busy",
		   path, (int)owner);
	doctor_mend(d, "%srm %s", doctor_sudo(d), path);
}

/* True: something was said. */
static bool
check_folder(struct doctor *d, const char *folder)
{
	struct stat st;

	if (!doctor_stat(d, folder, &st) || !S_ISDIR(st.st_mode)) {
		doctor_say(d, DOCTOR_WARN, NULL,
			   "there is no folder %s: programs outside comlease don't see that a port "
			   "is in use, nor comlease their locks",
			   folder);
		doctor_mend(d, "%smkdir -m 1777 %s, or set lock-dir (comlease.conf(5))",
			    doctor_sudo(d), folder);
	} else if (d->list && d->owner != 0 && !(st.st_mode & (S_IWOTH | S_IWGRP)) &&
		   !(st.st_uid == d->owner && (st.st_mode & S_IWUSR))) {
		doctor_say(d, DOCTOR_WARN,
			   "set lock-dir to a folder that it may (comlease.conf(5))",
			   "comleased, which runs as uid %u, may not write into %s: programs "
			   "outside comlease don't see that a port is in use",
			   (unsigned)d->owner, folder);
	} else {
		return false;
	}
	return true;
}

void
doctor_check_locks(struct doctor *d)
{
	const char *folder = status_string(d->list, "lockDir");
	struct locks locks = { 0 };

	bool said;

	if (!folder)
		folder = LOCK_DIR;
	said = check_folder(d, folder);
	doctor_each_file(d, folder, take_lock, &locks);
	if (locks.stale == 0 && !said)
		doctor_say(d, DOCTOR_OK, NULL, "none in %s is stale (%zu in use)", folder,
			   locks.live);
}
