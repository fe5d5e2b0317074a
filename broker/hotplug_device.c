/*
 * hotplug_device.c - one tty as libudev has it -> struct hotplug_device. It refuses to know what
 * the device is good for, and when to ask.
 *
 * The tricky idea: what udevd has found out wins (ID_...), for its rules may have corrected it;
 * what it has not said is read from sysfs, so that serial numbers count on a machine without udevd,
 * too. The name is the one that systemd's 60-serial.rules makes below /dev/serial/by-id.
 */
#include "hotplug_device.h"

#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST "usb-"

/* Short of memory it is cut off, which is no other device's. */
static void
copy(char *to, size_t size, const char *from)
{
	if (from != NULL)
		snprintf(to, size, "%s", from);
}

static const char *
property(struct udev_device *tty, const char *name)
{
	const char *value = udev_device_get_property_value(tty, name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* ---- without udevd: what the device says of itself ---- */

static const char *
attribute(struct udev_device *tty, const char *type, const char *name)
{
	struct udev_device *parent =
	    udev_device_get_parent_with_subsystem_devtype(tty, "usb", type);
	const char *value = parent == NULL ? NULL : udev_device_get_sysattr_value(parent, name);

	return value != NULL && *value != '\0' ? value : NULL;
}

/* A property, or else what stands in sysfs. */
static const char *
know(struct udev_device *tty, const char *name, const char *type, const char *file)
{
	const char *value = property(tty, name);

	return value != NULL ? value : attribute(tty, type, file);
}

static bool
is_on_usb(struct udev_device *tty)
{
	const char *bus = property(tty, "ID_BUS");

	if (bus != NULL)
		return strcmp(bus, "usb") == 0;
	return udev_device_get_parent_with_subsystem_devtype(tty, "usb", "usb_interface") != NULL;
}

/* Without the blanks at its end. */
static int
length(const char *text)
{
	int n = (int)strlen(text);

	while (n > 0 && text[n - 1] == ' ')
		n--;
	return n;
}

/* As udevd makes ID_SERIAL: the maker, the model, the serial number. */
static void
describe(struct udev_device *tty, char *text, size_t size)
{
	const char *vendor = attribute(tty, "usb_device", "manufacturer"),
		   *model = attribute(tty, "usb_device", "product"),
		   *serial = attribute(tty, "usb_device", "serial");

	if (vendor == NULL)
		vendor = attribute(tty, "usb_device", "idVendor");
	if (vendor == NULL)
		vendor = "";
	if (model == NULL)
		model = attribute(tty, "usb_device", "idProduct");
	if (model == NULL)
		model = "";
	snprintf(text, size, "%.*s_%.*s%s%s", length(vendor), vendor, length(model), model,
		 serial != NULL ? "_" : "", serial != NULL ? serial : "");
}

/* ---- the name ---- */

/* Only what a port's name may have; blanks in a row become one. */
static void
sanitise(char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._:@+-";
	char *to = text;

	for (; *text != '\0'; text++) {
		if (*text == ' ' && text[1] == ' ')
			continue;
		*to++ = strchr(allowed, *text) != NULL ? *text : '_';
	}
	*to = '\0';
}

/* Too long: the end counts, where the serial number and the interface are; and it still begins as
 * all of them do, or no template would fit. */
static void
shorten(char *name, const char *full)
{
	size_t length = strlen(full);

	if (length <= CONFIG_NAME_MAX)
		memcpy(name, full, length + 1);
	else
		snprintf(name, CONFIG_NAME_MAX + 1, FIRST "%s",
			 full + length - (CONFIG_NAME_MAX - strlen(FIRST)));
}

/* Where it is plugged in: the part of ID_PATH that does not depend on the way to the bus. */
static const char *
place(struct udev_device *tty, const char *path)
{
	struct udev_device *interface =
	    udev_device_get_parent_with_subsystem_devtype(tty, "usb", "usb_interface");
	const char *found = NULL, *next;

	if (*path == '\0')
		return interface != NULL ? udev_device_get_sysname(interface) : "";
	for (next = path; (next = strstr(next, "-usb-")) != NULL; next += 5)
		found = next + 5;
	return found != NULL ? found : path;
}

/* usb-FTDI_FT232R_A50285BI-if00-port0 */
static void
make_name(struct udev_device *tty, struct hotplug_device *d)
{
	struct udev_device *usb_serial =
	    udev_device_get_parent_with_subsystem_devtype(tty, "usb-serial", NULL);
	const char *serial = property(tty, "ID_SERIAL"),
		   *port = usb_serial == NULL
			       ? NULL
			       : udev_device_get_sysattr_value(usb_serial, "port_number");
	char described[HOTPLUG_TEXT_MAX] = "", *full;

	if (serial == NULL)
		describe(tty, described, sizeof(described));
	if (asprintf(&full, FIRST "%s-if%s%s%s%s%s", serial != NULL ? serial : described,
		     d->usb_interface, port != NULL ? "-port" : "", port != NULL ? port : "",
		     d->usb_serial[0] == '\0' ? "@" : "",
		     d->usb_serial[0] == '\0' ? place(tty, d->usb_path) : "") < 0)
		return;
	sanitise(full);
	shorten(d->name, full);
	free(full);
}

/* ---- all of it ---- */

static void
read_usb(struct udev_device *tty, struct hotplug_device *d)
{
	const char *vendor = know(tty, "ID_VENDOR_ID", "usb_device", "idVendor"),
		   *model = know(tty, "ID_MODEL_ID", "usb_device", "idProduct");
	char *c;

	if (vendor != NULL && model != NULL)
		snprintf(d->usb_id, sizeof(d->usb_id), "%s:%s", vendor, model);
	for (c = d->usb_id; *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	copy(d->usb_serial, sizeof(d->usb_serial),
	     know(tty, "ID_SERIAL_SHORT", "usb_device", "serial"));
	copy(d->usb_interface, sizeof(d->usb_interface),
	     know(tty, "ID_USB_INTERFACE_NUM", "usb_interface", "bInterfaceNumber"));
	make_name(tty, d);
}

/* /sys/class/tty/console/active: "tty0 ttyS0" */
static bool
is_console(const char *name)
{
	char line[512] = "", *word, *rest = line;
	FILE *f = fopen("/sys/class/tty/console/active", "re");

	if (f == NULL)
		return false;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	while ((word = strsep(&rest, " \n")) != NULL)
		if (strcmp(word, name) == 0)
			return true;
	return false;
}

bool
hotplug_device_read(struct udev_device *tty, struct hotplug_device *d)
{
	const char *node = udev_device_get_devnode(tty), *name = udev_device_get_sysname(tty),
		   *ignore = property(tty, "COMLEASE_IGNORE"),
		   *tags = property(tty, "CURRENT_TAGS");

	memset(d, 0, sizeof(*d));
	if (node == NULL || name == NULL || strncmp(node, "/dev/", 5) != 0 ||
	    strlen(node) >= sizeof(d->node) || udev_device_get_parent(tty) == NULL)
		return false;
	copy(d->node, sizeof(d->node), node);
	copy(d->usb_path, sizeof(d->usb_path), property(tty, "ID_PATH"));
	copy(d->tags, sizeof(d->tags), tags != NULL ? tags : property(tty, "TAGS"));
	d->ignored = ignore != NULL && strcmp(ignore, "0") != 0;
	d->console = is_console(name);
	if (is_on_usb(tty))
		read_usb(tty, d);
	return true;
}
