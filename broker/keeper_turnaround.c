/*
 * keeper_turnaround.c - everything between two leases (DESIGN.md section 5), a step at a time. It
 * refuses to know who had the port or who gets it; the reason of the end is all that it is told.
 *
 * The tricky idea: it never waits. Each phase sets the time at which turnaround_go_on() looks again
 * and returns to the loop, so that a revocation, an unplugging or the end of the supervisor finds
 * the keeper listening. Whoever asks for a turnaround while one is under way is answered by that
 * one.
 *
 *	drain -> send -> clean (revoke, restore) -> hang up -> settle -> init -> quiet -> flush,
 *	answer
 *
 * With IPC_TURN_KEEP there is a drain only where a revocation waits for it, and nothing after that.
 */
#include "keeper_internal.h"
#include "clock.h"

#include <errno.h>
#include <string.h>

#include "lease.h"
#include "log.h"

#define LONG_STEP_MS 1000 /* announced to the broker */
#define LOSSES_MAX   3
#define REVOKES      (IPC_TURN_REVOKE | IPC_TURN_DRAINED)

static void
answer(struct keeper *k, enum ipc_type type, const char *text, unsigned others)
{
	struct keeper_turnaround *t = &k->turnaround;
	struct ipc_message m = { .type = type };
	size_t i;

	m.flag = type == IPC_READY ? others : 0;
	if (type == IPC_READY)
		m.number = k->device.rdev;
	if (text != NULL)
		memcpy(m.text, text, strnlen(text, sizeof(m.text) - 1));
	if (t->phase >= KEEPER_INIT)
		keeper_listen_device(k, false);
	t->phase = KEEPER_AT_REST;
	k->is_clean = type == IPC_READY && others == 0;
	if (type == IPC_READY) {
		stranger_tell_first(k);
		identity_tell(k, false);
	}
	for (i = 0; i < t->id_count; i++) {
		m.id = t->ids[i];
		keeper_send(k, &m);
	}
	t->id_count = 0;
}

void
turnaround_answer(struct keeper *k, enum ipc_type type, const char *text)
{
	answer(k, type, text, 0);
}

/* A step has failed: is the device going, or broken? Looking again tells; a few times. */
void
turnaround_fail(struct keeper *k, int result, const char *text)
{
	bool may_be_gone = k->device.fd < 0 || result == -EIO || result == -ENODEV ||
			   result == -ENXIO || result == -EAGAIN;

	log_debug("turnaround port=%s error=%s", k->name, text);
	if (may_be_gone && k->turnaround.losses++ < LOSSES_MAX)
		keeper_own_hangup(k);
	else
		turnaround_answer(k, IPC_FAULT, text);
}

void
turnaround_announce(struct keeper *k, uint64_t ms)
{
	struct ipc_message m = { .type = IPC_BUSY, .number = ms };

	if (ms >= LONG_STEP_MS)
		keeper_send(k, &m);
}

void
turnaround_wait(struct keeper *k, enum keeper_phase phase, uint64_t ms)
{
	k->turnaround.phase = phase;
	k->turnaround.at_ms = clock_now_ms() + ms;
}

/* ---- settle, and the end ---- */

static void
end(struct keeper *k)
{
	answer(k, IPC_READY, NULL, own_settle(k));
}

void
turnaround_finish(struct keeper *k)
{
	char text[DEVICE_TEXT_MAX] = "";
	int error = device_flush_input(&k->device);

	/* the chat raised it */
	if (error == 0 && k->port->init[0] != '\0' && k->port->hangup_ms > 0)
		error = device_line_down(&k->device, k->port, text);
	if (error < 0)
		turnaround_fail(k, error, text[0] != '\0' ? text : strerror(-error));
	else
		end(k);
}

static void
settle(struct keeper *k)
{
	if (k->port->settle_ms == 0) {
		init_start(k);
		return;
	}
	turnaround_announce(k, k->port->settle_ms);
	turnaround_wait(k, KEEPER_SETTLE, k->port->settle_ms);
}

