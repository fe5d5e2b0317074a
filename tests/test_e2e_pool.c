/*
 * test_e2e_pool.c - requests for any of several ports, with a real comleased: which port they get,
 * in what order they stand with requests that name one port, how many standby holders are asked,
 * and holders that would wait for one another.
 */
#include "support.h"

#include <poll.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TWO SUPPORT_PORT("modem0") SUPPORT_PORT("modem1") "[pool modem]\nports = modem0 modem1\n"

static int masters[3];

static void
begin(void)
{
	support_begin();
	masters[0] = support_plug("modem0");
	masters[1] = support_plug("modem1");
	support_start(TWO);
}

static json_t *
pool(void)
{
	return json_pack("{s:s}", "port", "modem");
}

/* Acquires from the pool; which port it was. */
static int
acquire(int *fd, json_t *parameters)
{
	struct support_client c;
	json_t *reply;
	int which;

	support_connect_stranger(&c);
	reply = support_ask(&c, "Acquire", parameters);
	which = support_string(reply, "lease", "port", NULL)[5] - '0';
	*fd = support_take(&c);
	support_close(&c);
	return which;
}

/* The port that a queued request got. */
static int
granted(struct support_client *c, int *fd)
{
	*fd = support_granted(c, NULL);
	return support_string(c->reply.parameters, "lease", "port", NULL)[5] - '0';
}

START_TEST(pool_gives_its_free_ports_and_then_queues)
{
	struct support_client waiter;
	int fds[3], first, second;

	first = acquire(&fds[0], pool());
	second = acquire(&fds[1], pool());
	ck_assert_int_eq(first + second, 1);
	support_expect_line(fds[0], masters[first]);
	support_expect_line(fds[1], masters[second]);
	support_queue(&waiter, "modem", NULL);
	support_expect_silence(&waiter, 100);
	close(fds[1]);
	ck_assert_int_eq(granted(&waiter, &fds[2]), second);
	close(fds[0]);
	close(fds[2]);
	support_close(&waiter);
}
END_TEST

START_TEST(least_recently_used_port_comes_first)
{
	int fd, i, first = acquire(&fd, pool());

	close(fd);
	support_wait_port("modem0", "free", 0);
	support_wait_port("modem1", "free", 0);
	for (i = 1; i < 6; i++) {
		ck_assert_int_eq(acquire(&fd, pool()), (first + i) % 2);
		close(fd);
		support_wait_port("modem0", "free", 0);
		support_wait_port("modem1", "free", 0);
	}
}
END_TEST

START_TEST(arrival_counts_between_pool_and_single_requests)
{
	struct support_client any, one, late;
	int fds[2], fd;

	acquire(&fds[0], json_pack("{s:s}", "port", "modem0"));
	acquire(&fds[1], json_pack("{s:s}", "port", "modem1"));
	support_queue(&one, "modem0", NULL);
	support_queue(&any, "modem", NULL);
	support_queue(&late, "modem1", NULL);
	close(fds[1]); /* any came before late */
	ck_assert_int_eq(granted(&any, &fds[1]), 1);
	close(fds[0]); /* one is alone there */
	ck_assert_int_eq(granted(&one, &fd), 0);
	close(fd);
	close(fds[1]);
	ck_assert_int_eq(granted(&late, &fd), 1);
	close(fd);
	support_close(&any);
	support_close(&one);
	support_close(&late);
}
END_TEST

START_TEST(absent_port_is_never_given)
{
	int fds[2], i;
	struct support_client waiter;

	support_unplug("modem0");
	support_wait_port("modem0", "absent", 0);
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(acquire(&fds[0], pool()), 1);
		close(fds[0]);
		support_wait_port("modem1", "free", 0);
	}
	acquire(&fds[0], pool());
	support_queue(&waiter, "modem", NULL);
	masters[0] = support_plug("modem0"); /* it comes back, and serves the pool */
	ck_assert_int_eq(granted(&waiter, &fds[1]), 0);
	close(fds[0]);
	close(fds[1]);
	support_close(&waiter);
}
END_TEST

