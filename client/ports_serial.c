/*
 * ports_serial.c - what libserialport knows of a port: its description, USB ids and serial number.
 *
 * Responsible for: filling in what udev left out. Refuses to know: everything else; it opens
 * nothing (sp_get_port_by_name() only reads sysfs; sp_list_ports() would open native ports).
 */
#include "ports.h"

#include <libserialport.h>
#include <stdio.h>
#include <string.h>

static void
fill_in(char *to, size_t size, const char *from)
{
	if (to[0] == '\0' && from)
		snprintf(to, size, "%s", from);
}

void
ports_describe(struct ports_device *d)
{
	struct sp_port *port;
	const char *name = strrchr(d->node, '/');
	int vendor, product;

	if (sp_get_port_by_name(d->node, &port) != SP_OK)
		return;
	if (sp_get_port_transport(port) == SP_TRANSPORT_USB) {
		fill_in(d->description, sizeof d->description, sp_get_port_usb_product(port));
		fill_in(d->vendor, sizeof d->vendor, sp_get_port_usb_manufacturer(port));
		fill_in(d->usb_serial, sizeof d->usb_serial, sp_get_port_usb_serial(port));
		if (d->usb_id[0] == '\0' &&
		    sp_get_port_usb_vid_pid(port, &vendor, &product) == SP_OK)
			snprintf(d->usb_id, sizeof d->usb_id, "%04x:%04x",
				 (unsigned)vendor & 0xffff, (unsigned)product & 0xffff);
	}
	/* of USB devices it is made of the product and the serial number; where nothing is known
	 * it is the name */
	const char *description = sp_get_port_description(port);
	if (description && name && strcmp(description, name + 1) != 0)
		fill_in(d->description, sizeof d->description, description);
	sp_free_port(port);
}
