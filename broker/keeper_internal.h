/*
 * keeper_internal.h - the keeper's parts to one another. One thread, one epoll loop:
 *
 *	keeper.c		starts, waits, takes messages, sends answers
 *	keeper_config.c		the configuration, and the privileges that it needs
 *	keeper_memory.c		what the next keeper is to know
 *	keeper_port.c		is the device there? Hang-ups, unplugging
 *	keeper_identity.c	which device it is, and was
 *	keeper_open.c		opens it for leases
 *	keeper_roster.c		which descriptions exist; tells when they go
 *	keeper_own.c		TIOCEXCL, flock and lock files: the port is ours, for others to see
 *	keeper_stranger.c	who opened and closed the device without us
 *	keeper_busy.c		carrier, activity and idleness of the live lease's line
 *	keeper_turnaround.c	cleans the port between two leases, a step at a time
 *	keeper_drain.c		its first step: what was written reaches the line
 *	keeper_init.c		its last steps: the init chat, and silence
 *
 * Nothing here waits but the loop. Times are CLOCK_MONOTONIC milliseconds.
 */
#ifndef COMLEASE_KEEPER_INTERNAL_H
#define COMLEASE_KEEPER_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "activity.h"
#include "carrier.h"
#include "config.h"
#include "device.h"
#include "ipc.h"
#include "lockfile.h"
#include "roster.h"
#include "watch.h"

#define KEEPER_NEVER       UINT64_MAX
#define KEEPER_OUTBOX_MAX  64
#define KEEPER_ANSWERS_MAX 8
#define KEEPER_ANSWER_MAX  128 /* bytes of a modem's answer to the init chat: the last ones */
#define KEEPER_LOCKS                                                                               \
	(IPC_EVIDENCE_LOCKFILE | IPC_EVIDENCE_FLOCK | IPC_EVIDENCE_EXCLUSIVE) /* somebody else's   \
									       */

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
	KEEPER_INIT,  /* until the modem has answered */
	KEEPER_QUIET, /* until nothing comes in */
};

struct keeper_turnaround {
	enum keeper_phase phase;
	uint64_t ids[KEEPER_ANSWERS_MAX]; /* whom to answer: several may ask for the same one */
	size_t id_count;
	unsigned flags;    /* IPC_TURN_* */
	bool is_cut;       /* the drain ran out */
	bool is_revoked;   /* it has been done */
	unsigned losses;   /* how often the device went away under it */
	uint64_t at_ms;    /* the phase goes on */
	uint64_t end_ms;   /* of the drain, at the latest */
	uint64_t moved_ms; /* when the queue last got shorter */
	int queued;        /* how long it was then */
};

struct keeper_own {
	bool is_unwanted;  /* IPC_OWN 0 */
	bool may_exclude;  /* see keeper_own.c */
	bool is_held;      /* all of it that could be had */
	bool is_exclusive; /* TIOCEXCL is set, and by us */
	unsigned flocked;  /* the generation of our own description that has the flock; 0: none */
	bool anyway;       /* the last turnaround was to go without what others have */
	int dir;           /* of the lock files; -1 */
	bool is_told;      /* that they can't be written */
	uint64_t at_ms;    /* when to take the flock again */
	struct lockfile_names names;
	bool is_taken[LOCKFILE_NAMES_MAX];
	unsigned remakes;    /* lock files made again that somebody had removed */
	uint64_t removed_ms; /* when that was last noticed */
};

struct keeper_stranger {
	bool is_open;      /* IPC_EVIDENCE_OPEN */
	bool reopened;     /* the last event was an open */
	unsigned closes;   /* that nothing has explained yet */
	uint64_t since_ms; /* the first of them */
	unsigned untold;   /* IPC_STRANGER_* */
	uint64_t told_ms;  /* when the last message went out */
	uint64_t at_ms;    /* when the next one may */
};

struct keeper_init {
	unsigned word, tries;
	size_t length;
	char answer[KEEPER_ANSWER_MAX];
};

struct keeper_busy {
	struct activity activity;
	struct carrier carrier;
	bool is_on;       /* a lease is alive, and something is wanted of its line */
	bool has_carrier; /* as it was last said */
	bool is_deaf;     /* told that the device can't tell its carrier, or its activity */
	unsigned told;    /* IPC_LINE_* */
	uint64_t at_ms;
};

/* What the next keeper is to know as well, also that of the next comleased (supervisor_store.c),
 * which may be a newer one: the number is raised when something here gets another meaning. */
#define KEEPER_MEMORY_VERSION (UINT64_C(1) << 32 | sizeof(struct keeper_memory))