START_TEST(one_waiter_asks_one_standby_holder_the_longest_held_idle_one)
{
	struct support_client watches[2], waiter;
	uint64_t tokens[2];
	int fds[2], fd;

	fds[1] = support_acquire_with(json_pack("{s:s, s:b}", "port", "modem1", "standby", 1),
				      &tokens[1]);
	support_poll(-1, 0, support_now_ms() + 20);
	fds[0] = support_acquire_with(json_pack("{s:s, s:b}", "port", "modem0", "standby", 1),
				      &tokens[0]);
	support_watch(&watches[0], tokens[0], "watching");
	support_watch(&watches[1], tokens[1], "watching");
	support_queue(&waiter, "modem", NULL);
	support_event(&watches[1], "yieldWanted");
	support_expect_silence(&watches[0], 200);
	close(fds[1]);
	ck_assert_int_eq(granted(&waiter, &fd), 1);
	support_expect_silence(&watches[0], 100);
	close(fd);
	close(fds[0]);
	support_close(&waiter);
	support_close(&watches[0]);
	support_close(&watches[1]);
}
END_TEST

START_TEST(busy_standby_holder_is_passed_over)
{
	struct support_client watches[2], waiter, busy;
	uint64_t tokens[2];
	int fds[2], fd, i;

	for (i = 0; i < 2; i++) {
		fds[i] = support_acquire_with(
		    json_pack("{s:s, s:b}", "port", i == 0 ? "modem0" : "modem1", "standby", 1),
		    &tokens[i]);
		support_watch(&watches[i], tokens[i], "watching");
	}
	support_connect(&busy);
	support_ask(&busy, "SetBusy",
		    json_pack("{s:I, s:b}", "token", (json_int_t)tokens[0], "busy", 1));
	support_close(&busy);
	support_queue(&waiter, "modem", NULL);
	support_event(&watches[1], "yieldWanted");
	close(fds[1]);
	ck_assert_int_eq(granted(&waiter, &fd), 1);
	support_expect_silence(&watches[0], 50);
	close(fd);
	close(fds[0]);
	support_close(&waiter);
	support_close(&watches[0]);
	support_close(&watches[1]);
}
END_TEST

START_TEST(list_of_a_pools_name_gives_its_ports)
{
	struct support_client c;
	json_t *reply, *pools;

	support_connect(&c);
	reply = support_ask(&c, "List", json_pack("{s:[s]}", "ports", "modem"));
	ck_assert_uint_eq(json_array_size(json_object_get(reply, "ports")), 2);
	pools = json_object_get(reply, "pools");
	ck_assert_uint_eq(json_array_size(pools), 1);
	ck_assert_str_eq(support_string(json_array_get(pools, 0), "name", NULL), "modem");
	ck_assert_uint_eq(json_array_size(json_object_get(json_array_get(pools, 0), "ports")), 2);
	support_close(&c);
}
END_TEST

/* ---- deadlock ---- */

/* A child that holds one port and waits for the other: says "h", and on a byte asks for the second
 * one and says the first letter of what came of it. */
static void
hold_and_want(struct support_child *test, void *arg)
{
	const char *const *ports = arg;
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct comlease *c = comlease_connect(support_socket);
	int fd, second;

	wish.port = ports[0];
	fd = comlease_acquire(c, &wish, NULL);
	ck_assert_int_ge(fd, 0);
	support_say(test, 'h');
	support_hear(test);
	wish.port = ports[1];
	second = comlease_acquire(c, &wish, NULL);
	support_say(test, second >= 0 ? 'g' : errno == EDEADLK ? 'd' : 'e');
	if (second >= 0)
		close(second);
	close(fd);
	comlease_disconnect(c);
}

START_TEST(second_of_two_holders_that_wait_for_each_other_is_told)
{
	static const char *const wants[2][2] = { { "modem0", "modem1" }, { "modem1", "modem0" } };
	struct support_child a, b;

	support_fork(&a, hold_and_want, (void *)wants[0], -1);
	ck_assert_int_eq(support_hear(&a), 'h');
	support_fork(&b, hold_and_want, (void *)wants[1], -1);
	ck_assert_int_eq(support_hear(&b), 'h');
	support_say(&a, 'x');
	support_wait_port("modem1", "held", 1);
	support_say(&b, 'x');
	ck_assert_int_eq(support_hear(&b), 'd'); /* and lets go of modem1 */
	ck_assert_int_eq(support_hear(&a), 'g');
	support_finish(&a);
	support_finish(&b);
}
END_TEST

