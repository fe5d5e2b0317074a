/*
 * config_parse.c - from a file to its lines, and the list of faults, each with its file and line.
 * It refuses to know sections and keys (config_section.c, config_entry.c), and which files there
 * are (config.c).
 *
 * The tricky idea: inih splits keys from values and drops comments, but Debian's build tells no
 * line numbers, cuts long lines and section names, says nothing of an empty section or of all but
 * the first bad line, and takes an indented line for more of the value before. So the reader that
 * we hand it is the half of the parser that counts: inih calls it exactly once a line, hence `at`
 * is exact in the handler; it deals with sections itself, gives inih only lines that fit, without
 * indentation, and knows from `unsplit` that a line has not come back through the handler.
 */
#include "config_parse.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BYTE_ORDER_MARK  "\xef\xbb\xbf"
#define RAW_MAX          1024 /* bytes of a line that may yet shrink: indentation, comments */
#define FAULT_MAX        640  /* without what escaping adds */
#define LINE_MAX_ESCAPED 900
#define TRAILER_MAX      40 /* "... and N more" */

struct raw_line {
	char text[RAW_MAX];
	bool has_nul, is_cut;
};

/* What comes from a file must not play tricks on a terminal, or pass for another line. */
static size_t
escape(char *to, size_t size, const char *from)
{
	size_t used = 0;

	for (; *from != '\0' && used + 5 < size; from++) {
		unsigned char c = (unsigned char)*from;

		if (c >= ' ' && c < 0x7f)
			to[used++] = (char)c;
		else
			used += (size_t)snprintf(to + used, size - used, "\\x%02x", c);
	}
	to[used] = '\0';
	return used;
}

/* One more fault, if there is room; the way out of a full list is a count at its end. */
static void
add_fault(struct config_parse *parse, const char *message)
{
	char line[LINE_MAX_ESCAPED];
	size_t length = escape(line, sizeof(line), message);

	parse->faults++;
	if (parse->text_bytes + length + 1 + TRAILER_MAX > CONFIG_ERROR_MAX)
		parse->unsaid++;
	if (parse->unsaid)
		return;
	parse->text_bytes +=
	    (size_t)snprintf(parse->text + parse->text_bytes, CONFIG_ERROR_MAX - parse->text_bytes,
			     "%s%s", parse->text_bytes ? "\n" : "", line);
}

void
config_fault(struct config_parse *parse, struct config_place at, const char *format, ...)
{
	char message[FAULT_MAX];
	int used = snprintf(message, sizeof(message), "%.300s:%u: ", at.file, at.line);
	va_list args;

	va_start(args, format);
	vsnprintf(message + used, sizeof(message) - (size_t)used, format, args);
	va_end(args);
	add_fault(parse, message);
}

char *
config_strip(char *text)
{
	size_t length;

	while (isspace((unsigned char)*text)) /* NOLINT(clang-analyzer-core*): inih's, terminated */
		text++;
	for (length = strlen(text); length > 0 && isspace((unsigned char)text[length - 1]);)
		text[--length] = '\0';
	return text;
}

/* inih's handler. Always content: the faults are ours to collect. */
static int
take_pair(void *user, const char *section, const char *name, const char *value)
{
	struct config_parse *parse = user;

	(void)section; /* always "": inih sees no sections */
	parse->unsplit = false;
	config_section_take(parse, name, value);
	return 1;
}

/* The next line as it is; false: there is none. */
static bool
read_raw(struct config_parse *parse, struct raw_line *raw)
{
	size_t length = 0;
	int c = getc(parse->file);

	parse->read_error = errno; /* means nothing unless ferror() */
	if (c == EOF || parse->error || parse->bytes > CONFIG_BYTES_MAX)
		return false;
	raw->has_nul = raw->is_cut = false;
	for (; c != EOF && c != '\n' && parse->bytes <= CONFIG_BYTES_MAX; c = getc(parse->file)) {
		raw->is_cut = length == RAW_MAX - 1;
		raw->has_nul = raw->has_nul || c == '\0';
		if (!raw->is_cut)
			raw->text[length++] = (char)c;
		parse->bytes++;
	}
	if (c == EOF)
		parse->read_error = errno;
	parse->bytes++;
	raw->text[length] = '\0';
	parse->at.line++;
	return true;
}

