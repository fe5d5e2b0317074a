/*
 * config_pool.c - the text form of a pool: its ports, or what they have in common. It refuses to
 * know which ports there are (config_entry.c).
 */
#include "config_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- ports = modem0 modem1 ---- */

static int
take_port(const struct config_key *key, void *member, char *word, char reason[CONFIG_REASON_MAX])
{
	struct config_pool *pool = member;
	char(*ports)[CONFIG_NAME_MAX + 1];

	(void)key;
	for (uint32_t i = 0; i < pool->port_count; i++)
		if (strcmp(pool->ports[i], word) == 0)
			return config_refuse(reason, "port %s stands there twice", word);
	if (pool->port_count == CONFIG_POOL_MAX)
		return config_refuse(reason, "too many ports, %d are allowed", CONFIG_POOL_MAX);
	ports = reallocarray(pool->ports, pool->port_count + 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	pool->ports = ports;
	if (config_take_name(ports[pool->port_count], word, "port's name", reason) < 0)
		return -EINVAL;
	pool->port_count++;
	return 0;
}

int
config_set_ports(const struct config_key *key, void *member, const char *value,
		 char reason[CONFIG_REASON_MAX])
{
	return config_each_word(key, member, value, reason, take_port);
}

void
config_show_ports(const struct config_key *key, const void *member, FILE *file)
{
	const struct config_pool *pool = member;
	struct config_line line = { .key = key, .file = file };

	if (pool->match != CONFIG_MATCH_PORTS)
		return;
	for (uint32_t i = 0; i < pool->port_count; i++)
		config_line_word(&line, "%s", pool->ports[i]);
	config_line_end(&line);
}

/* ---- match = usb:0403:* ---- */

/* As the keeper reports it. */
static int
take_usb(const char *text, char *pattern, char reason[CONFIG_REASON_MAX])
{
	if (!config_take_usb_id(pattern, text))
		return config_refuse(reason,
				     "\"usb:%.40s\": write usb:VID:PID with four hexadecimal "
				     "digits each, or usb:VID:*",
				     text);
	return 0;
}

int
config_set_match(const struct config_key *key, void *member, const char *value,
		 char reason[CONFIG_REASON_MAX])
{
	static const char *const kinds[] = { [CONFIG_MATCH_USB] = "usb:",
					     [CONFIG_MATCH_TAG] = "tag:",
					     [CONFIG_MATCH_PATH] = "path:" };
	struct config_pool *pool = member;
	enum config_match match = CONFIG_MATCH_USB;
	int error;

	while (match <= CONFIG_MATCH_PATH &&
	       strncmp(value, kinds[match], strlen(kinds[match])) != 0)
		match++;
	if (match > CONFIG_MATCH_PATH)
		return config_refuse(
		    reason, "\"%.80s\" is not one of usb:VID:PID, tag:NAME, path:PATTERN", value);
	value += strlen(kinds[match]);
	if (match == CONFIG_MATCH_USB)
		error = take_usb(value, pool->pattern, reason);
	else if (match == CONFIG_MATCH_TAG)
		error = config_take_name(pool->pattern, value, "tag", reason);
	else
		error = config_check_path(value, key->max, reason);
	if (!error && match == CONFIG_MATCH_PATH)
		strcpy(pool->pattern, value); /* its length has just been checked */
	if (!error)
		pool->match = match;
	return error;
}

void
config_show_match(const struct config_key *key, const void *member, FILE *file)
{
	static const char *const kinds[] = { "", "usb", "tag", "path" };
	const struct config_pool *pool = member;

	if (pool->match != CONFIG_MATCH_PORTS)
		fprintf(file, "%s = %s:%s\n", key->name, kinds[pool->match], pool->pattern);
}

void
config_free_pool(struct config_pool *pool)
{
	free(pool->ports);
	free(pool->file);
	pool->ports = NULL;
	pool->file = NULL;
}
