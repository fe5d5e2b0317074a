/*
 * run.c - `comlease run`: its options, the environment that the shim reads, and the case without
 * PORT, where run becomes the command.
 *
 * Responsible for: which words are PORT and which are COMMAND; LD_PRELOAD and the COMLEASE_
 * variables. Refuses to know: how a lease is taken and held (hold.c), how the shim uses its
 * environment.
 */
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "run.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
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

const char run_help[] =
    "usage: comlease run [OPTIONS] COMMAND [ARGUMENT...]\n"
    "       comlease run [OPTIONS] PORT -- COMMAND [ARGUMENT...]\n"
    "\n"
    "Without PORT: COMMAND runs, and each time that it opens a port of the broker's,\n"
    "its open() waits until the port is its own. When it closes it, the next one\n"
    "gets it.\n"
    "\n"
    "With PORT: waits for PORT first and has it until COMMAND ends. COMMAND may open\n"
    "the device itself ({} in its words is replaced by the device's path), and it has\n"
    "the open device as descriptor 3 (COMLEASE_FD=3).\n"
    "COMLEASE_PORT, COMLEASE_DEVICE and COMLEASE_TOKEN tell which lease it is.\n"
    "\n"
    "  -n, --nonblock        don't wait: fail if the port is not free\n"
    "  -w, --wait SECS       wait no longer than SECS (2, 0.5)\n"
    "  -E, --late-status N   exit status instead of 75 if the port was not to be had\n"
    "  -p, --priority N      -100..100, default 0: the higher one goes first\n"
    "  -l, --label NAME      what to call this work in `comlease status`\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Options stand before PORT and COMMAND. The first word is PORT if `--` comes\n"
    "right after it, otherwise it is COMMAND. `comlease run -- COMMAND` says that\n"
    "there is no PORT, for a COMMAND whose own first argument is `--`.\n"
    "\n"
    "  comlease run efax -d /dev/ttyUSB0 -t 5551234 page.tif\n"
    "  comlease run -w 60 modem0 -- sh -c 'printf \"ATI\\r\" >{}; timeout 2 cat <{}'\n"
    "  comlease run board1 -- esptool --port {} write_flash 0 firmware.bin\n"
    "\n"
    "Exit status: COMMAND's own, 128+N if signal N ended it; 64 usage; 66 no such\n"
    "port; 69 no broker; 74 the device can't be used; 75 not to be had in time (-E);\n"
    "77 not allowed; 78 not installed completely; 126 COMMAND can't be executed;\n"
    "127 not found. Without PORT a program that would wait longer than -w gets EBUSY\n"
    "from its open().\n";

/* What the broker takes for a label. Under the shim it would be too late to say so. */
static bool
is_name(const char *s)
{
	size_t len =
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@+-");

	return len > 0 && len <= 64 && s[len] == '\0';
}

static int
parse_integer(const char *s, long least, long most, int *value)
{
	char *end;

	errno = 0;
	long n = strtol(s, &end, 10);
	if (errno || end == s || *end || n < least || n > most)
		return -1;
	*value = (int)n;
	return 0;
}

static int
parse_seconds(const char *s, int64_t *ms)
{
	char *end;
	double n = strtod(s, &end);

	if (end == s || *end || !isfinite(n) || n < 0 || n > 1e9)
		return -1;
	*ms = (int64_t)(n * 1000 + 0.999);
	return 0;
}

/* One option: -1, or the exit status. */
static int
take_option(struct cli *cli, struct run *run, int option, char **argv)
{
	switch (option) {
	case 'n':
	case 'w':
		if (run->wait_ms != COMLEASE_FOREVER)
			return cli_usage(argv, "run: -n and -w: only one of them, and once");
		run->wait_ms = 0;
		if (option == 'w' && parse_seconds(optarg, &run->wait_ms) < 0)
			return cli_usage(argv, "run: -w: not a number of seconds (2, 0.5)");
		return -1;
	case 'E':
		if (parse_integer(optarg, 0, 255, &run->late_status) < 0)
			return cli_usage(argv, "run: -E: not an exit status (0..255)");
		return -1;
	case 'p':
		if (parse_integer(optarg, -100, 100, &run->priority) < 0)
			return cli_usage(argv, "run: -p: not a priority (-100..100)");
		return -1;
	case 'l':
		run->label = optarg;
		if (!is_name(optarg))
			return cli_usage(
			    argv, "run: -l: not a label (1 to 64 letters, digits, . _ : @ + -)");
		return -1;
	default:
		return cli_option(cli, option, argv);
	}
}

