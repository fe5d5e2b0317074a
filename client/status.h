/*
 * status.h - what other commands use of `comlease status`.
 */
#ifndef COMLEASE_STATUS_H
#define COMLEASE_STATUS_H

#include <jansson.h>

/* Adds `user`, the name of its uid, to an io.comlease.Process; not where there is none. */
void status_add_user(json_t *process);

/* The same for every process in an array of io.comlease.Port. */
void status_add_users(json_t *ports);

#endif
