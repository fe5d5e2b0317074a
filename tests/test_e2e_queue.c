/*
 * test_e2e_queue.c - who gets the port, and when, with a real comleased: order, outcomes, time,
 * what happens to those who leave. The record is independent of the broker: the bytes that come out
 * at the other end of the line.
 */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define CROWD 100

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

static struct comlease_request
wish_of(const char *label)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;

	wish.port = "modem0";
	wish.label = label;
	return wish;
}

/* ---- order ---- */

START_TEST(next_in_the_queue_is_granted_when_the_holder_closes)
{
	uint64_t first, second;
	int fd = support_acquire("modem0", &first), next;
	struct support_client waiter;

	support_queue(&waiter, "modem0", NULL);
	support_expect_line(fd, master);
	support_expect_silence(&waiter, 50);
	close(fd);
	next = support_granted(&waiter, &second);
	ck_assert_uint_gt(second, first);
	support_log_wait("end port=modem0 .*reason=released");
	support_expect_line(next, master);
	close(next);
	support_close(&waiter);
}
END_TEST

START_TEST(higher_priority_goes_before_earlier_arrival)
{
	int fd = support_acquire("modem0", NULL), i;
	static const int priorities[] = { 0, -5, 0, 7, 7, 100 };
	static const int order[] = { 5, 3, 4, 0, 2, 1 };
	struct support_client waiters[6];

	for (i = 0; i < 6; i++)
		support_queue(&waiters[i], "modem0", json_pack("{s:i}", "priority", priorities[i]));
	for (i = 0; i < 6; i++) {
		close(fd);
		fd = support_granted(&waiters[order[i]], NULL);
		support_close(&waiters[order[i]]);
	}
	close(fd);
}
END_TEST

/* Also those that List does not name: support_queue() waits for that. */
START_TEST(each_waiter_is_told_its_place_at_once)
{
	struct support_client waiters[40];
	int fd = support_acquire("modem0", NULL), i;

	for (i = 0; i < 40; i++) {
		support_queue(&waiters[i], "modem0", NULL);
		ck_assert_int_eq(support_int(waiters[i].reply.parameters, "waiting", "ahead", NULL),
				 i);
	}
	for (i = 0; i < 40; i++)
		support_close(&waiters[i]);
	close(fd);
}
END_TEST

static void
write_number(struct support_child *test, void *arg)
{
	struct comlease_request wish = wish_of(NULL);
	struct comlease *c = comlease_connect(support_socket);
	int fd = comlease_acquire(c, &wish, NULL);

	(void)test;
	ck_assert_int_eq(write(fd, arg, 1), 1);
	close(fd);
	comlease_disconnect(c);
}

START_TEST(hundred_clients_are_served_once_each_in_the_order_of_their_requests)
{
	struct support_child crowd[CROWD];
	unsigned char number[CROWD], seen[CROWD];
	int fd = support_acquire("modem0", NULL), i;
	char pattern[64];

	for (i = 0; i < CROWD; i++) {
		number[i] = (unsigned char)i;
		support_fork(&crowd[i], write_number, &number[i], -1);
		snprintf(pattern, sizeof(pattern), "request port=modem0 pid=%d ",
			 (int)crowd[i].pid);
		support_log_wait(pattern);
	}
	close(fd);
	ck_assert_uint_eq(support_read(master, seen, CROWD), CROWD);
	ck_assert_mem_eq(seen, number, CROWD);
	for (i = 0; i < CROWD; i++)
		support_finish(&crowd[i]);
	support_wait_port("modem0", "free", 0);
	ck_assert(!support_poll(master, POLLIN, 0));
	support_log_expect("grant port=modem0", CROWD + 1);
	support_log_expect("end port=modem0 .*reason=released", CROWD + 1);
}
END_TEST

/* ---- who goes ---- */

