/*
 * shim_lease.c - asks the broker on behalf of an open(), with what the environment says, and makes
 * of the leased descriptor what open() would have returned. What is ours is decided elsewhere.
 *
 * The tricky idea: open() gives the lowest free number and programs count on it; the socket takes
 * that number first, so the leased descriptor is moved down once the socket is closed.
 */
#include "internal.h"
#include "shim.h"
#include "shim_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETTABLE_FLAGS (O_APPEND | O_NONBLOCK | O_ASYNC)

/* A time in seconds with a fraction; unset, "forever" and what makes no sense: COMLEASE_FOREVER. By
 * hand: strtod() follows the locale. */
static int64_t
seconds(const char *name)
{
	const char *text = shim_environment(name);
	int64_t ms = 0, unit_ms = 100;

	if (!text || text[0] < '0' || text[0] > '9')
		return COMLEASE_FOREVER;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (ms > INT64_MAX / 20000)
			return COMLEASE_FOREVER;
		ms = ms * 10 + (*text - '0') * 1000;
	}
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++, unit_ms /= 10)
			ms += (*text - '0') * unit_ms;
	return *text ? COMLEASE_FOREVER : ms;
}

static int
priority(void)
{
	const char *text = shim_environment("COMLEASE_PRIORITY");
	long value = text ? strtol(text, NULL, 10) : 0;

	return value < -100 || value > 100 ? 0 : (int)value;
}

static struct comlease_request
request_for(const char *device, dev_t rdev)
{
	struct comlease_request request = COMLEASE_REQUEST_INIT;

	request.device = device;
	request.rdev = rdev;
	request.wait_ms = seconds("COMLEASE_WAIT");
	request.max_hold_ms = seconds("COMLEASE_MAX_HOLD");
	if (request.max_hold_ms == 0)
		request.max_hold_ms = COMLEASE_FOREVER;
	request.priority = priority();
	request.class_name = shim_environment("COMLEASE_CLASS");
	request.label = shim_environment("COMLEASE_LABEL");
	request.key = shim_environment("COMLEASE_KEY");
	return request;
}

static bool
is_there(const char *device)
{
	struct shim_stat status;

	shim_stat(AT_FDCWD, device, 0, &status);
	return status.error != ENOENT;
}

/* The number and the flags that the caller's own open() would have given. */
static int
settle(int fd, int flags)
{
	int command = (flags & O_CLOEXEC) ? F_DUPFD_CLOEXEC : F_DUPFD;
	int lowest = fcntl(fd, command, 0);

	if (lowest >= 0 && lowest < fd) {
		close(fd);
		fd = lowest;
	} else {
		if (lowest >= 0)
			close(lowest);
		fcntl(fd, F_SETFD, (flags & O_CLOEXEC) ? FD_CLOEXEC : 0);
	}
	fcntl(fd, F_SETFL, flags & SETTABLE_FLAGS);
	return fd;
}

/* One lease; -1: errno is the library's. The wait is a cancellation point, as open() is. */
static int
acquire(struct comlease *c, const struct comlease_request *request)
{
	struct comlease_lease lease = { .size = sizeof(lease) };
	int fd = comlease_acquire(c, request, &lease);

	if (fd >= 0)
		shim_debug("%s: lease %llu of %s after %lld ms", request->device,
			   (unsigned long long)lease.token, lease.port, (long long)lease.waited_ms);
	else
		shim_debug("%s: %s", request->device, comlease_error(c));
	return fd;
}

/* Not UTF-8, not a message: then the device's number alone has to tell. */
static void
make_printable(char *to, size_t size, const char *from)
{
	size_t i;

	for (i = 0; i < size - 1 && from[i]; i++)
		to[i] = (signed char)from[i] > 0 ? from[i] : '?';
	to[i] = '\0';
}

/* Without a broker the real call is to be made; but not because this process may open no more. */
static int
no_broker(const struct comlease *c, const char *device)
{
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
		return -1;
	shim_debug("%s: no broker at %s: opened without it", device, comlease_socket_path(c));
	return SHIM_NOT_OURS;
}

static int
ask(struct comlease *c, const char *device, dev_t rdev, bool required)
{
	struct comlease_request request = request_for(device, rdev);
	char printable[SHIM_PATH_MAX];
	int fd;

	if (!required && comlease_try_connect(c) < 0)
		return no_broker(c, device);
	fd = acquire(c, &request);
	if (fd < 0 && errno == EINVAL && rdev) {
		make_printable(printable, sizeof(printable), device);
		request.device = printable;
		request.class_name = request.label = request.key = NULL;
		fd = acquire(c, &request);
	}
	if (fd >= 0)
		return fd;
	if (errno == ENOENT || (errno == EINVAL && !required))
		return SHIM_NOT_OURS;
	errno = comlease_open_errno(errno, is_there(device));
	return -1;
}

int
shim_acquire(const char *absolute, dev_t rdev, bool listed, int flags)
{
	bool required = listed && shim_environment("COMLEASE_REQUIRE") != NULL;
	struct shim_wait wait;
	int fd, error;

	if (shim_wait_begin(&wait) < 0)
		return -1;
	fd = ask(wait.connection, absolute, rdev, required);
	error = errno;
	shim_wait_disconnect(&wait);
	if (fd >= 0)
		fd = settle(fd, flags);
	shim_wait_end(&wait, fd >= 0 ? fd : -1);
	errno = error;
	return fd;
}
