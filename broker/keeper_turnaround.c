/*
 * keeper_turnaround.c - everything between two leases (DESIGN.md section 5), a step at a time. It
 * refuses to know who had the port or who gets it; the reason of the end is all that it is told.
 *
 * The tricky idea: it never waits. Each phase sets the time at which turnaround_go_on() looks again
 * and returns to the loop, so that a revocation, an unplugging or the end of the supervisor finds
 * the keeper listening. Whoever asks for a turnaround while one is under way is answered by that
 * one.
 *
 *	drain -> send -> clean (revoke, restore) -> hang up -> settle -> flush, answer
 */
#include "keeper_internal.h"
#include "clock.h"

#include <errno.h>
#include <string.h>

#include "lease.h"
#include "log.h"

#define STALLED_MS   2000 /* no progress: nobody will read it */
#define LONG_STEP_MS 1000 /* announced to the broker */
#define FIFO_BYTES   256  /* the longest hardware queue behind TIOCOUTQ, about */
#define SENT_MAX_MS  1000
#define LOSSES_MAX   3

void
turnaround_answer(struct keeper *k, enum ipc_type type, const char *text)
{
	struct keeper_turnaround *t = &k->turnaround;
	struct ipc_message m = { .type = type };
	size_t i;

	if (type == IPC_READY)
		m.number = k->device.rdev;
	if (text != NULL)
		memcpy(m.text, text, strnlen(text, sizeof(m.text) - 1));
	t->phase = KEEPER_AT_REST;
	for (i = 0; i < t->id_count; i++) {
		m.id = t->ids[i];
		keeper_send(k, &m);
	}
	t->id_count = 0;
}

/* A step has failed: is the device going, or broken? Looking again tells; a few times. */
static void
fail(struct keeper *k, int result, const char *text)
{
	bool may_be_gone = k->device.fd < 0 || result == -EIO || result == -ENODEV ||
			   result == -ENXIO || result == -EAGAIN;

	log_debug("turnaround port=%s error=%s", k->name, text);
	if (may_be_gone && k->turnaround.losses++ < LOSSES_MAX)
		keeper_own_hangup(k);
	else
		turnaround_answer(k, IPC_FAULT, text);
}

static void
announce(struct keeper *k, uint64_t ms)
{
	struct ipc_message m = { .type = IPC_BUSY, .number = ms };

	if (ms >= LONG_STEP_MS)
		keeper_send(k, &m);
}

static void
wait_in(struct keeper *k, enum keeper_phase phase, uint64_t ms)
{
	k->turnaround.phase = phase;
	k->turnaround.at_ms = clock_now_ms() + ms;
}

/* ---- settle, and the end ---- */

static void
finish(struct keeper *k)
{
	int error = device_flush_input(&k->device);

	if (error < 0)
		fail(k, error, strerror(-error));
	else
		turnaround_answer(k, IPC_READY, NULL);
}

static void
settle(struct keeper *k)
{
	if (k->port->settle_ms == 0) {
		finish(k);
		return;
	}
	announce(k, k->port->settle_ms);
	wait_in(k, KEEPER_SETTLE, k->port->settle_ms);
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
		fail(k, error, text);
		return;
	}
	announce(k, k->port->hangup_ms);
	wait_in(k, KEEPER_HANGUP, k->port->hangup_ms);
}

/* ---- revoke and restore ---- */

/* 0: revoked, or there was no need, or it is not configured. Else as device_revoke(). */
static int
revoke_if_needed(struct keeper *k, char *text)
{
	struct keeper_turnaround *t = &k->turnaround;
	int working = keeper_count_working(k), result;

	if (!k->port->revocable)
		return 0;
	/* what can't be read may be anything */
	if (!t->flag && !t->is_cut && working == 0)
		return 0;
	result = device_revoke(&k->device, k->port, text);
	if (result != 0)
		return result;
	keeper_set_presence(k, KEEPER_PRESENT);
	t->is_revoked = true;
	log_debug("revoke port=%s working=%d left=%d", k->name, working, keeper_count_working(k));
	return 0;
}

static void
clean(struct keeper *k)
{
	struct keeper_turnaround *t = &k->turnaround;
	char text[DEVICE_TEXT_MAX] = "";
	bool listened = k->device.port != NULL || k->device.is_pty;
	int result = revoke_if_needed(k, text);

	if (result != 0) {
		fail(k, result, text);
		return;
	}
	/* what a pty's last holder wrote may not have been read yet, and nothing tells: it stays */
	result = device_restore(&k->device, k->port, t->is_revoked || !k->device.is_pty, text);
	if (result < 0) {
		fail(k, result, text);
		return;
	}
	if (!listened) /* libserialport has opened it anew */
		keeper_set_presence(k, KEEPER_PRESENT);
	hang_up(k);
}

/* ---- drain ---- */

