/*
 * keeper_stranger.c - who opens and closes the device without us. Inotify tells that it happened,
 * not who it was: what is none of ours is a stranger's. It refuses to look for him: that needs
 * rights that the keeper has not.
 *
 * The tricky idea: ours are subtracted. Each open and close of our own is counted by device.c, and
 * the queue is read right after it; the end of a lease's description is explained by the roster,
 * whose entry goes a moment after the event. What nothing explains by the end of the re-readings is
 * a stranger's close.
 *
 * The gap: the kernel makes one event of identical ones that follow one another in the queue. All
 * of the queue is read whenever it has something, before any message is acted upon (keeper.c), and
 * again after our own open; so only a stranger who opens within the few microseconds in between is
 * taken for us. His close will not be explained, and an inspector sees him anyway.
 */
#include "keeper_internal.h"
#include "clock.h"

#define WINDOW_MS    10 /* udev, stty, ModemManager come in masses: one message in that time */
#define EXPLAINED_MS 60 /* the roster's entry goes later than the event: by 51 ms at the worst */

void
stranger_collect(struct keeper *k)
{
	struct keeper_stranger *s = &k->stranger;
	unsigned own_opens = k->device.opens, own_closes = k->device.closes;
	int what = watch_take(&k->watch);

	if (k->watch.opened > own_opens) {
		s->untold |= IPC_STRANGER_OPENED;
		s->is_open = true;
	} else {
		what &= ~WATCH_OPENED;
	}
	if (k->watch.closed > own_closes) {
		if (s->closes == 0)
			s->since_ms = clock_now_ms();
		s->closes += k->watch.closed - own_closes;
	} else {
		what &= ~WATCH_CLOSED;
	}
	/* our own open is read at once: it is the last one that there is */
	if ((what & (WATCH_OPENED | WATCH_CLOSED)) != 0)
		s->reopened =
		    (what & WATCH_OPENED) != 0 &&
		    ((what & WATCH_CLOSED) == 0 || (k->watch.last_opened && own_opens == 0));
	k->watch.opened = k->watch.closed = 0;
	k->device.opens = k->device.closes = 0;
	k->watched |= what;
}

void
stranger_explain(struct keeper *k, unsigned closes)
{
	struct keeper_stranger *s = &k->stranger;

	if (s->closes < closes) /* its event is in the queue: it came first */
		stranger_collect(k);
	s->closes = s->closes > closes ? s->closes - closes : 0;
}

void
stranger_judge(struct keeper *k)
{
	struct keeper_stranger *s = &k->stranger;

	if (s->closes == 0 || (k->listed > 0 && clock_now_ms() < s->since_ms + EXPLAINED_MS))
		return;
	s->closes = 0;
	s->is_open = s->reopened;
	s->untold |= IPC_STRANGER_CLOSED;
}

void
stranger_revoked(struct keeper *k)
{
	struct keeper_stranger *s = &k->stranger;

	if (s->is_open)
		s->untold |= IPC_STRANGER_CLOSED;
	s->is_open = s->reopened = false;
}

static void
send(struct keeper *k, unsigned what)
{
	struct ipc_message m = { .type = IPC_STRANGER, .flag = what };

	if ((k->stranger.untold & what) == 0)
		return;
	m.flag |= own_foreign(k);
	if (k->stranger.is_open)
		m.flag |= IPC_EVIDENCE_OPEN;
	keeper_send(k, &m);
}

void
stranger_tell(struct keeper *k)
{
	struct keeper_stranger *s = &k->stranger;
	uint64_t now;

	s->at_ms = KEEPER_NEVER;
	if (s->untold == 0 || !k->is_reported)
		return;
	now = clock_now_ms();
	if (s->told_ms != 0 && now < s->told_ms + WINDOW_MS) {
		s->at_ms = s->told_ms + WINDOW_MS;
		return;
	}
	s->told_ms = now;
	send(k, IPC_STRANGER_OPENED);
	send(k, IPC_STRANGER_CLOSED);
	s->untold = 0;
}

void
stranger_tell_first(struct keeper *k)
{
	if ((k->stranger.untold & IPC_STRANGER_OPENED) == 0)
		return;
	k->stranger.told_ms = 0;
	stranger_tell(k);
}

void
stranger_report(struct keeper *k)
{
	if (k->stranger.is_open)
		k->stranger.untold |= IPC_STRANGER_OPENED;
	stranger_tell(k);
}
