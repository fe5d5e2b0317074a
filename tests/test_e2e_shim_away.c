/*
 * test_e2e_shim_away.c - there is no comleased: while programs wait in open() under the shim,
 * before they start, after a reload that takes their port away; and what `comlease run` makes of
 * it.
 */
#include "waiter.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>

#define WAITERS 3

static struct support_child holder, waiters[WAITERS];

static void
begin(void)
{
	waiter_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

/* A holder, and some who wait in open(). */
static void
begin_with_queue(void)
{
	begin();
	waiter_hold(&holder, "modem0");
	for (int i = 0; i < WAITERS; i++)
		waiter_queue(&waiters[i], "modem0");
}

/* ---- while programs wait ---- */

/* The time of COMLEASE_WAIT is one time, with and without a broker. */
START_TEST(time_to_wait_ends_while_comleased_is_away)
{
	struct support_child impatient;
	int64_t begun = support_now_ms();

	waiter_start(&impatient, "modem0", "COMLEASE_WAIT=1.5");
	support_say(&impatient, 'o');
	support_wait_port("modem0", "held", WAITERS + 1);
	support_stop();
	waiter_expect(&impatient, "EBUSY");
	ck_assert_int_ge(support_now_ms() - begun, 1450);
	support_finish(&impatient);
	support_start(NULL);
	support_wait_port("modem0", "foreign", WAITERS);
	waiter_release(&holder);
	for (int i = 0; i < WAITERS; i++) {
		waiter_expect(&waiters[i], "opened");
		waiter_release(&waiters[i]);
	}
}
END_TEST

/* 30 s: then open() says EBUSY, and never opens the device around comleased that was there. */
START_TEST(open_is_busy_when_comleased_does_not_come_back)
{
	int64_t begun;

	support_stop();
	begun = support_now_ms();
	waiter_release(&holder);
	while (support_now_ms() - begun < 25000)
		ck_assert(support_is_quiet(&waiters[0], 500));
	for (int i = 0; i < WAITERS; i++) {
		waiter_expect(&waiters[i], "EBUSY");
		support_say(&waiters[i], 'c');
		waiter_expect(&waiters[i], "closed");
	}
	ck_assert_int_ge(support_now_ms() - begun, 29000);
	support_start(NULL);
	support_say(&waiters[0], 'o'); /* and the next open() is like the first one */
	waiter_expect(&waiters[0], "opened");
	support_wait_port("modem0", "held", 0);
	waiter_release(&waiters[0]);
	for (int i = 1; i < WAITERS; i++)
		support_finish(&waiters[i]);
	support_wait_port("modem0", "free", 0);
}
END_TEST

static void
reload_without_ports(void)
{
	FILE *f = fopen(support_path("conf"), "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	support_log_wait("reload result=done");
}

/* It is a device like any other then, but whoever waited for his turn is not let in beside the
 * holder. */
START_TEST(port_that_is_no_longer_configured_ends_the_wait_with_an_error)
{
	reload_without_ports();
	for (int i = 0; i < WAITERS; i++) {
		waiter_expect(&waiters[i], "EIO");
		support_finish(&waiters[i]);
	}
	support_say(&holder, 'w');
	waiter_expect(&holder, "written");
	waiter_release(&holder);
	support_stop(); /* what there was at its start is not all there now */
}
END_TEST

/* ---- before they start ---- */

/* Without COMLEASE_REQUIRE the device is opened as if there were no comlease. */
START_TEST(without_comleased_the_device_is_opened_unless_it_is_required)
{
	struct support_child plain, required, other;
	char devices[256];

	support_stop();
	waiter_hold(&plain, "modem0");
	snprintf(devices, sizeof(devices), "%s", support_path("modem0"));
	setenv("COMLEASE_DEVICES", devices, 1);
	setenv("COMLEASE_WAIT", "0.2", 1);
	waiter_start(&required, "modem0", "COMLEASE_REQUIRE=1");
	waiter_start(&other, "other", "COMLEASE_REQUIRE=1");
	unsetenv("COMLEASE_DEVICES");
	unsetenv("COMLEASE_WAIT");
	support_say(&required, 'o');
	waiter_expect(&required, "EBUSY");
	support_say(&other, 'o');
	waiter_expect(&other, "ENOENT");
	support_start(NULL); /* the plain one's is a foreign holder's then */
	json_decref(support_foreign(plain.pid));
	support_say(&required, 'o');
	waiter_expect(&required, "EBUSY");
	support_finish(&required);
	waiter_release(&plain);
	waiter_hold(&required, "modem0");
	waiter_release(&required);
	support_finish(&other);
}
END_TEST

/* ---- comlease run ---- */

/* `comlease run [-w WAIT] -- waiter_client DEVICE`. */
static void
start_run(struct support_child *child, const char *wait)
{
	const char *client = waiter_program(), *device = support_path("modem0");
	const char *plain[] = { "comlease", "run", "--", client, device, NULL };
	const char *hasty[] = { "comlease", "run", "-w", wait, "--", client, device, NULL };

	waiter_exec(child, wait != NULL ? hasty : plain, false);
}

static void
expect_said(const char *text)
{
	char said[1024] = "";
	FILE *f = fopen(support_path("child.err"), "re");

	ck_assert_ptr_nonnull(f);
	said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
	fclose(f);
	ck_assert_msg(strstr(said, text) != NULL, "not said: %s; but: %s", text, said);
}

START_TEST(run_says_that_there_is_no_comleased_and_starts_nothing)
{
	struct support_child run;
	int status;

	support_stop();
	start_run(&run, NULL);
	status = support_reap(&run);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EX_UNAVAILABLE);
	expect_said("comlease: ");
	expect_said(support_socket);
}
END_TEST

/* What runs under it never opens the port around comleased. */
START_TEST(program_under_run_waits_for_comleased_that_went_meanwhile)
{
	struct support_child patient, hasty;

	start_run(&patient, NULL);
	waiter_expect(&patient, "ready");
	start_run(&hasty, "0.5");
	waiter_expect(&hasty, "ready");
	support_stop();
	support_say(&patient, 'o');
	support_say(&hasty, 'o');
	waiter_expect(&hasty, "EBUSY");
	ck_assert(support_is_quiet(&patient, 100));
	support_start(NULL);
	waiter_expect(&patient, "opened");
	support_wait_port("modem0", "held", 0);
	waiter_release(&patient);
	support_finish(&hasty);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_shim_away");
	TCase *tc = support_case(s, "queue", begin_with_queue);

	tcase_add_test(tc, time_to_wait_ends_while_comleased_is_away);
	tcase_add_test(tc, open_is_busy_when_comleased_does_not_come_back);
	tcase_add_test(tc, port_that_is_no_longer_configured_ends_the_wait_with_an_error);
	tc = support_case(s, "start", begin);
	tcase_add_test(tc, without_comleased_the_device_is_opened_unless_it_is_required);
	tcase_add_test(tc, run_says_that_there_is_no_comleased_and_starts_nothing);
	tcase_add_test(tc, program_under_run_waits_for_comleased_that_went_meanwhile);
	return support_run(s);
}
