/*
 * bridge_follow.c - the line settings of a bridge's program, on the device.
 *
 * Responsible for: noticing them, and when they are set. Refuses to know: what of them a pty
 * carries (bridge_line.c).
 *
 * The tricky idea: the kernel tells nobody that a pty's settings have changed, so they are looked
 * at before each chunk that is taken from the program, and now and then. Who sets the line and
 * writes at once is the common case: so what is read after a look goes out with the settings that
 * were seen, and what was read before it goes out first, with the old ones.
 */
#include "bridge_session.h"
#include "internal.h"

/* Who stops the line for longer has no use for the bytes that wait. */
#define STUCK_MS 1000

void
bridge_follow_reset(struct bridge *b)
{
	b->offered = b->own;
	b->is_changing = false;
}

void
bridge_follow_look(struct bridge *b)
{
	struct bridge_line now;

	b->looked_ms = comlease_now_ms();
	if (bridge_line_get(b->pty.master, &now) < 0 || bridge_line_equals(&now, &b->wanted))
		return;
	b->wanted = now;
	b->is_changing = true;
	b->changed_ms = b->looked_ms;
}

static void
note_line(struct bridge *b)
{
	char text[BRIDGE_LINE_TEXT];

	bridge_line_text(b->lease.fd, text);
	bridge_note(b, "line: %s", text);
}

bool
bridge_follow_apply(struct bridge *b)
{
	if (!b->is_changing)
		return true;
	int queued = bridge_line_queued(b->lease.fd);
	if (queued != b->queued)
		b->changed_ms = comlease_now_ms();
	b->queued = queued;
	if ((queued > 0 || bridge_buffer_length(&b->relay.to_device) > 0) &&
	    comlease_now_ms() - b->changed_ms < STUCK_MS)
		return false;
	bridge_line_set(b->lease.fd, &b->wanted, &b->own, &b->options->frame);
	b->is_changing = false;
	note_line(b);
	return true;
}

void
bridge_follow_granted(struct bridge *b)
{
	const struct bridge_line *line = &b->wanted;

	bridge_line_get(b->lease.fd, &b->own);
	if (!b->gone)
		bridge_follow_look(b);
	b->is_changing = false;
	if (bridge_line_equals(&b->wanted, &b->offered)) {
		line = &b->own;
		if (!b->gone && !bridge_line_equals(&b->own, &b->offered))
			bridge_line_offer(b->pty.master, &b->offered, &b->own);
		b->wanted = b->own;
		if (!b->gone)
			b->offered = b->own;
	}
	bridge_line_set(b->lease.fd, line, &b->own, &b->options->frame);
	note_line(b);
}
