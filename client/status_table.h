/*
 * status_table.h - the ports of a List reply as a table for people, and the lines beneath.
 */
#ifndef COMLEASE_STATUS_TABLE_H
#define COMLEASE_STATUS_TABLE_H

#include "text.h"

#include <jansson.h>
#include <stdbool.h>

struct status_style {
	size_t columns; /* of the terminal; 0: no limit */
	bool colour;
	int64_t now_ms;
};

/* `ports` is an array of io.comlease.Port. */
void status_table(struct text *, const json_t *ports, const struct status_style *);

/* What stands beneath one port's row: why it is as it is, its lease, its queue. */
void status_detail(struct text *, const json_t *port, const struct status_style *);

/* A line for each io.comlease.Pool of the array. */
void status_pools(struct text *, const json_t *pools, const struct status_style *);

/* "efax (pid 4312, user ann)" from an io.comlease.Process. */
void status_process(struct text *, const json_t *process);

/* "minicom (pid 4312, user ann)" from an io.comlease.Foreign, or "a process that I can't see". */
void status_stranger(struct text *, const json_t *foreign);

/* "minicom (pid 4312, user ann) has it open since 09:14 (unit x.service); +2 more". */
void status_foreign(struct text *, const json_t *foreign, int64_t now_ms);

/* Members of an object that may be missing, or null, which is the same: NULL, or 0. */
json_t *status_object(const json_t *object, const char *member);
const char *status_string(const json_t *object, const char *member);
int64_t status_integer(const json_t *object, const char *member);

#endif