/* What inih is to see of a line of at most `max` bytes: "" for all that it needs not see. */
static const char *
sift_line(struct config_parse *parse, struct raw_line *raw, size_t max)
{
	bool has_mark = parse->at.line == 1 && strncmp(raw->text, BYTE_ORDER_MARK, 3) == 0;
	char *text = config_strip(raw->text + (has_mark ? 3 : 0));

	if (raw->has_nul) {
		config_fault(parse, parse->at, "the line has a NUL byte; is this a text file?");
	} else if (text[0] == ';' || text[0] == '#') {
		return "";
	} else if (raw->is_cut || strlen(text) > max) {
		config_fault(parse, parse->at, "the line is too long, %zu bytes are allowed", max);
	} else if (text[0] == '[') {
		config_section_start(parse, text);
	} else {
		parse->unsplit = text[0] != '\0';
		return text;
	}
	return "";
}

/* inih's reader: fgets() with a conscience. */
static char *
next_line(char *buffer, int size, void *stream)
{
	struct config_parse *parse = stream;
	struct raw_line raw;

	if (parse->unsplit && parse->section != CONFIG_SECTION_IGNORED)
		config_fault(parse, parse->at,
			     "no \"KEY = VALUE\" and no [section]; comments start with "
			     "\";\" or \"#\"");
	parse->unsplit = false;
	if (!read_raw(parse, &raw))
		return NULL;
	snprintf(buffer, (size_t)size, "%s\n", sift_line(parse, &raw, (size_t)size - 2));
	return buffer;
}

void
config_parse_start(struct config_parse *parse, const struct config_rules *rules,
		   struct config *config, char error[CONFIG_ERROR_MAX])
{
	*parse = (struct config_parse){ .rules = rules, .config = config, .text = error };
	error[0] = '\0';
	config_broker_defaults(config);
}

void
config_parse_failed(struct config_parse *parse, const char *name, int error)
{
	char message[FAULT_MAX];

	snprintf(message, sizeof(message), "%.300s: cannot read it: %s", name, strerror(-error));
	add_fault(parse, message);
	parse->error = error;
}

void
config_parse_file(struct config_parse *parse, FILE *file, const char *name)
{
	parse->file = file;
	parse->at = (struct config_place){ name, 0 };
	parse->bytes = 0;
	ini_parse_stream(next_line, parse, take_pair, parse);
	config_section_end(parse);
	if (parse->bytes > CONFIG_BYTES_MAX)
		config_fault(parse, parse->at, "the file is too long, %d bytes are allowed",
			     CONFIG_BYTES_MAX);
	if (ferror(file))
		config_parse_failed(parse, name, -parse->read_error);
}

/* A path that is set where it stands, or faulty there, needs no default. */
static void
take_default(struct config_parse *parse, const char *name, const char *key, const char *option,
	     int (*set)(struct config *, const struct config_rules *, char *))
{
	const struct config_key *found = config_key_find(config_broker_keys, key);
	char reason[CONFIG_REASON_MAX], message[FAULT_MAX];
	int error;

	if (parse->broker_seen[found - config_broker_keys].at.file && !option)
		return;
	error = set(parse->config, parse->rules, reason);
	if (error == -EINVAL) {
		snprintf(message, sizeof(message), "%.300s: %s", name, reason);
		add_fault(parse, message);
	} else if (error < 0) {
		parse->error = error;
	}
}

int
config_parse_end(struct config_parse *parse, const char *name)
{
	const struct config_rules *rules = parse->rules;

	config_entry_judge(parse);
	take_default(parse, name, "socket", rules->socket, config_default_socket);
	take_default(parse, name, "lock-dir", NULL, config_default_lock_dir);
	take_default(parse, name, "state-dir", rules->state_dir, config_default_state_dir);
	if (parse->error == -ENOMEM)
		snprintf(parse->text, CONFIG_ERROR_MAX, "%.300s: out of memory", name);
	else if (parse->unsaid)
		snprintf(parse->text + parse->text_bytes, CONFIG_ERROR_MAX - parse->text_bytes,
			 "\n... and %u more", parse->unsaid);
	if (parse->error)
		return parse->error;
	return parse->faults ? -EINVAL : 0;
}
