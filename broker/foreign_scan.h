/*
 * foreign_scan.h - one look through /proc: which processes have one of these devices open without
 * us. In steps, so that whoever looks can listen in between. Opens no device.
 *
 * A descriptor is ours if it is in the supervisor or in a child of it, or if the port's roster
 * lists its description; it counts for nothing if it is dead (hung up).
 *
 * Error rule: negative = -errno, 0 = done, positive = a documented condition.
 */
#ifndef COMLEASE_FOREIGN_SCAN_H
#define COMLEASE_FOREIGN_SCAN_H

#include "foreign.h"

#include <dirent.h>

#define FOREIGN_FOUND_MAX  64
#define FOREIGN_LISTED_MAX 32

/* One device that is looked for, and what was found. */
struct foreign_target {
	uint64_t rdev;
	int roster; /* -1: none */

	/* since_real_ms is 0; lock is "". The order is that of their pids. */
	struct foreign found[FOREIGN_FOUND_MAX];
	size_t count; /* of them */
	size_t total; /* there may be more */
	pid_t last;   /* whom it counted last */
	bool alive;   /* one of them is known not to be hung up */

	/* Processes that have it by a lease; some of them. */
	pid_t listed[FOREIGN_LISTED_MAX];
	size_t listed_count;
};

struct foreign_scan {
	struct foreign_target **targets;
	size_t target_count;
	pid_t supervisor;
	int proc;     /* a descriptor of /proc */
	off_t offset; /* where it lists the processes */
	bool at_processes;
	DIR *fds; /* of the process that is looked at, or NULL */
	pid_t pid;
	int again;          /* how often it has been looked at again */
	bool is_empty;      /* no descriptor of it has been seen */
	int ours;           /* is that process one of ours? -1: not known yet */
	unsigned newest;    /* the newest pid at the start */
	unsigned rounds;    /* how often all of it was begun */
	unsigned looked_at; /* processes */
	unsigned unseen;    /* processes that could not be looked into */
	bool hidden;        /* there are processes that /proc does not even list */
};

/* The targets' rdev and roster are set; the rest is made empty. 0 or -errno. */
int foreign_scan_begin(struct foreign_scan *, struct foreign_target **, size_t count,
		       pid_t supervisor);

/* 1: there is more to do; 0: all of it has been seen; -errno: it could not be done (EMFILE), and
 * says nothing. About one process, or 500 descriptors, a step. */
int foreign_scan_step(struct foreign_scan *);

/* At any time; also if it was not begun and is all zero. */
void foreign_scan_end(struct foreign_scan *);

#endif
