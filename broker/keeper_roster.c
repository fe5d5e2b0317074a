/*
 * keeper_roster.c - which descriptions of the live lease exist, and when the last one has gone. It
 * only reads; what follows from it is the broker's to decide.
 *
 * The tricky idea: nothing tells when an entry goes. inotify's IN_CLOSE comes a moment *before* it,
 * so a hint starts a series of readings: at once, after giving way to the closing process, after 1,
 * 2, 4 ... 64 ms, and once a second for as long as a lease is alive, should every hint be lost.
 * Revoked descriptions that somebody keeps stand there under older tokens, and count for nothing.
 */
#include "keeper_internal.h"
#include "clock.h"

#include <sched.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define REREADS_QUICK 7 /* 1 << 0 ... 1 << 6 ms */
#define REREAD_MS     1000
#define YIELDS        4

static int
read_all(const struct keeper *k, struct roster_entry entries[ROSTER_ENTRIES_MAX])
{
	if (k->roster < 0)
		return 0;
	if (k->list < 0) /* there was no descriptor to be had for it */
		return roster_read(k->roster, entries, ROSTER_ENTRIES_MAX);
	return roster_read_list(k->list, entries, ROSTER_ENTRIES_MAX);
}

static void
set_listed(struct keeper *k, int n)
{
	size_t before = k->listed;

	k->listed = (size_t)n;
	if (k->listed < before)
		stranger_explain(k, (unsigned)(before - k->listed));
}

static void
schedule(struct keeper *k)
{
	bool is_due = k->live != 0 && k->count > 0;

	if (!is_due && (k->listed == 0 || k->stranger.closes == 0))
		k->reread_ms = KEEPER_NEVER;
	else if (k->rereads < REREADS_QUICK)
		k->reread_ms = clock_now_ms() + (1U << k->rereads);
	else
		k->reread_ms = clock_now_ms() + REREAD_MS;
}

void
keeper_take_roster(struct keeper *k, int roster)
{
	int error;

	if (k->list >= 0)
		close(k->list);
	if (k->roster >= 0)
		close(k->roster);
	k->roster = roster;
	k->list = roster_open_list(roster);
	error = keeper_listen(k, roster, EPOLLIN);
	if (error < 0)
		log_line("roster error=%s", strerror(-error));
	keeper_adopt(k);
}

void
keeper_set_live(struct keeper *k, uint64_t token, uint64_t count)
{
	if (token != k->live) {
		if (token != k->memory->token) { /* else the keeper before this one knew it */
			k->memory->token = token;
			k->memory->holder[0] = '\0';
			k->memory->has_successor = false;
		}
		if (k->live != 0) /* else it may have begun for this one, before it went out */
			busy_stop(k);
		k->busy.told = 0;
	}
	k->live = token;
	k->count = count;
	k->hungup_ms = KEEPER_NEVER;
	k->rereads = REREADS_QUICK;
	schedule(k);
}

void
keeper_set_count(struct keeper *k, uint64_t count)
{
	struct ipc_message m = { .type = count == 0 ? IPC_GONE : IPC_COUNT,
				 .token = k->live,
				 .number = count };
	bool lingers;

	k->count = count;
	/* what lingers may be opened again: the broker says when it is over */
	lingers = k->port != NULL && k->port->linger_ms > 0;
	m.flag = k->is_reported && count == 0 && !lingers && !k->memory->has_successor &&
		 !keeper_has_message(k) && turnaround_at_once(k);
	if (k->is_reported) /* else the report will say it */
		keeper_send(k, &m);
	if (count == 0 && !lingers)
		keeper_set_live(k, 0, 0);
	else
		schedule(k);
}

void
keeper_read_roster(struct keeper *k)
{
	struct roster_entry entries[ROSTER_ENTRIES_MAX];
	int i, n = read_all(k, entries);
	uint64_t count = 0;

	if (n < 0) { /* out of descriptors: the next reading will tell */
		log_line("roster error=%s", strerror(-n));
		return;
	}
	set_listed(k, n);
	for (i = 0; i < n; i++)
		count += entries[i].token == k->live;
	if (k->live != 0 && count != k->count)
		keeper_set_count(k, count);
}

void
keeper_hint(struct keeper *k)
{
	size_t before = k->listed;
	int i;

	if (before == 0) {
		stranger_judge(k);
		return;
	}
	keeper_read_roster(k);
	/* on one processor the closing process may stand just between the event and the removal */
	for (i = 0; i < YIELDS && k->listed == before; i++) {
		sched_yield();
		keeper_read_roster(k);
	}
	stranger_judge(k);
	k->rereads = 0;
	schedule(k);
}

void
keeper_reread(struct keeper *k)
{
	keeper_read_roster(k);
	if (k->rereads < REREADS_QUICK)
		k->rereads++;
	else
		busy_check(k);
	stranger_judge(k);
	schedule(k);
}

/* The highest token of which a description works, and how many descriptions it has. */
static uint64_t
find_live(const struct roster_entry *entries, int n, uint64_t *count)
{
	uint64_t token = 0;
	int i;

	for (i = 0; i < n; i++)
		if (!entries[i].hungup && entries[i].token > token)
			token = entries[i].token;
	*count = 0;
	for (i = 0; i < n; i++)
		*count += entries[i].token == token;
	return token;
}

void
keeper_adopt(struct keeper *k)
{
	struct roster_entry entries[ROSTER_ENTRIES_MAX];
	uint64_t token, count;
	int n;

	roster_take_events(k->roster);
	n = read_all(k, entries);
	if (n < 0) {
		log_line("roster error=%s", strerror(-n));
		return;
	}
	set_listed(k, n);
	token = find_live(entries, n, &count);
	if (token != 0)
		keeper_set_live(k, token, count);
}

int
keeper_count_working(struct keeper *k)
{
	struct roster_entry entries[ROSTER_ENTRIES_MAX];
	int i, n, count = 0;

	roster_take_events(k->roster);
	n = read_all(k, entries);
	for (i = 0; i < n; i++)
		count += !entries[i].hungup;
	if (n >= 0)
		set_listed(k, n);
	return n < 0 ? n : count;
}

bool
keeper_works_on(struct keeper *k, const struct statx *st)
{
	struct roster_entry entries[ROSTER_ENTRIES_MAX];
	int i, n;

	roster_take_events(k->roster);
	n = read_all(k, entries);
	for (i = 0; i < n; i++)
		if (!entries[i].hungup && roster_entry_is_of(&entries[i], st))
			return true;
	return false;
}

void
keeper_hangup_over(struct keeper *k)
{
	struct ipc_message m = { .type = IPC_HUNGUP, .token = k->live };
	struct roster_entry entries[ROSTER_ENTRIES_MAX];
	int i, n;

	k->hungup_ms = KEEPER_NEVER;
	roster_take_events(k->roster);
	n = read_all(k, entries);
	for (i = 0; i < n; i++)
		if (entries[i].token == k->live && !entries[i].hungup)
			return; /* he has opened again */
	if (n >= 0)
		keeper_send(k, &m);
}
