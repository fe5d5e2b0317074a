/*
 * keeper.c - the process of one port: its loop and its messages. What is done about a message is in
 * the files that keeper_internal.h lists. It refuses to know who waits for the port,
 * and decides nothing about leases.
 *
 * The tricky idea: the order within a round. Who opened and closed the device comes first
 * (keeper_stranger.c subtracts our own, which are made in a message). What the kernel says of the
 * device and the roster comes before what the broker asks, so that no lease is opened on a device
 * that has just gone; and one message a round, so that a revocation behind a slow step is seen by
 * the step.
 */
#include "keeper.h"
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "keeper_internal.h"
#include "log.h"

#define EVENTS_MAX 8

int
keeper_listen(struct keeper *k, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(k->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void
keeper_listen_device(struct keeper *k, bool input)
{
	struct epoll_event event = { .events = EPOLLONESHOT | (input ? EPOLLIN : 0U),
				     .data.fd = k->device.fd };

	if (k->device.fd >= 0)
		epoll_ctl(k->epoll, EPOLL_CTL_MOD, k->device.fd, &event);
}

/* ---- to the broker ---- */

static void
listen_broker(struct keeper *k, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = k->broker };

	epoll_ctl(k->epoll, EPOLL_CTL_MOD, k->broker, &event);
}

static void
close_broker(struct keeper *k)
{
	if (k->broker >= 0)
		close(k->broker);
	k->broker = -1;
	k->outbox_count = 0;
	k->is_reported = false;
}

void
keeper_send(struct keeper *k, const struct ipc_message *message)
{
	int error = k->outbox_count > 0 ? -EAGAIN : 0;

	if (k->broker < 0)
		return;
	if (error == 0)
		error = ipc_send(k->broker, message, -1);
	if (error == 0 || error == -EPIPE) /* its end is noticed by the loop */
		return;
	if (k->outbox_count == KEEPER_OUTBOX_MAX) {
		/* it has not read for hundreds of messages. Only a new keeper gets a new channel;
		 * the leases are in the roster, and lose nothing */
		log_line("restart port=%s reason=broker does not read", k->name);
		_exit(1);
	}
	if (k->outbox_count == 0)
		listen_broker(k, EPOLLIN | EPOLLOUT);
	k->outbox[k->outbox_count++] = *message;
}

static void
flush_outbox(struct keeper *k)
{
	size_t sent = 0;

	while (sent < k->outbox_count && ipc_send(k->broker, &k->outbox[sent], -1) == 0)
		sent++;
	k->outbox_count -= sent;
	memmove(k->outbox, k->outbox + sent, k->outbox_count * sizeof(k->outbox[0]));
	if (k->outbox_count == 0)
		listen_broker(k, EPOLLIN);
}

/* ---- from the broker and the supervisor ---- */

bool
keeper_has_message(const struct keeper *k)
{
	struct pollfd p = { .fd = k->broker, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void
check(struct keeper *k, const struct ipc_message *request)
{
	struct ipc_message m = { .type = IPC_CHECKED, .id = request->id };

	keeper_read_roster(k);
	keeper_send(k, &m);
}

static void
take_broker_message(struct keeper *k)
{
	struct ipc_message m;
	int fd = -1, result = ipc_receive(k->broker, &m, &fd);

	if (result == 1)
		return;
	if (result < 0) {
		log_debug("broker gone port=%s reason=%s", k->name, strerror(-result));
		close_broker(k);
		return;
	}
	if (m.type == IPC_OPEN)
		keeper_open(k, &m);
	else if (m.type == IPC_TURNAROUND)
		turnaround_start(k, &m);
	else if (m.type == IPC_CHECK)
		check(k, &m);
	else if (m.type == IPC_HOLDER && m.token == k->live)
		memory_set_holder(k, &m);
	else if (m.type == IPC_OWN)
		own_want(k, m.flag != 0);
	else if (m.type == IPC_MEMO)
		memory_set_memo(k, &m);
	else if (m.type == IPC_ACCEPT)
		identity_accept(k);
	if (fd >= 0)
		close(fd);
}

static void
take_broker(struct keeper *k, int fd)
{
	int error;

	close_broker(k);
	/* whoever asked for a turnaround is gone; his number may mean something else now */
	k->turnaround.id_count = 0;
	k->broker = fd;
	error = keeper_listen(k, fd, EPOLLIN);
	if (error < 0) {
		log_line("broker error=%s", strerror(-error));
		close_broker(k);
		return;
	}
	keeper_report(k);
}

/* False: it has ended, and so do we. */
static bool
take_supervisor_message(struct keeper *k)
{
	struct ipc_message m;
	int fd = -1, result = ipc_receive(k->supervisor, &m, &fd);

	if (result == -EMFILE || result == -ENOMEM || result == 1)
		return true;
	if (result < 0)
		return false;
	if (fd >= 0 && m.type == IPC_CONFIG) {
		keeper_configure(k, fd, m.id);
		close(fd);
	} else if (fd >= 0 && m.type == IPC_ROSTER) {
		keeper_take_roster(k, fd);
	} else if (fd >= 0 && m.type == IPC_MEMORY) {
		memory_take(k, fd);
	} else if (fd >= 0 && m.type == IPC_MEMO_FILE) {
		memory_take_file(k, fd);
	} else if (fd >= 0 && m.type == IPC_BROKER) {
		take_broker(k, fd);
	} else if (fd >= 0) {
		close(fd);
	}
	return true;
}

/* ---- the loop ---- */

static uint64_t
earliest(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int
timeout_ms(const struct keeper *k)
{
	uint64_t at = earliest(k->reread_ms, k->hungup_ms), now;

	at = earliest(earliest(at, k->retry_ms), earliest(k->stranger.at_ms, k->busy.at_ms));
	at = earliest(at, k->own.at_ms);
	if (k->turnaround.phase != KEEPER_AT_REST)
		at = earliest(at, k->turnaround.at_ms);
	if (at == KEEPER_NEVER)
		return -1;
	now = clock_now_ms();
	return at <= now ? 0 : at - now > 60000 ? 60000 : (int)(at - now);
}

static void
run_timers(struct keeper *k)
{
	uint64_t now = clock_now_ms();

	if (k->reread_ms <= now)
		keeper_reread(k);
	if (k->hungup_ms <= now)
		keeper_hangup_over(k);
	if (k->retry_ms <= now)
		keeper_look_and_tell(k);
	if (k->own.at_ms <= now)
		own_time_out(k);
	if (k->busy.at_ms <= now)
		busy_time_out(k);
	if (k->turnaround.phase != KEEPER_AT_REST && k->turnaround.at_ms <= now)
		turnaround_go_on(k);
}

/* What was collected, perhaps on the way by somebody who had something else to do. */
static void
act_on_watch(struct keeper *k)
{
	int what = k->watched;

	k->watched = 0;
	if ((what & WATCH_CLOSED) != 0)
		keeper_closed(k);
	if ((what & WATCH_PATH) != 0)
		keeper_path_changed(k);
	if ((what & WATCH_FILE) != 0)
		own_files_changed(k);
	if (k->stranger.untold != 0)
		stranger_tell(k);
}

static uint32_t
events_of(const struct epoll_event *events, int n, int fd)
{
	int i;

	for (i = 0; i < n; i++)
		if (events[i].data.fd == fd)
			return fd >= 0 ? events[i].events : 0;
	return 0;
}

static void
run_device_events(struct keeper *k, const struct epoll_event *events, int n)
{
	uint32_t what = events_of(events, n, k->device.fd);

	if ((what & (EPOLLHUP | EPOLLERR)) != 0)
		keeper_own_hangup(k);
	else if (what != 0)
		turnaround_input(k);
	if (events_of(events, n, k->busy.activity.fd) != 0)
		busy_take_activity(k);
	if (events_of(events, n, k->busy.carrier.fd) != 0)
		busy_take_carrier(k);
}

/* False: the end. */
static bool
run_events(struct keeper *k, const struct epoll_event *events, int n)
{
	if (events_of(events, n, k->watch.fd) != 0)
		stranger_collect(k);
	run_device_events(k, events, n);
	if (events_of(events, n, k->roster) != 0) {
		roster_take_events(k->roster);
		keeper_hint(k);
	}
	act_on_watch(k);
	if (events_of(events, n, k->broker) != 0) {
		if (k->outbox_count > 0)
			flush_outbox(k);
		take_broker_message(k);
	}
	return events_of(events, n, k->supervisor) == 0 || take_supervisor_message(k);
}

static int
loop(struct keeper *k)
{
	struct epoll_event events[EVENTS_MAX];
	int n;

	for (;;) {
		n = epoll_wait(k->epoll, events, EVENTS_MAX, timeout_ms(k));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && !run_events(k, events, n))
			return 0;
		run_timers(k);
		act_on_watch(k);
	}
}

static int
start(struct keeper *k)
{
	int error = 0;

	k->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (k->epoll < 0)
		return -errno;
	error = watch_init(&k->watch);
	if (error == 0)
		error = keeper_listen(k, k->watch.fd, EPOLLIN);
	if (error < 0) /* then by time: retry_ms */
		log_line("inotify error=%s", strerror(-error));
	return keeper_listen(k, k->supervisor, EPOLLIN);
}

int
keeper_main(const char *port_name)
{
	static struct keeper k; /* tens of kilobytes */
	static struct keeper_memory memory;
	static char role[CONFIG_NAME_MAX + sizeof("keeper[]")];
	int error;

	snprintf(role, sizeof(role), "keeper[%s]", port_name);
	log_set_role(role);
	prctl(PR_SET_NAME, role);
	/* the end of the supervisor's channel ends us, in its order; a terminal's ^C goes to all */
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	memset(&k, 0, sizeof(k));
	k.name = port_name;
	k.memory = &memory;
	k.memo_file = -1;
	k.supervisor = IPC_SUPERVISOR_FD;
	k.broker = k.roster = k.list = -1;
	k.reread_ms = k.hungup_ms = k.retry_ms = KEEPER_NEVER;
	k.stranger.at_ms = k.busy.at_ms = KEEPER_NEVER;
	device_init(&k.device);
	activity_init(&k.busy.activity);
	carrier_init(&k.busy.carrier);
	own_init(&k);
	error = start(&k);
	if (error == 0)
		error = loop(&k);
	if (error < 0)
		log_line("end error=%s", strerror(-error));
	memory_end(&k);
	busy_stop(&k);
	own_leave(&k);
	return error < 0 ? 1 : 0;
}
