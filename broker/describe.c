/*
 * describe.c - ports, leases, waiters and events as JSON (io.comlease.varlink) and as sentences. It
 * decides nothing. The optional members of a JSON object are left out with jansson's "s*" and "o*".
 */
#include "broker.h"
#include "clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *
or_null(const char *text)
{
	return *text != '\0' ? text : NULL;
}

/* Why a free port is not granted: those who waited when the last broker went come back first. */
static const char *
held_back(const struct port *port)
{
	return port->lease.state == LEASE_FREE && clock_now_ms() < port->broker->hold_until_ms
		   ? "no grants for 2 s after a restart: those who had waited come back first"
		   : NULL;
}

static const char *
reason(const struct port *port)
{
	const char *held = held_back(port);

	return held != NULL ? held : or_null(port->reason);
}

json_t *
describe_process(const struct request *r)
{
	return json_pack("{s:I, s:I, s:s*}", "pid", (json_int_t)r->pid, "uid", (json_int_t)r->uid,
			 "command", or_null(r->command));
}

json_t *
describe_lease(const struct port *port, const struct request *holder)
{
	return json_pack("{s:I, s:s, s:s, s:o, s:s*, s:I, s:I, s:i}", "token",
			 (json_int_t)port->lease.token, "port", port->config.name, "device",
			 port->config.device, "owner", describe_process(holder), "label",
			 or_null(holder->label), "since", (json_int_t)holder->since_real_ms,
			 "waited", (json_int_t)holder->waited_ms, "descriptions",
			 (int)holder->descriptions);
}

static json_t *
describe_waiter(const struct request *r, size_t place)
{
	json_t *deadline = NULL;

	if (r->wait_ms >= 0)
		deadline = json_integer(clock_real_ms() +
					(json_int_t)(r->core.deadline_ms - clock_now_ms()));
	return json_pack("{s:I, s:o, s:s*, s:i, s:I, s:o*}", "place", (json_int_t)place, "owner",
			 describe_process(r), "label", or_null(r->label), "priority",
			 r->core.priority, "since", (json_int_t)r->since_real_ms, "deadline",
			 deadline);
}

static json_t *
describe_waiters(const struct port *port)
{
	const struct lease_request *r = lease_first(&port->lease);
	json_t *array = json_array();
	size_t place = 1;

	for (; array != NULL && r != NULL && place <= BROKER_WAITERS_SHOWN;
	     r = lease_after(r), place++)
		if (json_array_append_new(array,
					  describe_waiter((const struct request *)r, place)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

json_t *
describe_port(const struct port *port)
{
	const struct lease_port *lease = &port->lease;

	return json_pack(
	    "{s:s, s:s, s:o*, s:s, s:s*, s:I, s:b, s:o*, s:I, s:o}", "name", port->config.name,
	    "device", port->config.device, "rdev",
	    port->rdev == 0 ? NULL : json_integer((json_int_t)port->rdev), "state",
	    lease_state_name(lease->state), "reason", reason(port), "since",
	    (json_int_t)(clock_real_ms() - (int64_t)(clock_now_ms() - lease->since_ms)),
	    "revocable", (int)port->config.revocable, "lease",
	    port->holder == NULL ? NULL : describe_lease(port, port->holder), "waiting",
	    (json_int_t)lease->waiting, "waiters", describe_waiters(port));
}

json_t *
describe_waiting(const struct request *r, size_t ahead)
{
	const struct port *port = r->port;

	return json_pack("{s:s, s:s, s:s, s:s*, s:I, s:o*}", "port", port->config.name, "device",
			 port->config.device, "state", lease_state_name(port->lease.state),
			 "reason", reason(port), "ahead", (json_int_t)ahead, "holder",
			 port->holder == NULL ? NULL : describe_lease(port, port->holder));
}

static void
describe_holder(const struct request *r, char *text, size_t size)
{
	char clock[16] = "?";
	time_t since = (time_t)(r->since_real_ms / 1000);
	struct tm tm;

	if (localtime_r(&since, &tm) != NULL)
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	snprintf(text, size, "held by %s (pid %ld, uid %lu) since %s",
		 *r->command != '\0' ? r->command : "a process", (long)r->pid,
		 (unsigned long)r->uid, clock);
}

void
describe_why(const struct port *port, char *text, size_t size)
{
	switch (port->lease.state) {
	case LEASE_HELD:
		describe_holder(port->holder, text, size);
		break;
	case LEASE_ABSENT:
		snprintf(text, size, "%s",
			 *port->reason != '\0' ? port->reason : "the device is not there");
		break;
	case LEASE_FAULTED:
		snprintf(text, size, "%s", *port->reason != '\0' ? port->reason : "faulted");
		break;
	case LEASE_TURNAROUND:
		snprintf(text, size, "being hung up and cleaned after the last holder");
		break;
	case LEASE_FREE:
		snprintf(text, size, "%s",
			 held_back(port) ? held_back(port) : "free, but others are before you");
		break;
	}
}
