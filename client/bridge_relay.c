/*
 * bridge_relay.c - the bytes between a program's pty and a port.
 *
 * Responsible for: each byte once and in order; nothing is taken before there is room for it.
 * Refuses to know: who may write when (bridge_loop.c).
 *
 * The tricky idea: the master is in packet mode. What is read from it begins with a byte of its
 * own: 0 and data follow, or flags and nothing follows. A flush is reported before the bytes that
 * were written after it; that much order a pty keeps.
 */
#include "bridge_relay.h"
#include "bridge_spy.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CHUNK_BYTES 4096
/* What a program may be ahead of the line, beside what the kernel holds. */
#define AHEAD_BYTES 4096

/* ---- buffers ---- */

size_t
bridge_buffer_length(const struct bridge_buffer *b)
{
	return b->end - b->start;
}

void
bridge_buffer_clear(struct bridge_buffer *b)
{
	b->start = b->end = 0;
}

/* Room at the end; what is in it moves to the beginning if that makes some. */
static size_t
room(struct bridge_buffer *b)
{
	if (b->start == b->end) {
		bridge_buffer_clear(b);
	} else if (sizeof b->bytes - b->end < CHUNK_BYTES && b->start > 0) {
		memmove(b->bytes, b->bytes + b->start, bridge_buffer_length(b));
		b->end -= b->start;
		b->start = 0;
	}
	return sizeof b->bytes - b->end;
}

void
bridge_buffer_add(struct bridge_buffer *b, const char *text)
{
	size_t len = strlen(text);

	if (len > room(b))
		return;
	memcpy(b->bytes + b->end, text, len);
	b->end += len;
}

bool
bridge_relay_takes_program(const struct bridge_relay *r)
{
	return bridge_buffer_length(&r->to_device) < AHEAD_BYTES;
}

bool
bridge_relay_takes_device(const struct bridge_relay *r)
{
	return bridge_buffer_length(&r->to_program) < sizeof r->to_program.bytes - CHUNK_BYTES;
}

/* Writes what there is: how much went, or -1 and errno as write() left it. */
static ssize_t
flush_out(struct bridge_buffer *b, int fd)
{
	size_t len = bridge_buffer_length(b);
	ssize_t n = len > 0 ? write(fd, b->bytes + b->start, len) : 0;

	if (n > 0)
		b->start += (size_t)n;
	return n;
}

/* ---- the program ---- */

static unsigned
flags(unsigned char status)
{
	return (status & TIOCPKT_FLUSHREAD ? BRIDGE_FLUSHED_INPUT : 0U) |
	       (status & TIOCPKT_FLUSHWRITE ? BRIDGE_FLUSHED_OUTPUT : 0U) |
	       (status & TIOCPKT_STOP ? BRIDGE_STOPPED : 0U) |
	       (status & TIOCPKT_START ? BRIDGE_STARTED : 0U);
}

unsigned
bridge_relay_status(int master)
{
	unsigned char status = TIOCPKT_DATA;

	/* Room for the first byte alone: if it is 0, no data has been taken with it. */
	return read(master, &status, 1) == 1 ? flags(status) : 0;
}

/* One chunk: how much it was; 0: flags; -1: nothing there. */
static ssize_t
take_chunk(struct bridge_relay *r, int master, unsigned *reported)
{
	struct bridge_buffer *b = &r->to_device;
	unsigned char packet[1 + CHUNK_BYTES];
	size_t most = room(b);
	ssize_t n;

	*reported = 0;
	if (most == 0)
		return -1;
	n = read(master, packet, 1 + (most < CHUNK_BYTES ? most : CHUNK_BYTES));
	if (n <= 0)
		return -1;
	if (packet[0] != TIOCPKT_DATA) {
		*reported = flags(packet[0]);
		return 0;
	}
	memcpy(b->bytes + b->end, packet + 1, (size_t)n - 1);
	b->end += (size_t)n - 1;
	return n - 1;
}

unsigned
bridge_relay_from_program(struct bridge_relay *r, int master)
{
	unsigned reported;

	take_chunk(r, master, &reported);
	return reported;
}

void
bridge_relay_take_rest(struct bridge_relay *r, int master)
{
	unsigned reported;

	while (take_chunk(r, master, &reported) >= 0)
		;
}

void
bridge_relay_defer(struct bridge_relay *r, size_t length)
{
	struct bridge_buffer *from = &r->to_device, *to = &r->early;
	size_t n = bridge_buffer_length(from) - length;

	if (n > room(to))
		n = room(to);
	from->end = from->start + length;
	memcpy(to->bytes + to->end, from->bytes + from->end, n);
	to->end += n;
}

void
bridge_relay_begin(struct bridge_relay *r)
{
	bridge_buffer_clear(&r->to_program);
	r->to_device = r->early;
	bridge_buffer_clear(&r->early);
}

void
bridge_relay_to_program(struct bridge_relay *r, int master)
{
	flush_out(&r->to_program, master);
}

/* ---- the device ---- */

int
bridge_relay_from_device(struct bridge_relay *r, int fd)
{
	struct bridge_buffer *b = &r->to_program;
	size_t most = room(b);
	ssize_t n;

	if (most == 0)
		return 0;
	n = read(fd, b->bytes + b->end, most);
	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
	bridge_spy_data(r->spy, BRIDGE_FROM_DEVICE, b->bytes + b->end, (size_t)n);
	b->end += (size_t)n;
	return 0;
}

int
bridge_relay_to_device(struct bridge_relay *r, int fd)
{
	struct bridge_buffer *b = &r->to_device;
	ssize_t n = flush_out(b, fd);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	bridge_spy_data(r->spy, BRIDGE_TO_DEVICE, b->bytes + b->start - n, (size_t)n);
	return 0;
}
