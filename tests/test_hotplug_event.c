/*
 * test_hotplug_event.c - broker/hotplug.c: no order of events, and no lost one, leaves it with a
 * wrong idea of what is plugged in.
 */
#include "hotplug_rig.h"

#include <string.h>

static const struct mock_tty one = { .name = "ttyUSB0", .plug = "1-2", .serial = "A50285BI" },
			     other = { .name = "ttyUSB0", .plug = "1-3", .serial = "B1" };

START_TEST(device_that_comes_is_seen_and_one_that_goes)
{
	hotplug_rig_watch();
	hotplug_rig_expect_nothing();
	mock_udev_plug(&one);
	hotplug_rig_expect_change(true);
	ck_assert_str_eq(hotplug_rig_sole()->usb_serial, "A50285BI");
	mock_udev_unplug(&one);
	hotplug_rig_expect_change(true);
	hotplug_rig_expect_nothing();
}
END_TEST

START_TEST(devices_are_sorted_by_node)
{
	const struct mock_tty second = { .name = "ttyUSB1", .plug = "1-3", .serial = "B" };
	const struct hotplug_device *devices;
	size_t count;

	hotplug_rig_watch();
	mock_udev_plug(&second);
	mock_udev_plug(&one);
	hotplug_rig_expect_change(true);
	devices = hotplug_devices(hotplug_rig.hotplug, &count);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(devices[0].node, "/dev/ttyUSB0");
	ck_assert_str_eq(devices[1].node, "/dev/ttyUSB1");
}
END_TEST

START_TEST(event_that_changes_nothing_says_so)
{
	mock_udev_make(&one);
	hotplug_rig_watch();
	mock_udev_tell(&one, "change");
	hotplug_rig_expect_change(false);
	mock_udev_tell(&other, "remove"); /* it never was */
	hotplug_rig_expect_change(true);
	mock_udev_tell(&other, "remove");
	hotplug_rig_expect_change(false);
}
END_TEST

START_TEST(property_that_a_rule_sets_later_is_seen)
{
	struct mock_tty tty = one;

	mock_udev_make(&one);
	hotplug_rig_watch();
	tty.more = "COMLEASE_IGNORE=1\n";
	mock_udev_make(&tty);
	mock_udev_tell(&tty, "change");
	hotplug_rig_expect_change(true);
	ck_assert(hotplug_rig_sole()->ignored);
}
END_TEST

START_TEST(with_udevd_a_device_counts_when_it_has_been_processed)
{
	hotplug_rig.udevd_runs = true;
	mock_udev_make(&one); /* and udevd's data base knows nothing of it */
	hotplug_rig_watch();
	hotplug_rig_expect_nothing();
	mock_udev_tell_as(&one, "add", MOCK_KERNEL);
	hotplug_rig_expect_change(false);
	mock_udev_tell_as(&one, "add", MOCK_UDEVD);
	hotplug_rig_expect_change(true);
	hotplug_rig_sole();
}
END_TEST

START_TEST(without_udevd_the_kernels_event_counts)
{
	hotplug_rig_watch();
	mock_udev_make(&one);
	mock_udev_tell_as(&one, "add", MOCK_KERNEL);
	hotplug_rig_expect_change(true);
	hotplug_rig_sole();
}
END_TEST

START_TEST(device_that_the_kernel_has_removed_is_gone_at_once)
{
	hotplug_rig.udevd_runs = true;
	hotplug_rig_watch();
	mock_udev_plug(&one);
	hotplug_rig_expect_change(true);
	mock_udev_unmake(&one);
	mock_udev_tell_as(&one, "remove", MOCK_KERNEL);
	hotplug_rig_expect_change(true);
	hotplug_rig_expect_nothing();
}
END_TEST

/* Another device has the node already when udevd gets to the first one. */
START_TEST(what_udevd_says_late_of_a_device_is_not_taken_for_the_next_one)
{
	hotplug_rig.udevd_runs = true;
	hotplug_rig_watch();
	mock_udev_make(&one);
	mock_udev_set_number(12);
	mock_udev_tell_as(&one, "remove", MOCK_KERNEL);
	mock_udev_set_number(11);
	mock_udev_tell_as(&one, "add", MOCK_UDEVD);
	hotplug_rig_expect_change(false);
	hotplug_rig_expect_nothing();
	mock_udev_set_number(12);
	mock_udev_tell_as(&one, "remove", MOCK_UDEVD);
	hotplug_rig_expect_change(false);
	mock_udev_make(&other);
	mock_udev_tell_as(&other, "add", MOCK_UDEVD);
	hotplug_rig_expect_change(true);
	ck_assert_str_eq(hotplug_rig_sole()->usb_serial, "B1");
}
END_TEST

START_TEST(next_device_under_the_same_node_is_taken_without_the_word_on_the_first)
{
	hotplug_rig.udevd_runs = true;
	hotplug_rig_watch();
	mock_udev_set_number(12);
	mock_udev_tell_as(&one, "remove", MOCK_KERNEL);
	mock_udev_make(&other);
	mock_udev_tell_as(&other, "add", MOCK_UDEVD);
	hotplug_rig_expect_change(true);
	ck_assert_str_eq(hotplug_rig_sole()->usb_serial, "B1");
}
END_TEST

