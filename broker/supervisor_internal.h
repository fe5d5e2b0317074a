/*
 * supervisor_internal.h - what the supervisor's files share: supervisor.c (the loop), its children
 * (supervisor_child.c), its start (supervisor_start.c).
 */
#ifndef COMLEASE_SUPERVISOR_INTERNAL_H
#define COMLEASE_SUPERVISOR_INTERNAL_H

#include "child.h"
#include "ipc.h"
#include "listen.h"
#include "supervisor.h"

struct keeper {
	struct child child;
	struct keeper *next;
	int roster;
	int list;     /* its text; negative: there was no descriptor for it */
	int memo;     /* a file in the state directory: IPC_MEMO_FILE; -1: can't be had */
	int memory;   /* what a keeper is to remember although it was killed: IPC_MEMORY */
	bool removed; /* no longer configured: is only to be reaped */
	char name[CONFIG_NAME_MAX + 1];
};

struct supervisor {
	const struct supervisor_options *options;
	struct config config;
	struct listen listen;
	struct child broker, inspector;
	struct keeper *keepers; /* in no particular order */
	size_t keeper_count;
	int config_fd; /* a memfd with the configuration as text */
	int signals;
	uid_t broker_uid;
	gid_t broker_gid;
	bool broker_drops;
	bool stopping;
};

/* ---- supervisor_start.c ---- */

/* The configuration as a sealed file that exists nowhere. A descriptor or -errno. */
int supervisor_config_file(const struct config *);

/* Who the broker shall be, who may connect, signals, limits: 0, or an exit status that was logged.
 */
int supervisor_prepare(struct supervisor *, gid_t *socket_group);

/* ---- supervisor_child.c ---- */

void supervisor_tell_config(const struct supervisor *, const struct child *);
void supervisor_start_broker(struct supervisor *);
void supervisor_start_inspector(struct supervisor *);
void supervisor_start_keeper(struct supervisor *, struct keeper *);

/* The keeper of that port, or NULL. */
struct keeper *supervisor_find_keeper(const struct supervisor *, const char *name);

int supervisor_add_keeper(struct supervisor *, const char *name);

/* The keeper ends on its own time; its holder goes on undisturbed, no longer ours. */
void supervisor_remove_keeper(struct supervisor *, struct keeper *);
void supervisor_free_keeper(struct supervisor *, struct keeper *);

/* What the broker asks. */
void supervisor_hear_broker(struct supervisor *);

/* Ends them all, waits for them, frees them. */
void supervisor_stop_children(struct supervisor *);

#endif
