/*
 * test_e2e_class.c - the order of a queue with a real comleased: classes, priorities, their
 * ceiling, ageing, and what `status` says of it. The record is who gets the port.
 */
#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAITERS_MAX 12
#define ORDER       "order = mail dialup fax\n"
#define NOBODY      65534

static int holder;
static struct support_client waiters[WAITERS_MAX];
static int count;

static void
begin(const char *config)
{
	support_begin();
	support_plug("modem0");
	support_start(config);
	holder = support_acquire("modem0", NULL);
	count = 0;
}

static void
begin_ordered(void)
{
	begin(SUPPORT_PORT("modem0") ORDER "class-of = cat:fax\nage-step = 0\n");
}

static void
begin_ageing(void)
{
	begin(SUPPORT_PORT("modem0") ORDER "age-step = 1\n");
}

/* One more waiter; its number is that of the call. */
static void
queue(const char *class, int priority)
{
	json_t *more = json_pack("{s:i}", "priority", priority);

	ck_assert_int_lt(count, WAITERS_MAX);
	if (class != NULL)
		json_object_set_new(more, "class", json_string(class));
	support_queue(&waiters[count++], "modem0", more);
}

static void
expect_next(int which)
{
	close(holder);
	holder = support_granted(&waiters[which], NULL);
	support_close(&waiters[which]);
}

static void
expect_order(const int *order, int n)
{
	int i;

	for (i = 0; i < n; i++)
		expect_next(order[i]);
	close(holder);
}

START_TEST(class_order_goes_before_priority_and_priority_before_arrival)
{
	queue("fax", 100);
	queue(NULL, 100); /* no class: after those that the order names */
	queue("dialup", 0);
	queue("mail", -100);
	queue("dialup", 1);
	queue("mail", 0);
	queue("mail", 0);
	expect_order((const int[]){ 5, 6, 3, 4, 2, 0, 1 }, 7);
}
END_TEST

START_TEST(status_shows_each_place_and_why)
{
	json_t *port, *list;

	queue("fax", 0);
	queue("mail", 7);
	port = support_list("modem0");
	list = json_object_get(port, "waiters");
	ck_assert_str_eq(support_string(json_array_get(list, 0), "class", NULL), "mail");
	ck_assert_int_eq(support_int(json_array_get(list, 0), "place", NULL), 1);
	ck_assert_int_eq(support_int(json_array_get(list, 0), "priority", NULL), 7);
	ck_assert_ptr_nonnull(strstr(support_string(json_array_get(list, 0), "why", NULL), "mail"));
	ck_assert_str_eq(support_string(json_array_get(list, 1), "class", NULL), "fax");
	ck_assert_ptr_nonnull(strstr(support_string(json_array_get(list, 1), "why", NULL), "fax"));
	json_decref(port);
	expect_order((const int[]){ 1, 0 }, 2);
}
END_TEST

/* A child that uses the library under the command's name cat would have to be cat: it is the name
 * of the process that counts, which a process may set. */
static void
acquire_as_cat(struct support_child *test, void *arg)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct comlease *c = comlease_connect(support_socket);
	FILE *name = fopen("/proc/self/comm", "we");
	int fd;

	(void)arg;
	ck_assert_int_gt(fprintf(name, "cat"), 0);
	fclose(name);
	wish.port = "modem0";
	fd = comlease_acquire(c, &wish, NULL);
	ck_assert_int_ge(fd, 0);
	support_say(test, 'g');
	support_hear(test);
	close(fd);
	comlease_disconnect(c);
}

START_TEST(class_comes_from_the_command_where_the_request_names_none)
{
	struct support_child cat;
	json_t *port;

	support_fork(&cat, acquire_as_cat, NULL, -1);
	support_wait_port("modem0", "held", 1);
	queue(NULL, 0);
	queue("mail", 0);
	expect_next(1);
	close(holder);
	support_hear(&cat); /* fax goes before no class */
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "lease", "class", NULL), "fax");
	json_decref(port);
	support_say(&cat, 'e');
	support_reap(&cat);
	holder = support_granted(&waiters[0], NULL);
	support_close(&waiters[0]);
	close(holder);
}
END_TEST

START_TEST(bad_class_is_refused_by_name)
{
	struct support_client c;

	support_connect_stranger(&c);
	support_call(&c, "Acquire", json_pack("{s:s, s:s}", "port", "modem0", "class", "a b"),
		     false);
	ck_assert_str_eq(support_string(support_error(&c, "org.varlink.service.InvalidParameter"),
					"parameter", NULL),
			 "class");
	support_close(&c);
	close(holder);
}
END_TEST

