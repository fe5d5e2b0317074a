/*
 * run.h - what the two halves of `comlease run` share: without PORT the command runs under the shim
 * (run.c); with PORT the lease is taken first and held beside it (hold.c).
 */
#ifndef COMLEASE_RUN_H
#define COMLEASE_RUN_H

#include <comlease.h>
#include <jansson.h>
#include <stdint.h>

struct run {
	const char *port;  /* NULL: the command runs under the shim alone */
	const char *label; /* or NULL */
	int64_t wait_ms;   /* COMLEASE_FOREVER, 0 ... */
	int priority;      /* -100..100 */
	int late_status;   /* -E: the exit status when the port is not to be had in time */
	char **command;    /* ends with NULL; never empty */
};

/* run PORT: waits for the port, runs the command with it; the exit status. `c` has been asked for
 * `port` (an io.comlease.Port) before. */
int hold_port(struct comlease *c, const struct run *, const json_t *port);

/* Can `name` be executed? 0, or CLI_NOT_FOUND, CLI_NOT_EXECUTABLE after having said why. Known
 * before the wait, not after it. */
int command_check(const char *name);

/* Warns if the program that `name` stands for ignores LD_PRELOAD because it is set-user-ID. */
void command_warn(const char *name);

/* Becomes the command. Returns only if that fails: 126 or 127, after having said why. */
int command_exec(char **command);

/* A copy of the command with `device` for each {}, to be freed with command_free(). */
char **command_fill_in(char **command, const char *device);
void command_free(char **command);

#endif
