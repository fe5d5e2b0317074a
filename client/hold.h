/*
 * hold.h - a port that `comlease run` waits for and has: the steps of which plain run (hold.c)
 * takes each once, and standby (standby.c) again and again.
 */
#ifndef COMLEASE_HOLD_H
#define COMLEASE_HOLD_H

#include "attend.h"
#include "run.h"
#include "tell.h"

#include <comlease.h>

struct hold {
	struct comlease *c;
	const struct run *run;
	struct comlease_request request; /* points into this struct and into run */
	char key[33];
	struct comlease_lease lease;
	int error; /* the errno of a wait that failed */
	struct tell tell;
};

/* 0, or the exit status after having said why. It must not be moved afterwards. */
int hold_init(struct hold *, struct comlease *, const struct run *);

/* Waits for the port, and says whom it waits for: the descriptor (`lease` is filled in), or -1 and
 * *status after having said why (`error` is the errno). yields: the token of a lease to let go
 * first (comlease_yield()); 0. ENOTSUP with such a token: that lease can't be taken back, and the
 * broker knows of a descriptor that is still open; nothing is said of it. */
int hold_wait(struct hold *, uint64_t yields, int *status);

/* Runs the command with that lease, to its end; fd stays open. 0 and *end, or the exit status after
 * having said why it could not be started. */
int hold_command(struct hold *, int fd, struct attend_end *);

#endif
