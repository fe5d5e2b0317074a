/*
 * transcript.h - what passes over a line, as text: one line a burst, safe on any terminal.
 *
 *	-- 2026-11-21 +0100
 *	17:21:03.123 > ATZ\r
 *	17:21:03.164 < \r\nOK\r\n
 *	17:21:09.002 -- granted: token 17
 *	17:21:09.500 ... 1234 bytes missed ...
 *
 * Bytes of one direction make one line until a newline, a carriage return before something else,
 * TRANSCRIPT_BYTES bytes, a pause, an event, or a byte of the other direction. No I/O, no clock:
 * times are microseconds since 1970. Lines come in the order in which things happened.
 */
#ifndef COMLEASE_TRANSCRIPT_H
#define COMLEASE_TRANSCRIPT_H

#include "bridge_spy.h"

#include <stdbool.h>
#include <stdint.h>

#define TRANSCRIPT_BYTES     72     /* of the device, in one line */
#define TRANSCRIPT_HEX_BYTES 16     /* the same, as a hex dump */
#define TRANSCRIPT_PAUSE_US  100000 /* ends a line */
#define TRANSCRIPT_LINE_MAX  4000   /* no line is longer, with its newline */

/* A whole line, its newline included (not a string). */
typedef void transcript_put(void *context, const char *line, size_t);

struct transcript {
	bool hex;
	transcript_put *put;
	void *context;
	enum bridge_direction direction;
	unsigned char bytes[TRANSCRIPT_BYTES];
	size_t len; /* of the line that is not complete */
	int64_t first_us, last_us;
	char day[24]; /* of the last date that was put */
};

/* What a reader did not get. */
struct transcript_missed {
	uint64_t to_device, from_device; /* bytes */
	uint64_t events;
};

void transcript_init(struct transcript *, bool hex, transcript_put *, void *context);

void transcript_data(struct transcript *, int64_t time_us, enum bridge_direction, const void *,
		     size_t);

/* What is no printable text in it is escaped; what is longer than some 500 bytes is cut. */
void transcript_event(struct transcript *, int64_t time_us, const char *text);
void transcript_missed(struct transcript *, int64_t time_us, const struct transcript_missed *);

/* Puts half a line. Its owner calls it when nothing has come for TRANSCRIPT_PAUSE_US. */
void transcript_flush(struct transcript *);

#endif
