/*
 * varlink_print.c - writes a JSON value as compact text.
 *
 * Responsible for the text form alone. Why not json_dump_callback(): it looks at each level for
 * values that contain themselves, with a hash table and printed addresses, and that takes longer
 * than all the rest. Ours are trees, built a moment before.
 */
#include "varlink_json.h"

#include <string.h>

struct printer {
	json_dump_callback_t put;
	void *data;
};

static int print(const struct printer *, const json_t *);

static int
put(const struct printer *p, const char *text, size_t len)
{
	return len > 0 ? p->put(text, len, p->data) : 0;
}

static int
print_escape(const struct printer *p, unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	char text[6] = { '\\', (char)c };

	if (c == '"' || c == '\\')
		return put(p, text, 2);
	memcpy(text, "\\u00", 4);
	text[4] = digits[c >> 4];
	text[5] = digits[c & 15];
	return put(p, text, 6);
}

/* UTF-8 stands as it is: jansson takes nothing else. */
static int
print_string(const struct printer *p, const char *text, size_t len)
{
	size_t i, start = 0;
	int r = put(p, "\"", 1);

	for (i = 0; i < len && r == 0; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		r = put(p, text + start, i - start);
		start = i + 1;
		if (r == 0)
			r = print_escape(p, c);
	}
	if (r == 0)
		r = put(p, text + start, len - start);
	return r == 0 ? put(p, "\"", 1) : r;
}

static int
print_integer(const struct printer *p, json_int_t value)
{
	char text[24], *at = text + sizeof(text);
	unsigned long long rest =
	    value < 0 ? 0 - (unsigned long long)value : (unsigned long long)value;

	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) > 0);
	if (value < 0)
		*--at = '-';
	return put(p, at, (size_t)(text + sizeof(text) - at));
}

static int
print_object(const struct printer *p, const json_t *object)
{
	const char *key, *before = "{";
	json_t *value;
	int r = 0;

	json_object_foreach ((json_t *)object, key, value) {
		if (r != 0)
			break;
		r = put(p, before, 1);
		before = ",";
		r = r != 0 ? r : print_string(p, key, strlen(key));
		r = r != 0 ? r : put(p, ":", 1);
		r = r != 0 ? r : print(p, value);
	}
	if (r != 0)
		return r;
	return *before == '{' ? put(p, "{}", 2) : put(p, "}", 1);
}

static int
print_array(const struct printer *p, const json_t *array)
{
	size_t i, count = json_array_size(array);
	int r = put(p, "[", 1);

	for (i = 0; i < count && r == 0; i++) {
		if (i > 0)
			r = put(p, ",", 1);
		if (r == 0)
			r = print(p, json_array_get(array, i));
	}
	return r != 0 ? r : put(p, "]", 1);
}

static int
print(const struct printer *p, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return print_object(p, value);
	case JSON_ARRAY:
		return print_array(p, value);
	case JSON_STRING:
		return print_string(p, json_string_value(value), json_string_length(value));
	case JSON_INTEGER:
		return print_integer(p, json_integer_value(value));
	case JSON_TRUE:
		return put(p, "true", 4);
	case JSON_FALSE:
		return put(p, "false", 5);
	case JSON_NULL:
		return put(p, "null", 4);
	case JSON_REAL: /* in no message of ours */
		break;
	}
	return json_dump_callback(value, p->put, p->data, JSON_COMPACT | JSON_ENCODE_ANY);
}

int
varlink_json_print(const json_t *value, json_dump_callback_t callback, void *data)
{
	const struct printer p = { callback, data };

	return print(&p, value);
}
