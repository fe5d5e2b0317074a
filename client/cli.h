/*
 * cli.h - what the commands of `comlease` share: exit statuses, common options, the table of
 * commands. Internal to the program.
 */
#ifndef COMLEASE_CLI_H
#define COMLEASE_CLI_H

#include <getopt.h>
#include <stddef.h>

/* Exit statuses; those from sysexits.h have the values of that file. comlease(1) documents them. */
enum cli_exit {
	CLI_OK = 0,
	CLI_NO = 1, /* who: nobody has it; revoke, evict, handoff, busy: there is nothing to do;
		     * doctor: something is wrong */
	CLI_USAGE = 64,
	CLI_NO_PORT = 66,
	CLI_NO_BROKER = 69,
	CLI_SYSTEM = 71,      /* no memory, no process, ... */
	CLI_CANT_CREATE = 73, /* bridge: LINK is somebody else's, or can't be made */
	CLI_UNUSABLE = 74,    /* the device can't be used, or waiting for it could never end */
	CLI_NOT_IN_TIME = 75, /* the port was not to be had, or not in time */
	CLI_PROTOCOL = 76,    /* the broker doesn't speak as expected */
	CLI_DENIED = 77,
	CLI_CONFIG = 78, /* as installed or configured it can't be done */
	CLI_NOT_EXECUTABLE = 126,
	CLI_NOT_FOUND = 127,
};

struct cli {
	const char *socket; /* -s, or NULL: libcomlease's choice */
};

struct cli_command {
	const char *name;
	int (*run)(struct cli *, int argc, char **argv); /* argv[0] is the command's name for
							  * messages; returns the exit status */
	const char *help;                                /* the whole text of --help */
};

/* The commands; the last one has no name. */
extern const struct cli_command cli_commands[];

/* Options that every command takes: the end of its option table and of its short options. */
#define CLI_SHORT_OPTIONS "s:h"
#define CLI_LONG_OPTIONS                                                                           \
	{ "socket", required_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' },            \
	{                                                                                          \
		NULL, 0, NULL, 0                                                                   \
	}

/* Handles what the command itself doesn't know: a common option, or '?' (getopt has said what is
 * wrong). -1: done, go on; otherwise the exit status. */
int cli_option(struct cli *, int option, char **argv);

/* Says on stderr "comlease: ..." (format without a newline), and for cli_usage() where to find
 * help; returns `status`, or CLI_USAGE. */
int cli_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
int cli_usage(char **argv, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Flushes stdout: the exit status `status`, or CLI_SYSTEM if what was printed could not be written.
 */
int cli_finish(int status);

int status_main(struct cli *, int argc, char **argv);
int who_main(struct cli *, int argc, char **argv);
int run_main(struct cli *, int argc, char **argv);
int bridge_main(struct cli *, int argc, char **argv);
int monitor_main(struct cli *, int argc, char **argv);
int revoke_main(struct cli *, int argc, char **argv);
int evict_main(struct cli *, int argc, char **argv);
int disable_main(struct cli *, int argc, char **argv);
int enable_main(struct cli *, int argc, char **argv);
int handoff_main(struct cli *, int argc, char **argv);
int busy_main(struct cli *, int argc, char **argv);
int idle_main(struct cli *, int argc, char **argv);
int spy_main(struct cli *, int argc, char **argv);
int ports_main(struct cli *, int argc, char **argv);
int doctor_main(struct cli *, int argc, char **argv);

extern const char status_help[], who_help[], run_help[], monitor_help[], revoke_help[];
extern const char bridge_help[];
extern const char evict_help[], disable_help[], enable_help[], handoff_help[], busy_help[],
    idle_help[], spy_help[], ports_help[], doctor_help[];

#endif
