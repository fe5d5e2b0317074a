/*
 * test_e2e_reload.c - SIGHUP with a configuration that changes who is next, how long a lease may
 * last, who may ask and which ports a pool has, while clients hold and wait.
 */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOBODY 65534

static int masters[2];
static const char *lock_dir; /* in the scratch folder */

static void
begin(const char *config)
{
	support_begin();
	lock_dir = "lock";
	masters[0] = support_plug("modem0");
	masters[1] = support_plug("modem1");
	support_start(config);
}

static void
begin_two(void)
{
	begin("[broker]\nmode = 0666\n" SUPPORT_PORT(
	    "modem0") "order = mail fax\nage-step = 0\n" SUPPORT_PORT("modem1"));
}

/* The two ports with these lines, and these sections. */
static void
reload(const char *lines, const char *sections)
{
	const char *revocation = support_can_revoke() ? "" : "revocation = none\n";
	FILE *f = fopen(support_path("conf"), "we");
	int i;

	ck_assert_ptr_nonnull(f);
	fprintf(f, "[broker]\nmode = 0666\nlock-dir = %s/%s\n", support_scratch, lock_dir);
	for (i = 0; i < 2; i++)
		fprintf(f, "[port modem%d]\ndevice = %s/modem%d\nhangup-ms = 0\n%s%s", i,
			support_scratch, i, revocation, lines);
	fputs(sections, f);
	ck_assert_int_eq(fclose(f), 0);
	support_log_skip();
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	support_log_wait("reload result=");
	support_log_expect("reload result=refused", 0);
}

static void
end(void)
{
	support_stop(); /* the count at the start was another configuration's */
	support_end();
}

static json_t *class(const char *name)
{
	return json_pack("{s:s}", "class", name);
}

static void
expect_granted(struct support_client *c)
{
	int fd = support_granted(c, NULL);

	close(fd);
	support_close(c);
}

START_TEST(order_is_another_for_those_who_wait_already)
{
	struct support_client fax, mail;
	int fd = support_acquire("modem0", NULL);

	support_queue(&fax, "modem0", class("fax"));
	support_queue(&mail, "modem0", class("mail"));
	reload("order = fax mail\n", "");
	support_wait_port("modem0", "held", 2);
	support_expect_line(fd, masters[0]);
	close(fd);
	expect_granted(&fax);
	expect_granted(&mail);
}
END_TEST

/* _i: the seconds of age-step, for requests that come later; with one, who has waited for two has
 * risen to the class of higher rank, and came before it. */
START_TEST(age_step_counts_from_then_on)
{
	struct support_client fax, mail;
	int fd = support_acquire("modem0", NULL);

	reload(_i == 0 ? "order = mail fax\nage-step = 0\n" : "order = mail fax\nage-step = 1\n",
	       "");
	support_wait_port("modem0", "held", 0);
	support_queue(&fax, "modem0", class("fax"));
	ck_assert(!support_poll(fd, 0, support_now_ms() + 2200));
	support_queue(&mail, "modem0", class("mail"));
	close(fd);
	expect_granted(_i == 0 ? &mail : &fax);
	expect_granted(_i == 0 ? &fax : &mail);
}
END_TEST

/* Whether programs outside are kept off. */
static bool
is_exclusive(void)
{
	int exclusive = 1, fd = open(support_path("modem0"), O_RDWR | O_NOCTTY | O_NONBLOCK);

	if (fd >= 0) {
		ck_assert_int_eq(ioctl(fd, TIOCGEXCL, &exclusive), 0);
		close(fd);
	}
	return exclusive != 0;
}

/* Each look is an open, which comleased sees: not too often. */
static void
wait_exclusive(bool wanted)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;

	while (is_exclusive() != wanted) {
		ck_assert_int_lt(support_now_ms(), until);
		poll(NULL, 0, 100);
	}
	support_wait_port("modem0", "free", 0);
}

START_TEST(own_leased_lets_go_of_the_outward_locks)
{
	wait_exclusive(true);
	reload("own = leased\n", "");
	close(support_acquire("modem0", NULL));
	wait_exclusive(false);
	reload("own = always\n", "");
	close(support_acquire("modem0", NULL));
	wait_exclusive(true);
}
END_TEST

static bool
is_locked_in(const char *dir)
{
	char name[64];

	snprintf(name, sizeof(name), "%s/LCK..modem0", dir);
	return access(support_path(name), F_OK) == 0;
}

