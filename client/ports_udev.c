/*
 * ports_udev.c - the serial ports that the machine has, as udev describes them.
 *
 * Responsible for: which ttys are serial ports with hardware behind them, and what udev's
 * properties and sysfs say of each. Refuses to know: the broker, what a port could be called.
 * The one tricky idea: udev's properties are there only once its rules have seen the device, and
 * in a container never; then sysfs tells what the device says of itself. comleased does the same,
 * so that what is shown here is what it goes by.
 */
#include "ports.h"

#include <ctype.h>
#include <errno.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COPY(to, from) snprintf(to, sizeof(to), "%s", (from) ? (from) : "")

static bool
is_one(const char *value)
{
	return value && strcmp(value, "1") == 0;
}

static const char *
property(struct udev_device *tty, const char *name)
{
	const char *value = udev_device_get_property_value(tty, name);

	return value && *value ? value : NULL;
}

/* What udevd has found out, or else what the device says of itself; NULL. */
static const char *
value_of(struct udev_device *tty, const char *name, struct udev_device *parent,
	 const char *attribute)
{
	const char *value = property(tty, name);

	return value || !parent ? value : udev_device_get_sysattr_value(parent, attribute);
}

/* A UART without hardware behind it has the type 0; what is no UART has no such attribute. Virtual
 * consoles and the like have no parent. */
static bool
is_serial(struct udev_device *tty)
{
	const char *type = udev_device_get_sysattr_value(tty, "type");

	return udev_device_get_devnode(tty) && udev_device_get_parent(tty) &&
	       !(type && strcmp(type, "0") == 0);
}

/* That of the hardware: since Linux 6.5 there are "port" and "ctrl" of the bus serial-base between
 * a UART and its device. */
static const char *
driver_of(struct udev_device *tty)
{
	struct udev_device *d;

	for (d = udev_device_get_parent(tty); d; d = udev_device_get_parent(d)) {
		const char *subsystem = udev_device_get_subsystem(d);
		const char *driver = udev_device_get_driver(d);

		if (driver && !(subsystem && strcmp(subsystem, "serial-base") == 0))
			return driver;
	}
	return NULL;
}

static const char *
uart_name(const char *type)
{
	static const char *const names[] = { NULL,     "8250",  "16450",   "16550", "16550A",
					     "Cirrus", "16650", "16650V2", "16750" };
	int n = type ? atoi(type) : 0;

	return n > 0 && n < (int)(sizeof names / sizeof *names) ? names[n] : NULL;
}

static void
fill_links(struct ports_device *d, const char *links)
{
	char *all = links ? strdup(links) : NULL, *rest = all, *path;

	while (rest && (path = strsep(&rest, " "))) {
		if (strncmp(path, "/dev/serial/by-id/", 18) == 0)
			COPY(d->by_id, path);
		else if (strncmp(path, "/dev/serial/by-path/", 20) == 0)
			COPY(d->by_path, path);
		else if (strncmp(path, "/dev/comlease/", 14) == 0)
			COPY(d->by_name, path);
	}
	free(all);
}