START_TEST(waiting_for_a_port_whose_holder_waits_for_a_third_is_no_deadlock)
{
	static const char *const wants[] = { "modem0", "modem1" };
	struct support_child a;
	struct support_client waiter;
	int fd = support_acquire("modem1", NULL);

	support_fork(&a, hold_and_want, (void *)wants, -1);
	ck_assert_int_eq(support_hear(&a), 'h');
	support_say(&a, 'x');
	support_wait_port("modem1", "held", 1);
	support_queue(&waiter, "modem0", NULL);
	close(fd);
	ck_assert_int_eq(support_hear(&a), 'g');
	support_finish(&a);
	close(support_granted(&waiter, NULL));
	support_close(&waiter);
}
END_TEST

/* ---- match ---- */

static void
begin_match(void)
{
	support_begin();
	masters[0] = support_plug("modem0");
	masters[1] = support_plug("modem1");
	masters[2] = support_plug("console0");
	support_start(SUPPORT_PORT("modem0") "tag = lab\n" SUPPORT_PORT("modem1")
			  SUPPORT_PORT("console0") "tag = lab\n"
						   "[pool lab]\nmatch = tag:lab\n"
						   "[pool modem]\nmatch = path:%s/modem[0-9]\n");
}

/* By the node it had last, it stays in the pool while it is away: who waits there waits on. */
START_TEST(pool_matches_the_node_to_which_a_port_leads)
{
	struct support_client waiter;
	char options[256], node[64];
	uint64_t token;
	int modem = support_plug("modem0");

	support_plug("modem1");
	ck_assert_int_eq(ptsname_r(modem, node, sizeof(node)), 0);
	snprintf(options, sizeof(options), "%s%s[pool node]\nmatch = path:%.40s\n",
		 SUPPORT_PORT("modem0"), SUPPORT_PORT("modem1"), node);
	support_start(options);
	support_wait_port("modem0", "free", 0);
	close(support_acquire("node", &token));
	support_log_wait("grant port=modem0 ");
	ck_assert_int_eq(rename(support_path("modem0"), support_path("aside")), 0);
	support_wait_port("modem0", "absent", 0);
	support_queue(&waiter, "node", NULL);
	support_wait_port("modem0", "absent", 1);
	ck_assert_int_eq(rename(support_path("aside"), support_path("modem0")), 0);
	close(support_granted(&waiter, NULL));
	support_close(&waiter);
}
END_TEST

START_TEST(pools_match_by_tag_and_by_path)
{
	struct support_client c;
	json_t *reply, *pools;

	support_connect(&c);
	reply = support_ask(&c, "List", NULL);
	pools = json_object_get(reply, "pools");
	ck_assert_uint_eq(json_array_size(pools), 2);
	ck_assert_str_eq(json_string_value(
			     json_array_get(json_object_get(json_array_get(pools, 0), "ports"), 1)),
			 "console0");
	ck_assert_str_eq(json_string_value(
			     json_array_get(json_object_get(json_array_get(pools, 1), "ports"), 1)),
			 "modem1");
	support_close(&c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_pool");
	TCase *tc = tcase_create("pool"), *match = tcase_create("match");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, support_end);
	tcase_add_test(tc, pool_gives_its_free_ports_and_then_queues);
	tcase_add_test(tc, least_recently_used_port_comes_first);
	tcase_add_test(tc, arrival_counts_between_pool_and_single_requests);
	tcase_add_test(tc, absent_port_is_never_given);
	tcase_add_test(tc, one_waiter_asks_one_standby_holder_the_longest_held_idle_one);
	tcase_add_test(tc, busy_standby_holder_is_passed_over);
	tcase_add_test(tc, list_of_a_pools_name_gives_its_ports);
	tcase_add_test(tc, second_of_two_holders_that_wait_for_each_other_is_told);
	tcase_add_test(tc, waiting_for_a_port_whose_holder_waits_for_a_third_is_no_deadlock);
	tcase_set_timeout(match, 60);
	tcase_add_checked_fixture(match, begin_match, support_end);
	tcase_add_test(match, pools_match_by_tag_and_by_path);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, match);
	tcase_add_test(support_case(s, "node", support_begin),
		       pool_matches_the_node_to_which_a_port_leads);
	return support_run(s);
}
