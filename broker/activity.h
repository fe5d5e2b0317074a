/*
 * activity.h - does a byte pass over a tty, either way? Found out without reading one: by inotify
 * on its node (read() and write() by whoever has it open; input that nobody reads does not count).
 *
 * Error rule: negative = -errno, 0 = done. Times are milliseconds of any clock.
 */
#ifndef COMLEASE_ACTIVITY_H
#define COMLEASE_ACTIVITY_H

#include <stdbool.h>
#include <stdint.h>

struct activity {
	int fd;            /* readable when a byte has passed; -1: nothing is watched */
	bool is_armed;     /* the next byte will tell */
	bool has_passed;   /* one has, since the start */
	uint64_t since_ms; /* none has passed since then, as far as is known */
	uint64_t rearm_ms; /* unless it is armed: when to */
};

void activity_init(struct activity *);

/* Watches that node from now on. 0 or -errno. */
int activity_start(struct activity *, const char *node, uint64_t now_ms);

void activity_stop(struct activity *);

/* The descriptor is readable: a byte has passed, and none will tell within `gap_ms`. */
void activity_take(struct activity *, uint64_t now_ms, uint64_t gap_ms);

/* rearm_ms has come. 0 or -errno. */
int activity_rearm(struct activity *, const char *node, uint64_t now_ms);

#endif
