/*
 * carrier.h - is the carrier of a modem up (CD)? A thread waits for that in the driver, which has
 * no descriptor to wait on, and says so by one.
 *
 * Error rule: negative = -errno, 0 = done, positive = a documented condition.
 */
#ifndef COMLEASE_CARRIER_H
#define COMLEASE_CARRIER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct carrier {
	int fd;     /* readable when there is something to take; -1: nothing is watched */
	int device; /* the caller's */
	int lost;   /* the fd of a thread that a driver did not let go; -1: there is none */
	pthread_t thread;
	atomic_int state; /* 1, 0, -errno */
	atomic_bool is_ending;
};

void carrier_init(struct carrier *);

/* Watches that tty, which must stay open until carrier_stop(). 0 or -errno. -EBUSY: a driver still
 * has the last thread. */
int carrier_start(struct carrier *, int device);

/* The thread is not in the driver any more: now the device may be closed. Waits a quarter of a
 * second at the most; a driver that hangs keeps its thread. */
void carrier_stop(struct carrier *);

/* 1: up; 0: down; -errno: the driver can't tell (-ENOTTY, -EINVAL...), or the device has gone; then
 * nothing more will come. */
int carrier_take(struct carrier *);

/* The same, asked of the driver now: two changes in quick succession may have been one to the
 * thread. */
int carrier_check(struct carrier *);

#endif
