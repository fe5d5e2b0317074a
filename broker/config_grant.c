/*
 * config_grant.c - the text form of the lists of an access section. It refuses to know what they
 * allow (access.c).
 */
#include "config_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* `*`, USER, @GROUP. */
static int
parse_who(const char *text, struct config_grant *grant, char reason[CONFIG_REASON_MAX])
{
	if (strcmp(text, "*") == 0) {
		grant->who = CONFIG_EVERYBODY;
		return 0;
	}
	grant->who = text[0] == '@' ? CONFIG_GROUP : CONFIG_USER;
	return config_find_account(grant->who, text + (text[0] == '@'), &grant->id, reason);
}

static int
add_grant(struct config_grants *grants, const struct config_grant *grant,
	  char reason[CONFIG_REASON_MAX])
{
	struct config_grant *list;

	if (grants->count == CONFIG_RULES_MAX)
		return config_refuse(reason, "too many entries, %d are allowed", CONFIG_RULES_MAX);
	list = reallocarray(grants->list, grants->count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	list[grants->count++] = *grant;
	grants->list = list;
	return 0;
}

/* ---- ask, revoke, evict, disable = @operators ann ---- */

static int
take_who(const struct config_key *key, void *member, char *word, char reason[CONFIG_REASON_MAX])
{
	struct config_grant grant = { 0 };
	int error;

	if (strcmp(word, key->empty) == 0)
		return config_refuse(reason, "\"%s\" excludes all others; it stands alone", word);
	error = parse_who(word, &grant, reason);
	return error ? error : add_grant(member, &grant, reason);
}

int
config_add_who(const struct config_key *key, void *member, const char *value,
	       char reason[CONFIG_REASON_MAX])
{
	return config_each_word(key, member, value, reason, take_who);
}

int
config_set_who(const struct config_key *key, void *member, const char *value,
	       char reason[CONFIG_REASON_MAX])
{
	struct config_grants *grants = member;

	grants->is_set = true;
	return strcmp(value, key->empty) == 0 ? 0 : config_add_who(key, member, value, reason);
}

/* ---- priority = *:0 @fax:10 ann:100 ---- */

/* -100..100; "+5" and "--5" are none. */
static int
parse_priority(const char *text, int32_t *priority)
{
	bool is_negative = text[0] == '-';
	uint32_t number;

	if (config_parse_number(text + is_negative, 10, &number) < 0 ||
	    number > CONFIG_PRIORITY_MAX)
		return -EINVAL;
	*priority = is_negative ? -(int32_t)number : (int32_t)number;
	return 0;
}

static int
take_priority(const struct config_key *key, void *member, char *word,
	      char reason[CONFIG_REASON_MAX])
{
	struct config_grant grant = { 0 };
	char *number = strchr(word, ':');
	int error;

	if (strcmp(word, key->empty) == 0)
		return config_refuse(reason, "\"%s\" excludes all others; it stands alone", word);
	if (!number || number == word)
		return config_refuse(reason,
				     "\"%.80s\" is no entry; write *:NUMBER, USER:NUMBER or "
				     "@GROUP:NUMBER",
				     word);
	*number++ = '\0';
	if (parse_priority(number, &grant.priority) < 0)
		return config_refuse(reason, "\"%.40s\" is no priority; use -%d to %d", number,
				     CONFIG_PRIORITY_MAX, CONFIG_PRIORITY_MAX);
	error = parse_who(word, &grant, reason);
	return error ? error : add_grant(member, &grant, reason);
}

int
config_add_priority(const struct config_key *key, void *member, const char *value,
		    char reason[CONFIG_REASON_MAX])
{
	return config_each_word(key, member, value, reason, take_priority);
}

int
config_set_priority(const struct config_key *key, void *member, const char *value,
		    char reason[CONFIG_REASON_MAX])
{
	struct config_grants *grants = member;

	grants->is_set = true;
	return strcmp(value, key->empty) == 0 ? 0 : config_add_priority(key, member, value, reason);
}

/* ---- both ---- */

static void
show_grants(const struct config_key *key, const struct config_grants *grants, bool with_priority,
	    FILE *file)
{
	struct config_line line = { .key = key, .file = file };

	if (!grants->is_set) {
		fprintf(file, "; %s is not set\n", key->name);
		return;
	}
	for (uint32_t i = 0; i < grants->count; i++) {
		const struct config_grant *grant = &grants->list[i];
		char who[16] = "*", priority[16] = "";

		if (grant->who != CONFIG_EVERYBODY)
			snprintf(who, sizeof(who), "%s%u", grant->who == CONFIG_GROUP ? "@" : "",
				 grant->id);
		if (with_priority)
			snprintf(priority, sizeof(priority), ":%d", grant->priority);
		config_line_word(&line, "%s%s", who, priority);
	}
	config_line_end(&line);
}

void
config_show_who(const struct config_key *key, const void *member, FILE *file)
{
	show_grants(key, member, false, file);
}

void
config_show_priority(const struct config_key *key, const void *member, FILE *file)
{
	show_grants(key, member, true, file);
}

void
config_free_access(struct config_access *access)
{
	struct config_grants *lists[] = { &access->ask, &access->priority, &access->revoke,
					  &access->evict, &access->disable };

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		free(lists[i]->list);
		*lists[i] = (struct config_grants){ 0 };
	}
	free(access->file);
	access->file = NULL;
}
