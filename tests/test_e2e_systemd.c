/*
 * test_e2e_systemd.c - comleased under a service manager (systemd_rig.c): what it says and when,
 * its watchdog, and the socket that it is passed. What survives a restart is test_e2e_store.c's.
 */
#include "support.h"
#include "support_internal.h"
#include "systemd_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_plug("modem1");
	systemd_begin();
	systemd_configure(SUPPORT_PORT("modem0") SUPPORT_PORT("modem1"));
}

static void
begin_and_serve(void)
{
	begin();
	systemd_serve();
}

/* ---- what it says ---- */

START_TEST(it_says_how_many_ports_it_serves)
{
	ck_assert_str_eq(systemd_wait("STATUS="), "serving 2 ports");
	systemd_forget();
	support_unplug("modem1");
	ck_assert_str_eq(systemd_wait("STATUS="), "serving 2 ports, 1 absent or faulted");
	systemd_forget();
	systemd_configure(SUPPORT_PORT("modem0"));
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	systemd_wait("READY=1");
	while (strcmp(systemd_wait("STATUS="), "serving 1 port") != 0)
		systemd_forget();
}
END_TEST

START_TEST(reload_is_announced_and_its_end)
{
	int64_t before = support_now_ms(), us;

	systemd_forget();
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	systemd_wait("RELOADING=1");
	us = atoll(systemd_wait("MONOTONIC_USEC="));
	ck_assert_int_ge(us / 1000, before);
	ck_assert_int_le(us / 1000, support_now_ms());
	systemd_wait("READY=1");
	ck_assert_str_eq(systemd_wait("STATUS="), "serving 2 ports");
}
END_TEST

START_TEST(reload_that_is_refused_ends_too)
{
	systemd_forget();
	systemd_configure("[port modem0]\nbaud = x\n");
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	systemd_wait("RELOADING=1");
	systemd_wait("READY=1");
	ck_assert_ptr_nonnull(
	    strstr(systemd_wait("STATUS="), "the old configuration stays, the new one is wrong: "));
	close(support_acquire("modem0", NULL));
}
END_TEST

START_TEST(notification_socket_may_be_abstract)
{
	systemd_is_abstract = true;
	begin();
	systemd_serve();
	systemd_end();
}
END_TEST

START_TEST(its_processes_have_none_of_the_variables_and_descriptors)
{
	char path[64], text[16384];
	pid_t children[8];
	ssize_t got;
	int i, fd, n = support_children(support_pid, children, 8);

	ck_assert_int_eq(n, 4);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/proc/%d/environ", (int)children[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		got = read(fd, text, sizeof(text));
		close(fd);
		ck_assert_int_gt(got, 0);
		ck_assert_ptr_null(memmem(text, (size_t)got, "NOTIFY_SOCKET", 13));
		ck_assert_ptr_null(memmem(text, (size_t)got, "LISTEN_", 7));
		ck_assert_ptr_null(memmem(text, (size_t)got, "WATCHDOG_", 9));
	}
}
END_TEST

/* ---- the watchdog ---- */

#define WATCHDOG_US 8000000 /* a quarter of it is for the answer, of a slow machine too */

static void
begin_with_watchdog(void)
{
	begin();
	systemd_watchdog_us = WATCHDOG_US;
	systemd_serve();
}

/* Before the log has that line; a new broker, which is logged first, may have answered. */
static void
expect_no_watchdog_until(const char *line)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;

	while (support_log_count(line) == 0) {
		if (systemd_has_heard("WATCHDOG=1"))
			ck_assert_int_eq(support_log_count("start broker pid="), 2);
		ck_assert_int_lt(support_now_ms(), until);
		ck_assert(!support_poll(support_pidfd, POLLIN, support_now_ms() + 20));
	}
}

START_TEST(broker_that_hangs_is_replaced_in_time)
{
	pid_t broker = support_broker();
	int64_t begun;
	int fd = support_acquire("modem0", NULL);

	systemd_forget();
	systemd_wait("WATCHDOG=1");
	/* at rest before and after: not between a question and its answer */
	ck_assert(!support_poll(support_pidfd, POLLIN, support_now_ms() + 100));
	begun = support_now_ms();
	ck_assert_int_eq(kill(broker, SIGSTOP), 0);
	ck_assert(!support_poll(support_pidfd, POLLIN, support_now_ms() + 100));
	systemd_forget(); /* what it had answered just before */
	expect_no_watchdog_until("hang broker pid=");
	ck_assert_int_lt(support_now_ms() - begun, WATCHDOG_US / 1000);
	support_log_wait("ended broker .*signal=9");
	systemd_forget();
	systemd_wait("WATCHDOG=1"); /* said by the new one */
	ck_assert_int_ne(support_broker(), broker);
	support_wait_port("modem0", "held", 0);
	support_expect_line(fd, master);
	close(fd);
}
END_TEST

