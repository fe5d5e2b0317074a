/*
 * bridge_talk.c - what a bridge says: on stderr, to its program, to who reads along.
 *
 * Responsible for: the words. Refuses to know: when there is something to be said.
 */
#include "bridge_session.h"
#include "bridge_spy.h"
#include "cli.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *compose(const char *format, va_list) __attribute__((format(printf, 1, 0)));

/* "" without memory, which nobody frees. */
static char *
compose(const char *format, va_list ap)
{
	char *s;

	if (vasprintf(&s, format, ap) < 0) {
		cli_fail(0, "no memory");
		exit(CLI_SYSTEM);
	}
	return s;
}

void
bridge_say(struct bridge *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	char *s = compose(format, ap);
	va_end(ap);
	cli_fail(0, "%s: %s", b->lease.tell.port, s);
	bridge_spy_event(b->spy, s);
	free(s);
}

void
bridge_note(struct bridge *b, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	char *s = compose(format, ap);
	va_end(ap);
	bridge_spy_event(b->spy, s);
	free(s);
}

/* On a line of its own, whatever stands there: a serial line's people are used to that. */
void
bridge_announce(struct bridge *b, const char *format, ...)
{
	struct text t = { 0 };
	va_list ap;

	if (!b->options->announce || b->gone || b->phase == BRIDGE_IDLE)
		return;
	va_start(ap, format);
	char *s = compose(format, ap);
	va_end(ap);
	text_addf(&t, "\r\n[comlease: %s%s]\r\n", b->lease.tell.port, s);
	bridge_buffer_add(&b->relay.to_program, t.s);
	text_free(&t);
	free(s);
	b->announced = true;
}

void
bridge_say_waiting(void *argument, const char *line)
{
	struct bridge *b = argument;
	size_t len = strlen(b->lease.tell.port);

	cli_fail(0, "%s", line);
	if (strncmp(line, b->lease.tell.port, len) != 0)
		return;
	line += len; /* ": held by ..." */
	bridge_note(b, "waiting%s", line);
	if (strncmp(line, ": held by ", 10) == 0)
		bridge_announce(b, " is %s", line + 2);
	else
		bridge_announce(b, "%s", line);
}

void
bridge_say_wanted(struct bridge *b)
{
	const struct bridge_lease *l = &b->lease;
	struct text t = { 0 };

	text_add(&t, "asked to let go within ");
	text_add_duration(&t, (l->left_ms + 999) / 1000 * 1000);
	if (l->asker.pid) {
		text_add(&t, ": ");
		text_add_process(&t, *l->asker.command ? l->asker.command : NULL, l->asker.pid,
				 l->asker.uid);
		text_add(&t, " waits");
	} else if (strcmp(l->reason, "expired") == 0) {
		text_add(&t, ": its time is over");
	}
	if (b->options->standby) {
		bridge_note(b, "%s", t.s);
	} else {
		bridge_say(b, "%s", t.s);
		bridge_announce(b, ": %s", t.s);
	}
	text_free(&t);
}
