/*
 * config_section.c - what stands in which section: starts and ends [broker] and [port NAME], puts
 * each key where it belongs, and says what is unknown, double or missing. It refuses to know files
 * and lines (config_parse.c) and what a value may be (config_key.c).
 *
 * The one idea: a port is put together aside and added at the end of its section, when everything
 * about it can be judged; one that must not be added is read all the same, for the faults in it.
 */
#include "config_parse.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What the messages call the section: "broker", "port modem0". */
static const char *
section_label(const struct config_parse *parse, char label[CONFIG_NAME_MAX + 8])
{
	if (parse->section == CONFIG_SECTION_BROKER)
		return "broker";
	snprintf(label, CONFIG_NAME_MAX + 8, "port %s", parse->port.name);
	return label;
}

static struct config_place
first_place(struct config_place first, struct config_place otherwise)
{
	return first.file ? first : otherwise;
}

static const struct config_place *
port_key_seen(const struct config_parse *parse, const char *name)
{
	return &parse->port_seen[config_key_find(config_port_keys, name) - config_port_keys];
}

static void
check_device(struct config_parse *parse)
{
	const struct config *config = parse->config;
	struct config_place device_at = *port_key_seen(parse, "device");

	if (!device_at.file) {
		config_fault(parse, parse->section_at,
			     "port %s: device is missing; add \"device = /dev/...\"",
			     parse->port.name);
		return;
	}
	for (size_t i = 0; parse->port.device[0] != '\0' && i < config->port_count; i++)
		if (strcmp(config->ports[i].device, parse->port.device) == 0) {
			config_fault(parse, device_at,
				     "port %s: device: %s is already that of port %s at %.200s:%u",
				     parse->port.name, parse->port.device, config->ports[i].name,
				     config->ports[i].file, config->ports[i].line);
			return;
		}
}

static void
check_revocation(struct config_parse *parse)
{
	if (!parse->port.revocable || parse->rules->can_revoke)
		return;
	config_fault(
	    parse, first_place(*port_key_seen(parse, "revocation"), parse->section_at),
	    "port %s: taking a port back from a hung holder needs CAP_SYS_ADMIN; run comleased as "
	    "root, or set \"revocation = none\"",
	    parse->port.name);
}

/* Room for one more. */
static int
grow_ports(struct config *config)
{
	size_t size = (config->port_count + 1) * sizeof(*config->ports);
	void *ports = realloc(config->ports, size);

	if (!ports)
		return -ENOMEM;
	config->ports = ports;
	return 0;
}

static int
add_port(struct config_parse *parse)
{
	struct config *config = parse->config;

	if (grow_ports(config) < 0)
		return -ENOMEM;
	parse->port.file = strdup(parse->section_at.file);
	if (!parse->port.file)
		return -ENOMEM;
	parse->port.line = parse->section_at.line;
	config->ports[config->port_count++] = parse->port;
	return 0;
}

void
config_section_end(struct config_parse *parse)
{
	if (parse->section == CONFIG_SECTION_PORT && parse->port_kept) {
		check_device(parse);
		check_revocation(parse);
		if (add_port(parse) < 0)
			parse->error = -ENOMEM;
	}
	parse->section = CONFIG_SECTION_NONE;
}

/* Says why a port of that name can't be added; true if it can. */
static bool
check_port_name(struct config_parse *parse, const char *name)
{
	const struct config_port *other = config_find(parse->config, name);

	if (name[0] == '\0')
		config_fault(parse, parse->at, "section [port] has no name; write [port NAME]");
	else if (!config_name_is_valid(name))
		config_fault(parse, parse->at,
			     "port \"%.80s\": that is no name; use 1 to %d of the characters "
			     "A-Z a-z 0-9 . _ : @ + -",
			     name, CONFIG_NAME_MAX);
	else if (other)
		config_fault(parse, parse->at, "port %s is already defined at %.200s:%u", name,
			     other->file, other->line);
	else if (parse->config->port_count == CONFIG_PORTS_MAX)
		config_fault(parse, parse->at, "port %s: too many ports, %d are allowed", name,
			     CONFIG_PORTS_MAX);
	else
		return true;
	return false;
}

