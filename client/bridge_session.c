/*
 * bridge_session.c - one program's visit to a bridge, from its open to the end of its lease.
 *
 * Responsible for: what follows on what. Refuses to know: how any of it is done.
 *
 *	IDLE -> (SILENT) -> WAITING -> CONNECTED -> RELEASING -> IDLE
 *	                      ^  ^        |  |
 *	                      |  '-LEAVING'  |	standby: somebody wants the port
 *	                      '---- DEAD ----'	unplugged
 *
 * The tricky idea: a visit does not end with the program's close. What it wrote is still sent, if
 * need be once the port is there (`echo ATH >LINK` has closed before any port could be granted),
 * and only then comes the turn of who has opened the pty since, whose bytes are not read before.
 */
#include "bridge_session.h"
#include "cli.h"
#include "internal.h"

#include <errno.h>
#include <inttypes.h>
#include <termios.h>
#include <unistd.h>

#define LOOK_MS    100   /* at line settings: the kernel doesn't tell */
#define CHANGE_MS  5     /* at the device's queue: the same */
#define GONE_MS    10000 /* the line takes nothing of what a program has left behind */
#define LATE_MS    30000 /* there is no port for it: as long as a close waits for a stopped line */
#define UNKNOWN_MS 3000  /* the broker doesn't say why the device was hung up */

static size_t
rest(const struct bridge *b)
{
	return bridge_buffer_length(&b->relay.to_device);
}

/* ---- the beginning and the end ---- */

void
bridge_session_ask(struct bridge *b)
{
	b->phase = BRIDGE_WAITING;
	bridge_lease_ask(&b->lease);
}

static void
begin(struct bridge *b)
{
	bridge_relay_begin(&b->relay);
	b->gone = b->missed = b->announced = false;
	b->leave_ms = 0;
	b->wanted = b->offered;
	b->phase = BRIDGE_SILENT;
	bridge_note(b, "opened");
}

static void
end(struct bridge *b)
{
	b->phase = BRIDGE_IDLE;
	b->gone = false;
}

static void
release(struct bridge *b)
{
	if (b->lease.state != BRIDGE_LEASE_HELD) {
		bridge_lease_end(&b->lease);
		end(b);
		return;
	}
	b->phase = BRIDGE_RELEASING;
	bridge_lease_release(&b->lease);
	bridge_note(b, "released");
}

static void
drop_rest(struct bridge *b, const char *why)
{
	if (rest(b) > 0)
		bridge_say(b, "%zu bytes of a program that has closed were thrown away: %s",
			   rest(b), why);
	bridge_buffer_clear(&b->relay.to_device);
}

/* Whoever is there reads end-of-file, and finds another pty at the link if he opens it again. */
static void
renew(struct bridge *b)
{
	struct bridge_pty old = b->pty;

	b->status = bridge_pty_open(&b->pty, &b->options->access, &b->own);
	if (b->status == 0)
		b->status = bridge_link_point(&b->link, b->pty.slave);
	b->is_over = b->status != 0;
	bridge_pty_close(&old);
	bridge_buffer_clear(&b->relay.early);
	bridge_follow_reset(b);
}

/* The visit is over, whatever its program thinks. lost: there is no lease to be given back. */
static void
hang_up(struct bridge *b, bool lost)
{
	if (b->gone)
		drop_rest(b, "the port was lost");
	else
		renew(b);
	bridge_buffer_clear(&b->relay.to_device);
	bridge_buffer_clear(&b->relay.to_program);
	bridge_note(b, "hung up");
	if (lost)
		bridge_lease_end(&b->lease);
	release(b);
}

/* ---- who comes and goes ---- */

/* What the program has written is still sent. If somebody has opened the pty since, he may have
 * written, too: his bytes and the last ones before them can't be told apart, and wait for his
 * lease. */
static void
take_rest(struct bridge *b)
{
	size_t before = rest(b);

	if (b->pty.attached || bridge_buffer_length(&b->relay.early) > 0)
		return;
	bridge_relay_take_rest(&b->relay, b->pty.master);
	if (bridge_pty_may_be_of_next(&b->pty))
		bridge_relay_defer(&b->relay, before);
}

