/*
 * config_entry.c - the sections that have a name: ports, pools, access. Begins one, judges it as a
 * whole, adds it to the configuration. It refuses to know lines (config_parse.c), keys
 * (config_section.c), values, and what a port must be as a whole (config_port.c).
 *
 * The one idea: an entry is put together aside and added at the end of its section, when everything
 * about it can be judged; one that must not be added is read all the same, for the faults in it.
 * What it says of other sections is judged when the last file has been read, so that sections may
 * come in any order.
 */
#include "config_parse.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

/* Says why an entry can't have that name; `kind` is "port" or "pool". */
static bool
check_name(struct config_parse *parse, const char *kind, const char *name)
{
	const struct config_port *port = config_find(parse->config, name);
	const struct config_pool *pool = config_find_pool(parse->config, name);
	const char *file = port ? port->file : pool ? pool->file : NULL;
	unsigned line = port ? port->line : pool ? pool->line : 0;
	bool is_same = strcmp(kind, port ? "port" : "pool") == 0;

	if (name[0] == '\0')
		config_fault(parse, parse->at, "section [%s] has no name; write [%s NAME]", kind,
			     kind);
	else if (!config_name_is_valid(name))
		config_fault(parse, parse->at, "%s \"%.80s\": that is no name; " CONFIG_NAME_RULE,
			     kind, name);
	else if (file && is_same)
		config_fault(parse, parse->at, "%s %s is already defined at %.200s:%u", kind, name,
			     file, line);
	else if (file)
		config_fault(parse, parse->at,
			     "%s %s: that is the name of a %s at %.200s:%u; choose another", kind,
			     name, port ? "port" : "pool", file, line);
	else
		return true;
	return false;
}

static bool
check_count(struct config_parse *parse, const char *kind, const char *name, size_t count,
	    size_t max)
{
	if (count < max)
		return true;
	config_fault(parse, parse->at, "%s %s: too many %ss, %zu are allowed", kind, name, kind,
		     max);
	return false;
}

/* Any valid name: whether it is that of a port or pool is for the end. */
static bool
check_access_name(struct config_parse *parse, const char *name)
{
	const struct config_access *other = config_find_access(parse->config, name);

	if (name[0] != '\0' && !config_name_is_valid(name))
		config_fault(
		    parse, parse->at,
		    "access \"%.80s\": that is no port's or pool's name; " CONFIG_NAME_RULE, name);
	else if (other)
		config_fault(parse, parse->at, "access%s%s is already defined at %.200s:%u",
			     name[0] ? " " : "", name, other->file, other->line);
	else
		return check_count(parse, "access section", name, parse->config->access_count,
				   1 + CONFIG_PORTS_MAX + CONFIG_POOLS_MAX);
	return false;
}

static const struct config_port *
find_template(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->template_count; i++)
		if (strcmp(config->templates[i].name, name) == 0)
			return &config->templates[i];
	return NULL;
}

/* The same for a template. */
static bool
check_pattern(struct config_parse *parse, const char *name)
{
	const struct config_port *other = find_template(parse->config, name);

	if (!config_pattern_is_valid(name))
		config_fault(parse, parse->at,
			     "port \"%.80s\": that is no pattern of names; * ? and sets like "
			     "[0-9] may stand there, else " CONFIG_NAME_RULE,
			     name);
	else if (other)
		config_fault(parse, parse->at, "port %s is already defined at %.200s:%u", name,
			     other->file, other->line);
	else
		return check_count(parse, "template", name, parse->config->template_count,
				   CONFIG_TEMPLATES_MAX);
	return false;
}

static void
start_port(struct config_parse *parse, const char *name)
{
	bool is_usable = config_name_is_valid(name);

	if (config_name_is_pattern(name)) {
		parse->kept = check_pattern(parse, name);
		is_usable = config_pattern_is_valid(name);
	} else {
		parse->kept =
		    check_name(parse, "port", name) &&
		    check_count(parse, "port", name, parse->config->port_count, CONFIG_PORTS_MAX);
	}
	config_port_defaults(&parse->port);
	snprintf(parse->port.name, sizeof(parse->port.name), "%s", is_usable ? name : "?");
}

static void
start_pool(struct config_parse *parse, const char *name)
{
	parse->kept = check_name(parse, "pool", name) &&
		      check_count(parse, "pool", name, parse->config->pool_count, CONFIG_POOLS_MAX);
	parse->pool = (struct config_pool){ .match = CONFIG_MATCH_PORTS };
	snprintf(parse->pool.name, sizeof(parse->pool.name), "%s",
		 config_name_is_valid(name) ? name : "?");
}

static void
start_access(struct config_parse *parse, const char *name)
{
	parse->kept = check_access_name(parse, name);
	parse->access = (struct config_access){ 0 };
	snprintf(parse->access.name, sizeof(parse->access.name), "%s",
		 name[0] == '\0' || config_name_is_valid(name) ? name : "?");
}

void
config_entry_start(struct config_parse *parse, enum config_section section, const char *name)
{
	parse->section = section;
	memset(parse->seen, 0, sizeof(parse->seen));
	if (section == CONFIG_SECTION_PORT)
		start_port(parse, name);
	else if (section == CONFIG_SECTION_POOL)
		start_pool(parse, name);
	else
		start_access(parse, name);
}

/* ---- the end of a section ---- */

static struct config_place
key_place(const struct config_parse *parse, const struct config_key *table, const char *name)
{
	return parse->seen[config_key_find(table, name) - table].at;
}

