/*
 * main.c - comleased: options, and which of the four roles this process plays.
 */
#include "broker.h"
#include "inspector.h"
#include "keeper.h"
#include "log.h"
#include "supervisor.h"

#include "../include/comlease.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

static const char usage[] =
    "usage: comleased [-c FILE] [-s SOCKET] [--state-dir DIR] [--check-config] [--print-config] "
    "[-v]\n"
    "\n"
    "Owns serial ports and hands out leases on them. Runs in the foreground, logs to stderr.\n"
    "\n"
    "  -c, --config FILE    the configuration; otherwise /etc/comlease/comlease.conf and\n"
    "                       /etc/comlease/comlease.conf.d/*.conf, as far as they exist\n"
    "  -s, --socket SOCKET  where clients connect\n"
    "      --state-dir DIR  where the epoch is kept, from which leases are numbered\n"
    "      --check-config   says what is wrong with the configuration, and exits\n"
    "      --print-config   prints the configuration with every default, and exits\n"
    "  -v, --verbose        logs more\n"
    "      --version, --help\n"
    "\n"
    "SIGHUP reads the configuration again; SIGTERM and SIGINT end it. See comleased(8).\n";

enum { OPT_STATE_DIR = 256, OPT_CHECK, OPT_PRINT, OPT_VERSION, OPT_HELP, OPT_ROLE };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "socket", required_argument, NULL, 's' },
	{ "state-dir", required_argument, NULL, OPT_STATE_DIR },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "role", required_argument, NULL, OPT_ROLE }, /* our own children only */
	{ NULL, 0, NULL, 0 },
};

struct options {
	struct supervisor_options supervisor;
	char *socket, *state_dir; /* absolute: the children may have another working directory */
	const char *role;
	bool check, print;
};

/* -1: go on, else an exit status. */
static int
parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "c:s:v", long_options, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->supervisor.file = optarg;
			break;
		case 's':
			o->supervisor.socket = optarg;
			break;
		case 'v':
			o->supervisor.verbose = true;
			break;
		case OPT_STATE_DIR:
			o->supervisor.state_dir = optarg;
			break;
		case OPT_CHECK:
			o->check = true;
			break;
		case OPT_PRINT:
			o->print = true;
			break;
		case OPT_ROLE:
			o->role = optarg;
			break;
		case OPT_VERSION:
			puts("comleased " COMLEASE_VERSION);
			return EX_OK;
		case OPT_HELP:
			fputs(usage, stdout);
			return EX_OK;
		default:
			fputs("comleased: try --help\n", stderr);
			return EX_USAGE;
		}
	}
	return -1;
}

/* A child: it ends when its channel does, not by a terminal's ^C, which the supervisor gets too. */
static int
run_role(const struct options *o, const char *port)
{
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (strcmp(o->role, "broker") == 0 && port == NULL)
		return broker_main();
	if (strcmp(o->role, "inspector") == 0 && port == NULL)
		return inspector_main();
	if (strcmp(o->role, "keeper") == 0 && port != NULL)
		return keeper_main(port);
	fputs("comleased: --role is for its own children\n", stderr);
	return EX_USAGE;
}

/* *absolute: a copy, or NULL of NULL. */
static int
make_absolute(const char *path, char **absolute)
{
	char *here;
	int n;

	if (path == NULL || *path == '/') {
		*absolute = path == NULL ? NULL : strdup(path);
		return path != NULL && *absolute == NULL ? -1 : 0;
	}
	here = get_current_dir_name();
	if (here == NULL)
		return -1;
	n = asprintf(absolute, "%s/%s", here, path);
	free(here);
	return n < 0 ? -1 : 0;
}

/* What a section means that is no port by itself. */
static void
print_templates(const struct config *config, const char *comment)
{
	size_t i;

	for (i = 0; i < config->template_count; i++)
		printf("%s[port %s]: each USB serial device that no other section means becomes a "
		       "port under its stable name, if that fits\n",
		       comment, config->templates[i].name);
}

static int
run(const struct options *o)
{
	struct config config;
	char error[CONFIG_ERROR_MAX];
	int status;

	if (supervisor_load(&o->supervisor, &config, error) < 0) {
		fprintf(stderr, "%s%s", error, error[strlen(error) - 1] == '\n' ? "" : "\n");
		return EX_CONFIG;
	}
	if (o->check || o->print) {
		print_templates(&config, o->print ? "; " : "");
		status = o->print && config_print(&config, stdout) < 0 ? EX_IOERR : EX_OK;
		config_free(&config);
		return status;
	}
	return supervisor_main(&o->supervisor, &config);
}

/* What is opened later must not become stdin, stdout or stderr: the log would go there. */
static int
keep_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = { .role = NULL };
	int status;

	if (keep_standard_descriptors() < 0)
		return EX_OSERR;
	status = parse(argc, argv, &o);
	if (status >= 0)
		return status;
	log_set_verbose(o.supervisor.verbose);
	signal(SIGPIPE, SIG_IGN);
	if (o.role != NULL)
		return run_role(&o, argv[optind]);
	if (optind < argc) {
		fprintf(stderr, "comleased: %s: unexpected; try --help\n", argv[optind]);
		return EX_USAGE;
	}
	if (make_absolute(o.supervisor.socket, &o.socket) < 0 ||
	    make_absolute(o.supervisor.state_dir, &o.state_dir) < 0) {
		fprintf(stderr, "comleased: %s\n", strerror(errno));
		return EX_OSERR;
	}
	o.supervisor.socket = o.socket;
	o.supervisor.state_dir = o.state_dir;
	status = run(&o);
	free(o.socket);
	free(o.state_dir);
	return status;
}
