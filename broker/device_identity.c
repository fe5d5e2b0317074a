/*
 * device_identity.c - what sysfs says of the USB device behind a tty, and whether two are the same.
 * It refuses to know what follows from that, and opens no device.
 *
 * The tricky idea: a serial number is the best sign, but many adapters have none, and some all have
 * the same; so what counts beside it is the socket in the wall of hubs, by which the kernel counts
 * too. The device's number on the bus would not do: it changes each time that it is plugged in.
 */
#include "device_identity.h"

#include <stdio.h>
#include <string.h>

#include "log.h"

#define LEVELS_MAX 4 /* from the tty's parent up to the USB device: cdc_acm 1, usb-serial 2 */

/* A file of sysfs, so many folders above the tty's parent. False, and "": there is none. */
static bool
read_file(const char *node, int level, const char *file, char *text, size_t size)
{
	const char *name = strncmp(node, "/dev/", 5) == 0 ? node + 5 : node;
	char path[256];
	FILE *f;

	text[0] = '\0';
	snprintf(path, sizeof(path), "/sys/class/tty/%.64s/device/%.*s%s", name, level * 3,
		 "../../../../", file);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	if (fgets(text, (int)size, f) == NULL)
		text[0] = '\0';
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	return text[0] != '\0';
}

/* What the device says of itself. */
static void
read_text(const char *node, int level, const char *file, char *text, size_t size)
{
	char raw[64];

	read_file(node, level, file, raw, sizeof(raw));
	log_escape(raw, text, size);
}

static void
read_place(const char *node, int level, struct device_identity *identity)
{
	char bus[8], path[16];

	if (read_file(node, level, "busnum", bus, sizeof(bus)) &&
	    read_file(node, level, "devpath", path, sizeof(path)))
		snprintf(identity->place, sizeof(identity->place), "%s-%s", bus, path);
}

static void
read_function(const char *node, int level, struct device_identity *identity)
{
	char interface[4], port[4];

	if (level == 0 ||
	    !read_file(node, level - 1, "bInterfaceNumber", interface, sizeof(interface)))
		return;
	read_file(node, 0, "port_number", port, sizeof(port));
	snprintf(identity->function, sizeof(identity->function), "%s%s%s", interface,
		 *port != '\0' ? "." : "", port);
}

static void
lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'F')
			*text = (char)(*text - 'A' + 'a');
}

void
device_identity_read(const char *node, struct device_identity *identity)
{
	char vendor[5], product[5];
	int level = 0;

	memset(identity, 0, sizeof(*identity));
	while (level < LEVELS_MAX && !read_file(node, level, "idVendor", vendor, sizeof(vendor)))
		level++;
	if (level == LEVELS_MAX || !read_file(node, level, "idProduct", product, sizeof(product)))
		return;
	snprintf(identity->usb_id, sizeof(identity->usb_id), "%s:%s", vendor, product);
	lower(identity->usb_id);
	read_text(node, level, "serial", identity->serial, sizeof(identity->serial));
	read_text(node, level, "product", identity->product, sizeof(identity->product));
	read_place(node, level, identity);
	read_function(node, level, identity);
}

bool
device_identity_is_known(const struct device_identity *identity)
{
	return identity->usb_id[0] != '\0';
}

static bool
is_equal(const char *a, const char *b)
{
	return *a != '\0' && strcmp(a, b) == 0;
}

bool
device_identity_fits(const struct device_identity *before, const struct device_identity *found)
{
	bool same_kind = strcmp(before->usb_id, found->usb_id) == 0;
	bool same_line = strcmp(before->function, found->function) == 0;

	if (!device_identity_is_known(before))
		return true;
	if (!device_identity_is_known(found))
		return false;
	if (is_equal(before->place, found->place))
		return !same_kind || same_line;
	if (!same_kind || !same_line)
		return false;
	if (is_equal(before->serial, found->serial))
		return true;
	/* nothing else to go by */
	return *before->serial == '\0' && *found->serial == '\0' &&
	       (*before->place == '\0' || *found->place == '\0');
}

void
device_identity_print(const struct device_identity *identity, char text[DEVICE_IDENTITY_TEXT_MAX])
{
	const struct device_identity *i = identity;

	if (!device_identity_is_known(i)) {
		snprintf(text, DEVICE_IDENTITY_TEXT_MAX, "not a USB device");
		return;
	}
	snprintf(text, DEVICE_IDENTITY_TEXT_MAX, "%s%s%s%s%s%s%s%s", i->usb_id,
		 *i->product != '\0' ? " \"" : "", i->product, *i->product != '\0' ? "\"" : "",
		 *i->serial != '\0' ? ", serial number " : "", i->serial,
		 *i->place != '\0' ? ", at usb " : "", i->place);
}
