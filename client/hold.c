/*
 * hold.c - `comlease run PORT`: takes the lease, and holds it as long as the command runs.
 *
 * Responsible for: waiting for the port and saying so, the command's descriptor 3 and variables.
 * Refuses to know: options (run_options.c), what happens while the command runs (attend.c), what
 * comes after it (standby.c).
 * The one tricky idea: run keeps one descriptor itself and never touches the line. If run is killed
 * the command's copy keeps the lease alive; if the command ends, run's own goes with run.
 */
#include "ask.h"
#include "cli.h"
#include "hold.h"
#include "internal.h"
#include "run.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

/* A turnaround or a hand-over that is quicker than this is not worth a line. */
#define HOLD_QUIET_MS 1000

static int
make_key(char key[33])
{
	unsigned char bits[16];

	if (getrandom(bits, sizeof bits, 0) != (ssize_t)sizeof bits)
		return cli_fail(CLI_SYSTEM, "getrandom: %s", strerror(errno));
	for (size_t i = 0; i < sizeof bits; i++)
		snprintf(key + 2 * i, 3, "%02x", bits[i]);
	return 0;
}

/* A run inside the command of another run for the same port belongs to that holder. */
static int
choose_key(struct hold *hold)
{
	const char *port = getenv("COMLEASE_PORT"), *key = getenv("COMLEASE_KEY");

	if (!port || !key || strcmp(port, hold->run->port) != 0 || strlen(key) != 32)
		return make_key(hold->key);
	memcpy(hold->key, key, sizeof hold->key);
	return 0;
}

