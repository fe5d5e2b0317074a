/*
 * hotplug_plan_note.c - what is said of a plan: lines that fit where they go, and which keys tell
 * one device from others. It refuses to know who gets which device.
 */
#include "hotplug_plan_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 640
#define TRAILER_MAX    40 /* "... and N more" */

void
hotplug_note_start(struct hotplug_notes *notes, char text[CONFIG_ERROR_MAX])
{
	*notes = (struct hotplug_notes){ .text = text };
	text[0] = '\0';
}

/* What a device says of itself must not play tricks on a terminal, or pass for another line. */
void
hotplug_note(struct hotplug_notes *notes, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	size_t length;
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	length = strlen(line);
	for (char *c = line; *c != '\0'; c++)
		if (*c < ' ' || *c >= 0x7f)
			*c = '?';
	if (notes->bytes + length + 1 + TRAILER_MAX > CONFIG_ERROR_MAX)
		notes->unsaid++;
	if (notes->unsaid)
		return;
	notes->bytes +=
	    (size_t)snprintf(notes->text + notes->bytes, CONFIG_ERROR_MAX - notes->bytes, "%s%s",
			     notes->bytes ? "\n" : "", line);
}

void
hotplug_note_end(struct hotplug_notes *notes)
{
	if (notes->unsaid)
		snprintf(notes->text + notes->bytes, CONFIG_ERROR_MAX - notes->bytes,
			 "%s... and %u more", notes->bytes ? "\n" : "", notes->unsaid);
}

/* ---- which keys ---- */

/* In the order in which people would rather use them: where it is plugged in comes last. */
static const struct {
	const char *key;
	size_t offset;
} properties[] = {
	{ "usb-id", offsetof(struct hotplug_device, usb_id) },
	{ "usb-serial", offsetof(struct hotplug_device, usb_serial) },
	{ "usb-interface", offsetof(struct hotplug_device, usb_interface) },
	{ "usb-path", offsetof(struct hotplug_device, usb_path) },
};

#define PROPERTIES (sizeof(properties) / sizeof(properties[0]))

static const char *
property(const struct hotplug_device *device, size_t which)
{
	return (const char *)device + properties[which].offset;
}

/* Is it told from that one by a property out of the set? */
static bool
differs(const struct hotplug_device *a, const struct hotplug_device *b, unsigned set)
{
	for (size_t i = 0; i < PROPERTIES; i++)
		if ((set & 1U << i) && strcmp(property(a, i), property(b, i)) != 0)
			return true;
	return false;
}

/* How many of them it is not told from. */
static size_t
count_alike(const struct hotplug_device *devices, size_t which, const size_t *others, size_t count,
	    unsigned set)
{
	size_t alike = 0;

	for (size_t i = 0; i < count; i++)
		alike += !differs(&devices[which], &devices[others[i]], set);
	return alike;
}

/* The first single property that does it, or as many as it takes; 0: all together do not. */
static unsigned
choose_properties(const struct hotplug_device *devices, size_t which, const size_t *others,
		  size_t count)
{
	unsigned set = 0, known = 0;
	size_t alike = count;

	for (size_t i = 0; i < PROPERTIES; i++)
		if (property(&devices[which], i)[0] != '\0')
			known |= 1U << i;
	for (size_t i = 0; i < PROPERTIES; i++)
		if ((known & 1U << i) && count_alike(devices, which, others, count, 1U << i) == 0)
			return 1U << i;
	for (size_t i = 0; i < PROPERTIES && alike > 0; i++) {
		size_t left = count_alike(devices, which, others, count, set | (known & 1U << i));

		if (left < alike)
			set |= 1U << i;
		alike = left;
	}
	return alike == 0 ? set : 0;
}

const char *
hotplug_tell_apart(const struct hotplug_device *devices, size_t which, const size_t *others,
		   size_t count, char keys[HOTPLUG_KEYS_MAX])
{
	unsigned set = choose_properties(devices, which, others, count);
	size_t used = 0;

	keys[0] = '\0';
	for (size_t i = 0; i < PROPERTIES; i++)
		if ((set & 1U << i) && used < HOTPLUG_KEYS_MAX)
			used += (size_t)snprintf(keys + used, HOTPLUG_KEYS_MAX - used,
						 "%s\"%s = %s\"", used ? " and " : "",
						 properties[i].key, property(&devices[which], i));
	return keys;
}
