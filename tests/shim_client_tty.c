/*
 * shim_client_tty.c - see shim_client.h: sessions, terminals, modem lines.
 */
#include "shim_client.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

/* The rest is done by the leader of a new session, which has no terminal. */
static void
begin_session(char **rest)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		_exit(client_run_all(rest));
	}
	waitpid(pid, &status, 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void
set_terminal(char **words)
{
	errno = 0;
	client_print("sctty", ioctl(atoi(words[0]), TIOCSCTTY, 0));
}

static void
log_in(char **words)
{
	int fd = dup(STDOUT_FILENO), result;

	errno = 0;
	result = login_tty(atoi(words[0]));
	dup2(fd, STDOUT_FILENO);
	close(fd);
	client_print("login_tty", result);
	printf("on terminals: %d%d\n", isatty(STDIN_FILENO), isatty(STDERR_FILENO));
}

/* Has it a controlling terminal? */
static void
show_terminal(char **words)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);

	(void)words;
	printf("terminal %s\n", fd >= 0 ? "yes" : strerrorname_np(errno));
	if (fd >= 0)
		close(fd);
}

static void
use_modem_lines(char **words)
{
	struct serial_icounter_struct counters;
	struct serial_struct serial;
	int fd = atoi(words[0]), bits = TIOCM_DTR;

	client_print("TIOCMGET", ioctl(fd, TIOCMGET, &bits));
	client_print("TIOCMSET", ioctl(fd, TIOCMSET, &bits));
	client_print("TIOCMBIS", ioctl(fd, TIOCMBIS, &bits));
	client_print("TIOCMBIC", ioctl(fd, TIOCMBIC, &bits));
	client_print("TIOCMIWAIT", ioctl(fd, TIOCMIWAIT, TIOCM_CD));
	client_print("TIOCGICOUNT", ioctl(fd, TIOCGICOUNT, &counters));
	client_print("TIOCGSERIAL", ioctl(fd, TIOCGSERIAL, &serial));
}

/* Of an ioctl() with an argument: how many bytes can be read. */
static void
count_input(char **words)
{
	int bytes = -1, result = ioctl(atoi(words[0]), FIONREAD, &bytes);

	printf("FIONREAD %d %d\n", result, bytes);
}

const struct client_command client_tty_commands[] = {
	{ "session", 1, begin_session },
	{ "sctty", 1, set_terminal },
	{ "login-tty", 1, log_in },
	{ "tty", 0, show_terminal },
	{ "modem", 1, use_modem_lines },
	{ "input", 1, count_input },
	{ NULL, 0, NULL },
};
