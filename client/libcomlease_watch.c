/*
 * libcomlease_watch.c - what happens to a lease that one has: the events of Watch, and saying that
 * a call is in progress. It knows nothing of waiting for a lease.
 *
 * The tricky idea: the first reply comes at once, so comlease_watch() takes it: whoever may not
 * watch learns it there, and from its return on no event is missed. If that reply is an event
 * already (the holder had been asked before), it is kept for comlease_next_event().
 */
#include "libcomlease.h"

#include <string.h>
#include <time.h>

static const struct {
	const char *name;
	enum comlease_event_type type;
} types[] = {
	{ "yieldWanted", COMLEASE_EVENT_YIELD_WANTED },
	{ "resumed", COMLEASE_EVENT_RESUMED },
	{ "revoked", COMLEASE_EVENT_REVOKED },
	{ "unplugged", COMLEASE_EVENT_UNPLUGGED },
	{ "ended", COMLEASE_EVENT_ENDED },
};

/* 0: none for the caller ("watching", or what only a newer library knows). A last one is always an
 * end, whatever it is called. */
static enum comlease_event_type
type_of(const json_t *event, bool last)
{
	const char *name = json_string_value(json_object_get(event, "event"));

	for (size_t i = 0; name && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0)
			return types[i].type;
	return last ? COMLEASE_EVENT_ENDED : (enum comlease_event_type)0;
}

static int64_t
left_ms(const json_t *deadline)
{
	struct timespec now;
	int64_t left;

	clock_gettime(CLOCK_REALTIME, &now);
	left = json_integer_value(deadline) - ((int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	return left > 0 ? left : 0;
}

static void
fill_event(struct comlease_event *event, const json_t *from, enum comlease_event_type type)
{
	struct comlease_event full = { .size = event->size, .type = type };

	full.reason = json_string_value(json_object_get(from, "reason"));
	if (type == COMLEASE_EVENT_YIELD_WANTED) {
		full.left_ms = left_ms(json_object_get(from, "deadline"));
		full.asker = comlease_process_from(json_object_get(from, "asker"));
	}
	memcpy(event, &full, event->size < sizeof(full) ? event->size : sizeof(full));
}

static void
forget_event(struct comlease *c)
{
	json_decref(c->event);
	c->event = NULL;
	c->event_is_next = false;
}

/* Keeps the next reply as c->event: 0, 1 (the last one), -1. */
static int
take_reply(struct comlease *c, int timeout_ms)
{
	forget_event(c);
	return comlease_next_reply(c, &c->event, timeout_ms);
}

int
comlease_watch(struct comlease *c, uint64_t token)
{
	int r;

	if (comlease_call_more(c, "io.comlease.Watch",
			       json_pack("{s:I}", "token", (json_int_t)token)) < 0)
		return -1;
	r = take_reply(c, -1);
	if (r < 0) {
		int error = errno;

		if (error == EINTR)
			comlease_cancel(c);
		errno = error;
		return -1;
	}
	c->event_is_next = type_of(c->event, r == 1) != 0;
	return 0;
}

int
comlease_next_event(struct comlease *c, struct comlease_event *event, int64_t timeout_ms)
{
	int64_t until_ms = comlease_after_ms(comlease_now_ms(), timeout_ms);
	enum comlease_event_type type;
	int r;

	if (c->event_is_next) {
		c->event_is_next = false;
		fill_event(event, c->event, type_of(c->event, true));
		return 0;
	}
	do {
		r = take_reply(c, comlease_poll_ms(until_ms));
		if (r < 0)
			return -1;
		type = type_of(c->event, r == 1);
	} while (type == 0);
	fill_event(event, c->event, type);
	return 0;
}

int
comlease_busy(struct comlease *c, uint64_t token, int busy)
{
	return comlease_call(c, "io.comlease.SetBusy",
			     json_pack("{s:I,s:b}", "token", (json_int_t)token, "busy", busy != 0),
			     NULL);
}
