/*
 * parameter.c - checks the parameters of a call. Knows types and limits, not what they are for.
 */
#include "parameter.h"

#include "broker.h"

#include <ctype.h>
#include <string.h>

static bool
is_key(const char *text)
{
	size_t n;

	for (n = 0; text[n] != '\0'; n++)
		if (!isxdigit((unsigned char)text[n]))
			return false;
	return n == BROKER_KEY_LENGTH;
}

static bool
is_names(const json_t *value)
{
	const json_t *each;
	size_t i;

	if (!json_is_array(value))
		return false;
	json_array_foreach (value, i, each)
		if (!json_is_string(each))
			return false;
	return true;
}

static bool
take(const struct parameter *parameter, json_t *value)
{
	const char *text = json_string_value(value);
	json_int_t number = json_integer_value(value);

	switch (parameter->type) {
	case PARAMETER_NAME:
	case PARAMETER_TEXT:
	case PARAMETER_KEY:
		if (text == NULL || strlen(text) != json_string_length(value) ||
		    (parameter->type == PARAMETER_NAME && !config_name_is_valid(text)) ||
		    (parameter->type == PARAMETER_KEY && !is_key(text)) ||
		    (parameter->type == PARAMETER_TEXT && strlen(text) > (size_t)parameter->max))
			return false;
		*(const char **)parameter->to = text;
		return true;
	case PARAMETER_NUMBER:
		if (!json_is_integer(value) || number < parameter->min || number > parameter->max)
			return false;
		*(json_int_t *)parameter->to = number;
		return true;
	case PARAMETER_BOOL:
		if (!json_is_boolean(value))
			return false;
		*(bool *)parameter->to = json_is_true(value);
		return true;
	case PARAMETER_NAMES:
		if (!is_names(value))
			return false;
		*(json_t **)parameter->to = value;
		return true;
	}
	return false;
}

const char *
parameter_take_all(json_t *object, const struct parameter *parameters)
{
	const struct parameter *each;
	const char *name;
	json_t *value;

	json_object_foreach (object, name, value) {
		for (each = parameters; each->name != NULL && strcmp(each->name, name) != 0; each++)
			;
		if (each->name == NULL || (!json_is_null(value) && !take(each, value)))
			return name;
	}
	return NULL;
}
