/*
 * bad.c - see bad.h.
 */
#include "bad.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int lease = -1, line = -1, modem = -1; /* of modem1, and the far sides */
static uint64_t lease_token;
static long memory_kb;
static struct support_child watcher;

/* ---- the bad one ---- */

int
bad_connect(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	strcpy(address.sun_path, support_socket);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

bool
bad_send(int socket, const void *bytes, size_t size)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	size_t sent = 0;
	ssize_t n;

	while (sent < size) {
		ck_assert_msg(support_poll(socket, POLLOUT, until), "the broker does not read");
		n = send(socket, (const char *)bytes + sent, size - sent,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return false;
		sent += n > 0 ? (size_t)n : 0;
	}
	return true;
}

int
bad_send_fds(int socket, const void *bytes, size_t size, const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = size };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = CMSG_SPACE(sizeof(int) * count) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);

	ck_assert_uint_le(count, 8);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

const char *
bad_hear(int socket)
{
	static char text[256 * 1024];
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	size_t have = 0;
	ssize_t n;

	do {
		ck_assert_msg(support_poll(socket, POLLIN, until), "no answer");
		n = recv(socket, text + have, 1, 0);
		if (n <= 0)
			return NULL;
	} while (text[have++] != '\0' && have < sizeof(text));
	return text;
}

void
bad_expect_cut(int socket, int within_ms)
{
	char byte;

	ck_assert_msg(support_poll(socket, POLLIN, support_now_ms() + within_ms),
		      "the broker does not close the connection");
	ck_assert_msg(recv(socket, &byte, 1, 0) <= 0, "an answer, instead of an end");
	close(socket);
}

static void
hold(struct support_child *me, const char *port, const char *word)
{
	int fd = support_acquire(port, NULL);

	support_write(fd, word, strlen(word));
	support_say(me, '.');
	support_poll(me->hear, POLLIN, support_now_ms() + 2 * SUPPORT_SOON_MS);
	close(fd);
}

void
bad_hold(struct support_child *me, void *port)
{
	hold(me, port, "");
}

void
bad_hold_and_write(struct support_child *me, void *port)
{
	hold(me, port, "!");
}

int
bad_pipe_bytes(int pipe)
{
	int bytes = 0;

	ck_assert_int_eq(ioctl(pipe, FIONREAD, &bytes), 0);
	return bytes;
}

#define LIST "{\"method\":\"io.comlease.List\"}"

bool
bad_is_served(int socket)
{
	const char *reply;

	if (!bad_send(socket, LIST, sizeof(LIST)))
		return false;
	reply = bad_hear(socket);
	return reply != NULL && strncmp(reply, "{\"parameters\":{\"ports\":[", 24) == 0;
}

bool
bad_new_one_is_served(void *unused)
{
	int socket = bad_connect();
	bool served = bad_is_served(socket);

	(void)unused;
	close(socket);
	return served;
}

void
bad_expect_turned_away(int socket, const char *why)
{
	const char *message = bad_hear(socket);

	ck_assert_ptr_nonnull(message);
	ck_assert_msg(strstr(message, "io.comlease.QuotaExceeded") != NULL, "%s", message);
	ck_assert_msg(strstr(message, why) != NULL, "%s", message);
	bad_expect_cut(socket, SUPPORT_SOON_MS);
}

/* ---- the others ---- */

long
bad_memory_kb(void)
{
	char path[64], text[256] = "";
	long total, resident = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/statm", (long)support_broker());
	fd = open(path, O_RDONLY | O_CLOEXEC);
	ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
	close(fd);
	ck_assert_int_eq(sscanf(text, "%ld %ld", &total, &resident), 2);
	return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

int64_t
bad_cpu_ms(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	ck_assert_int_eq(clock_getcpuclockid(pid, &clock), 0);
	ck_assert_int_eq(clock_gettime(clock, &t), 0);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void
bad_await(bool (*condition)(void *), void *argument, const char *what)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;

	while (!condition(argument)) {
		ck_assert_msg(support_now_ms() < until, "never: %s", what);
		poll(NULL, 0, 5); /* nothing tells it */
	}
}

void
calm_begin_with(const char *broker)
{
	char config[1024];

	support_begin();
	modem = support_plug("modem0");
	line = support_plug("modem1");
	snprintf(config, sizeof(config), "%s%s", broker,
		 SUPPORT_PORT("modem0") SUPPORT_PORT("modem1"));
	support_start(config);
	calm_renew();
}

void
calm_renew(void)
{
	if (lease >= 0)
		close(lease);
	lease = support_acquire("modem1", &lease_token);
	calm_expect();
	memory_kb = bad_memory_kb();
}

void
calm_begin(void)
{
	calm_begin_with("");
}

void
calm_begin_without_passrights(void)
{
	char path[PATH_MAX], relative[PATH_MAX];
	const char *build = getenv("BUILD");

	snprintf(relative, sizeof(relative), "%s/tests/preload_nopassrights.so",
		 build != NULL ? build : "build/release");
	ck_assert_msg(realpath(relative, path) != NULL, "%s is not built", relative);
	/* Only comleased is to have it, not the test: what is loaded stays as it is. */
	setenv("LD_PRELOAD", path, 1);
	setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
	calm_begin_with("");
	unsetenv("LD_PRELOAD");
}

void
calm_expect(void)
{
	json_t *port = support_list("modem1");
	int fd;

	ck_assert_str_eq(support_string(port, "state", NULL), "held");
	ck_assert_int_eq(support_int(port, "lease", "token", NULL), (json_int_t)lease_token);
	json_decref(port);
	support_expect_line(lease, line);
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, modem);
	close(fd);
}

#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
/* Three megabytes are for what an allocator keeps; a crowd's long messages are twice that. */
static bool
memory_is_back(void *unused)
{
	(void)unused;
	return bad_memory_kb() <= memory_kb + 3072;
}
#endif

void
calm_end(void)
{
	calm_expect();
#ifndef __SANITIZE_ADDRESS__
	bad_await(memory_is_back, NULL, "the broker's memory is back");
#endif
	close(lease);
	lease = -1;
	support_end();
}

/* ---- how quickly others are answered ---- */

/* Asks every 5 ms until it is told to stop; says how long the longest answer took. */
static void
watch(struct support_child *me, void *unused)
{
	struct support_client c;
	int64_t begin, longest = 0;

	(void)unused;
	support_connect(&c);
	support_say(me, '.');
	do {
		begin = support_now_ms();
		support_ask(&c, "List", NULL);
		if (support_now_ms() - begin > longest)
			longest = support_now_ms() - begin;
	} while (!support_poll(me->hear, POLLIN, support_now_ms() + 5));
	dprintf(me->say, "%ld\n", (long)longest);
	support_close(&c);
}

void
calm_watch(void)
{
	support_fork(&watcher, watch, NULL, -1);
	support_hear(&watcher);
}

void
calm_expect_quick(void)
{
	long longest;

	support_say(&watcher, '.');
	longest = strtol(support_hear_line(&watcher), NULL, 10);
	support_reap(&watcher);
	ck_assert_msg(longest < BAD_LATENCY_MS, "another client's List took %ld ms", longest);
}
