/*
 * config_init.c - the text form of `init`: words by turns sent and awaited, with escapes. It
 * refuses to know how they are sent (the keeper).
 *
 * The member keeps the escaped form, with one blank between two words: what is printed is what was
 * taken, and config_init_word() undoes the escapes when the words are needed.
 */
#include "config_value.h"

#include <string.h>

static const char escapes[] = "srn\\", escaped[] = " \r\n\\";

static int
take_word(const struct config_key *key, void *member, char *word, char reason[CONFIG_REASON_MAX])
{
	struct config_port *port = member;
	size_t used = strlen(port->init);

	for (const char *c = word; *c != '\0'; c++) {
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
			return config_refuse(
			    reason, "\"%.80s\" has bytes that are not printable ASCII", word);
		if (*c == '\\' && (*++c == '\0' || !strchr(escapes, *c)))
			return config_refuse(
			    reason, "\"%.80s\": behind \"\\\" only s, r, n or \\ may follow", word);
	}
	if (used + 1 + strlen(word) > key->max)
		return config_refuse(reason, "it is longer than %u bytes", key->max);
	snprintf(port->init + used, sizeof(port->init) - used, "%s%s", used ? " " : "", word);
	return 0;
}

int
config_set_init(const struct config_key *key, void *member, const char *value,
		char reason[CONFIG_REASON_MAX])
{
	struct config_port *port = member;
	unsigned words = 1;
	int error;

	if (strcmp(value, key->empty) == 0)
		return 0;
	error = config_each_word(key, member, value, reason, take_word);
	if (error)
		return error;
	for (const char *c = port->init; *c != '\0'; c++)
		words += *c == ' ';
	if (words % 2 != 0)
		return config_refuse(reason,
				     "%u word%s; by turns one is sent and one awaited, like ATZ OK",
				     words, words == 1 ? "" : "s");
	return 0;
}

void
config_show_init(const struct config_key *key, const void *member, FILE *file)
{
	const struct config_port *port = member;

	fprintf(file, "%s = %s\n", key->name, port->init[0] ? port->init : key->empty);
}

const char *
config_init_word(const char *init, char word[CONFIG_INIT_MAX + 1])
{
	size_t length = 0;

	for (; *init != '\0' && *init != ' ' && length < CONFIG_INIT_MAX; init++) {
		const char *escape = *init == '\\' ? strchr(escapes, init[1]) : NULL;

		word[length++] = escape ? escaped[escape - escapes] : *init;
		init += escape != NULL;
	}
	word[length] = '\0';
	return length == 0 ? NULL : init + (*init == ' ');
}
