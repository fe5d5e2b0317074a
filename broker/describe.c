/*
 * describe.c - ports, pools, leases, waiters and foreign holders as JSON (io.comlease.varlink). It
 * decides nothing; the sentences are describe_text.c's. The optional members of an object are left
 * out with jansson's "s*" and "o*".
 */
#include "broker.h"
#include "clock.h"

#include <string.h>

static const char *
or_null(const char *text)
{
	return *text != '\0' ? text : NULL;
}

/* A time of the clock of deadlines as one for people. */
static json_t *
real_time(bool known, uint64_t at_ms)
{
	if (!known)
		return NULL;
	return json_integer(clock_real_ms() + (json_int_t)(at_ms - clock_now_ms()));
}

json_t *
describe_process(const struct request *r)
{
	return json_pack("{s:I, s:I, s:s*}", "pid", (json_int_t)r->pid, "uid", (json_int_t)r->uid,
			 "command", or_null(r->command));
}

/* What a holder's program may be told to open. The link that the supervisor keeps to a device
 * (hotplug.h) is no name in /dev, on which some programs insist; its node is the same as long as
 * the lease lives. */
static const char *
leased_path(const struct port *port)
{
	if (port->node[0] != '\0' && config_is_link(&port->broker->config, &port->config))
		return port->node;
	return port->config.device;
}

json_t *
describe_lease(const struct port *port, const struct request *holder)
{
	const struct lease_port *lease = &port->lease;
	json_t *until = NULL;

	if (lease->max_hold_ms != LEASE_NEVER) /* of a clock that counts suspend, as this one */
		until = json_integer(holder->since_real_ms + (json_int_t)lease->max_hold_ms);
	return json_pack(
	    "{s:I, s:s, s:s, s:o, s:s*, s:s*, s:b, s:I, s:I, s:i, s:o*, s:o*, s:o*, s:s*}", "token",
	    (json_int_t)lease->token, "port", port->config.name, "device", leased_path(port),
	    "owner", describe_process(holder), "label", or_null(holder->label), "class",
	    or_null(holder->class), "standby", (int)lease->standby, "since",
	    (json_int_t)holder->since_real_ms, "waited", (json_int_t)holder->waited_ms,
	    "descriptions", (int)holder->descriptions, "busySince",
	    real_time(lease->standby && lease->busy, lease->busy_since_ms), "yieldBy",
	    real_time(lease->state == LEASE_YIELDING, lease->yield_by_ms), "until", until, "pool",
	    or_null(holder->pool));
}

/* ---- who waits ---- */

static json_t *
describe_waiter(const struct lease_place *place, size_t nth)
{
	const struct request *r = (const struct request *)place->request;
	char why[256];

	describe_place(place, why, sizeof(why));
	return json_pack("{s:I, s:s, s:o, s:s*, s:s*, s:b, s:i, s:s*, s:I, s:o*}", "place",
			 (json_int_t)nth, "why", why, "owner", describe_process(r), "label",
			 or_null(r->label), "class", or_null(r->class), "standby",
			 (int)r->core.standby, "priority", r->core.priority, "pool",
			 or_null(r->pool), "since", (json_int_t)r->since_real_ms, "deadline",
			 real_time(r->wait_ms >= 0, r->core.deadline_ms));
}