/* ---- waiting ---- */

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
say(struct hold *hold, const struct comlease_waiting *w)
{
	struct text t = { 0 };

	text_add_foreign(&t, hold->run->port);
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
	cli_fail(0, "%s", t.s);
	text_free(&t);
	hold->said = true;
	hold->said_pid = w->holder.pid;
	hold->said_since_ms = w->holder_since_ms;
	snprintf(hold->said_state, sizeof hold->said_state, "%s", w->state);
	snprintf(hold->said_reason, sizeof hold->said_reason, "%s", reason_to_wait(w));
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
has_new_reason(const struct hold *hold, const struct comlease_waiting *w)
{
	const char *reason = reason_to_wait(w);

	return *reason && strncmp(reason, hold->said_reason, sizeof hold->said_reason - 1) != 0;
}

/* Says whom it waits for, again when that is somebody else, or why he may go on. `patient`: it has
 * lasted HOLD_QUIET_MS.
 */
static void
say_if_new(struct hold *hold, bool patient)
{
	struct comlease_waiting w;

	if (comlease_waiting(hold->c, &w) < 0 || !w.state)
		return;
	if (w.holder.pid) {
		if (hold->quiet)
			return;
		if (!hold->said || hold->said_pid != w.holder.pid ||
		    hold->said_since_ms != w.holder_since_ms || has_new_reason(hold, &w))
			say(hold, &w);
		return;
	}
	if (is_lasting(w.state) ? strcmp(hold->said_state, w.state) != 0
				: !hold->said && patient && !hold->quiet)
		say(hold, &w);
}

/* The time is over: in our own words, because the broker knows no user names. */
static int
late(const struct hold *hold)
{
	const json_t *parameters = comlease_error_parameters(hold->c);
	const json_t *holder = json_object_get(parameters, "holder");
	int64_t waiting = status_integer(parameters, "waiting");
	struct text t = { 0 };

	if (!json_is_object(holder)) {
		text_add_foreign(&t, comlease_error(hold->c));
	} else {
		text_add_foreign(&t, hold->run->port);
		text_add(&t, ": held by ");
		status_process(&t, json_object_get(holder, "owner"));
		text_add(&t, " since ");
		text_add_time(&t, status_integer(holder, "since"), text_now_ms());
		if (json_object_get(holder, "busySince")) {
			text_add(&t, ", in a call since ");
			text_add_time(&t, status_integer(holder, "busySince"), text_now_ms());
		}
		if (hold->run->wait_ms)
			text_addf(&t, "; not to be had within %.10g s",
				  (double)hold->run->wait_ms / 1000);
		if (waiting)
			text_addf(&t, "; %" PRId64 " waiting", waiting);
	}
	cli_fail(0, "%s", t.s);
	text_free(&t);
	return hold->run->late_status;
}

static int
not_allowed(const struct hold *hold)
{
	struct text t = { 0 };

	text_add_foreign(&t, hold->run->port);
	cli_fail(CLI_DENIED, "%s: not allowed: `ask` in comlease.conf(5) says who may", t.s);
	text_free(&t);
	return CLI_DENIED;
}

static int
not_granted(const struct hold *hold)
{
	switch (errno) {
	case EBUSY:
	case ETIMEDOUT:
	case ENODEV:
		return late(hold);
	case ENOSPC:
	case EDQUOT:
		ask_failed(hold->c);
		return hold->run->late_status;
	case EPERM:
		return not_allowed(hold);
	default:
		return ask_failed(hold->c);
	}
}

/* The next moment to look again: the library's, and the end of our silence. */
static int
wait_ms(const struct hold *hold)
{
	int ms = comlease_timeout_ms(hold->c);

	return !hold->said && (ms < 0 || ms > HOLD_QUIET_MS) ? HOLD_QUIET_MS : ms;
}

int
hold_wait(struct hold *hold, uint64_t yields, int *status)
{
	int fd, ready = 1;

	run_set_name(hold->run);
	hold->lease = (struct comlease_lease){ .size = sizeof hold->lease };
	fd = yields ? comlease_yield_request(hold->c, yields, &hold->request)
		    : comlease_request(hold->c, &hold->request);
	fd = fd < 0 ? -1 : comlease_dispatch(hold->c, &hold->lease);
	while (fd < 0 && errno == EAGAIN) {
		say_if_new(hold, ready == 0);
		struct pollfd p = { comlease_fd(hold->c), comlease_events(hold->c), 0 };
		ready = poll(&p, 1, wait_ms(hold));
		fd = comlease_dispatch(hold->c, &hold->lease);
	}
	hold->error = fd < 0 ? errno : 0;
	if (fd < 0 && (yields == 0 || hold->error != ENOTSUP))
		*status = not_granted(hold);
	else
		hold->said_state[0] = '\0';
	prctl(PR_SET_NAME, "comlease"); /* or `killall efax` would hit efax twice */
	return fd;
}

/* ---- the command ---- */

static int
set_variables(const struct hold *hold)
{
	char token[24];

	snprintf(token, sizeof token, "%" PRIu64, hold->lease.token);
	if (setenv("COMLEASE_FD", "3", 1) < 0 || setenv("COMLEASE_PORT", hold->lease.port, 1) < 0 ||
	    setenv("COMLEASE_DEVICE", hold->lease.device, 1) < 0 ||
	    setenv("COMLEASE_TOKEN", token, 1) < 0 || setenv("COMLEASE_KEY", hold->key, 1) < 0)
		return cli_fail(CLI_SYSTEM, "no memory");
	return 0;
}

int
hold_command(struct hold *hold, int fd, struct attend_end *end)
{
	int status = set_variables(hold);

	if (status)
		return status;
	struct attend attend = {
		.command = command_fill_in(hold->run->command, hold->lease.device),
		.port = hold->lease.port,
		.token = hold->lease.token,
		.fd = fd,
		.standby = hold->run->standby,
		.yield_signal = hold->run->yield_signal,
	};
	status = attend_command(hold->c, &attend, end);
	command_free(attend.command);
	return status;
}

int
hold_init(struct hold *hold, struct comlease *c, const struct run *run)
{
	const struct comlease_request init = COMLEASE_REQUEST_INIT;

	*hold = (struct hold){ .c = c, .run = run, .request = init };
	hold->request.port = run->port;
	hold->request.wait_ms = run->wait_ms;
	hold->request.priority = run->priority;
	hold->request.label = run->label;
	hold->request.class_name = run->class_name;
	hold->request.standby = run->standby;
	hold->request.max_hold_ms = run->max_hold_ms;
	hold->request.yield_grace_ms = run->yield_grace_ms;
	hold->request.key = hold->key;
	return choose_key(hold);
}

int
hold_port(struct comlease *c, const struct run *run)
{
	struct attend_end end;
	struct hold hold;
	int fd, status = hold_init(&hold, c, run);

	if (status)
		return status;
	fd = hold_wait(&hold, 0, &status);
	if (fd < 0)
		return status;
	status = hold_command(&hold, fd, &end);
	return status ? status : end.status;
}
