/*
 * kin.h - what /proc tells of processes: who descends from whom, what they are called, how they
 * ended. A process that can't be seen is nobody's child.
 */
#ifndef COMLEASE_KIN_H
#define COMLEASE_KIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

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

/* A pidfd of a process, or -errno. */
int kin_pidfd(pid_t pid);

/* True if the process of that pidfd has ended (all its threads). */
bool kin_has_ended(int pidfd);

#endif
