/*
 * status.c - `comlease status`: who has which port, and who waits.
 *
 * Responsible for: the three ways out (a table, JSON, a table that follows the changes).
 * Refuses to know: columns and widths (status_table.c, status_detail.c), the socket.
 * The one tricky idea: --watch keeps the ports as the broker last sent them and replaces those that
 * come with a change; nothing is ever asked again. On a terminal the ages are drawn anew each
 * second.
 */
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "status.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

const char status_help[] =
    "usage: comlease status [--json] [--watch] [PORT|POOL...]\n"
    "\n"
    "Shows the ports: who has each, since when, who waits for it and why in that\n"
    "order, and who has it without comlease. A pool stands for its ports.\n"
    "\n"
    "  -j, --json            as JSON: {\"ports\":[...],...}, see io.comlease(7)\n"
    "  -w, --watch           go on, and show each change (Ctrl-C ends it)\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0; 66 no such port; 69 no broker; 75 it does not answer; 77 no\n"
    "permission.\n";

static const char no_ports[] =
    "No port is configured. To add one, write for example into\n"
    "/etc/comlease/comlease.conf.d/modem0.conf\n"
    "\n"
    "    [port modem0]\n"
    "    device = /dev/ttyUSB0\n"
    "\n"
    "and then send comleased a SIGHUP, or start it again. comlease.conf(5) tells more.\n";

struct status {
	bool json, watch, terminal;
	bool said_gone; /* --watch: that the broker has gone */
	json_t *list;   /* --watch: the ports and pools as the broker last sent them */
};

void
status_add_user(json_t *process)
{
	if (!json_is_object(process))
		return;
	const char *user = text_user((uid_t)status_integer(process, "uid"));
	json_t *name = user ? json_string(user) : NULL; /* NULL too if it is no UTF-8 */
	if (name)
		json_object_set_new(process, "user", name);
}

void
status_add_users(json_t *ports)
{
	size_t i, j;
	json_t *port, *waiter;

	json_array_foreach (ports, i, port) {
		status_add_user(status_object(json_object_get(port, "lease"), "owner"));
		status_add_user(status_object(json_object_get(port, "foreign"), "process"));
		status_add_user(status_object(json_object_get(port, "intruder"), "process"));
		json_array_foreach (json_object_get(port, "waiters"), j, waiter)
			status_add_user(status_object(waiter, "owner"));
	}
}

static size_t
terminal_columns(size_t *rows)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0) {
		*rows = 24;
		return 80;
	}
	*rows = size.ws_row ? size.ws_row : 24;
	return size.ws_col;
}

static void
make_table(struct text *t, const struct status *status, const json_t *list, size_t *rows)
{
	const json_t *ports = json_object_get(list, "ports");
	const char *no_colour = getenv("NO_COLOR");
	struct status_style style = { 0, false, text_now_ms() };

	*rows = 0;
	if (status->terminal) {
		style.columns = terminal_columns(rows);
		style.colour = !no_colour || *no_colour == '\0';
	}
	if (json_array_size(ports) == 0)
		text_add(t, no_ports);
	else
		status_table(t, ports, &style);
	status_pools(t, json_object_get(list, "pools"), &style);
}

static void
print_json(const struct status *status, json_t *list, bool one_line)
{
	size_t flags = status->terminal && !one_line ? JSON_INDENT(2) : JSON_COMPACT;

	status_add_users(json_object_get(list, "ports"));
	/* jansson escapes control characters; on a terminal nothing else shall act either */
	json_dumpf(list, stdout, flags | (status->terminal ? JSON_ENSURE_ASCII : 0));
	putchar('\n');
}

static void
print_once(const struct status *status, json_t *list)
{
	struct text t = { 0 };
	size_t rows;

	if (status->json) {
		print_json(status, list, false);
		return;
	}
	make_table(&t, status, list, &rows);
	fputs(t.s, stdout);
	text_free(&t);
}

/* The table from the screen's top: each line clears its rest, the end clears the screen's; what
 * does not fit is counted. */
static void
redraw(const struct status *status)
{
	struct text t = { 0 };
	size_t rows, line = 0;

	make_table(&t, status, status->list, &rows);
	fputs("\033[H\033[?7l", stdout); /* a line that is too long must not take two */
	const char *s = t.s;
	while (*s && line + 2 < rows) {
		size_t n = strcspn(s, "\n");
		printf("%.*s\033[K\n", (int)n, s);
		s += n + (s[n] == '\n');
		line++;
	}
	size_t hidden = 0;
	for (; *s; s++)
		hidden += *s == '\n';
	if (hidden)
		printf("... %zu more lines\033[K\n", hidden);
	fputs("\033[J\033[?7h", stdout);
	fflush(stdout);
	text_free(&t);
}

