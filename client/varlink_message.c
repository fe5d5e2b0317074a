/*
 * varlink_message.c - the envelope of Varlink messages: calls, replies, errors.
 *
 * Responsible for what stands around "parameters", in both directions. Refuses to know sockets and
 * interfaces. Strict: an unknown member or a wrong type in the envelope refuses the message, for a
 * peer that means something we don't understand must not get half of it. The tricky idea: what was
 * not sent is added to the message as an empty object, so that "parameters" is never NULL and still
 * belongs to the message.
 */
#include "varlink.h"

#include <errno.h>
#include <string.h>

static int
take_string(json_t *value, const char **to)
{
	*to = json_string_value(value);
	return *to != NULL ? 0 : -EBADMSG;
}

static int
take_bool(json_t *value, bool *to)
{
	*to = json_is_true(value);
	return json_is_boolean(value) ? 0 : -EBADMSG;
}

static int
take_object(json_t *value, json_t **to)
{
	*to = value;
	return json_is_object(value) ? 0 : -EBADMSG;
}

static int
default_parameters(json_t *message, json_t **parameters)
{
	if (*parameters != NULL)
		return 0;
	*parameters = json_object();
	return json_object_set_new_nocheck(message, "parameters", *parameters) == 0 ? 0 : -ENOMEM;
}

static int
take_call_member(struct varlink_call *call, const char *key, json_t *value)
{
	if (strcmp(key, "method") == 0)
		return take_string(value, &call->interface_method);
	if (strcmp(key, "parameters") == 0)
		return take_object(value, &call->parameters);
	if (strcmp(key, "more") == 0)
		return take_bool(value, &call->more);
	if (strcmp(key, "oneway") == 0)
		return take_bool(value, &call->oneway);
	if (strcmp(key, "upgrade") == 0)
		return take_bool(value, &call->upgrade);
	return -EBADMSG;
}

int
varlink_call_parse(json_t *message, struct varlink_call *call)
{
	const char *key;
	json_t *value;

	*call = (struct varlink_call){ .interface_method = NULL };
	if (!json_is_object(message))
		return -EBADMSG;
	json_object_foreach (message, key, value) {
		int r = take_call_member(call, key, value);

		if (r < 0)
			return r;
	}
	/* Each of these says what to do with the reply; two of them contradict each other. */
	if (call->interface_method == NULL || call->more + call->oneway + call->upgrade > 1)
		return -EBADMSG;
	return default_parameters(message, &call->parameters);
}

static int
take_reply_member(struct varlink_reply *reply, const char *key, json_t *value)
{
	if (strcmp(key, "error") == 0)
		return take_string(value, &reply->error);
	if (strcmp(key, "parameters") == 0)
		return take_object(value, &reply->parameters);
	if (strcmp(key, "continues") == 0)
		return take_bool(value, &reply->continues);
	return -EBADMSG;
}

int
varlink_reply_parse(json_t *message, struct varlink_reply *reply)
{
	const char *key;
	json_t *value;

	*reply = (struct varlink_reply){ .error = NULL };
	if (!json_is_object(message))
		return -EBADMSG;
	json_object_foreach (message, key, value) {
		int r = take_reply_member(reply, key, value);

		if (r < 0)
			return r;
	}
	/* An error ends its call. */
	if (reply->error != NULL && reply->continues)
		return -EBADMSG;
	return default_parameters(message, &reply->parameters);
}

/* {name: value, "parameters": parameters, flag: true}; without name or flag where they are NULL.
 * Takes over the references in any case. */
static json_t *
envelope(const char *name, const char *value, json_t *parameters, const char *flag)
{
	json_t *message = json_object();
	bool failed = message == NULL || parameters == NULL;

	/* jansson takes a NULL for the value or the object as a failure and frees the other. */
	if (name != NULL)
		failed =
		    json_object_set_new_nocheck(message, name, json_string(value)) != 0 || failed;
	failed = json_object_set_new_nocheck(message, "parameters", parameters) != 0 || failed;
	if (flag != NULL)
		failed = json_object_set_new_nocheck(message, flag, json_true()) != 0 || failed;
	if (!failed)
		return message;
	json_decref(message);
	return NULL;
}

json_t *
varlink_call_new(const char *interface_method, json_t *parameters, bool more)
{
	return envelope("method", interface_method, parameters, more ? "more" : NULL);
}

json_t *
varlink_reply_new(json_t *parameters, bool continues)
{
	return envelope(NULL, NULL, parameters, continues ? "continues" : NULL);
}

json_t *
varlink_error_new(const char *error, json_t *parameters)
{
	return envelope("error", error, parameters, NULL);
}
