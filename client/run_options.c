/*
 * run_options.c - the words of `comlease run`.
 *
 * Responsible for: the options, their help, which words are PORT and which are COMMAND. Refuses to
 * know: what becomes of them (run.c), and whether there is such a port.
 */
#include "cli.h"
#include "option.h"
#include "run.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Options without a letter. */
enum {
	OPTION_MAX_HOLD = 256,
	OPTION_STANDBY,
	OPTION_YIELD_SIGNAL,
	OPTION_YIELD_GRACE,
	OPTION_SECCOMP
};

const char run_help[] =
    "usage: comlease run [OPTIONS] COMMAND [ARGUMENT...]\n"
    "       comlease run [OPTIONS] PORT -- COMMAND [ARGUMENT...]\n"
    "\n"
    "Without PORT: COMMAND runs, and each time that it opens a port of the broker's,\n"
    "its open() waits until the port is its own. When it closes it, the next one\n"
    "gets it.\n"
    "\n"
    "With PORT: waits for PORT first and has it until COMMAND ends. COMMAND may open\n"
    "the device itself ({} in its words is replaced by the device's path), and it has\n"
    "the open device as descriptor 3 (COMLEASE_FD=3).\n"
    "COMLEASE_PORT, COMLEASE_DEVICE and COMLEASE_TOKEN tell which lease it is. PORT\n"
    "may be a pool: then it is the first of its ports that is free.\n"
    "\n"
    "With --standby: has PORT whenever nobody else wants it, for ever. If somebody\n"
    "does, COMMAND gets a signal, and is started again when the port is back.\n"
    "\n"
    "  -n, --nonblock        don't wait: fail if the port is not free\n"
    "  -w, --wait SECS       wait no longer than SECS (2, 0.5)\n"
    "  -E, --late-status N   exit status instead of 75 if the port was not to be had\n"
    "  -c, --class CLASS     the kind of work (mail, fax...), see `order` of the port\n"
    "  -p, --priority N      -100..100, default 0: the higher one goes first\n"
    "  -l, --label NAME      what to call this work in `comlease status`\n"
    "      --max-hold SECS   give the port back after that time\n"
    "      --standby         give way to whoever wants PORT, and come back\n"
    "      --yield-signal S  what asks COMMAND to let go (TERM)\n"
    "      --yield-grace SECS  how long it may take until the port is taken from it\n"
    "      --seccomp         catch opens in the kernel: for COMMANDs that run static\n"
    "                        programs (one that is static itself gets it unasked)\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "Options stand before PORT and COMMAND. The first word is PORT if `--` comes\n"
    "right after it, otherwise it is COMMAND. `comlease run -- COMMAND` says that\n"
    "there is no PORT, for a COMMAND whose own first argument is `--`.\n"
    "\n"
    "  comlease run efax -d /dev/ttyUSB0 -t 5551234 page.tif\n"
    "  comlease run -w 60 modem0 -- sh -c 'printf \"ATI\\r\" >{}; timeout 2 cat <{}'\n"
    "  comlease run board1 -- esptool --port {} write_flash 0 firmware.bin\n"
    "  comlease run -c fax --standby modem0 -- efax -d {} -iS0=1 -w -r rx/in\n"
    "\n"
    "Exit status: COMMAND's own, 128+N if signal N ended it; 64 usage; 66 no such\n"
    "port; 69 no broker; 74 the device can't be used; 75 not to be had in time (-E);\n"
    "77 not allowed; 78 not installed completely; 126 COMMAND can't be executed;\n"
    "127 not found. Without PORT a program that would wait longer than -w gets EBUSY\n"
    "from its open().\n";

/* "TERM", "SIGTERM", "sigterm", "15" */
static int
parse_signal(const char *s, int *signo)
{
	const char *name = strncasecmp(s, "SIG", 3) == 0 ? s + 3 : s;

	if (option_integer(s, 1, SIGRTMAX, signo) == 0)
		return 0;
	for (int i = 1; i < NSIG; i++) {
		const char *known = sigabbrev_np(i);
		if (known && strcasecmp(known, name) == 0) {
			*signo = i;
			return 0;
		}
	}
	return -1;
}

/* Those without a letter: -1, or the exit status. */
static int
take_long_option(struct cli *cli, struct run *run, int option, char **argv)
{
	switch (option) {
	case OPTION_MAX_HOLD:
		if (option_seconds(optarg, &run->max_hold_ms) < 0 || run->max_hold_ms == 0)
			return cli_usage(argv, "run: --max-hold: not a number of seconds (2, 0.5)");
		return -1;
	case OPTION_STANDBY:
		run->standby = true;
		return -1;
	case OPTION_SECCOMP:
		run->seccomp = true;
		return -1;
	case OPTION_YIELD_SIGNAL:
		if (parse_signal(optarg, &run->yield_signal) < 0)
			return cli_usage(argv, "run: --yield-signal: not a signal (TERM, 15)");
		return -1;
	case OPTION_YIELD_GRACE:
		if (option_seconds(optarg, &run->yield_grace_ms) < 0)
			return cli_usage(argv,
					 "run: --yield-grace: not a number of seconds (2, 0.5)");
		return -1;
	default:
		return cli_option(cli, option, argv);
	}
}

