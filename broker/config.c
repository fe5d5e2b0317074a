/*
 * config.c - the configuration as a whole: which files, all or nothing, and its canonical text. It
 * refuses to know lines (config_parse.c), values (config_key.c), defaults (config_default.c) and
 * memory (config_copy.c).
 *
 * The one idea: everything is read into a configuration of its own, which replaces the caller's
 * only when the last file has proved good.
 */
#include "config.h"

#include "config_key.h"
#include "config_parse.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef COMLEASE_SYSCONFDIR
#define COMLEASE_SYSCONFDIR "/etc"
#endif

/* Takes over fd. */
static void
parse_descriptor(struct config_parse *parse, int fd, const char *name)
{
	FILE *file = fdopen(fd, "r");

	if (!file) {
		config_parse_failed(parse, name, -errno);
		close(fd);
		return;
	}
	config_parse_file(parse, file, name);
	fclose(file);
}

/* False if there is nothing at all, not even a link that leads nowhere. */
static bool
parse_path(struct config_parse *parse, const char *path, bool must_exist)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int error = -errno;

	if (fd >= 0)
		parse_descriptor(parse, fd, path);
	else if (error != -ENOENT || must_exist ||
		 faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		config_parse_failed(parse, path, error);
	else
		return false;
	return true;
}

/* The verdict; *config changes here or not at all. */
static int
conclude(struct config_parse *parse, const char *name, struct config *config)
{
	int error = config_parse_end(parse, name);

	if (error)
		config_free(parse->config);
	else
		*config = *parse->config;
	return error;
}

static int
load_one(const char *path, const struct config_rules *rules, struct config *config,
	 char error[CONFIG_ERROR_MAX])
{
	struct config_parse parse;
	struct config next;

	config_parse_start(&parse, rules, &next, error);
	parse_path(&parse, path, true);
	return conclude(&parse, path, config);
}

/* As a shell's *.conf. */
static int
is_drop_in(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 &&
	       strcmp(entry->d_name + length - 5, ".conf") == 0;
}

static int
compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The paths of the drop-ins, in the order of their names, up to a NULL; -errno. */
static int
list_drop_ins(const char *directory, char ***paths)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_drop_in, compare_names);
	int error = 0;

	if (count < 0)
		return -errno;
	*paths = calloc((size_t)count + 1, sizeof(**paths));
	if (!*paths)
		error = -ENOMEM;
	for (int i = 0; i < count; i++) {
		if (!error && asprintf(&(*paths)[i], "%s/%s", directory, entries[i]->d_name) < 0) {
			(*paths)[i] = NULL;
			error = -ENOMEM;
		}
		free(entries[i]);
	}
	free(entries);
	return error;
}

static void
free_list(char **paths)
{
	for (size_t i = 0; paths && paths[i]; i++)
		free(paths[i]);
	free(paths);
}

int
config_load_from(const char *file, const char *directory, const struct config_rules *rules,
		 struct config *config, char error[CONFIG_ERROR_MAX])
{
	struct config_parse parse;
	struct config next;
	char **paths = NULL;
	bool is_there;
	int result;

	config_parse_start(&parse, rules, &next, error);
	is_there = parse_path(&parse, file, false);
	result = list_drop_ins(directory, &paths);
	if (result < 0 && result != -ENOENT)
		config_parse_failed(&parse, directory, result);
	for (size_t i = 0; paths && paths[i]; i++)
		is_there |= parse_path(&parse, paths[i], true);
	if (!is_there && rules->can_revoke && config_default_template(&next) < 0)
		parse.error = -ENOMEM;
	result = conclude(&parse, file, config);
	free_list(paths);
	return result;
}

int
config_load(const char *file, const struct config_rules *rules, struct config *config,
	    char error[CONFIG_ERROR_MAX])
{
	if (file)
		return load_one(file, rules, config, error);
	return config_load_from(COMLEASE_SYSCONFDIR "/comlease/comlease.conf",
				COMLEASE_SYSCONFDIR "/comlease/comlease.conf.d", rules, config,
				error);
}

int
config_read(int fd, const char *name, const struct config_rules *rules, struct config *config,
	    char error[CONFIG_ERROR_MAX])
{
	struct config_parse parse;
	struct config next;
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	config_parse_start(&parse, rules, &next, error);
	if (copy < 0) {
		config_parse_failed(&parse, name, -errno);
	} else if (lseek(copy, 0, SEEK_SET) < 0 && errno != ESPIPE) {
		config_parse_failed(&parse, name, -errno);
		close(copy);
	} else {
		parse_descriptor(&parse, copy, name);
	}
	return conclude(&parse, name, config);
}

static void
print_keys(const struct config_key *key, const void *object, FILE *file)
{
	for (; key->name; key++)
		key->print(key, (const char *)object + key->offset, file);
}

int
config_print(const struct config *config, FILE *file)
{
	fprintf(file, "[broker]\n");
	print_keys(config_broker_keys, config, file);
	for (size_t i = 0; i < config->port_count; i++) {
		fprintf(file, "\n[port %s]\n", config->ports[i].name);
		print_keys(config_port_keys, &config->ports[i], file);
	}
	for (size_t i = 0; i < config->template_count; i++) {
		fprintf(file, "\n[port %s]\n", config->templates[i].name);
		print_keys(config_port_keys, &config->templates[i], file);
	}
	for (size_t i = 0; i < config->pool_count; i++) {
		fprintf(file, "\n[pool %s]\n", config->pools[i].name);
		print_keys(config_pool_keys, &config->pools[i], file);
	}
	for (size_t i = 0; i < config->access_count; i++) {
		const char *name = config->access[i].name;

		fprintf(file, "\n[access%s%s]\n", name[0] ? " " : "", name);
		print_keys(config_access_keys, &config->access[i], file);
	}
	return fflush(file) != 0 || ferror(file) ? -EIO : 0;
}

const struct config_port *
config_find(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->port_count; i++)
		if (strcmp(config->ports[i].name, name) == 0)
			return &config->ports[i];
	return NULL;
}

bool
config_is_link(const struct config *config, const struct config_port *port)
{
	const char *slash = config->socket ? strrchr(config->socket, '/') : NULL;
	char link[CONFIG_DEVICE_MAX + 1];
	int n;

	if (!slash)
		return false;
	n = snprintf(link, sizeof(link), "%.*s/port/%s", (int)(slash - config->socket),
		     config->socket, port->name);
	return n > 0 && (size_t)n < sizeof(link) && strcmp(link, port->device) == 0;
}

const struct config_pool *
config_find_pool(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->pool_count; i++)
		if (strcmp(config->pools[i].name, name) == 0)
			return &config->pools[i];
	return NULL;
}

const struct config_access *
config_find_access(const struct config *config, const char *name)
{
	for (size_t i = 0; i < config->access_count; i++)
		if (strcmp(config->access[i].name, name) == 0)
			return &config->access[i];
	return NULL;
}

bool
config_same_device(const struct config_port *a, const struct config_port *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->device, b->device) == 0 &&
	       strcmp(a->usb_serial, b->usb_serial) == 0 && strcmp(a->usb_id, b->usb_id) == 0 &&
	       strcmp(a->usb_path, b->usb_path) == 0 &&
	       strcmp(a->usb_interface, b->usb_interface) == 0 &&
	       strcmp(a->udev_tag, b->udev_tag) == 0;
}

bool
config_name_is_valid(const char *name)
{
	size_t length = strspn(name, CONFIG_NAME_CHARACTERS);

	return name[length] == '\0' && length >= 1 && length <= CONFIG_NAME_MAX;
}
