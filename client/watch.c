/*
 * watch.c - what the broker says of a lease while a command has it.
 *
 * Responsible for: the stream of Watch, and another one when the broker has been restarted: leases
 * outlive it. Refuses to know: what the events mean for the command (attend.c).
 *
 * The tricky idea: nothing here waits. The caller's poll() has the socket, or, while there is no
 * broker, the inotify descriptor that tells of the next one.
 */
#include "watch.h"
#include "internal.h"

#include <errno.h>
#include <time.h>

/* A stream that lasted so long was a working broker's. */
#define LASTING_MS    2000
#define LOSS_DELAY_MS 50 /* doubled with each stream that did not last */
#define LOSSES_MAX    7

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
watch_end(struct watch *w)
{
	comlease_disconnect(w->c);
	w->c = NULL;
}

static void
look(struct watch *w)
{
	bool lasted = now_ms() - w->asked_ms >= LASTING_MS;
	int64_t delay_ms = 0;

	if (lasted)
		w->losses = 0;
	else if (w->losses > 0)
		delay_ms = LOSS_DELAY_MS << (w->losses < LOSSES_MAX ? w->losses : LOSSES_MAX);
	w->losses++;
	w->looking = comlease_look_request(w->c, delay_ms, COMLEASE_FOREVER) == 0;
	if (!w->looking)
		watch_end(w);
}

/* Nobody there: it is looked for. All else ends it: an older broker, a lease of somebody else. */
static void
ask(struct watch *w)
{
	w->looking = false;
	w->asked_ms = now_ms();
	if (comlease_call_more(w->c, "io.comlease.Watch",
			       json_pack("{s:I}", "token", (json_int_t)w->token)) == 0)
		return;
	if (errno == ECONNREFUSED)
		look(w);
	else
		watch_end(w);
}

void
watch_begin(struct watch *w, const char *socket_path, uint64_t token)
{
	*w = (struct watch){ .c = comlease_connect(socket_path), .token = token };
	if (w->c)
		ask(w);
}

struct pollfd
watch_pollfd(const struct watch *w)
{
	return (struct pollfd){ .fd = w->c ? comlease_fd(w->c) : -1, .events = POLLIN };
}

int
watch_timeout_ms(const struct watch *w)
{
	return w->c ? comlease_timeout_ms(w->c) : -1;
}

/* 1: an event; 0: none at the moment; -1: the stream is over, errno says how. */
static int
receive(struct watch *w, struct comlease_event *event)
{
	event->size = sizeof *event;
	if (comlease_next_event(w->c, event, 0) == 0)
		return 1;
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

bool
watch_next(struct watch *w, struct comlease_event *event)
{
	while (w->c) {
		if (w->looking) {
			if (comlease_look_dispatch(w->c) == 0) {
				ask(w);
				continue;
			}
			if (errno != EAGAIN)
				watch_end(w);
			return false;
		}
		int r = receive(w, event);
		if (r >= 0)
			return r == 1;
		if (errno == ECONNRESET) {
			look(w);
			continue;
		}
		bool ended = errno == ESTALE;
		watch_end(w);
		*event =
		    (struct comlease_event){ .size = sizeof *event, .type = COMLEASE_EVENT_ENDED };
		return ended;
	}
	return false;
}
