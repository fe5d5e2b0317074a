/*
 * test_device_identity.c - which USB device a tty is, by a sysfs that the test builds as the kernel
 * does, links included; and which two are the same. This file's fopen() leads /sys there.
 */
#undef _FORTIFY_SOURCE
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../broker/device_identity.h"
#include "support.h"

static char root[64];

FILE *
fopen(const char *restrict path, const char *restrict mode)
{
	bool is_sys = strncmp(path, "/sys/", 5) == 0 && *root != '\0';
	char other[512];
	int fd;

	snprintf(other, sizeof(other), "%s%s", is_sys ? root : "", path);
	fd = openat(AT_FDCWD, other,
		    O_CLOEXEC | (mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT | O_TRUNC), 0644);
	return fd < 0 ? NULL : fdopen(fd, mode);
}

/* In the folder, by the shell. */
static void
build(const char *script)
{
	char command[4096];

	snprintf(command, sizeof(command), "set -e; cd '%s'; %s", root, script);
	ck_assert_int_eq(system(command), 0);
}

/* Two ports of a usb-serial adapter, an ACM modem, a port on the board. */
static void
begin(void)
{
	strcpy(root, "/tmp/comlease-identity-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(root));
	build("mkdir -p sys/class/tty; hub=sys/devices/pci0000:00/0000:00:14.0/usb1/1-1\n"
	      "tty() { mkdir -p $2; ln -s ../../${2#sys/} sys/class/tty/$1; ln -s $3 $2/device; "
	      "}\n"
	      "d=$hub/1-1.2; mkdir -p $d; echo 0403 >$d/idVendor; echo 601A >$d/idProduct\n"
	      "echo A50285BI >$d/serial; printf 'FT\\033\"x\\n' >$d/product; echo 1 >$d/busnum; "
	      "echo 1.2 >$d/devpath\n"
	      "for n in 0 1; do i=$d/1-1.2:1.$n; mkdir -p $i; echo 0$n >$i/bInterfaceNumber\n"
	      "tty ttyUSB$n $i/ttyUSB$n/tty/ttyUSB$n ../../../ttyUSB$n; echo 0 "
	      ">$i/ttyUSB$n/port_number; done\n"
	      "d=$hub/1-1.4; i=$d/1-1.4:1.1; mkdir -p $i; echo 1199 >$d/idVendor; echo 9041 "
	      ">$d/idProduct\n"
	      "echo 1 >$d/busnum; echo 1.4 >$d/devpath; echo 01 >$i/bInterfaceNumber\n"
	      "tty ttyACM0 $i/tty/ttyACM0 ../../../1-1.4:1.1\n"
	      "tty ttyS0 sys/devices/platform/serial8250/tty/ttyS0 ../../../serial8250\n");
}

static void
end(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", root);
	ck_assert_int_eq(system(command), 0);
	root[0] = '\0';
}

static struct device_identity
identity(const char *node)
{
	struct device_identity i;

	memset(&i, 'x', sizeof(i));
	device_identity_read(node, &i);
	return i;
}

START_TEST(usb_serial_adapter_is_read_with_the_line_that_it_is)
{
	struct device_identity i = identity("/dev/ttyUSB1");
	char text[DEVICE_IDENTITY_TEXT_MAX];

	ck_assert_str_eq(i.usb_id, "0403:601a");
	ck_assert_str_eq(i.serial, "A50285BI");
	ck_assert_str_eq(i.place, "1-1.2");
	ck_assert_str_eq(i.function, "01.0");
	device_identity_print(&i, text);
	ck_assert_str_eq(text, "0403:601a \"FT\\x1b\\x22x\", serial number A50285BI, at usb 1-1.2");
}
END_TEST

START_TEST(modem_without_a_serial_number_is_read)
{
	struct device_identity i = identity("/dev/ttyACM0");
	char text[DEVICE_IDENTITY_TEXT_MAX];

	ck_assert_str_eq(i.usb_id, "1199:9041");
	ck_assert_str_eq(i.serial, "");
	ck_assert_str_eq(i.function, "01");
	device_identity_print(&i, text);
	ck_assert_str_eq(text, "1199:9041, at usb 1-1.4");
}
END_TEST

START_TEST(what_is_not_on_usb_has_no_identity)
{
	struct device_identity board = identity("/dev/ttyS0"), none = identity("/dev/ttyUSB7");
	char text[DEVICE_IDENTITY_TEXT_MAX];

	ck_assert(!device_identity_is_known(&board));
	ck_assert(!device_identity_is_known(&none));
	device_identity_print(&board, text);
	ck_assert_str_eq(text, "not a USB device");
}
END_TEST

static const struct {
	struct device_identity before, found;
	bool fits;
} pairs[] = {
	/* usb_id, serial, product, place, function */
	{ { "", "", "", "", "" }, { "0403:6001", "A", "", "1-1", "00" }, true },
	{ { "0403:6001", "A", "", "1-1", "00" }, { "", "", "", "", "" }, false },
	{ { "0403:6001", "A", "", "1-1", "00" }, { "0403:6001", "A", "", "1-1", "00" }, true },
	/* plugged in elsewhere */
	{ { "0403:6001", "A", "", "1-1", "00" }, { "0403:6001", "A", "", "1-2", "00" }, true },
	{ { "0403:6001", "", "", "1-1", "00" }, { "0403:6001", "", "", "1-2", "00" }, false },
	{ { "0403:6001", "A", "", "1-1", "00" }, { "0403:6001", "", "", "1-2", "00" }, false },
	{ { "0403:6001", "A", "", "1-1", "00" }, { "0403:6001", "B", "", "1-2", "00" }, false },
	/* many vendors count from 1 */
	{ { "0403:6001", "1", "", "1-1", "00" }, { "067b:2303", "1", "", "1-2", "00" }, false },
	/* another one of its lines */
	{ { "0403:6011", "A", "", "1-1", "00" }, { "0403:6011", "A", "", "1-1", "01" }, false },
	{ { "0403:6011", "A", "", "1-1", "00" }, { "0403:6011", "A", "", "1-2", "01" }, false },
	/* replaced in its place, by another of its kind or as a boot loader */
	{ { "0403:6001", "A", "", "1-1", "00" }, { "0403:6001", "B", "", "1-1", "00" }, true },
	{ { "2341:8037", "A", "", "1-1", "02" }, { "2341:0037", "", "", "1-1", "00" }, true },
	/* nothing else to go by */
	{ { "0403:6001", "", "", "", "" }, { "0403:6001", "", "", "", "" }, true },
	{ { "0403:6001", "", "", "", "" }, { "067b:2303", "", "", "", "" }, false },
};

START_TEST(same_device_is_known_by_its_number_or_its_place)
{
	ck_assert_int_eq(device_identity_fits(&pairs[_i].before, &pairs[_i].found), pairs[_i].fits);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("device_identity");
	TCase *t = tcase_create("sysfs"), *fits = tcase_create("fits");

	tcase_add_checked_fixture(t, begin, end);
	tcase_add_test(t, usb_serial_adapter_is_read_with_the_line_that_it_is);
	tcase_add_test(t, modem_without_a_serial_number_is_read);
	tcase_add_test(t, what_is_not_on_usb_has_no_identity);
	tcase_add_loop_test(fits, same_device_is_known_by_its_number_or_its_place, 0,
			    sizeof(pairs) / sizeof(pairs[0]));
	suite_add_tcase(suite, t);
	suite_add_tcase(suite, fits);
	return support_run(suite);
}
