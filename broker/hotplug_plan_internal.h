/*
 * hotplug_plan_internal.h - private to hotplug_plan*.c: one plan in the making.
 */
#ifndef COMLEASE_HOTPLUG_PLAN_INTERNAL_H
#define COMLEASE_HOTPLUG_PLAN_INTERNAL_H

#include "hotplug.h"

/* A list of lines that may be too long for where it goes. */
struct hotplug_notes {
	char *text; /* CONFIG_ERROR_MAX */
	size_t bytes;
	unsigned unsaid;
};

/* What is known of the device with the same index. */
struct hotplug_claim {
	const struct config_port *owner; /* a section or template of `written`, or NULL */
	bool meant;                      /* a section fits it, even if it has another one */
};

struct planner {
	struct hotplug_plan *plan;
	const struct config *written;
	const struct hotplug_device *devices;
	struct hotplug_claim *claims;
	size_t count;
	const char *folder;
	hotplug_follow *follow;
	const struct hotplug_plan *before;
	struct hotplug_notes notes;
};

/* ---- hotplug_plan.c ---- */

/* Do the properties fit that the port or template asks for? `device` does not matter. */
bool hotplug_fits(const struct config_port *, const struct hotplug_device *);

/* May it be anybody's: neither marked by a udev rule nor the kernel's console? */
bool hotplug_is_usable(const struct hotplug_device *);

/* The link of that port in the plan until now, or NULL. */
const struct hotplug_link *hotplug_link_before(const struct planner *, const char *port);

/* By node, ttyUSB2 before ttyUSB10: negative, 0, positive. */
int hotplug_compare_nodes(const struct hotplug_device *, const struct hotplug_device *);

/* One more link. The plan has room for as many as it may have ports. */
void hotplug_add_link(struct hotplug_plan *, const char *port, const char *node);

/* Does that path belong to the folder of the links? */
bool hotplug_is_link(const struct planner *, const char *device);

/* ---- hotplug_plan_section.c ---- */

/* What the sections have: links, and claims for all that they mean. 0 or -ENOMEM. */
int hotplug_claim(struct planner *);

/* ---- hotplug_plan_adopt.c ---- */

/* What templates make of the devices that no section means, behind the ports of the plan. 0 or
 * -ENOMEM. */
int hotplug_adopt(struct planner *);

/* ---- hotplug_plan_note.c ---- */

void hotplug_note_start(struct hotplug_notes *, char text[CONFIG_ERROR_MAX]);
void hotplug_note(struct hotplug_notes *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void hotplug_note_end(struct hotplug_notes *);

/* The keys that tell device `which` from those others, as they would stand in its section:
 * `"usb-serial = A1" and "usb-interface = 00"`; "": nothing does. */
#define HOTPLUG_KEYS_MAX 400
const char *hotplug_tell_apart(const struct hotplug_device *devices, size_t which,
			       const size_t *others, size_t count, char keys[HOTPLUG_KEYS_MAX]);

#endif
