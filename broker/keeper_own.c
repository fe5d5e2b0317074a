/*
 * keeper_own.c - the outward locks: while comlease owns the port, programs outside find TIOCEXCL, a
 * flock and UUCP lock files with our pid, and say "locked" instead of stealing bytes. And the other
 * way round: what of that somebody else has. It refuses to know who that is.
 *
 * Three ideas. The flock stands only while nobody has a lease: holders such as picocom, tio and
 * gammu flock the leased description themselves (LOCK_NB), and ours would be in their way; so it
 * goes before a description goes out, and comes back in the turnaround; where that is done at once,
 * a moment later, so that a hand-over to somebody who waits does not pay for it. TIOCEXCL and the
 * lock files stay over leases: they cost nothing.
 *
 * TIOCEXCL outlives whoever set it as long as the tty does (a pty's: as long as its master).
 * Without CAP_SYS_ADMIN a keeper that takes over from a dead one could then never open the device:
 * so only with it is TIOCEXCL set; and on a pty it proves nothing about anybody outside, unless an
 * open of his has been seen.
 *
 * A lock file of ours that somebody removes (rm /run/lock/LCK..*) is made again when the kernel
 * tells of it; a few times in a row: whoever removes them all the time wins until the next lease or
 * turnaround, so that nobody makes us run in a circle.
 *
 * A description of an ended lease that somebody keeps may have the flock or TIOCEXCL for ever, and
 * must not stop anybody: with such a one listed they count for nothing.
 */
#include "keeper_internal.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define LOCK_DIR    "/run/lock"
#define IDLE_MS     5 /* nobody was waiting */
#define REMAKES_MAX 8 /* without CALM_MS in between */
#define CALM_MS     10000

_Static_assert(LOCKFILE_NAMES_MAX <= WATCH_FILES_MAX, "each lock file can be watched");

void
own_init(struct keeper *k)
{
	memset(&k->own, 0, sizeof(k->own));
	k->own.dir = -1;
	k->own.at_ms = KEEPER_NEVER;
}

/* ---- lock files ---- */

/* Once: whoever reads the log knows what is missing from then on. */
static void
tell(struct keeper *k, const char *name, int error)
{
	const char *dir = k->config.lock_dir != NULL ? k->config.lock_dir : LOCK_DIR;

	if (!k->own.is_told)
		log_line("lock port=%s file=%s/%s error=%s; goes without", k->name, dir, name,
			 strerror(-error));
	k->own.is_told = true;
}

static bool
open_dir(struct keeper *k)
{
	const char *dir = k->config.lock_dir != NULL ? k->config.lock_dir : LOCK_DIR;

	if (k->own.dir >= 0)
		return true;
	k->own.dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->own.dir < 0)
		tell(k, "", -errno);
	return k->own.dir >= 0;
}

static bool
may_remake(struct keeper_own *o)
{
	uint64_t now = clock_now_ms();

	if (now >= o->removed_ms + CALM_MS)
		o->remakes = 0;
	o->removed_ms = now;
	return o->remakes++ < REMAKES_MAX;
}

/* As own_take(). */
static unsigned
take_file(struct keeper *k, size_t i)
{
	struct keeper_own *o = &k->own;
	const char *name = o->names.names[i];
	char path[sizeof("/proc/self/fd/") + 11 + LOCKFILE_NAME_MAX];
	pid_t owner;
	int result;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", o->dir, name);
	do
		result = lockfile_take(o->dir, name, &owner);
	while (result == 0 && watch_file(&k->watch, i, path) == -ENOENT && may_remake(o));
	o->is_taken[i] = result == 0;
	if (result < 0)
		tell(k, name, result);
	return result == 1 ? IPC_EVIDENCE_LOCKFILE : 0;
}

/* Those that are not taken. */
static unsigned
take_more_files(struct keeper *k)
{
	struct keeper_own *o = &k->own;
	unsigned others = 0;
	size_t i;

	for (i = 0; i < o->names.count; i++)
		if (!o->is_taken[i])
			others |= take_file(k, i);
	return others;
}

static unsigned
take_files(struct keeper *k)
{
	if (!open_dir(k))
		return 0;
	lockfile_names(k->port->device, &k->own.names);
	memset(k->own.is_taken, 0, sizeof(k->own.is_taken));
	return take_more_files(k);
}

static bool
is_removed(const struct keeper_own *o, size_t i)
{
	int64_t written_ms;
	pid_t owner;

	return o->is_taken[i] &&
	       (lockfile_read(o->dir, o->names.names[i], &owner, &written_ms) != 0 ||
		owner != getpid());
}

void
own_files_changed(struct keeper *k)
{
	struct keeper_own *o = &k->own;
	size_t i;
	bool again;

	for (i = 0; i < o->names.count; i++) {
		if (!is_removed(o, i))
			continue;
		o->is_taken[i] = false;
		watch_file(&k->watch, i, NULL);
		again = may_remake(o);
		log_line("lock port=%s file=%s removed=by somebody%s", k->name, o->names.names[i],
			 again ? "; made again, unless he has it"
			       : " again and again; left to him until the next lease");
		if (again)
			take_file(k, i);
	}
}

