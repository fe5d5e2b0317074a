/*
 * test_e2e_linger.c - a lease that lingers, with a real comleased: who closes the device and opens
 * it again in time finds it as it was; it ends when the time is over, when he ends, when it is
 * given back or taken, and when somebody is to have it before him.
 */
#include "support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LONG_MS  "20000" /* longer than anything here waits */
#define SHORT_MS 400

static int master;
static struct support_client holder; /* a process of its own: nobody here is its descendant */

static void
begin(const char *config)
{
	support_begin();
	master = support_plug("modem0");
	support_start(config);
}

static void
begin_long(void)
{
	begin(SUPPORT_PORT("modem0") "linger-ms = " LONG_MS "\n");
}

static void
begin_short(void)
{
	begin(SUPPORT_PORT("modem0") "linger-ms = 400\n");
}

static void
begin_some(void)
{
	begin(SUPPORT_PORT("modem0") "linger-ms = 3000\n");
}

/* The holder opens the port, with these wishes besides (stolen; NULL). */
static int
hold(uint64_t *token, json_t *parameters)
{
	json_t *all = json_pack("{s:s}", "port", "modem0"), *reply;

	json_object_update(all, parameters);
	json_decref(parameters);
	support_connect_stranger(&holder);
	reply = support_ask(&holder, "Acquire", all);
	*token = (uint64_t)support_int(reply, "lease", "token", NULL);
	return support_take(&holder);
}

/* He opens it once more. */
static int
hold_again(uint64_t *token)
{
	json_t *reply = support_ask(&holder, "Acquire", json_pack("{s:s}", "port", "modem0"));

	*token = (uint64_t)support_int(reply, "lease", "token", NULL);
	return support_take(&holder);
}

/* Closes the last descriptor: List shows the lease, with nothing open. */
static void
let_linger(int fd, uint64_t token)
{
	json_t *port;

	close(fd);
	support_wait_descriptions("modem0", 0);
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "state", NULL), "held");
	ck_assert_uint_eq((uint64_t)support_int(port, "lease", "token", NULL), token);
	json_decref(port);
}

static void
expect_end(const char *reason)
{
	char pattern[96];

	snprintf(pattern, sizeof(pattern), "end port=modem0 .*reason=%s", reason);
	support_log_wait(pattern);
}

/* The waiter has it, it works, and everything is over. */
static void
expect_granted(struct support_client *waiter)
{
	int fd = support_granted(waiter, NULL);

	support_expect_line(fd, master);
	close(fd);
	support_close(waiter);
}

/* Ends a lease that would linger for long. */
static void
release(uint64_t token)
{
	struct support_client c;

	support_connect(&c);
	support_ask(&c, "Release", json_pack("{s:I}", "token", (json_int_t)token));
	support_close(&c);
}

/* ---- reopened ---- */

START_TEST(who_opens_again_in_time_has_the_same_lease)
{
	struct support_client waiter;
	uint64_t token, again;
	int i, fd = hold(&token, NULL);

	support_queue(&waiter, "modem0", NULL);
	for (i = 0; i < 5; i++) {
		let_linger(fd, token);
		fd = hold_again(&again);
		ck_assert_uint_eq(again, token);
		support_wait_descriptions("modem0", 1);
		support_expect_line(fd, master);
		support_wait_port("modem0", "held", 1);
	}
	support_log_expect("end port=modem0", 0);
	let_linger(fd, token);
	release(token);
	expect_granted(&waiter);
	expect_end("released");
	support_close(&holder);
}
END_TEST

static void
open_as_child(struct support_child *test, void *arg)
{
	uint64_t token, expected = *(uint64_t *)arg;
	char byte;
	int fd = support_acquire_here("modem0", &token);

	ck_assert_uint_eq(token, expected);
	support_say(test, 'h');
	while (read(test->hear, &byte, 1) > 0)
		;
	close(fd);
}

