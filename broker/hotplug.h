/*
 * hotplug.h - which serial devices the machine has at the moment, and which port each of them is.
 * For the supervisor alone: nothing here is on the way to a grant.
 *
 * A port whose section says what its device is (`usb-serial`, `usb-id`, ...) and not where, gets
 * the `device` FOLDER/NAME, a link that is there while the device is (hotplug_link.c), so that its
 * keeper knows nothing of udev: to it ttyUSB0 that comes back as ttyUSB1 is a device that was gone
 * and is back. A section `[port usb*]` is a template: each USB serial device that no other section
 * means becomes a port under its stable name if that fits. hotplug.c asks udev, hotplug_plan.c
 * decides (no I/O), hotplug_link.c keeps the links.
 *
 * Error rule: 0 done, -errno.
 */
#ifndef COMLEASE_HOTPLUG_H
#define COMLEASE_HOTPLUG_H

#include "config.h"

#include <stdbool.h>
#include <stddef.h>

#define HOTPLUG_TEXT_MAX 256

/* One tty of the machine, as udev describes it. What it does not say is "". */
struct hotplug_device {
	char node[64]; /* /dev/ttyUSB0 */
	char
	    name[CONFIG_NAME_MAX + 1]; /* the stable one of a USB device, as in /dev/serial/by-id:
					* usb-FTDI_FT232R_A50285BI-if00-port0; without a serial
					* number of its own `@` and where it is plugged in follow */
	char usb_id[16];               /* 0403:6001, lower case */
	char usb_serial[HOTPLUG_TEXT_MAX];
	char usb_interface[8];           /* 00 */
	char usb_path[HOTPLUG_TEXT_MAX]; /* ID_PATH: pci-0000:00:14.0-usb-0:2:1.0 */
	char tags[HOTPLUG_TEXT_MAX];     /* :systemd:lab: */
	bool ignored;                    /* COMLEASE_IGNORE=1 */
	bool console;                    /* the kernel writes its messages to it */
};

/* ---- hotplug.c ---- */

struct hotplug;

/* Begins to watch and reads what is there. -errno, with a sentence in `error`: no udev to be had;
 * the ports that are known by `device` work without it. 1: it works, but udevd does not run, and
 * the sentence says what that means. */
int hotplug_open(struct hotplug **, char error[CONFIG_ERROR_MAX]);
void hotplug_close(struct hotplug *); /* NULL is fine */

/* Readable when something has changed: then hotplug_receive(). */
int hotplug_fd(const struct hotplug *);

/* Takes what udev has to say, after its rules have run. Does not wait. True: the devices are not
 * what they were. Events that were lost (the queue ran over) are made good by reading all anew. */
bool hotplug_receive(struct hotplug *);

/* The same, and reads all anew, where events don't arrive (a network namespace of one's own). */
bool hotplug_refresh(struct hotplug *);

/* What there is now, sorted by node; valid until the next receive. */
const struct hotplug_device *hotplug_devices(const struct hotplug *, size_t *count);

/* Where a `device` of the configuration leads, all symbolic links followed: realpath() into `node`.
 * False: nowhere at the moment, or to a longer path. hotplug_plan_make() asks it (and the tests'
 * own), so that the plan itself does no I/O. */
typedef bool hotplug_follow(const char *device, char node[64]);
hotplug_follow hotplug_follow_link;

/* ---- hotplug_plan.c ---- */

#define HOTPLUG_ADOPTED_MAX 256 /* ports that templates make, those that are away included */

/* Port `port` is at `node` now. Ports whose device is not there have none. */
struct hotplug_link {
	char port[CONFIG_NAME_MAX + 1];
	char node[64];
};

struct hotplug_plan {
	struct config config; /* what the children get: no templates; `device` of each port set */
	struct hotplug_link *links;
	size_t link_count;
};

/* From what the files say and what there is. folder: where the links are. `before`: the plan until
 * now, or NULL when the files have been read anew: ports that a template made stay (absent) when
 * their device goes, and whoever has a device keeps it while it fits.
 *
 * A port with `device` alone is copied as it is; where it leads (`follow`; NULL: only the path
 * itself counts) nobody else gets. A port with both gets the link while `device` leads to a device
 * that fits. Two sections that fit one device: the first in the files has it. Several devices that
 * fit one section: the first by interface and node. A device that a section means is not adopted,
 * even if the section has another one.
 *
 * What is ambiguous or left out is logged once by the caller: `notes` has a line for each ("" if
 * none, "... and N more" if they are too many). 0, -ENOMEM or -EINVAL (notes says why: the folder's
 * path is unusable, or a section's `device` is in there); the plan is empty then. */
int hotplug_plan_make(struct hotplug_plan *, const struct config *written,
		      const struct hotplug_device *, size_t count, const char *folder,
		      hotplug_follow *follow, const struct hotplug_plan *before,
		      char notes[CONFIG_ERROR_MAX]);
void hotplug_plan_free(struct hotplug_plan *);

/* Do both give the children the same configuration? (Their links may differ.) */
bool hotplug_plan_is_same(const struct hotplug_plan *, const struct hotplug_plan *);

/* ---- hotplug_link.c ---- */

/* The folder shows these links and no others; one that changes never is absent meanwhile unless
 * its device is. Made if need be (0755); -errno with a sentence in `error`. */
int hotplug_link_set(const char *folder, const struct hotplug_link *, size_t count,
		     char error[CONFIG_ERROR_MAX]);

/* All links and the folder go. */
void hotplug_link_remove(const char *folder);

#endif
