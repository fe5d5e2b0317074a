/*
 * test_seccomp_wait.c - `comlease run --seccomp` with a real comleased: programs inside open() that
 * wait, are interrupted, stopped and killed, and what becomes of their place and of their lease.
 */
#include "seccomp_rig.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Somebody else has modem0: this descriptor. */
static int held;

static void
begin(void)
{
	seccomp_rig_begin();
	held = support_acquire("modem0", NULL);
}

static void
let_go(void)
{
	close(held);
}

/* Returns when it has stopped: until then the kernel may still give it a descriptor. */
static void
stop(const struct support_child *child)
{
	int status;

	ck_assert_int_eq(kill(child->pid, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(child->pid, &status, WUNTRACED), child->pid);
	ck_assert(WIFSTOPPED(status));
}

/* One that waits in open() for modem0, with these words before. */
static void
queue(struct support_child *child, const char *word, const char *argument)
{
	const char *client = seccomp_rig_client(), *device = seccomp_rig_device();

	if (word != NULL)
		seccomp_rig_run(child, client, word, argument, "open", device, "rw", "hear", "open",
				"/", "r", "hear", NULL);
	else
		seccomp_rig_run(child, client, "open", device, "rw", "hear", "open", "/", "r",
				"hear", NULL);
}

/* ---- in turn ---- */

START_TEST(open_waits_until_the_port_is_free_and_its_close_gives_it_to_the_next)
{
	struct support_child first, second;

	queue(&first, NULL, NULL);
	support_wait_port("modem0", "held", 1);
	queue(&second, NULL, NULL);
	support_wait_port("modem0", "held", 2);
	ck_assert(support_is_quiet(&first, 50));
	let_go();
	seccomp_rig_hear(&first, "open 3 O_RDWR\n");
	ck_assert(support_is_quiet(&second, 50));
	support_finish(&first);
	seccomp_rig_hear(&second, "open 3 O_RDWR\n");
	support_finish(&second);
	support_log_expect("end port=modem0 .*command=seccomp_client reason=released", 2);
}
END_TEST

START_TEST(waiter_is_known_by_its_programs_name)
{
	struct support_child child;
	json_t *port;

	queue(&child, NULL, NULL);
	support_wait_port("modem0", "held", 1);
	let_go();
	seccomp_rig_hear(&child, "open 3 O_RDWR\n");
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "lease", "owner", "command", NULL), "seccomp_client");
	ck_assert_int_eq(support_int(port, "lease", "owner", "pid", NULL),
			 seccomp_rig_supervisor());
	json_decref(port);
	support_finish(&child);
}
END_TEST

START_TEST(lease_ends_with_the_programs_own_last_close)
{
	struct support_child child;

	let_go();
	seccomp_rig_run(&child, seccomp_rig_client(), "open", seccomp_rig_device(), "rw", "hear",
			"close", "3", "hear", NULL);
	seccomp_rig_hear(&child, "open 3 O_RDWR\n");
	support_wait_port("modem0", "held", 0);
	support_say(&child, 'c');
	seccomp_rig_hear(&child, "close 0\n");
	support_wait_port("modem0", "free", 0);
	support_finish(&child);
}
END_TEST

