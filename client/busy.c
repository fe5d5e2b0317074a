/*
 * busy.c - `comlease busy` and `comlease idle`: a standby holder says that a call has begun, or is
 * over. Meant for scripts under `comlease run --standby`, whose environment names port and lease.
 *
 * Responsible for: which port is meant, and whether the lease of the environment is.
 * Refuses to know: what else makes a holder busy (the broker's `busy-by`, the shim's lock files).
 */
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS                                                                                    \
	"PORT is COMLEASE_PORT if it is not named, as under `comlease run PORT`; then\n"           \
	"only the lease in COMLEASE_TOKEN is meant. For the holder's user.\n"                      \
	"\n"                                                                                       \
	"  -s, --socket SOCKET   the broker's socket\n"                                            \
	"  -h, --help            print this\n"                                                     \
	"\n"                                                                                       \
	"Exit status: 0; 1 that lease is over, or nobody has the port; 66 no such port;\n"         \
	"69 no broker; 77 not the holder's user.\n"

const char busy_help[] =
    "usage: comlease busy [PORT]\n"
    "\n"
    "Says that a call has begun: nobody asks the standby holder of PORT to let go\n"
    "until comlease idle, or until the port's max-busy is over.\n"
    "\n" OPTIONS;

const char idle_help[] =
    "usage: comlease idle [PORT]\n"
    "\n"
    "Says that the call is over: the standby holder of PORT lets go again when\n"
    "somebody else waits.\n"
    "\n" OPTIONS;

struct busy {
	const char *port;
	json_int_t token; /* 0: whatever lease it is */
	bool busy;
};

/* The port is named by the word or by the environment, and then so is the lease. -1, or the exit
 * status. */
static int
choose(struct busy *busy, const char *word, char **argv)
{
	const char *port = getenv("COMLEASE_PORT"), *token = getenv("COMLEASE_TOKEN");
	char *end;

	busy->port = word ? word : port;
	if (!busy->port || *busy->port == '\0')
		return cli_usage(argv, "name a port (COMLEASE_PORT is not set)");
	if (!port || !token || strcmp(busy->port, port) != 0)
		return -1;
	errno = 0;
	intmax_t n = strtoimax(token, &end, 10);
	if (errno || end == token || *end || n <= 0)
		return cli_fail(CLI_USAGE,
				"COMLEASE_TOKEN is set and is not the number of a lease");
	busy->token = (json_int_t)n;
	return -1;
}

static bool
is_named(const struct comlease *c, const char *error)
{
	const char *name = comlease_error_name(c);

	return name && strcmp(name, error) == 0;
}

static const char *
what_it_means(const json_t *reply, bool is_busy)
{
	if (json_is_false(json_object_get(reply, "standby")))
		return "its lease is not a standby one, so a call makes no difference";
	return is_busy ? "in a call: its holder is not asked to let go" : "no longer in a call";
}

static int
call(struct comlease *c, const struct busy *busy)
{
	json_t *parameters = json_object(), *name = json_string(busy->port), *reply = NULL;
	struct text t = { 0 };
	int status = CLI_OK;

	text_add_foreign(&t, busy->port);
	if (!name) {
		status = cli_fail(CLI_NO_PORT, "there is no port `%s`", t.s);
		json_decref(parameters);
		text_free(&t);
		return status;
	}
	if (busy->token)
		json_object_set_new(parameters, "token", json_integer(busy->token));
	else
		json_object_set(parameters, "port", name);
	json_decref(name);
	json_object_set_new(parameters, "busy", json_boolean(busy->busy));
	if (comlease_call(c, "io.comlease.SetBusy", parameters, &reply) < 0)
		status = errno == EPERM && !is_named(c, "io.comlease.NotHolder")
			     ? cli_fail(CLI_DENIED,
					"%s: not allowed: only its holder's user may say that", t.s)
			     : ask_failed(c);
	else
		printf("%s: %s\n", t.s, what_it_means(reply, busy->busy));
	json_decref(reply);
	text_free(&t);
	return status ? status : cli_finish(CLI_OK);
}

static int
say(struct cli *cli, int argc, char **argv, bool is_busy)
{
	static const struct option options[] = { CLI_LONG_OPTIONS };
	struct busy busy = { NULL, 0, is_busy };
	int option, status;

	while ((option = getopt_long(argc, argv, CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if ((status = cli_option(cli, option, argv)) >= 0)
			return status;
	}
	if (argc - optind > 1)
		return cli_usage(argv, "name one port, or none");
	if ((status = choose(&busy, argv[optind], argv)) >= 0)
		return status;
	struct comlease *c = ask_connect(cli);
	status = call(c, &busy);
	comlease_disconnect(c);
	return status;
}

int
busy_main(struct cli *cli, int argc, char **argv)
{
	return say(cli, argc, argv, true);
}

int
idle_main(struct cli *cli, int argc, char **argv)
{
	return say(cli, argc, argv, false);
}
