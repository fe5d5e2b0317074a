/*
 * tell.h - what a command that waits for a port tells about it: whom it waits for, each time that
 * there is something new, and why it was not to be had.
 */
#ifndef COMLEASE_TELL_H
#define COMLEASE_TELL_H

#include <comlease.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A wait that ends sooner than this (a turnaround, a hand-over) is not worth a line. */
#define TELL_QUIET_MS 1000

struct tell {
	const char *port; /* as it was asked for */
	int64_t wait_ms;  /* how long it waits: COMLEASE_FOREVER, 0 ... */
	int late_status;  /* the exit status when it was not to be had in time */
	bool quiet;       /* nothing is to be said of who holds it */
	/* Where the lines go: NULL: to stderr. */
	void (*line)(void *argument, const char *line);
	void *argument;
	/* What has been said about the wait: nothing, a holder, a state without one. */
	bool said;
	pid_t said_pid;
	int64_t said_since_ms;
	char said_state[16];
	char said_reason[64];
};

/* A wait has begun, or has ended well: what was said of states is old. */
void tell_forget_state(struct tell *);

/* Says whom the request under way waits for if that is new. patient: it has lasted TELL_QUIET_MS.
 */
void tell_waiting(struct tell *, const struct comlease *, bool patient);

/* Says why the request has failed (errno is still its own); the exit status. */
int tell_failed(struct tell *, const struct comlease *);

#endif
