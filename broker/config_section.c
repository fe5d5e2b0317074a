/*
 * config_section.c - what stands in which section: puts each key where it belongs, and says what is
 * unknown, double or misplaced. It refuses to know files and lines (config_parse.c), what an entry
 * must be as a whole (config_entry.c) and what a value may be (config_value.h).
 */
#include "config_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ALL_SECTIONS "[broker], [port NAME], [pool NAME], [access] and [access NAME]"

/* By enum config_section; those without a name have no keys. */
static const struct kind {
	const char *name, *title;
	const struct config_key *keys;
} kinds[] = {
	[CONFIG_SECTION_NONE] = { 0 },
	[CONFIG_SECTION_BROKER] = { "broker", "[broker]", config_broker_keys },
	[CONFIG_SECTION_PORT] = { "port", "[port NAME]", config_port_keys },
	[CONFIG_SECTION_POOL] = { "pool", "[pool NAME]", config_pool_keys },
	[CONFIG_SECTION_ACCESS] = { "access", "[access]", config_access_keys },
	[CONFIG_SECTION_IGNORED] = { 0 },
};

/* The first kind of section that has such a key, or NULL. */
static const struct kind *
home_of(const char *key)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].keys && config_key_find(kinds[i].keys, key))
			return &kinds[i];
	return NULL;
}

const char *
config_section_label(const struct config_parse *parse, char label[CONFIG_LABEL_MAX])
{
	const char *name = parse->section == CONFIG_SECTION_PORT     ? parse->port.name
			   : parse->section == CONFIG_SECTION_POOL   ? parse->pool.name
			   : parse->section == CONFIG_SECTION_ACCESS ? parse->access.name
								     : "";

	snprintf(label, CONFIG_LABEL_MAX, "%s%s%s", kinds[parse->section].name, name[0] ? " " : "",
		 name);
	return label;
}

void
config_section_end(struct config_parse *parse)
{
	config_entry_end(parse);
	parse->section = CONFIG_SECTION_NONE;
}

/* ---- the line that starts one ---- */

/* The kind that has that name, or CONFIG_SECTION_IGNORED. */
static enum config_section
section_called(const char *name, bool has_more)
{
	if (strcmp(name, "broker") == 0 && has_more)
		return CONFIG_SECTION_IGNORED;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].name && strcmp(kinds[i].name, name) == 0)
			return (enum config_section)i;
	return CONFIG_SECTION_IGNORED;
}

/* `name`: what stands between the brackets, without blanks around it. */
static void
start_section(struct config_parse *parse, char *name)
{
	char *rest = name + strcspn(name, " \t");

	parse->section_at = parse->at;
	if (*rest != '\0')
		*rest++ = '\0';
	rest += strspn(rest, " \t");
	parse->section = section_called(name, *rest != '\0');
	if (parse->section == CONFIG_SECTION_IGNORED)
		config_fault(parse, parse->at,
			     "unknown section [%.60s%s%.60s]; there are " ALL_SECTIONS, name,
			     *rest ? " " : "", rest);
	else if (parse->section != CONFIG_SECTION_BROKER)
		config_entry_start(parse, parse->section, rest);
}

/* The "]" that belongs to the "[" at *text, as the name of a template may have both; if there is
 * none, the first one, or NULL. */
static char *
find_end(char *text)
{
	unsigned depth = 0;

	for (char *c = text; *c != '\0'; c++) {
		depth += *c == '[';
		depth -= *c == ']';
		if (depth == 0)
			return c;
	}
	return strchr(text, ']');
}

void
config_section_start(struct config_parse *parse, char *text)
{
	char *end = find_end(text);
	const char *behind;

	config_section_end(parse);
	if (!end) {
		config_fault(parse, parse->at, "section without \"]\": %.80s", text);
		parse->section = CONFIG_SECTION_IGNORED;
		return;
	}
	*end = '\0';
	start_section(parse, config_strip(text + 1));
	behind = config_strip(end + 1);
	if (behind[0] != '\0' && behind[0] != ';' && behind[0] != '#')
		config_fault(parse, parse->at,
			     "\"%.80s\" behind a section; put it on a line of its own", behind);
}

/* ---- keys ---- */

static void
unknown_key(struct config_parse *parse, const struct config_key *table, const char *name)
{
	const struct config_key *guess = config_key_guess(table, name);
	const struct kind *home = home_of(name);
	char label[CONFIG_LABEL_MAX];

	config_section_label(parse, label);
	if (home)
		config_fault(parse, parse->at, "%s: \"%.60s\" belongs under %s", label, name,
			     home->title);
	else if (guess)
		config_fault(parse, parse->at, "%s: unknown key \"%.60s\"; did you mean \"%s\"?",
			     label, name, guess->name);
	else
		config_fault(parse, parse->at, "%s: unknown key \"%.60s\"; see comlease.conf(5)",
			     label, name);
}

static void
homeless_key(struct config_parse *parse, const char *name)
{
	const struct kind *home = home_of(name);

	config_fault(parse, parse->at, "\"%.60s\" stands before any section; put it under %s", name,
		     home ? home->title : "[port NAME]");
}

/* Whether the key may stand here, given where it stood before. */
static bool
check_repeated(struct config_parse *parse, const struct config_key *key,
	       const struct config_seen *seen, bool is_empty)
{
	char label[CONFIG_LABEL_MAX];

	if (!seen->at.file || (key->add && !is_empty && !seen->empty))
		return true;
	config_section_label(parse, label);
	if (key->add)
		config_fault(parse, parse->at,
			     "%s: %s: \"%s\" stands alone, but there is also %.200s:%u", label,
			     key->name, key->empty, seen->at.file, seen->at.line);
	else
		config_fault(parse, parse->at, "%s: %s is already set at %.200s:%u", label,
			     key->name, seen->at.file, seen->at.line);
	return false;
}

static void
take_key(struct config_parse *parse, const struct config_key *table, struct config_seen *seen,
	 void *object, const char *name, const char *value)
{
	const struct config_key *key = config_key_find(table, name);
	char label[CONFIG_LABEL_MAX], reason[CONFIG_REASON_MAX];
	bool is_empty = key && key->empty && strcmp(value, key->empty) == 0;
	int error;

	if (!key) {
		unknown_key(parse, table, name);
		return;
	}
	seen += key - table;
	if (!check_repeated(parse, key, seen, is_empty))
		return;
	if (seen->at.file)
		error = config_key_add(key, object, value, reason);
	else
		error = config_key_set(key, object, value, reason);
	if (!seen->at.file)
		*seen = (struct config_seen){ parse->at, is_empty };
	if (error == -EINVAL)
		config_fault(parse, parse->at, "%s: %s: %s", config_section_label(parse, label),
			     name, reason);
	else if (error < 0)
		parse->error = error;
}

void
config_section_take(struct config_parse *parse, const char *name, const char *value)
{
	struct config_seen *seen = parse->seen;
	void *object = NULL;

	if (parse->section == CONFIG_SECTION_NONE) {
		homeless_key(parse, name);
	} else if (parse->section == CONFIG_SECTION_BROKER) {
		seen = parse->broker_seen;
		object = parse->config;
	} else if (parse->section == CONFIG_SECTION_PORT) {
		object = &parse->port;
	} else if (parse->section == CONFIG_SECTION_POOL) {
		object = &parse->pool;
	} else if (parse->section == CONFIG_SECTION_ACCESS) {
		object = &parse->access;
	}
	if (object)
		take_key(parse, kinds[parse->section].keys, seen, object, name, value);
}
