/*
 * watch.h - what the broker says of a lease while a command has it; through the broker's restarts.
 */
#ifndef COMLEASE_WATCH_H
#define COMLEASE_WATCH_H

#include <comlease.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

struct watch {
	struct comlease *c; /* NULL: nothing more will come */
	uint64_t token;
	bool looking;     /* the broker has gone */
	int losses;       /* streams that did not last, in a row */
	int64_t asked_ms; /* CLOCK_MONOTONIC */
};

/* Begins to watch; nothing is waited for. */
void watch_begin(struct watch *, const char *socket_path, uint64_t token);
void watch_end(struct watch *);

/* To be polled, for at most watch_timeout_ms() (-1: no limit), before each watch_next(). */
struct pollfd watch_pollfd(const struct watch *);
int watch_timeout_ms(const struct watch *);

/* The next event, without waiting; false: none. Call it until it says so. The event's strings live
 * until the next call. A lease that ended unseen (while the broker was away) gives an event ENDED.
 */
bool watch_next(struct watch *, struct comlease_event *);

#endif
