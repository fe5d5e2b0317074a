/*
 * supervisor_internal.h - what the supervisor's files share: supervisor.c (the loop), its children
 * (supervisor_child.c), what is held for keepers (supervisor_keeper.c), its start
 * (supervisor_start.c), the machine's devices (supervisor_hotplug.c), and a service manager
 * (supervisor_notify.c, supervisor_store.c, supervisor_watchdog.c).
 */
#ifndef COMLEASE_SUPERVISOR_INTERNAL_H
#define COMLEASE_SUPERVISOR_INTERNAL_H

#include "child.h"
#include "hotplug.h"
#include "ipc.h"
#include "listen.h"
#include "notify.h"
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

struct supervisor_watchdog {
	uint64_t id;    /* of the last question */
	bool is_asked;  /* and it has not been answered */
	uint64_t at_ms; /* the next question is due, or the patience for the last is over */
};

struct supervisor {
	const struct supervisor_options *options;
	struct config written;    /* what the files say */
	uint64_t readings;        /* how often they have been read anew: IPC_CONFIG */
	struct hotplug_plan plan; /* what is made of that and the devices that there are */
	struct config config;     /* what the children get: the plan's, not ours to free */
	struct hotplug *hotplug;  /* NULL: nobody wants to know, or there is no udev */
	uint64_t replan_ms;       /* when a plan that failed is tried again; UINT64_MAX */
	char *folder;             /* of the links to devices */
	char *told_udev, *told_notes, *told_links; /* what was logged last; NULL */
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
	struct notify notify;
	struct supervisor_watchdog watchdog;
	bool is_ready;     /* clients have been served: the service manager knows */
	uint64_t troubled; /* ports that are absent or faulted, as the broker last said */
};

/* ---- supervisor.c ---- */

/* The children get `config`, which was `old` until now: what has gone or has another device goes;
 * what is new comes; the rest is told. */
void supervisor_apply(struct supervisor *, const struct config *old);

/* ---- supervisor_hotplug.c ---- */

/* The devices that there are, the first plan and its links, config_fd: before there are children.
 * 0, or an exit status that was logged. */
int supervisor_hotplug_start(struct supervisor *);

/* hotplug_fd() is readable. */
void supervisor_hotplug_event(struct supervisor *);

/* Tries again what failed, once replan_ms has come. */
void supervisor_hotplug_retry(struct supervisor *);

/* The files have been read anew: they become `written` (taken over) and all is carried out. -errno:
 * everything stays as it was. */
int supervisor_hotplug_reload(struct supervisor *, struct config *);

/* Removes the links; frees the configurations. Also after a start that failed. */
void supervisor_hotplug_stop(struct supervisor *);

/* Each line of a message on a line of its own. */
void supervisor_log_lines(const char *);

/* ---- supervisor_start.c ---- */

/* The configuration as a sealed file that exists nowhere. A descriptor or -errno. */
int supervisor_config_file(const struct config *);

/* Who the broker shall be, who may connect, signals, limits: 0, or an exit status that was logged.
 */
int supervisor_prepare(struct supervisor *, gid_t *socket_group);

/* The socket that the service manager listens on for us; -1: none. */
int supervisor_passed_socket(struct supervisor *);

/* ---- supervisor_child.c ---- */

/* A child that can't be written to is one that ends or hangs: the pidfd decides. */
void supervisor_tell(const struct child *, const struct ipc_message *, int fd);
void supervisor_show_roster(const struct supervisor *,
			    const struct keeper *); /* to the inspector */
void supervisor_tell_config(const struct supervisor *, const struct child *);
void supervisor_start_broker(struct supervisor *);
void supervisor_start_inspector(struct supervisor *);
void supervisor_start_keeper(struct supervisor *, struct keeper *);

/* What the broker says. */
void supervisor_hear_broker(struct supervisor *);

/* Ends them all, waits for them, frees them. */
void supervisor_stop_children(struct supervisor *);

/* ---- supervisor_keeper.c ---- */

/* The keeper of that port, or NULL. */
struct keeper *supervisor_find_keeper(const struct supervisor *, const char *name);

/* The port must be in s->config. A lease that the last comleased left goes on. */
int supervisor_add_keeper(struct supervisor *, const char *name);

/* The keeper ends on its own time; its holder goes on undisturbed, no longer ours. */
void supervisor_remove_keeper(struct supervisor *, struct keeper *);
void supervisor_free_keeper(struct supervisor *, struct keeper *);

/* ---- supervisor_store.c ---- */

/* Roster and memory of that port, as the last comleased left them; what there is not, stays -1. */
void store_take(struct supervisor *, struct keeper *);

/* Both are kept from here on, and no longer. */
void store_put(struct supervisor *, const struct keeper *);
void store_drop(struct supervisor *, const char *port);

/* What was handed over and is for no port that still may come is dropped: after the ports of a new
 * configuration are there. `written`: the one with the templates, as the files have it. */
void store_sweep(struct supervisor *, const struct config *written);

/* ---- supervisor_notify.c ---- */

/* IPC_SERVES. The first time: we are ready. */
void supervisor_notify_served(struct supervisor *, uint64_t troubled);

/* The number of ports may have changed. */
void supervisor_notify_status(struct supervisor *);

/* Around a reload. refused: what is wrong with the new configuration, or NULL. */
void supervisor_notify_reload(struct supervisor *);
void supervisor_notify_reloaded(struct supervisor *, const char *refused);
void supervisor_notify_stop(struct supervisor *);

/* ---- supervisor_watchdog.c ---- */

/* There is a new broker. */
void watchdog_begin(struct supervisor *);

/* IPC_PONG. */
void watchdog_answered(struct supervisor *, uint64_t id);

/* When watchdog_check() has something to do; UINT64_MAX: never. */
uint64_t watchdog_due(const struct supervisor *);
void watchdog_check(struct supervisor *);

#endif
