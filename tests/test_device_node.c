/*
 * test_device_node.c - what is no port, and why: by a sysfs and a boot line that the test makes up.
 * This file's realpath(), stat(), readlink() and fopen() stand before the C library's, so that no
 * device of the machine is looked at.
 */
#undef _FORTIFY_SOURCE /* its inline versions of these functions would stand in the way */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../broker/device_node.h"
#include "support.h"

static struct {
	const char *path; /* a character device, and not on this machine */
	dev_t rdev;
	const char *subsystem, *active, *boot;
} world;

char *
realpath(const char *restrict path, char *restrict real)
{
	if (world.path == NULL || strcmp(path, world.path) != 0) {
		errno = ENOENT;
		return NULL;
	}
	return strcpy(real, path);
}

int
stat(const char *restrict path, struct stat *restrict st)
{
	if (world.path == NULL || strcmp(path, world.path) != 0)
		return fstatat(AT_FDCWD, path, st, 0);
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFCHR | 0660;
	st->st_rdev = world.rdev;
	return 0;
}

ssize_t
readlink(const char *restrict path, char *restrict buffer, size_t size)
{
	if (strncmp(path, "/sys/dev/char/", 14) != 0)
		return readlinkat(AT_FDCWD, path, buffer, size);
	return snprintf(buffer, size, "../../class/%s", world.subsystem);
}

FILE *
fopen(const char *restrict path, const char *restrict mode)
{
	int fd;

	if (strcmp(path, "/sys/class/tty/console/active") == 0)
		return fmemopen((char *)(uintptr_t)world.active, strlen(world.active), "r");
	if (strcmp(path, "/proc/cmdline") == 0)
		return fmemopen((char *)(uintptr_t)world.boot, strlen(world.boot), "r");
	fd = openat(AT_FDCWD, path, O_CLOEXEC | (mode[0] == 'r' ? O_RDONLY : O_WRONLY | O_CREAT),
		    0644);
	return fd < 0 ? NULL : fdopen(fd, mode);
}

static void
expect(const char *path, dev_t rdev, const char *subsystem, int result, const char *why)
{
	char node[PATH_MAX], text[DEVICE_TEXT_MAX] = "";
	bool is_pty;
	dev_t found;

	world.path = path;
	world.rdev = rdev;
	world.subsystem = subsystem;
	ck_assert_int_eq(node_find(path, node, &found, &is_pty, text), result);
	ck_assert_msg(strstr(text, why) != NULL && (*why != '\0' || *text == '\0'), "%s: %s", why,
		      text);
	ck_assert(result != 0 || found == rdev);
}

static void
boot(const char *active, const char *line)
{
	world.active = active;
	world.boot = line;
}

START_TEST(serial_ports_are_taken)
{
	boot("tty0\n", "quiet\n");
	expect("/dev/ttyS0", makedev(4, 64), "tty", 0, "");
	expect("/dev/ttyUSB0", makedev(188, 0), "tty", 0, "");
	expect("/dev/ttyACM12", makedev(166, 12), "tty", 0, "");
}
END_TEST

START_TEST(kernels_console_is_refused_with_its_boot_parameter)
{
	static const char why[] = "/dev/ttyS0: the kernel's console, which writes its messages "
				  "there: it can't be leased before the boot parameter "
				  "console=ttyS0 is removed";

	boot("tty0 ttyS0\n", "quiet console=tty0 console=ttyS0,115200n8 ro\n");
	expect("/dev/ttyS0", makedev(4, 64), "tty", -EBUSY, why);
	boot("ttyS0 tty0", "console=ttyS0");
	expect("/dev/ttyS0", makedev(4, 64), "tty", -EBUSY, why);
	expect("/dev/ttyS1", makedev(4, 65), "tty", 0, "");
}
END_TEST

/* A name that begins like it, or is in another word, is not it. */
START_TEST(name_that_only_resembles_the_consoles_is_none)
{
	boot("ttyS10 myttyS1\n", "console=ttyS10\n");
	expect("/dev/ttyS1", makedev(4, 65), "tty", 0, "");
	expect("/dev/ttyS10", makedev(4, 74), "tty", -EBUSY, "console=ttyS10 is removed");
}
END_TEST

START_TEST(console_by_the_firmwares_choice_names_another_way_out)
{
	boot("ttyAMA0\n", "quiet noconsole=ttyAMA0 console=ttyAMA01\n");
	expect("/dev/ttyAMA0", makedev(204, 64), "tty", -EBUSY,
	       "booted with another one (such as console=tty0)");
}
END_TEST

START_TEST(modems_channels_that_are_no_ttys_are_refused_with_what_to_lease)
{
	boot("tty0\n", "quiet\n");
	expect("/dev/cdc-wdm0", makedev(180, 176), "usbmisc", -ENOTTY,
	       "/dev/cdc-wdm0: not a serial device: a modem's control channel, which speaks QMI "
	       "or MBIM; lease its AT port, mostly one of its /dev/ttyUSB or /dev/ttyACM");
	expect("/dev/wwan0at0", makedev(240, 0), "wwan", -ENOTTY,
	       "no tty: it can't be hung up and so not be taken back");
	expect("/dev/wwan0mbim0", makedev(240, 1), "wwan", -ENOTTY, "leave it to ModemManager");
	expect("/dev/usb/hiddev0", makedev(180, 96), "usbmisc", -ENOTTY,
	       "a character device of subsystem usbmisc");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("device_node");
	TCase *t = tcase_create("node");

	tcase_add_test(t, serial_ports_are_taken);
	tcase_add_test(t, kernels_console_is_refused_with_its_boot_parameter);
	tcase_add_test(t, name_that_only_resembles_the_consoles_is_none);
	tcase_add_test(t, console_by_the_firmwares_choice_names_another_way_out);
	tcase_add_test(t, modems_channels_that_are_no_ttys_are_refused_with_what_to_lease);
	suite_add_tcase(suite, t);
	return support_run(suite);
}
