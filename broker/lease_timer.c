/*
 * lease_timer.c - the core's deadlines: three trees a host, the earliest first. It doesn't know
 * what a deadline means; lease_next.c does.
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

static struct lease_timers *
tree_of(struct lease_host *host, const struct lease_timer *timer)
{
	if (timer->type == LEASE_TIMER_HOLD)
		return &host->awake;
	return timer->type == LEASE_TIMER_RISE ? &host->rises : &host->timers;
}

void
lease_timer_init(struct lease_timer *timer, enum lease_timer_type type)
{
	*timer = (struct lease_timer){ .type = (uint8_t)type };
}

void
lease_timer_set(struct lease_host *host, struct lease_timer *timer, uint64_t at_ms)
{
	if (timer->armed)
		RB_REMOVE(lease_timers, tree_of(host, timer), timer);
	timer->armed = at_ms != LEASE_NEVER;
	if (!timer->armed)
		return;
	timer->at_ms = at_ms;
	timer->order = host->alarms++;
	RB_INSERT(lease_timers, tree_of(host, timer), timer);
}

bool
lease_timer_is_due(const struct lease_timer *timer, uint64_t now_ms)
{
	return timer->armed && timer->at_ms <= now_ms;
}

struct lease_timer *
lease_timer_first(const struct lease_timers *tree)
{
	struct lease_timers timers = *tree; /* the tree macros want it writable */

	return RB_MIN(lease_timers, &timers);
}

uint64_t
lease_add(uint64_t a, uint64_t b)
{
	return b < LEASE_NEVER - a ? a + b : LEASE_NEVER;
}

uint64_t
lease_since(uint64_t since_ms, uint64_t now_ms)
{
	return since_ms < now_ms ? now_ms - since_ms : 0;
}