static void
check_pool(struct config_parse *parse)
{
	struct config_place ports = key_place(parse, config_pool_keys, "ports");
	struct config_place match = key_place(parse, config_pool_keys, "match");

	if (ports.file && match.file)
		config_fault(parse, match,
			     "pool %s: match: ports is set at %.200s:%u; a pool has either",
			     parse->pool.name, ports.file, ports.line);
	else if (!ports.file && !match.file)
		config_fault(parse, parse->section_at,
			     "pool %s: its ports are missing; add \"ports = NAME...\" or "
			     "\"match = usb:VID:PID\"",
			     parse->pool.name);
}

/* Room for one more in a list that doubles when it is full; NULL: there is none. */
static void *
grow(void *list, size_t count, size_t size)
{
	bool is_full = (count & (count - 1)) == 0; /* 0, 1, 2, 4... */

	return is_full ? reallocarray(list, count ? 2 * count : 1, size) : list;
}

/* To the ports or to the templates. */
static int
add_port(struct config_parse *parse, struct config_port **list, size_t *count)
{
	struct config_port *ports = grow(*list, *count, sizeof(*ports));

	if (!ports)
		return -ENOMEM;
	*list = ports;
	parse->port.file = strdup(parse->section_at.file);
	if (!parse->port.file)
		return -ENOMEM;
	parse->port.line = parse->section_at.line;
	ports[(*count)++] = parse->port;
	return 0;
}

static int
add_pool(struct config_parse *parse)
{
	struct config *config = parse->config;
	struct config_pool *pools = grow(config->pools, config->pool_count, sizeof(*pools));

	if (!pools)
		return -ENOMEM;
	config->pools = pools;
	parse->pool.file = strdup(parse->section_at.file);
	if (!parse->pool.file)
		return -ENOMEM;
	parse->pool.line = parse->section_at.line;
	pools[config->pool_count++] = parse->pool;
	return 0;
}

/* [access] goes to the front. */
static int
add_access(struct config_parse *parse)
{
	struct config *config = parse->config;
	struct config_access *access = grow(config->access, config->access_count, sizeof(*access));
	size_t at = parse->access.name[0] == '\0' ? 0 : config->access_count;

	if (!access)
		return -ENOMEM;
	config->access = access;
	parse->access.file = strdup(parse->section_at.file);
	if (!parse->access.file)
		return -ENOMEM;
	parse->access.line = parse->section_at.line;
	memmove(&access[at + 1], &access[at], (config->access_count - at) * sizeof(*access));
	access[at] = parse->access;
	config->access_count++;
	return 0;
}

static int
end_port(struct config_parse *parse)
{
	struct config *config = parse->config;

	if (!parse->kept)
		return 0;
	config_port_judge(parse);
	if (config_name_is_pattern(parse->port.name))
		return add_port(parse, &config->templates, &config->template_count);
	return add_port(parse, &config->ports, &config->port_count);
}

static int
end_pool(struct config_parse *parse)
{
	int error = 0;

	if (parse->kept) {
		check_pool(parse);
		error = add_pool(parse);
	}
	if (error || !parse->kept)
		config_free_pool(&parse->pool);
	return error;
}

static int
end_access(struct config_parse *parse)
{
	int error = parse->kept ? add_access(parse) : 0;

	if (error || !parse->kept)
		config_free_access(&parse->access);
	return error;
}

void
config_entry_end(struct config_parse *parse)
{
	int error = 0;

	if (parse->section == CONFIG_SECTION_PORT)
		error = end_port(parse);
	else if (parse->section == CONFIG_SECTION_POOL)
		error = end_pool(parse);
	else if (parse->section == CONFIG_SECTION_ACCESS)
		error = end_access(parse);
	if (error)
		parse->error = error;
}

/* ---- the end of all ---- */

static void
judge_pool(struct config_parse *parse, const struct config_pool *pool)
{
	const struct config_port *template =
	    parse->config->template_count ? parse->config->templates : NULL;
	struct config_place at = { pool->file, pool->line };

	for (uint32_t i = 0; i < pool->port_count; i++) {
		const char *name = pool->ports[i];

		if (config_find_pool(parse->config, name))
			config_fault(parse, at,
				     "pool %s: ports: %s is a pool; name the ports themselves",
				     pool->name, name);
		else if (!config_find(parse->config, name))
			config_fault(parse, at,
				     "pool %s: ports: there is no port %s; add [port %s], or "
				     "leave it out%s%s%s",
				     pool->name, name, name, template ? "; ports that [port " : "",
				     template ? template->name : "",
				     template
					 ? "] adopts are matched with \"match = usb:VID:PID\", "
					   "\"tag:NAME\" or \"path:PATTERN\""
					 : "");
	}
}

/* Nobody knows yet which ports a template will make. */
static bool
may_appear(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->template_count; i++)
		if (fnmatch(config->templates[i].name, name, 0) == 0)
			return true;
	return false;
}

void
config_entry_judge(struct config_parse *parse)
{
	const struct config *config = parse->config;

	for (size_t i = 0; i < config->pool_count; i++)
		judge_pool(parse, &config->pools[i]);
	for (size_t i = 0; i < config->access_count; i++) {
		const struct config_access *access = &config->access[i];
		struct config_place at = { access->file, access->line };

		if (access->name[0] != '\0' && !config_find(config, access->name) &&
		    !config_find_pool(config, access->name) && !may_appear(config, access->name))
			config_fault(parse, at, "access %s: there is no port or pool of that name",
				     access->name);
	}
}
