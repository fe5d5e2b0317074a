/*
 * shim_client.h - what the parts of tests/shim_client.c share: each takes the commands of one
 * subject, and prints what they gave.
 *
 *	shim_client.c		opening
 *	shim_client_name.c	calls that name a file without opening it; owner and permissions
 *	shim_client_process.c	processes, threads, signals, limits
 *	shim_client_tty.c	sessions, terminals, modem lines
 */
#ifndef COMLEASE_TESTS_SHIM_CLIENT_H
#define COMLEASE_TESTS_SHIM_CLIENT_H

#include <stdbool.h>

struct client_command {
	const char *name;
	int arguments;
	void (*run)(char **arguments); /* the words behind the name; the last is followed by NULL */
};

/* Runs the one of that name: how many words it took; 0: it is none of these, or lacks some. The
 * last of the commands has no name. */
int client_run(const struct client_command *, char **words, int left);

extern const struct client_command client_process_commands[];
extern const struct client_command client_tty_commands[];
bool client_name_one(const char *name, const char *path);
bool client_name_two(const char *name, const char *a, const char *b);

/* All commands, one after another. */
int client_run_all(char **words);

/* "@null" and its like. */
const char *client_path(const char *word);

/* "stat -1 ENOENT"; "open 3 O_RDWR|O_NONBLOCK". */
void client_print(const char *what, int result);
void client_print_fd(const char *what, int fd);

#endif
