/*
 * notify.c - systemd's notification protocol: datagrams "KEY=VALUE\n..." to $NOTIFY_SOCKET, with
 * descriptors beside them, and what the environment of a start tells. It refuses to know what is
 * told, and what the descriptors are.
 *
 * The tricky idea: a variable is believed only as far as it can be checked. LISTEN_FDS is a promise
 * about descriptors 3, 4, ...: the first that is not open ends the list, whatever number was
 * promised. And as all of them are found again by name, of what comes in two or without a name
 * nothing depends on the order.
 */
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "log.h"

#define FIRST_FD        3
#define TEXT_MAX        1024
#define PATIENCE_S      1
#define WATCHDOG_MIN_US 1000000 /* below, a busy machine looks like a hung one */

/* ---- the environment ---- */

/* The whole text is a number, not larger than max. */
static bool
read_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *number <= max;
}

static void
complain(const char *variable, const char *value)
{
	char quoted[128];

	log_line("%s=%s: makes no sense here; goes on without", variable,
		 log_quote(value, quoted, sizeof(quoted)));
}

static bool
is_our_pid(const char *text)
{
	uint64_t pid;

	return read_number(text, INT32_MAX, &pid) && (pid_t)pid == getpid();
}

/* A path, or with '@' an abstract name. */
static void
open_socket(struct notify *n, const char *path)
{
	size_t length = strlen(path);
	const struct timeval patience = { .tv_sec = PATIENCE_S };

	if (length < 2 || length >= sizeof(n->address.sun_path) || strchr("/@", *path) == NULL) {
		complain("NOTIFY_SOCKET", path);
		return;
	}
	n->address.sun_family = AF_UNIX;
	memcpy(n->address.sun_path, path, length);
	if (*path == '@')
		n->address.sun_path[0] = '\0';
	n->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	n->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->socket < 0) {
		log_line("notify error=%s", strerror(errno));
		return;
	}
	/* a manager that is just being replaced by its next version reads in a moment */
	setsockopt(n->socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

static void
read_watchdog(struct notify *n, const char *text)
{
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t us;

	if (pid != NULL && !is_our_pid(pid))
		return; /* for a parent of ours */
	if (!read_number(text, INT64_MAX, &us) || us < WATCHDOG_MIN_US)
		complain("WATCHDOG_USEC", text);
	else
		n->watchdog_ms = us / 1000;
}

/* ---- descriptors that were handed over ---- */

/* How many of those that are promised are there. */
static size_t
count_fds(uint64_t promised)
{
	size_t count = 0;

	while (count < promised && count < INT32_MAX - FIRST_FD &&
	       fcntl(FIRST_FD + (int)count, F_SETFD, FD_CLOEXEC) == 0)
		count++;
	return count;
}

/* The next of the names, which have ':' between them. One that is too long is none. */
static void
next_name(const char **names, char name[NOTIFY_NAME_MAX + 1])
{
	size_t length = strcspn(*names, ":");

	if (length <= NOTIFY_NAME_MAX)
		memcpy(name, *names, length);
	*names += length;
	if (**names == ':')
		(*names)++;
}

static void
read_fds(struct notify *n, const char *text)
{
	const char *names = getenv("LISTEN_FDNAMES");
	uint64_t promised;
	size_t i, count;

	if (!is_our_pid(getenv("LISTEN_PID")))
		return;
	if (!read_number(text, INT32_MAX, &promised)) {
		complain("LISTEN_FDS", text);
		return;
	}
	count = count_fds(promised);
	if (count < promised)
		complain("LISTEN_FDS", text);
	n->fds = calloc(count + 1, sizeof(*n->fds));
	if (n->fds == NULL) {
		log_line("LISTEN_FDS error=%s", strerror(ENOMEM));
		return;
	}
	n->fd_count = count;
	for (i = 0; i < count; i++) {
		n->fds[i].fd = FIRST_FD + (int)i;
		if (names != NULL)
			next_name(&names, n->fds[i].name);
	}
}

void
notify_begin(struct notify *n)
{
	static const char *const variables[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
						 "LISTEN_FDS",    "LISTEN_PID",    "LISTEN_FDNAMES",
						 "LISTEN_PIDFDID" };
	const char *text;
	size_t i;

	memset(n, 0, sizeof(*n));
	n->socket = -1;
	/* first: nothing that is opened here may be taken for one of them */
	text = getenv("LISTEN_FDS");
	if (text != NULL)
		read_fds(n, text);
	text = getenv("NOTIFY_SOCKET");
	if (text != NULL)
		open_socket(n, text);
	text = getenv("WATCHDOG_USEC");
	if (text != NULL && n->socket >= 0)
		read_watchdog(n, text);
	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
}

int
notify_take(struct notify *n, const char *name)
{
	size_t i;
	int fd;

	for (i = 0; i < n->fd_count; i++) {
		if (n->fds[i].fd < 0 || strcmp(n->fds[i].name, name) != 0)
			continue;
		fd = n->fds[i].fd;
		n->fds[i].fd = -1;
		return fd;
	}
	return -1;
}

void
notify_end(struct notify *n)
{
	size_t i;

	for (i = 0; i < n->fd_count; i++)
		if (n->fds[i].fd >= 0)
			close(n->fds[i].fd);
	free(n->fds);
	if (n->socket >= 0)
		close(n->socket);
	memset(n, 0, sizeof(*n));
	n->socket = -1;
}

/* ---- what is told ---- */

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

static int
send_text(const struct notify *n, const char *text, int fd)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text) };
	union control control = { .bytes = { 0 } };
	struct msghdr header = { .msg_name = (void *)(uintptr_t)&n->address,
				 .msg_namelen = n->length,
				 .msg_iov = &iov,
				 .msg_iovlen = 1 };
	/* one who did not read for so long is not waited for again until he has read */
	int flags = MSG_NOSIGNAL | (n->last_error == -EAGAIN ? MSG_DONTWAIT : 0);
	struct cmsghdr *c;
	ssize_t sent;

	if (fd >= 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&header);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	do
		sent = sendmsg(n->socket, &header, flags);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

__attribute__((format(printf, 3, 0))) static void
tell_va(struct notify *n, int fd, const char *format, va_list args)
{
	char text[TEXT_MAX];
	int length, error;

	if (n->socket < 0)
		return;
	length = vsnprintf(text, sizeof(text), format, args);
	error = length < 0 || (size_t)length >= sizeof(text) ? -EMSGSIZE : send_text(n, text, fd);
	if (error < 0 && error != n->last_error)
		log_line("notify text=%.*s error=%s", (int)strcspn(text, "= \n"), text,
			 strerror(-error));
	n->last_error = error;
}

void
notify_tell(struct notify *n, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell_va(n, -1, format, args);
	va_end(args);
}

__attribute__((format(printf, 3, 4))) static void
tell_fd(struct notify *n, int fd, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	tell_va(n, fd, format, args);
	va_end(args);
}

void
notify_store(struct notify *n, const char *name, int fd)
{
	/* FDPOLL=0: it is kept whatever poll() says of it; a roster speaks of hang-ups, to one
	 * reader
	 */
	tell_fd(n, fd, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
}

void
notify_forget(struct notify *n, const char *name)
{
	notify_tell(n, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}
