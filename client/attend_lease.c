/*
 * attend_lease.c - what the broker says while a command has its lease: that it is to let go, or
 * that the lease is over.
 *
 * Responsible for: the signal that the command gets for it, and one line for people. Refuses to
 * know: the command's life (attend.c), the stream's (watch.c).
 *
 * Two streams: Watch says what is wanted, Monitor says in how a lease ended, with the words of
 * whoever revoked it. The tricky idea: all that has come is taken before anything is done, so that
 * a command is not signalled for a wish that has been withdrawn in the same moment.
 */
#include "attend_lease.h"
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "run.h"
#include "status_table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

/* ---- why the lease was lost ---- */

static void
say_lost(struct attend_lease *l, const char *reason, const char *detail)
{
	struct text t = { 0 };

	if (l->said)
		return;
	text_add_foreign(&t, l->attend->port);
	text_add(&t,
		 reason || l->hung_up
		     ? ": the command has lost the port"
		     : ": the broker has forgotten this lease; the device was left to the command");
	text_add(&t, reason ? ": " : "");
	text_add_foreign(&t, reason);
	text_add(&t, detail ? " (" : "");
	text_add_foreign(&t, detail);
	text_add(&t, detail ? ")" : "");
	cli_fail(0, "%s", t.s);
	text_free(&t);
	l->said = true;
}

static void
take_monitor_events(struct attend_lease *l, const json_t *reply)
{
	const json_t *event;
	size_t i;

	json_array_foreach (json_object_get(reply, "events"), i, event) {
		const char *kind = status_string(event, "event");
		if (kind && strcmp(kind, "end") == 0 &&
		    (uint64_t)status_integer(event, "token") == l->attend->token)
			say_lost(l, status_string(event, "reason"), status_string(event, "detail"));
	}
}

static void
read_monitor(struct attend_lease *l)
{
	json_t *reply;

	while (l->monitor) {
		int result = comlease_next_reply(l->monitor, &reply, 0);
		if (result < 0) {
			if (errno != EAGAIN && errno != EINTR)
				l->monitor = NULL;
			return;
		}
		take_monitor_events(l, reply);
		json_decref(reply);
	}
}

/* ---- what is wanted ---- */

static void
keep_asking(struct attend_lease *l, const struct comlease_event *event)
{
	struct text *t = &l->asking;

	text_free(t);
	*t = (struct text){ 0 };
	text_add_foreign(t, l->attend->port);
	text_add(t, ": asked to let go within ");
	text_add_duration(t, (event->left_ms + 999) / 1000 * 1000);
	text_add(t, ": ");
	if (event->reason && strcmp(event->reason, "expired") == 0)
		text_add(t, "its time is over");
	else if (event->asker.pid == 0)
		text_add_foreign(t, event->reason ? event->reason : "somebody waits");
	if (event->asker.pid) {
		text_add(t, t->s[t->len - 1] == ' ' ? "" : "; ");
		text_add_process(t, event->asker.command, event->asker.pid, event->asker.uid);
		text_add(t, " waits");
	}
}

static void
resume(struct attend_lease *l)
{
	l->wanted = false;
	if (!l->told || l->attend->standby)
		return; /* a standby's command is on its way out: the port comes back to the next */
	cli_fail(0, "%s: no longer asked to let go", l->attend->port);
	l->told = false;
}

/* Monitor says it better, if it is there. */
static void
take_end(struct attend_lease *l, const struct comlease_event *event)
{
	const char *reason = event->reason;

	if (event->type == COMLEASE_EVENT_REVOKED && !reason)
		reason = "revoked";
	if (event->type == COMLEASE_EVENT_UNPLUGGED)
		reason = "unplugged";
	l->lost = true;
	snprintf(l->lost_as, sizeof l->lost_as, "%s", reason ? reason : "");
	if (!l->monitor)
		say_lost(l, reason, NULL);
}

static void
take_event(struct attend_lease *l, const struct comlease_event *event)
{
	switch (event->type) {
	case COMLEASE_EVENT_YIELD_WANTED:
		l->wanted = true;
		keep_asking(l, event);
		break;
	case COMLEASE_EVENT_RESUMED:
		resume(l);
		break;
	case COMLEASE_EVENT_REVOKED:
	case COMLEASE_EVENT_UNPLUGGED:
	case COMLEASE_EVENT_ENDED:
		take_end(l, event);
		break;
	}
}

/* The signal, and SIGCONT: whoever is stopped can't let go. */
static void
tell(struct attend_lease *l, pid_t pid, int signo)
{
	if (l->attend->standby) {
		kill(-pid, signo);
		kill(-pid, SIGCONT);
	} else {
		command_signal(pid, signo);
		command_signal(pid, SIGCONT);
	}
	l->told = true;
}

static void
act(struct attend_lease *l, pid_t pid)
{
	if (l->told)
		return;
	if (l->lost && l->attend->standby) {
		tell(l, pid, SIGHUP);
	} else if (l->wanted && !l->lost) {
		if (!l->attend->standby)
			cli_fail(0, "%s", l->asking.s);
		tell(l, pid, l->attend->standby ? l->attend->yield_signal : SIGHUP);
	}
}

/* ---- for attend.c ---- */

void
attend_lease_begin(struct attend_lease *l, struct comlease *c, const struct attend *attend)
{
	char *port = (char *)(uintptr_t)attend->port; /* only read */

	*l = (struct attend_lease){ .attend = attend };
	if (comlease_call_more(c, "io.comlease.Monitor", ask_parameters_ports(&port, 1)) == 0)
		l->monitor = c;
	watch_begin(&l->watch, comlease_socket_path(c), attend->token);
}

void
attend_lease_end(struct attend_lease *l)
{
	if (l->lost)
		say_lost(l, l->lost_as[0] ? l->lost_as : NULL, NULL);
	if (l->monitor)
		comlease_cancel(l->monitor);
	watch_end(&l->watch);
	text_free(&l->asking);
}

int
attend_lease_poll(const struct attend_lease *l, struct pollfd fds[ATTEND_LEASE_FDS])
{
	fds[0] = (struct pollfd){ l->monitor ? comlease_socket(l->monitor) : -1, POLLIN, 0 };
	fds[1] = (struct pollfd){ l->hung_up ? -1 : l->attend->fd, 0, 0 };
	fds[2] = watch_pollfd(&l->watch);
	return watch_timeout_ms(&l->watch);
}

void
attend_lease_take(struct attend_lease *l, const struct pollfd fds[ATTEND_LEASE_FDS], pid_t pid)
{
	struct comlease_event event;

	read_monitor(l);
	while (watch_next(&l->watch, &event))
		take_event(l, &event);
	if (fds && fds[1].revents & (POLLHUP | POLLERR | POLLNVAL)) {
		l->hung_up = true;
		if (!l->monitor)
			say_lost(l, NULL, NULL);
	}
	if (pid)
		act(l, pid);
}

bool
attend_lease_is_unexplained(const struct attend_lease *l)
{
	return (l->hung_up || l->lost) && l->monitor && !l->said;
}
