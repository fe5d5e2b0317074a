/*
 * test_run.c - `comlease run PORT` against a fake broker: what it asks for, and what becomes of the
 * broker's wishes while the command runs. Messages, statuses and the rest: cli.sh, with a real one.
 */
#include "run_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void
assert_acquire(const char *expected)
{
	json_t *call;
	char *text;

	ck_assert(fake_await_calls(&fake, "Acquire", 1));
	call = fake_call(&fake, "Acquire", 0);
	json_object_del(call, "key");
	text = json_dumps(call, JSON_COMPACT | JSON_SORT_KEYS);
	ck_assert_str_eq(text, expected);
	free(text);
	json_decref(call);
}

/* ---- what is asked for ---- */

START_TEST(the_options_are_in_the_request)
{
	run_start("-c", "fax", "--max-hold", "90", "--yield-grace=2.5", "-p", "7", "modem0", "--",
		  run_holder(), NULL);
	assert_acquire("{\"class\":\"fax\",\"maxHold\":90000,\"port\":\"modem0\",\"priority\":7,"
		       "\"yieldGrace\":2500}");
	run_expect("up 18 modem0 /dev/pts/* -");
	run_tell("exit 3\n");
	ck_assert_int_eq(run_end(), 3);
}
END_TEST

START_TEST(the_class_is_taken_from_the_environment_where_no_option_gives_one)
{
	setenv("COMLEASE_CLASS", "mail", 1);
	run_start("modem0", "--", "true", NULL);
	assert_acquire("{\"class\":\"mail\",\"port\":\"modem0\"}");
	ck_assert_int_eq(run_end(), 0);
}
END_TEST

START_TEST(the_port_may_be_a_pool)
{
	char expected[200];

	snprintf(expected, sizeof(expected), "modem0 %s %s", fake.device, fake.device);
	run_start("modem", "--", "sh", "-c", "echo $COMLEASE_PORT $COMLEASE_DEVICE {}", NULL);
	run_expect(expected);
	assert_acquire("{\"port\":\"modem\"}");
	ck_assert_int_eq(run_end(), 0);
}
END_TEST

START_TEST(a_port_that_there_is_not_is_told_with_the_pools)
{
	run_start("modme", "--", "true", NULL);
	ck_assert_int_eq(run_end(), 66);
	run_expect_said("there is no port `modme`; did you mean modem0? ports: modem0, modem");
}
END_TEST

START_TEST(without_a_port_the_shim_is_told)
{
	run_start("-c", "fax", "--max-hold", "1.5", "sh", "-c",
		  "echo $COMLEASE_CLASS $COMLEASE_MAX_HOLD ${COMLEASE_STANDBY--}", NULL);
	run_expect("fax 1.500 -");
	ck_assert_int_eq(run_end(), 0);
}
END_TEST

static const char *const wrong[][5] = {
	{ "--standby", "true", NULL },
	{ "--standby", "-n", "modem0", "--", NULL },
	{ "--standby", "--yield-signal=NOSUCH", "modem0", "--", NULL },
	{ "--yield-signal=TERM", "modem0", "--", NULL },
	{ "--yield-grace=1", "true", NULL },
	{ "--max-hold=0", "true", NULL },
	{ "-c", "a/b", "true", NULL },
};

START_TEST(what_makes_no_sense_is_a_usage_error)
{
	const char *const *w = wrong[_i];

	if (!w[2])
		run_start(w[0], w[1], NULL);
	else if (!w[3])
		run_start(w[0], w[1], w[2], "true", NULL);
	else
		run_start(w[0], w[1], w[2], w[3], "true", NULL);
	ck_assert_int_eq(run_end(), 64);
	run_expect_said("try `comlease run --help`");
}
END_TEST

START_TEST(a_foreign_holder_is_named_and_when_the_wait_ends_so_is_the_brokers_sentence)
{
	fake.foreign = true;
	fake.mode = FAKE_HOLD;
	run_start("modem0", "--", "true", NULL);
	run_expect_said("modem0: held by minicom (pid 815, user root) outside comlease since ");
	fake_let(&fake);
	ck_assert_int_eq(run_end(), 0);
	fake.mode = FAKE_ERROR;
	fake.error = "io.comlease.TimedOut";
	run_start("-w", "5", "modem0", "--", "true", NULL);
	ck_assert_int_eq(run_end(), 75);
	run_expect_said("modem0: a sentence for people");
}
END_TEST

/* ---- while it runs ---- */

START_TEST(a_plain_holder_that_is_to_let_go_gets_SIGHUP_and_a_line)
{
	run_start("modem0", "--", run_holder(), "child", NULL);
	run_expect("up 18 *");
	run_expect("child");
	ck_assert(fake_await_calls(&fake, "Watch", 1));
	run_ask(_i == 0 ? "preempted" : "expired");
	run_expect("*got HUP"); /* both of them, in any order */
	run_expect("*got HUP");
	ck_assert_int_eq(run_end(), 4);
	run_expect_said(
	    _i == 0 ? "modem0: asked to let go within 5 s: uucico (pid 812, user root) waits\n"
		    : "modem0: asked to let go within 5 s: its time is over; uucico (pid 812, user "
		      "root) waits\n");
}
END_TEST