START_TEST(lost_events_are_made_good)
{
	mock_udev_make(&one);
	hotplug_rig_watch();
	mock_udev_unmake(&one);
	mock_udev_make(&other);
	mock_udev_tell(&one, "bind"); /* something wakes us */
	hotplug_rig.events_are_lost = true;
	hotplug_rig_expect_change(true);
	ck_assert_str_eq(hotplug_rig_sole()->usb_serial, "B1");
}
END_TEST

/* The removal that is in the queue is of a device before it; its "add" is lost. */
START_TEST(old_removal_behind_lost_events_takes_nothing_away)
{
	mock_udev_make(&one);
	hotplug_rig_watch();
	mock_udev_tell(&one, "remove");
	hotplug_rig.events_are_lost = true;
	hotplug_rig_expect_change(false);
	hotplug_rig_sole();
}
END_TEST

START_TEST(refresh_finds_what_no_event_told)
{
	hotplug_rig_watch();
	mock_udev_make(&one);
	ck_assert(!hotplug_rig_is_readable());
	ck_assert(hotplug_refresh(hotplug_rig.hotplug));
	hotplug_rig_sole();
	ck_assert(!hotplug_refresh(hotplug_rig.hotplug));
	mock_udev_unmake(&one);
	ck_assert(hotplug_refresh(hotplug_rig.hotplug));
	hotplug_rig_expect_nothing();
}
END_TEST

/* udevd still knows the old one, under the same node. */
START_TEST(refresh_reads_no_device_that_udevd_has_to_process_yet)
{
	hotplug_rig_watch();
	mock_udev_make(&one);
	hotplug_rig.udevd_runs = true;
	mock_udev_tell_as(&one, "remove", MOCK_KERNEL);
	hotplug_receive(hotplug_rig.hotplug);
	hotplug_rig.udevd_runs = false; /* here that means: its data base has the device */
	hotplug_refresh(hotplug_rig.hotplug);
	hotplug_rig_expect_nothing();
	mock_udev_tell_as(&one, "add", MOCK_UDEVD);
	hotplug_rig_expect_change(true);
	hotplug_rig_sole();
}
END_TEST

START_TEST(hundred_plugs_and_unplugs_leave_the_last_one)
{
	int before, i;

	hotplug_rig_watch();
	before = hotplug_rig_count_fds();
	for (i = 0; i < 100; i++) {
		mock_udev_plug(i % 2 != 0 ? &one : &other);
		if (i % 3 == 0)
			hotplug_receive(hotplug_rig.hotplug);
		if (i < 99)
			mock_udev_unplug(i % 2 != 0 ? &one : &other);
		hotplug_receive(hotplug_rig.hotplug);
	}
	ck_assert_str_eq(hotplug_rig_sole()->usb_serial, "A50285BI");
	ck_assert_int_eq(hotplug_rig_count_fds(), before);
}
END_TEST

/* ---- the whole ---- */

START_TEST(machine_without_netlink_is_refused_in_words)
{
	hotplug_rig.has_no_netlink = true;
	ck_assert_int_lt(hotplug_open(&hotplug_rig.hotplug, hotplug_rig.error), 0);
	ck_assert_ptr_nonnull(strstr(hotplug_rig.error, "only ports with a \"device\" work"));
	ck_assert_ptr_null(hotplug_rig.hotplug);
}
END_TEST

START_TEST(nothing_stays_open)
{
	int before = hotplug_rig_count_fds();

	hotplug_rig_watch();
	ck_assert_int_gt(hotplug_rig_count_fds(), before);
	hotplug_close(hotplug_rig.hotplug);
	hotplug_rig.hotplug = NULL;
	ck_assert_int_eq(hotplug_rig_count_fds(), before);
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("hotplug_event");
	TCase *t = tcase_create("hotplug_event");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, hotplug_rig_begin, hotplug_rig_end);
	suite_add_tcase(s, t);
	tcase_add_test(t, device_that_comes_is_seen_and_one_that_goes);
	tcase_add_test(t, devices_are_sorted_by_node);
	tcase_add_test(t, event_that_changes_nothing_says_so);
	tcase_add_test(t, property_that_a_rule_sets_later_is_seen);
	tcase_add_test(t, with_udevd_a_device_counts_when_it_has_been_processed);
	tcase_add_test(t, without_udevd_the_kernels_event_counts);
	tcase_add_test(t, device_that_the_kernel_has_removed_is_gone_at_once);
	tcase_add_test(t, what_udevd_says_late_of_a_device_is_not_taken_for_the_next_one);
	tcase_add_test(t, next_device_under_the_same_node_is_taken_without_the_word_on_the_first);
	tcase_add_test(t, lost_events_are_made_good);
	tcase_add_test(t, old_removal_behind_lost_events_takes_nothing_away);
	tcase_add_test(t, refresh_finds_what_no_event_told);
	tcase_add_test(t, refresh_reads_no_device_that_udevd_has_to_process_yet);
	tcase_add_test(t, hundred_plugs_and_unplugs_leave_the_last_one);
	tcase_add_test(t, machine_without_netlink_is_refused_in_words);
	tcase_add_test(t, nothing_stays_open);
	return s;
}

int
main(int argc, char **argv)
{
	(void)argc;
	return hotplug_rig_run(argv, make_suite);
}
