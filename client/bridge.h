/*
 * bridge.h - `comlease bridge`: its options (bridge.c), and the loop that serves its pty
 * (bridge_loop.c).
 */
#ifndef COMLEASE_BRIDGE_H
#define COMLEASE_BRIDGE_H

#include "bridge_line.h"
#include "bridge_pty.h"

#include <comlease.h>
#include <stdbool.h>
#include <stdint.h>

struct bridge_options {
	const char *port;       /* or pool */
	const char *link;       /* where programs find the pty */
	const char *label;      /* or NULL */
	const char *class_name; /* or NULL */
	const char *spy;        /* the transcript's file, or NULL */
	int64_t wait_ms;        /* COMLEASE_FOREVER, 0 ... */
	int64_t max_hold_ms;    /* COMLEASE_FOREVER: as the port's rules say */
	int64_t yield_grace_ms; /* the same */
	int priority;           /* -100..100 */
	bool standby;           /* gives way while its program stays attached */
	bool announce;          /* tells its program so */
	bool on_write;          /* asks for the port at the first byte, not at the open */
	struct bridge_access access;
	struct bridge_frame frame;
};

/* Serves until SIGTERM, SIGINT or SIGHUP: the exit status. */
int bridge_serve(struct comlease *, const struct bridge_options *);

#endif
