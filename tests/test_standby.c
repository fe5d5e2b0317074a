/*
 * test_standby.c - `comlease run --standby` against a fake broker: the command is asked to let go,
 * comes back, fails, loses its port, and the broker goes meanwhile.
 */
#include "run_fixture.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UP(token) "up " token " modem0 /dev/pts/* 1"

static void
start(const char *how)
{
	run_start("--standby", "modem0", "--", run_holder(), how, NULL);
	run_expect(UP("18"));
	ck_assert(fake_await_calls(&fake, "Watch", 1));
}

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static json_int_t
token_of(const char *method, int index)
{
	json_t *call = fake_call(&fake, method, index);
	json_int_t token = json_integer_value(json_object_get(call, "token"));

	json_decref(call);
	return token;
}

/* ---- giving way ---- */

START_TEST(the_command_lets_go_when_asked_and_is_started_again_when_the_port_is_back)
{
	fake.yield_mode = FAKE_HOLD;
	start(NULL);
	run_ask("yielded");
	run_expect("got TERM");
	ck_assert(fake_await_calls(&fake, "Yield", 1));
	ck_assert_int_eq(token_of("Yield", 0), 18);
	run_expect_silence(300); /* not before the port is back */
	fake_let(&fake);
	run_expect(UP("19"));
	ck_assert(fake_await_calls(&fake, "Watch", 2));
	ck_assert_int_eq(token_of("Watch", 1), 19);
	run_ask("yielded");
	run_expect("got TERM");
	ck_assert(fake_await_calls(&fake, "Yield", 2));
	fake_let(&fake);
	run_expect(UP("20"));
	ck_assert_int_eq(fake_calls(&fake, "Acquire"), 1);
	ck_assert_int_eq(fake_calls(&fake, "Release"), 0);
	ck_assert_int_eq(run_count_said("\n"), 0); /* no line for each round */
}
END_TEST

static const char *const names[] = { "USR1", "SIGUSR1", "sigusr1", "10" };

START_TEST(the_signal_is_to_be_chosen)
{
	run_start("--standby", "--yield-signal", names[_i], "--yield-grace", "20", "modem0", "--",
		  run_holder(), NULL);
	run_expect(UP("18"));
	ck_assert(fake_await_calls(&fake, "Watch", 1));
	ck_assert_int_eq(fake_last_number(&fake, "yieldGrace"), 20000);
	run_ask("yielded");
	run_expect("got USR1");
	run_expect(UP("19"));
}
END_TEST

START_TEST(all_of_the_commands_process_group_is_signalled)
{
	fake.yield_mode = FAKE_HOLD; /* the next one would speak before the child of this one */
	run_start("--standby", "modem0", "--", run_holder(), "child", NULL);
	run_expect(UP("18"));
	run_expect("child");
	ck_assert(fake_await_calls(&fake, "Watch", 1));
	run_ask("yielded");
	run_expect("*got TERM");
	run_expect("*got TERM");
}
END_TEST

START_TEST(a_stopped_command_is_continued_to_let_go)
{
	start(NULL);
	run_tell("stop\n");
	usleep(100000);
	run_ask("yielded");
	run_expect("got TERM");
	run_expect(UP("19"));
}
END_TEST

START_TEST(a_wish_that_is_withdrawn_at_once_is_none)
{
	start(NULL);
	kill(run_pid, SIGSTOP);
	run_ask("yielded");
	fake_event(&fake, "{\"event\":\"resumed\"}", false);
	usleep(200000);
	kill(run_pid, SIGCONT);
	run_expect_silence(300);
	run_ask("yielded");
	run_expect("got TERM");
	run_expect(UP("19"));
}
END_TEST

START_TEST(who_has_been_signalled_goes_although_the_wish_is_withdrawn)
{
	start("stay");
	run_ask("yielded");
	run_expect("got TERM");
	fake_event(&fake, "{\"event\":\"resumed\"}", false);
	run_ask("yielded"); /* and asked twice: one signal */
	run_expect_silence(300);
	run_tell("exit 0\n");
	ck_assert(fake_await_calls(&fake, "Yield", 1));
	run_expect(UP("19"));
}
END_TEST

/* Its only child; run does not reap it as long as it is stopped, and no event tells. */
static void
await_end_of_command(void)
{
	char path[64], state = '?';
	FILE *file;
	int pid = 0;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)run_pid, (int)run_pid);
	file = fopen(path, "re");
	ck_assert(file != NULL && fscanf(file, "%d", &pid) == 1);
	fclose(file);
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	for (int i = 0; i < 1000 && state != 'Z'; i++) {
		usleep(10000);
		file = fopen(path, "re");
		ck_assert(file != NULL && fscanf(file, "%*d (%*[^)]) %c", &state) == 1);
		fclose(file);
	}
	ck_assert_int_eq(state, 'Z');
}

