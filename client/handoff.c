/*
 * handoff.c - `comlease handoff`: the port goes from its holder to one waiter, with the call.
 *
 * Responsible for: telling a PID from a label, and saying who follows whom.
 * Refuses to know: how the line is kept up (the broker and its keeper).
 */
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char handoff_help[] =
    "usage: comlease handoff PORT --to PID|LABEL\n"
    "\n"
    "When the holder of PORT closes it, the port goes to that waiter, whoever else\n"
    "waits, and the line stays up: no hang-up, no initialisation. So a call goes on\n"
    "under another program. The waiter must be in the queue already (comlease status\n"
    "PORT); a word of digits is a process id. For the holder's user, root, and whom\n"
    "`revoke` in comlease.conf(5) names.\n"
    "\n"
    "  -t, --to PID|LABEL    who gets it\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0; 1 nobody has the port, or that waiter is not in its queue; 66 no\n"
    "such port; 69 no broker; 77 not allowed.\n";

/* -1, or the exit status. */
static int
parse(struct cli *cli, int argc, char **argv, const char **to)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },
		CLI_LONG_OPTIONS,
	};
	int option, status;

	while ((option = getopt_long(argc, argv, "t:" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 't')
			*to = optarg;
		else if ((status = cli_option(cli, option, argv)) >= 0)
			return status;
	}
	if (argc - optind != 1)
		return cli_usage(argv, "handoff: name one port");
	if (**to == '\0')
		return cli_usage(argv, "handoff: --to: name the waiter, by pid or label");
	return -1;
}

/* False: that is neither a pid nor text. */
static bool
set_waiter(json_t *parameters, const char *to)
{
	if (to[strspn(to, "0123456789")] != '\0')
		return json_object_set_new(parameters, "label", json_string(to)) == 0;
	errno = 0;
	intmax_t pid = strtoimax(to, NULL, 10);
	if (errno || pid <= 0 || pid > INT32_MAX)
		return false;
	return json_object_set_new(parameters, "pid", json_integer((json_int_t)pid)) == 0;
}

/* "modem0: `x` does not wait for it; mail-beta (pid 4400), fax (pid 812) do" */
static int
fail_no_waiter(const json_t *port, const char *to)
{
	const json_t *waiters = json_object_get(port, "waiters"), *waiter;
	struct text t = { 0 };
	size_t i;

	text_add_foreign(&t, status_string(port, "name"));
	text_add(&t, ": `");
	text_add_foreign(&t, to);
	text_add(&t, "` does not wait for it");
	json_array_foreach (waiters, i, waiter) {
		const char *label = status_string(waiter, "label");
		text_add(&t, i ? ", " : "; who does: ");
		if (label) {
			text_add(&t, "label ");
			text_add_foreign(&t, label);
			text_add(&t, ", ");
		}
		status_process(&t, status_object(waiter, "owner"));
	}
	if (json_array_size(waiters) == 0)
		text_add(&t, "; nobody does");
	cli_fail(CLI_NO, "%s", t.s);
	text_free(&t);
	return CLI_NO;
}

static int
print_done(const json_t *port, const json_t *reply)
{
	const json_t *lease = status_object(port, "lease");
	struct text t = { 0 };

	text_add_foreign(&t, status_string(port, "name"));
	text_add(&t, ": goes to ");
	status_process(&t, status_object(reply, "to"));
	text_add(&t, " when ");
	/* the holder may have changed since the list was made */
	if (lease && status_integer(lease, "token") == status_integer(reply, "token"))
		status_process(&t, status_object(lease, "owner"));
	else
		text_add(&t, "its holder");
	text_add(&t, " closes it");
	puts(t.s);
	text_free(&t);
	return cli_finish(CLI_OK);
}

static int
handoff(struct comlease *c, const json_t *port, const char *to)
{
	const json_t *lease = status_object(port, "lease");
	json_t *parameters = json_object(), *reply;

	json_object_set(parameters, "port", json_object_get(port, "name"));
	if (!set_waiter(parameters, to)) {
		json_decref(parameters);
		return fail_no_waiter(port, to);
	}
	if (comlease_call(c, "io.comlease.Handoff", parameters, &reply) == 0) {
		int status = print_done(port, reply);
		json_decref(reply);
		return status;
	}
	int error = errno;
	const char *name = comlease_error_name(c);
	if (name && strcmp(name, "io.comlease.NoSuchWaiter") == 0)
		return fail_no_waiter(port, to);
	if (name && strcmp(name, "io.comlease.NotHolder") == 0 && !lease)
		return cli_fail(CLI_NO, "%s: nobody has it: there is nothing to hand on",
				status_string(port, "name"));
	if (name && error == EPERM && lease)
		return ask_not_allowed(port, lease, "hand it on", "revoke");
	errno = error;
	return ask_failed(c);
}

int
handoff_main(struct cli *cli, int argc, char **argv)
{
	const char *to = "";
	int status = parse(cli, argc, argv, &to);

	if (status >= 0)
		return status;
	struct comlease *c = ask_connect(cli);
	json_t *list = ask_list(c, NULL, 0, &status);
	if (list) {
		const json_t *port = ask_port_in(list, argv[optind]);
		status = port ? handoff(c, port, to) : CLI_NO_PORT;
	}
	json_decref(list);
	comlease_disconnect(c);
	return status;
}
