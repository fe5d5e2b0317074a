/*
 * bridge_spy_readers.c - the processes that read along at a bridge.
 *
 * Responsible for: listening, refusing, frames to each reader, what a slow one misses.
 * Refuses to know: the device, the transcript file, what the events say.
 *
 * The tricky idea: "without the right to write" is the kernel's business. Each connection is shut
 * down for receiving as soon as it is accepted: who writes to it gets EPIPE, and poll() tells of
 * nothing but its end. Whatever was sent before that is never read, and may hold descriptors whose
 * close blocks for hours (a lingering TCP socket): bridge_spy_door.c closes such a connection.
 */
#include "bridge_spy_readers.h"

#include "bridge_spy_door.h"
#include "cli.h"
#include "internal.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESUME_BYTES  (BRIDGE_SPY_BUFFER / 2) /* who misses bytes gets some again below that */
#define PAUSE_MS      1000
#define ACCEPTS_A_RUN 4 /* who knocks without end does not hold up the bridge */

/* ---- one reader ---- */

static void
reader_flush(struct bridge_spy_reader *r)
{
	while (!r->dead && r->start < r->end) {
		ssize_t n = send(r->fd, r->buffer + r->start, r->end - r->start,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0)
			r->start += (size_t)n;
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			r->dead = true;
	}
	r->start = r->end = 0;
}

/* false: there is no room. */
static bool
reader_add(struct bridge_spy_reader *r, const struct spy_wire_header *h, const void *payload)
{
	size_t size = sizeof *h + h->length;

	if (BRIDGE_SPY_BUFFER - (r->end - r->start) < size)
		return false;
	if (BRIDGE_SPY_BUFFER - r->end < size) {
		memmove(r->buffer, r->buffer + r->start, r->end - r->start);
		r->end -= r->start;
		r->start = 0;
	}
	memcpy(r->buffer + r->end, h, sizeof *h);
	if (h->length > 0)
		memcpy(r->buffer + r->end + sizeof *h, payload, h->length);
	r->end += size;
	return true;
}

/* There is room again for one who has missed something: he is told, and gets what comes next. */
static void
reader_resume(struct bridge_spy_reader *r)
{
	struct spy_wire_header h = { .length = sizeof r->missed,
				     .kind = SPY_WIRE_MISSED,
				     .time_us = r->missed_us };

	if (r->missed_us == 0 || r->end - r->start > RESUME_BYTES || !reader_add(r, &h, &r->missed))
		return;
	r->missed = (struct transcript_missed){ 0 };
	r->missed_us = 0;
	reader_flush(r);
}

static void
reader_miss(struct bridge_spy_reader *r, const struct spy_wire_header *h)
{
	if (r->missed_us == 0)
		r->missed_us = h->time_us;
	if (h->kind == SPY_WIRE_EVENT)
		r->missed.events++;
	else if (h->detail == BRIDGE_TO_DEVICE)
		r->missed.to_device += h->length;
	else
		r->missed.from_device += h->length;
}

static void
reader_send(struct bridge_spy_reader *r, const struct spy_wire_header *h, const void *payload)
{
	if (r->fd < 0 || r->dead)
		return;
	if (r->missed_us != 0 || !reader_add(r, h, payload))
		reader_miss(r, h);
	else
		reader_flush(r);
}

static void
reader_end(struct bridge_spy_reader *r)
{
	close(r->fd);
	free(r->buffer);
	*r = (struct bridge_spy_reader){ .fd = -1 };
}

/* ---- all of them ---- */

static void
send_all(struct bridge_spy_readers *all, const struct spy_wire_header *h, const void *payload)
{
	for (int i = 0; i < BRIDGE_SPY_READERS; i++)
		reader_send(&all->readers[i], h, payload);
}

void
bridge_spy_readers_data(struct bridge_spy_readers *all, int64_t time_us,
			enum bridge_direction direction, const void *bytes, size_t count)
{
	const unsigned char *at = bytes;

	while (count > 0) {
		size_t n = count < SPY_WIRE_PAYLOAD ? count : SPY_WIRE_PAYLOAD;
		struct spy_wire_header h = { .length = (uint32_t)n,
					     .kind = SPY_WIRE_DATA,
					     .detail = (uint8_t)direction,
					     .time_us = time_us };
		send_all(all, &h, at);
		at += n;
		count -= n;
	}
}

void
bridge_spy_readers_event(struct bridge_spy_readers *all, int64_t time_us, const char *text)
{
	struct bridge_spy_past *past = &all->history[all->next++ % BRIDGE_SPY_HISTORY];
	size_t len = strnlen(text, SPY_WIRE_PAYLOAD);
	struct spy_wire_header h = { .length = (uint32_t)len,
				     .kind = SPY_WIRE_EVENT,
				     .time_us = time_us };

	past->time_us = time_us;
	snprintf(past->text, sizeof past->text, "%s", text);
	send_all(all, &h, text);
}

/* ---- coming ---- */

