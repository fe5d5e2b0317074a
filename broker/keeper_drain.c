/*
 * keeper_drain.c - the first step of a turnaround: what an honest holder wrote before his close
 * reaches the line, within limits. Decides nothing but when that has been waited for long enough.
 */
#include "keeper_internal.h"
#include "clock.h"

#include "log.h"

#define STALLED_MS  2000 /* no progress: nobody will read it */
#define FIFO_BYTES  256  /* the longest hardware queue behind TIOCOUTQ, about */
#define SENT_MAX_MS 1000

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
	turnaround_clean(k);
}

static void
start_send(struct keeper *k)
{
	uint64_t ms = (uint64_t)FIFO_BYTES * 10 * 1000 / k->port->baud + 20;

	k->turnaround.end_ms = clock_now_ms() + (ms < SENT_MAX_MS ? ms : SENT_MAX_MS);
	k->turnaround.phase = KEEPER_SEND;
	drain_go_on(k);
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
		turnaround_wait(k, KEEPER_DRAIN, transmission_ms(k, queued));
}

void
drain_start(struct keeper *k)
{
	struct keeper_turnaround *t = &k->turnaround;
	int queued = device_queued(&k->device);

	t->queued = queued;
	t->moved_ms = clock_now_ms();
	t->end_ms = t->moved_ms + k->port->drain_ms;
	t->phase = KEEPER_DRAIN;
	if (queued > 0)
		turnaround_announce(k, (uint64_t)k->port->drain_ms + SENT_MAX_MS);
	go_on_draining(k, queued);
}

void
drain_go_on(struct keeper *k)
{
	struct keeper_turnaround *t = &k->turnaround;

	if (t->phase == KEEPER_DRAIN)
		go_on_draining(k, device_queued(&k->device));
	else if (clock_now_ms() >= t->end_ms || device_is_sent(&k->device))
		turnaround_clean(k);
	else
		turnaround_wait(k, KEEPER_SEND, 1);
}
