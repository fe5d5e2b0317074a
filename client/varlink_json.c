/*
 * varlink_json.c - reads one JSON object, strictly, into jansson's values.
 *
 * Responsible for the grammar (RFC 8259), UTF-8, depth and duplicates. Refuses to know what the
 * object means. Why not json_loadb(): its lexer ignores that an allocation failed while a token
 * grows, and then loses a byte of it or reads on past its buffer (2.14, lex_save); it can't tell
 * "no memory" from "no JSON"; and its depth limit is 2048.
 *
 * The tricky idea: strings are unescaped where they stand, since no escape is shorter than what it
 * means, and end with a NUL in the place of the closing quote. The NUL after the text stops every
 * loop, so there are no length checks.
 */
#include "varlink_json.h"

#include "varlink.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct parser {
	char *at;
	int depth;
	int error; /* of the first NULL: -EBADMSG or -ENOMEM */
};

static json_t *parse_value(struct parser *);

static bool
fail(struct parser *p, int error)
{
	p->error = error;
	return false;
}

static json_t *
bad(struct parser *p)
{
	fail(p, -EBADMSG);
	return NULL;
}

static json_t *
made(struct parser *p, json_t *value)
{
	if (value == NULL)
		fail(p, -ENOMEM);
	return value;
}

static char
skip_space(struct parser *p)
{
	while (*p->at == ' ' || *p->at == '\n' || *p->at == '\t' || *p->at == '\r')
		p->at++;
	return *p->at;
}

static bool
take(struct parser *p, char wanted)
{
	if (skip_space(p) != wanted)
		return false;
	p->at++;
	return true;
}

/* ---- strings ---- */

/* The length of the UTF-8 sequence of two to four bytes at s; 0: it is none. Neither overlong forms
 * nor surrogates nor what is beyond U+10FFFF. */
