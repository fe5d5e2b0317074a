/*
 * config_list.c - the text form of a port's lists: `order`, `class-of`, `max-hold`, `busy-by`. It
 * refuses to know what they are good for (class.c, the core, the keeper).
 */
#include "config_value.h"

#include <errno.h>
#include <string.h>

#define ACTIVITY_MAX_S 3600

/* ---- order = mail dialup fax ---- */

static int
take_class(const struct config_key *key, void *member, char *word, char reason[CONFIG_REASON_MAX])
{
	struct config_port *port = member;

	if (strcmp(word, key->empty) == 0)
		return config_refuse(reason, "\"%s\" stands for no class, and alone", word);
	for (uint32_t i = 0; i < port->order_count; i++)
		if (strcmp(port->order[i], word) == 0)
			return config_refuse(reason, "class %s stands there twice", word);
	if (port->order_count == CONFIG_CLASSES_MAX)
		return config_refuse(reason, "too many classes, %d are allowed",
				     CONFIG_CLASSES_MAX);
	if (config_take_name(port->order[port->order_count], word, "class", reason) < 0)
		return -EINVAL;
	port->order_count++;
	return 0;
}

int
config_add_order(const struct config_key *key, void *member, const char *value,
		 char reason[CONFIG_REASON_MAX])
{
	return config_each_word(key, member, value, reason, take_class);
}

int
config_set_order(const struct config_key *key, void *member, const char *value,
		 char reason[CONFIG_REASON_MAX])
{
	return strcmp(value, key->empty) == 0 ? 0 : config_add_order(key, member, value, reason);
}

void
config_show_order(const struct config_key *key, const void *member, FILE *file)
{
	const struct config_port *port = member;
	struct config_line line = { .key = key, .file = file };

	for (uint32_t i = 0; i < port->order_count; i++)
		config_line_word(&line, "%s", port->order[i]);
	config_line_end(&line);
}

/* ---- class-of = efax:fax user=uucp:mail group=dialout:dialup ---- */

/* The kernel's name of a process, which has up to 15 bytes. */
static int
take_command(struct config_class_rule *rule, const char *name, char reason[CONFIG_REASON_MAX])
{
	size_t max = sizeof(rule->command) - 1;

	if (strlen(name) > max)
		return config_refuse(reason,
				     "\"%.60s\" is longer than what the kernel keeps of a "
				     "command's name; write \"%.*s\"",
				     name, (int)max, name);
	for (const char *c = name; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("/;#", *c))
			return config_refuse(reason, "\"%.40s\" is no command's name", name);
	rule->who = CONFIG_COMMAND;
	strcpy(rule->command, name); /* its length has just been checked */
	return 0;
}

static int
take_whom(struct config_class_rule *rule, const char *whom, char reason[CONFIG_REASON_MAX])
{
	if (strncmp(whom, "user=", 5) == 0)
		rule->who = CONFIG_USER;
	else if (strncmp(whom, "group=", 6) == 0)
		rule->who = CONFIG_GROUP;
	else
		return take_command(rule, whom, reason);
	return config_find_account(rule->who, strchr(whom, '=') + 1, &rule->id, reason);
}

static int
take_rule(const struct config_key *key, void *member, char *word, char reason[CONFIG_REASON_MAX])
{
	struct config_port *port = member;
	struct config_class_rule rule = { .who = CONFIG_COMMAND };
	char *class = strchr(word, ':');
	size_t whom = strcspn(word, ":"), equals = strcspn(word, "=");
	int error;

	(void)key;
	/* "uid=5:mail" is no command. */
	if (!class || whom == 0 ||
	    (equals < whom && strncmp(word, "user=", 5) != 0 && strncmp(word, "group=", 6) != 0))
		return config_refuse(reason,
				     "\"%.80s\" is no rule; write COMMAND:CLASS, "
				     "user=NAME:CLASS or group=NAME:CLASS",
				     word);
	if (port->class_of_count == CONFIG_RULES_MAX)
		return config_refuse(reason, "too many rules, %d are allowed", CONFIG_RULES_MAX);
	*class ++ = '\0';
	error = take_whom(&rule, word, reason);
	if (!error)
		error = config_take_name(rule.class, class, "class", reason);
	if (!error)
		port->class_of[port->class_of_count++] = rule;
	return error;
}

int
config_add_class_of(const struct config_key *key, void *member, const char *value,
		    char reason[CONFIG_REASON_MAX])
{
	return config_each_word(key, member, value, reason, take_rule);
}

int
config_set_class_of(const struct config_key *key, void *member, const char *value,
		    char reason[CONFIG_REASON_MAX])
{
	return strcmp(value, key->empty) == 0 ? 0 : config_add_class_of(key, member, value, reason);
}

