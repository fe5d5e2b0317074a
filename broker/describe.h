/*
 * describe.h - ports, leases, waiters and foreign holders as JSON and as sentences. broker.h
 * includes it: it has the structs.
 */
#ifndef COMLEASE_DESCRIBE_H
#define COMLEASE_DESCRIBE_H

#include "broker.h"

/* ---- describe.c: new references, NULL: no memory ---- */

json_t *describe_port(const struct port *);
json_t *describe_lease(const struct port *, const struct request *holder);
json_t *describe_waiting(const struct request *, size_t ahead);
json_t *describe_process(const struct request *);
json_t *describe_foreign(const struct port *); /* NULL too: there is none, or not known */
json_t *describe_foreigner(const struct foreign *, unsigned count);
json_t *describe_pools(const struct broker *, const json_t *names); /* NULL names: all */

/* The type Foreign; NULL for pid -1. count: how many there are. */
json_t *describe_foreigner(const struct foreign *, unsigned count);

/* ---- describe_text.c ---- */

/* Why one has to wait, or can't have it: for `reason`; NULL: nothing is to be said. In `text`, or
 * static. */
const char *describe_reason(const struct port *, char *text, size_t size);

/* What put it there: "class mail, 1st in the order; has waited 130 s: risen by 2". */
void describe_place(const struct lease_place *, char *text, size_t size);

/* "has it open, locked by flock", "locked by LCK..ttyS0". */
void describe_how(const struct foreign *, char *text, size_t size);

/* "minicom (pid 4312, uid 1000) has it open since 09:14:02", "a process that I can't see ...". */
void describe_foreign_text(const struct foreign *, unsigned count, char *text, size_t size);

/* The same without who it is: "has it open since 09:14:02, minicom.service, and 1 more". */
void describe_foreign_detail(const struct foreign *, unsigned count, char *text, size_t size);

/* "held by efax (pid 812, uid 1000) since 09:14:02": why one has to wait. */
void describe_why(const struct port *, char *text, size_t size);

#endif
