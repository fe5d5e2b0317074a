/*
 * text.c - text for people on a terminal.
 *
 * Responsible for: making foreign strings harmless, measuring and shortening text by columns (not
 * bytes), writing times, durations, counts and processes the same way in every command.
 * Refuses to know: the wire, ports, where the text is printed.
 */
#include "text.h"

#include <langinfo.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <wchar.h>

static bool utf8_shown; /* set once by text_init(): a property of the process, as the locale is */

void
text_init(void)
{
	utf8_shown = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void
text_reserve(struct text *t, size_t more)
{
	if (t->s && t->size - t->len > more)
		return;
	size_t size = (t->len + more + 1) * 2;
	char *s = realloc(t->s, size);
	if (!s) {
		fputs("comlease: no memory\n", stderr);
		exit(EX_OSERR);
	}
	t->s = s;
	t->size = size;
	t->s[t->len] = '\0';
}

void
text_free(struct text *t)
{
	free(t->s);
	*t = (struct text){ NULL, 0, 0 };
}

static void
text_add_bytes(struct text *t, const char *s, size_t n)
{
	text_reserve(t, n);
	memcpy(t->s + t->len, s, n);
	t->len += n;
	t->s[t->len] = '\0';
}

void
text_add(struct text *t, const char *s)
{
	text_add_bytes(t, s, strlen(s));
}

void
text_addf(struct text *t, const char *format, ...)
{
	char *s;
	va_list ap;

	va_start(ap, format);
	int n = vasprintf(&s, format, ap);
	va_end(ap);
	if (n < 0) {
		fputs("comlease: no memory\n", stderr);
		exit(EX_OSERR);
	}
	text_add_bytes(t, s, (size_t)n);
	free(s);
}

/* Decodes one UTF-8 character: its length, or 0 if these bytes are none. */
static size_t
decode(const char *s, uint32_t *code)
{
	const unsigned char *p = (const unsigned char *)s;
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80   ? 1
		   : p[0] < 0xc2 ? 0
		   : p[0] < 0xe0 ? 2
		   : p[0] < 0xf0 ? 3
		   : p[0] < 0xf5 ? 4
				 : 0;
	if (n < 2) {
		*code = p[0];
		return n;
	}
	*code = p[0] & (0x7fU >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3fU);
	}
	if (*code < smallest[n] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return n;
}

/* Marks that turn the direction of writing, separate lines, or hide: a name with one in it reads as
 * another name. */
static bool
is_deceptive(uint32_t c)
{
	return (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2060 && c <= 0x206f) || c == 0x061c || c == 0xfeff || c == 0xad;
}

static int
columns_of(uint32_t code)
{
	if (code < 0x80)
		return code < 0x20 || code == 0x7f ? -1 : 1;
	if (!utf8_shown || is_deceptive(code) || code < 0xa0)
		return -1;
	return wcwidth((wchar_t)code);
}

void
text_add_foreign(struct text *t, const char *s)
{
	text_reserve(t, 0);
	while (s && *s) {
		uint32_t code;
		size_t n = decode(s, &code);
		if (n == 0 || (code < 0x80 && columns_of(code) < 0))
			text_addf(t, "\\x%02x", (unsigned char)*s);
		else if (columns_of(code) < 0)
			text_addf(t, "\\u{%x}", code);
		else
			text_add_bytes(t, s, n);
		s += n ? n : 1;
	}
}

void
text_pad(struct text *t, size_t n)
{
	while (n-- > 0)
		text_add_bytes(t, " ", 1);
}

void
text_pad_to(struct text *t, size_t column)
{
	size_t now = text_columns(t->s);

	text_pad(t, now < column ? column - now : 1);
}

size_t
text_columns(const char *s)
{
	size_t columns = 0;

	while (s && *s) {
		uint32_t code;
		size_t n = decode(s, &code);
		int width = n ? columns_of(code) : 1;
		columns += width > 0 ? (size_t)width : 0;
		s += n ? n : 1;
	}
	return columns;
}

/* The number of bytes at the start of s that take no more than `columns`. */
static size_t
bytes_within(const char *s, size_t columns)
{
	const char *start = s;

	while (*s) {
		uint32_t code;
		size_t n = decode(s, &code);
		int width = n ? columns_of(code) : 1;
		if (width > 0 && (size_t)width > columns)
			break;
		columns -= width > 0 ? (size_t)width : 0;
		s += n ? n : 1;
	}
	return (size_t)(s - start);
}

void
text_add_fitted(struct text *t, const char *s, size_t columns)
{
	size_t all = text_columns(s);

	if (all <= columns) {
		text_add(t, s);
		return;
	}
	if (columns < 8) {
		text_add_bytes(t, s, bytes_within(s, columns));
		return;
	}
	size_t tail = (columns - 3) * 3 / 5, head = columns - 3 - tail;
	text_add_bytes(t, s, bytes_within(s, head));
	text_add(t, "...");
	text_add(t, s + bytes_within(s, all - tail));
}

/* The bytes of the words at the start of s that fit: at least one word, even if it is too long. */
static size_t
words_within(const char *s, size_t columns)
{
	size_t fit = bytes_within(s, columns), end = fit;

	if (s[fit] == '\0')
		return fit;
	while (end > 0 && s[end] != ' ')
		end--;
	while (end > 0 && s[end - 1] == ' ')
		end--;
	return end ? end : strcspn(s, " ");
}

void
text_add_wrapped(struct text *t, const char *s, size_t columns, size_t indent, size_t hang)
{
	do {
		size_t width = columns > indent ? columns - indent : 1;
		size_t n = columns ? words_within(s, width) : strlen(s);
		struct text line = { 0 };

		text_add_bytes(&line, s, n);
		text_pad(t, indent);
		text_add_fitted(t, line.s, columns ? width : (size_t)-1);
		text_add(t, "\n");
		text_free(&line);
		s += n + strspn(s + n, " ");
		indent = hang;
	} while (*s);
}

void
text_add_count(struct text *t, int64_t n)
{
	if (n >= 1000) {
		text_add_count(t, n / 1000);
		text_addf(t, ",%03d", (int)(n % 1000));
	} else {
		text_addf(t, "%d", (int)n);
	}
}

void
text_add_duration(struct text *t, int64_t ms)
{
	long long s = ms > 0 ? (long long)ms / 1000 : 0;

	if (s < 60)
		text_addf(t, "%lld s", s);
	else if (s < 3600)
		text_addf(t, "%lld min", s / 60);
	else if (s < 24 * 3600)
		text_addf(t, "%lld h %lld min", s / 3600, s / 60 % 60);
	else
		text_addf(t, "%lld day%s", s / 86400, s < 2 * 86400 ? "" : "s");
}

void
text_add_time(struct text *t, int64_t when_ms, int64_t now_ms)
{
	time_t when = (time_t)(when_ms / 1000), now = (time_t)(now_ms / 1000);
	struct tm then, today;
	char s[32];

	if (!localtime_r(&when, &then) || !localtime_r(&now, &today)) {
		text_add(t, "?");
		return;
	}
	if (then.tm_year != today.tm_year && now - when > 300 * 86400)
		strftime(s, sizeof s, "%Y-%m-%d", &then);
	else if (then.tm_yday != today.tm_yday || then.tm_year != today.tm_year)
		strftime(s, sizeof s, "%b %e %H:%M", &then);
	else
		strftime(s, sizeof s, "%H:%M", &then);
	text_add(t, s);
}

void
text_add_since(struct text *t, int64_t since_ms, int64_t now_ms)
{
	text_add_time(t, since_ms, now_ms);
	text_add(t, " (");
	text_add_duration(t, now_ms - since_ms);
	text_add(t, ")");
}

void
text_add_process(struct text *t, const char *command, pid_t pid, uid_t uid)
{
	const char *user = text_user(uid);

	if (command && *command) {
		text_add_foreign(t, command);
		text_addf(t, " (pid %d, ", (int)pid);
	} else {
		text_addf(t, "pid %d (", (int)pid);
	}
	text_add(t, user ? "user " : "uid ");
	if (user)
		text_add_foreign(t, user);
	else
		text_addf(t, "%u", (unsigned)uid);
	text_add(t, ")");
}

const char *
text_user(uid_t uid)
{
	/* A look-up may ask a directory server: 32 waiters of one user ask once. */
	static uid_t known_uid;
	static char known[64];
	static bool is_known, exists;

	if (!is_known || known_uid != uid) {
		struct passwd *pw = getpwuid(uid);
		exists = pw != NULL;
		snprintf(known, sizeof known, "%s", pw ? pw->pw_name : "");
		known_uid = uid;
		is_known = true;
	}
	return exists ? known : NULL;
}

int64_t
text_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Levenshtein's distance of two words; those longer than 64 are far from everything. */
static size_t
distance(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b), row[65];

	if (la > 64 || lb > 64)
		return 64;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; i <= la; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);
			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *
text_nearest(const char *word, const char *const *candidates, size_t count)
{
	const char *nearest = NULL;
	size_t least = strlen(word) > 3 ? 3 : 2; /* exclusive: two slips in a long word, one in a
						  * short one */
	for (size_t i = 0; i < count; i++) {
		size_t d = distance(word, candidates[i]);
		if (d < least) {
			least = d;
			nearest = candidates[i];
		}
	}
	return nearest;
}
