/*
 * attend.h - a command that has a lease: starting it, its signals, its end.
 */
#ifndef COMLEASE_ATTEND_H
#define COMLEASE_ATTEND_H

#include <comlease.h>
#include <stdint.h>

struct attend {
	char **command;
	const char *port;
	uint64_t token;
	int fd; /* a descriptor of the lease: the command gets a copy as its descriptor 3 */
};

/* Runs the command and waits for its end: its exit status, 128+N for a signal. The connection,
 * which has nothing under way, is used to hear why a lease was lost. */
int attend_command(struct comlease *, const struct attend *);

#endif
