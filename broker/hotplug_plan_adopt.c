/*
 * hotplug_plan_adopt.c - what templates make of the USB devices that no section means: ports under
 * the devices' own names. It refuses to know what sections mean (hotplug_plan_section.c).
 *
 * The one idea: a port that has been adopted stays when its device goes, absent and with those who
 * wait for it, and is found again by its name; only reading the files anew forgets it.
 */
#include "hotplug_plan_internal.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct adoption {
	struct planner *planner;
	size_t *order;                      /* of the devices, by node */
	size_t count, max;                  /* of ports that are adopted */
	const struct hotplug_device *unfit; /* the first for which there was no room, */
	size_t unfit_count;                 /* and how many there were */
};

/* ---- which template ---- */

static const struct config_port *
find_template(const struct planner *planner, const char *name, const struct hotplug_device *device)
{
	const struct config *written = planner->written;

	for (size_t i = 0; i < written->template_count; i++)
		if (fnmatch(written->templates[i].name, name, 0) == 0 &&
		    (!device || hotplug_fits(&written->templates[i], device)))
			return &written->templates[i];
	return NULL;
}

static struct hotplug_claim *
claim_of(const struct planner *planner, const struct hotplug_device *device)
{
	return &planner->claims[device - planner->devices];
}

/* The template that may have the device, or NULL. Its name is a file's too. */
static const struct config_port *
template_for(const struct planner *planner, const struct hotplug_device *device)
{
	const struct hotplug_claim *claim = claim_of(planner, device);

	if (!config_name_is_valid(device->name) || strcmp(device->name, ".") == 0 ||
	    strcmp(device->name, "..") == 0)
		return NULL;
	if (claim->owner || claim->meant || !hotplug_is_usable(device))
		return NULL;
	return find_template(planner, device->name, device);
}

/* ---- one more port ---- */

