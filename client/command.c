/*
 * command.c - the command that `comlease run` runs: is it there, {} in its words, exec, and who
 * belongs to it.
 *
 * Responsible for: the shell's statuses 126 and 127, and for knowing them before a wait of hours;
 * for warning of programs that no shim gets into. Refuses to know: ports and leases.
 */
#include "cli.h"
#include "command_find.h"
#include "run.h"
#include "seccomp.h"
#include "text.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
not_run(const char *name, int error)
{
	struct text t = { 0 };

	text_add_foreign(&t, name);
	if (error == ENOENT)
		text_add(&t, strchr(name, '/') ? ": no such file" : ": command not found");
	else
		text_addf(&t, ": can't be executed: %s", strerror(error));
	int status = cli_fail(error == ENOENT ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE, "%s", t.s);
	text_free(&t);
	return status;
}

int
command_check(const char *name)
{
	char path[PATH_MAX];
	int error = command_find(name, path);

	return error ? not_run(name, error) : 0;
}

const char *
command_reason(const char *name)
{
	char path[PATH_MAX];

	return command_find(name, path) == 0 ? seccomp_elf_reason(path, run_preloads_32()) : NULL;
}

/* 'u', 'g': executing that file gives the rights of another user, or group; otherwise 0. */
static char
set_id(const char *name, struct stat *st)
{
	char path[PATH_MAX];

	if (command_find(name, path) != 0 || stat(path, st) < 0)
		return 0;
	if ((st->st_mode & S_ISUID) && st->st_uid != getuid())
		return 'u';
	return (st->st_mode & S_ISGID) && st->st_gid != getgid() ? 'g' : 0;
}

bool
command_is_set_id(const char *name)
{
	struct stat st;

	return set_id(name, &st) != 0;
}

void
command_warn(const struct run *run)
{
	struct stat st;
	struct text t = { 0 };
	char kind = set_id(run->command[0], &st);
	const char *user = kind == 'u' ? text_user(st.st_uid) : NULL;

	if (!kind || (run->port && !run->seccomp))
		return;
	text_add_foreign(&t, run->command[0]);
	text_addf(&t, " is set-%s-ID: %s", kind == 'u' ? "user" : "group",
		  run->seccomp
		      ? "under seccomp the system does not give it that other one's rights"
		      : "the system does not load the shim into it, so it opens ports without "
			"waiting its turn");
	if (user)
		text_addf(&t, "; run it as user %s", user);
	text_add(&t, run->port ? ", or leave --seccomp out"
			       : ", or hold the port for it: comlease run PORT -- ...");
	cli_fail(0, "%s", t.s);
	text_free(&t);
}

int
command_exec(char **command)
{
	execvp(command[0], command);
	return not_run(command[0], errno);
}

/* ---- its processes ---- */

#define PROCESSES_MAX 256

/* Adds the children of pids[at]; the kernel lists them by thread. */
static size_t
add_children(pid_t pids[PROCESSES_MAX], size_t count, size_t at)
{
	char pattern[64];
	glob_t lists;
	int child;

	snprintf(pattern, sizeof pattern, "/proc/%d/task/*/children", (int)pids[at]);
	if (glob(pattern, GLOB_NOSORT, NULL, &lists) != 0)
		return count;
	for (size_t i = 0; i < lists.gl_pathc; i++) {
		FILE *list = fopen(lists.gl_pathv[i], "re");
		while (list && count < PROCESSES_MAX && fscanf(list, "%d", &child) == 1)
			pids[count++] = child;
		if (list)
			fclose(list);
	}
	globfree(&lists);
	return count;
}

void
command_signal(pid_t pid, int signo)
{
	pid_t pids[PROCESSES_MAX] = { pid }, group = getpgid(pid);
	size_t count = 1;

	/* all before any: who has ended has no children any more */
	for (size_t i = 0; i < count; i++)
		count = add_children(pids, count, i);
	for (size_t i = 0; i < count; i++) {
		if (getpgid(pids[i]) == group)
			kill(pids[i], signo);
	}
}

/* ---- its words ---- */

static char *
fill_in(const char *word, const char *device)
{
	struct text t = { 0 };

	for (const char *hole; (hole = strstr(word, "{}")); word = hole + 2) {
		text_addf(&t, "%.*s", (int)(hole - word), word);
		text_add(&t, device);
	}
	text_add(&t, word);
	return t.s;
}

char **
command_fill_in(char **command, const char *device)
{
	size_t n = 0;

	while (command[n])
		n++;
	char **filled = calloc(n + 1, sizeof *filled);
	if (!filled)
		exit(cli_fail(CLI_SYSTEM, "no memory"));
	for (size_t i = 0; i < n; i++)
		filled[i] = fill_in(command[i], device);
	return filled;
}

void
command_free(char **command)
{
	for (size_t i = 0; command[i]; i++)
		free(command[i]);
	free(command);
}
