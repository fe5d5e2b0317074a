/*
 * config_key.h - private to config*.c and its tests: the tables of keys, and the text form of each
 * value, both ways. A new key is a line in a table, a member in config.h, a default, a paragraph in
 * comlease.conf(5) and two lines in comlease.conf.sample; tests/test_config.c misses the last two.
 */
#ifndef COMLEASE_CONFIG_KEY_H
#define COMLEASE_CONFIG_KEY_H

#include "config.h"

#define CONFIG_REASON_MAX    256 /* what is wrong with a value */
#define CONFIG_KEYS_MAX      32  /* in one table */
#define CONFIG_TEMPLATES_MAX 250
#define CONFIG_POOLS_MAX     250
#define CONFIG_PRIORITY_MAX  100                /* -100..100 */
#define CONFIG_BYTES_MAX     (16 * 1024 * 1024) /* of one file; config_print() stays below it */

#define CONFIG_NAME_RULE "use 1 to 64 of the characters A-Z a-z 0-9 . _ : @ + -"
#define CONFIG_NAME_CHARACTERS                                                                     \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@+-"

struct config_key;

/* Takes a value. 0; -EINVAL: *reason says what is wrong, as it follows "KEY: "; -ENOMEM. */
typedef int config_set(const struct config_key *, void *member, const char *value,
		       char reason[CONFIG_REASON_MAX]);

/* Writes `KEY = VALUE` and a newline, or several such lines. */
typedef void config_show(const struct config_key *, const void *member, FILE *);

struct config_key {
	const char *name;
	config_set *set;
	config_show *print;
	size_t offset;     /* of the member */
	uint32_t min, max; /* of a number; max: bytes of a text */
	config_set *add;   /* takes what a further line of the key says; NULL: it may stand once */
	const char *empty; /* the value that stands for an empty list, and alone */
};

/* Each ends with a key without a name. */
extern const struct config_key config_broker_keys[];
extern const struct config_key config_port_keys[];
extern const struct config_key config_pool_keys[];
extern const struct config_key config_access_keys[];

/* The key of that name, or NULL. */
const struct config_key *config_key_find(const struct config_key *table, const char *name);

/* A key that somebody may have meant who wrote `name`, or NULL. */
const struct config_key *config_key_guess(const struct config_key *table, const char *name);

/* Takes the value of a key, or what a further line of it says. */
int config_key_set(const struct config_key *, void *object, const char *value,
		   char reason[CONFIG_REASON_MAX]);
int config_key_add(const struct config_key *, void *object, const char *value,
		   char reason[CONFIG_REASON_MAX]);

/* A port with every default. The broker's, but for the paths. */
void config_port_defaults(struct config_port *);
void config_broker_defaults(struct config *);

/* Adds what holds where there is no file at all: [port usb-*]. 0 or -ENOMEM. */
int config_default_template(struct config *);

/* The paths, where they are still NULL: from `rules`, or by default. Each returns 0, -ENOMEM, or
 * -EINVAL and *reason: a whole message but for the file. */
int config_default_socket(struct config *, const struct config_rules *,
			  char reason[CONFIG_REASON_MAX]);
int config_default_lock_dir(struct config *, const struct config_rules *,
			    char reason[CONFIG_REASON_MAX]);
int config_default_state_dir(struct config *, const struct config_rules *,
			     char reason[CONFIG_REASON_MAX]);

/* `[port usb*]`: a name with * ? or [; may it be one, with sets like [0-9] or [!a-c]? */
bool config_name_is_pattern(const char *);
bool config_pattern_is_valid(const char *);

/* What a pool or an access section owns; the struct itself is the caller's. */
void config_free_pool(struct config_pool *);
void config_free_access(struct config_access *);

/* Like config_load() with NULL, from there. */
int config_load_from(const char *file, const char *directory, const struct config_rules *,
		     struct config *, char error[CONFIG_ERROR_MAX]);

#endif
