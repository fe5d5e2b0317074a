/*
 * bridge_spy_readers.h - the processes that read along at a bridge: who may, and what they get.
 * The frames are those of spy_wire.h.
 */
#ifndef COMLEASE_BRIDGE_SPY_READERS_H
#define COMLEASE_BRIDGE_SPY_READERS_H

#include "spy_wire.h"
#include "transcript.h"

#include <poll.h>

#define BRIDGE_SPY_READERS        8
#define BRIDGE_SPY_BUFFER         65536 /* a reader's, beside the kernel's */
#define BRIDGE_SPY_HISTORY        4
#define BRIDGE_SPY_HISTORY_LENGTH 200

/* One who reads along; all zero but fd -1: nobody. */
struct bridge_spy_reader {
	int fd;
	bool dead; /* to be closed when nobody polls it */
	unsigned char *buffer;
	size_t start, end; /* what is still to be sent */
	struct transcript_missed missed;
	int64_t missed_us; /* when that began; 0: nothing is missed */
};

struct bridge_spy_past {
	int64_t time_us; /* 0: nothing */
	char text[BRIDGE_SPY_HISTORY_LENGTH];
};

struct bridge_spy_readers {
	int listener; /* -1: nobody can read along */
	char *hello;  /* of a SPY_WIRE_HELLO */
	size_t hello_len;
	int64_t paused_until_ms; /* comlease_now_ms(); no descriptors were left */
	struct bridge_spy_reader readers[BRIDGE_SPY_READERS];
	struct bridge_spy_past history[BRIDGE_SPY_HISTORY]; /* a ring */
	unsigned next;
};

/* Listens. What fails is said, and then nobody can read along. */
void bridge_spy_readers_init(struct bridge_spy_readers *, const char *port, const char *link,
			     const char *broker);
void bridge_spy_readers_clear(struct bridge_spy_readers *);

/* To each of them. */
void bridge_spy_readers_data(struct bridge_spy_readers *, int64_t time_us, enum bridge_direction,
			     const void *, size_t);
void bridge_spy_readers_event(struct bridge_spy_readers *, int64_t time_us, const char *text);

/* As in bridge_spy.h. */
int bridge_spy_readers_poll(const struct bridge_spy_readers *, struct pollfd *);
int bridge_spy_readers_timeout_ms(const struct bridge_spy_readers *);
void bridge_spy_readers_take(struct bridge_spy_readers *, const struct pollfd *, int count);

#endif
