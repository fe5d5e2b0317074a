/*
 * spy_find.h - which bridge is meant by a word on the command line, and a connection to it.
 */
#ifndef COMLEASE_SPY_FIND_H
#define COMLEASE_SPY_FIND_H

#include "cli.h"
#include "spy_wire.h"

#include <limits.h>

/* What a bridge says first. */
struct spy_bridge {
	int socket; /* blocking; the frames behind the hello are still to be read */
	pid_t pid;
	uid_t uid;
	char port[65];         /* what it was called with: a port or a pool */
	char link[PATH_MAX];   /* empty: not known */
	char broker[PATH_MAX]; /* its socket; the same */
	bool is_asked;         /* it has been waited for what it says: */
	int answer;            /* enum spy_door_answer */
};

/* word: a port, a pool, or the LINK of a bridge: with a slash in it, or in this folder if there is
 * no bridge of that port. pid: 0, or that process only. 0: the socket is the caller's; otherwise
 * the exit status, after having said why. */
int spy_find(const struct cli *, const char *word, pid_t pid, struct spy_bridge *);

#endif
