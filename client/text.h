/*
 * text.h - text for people on a terminal: what came from elsewhere made harmless, times, counts,
 * columns. A struct text is a string that grows; without memory the program ends (it is only ever
 * the command line that uses this). Zero-initialise it, text_free() it.
 */
#ifndef COMLEASE_TEXT_H
#define COMLEASE_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct text {
	char *s; /* never NULL once something was added */
	size_t len, size;
};

/* Takes the locale's character set: call once, after setlocale(). */
void text_init(void);

void text_free(struct text *);

/* Our own words. */
void text_add(struct text *, const char *);
void text_addf(struct text *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Somebody else's words: control characters, invalid UTF-8, characters that turn the direction of
 * writing or that the locale can't show come out as \x1b or \u{202e}. NULL adds nothing. */
void text_add_foreign(struct text *, const char *);

/* `n` spaces; spaces up to column `column` of the text's (only) line, at least one. */
void text_pad(struct text *, size_t n);
void text_pad_to(struct text *, size_t column);

/* Columns that a text of one line takes on a terminal. NULL: 0. */
size_t text_columns(const char *);

/* Adds `s` in at most `columns`: what is too long loses its middle ("/dev/serial/...-port0"). */
void text_add_fitted(struct text *, const char *s, size_t columns);

/* Adds `s` as lines of at most `columns` (0: no limit), broken at spaces: `indent` spaces before
 * the first, `hang` before the others, a newline after each. A word that is too long loses its
 * middle. */
void text_add_wrapped(struct text *, const char *s, size_t columns, size_t indent, size_t hang);

/* "9,968" */
void text_add_count(struct text *, int64_t);

/* "40 s", "3 min", "2 h 5 min", "3 days" */
void text_add_duration(struct text *, int64_t ms);

/* "09:14" today, "Nov 19 09:14", "2024-11-19"; milliseconds since 1970. */
void text_add_time(struct text *, int64_t when_ms, int64_t now_ms);

/* The same with how long ago: "09:14 (3 min)". */
void text_add_since(struct text *, int64_t since_ms, int64_t now_ms);

/* "efax (pid 4312, user ann)"; command NULL: "pid 4312 (user ann)". */
void text_add_process(struct text *, const char *command, pid_t, uid_t);

/* The name of a uid, or NULL. Valid until the next call. */
const char *text_user(uid_t);

/* Milliseconds since 1970. */
int64_t text_now_ms(void);

/* The candidate that `word` is probably a misspelling of, or NULL. */
const char *text_nearest(const char *word, const char *const *candidates, size_t count);

#endif
