/*
 * hold.c - `comlease run PORT`: takes the lease, and holds it as long as the command runs.
 *
 * Responsible for: waiting for the port, the command's descriptor 3 and variables. Refuses to know:
 * options (run_options.c), what is said of the wait (tell.c), what happens while the command runs
 * (attend.c), what comes after it (standby.c).
 * The one tricky idea: run keeps one descriptor itself and never touches the line. If run is killed
 * the command's copy keeps the lease alive; if the command ends, run's own goes with run.
 */
#include "cli.h"
#include "hold.h"
#include "internal.h"
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>

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

/* The next moment to look again: the library's, and the end of our silence. */
static int
wait_ms(const struct hold *hold)
{
	int ms = comlease_timeout_ms(hold->c);

	return !hold->tell.said && (ms < 0 || ms > TELL_QUIET_MS) ? TELL_QUIET_MS : ms;
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
		tell_waiting(&hold->tell, hold->c, ready == 0);
		struct pollfd p = { comlease_fd(hold->c), comlease_events(hold->c), 0 };
		ready = poll(&p, 1, wait_ms(hold));
		fd = comlease_dispatch(hold->c, &hold->lease);
	}
	hold->error = fd < 0 ? errno : 0;
	if (fd < 0 && (yields == 0 || hold->error != ENOTSUP))
		*status = tell_failed(&hold->tell, hold->c);
	else
		tell_forget_state(&hold->tell);
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
		.seccomp = hold->run->seccomp,
		.seccomp_reason = hold->run->seccomp_reason,
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
	hold->tell.port = run->port;
	hold->tell.wait_ms = run->wait_ms;
	hold->tell.late_status = run->late_status;
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