static json_t *
describe_waiters(const struct port *port)
{
	const struct lease_place *place = lease_first(&port->lease);
	json_t *array = json_array();
	size_t nth = 1;

	for (; array != NULL && place != NULL && nth <= BROKER_WAITERS_SHOWN;
	     place = lease_after(place), nth++)
		if (json_array_append_new(array, describe_waiter(place, nth)) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

/* ---- foreign holders ---- */

json_t *
describe_foreigner(const struct foreign *f, unsigned count)
{
	json_t *process = NULL;
	char how[128];

	if (f->pid < 0)
		return NULL;
	if (f->pid > 0)
		process = json_pack("{s:I, s:I, s:s*}", "pid", (json_int_t)f->pid, "uid",
				    (json_int_t)f->uid, "command", or_null(f->command));
	describe_how(f, how, sizeof(how));
	return json_pack("{s:o*, s:s, s:s*, s:I, s:I}", "process", process, "how", how, "unit",
			 or_null(f->unit), "since", (json_int_t)f->since_real_ms, "others",
			 (json_int_t)(count > 1 ? count - 1 : 0));
}

json_t *
describe_foreign(const struct port *port)
{
	if (port->lease.state != LEASE_FOREIGN)
		return NULL;
	return describe_foreigner(&port->foreign, port->foreigners);
}

static json_t *
describe_intruder(const struct port *port)
{
	if (!lease_is_held(&port->lease))
		return NULL;
	return describe_foreigner(&port->intruder, port->foreigners);
}

/* ---- ports and pools ---- */

/* "0403:6001"; NULL: it is not on USB. */
static const char *
usb_id(const struct port *port)
{
	static const char prefix[] = "usb:";
	size_t n = strlen(prefix);

	return strncmp(port->identity, prefix, n) == 0 ? port->identity + n : NULL;
}

json_t *
describe_port(const struct port *port)
{
	const struct lease_port *lease = &port->lease;
	bool is_there = port->rdev != 0, is_link;
	char reason[512];

	is_link = config_is_link(&port->broker->config, &port->config);
	return json_pack(
	    "{s:s, s:s, s:o*, s:o*, s:s*, s:s*, s:s, s:s*, s:I, s:b, s:b, s:s*, s:o*, s:o*, s:o*, "
	    "s:I, s:o}",
	    "name", port->config.name, "device", port->config.device, "link",
	    is_link ? json_true() : NULL, "rdev",
	    is_there ? json_integer((json_int_t)port->rdev) : NULL, "node",
	    is_there ? or_null(port->node) : NULL, "usb", is_there ? usb_id(port) : NULL, "state",
	    lease_state_name(lease->state), "reason", describe_reason(port, reason, sizeof(reason)),
	    "since", (json_int_t)(clock_real_ms() - (int64_t)(clock_now_ms() - lease->since_ms)),
	    "disabled", (int)lease->disabled, "revocable", (int)port->config.revocable, "notice",
	    foreign_notice(port), "foreign", describe_foreign(port), "intruder",
	    describe_intruder(port), "lease",
	    port->holder == NULL ? NULL : describe_lease(port, port->holder), "waiting",
	    (json_int_t)lease->waiting, "waiters", describe_waiters(port));
}

json_t *
describe_waiting(const struct request *r, size_t ahead)
{
	const struct port *port = r->port;
	char reason[512];

	return json_pack("{s:s, s:s, s:s, s:s*, s:I, s:o*, s:o*}", "port", port->config.name,
			 "device", port->config.device, "state",
			 lease_state_name(port->lease.state), "reason",
			 describe_reason(port, reason, sizeof(reason)), "ahead", (json_int_t)ahead,
			 "holder", port->holder == NULL ? NULL : describe_lease(port, port->holder),
			 "foreign", describe_foreign(port));
}

static bool
is_named(const json_t *names, const char *name)
{
	const json_t *each;
	size_t i;

	json_array_foreach (names, i, each)
		if (strcmp(json_string_value(each), name) == 0)
			return true;
	return names == NULL;
}

static json_t *
describe_pool(const struct broker *b, const struct config_pool *pool)
{
	json_t *ports = json_array();
	const struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry)
		if (pool_has(pool, port))
			json_array_append_new(ports, json_string(port->config.name));
	return json_pack("{s:s, s:o}", "name", pool->name, "ports", ports);
}

json_t *
describe_pools(const struct broker *b, const json_t *names)
{
	json_t *pools = json_array();
	size_t i;

	for (i = 0; i < b->config.pool_count; i++)
		if (is_named(names, b->config.pools[i].name) &&
		    json_array_append_new(pools, describe_pool(b, &b->config.pools[i])) < 0) {
			json_decref(pools);
			return NULL;
		}
	return pools;
}
