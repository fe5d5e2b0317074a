/*
 * hotplug_plan_section.c - which device each section has. It refuses to know templates
 * (hotplug_plan_adopt.c) and what the children are told (hotplug_plan.c).
 *
 * The tricky idea: a device must never be two ports' at a time, and must not change from one to
 * another merely because a third came or went: there may be a lease on it. So `device` alone goes
 * first (its keeper opens it, whatever is decided here), then whoever had the device keeps it while
 * it fits, and only then the order of the files counts; and what a section means is not adopted,
 * since the section may want it later.
 */
#include "hotplug_plan_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a section means ---- */

/* The device that the port's `device` leads to, by its index; `count`: it leads to none. */
static size_t
follow_device(const struct planner *planner, const struct config_port *port)
{
	char node[sizeof(planner->devices->node)];
	const char *path = port->device;
	size_t at = 0;

	if (path[0] != '\0' && planner->follow && planner->follow(port->device, node))
		path = node;
	while (at < planner->count && strcmp(planner->devices[at].node, path) != 0)
		at++;
	return at;
}

/* A port with `device` alone has what that leads to. */
static void
claim_paths(struct planner *planner)
{
	for (size_t i = 0; i < planner->written->port_count; i++) {
		const struct config_port *port = &planner->written->ports[i];
		size_t at = planner->count;
		struct hotplug_claim *claim = planner->claims;

		if (!config_is_identified(port))
			at = follow_device(planner, port);
		if (at == planner->count)
			continue;
		claim += at;
		if (claim->owner)
			hotplug_note(&planner->notes,
				     "port %s: %s leads to %s, and so does the device of port %s; "
				     "leave one of the two out",
				     port->name, port->device, planner->devices[at].node,
				     claim->owner->name);
		else
			*claim = (struct hotplug_claim){ .owner = port, .meant = true };
	}
}

/* Does the section mean that device? `at`: where its `device` leads. */
static bool
means(const struct planner *planner, const struct config_port *port, size_t at, size_t device)
{
	return hotplug_fits(port, &planner->devices[device]) &&
	       (port->device[0] == '\0' || at == device);
}

/* Marks all that it means, in `fitting` too; returns how many. */
static size_t
find_fitting(struct planner *planner, const struct config_port *port, bool *fitting)
{
	size_t at = follow_device(planner, port), found = 0;

	for (size_t i = 0; i < planner->count; i++) {
		fitting[i] = means(planner, port, at, i);
		planner->claims[i].meant |= fitting[i];
		found += fitting[i];
	}
	return found;
}

/* What the port had until now and may keep, or `count`. */
static size_t
find_kept(const struct planner *planner, const struct config_port *port, const bool *fitting)
{
	const struct hotplug_link *link = hotplug_link_before(planner, port->name);
	size_t i = 0;

	while (link && i < planner->count && strcmp(planner->devices[i].node, link->node) != 0)
		i++;
	if (!link || i == planner->count || !fitting[i] || planner->claims[i].owner ||
	    !hotplug_is_usable(&planner->devices[i]))
		return planner->count;
	return i;
}

/* Which of several that fit one section. */
static bool
is_before(const struct hotplug_device *a, const struct hotplug_device *b)
{
	int order = strcmp(a->usb_interface, b->usb_interface);

	return order != 0 ? order < 0 : hotplug_compare_nodes(a, b) < 0;
}

/* The first that is free, or `count`. */
static size_t
find_free(const struct planner *planner, const bool *fitting)
{
	const struct hotplug_device *devices = planner->devices;
	size_t best = planner->count;

	for (size_t i = 0; i < planner->count; i++)
		if (fitting[i] && !planner->claims[i].owner && hotplug_is_usable(&devices[i]) &&
		    (best == planner->count || is_before(&devices[i], &devices[best])))
			best = i;
	return best;
}

/* ---- what is said of a section ---- */

/* Which of those that fit is worth a word: the first that could be used, else the first. */
static size_t
find_notable(const struct planner *planner, const bool *fitting)
{
	size_t first = planner->count;

	for (size_t i = planner->count; i-- > 0;)
		if (fitting[i] &&
		    (first == planner->count || !hotplug_is_usable(&planner->devices[first]) ||
		     hotplug_is_usable(&planner->devices[i])))
			first = i;
	return first;
}

/* It has none, though some fit: why not. */
static void
note_without(struct planner *planner, const struct config_port *port, const bool *fitting)
{
	size_t i = find_notable(planner, fitting);
	const struct hotplug_device *device;
	const struct config_port *owner;

	device = &planner->devices[i];
	owner = planner->claims[i].owner;
	if (owner)
		hotplug_note(&planner->notes,
			     "port %s: %s fits, but it is that of port %s; say in both sections "
			     "what tells their devices apart, or leave one out",
			     port->name, device->node, owner->name);
	else if (device->console)
		hotplug_note(&planner->notes,
			     "port %s: %s fits, but the kernel writes its messages to it; take "
			     "\"console=%s\" off the kernel's command line",
			     port->name, device->node, device->node + strlen("/dev/"));
	else
		hotplug_note(&planner->notes,
			     "port %s: %s fits, but a udev rule sets COMLEASE_IGNORE for it; take "
			     "that away",
			     port->name, device->node);
}

