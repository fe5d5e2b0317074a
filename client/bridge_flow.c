/*
 * bridge_flow.c - the bytes of a visit: which may go now.
 *
 * Responsible for: what to poll for, and whose turn it is to be read; what a program does to its
 * terminal beside writing. Refuses to know: buffers (bridge_relay.c), what follows from a device
 * that is dead (bridge_session.c).
 */
#include "bridge_session.h"
#include "internal.h"

#include <termios.h>

static size_t
rest(const struct bridge *b)
{
	return bridge_buffer_length(&b->relay.to_device);
}

static bool
is_connected(const struct bridge *b)
{
	return b->phase == BRIDGE_CONNECTED || b->phase == BRIDGE_LEAVING;
}

static bool
takes_program(const struct bridge *b)
{
	return b->phase == BRIDGE_CONNECTED && !b->gone && bridge_relay_takes_program(&b->relay);
}

short
bridge_flow_pty_events(const struct bridge *b)
{
	short events = POLLPRI;

	if (b->phase == BRIDGE_IDLE || b->phase == BRIDGE_RELEASING || b->gone)
		return 0;
	if (b->phase == BRIDGE_SILENT || (takes_program(b) && !b->is_changing))
		events |= POLLIN;
	if (bridge_buffer_length(&b->relay.to_program) > 0)
		events |= POLLOUT;
	return events;
}

struct pollfd
bridge_flow_pollfd(const struct bridge *b)
{
	struct pollfd p = { is_connected(b) ? b->lease.fd : -1, 0, 0 };

	if (!b->gone && bridge_relay_takes_device(&b->relay))
		p.events |= POLLIN;
	if (rest(b) > 0)
		p.events |= POLLOUT;
	return p;
}

/* Its flush is ours. What has gone into the master's queue can't be told from what was written
 * since, and stays. */
static void
obey(struct bridge *b, unsigned flags)
{
	if (flags & BRIDGE_FLUSHED_OUTPUT)
		bridge_buffer_clear(&b->relay.to_device);
	if (!is_connected(b))
		return;
	if (flags & BRIDGE_FLUSHED_OUTPUT)
		tcflush(b->lease.fd, TCOFLUSH);
	if (flags & BRIDGE_FLUSHED_INPUT) {
		bridge_buffer_clear(&b->relay.to_program);
		tcflush(b->lease.fd, TCIFLUSH);
		tcflush(b->pty.master, TCOFLUSH);
	}
	if (flags & BRIDGE_STOPPED)
		tcflow(b->lease.fd, TCOOFF);
	if (flags & BRIDGE_STARTED)
		tcflow(b->lease.fd, TCOON);
}

static void
take_chunk(struct bridge *b)
{
	size_t before = rest(b);
	unsigned flags = bridge_relay_from_program(&b->relay, b->pty.master);

	if (bridge_pty_may_be_of_next(&b->pty))
		bridge_relay_defer(&b->relay, before);
	else
		obey(b, flags);
}

static void
take_status(struct bridge *b)
{
	unsigned flags = bridge_relay_status(b->pty.master);

	if (!bridge_pty_may_be_of_next(&b->pty))
		obey(b, flags);
}

/* Whoever came after the last look is to have a lease of his own. */
static void
take_program(struct bridge *b, short events)
{
	if (events & POLLPRI)
		take_status(b);
	else if (b->phase == BRIDGE_SILENT && events & POLLIN)
		bridge_session_ask(b);
	if (!takes_program(b) || !(events & POLLIN))
		return;
	bridge_follow_look(b);
	if (bridge_follow_apply(b))
		take_chunk(b);
}

static int
move_device(struct bridge *b, short events)
{
	size_t before = rest(b);

	if (!b->gone && events & POLLIN && bridge_relay_from_device(&b->relay, b->lease.fd) < 0)
		return -1;
	if (before > 0 && bridge_relay_to_device(&b->relay, b->lease.fd) < 0)
		return -1;
	if (rest(b) != before)
		b->since_ms = b->changed_ms = comlease_now_ms();
	return events & (POLLHUP | POLLERR) && !(events & POLLIN) ? -1 : 0;
}

void
bridge_flow_move(struct bridge *b, short pty_events, short device_events)
{
	if (pty_events & (POLLIN | POLLPRI))
		take_program(b, pty_events);
	if (is_connected(b) && move_device(b, device_events) < 0) {
		b->phase = BRIDGE_DEAD;
		b->since_ms = comlease_now_ms();
	}
	if (bridge_buffer_length(&b->relay.to_program) > 0 && b->pty.attached && !b->gone)
		bridge_relay_to_program(&b->relay, b->pty.master);
}
