/*
 * varlink_service.c - answers what every Varlink service has to answer: org.varlink.service.
 *
 * Responsible for GetInfo, GetInterfaceDescription and for calls to interfaces that aren't there.
 * Refuses to know any other interface's methods, and sockets.
 */
#include "varlink.h"

#include <errno.h>
#include <string.h>

#define SERVICE "org.varlink.service"

static const char service_description[] =
    "# The Varlink Service Interface is provided by every varlink service. It\n"
    "# describes the service and the interfaces it implements.\n"
    "interface org.varlink.service\n"
    "\n"
    "# Get a list of all the interfaces a service provides and information\n"
    "# about the implementation.\n"
    "method GetInfo() -> (\n"
    "  vendor: string,\n"
    "  product: string,\n"
    "  version: string,\n"
    "  url: string,\n"
    "  interfaces: []string\n"
    ")\n"
    "\n"
    "# Get the description of an interface that is implemented by this service.\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n"
    "\n"
    "# The requested interface was not found.\n"
    "error InterfaceNotFound (interface: string)\n"
    "\n"
    "# The requested method was not found\n"
    "error MethodNotFound (method: string)\n"
    "\n"
    "# The interface defines the requested method, but the service does not\n"
    "# implement it.\n"
    "error MethodNotImplemented (method: string)\n"
    "\n"
    "# One of the passed parameters is invalid.\n"
    "error InvalidParameter (parameter: string)\n"
    "\n"
    "# Client is denied access\n"
    "error PermissionDenied ()\n"
    "\n"
    "# Method is expected to be called with 'more' set to true, but wasn't\n"
    "error ExpectedMore ()\n";

/* {key: value}, NULL without memory. */
static json_t *
object_of(const char *key, json_t *value)
{
	json_t *object = json_object();

	if (json_object_set_new_nocheck(object, key, value) == 0)
		return object;
	json_decref(object);
	return NULL;
}

static json_t *
invalid_parameter(const char *name)
{
	return varlink_error_new(VARLINK_ERROR("InvalidParameter"),
				 object_of("parameter", json_string(name)));
}

/* The name of a parameter other than the one that is allowed; NULL: there is none. */
static const char *
unknown_parameter(json_t *parameters, const char *allowed)
{
	const char *key;
	json_t *value;

	json_object_foreach (parameters, key, value) {
		if (allowed == NULL || strcmp(key, allowed) != 0)
			return key;
	}
	return NULL;
}

static json_t *
interface_names(const struct varlink_service *service)
{
	const struct varlink_interface *i;
	json_t *names = json_array();
	bool failed = json_array_append_new(names, json_string(SERVICE)) != 0;

	for (i = service->interfaces; i->name != NULL; i++)
		failed = json_array_append_new(names, json_string(i->name)) != 0 || failed;
	if (!failed)
		return names;
	json_decref(names);
	return NULL;
}

static json_t *
get_info(const struct varlink_service *service, const struct varlink_call *call)
{
	const char *unknown = unknown_parameter(call->parameters, NULL);

	if (unknown != NULL)
		return invalid_parameter(unknown);
	return varlink_reply_new(json_pack("{ss ss ss ss so}", "vendor", service->vendor, "product",
					   service->product, "version", service->version, "url",
					   service->url, "interfaces", interface_names(service)),
				 false);
}

static const char *
description_of(const struct varlink_service *service, const char *name)
{
	const struct varlink_interface *i;

	if (strcmp(name, SERVICE) == 0)
		return service_description;
	for (i = service->interfaces; i->name != NULL; i++) {
		if (strcmp(name, i->name) == 0)
			return i->description;
	}
	return NULL;
}

static json_t *
interface_not_found(const char *name, size_t len)
{
	return varlink_error_new(VARLINK_ERROR("InterfaceNotFound"),
				 object_of("interface", json_stringn(name, len)));
}

static json_t *
get_interface_description(const struct varlink_service *service, const struct varlink_call *call)
{
	const char *name = json_string_value(json_object_get(call->parameters, "interface"));
	const char *unknown = unknown_parameter(call->parameters, "interface"), *description;

	if (unknown != NULL || name == NULL)
		return invalid_parameter(unknown != NULL ? unknown : "interface");
	description = description_of(service, name);
	if (description == NULL)
		return interface_not_found(name, strlen(name));
	return varlink_reply_new(object_of("description", json_string(description)), false);
}

static json_t *
answer(const struct varlink_service *service, const struct varlink_call *call, const char *method)
{
	if (strcmp(method, "GetInfo") == 0)
		return get_info(service, call);
	if (strcmp(method, "GetInterfaceDescription") == 0)
		return get_interface_description(service, call);
	return varlink_error_new(VARLINK_ERROR("MethodNotFound"),
				 object_of("method", json_string(call->interface_method)));
}

static bool
is_interface(const struct varlink_service *service, const char *name, size_t len)
{
	const struct varlink_interface *i;

	for (i = service->interfaces; i->name != NULL; i++) {
		if (strncmp(name, i->name, len) == 0 && i->name[len] == '\0')
			return true;
	}
	return false;
}

int
varlink_service_answer(const struct varlink_service *service, const struct varlink_call *call,
		       json_t **reply)
{
	const char *name = call->interface_method, *dot = strrchr(name, '.');
	size_t len = dot != NULL ? (size_t)(dot - name) : strlen(name);
	json_t *message;

	if (dot != NULL && is_interface(service, name, len))
		return 1;
	if (dot != NULL && len == strlen(SERVICE) && strncmp(name, SERVICE, len) == 0)
		message = answer(service, call, dot + 1);
	else
		message = interface_not_found(name, len);
	if (message == NULL)
		return -ENOMEM;
	*reply = message;
	return 0;
}