/* Is it one that the section might as well have had: free, or only a later section's? */
static bool
is_rival(const struct planner *planner, const struct config_port *port, size_t i)
{
	const struct config_port *owner = planner->claims[i].owner;

	return hotplug_is_usable(&planner->devices[i]) &&
	       (!owner || (owner > port && config_is_identified(owner)));
}

/* "/dev/ttyUSB0, /dev/ttyUSB1 and 2 more" */
static void
list_nodes(const struct hotplug_device *devices, const size_t *list, size_t count, char *text,
	   size_t size)
{
	const size_t shown = count > 4 ? 3 : count;
	size_t used = 0;

	for (size_t i = 0; i < shown; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s",
					 i == 0          ? ""
					 : i + 1 < count ? ", "
							 : " and ",
					 devices[list[i]].node);
	if (shown < count)
		snprintf(text + used, size - used, " and %zu more", count - shown);
}

/* Several fit: it has `own`. `rivals` has room for all devices. */
static void
note_several(struct planner *planner, const struct config_port *port, const bool *fitting,
	     size_t own, size_t *rivals)
{
	char nodes[400], keys[HOTPLUG_KEYS_MAX];
	const char *node = planner->devices[own].node;
	size_t count = 1;

	rivals[0] = own;
	for (size_t i = 0; i < planner->count; i++)
		if (fitting[i] && i != own && is_rival(planner, port, i))
			rivals[count++] = i;
	if (count == 1)
		return;
	list_nodes(planner->devices, rivals, count, nodes, sizeof(nodes));
	hotplug_tell_apart(planner->devices, own, rivals + 1, count - 1, keys);
	hotplug_note(&planner->notes, "port %s: %s fit; it is %s now; %s%s", port->name, nodes,
		     node, keys[0] ? "to make sure of that, add " : "udev knows of no difference",
		     keys);
}

/* ---- the sections that say what their device is ---- */

/* One for each such section: what fits, and what it has. */
struct wish {
	const struct config_port *port;
	bool *fitting; /* by device; NULL: none fits */
	size_t own;    /* `count`: none */
};

static int
make_wish(struct planner *planner, struct wish *wish, const struct config_port *port)
{
	*wish = (struct wish){ .port = port, .own = planner->count };
	if (!config_is_identified(port))
		return 0;
	wish->fitting = calloc(planner->count + 1, sizeof(*wish->fitting));
	if (!wish->fitting)
		return -ENOMEM;
	if (find_fitting(planner, port, wish->fitting) == 0) {
		free(wish->fitting);
		wish->fitting = NULL;
	}
	return 0;
}

static void
grant(struct planner *planner, struct wish *wish, size_t device)
{
	wish->own = device;
	if (device < planner->count)
		planner->claims[device].owner = wish->port;
}

/* The notes come last, when it is known who has what. */
static void
grant_wishes(struct planner *planner, struct wish *wishes, size_t count, size_t *rivals)
{
	for (struct wish *wish = wishes; wish < wishes + count; wish++)
		if (wish->fitting)
			grant(planner, wish, find_kept(planner, wish->port, wish->fitting));
	for (struct wish *wish = wishes; wish < wishes + count; wish++)
		if (wish->fitting && wish->own == planner->count)
			grant(planner, wish, find_free(planner, wish->fitting));
	for (struct wish *wish = wishes; wish < wishes + count; wish++)
		if (wish->fitting && wish->own == planner->count) {
			note_without(planner, wish->port, wish->fitting);
		} else if (wish->fitting) {
			hotplug_add_link(planner->plan, wish->port->name,
					 planner->devices[wish->own].node);
			note_several(planner, wish->port, wish->fitting, wish->own, rivals);
		}
}

static int
claim_properties(struct planner *planner)
{
	size_t count = planner->written->port_count;
	struct wish *wishes = calloc(count + 1, sizeof(*wishes));
	size_t *rivals = calloc(planner->count + 1, sizeof(*rivals));
	int error = wishes && rivals ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && !error; i++)
		error = make_wish(planner, &wishes[i], &planner->written->ports[i]);
	if (!error)
		grant_wishes(planner, wishes, count, rivals);
	for (size_t i = 0; wishes && i < count; i++)
		free(wishes[i].fitting);
	free(wishes);
	free(rivals);
	return error;
}

int
hotplug_claim(struct planner *planner)
{
	claim_paths(planner);
	return claim_properties(planner);
}
