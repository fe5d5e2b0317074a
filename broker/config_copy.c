/*
 * config_copy.c - a configuration's memory: a deep copy, and its end. It refuses to know what the
 * members mean.
 *
 * The one idea: a copy that is half made is a configuration too, so config_free() takes it back.
 */
#include "config_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the copy ---- */

static int
copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

/* NULL of nothing, and for want of memory. */
static void *
copy_array(const void *from, size_t count, size_t size)
{
	void *to = count ? reallocarray(NULL, count, size) : NULL;

	return to ? memcpy(to, from, count * size) : NULL;
}

static int
copy_ports(struct config_port **to, size_t *to_count, const struct config_port *from, size_t count)
{
	struct config_port *ports = copy_array(from, count, sizeof(*from));
	int error = count && !ports ? -ENOMEM : 0;

	*to = ports;
	*to_count = ports ? count : 0;
	for (size_t i = 0; i < *to_count; i++)
		if (copy_text(&ports[i].file, from[i].file) < 0)
			error = -ENOMEM;
	return error;
}

static int
copy_pool(struct config_pool *to, const struct config_pool *from)
{
	*to = *from;
	to->ports = copy_array(from->ports, from->port_count, sizeof(*from->ports));
	if (copy_text(&to->file, from->file) < 0 || (from->port_count && !to->ports))
		return -ENOMEM;
	return 0;
}

static int
copy_grants(struct config_grants *to, const struct config_grants *from)
{
	*to = *from;
	to->list = copy_array(from->list, from->count, sizeof(*from->list));
	return from->count && !to->list ? -ENOMEM : 0;
}

static int
copy_access(struct config_access *to, const struct config_access *from)
{
	bool failed;

	*to = *from;
	failed = copy_text(&to->file, from->file) < 0;
	failed |= copy_grants(&to->ask, &from->ask) < 0;
	failed |= copy_grants(&to->priority, &from->priority) < 0;
	failed |= copy_grants(&to->revoke, &from->revoke) < 0;
	failed |= copy_grants(&to->evict, &from->evict) < 0;
	failed |= copy_grants(&to->disable, &from->disable) < 0;
	return failed ? -ENOMEM : 0;
}

/* Pools and access sections. */
static int
copy_rules(struct config *to, const struct config *from)
{
	int error = 0;

	to->pool_count = to->access_count = 0;
	to->pools = copy_array(from->pools, from->pool_count, sizeof(*from->pools));
	to->access = copy_array(from->access, from->access_count, sizeof(*from->access));
	if ((from->pool_count && !to->pools) || (from->access_count && !to->access))
		return -ENOMEM;
	while (!error && to->pool_count < from->pool_count) {
		error = copy_pool(&to->pools[to->pool_count], &from->pools[to->pool_count]);
		to->pool_count++;
	}
	while (!error && to->access_count < from->access_count) {
		error = copy_access(&to->access[to->access_count], &from->access[to->access_count]);
		to->access_count++;
	}
	return error;
}

int
config_copy(struct config *to, const struct config *from)
{
	bool failed;

	*to = *from;
	failed = copy_text(&to->socket, from->socket) < 0;
	failed |= copy_text(&to->lock_dir, from->lock_dir) < 0;
	failed |= copy_text(&to->state_dir, from->state_dir) < 0;
	failed |= copy_text(&to->user, from->user) < 0;
	failed |= copy_text(&to->group, from->group) < 0;
	failed |= copy_ports(&to->ports, &to->port_count, from->ports, from->port_count) < 0;
	failed |= copy_ports(&to->templates, &to->template_count, from->templates,
			     from->template_count) < 0;
	failed |= copy_rules(to, from) < 0;
	if (!failed)
		return 0;
	config_free(to);
	return -ENOMEM;
}

/* ---- the end ---- */

static void
free_ports(struct config_port **ports, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		free((*ports)[i].file);
	free(*ports);
	*ports = NULL;
	*count = 0;
}

static void
free_rules(struct config *config)
{
	for (size_t i = 0; i < config->pool_count; i++)
		config_free_pool(&config->pools[i]);
	for (size_t i = 0; i < config->access_count; i++)
		config_free_access(&config->access[i]);
	free(config->pools);
	free(config->access);
	config->pools = NULL;
	config->access = NULL;
	config->pool_count = config->access_count = 0;
}

void
config_drop_templates(struct config *config)
{
	size_t kept = 0;

	free_ports(&config->templates, &config->template_count);
	for (size_t i = 0; i < config->access_count; i++) {
		struct config_access *access = &config->access[i];

		if (access->name[0] == '\0' || config_find(config, access->name) ||
		    config_find_pool(config, access->name))
			config->access[kept++] = *access;
		else
			config_free_access(access);
	}
	config->access_count = kept;
}

void
config_keep_port(struct config *config, const char *name)
{
	struct config_port *ports = config->ports, *smaller;
	size_t kept = 0;

	for (size_t i = 0; i < config->port_count; i++)
		if (strcmp(ports[i].name, name) == 0)
			kept = i;
		else
			free(ports[i].file);
	ports[0] = ports[kept];
	config->port_count = 1;
	smaller = realloc(ports, sizeof(*ports));
	config->ports = smaller != NULL ? smaller : ports;
	free_ports(&config->templates, &config->template_count);
	free_rules(config);
}

void
config_free(struct config *config)
{
	free_ports(&config->ports, &config->port_count);
	free_ports(&config->templates, &config->template_count);
	free_rules(config);
	free(config->socket);
	free(config->lock_dir);
	free(config->state_dir);
	free(config->user);
	free(config->group);
	*config = (struct config){ 0 };
}
