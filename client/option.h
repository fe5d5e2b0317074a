/*
 * option.h - the words after options, where several commands take the same.
 */
#ifndef COMLEASE_OPTION_H
#define COMLEASE_OPTION_H

#include <stdbool.h>
#include <stdint.h>

/* What the broker takes for a label or a class. */
bool option_is_name(const char *);
#define OPTION_NAME "1 to 64 letters, digits, . _ : @ + -"

/* 0 or -1. */
int option_integer(const char *, long least, long most, int *value);
int option_seconds(const char *, int64_t *ms); /* "2", "0.5" */

#endif
