/*
 * cli.c - the program `comlease`: common options, and which command is meant.
 *
 * Responsible for: main(), the options that every command takes (before the command's name or after
 * it), --help, --version, messages to stderr in one form.
 * Refuses to know: what the commands do, the wire.
 *
 * To add a command: a file with NAME_main() and NAME_help, two lines in cli.h, one line here, its
 * options in comlease.1 and comlease.bash.
 */
#include "cli.h"
#include "comlease.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const struct cli_command cli_commands[] = {
	{ "status", status_main, status_help },
	{ "run", run_main, run_help },
	{ "bridge", bridge_main, bridge_help },
	{ "who", who_main, who_help },
	{ "revoke", revoke_main, revoke_help },
	{ "evict", evict_main, evict_help },
	{ "disable", disable_main, disable_help },
	{ "enable", enable_main, enable_help },
	{ "handoff", handoff_main, handoff_help },
	{ "busy", busy_main, busy_help },
	{ "idle", idle_main, idle_help },
	{ "monitor", monitor_main, monitor_help },
	{ "spy", spy_main, spy_help },
	{ "ports", ports_main, ports_help },
	{ "doctor", doctor_main, doctor_help },
	{ NULL, NULL, NULL },
};

static const char help[] =
    "usage: comlease [-s SOCKET] COMMAND ...\n"
    "\n"
    "Programs take turns on serial ports: each waits until the port is free, and the\n"
    "next one follows when it closes it.\n"
    "\n"
    "  comlease status [PORT|POOL...]       who has which port, and who waits\n"
    "  comlease run COMMAND...              run a program: it waits for what it opens\n"
    "  comlease run PORT|POOL -- COMMAND... have a port for as long as a command runs\n"
    "  comlease bridge PORT LINK            a virtual port, for programs as they are\n"
    "  comlease who PORT|DEVICE             who has this port (exit status 1: nobody)\n"
    "  comlease monitor [PORT...]           print what happens, as it happens\n"
    "  comlease spy PORT|LINK               show what passes at a bridge\n"
    "\n"
    "  comlease busy [PORT], idle [PORT]    a call begins, ends: don't take the port\n"
    "  comlease handoff PORT --to WAITER    hand a port on, with the call in progress\n"
    "\n"
    "  comlease revoke PORT                 take a port back from its holder\n"
    "  comlease evict PORT                  take it from whoever did not ask comlease\n"
    "  comlease disable PORT [REASON...]    let nobody have it, for maintenance\n"
    "  comlease enable PORT                 put it into use again\n"
    "\n"
    "  comlease ports                       what this machine has, and how to add it\n"
    "  comlease doctor                      what is wrong here, and what mends it\n"
    "\n"
    "  -s, --socket SOCKET   the broker's socket (also COMLEASE_SOCKET; default\n"
    "                        /run/comlease/comlease.sock, else the user's own broker)\n"
    "      --version         print the version\n"
    "  -h, --help            print this; comlease COMMAND --help tells more\n";

static void vsay(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));

static void
vsay(const char *format, va_list ap)
{
	char *message;

	fflush(stdout);
	/* in one write: several of us may share a terminal or a log */
	if (vasprintf(&message, format, ap) < 0)
		message = NULL;
	fprintf(stderr, "comlease: %s\n", message ? message : "no memory");
	free(message);
}

int
cli_fail(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay(format, ap);
	va_end(ap);
	return status;
}

int
cli_usage(char **argv, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsay(format, ap);
	va_end(ap);
	return cli_fail(CLI_USAGE, "try `%s --help`", argv[0]);
}

int
cli_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return cli_fail(CLI_SYSTEM, "standard output: %s", strerror(errno));
}

static const struct cli_command *
find_command(const char *name)
{
	for (const struct cli_command *c = cli_commands; c->name; c++) {
		if (strcmp(c->name, name) == 0)
			return c;
	}
	return NULL;
}

static int
print_help(const char *name)
{
	const struct cli_command *command = name ? find_command(name) : NULL;

	fputs(command ? command->help : help, stdout);
	return cli_finish(CLI_OK);
}

int
cli_option(struct cli *cli, int option, char **argv)
{
	/* argv[0] is "comlease COMMAND", or "comlease" before one is known */
	const char *space = strchr(argv[0], ' ');

	switch (option) {
	case 's':
		if (*optarg == '\0')
			return cli_usage(argv, "-s: the name of the socket is empty");
		cli->socket = optarg;
		return -1;
	case 'h':
		return print_help(space ? space + 1 : NULL);
	default:
		return cli_fail(CLI_USAGE, "try `%s --help`", argv[0]);
	}
}

static int
unknown_command(char **argv, const char *name)
{
	const char *names[sizeof cli_commands / sizeof *cli_commands];
	struct text t = { 0 };
	size_t n = 0;

	for (const struct cli_command *c = cli_commands; c->name; c++)
		names[n++] = c->name;
	const char *nearest = text_nearest(name, names, n);
	text_add(&t, "there is no command `");
	text_add_foreign(&t, name);
	text_add(&t, "`");
	if (nearest)
		text_addf(&t, "; did you mean `comlease %s`?", nearest);
	int status = cli_usage(argv, "%s", t.s);
	text_free(&t);
	return status;
}

static int
dispatch(struct cli *cli, char *name, int argc, char **argv)
{
	static char program[32];

	if (strcmp(name, "help") == 0)
		return print_help(argc > 1 ? argv[1] : NULL);
	const struct cli_command *command = find_command(name);
	if (!command) {
		char *top[] = { "comlease", NULL };
		return unknown_command(top, name);
	}
	/* getopt begins its messages with argv[0] */
	snprintf(program, sizeof program, "comlease %s", command->name);
	argv[0] = program;
	optind = 0; /* start afresh: glibc's way */
	return command->run(cli, argc, argv);
}

/* Where one of them is closed, a socket or a port would get its number, and what we have to say.
 * Using it fails as before, and the commands that we start have it closed. */
static void
keep_standard_numbers(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", (fd == 0 ? O_WRONLY : O_RDONLY) | O_CLOEXEC) < 0)
			break;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "version", no_argument, NULL, 'V' },
		CLI_LONG_OPTIONS,
	};
	static char program[] = "comlease";
	struct cli cli = { NULL };
	int option;

	keep_standard_numbers();
	/* Only the character set: times and numbers read the same everywhere, and scripts rely on
	 * it. */
	setlocale(LC_CTYPE, "");
	text_init();
	if (argc > 0)
		argv[0] = program;
	while ((option = getopt_long(argc, argv, "+V" CLI_SHORT_OPTIONS, options, NULL)) != -1) {
		if (option == 'V') {
			printf("comlease %s\n", COMLEASE_VERSION);
			return cli_finish(CLI_OK);
		}
		int status = cli_option(&cli, option, argv);
		if (status >= 0)
			return status;
	}
	if (optind >= argc) {
		fputs(help, stderr);
		return CLI_USAGE;
	}
	return dispatch(&cli, argv[optind], argc - optind, argv + optind);
}
