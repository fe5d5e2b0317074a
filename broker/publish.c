/*
 * publish.c - who is told of changes. The state of ports goes to List and Acquire with `more` a
 * little later, so that a hand-over that changes a port five times in a millisecond costs one
 * message, after the grant and not before it. Likewise the events that every hand-over has: they
 * are noted, and go to the log and to the monitors a moment later; all others go at once, and never
 * before what was noted. Only the first waiters are told their place: the work does not grow with
 * the queue.
 */
#include "broker.h"
#include "clock.h"
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PUBLISH_MS 50
#define NOTES_MS   20

struct subscription {
	enum subscription_kind kind;
	json_t *ports; /* an array of names, or NULL: all */
};

static bool
concerns(const struct subscription *s, const char *name)
{
	const json_t *each;
	size_t i;

	if (s->ports == NULL)
		return true;
	json_array_foreach (s->ports, i, each)
		if (strcmp(json_string_value(each), name) == 0)
			return true;
	return false;
}

/* ---- subscriptions ---- */

int
publish_subscribe(struct broker *b, struct peer *p, enum subscription_kind kind, json_t *ports)
{
	struct subscription *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->kind = kind;
	s->ports = json_incref(ports);
	p->subscription = s;
	b->monitors += kind == SUBSCRIBE_MONITOR;
	TAILQ_REMOVE(&b->peers, p, entry);
	TAILQ_INSERT_TAIL(&b->subscribers, p, entry);
	return 0;
}

void
publish_unsubscribe(struct broker *b, struct peer *p)
{
	struct subscription *s = p->subscription;

	b->monitors -= s->kind == SUBSCRIBE_MONITOR;
	json_decref(s->ports);
	free(s);
	p->subscription = NULL;
	TAILQ_REMOVE(&b->subscribers, p, entry);
	TAILQ_INSERT_TAIL(&b->peers, p, entry);
}

/* ---- ports ---- */

static void
arm(struct broker *b)
{
	if (b->publish_ms != LEASE_NEVER)
		return;
	b->publish_ms = clock_now_ms() + PUBLISH_MS;
	broker_alarm(b, b->publish_ms);
}

void
publish_port(struct port *port)
{
	port->changed = true;
	arm(port->broker);
}

static void
send_ports(struct peer *p, json_t *ports)
{
	if (json_array_size(ports) == 0) {
		json_decref(ports);
		return;
	}
	peer_send(p, varlink_reply_new(json_pack("{s:o}", "ports", ports), true), -1);
}

void
publish_removed(struct port *port)
{
	struct broker *b = port->broker;
	struct peer *p;

	TAILQ_FOREACH (p, &b->subscribers, entry) {
		if (p->dead || p->subscription->kind != SUBSCRIBE_LIST ||
		    !concerns(p->subscription, port->config.name))
			continue;
		send_ports(p, json_pack("[{s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:i, s:[]}]", "name",
					port->config.name, "device", port->config.device, "state",
					"absent", "reason", "no longer configured", "since",
					(json_int_t)clock_real_ms(), "disabled", 0, "revocable",
					(int)port->config.revocable, "waiting", 0, "waiters"));
	}
}

/* Anything that was not told yet. */
static bool
is_news(struct request *r, int64_t ahead)
{
	const struct port *port = r->port;
	const struct request_told now = {
		.ahead = ahead,
		.token = port->lease.token,
		.port = port,
		.state = port->lease.state,
		.busy = port->lease.busy,
		.foreigner = foreign_is_looking(port) ? -1 : port->foreign.pid,
	};
	const struct request_told *old = &r->told;
	bool news = now.ahead != old->ahead || now.token != old->token || now.port != old->port ||
		    now.state != old->state || now.busy != old->busy ||
		    now.foreigner != old->foreigner;

	r->told = now;
	return news;
}

