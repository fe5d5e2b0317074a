/*
 * mock_udev.h - a machine of one's own: serial devices in a sysfs that umockdev's preload puts in
 * the place of the real one, and udev's events about them. What the preload looks for is written
 * here by hand, because its own sender gives up when the other side does not read for a moment.
 *
 * Nothing of the real machine is touched. Whoever is to see this one needs LD_PRELOAD and
 * UMOCKDEV_DIR: mock_udev_environment(). A device's node may be any that really opens (pts/7).
 */
#ifndef COMLEASE_TESTS_MOCK_UDEV_H
#define COMLEASE_TESTS_MOCK_UDEV_H

#include <stdbool.h>

struct mock_tty {
	const char *name;   /* ttyUSB0; with USB in it: an adapter with a driver in between */
	const char *node;   /* below /dev; NULL: the name */
	const char *plug;   /* where it is plugged in: "1-2"; NULL: no USB device */
	unsigned interface; /* of the device */
	const char *serial; /* its serial number; NULL: none */
	const char *id;     /* "0403:6001"; NULL: that */
	bool is_raw;        /* udevd has not processed it: no properties */
	const char *more;   /* further properties, a line each: "COMLEASE_IGNORE=1\n" */
};

/* In which folder (made), and who is on its console ("ttyS0"; NULL: nobody). */
void mock_udev_begin(const char *folder, const char *console);

/* Sets the variables, for programs that are started from here on. before: a preload that stands in
 * front of umockdev's, or NULL. */
void mock_udev_environment(const char *before);

/* From here on nobody can listen to udev: a socket can't be bound in a folder that is not there. */
void mock_udev_break(void);

/* The device is in sysfs from here on; or no longer. */
void mock_udev_make(const struct mock_tty *);
void mock_udev_unmake(const struct mock_tty *);

/* An event to everybody who listens: returns when all have it in their queue. */
void mock_udev_tell(const struct mock_tty *, const char *action);

/* The same, to one of two: the first that began to listen hears the kernel, the other one udevd. */
enum mock_source { MOCK_KERNEL, MOCK_UDEVD };
void mock_udev_tell_as(const struct mock_tty *, const char *action, enum mock_source);

/* The number of the next event; they rise by one. */
void mock_udev_set_number(unsigned long long);

/* Both at once. */
void mock_udev_plug(const struct mock_tty *);
void mock_udev_unplug(const struct mock_tty *);

#endif
