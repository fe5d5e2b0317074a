/*
 * peer.c - one connection. The tricky idea: it reads no further than one call, so that a client
 * which pipelines is served in its order and costs one message at most; meanwhile the end of the
 * connection is watched for (EV_CLOSED), since that is how a waiter leaves. Reading is switched off
 * only when something comes that may not be read yet: who does not pipeline costs no epoll_ctl().
 *
 * Who closes with a reply unread leaves EPOLLERR behind, and libevent takes that for EV_READ and
 * EV_WRITE alone: EV_CLOSED never comes, and epoll_wait() returns at once for ever. So on_read()
 * looks for the end too, and while reading is off the end is watched by an epoll instance of its
 * own, which is readable then, whatever the end was like.
 */
#include "peer.h"

#include "log.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

static void on_read(evutil_socket_t, short, void *);
static void on_write(evutil_socket_t, short, void *);
static void on_end(evutil_socket_t, short, void *);
static void on_late(evutil_socket_t, short, void *);

/* A call is being answered, or nothing more will be. */
static bool
is_engaged(const struct peer *p)
{
	return p->busy || p->closing;
}

/* The end, without what may be read. -errno. */
static int
watch_end_apart(struct peer *p)
{
	struct event_base *base = event_get_base(&p->end);
	struct epoll_event e = { .events = EPOLLRDHUP };

	p->apart = epoll_create1(EPOLL_CLOEXEC);
	if (p->apart < 0 || epoll_ctl(p->apart, EPOLL_CTL_ADD, p->socket, &e) < 0)
		return -errno;
	event_del(&p->end);
	event_assign(&p->end, base, p->apart, EV_PERSIST | EV_READ, on_end, p);
	return event_add(&p->end, NULL) < 0 ? -ENOMEM : 0;
}

static void
watch_end_again(struct peer *p)
{
	struct event_base *base = event_get_base(&p->end);

	event_del(&p->end);
	close(p->apart);
	p->apart = -1;
	event_assign(&p->end, base, p->socket, EV_PERSIST | EV_CLOSED, on_end, p);
	event_add(&p->end, NULL);
}

static void
read_on(struct peer *p, bool on)
{
	int error;

	if (on == p->reading)
		return;
	p->reading = on;
	if (on) {
		watch_end_again(p);
		event_add(&p->read, NULL);
		return;
	}
	event_del(&p->read);
	error = watch_end_apart(p);
	if (error < 0)
		peer_kill(p, strerror(-error));
}

static void
watch(struct peer *p)
{
	const struct timeval limit = { .tv_sec = PEER_REQUEST_MS / 1000 };

	if (!is_engaged(p))
		read_on(p, true);
	/* The time runs from the first byte: what trickles in does not begin it anew, as it would
	 * if it were the time of a persistent event. */
	if (is_engaged(p) || !varlink_is_partial(&p->wire))
		event_del(&p->late);
	else if (!event_pending(&p->late, EV_TIMEOUT, NULL))
		event_add(&p->late, &limit);
}

static int
identify(struct peer *p)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(p->socket, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
		return -errno;
	p->pid = cred.pid;
	p->uid = cred.uid;
	return 0;
}

int
peer_new(struct event_base *base, int socket, const struct peer_handler *handler, void *owner,
	 struct peer **peer)
{
	struct peer *p = calloc(1, sizeof(*p));
	int error;

	if (p == NULL) {
		close(socket);
		return -ENOMEM;
	}
	p->socket = socket;
	p->apart = -1;
	p->handler = handler;
	p->owner = owner;
	varlink_init(&p->wire, socket, VARLINK_REQUEST_BYTES_MAX, false);
	error = identify(p);
	event_assign(&p->read, base, socket, EV_PERSIST | EV_READ, on_read, p);
	event_assign(&p->end, base, socket, EV_PERSIST | EV_CLOSED, on_end, p);
	event_assign(&p->write, base, socket, EV_PERSIST | EV_WRITE, on_write, p);
	evtimer_assign(&p->late, base, on_late, p);
	if (error == 0 && (event_add(&p->read, NULL) < 0 || event_add(&p->end, NULL) < 0))
		error = -ENOMEM;
	p->reading = true;
	if (error < 0) {
		peer_free(p);
		return error;
	}
	*peer = p;
	return 0;
}

static void
end(struct peer *p)
{
	if (p->dead)
		return;
	p->dead = true;
	event_del(&p->read);
	event_del(&p->end);
	event_del(&p->write);
	event_del(&p->late);
	p->handler->gone(p);
}

void
peer_kill(struct peer *p, const char *why)
{
	if (!p->dead && why != NULL)
		log_line("client pid=%ld uid=%ld cut off: %s", (long)p->pid, (long)p->uid, why);
	end(p);
}

void
peer_close(struct peer *p)
{
	if (varlink_unsent(&p->wire) > 0)
		p->closing = true;
	else
		end(p);
}

/* ---- sending ---- */

static void
flush(struct peer *p)
{
	int result = varlink_flush(&p->wire);

	if (result < 0) {
		end(p);
	} else if (result == VARLINK_AGAIN) {
		event_add(&p->write, NULL);
	} else {
		event_del(&p->write);
		if (p->closing)
			end(p);
	}
}

