/*
 * inspector.c - the process that looks who has a device open without us: its loop, its channels,
 * its privileges. It opens no device, decides nothing about ports, and has no word with clients.
 *
 * The tricky idea: a look is made in steps of about one process, and the loop listens in between,
 * so that a process with a hundred thousand descriptors does not make it deaf. What the supervisor
 * says comes before what the broker asks: the broker learns of a port later than we are told of it.
 */
#include "inspector.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "inspector_internal.h"
#include "log.h"

#define EVENTS_MAX 16

int
inspector_listen(struct inspector *i, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(i->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* ---- to the broker ---- */

static void
listen_broker(struct inspector *i, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = i->broker };

	epoll_ctl(i->epoll, EPOLL_CTL_MOD, i->broker, &event);
}

static void
close_broker(struct inspector *i)
{
	if (i->broker >= 0)
		close(i->broker);
	i->broker = -1;
	i->outbox_count = 0;
	inspector_forget_questions(i);
}

void
inspector_send(struct inspector *i, const struct ipc_message *message)
{
	int error = i->outbox_count > 0 ? -EAGAIN : 0;

	if (i->broker < 0)
		return;
	if (error == 0)
		error = ipc_send(i->broker, message, -1);
	if (error == 0 || error == -EPIPE) /* its end is noticed by the loop */
		return;
	if (i->outbox_count == INSPECTOR_OUTBOX_MAX) {
		/* only a new inspector gets a new channel, and is asked everything again */
		log_line("restart reason=broker does not read");
		_exit(1);
	}
	if (i->outbox_count == 0)
		listen_broker(i, EPOLLIN | EPOLLOUT);
	i->outbox[i->outbox_count++] = *message;
}

static void
flush_outbox(struct inspector *i)
{
	size_t sent = 0;

	while (sent < i->outbox_count && ipc_send(i->broker, &i->outbox[sent], -1) == 0)
		sent++;
	i->outbox_count -= sent;
	memmove(i->outbox, i->outbox + sent, i->outbox_count * sizeof(i->outbox[0]));
	if (i->outbox_count == 0)
		listen_broker(i, EPOLLIN);
}

/* ---- from the broker and the supervisor ---- */

/* False: nothing more there. */
static bool
take_broker_message(struct inspector *i)
{
	struct ipc_message m;
	int fd = -1, result;

	if (i->broker < 0)
		return false;
	result = ipc_receive(i->broker, &m, &fd);
	if (result == 1)
		return false;
	if (result < 0) {
		log_debug("broker gone reason=%s", strerror(-result));
		close_broker(i);
		return false;
	}
	if (m.type == IPC_INSPECT)
		inspector_ask(i, &m);
	else if (m.type == IPC_EVICT)
		evict_take(i, &m);
	else
		log_line("unknown message type=%u from the broker", m.type);
	if (fd >= 0)
		close(fd);
	return true;
}

static void
take_broker(struct inspector *i, int fd)
{
	int error, copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	close_broker(i);
	error = copy < 0 ? -errno : 0;
	i->broker = copy;
	if (error == 0)
		error = inspector_listen(i, copy, EPOLLIN);
	if (error < 0) {
		log_line("broker error=%s", strerror(-error));
		_exit(1); /* nobody would ever ask us anything; a new one gets a new channel */
	}
}

/* 1: there may be more; 0: no more now; -1: it has ended, and so do we. */
static int
take_supervisor_message(struct inspector *i)
{
	struct ipc_message m;
	int fd = -1, result = ipc_receive(i->supervisor, &m, &fd);

	if (result == 1 || result == -EMFILE || result == -ENOMEM)
		return 0;
	if (result < 0)
		return -1;
	if (fd < 0) {
		log_line("message type=%u without its descriptor", m.type);
		return 1;
	}
	if (m.type == IPC_CONFIG)
		inspector_take_config(i, fd);
	else if (m.type == IPC_INSPECT_ROSTER)
		inspector_take_roster(i, m.text, fd);
	else if (m.type == IPC_BROKER)
		take_broker(i, fd);
	close(fd);
	return 1;
}

/* False: the end. */
static bool
take_all(struct inspector *i)
{
	int result;

	do
		result = take_supervisor_message(i);
	while (result > 0);
	while (result == 0 && take_broker_message(i))
		;
	return result == 0;
}

/* ---- privileges ---- */

/* To look into other users' processes, and to signal them. What is not there is not needed to work
 * with what can be seen. */
static int
drop_privileges(void)
{
	static const cap_value_t values[] = { CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_KILL };
	cap_t now = cap_get_proc(), wanted = cap_init();
	cap_flag_value_t has;
	size_t n;
	int error = now == NULL || wanted == NULL ? -ENOMEM : 0;

	for (n = 0; error == 0 && n < sizeof(values) / sizeof(values[0]); n++) {
		if (cap_get_flag(now, values[n], CAP_PERMITTED, &has) < 0)
			error = -errno;
		else if (has == CAP_SET &&
			 (cap_set_flag(wanted, CAP_PERMITTED, 1, &values[n], CAP_SET) < 0 ||
			  cap_set_flag(wanted, CAP_EFFECTIVE, 1, &values[n], CAP_SET) < 0))
			error = -errno;
	}
	if (error == 0 && cap_set_proc(wanted) < 0)
		error = -errno;
	cap_free(now);
	cap_free(wanted);
	if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		error = -errno;
	return error;
}

/* ---- the loop ---- */

static int
timeout_ms(const struct inspector *i)
{
	uint64_t at = inspector_next_look_ms(i), now;

	if (at == INSPECTOR_NEVER)
		return -1;
	now = clock_now_ms();
	return at <= now ? 0 : at - now > 60000 ? 60000 : (int)(at - now);
}

static bool
run_event(struct inspector *i, const struct epoll_event *event)
{
	int fd = event->data.fd;

	if (fd == i->supervisor)
		return take_all(i);
	if (fd == i->broker) {
		if ((event->events & EPOLLOUT) != 0)
			flush_outbox(i);
		return take_all(i);
	}
	if (fd == i->inotify)
		lock_take_events(i);
	else if (!evict_ended(i, fd))
		holder_ended(i, fd);
	return true;
}

static int
loop(struct inspector *i)
{
	struct epoll_event events[EVENTS_MAX];
	int n, at;
	bool more;

	for (;;) {
		more = inspector_look(i);
		n = epoll_wait(i->epoll, events, EVENTS_MAX, more ? 0 : timeout_ms(i));
		if (n < 0 && errno != EINTR)
			return -errno;
		for (at = 0; at < n; at++)
			if (!run_event(i, &events[at]))
				return 0;
	}
}

static int
start(struct inspector *i)
{
	int error = drop_privileges();

	if (error < 0)
		return error;
	i->parent = getppid();
	i->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (i->epoll < 0)
		return -errno;
	i->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	error = i->inotify < 0 ? -errno : inspector_listen(i, i->inotify, EPOLLIN);
	if (error < 0)
		return error;
	return inspector_listen(i, i->supervisor, EPOLLIN);
}

int
inspector_main(void)
{
	static struct inspector i; /* tens of kilobytes */
	int error;

	log_set_role("inspector");
	prctl(PR_SET_NAME, "inspector");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	memset(&i, 0, sizeof(i));
	i.supervisor = IPC_SUPERVISOR_FD;
	i.broker = i.epoll = i.inotify = i.lock_fd = i.lock_watch = -1;
	error = start(&i);
	if (error == 0)
		error = loop(&i);
	if (error < 0)
		log_line("end error=%s", strerror(-error));
	return error < 0 ? 1 : 0;
}
