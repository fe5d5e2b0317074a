/*
 * keeper_port.c - is the device there? It refuses to know why a lease starts or ends.
 *
 * The tricky idea: whoever hung our own description up has not said why. It is looked at afresh:
 * if the same device opens, somebody else hung the line up and the holder may open again; if it
 * does not, it has gone, and our own description must not pin it. And a device that still works is
 * not the port's any more when the path leads elsewhere, or nowhere (udev says that it has gone):
 * who has it loses it, as it may come back for somebody else.
 */
#include "keeper_internal.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define REOPEN_MS    1000 /* for a holder whose line was hung up: at least */
#define RETRY_MIN_MS 2
#define RETRY_MAX_MS 1000

void
keeper_set_presence(struct keeper *k, enum keeper_presence presence)
{
	if (presence != k->presence)
		log_debug("device port=%s state=%s reason=%s", k->name,
			  presence == KEEPER_PRESENT  ? "present"
			  : presence == KEEPER_ABSENT ? "absent"
						      : "faulted",
			  presence == KEEPER_PRESENT ? "-" : k->why);
	k->presence = presence;
	if (presence == KEEPER_PRESENT) {
		k->why[0] = '\0';
		identity_remember(k);
		/* told once, and closed on that */
		keeper_listen(k, k->device.fd, EPOLLONESHOT);
	}
}

/* Looks again by time only where no event will tell. */
static void
schedule_retry(struct keeper *k, bool is_coming)
{
	uint64_t ms;

	k->retry_ms = KEEPER_NEVER;
	if (!is_coming)
		k->retries = 0;
	if (is_coming) {
		ms = k->retries < 9 ? (uint64_t)RETRY_MIN_MS << k->retries++ : RETRY_MAX_MS;
		k->retry_ms = clock_now_ms() + ms;
	} else if (k->presence != KEEPER_PRESENT && !k->watch.is_complete) {
		k->retry_ms = clock_now_ms() + RETRY_MAX_MS;
	}
}

void
keeper_look(struct keeper *k)
{
	int result;

	if (k->port == NULL || k->presence == KEEPER_PRESENT)
		return;
	watch_set(&k->watch, k->port->device);
	result = device_attach(&k->device, k->port, k->why);
	stranger_collect(k);
	if (result != 0)
		identity_explain(k, result == DEVICE_ABSENT);
	if (result == 0)
		keeper_set_presence(k, KEEPER_PRESENT);
	else
		keeper_set_presence(k, result == DEVICE_ABSENT || result == -EAGAIN
					   ? KEEPER_ABSENT
					   : KEEPER_FAULTED);
	schedule_retry(k, result == -EAGAIN);
}

static void
tell_presence(struct keeper *k)
{
	struct ipc_message m = { .type = IPC_PRESENT, .number = k->device.rdev };

	if (!k->is_reported)
		return;
	if (k->presence != KEEPER_PRESENT) {
		m.type = k->presence == KEEPER_ABSENT ? IPC_ABSENT : IPC_FAULT;
		m.number = 0;
		memcpy(m.text, k->why, sizeof(m.text));
	}
	if (k->presence == KEEPER_ABSENT)
		keeper_set_live(k, 0, 0); /* a lease ends with its device */
	keeper_send(k, &m);
	identity_tell(k, true);
}

/* The device that was there has gone, whatever there is now: a lease and a turnaround end with it.
 */
static void
tell_gone(struct keeper *k, const char *why)
{
	struct ipc_message m = { .type = IPC_ABSENT };
	bool is_asked = k->turnaround.phase != KEEPER_AT_REST && k->turnaround.id_count > 0;

	if (k->turnaround.phase != KEEPER_AT_REST)
		turnaround_answer(k, IPC_ABSENT, why);
	keeper_set_live(k, 0, 0);
	k->is_clean = k->is_kept = false;
	snprintf(m.text, sizeof(m.text), "%s", why);
	if (k->is_reported && !is_asked)
		keeper_send(k, &m);
}

