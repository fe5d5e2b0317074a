/*
 * spy_door.h - the bridges of this host that one may read along at: their sockets, whose they are,
 * what they say first.
 */
#ifndef COMLEASE_SPY_DOOR_H
#define COMLEASE_SPY_DOOR_H

#include "spy_find.h"

/* Zero-initialise it. */
struct spy_door_list {
	struct spy_bridge *bridges; /* connected; port and link come with the hello */
	size_t count;
	size_t others; /* of users whose bridges are not for us */
	uid_t other_uid;
	pid_t other_pid;          /* one of them */
	char elsewhere[PATH_MAX]; /* the socket of another broker that has one; "" */
};

/* The bridges that were called with that word (NULL: all), in place of what was in the list. 0, or
 * an exit status, after having said why. */
int spy_door_list(struct spy_door_list *, const char *port);
void spy_door_free(struct spy_door_list *);

enum spy_door_answer {
	SPY_DOOR_HELLO, /* port and link are set */
	SPY_DOOR_LATE,
	SPY_DOOR_GONE,
	SPY_DOOR_FULL,
	SPY_DOOR_FORBIDDEN,
	SPY_DOOR_STRANGE,
};

/* Reads what the bridge says first, if that has not been read yet; waits up to 5 s for it. */
enum spy_door_answer spy_door_hello(struct spy_bridge *);

/* The same: 0, or an exit status, after having said why. */
int spy_door_enter(struct spy_bridge *);

void spy_door_close(struct spy_bridge *);

#endif
