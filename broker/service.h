/*
 * service.h - what the files of the methods share.
 *
 *	service.c	the dispatcher; List, Monitor, Acquire, Attach
 *	service_end.c	Release, Revoke
 *	service_watch.c	Watch, Yield, SetBusy
 *	service_admin.c	Handoff, Evict, Disable, Enable
 *	service_error.c	the answers that are no
 */
#ifndef COMLEASE_SERVICE_H
#define COMLEASE_SERVICE_H

#include "broker.h"

#define INTERFACE "io.comlease."

void service_release(struct broker *, struct peer *, const struct varlink_call *);
void service_revoke(struct broker *, struct peer *, const struct varlink_call *);
void service_watch(struct broker *, struct peer *, const struct varlink_call *);
void service_yield(struct broker *, struct peer *, const struct varlink_call *);
void service_busy(struct broker *, struct peer *, const struct varlink_call *);
void service_handoff(struct broker *, struct peer *, const struct varlink_call *);
void service_evict(struct broker *, struct peer *, const struct varlink_call *);
void service_disable(struct broker *, struct peer *, const struct varlink_call *);
void service_enable(struct broker *, struct peer *, const struct varlink_call *);

/* A new request, as far as it comes at once. */
void service_ask(struct broker *, struct peer *, const struct request_wish *);

/* The port with that live lease, or NULL. */
struct port *service_find_token(struct broker *, uint64_t token);

/* An empty reply: it has been done. */
void service_done(struct peer *);

/* ---- service_error.c: the call is answered ---- */

void service_invalid(struct peer *, const char *parameter);
void service_no_such_port(struct broker *, struct peer *, const char *name);
void service_not_holder(struct peer *, const char *message);
void service_nobody_holds(struct peer *, const struct port *);
void service_ended(struct peer *); /* a token that is no longer alive */
void service_denied(struct peer *);

#endif
