/*
 * config_word.c - lists of words: taken apart, and written on as many lines as they need. It
 * refuses to know what the words mean.
 */
#include "config_value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 160 /* bytes, when printed */

int
config_each_word(const struct config_key *key, void *member, const char *value,
		 char reason[CONFIG_REASON_MAX], config_take *take)
{
	char *copy = strdup(value), *rest = NULL, *word;
	int error = copy ? 0 : -ENOMEM;

	for (word = copy ? strtok_r(copy, " \t", &rest) : NULL; word && !error;
	     word = strtok_r(NULL, " \t", &rest)) {
		if (word[0] == '#')
			error = config_refuse(
			    reason, "\"%.40s\": a comment behind a value starts with \";\"", word);
		else
			error = take(key, member, word, reason);
	}
	free(copy);
	return error;
}

void
config_line_word(struct config_line *line, const char *format, ...)
{
	char word[WORD_MAX];
	va_list args;
	size_t length;

	va_start(args, format);
	vsnprintf(word, sizeof(word), format, args);
	va_end(args);
	length = strlen(word);
	if (line->used && line->used + 1 + length > CONFIG_WIDTH) {
		fputc('\n', line->file);
		line->used = 0;
	}
	if (line->used) {
		fprintf(line->file, " %s", word);
		line->used += 1 + length;
	} else {
		fprintf(line->file, "%s = %s", line->key->name, word);
		line->used = strlen(line->key->name) + 3 + length;
	}
}

void
config_line_end(struct config_line *line)
{
	if (!line->used)
		config_line_word(line, "%s", line->key->empty);
	fputc('\n', line->file);
}
