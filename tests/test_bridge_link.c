/*
 * test_bridge_link.c - LINK of `comlease bridge`: what is not its own is never touched, and its own
 * is recognised.
 */
#include "bridge_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int
refused(const char *name)
{
	return bridge_fail("modem0", support_path(name));
}

static void
expect_not_there(const char *name)
{
	struct stat st;

	ck_assert_int_lt(lstat(support_path(name), &st), 0);
}

static void
write_file(const char *name, const char *text)
{
	int fd = open(support_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
expect_file(const char *name, const char *text)
{
	char got[256] = "";
	int fd = open(support_path(name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, got, sizeof(got) - 1), 0);
	ck_assert_str_eq(got, text);
	close(fd);
}

static void
expect_leads_to(const char *name, const char *wanted)
{
	char target[256] = "";

	ck_assert_int_gt(readlink(support_path(name), target, sizeof(target) - 1), 0);
	ck_assert_str_eq(target, wanted);
}

/* ---- somebody else's ---- */

START_TEST(file_is_never_overwritten)
{
	write_file("link", "precious");
	ck_assert_int_eq(refused("link"), 73);
	expect_file("link", "precious");
	expect_not_there("link.lock");
	bridge_expect_said("link: there already: a file, which is never overwritten; remove it");
}
END_TEST

START_TEST(folder_fifo_and_device_are_never_overwritten)
{
	struct stat st;

	ck_assert_int_eq(mkdir(support_path("folder"), 0755), 0);
	ck_assert_int_eq(mkfifo(support_path("fifo"), 0600), 0);
	ck_assert_int_eq(refused("folder"), 73);
	ck_assert_int_eq(refused("fifo"), 73);
	bridge_expect_said("folder: there already: a folder");
	bridge_expect_said("fifo: there already: a FIFO");
	ck_assert_int_eq(stat(support_path("folder"), &st), 0);
	ck_assert_int_eq(refused("modem0"), 73); /* the port's own device: a link, and not ours */
	bridge_expect_said("modem0: there already: a link to /dev/pts/");
	ck_assert_int_eq(stat(support_path("modem0"), &st), 0);
	ck_assert(S_ISCHR(st.st_mode));
}
END_TEST

START_TEST(link_of_somebody_else_is_never_overwritten)
{
	ck_assert_int_eq(symlink("/dev/null", support_path("link")), 0);
	ck_assert_int_eq(refused("link"), 73);
	expect_leads_to("link", "/dev/null");
	bridge_expect_said("link: there already: a link to /dev/null, which is no bridge's");
	/* nor beside a lock file that tells of another one */
	write_file("link.lock", "comlease bridge 1\n/dev/pts/99\n\n");
	ck_assert_int_eq(refused("link"), 73);
	expect_leads_to("link", "/dev/null");
}
END_TEST

START_TEST(lock_file_of_somebody_else_is_never_overwritten)
{
	write_file("link.lock", "precious");
	ck_assert_int_eq(refused("link"), 73);
	expect_file("link.lock", "precious");
	ck_assert_int_eq(unlink(support_path("link.lock")), 0);
	write_file("precious", "precious");
	ck_assert_int_eq(symlink(support_path("precious"), support_path("link.lock")), 0);
	ck_assert_int_eq(refused("link"), 73);
	expect_file("precious", "precious");
	expect_not_there("link");
}
END_TEST

START_TEST(what_comes_to_the_place_of_the_link_is_not_removed_at_the_end)
{
	bridge_start();
	ck_assert_int_eq(unlink(support_path("link")), 0);
	write_file("link", "precious");
	ck_assert_int_eq(kill(bridge.pid, SIGTERM), 0);
	ck_assert_int_eq(support_reap(&bridge), 0);
	expect_file("link", "precious");
	expect_not_there("link.lock");
}
END_TEST

/* ---- a bridge's ---- */

START_TEST(second_bridge_says_who_has_the_link)
{
	char said[64];

	bridge_start();
	ck_assert_int_eq(refused("link"), 73);
	snprintf(said, sizeof(said), "link: another bridge has it (pid %d, u", (int)bridge.pid);
	bridge_expect_said(said);
	int fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(link_of_a_bridge_that_was_killed_is_replaced)
{
	char before[256] = "", after[256] = "";

	bridge_start();
	ck_assert_int_gt(readlink(support_path("link"), before, sizeof(before) - 1), 0);
	support_kill(&bridge);
	expect_leads_to("link", before);
	bridge_start();
	ck_assert_int_gt(readlink(support_path("link"), after, sizeof(after) - 1), 0);
	int fd = bridge_connect();
	support_expect_line(fd, bridge_master);
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(half_made_link_of_a_bridge_that_was_killed_is_no_obstacle)
{
	write_file("link.lock", "comlease bridge 1\n/dev/pts/98\n/dev/pts/97\n");
	ck_assert_int_eq(symlink("/dev/pts/98", support_path("link.new")), 0);
	ck_assert_int_eq(symlink("/dev/pts/97", support_path("link")), 0);
	bridge_start();
	expect_not_there("link.new");
	bridge_stop();
}
END_TEST

/* ---- places where there can be none ---- */

START_TEST(place_where_no_link_can_be_is_told)
{
	char name[400];

	ck_assert_int_eq(refused("nowhere/link"), 73);
	bridge_expect_said("nowhere: make it, or name another link");
	write_file("file", "");
	ck_assert_int_eq(refused("file/link"), 73);
	bridge_expect_said("file is no folder");
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	ck_assert_int_eq(bridge_fail("modem0", name), 73);
	bridge_expect_said("File name too long; name another link");
	ck_assert_int_eq(bridge_fail("modem0", ""), 64);
	ck_assert_int_eq(bridge_fail("modem0", "/proc/link"), 73);
}
END_TEST

START_TEST(folder_where_one_may_not_write_is_told)
{
	ck_assert_int_eq(mkdir(support_path("closed"), 0555), 0);
	ck_assert_int_eq(refused("closed/link"), 73);
	bridge_expect_said("closed: Permission denied; name a link where you may write");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bridge_link");
	TCase *tc = support_case(s, "somebody else's", bridge_begin);

	tcase_add_test(tc, file_is_never_overwritten);
	tcase_add_test(tc, folder_fifo_and_device_are_never_overwritten);
	tcase_add_test(tc, link_of_somebody_else_is_never_overwritten);
	tcase_add_test(tc, lock_file_of_somebody_else_is_never_overwritten);
	tcase_add_test(tc, what_comes_to_the_place_of_the_link_is_not_removed_at_the_end);
	tc = support_case(s, "a bridge's", bridge_begin);
	tcase_add_test(tc, second_bridge_says_who_has_the_link);
	tcase_add_test(tc, link_of_a_bridge_that_was_killed_is_replaced);
	tcase_add_test(tc, half_made_link_of_a_bridge_that_was_killed_is_no_obstacle);
	tc = support_case(s, "places", bridge_begin);
	tcase_add_test(tc, place_where_no_link_can_be_is_told);
	support_add(tc, folder_where_one_may_not_write_is_told, geteuid() != 0,
		    "root may write anywhere");
	return support_run(s);
}
