/*
 * bridge_spy.h - who reads along at a bridge: a transcript file, and any number of `comlease spy`.
 *
 * The bridge tells what passed; nobody who reads can hold it up: a reader that is too slow misses
 * bytes, which is marked in what he gets. Whoever may not read along (another user than the
 * bridge's own, or root) is refused.
 *
 * bridge.c owns the loop. Once a round: bridge_spy_poll() says what to poll, for at most
 * bridge_spy_timeout_ms(); then, whatever poll() said (also -1 and EINTR: with a count of 0),
 * bridge_spy_take() does what can be done. The other functions may be called at any time between;
 * none of them waits for anything. Each takes NULL and does nothing.
 *
 * One process, one thread: readers see the pid of whoever called bridge_spy_new(), so call it after
 * any fork.
 */
#ifndef COMLEASE_BRIDGE_SPY_H
#define COMLEASE_BRIDGE_SPY_H

#include <poll.h>
#include <stddef.h>

enum bridge_direction { BRIDGE_TO_DEVICE, BRIDGE_FROM_DEVICE };

struct bridge_spy;

/* port: the word that the bridge was called with, by which `comlease spy` finds it. link: the path
 * for people, and another word for it. broker: its socket: another one may have a port of that
 * name. file: the transcript, appended to ("-": stdout), or NULL.
 * NULL and *status (an exit status), after having said why. SIGPIPE and SIGXFSZ are ignored
 * from then on (a transcript may be a FIFO, or grow too large). */
struct bridge_spy *bridge_spy_new(const char *port, const char *link, const char *broker,
				  const char *file, int *status);

/* Writes out what there is, tells the readers that the bridge ends, and closes everything. */
void bridge_spy_free(struct bridge_spy *);

/* Bytes that have just been accepted by the device, or come from it. */
void bridge_spy_data(struct bridge_spy *, enum bridge_direction, const void *, size_t);

/* A line for people, without a newline: "granted: token 17", "line: 9600 8N1", "waiting: held by
 * ..." Whoever comes to read along later is told the last few. */
void bridge_spy_event(struct bridge_spy *, const char *line);

/* At most BRIDGE_SPY_FDS of them; the rest of fds is left alone. The number that was set. */
#define BRIDGE_SPY_FDS 10
int bridge_spy_poll(const struct bridge_spy *, struct pollfd fds[BRIDGE_SPY_FDS]);

/* How long poll() may wait, for half a line that is to be written out; -1: no limit. */
int bridge_spy_timeout_ms(const struct bridge_spy *);

void bridge_spy_take(struct bridge_spy *, const struct pollfd *fds, int count);

#endif
