/*
 * serial_driver.h - what a driver of a serial port does and a pty does not: modem lines, break, an
 * output queue, what TIOCSSERIAL and TIOCSRS485 set, settings that outlive a hang-up. Imitated in
 * memory that the tests and preload_serial.c share, so that a test raises and drops lines and sees
 * what the port was made to do.
 *
 * As on real drivers (FACTS of 8250, ftdi_sio, cdc_acm): every open raises DTR and RTS; a hang-up
 * drops them with HUPCL only; TIOCSETD, TIOCSBRK, TCSBRK and TCSETSW wait without limit for output
 * that does not move. Not imitated: bytes in the queue (a number stands for them), frames (a pty
 * has eight bits), what the last close does.
 */
#ifndef COMLEASE_TESTS_SERIAL_DRIVER_H
#define COMLEASE_TESTS_SERIAL_DRIVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SERIAL_LINES_MAX   8
#define SERIAL_JOURNAL_MAX 4096
#define SERIAL_MAJOR       188 /* ttyUSB's: pty N looks like the character device 188:N */
#define SERIAL_ANY         (-1)
#define SERIAL_OPEN        1UL /* as if an open were an ioctl: to fail, to stand still */

#define SERIAL_ENVIRONMENT "COMLEASE_TEST_SERIAL" /* a folder: state, sys/LINE/ */

enum serial_what {
	SERIAL_DTR,    /* value: 1 up, 0 down */
	SERIAL_RTS,    /* the same */
	SERIAL_BREAK,  /* the same */
	SERIAL_OPENED, /* value: with O_CLOEXEC; libserialport opens without */
	SERIAL_HUNG_UP,
	SERIAL_FLUSHED, /* value: TCIFLUSH... */
	SERIAL_SENT,    /* TIOCOUTQ was asked for; value: what it said */
};

struct serial_event {
	int64_t ns; /* CLOCK_MONOTONIC */
	pid_t pid;
	int line;
	enum serial_what what;
	int value;
};

/* The kernel's struct termios2, which cannot be had beside the C library's termios. */
struct serial_settings {
	_Alignas(8) unsigned char bytes[64];
};

struct serial_line {
	atomic_int minor;      /* of the pty; SERIAL_ANY: of every one */
	atomic_uint modem;     /* TIOCM_ */
	atomic_uint changes;   /* of the inputs: a futex */
	atomic_uint counts[4]; /* of CTS, DSR, RI, CD */
	atomic_int waits;      /* threads in TIOCMIWAIT */
	atomic_int dawdle_ms;  /* on its way in there a thread takes so long, and hears nothing */
	atomic_bool is_break;

	/* Output: TIOCOUTQ says `queued`, and it gets shorter by `step` each time. */
	atomic_int queued, step;
	atomic_int unsent; /* so often TIOCSERGETLSR says that the transmitter is busy */
	atomic_bool is_stopped;

	/* TIOCGSERIAL, TIOCGRS485. */
	atomic_int flags, custom_divisor, closing_wait;
	atomic_uint rs485;

	/* What the driver has not, or does otherwise. */
	atomic_bool has_no_wait;     /* TIOCMIWAIT */
	atomic_bool has_no_serial;   /* TIOCGSERIAL */
	atomic_bool has_no_rs485;    /* TIOCGRS485 */
	atomic_bool has_no_lsr;      /* TIOCSERGETLSR */
	atomic_bool flushes_nothing; /* cdc_acm */
	atomic_bool sleeps_on;       /* 8250: a hang-up does not end TIOCMIWAIT */

	/* A request (TIOCMGET, SERIAL_OPEN...) that fails with this, and one that does not return.
	 */
	atomic_ulong bad_request, still_request;
	atomic_int bad_errno;
	atomic_uint still; /* a futex */
	atomic_int stuck;  /* who are in it */

	/* The settings that a hang-up has to leave. */
	struct serial_settings settings, hung_up;
	atomic_bool has_settings, is_hung_up;
	atomic_int hung_up_discipline; /* as if somebody had kept a descriptor */
};

struct serial_state {
	struct serial_line lines[SERIAL_LINES_MAX];
	atomic_size_t events; /* ever; those from SERIAL_JOURNAL_MAX on are lost */
	struct serial_event journal[SERIAL_JOURNAL_MAX];
};

/* NULL: the environment names none, or it can't be mapped. */
struct serial_state *serial_state(void);
const char *serial_folder(void);

/* The line that this character device is, or NULL. */
struct serial_line *serial_line_of_rdev(dev_t);
int serial_line_number(const struct serial_line *);

void serial_note(const struct serial_line *, enum serial_what, int value);

/* CTS, DSR, RI, CD: those of the mask up or down; who waits for them is woken. */
void serial_set_inputs(struct serial_line *, unsigned mask, bool up);

/* The request, on a descriptor of that line: 0 or more, -errno, or SERIAL_PASS: the pty does it. */
#define SERIAL_PASS (-100000)
int serial_request(struct serial_line *, int fd, unsigned long request, void *argument);

/* After a request that the pty has done. */
void serial_requested(struct serial_line *, int fd, unsigned long request);

/* Before an open (0 or -errno), and after one. */
int serial_opening(struct serial_line *);
void serial_opened(struct serial_line *, int fd, int flags);

#endif
