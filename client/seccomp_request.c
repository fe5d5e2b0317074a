/*
 * seccomp_request.c - what an open() asks the broker for: the device, and what `comlease run` has
 * put into the environment. It asks nobody; sent it is by seccomp_wait.c.
 */
#include "internal.h"
#include "seccomp_internal.h"

#include <stdlib.h>

/* A time in seconds with a fraction; what makes no sense: COMLEASE_FOREVER. */
static int64_t
seconds(const struct seccomp_environment *e, const char *name)
{
	const char *text = seccomp_environment_get(e, name);
	char *rest;
	double value = text ? strtod(text, &rest) : -1;

	return !text || rest == text || *rest || !(value >= 0 && value < 1e12)
		   ? COMLEASE_FOREVER
		   : (int64_t)(value * 1000);
}

/* Not UTF-8, not a message: then the device's number has to tell. */
static const char *
device_of(const struct seccomp_wish *wish, char printable[PATH_MAX])
{
	size_t i;

	if (wish->rdev == 0)
		return wish->absolute;
	for (i = 0; wish->absolute[i]; i++)
		printable[i] = (signed char)wish->absolute[i] > 0 ? wish->absolute[i] : '?';
	printable[i] = '\0';
	return printable;
}

void
seccomp_request_make(struct comlease_request *request, const struct seccomp_wish *wish,
		     const struct seccomp_environment *e, char printable[PATH_MAX])
{
	const struct comlease_request init = COMLEASE_REQUEST_INIT;
	const char *priority = seccomp_environment_get(e, "COMLEASE_PRIORITY");
	long value = priority ? strtol(priority, NULL, 10) : 0;

	*request = init;
	request->device = device_of(wish, printable);
	request->rdev = wish->rdev;
	request->wait_ms = seconds(e, "COMLEASE_WAIT");
	request->max_hold_ms = seconds(e, "COMLEASE_MAX_HOLD");
	if (request->max_hold_ms == 0)
		request->max_hold_ms = COMLEASE_FOREVER;
	request->priority = value < -100 || value > 100 ? 0 : (int)value;
	request->class_name = seccomp_environment_get(e, "COMLEASE_CLASS");
	request->label = seccomp_environment_get(e, "COMLEASE_LABEL");
	request->key = seccomp_environment_get(e, "COMLEASE_KEY");
}
