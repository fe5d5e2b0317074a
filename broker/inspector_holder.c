/*
 * inspector_holder.c - the foreign holders of the last answer: since when, and a pidfd of each, by
 * which its end is noticed. Knows nothing of how they were found.
 *
 * Since when a process has a device open the kernel does not tell: the times of /proc/PID/fd/N are
 * of the moment when somebody first looked there, and outlive the descriptor. So: who was not there
 * at the last look has it since now; who is found by the first look, since his lock file was
 * written, or else, at the earliest, since he started.
 */
#include "inspector_internal.h"
#include "clock.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kin.h"

static const struct holder *
find(const struct inspected *port, const struct foreign *who)
{
	size_t n;

	for (n = 0; n < port->holder_count; n++)
		if (port->holders[n].who.pid == who->pid &&
		    port->holders[n].who.start_ticks == who->start_ticks)
			return &port->holders[n];
	return NULL;
}

static int64_t
since(const struct inspected *port, const struct foreign *who)
{
	const struct holder *before = find(port, who);
	int64_t locked = who->since_real_ms, now = clock_real_ms();

	if (before != NULL)
		return before->who.since_real_ms;
	if (port->looked || who->pid == 0)
		return locked > 0 && locked < now ? locked : now;
	return locked > 0 ? locked : kin_start_ms(who->start_ticks);
}

static bool
is_earlier(const struct foreign *a, const struct foreign *b)
{
	if (a->since_real_ms != b->since_real_ms)
		return a->since_real_ms < b->since_real_ms;
	return a->start_ticks < b->start_ticks;
}

void
holder_date(const struct inspected *port, struct holder *found, size_t count)
{
	struct holder each;
	size_t n, at;

	for (n = 0; n < count; n++)
		found[n].who.since_real_ms = since(port, &found[n].who);
	for (n = 1; n < count; n++) {
		each = found[n];
		for (at = n; at > 0 && is_earlier(&each.who, &found[at - 1].who); at--)
			found[at] = found[at - 1];
		found[at] = each;
	}
}

static void
unwatch(const struct inspector *i, struct holder *holder)
{
	if (holder->pidfd < 0)
		return;
	epoll_ctl(i->epoll, EPOLL_CTL_DEL, holder->pidfd, NULL);
	close(holder->pidfd);
	holder->pidfd = -1;
}

/* 0; 1: it has gone, or is another one by now; -errno. */
static int
watch(struct inspector *i, struct holder *holder)
{
	struct kin kin;
	int error, pidfd = kin_pidfd(holder->who.pid);

	if (pidfd == -ESRCH || pidfd == -EINVAL || pidfd == -ENOENT)
		return 1;
	if (pidfd < 0)
		return pidfd;
	holder->pidfd = pidfd;
	error = inspector_listen(i, pidfd, EPOLLIN | EPOLLONESHOT);
	if (error == 0 && holder->who.start_ticks != 0 &&
	    (kin_look(holder->who.pid, &kin) < 0 || kin.start_ticks != holder->who.start_ticks))
		error = 1;
	if (error != 0)
		unwatch(i, holder);
	return error;
}

bool
holder_set(struct inspector *i, struct inspected *port, struct holder *holders, size_t count)
{
	const struct holder *before;
	bool complete = true;
	size_t n;
	int result;

	for (n = 0; n < count; n++) {
		before = find(port, &holders[n].who);
		if (before != NULL && before->pidfd >= 0) {
			holders[n].pidfd = before->pidfd;
			port->holders[before - port->holders].pidfd = -1;
		}
	}
	holder_drop(i, port);
	for (n = 0; n < count; n++) {
		result =
		    holders[n].pidfd >= 0 || holders[n].who.pid == 0 ? 0 : watch(i, &holders[n]);
		if (result == 1)
			inspector_want(i, port);
		complete = complete && result >= 0;
		port->holders[n] = holders[n];
	}
	port->holder_count = count;
	return complete;
}

void
holder_drop(struct inspector *i, struct inspected *port)
{
	size_t n;

	for (n = 0; n < port->holder_count; n++)
		unwatch(i, &port->holders[n]);
	port->holder_count = 0;
}

void
holder_ended(struct inspector *i, int pidfd)
{
	struct inspected *port;
	size_t n;

	for (port = i->ports; port != NULL; port = port->next)
		for (n = 0; n < port->holder_count; n++)
			if (port->holders[n].pidfd == pidfd)
				inspector_want(i, port);
}