static void
leave_files(struct keeper *k)
{
	struct keeper_own *o = &k->own;
	size_t i;

	for (i = 0; i < o->names.count; i++) {
		watch_file(&k->watch, i, NULL); /* it is ourselves */
		if (o->is_taken[i])
			lockfile_leave(o->dir, o->names.names[i]);
	}
	memset(o->is_taken, 0, sizeof(o->is_taken));
	o->names.count = 0;
}

static unsigned
look_at_files(struct keeper *k)
{
	struct lockfile_names names;
	int64_t written_ms;
	pid_t owner;
	size_t i;

	if (!open_dir(k))
		return 0;
	lockfile_names(k->port->device, &names);
	for (i = 0; i < names.count; i++)
		if (lockfile_read(k->own.dir, names.names[i], &owner, &written_ms) == 0 &&
		    owner != getpid())
			return IPC_EVIDENCE_LOCKFILE;
	return 0;
}

/* ---- flock and TIOCEXCL ---- */

static bool
is_flocked(const struct keeper *k)
{
	return k->own.flocked != 0 && k->own.flocked == k->device.generation;
}

static unsigned
take_flock(struct keeper *k)
{
	int error;

	if (is_flocked(k))
		return 0;
	error = device_lock(&k->device);
	k->own.flocked = error == 0 ? k->device.generation : 0;
	return error == -EWOULDBLOCK && k->listed == 0 ? IPC_EVIDENCE_FLOCK : 0;
}

static void
leave_flock(struct keeper *k)
{
	if (is_flocked(k))
		device_unlock(&k->device);
	k->own.flocked = 0;
}

static void
set_exclusive(struct keeper *k, bool exclusive)
{
	if (exclusive && !k->own.may_exclude)
		return;
	if (k->device.fd >= 0 && (exclusive || k->own.is_exclusive))
		device_set_exclusive(&k->device, exclusive);
	k->own.is_exclusive = exclusive;
}

static unsigned
look_at_exclusive(const struct keeper *k)
{
	if (k->own.is_exclusive || k->listed > 0 || (k->device.is_pty && !k->stranger.is_open))
		return 0;
	return device_is_exclusive(&k->device) ? IPC_EVIDENCE_EXCLUSIVE : 0;
}

/* ---- all of it ---- */

unsigned
own_foreign(struct keeper *k)
{
	unsigned others;
	bool had = is_flocked(k);

	if (k->presence != KEEPER_PRESENT)
		return 0;
	others = look_at_files(k) | look_at_exclusive(k);
	if (k->listed == 0) {
		others |= take_flock(k);
		if (!had)
			leave_flock(k);
	}
	return others;
}

void
own_leave(struct keeper *k)
{
	leave_files(k);
	leave_flock(k);
	set_exclusive(k, false);
	k->own.is_held = false;
}

unsigned
own_take(struct keeper *k, bool anyway)
{
	unsigned others;

	if (k->own.is_held) {
		others = take_more_files(k) | take_flock(k);
	} else {
		others = look_at_exclusive(k) | take_files(k) | take_flock(k);
		if (others == 0 || anyway)
			set_exclusive(k, true);
	}
	if (others != 0 && !anyway) {
		own_leave(k);
		return others;
	}
	k->own.is_held = true;
	return 0;
}

void
own_take_live(struct keeper *k)
{
	if (k->own.is_held || k->own.is_unwanted || k->presence != KEEPER_PRESENT)
		return;
	take_files(k);
	set_exclusive(k, true);
	k->own.is_held = true;
}

void
own_settle_later(struct keeper *k)
{
	if (k->own.is_unwanted || !k->port->own_always)
		own_leave(k);
	else
		k->own.at_ms = clock_now_ms() + IDLE_MS;
}

void
own_time_out(struct keeper *k)
{
	k->own.at_ms = KEEPER_NEVER;
	if (k->own.is_held && k->live == 0 && k->turnaround.phase == KEEPER_AT_REST && k->is_clean)
		take_flock(k);
}

unsigned
own_settle(struct keeper *k)
{
	if (!k->own.is_unwanted && k->port->own_always)
		return own_take(k, k->own.anyway);
	own_leave(k);
	return k->own.anyway ? 0 : own_foreign(k);
}

void
own_lend(struct keeper *k)
{
	k->own.at_ms = KEEPER_NEVER;
	leave_flock(k);
}

void
own_renew(struct keeper *k)
{
	if (!k->own.is_held || k->presence != KEEPER_PRESENT)
		return;
	set_exclusive(k, true);
	if (k->live == 0 && k->turnaround.phase == KEEPER_AT_REST && k->port->own_always)
		take_flock(k);
}

void
own_want(struct keeper *k, bool wanted)
{
	k->own.is_unwanted = !wanted;
	if (!wanted)
		own_leave(k);
	else if (k->live != 0)
		own_take_live(k);
	else if (k->presence == KEEPER_PRESENT && k->turnaround.phase == KEEPER_AT_REST &&
		 k->port->own_always && k->is_clean)
		own_take(k, k->own.anyway); /* what others have is told when it is asked for */
}

void
own_configure(struct keeper *k)
{
	bool was_held = k->own.is_held;

	leave_files(k);
	if (k->own.dir >= 0)
		close(k->own.dir);
	k->own.dir = -1;
	k->own.is_told = false;
	open_dir(k);
	if (was_held)
		take_files(k);
}
