/*
 * broker_request.h - a request from Acquire to its outcome: places, queue, joining, the grant.
 * broker.h includes it: it has the structs.
 */
#ifndef COMLEASE_BROKER_REQUEST_H
#define COMLEASE_BROKER_REQUEST_H

#include "broker.h"

/* ---- broker_request.c ---- */

/* Parameters of Acquire, checked. */
struct request_wish {
	struct port *port;              /* either this */
	const struct config_pool *pool; /* or that */
	const char *label, *key, *class;
	int64_t wait_ms, waited_ms, since_ms, max_hold_ms, grace_ms; /* -1: not given */
	int priority;
	bool more, standby;
};

/* Refused (access, no port in the pool, queue full), joined, or queued. */
void request_new(struct broker *, struct peer *, const struct request_wish *);

/* One error with the port's name, a sentence and, on demand, who is in the way. The request is the
 * caller's to free. */
void request_refuse(struct request *, const char *error, const char *message, bool with_holder);

/* The outcomes but GRANT. */
void request_timed_out(struct request *);
void request_failed(struct request *, const char *why);
void request_deny(struct request *);

/* It was granted, and taken back before its descriptor came. */
void request_revoked(struct request *);

/* The client has gone. */
void request_gone(struct request *);

/* Opens what tells later how the holder ended. Not on the way to the grant: it takes as long as the
 * rest of it. */
void request_look(struct request *);

/* The same, and when its process started. */
void request_look_closely(struct request *);

/* Freed after the next publish_notes(). */
void request_free_later(struct request *);

void request_free(struct request *);

/* ---- broker_queue.c ---- */

/* Into the core's queue. False: that is full, and the request is no more; or it would wait for
 * itself, and is no more or in doubt. */
bool request_queue(struct request *);

/* Those of its port that wait and may be of the same process. */
struct requests *request_kin(const struct request *);

/* It has left the core's queue by one of the core's steps. */
void request_dequeued(struct request *);

/* Out of the queue: its client has gone, or it gets the port in another way. */
void request_leave(struct request *);

/* Out of the queue, and back with the places and the port for display that it should have now.
 * True: it waits still, or again; false: it is no more. */
bool request_place_anew(struct request *);

/* The port's state has changed: whoever does not want to wait need not wait for it any more. */
void request_hasten(struct port *);

/* It has become one that is not worth waiting for (foreign_is_login()): whoever has no other port
 * is told so. */
void request_give_up(struct port *);

/* Those that wait for a port to come into their pool, and whose time is over. The next time. */
uint64_t request_unplaced_due(struct broker *, uint64_t now_ms);

/* The device went before the descriptor came: back to its place. */
void request_requeue(struct request *);

/* ---- broker_join.c ---- */

/* To the holder's lease, into the queue, or refused, once it is known which. */
void request_route(struct request *);

/* Asks the supervisor about the next one that is to be compared with the holder: one at a time. */
void request_ask_next(struct port *);

/* The supervisor's answer. */
void request_answered(struct port *, uint64_t id, bool belongs);

/* The lease that they were compared with has ended: into the queue. */
void request_stop_asking(struct port *);

/* What joined the lease that has ended and was not attached. */
void request_drop_joined(struct port *);

/* A new keeper: what joins, asks again. */
void request_rejoin(struct port *);

/* Of several requests of one process the first is granted; the others would wait for it. */
void request_join_kin(const struct request *holder);

/* ---- broker_grant.c ---- */

/* The holder's or joiner's description has come (fd >= 0, owned), or not (error, text). */
void request_opened(struct port *, const struct ipc_message *, int fd);

/* Sends the lease with its descriptor to the client that asked with `more`. */
void request_attach(struct request *);

/* A holder that the keeper reported after a restart of this process. */
struct request *request_restore(struct port *, uint64_t token, const char *text);

/* The same the other way: for IPC_OPEN and IPC_HOLDER. */
void request_save(const struct request *, char text[IPC_TEXT_MAX]);

/* ---- broker_pool.c ---- */

bool pool_has(const struct config_pool *, const struct port *);

/* Its places, rules and the port for display: of the ports that it may have now. False: there are
 * some, but its client may have none of them. Not while it is in the core's queue. */
bool request_place(struct request *);

/* The same places as request_place() would give? */
bool request_is_placed(const struct request *);

/* Of a waiting pool request: the port for display. */
void request_look_ahead(struct request *);

/* Ports have come, gone, or are known by other ids: waiting pool requests get their places anew,
 * and keep their arrival. */
void pool_changed(struct broker *);

/* ---- broker_doubt.c ---- */

/* The request is about to be refused because of what its own process has: `port`, or, if that is
 * NULL, the ports that request_would_deadlock() has marked. True: it is not certain that he still
 * has them; once it is, the request comes back through request_route(). False: it is. */
bool request_doubt(struct request *, struct port *);

/* A keeper, or the inspector, has looked. */
void doubt_checked(struct broker *, uint64_t id);
void doubt_inspected(struct port *, uint64_t id);

/* Whose answer does not come. Returns when to call it again. */
uint64_t doubt_due(struct broker *, uint64_t now_ms);

/* The port is no longer configured. */
void doubt_fail(struct port *, const char *why);

/* ---- broker_deadlock.c ---- */

/* The request is about to wait. If it would wait for a holder that waits, directly or through
 * others, for a port that the request's own process (or an ancestor of it) holds: that port, else
 * NULL. */
const struct port *request_would_deadlock(const struct request *);

#endif
