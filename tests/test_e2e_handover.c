/*
 * test_e2e_handover.c - keeper or broker killed at any point of a hand-over (P9): several clients
 * take turns without a pause meanwhile. No lease is lost, no two are inside at once, everybody is
 * served.
 */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

/* Shared by the test and its workers. */
static struct shared {
	atomic_int inside, most, stop;
	atomic_int served[WORKERS];
} * shared;

/* Takes its turn again and again; at no time may two be inside. */
static void
work(struct support_child *test, void *arg)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct comlease *c = comlease_connect(support_socket);
	struct termios t;
	int fd, inside;

	(void)test;
	wish.port = "modem0";
	while (!shared->stop) {
		fd = comlease_acquire(c, &wish, NULL);
		ck_assert_msg(fd >= 0, "%s: %s", strerror(errno), comlease_error(c));
		inside = ++shared->inside;
		if (inside > 1)
			shared->most = inside;
		ck_assert_int_eq(tcgetattr(fd, &t), 0);
		ck_assert_uint_eq(cfgetospeed(&t), B115200);
		shared->inside--;
		close(fd);
		++*(atomic_int *)arg;
	}
	comlease_disconnect(c);
}

static void
start_workers(struct support_child *workers)
{
	int i;

	shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(shared, MAP_FAILED);
	for (i = 0; i < WORKERS; i++)
		support_fork(&workers[i], work, &shared->served[i], -1);
}

/* Each of them gets the port now: the log is read from here for each. */
static void
expect_all_served(const struct support_child *workers)
{
	char pattern[64];
	int i;

	for (i = 0; i < WORKERS; i++) {
		support_log_skip();
		snprintf(pattern, sizeof(pattern), "grant .* pid=%d ", (int)workers[i].pid);
		support_log_wait(pattern);
	}
}

static void
end_workers(struct support_child *workers)
{
	int i;

	shared->stop = 1;
	for (i = 0; i < WORKERS; i++)
		support_finish(&workers[i]);
	ck_assert_int_eq(shared->most, 0);
	ck_assert_int_eq(shared->inside, 0);
	munmap(shared, sizeof(*shared));
}

/* The delay is what is tested: it is meant to fall anywhere. */
static void
delay_us(long us)
{
	ppoll(NULL, 0, &(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

/* The supervisor's pauses grow with each end, so a comleased is killed a few times only. */
static void
kill_keeper_during_hand_overs(long first_us, long step_us)
{
	struct support_child workers[WORKERS];
	int i;

	start_workers(workers);
	for (i = 0; i < 4; i++) {
		expect_all_served(workers);
		delay_us(first_us + i * step_us);
		support_kill_keeper("modem0");
		support_log_wait("start keeper=modem0");
	}
	expect_all_served(workers);
	end_workers(workers);
}

/* The turnaround is done at once, or in steps. */
static void
begin_in_steps(void)
{
	support_stop();
	unlink(support_path("state/epoch")); /* or it would wait for the old queue */
	support_start(SUPPORT_PORT_AT("modem0") "hangup-ms = 1\n");
}

START_TEST(keeper_killed_at_any_point_of_a_hand_over)
{
	if (_i % 2 == 1)
		begin_in_steps();
	kill_keeper_during_hand_overs(_i * 23, 230);
}
END_TEST

/* A keeper that begins finds the work of the last one half done. */
static void
kill_keeper_during_revocation(long delay)
{
	struct support_client c, waiter;
	int fd = support_acquire("modem0", NULL), next;

	support_queue(&waiter, "modem0", NULL);
	support_connect(&c);
	support_call(&c, "Revoke", json_pack("{s:s}", "port", "modem0"), false);
	delay_us(delay);
	support_kill_keeper("modem0");
	next = support_granted(&waiter, NULL);
	ck_assert(support_is_dead(fd));
	support_expect_line(next, master);
	support_reply(&c);
	support_close(&c);
	support_close(&waiter);
	close(fd);
	close(next);
}

START_TEST(keeper_killed_while_it_takes_the_port_back)
{
	int i;

	if (_i % 2 == 1)
		begin_in_steps();
	for (i = 0; i < 4; i++)
		kill_keeper_during_revocation((_i * 4 + i) * 20);
}
END_TEST

START_TEST(broker_killed_at_any_point_of_a_hand_over)
{
	struct support_child workers[WORKERS];
	int i;

	start_workers(workers);
	for (i = 0; i < 4; i++) {
		expect_all_served(workers);
		delay_us(i * 130);
		support_kill_broker();
		support_log_wait("broker: serve");
	}
	expect_all_served(workers);
	end_workers(workers);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_handover");
	TCase *tc = tcase_create("handover");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, support_end);
	tcase_add_loop_test(tc, keeper_killed_at_any_point_of_a_hand_over, 0, 10);
	if (support_can_revoke())
		tcase_add_loop_test(tc, keeper_killed_while_it_takes_the_port_back, 0, 5);
	else
		support_add(tc, keeper_killed_while_it_takes_the_port_back, false,
			    "taking a port back needs CAP_SYS_ADMIN");
	tcase_add_test(tc, broker_killed_at_any_point_of_a_hand_over);
	suite_add_tcase(s, tc);
	return support_run(s);
}
