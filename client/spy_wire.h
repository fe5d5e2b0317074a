/*
 * spy_wire.h - what a bridge and `comlease spy` have in common: how one finds the other, and the
 * frames that go from the bridge to the reader. Nothing goes the other way.
 *
 * The bridge listens on an abstract Unix stream socket, so that nothing is left behind when it is
 * killed: "comlease-bridge/PORT/PID.NUMBER", the number being random. /proc/net/unix lists them.
 * Anybody may bind such a name: SO_PEERCRED says whose it is.
 *
 * A frame is a header and `length` bytes, in the byte order of the host, which both are on. The
 * first one is a hello (or a refusal, which is also the last one); kinds that are not known are to
 * be ignored. The end of the stream without a bye: the bridge was killed.
 */
#ifndef COMLEASE_SPY_WIRE_H
#define COMLEASE_SPY_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#define SPY_WIRE_PREFIX  "comlease-bridge/"
#define SPY_WIRE_VERSION 1
#define SPY_WIRE_PAYLOAD 4096 /* the most in one frame */

enum spy_wire_kind {
	SPY_WIRE_HELLO =
	    'h', /* detail: the version. Bytes: port NUL link NUL broker's socket NUL */
	SPY_WIRE_REFUSED = 'r', /* detail: enum spy_wire_refusal */
	SPY_WIRE_DATA = 'd',    /* detail: enum bridge_direction. The device's bytes */
	SPY_WIRE_EVENT = 'e',   /* detail: 1: it happened before the hello. A line of text */
	SPY_WIRE_MISSED = 'm',  /* struct transcript_missed, since `time_us` */
	SPY_WIRE_BYE = 'b',     /* the bridge ends */
};

enum spy_wire_refusal { SPY_WIRE_NOT_ALLOWED, SPY_WIRE_TOO_MANY };

struct spy_wire_header {
	uint32_t length;
	uint8_t kind, detail;
	uint16_t reserved;
	int64_t time_us; /* since 1970 */
};

/* The name of a bridge's socket; its length for bind() and connect(). 0: that port has no name of
 * the form that ports have. */
socklen_t spy_wire_address(struct sockaddr_un *, const char *port, pid_t, uint32_t number);

/* The port in a name as /proc/net/unix gives it, without its '@': into port[65]. false: that is
 * none of ours. */
bool spy_wire_port(const char *name, char port[65]);

int64_t spy_wire_now_us(void); /* since 1970 */

#endif
