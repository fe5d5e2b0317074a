/*
 * foreign.h - who has a device without us: processes that have it open, UUCP lock files of live
 * processes, flock, TIOCEXCL. Looks, and touches nothing. Used by the inspector; the broker reads
 * what foreign_print() wrote.
 *
 * Error rule: negative = -errno, 0 = done, positive = a documented condition.
 */
#ifndef COMLEASE_FOREIGN_H
#define COMLEASE_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FOREIGN_COMMAND_MAX 64  /* escaped */
#define FOREIGN_UNIT_MAX    64  /* a systemd unit, or a container, from the cgroup; "" */
#define FOREIGN_LOCK_MAX    64  /* the lock file's name; "" */
#define FOREIGN_TEXT_MAX    240 /* of foreign_print(): fits behind a port's name in a message */

/* By which mechanisms; the first that is set names it for people. */
#define FOREIGN_OPEN      0x1u /* an open descriptor: "has it open" */
#define FOREIGN_LOCKFILE  0x2u /* a lock file: "locked by LCK..ttyS0" */
#define FOREIGN_FLOCK     0x4u
#define FOREIGN_EXCLUSIVE 0x8u

/* One foreign holder. pid 0: a process that can't be seen (uid, command and since are unknown). */
struct foreign {
	pid_t pid;
	uid_t uid;
	uint64_t start_ticks;  /* /proc/PID/stat field 22: with pid it names the process for ever */
	int64_t since_real_ms; /* when it opened the device or wrote the lock file, as far as that
				* can be known (the time of its /proc/PID/fd entry, or of the file);
				* else when it was first seen */
	unsigned how;
	char command[FOREIGN_COMMAND_MAX];
	char unit[FOREIGN_UNIT_MAX];
	char lock[FOREIGN_LOCK_MAX];
};

/* One line, and back (0, or -EINVAL). */
void foreign_print(const struct foreign *, char text[FOREIGN_TEXT_MAX]);
int foreign_parse(const char *text, struct foreign *);

#endif