void
config_show_class_of(const struct config_key *key, const void *member, FILE *file)
{
	const struct config_port *port = member;
	struct config_line line = { .key = key, .file = file };

	for (uint32_t i = 0; i < port->class_of_count; i++) {
		const struct config_class_rule *rule = &port->class_of[i];

		if (rule->who == CONFIG_COMMAND)
			config_line_word(&line, "%s:%s", rule->command, rule->class);
		else
			config_line_word(&line, "%s=%u:%s",
					 rule->who == CONFIG_USER ? "user" : "group", rule->id,
					 rule->class);
	}
	config_line_end(&line);
}

/* ---- max-hold = 3600 fax:600 ---- */

/* A class's name may have colons; a number has none. */
static int
take_class_hold(const struct config_key *key, void *member, char *word,
		char reason[CONFIG_REASON_MAX])
{
	struct config_port *port = member;
	struct config_class_hold hold = { .hold_s = CONFIG_NEVER };
	char *seconds = strrchr(word, ':');
	int error;

	if (!seconds)
		return config_refuse(
		    reason, "\"%.80s\": behind the first value only CLASS:SECONDS may follow",
		    word);
	if (port->class_hold_count == CONFIG_CLASSES_MAX)
		return config_refuse(reason, "too many classes, %d are allowed",
				     CONFIG_CLASSES_MAX);
	*seconds++ = '\0';
	error = config_take_name(hold.class, word, "class", reason);
	if (!error)
		error = config_set_seconds(key, &hold.hold_s, seconds, reason);
	for (uint32_t i = 0; !error && i < port->class_hold_count; i++)
		if (strcmp(port->class_hold[i].class, hold.class) == 0)
			error = config_refuse(reason, "class %s stands there twice", hold.class);
	if (!error)
		port->class_hold[port->class_hold_count++] = hold;
	return error;
}

int
config_add_max_hold(const struct config_key *key, void *member, const char *value,
		    char reason[CONFIG_REASON_MAX])
{
	return config_each_word(key, member, value, reason, take_class_hold);
}

/* That of all classes comes first, if it is there at all. */
int
config_set_max_hold(const struct config_key *key, void *member, const char *value,
		    char reason[CONFIG_REASON_MAX])
{
	struct config_port *port = member;
	size_t length = strcspn(value, " \t");
	char first[32];
	int error;

	if (memchr(value, ':', length))
		return config_add_max_hold(key, member, value, reason);
	snprintf(first, sizeof(first), "%.*s", (int)length, value);
	error = config_set_seconds(key, &port->max_hold_s, first, reason);
	return error ? error : config_add_max_hold(key, member, value + length, reason);
}

void
config_show_max_hold(const struct config_key *key, const void *member, FILE *file)
{
	const struct config_port *port = member;
	struct config_line line = { .key = key, .file = file };

	if (port->max_hold_s == CONFIG_NEVER)
		config_line_word(&line, "none");
	else
		config_line_word(&line, "%u", port->max_hold_s);
	for (uint32_t i = 0; i < port->class_hold_count; i++) {
		const struct config_class_hold *hold = &port->class_hold[i];

		if (hold->hold_s == CONFIG_NEVER)
			config_line_word(&line, "%s:none", hold->class);
		else
			config_line_word(&line, "%s:%u", hold->class, hold->hold_s);
	}
	config_line_end(&line);
}

/* ---- busy-by = dcd activity:5 ---- */

static int
take_sign(const struct config_key *key, void *member, char *word, char reason[CONFIG_REASON_MAX])
{
	static const struct config_key seconds = { .name = "activity",
						   .min = 1,
						   .max = ACTIVITY_MAX_S };
	struct config_port *port = member;
	bool is_dcd = strcmp(word, "dcd") == 0;

	(void)key;
	if (!is_dcd && strncmp(word, "activity:", 9) != 0)
		return config_refuse(reason, "\"%.40s\" is not one of none, dcd, activity:SECONDS",
				     word);
	if (is_dcd ? port->busy_by_dcd : port->busy_by_activity_s > 0)
		return config_refuse(reason, "%.*s stands there twice", (int)strcspn(word, ":"),
				     word);
	if (!is_dcd)
		return config_parse_limited(&seconds, word + 9, &port->busy_by_activity_s, reason);
	port->busy_by_dcd = true;
	return 0;
}

int
config_set_busy_by(const struct config_key *key, void *member, const char *value,
		   char reason[CONFIG_REASON_MAX])
{
	if (strcmp(value, key->empty) == 0)
		return 0;
	return config_each_word(key, member, value, reason, take_sign);
}

void
config_show_busy_by(const struct config_key *key, const void *member, FILE *file)
{
	const struct config_port *port = member;
	struct config_line line = { .key = key, .file = file };

	if (port->busy_by_dcd)
		config_line_word(&line, "dcd");
	if (port->busy_by_activity_s)
		config_line_word(&line, "activity:%u", port->busy_by_activity_s);
	config_line_end(&line);
}
