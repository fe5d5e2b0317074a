/*
 * config_key.c - the keys of the configuration: their values' text form, limits and defaults. It
 * refuses to know files, lines and sections.
 *
 * The one idea: setter and printer of a key stand side by side in one table, and no value is taken
 * that its printer could not write on a line that inih reads back unchanged. Hence the rules for
 * paths: inih cuts a line at 198 bytes, takes " ;" for a comment, and strips blanks at the end.
 */
#include "config_key.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SOCKET_MAX ((uint32_t)sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#define MINUTE_MS  60000

static int __attribute__((format(printf, 2, 3)))
refuse(char reason[CONFIG_REASON_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, CONFIG_REASON_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

static bool
is_digit(char c, char last)
{
	return c >= '0' && c <= last;
}

/* 0, -EINVAL (no number in that base), -ERANGE (more than 32 bits hold). */
static int
parse_number(const char *value, unsigned base, uint32_t *number)
{
	uint64_t sum = 0;

	for (const char *c = value; *c != '\0'; c++) {
		if (!is_digit(*c, (char)('0' + base - 1)))
			return -EINVAL;
		if (sum <= UINT32_MAX)
			sum = sum * base + (uint64_t)(*c - '0');
	}
	if (sum > UINT32_MAX)
		return -ERANGE;
	*number = (uint32_t)sum;
	return 0;
}

static int
set_number(const struct config_key *key, void *member, const char *value,
	   char reason[CONFIG_REASON_MAX])
{
	uint32_t number = 0;
	int error = parse_number(value, 10, &number);

	if (error == -EINVAL)
		return refuse(reason, "\"%.40s\" is no number", value);
	if (error < 0 || number < key->min || number > key->max)
		return refuse(reason, "%.40s is out of range (%u..%u)", value, key->min, key->max);
	*(uint32_t *)member = number;
	return 0;
}

static void
print_number(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %u\n", key->name, *(const uint32_t *)member);
}

static int
set_mode(const struct config_key *key, void *member, const char *value,
	 char reason[CONFIG_REASON_MAX])
{
	uint32_t number = 0;
	int error = parse_number(value, 8, &number);

	if (error == -EINVAL)
		return refuse(reason, "\"%.40s\" is no octal number, like 0660", value);
	if (error < 0 || number > key->max)
		return refuse(reason, "%.40s is out of range (0..%04o)", value, key->max);
	*(mode_t *)member = (mode_t)number;
	return 0;
}

static void
print_mode(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %04o\n", key->name, (unsigned)*(const mode_t *)member);
}

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
static bool
is_clean_utf8(const char *text)
{
	size_t length;

	for (; *text != '\0'; text += length) {
		length = utf8_length((const unsigned char *)text);
		if (length == 0)
			return false;
	}
	return true;
}

/* An absolute path that a line of the configuration can hold. */
static int
check_path(const char *path, size_t max, char reason[CONFIG_REASON_MAX])
{
	size_t length = strlen(path);

	if (path[0] != '/')
		return refuse(reason, "\"%.100s\" is no absolute path; start it with \"/\"", path);
	if (length > max)
		return refuse(reason, "\"%.40s...\" has %zu bytes, %zu are allowed", path, length,
			      max);
	if (!is_clean_utf8(path))
		return refuse(reason, "\"%.100s\" has bytes that are not printable UTF-8", path);
	if (path[length - 1] == '/')
		return refuse(reason, "\"%.100s\" ends with \"/\"; leave that out", path);
	if (path[length - 1] == ' ')
		return refuse(reason, "\"%.100s\" ends with a blank", path);
	if (strstr(path, " ;") || strstr(path, " #"))
		return refuse(reason,
			      "\"%.60s\": behind a blank, \";\" starts a comment and \"#\" "
			      "is not allowed; rename it, or put the comment on a line of its own",
			      path);
	return 0;
}

static int
replace(char **member, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*member);
	*member = copy;
	return 0;
}

static int
set_path(const struct config_key *key, void *member, const char *value,
	 char reason[CONFIG_REASON_MAX])
{
	int error = check_path(value, key->max, reason);

	return error ? error : replace(member, value);
}

/* `user` and `group`: a name that getpwnam() may know. */
static int
set_account(const struct config_key *key, void *member, const char *value,
	    char reason[CONFIG_REASON_MAX])
{
	if (strlen(value) > key->max)
		return refuse(reason, "\"%.40s...\" is longer than %u bytes", value, key->max);
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr(":;,#/", *c))
			return refuse(reason, "\"%.40s\" is no %s name", value, key->name);
	return replace(member, value);
}

