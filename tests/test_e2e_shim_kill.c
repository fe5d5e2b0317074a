/*
 * test_e2e_shim_kill.c - programs inside open() that are killed, stopped or out of descriptors:
 * their place goes with them, at once, and nobody else waits for it.
 */
#include "waiter.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 150
#define CROWD  200
/* Of BROKER_TAKE_MS: what comes earlier did not wait for that. */
#define AT_ONCE_MS 4000

static struct support_child holder, first, second;

static void
begin(void)
{
	waiter_begin();
	support_plug("modem0");
	support_start("[broker]\nmax-connections-per-user = 1000\n" SUPPORT_PORT(
	    "modem0") "max-waiters = 1000\n");
}

/* A holder, and two who wait in open(). */
static void
begin_with_queue(void)
{
	begin();
	waiter_hold(&holder, "modem0");
	waiter_queue(&first, "modem0");
	waiter_queue(&second, "modem0");
}

/* The port is free, and the next one has it without having waited for somebody who is not there. */
static void
expect_second_served(void)
{
	int64_t begun = support_now_ms();

	waiter_release(&holder);
	waiter_expect(&second, "opened");
	ck_assert_int_lt(support_now_ms() - begun, AT_ONCE_MS);
	waiter_release(&second);
	support_wait_port("modem0", "free", 0);
}

/* ---- killed ---- */

START_TEST(place_of_a_killed_program_goes_at_once)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGINT };

	ck_assert_int_eq(kill(first.pid, signals[_i]), 0);
	ck_assert_int_eq(WTERMSIG(support_reap(&first)), signals[_i]);
	support_wait_port("modem0", "held", 1);
	expect_second_served();
}
END_TEST

/* The port goes from one to the next in the very moment in which that one is killed. */
START_TEST(program_killed_in_the_moment_of_its_grant_leaves_nothing)
{
	struct support_child spare;
	int64_t begun;

	srandom(1);
	for (int i = 0; i < ROUNDS; i++) {
		long turns = random() % 40000;

		support_say(&holder, 'c');
		for (volatile long n = 0; n < turns; n = n + 1)
			;
		begun = support_now_ms();
		support_kill(&first);
		waiter_expect(&second, "opened");
		ck_assert_int_lt(support_now_ms() - begun, AT_ONCE_MS);
		waiter_expect(&holder, "closed");
		support_finish(&holder);
		holder = second;
		waiter_queue(&first, "modem0");
		waiter_queue(&spare, "modem0");
		second = spare;
	}
	support_kill(&first);
	expect_second_served();
}
END_TEST

START_TEST(queue_is_empty_when_all_are_killed_at_once)
{
	static struct support_child crowd[CROWD];

	waiter_hold(&holder, "modem0");
	for (int i = 0; i < CROWD; i++) {
		waiter_start(&crowd[i], "modem0", NULL);
		support_say(&crowd[i], 'o');
	}
	support_wait_port("modem0", "held", CROWD);
	for (int i = 0; i < CROWD; i++)
		ck_assert_int_eq(kill(crowd[i].pid, SIGKILL), 0);
	support_wait_port("modem0", "held", 0);
	for (int i = 0; i < CROWD; i++)
		support_reap(&crowd[i]);
	waiter_release(&holder);
}
END_TEST

/* ---- stopped ---- */

/* He keeps his place, nobody waits for him longer than 5 s, and when he goes on he goes on waiting.
 */
START_TEST(stopped_program_is_passed_over_and_waits_on_when_it_is_continued)
{
	int64_t begun;

	ck_assert_int_eq(kill(first.pid, SIGSTOP), 0);
	support_wait_port("modem0", "held", 2);
	waiter_release(&holder);
	begun = support_now_ms();
	waiter_expect(&second, "opened");
	ck_assert_int_ge(support_now_ms() - begun, AT_ONCE_MS);
	ck_assert_int_eq(kill(first.pid, SIGCONT), 0);
	support_wait_port("modem0", "held", 1);
	ck_assert(support_is_quiet(&first, 100));
	waiter_release(&second);
	waiter_expect(&first, "opened");
	support_say(&first, 'w');
	waiter_expect(&first, "written");
	waiter_release(&first);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(stopped_program_that_nobody_waits_behind_has_the_port_when_it_goes_on)
{
	support_kill(&second);
	ck_assert_int_eq(kill(first.pid, SIGSTOP), 0);
	waiter_release(&holder);
	support_log_wait("grant .*");
	support_wait_port("modem0", "held", 0);
	ck_assert_int_eq(kill(first.pid, SIGCONT), 0);
	waiter_expect(&first, "opened");
	support_say(&first, 'w');
	waiter_expect(&first, "written");
	waiter_release(&first);
}
END_TEST

START_TEST(stopped_holder_loses_the_port_at_its_max_hold)
{
	support_kill(&second);
	waiter_release(&holder);
	waiter_expect(&first, "opened");
	waiter_release(&first);
	waiter_start(&holder, "modem0", "COMLEASE_MAX_HOLD=0.5");
	support_say(&holder, 'o');
	waiter_expect(&holder, "opened");
	ck_assert_int_eq(kill(holder.pid, SIGSTOP), 0);
	waiter_queue(&first, "modem0");
	waiter_expect(&first, "opened");
	ck_assert_int_eq(kill(holder.pid, SIGCONT), 0);
	support_say(&holder, 'w');
	waiter_expect(&holder, "EIO");
	waiter_release(&holder);
	waiter_release(&first);
}
END_TEST

/* ---- out of descriptors ---- */

START_TEST(program_without_a_descriptor_left_at_its_grant_is_told_and_the_next_one_served)
{
	struct rlimit limit = { .rlim_cur = 0, .rlim_max = 0 };
	int64_t begun;

	ck_assert_int_eq(prlimit(first.pid, RLIMIT_NOFILE, NULL, &limit), 0);
	limit.rlim_cur = 3;
	ck_assert_int_eq(prlimit(first.pid, RLIMIT_NOFILE, &limit, NULL), 0);
	begun = support_now_ms();
	waiter_release(&holder);
	waiter_expect(&first, "EMFILE");
	waiter_expect(&second, "opened");
	ck_assert_int_lt(support_now_ms() - begun, AT_ONCE_MS);
	waiter_release(&second);
	support_wait_port("modem0", "free", 0);
	support_finish(&first);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_shim_kill");
	bool able = support_can_revoke();
	TCase *tc = support_case(s, "queue", begin_with_queue);

	tcase_add_loop_test(tc, place_of_a_killed_program_goes_at_once, 0, 3);
	tcase_add_test(tc, program_killed_in_the_moment_of_its_grant_leaves_nothing);
	support_add(tc, stopped_program_is_passed_over_and_waits_on_when_it_is_continued, able,
		    "needs CAP_SYS_ADMIN");
	tcase_add_test(tc, stopped_program_that_nobody_waits_behind_has_the_port_when_it_goes_on);
	support_add(tc, stopped_holder_loses_the_port_at_its_max_hold, able, "needs CAP_SYS_ADMIN");
	tcase_add_test(
	    tc, program_without_a_descriptor_left_at_its_grant_is_told_and_the_next_one_served);
	tc = support_case(s, "crowd", begin);
	tcase_add_test(tc, queue_is_empty_when_all_are_killed_at_once);
	return support_run(s);
}
