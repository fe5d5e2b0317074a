/*
 * broker.c - the broker process: one libevent loop, no capability, and nothing in it that blocks.
 * It takes messages from clients, keepers and the supervisor to the core, and carries out the
 * core's steps. Which step comes next it never decides itself.
 */
#include "broker.h"
#include "clock.h"
#include "log.h"

#include <errno.h>
#include <grp.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

struct port *
broker_find_port(struct broker *b, const char *name)
{
	struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry)
		if (strcmp(port->config.name, name) == 0)
			return port;
	return NULL;
}

/* ---- settling ---- */

/* Did the holder take what it was sent? If nobody is left to take it, the roster knows. */
static void
check_taken(struct port *port)
{
	struct request *r = port->holder;

	if (r->fd < 0 && (r->peer == NULL || peer_has_read_all(r->peer))) {
		lease_taken(&port->broker->host, &port->lease, port->lease.token);
		return;
	}
	if (r->peer != NULL)
		peer_kill(r->peer, "it was granted a port and does not take it");
	port->forced = true;
	port_end(port, LEASE_EXPIRED, "not taken by the client that was granted it");
}

static void
carry_out(const struct lease_step *step)
{
	struct port *port = (struct port *)step->port;
	struct request *r = (struct request *)step->request;

	switch (step->type) {
	case LEASE_STEP_GRANT:
		request_dequeued(r);
		port_open(port, r);
		break;
	case LEASE_STEP_TIMEOUT:
		request_dequeued(r);
		request_timed_out(r);
		break;
	case LEASE_STEP_FAIL:
		request_dequeued(r);
		r->port = port;
		request_failed(r, port->reason);
		break;
	case LEASE_STEP_TURNAROUND:
		port_turnaround(port, step);
		break;
	case LEASE_STEP_UNTAKEN:
		check_taken(port);
		break;
	case LEASE_STEP_LATE:
		port_late(port);
		break;
	case LEASE_STEP_YIELD:
		port_yield(port, step);
		break;
	case LEASE_STEP_KEEP:
		port_keep(port);
		break;
	case LEASE_STEP_REVOKE:
		port_revoke(port, step->reason);
		break;
	case LEASE_STEP_LINGERED:
		port_lingered(port);
		break;
	}
}

static void
set_alarm(struct broker *b)
{
	broker_alarm(b, b->notes_ms); /* the nearest first: then it is set once */
	broker_alarm(b, b->publish_ms);
	broker_alarm(b, lease_deadline(&b->host));
	broker_alarm_awake(b, lease_deadline_awake(&b->host));
}

void
broker_settle(struct broker *b)
{
	struct lease_step step;
	uint64_t doubt_ms;

	if (b->settling)
		return; /* a step led here: the loop below goes on */
	b->settling = true;
	doubt_ms = doubt_due(b, clock_now_ms());
	while (lease_next(&b->host, broker_now_ms(b), &step))
		carry_out(&step);
	b->settling = false;
	if (!TAILQ_EMPTY(&b->unplaced))
		broker_alarm(b, request_unplaced_due(b, clock_now_ms()));
	broker_alarm(b, doubt_ms);
	set_alarm(b);
	broker_serve(b);
}

/* ---- the supervisor ---- */

void
broker_serve(struct broker *b)
{
	const struct port *port;

	if (b->serving || b->listening < 0 || !b->configured)
		return;
	TAILQ_FOREACH (port, &b->ports, entry)
		if ((!port->reported && !port->late) || foreign_is_looking(port))
			return;
	b->serving = true;
	broker_listen(b);
	log_debug("serve");
	broker_tell_trouble(b);
}

void
broker_tell_trouble(struct broker *b)
{
	struct ipc_message m = { .type = IPC_SERVES };
	const struct port *port;

	TAILQ_FOREACH (port, &b->ports, entry)
		m.number += port->troubled;
	if (!b->serving || m.number == b->troubled)
		return;
	b->troubled = m.number;
	ipc_send(IPC_SUPERVISOR_FD, &m, -1);
}

/* Whoever it is: root's may be the same user still. */
static int
drop_capabilities(void)
{
	cap_t none = cap_init();
	int error = none == NULL || cap_set_proc(none) < 0 ? -errno : 0;

	cap_free(none);
	return error;
}

static int
become(const struct ipc_message *m)
{
	gid_t gid = (gid_t)m->token;
	uid_t uid = (uid_t)m->number;

	if (m->flag && (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 ||
			setresuid(uid, uid, uid) < 0))
		return -errno;
	return drop_capabilities();
}

/* Ports that have gone, changed or come. One that has another device is another port. */
static void
apply_config(struct broker *b, struct config *new)
{
	const struct config_port *config;
	struct port *port, *next;
	size_t i;

	for (port = TAILQ_FIRST(&b->ports); port != NULL; port = next) {
		next = TAILQ_NEXT(port, entry);
		config = config_find(new, port->config.name);
		if (config == NULL || !config_same_device(config, &port->config)) {
			port_free(port);
			continue;
		}
		port->config = *config;
		port_policy(port);
	}
	for (i = 0; i < new->port_count; i++) {
		port = broker_find_port(b, new->ports[i].name);
		if (port != NULL) { /* into the order of the files */
			TAILQ_REMOVE(&b->ports, port, entry);
			TAILQ_INSERT_TAIL(&b->ports, port, entry);
			publish_port(port);
		} else if (port_new(b, &new->ports[i]) < 0) {
			log_line("port=%s error=no memory", new->ports[i].name);
		}
	}
	config_free(&b->config);
	b->config = *new;
	pool_changed(b);
	broker_tell_trouble(b);
}

