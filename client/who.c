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
    "Prints who has the port, with a lease or without; DEVICE is a path like\n"
    "/dev/ttyUSB0.\n"
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
find_port(json_t *list, const char *word)
{
	const json_t *ports = json_object_get(list, "ports"), *port;
	size_t i;

	if (!strchr(word, '/'))
		return ask_port_in(list, word);
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

static void
add_holder(struct text *t, const json_t *lease)
{
	const char *label = status_string(lease, "label"), *class = status_string(lease, "class");

	status_process(t, status_object(lease, "owner"));
	text_add(t, label ? ", label " : "");
	text_add_foreign(t, label);
	text_add(t, class ? ", class " : "");
	text_add_foreign(t, class);
	text_add(t, json_is_true(json_object_get(lease, "standby")) ? ", standby" : "");
	text_add(t, ", since ");
	text_add_since(t, status_integer(lease, "since"), text_now_ms());
	if (status_integer(lease, "busySince")) {
		text_add(t, ", in a call since ");
		text_add_time(t, status_integer(lease, "busySince"), text_now_ms());
	}
}

static void
add_nobody(struct text *t, const json_t *port)
{
	const char *reason = status_string(port, "reason"), *state = status_string(port, "state");

	text_add(t, "nobody; ");
	/* a reason may begin with the state's name, and a state says nothing more than that */
	if (!reason || !state || strncmp(reason, state, strlen(state)) != 0) {
		text_add_foreign(t, state);
		text_add(t, reason ? ": " : "");
	}
	text_add_foreign(t, reason);
}

static int
print_holder(const json_t *port)
{
	const json_t *lease = status_object(port, "lease");
	const json_t *foreign = status_object(port, "foreign");
	const json_t *intruder = status_object(port, "intruder");
	struct text t = { 0 };

	text_add_foreign(&t, status_string(port, "name"));
	text_add(&t, ": ");
	if (lease) {
		add_holder(&t, lease);
	} else if (foreign) {
		text_add(&t, "foreign: ");
		status_foreign(&t, foreign, text_now_ms());
	} else if (!intruder) {
		add_nobody(&t, port);
	}
	if (intruder) {
		text_add(&t, lease || foreign ? "; intruder: " : "intruder: ");
		status_foreign(&t, intruder, text_now_ms());
	}
	if (lease || status_integer(port, "waiting")) {
		text_add(&t, "; ");
		text_add_count(&t, status_integer(port, "waiting"));
		text_add(&t, " waiting");
	}
	puts(t.s);
	text_free(&t);
	return cli_finish(lease || foreign || intruder ? CLI_OK : CLI_NO);
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
	json_t *list = ask_list(c, NULL, 0, &status);
	if (list) {
		const json_t *port = find_port(list, argv[optind]);
		status = port ? print_holder(port) : CLI_NO_PORT;
	}
	json_decref(list);
	comlease_disconnect(c);
	return status;
}