START_TEST(lock_files_move_to_another_folder_under_a_lease)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	int fd = support_acquire("modem0", NULL);

	ck_assert(is_locked_in("lock"));
	lock_dir = "lock2";
	ck_assert_int_eq(mkdir(support_path(lock_dir), 0777), 0);
	reload("", "");
	while (is_locked_in("lock") || !is_locked_in("lock2")) {
		ck_assert_int_lt(support_now_ms(), until);
		poll(NULL, 0, 5);
	}
	support_expect_line(fd, masters[0]);
	close(fd);
	support_wait_port("modem0", "free", 0);
	ck_assert(is_locked_in("lock2"));
}
END_TEST

START_TEST(max_hold_is_for_the_next_lease)
{
	struct support_client waiter;
	int64_t begun;
	int fd = support_acquire("modem0", NULL), next;

	reload("max-hold = 1\nyield-grace = 0\n", "");
	support_expect_line(fd, masters[0]);
	close(fd);
	begun = support_now_ms();
	fd = support_acquire("modem0", NULL);
	support_queue(&waiter, "modem0", NULL);
	next = support_granted(&waiter, NULL);
	ck_assert_int_ge(support_now_ms() - begun, 800);
	ck_assert_int_lt(support_now_ms() - begun, 5000);
	ck_assert(support_is_dead(fd));
	close(fd);
	close(next);
	support_close(&waiter);
}
END_TEST

START_TEST(pool_comes_grows_and_goes)
{
	struct support_client c, first, second;
	int fds[2], fd;

	support_connect(&c);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem"), false);
	support_error(&c, "NoSuchPort");
	support_close(&c);
	fds[0] = support_acquire("modem0", NULL);
	fds[1] = support_acquire("modem1", NULL);
	reload("", "[pool modem]\nports = modem0\n");
	support_queue(&first, "modem", NULL);
	support_queue(&second, "modem", NULL);
	reload("", "[pool modem]\nports = modem0 modem1\n");
	support_wait_port("modem0", "held", 2);
	close(fds[1]); /* which was not one of its ports when they came */
	fd = support_granted(&first, NULL);
	support_expect_line(fd, masters[1]);
	close(fd);
	support_close(&first);
	fd = support_granted(&second, NULL);
	support_close(&second);
	close(fd);
	fds[1] = support_acquire("modem1", NULL);
	support_queue(&first, "modem", NULL);
	reload("", "");
	do
		ck_assert(support_next(&first));
	while (first.reply.error == NULL);
	support_close(&first);
	support_wait_port("modem0", "held", 0);
	support_expect_line(fds[0], masters[0]);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

START_TEST(access_rule_counts_from_then_on)
{
	struct support_client c, waiter;
	int fd;

	support_connect_as(&c, NOBODY);
	support_ask(&c, "Acquire", json_pack("{s:s}", "port", "modem0"));
	fd = support_take(&c);
	support_close(&c);
	support_queue(&waiter, "modem0", NULL);
	reload("", "[access]\nask = root\n");
	support_expect_line(fd, masters[0]); /* who has it, has it */
	support_connect_as(&c, NOBODY);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	support_error(&c, "org.varlink.service.PermissionDenied");
	support_close(&c);
	close(fd);
	expect_granted(&waiter);
	reload("", "");
	support_connect_as(&c, NOBODY);
	support_ask(&c, "Acquire", json_pack("{s:s}", "port", "modem0"));
	close(support_take(&c));
	support_close(&c);
}
END_TEST

int
main(void)
{
	static const char needs_root[] = "another user needs root",
			  needs_cap[] = "taking a port back needs CAP_SYS_ADMIN";
	Suite *s = suite_create("e2e_reload");
	TCase *tc = tcase_create("reload");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin_two, end);
	tcase_add_test(tc, order_is_another_for_those_who_wait_already);
	tcase_add_loop_test(tc, age_step_counts_from_then_on, 0, 2);
	support_add(tc, own_leased_lets_go_of_the_outward_locks, geteuid() == 0,
		    "only root opens a device that is locked, to look");
	tcase_add_test(tc, lock_files_move_to_another_folder_under_a_lease);
	support_add(tc, max_hold_is_for_the_next_lease, support_can_revoke(), needs_cap);
	tcase_add_test(tc, pool_comes_grows_and_goes);
	support_add(tc, access_rule_counts_from_then_on, geteuid() == 0, needs_root);
	suite_add_tcase(s, tc);
	return support_run(s);
}
