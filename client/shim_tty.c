/*
 * shim_tty.c - LD_PRELOAD: a leased port never becomes a controlling terminal. When the leader of a
 * session whose terminal it is exits, the kernel hangs the port up, for everyone who has it by
 * then. So TIOCSCTTY on a managed port succeeds and does nothing, as it would in a second call.
 *
 * The tricky idea: ioctl() is called often, and all but this one request cost a comparison. What
 * the port's modem lines are is the kernel's answer, also where that is ENOTTY (a pty).
 */
#include "shim_hook.h"

#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

typedef int ioctl_function(int fd, unsigned long request, ...);

int shim_hook_ioctl(int, unsigned long, ...) SHIM_HOOK("ioctl");
int shim_hook_ioctl_time64(int, unsigned long, ...) SHIM_HOOK("__ioctl_time64");

static bool
is_port(int fd)
{
	struct shim_stat status;

	shim_fstat(fd, &status);
	return shim_is_managed(&status);
}

static int
control(enum shim_symbol symbol, int fd, unsigned long request, void *argument)
{
	ioctl_function *next = (ioctl_function *)shim_next(symbol);

	if (request == TIOCSCTTY && is_port(fd)) {
		shim_debug("descriptor %d: a port becomes no controlling terminal", fd);
		return 0;
	}
	return next ? next(fd, request, argument) : (int)syscall(SYS_ioctl, fd, request, argument);
}

int
shim_hook_ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return control(SHIM_ioctl, fd, request, argument);
}

int
shim_hook_ioctl_time64(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return control(SHIM___ioctl_time64, fd, request, argument);
}

/* It calls ioctl() inside libc, where the hook above does not see it. */
HOOK(login_tty, int fd)
{
	if (!is_port(fd))
		return REAL(login_tty, fd);
	setsid();
	for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++)
		if (dup2(fd, i) < 0)
			return -1;
	return fd > STDERR_FILENO ? close(fd) : 0;
}