START_TEST(lease_ends_when_the_program_is_killed)
{
	struct support_child child;

	let_go();
	queue(&child, NULL, NULL);
	seccomp_rig_hear(&child, "open 3 O_RDWR\n");
	support_kill(&child);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(processes_of_one_run_share_a_lease)
{
	let_go();
	seccomp_rig_expect("open 3 O_RDWR\nopen 4 O_RDWR\nchild 0\n", "-w", "0",
			   seccomp_rig_client(), "open", seccomp_rig_device(), "rw", "fork", "open",
			   seccomp_rig_device(), "rw", NULL);
	support_log_expect("join port=modem0", 1);
}
END_TEST

/* Each wait takes descriptors. The broker is stopped: none is asked about but the first. */
START_TEST(waits_beyond_the_limit_for_descriptors_fail_and_all_else_goes_on)
{
	static const char all[] =
	    "ulimit -n 40; exec ${C%/tests/*}/comlease run --seccomp sh -c '"
	    "echo up; read go; i=0; while [ $((i += 1)) -le 30 ]; do $C open $D rw & done; "
	    "read go; $C open / r; echo gone on; wait'";
	struct support_child child;
	const char *line = "";
	int refused = 0, granted = 0;

	setenv("C", seccomp_rig_client(), 1);
	setenv("D", seccomp_rig_device(), 1);
	support_exec(&child, (const char *const[]){ "/bin/sh", "-c", all, NULL });
	support_expect_line_of(&child, "up");
	ck_assert_int_eq(kill(support_broker(), SIGSTOP), 0);
	support_say(&child, '\n');
	support_expect_line_of(&child, "open -1 EMFILE");
	support_say(&child, '\n');
	while (strcmp(line, "gone on") != 0)
		refused += strcmp(line = support_hear_line(&child), "open -1 EMFILE") == 0;
	ck_assert_int_eq(kill(support_broker(), SIGCONT), 0);
	let_go();
	while (1 + refused + granted < 30) {
		line = support_hear_line(&child);
		refused += strcmp(line, "open -1 EMFILE") == 0;
		granted += strcmp(line, "open 3 O_RDWR") == 0;
	}
	ck_assert_int_gt(granted, 0);
	support_finish(&child);
}
END_TEST

/* ---- not in time ---- */

START_TEST(port_that_is_not_to_be_had_in_time_is_busy)
{
	seccomp_rig_expect("open -1 EBUSY\n", "-w", "0", seccomp_rig_client(), "open",
			   seccomp_rig_device(), "rw", NULL);
	seccomp_rig_expect("open -1 EBUSY\nopen 3 O_RDONLY\n", "-w", "0.2", seccomp_rig_client(),
			   "open", seccomp_rig_device(), "rw", "open", "/", "r", NULL);
	let_go();
}
END_TEST

START_TEST(managed_port_is_busy_without_a_broker)
{
	struct support_child child;

	seccomp_rig_run(&child, "-w", "0", seccomp_rig_client(), "open", "/", "r", "hear", "open",
			seccomp_rig_device(), "rw", "open", "/", "r", NULL);
	seccomp_rig_hear(&child, "open 3 O_RDONLY\n");
	let_go();
	support_wait_port("modem0", "free", 0);
	support_stop();
	support_say(&child, 'g');
	seccomp_rig_hear(&child, "open -1 EBUSY\nopen 4 O_RDONLY\n");
	support_finish(&child);
	support_start(NULL);
}
END_TEST

/* ---- interrupted ---- */

START_TEST(signal_ends_a_waiting_open_and_its_place_goes)
{
	struct support_child child;

	queue(&child, "alarm", "2000"); /* long enough to be seen waiting */
	support_wait_port("modem0", "held", 1);
	seccomp_rig_hear(&child, "open -1 EINTR\n");
	support_wait_port("modem0", "held", 0);
	support_log_expect("leave port=modem0 .*reason=gone", 1);
	support_kill(&child); /* its alarm rings on */
	let_go();
}
END_TEST

/* Every 5 ms it is outside the kernel for a moment; the one behind it must not get past it. */
START_TEST(restarted_open_keeps_its_place)
{
	struct support_child first, second;

	queue(&first, "restarting", "5");
	support_wait_port("modem0", "held", 1);
	queue(&second, NULL, NULL);
	support_wait_port("modem0", "held", 2);
	ck_assert(support_is_quiet(&first, 700));
	support_log_expect("request port=modem0 .*command=seccomp_client", 2);
	support_log_expect("leave port=modem0", 0);
	let_go();
	seccomp_rig_hear(&first, "open 3 O_RDWR\n");
	ck_assert(support_is_quiet(&second, 50));
	support_kill(&first);
	seccomp_rig_hear(&second, "open 3 O_RDWR\n");
	support_finish(&second);
}
END_TEST

START_TEST(killed_waiter_loses_its_place_at_once)
{
	struct support_child child;

	queue(&child, NULL, NULL);
	support_wait_port("modem0", "held", 1);
	support_kill(&child);
	support_wait_port("modem0", "held", 0);
	let_go();
}
END_TEST

START_TEST(one_of_two_threads_that_wait_may_be_killed_with_its_process)
{
	struct support_child child, other;

	seccomp_rig_run(&child, seccomp_rig_client(), "thread", "open", seccomp_rig_device(), "rw",
			NULL);
	support_wait_port("modem0", "held", 1);
	queue(&other, NULL, NULL);
	support_wait_port("modem0", "held", 2);
	support_kill(&child);
	support_wait_port("modem0", "held", 1);
	let_go();
	seccomp_rig_hear(&other, "open 3 O_RDWR\n");
	support_finish(&other);
}
END_TEST

START_TEST(stopped_waiter_keeps_its_place)
{
	struct support_child first, second;

	queue(&first, NULL, NULL);
	support_wait_port("modem0", "held", 1);
	queue(&second, NULL, NULL);
	support_wait_port("modem0", "held", 2);
	stop(&first);
	ck_assert(support_is_quiet(&first, 1000)); /* several looks at it */
	ck_assert_int_eq(kill(first.pid, SIGCONT), 0);
	support_log_expect("leave port=modem0", 0);
	ck_assert(support_is_quiet(&first, 50));
	let_go();
	seccomp_rig_hear(&first, "open 3 O_RDWR\n");
	support_finish(&first);
	seccomp_rig_hear(&second, "open 3 O_RDWR\n");
	support_finish(&second);
}
END_TEST

START_TEST(stopped_waiter_whose_turn_has_come_does_not_keep_the_port)
{
	struct support_child first, second;

	queue(&first, NULL, NULL);
	support_wait_port("modem0", "held", 1);
	queue(&second, NULL, NULL);
	support_wait_port("modem0", "held", 2);
	stop(&first);
	let_go();
	seccomp_rig_hear(&second, "open 3 O_RDWR\n");
	ck_assert_int_eq(kill(first.pid, SIGCONT), 0);
	support_wait_port("modem0", "held", 1);
	support_finish(&second);
	seccomp_rig_hear(&first, "open 3 O_RDWR\n");
	support_finish(&first);
}
END_TEST

/* ---- the broker goes and comes ---- */

START_TEST(wait_goes_on_when_the_broker_is_started_again)
{
	struct support_child first, second;

	queue(&first, NULL, NULL);
	support_wait_port("modem0", "held", 1);
	queue(&second, NULL, NULL);
	support_wait_port("modem0", "held", 2);
	support_kill_broker();
	support_wait_port("modem0", "held", 2);
	let_go();
	seccomp_rig_hear(&first, "open 3 O_RDWR\n");
	support_finish(&first);
	seccomp_rig_hear(&second, "open 3 O_RDWR\n");
	support_finish(&second);
}
END_TEST

static void
expect_waiters(const char *first, const char *second)
{
	json_t *port = support_list("modem0"), *waiters = json_object_get(port, "waiters");
	const char *const names[] = { first, second };

	for (size_t i = 0; i < 2; i++)
		ck_assert_str_eq(
		    support_string(json_array_get(waiters, i), "owner", "command", NULL), names[i]);
	json_decref(port);
}

/* Classes go by it. */
START_TEST(each_waiter_keeps_its_programs_name_when_the_broker_is_started_again)
{
	struct support_child child;
	char first[128], second[128];

	snprintf(first, sizeof(first), "%s", support_path("first"));
	snprintf(second, sizeof(second), "%s", support_path("second"));
	ck_assert_int_eq(symlink(seccomp_rig_client(), first), 0);
	ck_assert_int_eq(symlink(seccomp_rig_client(), second), 0);
	setenv("D", seccomp_rig_device(), 1);
	seccomp_rig_run(&child, "--seccomp", "sh", "-c",
			"$0 open $D rw & read go; $1 open $D rw & wait", first, second, NULL);
	support_wait_port("modem0", "held", 1);
	support_say(&child, '\n');
	support_wait_port("modem0", "held", 2);
	expect_waiters("first", "second");
	support_kill_broker();
	support_wait_port("modem0", "held", 2);
	expect_waiters("first", "second");
	let_go();
	seccomp_rig_hear(&child, "open 3 O_RDWR\nopen 3 O_RDWR\n");
	support_finish(&child);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("seccomp_wait");
	TCase *tc = tcase_create("seccomp_wait");

	tcase_add_checked_fixture(tc, begin, seccomp_rig_end);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, open_waits_until_the_port_is_free_and_its_close_gives_it_to_the_next);
	tcase_add_test(tc, waiter_is_known_by_its_programs_name);
	tcase_add_test(tc, lease_ends_with_the_programs_own_last_close);
	tcase_add_test(tc, lease_ends_when_the_program_is_killed);
	tcase_add_test(tc, processes_of_one_run_share_a_lease);
	tcase_add_test(tc, waits_beyond_the_limit_for_descriptors_fail_and_all_else_goes_on);
	tcase_add_test(tc, port_that_is_not_to_be_had_in_time_is_busy);
	tcase_add_test(tc, managed_port_is_busy_without_a_broker);
	tcase_add_test(tc, signal_ends_a_waiting_open_and_its_place_goes);
	tcase_add_test(tc, restarted_open_keeps_its_place);
	tcase_add_test(tc, killed_waiter_loses_its_place_at_once);
	tcase_add_test(tc, one_of_two_threads_that_wait_may_be_killed_with_its_process);
	tcase_add_test(tc, stopped_waiter_keeps_its_place);
	tcase_add_test(tc, stopped_waiter_whose_turn_has_come_does_not_keep_the_port);
	tcase_add_test(tc, wait_goes_on_when_the_broker_is_started_again);
	tcase_add_test(tc, each_waiter_keeps_its_programs_name_when_the_broker_is_started_again);
	return s;
}

int
main(void)
{
	return support_run(suite());
}
