/*
 * libcomlease_error.c - what went wrong, as an errno and as a sentence that names the thing, the
 * reason and the way out. It decides nothing.
 *
 * The broker's own sentences come over as they are; those about the socket are made here, because
 * only this side knows which group its process lacks.
 */
#include "libcomlease.h"

#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INTERFACE_PREFIX "io.comlease."

static const struct {
	const char *name;
	int error;
} error_map[] = {
	{ INTERFACE_PREFIX "NoSuchPort", ENOENT },
	{ INTERFACE_PREFIX "Busy", EBUSY },
	{ INTERFACE_PREFIX "TimedOut", ETIMEDOUT },
	{ INTERFACE_PREFIX "Absent", ENODEV },
	{ INTERFACE_PREFIX "OpenFailed", EIO },
	{ INTERFACE_PREFIX "Revoked", ESTALE },
	{ INTERFACE_PREFIX "NotHolder", EPERM },
	{ INTERFACE_PREFIX "Deadlock", EDEADLK },
	{ INTERFACE_PREFIX "NoSuchWaiter", ESRCH },
	{ INTERFACE_PREFIX "NotForeign", ESRCH },
	{ INTERFACE_PREFIX "QueueFull", ENOSPC },
	{ INTERFACE_PREFIX "QuotaExceeded", EDQUOT },
	{ INTERFACE_PREFIX "NotRevocable", ENOTSUP },
	{ VARLINK_ERROR("PermissionDenied"), EPERM },
	{ VARLINK_ERROR("InvalidParameter"), EINVAL },
	{ VARLINK_ERROR("ExpectedMore"), EINVAL },
	{ VARLINK_ERROR("InterfaceNotFound"), ENOSYS },
	{ VARLINK_ERROR("MethodNotFound"), ENOSYS },
	{ VARLINK_ERROR("MethodNotImplemented"), ENOSYS },
};

int
comlease_fail(struct comlease *c, int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(c->error, sizeof(c->error), format, arguments);
	va_end(arguments);
	errno = error;
	return -1;
}

void
comlease_forget_error(struct comlease *c)
{
	json_decref(c->error_message);
	c->error_message = NULL;
	c->error[0] = '\0';
}

const char *
comlease_error(const struct comlease *c)
{
	return c->error;
}

const char *
comlease_error_name(const struct comlease *c)
{
	return json_string_value(json_object_get(c->error_message, "error"));
}

const json_t *
comlease_error_parameters(const struct comlease *c)
{
	return json_object_get(c->error_message, "parameters");
}

/* ---- the broker's errors ---- */

static int
error_of(const char *name)
{
	for (size_t i = 0; i < sizeof(error_map) / sizeof(error_map[0]); i++)
		if (strcmp(error_map[i].name, name) == 0)
			return error_map[i].error;
	return EPROTO;
}

static void
append(char *text, size_t size, const char *more)
{
	size_t length = strlen(text);

	snprintf(text + length, size - length, "%s", more);
}

static int
fail_no_such_port(struct comlease *c, const json_t *parameters)
{
	const char *port = json_string_value(json_object_get(parameters, "port"));
	const json_t *ports = json_object_get(parameters, "ports"), *name;
	size_t i;

	comlease_fail(c, ENOENT, "%s: no such port; ", port ? port : "?");
	if (json_array_size(ports) == 0)
		append(c->error, sizeof(c->error), "none is configured, see comlease.conf(5)");
	else
		append(c->error, sizeof(c->error), "there are: ");
	json_array_foreach (ports, i, name) {
		append(c->error, sizeof(c->error), i ? ", " : "");
		append(c->error, sizeof(c->error),
		       json_is_string(name) ? json_string_value(name) : "?");
	}
	errno = ENOENT;
	return -1;
}

static int
fail_parameter(struct comlease *c, const json_t *parameters)
{
	const char *name = json_string_value(json_object_get(parameters, "parameter"));

	return comlease_fail(c, EINVAL, "the broker does not accept the value of \"%s\"",
			     name ? name : "?");
}

