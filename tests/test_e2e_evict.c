/*
 * test_e2e_evict.c - an open beside a lease is an intruder, and evict takes a port from who has it
 * outside, with a real comleased.
 */
#include "support.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 20

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_OPEN_PORT);
}

/* ---- intruders ---- */

START_TEST(open_beside_a_lease_is_an_intruder_and_dies_with_it)
{
	struct support_client waiter;
	struct support_child outsider;
	char pattern[64];
	int fd = support_acquire("modem0", NULL), next;
	json_t *port;

	support_outsider(&outsider, SUPPORT_OPEN);
	snprintf(pattern, sizeof(pattern), "intruder port=modem0 .*pid=%d", (int)outsider.pid);
	support_log_wait(pattern);
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "state", NULL), "held");
	ck_assert_int_eq(support_int(port, "intruder", "process", "pid", NULL), outsider.pid);
	json_decref(port);
	support_expect_line(fd, master);
	support_queue(&waiter, "modem0", NULL);
	close(fd);
	next = support_granted(&waiter, NULL);
	support_say(&outsider, 'd');
	ck_assert_int_eq(support_hear(&outsider), 'y');
	support_expect_line(next, master);
	close(next);
	support_finish(&outsider);
	support_close(&waiter);
}
END_TEST

/* What the library opens, what the holder opens again, what a child inherits: all ours. */
START_TEST(own_opens_are_nobodys_intrusion)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child holder;
	int64_t token;

	wish.port = "modem0";
	support_hold(&holder, &wish);
	token = support_held(&holder);
	support_say(&holder, 'a');
	ck_assert_int_eq(support_held(&holder), token);
	support_say(&holder, 'c');
	support_expect_line_of(&holder, "closed");
	support_finish(&holder);
	support_log_wait("end port=modem0");
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(support_log_count("intruder|foreign port="), 0);
}
END_TEST

/* ---- evict ---- */

static void
evict(bool terminate, pid_t pid)
{
	struct support_client c;
	json_t *reply;

	support_connect(&c);
	reply = support_ask(&c, "Evict",
			    json_pack("{s:s, s:b}", "port", "modem0", "terminate", (int)terminate));
	ck_assert_int_eq(support_int(reply, "foreign", "process", "pid", NULL), pid);
	support_close(&c);
}

START_TEST(evicted_holder_has_a_dead_descriptor_and_the_next_one_the_port)
{
	struct support_client waiter;
	struct support_child outsider;
	int fd;

	support_outsider(&outsider, SUPPORT_EXCLUSIVE);
	json_decref(support_foreign(outsider.pid));
	support_queue(&waiter, "modem0", NULL);
	evict(false, outsider.pid);
	support_say(&outsider, 'd');
	ck_assert_int_eq(support_hear(&outsider), 'y');
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, master);
	close(fd);
	support_close(&waiter);
	support_wait_port("modem0", "free", 0);
	support_finish(&outsider);
}
END_TEST

/* As minicom does. */
static void
open_again_when_hung_up(struct support_child *test, void *unused)
{
	struct pollfd fds[] = { { .fd = support_open_device() }, { .fd = test->hear } };

	(void)unused;
	support_say(test, 'o');
	for (;;) {
		fds[1].events = POLLIN;
		if (poll(fds, 2, -1) < 0 || fds[1].revents != 0)
			return;
		if (fds[0].revents != 0) {
			close(fds[0].fd);
			fds[0].fd = support_open_device();
		}
	}
}

/* However quick he is: his open may look like one of the keeper's own. */
START_TEST(evicted_holder_who_opens_again_at_once_is_found_again)
{
	struct support_client c;
	struct support_child outsider;
	int i;

	support_fork(&outsider, open_again_when_hung_up, NULL, -1);
	support_hear(&outsider);
	for (i = 0; i < ROUNDS; i++) {
		json_decref(support_foreign(outsider.pid));
		support_connect(&c);
		support_call(&c, "Evict", json_pack("{s:s}", "port", "modem0"), false);
		ck_assert(support_next(&c)); /* done, or he is back already */
		support_close(&c);
	}
	json_decref(support_foreign(outsider.pid));
	support_finish(&outsider);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(evict_can_ask_the_process_to_end)
{
	struct support_child outsider;
	int status;

	support_outsider(&outsider, SUPPORT_OPEN);
	json_decref(support_foreign(outsider.pid));
	evict(true, outsider.pid);
	status = support_reap(&outsider);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	close(support_acquire("modem0", NULL));
}
END_TEST

START_TEST(evict_without_a_foreign_holder_is_refused)
{
	struct support_client c;
	int fd = support_acquire("modem0", NULL);

	support_connect(&c);
	support_call(&c, "Evict", json_pack("{s:s}", "port", "modem0"), false);
	support_error(&c, "NotForeign");
	support_close(&c);
	close(fd);
}
END_TEST

int
main(void)
{
	static const char needs_cap[] = "taking a port back needs CAP_SYS_ADMIN";
	bool able = support_can_revoke();
	Suite *s = suite_create("e2e_evict");
	TCase *tc = tcase_create("evict");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, support_end);
	support_add(tc, open_beside_a_lease_is_an_intruder_and_dies_with_it, able, needs_cap);
	tcase_add_test(tc, own_opens_are_nobodys_intrusion);
	support_add(tc, evicted_holder_has_a_dead_descriptor_and_the_next_one_the_port, able,
		    needs_cap);
	support_add(tc, evicted_holder_who_opens_again_at_once_is_found_again, able, needs_cap);
	tcase_add_test(tc, evict_can_ask_the_process_to_end);
	tcase_add_test(tc, evict_without_a_foreign_holder_is_refused);
	suite_add_tcase(s, tc);
	return support_run(s);
}
