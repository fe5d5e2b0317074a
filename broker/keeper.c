/*
 * keeper.c - the process of one port: its loop, its messages, its privileges. What is done about a
 * message is in keeper_port.c and keeper_turnaround.c. It refuses to know who waits for the port,
 * and decides nothing about leases.
 *
 * The tricky idea: the order within a round. What the kernel says of the device and the roster
 * comes before what the broker asks, so that no lease is opened on a device that has just gone; and
 * one message a round, so that a revocation behind a slow step is seen by the step.
 */
#include "keeper.h"
#include "clock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
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
	else if (m.type == IPC_HOLDER && m.token == k->live)
		memcpy(k->holder, m.text, sizeof(k->holder));
	if (fd >= 0)
		close(fd);
}

/* TIOCVHANGUP needs CAP_SYS_ADMIN; nothing else needs anything. Not even that, where it is not used
 * or not there. */
static int
drop_privileges(bool may_revoke)
{
	cap_value_t value = CAP_SYS_ADMIN;
	cap_flag_value_t has = CAP_CLEAR;
	cap_t now = cap_get_proc(), wanted = cap_init();
	int error = 0;

	if (now == NULL || wanted == NULL || cap_get_flag(now, value, CAP_PERMITTED, &has) < 0)
		error = -errno;
	if (error == 0 && may_revoke && has == CAP_SET &&
	    (cap_set_flag(wanted, CAP_PERMITTED, 1, &value, CAP_SET) < 0 ||
	     cap_set_flag(wanted, CAP_EFFECTIVE, 1, &value, CAP_SET) < 0))
		error = -errno;
	if (error == 0 && cap_set_proc(wanted) < 0)
		error = -errno;
	cap_free(now);
	cap_free(wanted);
	if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		error = -errno;
	return error;
}

/* The first configuration decides about privileges. A later one that wants them back gets a new
 * keeper: the leases are in the roster, and lose nothing. */
static void
use_privileges(const struct config_port *old, const struct config_port *port)
{
	int error;

	if (old != NULL && !old->revocable && port->revocable) {
		log_line("restart reason=revocation is configured now");
		_exit(0);
	}
	error = drop_privileges(port->revocable);
	if (error < 0) {
		log_line("privileges error=%s", strerror(-error));
		_exit(1);
	}
}

static void
take_config(struct keeper *k, int fd)
{
	/* it was checked by the supervisor, who knows more of the rules than we do now */
	const struct config_rules rules = { .privileged = true, .can_revoke = true };
	const struct config_port *old = k->port, *port;
	char error[CONFIG_ERROR_MAX];
	struct config config;
	bool moved;
	int result = config_read(fd, "configuration", &rules, &config, error);

	if (result < 0) {
		log_line("config error=%s", strerror(-result));
		return;
	}
	port = config_find(&config, k->name);
	if (port == NULL) { /* the supervisor is about to end us */
		config_free(&config);
		return;
	}
	use_privileges(old, port);
	moved = old != NULL && strcmp(old->device, port->device) != 0;
	if (old != NULL)
		config_free(&k->config);
	k->config = config;
	k->port = config_find(&k->config, k->name);
	if (moved)
		keeper_path_changed(k);
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
		take_config(k, fd);
		close(fd);
	} else if (fd >= 0 && m.type == IPC_ROSTER) {
		keeper_take_roster(k, fd);
	} else if (fd >= 0 && m.type == IPC_BROKER) {
		take_broker(k, fd);
	} else if (fd >= 0) {
		close(fd);
	}
	return true;
}

/* ---- the loop ---- */

static int
timeout_ms(const struct keeper *k)
{
	uint64_t at = k->reread_ms, now;

	if (k->hungup_ms < at)
		at = k->hungup_ms;
	if (k->retry_ms < at)
		at = k->retry_ms;
	if (k->turnaround.phase != KEEPER_AT_REST && k->turnaround.at_ms < at)
		at = k->turnaround.at_ms;
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
	if (k->turnaround.phase != KEEPER_AT_REST && k->turnaround.at_ms <= now)
		turnaround_go_on(k);
}

static void
take_watch(struct keeper *k)
{
	int what = watch_take(&k->watch);

	if ((what & WATCH_CLOSED) != 0)
		keeper_hint(k);
	if ((what & WATCH_PATH) != 0)
		keeper_path_changed(k);
}

static bool
has(const struct epoll_event *events, int n, int fd)
{
	int i;

	for (i = 0; i < n; i++)
		if (events[i].data.fd == fd)
			return fd >= 0;
	return false;
}

/* False: the end. */
static bool
run_events(struct keeper *k, const struct epoll_event *events, int n)
{
	if (has(events, n, k->device.fd))
		keeper_own_hangup(k);
	if (has(events, n, k->roster)) {
		roster_take_events(k->roster);
		keeper_hint(k);
	}
	if (has(events, n, k->watch.fd))
		take_watch(k);
	if (has(events, n, k->broker)) {
		if (k->outbox_count > 0)
			flush_outbox(k);
		take_broker_message(k);
	}
	return !has(events, n, k->supervisor) || take_supervisor_message(k);
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
	k.supervisor = IPC_SUPERVISOR_FD;
	k.broker = k.roster = k.list = -1;
	k.reread_ms = k.hungup_ms = k.retry_ms = KEEPER_NEVER;
	device_init(&k.device);
	error = start(&k);
	if (error == 0)
		error = loop(&k);
	if (error < 0)
		log_line("end error=%s", strerror(-error));
	return error < 0 ? 1 : 0;
}
