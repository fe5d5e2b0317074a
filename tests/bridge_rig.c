/*
 * bridge_rig.c - see bridge_rig.h.
 */
#include "bridge_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 24

struct support_child bridge;
int bridge_master;

void
bridge_begin_with(const char *config)
{
	bridge.pid = 0;
	support_begin();
	bridge_master = support_plug("modem0");
	support_start(config);
}

void
bridge_begin(void)
{
	bridge_begin_with(SUPPORT_PORT("modem0"));
}

/* ---- the process ---- */

static int
manager(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", support_path("notify"));
	unlink(address.sun_path);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
	return fd;
}

/* words: with room for two more and NULL behind `count`. */
static void
start(const char *words[], int count)
{
	char said[256] = "";
	int notify = manager();

	words[count++] = "modem0";
	words[count++] = support_path("link");
	support_exec(&bridge, words);
	unsetenv("NOTIFY_SOCKET");
	ck_assert_msg(support_poll(notify, POLLIN, support_now_ms() + SUPPORT_SOON_MS),
		      "it is never ready");
	ck_assert_int_gt(recv(notify, said, sizeof(said) - 1, 0), 0);
	ck_assert_ptr_nonnull(strstr(said, "READY=1\n"));
	close(notify);
	ck_assert_int_eq(access(support_path("link"), F_OK), 0);
}

void
bridge_start(void)
{
	const char *words[8] = { "comlease", "bridge" };

	start(words, 2);
}

void
bridge_start_with(const char *option, ...)
{
	const char *words[WORDS_MAX] = { "comlease", "bridge" };
	int count = 2;
	va_list rest;

	va_start(rest, option);
	for (; option != NULL; option = va_arg(rest, const char *)) {
		ck_assert_int_lt(count, WORDS_MAX - 3);
		words[count++] = option;
	}
	va_end(rest);
	start(words, count);
}

int
bridge_fail(const char *port, const char *link)
{
	struct support_child child;
	int status;

	support_exec(&child, (const char *const[]){ "comlease", "bridge", port, link, NULL });
	status = support_reap(&child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

void
bridge_stop(void)
{
	int status;

	ck_assert_int_eq(kill(bridge.pid, SIGTERM), 0);
	status = support_reap(&bridge);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with %#x", status);
	ck_assert_int_lt(access(support_path("link"), F_OK), 0);
	ck_assert_int_lt(access(support_path("link.lock"), F_OK), 0);
}

bool
bridge_has_said(const char *text)
{
	char said[8192] = "";
	FILE *f = fopen(support_path("child.err"), "re");

	ck_assert_ptr_nonnull(f);
	said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
	fclose(f);
	return strstr(said, text) != NULL;
}

void
bridge_expect_said(const char *text)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;

	while (!bridge_has_said(text)) {
		ck_assert_msg(support_now_ms() < until, "never said: %s", text);
		usleep(5000);
	}
}

/* ---- a program ---- */

int
bridge_open(void)
{
	int fd = open(support_path("link"), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	ck_assert_msg(fd >= 0, "the link: %s", strerror(errno));
	return fd;
}

int
bridge_connect(void)
{
	int fd = bridge_open();

	support_log_wait("grant port=modem0");
	support_wait_port("modem0", "held", 0);
	return fd;
}

void
bridge_expect(int fd, const char *text)
{
	char got[256] = "";
	size_t length = strlen(text);

	ck_assert_uint_lt(length, sizeof(got));
	support_read(fd, got, length);
	ck_assert_str_eq(got, text);
}

void
bridge_expect_nothing(int fd, int for_ms)
{
	char got[256] = "";

	/* a master whose slave is closed is ready, and reads EIO */
	if (support_poll(fd, POLLIN, support_now_ms() + for_ms))
		ck_assert_msg(read(fd, got, sizeof(got) - 1) <= 0, "there came: %s", got);
}

void
bridge_expect_end(int fd)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	char got[256];
	ssize_t n;

	do {
		ck_assert_msg(support_poll(fd, POLLIN, until), "no end-of-file");
		n = read(fd, got, sizeof(got));
	} while (n > 0);
	ck_assert(n == 0 || errno == EIO);
}

void
bridge_borrow(void)
{
	struct support_client other;

	support_queue(&other, "modem0", NULL);
	close(support_granted(&other, NULL));
	support_close(&other);
}

void
bridge_wait_speed(speed_t speed)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	struct termios t;

	do {
		ck_assert_int_eq(tcgetattr(bridge_master, &t), 0);
		ck_assert_msg(support_now_ms() < until, "the speed is never set");
		usleep(5000);
	} while (cfgetospeed(&t) != speed);
}