static void
left(struct bridge *b)
{
	bridge_follow_look(b);
	if (b->phase == BRIDGE_CONNECTED) {
		if (rest(b) == 0)
			bridge_follow_apply(b);
		tcflow(b->lease.fd, TCOON); /* or what is left would never go */
	}
	take_rest(b);
	bridge_buffer_clear(&b->relay.to_program);
	if (bridge_pty_clean(&b->pty, &b->own) > 0)
		renew(b);
	else if (!b->pty.attached)
		bridge_follow_reset(b);
	b->missed |= bridge_pty_has_rest(&b->pty) || bridge_buffer_length(&b->relay.early) > 0;
	b->is_changing = false;
	b->gone = true;
	b->since_ms = comlease_now_ms();
	bridge_note(b, "closed");
	if (b->phase == BRIDGE_SILENT && rest(b) > 0) {
		bridge_session_ask(b);
	} else if (rest(b) == 0 && (b->phase == BRIDGE_SILENT || b->phase == BRIDGE_WAITING)) {
		bridge_lease_cancel(&b->lease);
		end(b);
	}
}

void
bridge_session_visit(struct bridge *b, bool was_left)
{
	bool is_visit = b->phase != BRIDGE_IDLE && b->phase != BRIDGE_RELEASING && !b->gone;

	if (was_left && is_visit)
		left(b);
	else if (was_left)
		b->missed = true;
	if (b->phase != BRIDGE_IDLE)
		return;
	if (b->pty.attached) {
		begin(b);
		if (!b->options->on_write || rest(b) > 0)
			bridge_session_ask(b);
	} else if (b->missed) {
		begin(b);
		left(b);
	}
}

/* ---- what the broker says ---- */

static void
granted(struct bridge *b)
{
	b->phase = BRIDGE_CONNECTED;
	b->leave_ms = 0;
	b->since_ms = comlease_now_ms();
	bridge_note(b, "granted: token %" PRIu64, b->lease.lease.token);
	bridge_follow_granted(b);
	if (b->lease.tell.said)
		cli_fail(0, "%s: the wait is over", b->lease.tell.port);
	if (b->announced)
		bridge_announce(b, " is here");
	b->announced = false;
}

/* In standby nothing more is taken from the program, and what has been taken is sent. Otherwise
 * nobody can tell the program, and it has most of the time that there is. */
static void
wanted(struct bridge *b)
{
	int64_t left_ms = b->lease.left_ms;

	bridge_say_wanted(b);
	if (b->phase != BRIDGE_CONNECTED && b->phase != BRIDGE_LEAVING)
		return;
	if (b->options->standby)
		b->phase = BRIDGE_LEAVING;
	b->leave_ms = comlease_now_ms() + (b->options->standby ? left_ms / 2 : left_ms * 3 / 4) + 1;
}

static void
kept(struct bridge *b)
{
	if (b->phase == BRIDGE_LEAVING)
		b->phase = BRIDGE_CONNECTED;
	b->leave_ms = 0;
	if (!b->options->standby)
		bridge_say(b, "no longer asked to let go");
}

static void
ask_again(struct bridge *b)
{
	if (b->gone && rest(b) == 0) {
		bridge_lease_end(&b->lease);
		end(b);
		return;
	}
	b->phase = BRIDGE_WAITING;
	b->leave_ms = 0;
	b->is_changing = false;
	b->since_ms = comlease_now_ms();
	bridge_lease_ask_again(&b->lease);
}

static void
unplugged(struct bridge *b)
{
	bridge_say(b, "unplugged; the program waits until it is back");
	bridge_announce(b, " is unplugged; waiting");
	ask_again(b);
}

/* The new broker takes us for somebody outside. Who waits for us there may do so until the program
 * goes, unless we are to give way: then we have to be one of those whom it can ask. */
