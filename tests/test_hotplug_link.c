/*
 * test_hotplug_link.c - broker/hotplug_link.c: the folder of links shows what it is told and no
 * more, nothing of anybody else's is touched, and nobody who may write around it leads root astray.
 */
#include "../broker/hotplug.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch[64], folder[80], error[CONFIG_ERROR_MAX];

static const struct hotplug_link a0 = { "a", "/dev/ttyUSB0" }, a1 = { "a", "/dev/ttyUSB1" };

static void
set_up(void)
{
	strcpy(scratch, "/tmp/comlease.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(scratch));
	snprintf(folder, sizeof(folder), "%s/port", scratch);
}

static void
tear_down(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", scratch);
	ck_assert_int_eq(system(command), 0);
}

static const char *
in_folder(const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void
expect(const char *name, const char *target)
{
	char found[PATH_MAX];
	ssize_t n = readlink(in_folder(name), found, sizeof(found) - 1);

	if (target == NULL) {
		ck_assert_int_eq(n, -1);
		ck_assert_int_eq(errno, ENOENT);
		return;
	}
	ck_assert_int_gt(n, 0);
	found[n] = '\0';
	ck_assert_str_eq(found, target);
}

static void
set(const struct hotplug_link *links, size_t count)
{
	ck_assert_int_eq(hotplug_link_set(folder, links, count, error), 0);
	ck_assert_str_eq(error, "");
}

static void
expect_refusal(int result, const char *word)
{
	ck_assert_int_eq(hotplug_link_set(folder, &a0, 1, error), result);
	ck_assert_msg(strstr(error, word) != NULL, "%s", error);
	ck_assert_ptr_nonnull(strstr(error, scratch));
}

static void
make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static bool
is_there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

/* What happens in the folder: "-a +a ~a": gone, made, renamed. */
static int
watch(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(inotify_add_watch(fd, folder, IN_DELETE | IN_CREATE | IN_MOVED_TO), 0);
	return fd;
}

static const char *
happened(int fd)
{
	static char text[1024];
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t n = read(fd, buffer, sizeof(buffer)), at;

	text[0] = '\0';
	for (at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(const void *)(buffer + at);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%c%s",
			 *text != '\0' ? " " : "",
			 (event->mask & IN_DELETE) != 0   ? '-'
			 : (event->mask & IN_CREATE) != 0 ? '+'
							  : '~',
			 event->name);
	}
	close(fd);
	return text;
}

/* ---- what it shows ---- */

START_TEST(folder_shows_the_links_it_is_given_and_no_others)
{
	const struct hotplug_link two[] = { { "a", "/dev/ttyUSB0" }, { "b", "/dev/ttyACM0" } };

	set(two, 2);
	expect("a", "/dev/ttyUSB0");
	expect("b", "/dev/ttyACM0");
	set(&two[1], 1);
	expect("a", NULL);
	expect("b", "/dev/ttyACM0");
	set(NULL, 0);
	expect("b", NULL);
	ck_assert(is_there(folder));
}
END_TEST

START_TEST(link_that_changes_is_never_absent)
{
	int fd;

	set(&a0, 1);
	fd = watch();
	set(&a1, 1);
	expect("a", "/dev/ttyUSB1");
	ck_assert_str_eq(happened(fd), "+~new ~a");
}
END_TEST

START_TEST(link_that_is_right_is_left_alone)
{
	int fd;

	set(&a0, 1);
	fd = watch();
	set(&a0, 1);
	ck_assert_str_eq(happened(fd), "");
}
END_TEST

START_TEST(at_no_time_do_two_links_lead_to_one_device)
{
	const struct hotplug_link before[] = { { "a", "/dev/ttyUSB0" }, { "b", "/dev/ttyUSB1" } },
				  after[] = { { "a", "/dev/ttyUSB1" }, { "c", "/dev/ttyUSB0" } };
	const char *what;
	int fd;

	set(before, 2);
	fd = watch();
	set(after, 2);
	what = happened(fd);
	ck_assert_ptr_nonnull(strstr(what, "-a"));
	ck_assert_ptr_nonnull(strstr(what, "-b"));
	ck_assert(strchr(what, '+') > strstr(what, "-a"));
	ck_assert(strchr(what, '+') > strstr(what, "-b"));
	expect("a", "/dev/ttyUSB1");
	expect("c", "/dev/ttyUSB0");
}
END_TEST

START_TEST(folder_can_be_read_by_all_whatever_the_umask)
{
	mode_t old = umask(077);

	set(&a0, 1);
	umask(old);
	ck_assert_uint_eq(mode_of(folder), 0755);
}
END_TEST

START_TEST(leftovers_of_one_that_was_killed_are_cleaned)
{
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	ck_assert_int_eq(symlink("/dev/ttyUSB7", in_folder("old")), 0);
	ck_assert_int_eq(symlink("/dev/ttyUSB7", in_folder("~new")), 0);
	set(&a0, 1);
	expect("old", NULL);
	expect("~new", NULL);
	expect("a", "/dev/ttyUSB0");
}
END_TEST

START_TEST(removal_leaves_nothing)
{
	set(&a0, 1);
	hotplug_link_remove(folder);
	ck_assert(!is_there(folder));
	hotplug_link_remove(folder);
}
END_TEST

/* ---- what is somebody else's ---- */

START_TEST(things_of_others_in_the_folder_stay)
{
	char aim[160];

	set(&a0, 1);
	snprintf(aim, sizeof(aim), "%s/aim", scratch);
	make_file(aim);
	make_file(in_folder("file"));
	ck_assert_int_eq(mkdir(in_folder("sub"), 0700), 0);
	ck_assert_int_eq(symlink(aim, in_folder("elsewhere")), 0);
	set(NULL, 0);
	hotplug_link_remove(folder);
	expect("a", NULL);
	expect("elsewhere", aim);
	ck_assert(is_there(in_folder("file")));
	ck_assert(is_there(in_folder("sub")));
	ck_assert(is_there(aim));
}
END_TEST

START_TEST(thing_of_another_under_a_ports_name_is_refused_and_the_others_are_made)
{
	const struct hotplug_link two[] = { { "a", "/dev/ttyUSB0" }, { "b", "/dev/ttyUSB1" } };

	set(NULL, 0);
	make_file(in_folder("a"));
	ck_assert_int_eq(hotplug_link_set(folder, two, 2, error), -EEXIST);
	ck_assert_ptr_nonnull(strstr(error, in_folder("a")));
	expect("b", "/dev/ttyUSB1");
	ck_assert(is_there(in_folder("a")));
}
END_TEST

START_TEST(link_in_the_folders_place_is_not_followed)
{
	char victim[160], inside[176];

	snprintf(victim, sizeof(victim), "%s/victim", scratch);
	snprintf(inside, sizeof(inside), "%s/link", victim);
	ck_assert_int_eq(mkdir(victim, 0700), 0);
	ck_assert_int_eq(symlink("/dev/ttyS9", inside), 0);
	ck_assert_int_eq(symlink(victim, folder), 0);
	expect_refusal(-ENOTDIR, "no folder");
	hotplug_link_remove(folder);
	ck_assert(is_there(inside));
	ck_assert(is_there(folder));
	ck_assert_uint_eq(mode_of(victim), 0700);
}
END_TEST

START_TEST(file_in_the_folders_place_is_refused)
{
	make_file(folder);
	expect_refusal(-ENOTDIR, "no folder");
	ck_assert(is_there(folder));
}
END_TEST

START_TEST(folder_of_another_user_is_refused)
{
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	ck_assert_int_eq(symlink("/dev/ttyUSB7", in_folder("old")), 0);
	ck_assert_int_eq(chown(folder, 65534, (gid_t)-1), 0);
	expect_refusal(-EPERM, "belongs to uid 65534");
	hotplug_link_remove(folder);
	expect("old", "/dev/ttyUSB7");
}
END_TEST

START_TEST(folder_that_others_may_write_is_closed_to_them)
{
	ck_assert_int_eq(mkdir(folder, 0755), 0);
	ck_assert_int_eq(chmod(folder, 0777), 0);
	set(&a0, 1);
	ck_assert_uint_eq(mode_of(folder), 0755);
}
END_TEST

START_TEST(place_where_others_could_exchange_the_folder_is_refused)
{
	ck_assert_int_eq(chmod(scratch, 0777), 0);
	expect_refusal(-EPERM, "others may write there");
	ck_assert(!is_there(folder));
	ck_assert_int_eq(chmod(scratch, 01777), 0);
	set(&a0, 1);
}
END_TEST

START_TEST(place_that_belongs_to_another_user_is_refused)
{
	ck_assert_int_eq(chown(scratch, 65534, (gid_t)-1), 0);
	expect_refusal(-EPERM, "owner 65534");
}
END_TEST

START_TEST(place_that_is_not_there_is_named)
{
	snprintf(folder, sizeof(folder), "%s/gone/port", scratch);
	expect_refusal(-ENOENT, "No such file");
}
END_TEST

/* ---- where a device leads ---- */

START_TEST(path_is_followed_to_its_end)
{
	char node[64], first[160], second[160];

	snprintf(first, sizeof(first), "%s/first", scratch);
	snprintf(second, sizeof(second), "%s/second", scratch);
	ck_assert_int_eq(symlink("second", first), 0);
	ck_assert(!hotplug_follow_link(first, node));
	ck_assert_int_eq(symlink("/dev/null", second), 0);
	ck_assert(hotplug_follow_link(first, node));
	ck_assert_str_eq(node, "/dev/null");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hotplug_link");
	TCase *t = tcase_create("hotplug_link");
	bool is_root = geteuid() == 0;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, set_up, tear_down);
	suite_add_tcase(s, t);
	tcase_add_test(t, folder_shows_the_links_it_is_given_and_no_others);
	tcase_add_test(t, link_that_changes_is_never_absent);
	tcase_add_test(t, link_that_is_right_is_left_alone);
	tcase_add_test(t, at_no_time_do_two_links_lead_to_one_device);
	tcase_add_test(t, folder_can_be_read_by_all_whatever_the_umask);
	tcase_add_test(t, leftovers_of_one_that_was_killed_are_cleaned);
	tcase_add_test(t, removal_leaves_nothing);
	tcase_add_test(t, things_of_others_in_the_folder_stay);
	tcase_add_test(t, thing_of_another_under_a_ports_name_is_refused_and_the_others_are_made);
	tcase_add_test(t, link_in_the_folders_place_is_not_followed);
	tcase_add_test(t, file_in_the_folders_place_is_refused);
	support_add(t, folder_of_another_user_is_refused, is_root, "only root can give it away");
	support_add(t, place_that_belongs_to_another_user_is_refused, is_root,
		    "only root can give it away");
	tcase_add_test(t, folder_that_others_may_write_is_closed_to_them);
	tcase_add_test(t, place_where_others_could_exchange_the_folder_is_refused);
	tcase_add_test(t, place_that_is_not_there_is_named);
	tcase_add_test(t, path_is_followed_to_its_end);
	return support_run(s);
}
