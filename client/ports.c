/*
 * ports.c - `comlease ports`: the serial ports that the machine has, and sections for those that
 * are not managed yet.
 *
 * Responsible for: the three ways out (for people, JSON, sections alone), and for working without
 * a broker. Refuses to know: udev, how devices are told apart. Nothing is opened.
 */
#include "ports.h"
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "status_table.h"

#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define FILE_   "/etc/comlease/comlease.conf"
#define FILES   "/etc/comlease/comlease.conf.d/*.conf"
#define SYSTEMD "/run/systemd/system"

const char ports_help[] =
    "usage: comlease ports [--config|--json]\n"
    "\n"
    "Lists the serial ports that this machine has, and which of them comlease\n"
    "manages, and prints a section of comlease.conf for each of the others. It opens\n"
    "none of them, and works without a broker, too.\n"
    "\n"
    "  -c, --config          print the sections alone, to append to\n"
    "                        /etc/comlease/comlease.conf\n"
    "  -j, --json            as JSON: {\"ports\":[...]}, see comlease(1)\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0; 71 the system does not tell which ports there are.\n";

struct view {
	struct ports ports;
	json_t *list;    /* List's reply; NULL: no broker */
	struct text why; /* it isn't known what is managed */
	bool config, json;
};

/* Asks who has what. Without an answer everything is shown all the same, with why there is none. */
static void
ask(struct view *view, struct comlease *c)
{
	if (comlease_call_within(c, "io.comlease.List", NULL, &view->list, ASK_MS) < 0) {
		text_add_foreign(&view->why, comlease_error(c));
		if (errno == ECONNREFUSED || errno == ENOENT) {
			text_free(&view->why);
			text_add(&view->why, "no broker at ");
			text_add_foreign(&view->why, comlease_socket_path(c));
		}
	}
}

static size_t
count_named(const struct ports *ports)
{
	size_t n = 0;

	for (size_t i = 0; i < ports->count; i++)
		n += ports->devices[i].name[0] != '\0';
	return n;
}

/* Without any file comleased manages all USB ports under names that begin so. */
static bool
is_without_files(const struct view *view)
{
	const json_t *port;
	bool any = false;
	glob_t files;
	size_t i;

	json_array_foreach (json_object_get(view->list, "ports"), i, port) {
		const char *name = status_string(port, "name");
		any |= name && strncmp(name, "usb-", 4) == 0;
	}
	if (!any || access(FILE_, F_OK) == 0)
		return false;
	int found = glob(FILES, 0, NULL, &files);
	globfree(&files);
	return found == GLOB_NOMATCH;
}

static void
add_sections(struct text *t, const struct view *view)
{
	if (is_without_files(view))
		text_add(t, "# As long as there is no configuration, comleased manages every USB "
			    "port under a\n# name of its own; with one, it goes on doing so "
			    "because of this section:\n[port usb-*]\n\n");
	for (size_t i = 0; i < view->ports.count; i++) {
		if (view->ports.devices[i].name[0])
			ports_add_section(t, &view->ports.devices[i]);
	}
}

/* ---- the ways out ---- */

static int
print_config(const struct view *view)
{
	struct text t = { 0 };

	if (view->why.len)
		cli_fail(0, "%s: sections that comlease.conf has already may be among these",
			 view->why.s);
	text_add(&t, "");
	if (count_named(&view->ports))
		add_sections(&t, view);
	else
		cli_fail(0, "there is no port to add");
	if (t.len > 0)
		t.s[t.len - 1] = '\0'; /* the empty line behind the last one */
	fputs(t.s, stdout);
	text_free(&t);
	return cli_finish(CLI_OK);
}

static int
print_json(const struct view *view)
{
	bool terminal = isatty(STDOUT_FILENO);
	json_t *all = json_object();

	json_object_set_new(all, "broker", json_boolean(view->list != NULL));
	json_t *why = view->why.len ? json_string(view->why.s) : NULL;
	if (why)
		json_object_set_new(all, "reason", why);
	json_object_set_new(all, "ports", ports_json(&view->ports));
	json_dumpf(all, stdout,
		   terminal ? JSON_INDENT(2) | JSON_ENSURE_ASCII : (size_t)JSON_COMPACT);
	putchar('\n');
	json_decref(all);
	return cli_finish(CLI_OK);
}

static size_t
terminal_columns(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
}

static void
add_advice(struct text *t, const struct view *view)
{
	size_t n = count_named(&view->ports);

	if (n == 0) {
		if (view->ports.count)
			text_add(t, "\nThere is no port to add.\n");
		return;
	}
	text_addf(t,
		  "\nTo have comlease manage %s, append the section%s below to\n" FILE_
		  " (change the name%s as you like), and have it\nread again:\n\n"
		  "    comlease ports --config | sudo tee -a " FILE_ "\n",
		  n == 1 ? "the other one" : "the others", n == 1 ? "" : "s", n == 1 ? "" : "s");
	text_add(t, access(SYSTEMD, F_OK) == 0
			? "    sudo systemctl reload-or-restart comleased\n\n"
			: "    (then send comleased a SIGHUP, or start it)\n\n");
	add_sections(t, view);
	t->s[--t->len] = '\0';
}

static int
print_all(const struct view *view)
{
	const char *no_colour = getenv("NO_COLOR");
	size_t columns = terminal_columns();
	struct text t = { 0 };

	if (view->ports.count)
		ports_add_table(&t, &view->ports, columns, columns && (!no_colour || !*no_colour));
	else
		text_add(&t, "This machine has no serial port: no UART, and no adapter is plugged "
			     "in.\n");
	if (view->why.len) {
		text_addf(&t, "\nNothing is known of what is managed: %s.\n", view->why.s);
		if (count_named(&view->ports))
			text_add(&t, "Sections that comlease.conf has already may be among those "
				     "below.\n");
	}
	add_advice(&t, view);
	fputs(t.s, stdout);
	text_free(&t);
	return cli_finish(CLI_OK);
}

static int
show(struct view *view, struct comlease *c)
{
	int error = ports_read(&view->ports);

	if (error < 0)
		return cli_fail(CLI_SYSTEM, "the system does not tell which ports there are: %s",
				strerror(-error));
	ask(view, c);
	ports_find_logins(&view->ports, "");
	ports_match(&view->ports, view->list);
	ports_name(&view->ports, view->list);
	if (view->json)
		return print_json(view);
	return view->config ? print_config(view) : print_all(view);
}

int
ports_main(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "config", no_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		CLI_LONG_OPTIONS,
	};
	struct view view = { 0 };
	int option, result;

	while ((option = getopt_long(argc, argv, "cj" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'c')
			view.config = true;
		else if (option == 'j')
			view.json = true;
		else if ((result = cli_option(cli, option, argv)) >= 0)
			return result;
	}
	if (optind < argc)
		return cli_usage(argv, "ports takes no word: it lists all ports");
	if (view.config && view.json)
		return cli_usage(argv, "--config or --json, not both");
	struct comlease *c = ask_connect(cli);
	result = show(&view, c);
	comlease_disconnect(c);
	json_decref(view.list);
	text_free(&view.why);
	ports_free(&view.ports);
	return result;
}
