/*
 * inspector_internal.h - what the inspector's files share: inspector.c (the loop, the channels),
 * inspector_config.c (the ports, what the supervisor says), inspector_look.c (a look and its
 * answers), inspector_holder.c (whom it watches), inspector_lock.c (the folder of lock files),
 * inspector_evict.c.
 */
#ifndef COMLEASE_INSPECTOR_INTERNAL_H
#define COMLEASE_INSPECTOR_INTERNAL_H

#include "config.h"
#include "foreign_scan.h"
#include "ipc.h"
#include "lockfile.h"

#define INSPECTOR_IDS_MAX     32 /* questions about one port that wait */
#define INSPECTOR_EVICTED_MAX 64
#define INSPECTOR_OUTBOX_MAX  128
#define INSPECTOR_NEVER       UINT64_MAX

/* A foreign holder, and how its end is noticed. */
struct holder {
	struct foreign who;
	int pidfd;       /* -1: of a process that can't be seen, or no descriptor was to be had */
	bool may_signal; /* false: only a lock file that somebody else wrote names it */
};

/* One port. */
struct inspected {
	struct inspected *next;
	char name[CONFIG_NAME_MAX + 1];
	char device[CONFIG_DEVICE_MAX + 1];
	struct lockfile_names locks;
	struct foreign_target target; /* with the rdev of the last question, and the roster */
	uint32_t evidence_asked;      /* of the last question, until a look is for it */
	uint32_t evidence;            /* of the last question that a look was for */
	uint32_t unexplained;         /* the same, until somebody is seen who explains it */

	/* Questions that wait. The first `taken` are answered by the look under way. */
	uint64_t ids[INSPECTOR_IDS_MAX];
	size_t id_count, taken;
	bool asked;       /* this broker has asked, so it is told of changes */
	bool wanted;      /* a look is wanted */
	bool in_look;     /* it is part of the look under way */
	uint64_t look_ms; /* look again then; CLOCK_MONOTONIC */

	/* The last answer. */
	bool looked; /* there is one, about this rdev */
	struct holder holders[FOREIGN_FOUND_MAX];
	size_t holder_count;
	struct ipc_message answer;
};

/* A process whose lock files count for nothing. */
struct evicted {
	pid_t pid;
	uint64_t start_ticks;
	int pidfd;
};

struct inspector {
	int supervisor, broker; /* broker: -1: none */
	int epoll, inotify;
	pid_t parent; /* the supervisor */
	struct inspected *ports;
	size_t port_count;

	char *lock_dir;
	int lock_fd;      /* the folder, or -1 */
	int lock_watch;   /* or -1 */
	bool lock_logged; /* that it is not there */

	struct foreign_scan scan;
	struct foreign_target **targets; /* of the look under way */
	bool looking;
	uint64_t look_started_ms;
	uint64_t spent_ms;        /* what looks took lately */
	uint64_t paid_ms;         /* when that was reckoned */
	uint64_t rest_until_ms;   /* no look by itself before */
	uint64_t failed_until_ms; /* no look at all before */

	struct evicted evicted[INSPECTOR_EVICTED_MAX];
	size_t evicted_count;

	struct ipc_message outbox[INSPECTOR_OUTBOX_MAX];
	size_t outbox_count;
};

/* ---- inspector.c ---- */

/* Wakes the loop; `events` as epoll's. 0 or -errno. */
int inspector_listen(struct inspector *, int fd, uint32_t events);

/* To the broker, at once or as soon as it reads. */
void inspector_send(struct inspector *, const struct ipc_message *);

/* ---- inspector_config.c ---- */

/* The port of that name, or NULL. */
struct inspected *inspector_find(struct inspector *, const char *name);

/* What the supervisor says; the descriptors are the caller's. */
void inspector_take_config(struct inspector *, int fd);
void inspector_take_roster(struct inspector *, const char *name, int fd);

/* ---- inspector_look.c ---- */

/* The broker's question. */
void inspector_ask(struct inspector *, const struct ipc_message *);

/* Something happened: look again, and tell if the answer has changed. */
void inspector_want(struct inspector *, struct inspected *);

/* Nobody waits for an answer any more. */
void inspector_forget_questions(struct inspector *);

/* Goes on with the look under way, or begins one if it is time. True: there is more to do now. */
bool inspector_look(struct inspector *);

/* When inspector_look() has something to do by time; CLOCK_MONOTONIC; INSPECTOR_NEVER. */
uint64_t inspector_next_look_ms(const struct inspector *);

/* ---- inspector_holder.c ---- */

/* The holders of the port are these now: watches them. False: not all could be. */
bool holder_set(struct inspector *, struct inspected *, struct holder *, size_t count);

/* Since when each of those that were found has it; the one who has had it longest comes first. */
void holder_date(const struct inspected *, struct holder *, size_t count);

void holder_drop(struct inspector *, struct inspected *);

/* A pidfd told of an end. */
void holder_ended(struct inspector *, int pidfd);

/* ---- inspector_lock.c ---- */

/* The folder is that one now. NULL: /run/lock. */
void lock_set_folder(struct inspector *, const char *path);

/* Opens it if it was not there. */
void lock_open_folder(struct inspector *);

/* Takes what inotify has to say. */
void lock_take_events(struct inspector *);

/* Adds whom the port's lock files name to those found. At most `max`. */
void lock_add_owners(struct inspector *, struct inspected *, struct holder *, size_t *count,
		     size_t max);

/* ---- inspector_evict.c ---- */

void evict_take(struct inspector *, const struct ipc_message *);
bool evict_has(const struct inspector *, const struct foreign *);

/* True: that pidfd was of an evicted process, which has ended. */
bool evict_ended(struct inspector *, int pidfd);

#endif
