/*
 * child.h - starting the processes of comleased: this same binary in another role. They are exec'ed
 * (a child that only forked would keep other ports' descriptors) and end when their channel does.
 */
#ifndef COMLEASE_CHILD_H
#define COMLEASE_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct child {
	pid_t pid;
	int pidfd;           /* -1: not running */
	int channel;         /* our end of IPC_SUPERVISOR_FD; -1 */
	uint64_t started_ms; /* CLOCK_MONOTONIC */
	uint64_t restart_ms; /* not running: when to start it again */
	unsigned quick_ends; /* how often in a row it ended soon after its start */
};

void child_init(struct child *);

enum child_role { CHILD_BROKER, CHILD_INSPECTOR, CHILD_KEEPER };

/* Starts it; port: a keeper's, else NULL. 0 or -errno; then restart_ms is set. */
int child_start(struct child *, enum child_role, const char *port, bool verbose, uint64_t now_ms);

/* It has ended (its pidfd says so): reaps it, describes how, sets restart_ms with back-off: at once
 * the first time, then 100 ms doubling to 5 s while it does not last 10 s. */
void child_ended(struct child *, uint64_t now_ms, char *how, size_t size);

/* Closes the channel, on which the child exits. */
void child_stop(struct child *);

#endif