int
comlease_fail_reply(struct comlease *c, json_t *message)
{
	const json_t *parameters;
	const char *name, *text;
	int error;

	comlease_forget_error(c);
	c->error_message = json_incref(message);
	name = comlease_error_name(c);
	parameters = comlease_error_parameters(c);
	text = json_string_value(json_object_get(parameters, "message"));
	error = error_of(name);
	if (text)
		return comlease_fail(c, error, "%s", text);
	if (error == ENOENT)
		return fail_no_such_port(c, parameters);
	if (strcmp(name, VARLINK_ERROR("InvalidParameter")) == 0)
		return fail_parameter(c, parameters);
	if (error == EPERM)
		return comlease_fail(c, error, "not allowed by the broker's configuration");
	if (error == ENOSYS)
		return comlease_fail(
		    c, error, "the broker does not know this call (%s): is it an older one?", name);
	return comlease_fail(c, error, "the broker answered with the error %s", name);
}

/* ---- the socket ---- */

/* The socket, or the folder above it that keeps us from even seeing it. */
static int
stat_nearest(const char *path, char *nearest, size_t size, struct stat *status)
{
	snprintf(nearest, size, "%s", path);
	while (stat(nearest, status) < 0) {
		char *slash = strrchr(nearest, '/');

		if (!slash || slash == nearest)
			return -1;
		*slash = '\0';
	}
	return 0;
}

static bool
is_member(const struct group *group, const char *user)
{
	for (char **member = group->gr_mem; *member; member++)
		if (strcmp(*member, user) == 0)
			return true;
	return false;
}

static int
fail_permission(struct comlease *c, int error)
{
	const char *path = comlease_socket_path(c);
	char nearest[256], group_buffer[4096], user_buffer[2048];
	struct group group, *found = NULL;
	struct passwd user, *me = NULL;
	struct stat status;

	if (stat_nearest(path, nearest, sizeof(nearest), &status) < 0)
		return comlease_fail(c, error, "%s: no permission", path);
	getgrgid_r(status.st_gid, &group, group_buffer, sizeof(group_buffer), &found);
	getpwuid_r(geteuid(), &user, user_buffer, sizeof(user_buffer), &me);
	if (!found || !(status.st_mode & (S_IWGRP | S_IXGRP)))
		return comlease_fail(c, error, "%s: no permission: it belongs to uid %u, gid %u",
				     nearest, (unsigned)status.st_uid, (unsigned)status.st_gid);
	if (!me)
		return comlease_fail(c, error,
				     "%s: no permission: it belongs to group %s, and uid %u is not "
				     "in it and has no name: add that user and group first",
				     nearest, found->gr_name, (unsigned)geteuid());
	if (is_member(found, me->pw_name))
		return comlease_fail(c, error,
				     "%s: no permission: it belongs to group %s, and you have been "
				     "in it only since after "
				     "your login: log in again",
				     nearest, found->gr_name);
	return comlease_fail(c, error,
			     "%s: no permission: it belongs to group %s and you are not in it; "
			     "\"sudo adduser %s %s\", "
			     "then log in again",
			     nearest, found->gr_name, me->pw_name, found->gr_name);
}

int
comlease_fail_connect(struct comlease *c, int error)
{
	const char *path = comlease_socket_path(c);

	switch (error) {
	case EACCES:
	case EPERM:
		return fail_permission(c, EACCES);
	case ENOENT:
	case ENOTDIR:
		return comlease_fail(c, ECONNREFUSED,
				     "%s: no broker: comleased is not running; start it, see "
				     "comleased(8)",
				     path);
	case ECONNREFUSED:
	case EPROTOTYPE:
		return comlease_fail(c, ECONNREFUSED,
				     "%s: no broker: nobody listens there any more; start "
				     "comleased again, see comleased(8)",
				     path);
	case EAGAIN:
		return comlease_fail(c, ECONNREFUSED, "%s: the broker does not accept connections",
				     path);
	default:
		return comlease_fail(c, error, "%s: %s", path, strerror(error));
	}
}
