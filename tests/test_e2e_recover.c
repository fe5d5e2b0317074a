/*
 * test_e2e_recover.c - broker, keeper, inspector or all of comleased end while something is under
 * way that is more than a lease and a queue: a holder in a call or asked to yield, a pool's queue,
 * a foreign holder, an eviction, a port in maintenance. Nothing is lost, nobody else gets in.
 */
#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int masters[2];

static void
begin(const char *config)
{
	support_begin();
	masters[0] = support_plug("modem0");
	masters[1] = support_plug("modem1");
	support_start(config);
}

static void
begin_pool(void)
{
	begin(SUPPORT_PORT("modem0") SUPPORT_PORT("modem1") "[pool modem]\nports = modem0 "
							    "modem1\n");
}

static void
begin_open(void)
{
	begin(SUPPORT_OPEN_PORT SUPPORT_PORT("modem1"));
}

/* _i of the tests below: bit 0: the broker dies, bit 1: the keeper of modem0, bit 2: the inspector.
 */
static void
kill_inspector(void)
{
	pid_t children[32];
	char command[256];
	int i, n = support_children(support_pid, children, 32);

	for (i = 0; i < n && i < 32; i++) {
		support_command(children[i], command, sizeof(command));
		if (strstr(command, "--role=inspector") != NULL)
			ck_assert_int_eq(kill(children[i], SIGKILL), 0);
	}
	support_log_wait("ended inspector pid=[0-9]+ signal=9");
	support_log_wait("start inspector pid=");
}

/* In one moment: neither can tell the other's successor anything. */
static void
kill_both(void)
{
	pid_t broker = support_broker(), keeper = support_keeper("modem0");
	int i;

	ck_assert_int_gt(broker, 0);
	ck_assert_int_gt(keeper, 0);
	ck_assert_int_eq(kill(support_pid, SIGSTOP), 0);
	ck_assert_int_eq(kill(keeper, SIGKILL), 0);
	ck_assert_int_eq(kill(broker, SIGKILL), 0);
	ck_assert_int_eq(kill(support_pid, SIGCONT), 0);
	for (i = 0; i < 2; i++)
		support_log_wait("ended (broker|keeper).* signal=9");
}

static void
kill_some(int which)
{
	if (which & 4)
		kill_inspector();
	if ((which & 3) == 3)
		kill_both();
	else if (which & 2)
		support_kill_keeper("modem0");
	else if (which & 1)
		support_kill_broker();
}

static struct comlease_request
wish_for(const char *port)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;

	wish.port = port;
	return wish;
}

static void
ask(const char *method, json_t *parameters)
{
	struct support_client c;

	support_connect(&c);
	support_ask(&c, method, parameters);
	support_close(&c);
}

/* ---- standby ---- */

START_TEST(call_of_a_standby_holder_goes_on)
{
	struct comlease_request wish = wish_for("modem0");
	struct support_client watch;
	struct support_child waiter;
	uint64_t token;
	json_int_t busy_since;
	json_t *port;
	int fd =
	    support_acquire_with(json_pack("{s:s, s:b}", "port", "modem0", "standby", 1), &token);

	ask("SetBusy", json_pack("{s:I, s:b}", "token", (json_int_t)token, "busy", 1));
	port = support_list("modem0");
	busy_since = support_int(port, "lease", "busySince", NULL);
	json_decref(port);
	support_hold(&waiter, &wish);
	support_wait_port("modem0", "held", 1);
	kill_some(_i);
	support_wait_port("modem0", "held", 1);
	support_watch(&watch, token, "watching");
	support_expect_silence(&watch, 100); /* it is not asked */
	port = support_list("modem0");
	ck_assert_int_ge(support_int(port, "lease", "busySince", NULL), busy_since - 50);
	json_decref(port);
	support_expect_line(fd, masters[0]);
	ask("SetBusy", json_pack("{s:I, s:b}", "token", (json_int_t)token, "busy", 0));
	support_event(&watch, "yieldWanted");
	close(fd);
	ck_assert_int_gt(support_held(&waiter), (int64_t)token);
	support_event(&watch, "ended");
	support_close(&watch);
	support_finish(&waiter);
}
END_TEST

