/*
 * test_hotplug.c - broker/hotplug.c and hotplug_device.c: what is read of a device, with udevd and
 * without it.
 */
#include "hotplug_rig.h"

#include <string.h>

static void
expect_name(const struct mock_tty *tty, const char *name)
{
	mock_udev_make(tty);
	hotplug_rig_watch();
	ck_assert_str_eq(hotplug_rig_sole()->name, name);
}

/* ---- what is read of a device ---- */

START_TEST(device_has_what_udev_says_of_it)
{
	const struct mock_tty tty = { .name = "ttyUSB3",
				      .plug = "1-2",
				      .interface = 1,
				      .serial = "A50285BI",
				      .id = "0403:6A01",
				      .more = "TAGS=:systemd:lab:\n" };
	const struct hotplug_device *d;

	mock_udev_make(&tty);
	hotplug_rig_watch();
	d = hotplug_rig_sole();
	ck_assert_str_eq(d->node, "/dev/ttyUSB3");
	ck_assert_str_eq(d->name, "usb-FTDI_FT232R_A50285BI-if01-port0");
	ck_assert_str_eq(d->usb_id, "0403:6a01");
	ck_assert_str_eq(d->usb_serial, "A50285BI");
	ck_assert_str_eq(d->usb_interface, "01");
	ck_assert_str_eq(d->usb_path, "pci-0000:00:14.0-usb-0:2:1.1");
	ck_assert_str_eq(d->tags, ":systemd:lab:");
	ck_assert(!d->ignored);
	ck_assert(!d->console);
}
END_TEST

START_TEST(device_that_is_to_be_ignored_says_so)
{
	const struct mock_tty tty = { .name = "ttyUSB0",
				      .plug = "1-2",
				      .more = "COMLEASE_IGNORE=1\n" };

	mock_udev_make(&tty);
	hotplug_rig_watch();
	ck_assert(hotplug_rig_sole()->ignored);
}
END_TEST

START_TEST(kernels_console_says_so)
{
	const struct mock_tty tty = { .name = "ttyS0" };

	mock_udev_make(&tty);
	hotplug_rig_watch();
	ck_assert(hotplug_rig_sole()->console);
	ck_assert_str_eq(hotplug_rig_sole()->name, "");
	ck_assert_str_eq(hotplug_rig_sole()->usb_id, "");
}
END_TEST

START_TEST(serial_port_with_a_longer_name_is_not_the_console)
{
	const struct mock_tty tty = { .name = "ttyS01" };

	mock_udev_make(&tty);
	hotplug_rig_watch();
	ck_assert(!hotplug_rig_sole()->console);
}
END_TEST

START_TEST(port_of_a_modem_without_driver_in_between_has_no_port_number)
{
	expect_name(&(struct mock_tty){ .name = "ttyACM0", .plug = "1-2", .serial = "X1" },
		    "usb-FTDI_FT232R_X1-if00");
}
END_TEST

START_TEST(device_without_serial_number_is_named_after_its_place)
{
	expect_name(&(struct mock_tty){ .name = "ttyUSB0", .plug = "1-4.1" },
		    "usb-FTDI_FT232R-if00-port0@0:4.1:1.0");
}
END_TEST

START_TEST(long_name_keeps_its_end_and_begins_as_all_do)
{
	expect_name(
	    &(struct mock_tty){
		.name = "ttyUSB0",
		.plug = "1-2",
		.serial = "0123456789012345678901234567890123456789012345678901234567890123" },
	    "usb-5678901234567890123456789012345678901234567890123-if00-port0");
}
END_TEST

START_TEST(characters_that_no_port_may_have_become_underscores)
{
	expect_name(
	    &(struct mock_tty){ .name = "ttyUSB0", .plug = "1-2", .serial = "a/b=c\xc3\xa4" },
	    "usb-FTDI_FT232R_a_b_c__-if00-port0");
}
END_TEST

START_TEST(without_udevd_the_kernels_word_is_taken)
{
	const struct mock_tty tty = {
		.name = "ttyUSB0", .plug = "1-2", .serial = "A5", .is_raw = true
	};

	mock_udev_make(&tty);
	hotplug_rig_watch();
	ck_assert_str_eq(hotplug_rig_sole()->name, "usb-FTDI_FT232R_A5-if00-port0");
	ck_assert_str_eq(hotplug_rig_sole()->usb_id, "0403:6001");
	ck_assert_str_eq(hotplug_rig_sole()->usb_serial, "A5");
	ck_assert_str_eq(hotplug_rig_sole()->usb_interface, "00");
	ck_assert_str_eq(hotplug_rig_sole()->usb_path, "");
	ck_assert_ptr_nonnull(strstr(hotplug_rig.error, "udevd does not run"));
}
END_TEST

START_TEST(without_udevd_a_device_without_serial_number_has_a_place_too)
{
	expect_name(&(struct mock_tty){ .name = "ttyUSB0", .plug = "1-2", .is_raw = true },
		    "usb-FTDI_FT232R-if00-port0@1-2:1.0");
}
END_TEST

static Suite *
make_suite(void)
{
	Suite *s = suite_create("hotplug");
	TCase *t = tcase_create("hotplug");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, hotplug_rig_begin, hotplug_rig_end);
	suite_add_tcase(s, t);
	tcase_add_test(t, device_has_what_udev_says_of_it);
	tcase_add_test(t, device_that_is_to_be_ignored_says_so);
	tcase_add_test(t, kernels_console_says_so);
	tcase_add_test(t, serial_port_with_a_longer_name_is_not_the_console);
	tcase_add_test(t, port_of_a_modem_without_driver_in_between_has_no_port_number);
	tcase_add_test(t, device_without_serial_number_is_named_after_its_place);
	tcase_add_test(t, long_name_keeps_its_end_and_begins_as_all_do);
	tcase_add_test(t, characters_that_no_port_may_have_become_underscores);
	tcase_add_test(t, without_udevd_the_kernels_word_is_taken);
	tcase_add_test(t, without_udevd_a_device_without_serial_number_has_a_place_too);
	return s;
}

int
main(int argc, char **argv)
{
	(void)argc;
	return hotplug_rig_run(argv, make_suite);
}
