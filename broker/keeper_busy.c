/*
 * keeper_busy.c - what the line of the live lease does: carrier, activity, idleness, each only if
 * the configuration asks. It measures; what follows (a call is not torn down, an idle holder is
 * asked to yield) is the broker's to decide.
 *
 * The tricky idea: nothing runs between leases, and with a lease alive nothing runs by time but
 * what the next report depends on. Our own reads (the init chat) happen between leases, so every
 * byte that is noticed here is a holder's.
 */
#include "keeper_internal.h"
#include "clock.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "log.h"

#define GAPS       8 /* of a window: how finely activity is measured */
#define GAP_MAX_MS 1000

/* `activity:SECS` and `idle-timeout` in milliseconds; 0: not asked for. */
static uint64_t
active_window_ms(const struct keeper *k)
{
	return (uint64_t)k->port->busy_by_activity_s * 1000;
}

static uint64_t
idle_window_ms(const struct keeper *k)
{
	return k->port->idle_timeout_s == CONFIG_NEVER ? 0
						       : (uint64_t)k->port->idle_timeout_s * 1000;
}

static uint64_t
gap_ms(const struct keeper *k)
{
	uint64_t active = active_window_ms(k), idle = idle_window_ms(k), gap = GAP_MAX_MS;

	if (active > 0 && active / GAPS < gap)
		gap = active / GAPS;
	if (idle > 0 && idle / GAPS < gap)
		gap = idle / GAPS;
	return gap;
}

static unsigned
state_of(const struct keeper *k, uint64_t now)
{
	const struct activity *a = &k->busy.activity;
	uint64_t active = active_window_ms(k), idle = idle_window_ms(k);
	unsigned flags = k->busy.has_carrier ? IPC_LINE_CARRIER : 0;

	if (a->fd < 0)
		return flags;
	if (active > 0 && a->has_passed && now < a->since_ms + active)
		flags |= IPC_LINE_ACTIVE;
	if (idle > 0 && a->is_armed && now >= a->since_ms + idle)
		flags |= IPC_LINE_IDLE;
	return flags;
}

/* When the state changes by time alone, or the next byte is to be listened for. */
static uint64_t
next_ms(const struct keeper *k, unsigned state)
{
	const struct activity *a = &k->busy.activity;
	uint64_t idle = idle_window_ms(k), at = KEEPER_NEVER;

	if (a->fd < 0)
		return KEEPER_NEVER;
	if (!a->is_armed)
		return a->rearm_ms;
	if ((state & IPC_LINE_ACTIVE) != 0)
		at = a->since_ms + active_window_ms(k);
	if (idle > 0 && (state & IPC_LINE_IDLE) == 0 && a->since_ms + idle < at)
		at = a->since_ms + idle;
	return at;
}

static void
tell(struct keeper *k)
{
	struct ipc_message m = { .type = IPC_LINE, .token = k->live };
	unsigned state = state_of(k, clock_now_ms());

	k->busy.at_ms = next_ms(k, state);
	if (state == k->busy.told || !k->is_reported || k->live == 0)
		return;
	k->busy.told = m.flag = state;
	keeper_send(k, &m);
}

static void
deaf(struct keeper *k, const char *what, int error)
{
	if (!k->busy.is_deaf)
		log_line("busy-by port=%s unknown=%s reason=%s", k->name, what, strerror(-error));
	k->busy.is_deaf = true;
}

static void
start_activity(struct keeper *k)
{
	struct activity *a = &k->busy.activity;
	int error = activity_start(a, k->device.node, clock_now_ms());

	if (error == 0)
		error = keeper_listen(k, a->fd, EPOLLIN);
	if (error == 0)
		return;
	activity_stop(a);
	deaf(k, "activity", error);
}

static void
start_carrier(struct keeper *k)
{
	struct carrier *c = &k->busy.carrier;
	int error = carrier_start(c, k->device.fd);

	if (error == 0)
		error = keeper_listen(k, c->fd, EPOLLIN);
	if (error == 0)
		return;
	carrier_stop(c);
	deaf(k, "carrier", error);
}

void
busy_start(struct keeper *k)
{
	if (k->busy.is_on || k->presence != KEEPER_PRESENT)
		return;
	k->busy.is_on = true;
	if (active_window_ms(k) > 0 || idle_window_ms(k) > 0)
		start_activity(k);
	if (k->port->busy_by_dcd)
		start_carrier(k);
	tell(k);
}

void
busy_stop(struct keeper *k)
{
	if (!k->busy.is_on)
		return;
	carrier_stop(&k->busy.carrier);
	activity_stop(&k->busy.activity);
	k->busy.is_on = k->busy.has_carrier = false;
	k->busy.at_ms = KEEPER_NEVER;
}

void
busy_take_activity(struct keeper *k)
{
	activity_take(&k->busy.activity, clock_now_ms(), gap_ms(k));
	tell(k);
}

static void
set_carrier(struct keeper *k, int state)
{
	/* a device that has gone says so by itself */
	if (state < 0 && state != -EIO && state != -ENODEV)
		deaf(k, "carrier", state);
	k->busy.has_carrier = state > 0;
	if (state < 0)
		carrier_stop(&k->busy.carrier);
	tell(k);
}

void
busy_take_carrier(struct keeper *k)
{
	set_carrier(k, carrier_take(&k->busy.carrier));
}

void
busy_check(struct keeper *k)
{
	if (k->busy.carrier.fd >= 0)
		set_carrier(k, carrier_check(&k->busy.carrier));
}

void
busy_time_out(struct keeper *k)
{
	struct activity *a = &k->busy.activity;
	uint64_t now = clock_now_ms();
	int error = 0;

	if (a->fd >= 0 && !a->is_armed && a->rearm_ms <= now)
		error = activity_rearm(a, k->device.node, now);
	if (error < 0) {
		activity_stop(a);
		deaf(k, "activity", error);
	}
	tell(k);
}

void
busy_report(struct keeper *k)
{
	k->busy.told = 0;
	if (k->live == 0)
		return;
	busy_start(k);
	tell(k);
}