START_TEST(a_command_that_ends_in_the_moment_in_which_it_is_asked_has_yielded)
{
	start(NULL);
	kill(run_pid, SIGSTOP);
	run_tell("exit 0\n");
	run_ask("yielded");
	await_end_of_command();
	kill(run_pid, SIGCONT);
	ck_assert(fake_await_calls(&fake, "Yield", 1));
	run_expect(UP("19"));
	ck_assert_int_eq(fake_calls(&fake, "Release"), 0);
	ck_assert_int_eq(run_count_said("\n"), 0);
}
END_TEST

/* ---- ending by itself ---- */

START_TEST(a_command_that_ends_at_once_is_started_again_after_a_growing_pause)
{
	int64_t start_ms = now_ms();

	run_start("--standby", "modem0", "--", "sh", "-c", "echo up $COMLEASE_TOKEN; exit 3", NULL);
	run_expect("up 18");
	ck_assert(fake_await_calls(&fake, "Release", 1));
	ck_assert_int_eq(fake.acquires, 1); /* not held meanwhile */
	ck_assert_int_eq(token_of("Release", 0), 18);
	run_expect("up 19");
	ck_assert_int_ge(now_ms() - start_ms, 1000);
	run_expect("up 20");
	ck_assert_int_ge(now_ms() - start_ms, 3000);
	run_expect_said("sh: ended at once, with status 3; started again in 1 s\n");
	run_expect_said("sh: ended at once, with status 3; started again in 2 s\n");
	ck_assert_int_eq(fake_calls(&fake, "Yield"), 0);
}
END_TEST

START_TEST(a_command_that_has_lived_a_while_is_started_again_without_a_pause)
{
	start(NULL);
	usleep(1100000);
	run_tell("exit 0\n");
	run_expect(UP("19"));
	ck_assert_int_eq(fake_calls(&fake, "Release"), 1);
	ck_assert_int_eq(run_count_said("\n"), 0); /* a pause is told */
}
END_TEST

/* ---- losing it ---- */

static const char *const ends[] = { "{\"event\":\"revoked\"}", "{\"event\":\"unplugged\"}",
				    "{\"event\":\"ended\",\"reason\":\"expired\"}" };

START_TEST(a_command_that_has_lost_its_port_gets_SIGHUP_and_the_port_is_asked_for_again)
{
	fake.yield_mode = FAKE_ERROR; /* Revoked: it has ended */
	start(NULL);
	fake_event(&fake, ends[_i], true);
	run_expect("got HUP");
	run_expect(UP("19"));
	ck_assert_int_eq(fake_calls(&fake, "Acquire"), 2);
	ck_assert_int_eq(fake_last_number(&fake, "standby"), 0); /* there, and no number */
}
END_TEST

START_TEST(a_command_that_does_not_let_go_is_waited_for)
{
	fake.yield_mode = FAKE_ERROR;
	start("stay");
	run_ask("yielded");
	run_expect("got TERM");
	fake_event(&fake, "{\"event\":\"ended\",\"reason\":\"yielded\"}", true);
	run_expect_silence(300);
	ck_assert_int_eq(fake_calls(&fake, "Yield"), 0);
	run_tell("exit 0\n");
	run_expect(UP("19"));
	run_expect_said("modem0: the command has lost the port: yielded\n");
}
END_TEST

/* ---- signals to run ---- */

static const struct {
	int signo;
	const char *name;
} leaves[] = { { SIGTERM, "got TERM" }, { SIGINT, "got INT" }, { SIGHUP, "got HUP" } };

START_TEST(run_is_ended_by_a_signal_with_the_commands_status)
{
	start(NULL);
	kill(run_pid, leaves[_i].signo);
	run_expect(leaves[_i].name);
	ck_assert_int_eq(run_end(), 4);
	ck_assert_int_eq(fake.acquires, 1);
	ck_assert_int_eq(fake_calls(&fake, "Yield"), 0);
}
END_TEST

START_TEST(other_signals_are_passed_on_and_end_nothing)
{
	start("stay");
	kill(run_pid, SIGUSR2);
	run_expect("got USR2");
	run_tell("exit 0\n");
	run_expect(UP("19"));
}
END_TEST