/* The line goes down, and stays down until the next grant. */
static void
hang_up(struct keeper *k)
{
	char text[DEVICE_TEXT_MAX] = "";
	int error;

	if (k->port->hangup_ms == 0) {
		settle(k);
		return;
	}
	error = device_line_down(&k->device, k->port, text);
	if (error < 0) {
		turnaround_fail(k, error, text);
		return;
	}
	turnaround_announce(k, k->port->hangup_ms);
	turnaround_wait(k, KEEPER_HANGUP, k->port->hangup_ms);
}

/* ---- revoke and restore ---- */

/* 0: revoked, or there was no need, or it is not configured. Else as device_revoke(). */
static int
revoke_if_needed(struct keeper *k, char *text)
{
	struct keeper_turnaround *t = &k->turnaround;
	bool keep = (t->flags & IPC_TURN_KEEP) != 0;
	int working = keeper_count_working(k), result;

	if (!k->port->revocable)
		return 0;
	/* what can't be read may be anything */
	if ((t->flags & REVOKES) == 0 && !t->is_cut && working == 0)
		return 0;
	/* who has opened before the hang-up has it no more; who does after it, has it */
	stranger_collect(k);
	result = device_revoke(&k->device, k->port, keep, text);
	if (result == 0)
		stranger_revoked(k);
	stranger_collect(k);
	if (result != 0)
		return result;
	keeper_set_presence(k, KEEPER_PRESENT);
	t->is_revoked = true;
	log_debug("revoke port=%s working=%d left=%d", k->name, working, keeper_count_working(k));
	return 0;
}

/* The line is the next lease's as it is; only TIOCEXCL is as we want it. */
static void
keep_line(struct keeper *k)
{
	device_set_exclusive(&k->device, k->own.is_exclusive);
	k->is_kept = true;
	end(k);
}

void
turnaround_clean(struct keeper *k)
{
	struct keeper_turnaround *t = &k->turnaround;
	char text[DEVICE_TEXT_MAX] = "";
	int result;

	if (t->phase >= KEEPER_INIT)
		keeper_listen_device(k, false);
	result = revoke_if_needed(k, text);
	if (result == 0 && (t->flags & IPC_TURN_KEEP) != 0) {
		keep_line(k);
		return;
	}
	/* what a pty's last holder wrote may not have been read yet, and nothing tells: it stays */
	if (result == 0)
		result = keeper_restore(k, t->is_revoked || !k->device.is_pty, text);
	if (result != 0)
		turnaround_fail(k, result, text);
	else
		hang_up(k);
}

/* ---- */

void
turnaround_input(struct keeper *k)
{
	if (k->turnaround.phase == KEEPER_INIT)
		init_input(k);
	else if (k->turnaround.phase == KEEPER_QUIET)
		quiet_input(k);
	else
		keeper_listen_device(k, false);
}

void
turnaround_go_on(struct keeper *k)
{
	switch (k->turnaround.phase) {
	case KEEPER_AT_REST:
		break;
	case KEEPER_DRAIN:
	case KEEPER_SEND:
		drain_go_on(k);
		break;
	case KEEPER_HANGUP:
		settle(k);
		break;
	case KEEPER_SETTLE:
		init_start(k);
		break;
	case KEEPER_INIT:
		init_time_out(k);
		break;
	case KEEPER_QUIET:
		quiet_time_out(k);
		break;
	}
}

void
turnaround_restart(struct keeper *k)
{
	turnaround_clean(k);
}

/* What is left of the present step, for a broker that has not been told or has forgotten. */
static void
announce_rest(struct keeper *k)
{
	const struct keeper_turnaround *t = &k->turnaround;
	bool has_end = t->phase == KEEPER_DRAIN || t->phase == KEEPER_QUIET;
	uint64_t until = has_end ? t->end_ms : t->at_ms, now = clock_now_ms();

	/* a drain is followed by the wait for the transmitter */
	turnaround_announce(k, until > now ? until - now + LONG_STEP_MS * has_end : 0);
}

/* One more asks for what is under way. A revocation does not wait for a drain, and what has been
 * cleaned without one is cleaned again. */
