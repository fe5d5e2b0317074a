/*
 * spy_fixture.h - what the tests of client/bridge_spy*.c share: the part of the command line that
 * these files call, and a bridge's loop around them.
 */
#ifndef COMLEASE_TESTS_SPY_FIXTURE_H
#define COMLEASE_TESTS_SPY_FIXTURE_H

#include "../client/bridge_spy.h"
#include "../client/spy_wire.h"
#include "../client/transcript.h"

#include <stdbool.h>

/* The fixture: a network of this process's own, where it may have one, since every `comlease spy
 * LINK` knocks at each bridge of a network. */
void spy_begin(void);

/* What cli_fail() has said last, and how often. */
extern char spy_said[1024];
extern int spy_said_count;

/* One round of the bridge's loop, at most that long. */
void spy_round(int timeout_ms);

/* The bridge of the test, at /run/LINK, and the port that it was called with: one that no other
 * test has. spy_start() asserts that there is one. */
extern struct bridge_spy *spy;
extern char spy_port[32];
void spy_start(const char *transcript);

/* One who reads along, by hand: connected to that bridge, non-blocking. */
int spy_reader(void);

/* The next frame from a reader's socket, while the bridge (if there still is one) goes on. false:
 * the stream has ended. A NUL is added to the payload. */
extern struct spy_wire_header spy_header;
extern char spy_payload[SPY_WIRE_PAYLOAD + 1];
bool spy_next(int reader);

/* The same: it must be that frame (payload NULL: with any). */
void spy_expect(int reader, enum spy_wire_kind, int detail, const char *payload);

/* A reader whose bridge has said hello. */
int spy_greeted(void);

#endif