START_TEST(child_of_the_holder_opens_a_lingering_lease)
{
	struct support_child child;
	uint64_t token;
	int fd = support_acquire_here("modem0", &token);

	let_linger(fd, token);
	support_fork(&child, open_as_child, &token, -1);
	ck_assert_int_eq(support_hear(&child), 'h');
	support_wait_descriptions("modem0", 1);
	support_finish(&child);
	support_wait_descriptions("modem0", 0); /* its end is not the holder's */
	release(token);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(stranger_does_not_join_a_lingering_lease)
{
	struct support_client stranger;
	uint64_t token;
	json_t *error;
	int fd = hold(&token, NULL);

	let_linger(fd, token);
	support_connect_stranger(&stranger);
	support_call(&stranger, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 0),
		     false);
	error = support_error(&stranger, "Busy");
	ck_assert_int_eq(support_int(error, "holder", "owner", "pid", NULL), holder.stranger.pid);
	support_close(&stranger);
	release(token);
	support_close(&holder);
}
END_TEST

/* ---- its end ---- */

START_TEST(next_one_has_the_port_when_the_time_is_over)
{
	struct support_client waiter;
	int64_t closed;
	uint64_t token;
	int fd = hold(&token, NULL);

	support_queue(&waiter, "modem0", NULL);
	closed = support_now_ms();
	close(fd);
	fd = support_granted(&waiter, NULL);
	ck_assert_int_ge(support_now_ms() - closed, SHORT_MS - 10);
	ck_assert_int_lt(support_now_ms() - closed, SHORT_MS + 3000);
	expect_end("released");
	support_close(&waiter); /* with his end nothing lingers */
	close(fd);
	support_close(&holder);
}
END_TEST

/* The time counts from the last close, not from the first. */
START_TEST(time_begins_anew_with_each_close)
{
	int64_t closed;
	uint64_t token, again;
	int fd = hold(&token, NULL);

	let_linger(fd, token);
	fd = hold_again(&again);
	ck_assert_uint_eq(again, token);
	support_expect_line(fd, master);
	ck_assert(!support_poll(fd, 0, support_now_ms() + 2 * SHORT_MS));
	support_expect_line(fd, master); /* the first time is over, and does not count */
	support_log_expect("end port=modem0", 0);
	closed = support_now_ms();
	close(fd);
	support_wait_port("modem0", "free", 0);
	ck_assert_int_ge(support_now_ms() - closed, SHORT_MS - 10);
	support_close(&holder);
}
END_TEST

/* _i: killed, or ended by itself. */
START_TEST(lease_ends_at_once_when_its_process_ends)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child first;
	struct support_client waiter;

	wish.port = "modem0";
	support_hold(&first, &wish);
	ck_assert_int_gt(support_held(&first), 0);
	support_queue(&waiter, "modem0", NULL);
	support_say(&first, 'c');
	support_expect_line_of(&first, "closed");
	support_wait_descriptions("modem0", 0);
	if (_i == 0)
		support_kill(&first);
	else
		support_finish(&first);
	expect_granted(&waiter);
	expect_end(_i == 0 ? "died" : "released");
}
END_TEST

START_TEST(revoke_ends_it_at_once)
{
	struct support_client c, waiter;
	uint64_t token;
	int fd = hold(&token, NULL);

	support_queue(&waiter, "modem0", NULL);
	let_linger(fd, token);
	support_connect(&c);
	support_ask(&c, "Revoke", json_pack("{s:s}", "port", "modem0"));
	ck_assert_uint_eq((uint64_t)support_int(c.reply.parameters, "token", NULL), token);
	support_close(&c);
	expect_granted(&waiter);
	expect_end("revoked");
	support_close(&holder);
}
END_TEST

START_TEST(standby_lease_that_lingers_goes_to_who_wants_the_port)
{
	struct support_client waiter;
	uint64_t token;
	int fd = hold(&token, json_pack("{s:b}", "standby", 1));

	let_linger(fd, token);
	support_connect_stranger(&waiter);
	support_ask(&waiter, "Acquire", json_pack("{s:s}", "port", "modem0"));
	close(support_take(&waiter));
	support_close(&waiter);
	support_close(&holder);
}
END_TEST

