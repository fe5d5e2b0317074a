/*
 * test_e2e_login.c - a login terminal: a program of the name of a getty has the device. Nobody is
 * made to wait for that; all who ask are told what to do, and when it has gone the port is free.
 */
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The child has the device under that name until it hears end-of-file. */
static void
have_device_as(struct support_child *test, void *name)
{
	char byte;

	ck_assert_int_eq(prctl(PR_SET_NAME, name), 0);
	signal(SIGTERM, SIG_DFL);
	ck_assert_int_ge(support_open_device(), 0);
	support_say(test, 'o');
	while (read(test->hear, &byte, 1) > 0)
		;
}

static void
start_getty(struct support_child *child, const char *name)
{
	support_fork(child, have_device_as, (void *)(uintptr_t)name, -1);
	ck_assert_int_eq(support_hear(child), 'o');
}

static void
expect_way_out(const char *text, pid_t pid, const char *name)
{
	char wanted[96];

	snprintf(wanted, sizeof(wanted), " is a login terminal: %s (pid %d, ", name, (int)pid);
	ck_assert_msg(strstr(text, wanted) != NULL, "not %s: %s", wanted, text);
	ck_assert_msg(strstr(text, "would come back at once") != NULL, "%s", text);
	ck_assert_msg(strstr(text, "systemctl disable --now ") != NULL, "%s", text);
}

/* _i: how long it would wait. */
static void
expect_refusal(json_int_t wait, pid_t pid)
{
	struct support_client c;

	support_connect_stranger(&c);
	support_call(&c, "Acquire", json_pack("{s:s, s:I}", "port", "modem0", "wait", wait), false);
	expect_way_out(support_string(support_error(&c, "OpenFailed"), "message", NULL), pid,
		       "agetty");
	support_close(&c);
}

/* _i: it was there before comleased. */
START_TEST(requests_are_refused_while_a_getty_has_the_port_and_served_when_it_has_gone)
{
	struct support_child getty;
	int modem = support_plug("modem0"), fd;
	json_t *port;

	if (_i == 1)
		start_getty(&getty, "agetty");
	support_start(SUPPORT_OPEN_PORT);
	if (_i == 0)
		start_getty(&getty, "agetty");
	port = support_foreign(getty.pid);
	expect_way_out(support_string(port, "reason", NULL), getty.pid, "agetty");
	json_decref(port);
	expect_refusal(0, getty.pid);
	expect_refusal(60000, getty.pid);
	support_wait_port("modem0", "foreign", 0);
	support_finish(&getty);
	support_wait_port("modem0", "free", 0);
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, modem);
	close(fd);
}
END_TEST

/* Its last answer, after those that say why it waits. */
static void
expect_end(struct support_client *c, pid_t pid, const char *name)
{
	do
		ck_assert(support_next(c));
	while (c->reply.continues);
	ck_assert_str_eq(c->reply.error, "io.comlease.OpenFailed");
	expect_way_out(support_string((json_t *)c->reply.parameters, "message", NULL), pid, name);
}

static void
administer(const char *method)
{
	struct support_client c;

	support_connect(&c);
	support_ask(&c, method, json_pack("{s:s}", "port", "modem0"));
	support_close(&c);
}

/* They wait for the end of a maintenance, when the getty is seen. */
START_TEST(those_who_wait_already_are_told_and_a_pools_other_ports_are_waited_for)
{
	struct support_client one, any;
	struct support_child getty;
	int modem, fd;

	support_plug("modem0");
	modem = support_plug("modem1");
	support_start(SUPPORT_PORT("modem0") "own = leased\n" SUPPORT_PORT(
	    "modem1") "[pool modem]\nports = modem0 modem1\n");
	fd = support_acquire("modem1", NULL);
	administer("Disable");
	support_queue(&one, "modem0", NULL);
	support_queue(&any, "modem", NULL);
	start_getty(&getty, "login");
	administer("Enable");
	expect_end(&one, getty.pid, "login");
	close(fd);
	fd = support_granted(&any, NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_finish(&getty);
	support_wait_port("modem0", "free", 0);
	support_close(&one);
	support_close(&any);
}
END_TEST

START_TEST(mgetty_is_waited_for_like_anybody)
{
	struct support_client waiter;
	struct support_child mgetty;
	int modem = support_plug("modem0"), fd;

	support_start(SUPPORT_OPEN_PORT);
	start_getty(&mgetty, "mgetty");
	json_decref(support_foreign(mgetty.pid));
	support_queue(&waiter, "modem0", NULL);
	support_wait_port("modem0", "foreign", 1);
	support_finish(&mgetty);
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_close(&waiter);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("login");
	TCase *t = support_case(suite, "login", support_begin);

	tcase_add_loop_test(
	    t, requests_are_refused_while_a_getty_has_the_port_and_served_when_it_has_gone, 0, 2);
	tcase_add_test(t, those_who_wait_already_are_told_and_a_pools_other_ports_are_waited_for);
	tcase_add_test(t, mgetty_is_waited_for_like_anybody);
	return support_run(suite);
}
