/*
 * log.c - one line a call on stderr. Knows nothing of what is logged. The tricky idea: stderr can
 * be a pipe whose reader sleeps, and a broker that waits for its log reader serves nobody; so a
 * line that stderr does not take at once is dropped, and counted.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024 /* less than PIPE_BUF: a line is written whole or not at all */

static bool verbose;
static const char *role = "comleased";
static unsigned long dropped;

void
log_set_verbose(bool on)
{
	verbose = on;
}

void
log_set_role(const char *name)
{
	role = name;
}

/* journald stamps lines itself, and says so in the environment. */
static size_t
put_time(char *buffer, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	if (getenv("JOURNAL_STREAM") != NULL)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	n = strftime(buffer, size, "%Y-%m-%d %H:%M:%S", &tm);
	return n + (size_t)snprintf(buffer + n, size - n, ".%03ld ", now.tv_nsec / 1000000);
}

/* Never waits, whoever else writes into the same pipe: the kernel says EAGAIN rather than wait. A
 * file or a terminal does not know these flags, and asking first must do. */
static ssize_t
write_now(const char *line, size_t length)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)line, .iov_len = length };
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	ssize_t n = send(STDERR_FILENO, line, length, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == ENOTSOCK)
		n = pwritev2(STDERR_FILENO, &iov, 1, -1, RWF_NOWAIT);
	if (n >= 0 || (errno != EOPNOTSUPP && errno != EINVAL && errno != ENOSYS))
		return n;
	if (poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0)
		return -1;
	return write(STDERR_FILENO, line, length);
}

static void
write_line(const char *line, size_t length)
{
	if (write_now(line, length) < 0)
		dropped++;
	else
		dropped = 0;
}

__attribute__((format(printf, 1, 0))) static void
log_va(const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	size_t n = put_time(line, sizeof(line));
	int rest;

	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s: ", role);
	if (dropped > 0)
		n += (size_t)snprintf(line + n, sizeof(line) - n, "(%lu lines lost) ", dropped);
	rest = vsnprintf(line + n, sizeof(line) - n, format, args);
	n += rest > 0 ? (size_t)rest : 0;
	if (n > sizeof(line) - 1)
		n = sizeof(line) - 1;
	line[n] = '\n';
	write_line(line, n + 1);
}

void
log_line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_va(format, args);
	va_end(args);
}

void
log_debug(const char *format, ...)
{
	va_list args;

	if (!verbose)
		return;
	va_start(args, format);
	log_va(format, args);
	va_end(args);
}

size_t
log_escape(const char *text, char *buffer, size_t size)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = 0;

	for (; *p != '\0' && n + 5 <= size; p++) {
		if (*p < ' ' || *p > '~' || *p == '"' || *p == '\\')
			n += (size_t)snprintf(buffer + n, size - n, "\\x%02x", *p);
		else
			buffer[n++] = (char)*p;
	}
	buffer[n] = '\0';
	return n;
}

const char *
log_quote(const char *text, char *buffer, size_t size)
{
	size_t n;

	if (*text != '\0' && strchr(text, ' ') == NULL) {
		log_escape(text, buffer, size);
		return buffer;
	}
	buffer[0] = '"';
	n = 1 + log_escape(text, buffer + 1, size - 2);
	buffer[n] = '"';
	buffer[n + 1] = '\0';
	return buffer;
}