/* _i: the keeper dies too. The time counts from the grant, not from the restart, after which nobody
 * is asked for two seconds. */
START_TEST(time_of_a_lease_goes_on)
{
	struct support_client watch;
	uint64_t token;
	int64_t begun = support_now_ms(), killed;
	int fd = support_acquire_with(json_pack("{s:s, s:i}", "port", "modem0", "maxHold", 4000),
				      &token);

	ck_assert(!support_poll(fd, 0, begun + 2000));
	killed = support_now_ms();
	kill_some(_i == 0 ? 1 : 3);
	support_watch(&watch, token, "watching");
	support_event(&watch, "yieldWanted");
	ck_assert_int_ge(support_now_ms() - begun, 3950);
	ck_assert_int_lt(support_now_ms() - killed, 3950);
	close(fd);
	support_event(&watch, "ended");
	support_close(&watch);
}
END_TEST

START_TEST(holder_who_is_asked_to_yield_is_asked_again)
{
	struct comlease_request wish = wish_for("modem0");
	struct support_client watch;
	struct support_child waiter;
	uint64_t token;
	int fd =
	    support_acquire_with(json_pack("{s:s, s:b}", "port", "modem0", "standby", 1), &token);

	support_hold(&waiter, &wish);
	support_wait_port("modem0", "yielding", 1);
	kill_some(_i);
	support_wait_port("modem0", "yielding", 1);
	support_watch(&watch, token, "yieldWanted");
	support_expect_line(fd, masters[0]);
	close(fd);
	ck_assert_int_gt(support_held(&waiter), (int64_t)token);
	support_event(&watch, "ended");
	support_close(&watch);
	support_finish(&waiter);
}
END_TEST

/* ---- pools ---- */

START_TEST(queue_of_a_pool_forms_again)
{
	struct comlease_request any = wish_for("modem"), one = wish_for("modem0");
	struct support_child first, second;
	int fds[2];

	fds[0] = support_acquire("modem0", NULL);
	fds[1] = support_acquire("modem1", NULL);
	support_hold(&first, &any);
	support_log_wait("request .*pid=");
	support_wait_port("modem0", "held", 1);
	support_hold(&second, &one);
	support_wait_port("modem0", "held", 2);
	kill_some(_i);
	support_wait_port("modem0", "held", 2);
	close(fds[1]);
	ck_assert_int_gt(support_held(&first), 0);
	ck_assert(support_is_quiet(&second, 100));
	close(fds[0]);
	ck_assert_int_gt(support_held(&second), 0);
	support_finish(&first);
	support_finish(&second);
}
END_TEST

/* ---- foreign holders ---- */

START_TEST(foreign_holder_is_still_known_and_waited_for)
{
	struct comlease_request wish = wish_for("modem0");
	struct support_child outsider, waiter;

	support_outsider(&outsider, SUPPORT_OPEN);
	json_decref(support_foreign(outsider.pid));
	support_hold(&waiter, &wish);
	support_wait_port("modem0", "foreign", 1);
	kill_some(_i);
	json_decref(support_foreign(outsider.pid));
	support_wait_port("modem0", "foreign", 1);
	support_say(&outsider, 'd');
	ck_assert_int_eq(support_hear(&outsider), 'n'); /* undisturbed */
	ck_assert(support_is_quiet(&waiter, 100));
	support_finish(&outsider);
	ck_assert_int_gt(support_held(&waiter), 0);
	support_finish(&waiter);
	support_wait_port("modem0", "free", 0);
}
END_TEST

/* He goes at the very moment. */
START_TEST(foreign_holder_who_goes_meanwhile_is_noticed)
{
	struct comlease_request wish = wish_for("modem0");
	struct support_child outsider, waiter;

	support_outsider(&outsider, SUPPORT_OPEN);
	json_decref(support_foreign(outsider.pid));
	support_hold(&waiter, &wish);
	support_wait_port("modem0", "foreign", 1);
	support_say(&outsider, 'c');
	kill_some(_i);
	support_hear(&outsider);
	ck_assert_int_gt(support_held(&waiter), 0);
	support_finish(&waiter);
	support_finish(&outsider);
	support_wait_port("modem0", "free", 0);
}
END_TEST

