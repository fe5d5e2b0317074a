/*
 * run.h - what the parts of `comlease run` share: its options (run_options.c); without PORT the
 * command runs under the shim, or under seccomp (run.c); with PORT the lease is taken first and
 * held beside it (hold.c), with --standby again and again (standby.c).
 */
#ifndef COMLEASE_RUN_H
#define COMLEASE_RUN_H

#include "cli.h"

#include <comlease.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct run {
	const char *port;       /* or pool; NULL: the command runs under the shim alone */
	const char *label;      /* or NULL */
	const char *class_name; /* or NULL */
	int64_t wait_ms;        /* COMLEASE_FOREVER, 0 ... */
	int64_t max_hold_ms;    /* COMLEASE_FOREVER: as the port's rules say */
	int64_t yield_grace_ms; /* the same */
	int priority;           /* -100..100 */
	int late_status;        /* -E: the exit status when the port is not to be had in time */
	bool standby;
	bool seccomp;               /* opens are caught in the kernel, and not by the shim ... */
	const char *seccomp_reason; /* ... because the command "is linked statically"; NULL: because
				     * that was asked for */
	int yield_signal;           /* standby: what asks the command to let go */
	char **command;             /* ends with NULL; never empty */
};

/* Takes the words: -1, or the exit status, after having said why. */
int run_options(struct run *, struct cli *, int argc, char **argv);

/* Before the broker is asked: this process bears the command's name, for `status` and for rules by
 * command. */
void run_set_name(const struct run *);

/* run_preload.c: sets LD_PRELOAD, so that the commands load the shim: 0, or the exit status after
 * having said why. */
int run_preload(void);

/* Takes the shim, that of a run around this one, out of LD_PRELOAD. */
int run_no_preload(void);

/* The folder of libcomlease-shim.so, where it is or should be. */
void run_shim_folder(char folder[PATH_MAX]);

/* Does LD_PRELOAD reach 32-bit programs too? Otherwise ld.so says of the shim that it cannot be
 * preloaded into them, and they open ports without it. */
bool run_preloads_32(void);

/* run PORT: waits for the port, runs the command with it; the exit status. */
int hold_port(struct comlease *, const struct run *);

/* Can `name` be executed? 0, or CLI_NOT_FOUND, CLI_NOT_EXECUTABLE after having said why. Known
 * before the wait, not after it. */
int command_check(const char *name);

/* Does executing `name` give the rights of another user or group? */
bool command_is_set_id(const char *name);

/* Warns if it does, and so ignores LD_PRELOAD, or, under seccomp, does not get those rights. With
 * PORT there is nothing to say of the shim. */
void command_warn(const struct run *);

/* Why the shim can't be loaded into the program that `name` stands for ("is linked statically");
 * NULL: it can. */
const char *command_reason(const char *name);

/* Becomes the command. Returns only if that fails: 126 or 127, after having said why. */
int command_exec(char **command);

/* Sends a signal to a command that runs, and to those of its descendants that are in its process
 * group: who else is in that group (a pipeline, the script that started run) gets nothing. */
void command_signal(pid_t, int signo);

/* A copy of the command with `device` for each {}, to be freed with command_free(). */
char **command_fill_in(char **command, const char *device);
void command_free(char **command);

#endif
