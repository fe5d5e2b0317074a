/*
 * lease_timer.c - the core's deadlines: one tree a host, the earliest first. It doesn't know what a
 * deadline means; lease_next.c does.
 */
#include "lease_internal.h"

static int
timer_cmp(const struct lease_timer *a, const struct lease_timer *b)
{
	if (a->at_ms != b->at_ms)
		return a->at_ms < b->at_ms ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

LEASE_TREE(lease_timers, lease_timer, node, timer_cmp)

void
lease_timer_init(struct lease_timer *timer, enum lease_timer_type type)
{
	*timer = (struct lease_timer){ .type = (uint8_t)type };
}

void
lease_timer_set(struct lease_host *host, struct lease_timer *timer, uint64_t at_ms)
{
	if (timer->armed)
		RB_REMOVE(lease_timers, &host->timers, timer);
	timer->armed = at_ms != LEASE_NEVER;
	if (!timer->armed)
		return;
	timer->at_ms = at_ms;
	timer->order = host->alarms++;
	RB_INSERT(lease_timers, &host->timers, timer);
}

bool
lease_timer_is_due(const struct lease_timer *timer, uint64_t now_ms)
{
	return timer->armed && timer->at_ms <= now_ms;
}

struct lease_timer *
lease_timer_first(const struct lease_host *host)
{
	struct lease_timers timers = host->timers; /* the tree macros want it writable */

	return RB_MIN(lease_timers, &timers);
}
