/*
 * bridge.c - `comlease bridge`: a port for programs that know nothing of comlease.
 *
 * Responsible for: the options and their help. Refuses to know: what is made of them
 * (bridge_loop.c).
 *
 * How the parts work together: bridge_loop.c polls, bridge_session.c decides, and each of these
 * does one thing: bridge_pty.c (the pty, and who has it open), bridge_link.c (LINK), bridge_lease.c
 * (the port), bridge_flow.c and bridge_relay.c (bytes), bridge_follow.c and bridge_line.c (line
 * settings), bridge_talk.c (words), bridge_spy.c (who reads along).
 */
#include "bridge.h"
#include "ask.h"
#include "cli.h"
#include "option.h"

#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* Options without a letter. */
enum {
	OPTION_WHEN = 256,
	OPTION_STANDBY,
	OPTION_YIELD_GRACE,
	OPTION_MAX_HOLD,
	OPTION_ANNOUNCE,
	OPTION_FRAME,
	OPTION_SPY,
};

const char bridge_help[] =
    "usage: comlease bridge [OPTIONS] PORT LINK\n"
    "\n"
    "Makes a virtual port: LINK, a symbolic link to a new terminal device. A program\n"
    "that opens LINK waits for PORT (its open() returns at once, what it writes is\n"
    "kept), is connected when PORT is its own, and gives it back by closing. Nothing\n"
    "has to be known to the program, or done to it. PORT may be a pool. Runs until\n"
    "SIGTERM, SIGINT or SIGHUP; then LINK is gone.\n"
    "\n"
    "  -w, --wait SECS       wait no longer than SECS; then the program is hung up\n"
    "  -c, --class CLASS     the kind of work (mail, fax...), see `order` of the port\n"
    "  -p, --priority N      -100..100, default 0: the higher one goes first\n"
    "  -l, --label NAME      what to call this work in `comlease status`; default: the\n"
    "                        name of LINK\n"
    "      --when open|write  when PORT is asked for: when LINK is opened (default),\n"
    "                        or when the first byte is written\n"
    "      --standby         give way to whoever wants PORT, and come back: the\n"
    "                        program stays attached and only sees a pause\n"
    "      --yield-grace SECS  how long giving way may take\n"
    "      --max-hold SECS   give the port back after that time: hang the program up\n"
    "      --announce        tell the program, as lines of text, who has PORT\n"
    "      --frame 7E1       bits, parity and stop bits, which a virtual port can't\n"
    "                        carry; default: as PORT is configured\n"
    "  -m, --mode MODE       permissions of the device, octal (660)\n"
    "  -g, --group GROUP     its group\n"
    "      --spy FILE        write a transcript of what passes\n"
    "  -s, --socket SOCKET   the broker's socket\n"
    "  -h, --help            print this\n"
    "\n"
    "  comlease bridge modem0 /run/comlease/modem0.tty\n"
    "  comlease bridge --standby --announce board1 ~/board1 & minicom -D ~/board1\n"
    "\n"
    "Exit status: 0 ended by a signal; 64 usage; 66 no such port; 69 no broker;\n"
    "71 no terminal device to be had; 73 LINK can't be made.\n";

static int
bad_seconds(char **argv, const char *option)
{
	return cli_usage(argv, "bridge: %s: not a number of seconds (2, 0.5)", option);
}

static int
bad_name(char **argv, const char *option, const char *what)
{
	return cli_usage(argv, "bridge: %s: not a %s (" OPTION_NAME ")", option, what);
}

static int
parse_mode(const char *s, struct bridge_access *access)
{
	char *end;
	unsigned long mode = strtoul(s, &end, 8);

	if (*s < '0' || *s > '7' || *end || mode > 0777)
		return -1;
	access->mode = (mode_t)mode;
	access->has_mode = true;
	return 0;
}

static int
parse_group(const char *s, struct bridge_access *access)
{
	struct group group, *found = NULL;
	char buffer[16384]; /* all its members' names */
	int gid;

	getgrnam_r(s, &group, buffer, sizeof buffer, &found);
	if (!found && option_integer(s, 0, INT32_MAX, &gid) < 0)
		return -1;
	access->group = found ? found->gr_gid : (gid_t)gid;
	access->has_group = true;
	return 0;
}

