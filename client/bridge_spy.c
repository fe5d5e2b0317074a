/*
 * bridge_spy.c - who reads along at a bridge: the transcript file and the readers, side by side.
 *
 * Responsible for: telling both, when half a line of the transcript is to be written out.
 * Refuses to know: the device, the broker, what the events say; how either of the two works.
 */
#include "bridge_spy.h"

#include "bridge_spy_file.h"
#include "bridge_spy_readers.h"
#include "cli.h"
#include "internal.h"
#include "text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bridge_spy {
	struct bridge_spy_readers readers;
	struct bridge_spy_file file;
	struct transcript transcript;
	int64_t flush_at_ms; /* comlease_now_ms(); 0: there is no half line */
};

/* As other processes, with other folders, may use it. NULL: no memory. */
static char *
absolute(const char *name)
{
	char *folder = *name == '/' ? NULL : getcwd(NULL, 0), *path = NULL;

	if (!folder)
		return strdup(name);
	if (asprintf(&path, "%s/%s", folder, name) < 0)
		path = NULL;
	free(folder);
	return path;
}

static void
begin_transcript(struct bridge_spy *s, const char *port, const char *link)
{
	struct text t = { 0 };

	text_addf(&t, "bridge (pid %d) of ", (int)getpid());
	text_add_foreign(&t, port);
	text_add(&t, " at ");
	text_add_foreign(&t, link);
	transcript_event(&s->transcript, spy_wire_now_us(), t.s);
	bridge_spy_file_flush(&s->file);
	text_free(&t);
}

struct bridge_spy *
bridge_spy_new(const char *port, const char *link, const char *broker, const char *file,
	       int *status)
{
	struct bridge_spy *s = calloc(1, sizeof *s);
	char *path = absolute(link), *broker_path = absolute(broker);

	*status = s && path && broker_path ? 0 : cli_fail(CLI_SYSTEM, "no memory");
	if (*status == 0)
		*status = bridge_spy_file_open(&s->file, file);
	if (*status != 0) {
		free(path);
		free(broker_path);
		free(s);
		return NULL;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	bridge_spy_readers_init(&s->readers, port, path, broker_path);
	transcript_init(&s->transcript, false, bridge_spy_file_put, &s->file);
	if (file)
		begin_transcript(s, port, path);
	free(path);
	free(broker_path);
	return s;
}

void
bridge_spy_free(struct bridge_spy *s)
{
	if (!s)
		return;
	if (s->file.fd >= 0)
		transcript_event(&s->transcript, spy_wire_now_us(), "the bridge ends");
	bridge_spy_file_close(&s->file);
	bridge_spy_readers_clear(&s->readers);
	free(s);
}

void
bridge_spy_data(struct bridge_spy *s, enum bridge_direction direction, const void *bytes,
		size_t count)
{
	if (!s || count == 0)
		return;
	int64_t time_us = spy_wire_now_us();
	bridge_spy_readers_data(&s->readers, time_us, direction, bytes, count);
	if (s->file.fd < 0)
		return;
	transcript_data(&s->transcript, time_us, direction, bytes, count);
	s->flush_at_ms = s->transcript.len ? comlease_now_ms() + TRANSCRIPT_PAUSE_US / 1000 : 0;
	bridge_spy_file_flush(&s->file);
}

void
bridge_spy_event(struct bridge_spy *s, const char *line)
{
	if (!s)
		return;
	int64_t time_us = spy_wire_now_us();
	bridge_spy_readers_event(&s->readers, time_us, line);
	if (s->file.fd < 0)
		return;
	transcript_event(&s->transcript, time_us, line);
	s->flush_at_ms = 0;
	bridge_spy_file_flush(&s->file);
}

int
bridge_spy_poll(const struct bridge_spy *s, struct pollfd fds[BRIDGE_SPY_FDS])
{
	return s ? bridge_spy_readers_poll(&s->readers, fds) : 0;
}

int
bridge_spy_timeout_ms(const struct bridge_spy *s)
{
	if (!s)
		return -1;
	int readers_ms = bridge_spy_readers_timeout_ms(&s->readers);
	if (s->flush_at_ms == 0)
		return readers_ms;
	int64_t left_ms = s->flush_at_ms - comlease_now_ms();
	if (left_ms < 0)
		left_ms = 0;
	return readers_ms >= 0 && readers_ms < left_ms ? readers_ms : (int)left_ms;
}

void
bridge_spy_take(struct bridge_spy *s, const struct pollfd *fds, int count)
{
	if (!s)
		return;
	bridge_spy_readers_take(&s->readers, fds, count);
	if (s->flush_at_ms != 0 && comlease_now_ms() >= s->flush_at_ms) {
		s->flush_at_ms = 0;
		transcript_flush(&s->transcript);
		bridge_spy_file_flush(&s->file);
	}
}
