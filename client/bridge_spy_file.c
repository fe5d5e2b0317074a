/*
 * bridge_spy_file.c - the transcript file of a bridge.
 *
 * Responsible for: never waiting, whatever the file is; whole lines; saying once that it can't be
 * written, and marking in it what is missing.
 * Refuses to know: what the lines say.
 *
 * The tricky idea: stdout is somebody else's description, and O_NONBLOCK on it would be set for the
 * shell too; a terminal or pipe is opened afresh through /proc. Where that can't be (another user's
 * terminal) it is only written to when, and only as much as, poll() promises not to block.
 */
#include "bridge_spy_file.h"

#include "cli.h"
#include "text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MARK_MAX (PIPE_BUF - BRIDGE_SPY_FILE_BUFFER)
#define FLAGS    (O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC | O_NONBLOCK)

static int
open_stdout(struct bridge_spy_file *f)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) < 0)
		return -1;
	f->is_socket = S_ISSOCK(st.st_mode);
	if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
		int fd = open("/proc/self/fd/1", FLAGS);
		if (fd >= 0)
			return fd;
		/* of a terminal poll() promises room for one byte, of a pipe for PIPE_BUF */
		f->chunk = S_ISCHR(st.st_mode) ? 1 : PIPE_BUF;
	}
	return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
}

static int
cannot_open(const char *path, int error)
{
	struct text name = { 0 };
	struct stat st;
	const char *why = strerror(error);

	text_add_foreign(&name, path);
	if (error == ENXIO && stat(path, &st) == 0 && S_ISFIFO(st.st_mode))
		why = "nobody reads from this FIFO; start its reader first";
	else if (error == ENOENT && *path)
		why = "there is no such folder";
	int status = error == EACCES || error == EPERM || error == EROFS ? CLI_DENIED : CLI_SYSTEM;
	cli_fail(status, "--spy %s: %s", name.s, why);
	text_free(&name);
	return status;
}

int
bridge_spy_file_open(struct bridge_spy_file *f, const char *path)
{
	*f = (struct bridge_spy_file){ .path = path, .fd = -1 };
	if (!path)
		return 0;
	if (strcmp(path, "-") == 0) {
		f->path = "standard output";
		f->fd = open_stdout(f);
	} else {
		f->fd = open(path, FLAGS | O_CREAT, 0600);
	}
	return f->fd < 0 ? cannot_open(f->path, errno) : 0;
}

void
bridge_spy_file_close(struct bridge_spy_file *f)
{
	bridge_spy_file_flush(f);
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

static ssize_t
write_once(const struct bridge_spy_file *f, const char *bytes, size_t len)
{
	struct pollfd p = { .fd = f->fd, .events = POLLOUT };

	if (f->is_socket)
		return send(f->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (f->chunk == 0)
		return write(f->fd, bytes, len);
	if (poll(&p, 1, 0) <= 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(f->fd, bytes, len < f->chunk ? len : f->chunk);
}

/* As many bytes as go at once; errno is why it was not all of them. */
static size_t
write_some(const struct bridge_spy_file *f, const char *bytes, size_t len)
{
	size_t written = 0;

	while (written < len) {
		ssize_t n = write_once(f, bytes + written, len - written);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = EAGAIN;
		if (n <= 0)
			break;
		written += (size_t)n;
	}
	return written;
}

static void
say_once(struct bridge_spy_file *f)
{
	struct text name = { 0 };
	int error = errno;

	if (f->said || error == EAGAIN)
		return;
	f->said = true;
	text_add_foreign(&name, f->path);
	cli_fail(
	    0, "--spy %s: %s; the bridge goes on, and the transcript when it can be written again",
	    name.s, error == EPIPE ? "nobody reads it any more" : strerror(error));
	text_free(&name);
}

static uint64_t
count_lines(const char *bytes, size_t len)
{
	uint64_t lines = 0;

	for (size_t i = 0; i < len; i++)
		lines += bytes[i] == '\n';
	return lines;
}

/* What stands before the next lines if some are missing; its length. */
static size_t
mark_missed(const struct bridge_spy_file *f, char *mark, size_t size)
{
	if (f->missed == 0)
		return 0;
	return (size_t)snprintf(mark, size, "%s... %" PRIu64 " line%s missed ...\n",
				f->torn ? "\n" : "", f->missed, f->missed == 1 ? "" : "s");
}

void
bridge_spy_file_flush(struct bridge_spy_file *f)
{
	char bytes[sizeof f->buffer + MARK_MAX];
	size_t len = f->len;

	f->len = 0;
	if (len == 0 || f->fd < 0)
		return;
	size_t mark_len = mark_missed(f, bytes, MARK_MAX);
	memcpy(bytes + mark_len, f->buffer, len);
	len += mark_len;
	size_t written = write_some(f, bytes, len);
	if (written < len)
		say_once(f);
	if (written >= mark_len)
		f->missed = 0;
	if (written > 0)
		f->torn = bytes[written - 1] != '\n';
	size_t from = written > mark_len ? written : mark_len;
	f->missed += count_lines(bytes + from, len - from);
}

void
bridge_spy_file_put(void *file, const char *line, size_t len)
{
	struct bridge_spy_file *f = file;

	assert(len <= sizeof f->buffer);
	if (f->len + len > sizeof f->buffer)
		bridge_spy_file_flush(f);
	memcpy(f->buffer + f->len, line, len);
	f->len += len;
}
