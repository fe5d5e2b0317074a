/*
 * config_match.c - the text form of what tells a port's device from others: `usb-serial`, `usb-id`,
 * `usb-path`, `usb-interface`, `udev-tag`; and of names with wildcards. It refuses to know which
 * devices there are (hotplug_plan.c).
 *
 * The one idea: what could never fit anything that udev writes is a fault here, with what udev
 * would write, and not a port that stays absent for ever.
 */
#include "config_value.h"

#include <ctype.h>
#include <string.h>

/* ---- usb-id = 0403:6001 ---- */

/* Hexadecimal digits, made lower-case. */
static bool
take_digits(char *text, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!isxdigit((unsigned char)text[i]))
			return false;
		text[i] = (char)tolower((unsigned char)text[i]);
	}
	return true;
}

bool
config_take_usb_id(char id[CONFIG_USB_ID_MAX + 1], const char *text)
{
	char copy[CONFIG_USB_ID_MAX + 1] = "";

	if (strlen(text) < sizeof(copy))
		strcpy(copy, text);
	if (!take_digits(copy, 4) || copy[4] != ':' ||
	    (strcmp(copy + 5, "*") != 0 && (!take_digits(copy + 5, 4) || copy[9] != '\0')))
		return false;
	strcpy(id, copy);
	return true;
}

int
config_set_usb_id(const struct config_key *key, void *member, const char *value,
		  char reason[CONFIG_REASON_MAX])
{
	(void)key;
	if (!config_take_usb_id(member, value))
		return config_refuse(reason,
				     "\"%.40s\": write VID:PID with four hexadecimal digits each, "
				     "or VID:*",
				     value);
	return 0;
}

/* ---- usb-interface = 01 ---- */

int
config_set_usb_interface(const struct config_key *key, void *member, const char *value,
			 char reason[CONFIG_REASON_MAX])
{
	char copy[3] = "";

	(void)key;
	if (strlen(value) < sizeof(copy))
		strcpy(copy, value);
	if (!take_digits(copy, 2))
		return config_refuse(
		    reason, "\"%.40s\" is no interface; write two hexadecimal digits, like 00",
		    value);
	strcpy(member, copy);
	return 0;
}

/* ---- usb-serial, usb-path, udev-tag: patterns ---- */

int
config_set_pattern(const struct config_key *key, void *member, const char *value,
		   char reason[CONFIG_REASON_MAX])
{
	if (strlen(value) > key->max)
		return config_refuse(reason, "\"%.40s...\" is longer than %u bytes", value,
				     key->max);
	if (!config_is_printable(value))
		return config_refuse(reason, "\"%.100s\" has bytes that are not printable UTF-8",
				     value);
	if (strchr(value, ' '))
		return config_refuse(
		    reason, "\"%.100s\" has a blank; udev writes \"_\" where a device has one",
		    value);
	strcpy(member, value);
	return 0;
}

int
config_set_usb_path(const struct config_key *key, void *member, const char *value,
		    char reason[CONFIG_REASON_MAX])
{
	if (value[0] == '/')
		return config_refuse(
		    reason,
		    "\"%.100s\" is a file's path; write \"device = ...\" for that, or udev's "
		    "ID_PATH, like pci-0000:00:14.0-usb-0:2:1.0",
		    value);
	return config_set_pattern(key, member, value, reason);
}

int
config_set_udev_tag(const struct config_key *key, void *member, const char *value,
		    char reason[CONFIG_REASON_MAX])
{
	if (strchr(value, ':'))
		return config_refuse(reason, "\"%.100s\": no tag of udev has a \":\"", value);
	return config_set_pattern(key, member, value, reason);
}

/* What is not asked for is a comment, as with accounts: any word could be a serial number. */
void
config_show_pattern(const struct config_key *key, const void *member, FILE *file)
{
	const char *text = member;

	if (text[0] != '\0')
		fprintf(file, "%s = %s\n", key->name, text);
	else
		fprintf(file, "; %s is not set\n", key->name);
}

bool
config_is_identified(const struct config_port *port)
{
	return port->usb_serial[0] != '\0' || port->usb_id[0] != '\0' ||
	       port->usb_path[0] != '\0' || port->usb_interface[0] != '\0' ||
	       port->udev_tag[0] != '\0';
}

/* ---- [port usb*] ---- */

bool
config_name_is_pattern(const char *name)
{
	return strpbrk(name, "*?[") != NULL;
}

/* Behind the "[" of a set: where it goes on, or NULL. */
static const char *
skip_set(const char *set)
{
	size_t length;

	set += *set == '!' || *set == '^';
	length = strspn(set, CONFIG_NAME_CHARACTERS);
	return length > 0 && set[length] == ']' ? set + length + 1 : NULL;
}

bool
config_pattern_is_valid(const char *pattern)
{
	if (strlen(pattern) > CONFIG_NAME_MAX)
		return false;
	while (pattern && *pattern != '\0')
		if (*pattern == '[')
			pattern = skip_set(pattern + 1);
		else if (strchr(CONFIG_NAME_CHARACTERS "*?", *pattern))
			pattern++;
		else
			pattern = NULL;
	return pattern != NULL;
}