static void
forgotten(struct bridge *b)
{
	if (!b->options->standby) {
		bridge_say(b, "the broker was started anew and has forgotten this lease; the "
			      "device was left to the program");
		return;
	}
	bridge_say(b, "the broker was started anew; the program waits for its turn");
	bridge_announce(b, " has a new broker; waiting");
	ask_again(b);
}

void
bridge_session_take(struct bridge *b, enum bridge_lease_event event)
{
	switch (event) {
	case BRIDGE_LEASE_NOTHING:
		break;
	case BRIDGE_LEASE_GRANTED:
		granted(b);
		break;
	case BRIDGE_LEASE_REFUSED:
		hang_up(b, true);
		break;
	case BRIDGE_LEASE_WANTED:
		wanted(b);
		break;
	case BRIDGE_LEASE_KEPT:
		kept(b);
		break;
	case BRIDGE_LEASE_UNPLUGGED:
		unplugged(b);
		break;
	case BRIDGE_LEASE_FORGOTTEN:
		forgotten(b);
		break;
	case BRIDGE_LEASE_LOST:
		bridge_say(b, "the program has lost the port: %s", b->lease.reason);
		hang_up(b, true);
		break;
	case BRIDGE_LEASE_RELEASED:
		end(b);
		break;
	}
}

/* ---- what time does ---- */

static void
tick_connected(struct bridge *b, int64_t now_ms)
{
	if (!b->gone && now_ms - b->looked_ms >= LOOK_MS)
		bridge_follow_look(b);
	bridge_follow_apply(b);
	if (b->gone && rest(b) > 0 && now_ms - b->since_ms >= GONE_MS)
		drop_rest(b, "the line takes nothing");
	if (b->gone && rest(b) == 0)
		release(b);
	else if (b->leave_ms && now_ms >= b->leave_ms)
		hang_up(b, false);
}

static void
tick_leaving(struct bridge *b, int64_t now_ms)
{
	if (rest(b) > 0 && now_ms < b->leave_ms)
		return;
	if (b->gone && rest(b) == 0) {
		release(b);
		return;
	}
	b->phase = BRIDGE_WAITING;
	b->since_ms = now_ms;
	bridge_lease_yield(&b->lease);
}

void
bridge_session_tick(struct bridge *b)
{
	int64_t now_ms = comlease_now_ms();

	if (b->phase == BRIDGE_CONNECTED) {
		tick_connected(b, now_ms);
	} else if (b->phase == BRIDGE_LEAVING) {
		tick_leaving(b, now_ms);
	} else if (b->phase == BRIDGE_DEAD && now_ms - b->since_ms >= UNKNOWN_MS) {
		bridge_say(b, "the device has been hung up");
		hang_up(b, false);
	} else if (b->phase == BRIDGE_WAITING && b->gone && now_ms - b->since_ms >= LATE_MS) {
		drop_rest(b, "no port in time");
		bridge_lease_cancel(&b->lease);
		end(b);
	}
}

int
bridge_session_timeout_ms(const struct bridge *b)
{
	int64_t at_ms = INT64_MAX, now_ms = comlease_now_ms();

	if (b->phase == BRIDGE_CONNECTED || b->phase == BRIDGE_LEAVING)
		at_ms = b->leave_ms ? b->leave_ms : INT64_MAX;
	if (b->phase == BRIDGE_CONNECTED && !b->gone && b->looked_ms + LOOK_MS < at_ms)
		at_ms = b->looked_ms + LOOK_MS;
	if (b->phase == BRIDGE_CONNECTED && b->gone && b->since_ms + GONE_MS < at_ms)
		at_ms = b->since_ms + GONE_MS;
	if (b->phase == BRIDGE_CONNECTED && b->is_changing && now_ms + CHANGE_MS < at_ms)
		at_ms = now_ms + CHANGE_MS;
	if (b->phase == BRIDGE_DEAD)
		at_ms = b->since_ms + UNKNOWN_MS;
	if (b->phase == BRIDGE_WAITING && b->gone)
		at_ms = b->since_ms + LATE_MS;
	if (at_ms == INT64_MAX)
		return -1;
	return at_ms > now_ms ? (int)(at_ms - now_ms) : 0;
}
