/*
 * bridge_lease.c - the lease of a bridge.
 *
 * Responsible for: asking, yielding, releasing, and hearing what the broker wants, through its
 * restarts. Refuses to know: what for (bridge_loop.c).
 *
 * The tricky idea: whoever asks again in the moment after his close would join the lease that he
 * has just given back, and its line would not be cleaned. So a release is over only when the broker
 * has said that the lease has ended. If it does not say so soon, the lease lingers, for programs
 * that close and open again: then joining it is right.
 */
#include "bridge_lease.h"
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* So long after its last close a lease that doesn't linger has ended. */
#define END_MS 250

void
bridge_lease_init(struct bridge_lease *l, struct comlease *c, const struct bridge_options *o)
{
	const struct comlease_request init = COMLEASE_REQUEST_INIT;

	*l = (struct bridge_lease){ .c = c, .request = init, .fd = -1 };
	l->request.port = o->port;
	l->request.wait_ms = o->wait_ms;
	l->request.priority = o->priority;
	l->request.label = o->label;
	l->request.class_name = o->class_name;
	l->request.standby = o->standby;
	l->request.max_hold_ms = o->max_hold_ms;
	l->request.yield_grace_ms = o->yield_grace_ms;
	l->request.reconnect_ms = INT64_MAX; /* its program need not know of brokers */
	l->tell.port = o->port;
	l->tell.wait_ms = o->wait_ms;
}

