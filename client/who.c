/*
 * who.c - `comlease who`: who has one port, in one line, for people and for `if` in scripts.
 *
 * Responsible for: finding the port by its name or by its device, whatever path that is written as.
 * Refuses to know: tables, JSON.
 */
#include "ask.h"
#include "cli.h"
#include "status_table.h"
#include "text.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char who_help[] =
    "usage: comlease who PORT|DEVICE\n"
    "\n"
    "Prints who has the port; DEVICE is a path like /dev/ttyUSB0.\n"
    "\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0 somebody has it; 1 nobody has it; 66 no such port; 69 no broker;\n"
    "77 no permission.\n";

/* The same device by another path: another spelling, a link, another node of the same number. */
static bool
is_same_device(const json_t *port, const char *device)
{
	const char *theirs = status_string(port, "device");
	int64_t rdev = status_integer(port, "rdev");
	char a[PATH_MAX], b[PATH_MAX];
	struct stat st;

	if (!theirs)
		return false;
	if (strcmp(theirs, device) == 0)
		return true;
	if (rdev && stat(device, &st) == 0 && S_ISCHR(st.st_mode))
		return (int64_t)st.st_rdev == rdev;
	return realpath(device, a) && realpath(theirs, b) && strcmp(a, b) == 0;
}

static const json_t *
find_port(json_t *ports, const char *word)
{
	const json_t *port;
	size_t i;

	if (!strchr(word, '/'))
		return ask_port_named(ports, word);
	json_array_foreach (ports, i, port) {
		if (is_same_device(port, word))
			return port;
	}
	struct text t = { 0 };
	text_add_foreign(&t, word);
	cli_fail(CLI_NO_PORT, "no port has the device %s (comlease status lists them)", t.s);
	text_free(&t);
	return NULL;
}

static int
print_holder(const json_t *port)
{
	const json_t *lease = json_object_get(port, "lease");
	const char *label = status_string(lease, "label"), *reason = status_string(port, "reason");
	struct text t = { 0 };

	text_add_foreign(&t, status_string(port, "name"));
	text_add(&t, ": ");
	if (lease) {
		status_process(&t, json_object_get(lease, "owner"));
		text_add(&t, label ? ", label " : "");
		text_add_foreign(&t, label);
		text_add(&t, ", since ");
		text_add_since(&t, status_integer(lease, "since"), text_now_ms());
	} else {
		text_add(&t, "nobody; ");
		text_add_foreign(&t, status_string(port, "state"));
		text_add(&t, reason ? ": " : "");
		text_add_foreign(&t, reason);
	}
	if (lease || status_integer(port, "waiting")) {
		text_add(&t, "; ");
		text_add_count(&t, status_integer(port, "waiting"));
		text_add(&t, " waiting");
	}
	puts(t.s);
	text_free(&t);
	return cli_finish(lease ? CLI_OK : CLI_NO);
}

int
who_main(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = { CLI_LONG_OPTIONS };
	int option, status;

	while ((option = getopt_long(argc, argv, CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if ((status = cli_option(cli, option, argv)) >= 0)
			return status;
	}
	if (argc - optind != 1)
		return cli_usage(argv, "who: name one port or device");
	struct comlease *c = ask_connect(cli);
	json_t *ports = ask_ports(c, NULL, 0, &status);
	if (ports) {
		const json_t *port = find_port(ports, argv[optind]);
		status = port ? print_holder(port) : CLI_NO_PORT;
	}
	json_decref(ports);
	comlease_disconnect(c);
	return status;
}
