/*
 * hotplug_plan.c - from what the configuration says and which devices there are, to which port is
 * where, and to the configuration that the children get. It refuses to know where the devices are
 * known from (hotplug.c), who makes the links (hotplug_link.c), and which of several ports gets a
 * device (hotplug_plan_section.c, hotplug_plan_adopt.c). Nothing of it does I/O.
 *
 * The one idea: a plan is made anew from the whole each time; the plan before only says what should
 * stay as it is.
 */
#include "hotplug_plan_internal.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what fits ---- */

/* What a device does not say never fits, not even `*`. */
static bool
fits_pattern(const char *pattern, const char *value)
{
	return pattern[0] == '\0' || (value[0] != '\0' && fnmatch(pattern, value, 0) == 0);
}

/* `tags` is ":systemd:lab:". */
static bool
fits_tag(const char *pattern, const char *tags)
{
	char tag[HOTPLUG_TEXT_MAX];
	size_t length;

	if (pattern[0] == '\0')
		return true;
	for (; *tags != '\0'; tags += length) {
		tags += strspn(tags, ":");
		length = strcspn(tags, ":");
		snprintf(tag, sizeof(tag), "%.*s", (int)length, tags);
		if (length > 0 && fnmatch(pattern, tag, 0) == 0)
			return true;
	}
	return false;
}

bool
hotplug_fits(const struct config_port *port, const struct hotplug_device *device)
{
	return fits_pattern(port->usb_serial, device->usb_serial) &&
	       fits_pattern(port->usb_id, device->usb_id) &&
	       fits_pattern(port->usb_path, device->usb_path) &&
	       fits_pattern(port->usb_interface, device->usb_interface) &&
	       fits_tag(port->udev_tag, device->tags);
}

bool
hotplug_is_usable(const struct hotplug_device *device)
{
	return !device->ignored && !device->console;
}

int
hotplug_compare_nodes(const struct hotplug_device *a, const struct hotplug_device *b)
{
	return strverscmp(a->node, b->node);
}

/* ---- links ---- */

const struct hotplug_link *
hotplug_link_before(const struct planner *planner, const char *port)
{
	const struct hotplug_plan *before = planner->before;

	for (size_t i = 0; before && i < before->link_count; i++)
		if (strcmp(before->links[i].port, port) == 0)
			return &before->links[i];
	return NULL;
}

void
hotplug_add_link(struct hotplug_plan *plan, const char *port, const char *node)
{
	struct hotplug_link *link = &plan->links[plan->link_count++];

	snprintf(link->port, sizeof(link->port), "%s", port);
	snprintf(link->node, sizeof(link->node), "%s", node);
}

/* ---- the plan ---- */

/* Each section that says what its device is gets its link for a `device`. */
static void
set_devices(const struct planner *planner, struct config *config)
{
	for (size_t i = 0; i < config->port_count; i++) {
		struct config_port *port = &config->ports[i];

		if (config_is_identified(port))
			snprintf(port->device, sizeof(port->device), "%s/%s", planner->folder,
				 port->name);
	}
}

bool
hotplug_is_link(const struct planner *planner, const char *device)
{
	size_t length = strlen(planner->folder);

	return strncmp(device, planner->folder, length) == 0 && device[length] == '/';
}

/* A section that leads to a link would have its device taken away by what it leads to. */
static int
check_links(struct planner *planner)
{
	const struct config *config = planner->written;

	for (size_t i = 0; i < config->port_count; i++)
		if (hotplug_is_link(planner, config->ports[i].device)) {
			hotplug_note(&planner->notes,
				     "port %s: device: %s is a link of comleased's own; write the "
				     "device's own path, or what tells it from others, like "
				     "\"usb-serial = ...\"",
				     config->ports[i].name, config->ports[i].device);
			return -EINVAL;
		}
	return 0;
}

static int
check_folder(struct planner *planner)
{
	size_t max = CONFIG_DEVICE_MAX - CONFIG_NAME_MAX - 1;

	if (planner->folder[0] == '/' && strlen(planner->folder) <= max)
		return 0;
	hotplug_note(&planner->notes,
		     "%.200s: the folder of the ports' links needs an absolute path of at most %zu "
		     "bytes; choose another \"socket = ...\"",
		     planner->folder, max);
	return -EINVAL;
}

static int
fill_plan(struct planner *planner)
{
	struct hotplug_plan *plan = planner->plan;
	size_t ports = planner->written->port_count + HOTPLUG_ADOPTED_MAX;
	int error = check_folder(planner);

	if (!error)
		error = check_links(planner);
	if (error)
		return error;
	planner->claims = calloc(planner->count + 1, sizeof(*planner->claims));
	plan->links = calloc(ports, sizeof(*plan->links));
	if (!planner->claims || !plan->links || config_copy(&plan->config, planner->written) < 0)
		return -ENOMEM;
	set_devices(planner, &plan->config);
	error = hotplug_claim(planner);
	if (!error)
		error = hotplug_adopt(planner);
	config_drop_templates(&plan->config);
	return error;
}

int
hotplug_plan_make(struct hotplug_plan *plan, const struct config *written,
		  const struct hotplug_device *devices, size_t count, const char *folder,
		  hotplug_follow *follow, const struct hotplug_plan *before,
		  char notes[CONFIG_ERROR_MAX])
{
	struct planner planner = { .plan = plan,
				   .written = written,
				   .devices = devices,
				   .count = count,
				   .folder = folder,
				   .follow = follow,
				   .before = before };
	int error;

	*plan = (struct hotplug_plan){ 0 };
	hotplug_note_start(&planner.notes, notes);
	error = fill_plan(&planner);
	hotplug_note_end(&planner.notes);
	free(planner.claims);
	if (error)
		hotplug_plan_free(plan);
	return error;
}

void
hotplug_plan_free(struct hotplug_plan *plan)
{
	config_free(&plan->config);
	free(plan->links);
	*plan = (struct hotplug_plan){ 0 };
}

/* What the children read, or NULL. */
static char *
print(const struct config *config)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	int error = file ? config_print(config, file) : -ENOMEM;

	if (file && fclose(file) != 0)
		error = -ENOMEM;
	if (!error)
		return text;
	free(text);
	return NULL;
}

bool
hotplug_plan_is_same(const struct hotplug_plan *a, const struct hotplug_plan *b)
{
	char *first = print(&a->config), *second = print(&b->config);
	bool same = first && second && strcmp(first, second) == 0;

	free(first);
	free(second);
	return same;
}