void
publish_waiting(struct request *r)
{
	const struct lease_place *place;
	size_t ahead;

	request_look_ahead(r);
	place = lease_place_at(&r->core, &r->port->lease);
	ahead = place != NULL ? lease_ahead(place) : 0;
	if (!is_news(r, (int64_t)ahead))
		return;
	peer_send(
	    r->peer,
	    varlink_reply_new(json_pack("{s:o}", "waiting", describe_waiting(r, ahead)), true), -1);
}

static void
tell_waiters(struct port *port)
{
	struct lease_place *each = lease_first(&port->lease), *next;
	int shown;

	for (shown = 0; each != NULL && shown < BROKER_WAITERS_SHOWN; each = next, shown++) {
		struct request *r = (struct request *)each->request;

		next =
		    lease_after(each); /* sending can end a connection, and with it the request */
		if (r->more && r->peer != NULL)
			publish_waiting(r);
	}
}

static void
tell_subscriber(struct broker *b, struct peer *p)
{
	json_t *ports = json_array();
	struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry)
		if (port->changed && concerns(p->subscription, port->config.name) &&
		    json_array_append_new(ports, describe_port(port)) < 0) {
			json_decref(ports);
			peer_kill(p, "no memory");
			return;
		}
	send_ports(p, ports);
}

static void
publish_changes(struct broker *b)
{
	struct peer *p;
	struct port *port;

	b->publish_ms = LEASE_NEVER;
	TAILQ_FOREACH (p, &b->subscribers, entry)
		if (!p->dead && p->subscription->kind == SUBSCRIBE_LIST)
			tell_subscriber(b, p);
	TAILQ_FOREACH (port, &b->ports, entry) {
		if (port->changed)
			tell_waiters(port);
		port->changed = false;
	}
}

void
publish_due(struct broker *b, uint64_t now_ms)
{
	if (b->notes_ms <= now_ms)
		publish_notes(b);
	if (b->publish_ms <= now_ms)
		publish_changes(b);
}

void
publish_init(struct broker *b)
{
	b->publish_ms = b->notes_ms = LEASE_NEVER;
	TAILQ_INIT(&b->over);
	TAILQ_INIT(&b->ended);
}

/* ---- events ---- */

static size_t
put(char *line, size_t n, size_t size, const char *key, const char *value)
{
	char quoted[320];
	int more;

	if (value == NULL || n >= size)
		return n;
	more =
	    snprintf(line + n, size - n, " %s=%s", key, log_quote(value, quoted, sizeof(quoted)));
	return n + (more > 0 ? (size_t)more : 0);
}

static size_t
put_number(char *line, size_t n, size_t size, const char *key, int64_t value)
{
	char text[24];

	if (value < 0)
		return n;
	snprintf(text, sizeof(text), "%" PRId64, value);
	return put(line, n, size, key, text);
}

/* Who it is about: a client, or somebody outside. */
static size_t
put_process(char *line, size_t n, size_t size, int64_t pid, int64_t uid, const char *command)
{
	n = put_number(line, n, size, "pid", pid);
	n = put_number(line, n, size, "uid", uid);
	if (*command != '\0' && n < size) /* escaped when it was read */
		n += (size_t)snprintf(
		    line + n, size - n,
		    strchr(command, ' ') != NULL ? " command=\"%s\"" : " command=%s", command);
	return n;
}

static void
log_event(const struct publish_event *e)
{
	const struct request *r = e->request;
	const struct foreign *f = e->foreign;
	char line[1000];
	size_t n = 0;

	line[0] = '\0';
	n = put(line, n, sizeof(line), "port", e->port->config.name);
	n = put_number(line, n, sizeof(line), "token", e->token != 0 ? (int64_t)e->token : -1);
	if (f != NULL && f->pid > 0) {
		n = put_process(line, n, sizeof(line), f->pid, (int64_t)f->uid, f->command);
	} else if (r != NULL) {
		n = put_process(line, n, sizeof(line), r->pid, (int64_t)r->uid, r->command);
		n = put(line, n, sizeof(line), "label", *r->label != '\0' ? r->label : NULL);
		n = put(line, n, sizeof(line), "class", *r->class != '\0' ? r->class : NULL);
	}
	n = put(line, n, sizeof(line), "state", e->state);
	n = put(line, n, sizeof(line), "reason", e->reason);
	n = put(line, n, sizeof(line), "detail", e->detail);
	n = put_number(line, n, sizeof(line), "waited_ms", e->waited_ms);
	put_number(line, n, sizeof(line), "held_ms", e->held_ms);
	log_line("%s%s", e->event, line);
}