/* Puts a changed port in the place of the old one, or at the end; one that is gone goes. */
static void
take_port(json_t *ports, json_t *changed)
{
	const char *name = status_string(changed, "name"),
		   *reason = status_string(changed, "reason");
	bool gone = reason && strcmp(reason, "no longer configured") == 0;
	json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		const char *s = status_string(port, "name");
		if (!s || !name || strcmp(s, name) != 0)
			continue;
		if (gone)
			json_array_remove(ports, i);
		else
			json_array_set(ports, i, changed);
		return;
	}
	if (!gone)
		json_array_append(ports, changed);
}

static void
take_reply(struct status *status, json_t *reply)
{
	json_t *changed = json_object_get(reply, "ports"), *port;
	json_t *ports = json_object_get(status->list, "ports");
	json_t *pools = json_object_get(reply, "pools");
	size_t i;

	if (status->json) {
		print_json(status, reply, true);
		fflush(stdout);
		return;
	}
	json_array_foreach (changed, i, port)
		take_port(ports, port);
	if (pools)
		json_object_set(status->list, "pools", pools);
	if (status->terminal) {
		redraw(status);
	} else {
		print_once(status, status->list);
		putchar('\n');
		fflush(stdout);
	}
}

/* Waits for the stream, a new size of the window, or the next second of the ages on display. */
static void
wait_for_change(const struct status *status, struct comlease *c, int winch)
{
	bool draws = status->terminal && !status->json;
	struct pollfd fds[2] = { { comlease_socket(c), POLLIN, 0 }, { winch, POLLIN, 0 } };
	struct signalfd_siginfo info;

	int n = poll(fds, 2, draws ? 1000 : -1);
	if (n > 0 && (fds[1].revents & POLLIN) && read(winch, &info, sizeof info) < 0)
		return;
	if (draws && !(n > 0 && fds[0].revents))
		redraw(status);
}

/* Follows one stream until it breaks: 0, the broker has gone; otherwise the exit status. */
static int
follow(struct status *status, struct comlease *c, int winch, char **names, int count)
{
	json_t *reply;

	if (comlease_call_more(c, "io.comlease.List", ask_parameters_ports(names, count)) < 0)
		return ask_failed(c);
	json_array_clear(json_object_get(status->list, "ports"));
	int result = 0;
	while (result != 1 && !ferror(stdout)) {
		result = comlease_next_reply(c, &reply, 0);
		if (result >= 0) {
			status->said_gone = false;
			take_reply(status, reply);
			json_decref(reply);
		} else if (errno == EAGAIN) {
			wait_for_change(status, c, winch);
		} else if (errno == ECONNRESET) {
			return 0;
		} else if (errno != EINTR) {
			return ask_failed(c);
		}
	}
	return cli_finish(CLI_OK);
}

static int
watch(struct status *status, struct comlease *c, char **names, int count)
{
	sigset_t set;
	int result;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int winch = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (winch < 0)
		return cli_fail(CLI_SYSTEM, "signalfd: %s", strerror(errno));
	status->list = json_object();
	json_object_set_new(status->list, "ports", json_array());
	if (status->terminal && !status->json)
		fputs("\033[H\033[2J", stdout);
	do {
		result = follow(status, c, winch, names, count);
		if (result == 0)
			result = ask_again(c, &status->said_gone);
	} while (result == 0);
	json_decref(status->list);
	close(winch);
	return result;
}

static int
once(const struct status *status, struct comlease *c, char **names, int count)
{
	int result;
	json_t *list = ask_list(c, names, count, &result);

	if (!list)
		return result;
	print_once(status, list);
	json_decref(list);
	return cli_finish(CLI_OK);
}

int
status_main(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "watch", no_argument, NULL, 'w' },
		CLI_LONG_OPTIONS,
	};
	struct status status = { .terminal = isatty(STDOUT_FILENO) };
	int option, result;

	while ((option = getopt_long(argc, argv, "jw" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'j')
			status.json = true;
		else if (option == 'w')
			status.watch = true;
		else if ((result = cli_option(cli, option, argv)) >= 0)
			return result;
	}
	struct comlease *c = ask_connect(cli);
	result = status.watch ? watch(&status, c, argv + optind, argc - optind)
			      : once(&status, c, argv + optind, argc - optind);
	comlease_disconnect(c);
	return result;
}