/* He has been asked to let go, and does. */
START_TEST(close_of_who_is_asked_to_yield_does_not_linger)
{
	struct support_client watch, waiter;
	uint64_t token;
	int fd = hold(&token, json_pack("{s:b}", "standby", 1));

	support_watch(&watch, token, "watching");
	support_queue(&waiter, "modem0", NULL);
	support_event(&watch, "yieldWanted");
	close(fd);
	expect_granted(&waiter);
	expect_end("yielded");
	support_event(&watch, "ended");
	support_close(&watch);
	support_close(&holder);
}
END_TEST

START_TEST(lingering_lease_ends_when_it_may_last_no_longer)
{
	int64_t begun = support_now_ms();
	uint64_t token;

	close(hold(&token, json_pack("{s:i}", "maxHold", 500)));
	support_wait_port("modem0", "free", 0);
	ck_assert_int_ge(support_now_ms() - begun, 490);
	ck_assert_int_lt(support_now_ms() - begun, 15000);
	support_close(&holder);
}
END_TEST

/* ---- restarts ---- */

/* _i: bit 0: the broker dies, bit 1: the keeper. The holder opens again; the same lease or, if it
 * is no more, the next one after the waiter. */
START_TEST(nothing_is_lost_when_broker_or_keeper_die_while_it_lingers)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child first, waiter;
	int64_t token, next;

	wish.port = "modem0";
	support_hold(&first, &wish);
	token = support_held(&first);
	support_hold(&waiter, &wish);
	support_wait_port("modem0", "held", 1);
	support_say(&first, 'c');
	support_expect_line_of(&first, "closed");
	support_wait_descriptions("modem0", 0);
	if (_i & 2)
		support_kill_keeper("modem0");
	if (_i & 1)
		support_kill_broker();
	next = support_held(&waiter);
	ck_assert_int_gt(next, token);
	support_say(&first, 'a'); /* behind the waiter */
	ck_assert(support_is_quiet(&first, 100));
	support_finish(&waiter);
	ck_assert_int_gt(support_held(&first), next);
	support_finish(&first);
	support_wait_port("modem0", "free", 0);
}
END_TEST

/* It opens again at once, whoever has died. */
START_TEST(holder_opens_again_after_broker_or_keeper_died)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child first;
	int64_t token;

	wish.port = "modem0";
	support_hold(&first, &wish);
	token = support_held(&first);
	support_say(&first, 'c');
	support_expect_line_of(&first, "closed");
	support_wait_descriptions("modem0", 0);
	if (_i & 2)
		support_kill_keeper("modem0");
	if (_i & 1)
		support_kill_broker();
	support_say(&first, 'a');
	ck_assert_int_ge(support_held(&first), token);
	support_wait_descriptions("modem0", 1);
	support_finish(&first);
	support_wait_port("modem0", "free", 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_linger");
	TCase *tc = support_case(s, "long", begin_long);

	tcase_add_test(tc, who_opens_again_in_time_has_the_same_lease);
	tcase_add_test(tc, child_of_the_holder_opens_a_lingering_lease);
	tcase_add_test(tc, stranger_does_not_join_a_lingering_lease);
	tcase_add_loop_test(tc, lease_ends_at_once_when_its_process_ends, 0, 2);
	tcase_add_test(tc, revoke_ends_it_at_once);
	tcase_add_test(tc, standby_lease_that_lingers_goes_to_who_wants_the_port);
	tcase_add_test(tc, close_of_who_is_asked_to_yield_does_not_linger);
	tcase_add_test(tc, lingering_lease_ends_when_it_may_last_no_longer);
	tc = support_case(s, "short", begin_short);
	tcase_add_test(tc, next_one_has_the_port_when_the_time_is_over);
	tcase_add_test(tc, time_begins_anew_with_each_close);
	tc = support_case(s, "restart", begin_some);
	tcase_add_loop_test(tc, nothing_is_lost_when_broker_or_keeper_die_while_it_lingers, 1, 4);
	tcase_add_loop_test(tc, holder_opens_again_after_broker_or_keeper_died, 1, 4);
	return support_run(s);
}
