/*
 * shim_busy.c - a standby holder's call: while the lock file of his port exists (mgetty, faxgetty
 * and efax make it for a call, and remove it when they are idle) the broker does not ask him to
 * yield. It refuses to know what a lock file is (shim_lock.c).
 *
 * The tricky idea: programs remove their lock file in signal handlers, where nothing may allocate.
 * So the call is written by hand, some seventy bytes, with system calls alone. A broker that does
 * not answer in time has the call in its socket all the same.
 */
#include "internal.h"
#include "shim.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MS 2000

static int
connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	return fd;
}

/* Waits for the whole reply, which is short: whoever asks next finds the broker informed. False:
 * none came, or the connection broke. */
static bool
take_reply(int fd, char *reply, size_t size)
{
	int64_t until_ms = comlease_now_ms() + ANSWER_MS, left_ms;
	size_t length = 0;

	memset(reply, 0, size);
	while (length < size && (left_ms = until_ms - comlease_now_ms()) > 0) {
		struct pollfd pollfd = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&pollfd, 1, (int)left_ms) <= 0)
			continue; /* a signal, or the time is over */
		got = recv(fd, reply + length, size - length, 0);
		if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN))
			return false;
		length += got > 0 ? (size_t)got : 0;
		if (length > 0 && reply[length - 1] == '\0')
			return true;
	}
	return length == size;
}

static void
tell(const char *socket_path, const char *token, bool busy)
{
	char call[128], reply[256];
	int length = snprintf(call, sizeof(call),
			      "{\"method\":\"io.comlease.SetBusy\",\"parameters\":{\"token\":%s,"
			      "\"busy\":%s}}",
			      token, busy ? "true" : "false");
	int fd = connect_to(socket_path);

	if (fd < 0) {
		shim_debug("%s: no broker: it is not told of the call", socket_path);
		return;
	}
	if (send(fd, call, (size_t)length + 1, MSG_NOSIGNAL) != length + 1 ||
	    !take_reply(fd, reply, sizeof(reply)))
		shim_debug("lease %s: the broker does not answer to \"busy\"", token);
	else if (strncmp(reply, "{\"error\"", 8) == 0)
		shim_debug("lease %s: not %s: %.200s", token, busy ? "busy" : "idle", reply);
	else
		shim_debug("lease %s: %s", token, busy ? "busy: in a call" : "idle");
	close(fd);
}

void
shim_busy(int dirfd, const char *path, bool busy)
{
	const char *device, *token, *socket_path;
	int error = errno;

	if (!shim_environment("COMLEASE_STANDBY"))
		return;
	device = shim_environment("COMLEASE_DEVICE");
	token = shim_environment("COMLEASE_TOKEN");
	socket_path = shim_environment("COMLEASE_SOCKET");
	if (device && token && socket_path && strlen(token) <= 20 &&
	    token[strspn(token, "0123456789")] == '\0' && shim_is_lock_of(dirfd, path, device))
		tell(socket_path, token, busy);
	errno = error;
}
