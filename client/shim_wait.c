/*
 * shim_wait.c - one wait for a lease, and that nothing is left of it when the program does not
 * return from open(): a thread that is cancelled, a signal handler that jumps out (minicom's does),
 * a child that another thread forks meanwhile. What is waited for is not its business.
 *
 * The tricky idea: longjmp() runs what _pthread_cleanup_push() has noted in the frames that it
 * leaves, as pthread_cancel() does. And handlers run only while the library is in poll() or recv():
 * whatever they jump out of is whole, and may be freed.
 */
#include "internal.h"
#include "shim.h"
#include "shim_wait.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#define WAITS_MAX 64

/* glibc's, for programs built long ago; the headers' macros are not seen by longjmp(). */
void _pthread_cleanup_push(struct _pthread_cleanup_buffer *, void (*)(void *), void *);
void _pthread_cleanup_pop(struct _pthread_cleanup_buffer *, int);

/* ---- forked children ---- */

/* Waits under way. One beyond them is only left in children. */
static _Atomic(struct comlease *) waits[WAITS_MAX];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* In the child: its copy of a socket would keep the place of a parent that is killed. */
static void
forget_waits(void)
{
	for (size_t i = 0; i < WAITS_MAX; i++) {
		struct comlease *c = atomic_exchange(&waits[i], NULL);

		if (c)
			comlease_leave_to_parent(c);
	}
}

static void
watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_waits);
}

static void
note(struct comlease *c)
{
	pthread_once(&once, watch_forks);
	for (size_t i = 0; i < WAITS_MAX; i++) {
		struct comlease *none = NULL;

		if (atomic_compare_exchange_strong(&waits[i], &none, c))
			return;
	}
}

static void
unnote(struct comlease *c)
{
	for (size_t i = 0; i < WAITS_MAX; i++) {
		struct comlease *mine = c;

		if (atomic_compare_exchange_strong(&waits[i], &mine, NULL))
			return;
	}
}

/* ---- one wait ---- */

static void
leave(void *arg)
{
	struct shim_wait *wait = arg;

	unnote(wait->connection);
	comlease_disconnect(wait->connection);
	shim_set_inside(wait->was_inside);
}

int
shim_wait_begin(struct shim_wait *wait)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &wait->signals);
	wait->connection = comlease_connect(NULL);
	if (!wait->connection) {
		shim_wait_end(wait, -1);
		errno = ENOMEM;
		return -1;
	}
	comlease_set_signals(wait->connection, &wait->signals);
	wait->was_inside = shim_is_inside();
	shim_set_inside(true);
	note(wait->connection);
	_pthread_cleanup_push(&wait->cleanup, leave, wait);
	return 0;
}

void
shim_wait_disconnect(struct shim_wait *wait)
{
	_pthread_cleanup_pop(&wait->cleanup, 1);
}

static void
close_fd(void *fd)
{
	if (*(int *)fd >= 0)
		close(*(int *)fd);
}

void
shim_wait_end(struct shim_wait *wait, int fd)
{
	_pthread_cleanup_push(&wait->cleanup, close_fd, &fd);
	pthread_sigmask(SIG_SETMASK, &wait->signals, NULL); /* what came meanwhile, may jump */
	_pthread_cleanup_pop(&wait->cleanup, 0);
}
