/*
 * supervisor_notify.c - what the service manager is told of comleased as a whole: that it serves,
 * reads its configuration anew, ends; and a sentence for people. It refuses to know how that
 * travels.
 *
 * The tricky idea: ready means that clients are served, and only the broker knows that (it waits
 * until the keepers have spoken and it is known who has the ports). So whoever is started after us
 * finds ports, and not just a socket.
 */
#include "supervisor_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "log.h"

#define STATUS_MAX 256

/* "serving 3 ports, 2 of them absent or faulted" */
static void
make_status(const struct supervisor *s, char text[STATUS_MAX])
{
	size_t count = s->config.port_count;
	int n;

	if (count == 0) {
		snprintf(text, STATUS_MAX, "no port yet");
		return;
	}
	n = snprintf(text, STATUS_MAX, "serving %zu port%s", count, count == 1 ? "" : "s");
	if (s->troubled > 0)
		snprintf(text + n, STATUS_MAX - (size_t)n, ", %" PRIu64 " absent or faulted",
			 s->troubled);
}

void
supervisor_notify_served(struct supervisor *s, uint64_t troubled)
{
	char status[STATUS_MAX];

	s->troubled = troubled;
	make_status(s, status);
	notify_tell(&s->notify, "%sSTATUS=%s", s->is_ready ? "" : "READY=1\n", status);
	s->is_ready = true;
}

void
supervisor_notify_status(struct supervisor *s)
{
	if (s->is_ready)
		supervisor_notify_served(s, s->troubled);
}

void
supervisor_notify_reload(struct supervisor *s)
{
	struct timespec now;

	if (!s->is_ready)
		return;
	/* not a millisecond old: systemd takes it for that of an earlier reload then */
	clock_gettime(CLOCK_MONOTONIC, &now);
	notify_tell(&s->notify,
		    "RELOADING=1\nMONOTONIC_USEC=%" PRId64 "\nSTATUS=reading the configuration",
		    (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void
supervisor_notify_reloaded(struct supervisor *s, const char *refused)
{
	char first[160], shown[STATUS_MAX], status[STATUS_MAX];

	if (!s->is_ready) /* that will tell it */
		return;
	if (refused == NULL) {
		make_status(s, status);
		notify_tell(&s->notify, "READY=1\nSTATUS=%s", status);
		return;
	}
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(refused, "\n"), refused);
	log_escape(first, shown, sizeof(shown));
	notify_tell(&s->notify,
		    "READY=1\nSTATUS=the old configuration stays, the new one is wrong: %s", shown);
}

void
supervisor_notify_stop(struct supervisor *s)
{
	notify_tell(&s->notify, "STOPPING=1\nSTATUS=ending; who holds a port keeps it");
}
