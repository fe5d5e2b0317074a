/*
 * bridge_pty.h - a pty whose slave programs open, and whether one has it open.
 */
#ifndef COMLEASE_BRIDGE_PTY_H
#define COMLEASE_BRIDGE_PTY_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct bridge_line;

/* Who may open the slave. */
struct bridge_access {
	bool has_mode, has_group;
	mode_t mode;
	gid_t group;
};

struct bridge_pty {
	int master; /* non-blocking, in packet mode; -1 */
	int inotify;
	int folder;         /* its watch of the slave's folder */
	char slave[64];     /* its path */
	long opens;         /* how many times it is open, as inotify has told so far; or less */
	bool attached;      /* somebody has it open */
	bool leaving;       /* of those who were counted, the last one has closed, it seems, */
	int64_t leaving_ms; /* at that time */
	bool was_left;      /* nobody had it open any more, and bridge_pty_look() hasn't said so */
	bool is_taken_over; /* ... and since it looked last, somebody else has opened it */
};

/* A new one: raw, with these line settings, and nobody has it open. 0, or the exit status after
 * having said why. */
int bridge_pty_open(struct bridge_pty *, const struct bridge_access *, const struct bridge_line *);

/* Whoever has it open reads end-of-file from now on. */
void bridge_pty_close(struct bridge_pty *);

/* What to poll. The master only while somebody is attached: otherwise it would report POLLHUP for
 * ever. events: what else is wanted of it. */
#define BRIDGE_PTY_FDS 2
void bridge_pty_poll(const struct bridge_pty *, short events, struct pollfd fds[BRIDGE_PTY_FDS]);

/* Looks who has come and gone: sets `attached`. True: since the last look there was a moment in
 * which nobody had it open any more, whoever has opened it since. fds: as poll() left them. Don't
 * wait for `fds` while `was_left`. */
bool bridge_pty_look(struct bridge_pty *, const struct pollfd fds[BRIDGE_PTY_FDS]);

/* What has just been read from the master may be of somebody who has come since bridge_pty_look():
 * after those whom it knew had gone. Nothing can be told from looking before a read. */
bool bridge_pty_may_be_of_next(struct bridge_pty *);

/* For the next one who opens it: what the last one has not read is gone, and the line settings are
 * these, unless somebody has it open already: then they stay. Sets `attached`. 0, or 1: the last
 * one has asked for exclusion (TIOCEXCL), which an ordinary user can't take back: nobody can open
 * this one any more. */
int bridge_pty_clean(struct bridge_pty *, const struct bridge_line *);

/* Nobody has it open, but somebody who had it has left bytes behind. Ask after
 * bridge_pty_clean(). */
bool bridge_pty_has_rest(const struct bridge_pty *);

#endif
