/*
 * libcomlease.c - a connection object, and the public forms of the wait for a lease on it. It knows
 * nothing of what is sent (libcomlease_request.c) or of sockets (libcomlease_connect.c).
 *
 * One machine serves the blocking and the pollable form:
 *
 *	begin -> ASK (Yield, or Acquire) -> (ATTACH, if streamed) -> the descriptor, or a failure
 *	          |^ connected
 *	   broker v| gone, or not there yet
 *	         LOOK -> nobody for reconnect_ms: ECONNREFUSED
 *
 * The tricky idea: the blocking form is the pollable one with a poll() around it, so that there is
 * one way to wait and not two; they differ in one thing: without `more` the descriptor comes at
 * once.
 */
#include "libcomlease.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct comlease *
comlease_connect(const char *socket_path)
{
	struct comlease *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->socket = -1;
	c->look.inotify = -1;
	if (comlease_set_paths(c, socket_path) == 0)
		return c;
	comlease_disconnect(c);
	errno = ENOMEM;
	return NULL;
}

static void
finish(struct comlease *c)
{
	comlease_look_stop(c);
	json_decref(c->waiting);
	c->waiting = NULL;
	json_decref(c->event);
	c->event = NULL;
	c->event_is_next = false;
	c->phase = PHASE_IDLE;
}

void
comlease_cancel(struct comlease *c)
{
	if (c->phase == PHASE_IDLE)
		return;
	finish(c);
	comlease_drop(c);
}

void
comlease_disconnect(struct comlease *c)
{
	int error = errno;

	if (!c)
		return;
	finish(c);
	comlease_drop(c);
	comlease_forget_error(c);
	free(c->path[0]);
	free(c->path[1]);
	free(c);
	errno = error;
}

void
comlease_set_signals(struct comlease *c, const sigset_t *signals)
{
	c->signals = signals;
}

/* ---- the public forms ---- */

static int
begin(struct comlease *c, const struct comlease_request *request, uint64_t yields, bool streamed)
{
	int r = comlease_begin(c, request, yields, streamed);

	if (r < 0 && errno != EALREADY)
		finish(c);
	return r;
}

int
comlease_request(struct comlease *c, const struct comlease_request *request)
{
	return begin(c, request, 0, true);
}

int
comlease_yield_request(struct comlease *c, uint64_t token, const struct comlease_request *request)
{
	return begin(c, request, token, true);
}

int
comlease_dispatch(struct comlease *c, struct comlease_lease *lease)
{
	int fd;

	if (c->phase == PHASE_IDLE || c->phase == PHASE_STREAM)
		return comlease_fail(c, EINVAL, "no request is under way");
	fd = comlease_step(c, lease);
	if (fd >= 0) {
		comlease_forget_error(c);
		finish(c);
	} else if (errno != EAGAIN) {
		finish(c);
	}
	return fd;
}

int
comlease_fd(const struct comlease *c)
{
	return c->phase == PHASE_LOOK ? c->look.inotify : c->socket;
}

short
comlease_events(const struct comlease *c)
{
	if (c->phase == PHASE_ASK || c->phase == PHASE_ATTACH)
		return varlink_unsent(&c->varlink) > 0 ? POLLIN | POLLOUT : POLLIN;
	return POLLIN;
}

int
comlease_timeout_ms(const struct comlease *c)
{
	switch (c->phase) {
	case PHASE_LOOK:
		return comlease_poll_ms(comlease_look_wakes_ms(c));
	case PHASE_ASK:
	case PHASE_ATTACH:
		return comlease_poll_ms(comlease_safety_ms(c));
	default:
		return -1;
	}
}

/* Of the signals that came while they were blocked: is one due whose handler ends a call? */
static bool
is_interrupted(const sigset_t *signals)
{
	struct sigaction action;
	sigset_t pending;

	sigpending(&pending);
	for (int signo = 1; signo < NSIG; signo++) {
		if (sigismember(&pending, signo) == 1 && sigismember(signals, signo) == 0 &&
		    sigaction(signo, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		    action.sa_handler != SIG_IGN && !(action.sa_flags & SA_RESTART))
			return true;
	}
	return false;
}

/* Its handler runs between pthread_sigmask() and recv(), which would hear nothing of it. */
static int
await_byte(const struct comlease *c)
{
	bool interrupted = c->signals && is_interrupted(c->signals);
	sigset_t blocked;
	ssize_t n;
	int error;
	char byte;

	if (c->signals)
		pthread_sigmask(SIG_SETMASK, c->signals, &blocked);
	n = recv(c->socket, &byte, 1, MSG_PEEK | (interrupted ? MSG_DONTWAIT : 0));
	error = errno;
	if (c->signals)
		pthread_sigmask(SIG_SETMASK, &blocked, NULL);
	errno = error;
	if (n < 0 && interrupted && error == EAGAIN)
		errno = error = EINTR;
	return n < 0 && error == EINTR ? -1 : 0;
}

/*
 * Waits for what comlease_dispatch() wants: 0, or -1 and EINTR. As in open(), a handler installed
 * with SA_RESTART does not end the wait. The kernel restarts no call that has a time limit, so
 * where there is one (a deadline, or no broker at the moment) any handler ends it.
 */
static int
await(const struct comlease *c)
{
	struct pollfd pollfd = { .fd = comlease_fd(c), .events = comlease_events(c) };
	int timeout_ms = comlease_timeout_ms(c);
	struct timespec timeout = { .tv_sec = timeout_ms / 1000,
				    .tv_nsec = timeout_ms % 1000 * 1000000L };

	if ((c->phase == PHASE_ASK || c->phase == PHASE_ATTACH) && timeout_ms < 0 &&
	    pollfd.events == POLLIN)
		return await_byte(c);
	return ppoll(&pollfd, 1, timeout_ms < 0 ? NULL : &timeout, c->signals) < 0 ? -1 : 0;
}

static int
acquire(struct comlease *c, const struct comlease_request *request, uint64_t yields,
	struct comlease_lease *lease)
{
	bool too_early;
	int fd = -1;

	if (begin(c, request, yields, false) < 0)
		return -1;
	too_early = c->phase == PHASE_ASK; /* the answer can't be here yet */
	while (too_early || ((fd = comlease_dispatch(c, lease)) < 0 && errno == EAGAIN)) {
		too_early = false;
		if (await(c) < 0) {
			int error = errno;

			comlease_cancel(c);
			return comlease_fail(c, error, "interrupted while waiting");
		}
	}
	return fd;
}

int
comlease_acquire(struct comlease *c, const struct comlease_request *request,
		 struct comlease_lease *lease)
{
	return comlease_yield(c, 0, request, lease);
}

int
comlease_yield(struct comlease *c, uint64_t token, const struct comlease_request *request,
	       struct comlease_lease *lease)
{
	struct comlease *own;
	int fd;

	if (c)
		return acquire(c, request, token, lease);
	own = comlease_connect(NULL);
	if (!own)
		return -1;
	fd = acquire(own, request, token, lease);
	comlease_disconnect(own);
	return fd;
}
