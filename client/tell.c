/*
 * tell.c - what a command that waits for a port tells about it.
 *
 * Responsible for: the words, and each of them once. Refuses to know: how the port is waited for
 * (hold.c, bridge_lease.c).
 */
#include "tell.h"
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void
add_ahead(struct text *t, int64_t ahead)
{
	if (ahead <= 0) {
		text_add(t, "; waiting (next in line)");
		return;
	}
	text_add(t, "; waiting (");
	text_add_count(t, ahead);
	text_add(t, " ahead)");
}

/* A reason that says it all: "disabled: new SIM card", "held by a process that I can't see ...". */
static bool
is_whole(const char *state, const char *reason)
{
	return strcmp(state, "foreign") == 0 || strncmp(reason, state, strlen(state)) == 0;
}

static void
add_state(struct text *t, const struct comlease_waiting *w)
{
	if (w->reason && is_whole(w->state, w->reason)) {
		text_add_foreign(t, w->reason);
		return;
	}
	if (strcmp(w->state, "absent") == 0) {
		text_add(t, "the device is not there");
	} else if (strcmp(w->state, "turnaround") == 0) {
		text_add(t, "being made ready");
	} else if (strcmp(w->state, "foreign") == 0) {
		text_add(t, "in use outside comlease");
	} else {
		text_add_foreign(t, w->state);
	}
	if (w->reason) {
		text_add(t, " (");
		text_add_foreign(t, w->reason);
		text_add(t, ")");
	}
}

/* Why its holder is not asked to let go, for instance; that he has been asked is no news. */
static const char *
reason_to_wait(const struct comlease_waiting *w)
{
	return w->reason && strcmp(w->state, "held") == 0 ? w->reason : "";
}

static void
say(struct tell *tell, const struct comlease_waiting *w)
{
	struct text t = { 0 };

	text_add_foreign(&t, tell->port);
	text_add(&t, ": ");
	if (w->holder.pid) {
		text_add(&t, "held by ");
		text_add_process(&t, w->holder.command, w->holder.pid, w->holder.uid);
		text_add(&t, strcmp(w->state, "foreign") == 0 ? " outside comlease" : "");
		text_add(&t, " since ");
		text_add_time(&t, w->holder_since_ms, text_now_ms());
		text_add(&t, *reason_to_wait(w) ? ", " : "");
		text_add_foreign(&t, reason_to_wait(w));
	} else {
		add_state(&t, w);
	}
	add_ahead(&t, w->ahead);
	if (tell->line)
		tell->line(tell->argument, t.s);
	else
		cli_fail(0, "%s", t.s);
	text_free(&t);
	tell->said = true;
	tell->said_pid = w->holder.pid;
	tell->said_since_ms = w->holder_since_ms;
	snprintf(tell->said_state, sizeof tell->said_state, "%s", w->state);
	snprintf(tell->said_reason, sizeof tell->said_reason, "%s", reason_to_wait(w));
}

static bool
is_lasting(const char *state)
{
	static const char *const states[] = { "absent", "faulted", "foreign", "disabled" };

	for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
		if (strcmp(states[i], state) == 0)
			return true;
	}
	return false;
}

static bool
has_new_reason(const struct tell *tell, const struct comlease_waiting *w)
{
	const char *reason = reason_to_wait(w);

	return *reason && strncmp(reason, tell->said_reason, sizeof tell->said_reason - 1) != 0;
}

/* Again when that is somebody else, or why he may go on. */
void
tell_waiting(struct tell *tell, const struct comlease *c, bool patient)
{
	struct comlease_waiting w;

	if (comlease_waiting(c, &w) < 0 || !w.state)
		return;
	if (w.holder.pid) {
		if (tell->quiet)
			return;
		if (!tell->said || tell->said_pid != w.holder.pid ||
		    tell->said_since_ms != w.holder_since_ms || has_new_reason(tell, &w))
			say(tell, &w);
		return;
	}
	if (is_lasting(w.state) ? strcmp(tell->said_state, w.state) != 0
				: !tell->said && patient && !tell->quiet)
		say(tell, &w);
}

void
tell_forget_state(struct tell *tell)
{
	tell->said_state[0] = '\0';
}

/* The time is over: in our own words, because the broker knows no user names. */
static int
late(const struct tell *tell, const struct comlease *c)
{
	const json_t *parameters = comlease_error_parameters(c);
	const json_t *holder = json_object_get(parameters, "holder");
	int64_t waiting = status_integer(parameters, "waiting");
	struct text t = { 0 };

	if (!json_is_object(holder)) {
		text_add_foreign(&t, comlease_error(c));
	} else {
		text_add_foreign(&t, tell->port);
		text_add(&t, ": held by ");
		status_process(&t, json_object_get(holder, "owner"));
		text_add(&t, " since ");
		text_add_time(&t, status_integer(holder, "since"), text_now_ms());
		if (json_object_get(holder, "busySince")) {
			text_add(&t, ", in a call since ");
			text_add_time(&t, status_integer(holder, "busySince"), text_now_ms());
		}
		if (tell->wait_ms)
			text_addf(&t, "; not to be had within %.10g s",
				  (double)tell->wait_ms / 1000);
		if (waiting)
			text_addf(&t, "; %" PRId64 " waiting", waiting);
	}
	cli_fail(0, "%s", t.s);
	text_free(&t);
	return tell->late_status;
}

static int
not_allowed(const struct tell *tell)
{
	struct text t = { 0 };

	text_add_foreign(&t, tell->port);
	cli_fail(CLI_DENIED, "%s: not allowed: `ask` in comlease.conf(5) says who may", t.s);
	text_free(&t);
	return CLI_DENIED;
}

int
tell_failed(struct tell *tell, const struct comlease *c)
{
	switch (errno) {
	case EBUSY:
	case ETIMEDOUT:
	case ENODEV:
		return late(tell, c);
	case ENOSPC:
	case EDQUOT:
		ask_failed(c);
		return tell->late_status;
	case EPERM:
		return not_allowed(tell);
	default:
		return ask_failed(c);
	}
}
