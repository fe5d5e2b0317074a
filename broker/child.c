/*
 * child.c - starting and reaping the broker, the inspector and the keepers. Knows nothing of what
 * they do.
 */
#include "child.h"

#include "ipc.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOON_MS        10000
#define BACKOFF_MS     100
#define BACKOFF_MAX_MS 5000

extern char **environ;

void
child_init(struct child *child)
{
	memset(child, 0, sizeof(*child));
	child->pidfd = -1;
	child->channel = -1;
}

static uint64_t
backoff(unsigned quick_ends)
{
	uint64_t ms = BACKOFF_MS;

	if (quick_ends <= 1)
		return 0;
	while (--quick_ends > 1 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	return ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
}

/* The children take signals as every program does, whatever the supervisor blocks. */
static int
spawn(pid_t *pid, int channel, char *const argv[])
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int error;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawn_file_actions_init(&actions);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_adddup2(&actions, channel, IPC_SUPERVISOR_FD);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	error = posix_spawn(pid, "/proc/self/exe", &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -error;
}

int
child_start(struct child *child, enum child_role role, const char *port, bool verbose,
	    uint64_t now_ms)
{
	static const char *const roles[] = { [CHILD_BROKER] = "--role=broker",
					     [CHILD_INSPECTOR] = "--role=inspector",
					     [CHILD_KEEPER] = "--role=keeper" };
	char *argv[6] = { (char *)(uintptr_t) "comleased" };
	int end = -1, error, n = 1;

	argv[n++] = (char *)(uintptr_t)roles[role];
	if (verbose)
		argv[n++] = (char *)(uintptr_t) "-v";
	if (port != NULL)
		argv[n++] = (char *)(uintptr_t)port;
	child->started_ms = now_ms;
	error = ipc_pair(&child->channel, &end);
	if (error == 0)
		error = spawn(&child->pid, end, argv);
	if (error == 0) {
		child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
		error = child->pidfd < 0 ? -errno : 0;
		if (error < 0) { /* nobody would tell us of its end */
			kill(child->pid, SIGKILL);
			waitpid(child->pid, NULL, 0);
		}
	}
	if (end >= 0)
		close(end);
	if (error < 0) {
		child_stop(child);
		child->restart_ms = now_ms + backoff(++child->quick_ends + 1);
	}
	return error;
}

void
child_ended(struct child *child, uint64_t now_ms, char *how, size_t size)
{
	int status = 0;

	if (waitpid(child->pid, &status, 0) != child->pid)
		snprintf(how, size, "%s", "vanished");
	else if (WIFSIGNALED(status))
		snprintf(how, size, "signal=%d", WTERMSIG(status));
	else
		snprintf(how, size, "status=%d", WEXITSTATUS(status));
	close(child->pidfd);
	child->pidfd = -1;
	child_stop(child);
	if (now_ms - child->started_ms > SOON_MS)
		child->quick_ends = 0;
	child->restart_ms = now_ms + backoff(++child->quick_ends);
}

void
child_stop(struct child *child)
{
	if (child->channel >= 0)
		close(child->channel);
	child->channel = -1;
}
