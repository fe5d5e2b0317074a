/*
 * shim_port.c - which ports there are: by COMLEASE_DEVICES and COMLEASE_LOCK_DIR, which
 * `comlease run` sets; without it, by the broker's List. It refuses to know what for.
 *
 * The tricky idea: it is asked on behalf of calls that never wait and are no cancellation points
 * (stat, unlink, ioctl), so a thread can't be cancelled in here.
 */
#include "internal.h"
#include "shim.h"
#include "shim_wait.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#define ANSWER_MS 2000

struct search {
	bool (*matches)(const struct shim_port *, void *);
	void *context;
	const char *lock_dir;
};

static bool
is_it(const char *device, void *context)
{
	const struct search *search = context;
	struct shim_port port = { .device = device, .lock_dir = search->lock_dir };

	return search->matches(&port, search->context);
}

static bool
is_in_list(const json_t *list, const struct search *search)
{
	json_t *ports = json_object_get(list, "ports"), *each;
	size_t i;

	json_array_foreach (ports, i, each) {
		struct shim_port port = {
			.device = json_string_value(json_object_get(each, "device")),
			.rdev = (dev_t)json_integer_value(json_object_get(each, "rdev")),
			.lock_dir = json_string_value(json_object_get(list, "lockDir")),
		};

		if (port.device && search->matches(&port, search->context))
			return true;
	}
	return false;
}

/* Where nobody answers there is no port. */
static bool
ask(const struct search *search)
{
	struct shim_wait wait;
	json_t *list = NULL;
	bool any;

	if (shim_wait_begin(&wait) < 0)
		return false;
	any = comlease_try_connect(wait.connection) == 0 &&
	      comlease_call_more(wait.connection, "io.comlease.List", NULL) == 0 &&
	      comlease_next_reply(wait.connection, &list, ANSWER_MS) >= 0 &&
	      is_in_list(list, search);
	json_decref(list);
	shim_wait_disconnect(&wait);
	shim_wait_end(&wait, -1);
	return any;
}

bool
shim_any_port(bool (*matches)(const struct shim_port *, void *context), void *context)
{
	struct search search = { matches, context, shim_environment("COMLEASE_LOCK_DIR") };
	int error = errno, state;
	bool any;

	if (shim_environment("COMLEASE_DEVICES")) {
		any = shim_any_listed(is_it, &search);
	} else {
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
		any = ask(&search);
		pthread_setcancelstate(state, NULL);
	}
	errno = error;
	return any;
}

static bool
has_number(const struct shim_port *port, void *context)
{
	const dev_t *rdev = context;
	struct shim_stat status;

	if (port->rdev == *rdev)
		return true;
	shim_stat(AT_FDCWD, port->device, 0, &status);
	return status.error == 0 && S_ISCHR(status.mode) && status.rdev == *rdev;
}

bool
shim_is_managed(const struct shim_stat *status)
{
	dev_t rdev = status->rdev;

	return status->error == 0 && S_ISCHR(status->mode) && comlease_can_be_serial(rdev) &&
	       shim_any_port(has_number, &rdev);
}
