/*
 * systemd_rig.c - a service manager that starts and ends comleased. It knows of systemd what
 * sd_notify(3), sd_pid_notify_with_fds(3) and sd_listen_fds(3) say, and no more.
 */
#include "systemd_rig.h"

#include "support.h"
#include "support_internal.h"
#include "systemd_rig_internal.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_FD 3
#define ASIDE_FD 600

int systemd_listener = -1;
const char *systemd_fd_name = "comleased.socket";
uint64_t systemd_watchdog_us;
bool systemd_is_abstract;

/* ---- comleased ---- */

/* In the child, whose descriptors from 3 on are then those and no others. */
static int
hand_over(char *names, size_t size)
{
	int fds[SYSTEMD_STORE_MAX + 1], n = 0, i, fd;
	const char *name;
	size_t len = 0;

	if (systemd_listener >= 0) {
		fds[n++] = systemd_listener;
		len += (size_t)snprintf(names, size, "%s:", systemd_fd_name);
	}
	for (i = 0; (fd = systemd_list_stored(i, &name)) >= 0; i++) {
		fds[n++] = fd;
		len += (size_t)snprintf(names + len, size - len, "%s:", name);
	}
	if (len > 0)
		names[len - 1] = '\0';
	for (i = 0; i < n; i++)
		if (dup2(fds[i], ASIDE_FD + i) < 0)
			_exit(125);
	for (i = 0; i < n; i++)
		if (dup2(ASIDE_FD + i, FIRST_FD + i) < 0)
			_exit(125);
	close_range((unsigned)(FIRST_FD + n), ~0U, 0);
	return n;
}

static void
set_number(const char *name, uint64_t number)
{
	char text[32];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	setenv(name, text, 1);
}

static const char *
notify_name(void)
{
	static char name[128];

	snprintf(name, sizeof(name), "%s%s", systemd_is_abstract ? "@" : "",
		 support_path("notify"));
	return name;
}

static void
execute(void)
{
	static char names[SYSTEMD_STORE_MAX * 256];
	char program[PATH_MAX + 16];
	int log = open(support_path("broker.log"), O_WRONLY | O_CREAT | O_APPEND, 0644), n;

	if (log < 0 || dup2(log, 2) < 0)
		_exit(126);
	n = hand_over(names, sizeof(names));
	setenv("NOTIFY_SOCKET", notify_name(), 1);
	if (systemd_watchdog_us > 0) {
		set_number("WATCHDOG_USEC", systemd_watchdog_us);
		set_number("WATCHDOG_PID", (uint64_t)getpid());
	}
	if (n > 0) {
		set_number("LISTEN_FDS", (uint64_t)n);
		set_number("LISTEN_PID", (uint64_t)getpid());
		setenv("LISTEN_FDNAMES", names, 1);
	}
	snprintf(program, sizeof(program), "%scomleased", support_build);
	execl(program, "comleased", "-v", "-c", support_path("conf"), "-s", support_socket,
	      "--state-dir", support_path("state"), (char *)NULL);
	_exit(127);
}

void
systemd_start(void)
{
	ck_assert_int_eq(support_pid, 0);
	systemd_forget();
	close(open(support_path("broker.log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	support_log_skip();
	support_pid = fork();
	if (support_pid == 0)
		execute();
	ck_assert_int_gt(support_pid, 0);
	support_pidfd = (int)syscall(SYS_pidfd_open, support_pid, 0);
	ck_assert_int_ge(support_pidfd, 0);
}

void
systemd_serve(void)
{
	systemd_start();
	systemd_wait("READY=1");
}

int
systemd_expect_end(void)
{
	int status;

	ck_assert(support_poll(support_pidfd, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
	ck_assert_int_eq(waitpid(support_pid, &status, 0), support_pid);
	ck_assert_msg(WIFEXITED(status), "comleased ended with %#x", status);
	close(support_pidfd);
	support_pid = 0;
	return WEXITSTATUS(status);
}

void
systemd_stop(void)
{
	ck_assert_int_eq(kill(support_pid, SIGTERM), 0);
	ck_assert_int_eq(systemd_expect_end(), 0);
	systemd_wait("STOPPING=1");
}

void
systemd_kill(void)
{
	pid_t children[64];
	int i, n = support_children(support_pid, children, 64);

	ck_assert_int_eq(kill(support_pid, SIGSTOP), 0); /* it starts nobody anew */
	for (i = 0; i < n; i++)
		ck_assert_int_eq(kill(children[i], SIGKILL), 0);
	support_crash();
}

void
systemd_restart(int how)
{
	if (how == 0)
		systemd_stop();
	else
		systemd_kill();
	systemd_serve();
}

/* ---- the test ---- */

void
systemd_configure(const char *config)
{
	FILE *f = fopen(support_path("conf"), "we");

	ck_assert_ptr_nonnull(f);
	for (; *config != '\0'; config++) {
		if (*config != '%')
			fputc(*config, f);
		else if (*++config == 's')
			fputs(support_scratch, f);
		else if (*config == 'r')
			fputs(support_can_revoke() ? "" : "revocation = none\n", f);
	}
	fprintf(f, "[broker]\nlock-dir = %s/lock\n", support_scratch);
	ck_assert_int_eq(fclose(f), 0);
}

static int
bind_to(const char *path, bool is_abstract, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	size_t len = strlen(path) + (is_abstract ? 1 : 0);

	snprintf(address.sun_path + is_abstract, sizeof(address.sun_path) - is_abstract, "%s",
		 path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(
	    bind(fd, (struct sockaddr *)&address,
		 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + !is_abstract)),
	    0);
	return fd;
}

void
systemd_begin(void)
{
	systemd_listener = bind_to(support_socket, false, SOCK_STREAM);
	ck_assert_int_eq(listen(systemd_listener, 128), 0);
	systemd_hear(bind_to(support_path("notify"), systemd_is_abstract, SOCK_DGRAM));
}

void
systemd_end(void)
{
	if (support_pid != 0)
		systemd_stop();
	systemd_hear_no_more();
	if (systemd_listener >= 0)
		close(systemd_listener);
	ck_assert_int_lt(access(support_path("socket.lock"), F_OK), 0);
	support_end();
}