void
keeper_look_and_tell(struct keeper *k)
{
	enum keeper_presence before = k->presence;
	char why[IPC_TEXT_MAX];
	bool is_coming;

	memcpy(why, k->why, sizeof(why));
	keeper_look(k);
	is_coming = k->presence == KEEPER_ABSENT && k->retry_ms != KEEPER_NEVER;
	if (k->presence != before || (strcmp(why, k->why) != 0 && !is_coming))
		tell_presence(k);
}

/* The device is not to be used any more. */
static void
lose(struct keeper *k)
{
	busy_stop(k);
	device_detach(&k->device);
	stranger_collect(k);
	k->presence = KEEPER_UNKNOWN;
}

/* It works still: who has it has it no longer when this returns. */
static void
cut_holders(struct keeper *k)
{
	int error;

	if (!k->port->revocable || k->device.fd < 0 || keeper_count_working(k) == 0)
		return;
	error = device_cut(&k->device);
	if (error < 0 && error != -EIO)
		log_line("cut port=%s error=%s", k->name, strerror(-error));
	log_debug("cut port=%s left=%d", k->name, keeper_count_working(k));
}

/* What was attached is not the port's any more. What is there now is looked at, and all is told. */
static void
replace(struct keeper *k)
{
	char why[IPC_TEXT_MAX];

	keeper_look(k);
	if (k->presence == KEEPER_ABSENT) {
		tell_gone(k, k->why);
		return;
	}
	snprintf(why, sizeof(why), "%s: another device is there now", k->port->device);
	tell_gone(k, why);
	tell_presence(k);
}

void
keeper_path_changed(struct keeper *k)
{
	if (k->presence != KEEPER_PRESENT) {
		if (k->presence != KEEPER_UNKNOWN)
			keeper_look_and_tell(k);
		return;
	}
	watch_set(&k->watch, k->port->device);
	if (!device_has_left(&k->device, k->port->device))
		return;
	/* he can't be made to let go, and two must not have it if it comes back */
	if (!k->port->revocable && k->live != 0 && keeper_count_working(k) != 0)
		return;
	own_leave(k);
	cut_holders(k);
	lose(k);
	replace(k);
}

int
keeper_restore(struct keeper *k, bool discard_output, char *text)
{
	unsigned generation = k->device.generation;
	int error = device_restore(&k->device, k->port, discard_output, k->own.is_exclusive, text);

	if (generation != k->device.generation) {
		stranger_collect(k);
		keeper_set_presence(k, KEEPER_PRESENT);
	}
	return error;
}

/* A hang-up makes a pty cooked and echoing, and the new open raises DTR on a real port. What a
 * holder set on a real port is still there. */
static void
repair_line(struct keeper *k)
{
	char text[DEVICE_TEXT_MAX] = "";
	int error = 0;

	if (k->live == 0 ? k->is_clean : k->device.is_pty)
		error = keeper_restore(k, false, text);
	if (error == 0 && k->live == 0 && k->is_clean && !k->is_kept && k->port->hangup_ms > 0)
		error = device_line_down(&k->device, k->port, text);
	if (error < 0) /* then the next grant or turnaround fails, and says so */
		log_line("repair port=%s error=%s", k->name, text);
}

static uint64_t
reopen_ms(const struct keeper *k)
{
	return k->port->linger_ms > REOPEN_MS ? k->port->linger_ms : REOPEN_MS;
}

