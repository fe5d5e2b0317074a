/*
 * monitor.c - `comlease monitor`: what happens, as it happens.
 *
 * Responsible for: one line an event, for people or as JSON, written out at once.
 * Refuses to know: whether it has words for every event: a new one is printed with its members.
 */
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "status.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char monitor_help[] =
    "usage: comlease monitor [--json] [PORT...]\n"
    "\n"
    "Prints what happens on the ports, one line an event, until Ctrl-C:\n"
    "\n"
    "  request   somebody asks for the port    leave     a waiter has gone\n"
    "  grant     somebody gets it              end       a lease is over, and why\n"
    "  join      a holder opens it once more   state     the port's new state\n"
    "  yield     a holder is asked to let go   keep      no longer: he may go on\n"
    "  busy      a standby holder is in a call idle      no longer\n"
    "  handoff   a holder hands the port on    evict     who has no lease is cut off\n"
    "  foreign   somebody has it, no lease     intruder  ... beside the holder\n"
    "  disable   nobody gets it any more       enable    in use again\n"
    "\n"
    "  -j, --json            one JSON object a line: io.comlease(7), type Event\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 66 no such port; 69 no broker, or gone for 30 s; 77 no permission.\n";

static void
add_clock(struct text *t, int64_t time_ms)
{
	time_t when = (time_t)(time_ms / 1000);
	struct tm then;
	char s[32] = "?";

	if (localtime_r(&when, &then))
		strftime(s, sizeof s, "%b %e %H:%M:%S", &then);
	text_addf(t, "%s.%03d", s, (int)(time_ms % 1000));
}

/* ", waited 3 min"; nothing where the event has no such member. */
static void
add_duration(struct text *t, const json_t *event, const char *member, const char *words)
{
	const json_t *ms = json_object_get(event, member);

	if (!ms)
		return;
	int64_t value = json_integer_value(ms);
	text_add(t, words);
	if (value < 10000)
		text_addf(t, "%d.%03d s", (int)(value / 1000), (int)(value % 1000));
	else
		text_add_duration(t, value);
}

static void
add_words(struct text *t, const char *before, const char *words)
{
	if (!words)
		return;
	text_add(t, before);
	text_add_foreign(t, words);
}

/* What happened to whom, or by whom. An owner that is left out is one that can't be seen, or, where
 * there are words for it, of no interest. */
static const struct sentence {
	const char *event, *after_owner, *without_owner;
} sentences[] = {
	{ "yield", "is asked to let go", NULL },
	{ "keep", "may go on", NULL },
	{ "busy", "is in a call", NULL },
	{ "idle", "is no longer in a call", NULL },
	{ "handoff", "hands it on", "it is handed on" },
	{ "foreign", "has it without comlease", NULL },
	{ "intruder", "opened it beside the holder", NULL },
	{ "evict", "is cut off", NULL },
	{ "disable", "took it out of use", "out of use" },
	{ "enable", "put it into use again", "in use again" },
};

static void
add_sentence(struct text *t, const char *event, const json_t *owner)
{
	const struct sentence *s = NULL;

	for (size_t i = 0; event && i < sizeof sentences / sizeof *sentences; i++) {
		if (strcmp(event, sentences[i].event) == 0)
			s = &sentences[i];
	}
	if (owner) {
		text_add(t, " ");
		status_process(t, owner);
	} else if (s && !s->without_owner) {
		text_add(t, " a process that I can't see");
	}
	if (s)
		text_addf(t, " %s", !owner && s->without_owner ? s->without_owner : s->after_owner);
}

/* "yielded" is what the end of a lease is called; a holder that is asked wants to know for what. */
static void
add_reason(struct text *t, const char *event, const char *reason)
{
	static const char *const words[][2] = {
		{ "yielded", "somebody else waits" },
		{ "preempted", "a higher class waits" },
		{ "expired", "its time is over" },
	};

	for (size_t i = 0; event && reason && i < 3 && strcmp(event, "yield") == 0; i++) {
		if (strcmp(reason, words[i][0]) == 0)
			reason = words[i][1];
	}
	add_words(t, ": ", reason);
}

static void
print_line(const json_t *event)
{
	const char *name = status_string(event, "event");
	const json_t *token = json_object_get(event, "token");
	struct text t = { 0 };

	add_clock(&t, status_integer(event, "time"));
	add_words(&t, "  ", status_string(event, "port"));
	text_add(&t, "  ");
	size_t column = text_columns(t.s);
	text_add_foreign(&t, name);
	text_pad_to(&t, column + 9);
	add_words(&t, " ", status_string(event, "state"));
	add_sentence(&t, name, status_object(event, "owner"));
	add_reason(&t, name, status_string(event, "reason"));
	add_words(&t, ", label ", status_string(event, "label"));
	add_words(&t, ", class ", status_string(event, "class"));
	if (token)
		text_addf(&t, ", token %" JSON_INTEGER_FORMAT, json_integer_value(token));
	add_duration(&t, event, "waited", ", waited ");
	add_duration(&t, event, "held", ", held ");
	add_words(&t, "; ", status_string(event, "detail"));
	puts(t.s);
	text_free(&t);
}

static void
print_event(json_t *event, bool json)
{
	if (json) {
		status_add_user(status_object(event, "owner"));
		json_dumpf(event, stdout,
			   JSON_COMPACT | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0));
		putchar('\n');
	} else {
		print_line(event);
	}
	fflush(stdout);
}

/* Follows one stream until it breaks: 0, the broker has gone; otherwise the exit status. */
static int
follow(struct comlease *c, bool json, char **names, int count, bool *said_gone)
{
	json_t *reply, *event;
	size_t i;
	int result = 0;

	if (comlease_call_more(c, "io.comlease.Monitor", ask_parameters_ports(names, count)) < 0)
		return ask_failed(c);
	while (result != 1 && !ferror(stdout)) {
		result = comlease_next_reply(c, &reply, -1);
		if (result >= 0) {
			*said_gone = false;
			json_array_foreach (json_object_get(reply, "events"), i, event)
				print_event(event, json);
			json_decref(reply);
		} else if (errno == ECONNRESET) {
			return 0;
		} else if (errno != EINTR) {
			return ask_failed(c);
		}
	}
	return cli_finish(CLI_OK);
}

int
monitor_main(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		CLI_LONG_OPTIONS,
	};
	bool json = false, said_gone = false;
	int option, status;

	while ((option = getopt_long(argc, argv, "j" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else if ((status = cli_option(cli, option, argv)) >= 0)
			return status;
	}
	struct comlease *c = ask_connect(cli);
	if (isatty(STDOUT_FILENO) && comlease_open_socket(c) == 0)
		fputs("comlease: watching; Ctrl-C ends it\n", stderr);
	do {
		status = follow(c, json, argv + optind, argc - optind, &said_gone);
		if (status == 0 && !ferror(stdout))
			status = ask_again(c, &said_gone);
	} while (status == 0 && !ferror(stdout));
	comlease_disconnect(c);
	return status;
}
