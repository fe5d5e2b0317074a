/*
 * test_ports.c - how ports are named and told apart, and who has a login on them: by devices made
 * here, as no machine has them together. What a whole machine looks like is in ports.sh.
 */
#include "../client/ports.h"
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static struct ports ports;
static struct ports_device devices[8];
static struct text section;

static void
begin(void)
{
	ports = (struct ports){ devices, 0 };
	memset(devices, 0, sizeof(devices));
}

static void
end(void)
{
	text_free(&section);
}

/* A USB device in that socket. */
static struct ports_device *
add(const char *node, const char *vendor, const char *driver, const char *serial,
    const char *socket)
{
	struct ports_device *d = &devices[ports.count++];

	snprintf(d->node, sizeof(d->node), "/dev/%s", node);
	snprintf(d->vendor, sizeof(d->vendor), "%s", vendor);
	snprintf(d->driver, sizeof(d->driver), "%s", driver);
	snprintf(d->usb_serial, sizeof(d->usb_serial), "%s", serial);
	snprintf(d->usb_path, sizeof(d->usb_path), "pci-0000:00:14.0-usb-0:%s:1.0", socket);
	snprintf(d->usb_device, sizeof(d->usb_device), "/sys/%s", socket);
	strcpy(d->usb_id, "0403:6001");
	strcpy(d->usb_interface, "00");
	return d;
}

static const char *
section_of(const struct ports_device *d)
{
	text_free(&section);
	ports_add_section(&section, d);
	return section.s;
}

static void
expect_name(const char *vendor, const char *driver, const char *serial, const char *name)
{
	begin();
	struct ports_device *d = add("ttyUSB0", vendor, driver, serial, "2.4");
	ports_name(&ports, NULL);
	ck_assert_str_eq(d->name, name);
}

START_TEST(name_is_the_maker_and_the_serial_number_or_socket)
{
	expect_name("FTDI", "ftdi_sio", "A50285BI", "ftdi-A50285BI");
	expect_name("Arduino (www.arduino.cc)", "cdc_acm", "757", "arduino-757");
	expect_name("HUAWEI_Technology", "option", "", "huawei@2.4");
	expect_name("Digilent", "ftdi_sio", "21", "digilent-21");
}
END_TEST

START_TEST(maker_of_a_chip_or_a_number_gives_way_to_the_driver)
{
	expect_name("1a86", "ch341-uart", "", "ch341@2.4");
	expect_name("Silicon_Labs", "cp210x", "77", "cp210x-77");
	expect_name("Prolific", "pl2303", "", "pl2303@2.4");
	expect_name("", "cdc_acm", "9", "acm-9");
	expect_name("", "", "", "usb@2.4");
}
END_TEST

START_TEST(name_has_only_what_names_may_have_and_is_short)
{
	expect_name("M\xc3\xbcller", "cdc_acm", "a/b_c:1", "mller-ab_c:1");
	expect_name("FTDI", "ftdi_sio", "0123456789012345678901234567890123456789",
		    "ftdi-01234567890123456789");
	expect_name("averyveryverylongmakersname", "x", "1", "averyveryverylon-1");
}
END_TEST

START_TEST(no_name_is_given_twice)
{
	json_t *list =
	    json_pack("{s[{ss}]s[{ss}]}", "ports", "name", "ftdi-1", "pools", "name", "ftdi-1-2");

	add("ttyUSB0", "FTDI", "ftdi_sio", "1", "1");
	add("ttyUSB1", "FTDI", "ftdi_sio", "1", "2")->usb_interface[1] = '1';
	ports_name(&ports, list);
	ck_assert_str_eq(devices[0].name, "ftdi-1-3");
	ck_assert_str_eq(devices[1].name, "ftdi-1-4");
	json_decref(list);
}
END_TEST

