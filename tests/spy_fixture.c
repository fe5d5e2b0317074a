/*
 * spy_fixture.c - see spy_fixture.h.
 */
#include "spy_fixture.h"

#include "../client/cli.h"
#include "../client/internal.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 10000

char spy_said[1024];
int spy_said_count;
struct bridge_spy *spy;
char spy_port[32];
struct spy_wire_header spy_header;
char spy_payload[SPY_WIRE_PAYLOAD + 1];

int
cli_fail(int status, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(spy_said, sizeof(spy_said), format, ap);
	va_end(ap);
	spy_said_count++;
	return status;
}

void
spy_start(const char *transcript)
{
	int status = -1;

	snprintf(spy_port, sizeof(spy_port), "spy%d", (int)getpid());
	spy = bridge_spy_new(spy_port, "/run/LINK", "/run/socket", transcript, &status);
	ck_assert_msg(spy != NULL, "%s", spy_said);
	ck_assert_int_eq(status, 0);
}

/* Polls what the bridge polls, and `fd` (-1: nothing): is there something for that one? */
static bool
poll_with(int fd, int timeout_ms)
{
	struct pollfd fds[BRIDGE_SPY_FDS + 1];
	int count = bridge_spy_poll(spy, fds), limit_ms = bridge_spy_timeout_ms(spy);

	ck_assert_int_le(count, BRIDGE_SPY_FDS);
	if (limit_ms < 0 || (timeout_ms >= 0 && timeout_ms < limit_ms))
		limit_ms = timeout_ms;
	fds[count] = (struct pollfd){ .fd = fd, .events = POLLIN };
	int r = poll(fds, (nfds_t)count + 1, limit_ms);
	bridge_spy_take(spy, fds, r < 0 ? 0 : count);
	return r > 0 && fds[count].revents != 0;
}

void
spy_begin(void)
{
	struct ifreq up = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	support_begin();
	if (unshare(CLONE_NEWNET) < 0)
		return; /* an ordinary user */
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &up), 0);
	close(fd);
}

void
spy_round(int timeout_ms)
{
	poll_with(-1, timeout_ms);
}

int
spy_reader(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char wanted[128], line[512];
	FILE *f = fopen("/proc/net/unix", "re");
	socklen_t len = 0;

	ck_assert_ptr_nonnull(f);
	snprintf(wanted, sizeof(wanted), "@" SPY_WIRE_PREFIX "%s/%d.", spy_port, (int)getpid());
	while (len == 0 && fgets(line, sizeof(line), f)) {
		const char *name = strstr(line, wanted);
		if (!name)
			continue;
		line[strcspn(line, "\n")] = '\0';
		ck_assert_uint_lt(strlen(name), sizeof(address.sun_path));
		memcpy(address.sun_path + 1, name + 1, strlen(name + 1));
		len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
	}
	fclose(f);
	ck_assert_msg(len > 0, "%s is not there", wanted);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, len), 0);
	return fd;
}

static bool
receive(int reader, void *bytes, size_t size)
{
	size_t got = 0;

	while (got < size) {
		ssize_t n = recv(reader, (char *)bytes + got, size - got, 0);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return false;
		ck_assert_msg(n > 0 || errno == EAGAIN, "recv: %s", strerror(errno));
		got += n > 0 ? (size_t)n : 0;
		int64_t until_ms = comlease_now_ms() + PATIENCE_MS;
		while (n < 0 && !poll_with(reader, PATIENCE_MS))
			ck_assert_int_lt(comlease_now_ms(), until_ms);
	}
	return true;
}

bool
spy_next(int reader)
{
	if (!receive(reader, &spy_header, sizeof(spy_header)))
		return false;
	ck_assert_uint_le(spy_header.length, SPY_WIRE_PAYLOAD);
	ck_assert(receive(reader, spy_payload, spy_header.length));
	spy_payload[spy_header.length] = '\0';
	return true;
}

void
spy_expect(int reader, enum spy_wire_kind kind, int detail, const char *payload)
{
	ck_assert(spy_next(reader));
	ck_assert_int_eq(spy_header.kind, (int)kind);
	ck_assert_int_eq(spy_header.detail, detail);
	if (payload)
		ck_assert_str_eq(spy_payload, payload);
}

int
spy_greeted(void)
{
	int reader = spy_reader();

	spy_expect(reader, SPY_WIRE_HELLO, SPY_WIRE_VERSION, spy_port);
	ck_assert_str_eq(spy_payload + strlen(spy_port) + 1, "/run/LINK");
	return reader;
}
