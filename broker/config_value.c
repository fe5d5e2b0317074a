/*
 * config_value.c - the text form of values that are one word, and what lists of words share. It
 * refuses to know which keys have them (config_key.c), files, lines and sections.
 *
 * The one idea: setter and printer of a value stand side by side, and no value is taken that its
 * printer could not write on lines that inih reads back unchanged: it cuts a line at 198 bytes,
 * takes " ;" for a comment and strips blanks at the end.
 */
#include "config_value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int
config_refuse(char reason[CONFIG_REASON_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(reason, CONFIG_REASON_MAX, format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- numbers ---- */

static bool
is_digit(char c, char last)
{
	return c >= '0' && c <= last;
}

int
config_parse_number(const char *text, unsigned base, uint32_t *number)
{
	uint64_t sum = 0;

	if (text[0] == '\0')
		return -EINVAL;
	for (const char *c = text; *c != '\0'; c++) {
		if (!is_digit(*c, (char)('0' + base - 1)))
			return -EINVAL;
		if (sum <= UINT32_MAX)
			sum = sum * base + (uint64_t)(*c - '0');
	}
	if (sum > UINT32_MAX)
		return -ERANGE;
	*number = (uint32_t)sum;
	return 0;
}

int
config_parse_limited(const struct config_key *key, const char *text, uint32_t *number,
		     char reason[CONFIG_REASON_MAX])
{
	uint32_t value = 0;
	int error = config_parse_number(text, 10, &value);

	if (error == -EINVAL)
		return config_refuse(reason, "\"%.40s\" is no number", text);
	if (error < 0 || value < key->min || value > key->max)
		return config_refuse(reason, "%.40s is out of range (%u..%u)", text, key->min,
				     key->max);
	*number = value;
	return 0;
}

int
config_set_number(const struct config_key *key, void *member, const char *value,
		  char reason[CONFIG_REASON_MAX])
{
	return config_parse_limited(key, value, member, reason);
}

void
config_show_number(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %u\n", key->name, *(const uint32_t *)member);
}

/* As a number, or `none`: CONFIG_NEVER. */
int
config_set_seconds(const struct config_key *key, void *member, const char *value,
		   char reason[CONFIG_REASON_MAX])
{
	uint32_t number;

	if (strcmp(value, "none") == 0)
		*(uint32_t *)member = CONFIG_NEVER;
	else if (config_parse_number(value, 10, &number) == -EINVAL)
		return config_refuse(reason, "\"%.40s\" is neither a number of seconds nor none",
				     value);
	else
		return config_parse_limited(key, value, member, reason);
	return 0;
}

void
config_show_seconds(const struct config_key *key, const void *member, FILE *file)
{
	if (*(const uint32_t *)member == CONFIG_NEVER)
		fprintf(file, "%s = none\n", key->name);
	else
		config_show_number(key, member, file);
}

int
config_set_mode(const struct config_key *key, void *member, const char *value,
		char reason[CONFIG_REASON_MAX])
{
	uint32_t number = 0;
	int error = config_parse_number(value, 8, &number);

	if (error == -EINVAL)
		return config_refuse(reason, "\"%.40s\" is no octal number, like 0660", value);
	if (error < 0 || number > key->max)
		return config_refuse(reason, "%.40s is out of range (0..%04o)", value, key->max);
	*(mode_t *)member = (mode_t)number;
	return 0;
}

void
config_show_mode(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %04o\n", key->name, (unsigned)*(const mode_t *)member);
}

/* ---- names ---- */

/* `user` and `group`: a name that getpwnam() may know. */
int
config_set_text(const struct config_key *key, void *member, const char *value,
		char reason[CONFIG_REASON_MAX])
{
	char *copy;

	if (strlen(value) > key->max)
		return config_refuse(reason, "\"%.40s...\" is longer than %u bytes", value,
				     key->max);
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr(":;,#/", *c))
			return config_refuse(reason, "\"%.40s\" is no %s name", value, key->name);
	copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	free(*(char **)member);
	*(char **)member = copy;
	return 0;
}

/* An account that was not named stays so: a comment is the canonical form of that. */
void
config_show_text(const struct config_key *key, const void *member, FILE *file)
{
	const char *text = *(char *const *)member;

	if (text)
		fprintf(file, "%s = %s\n", key->name, text);
	else
		fprintf(file, "; %s is not set\n", key->name);
}

int
config_take_name(char *name, const char *text, const char *what, char reason[CONFIG_REASON_MAX])
{
	if (!config_name_is_valid(text))
		return config_refuse(reason, "\"%.80s\" is no %s; " CONFIG_NAME_RULE, text, what);
	strcpy(name, text); /* its length has just been checked */
	return 0;
}

int
config_set_tag(const struct config_key *key, void *member, const char *value,
	       char reason[CONFIG_REASON_MAX])
{
	if (strcmp(value, key->empty) != 0)
		return config_take_name(member, value, "tag", reason);
	*(char *)member = '\0';
	return 0;
}

void
config_show_tag(const struct config_key *key, const void *member, FILE *file)
{
	const char *tag = member;

	fprintf(file, "%s = %s\n", key->name, tag[0] ? tag : key->empty);
}

/* ---- one of several words ---- */

/* The index of the word in a list that ends with NULL; all of it is in the refusal. */
static int
choose(const char *const *words, const char *value, unsigned *chosen,
       char reason[CONFIG_REASON_MAX])
{
	char all[CONFIG_REASON_MAX / 2] = "";

	for (unsigned i = 0; words[i]; i++) {
		if (strcmp(value, words[i]) == 0) {
			*chosen = i;
			return 0;
		}
		strcat(strcat(all, i ? ", " : ""), words[i]);
	}
	return config_refuse(reason, "\"%.40s\" is not one of %s", value, all);
}

static const char *const flow_words[] = {
	[CONFIG_FLOW_NONE] = "none",
	[CONFIG_FLOW_RTSCTS] = "rtscts",
	[CONFIG_FLOW_XONXOFF] = "xonxoff",
	NULL,
};

int
config_set_flow(const struct config_key *key, void *member, const char *value,
		char reason[CONFIG_REASON_MAX])
{
	unsigned chosen = 0;
	int error = choose(flow_words, value, &chosen, reason);

	(void)key;
	if (!error)
		*(enum config_flow *)member = (enum config_flow)chosen;
	return error;
}

void
config_show_flow(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %s\n", key->name, flow_words[*(const enum config_flow *)member]);
}

static const char *const preempt_words[] = {
	[CONFIG_PREEMPT_NEVER] = "never",
	[CONFIG_PREEMPT_STANDBY] = "standby",
	[CONFIG_PREEMPT_LOWER] = "lower",
	NULL,
};

int
config_set_preempt(const struct config_key *key, void *member, const char *value,
		   char reason[CONFIG_REASON_MAX])
{
	unsigned chosen = 0;
	int error = choose(preempt_words, value, &chosen, reason);

	(void)key;
	if (!error)
		*(enum config_preempt *)member = (enum config_preempt)chosen;
	return error;
}

void
config_show_preempt(const struct config_key *key, const void *member, FILE *file)
{
	fprintf(file, "%s = %s\n", key->name, preempt_words[*(const enum config_preempt *)member]);
}

/* Of two words the first means true. */
static int
set_either(const char *const *words, bool *member, const char *value,
	   char reason[CONFIG_REASON_MAX])
{
	unsigned chosen = 0;
	int error = choose(words, value, &chosen, reason);

	if (!error)
		*member = chosen == 0;
	return error;
}

static void
show_either(const struct config_key *key, const char *const *words, const bool *member, FILE *file)
{
	fprintf(file, "%s = %s\n", key->name, words[*member ? 0 : 1]);
}

static const char *const revocation_words[] = { "hangup", "none", NULL };
static const char *const own_words[] = { "always", "leased", NULL };

int
config_set_revocation(const struct config_key *key, void *member, const char *value,
		      char reason[CONFIG_REASON_MAX])
{
	(void)key;
	return set_either(revocation_words, member, value, reason);
}

void
config_show_revocation(const struct config_key *key, const void *member, FILE *file)
{
	show_either(key, revocation_words, member, file);
}

int
config_set_own(const struct config_key *key, void *member, const char *value,
	       char reason[CONFIG_REASON_MAX])
{
	(void)key;
	return set_either(own_words, member, value, reason);
}

void
config_show_own(const struct config_key *key, const void *member, FILE *file)
{
	show_either(key, own_words, member, file);
}

/* The member is the port: a frame is three of its members. */
int
config_set_frame(const struct config_key *key, void *member, const char *value,
		 char reason[CONFIG_REASON_MAX])
{
	struct config_port *port = member;

	(void)key;
	if (strlen(value) != 3 || value[0] < '5' || value[0] > '8' || !strchr("NEO", value[1]) ||
	    value[2] < '1' || value[2] > '2')
		return config_refuse(reason,
				     "\"%.40s\" is no frame: data bits 5 to 8, parity N, E or O, "
				     "stop bits 1 or 2, like 8N1",
				     value);
	port->bits = (uint8_t)(value[0] - '0');
	port->parity = value[1];
	port->stop = (uint8_t)(value[2] - '0');
	return 0;
}

void
config_show_frame(const struct config_key *key, const void *member, FILE *file)
{
	const struct config_port *port = member;

	fprintf(file, "%s = %u%c%u\n", key->name, port->bits, port->parity, port->stop);
}
