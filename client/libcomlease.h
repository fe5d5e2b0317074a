/*
 * libcomlease.h - the inside of struct comlease, for libcomlease*.c alone.
 *
 * One connection, at most one thing under way on it. The blocking and the pollable acquire (and
 * yield, which is an acquire with one step before it) are the same machine (libcomlease.c), driven
 * by poll() in the library or in the caller's loop.
 */
#ifndef COMLEASE_LIBCOMLEASE_H
#define COMLEASE_LIBCOMLEASE_H

#include "internal.h"
#include "varlink.h"

#include <errno.h>

#define ERROR_BYTES_MAX 512
/* How much longer than the deadline the broker has for saying that it is over. */
#define DEADLINE_GRACE_MS 2000

enum phase {
	PHASE_IDLE,
	PHASE_LOOK,   /* no broker: inotify, see struct look */
	PHASE_ASK,    /* Acquire is sent: its reply, or the stream of them */
	PHASE_ATTACH, /* Attach is sent */
	PHASE_STREAM, /* comlease_call_more() */
};

/* Waiting for a broker to appear. */
struct look {
	int inotify;         /* -1: none to be had */
	bool watched;        /* a folder that the socket would appear in is watched */
	bool appearing;      /* something has happened there: refusals may be those of a broker that
			      * is not ready yet */
	int64_t retry_at_ms; /* the next attempt without an event; INT64_MAX: none */
	int retry_ms;        /* and the interval after it */
	int64_t until_ms;    /* INT64_MAX: for ever */
};

struct comlease {
	struct varlink varlink;
	int socket;              /* -1: not connected */
	const sigset_t *signals; /* to be blocked in a wait; NULL: as they are */
	pid_t maker;   /* who connected: a forked child must not shut the connection down */
	char *path[2]; /* candidates; [1] (that of the user's own broker) may be NULL */
	int path_used; /* index */
	enum phase phase;
	struct look look;

	/* The request under way, from comlease_request() to its end. */
	struct comlease_request request;
	bool streamed;   /* with `more`: comlease_waiting() works */
	uint64_t yields; /* the lease that is to be let go first; 0: none, or that is done */
	bool bounded;    /* it was asked for with Yield: the deadline is ours to keep */
	int64_t started_ms;
	int64_t deadline_ms; /* INT64_MAX: none */
	bool reconnected;    /* the broker has not seen this request from its beginning */
	int64_t asked_ms;    /* when it was sent the last time */
	int64_t lost_ms;     /* since when it has been without a connection that lasted */
	int losses;          /* connections that did not last, in a row */
	json_t *waiting;     /* the last `waiting`; NULL */

	json_t *event;      /* of a watched lease: the last one; NULL */
	bool event_is_next; /* it came with comlease_watch(), and has not been asked for yet */

	json_t *error_message; /* the broker's last error as it came; NULL */
	char error[ERROR_BYTES_MAX];
};

/* ---- libcomlease_connect.c ---- */

/* now + ms, with ms -1 and overflow as INT64_MAX. */
int64_t comlease_after_ms(int64_t now_ms, int64_t ms);

/* Until then, for poll(): -1 for INT64_MAX; rounded so that it never returns early. */
int comlease_poll_ms(int64_t at_ms);

/* Copies the candidates for the socket's path. 0 or -1 (ENOMEM). */
int comlease_set_paths(struct comlease *, const char *socket_path);

/* Closes the socket and forgets what was received. */
void comlease_drop(struct comlease *);

/* first_at_ms: the first attempt. restarting: there was a broker a moment ago, so that a refusal
 * may be that of one that is not ready yet. */
void comlease_look_start(struct comlease *, int64_t first_at_ms, int64_t until_ms, bool restarting);
void comlease_look_stop(struct comlease *);
/* Takes what inotify has and tries again if there is reason to. 0: connected, the look is over;
 * -1: EAGAIN (poll again), or a failure that ends the look. */
int comlease_look_step(struct comlease *);
int64_t comlease_look_wakes_ms(const struct comlease *);

/* ---- libcomlease_error.c ---- */

/* Sets the sentence and the errno for a connection that is not to be had. -1. */
int comlease_fail_connect(struct comlease *, int error);

/* Takes an error reply (a new reference is made): the sentence and the errno. -1. */
int comlease_fail_reply(struct comlease *, json_t *message);

/* Sets the sentence; returns -1 with errno = error. */
__attribute__((format(printf, 3, 4))) int comlease_fail(struct comlease *, int error,
							const char *format, ...);

/* Starts anew: no error. */
void comlease_forget_error(struct comlease *);

/* ---- libcomlease_request.c ---- */

/* Starts a request: 0, or -1 (phase may have to be reset). yields: the token of a lease to let go
 * first, or 0. streamed: with `more` (with yields always). */
int comlease_begin(struct comlease *, const struct comlease_request *, uint64_t yields,
		   bool streamed);

/* Does what can be done without waiting: the descriptor; -1: EAGAIN, or the failure that ends it.
 */
int comlease_step(struct comlease *, struct comlease_lease *);

/* When to give up although the broker has not said so; INT64_MAX: never. */
int64_t comlease_safety_ms(const struct comlease *);

/* ---- libcomlease_list.c ---- */

/* From an io.comlease.Process; its string is borrowed. NULL: all 0. */
struct comlease_process comlease_process_from(const json_t *);

/* ---- libcomlease_call.c ---- */

/* Queues and begins to send a call. 0 or -1. */
int comlease_send(struct comlease *, const char *method, json_t *parameters, bool more);

/* The next reply, if there is one: 0 and *parameters (a new reference), *fd (-1: none), *continues;
 * -1: EAGAIN; ECONNRESET (the connection is dropped); EPROTO (dropped too); a typed error. */
int comlease_receive(struct comlease *, json_t **parameters, int *fd, bool *continues);

#endif
