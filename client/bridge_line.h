/*
 * bridge_line.h - line settings from one terminal to another: what a program has set on its end of
 * a pty is set on a port.
 *
 * A pty carries the speed, the stop bits, flow control, CLOCAL and how breaks and bad bytes are
 * treated. The kernel forces eight bits without parity on it, so both come from the port's own
 * settings, or from a frame that somebody has named.
 *
 * Errors: 0 or -errno.
 */
#ifndef COMLEASE_BRIDGE_LINE_H
#define COMLEASE_BRIDGE_LINE_H

#include <stdbool.h>
#include <stdint.h>

/* A plain value, in the kernel's bits. */
struct bridge_line {
	uint32_t cflag, iflag;
	uint32_t input_baud, output_baud; /* 0: B0, hang up */
	unsigned char start, stop;        /* the characters of XON/XOFF */
};

/* Size, parity and stop bits. */
struct bridge_frame {
	bool is_given;
	uint32_t cflag;
};

struct termios2;

/* As long as no port has been seen: a speed that nobody uses, so that one who has not set any can
 * be told from one who has. bridge_line_set() takes the port's own for it. */
extern const struct bridge_line bridge_line_unknown;

/* "7E1", "8n2": 5 to 8 bits; parity N, E, O, M(ark) or S(pace); 1 or 2 stop bits. 0 or -1. */
int bridge_frame_parse(const char *, struct bridge_frame *);

/* Of a pty's master: those of its slave. */
int bridge_line_get(int fd, struct bridge_line *);
bool bridge_line_equals(const struct bridge_line *, const struct bridge_line *);

/* Sets them on a leased descriptor: all else stays raw as it is. own: those that the lease came
 * with. */
int bridge_line_set(int fd, const struct bridge_line *, const struct bridge_line *own,
		    const struct bridge_frame *);

/* Sets them on the slave of a master if it has the others still; what it does with characters
 * stays. */
int bridge_line_offer(int master, const struct bridge_line *others, const struct bridge_line *);

/* The slave is raw and has these settings; what has not been read from it is thrown away. */
int bridge_line_reset(int master, const struct bridge_line *);
/* Would that change no setting? */
bool bridge_line_is_reset(int master, const struct bridge_line *);

/* Bytes that the device has not sent yet, as far as it tells; 0 too where it doesn't. */
int bridge_line_queued(int fd);

/* "9600 8N1 rtscts" */
#define BRIDGE_LINE_TEXT 64
void bridge_line_text(int fd, char text[BRIDGE_LINE_TEXT]);

/* The two halves of the above that need no terminal. */
void bridge_line_from(const struct termios2 *, struct bridge_line *);
void bridge_line_into(const struct bridge_line *, const struct bridge_frame *, struct termios2 *);

#endif
