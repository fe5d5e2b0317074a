/*
 * admin.c - `comlease evict`, `disable`, `enable`: what the person who looks after the ports does.
 *
 * Responsible for: their words, and one line that says what was done, and to whom.
 * Refuses to know: who may do that and how it is done (the broker's business).
 */
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char evict_help[] =
    "usage: comlease evict [--term] PORT\n"
    "\n"
    "Takes PORT from whoever has it without comlease (state `foreign`): the line is\n"
    "hung up, so that his descriptor is dead (end of file, EIO), and the next in the\n"
    "queue gets the port. For root, and for whom `evict` in comlease.conf(5) names.\n"
    "A holder that has a lease is a matter of comlease revoke.\n"
    "\n"
    "  -t, --term            send him SIGTERM first, and hang the line up only if he\n"
    "                        has not gone within 2 seconds\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0; 1 nobody has it without comlease; 66 no such port; 69 no broker;\n"
    "74 it can't be taken; 77 not allowed; 78 configured with `revocation = none`.\n";

const char disable_help[] =
    "usage: comlease disable PORT [REASON...]\n"
    "\n"
    "Takes PORT out of use, for maintenance: nobody gets it until comlease enable,\n"
    "also after comleased has been stopped and started. Who has it now goes on until\n"
    "he closes it, and who waits goes on waiting. Then comlease leaves the device\n"
    "alone: other programs may open it. For root, and for whom `disable` in\n"
    "comlease.conf(5) names.\n"
    "\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "  comlease disable modem0 new SIM card, back at noon\n"
    "\n"
    "Exit status: 0; 66 no such port; 69 no broker; 77 not allowed.\n";

const char enable_help[] =
    "usage: comlease enable PORT\n"
    "\n"
    "Puts a disabled PORT into use again: the next in the queue gets it. For root,\n"
    "and for whom `disable` in comlease.conf(5) names.\n"
    "\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0; 66 no such port; 69 no broker; 77 not allowed.\n";

/* One call about a port: what was said of it before (a List), and the reply. */
struct admin {
	struct comlease *c;
	json_t *list, *reply;
	const json_t *port; /* in the list */
	json_t *parameters;
	bool term; /* evict --term */
};

/* Options that are common to all, and evict's own. -1, or the exit status. */
static int
parse(struct admin *admin, struct cli *cli, int argc, char **argv, bool takes_term)
{
	static const struct option options[] = {
		{ "term", no_argument, NULL, 't' },
		CLI_LONG_OPTIONS,
	};
	const struct option *these = takes_term ? options : options + 1;
	const char *letters = takes_term ? "t" CLI_SHORT_OPTIONS : CLI_SHORT_OPTIONS;
	int option, status;

	while ((option = getopt_long(argc, argv, letters, these, NULL)) != -1) {
		if (option == 't')
			admin->term = true;
		else if ((status = cli_option(cli, option, argv)) >= 0)
			return status;
	}
	return -1;
}

/* Looks the port up, so that there is something to say about it. 0, or the exit status. */
static int
begin(struct admin *admin, struct cli *cli, const char *name)
{
	int status;

	admin->c = ask_connect(cli);
	admin->list = ask_list(admin->c, NULL, 0, &status);
	if (!admin->list)
		return status;
	admin->port = ask_port_in(admin->list, name);
	if (!admin->port)
		return CLI_NO_PORT;
	admin->parameters = json_object();
	json_object_set(admin->parameters, "port", json_object_get(admin->port, "name"));
	return 0;
}

static int
end(struct admin *admin, int status)
{
	json_decref(admin->parameters);
	json_decref(admin->reply);
	json_decref(admin->list);
	comlease_disconnect(admin->c);
	return status;
}

/* He who has a lease is no stranger, and an administrator may have meant him. */
static int
fail_not_foreign(const json_t *port)
{
	const json_t *lease = status_object(port, "lease");
	struct text t = { 0 };

	text_add_foreign(&t, status_string(port, "name"));
	text_add(&t, ": nobody has it without comlease");
	if (lease) {
		text_add(&t, "; ");
		status_process(&t, status_object(lease, "owner"));
		text_add(&t, " has a lease: comlease revoke ");
		text_add_foreign(&t, status_string(port, "name"));
	}
	cli_fail(CLI_NO, "%s", t.s);
	text_free(&t);
	return CLI_NO;
}

