/*
 * mock_udev.c - sysfs by hand, and events in the form that libudev reads. It refuses to know who
 * reads them.
 *
 * The tricky idea: umockdev's preload makes of each netlink socket that libudev binds a Unix socket
 * FOLDER/eventFD, so an event is a datagram to each of them. The send waits while a queue is full
 * (there is room for ten), so that none is lost, however slow the other side is.
 */
#include "mock_udev.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BUS     "devices/pci0000:00/0000:00:14.0/usb1"
#define PRELOAD "libumockdev-preload.so.0"

#define TTY_HASH 0x8afa90c8U /* libudev's of "tty": its filter in the kernel looks at it */

static char root[128];
static unsigned long long number = 1;

/* ---- sysfs ---- */

/* FOLDER/sys/..., with the folders on the way there. */
__attribute__((format(printf, 1, 2))) static const char *
in_sys(const char *format, ...)
{
	static char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/sys/", root);
	va_list args;
	char *slash;

	va_start(args, format);
	vsnprintf(path + n, sizeof(path) - (size_t)n, format, args);
	va_end(args);
	for (slash = path + n; (slash = strchr(slash, '/')) != NULL; slash++) {
		*slash = '\0';
		ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	return path;
}

__attribute__((format(printf, 2, 3))) static void
put(const char *path, const char *format, ...)
{
	FILE *f = fopen(path, "we");
	va_list args;

	ck_assert_ptr_nonnull(f);
	va_start(args, format);
	vfprintf(f, format, args);
	va_end(args);
	ck_assert_int_eq(fclose(f), 0);
}

static void
link_to(const char *target, const char *path)
{
	unlink(path);
	ck_assert_int_eq(symlink(target, path), 0);
}

/* Its place below sys/. */
static const char *
place(const struct mock_tty *tty)
{
	static char path[512];

	if (tty->plug == NULL)
		snprintf(path, sizeof(path), "devices/platform/serial8250/tty/%s", tty->name);
	else
		snprintf(path, sizeof(path), BUS "/%s/%s:1.%u/%s%stty/%s", tty->plug, tty->plug,
			 tty->interface, strstr(tty->name, "USB") != NULL ? tty->name : "",
			 strstr(tty->name, "USB") != NULL ? "/" : "", tty->name);
	return path;
}

static const char *
id_of(const struct mock_tty *tty)
{
	return tty->id != NULL ? tty->id : "0403:6001";
}

/* What the kernel says, and what udevd adds. */
static void
describe(const struct mock_tty *tty, char *text, size_t size)
{
	unsigned minor = (unsigned)atoi(tty->name + strcspn(tty->name, "0123456789"));
	int n = snprintf(text, size, "MAJOR=188\nMINOR=%u\nDEVNAME=%s\n", minor,
			 tty->node != NULL ? tty->node : tty->name);

	if (!tty->is_raw && tty->plug != NULL)
		n += snprintf(text + n, size - (size_t)n,
			      "ID_BUS=usb\nID_VENDOR_ID=%.4s\nID_MODEL_ID=%s\n"
			      "ID_SERIAL=FTDI_FT232R%s%s\nID_USB_INTERFACE_NUM=%02u\n"
			      "ID_PATH=pci-0000:00:14.0-usb-0:%s:1.%u\n",
			      id_of(tty), id_of(tty) + 5, tty->serial != NULL ? "_" : "",
			      tty->serial != NULL ? tty->serial : "", tty->interface, tty->plug + 2,
			      tty->interface);
	if (!tty->is_raw && tty->serial != NULL)
		n += snprintf(text + n, size - (size_t)n, "ID_SERIAL_SHORT=%s\n", tty->serial);
	if (!tty->is_raw && tty->more != NULL)
		n += snprintf(text + n, size - (size_t)n, "%s", tty->more);
	ck_assert_int_lt(n, (int)size);
}

static void
make_usb(const struct mock_tty *tty)
{
	const char *p = tty->plug;

	put(in_sys(BUS "/%s/uevent", p), "DEVTYPE=usb_device\n");
	put(in_sys(BUS "/%s/idVendor", p), "%.4s\n", id_of(tty));
	put(in_sys(BUS "/%s/idProduct", p), "%s\n", id_of(tty) + 5);
	put(in_sys(BUS "/%s/manufacturer", p), "FTDI\n");
	put(in_sys(BUS "/%s/product", p), "FT232R  \n");
	if (tty->serial != NULL)
		put(in_sys(BUS "/%s/serial", p), "%s\n", tty->serial);
	else
		unlink(in_sys(BUS "/%s/serial", p));
	link_to("../../../../../bus/usb", in_sys(BUS "/%s/subsystem", p));
	put(in_sys(BUS "/%s/%s:1.%u/uevent", p, p, tty->interface), "DEVTYPE=usb_interface\n");
	put(in_sys(BUS "/%s/%s:1.%u/bInterfaceNumber", p, p, tty->interface), "%02u\n",
	    tty->interface);
	link_to("../../../../../../bus/usb",
		in_sys(BUS "/%s/%s:1.%u/subsystem", p, p, tty->interface));
	if (strstr(tty->name, "USB") == NULL)
		return;
	put(in_sys(BUS "/%s/%s:1.%u/%s/uevent", p, p, tty->interface, tty->name), "%s", "");
	put(in_sys(BUS "/%s/%s:1.%u/%s/port_number", p, p, tty->interface, tty->name), "0\n");
	link_to("../../../../../../../bus/usb-serial",
		in_sys(BUS "/%s/%s:1.%u/%s/subsystem", p, p, tty->interface, tty->name));
}

void
mock_udev_make(const struct mock_tty *tty)
{
	char text[4096], target[1024];

	describe(tty, text, sizeof(text));
	if (tty->plug != NULL) {
		make_usb(tty);
	} else {
		put(in_sys("devices/platform/serial8250/uevent"), "%s", "");
		link_to("../../../bus/platform", in_sys("devices/platform/serial8250/subsystem"));
	}
	put(in_sys("%s/uevent", place(tty)), "%s", text);
	snprintf(target, sizeof(target), "%s/sys/class/tty", root);
	link_to(target, in_sys("%s/subsystem", place(tty)));
	snprintf(target, sizeof(target), "../../%s", place(tty));
	link_to(target, in_sys("class/tty/%s", tty->name));
}

void
mock_udev_unmake(const struct mock_tty *tty)
{
	unlink(in_sys("class/tty/%s", tty->name));
	unlink(in_sys("%s/subsystem", place(tty)));
	unlink(in_sys("%s/uevent", place(tty)));
	rmdir(in_sys("%s", place(tty)));
}

/* ---- events ---- */

struct header { /* libudev's, of 40 bytes */
	char prefix[8];
	uint32_t magic, header_size, properties_off, properties_len;
	uint32_t subsystem_hash, devtype_hash, tags_high, tags_low;
};

static size_t
compose(const struct mock_tty *tty, const char *action, char *text, size_t size)
{
	struct header h = { .prefix = "libudev",
			    .magic = htonl(0xfeedcafe),
			    .header_size = sizeof(h),
			    .properties_off = sizeof(h),
			    .subsystem_hash = htonl(TTY_HASH) };
	char properties[4096], *c;
	int n;

	describe(tty, properties, sizeof(properties));
	n = snprintf(text + sizeof(h), size - sizeof(h),
		     "ACTION=%s\nDEVPATH=/%s\nSUBSYSTEM=tty\nSEQNUM=%llu\n%s", action, place(tty),
		     number, properties);
	ck_assert_int_lt(n, (int)(size - sizeof(h)));
	for (c = text + sizeof(h); *c != '\0'; c++)
		if (*c == '\n')
			*c = '\0';
	h.properties_len = (uint32_t)n;
	memcpy(text, &h, sizeof(h));
	return sizeof(h) + (size_t)n;
}

/* Waits while the queue is full. One that is closed is gone. */
static void
send_to(const char *path, const char *text, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval limit = { .tv_sec = 10 };
	int fd = socket(AF_UNIX, SOCK_RAW | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_uint_lt(strlen(path), sizeof(address.sun_path));
	strcpy(address.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (sendto(fd, text, size, 0, (struct sockaddr *)&address, sizeof(address)) < 0) {
		ck_assert_msg(errno == ECONNREFUSED, "%s: %s", path, strerror(errno));
		unlink(path);
	}
	close(fd);
}

/* By the number of their descriptor: the first was opened first. */
static int
compare(const void *a, const void *b)
{
	const char *left = *(char *const *)a, *right = *(char *const *)b;

	return strlen(left) != strlen(right) ? (strlen(left) < strlen(right) ? -1 : 1)
					     : strcmp(left, right);
}

static void
send_some(const struct mock_tty *tty, const char *action, int only)
{
	char text[8192], pattern[PATH_MAX];
	size_t size = compose(tty, action, text, sizeof(text)), i;
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/event[0-9]*", root);
	if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
		qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), compare);
		for (i = 0; i < found.gl_pathc; i++)
			if (only < 0 || i == (size_t)only)
				send_to(found.gl_pathv[i], text, size);
		globfree(&found);
	}
	number++;
}

