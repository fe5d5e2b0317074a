/*
 * bridge_relay.h - the bytes between a program's pty and a port, both ways, each through a buffer
 * of fixed size: nobody loses any, whoever is slow holds the other side up.
 *
 * Nothing here waits: all descriptors are non-blocking.
 */
#ifndef COMLEASE_BRIDGE_RELAY_H
#define COMLEASE_BRIDGE_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct bridge_spy;

/* More than a pty holds, so that what a program leaves behind when it closes fits in. */
#define BRIDGE_BUFFER_BYTES 65536

struct bridge_buffer {
	size_t start, end; /* what is in it lies between them */
	unsigned char bytes[BRIDGE_BUFFER_BYTES];
};

struct bridge_relay {
	struct bridge_buffer to_device, to_program;
	struct bridge_buffer early; /* taken already, but of the next program */
	struct bridge_spy *spy;
};

/* What a program has done to its terminal beside writing, as packet mode reports it. */
enum {
	BRIDGE_FLUSHED_INPUT = 1,
	BRIDGE_FLUSHED_OUTPUT = 2,
	BRIDGE_STOPPED = 4,
	BRIDGE_STARTED = 8,
};

size_t bridge_buffer_length(const struct bridge_buffer *);
void bridge_buffer_clear(struct bridge_buffer *);

/* Adds our own words, all of them or nothing. */
void bridge_buffer_add(struct bridge_buffer *, const char *);

/* Is there room for more? Towards the device a few kilobytes are enough: what waits here a program
 * believes to be sent. */
bool bridge_relay_takes_program(const struct bridge_relay *);
bool bridge_relay_takes_device(const struct bridge_relay *);

/* The flags that are reported: 0 for none. Bytes that wait stay there. */
unsigned bridge_relay_status(int master);

/* Takes one chunk of what the program has written; if the flags come instead, returns those. */
unsigned bridge_relay_from_program(struct bridge_relay *, int master);

/* Takes all that it has written so far. */
void bridge_relay_take_rest(struct bridge_relay *, int master);

/* What has been taken since `to_device` had that length is of the next program. */
void bridge_relay_defer(struct bridge_relay *, size_t length);
/* The next program is there: what has been taken of it is all there is to send. */
void bridge_relay_begin(struct bridge_relay *);

void bridge_relay_to_program(struct bridge_relay *, int master);

/* 0, or -1: the device has been hung up. */
int bridge_relay_from_device(struct bridge_relay *, int fd);
int bridge_relay_to_device(struct bridge_relay *, int fd);

#endif
