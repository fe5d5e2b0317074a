/*
 * fake_broker.h - a broker that does as it is told, in a thread of the test: for what the client
 * side must stand and a real broker never does. It manages one port, "modem0", a pty of its own.
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

	pthread_t thread;
	bool up;
	int listener, stop[2];
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

/* A member of the last Acquire's parameters: -1 if it isn't there. */
json_int_t fake_last_number(struct fake_broker *, const char *name);
/* Into text; "" if it isn't there. */
void fake_last_text(struct fake_broker *, const char *name, char *text, size_t size);

/* Waits until *counter is at least that, at most 5 s; whether it is. */
bool fake_await(atomic_int *counter, int value);

#endif
