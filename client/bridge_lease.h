/*
 * bridge_lease.h - the lease of a bridge: waited for, had, given back, had again.
 *
 * One thing at a time is under way; each ends with one event. Nothing here waits: poll what
 * bridge_lease_poll() names, then take the events until there are none.
 */
#ifndef COMLEASE_BRIDGE_LEASE_H
#define COMLEASE_BRIDGE_LEASE_H

#include "bridge.h"
#include "tell.h"
#include "watch.h"

#include <comlease.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum bridge_lease_event {
	BRIDGE_LEASE_NOTHING,
	BRIDGE_LEASE_GRANTED,   /* `fd` is there */
	BRIDGE_LEASE_REFUSED,   /* not to be had; it has been said why */
	BRIDGE_LEASE_WANTED,    /* to be given back, within `left_ms` */
	BRIDGE_LEASE_KEPT,      /* no longer */
	BRIDGE_LEASE_UNPLUGGED, /* the device is away: ask again */
	BRIDGE_LEASE_FORGOTTEN, /* comleased has been started anew, and doesn't know it: the
				 * descriptor still works */
	BRIDGE_LEASE_LOST,      /* it is over: `reason` */
	BRIDGE_LEASE_RELEASED,  /* it has been given back */
};

struct bridge_lease {
	struct comlease *c;
	struct comlease_request request;
	struct comlease_lease lease;
	struct tell tell;
	int fd; /* -1: there is none */
	enum {
		BRIDGE_LEASE_NONE,
		BRIDGE_LEASE_ASKING,
		BRIDGE_LEASE_HELD,
		BRIDGE_LEASE_RELEASING,
	} state;
	struct watch watch;            /* of the lease that is held, or has been a moment ago */
	int status;                    /* REFUSED: an exit status */
	int64_t left_ms;               /* WANTED: until the deadline */
	struct comlease_process asker; /* WANTED: by whom; pid 0: by nobody */
	char reason[32];               /* WANTED, LOST */

	/* Its own. */
	int64_t since_ms; /* CLOCK_MONOTONIC: ASKING, RELEASING */
	int failed;       /* the errno of a call that is to be reported; 0 */
	uint64_t yields;  /* what is asked for with Yield; 0 */
	bool ends_first;  /* asking, but the old lease has to end before */
	char asker_name[64], same_port[65];
};

void bridge_lease_init(struct bridge_lease *, struct comlease *, const struct bridge_options *);
void bridge_lease_end(struct bridge_lease *); /* lets go of everything */

/* Asks for the port. */
void bridge_lease_ask(struct bridge_lease *);
/* The same for the port that it has been, after it was unplugged. */
void bridge_lease_ask_again(struct bridge_lease *);
/* Gives it to whoever wants it, and asks to have it back. */
void bridge_lease_yield(struct bridge_lease *);

/* No longer waits, or gives it back: RELEASED follows only in that case. */
void bridge_lease_cancel(struct bridge_lease *);
void bridge_lease_release(struct bridge_lease *);

#define BRIDGE_LEASE_FDS 2
/* How long at most; -1: no limit. */
int bridge_lease_poll(const struct bridge_lease *, struct pollfd fds[BRIDGE_LEASE_FDS]);
enum bridge_lease_event bridge_lease_next(struct bridge_lease *);

#endif