/* With the settings of `like`. 0, -ENOMEM, or 1: there is no room. */
static int
add_port(struct adoption *adoption, const struct config_port *like, const char *name)
{
	struct config *config = &adoption->planner->plan->config;
	struct config_port *ports, *port;
	char *file;

	if (adoption->count == adoption->max)
		return 1;
	ports = reallocarray(config->ports, config->port_count + 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	config->ports = ports;
	file = strdup(like->file);
	if (!file)
		return -ENOMEM;
	port = &ports[config->port_count++];
	*port = *like;
	port->file = file;
	snprintf(port->name, sizeof(port->name), "%s", name);
	snprintf(port->device, sizeof(port->device), "%s/%s", adoption->planner->folder, name);
	/* A filter is no property of the port: it may change without a lease's noticing. */
	port->usb_serial[0] = port->usb_id[0] = port->usb_path[0] = '\0';
	port->usb_interface[0] = port->udev_tag[0] = '\0';
	adoption->count++;
	return 0;
}

/* The same with its device. */
static int
add_present(struct adoption *adoption, const struct config_port *template,
	    const struct hotplug_device *device)
{
	int result = add_port(adoption, template, device->name);

	if (result == 1 && adoption->unfit_count++ == 0)
		adoption->unfit = device;
	if (result != 0)
		return result < 0 ? result : 0;
	hotplug_add_link(adoption->planner->plan, device->name, device->node);
	claim_of(adoption->planner, device)->owner = template;
	return 0;
}

/* ---- those that have been adopted before ---- */

static bool
was_adopted(const struct planner *planner, const struct config_port *port)
{
	return hotplug_is_link(planner, port->device) && !config_is_identified(port) &&
	       !config_find(planner->written, port->name) &&
	       !config_find_pool(planner->written, port->name);
}

/* The device of that name that may have the port, that at the same node if there is one; *some:
 * there are devices of that name. */
static const struct hotplug_device *
find_again(const struct adoption *adoption, const char *name, bool *some)
{
	const struct hotplug_link *link = hotplug_link_before(adoption->planner, name);
	const struct hotplug_device *found = NULL;

	*some = false;
	for (size_t i = 0; i < adoption->planner->count; i++) {
		const struct hotplug_device *device =
		    &adoption->planner->devices[adoption->order[i]];

		if (strcmp(device->name, name) != 0)
			continue;
		*some = true;
		if (template_for(adoption->planner, device) &&
		    (!found || (link && strcmp(link->node, device->node) == 0)))
			found = device;
	}
	return found;
}

/* If its device is there and no longer for a template, it is no port any more. */
static int
keep(struct adoption *adoption, const struct config_port *port)
{
	const struct planner *planner = adoption->planner;
	const struct config_port *template;
	bool some;
	const struct hotplug_device *device = find_again(adoption, port->name, &some);
	int result = 0;

	template = device ? template_for(planner, device) : NULL;
	if (template)
		return add_present(adoption, template, device);
	if (!some && find_template(planner, port->name, NULL))
		result = add_port(adoption, port, port->name);
	return result < 0 ? result : 0;
}

/* ---- those that have come ---- */

/* Where the port is; `count`: nowhere. */
static size_t
place_of(const struct planner *planner, const char *port)
{
	const struct hotplug_plan *plan = planner->plan;

	for (size_t i = 0; i < plan->link_count; i++)
		for (size_t j = 0; j < planner->count; j++)
			if (strcmp(plan->links[i].port, port) == 0 &&
			    strcmp(plan->links[i].node, planner->devices[j].node) == 0)
				return j;
	return planner->count;
}

/* Two devices have one name. */
static void
note_namesake(struct planner *planner, const struct hotplug_device *device)
{
	const struct hotplug_device *devices = planner->devices;
	size_t other = place_of(planner, device->name);
	char keys[HOTPLUG_KEYS_MAX] = "", at[96];

	if (other < planner->count)
		hotplug_tell_apart(devices, (size_t)(device - devices), &other, 1, keys);
	snprintf(at, sizeof(at), "\"device = %s\"", device->node);
	hotplug_note(&planner->notes,
		     "%s: its name, %s, is that of %s already, so it is left out; write a section "
		     "for it, with %s",
		     device->node, device->name,
		     other < planner->count ? devices[other].node : "another one",
		     keys[0] ? keys : at);
}

/* A section that means something else has its name. */
static void
note_taken_name(struct planner *planner, const struct hotplug_device *device, const char *kind)
{
	hotplug_note(&planner->notes,
		     "%s: its name, %s, is that of a %s in the configuration, so it is left out; "
		     "give the %s another name, or write a section for the device",
		     device->node, device->name, kind, kind);
}

static int
adopt_new(struct adoption *adoption, const struct hotplug_device *device)
{
	struct planner *planner = adoption->planner;
	const struct config_port *template = template_for(planner, device);

	if (!template)
		return 0;
	if (config_find(planner->written, device->name))
		note_taken_name(planner, device, "port");
	else if (config_find_pool(planner->written, device->name))
		note_taken_name(planner, device, "pool");
	else if (config_find(&planner->plan->config, device->name))
		note_namesake(planner, device);
	else
		return add_present(adoption, template, device);
	return 0;
}

/* ---- all ---- */

static int
compare(const void *a, const void *b, void *devices)
{
	const struct hotplug_device *list = devices;

	return hotplug_compare_nodes(&list[*(const size_t *)a], &list[*(const size_t *)b]);
}

static int
adopt_all(struct adoption *adoption)
{
	struct planner *planner = adoption->planner;
	const struct hotplug_plan *before = planner->before;
	int error = 0;

	for (size_t i = 0; i < planner->count; i++)
		adoption->order[i] = i;
	qsort_r(adoption->order, planner->count, sizeof(*adoption->order), compare,
		(void *)(uintptr_t)planner->devices);
	for (size_t i = 0; !error && before && i < before->config.port_count; i++)
		if (was_adopted(planner, &before->config.ports[i]))
			error = keep(adoption, &before->config.ports[i]);
	for (size_t i = 0; !error && i < planner->count; i++)
		error = adopt_new(adoption, &planner->devices[adoption->order[i]]);
	if (adoption->unfit)
		hotplug_note(&planner->notes,
			     "%s%s: left out, as %zu ports are adopted already, and no more can "
			     "be; write sections instead of templates, or reload, which forgets "
			     "ports that are away",
			     adoption->unfit->node, adoption->unfit_count > 1 ? " and others" : "",
			     adoption->count);
	return error;
}

int
hotplug_adopt(struct planner *planner)
{
	size_t room = CONFIG_PORTS_MAX - planner->written->port_count;
	struct adoption adoption = { .planner = planner,
				     .max =
					 room < HOTPLUG_ADOPTED_MAX ? room : HOTPLUG_ADOPTED_MAX };
	int error;

	if (planner->written->template_count == 0)
		return 0;
	adoption.order = calloc(planner->count + 1, sizeof(*adoption.order));
	if (!adoption.order)
		return -ENOMEM;
	error = adopt_all(&adoption);
	free(adoption.order);
	return error;
}