void
mock_udev_tell(const struct mock_tty *tty, const char *action)
{
	send_some(tty, action, -1);
}

void
mock_udev_tell_as(const struct mock_tty *tty, const char *action, enum mock_source source)
{
	send_some(tty, action, source == MOCK_KERNEL ? 0 : 1);
}

void
mock_udev_set_number(unsigned long long next)
{
	number = next;
}

void
mock_udev_plug(const struct mock_tty *tty)
{
	mock_udev_make(tty);
	mock_udev_tell(tty, "add");
}

void
mock_udev_unplug(const struct mock_tty *tty)
{
	mock_udev_unmake(tty);
	mock_udev_tell(tty, "remove");
}

/* ---- the whole ---- */

void
mock_udev_begin(const char *folder, const char *console)
{
	char sys[PATH_MAX];

	ck_assert_uint_lt(strlen(folder), sizeof(root));
	strcpy(root, folder);
	ck_assert(mkdir(root, 0755) == 0 || errno == EEXIST);
	snprintf(sys, sizeof(sys), "%s/sys", root);
	ck_assert(mkdir(sys, 0755) == 0 || errno == EEXIST);
	put(in_sys("class/tty/console/active"), "%s\n", console != NULL ? console : "");
	in_sys("bus/usb/devices/");
	in_sys("bus/usb-serial/devices/");
	in_sys("bus/platform/devices/");
}

void
mock_udev_break(void)
{
	strcpy(root, "/nonexistent");
}

void
mock_udev_environment(const char *before)
{
	const char *options = getenv("ASAN_OPTIONS");
	char all[PATH_MAX + 64];

	setenv("UMOCKDEV_DIR", root, 1);
	snprintf(all, sizeof(all), "%s%s" PRELOAD, before != NULL ? before : "",
		 before != NULL ? ":" : "");
	setenv("LD_PRELOAD", all, 1);
	snprintf(all, sizeof(all), "%s:verify_asan_link_order=0", options != NULL ? options : "");
	setenv("ASAN_OPTIONS", all, 1);
}