/* Nobody has the answer then; the port is his, or clean, and granted when he has gone. */
START_TEST(eviction_that_is_cut_off_leaves_a_usable_port)
{
	struct comlease_request wish = wish_for("modem0");
	struct support_child outsider, waiter;
	struct support_client c;

	support_outsider(&outsider, SUPPORT_OPEN);
	json_decref(support_foreign(outsider.pid));
	support_hold(&waiter, &wish);
	support_wait_port("modem0", "foreign", 1);
	ck_assert_int_eq(kill(outsider.pid, SIGSTOP), 0); /* he can't obey SIGTERM */
	support_connect(&c);
	support_call(&c, "Evict", json_pack("{s:s, s:b}", "port", "modem0", "terminate", 1), false);
	support_log_wait("evict|terminate");
	kill_some(_i);
	support_close(&c);
	support_kill(&outsider);
	ck_assert_int_gt(support_held(&waiter), 0);
	support_finish(&waiter);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(foreign_holder_outlives_a_stop_and_start_of_comleased)
{
	struct comlease_request wish = wish_for("modem0");
	struct support_child outsider, waiter;

	support_outsider(&outsider, SUPPORT_FLOCK);
	json_decref(support_foreign(outsider.pid));
	support_hold(&waiter, &wish);
	support_wait_port("modem0", "foreign", 1);
	support_stop();
	support_start(NULL);
	json_decref(support_foreign(outsider.pid));
	support_say(&outsider, 'd');
	ck_assert_int_eq(support_hear(&outsider), 'n');
	support_wait_port("modem0", "foreign", 1);
	support_finish(&outsider);
	ck_assert_int_gt(support_held(&waiter), 0);
	support_finish(&waiter);
	support_wait_port("modem0", "free", 0);
}
END_TEST

/* ---- maintenance ---- */

/* Whoever works on the modem meanwhile is left alone by a new keeper, too. */
START_TEST(port_in_maintenance_is_left_alone)
{
	struct comlease_request wish = wish_for("modem0");
	struct support_child outsider, waiter;

	ask("Disable", json_pack("{s:s}", "port", "modem0"));
	support_wait_port("modem0", "disabled", 0);
	/* an ordinary user's new keeper can't open what is locked so */
	support_outsider(&outsider, geteuid() == 0 ? SUPPORT_EXCLUSIVE : SUPPORT_FLOCK);
	support_hold(&waiter, &wish);
	support_wait_port("modem0", "disabled", 1);
	kill_some(_i);
	support_wait_port("modem0", "disabled", 1);
	support_say(&outsider, 'd');
	ck_assert_int_eq(support_hear(&outsider), 'n');
	ck_assert(support_is_quiet(&waiter, 100));
	ask("Enable", json_pack("{s:s}", "port", "modem0"));
	ck_assert(support_is_quiet(&waiter, 100));
	support_say(&outsider, 'd');
	ck_assert_int_eq(support_hear(&outsider), 'n');
	support_finish(&outsider);
	ck_assert_int_gt(support_held(&waiter), 0);
	support_finish(&waiter);
	support_wait_port("modem0", "free", 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_recover");
	TCase *tc = support_case(s, "standby", begin_pool);

	tcase_add_loop_test(tc, call_of_a_standby_holder_goes_on, 1, 4);
	tcase_add_loop_test(tc, time_of_a_lease_goes_on, 0, 2);
	tcase_add_loop_test(tc, holder_who_is_asked_to_yield_is_asked_again, 1, 4);
	tcase_add_loop_test(tc, queue_of_a_pool_forms_again, 1, 4);
	tc = support_case(s, "foreign", begin_open);
	tcase_add_loop_test(tc, foreign_holder_is_still_known_and_waited_for, 1, 8);
	tcase_add_loop_test(tc, foreign_holder_who_goes_meanwhile_is_noticed, 1, 8);
	tcase_add_loop_test(tc, eviction_that_is_cut_off_leaves_a_usable_port, 1, 8);
	tcase_add_test(tc, foreign_holder_outlives_a_stop_and_start_of_comleased);
	tcase_add_loop_test(tc, port_in_maintenance_is_left_alone, 1, 8);
	return support_run(s);
}
