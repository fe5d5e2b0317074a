/*
 * serial_driver_internal.h - the parts of the imitated driver to one another.
 */
#ifndef COMLEASE_TESTS_SERIAL_DRIVER_INTERNAL_H
#define COMLEASE_TESTS_SERIAL_DRIVER_INTERNAL_H

#include "serial_driver.h"

#define SERIAL_OUTPUTS (TIOCM_DTR | TIOCM_RTS)

/* What the pty itself says to a request: 0 or -errno. */
int serial_pty(int fd, unsigned long request, void *argument);

/* 0, or -EIO: it has been hung up, or its pty has gone. */
int serial_is_alive(int fd);

/* Sleeps a moment, or until the futex is not `seen` any more: 0, or -EINTR. */
int serial_sleep(atomic_uint *futex, unsigned seen);

void serial_set_outputs(struct serial_line *, unsigned mask, unsigned value);

/* TIOCMGET, TIOCMIWAIT...: as serial_request(). */
int serial_modem_request(struct serial_line *, int fd, unsigned long request, void *argument);

#endif
