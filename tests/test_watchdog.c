/*
 * test_watchdog.c - is the broker killed when it hangs, and only then? The test is the broker: it
 * has the other end of its channel, and a child stands for its process. That the service manager
 * hears of it is test_e2e_systemd.c's.
 */
#include "../broker/supervisor_internal.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct supervisor s;
static int broker;

static void
begin(void)
{
	memset(&s, 0, sizeof(s));
	notify_begin(&s.notify);
	s.notify.watchdog_ms = 3600 * 1000; /* it is over when the test says so */
	child_init(&s.broker);
	ck_assert_int_eq(ipc_pair(&s.broker.channel, &broker), 0);
	s.broker.pid = fork();
	ck_assert_int_ge(s.broker.pid, 0);
	if (s.broker.pid == 0) {
		pause();
		_exit(1);
	}
	s.broker.pidfd = (int)syscall(SYS_pidfd_open, s.broker.pid, 0);
	ck_assert_int_ge(s.broker.pidfd, 0);
	watchdog_begin(&s);
}

/* How the process that stands for it ended: by a SIGKILL of the watchdog's, or now by us. */
static void
end(int signal)
{
	int status;

	kill(s.broker.pid, SIGUSR1); /* nothing to one that has had a SIGKILL */
	ck_assert_int_eq(waitpid(s.broker.pid, &status, 0), s.broker.pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), signal);
	close(s.broker.pidfd);
	close(s.broker.channel);
	close(broker);
	notify_end(&s.notify);
}

/* The broker reads the question. Its id. */
static uint64_t
take_ping(void)
{
	struct ipc_message m;
	int fd = -1;

	ck_assert_int_eq(ipc_receive(broker, &m, &fd), 0);
	ck_assert_uint_eq(m.type, IPC_PING);
	return m.id;
}

static void
let_time_pass(void)
{
	ck_assert_uint_ne(watchdog_due(&s), UINT64_MAX);
	s.watchdog.at_ms = 0;
}

START_TEST(broker_that_does_not_answer_is_killed_when_its_time_is_over)
{
	watchdog_check(&s);
	take_ping();
	let_time_pass();
	watchdog_check(&s);
	ck_assert_uint_eq(watchdog_due(&s), UINT64_MAX); /* once */
	end(SIGKILL);
}
END_TEST

START_TEST(broker_that_answers_is_asked_again_and_not_killed)
{
	uint64_t first = take_ping();

	watchdog_answered(&s, first);
	let_time_pass();
	watchdog_check(&s);
	ck_assert_uint_ne(take_ping(), first);
	end(SIGUSR1);
}
END_TEST

START_TEST(answer_to_an_earlier_question_counts_for_nothing)
{
	watchdog_answered(&s, take_ping() - 1);
	let_time_pass();
	watchdog_check(&s);
	end(SIGKILL);
}
END_TEST

/* The supervisor itself had no time, or was stopped, and comes to look at the clock first. */
START_TEST(broker_whose_answer_has_not_been_read_yet_is_not_killed)
{
	struct ipc_message pong = { .type = IPC_PONG, .id = take_ping() }, m;
	int fd = -1;

	ck_assert_int_eq(ipc_send(broker, &pong, -1), 0);
	let_time_pass();
	watchdog_check(&s);
	ck_assert_int_eq(ipc_receive(s.broker.channel, &m, &fd), 0);
	watchdog_answered(&s, m.id);
	watchdog_check(&s);
	end(SIGUSR1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("watchdog");
	TCase *t = tcase_create("watchdog");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(t, begin, NULL);
	tcase_add_test(t, broker_that_does_not_answer_is_killed_when_its_time_is_over);
	tcase_add_test(t, broker_that_answers_is_asked_again_and_not_killed);
	tcase_add_test(t, answer_to_an_earlier_question_counts_for_nothing);
	tcase_add_test(t, broker_whose_answer_has_not_been_read_yet_is_not_killed);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
