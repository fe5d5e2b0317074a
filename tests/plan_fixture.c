/*
 * plan_fixture.c - plans of a machine that is made up.
 */
#include "plan_fixture.h"

#include "config_fixture.h"

#include <stdlib.h>
#include <string.h>

/* ---- a machine ---- */

#define DEVICE(at, id, serial, interface, path)                                                    \
	{                                                                                          \
		.node = "/dev/" at, .name = "usb-" serial "-if" interface, .usb_id = id,           \
		.usb_serial = serial, .usb_interface = interface,                                  \
		.usb_path = path ":1." interface, .tags = ":systemd:"                              \
	}

/* Two single adapters and one with two ports; ttyUSB10 comes before ttyUSB2 in the list. */
const struct hotplug_device plan_machine[PLAN_MACHINE] = {
	DEVICE("ttyUSB0", "0403:6001", "A1", "00", "usb-1"),
	DEVICE("ttyUSB1", "0403:6010", "C3", "00", "usb-3"),
	DEVICE("ttyUSB10", "0403:6010", "C3", "01", "usb-3"),
	DEVICE("ttyUSB2", "0403:6001", "B2", "00", "usb-2"),
	{ .node = "/dev/ttyS0", .tags = ":lab:systemd:" },
};

/* ---- plans ---- */

char plan_notes[CONFIG_ERROR_MAX];

/* /dev/serial/NAME leads to /dev/NAME. */
static bool
follow(const char *device, char node[64])
{
	if (strncmp(device, "/dev/serial/", 12) != 0)
		return false;
	snprintf(node, 64, "/dev/%.50s", device + 12);
	return true;
}

int
plan_make(struct hotplug_plan *plan, const char *text, const struct hotplug_device *devices,
	  size_t count, const struct hotplug_plan *before)
{
	struct config written;
	int result;

	conf_read_good(text, &conf_root, &written);
	result = hotplug_plan_make(plan, &written, devices, count, PLAN_FOLDER, follow, before,
				   plan_notes);
	config_free(&written);
	return result;
}

/* A keeper opens what its port's `device` leads to, so no link may lead there. */
static void
require_no_link(const struct hotplug_plan *plan, const char *device)
{
	char node[64];

	if (!follow(device, node))
		snprintf(node, sizeof(node), "%.63s", device);
	for (size_t i = 0; i < plan->link_count; i++)
		ck_assert_str_ne(plan->links[i].node, node);
}

static void
require_sound(const struct hotplug_plan *plan)
{
	const struct config_rules rules = { .privileged = true,
					    .can_revoke = true,
					    .resolved = true };
	struct config config;
	char *text = conf_print(&plan->config);

	conf_read_good(text, &rules, &config);
	config_free(&config);
	free(text);
	for (size_t i = 0; i < plan->config.port_count; i++)
		require_no_link(plan, plan->config.ports[i].device);
	for (size_t i = 0; i < plan->link_count; i++) {
		const struct config_port *port = config_find(&plan->config, plan->links[i].port);
		char device[256];

		snprintf(device, sizeof(device), PLAN_FOLDER "/%s", plan->links[i].port);
		ck_assert_ptr_nonnull(port);
		ck_assert_str_eq(port->device, device);
		for (size_t j = 0; j < i; j++) {
			ck_assert_str_ne(plan->links[i].node, plan->links[j].node);
			ck_assert_str_ne(plan->links[i].port, plan->links[j].port);
		}
	}
}

void
plan_make_good(struct hotplug_plan *plan, const char *text, const struct hotplug_device *devices,
	       size_t count, const struct hotplug_plan *before)
{
	int result = plan_make(plan, text, devices, count, before);

	ck_assert_msg(result == 0, "%d: %s", result, plan_notes);
	require_sound(plan);
}

void
plan_require_link(const struct hotplug_plan *plan, const char *port, const char *node)
{
	const char *found = NULL;

	for (size_t i = 0; i < plan->link_count; i++)
		if (strcmp(plan->links[i].port, port) == 0)
			found = plan->links[i].node;
	if (node)
		ck_assert_msg(found && strcmp(found, node) == 0, "%s: %s", port,
			      found ? found : "no link");
	else
		ck_assert_msg(!found, "%s: %s", port, found);
}

void
plan_require_ports(const struct hotplug_plan *plan, const char *names)
{
	char all[1024] = "";

	for (size_t i = 0; i < plan->config.port_count; i++)
		sprintf(all + strlen(all), "%s%s", i ? " " : "", plan->config.ports[i].name);
	ck_assert_str_eq(all, names);
}

void
plan_require(const char *text, const char *links, const char *expected_notes)
{
	struct hotplug_plan plan;
	char all[1024] = "";

	plan_make_good(&plan, text, plan_machine, PLAN_MACHINE, NULL);
	for (size_t i = 0; i < plan.link_count; i++)
		sprintf(all + strlen(all), "%s%s=%s", i ? " " : "", plan.links[i].port,
			plan.links[i].node + strlen("/dev/"));
	ck_assert_str_eq(all, links);
	ck_assert_str_eq(plan_notes, expected_notes);
	hotplug_plan_free(&plan);
}

struct hotplug_device *
plan_many(size_t count)
{
	struct hotplug_device *devices = calloc(count, sizeof(*devices));

	for (size_t i = 0; i < count; i++) {
		snprintf(devices[i].node, sizeof(devices[i].node), "/dev/ttyUSB%zu", i);
		snprintf(devices[i].name, sizeof(devices[i].name), "usb-%zu", i);
		snprintf(devices[i].usb_serial, sizeof(devices[i].usb_serial), "%zu", i);
	}
	return devices;
}