static void
join(struct keeper *k, const struct ipc_message *request)
{
	struct keeper_turnaround *t = &k->turnaround;

	t->ids[t->id_count++] = request->id;
	if ((request->flag & IPC_TURN_KEEP) == 0)
		t->flags &= ~IPC_TURN_KEEP;
	k->own.anyway = k->own.anyway || (request->flag & IPC_TURN_ANYWAY) != 0;
	t->flags |= request->flag & IPC_TURN_DRAINED;
	if ((request->flag & IPC_TURN_REVOKE) != 0 && (t->flags & IPC_TURN_REVOKE) == 0) {
		t->flags |= IPC_TURN_REVOKE;
		if (!t->is_revoked) {
			turnaround_clean(k);
			return;
		}
	}
	announce_rest(k);
}

/* Has it become another device, or gone, or come? */
static bool
find_device(struct keeper *k)
{
	if (k->presence == KEEPER_PRESENT && !device_is_at(&k->device, k->port->device)) {
		own_leave(k);
		device_detach(&k->device);
		stranger_collect(k);
		k->presence = KEEPER_UNKNOWN;
	}
	keeper_look(k);
	return k->presence == KEEPER_PRESENT;
}

/* Does any step have to wait, or ask for a decision? */
static bool
is_simple(const struct keeper *k)
{
	return k->port->hangup_ms == 0 && k->port->settle_ms == 0 && k->port->quiet_ms == 0 &&
	       k->port->init[0] == '\0' && !k->stranger.is_open && k->stranger.closes == 0;
}

/* Nothing is listed, so nothing is to be revoked; a pty has nothing to drain and no call that
 * waits, and there is no line to hang up. */
bool
turnaround_at_once(struct keeper *k)
{
	char text[DEVICE_TEXT_MAX];

	if (k->presence != KEEPER_PRESENT || !k->device.is_pty || k->listed != 0 ||
	    k->turnaround.phase != KEEPER_AT_REST || k->hungup_ms != KEEPER_NEVER ||
	    !is_simple(k) || !device_is_at(&k->device, k->port->device) ||
	    device_restore(&k->device, k->port, false, k->own.is_exclusive, text) != 0)
		return false;
	own_settle_later(k); /* a stranger who has locked it would have it open */
	k->is_clean = true;
	return true;
}

/* At the start, and after a foreign holder: the line is his until he has gone. */
static bool
is_foreign(struct keeper *k, const struct ipc_message *request)
{
	unsigned others;

	if (request->number != LEASE_NONE || (request->flag & (REVOKES | IPC_TURN_ANYWAY)) != 0)
		return false;
	others = own_settle(k);
	if (others != 0)
		answer(k, IPC_READY, NULL, others);
	return others != 0;
}

static void
begin(struct keeper *k, const struct ipc_message *request)
{
	/* asked to or not, he let go by himself; who was made to comes with IPC_TURN_REVOKE */
	bool was_honest = request->number == LEASE_RELEASED || request->number == LEASE_DIED ||
			  request->number == LEASE_YIELDED || request->number == LEASE_EXPIRED ||
			  request->number == LEASE_PREEMPTED;
	bool is_hung_up = (request->flag & IPC_TURN_KEEP) == 0 || keeper_count_working(k) != 0;
	bool drains = (request->flag & IPC_TURN_DRAINED) != 0 || (was_honest && is_hung_up);

	if (drains && (request->flag & IPC_TURN_REVOKE) == 0)
		drain_start(k);
	else
		turnaround_clean(k);
}

void
turnaround_start(struct keeper *k, const struct ipc_message *request)
{
	struct keeper_turnaround *t = &k->turnaround;
	struct ipc_message fault = { .type = IPC_FAULT, .id = request->id };

	if (t->id_count == KEEPER_ANSWERS_MAX || k->port == NULL) {
		strcpy(fault.text, k->port == NULL ? "no configuration" : "asked too often");
		keeper_send(k, &fault);
		return;
	}
	if (t->phase != KEEPER_AT_REST) {
		join(k, request);
		return;
	}
	*t = (struct keeper_turnaround){ .ids = { request->id },
					 .id_count = 1,
					 .flags = request->flag };
	k->own.anyway = (request->flag & IPC_TURN_ANYWAY) != 0;
	k->is_kept = k->is_clean = false;
	keeper_set_live(k, 0, 0);
	if (!find_device(k))
		turnaround_answer(k, k->presence == KEEPER_ABSENT ? IPC_ABSENT : IPC_FAULT, k->why);
	else if (!is_foreign(k, request))
		begin(k, request);
}