static void
greet(const struct bridge_spy_readers *all, struct bridge_spy_reader *r)
{
	struct spy_wire_header h = { .length = (uint32_t)all->hello_len,
				     .kind = SPY_WIRE_HELLO,
				     .detail = SPY_WIRE_VERSION,
				     .time_us = spy_wire_now_us() };

	reader_send(r, &h, all->hello);
	for (unsigned i = 0; i < BRIDGE_SPY_HISTORY; i++) {
		const struct bridge_spy_past *past =
		    &all->history[(all->next + i) % BRIDGE_SPY_HISTORY];
		h = (struct spy_wire_header){ .length = (uint32_t)strlen(past->text),
					      .kind = SPY_WIRE_EVENT,
					      .detail = 1,
					      .time_us = past->time_us };
		if (past->time_us)
			reader_send(r, &h, past->text);
	}
}

static void
admit(struct bridge_spy_readers *all, int fd)
{
	for (int i = 0; i < BRIDGE_SPY_READERS; i++) {
		struct bridge_spy_reader *r = &all->readers[i];
		if (r->fd >= 0)
			continue;
		r->buffer = malloc(BRIDGE_SPY_BUFFER);
		if (!r->buffer)
			break;
		r->fd = fd;
		greet(all, r);
		return;
	}
	bridge_spy_door_refuse(fd, SPY_WIRE_TOO_MANY);
}

/* false: nobody waits any more. */
static bool
accept_one(struct bridge_spy_readers *all)
{
	int fd = accept4(all->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			all->paused_until_ms = comlease_now_ms() + PAUSE_MS;
		return false;
	}
	if (bridge_spy_door_check(fd))
		admit(all, fd);
	return true;
}

/* ---- what bridge_spy.c calls ---- */

void
bridge_spy_readers_init(struct bridge_spy_readers *all, const char *port, const char *link,
			const char *broker)
{
	size_t port_size = strlen(port) + 1, link_size = strlen(link) + 1,
	       broker_size = strlen(broker) + 1, size = port_size + link_size + broker_size;

	*all = (struct bridge_spy_readers){ .listener = -1 };
	for (int i = 0; i < BRIDGE_SPY_READERS; i++)
		all->readers[i].fd = -1;
	if (size > SPY_WIRE_PAYLOAD)
		return;
	all->hello = malloc(size);
	if (!all->hello)
		return;
	memcpy(all->hello, port, port_size);
	memcpy(all->hello + port_size, link, link_size);
	memcpy(all->hello + port_size + link_size, broker, broker_size);
	all->hello_len = size;
	all->listener = bridge_spy_door_listen(port);
}

void
bridge_spy_readers_clear(struct bridge_spy_readers *all)
{
	struct spy_wire_header bye = { .kind = SPY_WIRE_BYE, .time_us = spy_wire_now_us() };

	for (int i = 0; i < BRIDGE_SPY_READERS; i++) {
		struct bridge_spy_reader *r = &all->readers[i];
		if (r->fd < 0)
			continue;
		reader_flush(r);
		reader_resume(r);
		reader_send(r, &bye, NULL);
		reader_end(r);
	}
	if (all->listener >= 0)
		close(all->listener);
	free(all->hello);
}

static bool
is_open(const struct bridge_spy_readers *all)
{
	return all->listener >= 0 && bridge_spy_door_is_free() &&
	       comlease_now_ms() >= all->paused_until_ms;
}

int
bridge_spy_readers_poll(const struct bridge_spy_readers *all, struct pollfd *fds)
{
	int n = 0;

	if (is_open(all))
		fds[n++] = (struct pollfd){ .fd = all->listener, .events = POLLIN };
	for (int i = 0; i < BRIDGE_SPY_READERS; i++) {
		const struct bridge_spy_reader *r = &all->readers[i];
		if (r->fd >= 0 && !r->dead)
			fds[n++] = (struct pollfd){ .fd = r->fd,
						    .events = r->end > r->start ? POLLOUT : 0 };
	}
	return n;
}

int
bridge_spy_readers_timeout_ms(const struct bridge_spy_readers *all)
{
	if (all->listener < 0 || is_open(all))
		return -1;
	int64_t left_ms = all->paused_until_ms - comlease_now_ms();
	return left_ms > 0 ? (int)left_ms : PAUSE_MS;
}

static void
take_reader(struct bridge_spy_reader *r, short revents)
{
	if (revents & (POLLHUP | POLLERR | POLLNVAL))
		r->dead = true;
	if (revents & POLLOUT)
		reader_flush(r);
	if (!r->dead)
		reader_resume(r);
}

void
bridge_spy_readers_take(struct bridge_spy_readers *all, const struct pollfd *fds, int count)
{
	bool knocks = false;

	for (int i = 0; i < count; i++) {
		knocks |= fds[i].fd == all->listener && fds[i].revents != 0;
		for (int j = 0; j < BRIDGE_SPY_READERS && fds[i].revents != 0; j++) {
			if (all->readers[j].fd == fds[i].fd)
				take_reader(&all->readers[j], fds[i].revents);
		}
	}
	/* only now: a descriptor that is closed may come back as another one */
	for (int j = 0; j < BRIDGE_SPY_READERS; j++) {
		if (all->readers[j].fd >= 0 && all->readers[j].dead)
			reader_end(&all->readers[j]);
	}
	for (int i = 0; knocks && i < ACCEPTS_A_RUN && accept_one(all); i++)
		;
}