/* As long as that many bytes take, within 1 ... 100 ms: the kernel has no event for it. */
static uint64_t
transmission_ms(const struct keeper *k, int bytes)
{
	uint64_t ms = (uint64_t)bytes * 10 * 1000 / k->port->baud;

	return ms < 1 ? 1 : ms > 100 ? 100 : ms;
}

static void
cut(struct keeper *k, const char *why)
{
	log_line("drain port=%s left_bytes=%d reason=%s", k->name, k->turnaround.queued, why);
	k->turnaround.is_cut = true;
	clean(k);
}

static void
start_send(struct keeper *k)
{
	uint64_t ms = (uint64_t)FIFO_BYTES * 10 * 1000 / k->port->baud + 20;

	k->turnaround.end_ms = clock_now_ms() + (ms < SENT_MAX_MS ? ms : SENT_MAX_MS);
	k->turnaround.phase = KEEPER_SEND;
	turnaround_go_on(k);
}

static void
go_on_draining(struct keeper *k, int queued)
{
	struct keeper_turnaround *t = &k->turnaround;
	uint64_t now = clock_now_ms();

	if (queued < 0) { /* its hang-up follows, or a fault does */
		cut(k, "error");
		return;
	}
	if (queued == 0) {
		start_send(k);
		return;
	}
	if (queued != t->queued) {
		t->moved_ms = now;
		t->queued = queued;
	}
	if (now >= t->end_ms)
		cut(k, "drain-ms");
	else if (now - t->moved_ms >= STALLED_MS)
		cut(k, "stalled");
	else
		wait_in(k, KEEPER_DRAIN, transmission_ms(k, queued));
}

static void
start_drain(struct keeper *k)
{
	struct keeper_turnaround *t = &k->turnaround;
	int queued = device_queued(&k->device);

	t->queued = queued;
	t->moved_ms = clock_now_ms();
	t->end_ms = t->moved_ms + k->port->drain_ms;
	t->phase = KEEPER_DRAIN;
	if (queued > 0)
		announce(k, (uint64_t)k->port->drain_ms + SENT_MAX_MS);
	go_on_draining(k, queued);
}

/* ---- */

void
turnaround_go_on(struct keeper *k)
{
	struct keeper_turnaround *t = &k->turnaround;

	switch (t->phase) {
	case KEEPER_AT_REST:
		break;
	case KEEPER_DRAIN:
		go_on_draining(k, device_queued(&k->device));
		break;
	case KEEPER_SEND:
		if (clock_now_ms() >= t->end_ms || device_is_sent(&k->device))
			clean(k);
		else
			wait_in(k, KEEPER_SEND, 1);
		break;
	case KEEPER_HANGUP:
		settle(k);
		break;
	case KEEPER_SETTLE:
		finish(k);
		break;
	}
}

void
turnaround_restart(struct keeper *k)
{
	clean(k);
}

/* What is left of the present step, for a broker that has not been told or has forgotten. */
static void
announce_rest(struct keeper *k)
{
	const struct keeper_turnaround *t = &k->turnaround;
	bool drains = t->phase == KEEPER_DRAIN;
	uint64_t end = drains ? t->end_ms + SENT_MAX_MS : t->at_ms, now = clock_now_ms();

	announce(k, end > now ? end - now : 0);
}

/* One more asks for what is under way. A revocation does not wait for a drain, and what has been
 * cleaned without one is cleaned again. */
static void
join(struct keeper *k, const struct ipc_message *request)
{
	struct keeper_turnaround *t = &k->turnaround;

	t->ids[t->id_count++] = request->id;
	if (request->flag && !t->flag) {
		t->flag = true;
		if (!t->is_revoked) {
			clean(k);
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
		device_detach(&k->device);
		k->presence = KEEPER_UNKNOWN;
	}
	keeper_look(k);
	return k->presence == KEEPER_PRESENT;
}

/* Nothing is listed, so nothing is to be revoked; a pty has nothing to drain and no call that
 * waits, and there is no line to hang up. */
bool
turnaround_at_once(struct keeper *k)
{
	char text[DEVICE_TEXT_MAX];

	return k->presence == KEEPER_PRESENT && k->device.is_pty && k->listed == 0 &&
	       k->turnaround.phase == KEEPER_AT_REST && k->hungup_ms == KEEPER_NEVER &&
	       k->port->hangup_ms == 0 && k->port->settle_ms == 0 &&
	       device_is_at(&k->device, k->port->device) &&
	       device_restore(&k->device, k->port, false, text) == 0;
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
					 .flag = request->flag != 0 };
	keeper_set_live(k, 0, 0);
	if (!find_device(k))
		turnaround_answer(k, k->presence == KEEPER_ABSENT ? IPC_ABSENT : IPC_FAULT, k->why);
	else if ((request->number == LEASE_RELEASED || request->number == LEASE_DIED) && !t->flag)
		start_drain(k);
	else
		clean(k);
}
