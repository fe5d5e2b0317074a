/*
 * parameter.h - the parameters of a call, checked: every member by name and type. What is unknown
 * is wrong, so that a misspelt option is never silently ignored.
 */
#ifndef COMLEASE_PARAMETER_H
#define COMLEASE_PARAMETER_H

#include <jansson.h>
#include <stdbool.h>

enum parameter_type {
	PARAMETER_NAME,
	PARAMETER_TEXT,
	PARAMETER_KEY,
	PARAMETER_NUMBER,
	PARAMETER_BOOL,
	PARAMETER_NAMES
};

struct parameter {
	const char *name;
	enum parameter_type type;
	json_int_t min, max; /* of a number; of a text the bytes at most */
	void *to;            /* const char **, json_int_t *, bool *, json_t ** */
};

#define PARAMETER_END                                                                              \
	{                                                                                          \
		NULL, PARAMETER_TEXT, 0, 0, NULL                                                   \
	}

/* Takes the members of a call that a table (closed by PARAMETER_END) names; strings and arrays are
 * borrowed from the object. null is as good as left out. NULL, or the name of what is wrong. */
const char *parameter_take_all(json_t *object, const struct parameter *parameters);

#endif
