/*
 * ask.h - what the commands ask the broker, and how they say that it didn't work.
 *
 * "Says why" below: one message on stderr that names the thing, the reason and the way out.
 */
#ifndef COMLEASE_ASK_H
#define COMLEASE_ASK_H

#include "cli.h"

#include <comlease.h>
#include <jansson.h>
#include <stdbool.h>

/* For what is only asked and takes no time. Longer than a broker that has just been started waits
 * for a keeper that hangs, before it listens. */
#define ASK_MS 10000

/* A connection object for the socket that the options name. No memory: says so and exits. */
struct comlease *ask_connect(const struct cli *);

/* A parameters object with `ports`: the names; {} if there are none. For List and Monitor. */
json_t *ask_parameters_ports(char *const *names, int count);

/* List's reply (an object, a new reference): `ports`, an array, and perhaps `pools`; all or those
 * named. NULL: says why; *status is set. */
json_t *ask_list(struct comlease *, char *const *names, int count, int *status);

/* The ports (an array, a new reference), all or those named. NULL: says why; *status is set. */
json_t *ask_ports(struct comlease *, char *const *names, int count, int *status);

/* The port of that name in the array (borrowed). NULL: says which ones there are. */
json_t *ask_port_named(json_t *ports, const char *name);

/* Is there a port or a pool of that name in List's reply? 0, or the exit status after having said
 * which there are. */
int ask_check_name(const json_t *list, const char *name);

/* The same in List's reply; for a pool's name: says which ports it has. */
const json_t *ask_port_in(json_t *list, const char *name);

/* Says who may do that: root, ... and whom `key` of [access] names may `verb` ("take it back"),
 * and, if `lease` is not NULL, its owner's user; the exit status. */
int ask_not_allowed(const json_t *port, const json_t *lease, const char *verb, const char *key);

/* A reason in somebody's own words, as the broker takes it (a new reference). NULL: says, of
 * `what`, that it is no UTF-8 or too long; the exit status is CLI_USAGE. */
json_t *ask_reason(const char *what, const char *reason);

/* Says why the last call on the connection failed (errno is still its own); the exit status. */
int ask_failed(const struct comlease *);

/* A stream goes on after the broker has gone: says so, and waits up to 30 s until it is back.
 * 0, or the exit status, after having said why. *said: whether that has been said already (it may
 * break again before the first reply); the caller clears it when a reply has come. */
int ask_again(struct comlease *, bool *said);

#endif
