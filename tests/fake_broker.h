/*
 * fake_broker.h - a broker that does as it is told, in a thread of the test: for what the client
 * side must stand and a real broker never does. It manages one port, "modem0", a pty of its own,
 * and a pool "modem" with that port in it.
 */
#ifndef COMLEASE_FAKE_BROKER_H
#define COMLEASE_FAKE_BROKER_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* What it does with an Acquire of its port (of another one: NoSuchPort, always). */
enum fake_mode {
	FAKE_GRANT,
	FAKE_ERROR,   /* answers with `error` */
	FAKE_HOLD,    /* no answer: wait */
	FAKE_CLOSE,   /* closes the connection */
	FAKE_GARBAGE, /* bytes that are no message */
	FAKE_NO_FD,   /* a lease without its descriptor */
	FAKE_BOTH,    /* an error with a descriptor */
	FAKE_QUOTA,   /* an error before any call, and closes */
	FAKE_DEAF,    /* accepts nothing */
};

#define FAKE_CONNECTIONS_MAX 32

struct fake_broker {
	char folder[64]; /* a scratch folder of its own */
	char path[80];   /* the socket in it */
	char device[64];
	dev_t rdev;
	int master; /* of the pty */
	_Atomic int mode;
	const char *_Atomic error; /* "io.comlease.Busy" */
	atomic_int acquires, connections, hung_up;
	pthread_mutex_t lock;
	json_t *last; /* the parameters of the last Acquire */

	_Atomic int yield_mode;            /* of Yield; FAKE_ERROR: Revoked */
	const char *_Atomic watch_error;   /* of Watch; "close"; NULL: none */
	_Atomic(const char *) watch_first; /* JSON: the first reply of Watch; NULL: "watching" */
	_Atomic(const char *) lock_dir;    /* of List; NULL: none */
	_Atomic(const char *) free_device; /* granted whatever the mode; NULL: none */
	atomic_bool foreign;               /* who waits is told of a foreign holder */
	atomic_bool rising;                /* each grant has a token of its own, from 18, and comes
					    * without a word about waiting before it */
	_Atomic json_int_t token;          /* of the last grant */
	json_t *calls;                     /* all calls: {"method", "parameters"} */
	pthread_cond_t called;
	json_t *orders; /* for the thread: what is to be sent; see fake_event(), fake_let() */

	pthread_t thread;
	bool up;
	int listener, stop[2]; /* "x": stop; "o": look at the orders */
	void *peers[FAKE_CONNECTIONS_MAX];
};

/* The one of this test. */
extern struct fake_broker fake;

/* The folder and the pty; no socket yet. */
void fake_init(struct fake_broker *);
void fake_clear(struct fake_broker *);

/* Listens, with a thread of its own; and goes as a killed broker does (the socket file stays), or
 * as an ended one (it goes too). */
void fake_up(struct fake_broker *);
void fake_down(struct fake_broker *, bool remove_socket);

/* Sends that (JSON) to all who watch, as their next reply, or as their last one. */
void fake_event(struct fake_broker *, const char *event, bool last);

/* Grants what waits: Acquire and Yield in mode FAKE_HOLD. */
void fake_let(struct fake_broker *);

/* How many calls of that method ("Yield") came; waits until there are so many, at most 10 s. */
int fake_calls(struct fake_broker *, const char *method);
bool fake_await_calls(struct fake_broker *, const char *method, int count);

/* The parameters of the call of that method with that index (a new reference); NULL. */
json_t *fake_call(struct fake_broker *, const char *method, int index);

/* A member of the last Acquire's parameters: -1 if it isn't there. */
json_int_t fake_last_number(struct fake_broker *, const char *name);
/* Into text; "" if it isn't there. */
void fake_last_text(struct fake_broker *, const char *name, char *text, size_t size);

/* Waits until *counter is at least that, at most 5 s; whether it is. */
bool fake_await(atomic_int *counter, int value);

#endif