/* The order is looked at only when the port changes hands, so time has to pass: 1 s a rank. */
START_TEST(fax_rises_above_mail_that_came_later)
{
	int64_t until;

	queue("fax", 0); /* rank 2: level 0 after 2 s, -1 after 3 */
	queue("mail", 0);
	expect_next(1);
	until = support_now_ms() + 3300;
	support_poll(-1, 0, until);
	queue("mail", 100);
	queue("mail", 0);
	expect_next(0);
	expect_next(2);
	expect_next(3);
	close(holder);
}
END_TEST

/* A mail that is queued; the sole reply will be the lease. */
static void
queue_mail(struct support_client *c)
{
	char pattern[64];

	support_connect_stranger(c);
	support_call(
	    c, "Acquire",
	    json_pack("{s:s, s:s, s:i}", "port", "modem0", "class", "mail", "priority", 100),
	    false);
	snprintf(pattern, sizeof(pattern), "request port=modem0 pid=%d ", (int)c->stranger.pid);
	support_log_wait(pattern);
}

static void
take_lease(struct support_client *c)
{
	support_reply(c);
	close(support_take(c));
	support_close(c);
}

/* With an endless supply of mail, always one waiting, a fax is granted within its bound. */
START_TEST(endless_mail_does_not_starve_a_fax)
{
	int64_t start = support_now_ms();
	struct support_client fax, mails[2];
	int i = 0;

	support_connect_stranger(&fax);
	support_call(&fax, "Acquire", json_pack("{s:s, s:s}", "port", "modem0", "class", "fax"),
		     false);
	support_wait_port("modem0", "held", 1);
	queue_mail(&mails[0]);
	close(holder);
	for (;;) {
		ck_assert_int_lt(support_now_ms() - start, 8000);
		queue_mail(&mails[(i + 1) % 2]);
		if (!support_poll(mails[i % 2].socket, POLLIN, support_now_ms() + 300))
			break;               /* it is the fax's turn */
		take_lease(&mails[i++ % 2]); /* the other one waits */
	}
	ck_assert_int_ge(support_now_ms() - start, 2000); /* rank 2, a rank a second */
	ck_assert_int_gt(i, 3);
	take_lease(&fax);
	take_lease(&mails[i % 2]);
	take_lease(&mails[(i + 1) % 2]);
}
END_TEST

static void
begin_ceiling(void)
{
	support_begin();
	ck_assert_int_eq(chmod(support_scratch, 0755), 0);
	support_plug("modem0");
	support_start(
	    "[broker]\nmode = 0666\n" SUPPORT_PORT("modem0") "[access]\npriority = *:5 65534:10\n");
	holder = support_acquire("modem0", NULL);
	count = 0;
}

static void
queue_as(uid_t uid, int priority)
{
	struct support_client *c = &waiters[count++];

	support_connect_as(c, uid);
	support_call(c, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "priority", priority),
		     true);
	support_reply(c);
}

START_TEST(priority_is_lowered_to_the_users_ceiling)
{
	json_t *port;

	queue_as(65533, 100);  /* 5 */
	queue_as(NOBODY, 100); /* 10 */
	queue_as(0, 50);
	port = support_list("modem0");
	ck_assert_int_eq(
	    support_int(json_array_get(json_object_get(port, "waiters"), 2), "priority", NULL), 5);
	json_decref(port);
	expect_order((const int[]){ 2, 1, 0 }, 3);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_class");
	TCase *ordered = tcase_create("order"), *ageing = tcase_create("ageing"),
	      *ceiling = tcase_create("ceiling");

	tcase_set_timeout(ordered, 60);
	tcase_add_checked_fixture(ordered, begin_ordered, support_end);
	tcase_add_test(ordered, class_order_goes_before_priority_and_priority_before_arrival);
	tcase_add_test(ordered, status_shows_each_place_and_why);
	tcase_add_test(ordered, class_comes_from_the_command_where_the_request_names_none);
	tcase_add_test(ordered, bad_class_is_refused_by_name);
	tcase_set_timeout(ageing, 60);
	tcase_add_checked_fixture(ageing, begin_ageing, support_end);
	tcase_add_test(ageing, fax_rises_above_mail_that_came_later);
	tcase_add_test(ageing, endless_mail_does_not_starve_a_fax);
	tcase_set_timeout(ceiling, 60);
	tcase_add_checked_fixture(ceiling, begin_ceiling, support_end);
	support_add(ceiling, priority_is_lowered_to_the_users_ceiling, geteuid() == 0,
		    "other users' processes need root");
	suite_add_tcase(s, ordered);
	suite_add_tcase(s, ageing);
	suite_add_tcase(s, ceiling);
	return support_run(s);
}
