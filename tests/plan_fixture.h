/*
 * plan_fixture.h - what the tests of hotplug plans share: a machine, plans of it, what is expected
 * of every plan.
 */
#ifndef COMLEASE_TESTS_PLAN_FIXTURE_H
#define COMLEASE_TESTS_PLAN_FIXTURE_H

#include "../broker/hotplug.h"

#define PLAN_FOLDER "/run/c/port"

/* Two single adapters, A1 and B2, one with two ports, C3, and a port of the machine's own. ttyUSB10
 * comes before ttyUSB2 in the list. */
#define PLAN_MACHINE 5
extern const struct hotplug_device plan_machine[PLAN_MACHINE];
#define A1 plan_machine[0] /* ttyUSB0 */
#define B2 plan_machine[3] /* ttyUSB2 */

extern char plan_notes[CONFIG_ERROR_MAX]; /* of the last plan */

/* From that configuration; /dev/serial/NAME leads to /dev/NAME. As hotplug_plan_make(). */
int plan_make(struct hotplug_plan *, const char *text, const struct hotplug_device *, size_t count,
	      const struct hotplug_plan *before);

/* It must be possible, and the plan sound: the children can read it, each link belongs to one of
 * its ports, no device is two ports'. */
void plan_make_good(struct hotplug_plan *, const char *text, const struct hotplug_device *,
		    size_t count, const struct hotplug_plan *before);

/* Where the port is; NULL: nowhere. */
void plan_require_link(const struct hotplug_plan *, const char *port, const char *node);

/* The names of all ports, in their order, with blanks between them. */
void plan_require_ports(const struct hotplug_plan *, const char *names);

/* One plan of plan_machine: its links as "PORT=ttyUSB0 ..." and its notes. */
void plan_require(const char *text, const char *links, const char *notes);

/* So many adapters; the caller's to free. */
struct hotplug_device *plan_many(size_t count);

#endif
