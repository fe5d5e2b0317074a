/*
 * config_port.c - what a [port] section must be as a whole, a port's or a template's. It refuses to
 * know how it is put together and kept (config_entry.c).
 */
#include "config_parse.h"

#include <string.h>

/* Where that key stands; nowhere: {NULL, 0}. */
static struct config_place
key_place(const struct config_parse *parse, const char *name)
{
	return parse->seen[config_key_find(config_port_keys, name) - config_port_keys].at;
}

/* A faulty one counts: it is told already. */
static bool
says_what_it_is(const struct config_parse *parse)
{
	static const char *const keys[] = { "usb-serial", "usb-id", "usb-path", "usb-interface",
					    "udev-tag" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (key_place(parse, keys[i]).file)
			return true;
	return false;
}

/* One path may be that of two ports if each of them says what must be there. */
static void
check_unique(struct config_parse *parse, struct config_place device_at)
{
	const struct config_port *port = &parse->port;

	for (size_t i = 0; i < parse->config->port_count; i++) {
		const struct config_port *other = &parse->config->ports[i];

		if (strcmp(other->device, port->device) != 0 ||
		    (!parse->rules->resolved && config_is_identified(port) &&
		     config_is_identified(other)))
			continue;
		config_fault(parse, device_at,
			     "port %s: device: %s is already that of port %s at %.200s:%u",
			     port->name, port->device, other->name, other->file, other->line);
		return;
	}
}

static void
check_device(struct config_parse *parse)
{
	struct config_place device_at = key_place(parse, "device");
	bool is_identified = says_what_it_is(parse);
	const char *name = parse->port.name;

	if (!device_at.file && parse->rules->resolved)
		config_fault(parse, parse->section_at,
			     "port %s: the supervisor has not said where its device is", name);
	else if (!device_at.file && !is_identified)
		config_fault(parse, parse->section_at,
			     "port %s: its device is missing; add \"device = /dev/...\", or what "
			     "tells it from others: usb-serial, usb-id, usb-path, usb-interface, "
			     "udev-tag (\"comlease ports\" shows them)",
			     name);
	else if (is_identified && (strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
		config_fault(parse, parse->section_at,
			     "port %s: a link of that name would lead to its device, and no file "
			     "can have it; choose another",
			     name);
	if (parse->port.device[0] != '\0')
		check_unique(parse, device_at);
}

/* A template says what many devices have in common. */
static void
check_template(struct config_parse *parse)
{
	struct config_place device_at = key_place(parse, "device");

	if (device_at.file)
		config_fault(parse, device_at,
			     "port %s: device: a name with * ? or [ is for whatever appears, and a "
			     "device's path for one; leave it out, or give the port a name of its "
			     "own",
			     parse->port.name);
	if (parse->rules->resolved)
		config_fault(parse, parse->section_at,
			     "port %s: the supervisor has not put ports in its place",
			     parse->port.name);
}

static void
check_revocation(struct config_parse *parse)
{
	struct config_place at = key_place(parse, "revocation");

	if (!parse->port.revocable || parse->rules->can_revoke)
		return;
	config_fault(
	    parse, at.file ? at : parse->section_at,
	    "port %s: taking a port back from a hung holder needs CAP_SYS_ADMIN; run comleased as "
	    "root, or set \"revocation = none\"",
	    parse->port.name);
}

void
config_port_judge(struct config_parse *parse)
{
	if (config_name_is_pattern(parse->port.name))
		check_template(parse);
	else
		check_device(parse);
	check_revocation(parse);
}
