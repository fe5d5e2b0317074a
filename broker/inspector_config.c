/*
 * inspector_config.c - the ports that may be asked about: their devices and their rosters, as the
 * supervisor tells them. The broker asks by name: it can't make us look at what is not configured.
 */
#include "inspector_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

struct inspected *
inspector_find(struct inspector *i, const char *name)
{
	struct inspected *port = i->ports;

	while (port != NULL && strcmp(port->name, name) != 0)
		port = port->next;
	return port;
}

static void
drop_port(struct inspector *i, struct inspected *port)
{
	struct inspected **link = &i->ports;

	while (*link != port)
		link = &(*link)->next;
	*link = port->next;
	i->port_count--;
	holder_drop(i, port);
	if (port->target.roster >= 0)
		close(port->target.roster);
	free(port);
}

static void
set_port(struct inspector *i, const struct config_port *config)
{
	struct inspected *port = inspector_find(i, config->name);

	if (port == NULL) {
		port = calloc(1, sizeof(*port));
		if (port == NULL) {
			log_line("port=%s error=no memory", config->name);
			return;
		}
		memcpy(port->name, config->name, sizeof(port->name));
		port->target.roster = -1;
		port->look_ms = INSPECTOR_NEVER;
		port->next = i->ports;
		i->ports = port;
		i->port_count++;
	}
	memcpy(port->device, config->device, sizeof(port->device));
}

/* The look under way is given up: its ports may go. What it was for is still wanted. */
static void
stop_look(struct inspector *i)
{
	struct inspected *port;

	foreign_scan_end(&i->scan);
	i->looking = false;
	for (port = i->ports; port != NULL; port = port->next) {
		port->wanted = port->wanted || port->in_look;
		port->in_look = false;
		port->taken = 0;
	}
}

static void
apply(struct inspector *i, const struct config *config)
{
	struct inspected *port, *next;
	struct foreign_target **targets;
	size_t n;

	stop_look(i);
	for (port = i->ports; port != NULL; port = next) {
		next = port->next;
		if (config_find(config, port->name) == NULL)
			drop_port(i, port);
	}
	for (n = 0; n < config->port_count; n++)
		set_port(i, &config->ports[n]);
	targets = realloc(i->targets, (i->port_count + 1) * sizeof(struct foreign_target *));
	if (targets == NULL) {
		log_line("restart reason=no memory");
		_exit(1);
	}
	i->targets = targets;
	lock_set_folder(i, config->lock_dir);
	for (port = i->ports; port != NULL; port = port->next)
		if (port->asked)
			inspector_want(i, port);
}

void
inspector_take_config(struct inspector *i, int fd)
{
	/* it was checked by the supervisor, who knows more of the rules than we do */
	const struct config_rules rules = { .privileged = true,
					    .can_revoke = true,
					    .resolved = true };
	char error[CONFIG_ERROR_MAX];
	struct config config;
	int result = config_read(fd, "configuration", &rules, &config, error);

	if (result < 0) {
		log_line("config error=%s: %.200s", strerror(-result), error);
		return;
	}
	apply(i, &config);
	config_free(&config);
}

void
inspector_take_roster(struct inspector *i, const char *name, int fd)
{
	struct inspected *port = inspector_find(i, name);
	int copy = port == NULL ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (copy < 0) {
		log_line("roster port=%s error=%s", name,
			 port == NULL ? "no such port" : strerror(errno));
		return;
	}
	if (port->target.roster >= 0)
		close(port->target.roster);
	port->target.roster = copy;
	if (port->asked)
		inspector_want(i, port);
}