START_TEST(next_is_granted_and_the_line_hung_up_when_the_holder_is_killed)
{
	struct comlease_request wish = wish_of("victim");
	struct support_child holder;
	struct support_client waiter;
	struct termios t;
	int64_t killed;
	int fd;

	support_stop();
	support_start(SUPPORT_PORT_AT("modem0") "hangup-ms = 150\n");
	support_hold(&holder, &wish);
	ck_assert_int_gt(support_held(&holder), 0);
	ck_assert_int_eq(tcgetattr(master, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B115200);
	support_queue(&waiter, "modem0", NULL);
	killed = support_now_ms();
	support_kill(&holder);
	fd = support_granted(&waiter, NULL);
	ck_assert_int_ge(support_now_ms() - killed, 150);
	support_log_wait("end port=modem0 .*label=victim reason=died");
	close(fd);
	support_close(&waiter);
	/* and while nobody has it the line stays down */
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(tcgetattr(master, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B0);
}
END_TEST

START_TEST(holder_that_exits_without_closing_has_released)
{
	struct comlease_request wish = wish_of("leaver");
	struct support_child holder;

	support_hold(&holder, &wish);
	ck_assert_int_gt(support_held(&holder), 0);
	support_finish(&holder);
	support_log_wait("end port=modem0 .*label=leaver reason=released");
}
END_TEST

START_TEST(place_of_a_killed_waiter_goes)
{
	struct comlease_request wish = wish_of("doomed");
	int fd = support_acquire("modem0", NULL);
	struct support_child doomed;
	struct support_client last;

	support_hold(&doomed, &wish);
	support_log_wait("request .*label=doomed");
	support_queue(&last, "modem0", NULL);
	ck_assert_int_eq(support_int(last.reply.parameters, "waiting", "ahead", NULL), 1);
	support_kill(&doomed);
	support_log_wait("leave port=modem0 .*label=doomed reason=gone");
	ck_assert_int_eq(support_int(support_reply(&last), "waiting", "ahead", NULL), 0);
	close(fd);
	close(support_granted(&last, NULL));
	support_close(&last);
	support_log_expect("grant .*label=doomed", 0);
}
END_TEST

/* ---- time ---- */

START_TEST(wait_0_is_refused_and_names_the_holder)
{
	struct comlease_request wish = wish_of("incumbent");
	struct support_child holder;
	struct support_client c;
	json_t *error;

	support_hold(&holder, &wish);
	ck_assert_int_gt(support_held(&holder), 0);
	support_connect_stranger(&c);
	support_call(&c, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 0), false);
	error = support_error(&c, "Busy");
	ck_assert_int_eq(support_int(error, "holder", "owner", "pid", NULL), holder.pid);
	ck_assert_str_eq(support_string(error, "holder", "label", NULL), "incumbent");
	ck_assert_ptr_nonnull(strstr(support_string(error, "message", NULL), "modem0"));
	support_finish(&holder);
	support_log_wait("end port=modem0");
	/* a port that is only being cleaned is not busy */
	support_ask(&c, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 0));
	close(support_take(&c));
	support_close(&c);
}
END_TEST

START_TEST(wait_n_is_refused_after_n_and_not_before)
{
	int fd = support_acquire("modem0", NULL);
	int64_t begun = support_now_ms(), took;
	struct support_client c;

	support_connect_stranger(&c);
	support_call(&c, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 300), false);
	support_error(&c, "TimedOut");
	took = support_now_ms() - begun;
	ck_assert_int_ge(took, 300);
	ck_assert_int_lt(took, 5000);
	support_log_wait("leave port=modem0 .*reason=timeout");
	support_log_expect("end port", 0);
	close(fd);
	support_close(&c);
}
END_TEST

START_TEST(client_that_never_takes_its_descriptor_is_passed_over_after_5_s)
{
	struct support_client sleeper, next;
	int64_t granted;
	int fd;

	support_connect_stranger(&sleeper);
	granted = support_now_ms();
	support_call(&sleeper, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	support_log_wait("grant port=modem0");
	support_queue(&next, "modem0", NULL);
	fd = support_granted(&next, NULL);
	ck_assert_int_ge(support_now_ms() - granted, 4900);
	ck_assert_int_lt(support_now_ms() - granted, 8000);
	support_log_wait("end port=modem0 .*reason=expired");
	support_expect_line(fd, master);
	/* what is still in its socket is dead */
	ck_assert(support_next(&sleeper));
	ck_assert(support_is_dead(sleeper.fd));
	ck_assert(!support_next(&sleeper));
	close(fd);
	support_close(&sleeper);
	support_close(&next);
}
END_TEST

START_TEST(connection_closed_after_the_reply_was_sent_ends_the_lease)
{
	struct support_client c;
	int i, fd;

	for (i = 0; i < 30; i++) {
		support_connect_stranger(&c);
		support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), i % 3 == 2);
		if (i % 3 != 0)
			ck_assert(
			    support_poll(c.socket, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
		support_close(&c);
	}
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, master);
	close(fd);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_queue");
	TCase *tc = tcase_create("queue");
	bool revokes = support_can_revoke();

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, support_end);
	tcase_add_test(tc, next_in_the_queue_is_granted_when_the_holder_closes);
	tcase_add_test(tc, higher_priority_goes_before_earlier_arrival);
	tcase_add_test(tc, each_waiter_is_told_its_place_at_once);
	tcase_add_test(tc, hundred_clients_are_served_once_each_in_the_order_of_their_requests);
	tcase_add_test(tc, next_is_granted_and_the_line_hung_up_when_the_holder_is_killed);
	tcase_add_test(tc, holder_that_exits_without_closing_has_released);
	tcase_add_test(tc, place_of_a_killed_waiter_goes);
	tcase_add_test(tc, wait_0_is_refused_and_names_the_holder);
	tcase_add_test(tc, wait_n_is_refused_after_n_and_not_before);
	support_add(tc, client_that_never_takes_its_descriptor_is_passed_over_after_5_s, revokes,
		    "taking a port back needs CAP_SYS_ADMIN");
	tcase_add_test(tc, connection_closed_after_the_reply_was_sent_ends_the_lease);
	suite_add_tcase(s, tc);
	return support_run(s);
}
