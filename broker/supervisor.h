/*
 * supervisor.h - the process that starts, watches and restarts the others, and holds what must
 * outlive them. It never reads a byte from a client.
 */
#ifndef COMLEASE_SUPERVISOR_H
#define COMLEASE_SUPERVISOR_H

#include "config.h"

#include <stdbool.h>

struct supervisor_options {
	const char *file;      /* -c; NULL: the system's */
	const char *socket;    /* -s; NULL: the configuration's */
	const char *state_dir; /* --state-dir; NULL: the configuration's */
	bool verbose;
};

/* The rules under which this process may read a configuration (who it is, what it may). */
struct config_rules supervisor_rules(void);

/* config_load() with the options applied. */
int supervisor_load(const struct supervisor_options *, struct config *,
		    char error[CONFIG_ERROR_MAX]);

/* Runs until SIGTERM or SIGINT. Takes the configuration over. An exit status of sysexits.h. */
int supervisor_main(const struct supervisor_options *, struct config *);

#endif
