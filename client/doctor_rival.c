/*
 * doctor_rival.c - programs that open serial ports unasked: ModemManager, brltty, gpsd.
 *
 * Responsible for: whether one is here, and after which of the ports. Refuses to know: how they
 * work, beyond the udev rules and the configuration by which they choose.
 * The one tricky idea: an adapter that brltty takes has no tty any more, so it is looked for among
 * the USB devices and not among the ports.
 */
#include "doctor.h"
#include "status_table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RULES_MAX (256 * 1024)

/* ---- ModemManager ---- */

static bool
is_wanted(const struct ports_device *device)
{
	return device->is_modem_candidate && !device->is_ignored;
}

static void
say_modem_manager(struct doctor *d, const char *managed, const char *others)
{
	if (managed) {
		doctor_say(d, DOCTOR_WRONG, NULL,
			   "it runs, and sends AT commands to %s to see whether that is a modem",
			   managed);
		doctor_mend(d,
			    "install 72-comlease-enforce.rules (comleased(8)); if nothing else "
			    "here needs it: %ssystemctl disable --now ModemManager",
			    doctor_sudo(d));
	} else if (others) {
		doctor_say(d, DOCTOR_WARN,
			   "72-comlease-enforce.rules keeps it off the ports that comlease manages",
			   "it runs, and may open %s to see whether that is a modem", others);
	} else {
		doctor_say(d, DOCTOR_OK, NULL, "it runs, and leaves the ports alone");
	}
}

void
doctor_check_modem_manager(struct doctor *d)
{
	struct text managed = { 0 }, others = { 0 };

	if (!doctor_is_running(d, "ModemManager")) {
		doctor_say(d, DOCTOR_OK, NULL, "does not run");
		return;
	}
	for (size_t i = 0; i < d->ports.count; i++) {
		const struct ports_device *device = &d->ports.devices[i];
		struct text *t = device->port ? &managed : &others;

		if (is_wanted(device))
			text_addf(t, "%s%s", t->len ? ", " : "", device->node);
	}
	say_modem_manager(d, managed.s, others.s);
	text_free(&managed);
	text_free(&others);
}

/* ---- brltty ---- */

struct brltty {
	char path[256]; /* of the first file of its rules; "": there is none */
	char rules[RULES_MAX];
	struct text taken; /* USB devices that its rules name */
};

/* Their names, and their number, have changed over time. */
static void
take_rules(struct doctor *d, const char *folder, const char *name, void *context)
{
	struct brltty *brltty = context;
	size_t used = strlen(brltty->rules), folder_length = strlen(folder);
	char path[256];

	if (!strstr(name, "brltty") || !doctor_find_rules(d, name, path) ||
	    strncmp(path, folder, folder_length) != 0 || path[folder_length] != '/')
		return; /* it is another folder's that counts */
	if (doctor_read(d, path, brltty->rules + used, RULES_MAX - used) && !brltty->path[0])
		snprintf(brltty->path, sizeof brltty->path, "%s", path);
}

/* Does a line that is no comment name them? As the kernel writes it ("1a86/7523/264"), or by
 * attributes. */
static bool
rules_name(const char *rules, unsigned vendor, unsigned product)
{
	char short_form[32], vendor_form[32], product_form[32];
	const char *line = rules;

	snprintf(short_form, sizeof short_form, "%x/%x/", vendor, product);
	snprintf(vendor_form, sizeof vendor_form, "\"%04x\"", vendor);
	snprintf(product_form, sizeof product_form, "\"%04x\"", product);
	while (*line) {
		size_t n = strcspn(line, "\n");
		char *copy = strndup(line, n);
		bool found = copy && copy[strspn(copy, " \t")] != '#' &&
			     (strstr(copy, short_form) ||
			      (strstr(copy, vendor_form) && strstr(copy, product_form)));

		free(copy);
		if (found)
			return true;
		line += n + (line[n] == '\n');
	}
	return false;
}

static void
take_usb_device(struct doctor *d, const char *folder, const char *name, void *context)
{
	struct brltty *brltty = context;
	char path[512], vendor[16], product[16];

	snprintf(path, sizeof path, "%s/%s/idVendor", folder, name);
	if (!doctor_read(d, path, vendor, sizeof vendor))
		return;
	snprintf(path, sizeof path, "%s/%s/idProduct", folder, name);
	if (!doctor_read(d, path, product, sizeof product))
		return;
	unsigned v = (unsigned)strtoul(vendor, NULL, 16), p = (unsigned)strtoul(product, NULL, 16);
	if (rules_name(brltty->rules, v, p))
		text_addf(&brltty->taken, "%s%04x:%04x", brltty->taken.len ? ", " : "", v, p);
}