static void
fill_usb(struct ports_device *d, struct udev_device *tty, struct udev_device *usb)
{
	struct udev_device *interface =
	    udev_device_get_parent_with_subsystem_devtype(tty, "usb", "usb_interface");
	const char *vendor = value_of(tty, "ID_VENDOR_ID", usb, "idVendor");
	const char *product = value_of(tty, "ID_MODEL_ID", usb, "idProduct");

	if (vendor && product)
		snprintf(d->usb_id, sizeof(d->usb_id), "%.4s:%.4s", vendor, product);
	for (char *c = d->usb_id; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	COPY(d->usb_serial, value_of(tty, "ID_SERIAL_SHORT", usb, "serial"));
	COPY(d->usb_interface,
	     value_of(tty, "ID_USB_INTERFACE_NUM", interface, "bInterfaceNumber"));
	COPY(d->vendor, value_of(tty, "ID_VENDOR", usb, "manufacturer"));
	COPY(d->usb_path, property(tty, "ID_PATH"));
	COPY(d->usb_device, udev_device_get_syspath(usb));
}

/* What ModemManager looks at, as it is set up: not plain adapters, but modems' own drivers, ACM
 * devices, and what its rules or the site's name. */
static bool
looks_like_modem(struct udev_device *tty, const char *driver)
{
	static const char *const drivers[] = { "cdc_acm", "option", "qcserial",
					       "qcaux",   "sierra", "hso" };
	struct udev_list_entry *entry;

	for (size_t i = 0; i < sizeof drivers / sizeof *drivers; i++) {
		if (strcmp(driver, drivers[i]) == 0)
			return true;
	}
	udev_list_entry_foreach(entry, udev_device_get_properties_list_entry(tty))
	{
		if (strncmp(udev_list_entry_get_name(entry), "ID_MM_PORT_TYPE_", 16) == 0)
			return true;
	}
	return is_one(property(tty, "ID_MM_DEVICE_PROCESS"));
}

/* Its own rules mark every tty as a candidate; sites mark what it must not touch. */
static bool
is_modem_candidate(struct udev_device *tty, const char *driver)
{
	return is_one(property(tty, "ID_MM_CANDIDATE")) &&
	       !is_one(property(tty, "ID_MM_PORT_IGNORE")) &&
	       !is_one(property(tty, "ID_MM_DEVICE_IGNORE")) && looks_like_modem(tty, driver);
}

/* consoles: their names, separated by blanks. */
static bool
is_console(const char *consoles, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = consoles; at && (at = strstr(at, name)); at += length) {
		if ((at == consoles || at[-1] == ' ') && strchr(" \n", at[length]))
			return true;
	}
	return false;
}

static void
fill(struct ports_device *d, struct udev_device *tty, const char *consoles)
{
	struct udev_device *usb =
	    udev_device_get_parent_with_subsystem_devtype(tty, "usb", "usb_device");

	COPY(d->node, udev_device_get_devnode(tty));
	d->rdev = udev_device_get_devnum(tty);
	COPY(d->driver, driver_of(tty));
	COPY(d->description, uart_name(udev_device_get_sysattr_value(tty, "type")));
	fill_links(d, property(tty, "DEVLINKS"));
	if (usb)
		fill_usb(d, tty, usb);
	d->is_ignored = is_one(property(tty, "COMLEASE_IGNORE"));
	d->is_modem_candidate = is_modem_candidate(tty, d->driver);
	d->is_console = is_console(consoles, udev_device_get_sysname(tty));
	ports_describe(d);
}

static int
by_node(const void *a, const void *b)
{
	const struct ports_device *one = a, *other = b;

	return strverscmp(one->node, other->node);
}

static int
add(struct ports *ports, struct udev_device *tty, const char *consoles)
{
	struct ports_device *more;

	if (!is_serial(tty))
		return 0;
	more = realloc(ports->devices, (ports->count + 1) * sizeof *more);
	if (!more)
		return -ENOMEM;
	ports->devices = more;
	memset(&more[ports->count], 0, sizeof *more);
	fill(&more[ports->count++], tty, consoles);
	return 0;
}

static int
read_all(struct ports *ports, struct udev *udev, struct udev_enumerate *ttys)
{
	struct udev_device *console =
	    udev_device_new_from_subsystem_sysname(udev, "tty", "console");
	const char *consoles = console ? udev_device_get_sysattr_value(console, "active") : NULL;
	struct udev_list_entry *entry;
	int error = udev_enumerate_add_match_subsystem(ttys, "tty");

	if (error >= 0)
		error = udev_enumerate_scan_devices(ttys);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(ttys))
	{
		struct udev_device *tty =
		    udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));

		if (tty && error >= 0) /* NULL: unplugged just now */
			error = add(ports, tty, consoles);
		udev_device_unref(tty);
	}
	udev_device_unref(console);
	return error < 0 ? error : 0;
}

int
ports_read(struct ports *ports)
{
	struct udev *udev = udev_new();
	struct udev_enumerate *ttys = udev ? udev_enumerate_new(udev) : NULL;
	int error = ttys ? read_all(ports, udev, ttys) : -ENOMEM;

	udev_enumerate_unref(ttys);
	udev_unref(udev);
	if (ports->count > 0)
		qsort(ports->devices, ports->count, sizeof *ports->devices, by_node);
	return error;
}

void
ports_free(struct ports *ports)
{
	free(ports->devices);
	*ports = (struct ports){ NULL, 0 };
}
