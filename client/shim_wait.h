/*
 * shim_wait.h - a wait for a lease that may end by cancellation or by a jump out of open().
 *
 *	if (shim_wait_begin(&wait) == 0) {
 *		... comlease_acquire(wait.connection, ...) ...
 *		shim_wait_disconnect(&wait);
 *		... without the connection ...
 *		shim_wait_end(&wait, fd);
 *	}
 *
 * From begin to end all signals are blocked, but for those that the program lets through while
 * comlease_acquire() waits. A handler that jumps out leaves nothing behind, no memory either.
 */
#ifndef COMLEASE_SHIM_WAIT_H
#define COMLEASE_SHIM_WAIT_H

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct comlease;

struct shim_wait {
	struct _pthread_cleanup_buffer cleanup;
	struct comlease *connection;
	sigset_t signals;
	bool was_inside;
};

/* 0, or -1: ENOMEM, and nothing is to be ended. */
int shim_wait_begin(struct shim_wait *);

void shim_wait_disconnect(struct shim_wait *);

/* fd: what open() is about to return (-1: nothing). A handler that jumps away now takes it along.
 */
void shim_wait_end(struct shim_wait *, int fd);

#endif
