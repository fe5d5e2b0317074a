/*
 * broker_alarm.c - the broker's timers: one for the core's deadlines and for what is published a
 * little later, and one, that counts suspend, for those few that say so. It knows when to wake up,
 * not what for.
 *
 * The tricky idea: they are only ever set to an earlier time. Deadlines move on with every message,
 * and setting a timer, or having epoll_wait() do so each time, costs more than a whole message, in
 * a virtual machine most. So a time that has moved on is found out when the old one comes: at most
 * one waking for nothing, and none while nothing is due.
 */
#include "broker.h"
#include "clock.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

uint64_t
broker_now_ms(struct broker *b)
{
	uint64_t now_ms = clock_now_ms(), awake_ms;
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	awake_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
	b->host.slept_ms = awake_ms > now_ms ? awake_ms - now_ms : 0;
	return now_ms;
}

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

static void
on_awake(evutil_socket_t socket, short what, void *arg)
{
	struct broker *b = arg;
	uint64_t count;

	(void)what;
	if (read(socket, &count, sizeof(count)) < 0)
		return;
	b->awake_ms = LEASE_NEVER;
	broker_settle(b);
}

static int
new_alarm(struct broker *b, struct event *event, clockid_t clock, event_callback_fn call)
{
	int fd = timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	event_assign(event, b->base, fd, EV_READ | EV_PERSIST, call, b);
	return event_add(event, NULL) < 0 ? -ENOMEM : 0;
}

int
broker_alarm_init(struct broker *b)
{
	int error = new_alarm(b, &b->alarm, CLOCK_MONOTONIC, on_alarm);

	b->alarm_ms = b->awake_ms = LEASE_NEVER;
	return error < 0 ? error : new_alarm(b, &b->awake_alarm, CLOCK_BOOTTIME, on_awake);
}

void
broker_alarm_free(struct broker *b)
{
	event_del(&b->alarm);
	event_del(&b->awake_alarm);
	close(event_get_fd(&b->alarm));
	close(event_get_fd(&b->awake_alarm));
}

static void
set(struct event *event, uint64_t *set_ms, uint64_t at_ms)
{
	struct itimerspec at = { .it_value = { .tv_sec = (time_t)(at_ms / 1000),
					       .tv_nsec = (long)(at_ms % 1000 * 1000000) } };

	if (at_ms >= *set_ms)
		return;
	if (at_ms == 0)
		at.it_value.tv_nsec = 1; /* 0 would be never */
	timerfd_settime(event_get_fd(event), TFD_TIMER_ABSTIME, &at, NULL);
	*set_ms = at_ms;
}

void
broker_alarm(struct broker *b, uint64_t at_ms)
{
	set(&b->alarm, &b->alarm_ms, at_ms);
}

void
broker_alarm_awake(struct broker *b, uint64_t at_ms)
{
	set(&b->awake_alarm, &b->awake_ms, at_ms);
}
