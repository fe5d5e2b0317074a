/*
 * roster.h - the kernel's list of which descriptions of a port's leases exist: an epoll instance in
 * which each description stands with its token (DESIGN.md section 3). The kernel drops an entry
 * when the last copy of its description is closed, anywhere.
 */
#ifndef COMLEASE_ROSTER_H
#define COMLEASE_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ROSTER_ENTRIES_MAX 256 /* live ones and revoked ones that somebody still keeps */

struct roster_entry {
	uint64_t token;
	int target;             /* the number under which it was added */
	uint64_t inode, device; /* of the node that was opened; device: as the kernel prints it */
	unsigned nth; /* among the entries with that number, in the kernel's order (for kcmp) */
	bool hungup;  /* its hang-up has been reported */
};

/* A new, empty roster: a descriptor, or -errno. */
int roster_new(void);

/* Lists a description under a token. 0 or -errno. It is the caller who stays below
 * ROSTER_ENTRIES_MAX: to count here would cost more than to add. */
int roster_add(int roster, int fd, uint64_t token);

/* A descriptor of the kernel's text of that roster, for roster_read_list(), or -errno. Of use only
 * to the process that opened it, and while `roster` is open under that number. */
int roster_open_list(int roster);

/* What is listed now, at most `max` entries: the count, or -errno. About 1.5 us. */
int roster_read_list(int list, struct roster_entry *entries, size_t max);

/* The same in one call: about 8 us. */
int roster_read(int roster, struct roster_entry *entries, size_t max);

/* Is that a description of the node that this tells of (stx_ino and the device)? */
struct statx;
bool roster_entry_is_of(const struct roster_entry *, const struct statx *);

/* Takes what the roster has to say (hang-ups), so that it is quiet again: how many, or -errno. */
int roster_take_events(int roster);

/* Has that process a description of that token open? 1, 0, or -errno (-EPERM, -ESRCH, -ENOSYS).
 * Needs the right to look into the process. `roster` is a descriptor of the calling process. */
int roster_has_process(int roster, uint64_t token, pid_t pid);

/* The same with its text open already: about 20 us less. */
int roster_list_has_process(int list, int roster, uint64_t token, pid_t pid);

/* Is that descriptor of that process one of those listed, whatever its token? The same. -EAGAIN:
 * the list did not stand still. */
int roster_has_descriptor(int roster, pid_t pid, int fd);

#endif