static json_t *
describe_owner(const struct publish_event *e)
{
	const struct foreign *f = e->foreign;

	if (f != NULL && f->pid > 0)
		return json_pack("{s:I, s:I, s:s*}", "pid", (json_int_t)f->pid, "uid",
				 (json_int_t)f->uid, "command",
				 *f->command != '\0' ? f->command : NULL);
	return e->request == NULL || f != NULL ? NULL : describe_process(e->request);
}

static json_t *
describe_event(const struct publish_event *e)
{
	const struct request *r = e->foreign == NULL ? e->request : NULL;

	return json_pack(
	    "{s:I, s:s, s:s, s:o*, s:o*, s:s*, s:s*, s:s*, s:s*, s:o*, s:o*, s:s*}", "time",
	    (json_int_t)e->time_ms, "event", e->event, "port", e->port->config.name, "token",
	    e->token == 0 ? NULL : json_integer((json_int_t)e->token), "owner", describe_owner(e),
	    "label", r == NULL || *r->label == '\0' ? NULL : r->label, "class",
	    r == NULL || *r->class == '\0' ? NULL : r->class, "state", e->state, "reason",
	    e->reason, "waited", e->waited_ms < 0 ? NULL : json_integer(e->waited_ms), "held",
	    e->held_ms < 0 ? NULL : json_integer(e->held_ms), "detail", e->detail);
}

static void
emit(struct broker *b, const struct publish_event *noted)
{
	struct publish_event with = *noted;
	const struct publish_event *e = &with;
	char pool[CONFIG_NAME_MAX + 8];
	struct peer *p;
	json_t *event;

	if (e->detail == NULL && e->token == 0 && e->request != NULL && *e->request->pool != '\0') {
		snprintf(pool, sizeof(pool), "pool %s", e->request->pool);
		with.detail = pool;
	}
	log_event(e);
	if (b->monitors == 0)
		return;
	event = describe_event(e);
	TAILQ_FOREACH (p, &b->subscribers, entry)
		if (!p->dead && p->subscription->kind == SUBSCRIBE_MONITOR &&
		    concerns(p->subscription, e->port->config.name))
			peer_send(p, varlink_reply_new(json_pack("{s:[O]}", "events", event), true),
				  -1);
	json_decref(event);
}

void
publish_event(struct broker *b, const struct publish_event *e)
{
	struct publish_event now = *e;

	now.time_ms = clock_real_ms();
	publish_notes(b);
	emit(b, &now);
}

void
publish_note(struct broker *b, const struct publish_event *e)
{
	if (b->note_count == BROKER_NOTES_MAX)
		publish_notes(b);
	b->notes[b->note_count] = *e;
	b->notes[b->note_count].time_ms = clock_real_ms();
	b->note_count++;
	publish_notes_later(b);
}

void
publish_notes_later(struct broker *b)
{
	if (b->notes_ms != LEASE_NEVER)
		return;
	b->notes_ms = clock_now_ms() + NOTES_MS;
	broker_alarm(b, b->notes_ms);
}

void
publish_notes(struct broker *b)
{
	size_t i, n = b->note_count;
	struct request *over;

	if (b->notes_ms == LEASE_NEVER)
		return;
	b->note_count = 0;
	b->notes_ms = LEASE_NEVER;
	for (i = 0; i < n; i++) {
		emit(b, &b->notes[i]);
		if (b->notes[i].granted != NULL && b->notes[i].granted == b->notes[i].port->holder)
			request_look_closely(b->notes[i].granted);
	}
	while ((over = TAILQ_FIRST(&b->over)) != NULL) {
		TAILQ_REMOVE(&b->over, over, entry);
		request_free(over);
	}
	watch_tell_later(b);
}