START_TEST(run_is_ended_by_a_signal_while_it_waits)
{
	fake.yield_mode = FAKE_HOLD;
	start(NULL);
	run_ask("yielded");
	ck_assert(fake_await_calls(&fake, "Yield", 1));
	kill(run_pid, SIGTERM);
	ck_assert_int_eq(run_end(), 128 + SIGTERM);
}
END_TEST

/* ---- without a broker ---- */

START_TEST(a_broker_that_goes_during_the_wait_for_the_port_is_waited_for)
{
	fake.yield_mode = FAKE_HOLD;
	start(NULL);
	run_ask("yielded");
	ck_assert(fake_await_calls(&fake, "Yield", 1));
	usleep(100000);
	fake_down(&fake, true);
	usleep(500000);
	fake_up(&fake);
	run_expect("got TERM");
	run_expect(UP("19"));
	ck_assert_int_eq(fake_calls(&fake, "Yield"), 1);
	ck_assert_int_ge(fake_last_number(&fake, "waited"), 500);
}
END_TEST

START_TEST(a_command_that_ends_while_there_is_no_broker_is_started_again_when_there_is_one)
{
	start(NULL);
	usleep(1100000);
	fake_down(&fake, true);
	run_tell("exit 0\n");
	run_expect_silence(500);
	fake_up(&fake);
	run_expect(UP("19"));
}
END_TEST

START_TEST(the_next_broker_is_listened_to)
{
	start(NULL);
	fake_down(&fake, true);
	fake_up(&fake);
	ck_assert(fake_await_calls(&fake, "Watch", 2));
	run_ask("yielded");
	run_expect("got TERM");
	run_expect(UP("19"));
}
END_TEST

START_TEST(a_refusal_that_passes_is_tried_again_and_another_one_is_the_end)
{
	fake.yield_mode = FAKE_ERROR;
	start(NULL);
	fake.mode = FAKE_ERROR;
	fake.error = "io.comlease.OpenFailed";
	fake_event(&fake, "{\"event\":\"revoked\"}", true);
	run_expect("got HUP");
	run_expect_said("modem0: a sentence for people");
	fake.mode = FAKE_GRANT;
	run_expect(UP("19"));
	ck_assert(fake_await_calls(&fake, "Watch", 2));
	fake.mode = FAKE_ERROR;
	fake.error = "org.varlink.service.PermissionDenied";
	fake_event(&fake, "{\"event\":\"revoked\"}", true);
	ck_assert_int_eq(run_end(), 77);
}
END_TEST

static void
add_giving_way(TCase *tcase)
{
	tcase_add_test(tcase,
		       the_command_lets_go_when_asked_and_is_started_again_when_the_port_is_back);
	tcase_add_loop_test(tcase, the_signal_is_to_be_chosen, 0, sizeof(names) / sizeof(names[0]));
	tcase_add_test(tcase, all_of_the_commands_process_group_is_signalled);
	tcase_add_test(tcase, a_stopped_command_is_continued_to_let_go);
	tcase_add_test(tcase, a_wish_that_is_withdrawn_at_once_is_none);
	tcase_add_test(tcase, who_has_been_signalled_goes_although_the_wish_is_withdrawn);
	tcase_add_test(tcase, a_command_that_ends_in_the_moment_in_which_it_is_asked_has_yielded);
}

static void
add_ends(TCase *tcase)
{
	tcase_add_test(tcase, a_command_that_ends_at_once_is_started_again_after_a_growing_pause);
	tcase_add_test(tcase, a_command_that_has_lived_a_while_is_started_again_without_a_pause);
	tcase_add_loop_test(
	    tcase, a_command_that_has_lost_its_port_gets_SIGHUP_and_the_port_is_asked_for_again, 0,
	    sizeof(ends) / sizeof(ends[0]));
	tcase_add_test(tcase, a_command_that_does_not_let_go_is_waited_for);
	tcase_add_loop_test(tcase, run_is_ended_by_a_signal_with_the_commands_status, 0, 3);
	tcase_add_test(tcase, other_signals_are_passed_on_and_end_nothing);
	tcase_add_test(tcase, run_is_ended_by_a_signal_while_it_waits);
	tcase_add_test(tcase, a_broker_that_goes_during_the_wait_for_the_port_is_waited_for);
	tcase_add_test(
	    tcase, a_command_that_ends_while_there_is_no_broker_is_started_again_when_there_is_one);
	tcase_add_test(tcase, the_next_broker_is_listened_to);
	tcase_add_test(tcase, a_refusal_that_passes_is_tried_again_and_another_one_is_the_end);
}

int
main(void)
{
	Suite *suite = suite_create("standby");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_giving_way(run_case(suite, "giving way"));
	add_ends(run_case(suite, "ends"));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