static void
start_port(struct config_parse *parse, const char *name)
{
	bool kept = check_port_name(parse, name);

	config_port_defaults(&parse->port);
	memset(parse->port_seen, 0, sizeof(parse->port_seen));
	snprintf(parse->port.name, sizeof(parse->port.name), "%s",
		 config_name_is_valid(name) ? name : "?");
	parse->port_kept = kept;
	parse->section = CONFIG_SECTION_PORT;
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
	if (strcmp(name, "port") == 0) {
		start_port(parse, rest);
	} else if (strcmp(name, "broker") == 0 && *rest == '\0') {
		parse->section = CONFIG_SECTION_BROKER;
	} else {
		config_fault(parse, parse->at,
			     "unknown section [%.60s%s%.60s]; there are [broker] and [port NAME]",
			     name, *rest ? " " : "", rest);
		parse->section = CONFIG_SECTION_IGNORED;
	}
}

/* A line that starts with "[". */
void
config_section_start(struct config_parse *parse, char *text)
{
	char *end = strchr(text, ']');
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

static void
unknown_key(struct config_parse *parse, const struct config_key *table, const char *name)
{
	const struct config_key *guess = config_key_guess(table, name);
	const struct config_key *other =
	    table == config_port_keys ? config_broker_keys : config_port_keys;
	char label[CONFIG_NAME_MAX + 8];

	section_label(parse, label);
	if (config_key_find(other, name))
		config_fault(parse, parse->at, "%s: \"%.60s\" belongs under [%s]",
			     section_label(parse, label), name,
			     other == config_port_keys ? "port NAME" : "broker");
	else if (guess)
		config_fault(parse, parse->at, "%s: unknown key \"%.60s\"; did you mean \"%s\"?",
			     section_label(parse, label), name, guess->name);
	else
		config_fault(parse, parse->at, "%s: unknown key \"%.60s\"; see comlease.conf(5)",
			     section_label(parse, label), name);
}

static void
homeless_key(struct config_parse *parse, const char *name)
{
	bool of_broker = config_key_find(config_broker_keys, name) != NULL;

	config_fault(parse, parse->at, "\"%.60s\" stands before any section; put it under %s", name,
		     of_broker ? "[broker]" : "[port NAME]");
}

static void
take_key(struct config_parse *parse, const struct config_key *table, struct config_place *seen,
	 void *object, const char *name, const char *value)
{
	const struct config_key *key = config_key_find(table, name);
	char label[CONFIG_NAME_MAX + 8], reason[CONFIG_REASON_MAX];
	int error;

	if (!key) {
		unknown_key(parse, table, name);
		return;
	}
	seen += key - table;
	if (seen->file) {
		config_fault(parse, parse->at, "%s: %s is already set at %.200s:%u",
			     section_label(parse, label), name, seen->file, seen->line);
		return;
	}
	*seen = parse->at;
	error = config_key_set(key, object, value, reason);
	if (error == -EINVAL)
		config_fault(parse, parse->at, "%s: %s: %s", section_label(parse, label), name,
			     reason);
	else if (error < 0)
		parse->error = error;
}

void
config_section_take(struct config_parse *parse, const char *name, const char *value)
{
	if (parse->section == CONFIG_SECTION_NONE)
		homeless_key(parse, name);
	else if (parse->section == CONFIG_SECTION_BROKER)
		take_key(parse, config_broker_keys, parse->broker_seen, parse->config, name, value);
	else if (parse->section == CONFIG_SECTION_PORT)
		take_key(parse, config_port_keys, parse->port_seen, &parse->port, name, value);
}