START_TEST(serial_number_that_another_one_has_too_is_no_key)
{
	add("ttyUSB0", "FTDI", "ftdi_sio", "1", "1");
	add("ttyUSB1", "FTDI", "ftdi_sio", "1", "2");
	ports_name(&ports, NULL);
	ck_assert_str_eq(
	    section_of(&devices[0]),
	    "# a serial port, USB 0403:6001; now /dev/ttyUSB0\n"
	    "# Its serial number is not its alone: it is known by the socket that it is "
	    "plugged into.\n"
	    "[port ftdi@1]\n"
	    "usb-path = pci-0000:00:14.0-usb-0:1:1.0\n\n");
	/* that of an ignored one counts, too */
	devices[1].is_ignored = true;
	ports_name(&ports, NULL);
	ck_assert_int_eq(devices[0].key, PORTS_BY_PATH);
	ck_assert_str_eq(devices[1].name, "");
}
END_TEST

START_TEST(socket_that_another_one_has_too_is_no_key)
{
	strcpy(add("ttyUSB0", "X", "x", "", "1")->by_path, "/dev/serial/by-path/p0");
	add("ttyUSB1", "X", "x", "", "1");
	ports_name(&ports, NULL);
	ck_assert_str_eq(section_of(&devices[0]),
			 "# a serial port, USB 0403:6001; now /dev/ttyUSB0\n"
			 "# It has no serial number: it is known by the socket that it is plugged "
			 "into.\n"
			 "[port x@1]\n"
			 "device = /dev/serial/by-path/p0\n\n");
	ck_assert_str_eq(section_of(&devices[1]),
			 "# a serial port, USB 0403:6001; now /dev/ttyUSB1\n"
			 "# Only its present name is known: udev does not run, or has not seen it "
			 "yet.\n"
			 "[port ttyUSB1]\n"
			 "device = /dev/ttyUSB1\n\n");
}
END_TEST

START_TEST(serial_number_stands_for_itself_and_for_no_pattern)
{
	struct ports_device *d = add("ttyUSB0", "FTDI", "ftdi_sio", "A*[1]?\\x", "1");

	ports_name(&ports, NULL);
	ck_assert_ptr_nonnull(strstr(section_of(d), "\nusb-serial = A\\*\\[1\\]\\?\\\\x\n"));
}
END_TEST

START_TEST(what_would_break_the_line_gets_into_no_section)
{
	struct ports_device *d = add("ttyUSB0", "FTDI", "ftdi_sio", "A\n[port x]", "1");

	strcpy(d->description, "evil\n[port y]");
	ports_name(&ports, NULL);
	ck_assert_int_eq(d->key, PORTS_BY_PATH);
	ck_assert_ptr_null(strstr(section_of(d), "\n[port x]"));
	ck_assert_ptr_null(strstr(section_of(d), "\n[port y]"));
	memset(d->usb_serial, 'A', PORTS_VALUE_MAX + 1);
	ports_name(&ports, NULL);
	ck_assert_int_eq(d->key, PORTS_BY_PATH);
}
END_TEST

START_TEST(port_of_the_board_is_known_by_its_node)
{
	struct ports_device *d = add("ttyS0", "", "serial", "", "");

	d->usb_id[0] = d->usb_path[0] = d->usb_device[0] = '\0';
	strcpy(d->description, "16550A");
	ports_name(&ports, NULL);
	ck_assert_str_eq(section_of(d), "# 16550A; now /dev/ttyS0\n[port ttyS0]\n"
					"device = /dev/ttyS0\n\n");
}
END_TEST

START_TEST(what_can_not_be_a_port_gets_no_name)
{
	json_t *list = json_pack("{s[{ss ss}]}", "ports", "name", "a", "node", "/dev/ttyUSB3");

	add("ttyUSB0", "X", "x", "1", "1")->is_console = true;
	add("ttyUSB1", "X", "x", "2", "2")->is_ignored = true;
	strcpy(add("ttyUSB2", "X", "x", "3", "3")->login, "agetty (pid 1)");
	add("ttyUSB3", "X", "x", "4", "4");
	ports_match(&ports, list);
	ports_name(&ports, list);
	for (size_t i = 0; i < 4; i++)
		ck_assert_str_eq(devices[i].name, "");
	ck_assert_str_eq(ports_state(&devices[0]), "console");
	ck_assert_str_eq(ports_state(&devices[1]), "ignored");
	ck_assert_str_eq(ports_state(&devices[2]), "login");
	ck_assert_str_eq(ports_state(&devices[3]), "managed");
	json_decref(list);
}
END_TEST

