/*
 * lockfile.h - UUCP lock files: their names for a device, their contents in every form, whether
 * whoever wrote one still lives, taking and leaving ours. The keeper takes, the inspector reads.
 *
 * A lock file holds the pid of its owner: as text, padded to ten columns (FHS) or not, or as four
 * or eight bytes of a binary integer. It is stale when no process has that pid, or when the process
 * that has it started after the file was written.
 *
 * Error rule: negative = -errno, 0 = done, positive = a documented condition.
 */
#ifndef COMLEASE_LOCKFILE_H
#define COMLEASE_LOCKFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LOCKFILE_NAMES_MAX 4
#define LOCKFILE_NAME_MAX  128

/* The names that programs use for a device: the last part of its path, and the path below /dev with
 * '_' for '/'; of the configured path and of what it leads to. Each once: LCK..ttyS0, LCK..0,
 * LCK..pts_0. */
struct lockfile_names {
	char names[LOCKFILE_NAMES_MAX][LOCKFILE_NAME_MAX];
	size_t count;
};

void lockfile_names(const char *device, struct lockfile_names *);

/* Whose is it? 0 and *owner, *written_ms (since 1970): a live process's; 1: stale, or empty for
 * longer than a writer needs (10 s); 2: there is none; 3: somebody is writing it; -errno. `dir` is
 * an open folder. */
int lockfile_read(int dir, const char *name, pid_t *owner, int64_t *written_ms);

/* Makes it ours (this process's pid, FHS form, mode 0644), atomically; a stale one is removed, and
 * so is one of ours of before. 0; 1: a live process has it (*owner); -errno: the folder can't be
 * written. */
int lockfile_take(int dir, const char *name, pid_t *owner);

/* Removes it if it is ours. */
void lockfile_leave(int dir, const char *name);

#endif
