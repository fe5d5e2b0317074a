/*
 * attend.c - a command that has a lease: starting it, its signals, its end.
 *
 * Responsible for: making `run` look like the command to whoever started it: signals sent to run
 * reach it, run stops when it stops, its status is run's; and for one message if the lease is lost.
 * Refuses to know: how the lease was got.
 *
 * Signals. What the terminal sends (^C, ^\, ^Z, a hang-up) goes to the whole process group, so the
 * command has it already; the kernel marks it SI_KERNEL, and only what somebody sent with kill() is
 * passed on. All arrive through one signalfd: nothing happens between two polls. Dispositions are
 * never changed, so what was ignored (nohup) stays ignored, here and in the command.
 */
#include "attend.h"
#include "ask.h"
#include "cli.h"
#include "internal.h"
#include "run.h"
#include "status_table.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The command often dies of a lost lease before the broker's word about it arrives. */
#define LAST_WORD_MS 300

static const int forwarded[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGUSR1,
				 SIGUSR2, SIGTSTP, SIGCONT, SIGALRM };

struct watcher {
	const struct attend *attend;
	struct comlease *events; /* NULL: no Monitor stream (any more) */
	pid_t pid;
	int signals;
	sigset_t old_mask;
	bool ended, hung_up, said;
	int wait_status;
};

static int
block_signals(struct watcher *w)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, &w->old_mask);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return w->signals < 0 ? cli_fail(CLI_SYSTEM, "signalfd: %s", strerror(errno)) : 0;
}

/* In the child. */
static int
become_command(const struct watcher *w, const struct sigaction *old_chld)
{
	int fd = w->attend->fd;

	/* A shell can't clear O_NONBLOCK, and `cat <&3` would not wait for a byte. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	if (fd == 3 ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, 3) < 0)
		return cli_fail(CLI_SYSTEM, "descriptor 3: %s", strerror(errno));
	sigaction(SIGCHLD, old_chld, NULL);
	sigprocmask(SIG_SETMASK, &w->old_mask, NULL);
	return command_exec(w->attend->command);
}

static int
start(struct watcher *w)
{
	struct sigaction standard = { .sa_handler = SIG_DFL }, old_chld;

	/* whoever ignores SIGCHLD bequeaths that, and there would be no status to pass on */
	sigaction(SIGCHLD, &standard, &old_chld);
	w->pid = fork();
	if (w->pid < 0)
		return cli_fail(CLI_SYSTEM, "fork: %s", strerror(errno));
	if (w->pid == 0)
		_exit(become_command(w, &old_chld));
	return 0;
}

/* ---- why the lease was lost ---- */

static void
say_lost(struct watcher *w, const json_t *event)
{
	const char *reason = status_string(event, "reason"),
		   *detail = status_string(event, "detail");
	struct text t = { 0 };

	text_add_foreign(&t, w->attend->port);
	text_add(&t, ": the command has lost the port");
	text_add(&t, reason ? ": " : "");
	text_add_foreign(&t, reason);
	text_add(&t, detail ? " (" : "");
	text_add_foreign(&t, detail);
	text_add(&t, detail ? ")" : "");
	cli_fail(0, "%s", t.s);
	text_free(&t);
	w->said = true;
}

static void
take_events(struct watcher *w, const json_t *reply)
{
	const json_t *event;
	size_t i;

	json_array_foreach (json_object_get(reply, "events"), i, event) {
		const char *kind = status_string(event, "event");
		if (kind && strcmp(kind, "end") == 0 && !w->said &&
		    (uint64_t)status_integer(event, "token") == w->attend->token)
			say_lost(w, event);
	}
}

static void
read_events(struct watcher *w)
{
	json_t *reply;

	while (w->events) {
		int result = comlease_next_reply(w->events, &reply, 0);
		if (result < 0) {
			if (errno != EAGAIN && errno != EINTR)
				w->events = NULL;
			return;
		}
		take_events(w, reply);
		json_decref(reply);
	}
}

/* ---- signals ---- */

/* The command has stopped: so does run, by the same signal, and the shell sees a stopped job. Only
 * for job control's: somebody who stops the command alone may also continue it alone. */
static void
stop_likewise(int signo)
{
	sigset_t set;

	if (signo != SIGTSTP && signo != SIGTTIN && signo != SIGTTOU)
		return;
	sigemptyset(&set);
	sigaddset(&set, signo);
	raise(signo);
	sigprocmask(SIG_UNBLOCK, &set, NULL); /* here it stops, and here it goes on */
	sigprocmask(SIG_BLOCK, &set, NULL);
}

static void
look_at_command(struct watcher *w)
{
	int status;

	while (!w->ended && waitpid(w->pid, &status, WNOHANG | WUNTRACED) == w->pid) {
		if (WIFSTOPPED(status)) {
			stop_likewise(WSTOPSIG(status));
		} else {
			w->ended = true;
			w->wait_status = status;
		}
	}
}

static void
read_signals(struct watcher *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		int signo = (int)info.ssi_signo;
		if (signo == SIGCHLD)
			look_at_command(w);
		else if (!w->ended && (info.ssi_code <= 0 || signo == SIGCONT))
			kill(w->pid, signo);
	}
}

/* ---- the wait ---- */

/* One turn. False: timeout_ms have passed. */
static bool
attend_once(struct watcher *w, int timeout_ms)
{
	struct pollfd fds[3] = {
		{ w->signals, POLLIN, 0 },
		{ w->events ? comlease_socket(w->events) : -1, POLLIN, 0 },
		{ w->hung_up ? -1 : w->attend->fd, 0, 0 },
	};
	int n = poll(fds, 3, timeout_ms);

	if (n == 0)
		return false;
	if (n < 0)
		return true;
	read_events(w);
	if (fds[2].revents & (POLLHUP | POLLERR | POLLNVAL)) {
		w->hung_up = true;
		if (!w->events && !w->said)
			say_lost(w, NULL);
	}
	read_signals(w);
	return true;
}

int
attend_command(struct comlease *c, const struct attend *attend)
{
	struct watcher w = { .attend = attend, .signals = -1 };
	char *port = (char *)(uintptr_t)attend->port; /* only read */
	int status = block_signals(&w);

	if (status)
		return status;
	if (comlease_call_more(c, "io.comlease.Monitor", ask_parameters_ports(&port, 1)) == 0)
		w.events = c;
	if ((status = start(&w)))
		return status;
	read_events(&w);
	while (!w.ended)
		attend_once(&w, -1);
	if (!w.hung_up)
		attend_once(&w, 0);
	while (w.hung_up && w.events && !w.said && attend_once(&w, LAST_WORD_MS))
		;
	close(w.signals);
	return WIFSIGNALED(w.wait_status) ? 128 + WTERMSIG(w.wait_status)
					  : WEXITSTATUS(w.wait_status);
}