/* 0, or the exit status after having said why. `verb` and `key`: see ask_not_allowed(). */
static int
call(struct admin *admin, const char *method, const char *verb, const char *key)
{
	if (comlease_call(admin->c, method, json_incref(admin->parameters), &admin->reply) == 0)
		return 0;
	const char *error = comlease_error_name(admin->c);
	if (error && strcmp(error, "io.comlease.NotForeign") == 0)
		return fail_not_foreign(admin->port);
	if (error && errno == EPERM)
		return ask_not_allowed(admin->port, NULL, verb, key);
	return ask_failed(admin->c);
}

static void
begin_line(struct text *t, const struct admin *admin, const char *words)
{
	text_add_foreign(t, status_string(admin->port, "name"));
	text_add(t, words);
}

static int
print_line(struct text *t)
{
	puts(t->s);
	text_free(t);
	return cli_finish(CLI_OK);
}

static int
evict(struct admin *admin)
{
	struct text t = { 0 };

	if (admin->term)
		json_object_set_new(admin->parameters, "terminate", json_true());
	int status = call(admin, "io.comlease.Evict", "evict somebody from it", "evict");
	if (status)
		return status;
	const json_t *foreign = status_object(admin->reply, "foreign");
	int64_t others = status_integer(foreign, "others");
	begin_line(&t, admin, ": taken from ");
	status_stranger(&t, foreign);
	if (others > 0) {
		text_add(&t, " and ");
		text_add_count(&t, others);
		text_add(&t, " more");
	}
	return print_line(&t);
}

int
evict_main(struct cli *cli, int argc, char **argv)
{
	struct admin admin = { 0 };
	int status = parse(&admin, cli, argc, argv, true);

	if (status >= 0)
		return status;
	if (argc - optind != 1)
		return cli_usage(argv, "evict: name one port");
	status = begin(&admin, cli, argv[optind]);
	if (status == 0)
		status = evict(&admin);
	return end(&admin, status);
}

/* The words of the command line as one text; NULL: none. */
static char *
join(char **words, int count, struct text *t)
{
	for (int i = 0; i < count; i++)
		text_addf(t, i ? " %s" : "%s", words[i]);
	return t->len ? t->s : NULL;
}

static int
disable(struct admin *admin, const char *reason)
{
	const json_t *lease = status_object(admin->port, "lease");
	struct text t = { 0 };
	int status = call(admin, "io.comlease.Disable", "disable it", "disable");

	if (status)
		return status;
	begin_line(&t, admin, ": disabled");
	if (reason) {
		text_add(&t, ": \"");
		text_add_foreign(&t, reason);
		text_add(&t, "\"");
	}
	text_add(&t, "; ");
	if (lease) {
		status_process(&t, status_object(lease, "owner"));
		text_add(&t, " goes on until it closes it");
	} else {
		text_add(&t, "nobody gets it until comlease enable ");
		text_add_foreign(&t, status_string(admin->port, "name"));
	}
	return print_line(&t);
}

int
disable_main(struct cli *cli, int argc, char **argv)
{
	struct admin admin = { 0 };
	struct text words = { 0 };
	json_t *text = NULL;
	int status = parse(&admin, cli, argc, argv, false);

	if (status >= 0)
		return status;
	if (argc - optind < 1)
		return cli_usage(argv, "disable: name one port, then perhaps the reason");
	const char *reason = join(argv + optind + 1, argc - optind - 1, &words);
	if (reason && !(text = ask_reason("disable", reason))) {
		text_free(&words);
		return CLI_USAGE;
	}
	status = begin(&admin, cli, argv[optind]);
	if (status == 0 && text)
		json_object_set(admin.parameters, "reason", text);
	if (status == 0)
		status = disable(&admin, reason);
	json_decref(text);
	text_free(&words);
	return end(&admin, status);
}

static int
enable(struct admin *admin)
{
	int64_t waiting = status_integer(admin->port, "waiting");
	struct text t = { 0 };
	int status = call(admin, "io.comlease.Enable", "enable it", "disable");

	if (status)
		return status;
	begin_line(&t, admin,
		   json_is_true(json_object_get(admin->port, "disabled")) ? ": enabled"
									  : ": was not disabled");
	if (waiting > 0) {
		text_add(&t, "; ");
		text_add_count(&t, waiting);
		text_add(&t, " waiting");
	}
	return print_line(&t);
}

int
enable_main(struct cli *cli, int argc, char **argv)
{
	struct admin admin = { 0 };
	int status = parse(&admin, cli, argc, argv, false);

	if (status >= 0)
		return status;
	if (argc - optind != 1)
		return cli_usage(argv, "enable: name one port");
	status = begin(&admin, cli, argv[optind]);
	if (status == 0)
		status = enable(&admin);
	return end(&admin, status);
}
