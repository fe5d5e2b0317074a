/*
 * config_default.c - what holds where the configuration says nothing, and which key was meant. It
 * refuses to know files. The paths depend on who runs comleased, and on his environment.
 */
#include "config_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GUESS_MAX 32 /* bytes of a word that is guessed at */

void
config_port_defaults(struct config_port *port)
{
	*port = (struct config_port){
		.baud = 115200,
		.bits = 8,
		.parity = 'N',
		.stop = 1,
		.flow = CONFIG_FLOW_NONE,
		.revocable = true,
		.hangup_ms = 1000,
		.settle_ms = 0,
		.drain_ms = 10000,
		.queue_max = 1000,
		.init_timeout_ms = 3000,
		.age_step_s = 60,
		.max_hold_s = CONFIG_NEVER,
		.yield_grace_s = 5,
		.idle_timeout_s = CONFIG_NEVER,
		.preempt = CONFIG_PREEMPT_STANDBY,
		.max_busy_s = 3600,
		.own_always = true,
	};
}

void
config_broker_defaults(struct config *config)
{
	*config = (struct config){
		.mode = 0660,
		.connections_max = 4096,
		.connections_uid_max = 128,
	};
}

int
config_default_template(struct config *config)
{
	struct config_port *template = calloc(1, sizeof(*template));
	char *file = strdup("default");

	if (!template || !file) {
		free(template);
		free(file);
		return -ENOMEM;
	}
	config_port_defaults(template);
	strcpy(template->name, "usb-*");
	template->file = file;
	config->templates = template;
	config->template_count = 1;
	return 0;
}

/* A folder from the environment; the XDG specification says to ignore relative ones. */
static const char *
environment_folder(const char *variable)
{
	const char *folder = getenv(variable);

	return folder && folder[0] == '/' ? folder : NULL;
}

/* Sets a path through its key, so that it obeys the same rules. `origin` says where it is from. */
static int
set_default(struct config *config, const char *name, const char *origin, const char *path,
	    char reason[CONFIG_REASON_MAX])
{
	char detail[CONFIG_REASON_MAX];
	const struct config_key *key = config_key_find(config_broker_keys, name);
	int error = config_key_set(key, config, path, detail);

	if (error == -EINVAL)
		snprintf(reason, CONFIG_REASON_MAX, "%s (%s): %.200s", name, origin, detail);
	return error;
}

static int
set_default_in(struct config *config, const char *name, const char *origin, const char *folder,
	       const char *rest, char reason[CONFIG_REASON_MAX])
{
	char *path;
	int error;

	if (asprintf(&path, "%s/%s", folder, rest) < 0)
		return -ENOMEM;
	error = set_default(config, name, origin, path, reason);
	free(path);
	return error;
}

int
config_default_socket(struct config *config, const struct config_rules *rules,
		      char reason[CONFIG_REASON_MAX])
{
	const char *folder = environment_folder("XDG_RUNTIME_DIR");

	if (rules->socket)
		return set_default(config, "socket", "-s", rules->socket, reason);
	if (config->socket)
		return 0;
	if (rules->privileged)
		return set_default(config, "socket", "default", "/run/comlease/comlease.sock",
				   reason);
	if (folder)
		return set_default_in(config, "socket", "$XDG_RUNTIME_DIR", folder,
				      "comlease/comlease.sock", reason);
	snprintf(
	    reason, CONFIG_REASON_MAX,
	    "socket: there is no default, as XDG_RUNTIME_DIR is "
	    "not set to an absolute path; set it, or \"socket = PATH\" under [broker], or use -s");
	return -EINVAL;
}

/* The same for all: programs outside look nowhere else. */
int
config_default_lock_dir(struct config *config, const struct config_rules *rules,
			char reason[CONFIG_REASON_MAX])
{
	(void)rules;
	if (config->lock_dir)
		return 0;
	return set_default(config, "lock-dir", "default", "/run/lock", reason);
}

int
config_default_state_dir(struct config *config, const struct config_rules *rules,
			 char reason[CONFIG_REASON_MAX])
{
	const char *folder = environment_folder("XDG_STATE_HOME");
	const char *home = environment_folder("HOME");

	if (rules->state_dir)
		return set_default(config, "state-dir", "--state-dir", rules->state_dir, reason);
	if (config->state_dir)
		return 0;
	if (rules->privileged)
		return set_default(config, "state-dir", "default", "/var/lib/comlease", reason);
	if (folder)
		return set_default_in(config, "state-dir", "$XDG_STATE_HOME", folder, "comlease",
				      reason);
	if (home)
		return set_default_in(config, "state-dir", "$HOME", home, ".local/state/comlease",
				      reason);
	snprintf(
	    reason, CONFIG_REASON_MAX,
	    "state-dir: there is no default, as neither "
	    "XDG_STATE_HOME nor HOME is set to an absolute path; set one, or \"state-dir = PATH\" "
	    "under [broker], or use --state-dir");
	return -EINVAL;
}

static size_t
min_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Levenshtein's distance of two short words. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[GUESS_MAX + 1];
	size_t length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t change = corner + (a[i] != b[j]);

			corner = row[j + 1];
			row[j + 1] = min_of(change, min_of(corner, row[j]) + 1);
		}
	}
	return row[length];
}

const struct config_key *
config_key_guess(const struct config_key *table, const char *name)
{
	const struct config_key *best = NULL;
	size_t best_distance = min_of(3, strlen(name));

	if (strlen(name) > GUESS_MAX)
		return NULL;
	for (; table->name; table++) {
		size_t d = distance(name, table->name);

		if (d < best_distance) {
			best = table;
			best_distance = d;
		}
	}
	return best;
}
