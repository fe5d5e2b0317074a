/*
 * attend.h - a command that has a lease: starting it, its signals, what the broker wants of it, its
 * end.
 */
#ifndef COMLEASE_ATTEND_H
#define COMLEASE_ATTEND_H

#include <comlease.h>
#include <stdbool.h>
#include <stdint.h>

struct attend {
	char **command;
	const char *port;
	uint64_t token;
	int fd; /* a descriptor of the lease: the command gets a copy as its descriptor 3 */
	/* The command is a process group of its own, which gets this signal when somebody wants the
	 * port, and SIGHUP when the lease is lost. Otherwise it gets SIGHUP when it is to let go.
	 */
	bool standby;
	int yield_signal;
	bool seccomp; /* see struct run */
	const char *seccomp_reason;
};

/* How the command ended. */
struct attend_end {
	int status;  /* its exit status, 128+N for a signal */
	bool wanted; /* it had been asked to let go */
	bool lost;   /* the lease was over before */
	bool leave;  /* standby: SIGTERM, SIGINT, SIGHUP or SIGQUIT was sent to run, which is to end
		      */
	int64_t lived_ms;
};

/* Runs the command and waits for its end: 0, or the exit status after having said why it could not
 * be started. The connection, which has nothing under way, is used to hear why a lease was lost;
 * afterwards nothing is under way again. */
int attend_command(struct comlease *, const struct attend *, struct attend_end *);

#endif
