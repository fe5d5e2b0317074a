/*
 * command.c - the command that `comlease run` runs: is it there, {} in its words, exec, and who
 * belongs to it.
 *
 * Responsible for: the shell's statuses 126 and 127, and for knowing them before a wait of hours.
 * Refuses to know: ports and leases.
 */
#include "cli.h"
#include "run.h"
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

/* Looks for `name` as a shell does: 0 and the path, or ENOENT, EACCES. */
static int
look_up(const char *name, char path[PATH_MAX])
{
	const char *folders = getenv("PATH");
	int error = ENOENT;
	struct stat st;

	if (strchr(name, '/'))
		folders = NULL;
	else if (!folders)
		folders = "/bin:/usr/bin";
	do {
		size_t len = folders ? strcspn(folders, ":") : 0;
		int n = folders ? snprintf(path, PATH_MAX, "%.*s%s%s", (int)len, folders,
					   len ? "/" : "", name)
				: snprintf(path, PATH_MAX, "%s", name);
		if (n < PATH_MAX && stat(path, &st) == 0) {
			if (S_ISREG(st.st_mode) && eaccess(path, X_OK) == 0)
				return 0;
			if (!folders || S_ISREG(st.st_mode))
				error = EACCES;
		} else if (errno == EACCES && !folders) {
			error =
			    EACCES; /* a folder of PATH that is not ours to search is no answer */
		}
		folders = folders && folders[len] ? folders + len + 1 : NULL;
	} while (folders);
	return error;
}

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
	int error = look_up(name, path);

	return error ? not_run(name, error) : 0;
}

void
command_warn(const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	struct text t = { 0 };

	if (look_up(name, path) != 0 || stat(path, &st) < 0)
		return;
	bool other_user = (st.st_mode & S_ISUID) && st.st_uid != getuid();
	bool other_group = (st.st_mode & S_ISGID) && st.st_gid != getgid();
	if (!other_user && !other_group)
		return;
	const char *user = text_user(st.st_uid);
	text_add_foreign(&t, name);
	text_addf(&t,
		  " is set-%s-ID: the system does not load the shim into it, so it opens ports "
		  "without waiting its turn",
		  other_user ? "user" : "group");
	if (other_user && user)
		text_addf(&t, "; run it as user %s", user);
	text_add(&t, ", or hold the port for it: comlease run PORT -- ...");
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