static size_t
utf8_sequence(const unsigned char *s)
{
	size_t i, len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;

	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	for (i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

static char *
put_utf8(char *to, unsigned code)
{
	if (code < 0x80) {
		*to++ = (char)code;
		return to;
	}
	if (code < 0x800) {
		*to++ = (char)(0xc0 | code >> 6);
	} else {
		if (code < 0x10000) {
			*to++ = (char)(0xe0 | code >> 12);
		} else {
			*to++ = (char)(0xf0 | code >> 18);
			*to++ = (char)(0x80 | (code >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (code >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (code & 0x3f));
	return to;
}

/* The four digits after \u; -1: they are none. */
static int
hex4(struct parser *p)
{
	int i, code = 0;

	for (i = 0; i < 4; i++) {
		char c = *p->at;
		int digit = c >= '0' && c <= '9'   ? c - '0'
			    : c >= 'a' && c <= 'f' ? c - 'a' + 10
			    : c >= 'A' && c <= 'F' ? c - 'A' + 10
						   : -1;

		if (digit < 0)
			return -1;
		code = code * 16 + digit;
		p->at++;
	}
	return code;
}

/* After \u. NULL: no character; U+0000 is none, for a C string can't hold it. */
static char *
unescape_unicode(struct parser *p, char *to)
{
	int code = hex4(p), low;

	if (code <= 0 || (code >= 0xdc00 && code <= 0xdfff))
		return NULL;
	if (code < 0xd800 || code > 0xdfff)
		return put_utf8(to, (unsigned)code);
	if (p->at[0] != '\\' || p->at[1] != 'u')
		return NULL;
	p->at += 2;
	low = hex4(p);
	if (low < 0xdc00 || low > 0xdfff)
		return NULL;
	return put_utf8(to,
			0x10000U + ((unsigned)code - 0xd800U) * 0x400U + (unsigned)low - 0xdc00U);
}

/* After the backslash. */
static char *
unescape(struct parser *p, char *to)
{
	static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	char c = *p->at;
	const char *letter;

	if (c == '\0')
		return NULL;
	p->at++;
	if (c == 'u')
		return unescape_unicode(p, to);
	letter = strchr(letters, c);
	if (letter == NULL)
		return NULL;
	*to = meanings[letter - letters];
	return to + 1;
}

/* A string, unescaped in place and ended by a NUL; NULL: there is none. */
static char *
parse_text(struct parser *p, size_t *len)
{
	char *start, *to;

	if (!take(p, '"'))
		return NULL;
	for (start = to = p->at; *p->at != '"';) {
		unsigned char c = (unsigned char)*p->at;
		size_t bytes = 1;

		if (c < 0x20)
			return NULL;
		if (c == '\\') {
			p->at++;
			to = unescape(p, to);
			if (to == NULL)
				return NULL;
			continue;
		}
		if (c >= 0x80)
			bytes = utf8_sequence((const unsigned char *)p->at);
		if (bytes == 0)
			return NULL;
		while (bytes-- > 0)
			*to++ = *p->at++;
	}
	p->at++;
	*to = '\0';
	*len = (size_t)(to - start);
	return start;
}

/* ---- numbers and literals ---- */

static bool
skip_digits(struct parser *p)
{
	const char *start = p->at;

	while (*p->at >= '0' && *p->at <= '9')
		p->at++;
	return p->at > start;
}

static bool
skip_integer(struct parser *p)
{
	if (*p->at == '-')
		p->at++;
	if (*p->at == '0') {
		p->at++;
		return true;
	}
	return skip_digits(p);
}

static bool
skip_fraction(struct parser *p)
{
	if (*p->at == '.') {
		p->at++;
		if (!skip_digits(p))
			return false;
	}
	if (*p->at != 'e' && *p->at != 'E')
		return true;
	p->at++;
	if (*p->at == '+' || *p->at == '-')
		p->at++;
	return skip_digits(p);
}

static json_t *
make_real(struct parser *p, const char *text)
{
	/* The program's own locale may have a decimal comma; in libc this one is static. */
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	double value;

	if (c == (locale_t)0)
		return made(p, NULL);
	value = strtod_l(text, NULL, c);
	freelocale(c);
	if (isinf(value))
		return bad(p);
	return made(p, json_real(value));
}

static json_t *
parse_number(struct parser *p)
{
	const char *text = p->at;
	long long value;

	if (!skip_integer(p))
		return bad(p);
	if (*p->at == '.' || *p->at == 'e' || *p->at == 'E')
		return skip_fraction(p) ? make_real(p, text) : bad(p);
	errno = 0;
	value = strtoll(text, NULL, 10);
	return errno == 0 ? made(p, json_integer(value)) : bad(p);
}

static bool
skip_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(p->at, word, len) != 0)
		return false;
	p->at += len;
	return true;
}

static json_t *
parse_literal(struct parser *p)
{
	if (skip_word(p, "true"))
		return json_true();
	if (skip_word(p, "false"))
		return json_false();
	return skip_word(p, "null") ? json_null() : bad(p);
}

/* ---- values ---- */

static bool
parse_member(struct parser *p, json_t *object)
{
	size_t len;
	char *key = parse_text(p, &len);
	json_t *value;

	if (key == NULL || json_object_get(object, key) != NULL || !take(p, ':'))
		return fail(p, -EBADMSG);
	value = parse_value(p);
	if (value == NULL)
		return false;
	return json_object_set_new_nocheck(object, key, value) == 0 || fail(p, -ENOMEM);
}

static bool
parse_element(struct parser *p, json_t *array)
{
	json_t *value = parse_value(p);

	if (value == NULL)
		return false;
	return json_array_append_new(array, value) == 0 || fail(p, -ENOMEM);
}

/* After the opening bracket. The container is ours. */
static json_t *
parse_items(struct parser *p, json_t *container, char closing,
	    bool (*parse_item)(struct parser *, json_t *))
{
	bool done;

	if (made(p, container) == NULL)
		return NULL;
	if (++p->depth > VARLINK_DEPTH_MAX) {
		json_decref(container);
		return bad(p);
	}
	done = take(p, closing);
	while (!done && parse_item(p, container)) {
		done = take(p, closing);
		if (!done && !take(p, ',')) {
			bad(p);
			break;
		}
	}
	p->depth--;
	if (done)
		return container;
	json_decref(container);
	return NULL;
}

static json_t *
parse_string(struct parser *p)
{
	size_t len;
	const char *text = parse_text(p, &len);

	return text != NULL ? made(p, json_stringn_nocheck(text, len)) : bad(p);
}

static json_t *
parse_value(struct parser *p)
{
	char c = skip_space(p);

	if (take(p, '{'))
		return parse_items(p, json_object(), '}', parse_member);
	if (take(p, '['))
		return parse_items(p, json_array(), ']', parse_element);
	if (c == '"')
		return parse_string(p);
	return c == '-' || (c >= '0' && c <= '9') ? parse_number(p) : parse_literal(p);
}

int
varlink_json_parse(char *text, size_t len, json_t **object)
{
	struct parser p = { .at = text };
	json_t *value;

	*object = NULL;
	if (skip_space(&p) != '{')
		return -EBADMSG;
	value = parse_value(&p);
	if (value == NULL)
		return p.error;
	if (skip_space(&p) == '\0' && p.at == text + len) {
		*object = value;
		return 0;
	}
	json_decref(value);
	return -EBADMSG;
}
