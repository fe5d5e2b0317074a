/*
 * option.c - the words after options, where several commands take the same. Says nothing: which
 * option it was is for the caller to tell.
 */
#include "option.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool
option_is_name(const char *s)
{
	size_t len =
	    strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:@+-");

	return len > 0 && len <= 64 && s[len] == '\0';
}

int
option_integer(const char *s, long least, long most, int *value)
{
	char *end;

	errno = 0;
	long n = strtol(s, &end, 10);
	if (errno || end == s || *end || n < least || n > most)
		return -1;
	*value = (int)n;
	return 0;
}

int
option_seconds(const char *s, int64_t *ms)
{
	char *end;
	double n = strtod(s, &end);

	if (end == s || *end || !isfinite(n) || n < 0 || n > 1e9)
		return -1;
	*ms = (int64_t)(n * 1000 + 0.999);
	return 0;
}
