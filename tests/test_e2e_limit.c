/*
 * test_e2e_limit.c - clients that want too much of a real comleased: connections, places in a
 * queue, replies that they do not read, its time. Each is told why, or cut off, and everybody else
 * is served as before.
 */
#include "bad.h"

#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIST         "{\"method\":\"io.comlease.List\"}"
#define ROOT_RESERVE 16 /* connections that root has beyond every limit */

/* ---- replies that nobody reads ---- */

START_TEST(client_that_never_reads_is_cut_off)
{
	int socket;

	calm_begin();
	calm_watch();
	socket = bad_connect();
	while (bad_send(socket, LIST, sizeof(LIST)))
		;
	close(socket);
	support_log_wait("cut off: it does not read its replies");
	calm_expect_quick();
	calm_end();
}
END_TEST

/* A `more` stream that is not read ends too; what others do on the port costs it nothing. */
START_TEST(subscriber_that_never_reads_is_cut_off)
{
	static const char monitor[] = "{\"method\":\"io.comlease.Monitor\",\"more\":true}";
	int socket, size = 1;

	calm_begin();
	socket = bad_connect();
	ck_assert_int_eq(setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	ck_assert(bad_send(socket, monitor, sizeof(monitor)));
	ck_assert_ptr_nonnull(bad_hear(socket));
	for (int i = 0; support_log_count("cut off: it does not read") == 0; i += 20) {
		ck_assert_int_lt(i, 10000);
		for (int n = 0; n < 20; n++)
			close(support_acquire("modem0", NULL));
	}
	close(socket);
	calm_end();
}
END_TEST

/* ---- connections ---- */

static unsigned
of_this_user(unsigned limit)
{
	return limit + (geteuid() == 0 ? ROOT_RESERVE : 0);
}

static void
fill_up(const char *section, unsigned limit, const char *why)
{
	int sockets[64];
	unsigned n;

	calm_begin_with(section);
	for (n = 0; n < of_this_user(limit); n++) {
		sockets[n] = bad_connect();
		ck_assert(bad_is_served(sockets[n]));
	}
	for (int i = 0; i < 10; i++)
		bad_expect_turned_away(bad_connect(), why);
	ck_assert(bad_is_served(sockets[0]));
	close(sockets[--n]);
	bad_await(bad_new_one_is_served, NULL, "a place is free again");
	while (n > 0)
		close(sockets[--n]);
	bad_await(bad_new_one_is_served, NULL, "all places are free again");
	calm_end();
}

START_TEST(more_connections_than_a_user_may_have_are_turned_away)
{
	fill_up("[broker]\nmax-connections-per-user = 8\n", 8, "max-connections-per-user");
}
END_TEST

START_TEST(more_connections_than_all_may_have_are_turned_away)
{
	fill_up("[broker]\nmax-connections = 8\n", 8, "max-connections)");
}
END_TEST

static void
be_somebody_else(struct support_child *me, void *uid)
{
	if (setgroups(0, NULL) < 0 || setuid(*(uid_t *)uid) < 0)
		_exit(1);
	support_say(me, '.');
	while (support_poll(me->hear, POLLIN, support_now_ms() + SUPPORT_SOON_MS)) {
		char byte;

		if (read(me->hear, &byte, 1) != 1)
			return;
		close(support_acquire("modem0", NULL));
		support_say(me, '.');
	}
}

START_TEST(user_with_too_many_connections_does_not_lock_out_others)
{
	struct support_child other;
	int sockets[128];
	unsigned n, count = of_this_user(8);

	calm_begin_with("[broker]\nmax-connections-per-user = 8\nmode = 0666\n");
	support_fork(&other, be_somebody_else, &(uid_t){ 65534 }, -1);
	support_hear(&other);
	for (n = 0; n < count; n++)
		sockets[n] = bad_connect();
	bad_expect_turned_away(bad_connect(), "max-connections-per-user");
	support_say(&other, '.');
	support_hear(&other);
	while (n > 0)
		close(sockets[--n]);
	support_finish(&other);
	bad_await(bad_new_one_is_served, NULL, "a place is free again");
	calm_end();
}
END_TEST

/* ---- places in the queue ---- */

START_TEST(queue_takes_as_many_as_configured)
{
	struct support_client waiting[3], another;
	struct support_child other;
	int holder;

	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0") "max-waiters = 3\n");
	/* Somebody else holds it: our own requests would join our lease. */
	support_fork(&other, bad_hold, (void *)(uintptr_t) "modem0", -1);
	support_hear(&other);
	for (int i = 0; i < 3; i++)
		support_queue(&waiting[i], "modem0", NULL);
	support_connect(&another);
	support_call(&another, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	ck_assert_ptr_nonnull(
	    strstr(support_string(support_error(&another, "QueueFull"), "message", NULL),
		   "modem0: 3 wait already, as many as max-waiters allows"));
	support_close(&waiting[1]);
	support_wait_port("modem0", "held", 2);
	support_call(&another, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	support_wait_port("modem0", "held", 3);
	support_close(&waiting[0]);
	support_close(&waiting[2]);
	support_finish(&other);
	support_reply(&another);
	holder = support_take(&another);
	support_close(&another);
	close(holder);
	support_end();
}
END_TEST

/* ---- time ---- */

/* Asks, and reads nothing. */
static void
ask_and_sleep(struct support_child *me, void *unused)
{
	struct support_client c;

	(void)unused;
	support_connect(&c);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	support_say(me, '.');
	support_poll(me->hear, POLLIN, support_now_ms() + SUPPORT_SOON_MS);
	support_close(&c);
}

START_TEST(place_of_a_stopped_client_is_given_on_if_others_wait)
{
	struct support_child first, stopped;
	int64_t begin;
	int fd;

	calm_begin();
	support_fork(&first, bad_hold, (void *)(uintptr_t) "modem0", -1);
	support_hear(&first);
	support_fork(&stopped, ask_and_sleep, NULL, -1);
	support_hear(&stopped);
	support_wait_port("modem0", "held", 1);
	ck_assert_int_eq(kill(stopped.pid, SIGSTOP), 0);
	begin = support_now_ms();
	support_finish(&first);
	fd = support_acquire("modem0", NULL);
	ck_assert_int_ge(support_now_ms() - begin, 4900);
	ck_assert_int_lt(support_now_ms() - begin, 8000);
	support_log_wait("cut off: it was granted a port and does not take it");
	support_log_wait("end port=modem0 .*reason=expired");
	close(fd);
	ck_assert_int_eq(kill(stopped.pid, SIGCONT), 0);
	support_finish(&stopped);
	calm_end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limit");
	TCase *tcase = tcase_create("limit");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, client_that_never_reads_is_cut_off);
	tcase_add_test(tcase, subscriber_that_never_reads_is_cut_off);
	tcase_add_test(tcase, more_connections_than_a_user_may_have_are_turned_away);
	tcase_add_test(tcase, more_connections_than_all_may_have_are_turned_away);
	support_add(tcase, user_with_too_many_connections_does_not_lock_out_others, geteuid() == 0,
		    "needs root, to be two users");
	tcase_add_test(tcase, queue_takes_as_many_as_configured);
	support_add(tcase, place_of_a_stopped_client_is_given_on_if_others_wait,
		    support_can_revoke(), "needs CAP_SYS_ADMIN, to take a port back");
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
