/*
 * keeper_internal.h - the keeper's parts to one another. One thread, one epoll loop:
 *
 *	keeper.c		starts, waits, takes messages, sends answers
 *	keeper_port.c		is the device there? Opens it for leases; hang-ups, unplugging
 *	keeper_roster.c		which descriptions exist; tells when they go
 *	keeper_turnaround.c	cleans the port between two leases, a step at a time
 *
 * Nothing here waits but the loop. Times are CLOCK_MONOTONIC milliseconds.
 */
#ifndef COMLEASE_KEEPER_INTERNAL_H
#define COMLEASE_KEEPER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "device.h"
#include "ipc.h"
#include "roster.h"
#include "watch.h"

#define KEEPER_NEVER       UINT64_MAX
#define KEEPER_OUTBOX_MAX  64
#define KEEPER_ANSWERS_MAX 8

enum keeper_presence {
	KEEPER_UNKNOWN, /* not looked yet */
	KEEPER_ABSENT,
	KEEPER_FAULTED, /* there, and cannot be opened */
	KEEPER_PRESENT, /* the device is attached */
};

enum keeper_phase {
	KEEPER_AT_REST, /* no turnaround */
	KEEPER_DRAIN,   /* until the queue is empty */
	KEEPER_SEND,    /* until the transmitter is */
	KEEPER_HANGUP,  /* the line is down */
	KEEPER_SETTLE,
};

struct keeper_turnaround {
	enum keeper_phase phase;
	uint64_t ids[KEEPER_ANSWERS_MAX]; /* whom to answer: several may ask for the same one */
	size_t id_count;
	bool flag;         /* revoke in any case */
	bool is_cut;       /* the drain ran out */
	bool is_revoked;   /* it has been done */
	unsigned losses;   /* how often the device went away under it */
	uint64_t at_ms;    /* the phase goes on */
	uint64_t end_ms;   /* of the drain, at the latest */
	uint64_t moved_ms; /* when the queue last got shorter */
	int queued;        /* how long it was then */
};

struct keeper {
	const char *name;
	struct config config;
	const struct config_port *port; /* in config; NULL: no configuration yet */
	int epoll, supervisor, broker, roster;
	int list; /* the kernel's text of the roster */
	struct watch watch;
	struct device device;
	enum keeper_presence presence;
	char why[IPC_TEXT_MAX]; /* absent or faulted */
	uint64_t retry_ms;      /* look again by time (there, but not ready) */
	unsigned retries;
	bool is_reported; /* the broker knows what there is */

	uint64_t live;             /* the token of the lease that is alive; 0 */
	uint64_t count;            /* how many descriptions of it are listed */
	size_t listed;             /* and of all tokens */
	char holder[IPC_TEXT_MAX]; /* what the broker wants to be told again */
	uint64_t reread_ms;        /* when to read the roster again */
	unsigned rereads;          /* since the last hint */
	uint64_t hungup_ms;        /* a hang-up not ours: until then he may open again */

	struct keeper_turnaround turnaround;

	struct ipc_message outbox[KEEPER_OUTBOX_MAX]; /* what the broker's channel did not take */
	size_t outbox_count;
};

/* ---- keeper.c ---- */

/* Tells the broker, in order, now or when its channel takes it. Without a broker: nothing; the next
 * one gets a report. */
void keeper_send(struct keeper *, const struct ipc_message *);

/* Watches that descriptor in the loop (it is known by its number). 0 or -errno. */
int keeper_listen(struct keeper *, int fd, uint32_t events);

/* ---- keeper_port.c ---- */

/* Looks whether the device is there and opens it, unless it is attached. Tells nobody. */
void keeper_look(struct keeper *);

/* The same, and the broker is told what has changed. */
void keeper_look_and_tell(struct keeper *);

/* Something happened on the way to the device. */
void keeper_path_changed(struct keeper *);

/* Our own description was hung up, not by us, or a call says that it may be: is the device gone? */
void keeper_own_hangup(struct keeper *);

/* The device has been reopened by keeper_turnaround.c, or was found to be gone. */
void keeper_set_presence(struct keeper *, enum keeper_presence);

void keeper_open(struct keeper *, const struct ipc_message *);
void keeper_report(struct keeper *);

/* ---- keeper_roster.c ---- */

/* Something may have been closed: reads the roster now, and again for a while. */
void keeper_hint(struct keeper *);

/* The supervisor's roster: from now on this one, which is owned here. */
void keeper_take_roster(struct keeper *, int roster);

/* Reads it once; tells the broker of a change. */
void keeper_read_roster(struct keeper *);

/* The next reading is due. */
void keeper_reread(struct keeper *);

/* The lease is alive with that many descriptions; 0: none is. */
void keeper_set_live(struct keeper *, uint64_t token, uint64_t count);

/* So many descriptions of the live lease are listed: the broker is told. 0: it has gone. */
void keeper_set_count(struct keeper *, uint64_t count);

/* Takes up the lease that the roster lists, if it does (a new keeper, or a new broker). */
void keeper_adopt(struct keeper *);

/* Descriptions of any token that still work, or -errno. */
int keeper_count_working(struct keeper *);

/* The time for a new open after a foreign hang-up is over. */
void keeper_hangup_over(struct keeper *);

/* ---- keeper_turnaround.c ---- */

void turnaround_start(struct keeper *, const struct ipc_message *);

/* The live lease has gone by itself: does all of its turnaround where nothing in it can take time.
 * False: that is to be asked for. */
bool turnaround_at_once(struct keeper *);

/* Its time has come. */
void turnaround_go_on(struct keeper *);

/* The device was hung up meanwhile and is there again: from the revocation on, once more. */
void turnaround_restart(struct keeper *);

/* Ends it with that answer to all who asked. */
void turnaround_answer(struct keeper *, enum ipc_type, const char *text);

#endif
