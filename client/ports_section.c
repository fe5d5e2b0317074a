/*
 * ports_section.c - which port each device is, and the section for one that is none yet.
 *
 * Responsible for: telling the devices apart, and names that a person can say. No I/O but the
 * look at where a configured path leads.
 * The one tricky idea: a serial number is worth nothing where two adapters have the same one
 * (cheap ones are all 0001), nor is the socket where one interface has several ports. So each way
 * of saying which device is meant is taken only if it means no other device that is there.
 */
#include "ports.h"
#include "status_table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SERIAL_SHOWN_MAX 20 /* of a serial number, in a name */

/* ---- which port a device is ---- */

static bool
leads_to(const char *path, dev_t rdev)
{
	struct stat st;

	return rdev != 0 && stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == rdev;
}

static bool
is_port(const struct ports_device *d, const json_t *port)
{
	const char *node = status_string(port, "node"), *device = status_string(port, "device");
	const json_t *rdev = json_object_get(port, "rdev");

	if (rdev && d->rdev != 0)
		return json_integer_value(rdev) == (json_int_t)d->rdev;
	if (node)
		return strcmp(node, d->node) == 0;
	return device && (strcmp(device, d->node) == 0 || leads_to(device, d->rdev));
}

void
ports_match(struct ports *ports, const json_t *list)
{
	const json_t *array = json_object_get(list, "ports"), *port;
	size_t i;

	for (size_t n = 0; n < ports->count; n++) {
		struct ports_device *d = &ports->devices[n];
		d->port = NULL;
		json_array_foreach (array, i, port) {
			if (is_port(d, port))
				d->port = port;
		}
	}
}

/* ---- how it can be told from the others ---- */

/* Could a section say that? Only printable ASCII is the same in every locale. */
static bool
can_be_said(const char *value)
{
	for (const char *c = value; *c; c++) {
		if (*c <= ' ' || *c > '~' || *c == ';')
			return false;
	}
	return value[0] && strlen(value) <= PORTS_VALUE_MAX;
}

static bool
is_same(const struct ports_device *one, const struct ports_device *other, enum ports_key key)
{
	switch (key) {
	case PORTS_BY_SERIAL:
		return strcmp(one->usb_serial, other->usb_serial) == 0 &&
		       strcmp(one->usb_interface, other->usb_interface) == 0;
	case PORTS_BY_PATH:
		return strcmp(one->usb_path, other->usb_path) == 0;
	default:
		return false;
	}
}

static bool
can_have_key(const struct ports *ports, const struct ports_device *d, enum ports_key key)
{
	if (d->usb_id[0] == '\0')
		return false;
	if (!can_be_said(key == PORTS_BY_SERIAL ? d->usb_serial : d->usb_path))
		return false;
	for (size_t i = 0; i < ports->count; i++) {
		if (&ports->devices[i] != d && is_same(&ports->devices[i], d, key))
			return false;
	}
	return true;
}

/* by-path is there for each port of an interface; by-id only if it has a serial number. */
static const char *
link_of(const struct ports_device *d)
{
	return d->by_path[0] ? d->by_path : d->by_id;
}

static enum ports_key
choose_key(const struct ports *ports, const struct ports_device *d)
{
	if (can_have_key(ports, d, PORTS_BY_SERIAL))
		return PORTS_BY_SERIAL;
	if (can_have_key(ports, d, PORTS_BY_PATH))
		return PORTS_BY_PATH;
	return can_be_said(link_of(d)) ? PORTS_BY_LINK : PORTS_BY_NODE;
}

/* ---- a name for it ---- */

static bool
is_name_char(char c)
{
	return isalnum((unsigned char)c) || strchr("._:@+-", c);
}

/* What a name may have of `from`, up to `size` - 1 bytes. */
static void
copy_name(char *to, size_t size, const char *from)
{
	size_t n = 0;

	for (; *from && n + 1 < size; from++) {
		if (is_name_char(*from))
			to[n++] = *from;
	}
	to[n] = '\0';
}

/* Makers of chips: what is built around one is known better by the chip. */
static bool
is_chip_maker(const char *vendor)
{
	static const char *const makers[] = { "silicon", "prolific", "qinheng", "wch", "usb" };

	for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
		if (strncasecmp(vendor, makers[i], strlen(makers[i])) == 0)
			return true;
	}
	return false;
}