struct keeper_memory {
	uint64_t version;          /* KEEPER_MEMORY_VERSION, or nothing here counts */
	uint64_t token;            /* of the lease that this is about; 0: none */
	char holder[IPC_TEXT_MAX]; /* what the broker wants to be told again */
	char memo[IPC_TEXT_MAX];   /* the same, of the port: IPC_MEMO */
	bool has_successor;        /* the line is to be kept for him: nothing is cleaned unasked */
	struct device_identity device;    /* what the port was last */
	char node[CONFIG_DEVICE_MAX + 1]; /* and where; "": not known */
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
	bool is_reported;        /* the broker knows what there is */
	uint64_t readings;       /* of the configuration's files: IPC_CONFIG's id */
	char told[IPC_TEXT_MAX]; /* IPC_IDENTITY as it was last said */

	uint64_t live;                /* the token of the lease that is alive; 0 */
	uint64_t count;               /* how many descriptions of it are listed */
	size_t listed;                /* and of all tokens */
	struct keeper_memory *memory; /* never NULL */
	int memo_file;                /* -1: none */
	uint64_t reread_ms;           /* when to read the roster again */
	unsigned rereads;             /* since the last hint */
	uint64_t hungup_ms;           /* a hang-up not ours: until then he may open again */

	struct keeper_turnaround turnaround;
	bool is_kept;  /* the line is as the last lease left it, for the next one */
	bool is_clean; /* a turnaround ended well, and no lease has come since */
	struct keeper_init init;
	struct keeper_own own;
	struct keeper_stranger stranger;
	struct keeper_busy busy;
	int watched; /* WATCH_*: not acted upon yet */

	struct ipc_message outbox[KEEPER_OUTBOX_MAX]; /* what the broker's channel did not take */
	size_t outbox_count;
};

/* ---- keeper.c ---- */

/* Tells the broker, in order, now or when its channel takes it. Without a broker: nothing; the next
 * one gets a report. */
void keeper_send(struct keeper *, const struct ipc_message *);

/* The broker has said something that has not been read: it may change what the end of a lease is
 * followed by. */
bool keeper_has_message(const struct keeper *);

/* Watches that descriptor in the loop (it is known by its number). 0 or -errno. */
int keeper_listen(struct keeper *, int fd, uint32_t events);

/* Our own description: of a hang-up it tells in any case; of input too? */
void keeper_listen_device(struct keeper *, bool input);

/* ---- keeper_config.c ---- */

/* A new configuration, of an open file; readings: IPC_CONFIG's id. */
void keeper_configure(struct keeper *, int fd, uint64_t readings);

/* ---- keeper_memory.c ---- */

/* The supervisor's memory, and its file; both are owned here. */
void memory_take(struct keeper *, int fd);
void memory_take_file(struct keeper *, int fd);

/* IPC_HOLDER, IPC_MEMO. */
void memory_set_holder(struct keeper *, const struct ipc_message *);
void memory_set_memo(struct keeper *, const struct ipc_message *);

/* At the end: the memos that the broker has sent and nobody has read. */
void memory_end(struct keeper *);

/* ---- keeper_port.c ---- */

/* Looks whether the device is there and opens it, unless it is attached. Tells nobody. */
void keeper_look(struct keeper *);

/* The same, and the broker is told what has changed. */
void keeper_look_and_tell(struct keeper *);

/* Something happened on the way to the device. */
void keeper_path_changed(struct keeper *);

/* Our own description was hung up, not by us, or a call says that it may be: is the device gone? */
void keeper_own_hangup(struct keeper *);

/* Everything of the line at its default, by what may be another description of our own afterwards.
 * As device_restore(). */
int keeper_restore(struct keeper *, bool discard_output, char *text);

/* A description was closed, and not by us. */
void keeper_closed(struct keeper *);

/* The device has been reopened by keeper_turnaround.c, or was found to be gone. */
void keeper_set_presence(struct keeper *, enum keeper_presence);

void keeper_report(struct keeper *);

/* ---- keeper_identity.c ---- */

/* There is a configuration, or a memory: which device may be attached. Before each look. */
void identity_configured(struct keeper *);

/* It is attached: which one, and where. */
void identity_remember(struct keeper *);

/* IPC_ACCEPT, or a reload: while the device is not there any other one may be it. */
void identity_accept(struct keeper *);

/* After a look that failed: k->why as people understand it. */
void identity_explain(struct keeper *, bool is_absent);

/* IPC_IDENTITY, if the device is there, and if that is news or it is to be said again. */
void identity_tell(struct keeper *, bool again);

/* ---- keeper_open.c ---- */

void keeper_open(struct keeper *, const struct ipc_message *);

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