void
peer_send(struct peer *p, json_t *message, int fd)
{
	if (p->dead || message == NULL) {
		if (fd >= 0)
			close(fd);
		json_decref(message);
		peer_kill(p, "no memory for a reply");
		return;
	}
	if (varlink_unsent(&p->wire) > PEER_OUTBOX_BYTES_MAX) {
		if (fd >= 0)
			close(fd);
		json_decref(message);
		peer_kill(p, "it does not read its replies");
		return;
	}
	if (varlink_queue(&p->wire, message, fd) < 0)
		peer_kill(p, "no memory for a reply");
	else
		flush(p);
	json_decref(message);
}

static void
on_write(evutil_socket_t socket, short what, void *arg)
{
	(void)socket;
	(void)what;
	flush(arg);
}

/* ---- receiving ---- */

/* Hands over the calls that have come, one after another as they are answered. */
static void
hand_over(struct peer *p)
{
	struct varlink_call call;
	json_t *message;
	int result;

	p->handing_over = true;
	while (!p->dead && !p->busy && !p->closing) {
		result = varlink_next(&p->wire, &message, NULL);
		if (result == VARLINK_AGAIN)
			break;
		if (result < 0) {
			peer_kill(p, result == -ENOMEM ? "no memory"
						       : "what it sent is no JSON object");
			break;
		}
		p->busy = true;
		if (varlink_call_parse(message, &call) < 0)
			peer_kill(p, "what it sent is no Varlink call");
		else
			p->handler->call(p, &call);
		json_decref(message);
	}
	p->handing_over = false;
	if (!p->dead)
		watch(p);
}

static const char *
receive_error(int error)
{
	if (error == -EMSGSIZE)
		return "a message is longer than 64 KiB";
	if (error == -EPROTO)
		return "it sent a descriptor, or half a message";
	return strerror(-error);
}

static void
on_late(evutil_socket_t socket, short what, void *arg)
{
	(void)socket;
	(void)what;
	peer_kill(arg, "its request did not arrive whole within 5 s");
}

static bool
has_ended(const struct peer *p)
{
	struct pollfd end = { .fd = p->socket, .events = POLLRDHUP };

	return poll(&end, 1, 0) > 0;
}

static void
on_read(evutil_socket_t socket, short what, void *arg)
{
	struct peer *p = arg;
	int result;

	(void)socket;
	(void)what;
	if (is_engaged(p)) {
		if (has_ended(p))
			end(p);
		else
			read_on(p, false);
		return;
	}
	result = varlink_receive(&p->wire);
	if (result < 0)
		peer_kill(p, receive_error(result));
	else if (result == VARLINK_EOF)
		end(p);
	else
		hand_over(p);
}

static void
on_end(evutil_socket_t socket, short what, void *arg)
{
	struct peer *p = arg;

	(void)socket;
	(void)what;
	if (is_engaged(p))
		end(p); /* else what came before is read first, and then the end */
}

void
peer_done(struct peer *p)
{
	p->busy = false;
	if (p->dead || p->handing_over)
		return; /* hand_over() goes on by itself */
	watch(p);
	/* Not from here: whoever answers must not find himself in the next call. */
	if (varlink_has_input(&p->wire))
		event_active(&p->read, EV_READ, 0);
}

/* ---- about the client ---- */

bool
peer_has_read_all(const struct peer *p)
{
	int unread = 0;

	return varlink_unsent(&p->wire) == 0 && ioctl(p->socket, SIOCOUTQ, &unread) == 0 &&
	       unread == 0;
}

/* ---- the end ---- */

static void *
close_in_thread(void *arg)
{
	close((int)(intptr_t)arg);
	return NULL;
}

/* The last close of a lingering TCP socket in there can block for hours: in a thread that does
 * nothing else. */
static void
discard_socket(int socket)
{
	pthread_attr_t attributes;
	pthread_t thread;

	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, 64 * 1024);
	if (pthread_create(&thread, &attributes, close_in_thread, (void *)(intptr_t)socket) != 0)
		log_line("socket=%d kept open: no thread to close it in", socket);
	pthread_attr_destroy(&attributes);
}

/* Unread data may carry descriptors, unless the kernel refuses them. After SHUT_RD none can come.
 */
static bool
may_hold_descriptors(int socket)
{
	int passes = 1, unread = 1;
	socklen_t size = sizeof(passes);

	if (getsockopt(socket, SOL_SOCKET, SO_PASSRIGHTS, &passes, &size) == 0 && passes == 0)
		return false;
	shutdown(socket, SHUT_RD);
	return ioctl(socket, SIOCINQ, &unread) < 0 || unread > 0;
}

void
peer_discard(int socket)
{
	if (may_hold_descriptors(socket))
		discard_socket(socket);
	else
		close(socket);
}

void
peer_free(struct peer *p)
{
	event_del(&p->read);
	event_del(&p->end);
	event_del(&p->write);
	event_del(&p->late);
	varlink_clear(&p->wire);
	if (p->apart >= 0)
		close(p->apart);
	peer_discard(p->socket);
	free(p->groups);
	free(p);
}
