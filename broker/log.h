/*
 * log.h - one line a call on stderr: `word key=value ...`, greppable. Never blocks and never fails:
 * a line that stderr does not take at once is dropped and counted. Values that came from outside go
 * through log_quote().
 */
#ifndef COMLEASE_LOG_H
#define COMLEASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

void log_set_verbose(bool);

/* The role that stands before each line: "broker", "keeper[modem0]"; a static or lasting string. */
void log_set_role(const char *);

void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Only with -v. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A string from outside as a printable one: control characters, quotes, backslashes and bytes that
 * are not ASCII as \xNN; cut to size (at least 5). Returns its length. */
size_t log_escape(const char *text, char *buffer, size_t size);

/* The same, with quotes around if it is empty or has a blank; size at least 7. Returns buffer. */
const char *log_quote(const char *text, char *buffer, size_t size);

#endif
