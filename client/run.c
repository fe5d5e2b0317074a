/*
 * run.c - `comlease run`: the environment that the shim (or seccomp's supervisor) reads, and the
 * case without PORT, where run becomes the command.
 *
 * Responsible for: the COMLEASE_ variables; whether there is such a port or pool.
 * Refuses to know: options (run_options.c), where the shim is (run_preload.c) and how it uses its
 * environment, how a lease is taken and held (hold.c, standby.c).
 */
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "run.h"
#include "seccomp.h"
#include "standby.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* ---- the environment ---- */

static int
set_variable(const char *name, const char *value)
{
	if (setenv(name, value, 1) == 0)
		return 0;
	return cli_fail(CLI_SYSTEM, "no memory");
}

static int
set_socket(const struct comlease *c)
{
	const char *path = comlease_socket_path(c);
	char absolute[PATH_MAX];

	return set_variable("COMLEASE_SOCKET", realpath(path, absolute) ? absolute : path);
}

static void
add_device(struct text *t, const char *device)
{
	text_add(t, t->len ? ":" : "");
	for (; *device; device++)
		text_addf(t, "%s%c", *device == ':' || *device == '\\' ? "\\" : "", *device);
}

/* The paths as configured. A colon in one (by-path names have them) is written "\:", a backslash
 * "\\", and the path that such a one leads to stands there too: it has no colon, for readers that
 * know of no "\:". */
static int
set_devices(const json_t *ports)
{
	const json_t *port;
	struct text t = { 0 };
	char real[PATH_MAX];
	size_t i;

	text_add(&t, "");
	json_array_foreach (ports, i, port) {
		const char *device = status_string(port, "device");
		if (!device)
			continue;
		add_device(&t, device);
		if (strchr(device, ':') && realpath(device, real))
			add_device(&t, real);
	}
	int status = set_variable("COMLEASE_DEVICES", t.s);
	text_free(&t);
	return status;
}

static int
set_seconds(const char *name, int64_t ms)
{
	char s[32];

	if (ms % 1000)
		snprintf(s, sizeof s, "%d.%03d", (int)(ms / 1000), (int)(ms % 1000));
	else
		snprintf(s, sizeof s, "%d", (int)(ms / 1000));
	return set_variable(name, s);
}

static int
set_wait(int64_t wait_ms)
{
	/* Neither -n nor -w: what the user has set stays. */
	if (wait_ms == COMLEASE_FOREVER && getenv("COMLEASE_WAIT"))
		return 0;
	if (wait_ms == COMLEASE_FOREVER)
		return set_variable("COMLEASE_WAIT", "forever");
	return set_seconds("COMLEASE_WAIT", wait_ms);
}

/* What was not asked for is not inherited from a run around this one. */
static int
set_or_unset(const char *name, const char *value)
{
	if (value)
		return set_variable(name, value);
	unsetenv(name);
	return 0;
}

/* 0, or the exit status after having said why. */
static int
set_environment(const struct run *run, const struct comlease *c, const json_t *list)
{
	char priority[16];
	int status;

	snprintf(priority, sizeof priority, "%d", run->priority);
	if ((status = run->seccomp ? run_no_preload() : run_preload()) ||
	    (status = set_variable("COMLEASE_REQUIRE", "1")) || (status = set_socket(c)) ||
	    (status = set_devices(json_object_get(list, "ports"))) ||
	    (status = set_or_unset("COMLEASE_LOCK_DIR", status_string(list, "lockDir"))) ||
	    (status = set_wait(run->wait_ms)) ||
	    (status = set_variable("COMLEASE_PRIORITY", priority)) ||
	    (status = set_or_unset("COMLEASE_CLASS", run->class_name)) ||
	    (status = set_or_unset("COMLEASE_LABEL", run->label)))
		return status;
	/* without PORT the lease of a run around this one is still the one that is held */
	if (run->port && (status = set_or_unset("COMLEASE_STANDBY", run->standby ? "1" : NULL)))
		return status;
	if (run->max_hold_ms != COMLEASE_FOREVER)
		return set_seconds("COMLEASE_MAX_HOLD", run->max_hold_ms);
	unsetenv("COMLEASE_MAX_HOLD");
	return 0;
}

/* `run modem0 cat` where `run modem0 -- cat` was meant. */
static int
not_found(const struct run *run, const json_t *list, int status)
{
	static const char *const kinds[][2] = { { "ports", "port" }, { "pools", "pool" } };
	const json_t *port;
	size_t i;

	for (size_t k = 0; k < 2; k++) {
		json_array_foreach (json_object_get(list, kinds[k][0]), i, port) {
			const char *name = status_string(port, "name");
			if (name && strcmp(name, run->command[0]) == 0)
				cli_fail(0,
					 "%s is a %s: write `comlease run [OPTIONS] %s -- COMMAND`",
					 name, kinds[k][1], name);
		}
	}
	return status;
}

void
run_set_name(const struct run *run)
{
	const char *slash = strrchr(run->command[0], '/');

	prctl(PR_SET_NAME, slash ? slash + 1 : run->command[0]);
}

/* Becomes the command. */
static int
run_alone(const struct run *run)
{
	const char *name = run->command[0];
	int status;

	if (run->seccomp && (status = seccomp_enter(name, run->seccomp_reason, false)))
		return status;
	return command_exec(run->command);
}

static int
run_command(struct comlease *c, struct run *run, const json_t *list)
{
	int status;

	if (run->port && (status = ask_check_name(list, run->port)))
		return status;
	if (!strstr(run->command[0], "{}") && (status = command_check(run->command[0])))
		return not_found(run, list, status);
	/* unasked it would take rights away from what has the port already */
	if (!run->seccomp && !(run->port && command_is_set_id(run->command[0])))
		run->seccomp_reason = command_reason(run->command[0]);
	run->seccomp |= run->seccomp_reason != NULL;
	command_warn(run);
	if ((status = set_environment(run, c, list)))
		return status;
	if (run->port)
		return run->standby ? standby_port(c, run) : hold_port(c, run);
	return run_alone(run);
}

int
run_main(struct cli *cli, int argc, char **argv)
{
	struct run run;
	int status = run_options(&run, cli, argc, argv);

	if (status >= 0)
		return status;
	/* The broker notes the name of the process that asks: that is us, on behalf of the command.
	 */
	run_set_name(&run);
	struct comlease *c = ask_connect(cli);
	json_t *list = ask_list(c, NULL, 0, &status);
	if (list)
		status = run_command(c, &run, list);
	json_decref(list);
	comlease_disconnect(c);
	return status;
}
