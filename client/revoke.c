/*
 * revoke.c - `comlease revoke`: takes a port back from its holder.
 *
 * Responsible for: saying from whom it was taken.
 * Refuses to know: who may do that (the broker decides).
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

const char revoke_help[] =
    "usage: comlease revoke [--token N] [--reason TEXT] PORT\n"
    "\n"
    "Takes PORT back from whoever has it, at once: his descriptor is dead (end of\n"
    "file, EIO), the line is hung up, and the next in the queue gets the port. It\n"
    "returns when that descriptor no longer works. For root, for leases of one's own,\n"
    "and for whom `revoke` in comlease.conf(5) names. Who has the port without\n"
    "comlease is a matter of comlease evict.\n"
    "\n"
    "  -t, --token N         only if the lease with this token still holds (see\n"
    "                        comlease status --json)\n"
    "  -r, --reason TEXT     for the log, and for the holder\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Exit status: 0; 1 nobody has the port, or that lease is over already; 66 no such\n"
    "port; 69 no broker; 77 not allowed; 78 the port is configured with\n"
    "`revocation = none`.\n";

struct revoke {
	const char *port, *reason;
	json_int_t token; /* 0: whatever lease it is */
};

static bool
parse_token(const char *s, json_int_t *token)
{
	char *end;

	errno = 0;
	intmax_t n = strtoimax(s, &end, 10);
	if (errno || end == s || *end || n <= 0)
		return false;
	*token = (json_int_t)n;
	return true;
}

static int
parse(struct cli *cli, struct revoke *revoke, int argc, char **argv)
{
	static const struct option options[] = {
		{ "token", required_argument, NULL, 't' },
		{ "reason", required_argument, NULL, 'r' },
		CLI_LONG_OPTIONS,
	};
	int option, status;

	while ((option = getopt_long(argc, argv, "t:r:" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 't') {
			if (!parse_token(optarg, &revoke->token))
				return cli_usage(argv, "--token: not a token (1, 2, ...)");
		} else if (option == 'r') {
			revoke->reason = optarg;
		} else if ((status = cli_option(cli, option, argv)) >= 0) {
			return status;
		}
	}
	if (argc - optind != 1)
		return cli_usage(argv, "revoke: name one port");
	revoke->port = argv[optind];
	return -1;
}

/* "modem0: taken back from efax (pid 4312, user ann)": `port` is how it was before. */
static void
print_done(const struct revoke *revoke, const json_t *port, json_int_t token)
{
	const json_t *lease = status_object(port, "lease");
	struct text t = { 0 };

	text_add_foreign(&t, revoke->port);
	text_add(&t, ": taken back");
	if (lease && status_integer(lease, "token") == token) {
		text_add(&t, " from ");
		status_process(&t, status_object(lease, "owner"));
	}
	text_addf(&t, "; lease %" JSON_INTEGER_FORMAT " is over", token);
	puts(t.s);
	text_free(&t);
}

/* Nobody holds a lease; but perhaps somebody has the port without one. */
static int
fail_nobody(const json_t *port)
{
	const json_t *foreign = status_object(port, "foreign");
	const char *name = status_string(port, "name");
	struct text t = { 0 };

	text_add_foreign(&t, name);
	if (foreign) {
		text_add(&t, ": nobody holds a lease; ");
		status_stranger(&t, foreign);
		text_add(&t, " has it without comlease: comlease evict ");
		text_add_foreign(&t, name);
	} else {
		text_add(&t, ": nobody has it");
	}
	cli_fail(CLI_NO, "%s", t.s);
	text_free(&t);
	return CLI_NO;
}

static int
revoke_port(struct comlease *c, const struct revoke *revoke, const json_t *port)
{
	const json_t *lease = status_object(port, "lease");
	json_t *parameters = json_object(), *reply;

	json_object_set_new(parameters, "port", json_string(revoke->port));
	if (revoke->token)
		json_object_set_new(parameters, "token", json_integer(revoke->token));
	if (revoke->reason) {
		json_t *reason = ask_reason("revoke", revoke->reason);
		if (!reason) {
			json_decref(parameters);
			return CLI_USAGE;
		}
		json_object_set_new(parameters, "reason", reason);
	}
	if (comlease_call(c, "io.comlease.Revoke", parameters, &reply) < 0) {
		const char *error = comlease_error_name(c);
		if (!revoke->token && error && strcmp(error, "io.comlease.NotHolder") == 0)
			return fail_nobody(port);
		if (errno == EPERM && lease)
			return ask_not_allowed(port, lease, "take it back", "revoke");
		return ask_failed(c);
	}
	print_done(revoke, port, (json_int_t)status_integer(reply, "token"));
	json_decref(reply);
	return cli_finish(CLI_OK);
}

int
revoke_main(struct cli *cli, int argc, char **argv)
{
	struct revoke revoke = { NULL, NULL, 0 };
	int status = parse(cli, &revoke, argc, argv);

	if (status >= 0)
		return status;
	struct comlease *c = ask_connect(cli);
	json_t *list = ask_list(c, NULL, 0, &status);
	if (list) {
		const json_t *port = ask_port_in(list, revoke.port);
		status = port ? revoke_port(c, &revoke, port) : CLI_NO_PORT;
	}
	json_decref(list);
	comlease_disconnect(c);
	return status;
}
