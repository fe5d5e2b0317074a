/*
 * transcript.c - what passes over a line, as text.
 *
 * Responsible for: which bytes make a line, their escapes and hex dumps, times and dates.
 * Refuses to know: where the lines go, what time it is.
 *
 * The tricky idea: the times come with the bytes, so that one who gets them late (a reader behind a
 * socket) cuts the lines where one who saw them come would have cut them.
 */
#include "transcript.h"

#include "text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define EVENT_MAX 500

static_assert(TRANSCRIPT_HEX_BYTES <= TRANSCRIPT_BYTES, "a hex line is assembled in the same room");

void
transcript_init(struct transcript *t, bool hex, transcript_put *put, void *context)
{
	*t = (struct transcript){ .hex = hex, .put = put, .context = context };
}

/* "17:21:03.123 ", after a line with the date where that is another one than before. Its length. */
static size_t
put_time(struct transcript *t, int64_t time_us, char *line, size_t size)
{
	time_t when = (time_t)(time_us / 1000000);
	struct tm then;
	char day[sizeof t->day] = "?", clock[16] = "?", date[sizeof t->day + 8];

	if (time_us >= 0 && localtime_r(&when, &then)) {
		strftime(day, sizeof day, "%Y-%m-%d %z", &then);
		strftime(clock, sizeof clock, "%H:%M:%S", &then);
	}
	if (strcmp(day, t->day) != 0) {
		memcpy(t->day, day, sizeof t->day);
		t->put(t->context, date, (size_t)snprintf(date, sizeof date, "-- %s\n", day));
	}
	return (size_t)snprintf(line, size, "%s.%03d ", clock,
				time_us < 0 ? 0 : (int)(time_us / 1000 % 1000));
}

static size_t
add_escaped(char *s, unsigned char byte)
{
	static const char letters[] = "abtnvfr"; /* \a is 7 */

	if (byte >= '\a' && byte <= '\r')
		return (size_t)sprintf(s, "\\%c", letters[byte - '\a']);
	if (byte == '\\')
		return (size_t)sprintf(s, "\\\\");
	if (byte < ' ' || byte > '~')
		return (size_t)sprintf(s, "\\x%02x", byte);
	*s = (char)byte;
	return 1;
}

static size_t
add_text(const struct transcript *t, char *s)
{
	size_t n = 0;

	for (size_t i = 0; i < t->len; i++)
		n += add_escaped(s + n, t->bytes[i]);
	return n;
}

static size_t
add_hex(const struct transcript *t, char *s)
{
	size_t n = 0;

	for (size_t i = 0; i < TRANSCRIPT_HEX_BYTES; i++) {
		n += i == TRANSCRIPT_HEX_BYTES / 2 ? (size_t)sprintf(s + n, " ") : 0;
		n += i < t->len ? (size_t)sprintf(s + n, "%02x ", t->bytes[i])
				: (size_t)sprintf(s + n, "   ");
	}
	n += (size_t)sprintf(s + n, " |");
	for (size_t i = 0; i < t->len; i++)
		s[n++] = t->bytes[i] < ' ' || t->bytes[i] > '~' ? '.' : (char)t->bytes[i];
	s[n++] = '|';
	return n;
}

void
transcript_flush(struct transcript *t)
{
	char line[64 + 4 * TRANSCRIPT_BYTES];
	size_t n;

	if (t->len == 0)
		return;
	n = put_time(t, t->first_us, line, sizeof line);
	line[n++] = t->direction == BRIDGE_TO_DEVICE ? '>' : '<';
	line[n++] = ' ';
	n += t->hex ? add_hex(t, line + n) : add_text(t, line + n);
	line[n++] = '\n';
	t->len = 0;
	t->put(t->context, line, n);
}

/* Does the line end before this byte? */
static bool
ends_before(const struct transcript *t, unsigned char byte)
{
	return !t->hex && t->bytes[t->len - 1] == '\r' && byte != '\r' && byte != '\n';
}

static void
add_byte(struct transcript *t, int64_t time_us, unsigned char byte)
{
	if (t->len > 0 && ends_before(t, byte))
		transcript_flush(t);
	if (t->len == 0)
		t->first_us = time_us;
	t->bytes[t->len++] = byte;
	if (t->len == (t->hex ? TRANSCRIPT_HEX_BYTES : TRANSCRIPT_BYTES) ||
	    (!t->hex && byte == '\n'))
		transcript_flush(t);
}

void
transcript_data(struct transcript *t, int64_t time_us, enum bridge_direction direction,
		const void *bytes, size_t count)
{
	/* a clock that was put back is a pause as well */
	if (t->direction != direction || time_us < t->last_us ||
	    time_us - t->last_us >= TRANSCRIPT_PAUSE_US)
		transcript_flush(t);
	t->direction = direction;
	t->last_us = time_us;
	for (size_t i = 0; i < count; i++)
		add_byte(t, time_us, ((const unsigned char *)bytes)[i]);
}

static void
put_words(struct transcript *t, int64_t time_us, const char *before, const char *words,
	  const char *after)
{
	char clock[32], cut[EVENT_MAX];
	struct text line = { 0 };

	transcript_flush(t);
	put_time(t, time_us, clock, sizeof clock);
	snprintf(cut, sizeof cut, "%s", words);
	text_add(&line, clock);
	text_add(&line, before);
	text_add_foreign(&line, cut);
	text_add(&line, after);
	assert(line.len < TRANSCRIPT_LINE_MAX);
	t->put(t->context, line.s, line.len);
	text_free(&line);
}

void
transcript_event(struct transcript *t, int64_t time_us, const char *text)
{
	put_words(t, time_us, "-- ", text, "\n");
}

void
transcript_missed(struct transcript *t, int64_t time_us, const struct transcript_missed *missed)
{
	uint64_t bytes = missed->to_device + missed->from_device;
	char words[160], events[48] = "";

	if (missed->events)
		snprintf(events, sizeof events, " and %" PRIu64 " event%s", missed->events,
			 missed->events == 1 ? "" : "s");
	snprintf(words, sizeof words, "%" PRIu64 " byte%s (%" PRIu64 " to the device)%s missed",
		 bytes, bytes == 1 ? "" : "s", missed->to_device, events);
	put_words(t, time_us, "... ", words, " ...\n");
}
