/*
 * seccomp.h - `comlease run --seccomp`: opens of ports are caught in the kernel and not in the
 * program, for programs that the shim can't get into.
 *
 * The command runs under a filter (seccomp user notification): each of its open()s, and of those of
 * its descendants, waits until a process of ours, the supervisor, has said what becomes of it. Most
 * go on at once; that of a port waits for the lease, whose descriptor the supervisor puts into the
 * program. It ends with the last process under the filter.
 *
 *	seccomp.c		starts the supervisor, then loads the filter
 *	seccomp_filter.c	which system calls it hears of
 *	seccomp_supervisor.c	its loop
 *	seccomp_open.c		what an open() means; seccomp_lock.c: what a lock file's calls mean
 *	seccomp_wait.c		the opens that wait for a lease; seccomp_request.c: how they ask
 *	seccomp_listener.c	the kernel's notifications and their answers
 *	seccomp_tracee.c	what another process has: memory, environment
 *	seccomp_path.c		paths, as that process means them
 *	seccomp_elf.c		which programs need all this
 */
#ifndef COMLEASE_SECCOMP_H
#define COMLEASE_SECCOMP_H

#include <stdbool.h>

/* Why the shim can't be loaded into that program ("is linked statically"); NULL: it can be, or
 * nothing is known. path: a file; a script's interpreter is what counts, and of "#!/usr/bin/env X"
 * X. has_shim32: for a program of 32 bits there is a shim, too. */
const char *seccomp_elf_reason(const char *path, bool has_shim32);

/*
 * This process and all that it starts from now on open ports through a supervisor, which is told
 * by the environment what the shim is told by it. To be called by what is about to become the
 * command. `reason`: why it has to be, or NULL: that was asked for; has_port: for what is said. 0,
 * or the exit status after having said why.
 */
int seccomp_enter(const char *command, const char *reason, bool has_port);

#endif