void
keeper_own_hangup(struct keeper *k)
{
	bool in_turnaround = k->turnaround.phase != KEEPER_AT_REST;

	/* what stands there now is another one, or the same one, plugged in again */
	if (k->device.fd >= 0 && device_has_left(&k->device, k->port->device)) {
		own_leave(k);
		cut_holders(k);
		lose(k);
		replace(k);
		return;
	}
	lose(k);
	keeper_look(k);
	if (k->presence != KEEPER_PRESENT)
		own_leave(k);
	log_debug("hangup port=%s state=%d", k->name, (int)k->presence);
	if (in_turnaround) {
		if (k->presence == KEEPER_PRESENT)
			turnaround_restart(k);
		else
			turnaround_answer(k, k->presence == KEEPER_ABSENT ? IPC_ABSENT : IPC_FAULT,
					  k->why);
	} else if (k->presence != KEEPER_PRESENT) {
		tell_presence(k);
	} else {
		repair_line(k);
		own_renew(k);
		if (k->live != 0) {
			busy_start(k);
			k->hungup_ms = clock_now_ms() + reopen_ms(k);
		}
	}
}

void
keeper_closed(struct keeper *k)
{
	if (k->presence == KEEPER_FAULTED) /* that may have been its TIOCEXCL */
		keeper_look_and_tell(k);
	keeper_hint(k);
}

static bool
look_at(const char *path, struct statx *st)
{
	return statx(AT_FDCWD, path, AT_STATX_DONT_SYNC, STATX_INO, st) == 0;
}

/* As device_has_left(), of the device that the lease has. */
static bool
lease_has_left(struct keeper *k)
{
	struct statx st;

	if (look_at(k->port->device, &st))
		return !keeper_works_on(k, &st);
	return errno == ENOENT || errno == ENOTDIR || errno == ENXIO || errno == ENODEV;
}

/* Before the first look of a keeper: did the port lose its device while there was none, and its
 * holder not? Then the node of which the last keeper knew is hung up; no other one, should there be
 * one in its place. True: that has been done, nobody has it any more. */
static bool
cut_unseen(struct keeper *k)
{
	struct config_port last = *k->port;
	char text[DEVICE_TEXT_MAX];
	struct device device;
	struct statx st;

	if (k->presence != KEEPER_UNKNOWN || k->live == 0 || !k->port->revocable ||
	    !lease_has_left(k))
		return false;
	memcpy(last.device, k->memory->node, sizeof(last.device));
	if (!look_at(last.device, &st) || !keeper_works_on(k, &st))
		return false;
	device_init(&device);
	if (device_attach(&device, &last, text) == 0 && device.inode == st.stx_ino)
		device_cut(&device);
	device_detach(&device);
	log_line("cut port=%s node=%s left=%d", k->name, last.device, keeper_count_working(k));
	return keeper_count_working(k) == 0;
}

void
keeper_report(struct keeper *k)
{
	struct ipc_message m = { .type = IPC_REPORT }, memo = { .type = IPC_MEMO };
	bool is_lost = false;

	if (k->turnaround.phase == KEEPER_AT_REST) {
		is_lost = cut_unseen(k);
		keeper_look(k);
		if (k->live != 0)
			keeper_read_roster(k); /* to nobody: it has not been reported yet */
		else if (k->roster >= 0)
			keeper_adopt(k);
		if (k->live != 0 && k->count == 0) /* it lingered: nobody lists it */
			keeper_set_live(k, 0, 0);
		if (k->live != 0 && !is_lost)
			own_take_live(k);
	}
	m.token = k->live;
	m.flag = k->presence == KEEPER_PRESENT;
	m.number = m.flag ? k->device.rdev : 0;
	memcpy(m.text, k->live != 0 ? k->memory->holder : k->why, sizeof(m.text));
	memcpy(memo.text, k->memory->memo, sizeof(memo.text));
	keeper_send(k, &m);
	k->is_reported = true;
	if (k->live != 0 && k->count != 1)
		keeper_set_count(k, k->count);
	if (is_lost)
		replace(k);
	else if (k->presence == KEEPER_FAULTED)
		tell_presence(k);
	else
		identity_tell(k, true);
	if (memo.text[0] != '\0')
		keeper_send(k, &memo);
	busy_report(k);
	stranger_report(k);
}