START_TEST(device_is_the_port_with_its_number_whatever_its_path)
{
	json_t *list =
	    json_pack("{s[{ss ss sI}{ss ss}]}", "ports", "name", "other", "device", "/dev/ttyUSB0",
		      "rdev", (json_int_t)makedev(1, 7), "name", "null", "device", "/dev/null");

	add("ttyUSB0", "X", "x", "1", "1")->rdev = makedev(188, 0);
	add("link", "X", "x", "2", "2")->rdev = makedev(1, 3); /* that of /dev/null */
	ports_match(&ports, list);
	ck_assert_ptr_null(devices[0].port);
	ck_assert_str_eq(json_string_value(json_object_get(devices[1].port, "name")), "null");
	json_decref(list);
}
END_TEST

/* ---- logins ---- */

static char root[64];

static void
make_file(const char *path, const char *text)
{
	char command[512];

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname %s%s)\" && printf '%s' >%s%s",
		 root, path, text, root, path);
	ck_assert_int_eq(system(command), 0);
}

START_TEST(login_is_found_by_its_process_or_its_unit)
{
	char command[128];

	strcpy(root, "/tmp/comlease-ports.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	add("ttyS0", "", "", "", "")->rdev = makedev(4, 64);
	add("ttyS1", "", "", "", "")->rdev = makedev(4, 65);
	add("ttyS2", "", "", "", "")->rdev = makedev(4, 66);
	add("ttyUSB300", "", "", "", "")->rdev = makedev(188, 300);
	make_file("/proc/812/stat", "812 (agetty) S 1 812 812 1088 812 4194304 1");
	make_file("/proc/813/stat", "813 (a) b (minicom) S 1 813 813 1089 813 4194304 1");
	make_file("/proc/814/stat", "814 (agetty) S 1 814 814 0 -1 4194304 1");
	make_file("/proc/815/stat", "815 (login) S 1 815 815 1096748 815 4194304 1");
	make_file("/etc/systemd/system/getty.target.wants/serial-getty@ttyS2.service", "");
	ports_find_logins(&ports, root);
	ck_assert_str_eq(devices[0].login, "agetty (pid 812)");
	ck_assert_str_eq(devices[1].login, "");
	ck_assert_str_eq(devices[2].login, "serial-getty@ttyS2.service");
	ck_assert_str_eq(devices[3].login, "login (pid 815)");
	snprintf(command, sizeof(command), "rm -r %s", root);
	ck_assert_int_eq(system(command), 0);
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("ports");
	TCase *tc = tcase_create("ports");

	tcase_add_checked_fixture(tc, begin, end);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, name_is_the_maker_and_the_serial_number_or_socket);
	tcase_add_test(tc, maker_of_a_chip_or_a_number_gives_way_to_the_driver);
	tcase_add_test(tc, name_has_only_what_names_may_have_and_is_short);
	tcase_add_test(tc, no_name_is_given_twice);
	tcase_add_test(tc, serial_number_that_another_one_has_too_is_no_key);
	tcase_add_test(tc, socket_that_another_one_has_too_is_no_key);
	tcase_add_test(tc, serial_number_stands_for_itself_and_for_no_pattern);
	tcase_add_test(tc, what_would_break_the_line_gets_into_no_section);
	tcase_add_test(tc, port_of_the_board_is_known_by_its_node);
	tcase_add_test(tc, what_can_not_be_a_port_gets_no_name);
	tcase_add_test(tc, device_is_the_port_with_its_number_whatever_its_path);
	tcase_add_test(tc, login_is_found_by_its_process_or_its_unit);
	return s;
}

int
main(void)
{
	return support_run(suite());
}
