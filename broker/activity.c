/*
 * activity.c - see activity.h. Knows nothing of leases, and never opens the device.
 *
 * The tricky idea: a stream of bytes raises an event a call, so the watch is a one-shot, and is set
 * again only after a gap: data costs two wake-ups a gap, however much there is. What passes within
 * the gap is not seen; so silence is counted from the moment of arming, which is late by a gap at
 * the most, and never early.
 */
#include "activity.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

void
activity_init(struct activity *activity)
{
	memset(activity, 0, sizeof(*activity));
	activity->fd = -1;
}

int
activity_start(struct activity *activity, const char *node, uint64_t now_ms)
{
	int error;

	activity_stop(activity);
	activity->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (activity->fd < 0)
		return -errno;
	error = activity_rearm(activity, node, now_ms);
	if (error < 0)
		activity_stop(activity);
	return error;
}

void
activity_stop(struct activity *activity)
{
	if (activity->fd >= 0)
		close(activity->fd);
	activity_init(activity);
}

int
activity_rearm(struct activity *activity, const char *node, uint64_t now_ms)
{
	if (inotify_add_watch(activity->fd, node, IN_ACCESS | IN_MODIFY | IN_ONESHOT) < 0)
		return -errno;
	activity->is_armed = true;
	activity->since_ms = now_ms;
	return 0;
}

void
activity_take(struct activity *activity, uint64_t now_ms, uint64_t gap_ms)
{
	char buffer[1024] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n, at;

	n = read(activity->fd, buffer, sizeof(buffer));
	for (at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(const void *)(buffer + at);
		/* the end of the one-shot (IN_IGNORED) may come by itself */
		if ((event->mask & (IN_ACCESS | IN_MODIFY | IN_Q_OVERFLOW)) == 0)
			continue;
		activity->is_armed = false;
		activity->has_passed = true;
		activity->since_ms = now_ms;
		activity->rearm_ms = now_ms + gap_ms;
	}
}