/* An account that was not named stays so: a comment is the canonical form of that. */
static void
print_text(const struct config_key *key, const void *member, FILE *file)
{
	const char *text = *(char *const *)member;

	if (text)
		fprintf(file, "%s = %s\n", key->name, text);
	else
		fprintf(file, "; %s is not set\n", key->name);
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

static int
set_device(const struct config_key *key, void *member, const char *value,
	   char reason[CONFIG_REASON_MAX])
{
	int error = check_path(value, key->max, reason);

	if (!error)
		copy_plain_path(member, value);
	return error;
}

static void
print_device(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %s\n", key->name, (const char *)member);
}

/* The member is the port: a frame is three of its members. */
static int
set_frame(const struct config_key *key, void *member, const char *value,
	  char reason[CONFIG_REASON_MAX])
{
	struct config_port *port = member;

	(void)key;
	if (strlen(value) != 3 || value[0] < '5' || value[0] > '8' || !strchr("NEO", value[1]) ||
	    value[2] < '1' || value[2] > '2')
		return refuse(reason,
			      "\"%.40s\" is no frame: data bits 5 to 8, parity N, E or O, "
			      "stop bits 1 or 2, like 8N1",
			      value);
	port->bits = (uint8_t)(value[0] - '0');
	port->parity = value[1];
	port->stop = (uint8_t)(value[2] - '0');
	return 0;
}

static void
print_frame(const struct config_key *key, const void *member, FILE *file)
{
	const struct config_port *port = member;

	fprintf(file, "%s = %u%c%u\n", key->name, port->bits, port->parity, port->stop);
}

static const char *const flow_names[] = {
	[CONFIG_FLOW_NONE] = "none",
	[CONFIG_FLOW_RTSCTS] = "rtscts",
	[CONFIG_FLOW_XONXOFF] = "xonxoff",
};

static int
set_flow(const struct config_key *key, void *member, const char *value,
	 char reason[CONFIG_REASON_MAX])
{
	(void)key;
	for (size_t i = 0; i < sizeof(flow_names) / sizeof(flow_names[0]); i++)
		if (strcmp(value, flow_names[i]) == 0) {
			*(enum config_flow *)member = (enum config_flow)i;
			return 0;
		}
	return refuse(reason, "\"%.40s\" is not one of none, rtscts, xonxoff", value);
}

static void
print_flow(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %s\n", key->name, flow_names[*(const enum config_flow *)member]);
}

static int
set_revocation(const struct config_key *key, void *member, const char *value,
	       char reason[CONFIG_REASON_MAX])
{
	(void)key;
	if (strcmp(value, "hangup") != 0 && strcmp(value, "none") != 0)
		return refuse(reason, "\"%.40s\" is not one of hangup, none", value);
	*(bool *)member = value[0] == 'h';
	return 0;
}

static void
print_revocation(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %s\n", key->name, *(const bool *)member ? "hangup" : "none");
}

#define BROKER(member) offsetof(struct config, member)
#define PORT(member)   offsetof(struct config_port, member)

const struct config_key config_broker_keys[] = {
	{ "socket", set_path, print_text, BROKER(socket), 0, SOCKET_MAX },
	{ "state-dir", set_path, print_text, BROKER(state_dir), 0, CONFIG_DEVICE_MAX },
	{ "user", set_account, print_text, BROKER(user), 0, 32 },
	{ "group", set_account, print_text, BROKER(group), 0, 32 },
	{ "mode", set_mode, print_mode, BROKER(mode), 0, 0777 },
	{ "max-connections", set_number, print_number, BROKER(connections_max), 1, 65536 },
	{ "max-connections-per-user", set_number, print_number, BROKER(connections_uid_max), 1,
	  65536 },
	{ 0 },
};

const struct config_key config_port_keys[] = {
	{ "device", set_device, print_device, PORT(device), 0, CONFIG_DEVICE_MAX },
	{ "baud", set_number, print_number, PORT(baud), 1, 20000000 },
	{ "frame", set_frame, print_frame, 0, 0, 0 },
	{ "flow", set_flow, print_flow, PORT(flow), 0, 0 },
	{ "revocation", set_revocation, print_revocation, PORT(revocable), 0, 0 },
	{ "hangup-ms", set_number, print_number, PORT(hangup_ms), 0, MINUTE_MS },
	{ "settle-ms", set_number, print_number, PORT(settle_ms), 0, MINUTE_MS },
	{ "drain-ms", set_number, print_number, PORT(drain_ms), 0, 10 * MINUTE_MS },
	{ "max-waiters", set_number, print_number, PORT(queue_max), 1, 1000000 },
	{ 0 },
};

const struct config_key *
config_key_find(const struct config_key *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

int
config_key_set(const struct config_key *key, void *object, const char *value,
	       char reason[CONFIG_REASON_MAX])
{
	if (value[0] == '\0')
		return refuse(reason, "has no value");
	return key->set(key, (char *)object + key->offset, value, reason);
}
