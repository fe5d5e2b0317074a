/*
 * inspector_evict.c - a port is taken from its foreign holders: whom to signal, and whose lock
 * files count for nothing from now on, until they exit.
 *
 * The broker is believed as little as possible: only who was found at a configured device is
 * signalled, by the pidfd that was opened then.
 */
#include "inspector_internal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kin.h"
#include "log.h"

bool
evict_has(const struct inspector *i, const struct foreign *who)
{
	size_t n;

	for (n = 0; n < i->evicted_count; n++)
		if (i->evicted[n].pid == who->pid && i->evicted[n].start_ticks == who->start_ticks)
			return true;
	return false;
}

bool
evict_ended(struct inspector *i, int pidfd)
{
	size_t n;

	for (n = 0; n < i->evicted_count; n++) {
		if (i->evicted[n].pidfd != pidfd)
			continue;
		epoll_ctl(i->epoll, EPOLL_CTL_DEL, pidfd, NULL);
		close(pidfd);
		i->evicted[n] = i->evicted[--i->evicted_count];
		return true;
	}
	return false;
}

/* The pidfd is a second one, as the first goes with the answer. */
static void
remember(struct inspector *i, const struct foreign *who)
{
	struct evicted *e;
	struct kin kin;

	if (who->pid == 0 || evict_has(i, who))
		return;
	if (i->evicted_count == INSPECTOR_EVICTED_MAX)
		evict_ended(i, i->evicted[0].pidfd); /* then its lock file counts again */
	e = &i->evicted[i->evicted_count];
	e->pid = who->pid;
	e->start_ticks = who->start_ticks;
	e->pidfd = kin_pidfd(who->pid);
	if (e->pidfd < 0)
		return;
	if (inspector_listen(i, e->pidfd, EPOLLIN) < 0 || kin_look(who->pid, &kin) < 0 ||
	    kin.start_ticks != who->start_ticks) {
		close(e->pidfd);
		return;
	}
	i->evicted_count++;
}

static int
terminate(const struct holder *holder)
{
	if (holder->pidfd < 0)
		return -ESRCH;
	if (!holder->may_signal)
		return -EPERM;
	return syscall(SYS_pidfd_send_signal, holder->pidfd, SIGTERM, NULL, 0) < 0 ? -errno : 0;
}

/* Is the device of the last answer that of the port's path? */
static bool
is_device(const struct inspected *port)
{
	struct stat st;

	return stat(port->device, &st) == 0 && S_ISCHR(st.st_mode) &&
	       st.st_rdev == port->target.rdev;
}

static void
evict(struct inspector *i, struct inspected *port, bool signal, struct ipc_message *reply)
{
	const struct holder *holder;
	int error;
	size_t n;

	for (n = 0; n < port->holder_count; n++) {
		holder = &port->holders[n];
		remember(i, &holder->who);
		error = signal ? terminate(holder) : 0;
		if (error == -ESRCH && holder->pidfd >= 0)
			continue; /* he has gone by himself: the look below tells */
		log_line("evict port=%s pid=%ld command=%s signal=%s", port->name,
			 (long)holder->who.pid, holder->who.command,
			 !signal      ? "none"
			 : error == 0 ? "TERM"
				      : strerror(-error));
		if (error < 0)
			reply->error = -error;
		else
			reply->number += signal;
	}
	inspector_want(i, port);
}

void
evict_take(struct inspector *i, const struct ipc_message *m)
{
	struct ipc_message reply = { .type = IPC_EVICTED, .id = m->id };
	struct inspected *port = inspector_find(i, m->text);

	memcpy(reply.text, m->text, sizeof(reply.text));
	if (port == NULL || !port->asked || !is_device(port))
		reply.error = ENODEV;
	else
		evict(i, port, (m->flag & 1) != 0, &reply);
	inspector_send(i, &reply);
}
