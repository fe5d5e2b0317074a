/*
 * kin.h - what /proc tells of processes: who descends from whom, what they are called, how they
 * ended. A process that can't be seen is nobody's child.
 */
#ifndef COMLEASE_KIN_H
#define COMLEASE_KIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Of /proc/PID/stat. */
struct kin {
	char state;
	pid_t parent;
	unsigned long flags;
	long threads;
	uint64_t start_ticks; /* with the pid it names the process for ever */
};

/* 0; -ESRCH: there is no such process, or it is hidden; -errno. */
int kin_look(pid_t pid, struct kin *);

/* A file of /proc/PID, as a string: its length, or -errno as above. */
int kin_read(pid_t pid, const char *file, char *buffer, size_t size);

bool kin_is_kernel(const struct kin *); /* a kernel thread */

/* Can it have a descriptor? A kernel thread and a process that has ended can't. */
bool kin_can_hold(const struct kin *);

/* Its effective user: 0 or -errno as above. */
int kin_uid(pid_t pid, uid_t *uid);

/* When the system started, and when a process did: milliseconds since 1970, by the clock of now:
 * what was written before the clock was set seems older than that. */
int64_t kin_boot_ms(void);
int64_t kin_start_ms(uint64_t start_ticks);

/* True if `pid` is `ancestor`, or descends from it as far as its parents still live. */
bool kin_is_descendant(pid_t pid, pid_t ancestor);

/* The command's name as the kernel has it (15 bytes at most), raw; "" if it can't be seen. */
void kin_command(pid_t pid, char *name, size_t size);

/* True if the process has been killed by a signal, or is ending by one. stat: kin_stat()'s, pidfd:
 * a descriptor of it; either may be negative. Without a pidfd a process that has been reaped counts
 * as not killed. */
bool kin_was_killed(int stat, int pidfd);

/* A descriptor of /proc/PID/stat, for kin_was_killed(); it stays that process's. Or -errno. */
int kin_stat(pid_t pid);

/* When the process of that descriptor started, as in struct kin; 0: it has gone. */
uint64_t kin_start_ticks(int stat);

/* A pidfd of a process, or -errno. */
int kin_pidfd(pid_t pid);

/* True if the process of that pidfd has ended (all its threads). */
bool kin_has_ended(int pidfd);

#endif