/* -1, or the exit status. */
static int
parse(struct cli *cli, struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "nonblock", no_argument, NULL, 'n' },
		{ "wait", required_argument, NULL, 'w' },
		{ "late-status", required_argument, NULL, 'E' },
		{ "priority", required_argument, NULL, 'p' },
		{ "label", required_argument, NULL, 'l' },
		CLI_LONG_OPTIONS,
	};
	int option, status;
	char *argument = NULL; /* of the last option: `-l --` is not the `--` before COMMAND */

	while ((option = getopt_long(argc, argv, "+nw:E:p:l:" CLI_SHORT_OPTIONS, options, NULL)) !=
	       -1) {
		argument = optarg;
		if ((status = take_option(cli, run, option, argv)) >= 0)
			return status;
	}
	bool dashes = strcmp(argv[optind - 1], "--") == 0 && argv[optind - 1] != argument;
	if (!dashes && optind + 1 < argc && strcmp(argv[optind + 1], "--") == 0) {
		run->port = argv[optind];
		optind += 2;
	}
	run->command = argv + optind;
	if (!run->command[0])
		return cli_usage(argv, "run: name the command to run");
	return -1;
}

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
set_wait(int64_t wait_ms)
{
	char s[32];

	/* Neither -n nor -w: what the user has set stays. */
	if (wait_ms == COMLEASE_FOREVER && getenv("COMLEASE_WAIT"))
		return 0;
	if (wait_ms == COMLEASE_FOREVER)
		return set_variable("COMLEASE_WAIT", "forever");
	if (wait_ms % 1000)
		snprintf(s, sizeof s, "%d.%03d", (int)(wait_ms / 1000), (int)(wait_ms % 1000));
	else
		snprintf(s, sizeof s, "%d", (int)(wait_ms / 1000));
	return set_variable("COMLEASE_WAIT", s);
}

/* 0, or the exit status after having said why. */
static int
set_environment(const struct run *run, const struct comlease *c, const json_t *ports)
{
	char priority[16];
	int status;

	snprintf(priority, sizeof priority, "%d", run->priority);
	if ((status = set_preload()) || (status = set_variable("COMLEASE_REQUIRE", "1")) ||
	    (status = set_socket(c)) || (status = set_devices(ports)) ||
	    (status = set_wait(run->wait_ms)) ||
	    (status = set_variable("COMLEASE_PRIORITY", priority)))
		return status;
	if (run->label)
		return set_variable("COMLEASE_LABEL", run->label);
	unsetenv("COMLEASE_LABEL");
	return 0;
}

/* `run modem0 cat` where `run modem0 -- cat` was meant. */
static int
not_found(const struct run *run, const json_t *ports, int status)
{
	const json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		const char *name = status_string(port, "name");
		if (name && strcmp(name, run->command[0]) == 0)
			cli_fail(0, "%s is a port: write `comlease run [OPTIONS] %s -- COMMAND`",
				 name, name);
	}
	return status;
}

static int
run_command(struct comlease *c, const struct run *run, json_t *ports)
{
	const json_t *port = NULL;
	int status;

	if (run->port && !(port = ask_port_named(ports, run->port)))
		return CLI_NO_PORT;
	if (!strstr(run->command[0], "{}") && (status = command_check(run->command[0])))
		return not_found(run, ports, status);
	if ((status = set_environment(run, c, ports)))
		return status;
	if (port)
		return hold_port(c, run, port);
	command_warn(run->command[0]);
	return command_exec(run->command);
}

int
run_main(struct cli *cli, int argc, char **argv)
{
	struct run run = { .wait_ms = COMLEASE_FOREVER, .late_status = CLI_NOT_IN_TIME };
	int status = parse(cli, &run, argc, argv);

	if (status >= 0)
		return status;
	/* The broker notes the name of the process that asks: that is us, on behalf of the command.
	 */
	const char *slash = strrchr(run.command[0], '/');
	prctl(PR_SET_NAME, slash ? slash + 1 : run.command[0]);
	struct comlease *c = ask_connect(cli);
	json_t *ports = ask_ports(c, NULL, 0, &status);
	if (ports)
		status = run_command(c, &run, ports);
	json_decref(ports);
	comlease_disconnect(c);
	return status;
}