static int
handle_config(struct broker *b, const struct ipc_message *m, int fd)
{
	const struct config_rules rules = { .privileged = true,
					    .can_revoke = true,
					    .resolved = true };
	char error[CONFIG_ERROR_MAX];
	struct config new;
	int result = b->configured ? 0 : become(m);

	if (result < 0) {
		log_line("user uid=%lu error=%s", (unsigned long)m->number, strerror(-result));
		return result;
	}
	result = config_read(fd, "the supervisor's configuration", &rules, &new, error);
	if (result < 0) {
		log_line("%s", error);
		return b->configured ? 0 : result;
	}
	apply_config(b, &new);
	b->configured = true;
	broker_serve(b);
	return 0;
}

static void
handle_listen(struct broker *b, const struct ipc_message *m, int fd)
{
	uint64_t now = clock_now_ms();

	b->listening = dup(fd);
	b->spare = dup(fd);
	b->hold_until_ms = m->flag ? now + BROKER_HOLD_MS : 0;
	b->returns_until_ms = m->flag ? now + BROKER_RETURN_MS : 0;
	lease_host_init(&b->host, m->number, BROKER_TAKE_MS, b->hold_until_ms);
}

static void
answer_ping(const struct ipc_message *m)
{
	struct ipc_message answer = { .type = IPC_PONG, .id = m->id };

	ipc_send(IPC_SUPERVISOR_FD, &answer, -1);
}

static int
handle(struct broker *b, const struct ipc_message *m, int fd)
{
	struct port *port;

	switch (m->type) {
	case IPC_LISTEN:
		handle_listen(b, m, fd);
		break;
	case IPC_CONFIG:
		return handle_config(b, m, fd);
	case IPC_CHANNEL:
		port = broker_find_port(b, m->text);
		if (port != NULL && fd >= 0)
			port_connect(port, dup(fd));
		break;
	case IPC_ANSWER:
		port = broker_find_port(b, m->text);
		if (port != NULL)
			request_answered(port, m->id, m->flag);
		break;
	case IPC_INSPECTOR:
		if (fd >= 0)
			foreign_connect(b, dup(fd));
		break;
	case IPC_PING:
		answer_ping(m);
		break;
	default:
		log_line("unknown message type=%u from the supervisor", m->type);
	}
	return 0;
}

static void
on_supervisor(evutil_socket_t socket, short what, void *arg)
{
	struct broker *b = arg;
	struct ipc_message m;
	int fd, result;

	(void)what;
	while ((result = ipc_receive(socket, &m, &fd)) == 0) {
		result = handle(b, &m, fd);
		if (fd >= 0)
			close(fd);
		/* a client waits for what follows from an answer, and nearly always it is alone */
		if (result < 0 || m.type == IPC_ANSWER)
			break;
	}
	if (result < 0) { /* it has ended, or told us what we can't do */
		event_base_loopbreak(b->base);
		return;
	}
	broker_settle(b);
}

/* ---- start and end ---- */

static struct event_base *
new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config != NULL) {
		event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
		base = event_base_new_with_config(config);
		event_config_free(config);
	}
	return base;
}

static void
clear(struct broker *b)
{
	broker_accept_clear(b);
	while (!TAILQ_EMPTY(&b->ports))
		port_free(TAILQ_FIRST(&b->ports));
	publish_notes(b);
	foreign_free(b);
	broker_alarm_free(b);
	event_del(&b->supervisor);
	config_free(&b->config);
	event_base_free(b->base);
}

int
broker_main(void)
{
	struct broker b = { .listening = -1, .spare = -1, .inspector = -1, .troubled = UINT64_MAX };

	log_set_role("broker");
	prctl(PR_SET_NAME, "comleased-brk");
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	/* A long message's memory goes back to the system, however the small ones lie around it. */
	mallopt(M_MMAP_THRESHOLD, 16 * 1024);
	TAILQ_INIT(&b.ports);
	lease_host_init(&b.host, 1, BROKER_TAKE_MS, 0);
	b.base = new_base();
	if (b.base == NULL) {
		log_line("start error=no event loop");
		return EX_OSERR;
	}
	TAILQ_INIT(&b.unplaced);
	TAILQ_INIT(&b.doubted);
	broker_accept_init(&b);
	publish_init(&b);
	foreign_init(&b);
	if (broker_alarm_init(&b) < 0) {
		log_line("start error=no timer");
		return EX_OSERR;
	}
	event_assign(&b.supervisor, b.base, IPC_SUPERVISOR_FD, EV_READ | EV_PERSIST, on_supervisor,
		     &b);
	event_add(&b.supervisor, NULL);
	event_base_dispatch(b.base);
	clear(&b);
	return EX_OK;
}
