/*
 * serial_rig.h - ptys that are serial ports with modem lines: for the test program itself and for
 * all that it starts (comleased, its keepers, clients). preload_serial.c is around each of them;
 * serial_driver.h is what a test sets and reads.
 *
 *	int main(int argc, char **argv)
 *	{
 *		serial_rig_main(argv);
 *		...
 *		return serial_rig_end(rig_run(...));
 *	}
 *
 *	START_TEST(...)
 *		int master = support_plug("modem0");
 *		struct serial_line *line = serial_rig_plug(master);
 *
 *		serial_set_inputs(line, TIOCM_CD, true);
 */
#ifndef COMLEASE_TESTS_SERIAL_RIG_H
#define COMLEASE_TESTS_SERIAL_RIG_H

#include "serial_driver.h"

/* Starts the program anew with the preload around it, the first time. */
void serial_rig_main(char **argv);

/* Removes what serial_rig_main() made; returns its argument. */
int serial_rig_end(int status);

/* A fixture: no pty is a port, the journal is empty. */
void serial_rig_reset(void);

/* From here on that master's pty is a port, with CTS and DSR up; or every pty is, the same one. */
struct serial_line *serial_rig_plug(int master);
struct serial_line *serial_rig_any(void);

/* It is one on USB: 0403:6001. And what a file of sysfs says of that device: "serial"... */
void serial_rig_make_usb(struct serial_line *);
void serial_rig_set_usb(struct serial_line *, const char *file, const char *text);

/* What has been noted since the last serial_rig_mark(). */
void serial_rig_mark(void);

/* How often that was; the time of the last one in ms, 0: it has not been. */
int serial_rig_count(const struct serial_line *, enum serial_what, int value);
double serial_rig_last_ms(const struct serial_line *, enum serial_what, int value);

/* Waits, soon, until the number is that. */
void serial_rig_wait(atomic_int *, int value);

/* From here on that request does not return (0: it does again), or fails with that error (0: it
 * does not any more). SERIAL_OPEN: opens. */
void serial_rig_block(struct serial_line *, unsigned long request);
void serial_rig_break(struct serial_line *, unsigned long request, int error);

/* The carrier is lost: CD falls, and unless the holder has set CLOCAL, the kernel hangs up. `fd` is
 * any descriptor of it, of this process. Root only without CLOCAL. */
void serial_rig_lose_carrier(struct serial_line *, int fd);

#endif
