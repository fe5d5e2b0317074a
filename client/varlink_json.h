/*
 * varlink_json.h - reads one JSON object, strictly. Private to the codec.
 */
#ifndef COMLEASE_VARLINK_JSON_H
#define COMLEASE_VARLINK_JSON_H

#include <jansson.h>
#include <stddef.h>

/* Parses text[0..len), which has to be one object and nothing else but white space; text[len] must
 * be a NUL, and the text is overwritten. 0 and *object (a new reference); -EBADMSG: not JSON, not
 * UTF-8, no object, a duplicate key, a NUL character in a string, a number out of range, deeper
 * than VARLINK_DEPTH_MAX; -ENOMEM. */
int varlink_json_parse(char *text, size_t len, json_t **object);

#endif
