/*
 * test_e2e_lease.c - how long a lease lives, and who shares it, with a real comleased: it follows
 * the open descriptions through fork, exec and passing on, and nobody queues behind himself.
 */
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define KEY    "00112233445566778899aabbccddeeff"
#define KEY_2  "ffeeddccbbaa99887766554433221100"

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start("[broker]\nmode = 0666\n" SUPPORT_PORT("modem0"));
}

/* A child with the lease; its token. */
static uint64_t
hold(struct support_child *child, const char *key)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	int64_t token;

	wish.port = "modem0";
	wish.key = key;
	support_hold(child, &wish);
	token = support_held(child);
	ck_assert_int_gt(token, 0);
	return (uint64_t)token;
}

/* Somebody else has the lease for as long as end() has not run, and gets the next one then. */
static void
expect_alive(struct support_client *waiter)
{
	support_queue(waiter, "modem0", NULL);
	support_expect_silence(waiter, 200);
}

static void
expect_next(struct support_client *waiter)
{
	int fd = support_granted(waiter, NULL);

	support_expect_line(fd, master);
	close(fd);
	support_close(waiter);
}

/* ---- alive ---- */

START_TEST(lease_lives_while_a_grandchild_keeps_the_descriptor)
{
	struct support_client waiter;
	struct support_child holder;
	const char *line;
	pid_t orphan;

	hold(&holder, NULL);
	support_say(&holder, 'f');
	line = support_hear_line(&holder);
	orphan = (pid_t)support_number(line, "forked ");
	ck_assert_int_gt(orphan, 0);
	support_say(&holder, 'p');
	ck_assert(support_poll(holder.pidfd, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
	expect_alive(&waiter);
	support_finish(&holder);
	support_reap_orphan(orphan);
	expect_next(&waiter);
}
END_TEST

START_TEST(lease_lives_through_exec)
{
	struct support_client waiter;
	struct support_child holder;

	hold(&holder, NULL);
	support_say(&holder, 'e');
	support_expect_line_of(&holder, "executing");
	expect_alive(&waiter);
	support_finish(&holder);
	expect_next(&waiter);
}
END_TEST

START_TEST(lease_lives_while_its_descriptor_is_in_flight)
{
	struct support_client waiter, holder;

	support_connect_stranger(&holder);
	support_call(&holder, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	ck_assert(support_poll(holder.socket, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
	expect_alive(&waiter);
	support_reply(&holder);
	support_expect_line(holder.fd, master);
	support_close(&holder);
	expect_next(&waiter);
}
END_TEST

START_TEST(connection_may_be_closed_and_the_lease_lives)
{
	struct support_client waiter;
	int fd = support_acquire("modem0", NULL);

	expect_alive(&waiter);
	support_expect_line(fd, master);
	close(fd);
	expect_next(&waiter);
}
END_TEST

/* ---- shared ---- */

START_TEST(second_open_of_the_holder_joins_his_lease)
{
	struct support_client waiter;
	struct support_child holder;
	uint64_t token = hold(&holder, NULL);

	support_say(&holder, 'a');
	ck_assert_int_eq(support_held(&holder), (int64_t)token);
	support_log_wait("join port=modem0");
	support_say(&holder, 'c');
	support_expect_line_of(&holder, "closed");
	expect_alive(&waiter); /* the second one is still open */
	support_finish(&holder);
	expect_next(&waiter);
	support_log_expect("grant port=modem0", 2);
}
END_TEST

/* Acquires, then as a descendant, whose uid is *arg; tells what came of it. */
static void
hold_with_descendant(struct support_child *test, void *arg)
{
	int fd = support_acquire_here("modem0", NULL), status;
	uid_t uid = *(uid_t *)arg;
	struct support_client c;
	pid_t pid = fork();

	if (pid == 0) {
		close(fd);
		if (uid != getuid())
			ck_assert_int_eq(setresuid(uid, uid, uid), 0);
		support_connect(&c);
		support_call(&c, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 2000),
			     false);
		ck_assert(support_next(&c));
		support_say(test,
			    c.reply.error == NULL ? 'j' : c.reply.error[sizeof("io.comlease")]);
		support_close(&c);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(fd);
}

START_TEST(descendant_of_the_holder_joins_his_lease)
{
	struct support_child holder;
	uid_t uid = getuid();

	support_fork(&holder, hold_with_descendant, &uid, -1);
	ck_assert_int_eq(support_hear(&holder), 'j');
	support_finish(&holder);
	support_log_wait("join port=modem0");
}
END_TEST

START_TEST(descendant_under_another_uid_would_wait_for_itself)
{
	struct support_child holder;
	uid_t uid = NOBODY;

	support_fork(&holder, hold_with_descendant, &uid, -1);
	ck_assert_int_eq(support_hear(&holder), 'D'); /* Deadlock */
	support_finish(&holder);
	support_log_expect("join port=modem0", 0);
}
END_TEST

START_TEST(process_that_was_passed_the_descriptor_joins)
{
	uint64_t token, second;
	int fd = support_acquire("modem0", &token), more;

	more = support_acquire_here("modem0", &second);
	ck_assert_uint_eq(second, token);
	support_expect_line(more, master);
	close(fd);
	support_expect_line(more, master);
	close(more);
}
END_TEST

START_TEST(process_that_had_the_descriptor_and_closed_it_queues)
{
	struct support_child holder;
	struct support_client c;

	hold(&holder, NULL);
	support_connect(&c); /* the holder's parent, not his descendant */
	support_call(&c, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 100), false);
	support_error(&c, "TimedOut");
	support_close(&c);
	support_finish(&holder);
}
END_TEST

START_TEST(seventeenth_description_is_refused)
{
	struct support_client c;
	int fds[16], i;
	uint64_t token, each;

	fds[0] = support_acquire("modem0", &token);
	for (i = 1; i < 16; i++) {
		fds[i] = support_acquire_here("modem0", &each);
		ck_assert_uint_eq(each, token);
	}
	support_connect(&c);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	support_error(&c, "Deadlock");
	close(fds[7]);
	support_wait_descriptions("modem0", 15);
	support_ask(&c, "Acquire", json_pack("{s:s}", "port", "modem0"));
	fds[7] = support_take(&c);
	support_close(&c);
	for (i = 0; i < 16; i++)
		close(fds[i]);
}
END_TEST

/* How many of them have been answered; waits until that many have. */
static int
answered(const struct support_client *clients, int count, int wanted)
{
	int64_t until_ms = support_now_ms() + SUPPORT_SOON_MS;
	struct pollfd fds[32];
	int n = 0;

	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = clients[i].socket, .events = POLLIN };
	while (n < wanted && support_now_ms() < until_ms) {
		poll(NULL, 0, 2);
		n = poll(fds, (nfds_t)count, 0);
	}
	return n;
}

START_TEST(of_many_that_join_at_the_same_time_no_more_than_sixteen_do)
{
	struct support_client c[24];
	int fds[24], first = support_acquire_here("modem0", NULL), joined = 0, i;
	pid_t keeper = support_keeper("modem0");

	ck_assert_int_eq(kill(keeper, SIGSTOP), 0); /* nobody is answered before all have asked */
	for (i = 0; i < 24; i++) {
		support_connect(&c[i]);
		support_call(&c[i], "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	}
	ck_assert_int_eq(answered(c, 24, 9), 9);
	ck_assert_int_eq(kill(keeper, SIGCONT), 0);
	ck_assert_int_eq(answered(c, 24, 24), 24);
	for (i = 0; i < 24; i++) {
		ck_assert(support_next(&c[i]));
		if (c[i].fd >= 0)
			fds[joined++] = support_take(&c[i]);
		else
			ck_assert_str_eq(c[i].reply.error, "io.comlease.Deadlock");
		support_close(&c[i]);
	}
	ck_assert_int_eq(joined, 15);
	while (joined > 0)
		close(fds[--joined]);
	close(first);
}
END_TEST

START_TEST(stranger_of_the_same_uid_queues)
{
	struct support_client waiter;
	struct support_child holder;

	hold(&holder, KEY);
	expect_alive(&waiter);
	support_finish(&holder);
	expect_next(&waiter);
	support_log_expect("join port=modem0", 0);
}
END_TEST

START_TEST(key_joins_and_another_one_does_not)
{
	struct support_client c, waiter;
	struct support_child holder;
	uint64_t token = hold(&holder, KEY);
	json_t *reply;

	support_connect_stranger(&c);
	reply = support_ask(&c, "Acquire", json_pack("{s:s, s:s}", "port", "modem0", "key", KEY));
	ck_assert_uint_eq((uint64_t)support_int(reply, "lease", "token", NULL), token);
	support_finish(&holder);
	support_queue(&waiter, "modem0", json_pack("{s:s}", "key", KEY_2));
	support_expect_silence(&waiter, 200);
	support_expect_line(c.fd, master);
	support_close(&c);
	expect_next(&waiter);
}
END_TEST

int
main(void)
{
	static const char needs_root[] = "another user's process needs root";
	Suite *s = suite_create("e2e_lease");
	TCase *tc = tcase_create("lease");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, support_end);
	tcase_add_test(tc, lease_lives_while_a_grandchild_keeps_the_descriptor);
	tcase_add_test(tc, lease_lives_through_exec);
	tcase_add_test(tc, lease_lives_while_its_descriptor_is_in_flight);
	tcase_add_test(tc, connection_may_be_closed_and_the_lease_lives);
	tcase_add_test(tc, second_open_of_the_holder_joins_his_lease);
	tcase_add_test(tc, descendant_of_the_holder_joins_his_lease);
	support_add(tc, descendant_under_another_uid_would_wait_for_itself, geteuid() == 0,
		    needs_root);
	tcase_add_test(tc, process_that_was_passed_the_descriptor_joins);
	tcase_add_test(tc, process_that_had_the_descriptor_and_closed_it_queues);
	tcase_add_test(tc, seventeenth_description_is_refused);
	tcase_add_test(tc, of_many_that_join_at_the_same_time_no_more_than_sixteen_do);
	tcase_add_test(tc, stranger_of_the_same_uid_queues);
	tcase_add_test(tc, key_joins_and_another_one_does_not);
	suite_add_tcase(s, tc);
	return support_run(s);
}