/* "ftdi", "arduino", "ch341": its maker's first word if it has one, else that of the driver. */
static void
family_of(const struct ports_device *d, char *family, size_t size)
{
	const char *from = d->vendor;
	size_t n = strcspn(from, "_- .,(");
	bool is_number = strspn(from, "0123456789abcdefABCDEF") >= n;

	if (n < 2 || is_number || is_chip_maker(from)) {
		from = strncmp(d->driver, "cdc_", 4) == 0 ? d->driver + 4 : d->driver;
		n = strcspn(from, "_- ");
	}
	if (n == 0) {
		from = "usb";
		n = strlen(from);
	}
	char word[24];
	snprintf(word, sizeof word, "%.*s", (int)(n < 16 ? n : 16), from);
	for (char *c = word; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	copy_name(family, size, word);
	if (family[0] == '\0')
		snprintf(family, size, "usb");
}

/* "2.4" of pci-0000:00:14.0-usb-0:2.4:1.0: the way from the machine's socket through hubs. */
static void
socket_of(const struct ports_device *d, char socket[32])
{
	const char *usb = strstr(d->usb_path, "-usb-"), *colon = usb ? strchr(usb, ':') : NULL;

	socket[0] = '\0';
	if (colon)
		snprintf(socket, 32, "%.*s", (int)strcspn(colon + 1, ":"), colon + 1);
}

/* Does its adapter have several ports, by different interfaces? */
static bool
has_sisters(const struct ports *ports, const struct ports_device *d)
{
	for (size_t i = 0; i < ports->count; i++) {
		const struct ports_device *other = &ports->devices[i];
		if (other != d && d->usb_device[0] &&
		    strcmp(other->usb_device, d->usb_device) == 0 &&
		    strcmp(other->usb_interface, d->usb_interface) != 0)
			return true;
	}
	return false;
}

/* "ftdi-A50285BI", "ch341@2.4", "ftdi-FT4QX1Z3-if01", "ttyS0". */
static void
make_name(const struct ports *ports, struct ports_device *d)
{
	const char *slash = strrchr(d->node, '/');
	const char *node = slash ? slash + 1 : d->node, *serial = d->usb_serial;
	char family[24], tail[SERIAL_SHOWN_MAX + 1], socket[32];
	size_t length = strlen(serial);

	if (d->usb_id[0] == '\0' || d->key == PORTS_BY_NODE) {
		copy_name(d->name, sizeof d->name, node);
		return;
	}
	family_of(d, family, sizeof family);
	socket_of(d, socket);
	copy_name(tail, sizeof tail,
		  length > SERIAL_SHOWN_MAX ? serial + length - SERIAL_SHOWN_MAX : serial);
	if (d->key == PORTS_BY_PATH || tail[0] == '\0')
		snprintf(d->name, sizeof d->name, "%s@%.36s", family, socket[0] ? socket : node);
	else
		snprintf(d->name, sizeof d->name, "%s-%s", family, tail);
	length = strlen(d->name);
	if (has_sisters(ports, d))
		snprintf(d->name + length, sizeof d->name - length, "-if%s", d->usb_interface);
}

static bool
is_among(const json_t *array, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (array, i, one) {
		const char *taken = status_string(one, "name");
		if (taken && strcmp(taken, name) == 0)
			return true;
	}
	return false;
}

static bool
is_taken(const struct ports *ports, const struct ports_device *d, const json_t *list)
{
	for (size_t i = 0; i < ports->count; i++) {
		const struct ports_device *other = &ports->devices[i];
		if (other != d && strcmp(other->name, d->name) == 0)
			return true;
	}
	return is_among(json_object_get(list, "ports"), d->name) ||
	       is_among(json_object_get(list, "pools"), d->name);
}

void
ports_name(struct ports *ports, const json_t *list)
{
	for (size_t i = 0; i < ports->count; i++) {
		struct ports_device *d = &ports->devices[i];

		d->name[0] = '\0';
		if (d->port || d->is_ignored || d->is_console || d->login[0])
			continue;
		d->key = choose_key(ports, d);
		make_name(ports, d);
		d->name[PORTS_NAME_MAX - 8] = '\0'; /* room for a number */
		size_t length = strlen(d->name);
		for (unsigned n = 2; is_taken(ports, d, list); n++)
			snprintf(d->name + length, sizeof d->name - length, "-%u", n);
	}
}

/* ---- its section ---- */

/* The value is a pattern there: what it would take for one is taken as it stands. */
static void
add_pattern(struct text *t, const char *key, const char *value)
{
	text_addf(t, "%s = ", key);
	for (; *value; value++)
		text_addf(t, "%s%c", strchr("*?[]\\", *value) ? "\\" : "", *value);
	text_add(t, "\n");
}

static const char *
why_not_serial(const struct ports_device *d)
{
	if (d->usb_id[0] == '\0' || d->key == PORTS_BY_SERIAL)
		return NULL;
	if (d->key == PORTS_BY_NODE)
		return "Only its present name is known: udev does not run, or has not seen it yet";
	if (d->usb_serial[0] == '\0')
		return "It has no serial number: it is known by the socket that it is plugged into";
	return "Its serial number is not its alone: it is known by the socket that it is plugged "
	       "into";
}

void
ports_add_section(struct text *t, const struct ports_device *d)
{
	const char *why = why_not_serial(d);

	text_add(t, "# ");
	text_add_foreign(t, d->description[0] ? d->description : "a serial port");
	if (d->usb_id[0])
		text_addf(t, ", USB %s", d->usb_id);
	text_addf(t, "; now %s\n", d->node);
	if (why)
		text_addf(t, "# %s.\n", why);
	text_addf(t, "[port %s]\n", d->name);
	switch (d->key) {
	case PORTS_BY_SERIAL:
		add_pattern(t, "usb-serial", d->usb_serial);
		if (d->usb_interface[0])
			add_pattern(t, "usb-interface", d->usb_interface);
		break;
	case PORTS_BY_PATH:
		add_pattern(t, "usb-path", d->usb_path);
		break;
	case PORTS_BY_LINK:
		text_addf(t, "device = %s\n", link_of(d));
		break;
	case PORTS_BY_NODE:
		text_addf(t, "device = %s\n", d->node);
		break;
	}
	text_add(t, "\n");
}
