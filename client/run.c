/*
 * run.c - `comlease run`: the environment that the shim reads, and the case without PORT, where run
 * becomes the command.
 *
 * Responsible for: LD_PRELOAD and the COMLEASE_ variables; whether there is such a port or pool.
 * Refuses to know: options (run_options.c), how a lease is taken and held (hold.c, standby.c), how
 * the shim uses its environment.
 */
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "run.h"
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

#ifndef COMLEASE_LIBDIR
#define COMLEASE_LIBDIR "/usr/local/lib"
#endif
#define SHIM "libcomlease-shim.so"

/* ---- the environment ---- */

static int
set_variable(const char *name, const char *value)
{
	if (setenv(name, value, 1) == 0)
		return 0;
	return cli_fail(CLI_SYSTEM, "no memory");
}

/* Beside the executable in the build tree; in the lib beside its bin, wherever an installed tree
 * was copied to; else where it was installed. */
static int
find_shim(char path[PATH_MAX])
{
	static const char *const beside[] = { "/" SHIM, "/lib/" SHIM };
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - sizeof "/lib/" SHIM);
	char *slash;

	path[n > 0 ? n : 0] = '\0';
	for (size_t i = 0; i < 2 && (slash = strrchr(path, '/')); i++) {
		strcpy(slash, beside[i]);
		if (access(path, R_OK) == 0)
			return 0;
		*slash = '\0';
	}
	snprintf(path, PATH_MAX, "%s/%s", COMLEASE_LIBDIR, SHIM);
	if (access(path, R_OK) < 0)
		return cli_fail(CLI_CONFIG, "%s: %s: install comlease again", path,
				strerror(errno));
	return 0;
}

static int
set_preload(void)
{
	const char *others = getenv("LD_PRELOAD");
	char path[PATH_MAX];
	struct text t = { 0 };

	int status = find_shim(path);
	if (status)
		return status;
	if (strpbrk(path, ": "))
		return cli_fail(
		    CLI_CONFIG,
		    "%s: LD_PRELOAD takes no path with a colon or a space: move comlease", path);
	text_add(&t, path);
	if (others && *others)
		text_addf(&t, ":%s", others);
	status = set_variable("LD_PRELOAD", t.s);
	text_free(&t);
	return status;
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
	if ((status = set_preload()) || (status = set_variable("COMLEASE_REQUIRE", "1")) ||
	    (status = set_socket(c)) || (status = set_devices(json_object_get(list, "ports"))) ||
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

/* Is there a port or a pool of that name? 0, or the exit status after having said which there are.
 */
static int
check_port(const json_t *list, const char *name)
{
	json_t *known = json_array(), *pool;
	size_t i;

	json_array_extend(known, json_object_get(list, "ports"));
	json_array_foreach (json_object_get(list, "pools"), i, pool)
		json_array_append(known, pool);
	int status = ask_port_named(known, name) ? 0 : CLI_NO_PORT;
	json_decref(known);
	return status;
}

static int
run_command(struct comlease *c, const struct run *run, const json_t *list)
{
	int status;

	if (run->port && (status = check_port(list, run->port)))
		return status;
	if (!strstr(run->command[0], "{}") && (status = command_check(run->command[0])))
		return not_found(run, list, status);
	if ((status = set_environment(run, c, list)))
		return status;
	if (run->port)
		return run->standby ? standby_port(c, run) : hold_port(c, run);
	command_warn(run->command[0]);
	return command_exec(run->command);
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