START_TEST(supervisor_that_hangs_says_nothing)
{
	int64_t until;

	systemd_forget();
	systemd_wait("WATCHDOG=1");
	ck_assert_int_eq(kill(support_pid, SIGSTOP), 0);
	systemd_forget();
	until = support_now_ms() + WATCHDOG_US / 1000;
	while (support_now_ms() < until)
		poll(NULL, 0, (int)(until - support_now_ms()));
	ck_assert(!systemd_has_heard("WATCHDOG=1"));
	/* it finds that it was away, not the broker */
	ck_assert_int_eq(kill(support_pid, SIGCONT), 0);
	systemd_wait("WATCHDOG=1");
	systemd_forget();
	systemd_wait("WATCHDOG=1");
	ck_assert_int_eq(support_log_count("hang broker"), 0);
}
END_TEST

START_TEST(without_a_watchdog_nothing_is_asked)
{
	ck_assert(!support_poll(support_pidfd, POLLIN, support_now_ms() + 500));
	ck_assert(!systemd_has_heard("WATCHDOG=1"));
}
END_TEST

/* ---- the socket ---- */

START_TEST(socket_of_any_name_will_do_if_it_is_the_only_one)
{
	static const char *const names[] = { "comlease", "ports.socket", "" };

	systemd_fd_name = names[_i];
	begin();
	systemd_serve();
	close(support_acquire("modem0", NULL));
	systemd_restart(0);
	close(support_acquire("modem0", NULL));
	systemd_stop();
	ck_assert_int_eq(access(support_socket, F_OK), 0);
	systemd_end();
}
END_TEST

static void
expect_refused(int status, const char *pattern)
{
	systemd_start();
	ck_assert_int_eq(systemd_expect_end(), status);
	support_log_wait(pattern);
	ck_assert(!systemd_has_heard("READY=1"));
}

START_TEST(socket_of_another_path_is_refused)
{
	begin();
	ck_assert_int_eq(rename(support_socket, support_path("elsewhere")), 0);
	snprintf(support_socket, sizeof(support_socket), "%s", support_path("other"));
	expect_refused(78, "other: this is the socket of the configuration, but the one .*socket; "
			   "let both be the same");
	systemd_end();
}
END_TEST

START_TEST(socket_that_does_not_listen_is_refused)
{
	int pair[2];

	begin();
	close(systemd_listener);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	systemd_listener = pair[0];
	expect_refused(78, "no listening Unix stream socket; it needs .ListenStream=");
	close(pair[1]);
	systemd_end();
}
END_TEST

START_TEST(second_one_is_refused_with_a_passed_socket_too)
{
	pid_t first;
	int pidfd;

	begin();
	systemd_serve();
	first = support_pid;
	pidfd = support_pidfd;
	support_pid = 0;
	expect_refused(69, "served by another comleased .pid [0-9]+.; end that one first");
	support_pid = first;
	support_pidfd = pidfd;
	close(support_acquire("modem0", NULL));
	systemd_end();
}
END_TEST

START_TEST(without_a_passed_socket_it_binds_its_own)
{
	begin();
	close(systemd_listener);
	systemd_listener = -1;
	systemd_serve();
	close(support_acquire("modem0", NULL));
	systemd_stop();
	ck_assert_int_lt(access(support_socket, F_OK), 0);
	systemd_end();
}
END_TEST

static TCase *
add_case(Suite *s, const char *name, void (*setup)(void), void (*teardown)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	if (setup != NULL)
		tcase_add_checked_fixture(tc, setup, teardown);
	suite_add_tcase(s, tc);
	return tc;
}

int
main(void)
{
	Suite *s = suite_create("e2e_systemd");
	TCase *tc = add_case(s, "says", begin_and_serve, systemd_end);

	tcase_add_test(tc, it_says_how_many_ports_it_serves);
	tcase_add_test(tc, reload_is_announced_and_its_end);
	tcase_add_test(tc, reload_that_is_refused_ends_too);
	tcase_add_test(tc, its_processes_have_none_of_the_variables_and_descriptors);
	tcase_add_test(tc, without_a_watchdog_nothing_is_asked);
	tc = add_case(s, "watchdog", begin_with_watchdog, systemd_end);
	tcase_add_test(tc, broker_that_hangs_is_replaced_in_time);
	tcase_add_test(tc, supervisor_that_hangs_says_nothing);
	tc = add_case(s, "socket", NULL, NULL);
	tcase_add_test(tc, notification_socket_may_be_abstract);
	tcase_add_loop_test(tc, socket_of_any_name_will_do_if_it_is_the_only_one, 0, 3);
	tcase_add_test(tc, socket_of_another_path_is_refused);
	tcase_add_test(tc, socket_that_does_not_listen_is_refused);
	tcase_add_test(tc, second_one_is_refused_with_a_passed_socket_too);
	tcase_add_test(tc, without_a_passed_socket_it_binds_its_own);
	return support_run(s);
}