static void
say_brltty(struct doctor *d, const struct brltty *brltty)
{
	const char *name = strrchr(brltty->path, '/') + 1;
	bool takes_adapters = rules_name(brltty->rules, 0x1a86, 0x7523) ||
			      rules_name(brltty->rules, 0x10c4, 0xea60) ||
			      rules_name(brltty->rules, 0x0403, 0x6001);

	if (brltty->taken.len)
		doctor_say(d, DOCTOR_WRONG, NULL,
			   "by %s it takes the adapter %s for a Braille display: its port vanishes",
			   brltty->path, brltty->taken.s);
	else if (takes_adapters)
		doctor_say(d, DOCTOR_WARN, NULL,
			   "by %s it takes some USB serial adapters (CH340, CP210x, FTDI) for "
			   "Braille displays when they are plugged in",
			   brltty->path);
	else
		doctor_say(d, DOCTOR_OK, NULL, "installed; its rules name no serial adapter");
	if (brltty->taken.len || takes_adapters)
		doctor_mend(d,
			    "if nobody here reads Braille: %sln -s /dev/null "
			    "/etc/udev/rules.d/%s && %sudevadm control --reload, then plug the "
			    "adapter in again",
			    doctor_sudo(d), name, doctor_sudo(d));
}

void
doctor_check_brltty(struct doctor *d)
{
	struct brltty *brltty = calloc(1, sizeof *brltty);

	if (!brltty)
		return;
	for (size_t i = 0; doctor_rules_folders[i]; i++)
		doctor_each_file(d, doctor_rules_folders[i], take_rules, brltty);
	if (brltty->path[0]) {
		doctor_each_file(d, "/sys/bus/usb/devices", take_usb_device, brltty);
		say_brltty(d, brltty);
	} else {
		doctor_say(d, DOCTOR_OK, NULL, "not installed");
	}
	text_free(&brltty->taken);
	free(brltty);
}

/* ---- gpsd ---- */

/* The value of NAME="value" in a file for a shell; "" if it is not set. */
static void
shell_value(const char *text, const char *name, char *value, size_t size)
{
	size_t n = strlen(name);

	value[0] = '\0';
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, n) == 0 && line[n] == '=') {
			line += n + 1;
			line += strspn(line, "\"'");
			snprintf(value, size, "%.*s", (int)strcspn(line, "\"'\n"), line);
		}
	}
}

/* Is a managed port's node, or one of its links, a word of `devices`? */
static const struct ports_device *
find_named(const struct doctor *d, const char *devices)
{
	for (size_t i = 0; i < d->ports.count; i++) {
		const struct ports_device *device = &d->ports.devices[i];
		const char *names[] = { device->node, device->by_id, device->by_path,
					device->by_name };

		for (size_t n = 0; device->port && n < 4; n++) {
			const char *at = names[n][0] ? strstr(devices, names[n]) : NULL;
			if (at && strchr(" \t", at[strlen(names[n])]))
				return device;
		}
	}
	return NULL;
}

/* A managed port whose adapter's ids are in gpsd's udev rules. */
static const struct ports_device *
find_in_rules(const struct doctor *d, char path[256])
{
	const struct ports_device *found = NULL;
	char *rules = malloc(RULES_MAX);
	unsigned vendor, product;

	if (rules && doctor_find_rules(d, "60-gpsd.rules", path) &&
	    doctor_read(d, path, rules, RULES_MAX)) {
		for (size_t i = 0; !found && i < d->ports.count; i++) {
			const struct ports_device *device = &d->ports.devices[i];
			if (device->port &&
			    sscanf(device->usb_id, "%4x:%4x", &vendor, &product) == 2 &&
			    rules_name(rules, vendor, product))
				found = device;
		}
	}
	free(rules);
	return found;
}

void
doctor_check_gpsd(struct doctor *d)
{
	char file[8192], devices[1024], automatic[16], rules[256];
	bool is_there = doctor_read(d, "/etc/default/gpsd", file, sizeof file);
	bool runs = doctor_is_running(d, "gpsd");

	shell_value(file, "DEVICES", devices, sizeof devices);
	shell_value(file, "USBAUTO", automatic, sizeof automatic);
	const struct ports_device *named = find_named(d, devices);
	const struct ports_device *taken =
	    strcmp(automatic, "true") == 0 ? find_in_rules(d, rules) : NULL;
	if (named)
		doctor_say(
		    d, DOCTOR_WARN,
		    "give it a bridge instead: comlease bridge --standby PORT LINK; see gpsd in "
		    "comlease-clients(7)",
		    "DEVICES in /etc/default/gpsd names %s (%s), which it opens without "
		    "waiting",
		    named->node, status_string(named->port, "name"));
	if (taken)
		doctor_say(d, DOCTOR_WARN, "USBAUTO=\"false\" in /etc/default/gpsd",
			   "it opens %s (%s) when that is plugged in: %s names its ids, %s",
			   taken->node, status_string(taken->port, "name"), rules, taken->usb_id);
	if (!named && !taken)
		doctor_say(d, DOCTOR_OK, NULL, "%s",
			   runs       ? "runs, and is told to open no managed port"
			   : is_there ? "installed, and told to open no managed port"
				      : "not installed");
}
