/*
 * device_line.h - the part of device.c that speaks to the tty layer by ioctl: line settings of any
 * speed, queues, exclusive mode, break, discipline. For device.c alone.
 */
#ifndef COMLEASE_DEVICE_LINE_H
#define COMLEASE_DEVICE_LINE_H

#include <stdbool.h>

#include "config.h"

/* 0, or -errno: is there a tty that answers? (A ttyS without hardware: -EIO.) */
int line_probe(int fd);

/* The same of its modem lines; -ENOTTY: it has none. */
int line_probe_lines(int fd);

/* What keeps a line from being configured: discipline, stopped output, queues, TIOCEXCL (which is
 * set if `exclusive`), break. In the order in which none of it can block, unless a discipline that
 * can't flush has output left. *step: what failed. */
int line_release(int fd, bool is_pty, bool discard_output, bool exclusive, const char **step);

/* All settings of a line. */
struct line_settings {
	bool is_known;              /* not where a line discipline has none */
	_Alignas(8) char bytes[64]; /* termios2 */
};

/* Keeps the settings, takes HUPCL out of them and off the line; puts them back, if they are known.
 * 0 or -errno. */
int line_save_without_hupcl(int fd, struct line_settings *);
int line_load(int fd, const struct line_settings *);

/* All settings at the configured default, raw, in one call. */
int line_set(int fd, const struct config_port *);

/* The same, but the speed and frame stay: libserialport has set them. */
int line_set_raw(int fd, const struct config_port *);

/* Are they? 0; -EINVAL, *what: the setting that the device did not take; -errno. */
int line_verify(int fd, const struct config_port *, bool is_pty, const char **what);

/* Speed B0. */
int line_set_b0(int fd, const struct config_port *);

/* Custom speed, low latency, closing_wait, RS485: what outlives a close. Drivers that have none of
 * it: 0. */
int line_reset_driver(int fd, const char **step);

int line_flush_input(int fd);
int line_queued(int fd);
bool line_is_sent(int fd);

#endif
