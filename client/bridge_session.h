/*
 * bridge_session.h - one program's visit to a bridge, from its open to the end of its lease.
 */
#ifndef COMLEASE_BRIDGE_SESSION_H
#define COMLEASE_BRIDGE_SESSION_H

#include "bridge.h"
#include "bridge_lease.h"
#include "bridge_link.h"
#include "bridge_relay.h"

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

enum bridge_phase {
	BRIDGE_IDLE,      /* nobody's visit */
	BRIDGE_SILENT,    /* somebody is there; the port is asked for at his first byte */
	BRIDGE_WAITING,   /* for the port, the first time or again */
	BRIDGE_CONNECTED, /* bytes go through */
	BRIDGE_LEAVING,   /* the port is wanted: no more bytes are taken from the program */
	BRIDGE_DEAD,      /* the device has been hung up, and the broker hasn't said why yet */
	BRIDGE_RELEASING, /* the lease is being given back */
};

struct bridge {
	const struct bridge_options *options;
	struct bridge_pty pty;
	struct bridge_link link;
	struct bridge_lease lease;
	struct bridge_relay relay;
	struct bridge_spy *spy;
	int signals;
	bool is_over; /* the bridge ends, with */
	int status;

	enum bridge_phase phase;
	bool gone;        /* the program has closed; what it wrote may still be on its way */
	bool missed;      /* somebody came and went meanwhile */
	bool announced;   /* the program has been told that it waits */
	int64_t leave_ms; /* LEAVING: whatever has not gone by then waits. CONNECTED: when to begin
			   * with that; 0: not at all */
	int64_t since_ms; /* DEAD; gone: since when nothing has moved */

	/* Line settings. A program that has set none has `offered`. */
	struct bridge_line own;     /* the port's, as leases come with them */
	struct bridge_line offered; /* what the pty had before the program came, or at the grant */
	struct bridge_line wanted;  /* as the program has them now, and if they are */
	bool is_changing;           /* ... not yet on the device: */
	int64_t changed_ms;         /* since then, or since bytes have moved */
	int queued;                 /* in the device, when that was looked at last */
	int64_t looked_ms;
};

/* Who has come and gone. left: there was a moment in which nobody had the pty open. */
void bridge_session_visit(struct bridge *, bool left);

/* What the broker says. */
void bridge_session_take(struct bridge *, enum bridge_lease_event);

/* What time does: deadlines, line settings that wait for bytes before them. */
void bridge_session_tick(struct bridge *);
int bridge_session_timeout_ms(const struct bridge *); /* until the next one; -1: none */

/* The program would have to ask at its first byte, and it has come. */
void bridge_session_ask(struct bridge *);

/* ---- bridge_flow.c: bytes ---- */

short bridge_flow_pty_events(const struct bridge *);
struct pollfd bridge_flow_pollfd(const struct bridge *); /* the device */

/* Moves what can be moved; the events are those that poll() has reported. */
void bridge_flow_move(struct bridge *, short pty_events, short device_events);

/* ---- bridge_follow.c: the program's line settings, on the device ---- */

/* The pty has the port's: it is a new one, or a clean one. */
void bridge_follow_reset(struct bridge *);
/* Looks what the program has set. */
void bridge_follow_look(struct bridge *);
/* Sets that on the device once all bytes before it have been sent. False: not yet. */
bool bridge_follow_apply(struct bridge *);
/* The lease has come: the program's settings, if it has made any, or the port's. */
void bridge_follow_granted(struct bridge *);

/* ---- bridge_talk.c: what is said of it ---- */

/* To our own people, and to who reads along. */
void bridge_say(struct bridge *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* To the program, with --announce. */
void bridge_announce(struct bridge *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* To who reads along. */
void bridge_note(struct bridge *, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* For struct tell: the bridge's wait. */
void bridge_say_waiting(void *bridge, const char *line);
void bridge_say_wanted(struct bridge *);

#endif