/* One option: -1, or the exit status. */
static int
take_option(struct cli *cli, struct run *run, int option, char **argv)
{
	switch (option) {
	case 'n':
	case 'w':
		if (run->wait_ms != COMLEASE_FOREVER)
			return cli_usage(argv, "run: -n and -w: only one of them, and once");
		run->wait_ms = 0;
		if (option == 'w' && option_seconds(optarg, &run->wait_ms) < 0)
			return cli_usage(argv, "run: -w: not a number of seconds (2, 0.5)");
		return -1;
	case 'E':
		if (option_integer(optarg, 0, 255, &run->late_status) < 0)
			return cli_usage(argv, "run: -E: not an exit status (0..255)");
		return -1;
	case 'p':
		if (option_integer(optarg, -100, 100, &run->priority) < 0)
			return cli_usage(argv, "run: -p: not a priority (-100..100)");
		return -1;
	case 'c':
		run->class_name = optarg;
		if (!option_is_name(optarg))
			return cli_usage(
			    argv, "run: -c: not a class (1 to 64 letters, digits, . _ : @ + -)");
		return -1;
	case 'l':
		run->label = optarg;
		if (!option_is_name(optarg))
			return cli_usage(
			    argv, "run: -l: not a label (1 to 64 letters, digits, . _ : @ + -)");
		return -1;
	default:
		return take_long_option(cli, run, option, argv);
	}
}

/* What can't be had together: -1, or the exit status. */
static int
check_options(const struct run *run, char **argv)
{
	if (run->class_name && !option_is_name(run->class_name))
		return cli_usage(argv, "run: COMLEASE_CLASS: not a class (1 to 64 letters, digits, "
				       ". _ : @ + -)");
	if (run->standby && !run->port)
		return cli_usage(argv,
				 "run: --standby needs a port: run --standby PORT -- COMMAND");
	if (run->standby && run->wait_ms != COMLEASE_FOREVER)
		return cli_usage(argv, "run: --standby waits as long as it takes: not with -n, -w");
	if (run->yield_signal && !run->standby)
		return cli_usage(argv, "run: --yield-signal is for --standby");
	if (run->yield_grace_ms != COMLEASE_FOREVER && !run->port)
		return cli_usage(argv, "run: --yield-grace needs a port: run PORT -- COMMAND");
	return -1;
}

/* -1, or the exit status. */
static int
parse(struct cli *cli, struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{ "nonblock", no_argument, NULL, 'n' },
		{ "wait", required_argument, NULL, 'w' },
		{ "late-status", required_argument, NULL, 'E' },
		{ "class", required_argument, NULL, 'c' },
		{ "priority", required_argument, NULL, 'p' },
		{ "label", required_argument, NULL, 'l' },
		{ "max-hold", required_argument, NULL, OPTION_MAX_HOLD },
		{ "standby", no_argument, NULL, OPTION_STANDBY },
		{ "yield-signal", required_argument, NULL, OPTION_YIELD_SIGNAL },
		{ "yield-grace", required_argument, NULL, OPTION_YIELD_GRACE },
		{ "seccomp", no_argument, NULL, OPTION_SECCOMP },
		CLI_LONG_OPTIONS,
	};
	int option, status;
	char *argument = NULL; /* of the last option: `-l --` is not the `--` before COMMAND */

	while ((option = getopt_long(argc, argv, "+nw:E:c:p:l:" CLI_SHORT_OPTIONS, options,
				     NULL)) != -1) {
		argument = optarg;
		if ((status = take_option(cli, run, option, argv)) >= 0)
			return status;
	}
	bool dashes = strcmp(argv[optind - 1], "--") == 0 && argv[optind - 1] != argument;
	if (!dashes && optind + 1 < argc && strcmp(argv[optind + 1], "--") == 0) {
		run->port = argv[optind];
		optind += 2;
	}
	run->command = argv + optind;
	if (!run->command[0])
		return cli_usage(argv, "run: name the command to run");
	return check_options(run, argv);
}

int
run_options(struct run *run, struct cli *cli, int argc, char **argv)
{
	const char *class_name = getenv("COMLEASE_CLASS");

	*run = (struct run){ .wait_ms = COMLEASE_FOREVER,
			     .max_hold_ms = COMLEASE_FOREVER,
			     .yield_grace_ms = COMLEASE_FOREVER,
			     .late_status = CLI_NOT_IN_TIME,
			     .class_name = class_name && *class_name ? class_name : NULL };
	int status = parse(cli, run, argc, argv);
	if (run->yield_signal == 0)
		run->yield_signal = SIGTERM;
	return status;
}
