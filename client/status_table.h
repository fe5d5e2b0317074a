/*
 * status_table.h - the ports of a List reply as a table for people.
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

/* "efax (pid 4312, user ann)" from an io.comlease.Process. */
void status_process(struct text *, const json_t *process);

/* Members of an object that may be missing: NULL, or 0. */
const char *status_string(const json_t *object, const char *member);
int64_t status_integer(const json_t *object, const char *member);

#endif