static void
close_fd(struct bridge_lease *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

/* ---- asking ---- */

/* A failure to ask shows at the next bridge_lease_next(), like any other. */
static void
ask(struct bridge_lease *l, uint64_t yields)
{
	l->lease = (struct comlease_lease){ .size = sizeof l->lease };
	l->since_ms = comlease_now_ms();
	l->state = BRIDGE_LEASE_ASKING;
	l->yields = yields;
	l->ends_first = l->tell.said = false;
	l->failed = (yields ? comlease_yield_request(l->c, yields, &l->request)
			    : comlease_request(l->c, &l->request)) < 0
			? errno
			: 0;
}

void
bridge_lease_ask(struct bridge_lease *l)
{
	l->request.port = l->tell.port;
	ask(l, 0);
}

void
bridge_lease_ask_again(struct bridge_lease *l)
{
	close_fd(l);
	watch_end(&l->watch);
	snprintf(l->same_port, sizeof l->same_port, "%s", l->lease.port);
	l->request.port = l->same_port;
	ask(l, 0);
}

void
bridge_lease_yield(struct bridge_lease *l)
{
	close_fd(l);
	ask(l, l->lease.token);
}

void
bridge_lease_release(struct bridge_lease *l)
{
	close_fd(l);
	l->since_ms = comlease_now_ms();
	l->state = BRIDGE_LEASE_RELEASING;
}

static void
stop(struct bridge_lease *l)
{
	comlease_cancel(l->c);
	watch_end(&l->watch);
	l->state = BRIDGE_LEASE_NONE;
}

void
bridge_lease_cancel(struct bridge_lease *l)
{
	stop(l);
}

void
bridge_lease_end(struct bridge_lease *l)
{
	close_fd(l);
	stop(l);
}

/* ---- events ---- */

/* Is the lease that is watched over? */
static bool
has_ended(struct bridge_lease *l)
{
	struct comlease_event event;
	bool is_over = !l->watch.c;

	while (watch_next(&l->watch, &event))
		is_over |= event.type != COMLEASE_EVENT_YIELD_WANTED &&
			   event.type != COMLEASE_EVENT_RESUMED;
	return is_over || comlease_now_ms() - l->since_ms >= END_MS;
}

static enum bridge_lease_event
granted(struct bridge_lease *l, int fd)
{
	watch_end(&l->watch);
	watch_begin(&l->watch, comlease_socket_path(l->c), l->lease.token);
	l->fd = fd;
	l->state = BRIDGE_LEASE_HELD;
	return BRIDGE_LEASE_GRANTED;
}

/* errno says why. Where a lease can't be taken back (revocation = none) it can't be yielded before
 * the broker has heard of our close; then it ends by itself. */
static enum bridge_lease_event
refused(struct bridge_lease *l)
{
	if (errno == ENOTSUP && l->yields) {
		l->ends_first = true;
		return BRIDGE_LEASE_NOTHING;
	}
	l->status = tell_failed(&l->tell, l->c);
	stop(l);
	return BRIDGE_LEASE_REFUSED;
}

static enum bridge_lease_event
next_asking(struct bridge_lease *l)
{
	if (l->ends_first) {
		if (!has_ended(l))
			return BRIDGE_LEASE_NOTHING;
		ask(l, 0);
	}
	int fd = l->failed ? -1 : comlease_dispatch(l->c, &l->lease);
	if (fd >= 0)
		return granted(l, fd);
	if (l->failed)
		errno = l->failed;
	if (errno != EAGAIN)
		return refused(l);
	tell_waiting(&l->tell, l->c, comlease_now_ms() - l->since_ms >= TELL_QUIET_MS);
	return BRIDGE_LEASE_NOTHING;
}

static void
keep_asker(struct bridge_lease *l, const struct comlease_event *event)
{
	l->left_ms = event->left_ms;
	l->asker = event->asker;
	snprintf(l->asker_name, sizeof l->asker_name, "%s",
		 event->asker.command ? event->asker.command : "");
	l->asker.command = l->asker_name;
}

static enum bridge_lease_event
next_held(struct bridge_lease *l)
{
	struct comlease_event event;

	if (!watch_next(&l->watch, &event))
		return BRIDGE_LEASE_NOTHING;
	snprintf(l->reason, sizeof l->reason, "%s",
		 event.reason                             ? event.reason
		 : event.type == COMLEASE_EVENT_REVOKED   ? "revoked"
		 : event.type == COMLEASE_EVENT_UNPLUGGED ? "unplugged"
							  : "");
	switch (event.type) {
	case COMLEASE_EVENT_YIELD_WANTED:
		keep_asker(l, &event);
		return BRIDGE_LEASE_WANTED;
	case COMLEASE_EVENT_RESUMED:
		return BRIDGE_LEASE_KEPT;
	default: /* without a reason: a broker that was started anew doesn't know this lease */
		if (!*l->reason)
			return BRIDGE_LEASE_FORGOTTEN;
		return strcmp(l->reason, "unplugged") == 0 ? BRIDGE_LEASE_UNPLUGGED
							   : BRIDGE_LEASE_LOST;
	}
}

static enum bridge_lease_event
next_releasing(struct bridge_lease *l)
{
	if (!has_ended(l))
		return BRIDGE_LEASE_NOTHING;
	stop(l);
	return BRIDGE_LEASE_RELEASED;
}

enum bridge_lease_event
bridge_lease_next(struct bridge_lease *l)
{
	switch (l->state) {
	case BRIDGE_LEASE_ASKING:
		return next_asking(l);
	case BRIDGE_LEASE_HELD:
		return next_held(l);
	case BRIDGE_LEASE_RELEASING:
		return next_releasing(l);
	default:
		return BRIDGE_LEASE_NOTHING;
	}
}

/* ---- waiting for them ---- */

static int
earlier(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int
left_ms(const struct bridge_lease *l, int64_t for_ms)
{
	int64_t left = l->since_ms + for_ms - comlease_now_ms();

	return left > 0 ? (int)left : 0;
}

int
bridge_lease_poll(const struct bridge_lease *l, struct pollfd fds[BRIDGE_LEASE_FDS])
{
	bool is_asking = l->state == BRIDGE_LEASE_ASKING && !l->ends_first && !l->failed;
	bool is_releasing = l->state == BRIDGE_LEASE_RELEASING;
	bool is_watching = l->state == BRIDGE_LEASE_HELD || is_releasing || l->ends_first;
	int ms = is_watching ? watch_timeout_ms(&l->watch) : -1;

	fds[0] = fds[1] = (struct pollfd){ -1, POLLIN, 0 };
	if (is_watching)
		fds[1] = watch_pollfd(&l->watch);
	if (is_asking) {
		fds[0] = (struct pollfd){ comlease_fd(l->c), comlease_events(l->c), 0 };
		ms = earlier(ms, comlease_timeout_ms(l->c));
	}
	if (is_asking && !l->tell.said && left_ms(l, TELL_QUIET_MS) > 0)
		ms = earlier(ms, left_ms(l, TELL_QUIET_MS));
	if (is_releasing || l->ends_first)
		ms = earlier(ms, left_ms(l, END_MS));
	return l->state == BRIDGE_LEASE_ASKING && l->failed ? 0 : ms;
}
