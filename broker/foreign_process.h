/*
 * foreign_process.h - one process of those that have a device open: who it is, and what its
 * descriptors are.
 *
 * Error rule: negative = -errno, 0 = done, positive = a documented condition.
 */
#ifndef COMLEASE_FOREIGN_PROCESS_H
#define COMLEASE_FOREIGN_PROCESS_H

#include "foreign.h"

/* Who that process is: pid, uid, start, command, unit; the rest is zero. 0; -ESRCH: it has gone, or
 * is hidden; -errno. */
int foreign_process_describe(pid_t, struct foreign *);

/* Is it the supervisor or a child of it? */
bool foreign_process_is_ours(pid_t, pid_t supervisor);

/* The owner of a flock on that node, as far as /proc/locks names one, or 0. It does so for
 * processes that can't be looked into. */
pid_t foreign_process_find_flock(const char *device);

/* Has that descriptor of it a flock? */
bool foreign_process_has_flock(pid_t, int fd);

/* Is that descriptor of a tty that has been hung up since? 1; 0; 2: we may not look; -errno. */
int foreign_process_is_dead(pid_t, int fd);

#endif
