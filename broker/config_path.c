/*
 * config_path.c - the text form of paths. It refuses to know what is there in the file system.
 *
 * The one idea: a path is taken only if a line that inih reads can hold it, and JSON too: hence
 * printable UTF-8, no blank at its end, no comment in it.
 */
#include "config_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The bytes of the UTF-8 character at *text, 0: it is none, or one for control. */
static size_t
utf8_length(const unsigned char *text)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t min;
	} forms[] = { { 0x80, 0x00, 0x20 },
		      { 0xe0, 0xc0, 0xa0 },
		      { 0xf0, 0xe0, 0x800 },
		      { 0xf8, 0xf0, 0x10000 } };

	for (size_t more = 0; more < 4; more++) {
		uint32_t point = (unsigned char)(text[0] & ~forms[more].mask);

		if ((text[0] & forms[more].mask) != forms[more].lead)
			continue;
		for (size_t i = 1; i <= more; i++) {
			if ((text[i] & 0xc0) != 0x80)
				return 0;
			point = point << 6 | (text[i] & 0x3f);
		}
		if (point < forms[more].min || point == 0x7f || point > 0x10ffff)
			return 0;
		return point >= 0xd800 && point < 0xe000 ? 0 : more + 1;
	}
	return 0;
}

/* JSON takes nothing else. */
bool
config_is_printable(const char *text)
{
	size_t length;

	for (; *text != '\0'; text += length) {
		length = utf8_length((const unsigned char *)text);
		if (length == 0)
			return false;
	}
	return true;
}

int
config_check_path(const char *path, size_t max, char reason[CONFIG_REASON_MAX])
{
	size_t length = strlen(path);

	if (path[0] != '/')
		return config_refuse(reason, "\"%.100s\" is no absolute path; start it with \"/\"",
				     path);
	if (length > max)
		return config_refuse(reason, "\"%.40s...\" has %zu bytes, %zu are allowed", path,
				     length, max);
	if (!config_is_printable(path))
		return config_refuse(reason, "\"%.100s\" has bytes that are not printable UTF-8",
				     path);
	if (path[length - 1] == '/')
		return config_refuse(reason, "\"%.100s\" ends with \"/\"; leave that out", path);
	if (path[length - 1] == ' ')
		return config_refuse(reason, "\"%.100s\" ends with a blank", path);
	if (strstr(path, " ;") || strstr(path, " #"))
		return config_refuse(
		    reason,
		    "\"%.60s\": behind a blank, \";\" starts a comment and \"#\" "
		    "is not allowed; rename it, or put the comment on a line of its own",
		    path);
	return 0;
}

int
config_set_path(const struct config_key *key, void *member, const char *value,
		char reason[CONFIG_REASON_MAX])
{
	int error = config_check_path(value, key->max, reason);
	char *copy;

	if (error)
		return error;
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	free(*(char **)member);
	*(char **)member = copy;
	return 0;
}

void
config_show_path(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %s\n", key->name, *(char *const *)member);
}

/* One spelling a path, as far as that can be told without the file system: "//" and "/./" go. */
static void
copy_plain_path(char *to, const char *from)
{
	while (*from != '\0')
		if (from[0] == '/' && from[1] == '/')
			from++;
		else if (from[0] == '/' && from[1] == '.' && from[2] == '/')
			from += 2;
		else
			*to++ = *from++;
	*to = '\0';
}

int
config_set_device(const struct config_key *key, void *member, const char *value,
		  char reason[CONFIG_REASON_MAX])
{
	int error = config_check_path(value, key->max, reason);

	if (!error)
		copy_plain_path(member, value);
	return error;
}

void
config_show_device(const struct config_key *key, const void *member, FILE *file)
{
	config_show_pattern(key, member, file); /* there may be none */
}