/* Those that need no word, or have one that is theirs alone: -1, or the exit status. */
static int
take_other_option(struct cli *cli, struct bridge_options *o, int option, char **argv)
{
	switch (option) {
	case OPTION_STANDBY:
		o->standby = true;
		return -1;
	case OPTION_ANNOUNCE:
		o->announce = true;
		return -1;
	case OPTION_WHEN:
		o->on_write = strcmp(optarg, "write") == 0;
		if (!o->on_write && strcmp(optarg, "open") != 0)
			return cli_usage(argv, "bridge: --when: not open or write");
		return -1;
	case OPTION_FRAME:
		if (bridge_frame_parse(optarg, &o->frame) < 0)
			return cli_usage(argv, "bridge: --frame: not a frame (8N1, 7E1)");
		return -1;
	case OPTION_SPY:
		o->spy = optarg;
		return *optarg ? -1 : cli_usage(argv, "bridge: --spy: the file's name is empty");
	case 'm':
		if (parse_mode(optarg, &o->access) < 0)
			return cli_usage(argv, "bridge: -m: not permissions (octal: 660)");
		return -1;
	case 'g':
		if (parse_group(optarg, &o->access) < 0)
			return cli_usage(argv, "bridge: -g: there is no such group");
		return -1;
	default:
		return cli_option(cli, option, argv);
	}
}

/* One option: -1, or the exit status. */
static int
take_option(struct cli *cli, struct bridge_options *o, int option, char **argv)
{
	switch (option) {
	case 'w':
		return option_seconds(optarg, &o->wait_ms) < 0 ? bad_seconds(argv, "-w") : -1;
	case OPTION_YIELD_GRACE:
		return option_seconds(optarg, &o->yield_grace_ms) < 0
			   ? bad_seconds(argv, "--yield-grace")
			   : -1;
	case OPTION_MAX_HOLD:
		return option_seconds(optarg, &o->max_hold_ms) < 0 || o->max_hold_ms == 0
			   ? bad_seconds(argv, "--max-hold")
			   : -1;
	case 'p':
		if (option_integer(optarg, -100, 100, &o->priority) < 0)
			return cli_usage(argv, "bridge: -p: not a priority (-100..100)");
		return -1;
	case 'c':
		o->class_name = optarg;
		return option_is_name(optarg) ? -1 : bad_name(argv, "-c", "class");
	case 'l':
		o->label = optarg;
		return option_is_name(optarg) ? -1 : bad_name(argv, "-l", "label");
	default:
		return take_other_option(cli, o, option, argv);
	}
}

/* PORT and LINK: -1, or the exit status. */
static int
take_words(struct bridge_options *o, int argc, char **argv)
{
	const char *name;

	if (o->class_name && !option_is_name(o->class_name))
		return bad_name(argv, "COMLEASE_CLASS", "class");
	if (argc - optind != 2)
		return cli_usage(argv, "bridge: name a port and the link to make: PORT LINK");
	o->port = argv[optind];
	o->link = argv[optind + 1];
	if (*o->link == '\0' || o->link[strlen(o->link) - 1] == '/')
		return cli_usage(argv, "bridge: LINK is the name of a link, not of a folder");
	name = strrchr(o->link, '/') ? strrchr(o->link, '/') + 1 : o->link;
	if (!o->label && option_is_name(name))
		o->label = name;
	return -1;
}

static int
parse(struct cli *cli, struct bridge_options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "wait", required_argument, NULL, 'w' },
		{ "class", required_argument, NULL, 'c' },
		{ "priority", required_argument, NULL, 'p' },
		{ "label", required_argument, NULL, 'l' },
		{ "mode", required_argument, NULL, 'm' },
		{ "group", required_argument, NULL, 'g' },
		{ "when", required_argument, NULL, OPTION_WHEN },
		{ "standby", no_argument, NULL, OPTION_STANDBY },
		{ "yield-grace", required_argument, NULL, OPTION_YIELD_GRACE },
		{ "max-hold", required_argument, NULL, OPTION_MAX_HOLD },
		{ "announce", no_argument, NULL, OPTION_ANNOUNCE },
		{ "frame", required_argument, NULL, OPTION_FRAME },
		{ "spy", required_argument, NULL, OPTION_SPY },
		CLI_LONG_OPTIONS,
	};
	int option, status;

	while ((option = getopt_long(argc, argv, "w:c:p:l:m:g:" CLI_SHORT_OPTIONS, options,
				     NULL)) != -1) {
		if ((status = take_option(cli, o, option, argv)) >= 0)
			return status;
	}
	return take_words(o, argc, argv);
}

int
bridge_main(struct cli *cli, int argc, char **argv)
{
	const char *class_name = getenv("COMLEASE_CLASS");
	struct bridge_options o = { .wait_ms = COMLEASE_FOREVER,
				    .max_hold_ms = COMLEASE_FOREVER,
				    .yield_grace_ms = COMLEASE_FOREVER,
				    .class_name = class_name && *class_name ? class_name : NULL };
	int status = parse(cli, &o, argc, argv);

	if (status >= 0)
		return status;
	prctl(PR_SET_NAME, "comlease-bridge"); /* for `status`, and rules by command */
	struct comlease *c = ask_connect(cli);
	json_t *list = ask_list(c, NULL, 0, &status);
	if (list)
		status = ask_check_name(list, o.port);
	json_decref(list);
	if (status == 0)
		status = bridge_serve(c, &o);
	comlease_disconnect(c);
	return status;
}
