/*
 * attend_lease.h - what the broker says while a command has its lease, and what the command gets to
 * know of it. Internal to attend.c.
 */
#ifndef COMLEASE_ATTEND_LEASE_H
#define COMLEASE_ATTEND_LEASE_H

#include "attend.h"
#include "text.h"
#include "watch.h"

#include <poll.h>

struct attend_lease {
	const struct attend *attend;
	struct comlease *monitor; /* NULL: no Monitor stream (any more) */
	struct watch watch;
	struct text asking; /* what is asked of the command, for people */
	bool wanted;        /* it is to let go */
	bool told;          /* it has had its signal for that */
	bool lost;          /* the lease is over ... */
	char lost_as[32];   /* ... for this reason */
	bool hung_up, said; /* the descriptor is dead; it has been said why */
};

#define ATTEND_LEASE_FDS 3

void attend_lease_begin(struct attend_lease *, struct comlease *, const struct attend *);
void attend_lease_end(struct attend_lease *);

/* What to poll, and for how long at most (-1: no limit). */
int attend_lease_poll(const struct attend_lease *, struct pollfd fds[ATTEND_LEASE_FDS]);

/* Takes what has come (fds NULL: whatever that is) and signals the command; pid 0: it has ended. */
void attend_lease_take(struct attend_lease *, const struct pollfd fds[ATTEND_LEASE_FDS], pid_t pid);

/* The lease is lost, and the reason may still come. */
bool attend_lease_is_unexplained(const struct attend_lease *);

#endif