/* The shell that has started run is in its process group, and so are those beside it. */
START_TEST(nobody_beside_the_command_is_signalled)
{
	char script[2000];

	snprintf(script, sizeof(script),
		 "trap 'echo shell HUP' HUP; %s run modem0 -- %s; echo status $?", run_comlease(),
		 run_holder());
	run_start("--", "sh", "-c", script, NULL); /* a run without PORT becomes the shell */
	run_expect("up 18 *");
	ck_assert(fake_await_calls(&fake, "Watch", 1));
	run_ask("preempted");
	run_expect("got HUP");
	run_expect("status 4");
	ck_assert_int_eq(run_end(), 0);
}
END_TEST

START_TEST(who_is_asked_twice_is_signalled_once_and_again_after_resumed)
{
	run_start("modem0", "--", run_holder(), "stay", NULL);
	run_expect("up 18 *");
	ck_assert(fake_await_calls(&fake, "Watch", 1));
	run_ask("preempted");
	run_expect("got HUP");
	run_ask("preempted");
	run_expect_silence(200);
	fake_event(&fake, "{\"event\":\"resumed\"}", false);
	run_expect_said("modem0: no longer asked to let go");
	run_ask("preempted");
	run_expect("got HUP");
	run_tell("exit 0\n");
	ck_assert_int_eq(run_end(), 0);
	ck_assert_int_eq(run_count_said("asked to let go within"), 2);
}
END_TEST

START_TEST(a_stopped_command_is_continued_to_let_go)
{
	run_start("modem0", "--", run_holder(), NULL);
	run_expect("up 18 *");
	ck_assert(fake_await_calls(&fake, "Watch", 1));
	run_tell("stop\n");
	usleep(100000);
	run_ask("preempted");
	run_expect("got HUP");
	ck_assert_int_eq(run_end(), 4);
}
END_TEST

static long
count_switches(pid_t pid)
{
	char path[64], line[128];
	long count = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "voluntary_ctxt_switches: %ld", &count);
	fclose(file);
	return count;
}

START_TEST(the_command_outlives_the_broker_and_the_next_one_is_listened_to)
{
	long before;
	int rounds = 0;

	run_start("modem0", "--", run_holder(), "stay", NULL);
	run_expect("up 18 *");
	ck_assert(fake_await_calls(&fake, "Watch", 1));
	fake_down(&fake, true);
	do { /* past the first attempts to find it there is no polling */
		before = count_switches(run_pid);
		usleep(1500000);
	} while (count_switches(run_pid) - before > 1 && rounds++ < 10);
	ck_assert_int_lt(rounds, 10);
	fake_up(&fake);
	ck_assert(fake_await_calls(&fake, "Watch", 2));
	run_ask("preempted");
	run_expect("got HUP");
	run_tell("exit 5\n");
	ck_assert_int_eq(run_end(), 5);
}
END_TEST

START_TEST(a_broker_that_breaks_each_watch_is_not_hammered)
{
	fake.watch_error = "io.comlease.NotHolder"; /* or an older one */
	run_start("modem0", "--", run_holder(), NULL);
	run_expect("up 18 *");
	usleep(500000);
	ck_assert_int_eq(fake_calls(&fake, "Watch"), 1);
	run_tell("exit 0\n");
	ck_assert_int_eq(run_end(), 0);
	fake.watch_error = "close";
	run_start("modem0", "--", run_holder(), NULL);
	run_expect("up 19 *");
	usleep(2000000);
	ck_assert(fake_await_calls(&fake, "Watch", 3));
	ck_assert_int_le(fake_calls(&fake, "Watch"), 10);
	run_tell("exit 0\n");
	ck_assert_int_eq(run_end(), 0);
}
END_TEST

static void
add_tests(TCase *tcase)
{
	tcase_add_test(tcase, the_options_are_in_the_request);
	tcase_add_test(tcase, the_class_is_taken_from_the_environment_where_no_option_gives_one);
	tcase_add_test(tcase, the_port_may_be_a_pool);
	tcase_add_test(tcase, a_port_that_there_is_not_is_told_with_the_pools);
	tcase_add_test(tcase, without_a_port_the_shim_is_told);
	tcase_add_loop_test(tcase, what_makes_no_sense_is_a_usage_error, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(tcase,
		       a_foreign_holder_is_named_and_when_the_wait_ends_so_is_the_brokers_sentence);
	tcase_add_loop_test(tcase, a_plain_holder_that_is_to_let_go_gets_SIGHUP_and_a_line, 0, 2);
	tcase_add_test(tcase, nobody_beside_the_command_is_signalled);
	tcase_add_test(tcase, who_is_asked_twice_is_signalled_once_and_again_after_resumed);
	tcase_add_test(tcase, a_stopped_command_is_continued_to_let_go);
	tcase_add_test(tcase, the_command_outlives_the_broker_and_the_next_one_is_listened_to);
	tcase_add_test(tcase, a_broker_that_breaks_each_watch_is_not_hammered);
}

int
main(void)
{
	Suite *suite = suite_create("run");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_tests(run_case(suite, "run"));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
