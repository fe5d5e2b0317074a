/*
 * keeper_identity.c - which device the port is: what was there before is remembered, for those who
 * come back under the same path, and told, for people and pools. It refuses to know how a device is
 * told from another (device_identity.c), and udev.
 *
 * The idea: a port whose configuration gives nothing but a path expects what it had, for as long as
 * comleased runs, until somebody who knows says otherwise: `comlease enable`, or a reload. Where
 * the configuration says what the device is, the supervisor has compared it already, and the path
 * is a link that it keeps: that is not what people know the device by.
 */
#include "keeper_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

static bool
is_supervisors_link(const struct keeper *k)
{
	return config_is_link(&k->config, k->port);
}

void
identity_configured(struct keeper *k)
{
	k->device.expected = is_supervisors_link(k) ? NULL : &k->memory->device;
}

void
identity_remember(struct keeper *k)
{
	if (device_identity_is_known(&k->device.identity))
		k->memory->device = k->device.identity;
	k->memory->node[0] = '\0';
	if (strlen(k->device.node) < sizeof(k->memory->node)) /* a part of a path is none */
		strcpy(k->memory->node, k->device.node);
}

void
identity_accept(struct keeper *k)
{
	if (k->presence == KEEPER_PRESENT)
		return;
	memset(&k->memory->device, 0, sizeof(k->memory->device));
	log_debug("accept port=%s", k->name);
	if (k->presence == KEEPER_ABSENT && k->turnaround.phase == KEEPER_AT_REST)
		keeper_look_and_tell(k);
}

/* ---- for people ---- */

static void __attribute__((format(printf, 2, 3))) add(struct keeper *k, const char *format, ...)
{
	size_t n = strlen(k->why);
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(k->why + n, sizeof(k->why) - n, format, arguments);
	va_end(arguments);
}

static void
add_key(struct keeper *k, const char *key, const char *value)
{
	char escaped[CONFIG_MATCH_MAX + 1];

	if (*value == '\0')
		return;
	log_escape(value, escaped, sizeof(escaped));
	add(k, "%s%s = %.60s", strchr(k->why, '=') == NULL ? ": " : ", ", key, escaped);
}

static void
explain_absence(struct keeper *k)
{
	const struct config_port *port = k->port;
	char text[DEVICE_IDENTITY_TEXT_MAX];

	if (is_supervisors_link(k)) {
		snprintf(k->why, sizeof(k->why), "not plugged in");
		add_key(k, "usb-serial", port->usb_serial);
		add_key(k, "usb-id", port->usb_id);
		add_key(k, "usb-path", port->usb_path);
		add_key(k, "usb-interface", port->usb_interface);
		add_key(k, "udev-tag", port->udev_tag);
	}
	if (!device_identity_is_known(&k->memory->device))
		return;
	device_identity_print(&k->memory->device, text);
	add(k, "; it was %s", text);
}

/* Not by the link, if it is known where that leads. */
static void
name_node(struct keeper *k)
{
	size_t n = strlen(k->port->device);
	char rest[sizeof(k->why)];

	if (*k->device.node == '\0' || !is_supervisors_link(k) ||
	    strncmp(k->why, k->port->device, n) != 0)
		return;
	memcpy(rest, k->why, sizeof(rest));
	snprintf(k->why, sizeof(k->why), "%.100s%.200s", k->device.node, rest + n);
}

void
identity_explain(struct keeper *k, bool is_absent)
{
	if (is_absent && !k->device.is_other)
		explain_absence(k);
	else
		name_node(k);
}

/* ---- for the broker ---- */

void
identity_tell(struct keeper *k, bool again)
{
	struct ipc_message m = { .type = IPC_IDENTITY };
	size_t n, room;

	if (!k->is_reported || k->presence != KEEPER_PRESENT)
		return;
	if (device_identity_is_known(&k->device.identity))
		snprintf(m.text, sizeof(m.text), "usb:%s", k->device.identity.usb_id);
	n = strlen(m.text) + 1;
	room = sizeof(m.text) - n;
	if (strlen(k->device.node) < room) /* a part of a path is none */
		strcpy(m.text + n, k->device.node);
	if (!again && memcmp(k->told, m.text, sizeof(k->told)) == 0)
		return;
	memcpy(k->told, m.text, sizeof(k->told));
	keeper_send(k, &m);
}
