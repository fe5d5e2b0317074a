/*
 * attend.c - a command that has a lease: starting it, its signals, its end.
 *
 * Responsible for: making `run` look like the command to whoever started it: signals sent to run
 * reach it, run stops when it stops, its status is run's. Refuses to know: how the lease was got,
 * and what the broker wants of it (attend_lease.c).
 *
 * Signals. What the terminal sends (^C, ^\, ^Z, a hang-up) goes to the whole process group, so the
 * command has it already; the kernel marks it SI_KERNEL, and only what somebody sent with kill() is
 * passed on (a standby's command is a group of its own: it is passed everything). All arrive
 * through one signalfd: nothing happens between two polls. Dispositions are never changed, so what
 * was ignored (nohup) stays ignored, here and in the command.
 */
#include "attend.h"
#include "attend_lease.h"
#include "cli.h"
#include "internal.h"
#include "run.h"
#include "seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
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
	struct attend_lease lease;
	pid_t pid;
	int signals;
	sigset_t old_mask;
	struct sigaction old_chld;
	bool ended, leave;
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

static void
restore_signals(struct watcher *w)
{
	if (w->signals >= 0)
		close(w->signals);
	sigaction(SIGCHLD, &w->old_chld, NULL);
	sigprocmask(SIG_SETMASK, &w->old_mask, NULL);
}

/* What was asked for is needed; but without it a static program has the port all the same, and
 * opens it by itself. */
static int
enter_seccomp(const struct attend *attend)
{
	int status = 0;

	if (attend->seccomp)
		status = seccomp_enter(attend->command[0], attend->seccomp_reason, true);
	return attend->seccomp_reason ? 0 : status;
}

/* In the child. */
static int
become_command(const struct watcher *w)
{
	int fd = w->attend->fd, status;

	if (w->attend->standby)
		setpgid(0, 0);
	/* A shell can't clear O_NONBLOCK, and `cat <&3` would not wait for a byte. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
	if (fd == 3 ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, 3) < 0)
		return cli_fail(CLI_SYSTEM, "descriptor 3: %s", strerror(errno));
	sigaction(SIGCHLD, &w->old_chld, NULL);
	sigprocmask(SIG_SETMASK, &w->old_mask, NULL);
	if ((status = enter_seccomp(w->attend)))
		return status;
	return command_exec(w->attend->command);
}

static int
start(struct watcher *w)
{
	w->pid = fork();
	if (w->pid < 0)
		return cli_fail(CLI_SYSTEM, "fork: %s", strerror(errno));
	if (w->pid == 0)
		_exit(become_command(w));
	if (w->attend->standby)
		setpgid(w->pid, w->pid); /* whoever comes first: a signal may be due at once */
	return 0;
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

/* Does that signal end a standby run? What is ignored (nohup) does not. */
static bool
is_end(int signo)
{
	struct sigaction action;

	if (signo != SIGTERM && signo != SIGINT && signo != SIGHUP && signo != SIGQUIT)
		return false;
	return sigaction(signo, NULL, &action) == 0 && action.sa_handler != SIG_IGN;
}

static void
pass_on(struct watcher *w, const struct signalfd_siginfo *info)
{
	int signo = (int)info->ssi_signo;

	if (!w->attend->standby) {
		if (!w->ended && (info->ssi_code <= 0 || signo == SIGCONT))
			kill(w->pid, signo);
		return;
	}
	w->leave |= is_end(signo);
	if (!w->ended)
		kill(-w->pid, signo);
}

static void
read_signals(struct watcher *w)
{
	struct signalfd_siginfo info;

	while (read(w->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			look_at_command(w);
		else
			pass_on(w, &info);
	}
}

/* ---- the wait ---- */

/* One turn. False: timeout_ms have passed. */
static bool
attend_once(struct watcher *w, int timeout_ms)
{
	struct pollfd fds[1 + ATTEND_LEASE_FDS] = { { w->signals, POLLIN, 0 } };
	int lease_ms = attend_lease_poll(&w->lease, fds + 1);
	bool lease_is_first = lease_ms >= 0 && (timeout_ms < 0 || lease_ms < timeout_ms);
	int n = poll(fds, sizeof fds / sizeof *fds, lease_is_first ? lease_ms : timeout_ms);

	if (n == 0 && !lease_is_first)
		return false;
	if (n < 0)
		return true;
	/* First whether it has ended: then nobody is signalled any more. */
	read_signals(w);
	attend_lease_take(&w->lease, fds + 1, w->ended ? 0 : w->pid);
	return true;
}

static void
attend_to_the_end(struct watcher *w)
{
	attend_lease_take(&w->lease, NULL, w->pid);
	while (!w->ended)
		attend_once(w, -1);
	attend_once(w, 0);
	while (attend_lease_is_unexplained(&w->lease) && attend_once(w, LAST_WORD_MS))
		;
}

int
attend_command(struct comlease *c, const struct attend *attend, struct attend_end *end)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	struct watcher w = { .attend = attend, .signals = -1 };
	int64_t start_ms = comlease_now_ms();
	int status = block_signals(&w);

	/* whoever ignores SIGCHLD bequeaths that, and there would be no status to pass on */
	sigaction(SIGCHLD, &standard, &w.old_chld);
	attend_lease_begin(&w.lease, c, attend);
	if (status == 0 && (status = start(&w)) == 0)
		attend_to_the_end(&w);
	*end = (struct attend_end){
		.status = WIFSIGNALED(w.wait_status) ? 128 + WTERMSIG(w.wait_status)
						     : WEXITSTATUS(w.wait_status),
		.wanted = w.lease.wanted || w.lease.told,
		.lost = w.lease.lost,
		.leave = w.leave,
		.lived_ms = comlease_now_ms() - start_ms,
	};
	attend_lease_end(&w.lease);
	restore_signals(&w);
	return status;
}
