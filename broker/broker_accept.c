/*
 * broker_accept.c - the clients' connections: who may come in, how many, what is told to whoever
 * may not, and what goes with a connection that ends. A connection that ends is freed by the loop,
 * when nobody up the stack uses it; until then it stays in its list, so that who walks along that
 * list may end any connection.
 */
#include "broker.h"
#include "log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct account *
find_account(struct broker *b, uid_t uid)
{
	struct account *account;

	TAILQ_FOREACH (account, &b->accounts, entry)
		if (account->uid == uid)
			return account;
	account = calloc(1, sizeof(*account));
	if (account != NULL) {
		account->uid = uid;
		TAILQ_INSERT_TAIL(&b->accounts, account, entry);
	}
	return account;
}

/* Told and closed: too many connections. */
static void
turn_away(struct peer *p, unsigned limit, const char *whose, const char *key)
{
	char text[160];

	snprintf(text, sizeof(text), "more than %u connections %s (%s)", limit, whose, key);
	log_line("turn away pid=%ld uid=%ld: %s", (long)p->pid, (long)p->uid, text);
	peer_send(
	    p, varlink_error_new("io.comlease.QuotaExceeded", json_pack("{s:s}", "message", text)),
	    -1);
	peer_close(p);
}

/* Root has a few in reserve, to look and to mend. */
#define RESERVE 16

static void
add_peer(struct broker *b, int socket)
{
	struct account *account;
	struct peer *p;
	unsigned reserve;
	int error = peer_new(b->base, socket, &service_handler, b, &p);

	if (error < 0) {
		log_line("accept error=%s", strerror(-error));
		return;
	}
	TAILQ_INSERT_TAIL(&b->peers, p, entry);
	b->connections++;
	account = find_account(b, p->uid);
	if (account == NULL) {
		peer_kill(p, "no memory");
		return;
	}
	account->connections++;
	reserve = p->uid == 0 ? RESERVE : 0;
	if (account->connections > b->config.connections_uid_max + reserve)
		turn_away(p, b->config.connections_uid_max, "of one user",
			  "max-connections-per-user");
	else if (b->connections > b->config.connections_max + reserve)
		turn_away(p, b->config.connections_max, "in all", "max-connections");
}

static void
remove_peer(struct broker *b, struct peer *p)
{
	struct account *account = find_account(b, p->uid);

	b->connections--;
	if (account != NULL && account->connections > 0 && --account->connections == 0) {
		TAILQ_REMOVE(&b->accounts, account, entry);
		free(account);
	}
	peer_free(p);
}

void
broker_peer_gone(struct broker *b, struct peer *p)
{
	struct port *port;

	if (p->request != NULL)
		request_gone(p->request);
	TAILQ_FOREACH (port, &b->ports, entry) {
		if (port->revoker == p)
			port->revoker = NULL;
		if (port->evictor == p)
			port->evictor = NULL;
	}
	TAILQ_INSERT_TAIL(&b->dead, p, dead_entry);
	event_active(&b->reaper, EV_TIMEOUT, 0);
}

/* Freed here, where nobody up the stack uses them. */
static void
on_reap(evutil_socket_t socket, short what, void *arg)
{
	struct broker *b = arg;
	struct peer *p;

	(void)socket;
	(void)what;
	while ((p = TAILQ_FIRST(&b->dead)) != NULL) {
		TAILQ_REMOVE(&b->dead, p, dead_entry);
		if (p->subscription != NULL)
			publish_unsubscribe(b, p);
		if (p->watch != NULL)
			watch_drop(p);
		TAILQ_REMOVE(&b->peers, p, entry);
		remove_peer(b, p);
	}
	broker_settle(b);
}

static void
refuse_connection(int fd)
{
	static const char told[] = "{\"error\":\"io.comlease.QuotaExceeded\",\"parameters\":{"
				   "\"message\":\"the broker has no "
				   "descriptor left; try again\"}}";

	(void)send(fd, told, sizeof(told), MSG_NOSIGNAL | MSG_DONTWAIT);
	peer_discard(fd);
}

/* The last descriptors are not for connections but for what the connected ones are granted: four a
 * port at the most (channel, descriptor, two of the holder), and a few. */
static bool
is_reserved(const struct broker *b, int fd)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	       (rlim_t)fd + 4 * b->config.port_count + 8 >= limit.rlim_cur;
}

/* No descriptor is left: with the spare one the next client is told, and listening pauses, or the
 * loop would spin on a connection that it can't take. */
static void
out_of_descriptors(struct broker *b)
{
	const struct timeval pause = { .tv_usec = 100000 };
	int fd;

	if (b->spare >= 0) {
		close(b->spare);
		fd = accept4(b->listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0)
			refuse_connection(fd);
		b->spare = dup(b->listening);
	}
	log_line("accept error=%s; pausing", strerror(EMFILE));
	event_del(&b->accept);
	event_add(&b->accept_again, &pause);
}

static void
on_accept_again(evutil_socket_t socket, short what, void *arg)
{
	struct broker *b = arg;

	(void)socket;
	(void)what;
	if (b->spare < 0)
		b->spare = dup(b->listening);
	event_add(&b->accept, NULL);
}

static void
on_accept(evutil_socket_t socket, short what, void *arg)
{
	struct broker *b = arg;
	int fd, n;

	(void)what;
	for (n = 0; n < 16; n++) { /* the others have their turn too */
		fd = accept4(socket, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd >= 0 && is_reserved(b, fd)) {
			refuse_connection(fd);
		} else if (fd >= 0) {
			add_peer(b, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
			out_of_descriptors(b);
			return;
		} else if (errno != EINTR && errno != ECONNABORTED) {
			return;
		}
	}
}

void
broker_listen(struct broker *b)
{
	event_assign(&b->accept, b->base, b->listening, EV_READ | EV_PERSIST, on_accept, b);
	event_add(&b->accept, NULL);
}

void
broker_accept_init(struct broker *b)
{
	TAILQ_INIT(&b->peers);
	TAILQ_INIT(&b->dead);
	TAILQ_INIT(&b->subscribers);
	TAILQ_INIT(&b->accounts);
	evtimer_assign(&b->reaper, b->base, on_reap, b);
	evtimer_assign(&b->accept_again, b->base, on_accept_again, b);
}

void
broker_accept_clear(struct broker *b)
{
	struct peer *p;

	TAILQ_FOREACH (p, &b->subscribers, entry)
		peer_kill(p, NULL);
	TAILQ_FOREACH (p, &b->peers, entry)
		peer_kill(p, NULL);
	on_reap(-1, 0, b);
	event_del(&b->reaper);
	event_del(&b->accept_again);
	if (b->serving)
		event_del(&b->accept);
	if (b->listening >= 0)
		close(b->listening);
	if (b->spare >= 0)
		close(b->spare);
}