/* Does a description of any token work that is of this node (stx_ino and the device)? */
struct statx;
bool keeper_works_on(struct keeper *, const struct statx *);

/* The time for a new open after a foreign hang-up is over. */
void keeper_hangup_over(struct keeper *);

/* ---- keeper_turnaround.c ---- */

void turnaround_start(struct keeper *, const struct ipc_message *);

/* The live lease has gone by itself: does all of its turnaround where nothing in it can take time.
 * False: that is to be asked for. */
bool turnaround_at_once(struct keeper *);

/* The next step's time is that far away, or it must be asked whether to go on. */
void turnaround_wait(struct keeper *, enum keeper_phase, uint64_t ms);

/* Tells the broker of a long step. */
void turnaround_announce(struct keeper *, uint64_t ms);

/* A step has failed, and that is the text for it. */
void turnaround_fail(struct keeper *, int error, const char *text);

/* Something came in, while a step listens. */
void turnaround_input(struct keeper *);

/* After the drain; and the end of it all. */
void turnaround_clean(struct keeper *);
void turnaround_finish(struct keeper *);

/* Its time has come. */
void turnaround_go_on(struct keeper *);

/* The device was hung up meanwhile and is there again: from the revocation on, once more. */
void turnaround_restart(struct keeper *);

/* Ends it with that answer to all who asked. */
void turnaround_answer(struct keeper *, enum ipc_type, const char *text);

/* ---- keeper_drain.c: both end in turnaround_clean() ---- */

void drain_start(struct keeper *);
void drain_go_on(struct keeper *);

/* ---- keeper_init.c: the chat, then silence, then turnaround_finish() ---- */

void init_start(struct keeper *);
void init_input(struct keeper *);
void init_time_out(struct keeper *);
void init_changed(struct keeper *); /* in its configuration: a chat under way begins anew */
void quiet_input(struct keeper *);
void quiet_time_out(struct keeper *);

/* ---- keeper_own.c ---- */

void own_init(struct keeper *);

/* The folder of the configuration is from now on the one of the lock files. */
void own_configure(struct keeper *);

/* IPC_OWN. */
void own_want(struct keeper *, bool wanted);

/* Takes what there is to take, unless it is held. IPC_EVIDENCE_*: what somebody else has: then
 * nothing is held; 0 with `anyway`: the rest is. */
unsigned own_take(struct keeper *, bool anyway);

/* A lease is alive already: what does not disturb it. */
void own_take_live(struct keeper *);

/* The end of a turnaround: takes or leaves, as configured. As own_take(). */
unsigned own_settle(struct keeper *);

/* The same, after a turnaround that nobody had to wait for. */
void own_settle_later(struct keeper *);

/* Its time has come. */
void own_time_out(struct keeper *);

/* A description is about to be lent: the flock would be in its holder's way. */
void own_lend(struct keeper *);

/* Our own description is another one now: it gets what the last one had. */
void own_renew(struct keeper *);

void own_leave(struct keeper *);

/* WATCH_FILE: one of our lock files may have been removed. */
void own_files_changed(struct keeper *);

/* IPC_EVIDENCE_*: what somebody else has, as it is now. */
unsigned own_foreign(struct keeper *);

/* ---- keeper_stranger.c ---- */

/* Reads the events of the node, less those of our own opens and closes. Call it after each of
 * these. What else there was is in k->watched. */
void stranger_collect(struct keeper *);

/* So many descriptions of leases have gone: their closes were none of a stranger. */
void stranger_explain(struct keeper *, unsigned closes);

/* What is unexplained for so long will stay so; where no lease's description is left, at once. */
void stranger_judge(struct keeper *);

/* Every description was revoked, a stranger's too, as far as it has been collected. */
void stranger_revoked(struct keeper *);

/* Tells what there is to tell, now or when its time has come. */
void stranger_tell(struct keeper *);

/* An open that has not been told yet is, before the answer upon which the port may be granted. */
void stranger_tell_first(struct keeper *);

/* For a new broker. */
void stranger_report(struct keeper *);

/* ---- keeper_busy.c ---- */

/* A lease is alive, or about to be: begins what is configured, unless it has begun. */
void busy_start(struct keeper *);

/* The lease has gone, or the device is about to be closed. */
void busy_stop(struct keeper *);

void busy_take_activity(struct keeper *);
void busy_take_carrier(struct keeper *);

/* Its time has come. */
void busy_time_out(struct keeper *);

/* Once in a while: has an edge of the carrier been missed? */
void busy_check(struct keeper *);

/* For a new broker. */
void busy_report(struct keeper *);

#endif
