/*
 * device.h - the device of one port: every call that touches a tty is behind these functions. Two
 * back ends: libserialport for real ports, plain termios for pseudo terminals (which libserialport
 * cannot open). Any of these may block in a driver: only a keeper calls them.
 *
 * Error rule: 0 done, -errno failure, 1 (DEVICE_ABSENT) the device is not there. Where a `text` is
 * given, it has DEVICE_TEXT_MAX bytes and says on anything but 0 what is wrong with which path, and
 * where there is one, the way out.
 */
#ifndef COMLEASE_DEVICE_H
#define COMLEASE_DEVICE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "device_identity.h"

#define DEVICE_TEXT_MAX 320
#define DEVICE_ABSENT   1

struct sp_port;

struct device {
	int fd;               /* our own description: a live lease's close is never the last; -1 */
	struct sp_port *port; /* a real port that is ours to configure: owns fd; else NULL */
	unsigned generation;  /* of fd: another number for each description of our own; from 1 */
	unsigned opens, closes; /* of ours, since somebody set them to 0 (a lease's, too) */
	dev_t rdev;
	ino_t inode; /* of the node: another one each time that the device is plugged in */
	bool is_pty;
	char node[PATH_MAX];             /* what the configured path leads to; "": nowhere */
	struct device_identity identity; /* of what is attached, or stood there last */

	/* The caller's: only this one is attached (device_identity_fits()); NULL: any. */
	const struct device_identity *expected;
	bool is_other; /* the last device_attach() found another one */
};

void device_init(struct device *);

/* Opens our own description, and does nothing else to the line: somebody may be using it. What is
 * not a serial device is refused without being opened, and so is one that is not `expected`:
 * DEVICE_ABSENT. -EAGAIN: it is there, but does not open yet (a pty that is being made or unmade):
 * try again soon. */
int device_attach(struct device *, const struct config_port *, char text[DEVICE_TEXT_MAX]);

/* Closes it; nothing happens if there is none. */
void device_detach(struct device *);

/* Does that path still lead to the device that is attached? */
bool device_is_at(const struct device *, const char *path);

/* It certainly does not: it leads nowhere, or to another device. */
bool device_has_left(const struct device *, const char *path);

/* Hangs every description up (CAP_SYS_ADMIN) and closes our own; they stay as they are where that
 * can't be done: -errno, and ours is closed all the same. */
int device_cut(struct device *);

/* A fresh description of the same device for a lease: a descriptor or -errno. TIOCEXCL, whoever set
 * it, is no obstacle where we have a description of our own. */
int device_open(struct device *);

/* Before the first description of a lease: the line out of its idle state, input flushed. After
 * the open, which raises DTR on a real port. */
int device_wake(const struct device *, const struct config_port *);

/* Hangs every description up (CAP_SYS_ADMIN), our own too, and attaches again. With `keep` DTR and
 * all settings stay as they are. */
int device_revoke(struct device *, const struct config_port *, bool keep,
		  char text[DEVICE_TEXT_MAX]);

/* Whatever the last holder did to the line undone: output restarted, input (and with
 * `discard_output` what is left of the output) flushed, everything at the configured default, and
 * TIOCEXCL set or not. */
int device_restore(struct device *, const struct config_port *, bool discard_output, bool exclusive,
		   char text[DEVICE_TEXT_MAX]);

/* DTR low; a pty, which has none: speed B0. After a device_restore(). */
int device_line_down(const struct device *, const struct config_port *, char text[DEVICE_TEXT_MAX]);

/* DTR high, the configured speed. */
int device_line_up(const struct device *, const struct config_port *, char text[DEVICE_TEXT_MAX]);

int device_flush_input(const struct device *);

/* Bytes that wait for transmission (some drivers know only none or some), or -errno. */
int device_queued(const struct device *);

/* Has the transmitter sent everything? 1, 0. True where the driver can't tell. */
bool device_is_sent(const struct device *);

/* ---- device_lock.c: what tells programs outside that it is in use ---- */

/* TIOCEXCL, TIOCNXCL. */
int device_set_exclusive(const struct device *, bool);

/* Is it set, by whomever? */
bool device_is_exclusive(const struct device *);

/* A flock on our own description: 0; -EWOULDBLOCK: somebody else has one; -errno. */
int device_lock(const struct device *);
void device_unlock(const struct device *);

/* read() and write() on our own description, which never wait; -errno. */
ssize_t device_read(const struct device *, void *, size_t);
ssize_t device_write(const struct device *, const void *, size_t);

#endif
