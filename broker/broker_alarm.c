/*
 * broker_alarm.c - the broker's one timer: for the core's deadlines and for what is published a
 * little later. It knows when to wake up, not what for.
 *
 * The tricky idea: it is only ever set to an earlier time. Deadlines move on with every message,
 * and setting a timer, or having epoll_wait() do so each time, costs more than a whole message, in
 * a virtual machine most. So a time that has moved on is found out when the old one comes: at most
 * one waking for nothing, and none while nothing is due.
 */
#include "broker.h"
#include "clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

static void
on_alarm(evutil_socket_t socket, short what, void *arg)
{
	struct broker *b = arg;
	uint64_t count;

	(void)what;
	if (read(socket, &count, sizeof(count)) < 0)
		return;
	b->alarm_ms = LEASE_NEVER;
	publish_due(b, clock_now_ms());
	broker_settle(b);
}

int
broker_alarm_init(struct broker *b)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	b->alarm_ms = LEASE_NEVER;
	event_assign(&b->alarm, b->base, fd, EV_READ | EV_PERSIST, on_alarm, b);
	return event_add(&b->alarm, NULL) < 0 ? -ENOMEM : 0;
}

void
broker_alarm_free(struct broker *b)
{
	event_del(&b->alarm);
	close(event_get_fd(&b->alarm));
}

void
broker_alarm(struct broker *b, uint64_t at_ms)
{
	struct itimerspec at = { .it_value = { .tv_sec = (time_t)(at_ms / 1000),
					       .tv_nsec = (long)(at_ms % 1000 * 1000000) } };

	if (at_ms >= b->alarm_ms)
		return;
	if (at_ms == 0)
		at.it_value.tv_nsec = 1; /* 0 would be never */
	timerfd_settime(event_get_fd(&b->alarm), TFD_TIMER_ABSTIME, &at, NULL);
	b->alarm_ms = at_ms;
}
