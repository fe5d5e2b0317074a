/*
 * seccomp.c - `comlease run --seccomp`: starts the supervisor, loads the filter, and hands over.
 *
 * Responsible for: that nothing runs without a supervisor that has said it can do its work, and for
 * saying why where it can't. Refuses to know: what the supervisor does (seccomp.h names the parts).
 *
 * The tricky idea: the command keeps run's process, with its parent, terminal and status; it is the
 * supervisor that is born aside, as nobody's child, before there is a filter that it would be under
 * itself. What can be known to fail is tried before the filter is loaded, since afterwards there
 * is no way back.
 */
#include "seccomp.h"
#include "cli.h"
#include "seccomp_internal.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#include <linux/close_range.h>
#endif

/* ---- the supervisor's own process ---- */

/* Of a pipeline, a terminal, a lease: nothing is kept open. Returns the socket's new number: it may
 * be one of the first three, where those were closed. */
static int
keep_nothing_but(int socket)
{
	int last = getenv("COMLEASE_DEBUG") ? STDOUT_FILENO : STDERR_FILENO, null;

	socket = fcntl(socket, F_DUPFD_CLOEXEC, 4);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= last; fd++)
		dup2(null, fd);
	dup2(socket, 3);
	syscall(SYS_close_range, 4U, ~0U, 0U);
	fcntl(3, F_SETFD, FD_CLOEXEC);
	return 3;
}

static void
ignore_signals(void)
{
	static const int ignored[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM, SIGPIPE, SIGALRM,
				       SIGUSR1, SIGUSR2, SIGTSTP, SIGTTIN, SIGTTOU, SIGCHLD };
	sigset_t none;

	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Each open() that waits takes two descriptors. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static _Noreturn void
become_supervisor(int socket)
{
	setsid();
	ignore_signals();
	socket = keep_nothing_but(socket);
	if (chdir("/") < 0)
		exit(EXIT_FAILURE);
	raise_limit();
	prctl(PR_SET_NAME, "comlease");
	seccomp_supervisor_run(socket);
}

/* 0, or a negative errno. */
static int
start_supervisor(int socket)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			become_supervisor(socket);
		_exit(pid < 0 ? errno : 0);
	}
	int status = 0;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/* ---- the two questions to it ---- */

static int
ask_supervisor(int socket, const void *bytes, size_t size, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)bytes, size };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	int answer;
	ssize_t n;

	if (fd >= 0) {
		m.msg_control = control.bytes;
		m.msg_controllen = sizeof control.bytes;
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	if (sendmsg(socket, &m, MSG_NOSIGNAL) != (ssize_t)size)
		return -errno;
	while ((n = recv(socket, &answer, sizeof answer, 0)) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof answer ? answer : -ECHILD;
}

static int
greet(int socket)
{
	static volatile uint64_t word;
	struct seccomp_hello hello = { .pid = getpid(), .address = (uintptr_t)&word };

	word = hello.word = (uint64_t)getpid() << 32 | 0x5ecc0;
	return ask_supervisor(socket, &hello, sizeof hello, -1);
}

/* ---- why not ---- */

/* Whose opens, and what becomes of them otherwise. */
struct command {
	const char *name;
	const char *reason;
	bool has_port;
};

static const char *
way_out(const struct command *command)
{
	if (!command->has_port)
		return "; hold the port for it (comlease run PORT -- COMMAND), or give it one "
		       "that is virtual (comlease bridge)";
	return command->reason ? "; it opens the port by itself"
			       : "; without --seccomp it runs, and static programs open the port "
				 "by themselves";
}

static int
fail(const struct command *command, int error)
{
	struct text t = { 0 };
	int status = CLI_CONFIG;

	text_add_foreign(&t, command->name);
	if (command->reason)
		text_addf(&t, " %s, out of the shim's reach", command->reason);
	text_add(&t, ": its opens can't be caught: ");
	switch (-error) {
	case EBUSY:
		text_add(&t, "a container, or a program around it, catches system calls already");
		break;
	case EPERM:
		text_add(&t, "this system does not let a program look into another one "
			     "(kernel.yama.ptrace_scope, or a container's rules)");
		break;
	case ENOSYS:
	case EINVAL:
	case EOPNOTSUPP:
		text_add(&t, "this kernel has no seccomp user notification (Linux 5.9), or a "
			     "container forbids it");
		break;
	default:
		text_add(&t, strerror(-error));
		status = CLI_SYSTEM;
	}
	text_add(&t, way_out(command));
	cli_fail(status, "%s", t.s);
	text_free(&t);
	return status;
}

/* ---- all together ---- */

/* The command is under the filter from here: without a supervisor it could open nothing. */
static void
hand_over(int socket, int listener, const struct command *command)
{
	int r = ask_supervisor(socket, "", 1, listener);

	if (r < 0)
		_exit(fail(command, r));
	close(listener);
}

static int
enter(int socket, const struct command *command)
{
	int r = greet(socket), listener;

	if (r < 0)
		return fail(command, r);
	listener = seccomp_filter_load();
	/* that of the run around this one: it reads what we want in the command's environment */
	if (listener == -EBUSY && getenv("COMLEASE_SECCOMP"))
		return 0;
	if (listener < 0)
		return fail(command, listener);
	hand_over(socket, listener, command);
	return 0;
}

int
seccomp_enter(const char *name, const char *reason, bool has_port)
{
	const struct command command = { name, reason, has_port };
	int pair[2], status, r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return cli_fail(CLI_SYSTEM, "socketpair: %s", strerror(errno));
	seccomp_filter_init();
	r = start_supervisor(pair[1]);
	close(pair[1]);
	status = r < 0 ? fail(&command, r) : enter(pair[0], &command);
	close(pair[0]);
	if (status == 0 && setenv("COMLEASE_SECCOMP", "1", 1) < 0)
		return cli_fail(CLI_SYSTEM, "no memory");
	return status;
}
