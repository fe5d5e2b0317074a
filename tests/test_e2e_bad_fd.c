/*
 * test_e2e_bad_fd.c - clients that send descriptors to a real comleased, which takes none: with a
 * kernel that refuses them at the sender (SO_PASSRIGHTS), and with one that does not. The worst is
 * a TCP socket whose close blocks for as long as its owner has said.
 */
#include "bad.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIST     "{\"method\":\"io.comlease.List\"}"
#define LINGER_S 60

static bool passes; /* this comleased can't refuse them */

static void
begin(void)
{
	passes = false;
	calm_begin();
}

static void
begin_without_passrights(void)
{
	passes = true;
	calm_begin_without_passrights();
}

/* It must be refused, or cost the sender his connection. */
static void
expect_refused(int socket, int result)
{
	if (!passes && result == -EPERM) {
		close(socket);
		return;
	}
	ck_assert_int_eq(result, 0);
	support_log_wait("cut off: it sent a descriptor");
	while (bad_hear(socket) != NULL) /* what was answered before */
		;
	close(socket);
}

/* True until the last copy of the pipe's write end has gone. */
static bool
is_open_elsewhere(int read_end)
{
	struct pollfd p = { .fd = read_end, .events = POLLIN };

	return poll(&p, 1, 0) == 0;
}

static bool
is_closed_everywhere(void *read_end)
{
	return !is_open_elsewhere(*(int *)read_end);
}

/* With the first byte of a call, in the middle of it, behind it, alone. */
START_TEST(descriptors_are_refused_and_closed)
{
	static const struct {
		size_t before, with; /* bytes */
	} pieces[] = { { 0, sizeof(LIST) }, { 0, 1 }, { 5, 5 }, { sizeof(LIST), 1 } };
	int ends[2], socket, fds[5];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	for (int i = 0; i < 5; i++)
		fds[i] = ends[1];
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		socket = bad_connect();
		ck_assert(bad_send(socket, LIST, pieces[i].before));
		if (pieces[i].before == sizeof(LIST))
			ck_assert_ptr_nonnull(bad_hear(socket));
		expect_refused(socket, bad_send_fds(socket, LIST, pieces[i].with, fds, (size_t)_i));
		calm_expect();
	}
	close(ends[1]);
	bad_await(is_closed_everywhere, &ends[0], "the descriptors are closed");
	close(ends[0]);
}
END_TEST

/* Without a wait for anything: the connection closes with them in it. */
START_TEST(descriptors_in_a_connection_that_closes_are_closed)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	for (int i = 0; i < 20; i++) {
		int socket = bad_connect();

		bad_send_fds(socket, LIST, sizeof(LIST), &ends[1], 1);
		close(socket);
	}
	close(ends[1]);
	bad_await(is_closed_everywhere, &ends[0], "the descriptors are closed");
	close(ends[0]);
	calm_expect();
}
END_TEST

/* A descriptor behind a call that waits: seen when the call has been answered, or at the end. */
START_TEST(descriptor_behind_a_waiting_call_is_refused)
{
	static const char acquire[] = "{\"method\":\"io.comlease.Acquire\",\"parameters\":{"
				      "\"port\":\"modem0\",\"wait\":300}}";
	int holder = support_acquire("modem0", NULL), socket = bad_connect(), ends[2], result;

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert(bad_send(socket, acquire, sizeof(acquire)));
	result = bad_send_fds(socket, LIST, sizeof(LIST), &ends[1], 1);
	close(ends[1]);
	if (!passes) /* otherwise it is seen even before the call is answered, or not */
		ck_assert_ptr_nonnull(bad_hear(socket));
	expect_refused(socket, result);
	bad_await(is_closed_everywhere, &ends[0], "the descriptor is closed");
	close(ends[0]);
	close(holder);
}
END_TEST

/* ---- the lingering socket ---- */

/* A connection on loopback: ends[0] is full and lingers, nobody reads ends[1]. */
static void
make_lingering(int ends[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = LINGER_S };
	socklen_t size = sizeof(address);
	static char bytes[64 * 1024];
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, size), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &size), 0);
	ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(ends[0], (struct sockaddr *)&address, size), 0);
	ends[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(ends[1], 0);
	close(listener);
	ck_assert_int_eq(setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

/* Our own copy is closed while the broker stands still: its own is the last one, or ours would
 * linger. */
static void
send_lingering(int socket, int ends[2])
{
	pid_t broker = support_broker();
	int result;

	ck_assert_int_eq(kill(broker, SIGSTOP), 0);
	result = bad_send_fds(socket, LIST, sizeof(LIST), &ends[0], 1);
	if (result < 0) {
		struct linger off = { 0 };

		setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &off, sizeof(off));
	}
	close(ends[0]);
	ck_assert_int_eq(kill(broker, SIGCONT), 0);
	expect_refused(socket, result);
}

START_TEST(lingering_socket_delays_nobody)
{
	enum { COUNT = 4 };
	int ends[COUNT][2];

	calm_watch();
	for (int i = 0; i < COUNT; i++) {
		make_lingering(ends[i]);
		send_lingering(bad_connect(), ends[i]);
		calm_expect();
	}
	calm_expect_quick();
	/* The far side resets: whoever still closes has done. */
	for (int i = 0; i < COUNT; i++)
		close(ends[i][1]);
}
END_TEST

/* It is still being closed when comleased is told to end. */
START_TEST(lingering_socket_does_not_delay_the_end)
{
	int64_t begin;
	int ends[2], lease;

	make_lingering(ends);
	send_lingering(bad_connect(), ends);
	begin = support_now_ms();
	support_stop();
	ck_assert_int_lt(support_now_ms() - begin, 2000);
	close(ends[1]);
	support_start(NULL);
	lease = support_acquire("modem0", NULL); /* for the fixture's end: another one */
	close(lease);
	calm_renew();
}
END_TEST

static void
add(Suite *suite, const char *name, void (*set_up)(void))
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, set_up, calm_end);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, descriptors_are_refused_and_closed, 1, 2);
	tcase_add_loop_test(tcase, descriptors_are_refused_and_closed, 5, 6);
	tcase_add_test(tcase, descriptors_in_a_connection_that_closes_are_closed);
	tcase_add_test(tcase, descriptor_behind_a_waiting_call_is_refused);
	tcase_add_test(tcase, lingering_socket_delays_nobody);
	tcase_add_test(tcase, lingering_socket_does_not_delay_the_end);
	suite_add_tcase(suite, tcase);
}

int
main(void)
{
	Suite *suite = suite_create("bad_fd");

	add(suite, "as_it_is", begin);
	add(suite, "without_passrights", begin_without_passrights);
	return support_run(suite);
}
