/*
 * test_e2e_shim_signal.c - programs inside open() that are interrupted by signals, whose handlers
 * return, jump out, fork or open something, and those that fork or execute in another thread.
 */
#include "waiter.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of BROKER_TAKE_MS: what comes earlier did not wait for that. */
#define AT_ONCE_MS 4000

static struct support_child holder, first, second;

static void
begin(void)
{
	waiter_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

/* A holder, and somebody who does not wait yet. */
static void
begin_with_idle(void)
{
	begin();
	waiter_hold(&holder, "modem0");
	support_log_wait("grant port=modem0"); /* which comes after the holder's request */
	waiter_start(&first, "modem0", NULL);
}

/* `first` waits, in the way that this byte says. */
static void
wait_by(char byte)
{
	support_log_skip();
	support_say(&first, byte);
	support_log_wait("request .*command=waiter_client");
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

/* ---- interrupted ---- */

START_TEST(handler_without_SA_RESTART_gives_the_place_up)
{
	wait_by('a');
	waiter_queue(&second, "modem0");
	ck_assert_int_eq(kill(first.pid, SIGALRM), 0);
	waiter_expect(&first, "alarm");
	waiter_expect(&first, "EINTR");
	support_wait_port("modem0", "held", 1);
	expect_second_served();
	support_finish(&first);
}
END_TEST

/* Also one that jumps about in itself, or opens something. */
START_TEST(handler_that_returns_leaves_the_place_alone)
{
	wait_by("Ain"[_i]);
	waiter_queue(&second, "modem0");
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(kill(first.pid, SIGALRM), 0);
		waiter_expect(&first, "alarm");
	}
	support_wait_port("modem0", "held", 2);
	support_log_expect("leave ", 0);
	waiter_release(&holder);
	waiter_expect(&first, "opened");
	ck_assert(support_is_quiet(&second, 50));
	waiter_release(&first);
	waiter_expect(&second, "opened");
	waiter_release(&second);
}
END_TEST

/* As minicom's does. */
START_TEST(handler_that_jumps_out_of_open_gives_the_place_up)
{
	int fds;

	fds = support_count_fds(first.pid);
	for (int i = 0; i < 3; i++) {
		wait_by('j');
		ck_assert_int_eq(kill(first.pid, SIGALRM), 0);
		waiter_expect(&first, "jumped");
		support_wait_port("modem0", "held", 0);
	}
	ck_assert_int_eq(support_count_fds(first.pid), fds);
	waiter_queue(&second, "modem0");
	wait_by('o'); /* and it may ask again, behind the others */
	waiter_release(&holder);
	waiter_expect(&second, "opened");
	ck_assert(support_is_quiet(&first, 50));
	waiter_release(&second);
	waiter_expect(&first, "opened");
	support_wait_descriptions("modem0", 1);
	waiter_release(&first);
	support_wait_port("modem0", "free", 0);
}
END_TEST

/* ... while comleased is away, and what it waits for is comleased. */
START_TEST(handler_that_jumps_while_comleased_is_away_leaves_nothing)
{
	int fds;

	fds = support_count_fds(first.pid);
	wait_by('j');
	support_stop();
	ck_assert(support_is_quiet(&first, 300));
	ck_assert_int_eq(kill(first.pid, SIGALRM), 0);
	waiter_expect(&first, "jumped");
	ck_assert_int_eq(support_count_fds(first.pid), fds);
	waiter_release(&holder);
	support_start(NULL);
	ck_assert(support_is_quiet(&first, 100));
	support_wait_port("modem0", "free", 0);
	support_finish(&first);
}
END_TEST

/* At any time: a descriptor in his hand is gone with it, a grant on its way, too. */
START_TEST(handlers_that_jump_at_any_time_leave_nothing)
{
	const char *words[] = { waiter_program(), "jumps", "2000", support_path("modem0"), NULL };
	struct support_child jumpers[3];

	for (int i = 0; i < 3; i++)
		waiter_exec(&jumpers[i], words, true);
	for (int i = 0; i < 3; i++) {
		ck_assert(support_poll(jumpers[i].pidfd, POLLIN, support_now_ms() + 50000));
		ck_assert_int_eq(support_reap(&jumpers[i]), 0);
	}
	support_wait_port("modem0", "free", 0);
}
END_TEST

/* ---- parents and children ---- */

START_TEST(place_of_a_program_that_executes_another_goes_at_once)
{
	wait_by('t');
	waiter_queue(&second, "modem0");
	support_say(&first, 'e');
	waiter_expect(&first, "ready");
	support_wait_port("modem0", "held", 1);
	expect_second_served();
	support_finish(&first);
}
END_TEST

/* The child is told that it has nothing of its parent's wait. */
START_TEST(handler_that_forks_leaves_the_wait_to_the_parent)
{
	pid_t child;

	wait_by('k');
	waiter_queue(&second, "modem0");
	ck_assert_int_eq(kill(first.pid, SIGALRM), 0);
	waiter_expect(&first, "EBUSY");
	ck_assert_int_eq(support_children(first.pid, &child, 1), 1);
	support_wait_port("modem0", "held", 2);
	waiter_release(&holder);
	waiter_expect(&first, "opened");
	waiter_release(&first);
	support_reap_orphan(child);
	waiter_expect(&second, "opened");
	waiter_release(&second);
}
END_TEST

/* What another thread forked or started in the wait has no part in it. */
START_TEST(place_goes_with_the_program_and_not_with_its_children)
{
	pid_t child;

	wait_by('t');
	waiter_queue(&second, "modem0");
	support_say(&first, "fv"[_i]);
	child = waiter_pid_said(&first, "forked");
	ck_assert_int_eq(kill(first.pid, SIGKILL), 0);
	support_wait_port("modem0", "held", 1);
	expect_second_served();
	support_reap(&first); /* its standard input is the child's too */
	support_reap_orphan(child);
}
END_TEST

START_TEST(children_of_a_waiting_program_do_not_disturb_its_wait)
{
	pid_t child;

	wait_by('t');
	waiter_queue(&second, "modem0");
	support_say(&first, "fv"[_i]);
	child = waiter_pid_said(&first, "forked");
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	support_wait_port("modem0", "held", 2);
	waiter_release(&holder);
	waiter_expect(&first, "opened");
	waiter_release(&first);
	waiter_expect(&second, "opened");
	waiter_release(&second);
	waitpid(child, NULL, 0);
}
END_TEST

/* Its parent closes all that it has, and ends; the child waits. */
START_TEST(daemon_waits_on_when_its_parent_ends)
{
	struct support_child parent = first;
	pid_t daemon;

	wait_by('d');
	waiter_queue(&second, "modem0");
	daemon = waiter_pid_said(&first, "daemon");
	ck_assert(support_poll(parent.pidfd, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
	support_wait_port("modem0", "held", 2);
	waiter_release(&holder);
	waiter_expect(&first, "opened");
	support_say(&first, 'c');
	waiter_expect(&first, "closed");
	support_finish(&first);
	support_reap_orphan(daemon);
	waiter_expect(&second, "opened");
	waiter_release(&second);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_shim_signal");
	TCase *tc = support_case(s, "idle", begin_with_idle);

	tcase_add_test(tc, handler_without_SA_RESTART_gives_the_place_up);
	tcase_add_loop_test(tc, handler_that_returns_leaves_the_place_alone, 0, 3);
	tcase_add_test(tc, handler_that_jumps_out_of_open_gives_the_place_up);
	tcase_add_test(tc, handler_that_jumps_while_comleased_is_away_leaves_nothing);
	tcase_add_test(tc, place_of_a_program_that_executes_another_goes_at_once);
	tcase_add_test(tc, handler_that_forks_leaves_the_wait_to_the_parent);
	tcase_add_loop_test(tc, place_goes_with_the_program_and_not_with_its_children, 0, 2);
	tcase_add_loop_test(tc, children_of_a_waiting_program_do_not_disturb_its_wait, 0, 2);
	tcase_add_test(tc, daemon_waits_on_when_its_parent_ends);
	tc = support_case(s, "free", begin);
	tcase_add_test(tc, handlers_that_jump_at_any_time_leave_nothing);
	return support_run(s);
}
