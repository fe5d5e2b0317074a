/*
 * test_e2e_shim_restart.c - comleased, or a part of it, ends and begins anew while real programs
 * are inside open() under the shim, and while they hold. What is pinned for clients of the library
 * (test_e2e_restart.c) is seen here from within unmodified programs.
 */
#include "waiter.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define WAITERS 3

static int master;
static struct support_child holder, waiters[WAITERS];
static uint64_t token;

static void
begin(void)
{
	waiter_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

/* A holder, and some who wait in open(). */
static void
begin_with_queue(void)
{
	json_t *port;

	begin();
	waiter_hold(&holder, "modem0");
	for (int i = 0; i < WAITERS; i++)
		waiter_queue(&waiters[i], "modem0");
	port = support_list("modem0");
	token = (uint64_t)support_int(port, "lease", "token", NULL);
	json_decref(port);
}

/* Bytes both ways, by the holder. */
static void
expect_undisturbed(void)
{
	char bytes[5] = "";

	support_say(&holder, 'w');
	waiter_expect(&holder, "written");
	ck_assert_uint_eq(support_read(master, bytes, 4), 4);
	ck_assert_str_eq(bytes, "ping");
	support_write(master, "pong", 4);
	support_say(&holder, 'r');
	waiter_expect(&holder, "pong");
}

/* One after another, in the order in which they came; nobody has it before. */
static void
expect_served(struct support_child *each[], int len)
{
	for (int i = 0; i < len; i++) {
		waiter_expect(each[i], "opened");
		for (int j = i + 1; j < len; j++)
			ck_assert(support_is_quiet(each[j], 20));
		waiter_release(each[i]);
	}
	support_wait_port("modem0", "free", 0);
}

static void
expect_queue_served(struct support_child *newcomer)
{
	struct support_child *each[] = { &waiters[0], &waiters[1], &waiters[2], newcomer };

	expect_served(each, newcomer != NULL ? 4 : 3);
}

static void
kill_broker(void)
{
	support_kill_broker();
}

static void
kill_keeper(void)
{
	support_kill_keeper("modem0");
}

static void
kill_both(void)
{
	support_kill_keeper("modem0");
	support_kill_broker();
}

static void
stop_and_start(void)
{
	support_stop();
	support_start(NULL);
}

static void
crash_and_start(void)
{
	support_crash();
	support_start(NULL);
}

static void (*const ways[])(void) = { kill_broker, kill_keeper, kill_both, stop_and_start,
				      crash_and_start };
#define WAYS         ((int)(sizeof(ways) / sizeof(ways[0])))
#define FROM_SCRATCH 3 /* from that one on nobody is left who knows the lease */

static const char *
state_after(int way)
{
	return way < FROM_SCRATCH ? "held" : "foreign";
}

/* ---- while programs wait ---- */

START_TEST(programs_inside_open_keep_their_places_before_a_newcomer)
{
	struct support_child newcomer;

	ways[_i]();
	expect_undisturbed();
	/* within the 2 s in which the old queue forms again, or a little later */
	waiter_start(&newcomer, "modem0", NULL);
	support_say(&newcomer, 'o');
	support_wait_port("modem0", state_after(_i), WAITERS + 1);
	expect_undisturbed();
	for (int i = 0; i < WAITERS; i++)
		ck_assert(support_is_quiet(&waiters[i], 0));
	waiter_release(&holder);
	expect_queue_served(&newcomer);
}
END_TEST

/* The holder goes in the same moment: the first grants are those of the old queue. */
START_TEST(programs_inside_open_are_served_in_order_when_the_holder_goes_meanwhile)
{
	struct support_child newcomer;

	support_say(&holder, 'c');
	ways[_i]();
	waiter_expect(&holder, "closed");
	waiter_start(&newcomer, "modem0", NULL);
	support_say(&newcomer, 'o');
	expect_queue_served(&newcomer);
	support_finish(&holder);
}
END_TEST

/* Whoever is the last to come back has the first place, if it was his. */
START_TEST(program_that_comes_back_late_has_its_old_place)
{
	struct support_child newcomer;

	ck_assert_int_eq(kill(waiters[0].pid, SIGSTOP), 0);
	ways[_i]();
	waiter_start(&newcomer, "modem0", NULL);
	support_say(&newcomer, 'o');
	if (ways[_i] != kill_keeper) /* then no connection is lost */
		support_wait_port("modem0", state_after(_i), WAITERS);
	ck_assert_int_eq(kill(waiters[0].pid, SIGCONT), 0);
	support_wait_port("modem0", state_after(_i), WAITERS + 1);
	waiter_release(&holder);
	expect_queue_served(&newcomer);
}
END_TEST

/* He asks at once, and lies unread until comleased serves; the others ask when it nearly does. */
START_TEST(program_that_comes_back_early_loses_nothing_by_it)
{
	pid_t keeper = support_keeper("modem0");

	ck_assert_int_eq(kill(keeper, SIGSTOP), 0); /* until it speaks nobody is served */
	for (int i = 1; i < WAITERS; i++)
		ck_assert_int_eq(kill(waiters[i].pid, SIGSTOP), 0);
	support_kill_broker();
	ck_assert(support_is_quiet(&waiters[0], 500));
	for (int i = WAITERS - 1; i > 0; i--) {
		ck_assert_int_eq(kill(waiters[i].pid, SIGCONT), 0);
		ck_assert(support_is_quiet(&waiters[i], 200));
	}
	ck_assert_int_eq(kill(keeper, SIGCONT), 0);
	support_wait_port("modem0", "held", WAITERS);
	waiter_release(&holder);
	expect_queue_served(NULL);
}
END_TEST

/* A newcomer with the whole time of comleased's absence to be the first. */
START_TEST(newcomer_who_waits_for_comleased_itself_is_behind_the_old_queue)
{
	struct support_child newcomer;
	char devices[256];

	support_stop();
	waiter_release(&holder);
	snprintf(devices, sizeof(devices), "%s", support_path("modem0"));
	setenv("COMLEASE_DEVICES", devices, 1);
	waiter_start(&newcomer, "modem0", "COMLEASE_REQUIRE=1");
	unsetenv("COMLEASE_DEVICES");
	support_say(&newcomer, 'o');
	ck_assert(support_is_quiet(&newcomer, 300));
	support_start(NULL);
	expect_queue_served(&newcomer);
}
END_TEST

/* Twice in a row: the original arrival is not that of the last connection. */
START_TEST(places_are_kept_over_several_restarts)
{
	struct support_child newcomer;

	stop_and_start();
	support_wait_port("modem0", "foreign", WAITERS);
	waiter_start(&newcomer, "modem0", NULL);
	support_say(&newcomer, 'o');
	support_wait_port("modem0", "foreign", WAITERS + 1);
	kill_broker();
	support_wait_port("modem0", "foreign", WAITERS + 1);
	stop_and_start();
	support_wait_port("modem0", "foreign", WAITERS + 1);
	waiter_release(&holder);
	expect_queue_served(&newcomer);
}
END_TEST

/* ---- while one holds ---- */

START_TEST(program_that_holds_joins_its_own_lease_after_a_restart)
{
	json_t *port;

	ways[_i]();
	support_say(&holder, 'o');
	waiter_expect(&holder, "opened");
	support_wait_descriptions("modem0", 2);
	port = support_list("modem0");
	ck_assert_uint_eq((uint64_t)support_int(port, "lease", "token", NULL), token);
	ck_assert_int_eq(support_int(port, "lease", "owner", "pid", NULL), holder.pid);
	json_decref(port);
	expect_undisturbed();
	waiter_release(&holder);
	expect_queue_served(NULL);
}
END_TEST

/* Nobody knows his lease any more: he is a foreign holder, and would wait for himself. */
START_TEST(program_that_holds_does_not_wait_for_itself_when_all_began_anew)
{
	ways[_i]();
	expect_undisturbed();
	support_say(&holder, 'o');
	waiter_expect(&holder, "EBUSY");
	expect_undisturbed();
	support_say(&holder, 'c');
	waiter_expect(&holder, "closed");
	expect_queue_served(NULL);
	support_say(&holder, 'o');
	waiter_expect(&holder, "opened");
	waiter_release(&holder);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_shim_restart");
	TCase *tc = support_case(s, "queue", begin_with_queue);

	tcase_add_loop_test(tc, programs_inside_open_keep_their_places_before_a_newcomer, 0, WAYS);
	tcase_add_loop_test(
	    tc, programs_inside_open_are_served_in_order_when_the_holder_goes_meanwhile, 0, WAYS);
	tcase_add_loop_test(tc, program_that_comes_back_late_has_its_old_place, 0, WAYS);
	tcase_add_test(tc, program_that_comes_back_early_loses_nothing_by_it);
	tcase_add_test(tc, newcomer_who_waits_for_comleased_itself_is_behind_the_old_queue);
	tcase_add_test(tc, places_are_kept_over_several_restarts);
	tcase_add_loop_test(tc, program_that_holds_joins_its_own_lease_after_a_restart, 0,
			    FROM_SCRATCH);
	tcase_add_loop_test(tc, program_that_holds_does_not_wait_for_itself_when_all_began_anew,
			    FROM_SCRATCH, WAYS);
	return support_run(s);
}
