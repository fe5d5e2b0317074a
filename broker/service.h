/*
 * service.h - what the files of the methods share: service.c (all but) service_end.c.
 */
#ifndef COMLEASE_SERVICE_H
#define COMLEASE_SERVICE_H

#include "broker.h"

#define INTERFACE "io.comlease."

void service_release(struct broker *, struct peer *, const struct varlink_call *);
void service_revoke(struct broker *, struct peer *, const struct varlink_call *);

/* Errors that answer a call: a parameter, a port's name, a sentence. */
void service_invalid(struct peer *, const char *parameter);
void service_no_such_port(struct broker *, struct peer *, const char *name);
void service_not_holder(struct peer *, const char *message);

#endif
