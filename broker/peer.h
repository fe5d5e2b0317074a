/*
 * peer.h - one client's connection: receive calls, send replies within a bounded outbox, know who
 * it is. It knows Varlink's frames and libevent; not what a call means.
 *
 * One call at a time: after `call` has been handed over, the next one is read when peer_done() has
 * said that the reply is complete. A peer that ends is only marked: peer_free() is its owner's,
 * once nobody up the stack uses it.
 */
#ifndef COMLEASE_PEER_H
#define COMLEASE_PEER_H

#include "../client/varlink.h"

#include <bsd/sys/queue.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <sys/types.h>

#define PEER_OUTBOX_BYTES_MAX ((size_t)64 * 1024) /* of replies that the client does not read */
#define PEER_REQUEST_MS       5000                /* for a whole request to arrive */

struct peer;

struct peer_handler {
	/* A whole call has come. The handler answers now or later, then peer_done(). */
	void (*call)(struct peer *, const struct varlink_call *);
	/* The connection is over: peer->dead is set. Called once, from within whatever noticed;
	 * forget it, and peer_free() it later. */
	void (*gone)(struct peer *);
};

struct peer {
	struct varlink wire;
	struct event read, end, write, late; /* late: half a request is there for too long */
	const struct peer_handler *handler;
	void *owner;
	TAILQ_ENTRY(peer) entry, dead_entry;
	pid_t pid;
	uid_t uid;
	char command[16];     /* its name when it first asked; "" before */
	uint64_t start_ticks; /* when its process started, once that has been asked; 0 */
	int socket, apart;    /* apart: an epoll instance, while reading is off; -1 */
	gid_t *groups;        /* see peer_groups() */
	size_t group_count;
	bool knows_groups;
	bool busy;    /* a call is being answered */
	bool closing; /* what is in the outbox, then the end */
	bool dead;
	bool reading; /* off: something came that is not to be read before the call is answered */
	bool handing_over; /* the handler is being called */
	/* The owner's. */
	struct request *request; /* it waits, or has been granted and not attached */
	struct subscription *subscription;
	struct watch *watch;
};

/* Takes the socket over, also on failure. -errno: it was closed. */
int peer_new(struct event_base *, int socket, const struct peer_handler *, void *owner,
	     struct peer **);

/* Sends a message (stolen; NULL: no memory, which ends the connection) and a descriptor (-1: none;
 * stolen). A client that leaves more than PEER_OUTBOX_BYTES_MAX unread is cut off. */
void peer_send(struct peer *, json_t *message, int fd);

/* The call is answered: the next one may come. */
void peer_done(struct peer *);

/* Ends the connection once the outbox is empty, or at once. */
void peer_close(struct peer *);
void peer_kill(struct peer *, const char *why);

/* True if nothing that was sent is still unread by the client. */
bool peer_has_read_all(const struct peer *);

/* The client's groups as the kernel has them on the socket (SO_PEERGROUPS, and its own gid), read
 * once: *groups stays the peer's. The number of them; 0: not to be had. */
size_t peer_groups(const struct peer *, const gid_t **groups);

/* A new pidfd of the client's process, or -errno. */
int peer_pidfd(const struct peer *);

void peer_free(struct peer *);

/* Closes a client's socket that is no peer's: never blocks, whatever descriptors wait in it. */
void peer_discard(int socket);

#endif
