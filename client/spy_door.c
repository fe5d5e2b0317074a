/*
 * spy_door.c - the bridges of this host that one may read along at.
 *
 * Responsible for: finding their sockets, leaving alone those of other users (which would refuse
 * us, or are none; root leaves none alone), the hello. Refuses to know: which of them is wanted.
 *
 * The tricky idea: anybody may bind a name like a bridge's, in any number, and never accept; a
 * connection costs him nothing that we wait for, and before SO_PEERCRED has said whose it is not a
 * byte is read from it.
 */
#include "spy_door.h"

#include "internal.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HELLO_MS    5000
#define LISTENS     0x10000 /* in /proc/net/unix: __SO_ACCEPTCON */
#define BRIDGES_MAX 1000

/* ---- the list ---- */

/* Who listens there, if it is one for us; *bridge is connected. */
static bool
connect_to(struct spy_door_list *l, const char *name, struct spy_bridge *bridge)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct ucred peer = { 0 };
	socklen_t peer_len = sizeof peer;
	size_t len = strlen(name);

	if (len > sizeof address.sun_path - 1)
		return false;
	memcpy(address.sun_path + 1, name, len);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) < 0) {
		close(fd);
		return false;
	}
	if (peer.uid != geteuid() && geteuid() != 0) {
		l->others++;
		l->other_uid = peer.uid;
		l->other_pid = peer.pid;
		close(fd);
		return false;
	}
	*bridge = (struct spy_bridge){ .socket = fd, .pid = peer.pid, .uid = peer.uid };
	return true;
}

static int
add(struct spy_door_list *l, const char *name)
{
	struct spy_bridge bridge;

	if (l->count >= BRIDGES_MAX || !connect_to(l, name, &bridge))
		return 0;
	struct spy_bridge *more = realloc(l->bridges, (l->count + 1) * sizeof *more);
	if (!more) {
		spy_door_close(&bridge);
		return cli_fail(CLI_SYSTEM, "no memory");
	}
	l->bridges = more;
	l->bridges[l->count++] = bridge;
	return 0;
}

/* Num RefCount Protocol Flags Type St Inode @Name */
static const char *
name_in(char *line)
{
	unsigned flags;
	int at = 0;

	line[strcspn(line, "\n")] = '\0';
	if (sscanf(line, "%*s %*s %*s %x %*s %*s %*s %n", &flags, &at) < 1 || at == 0)
		return NULL;
	return (flags & LISTENS) && line[at] == '@' ? line + at + 1 : NULL;
}

int
spy_door_list(struct spy_door_list *l, const char *wanted)
{
	FILE *sockets = fopen("/proc/net/unix", "re");
	char *line = NULL, port[65];
	size_t size = 0;
	int status = 0;

	spy_door_free(l);
	if (!sockets)
		return cli_fail(CLI_SYSTEM, "/proc/net/unix: %s", strerror(errno));
	while (status == 0 && getline(&line, &size, sockets) > 0) {
		const char *name = name_in(line);
		if (name && spy_wire_port(name, port) && (!wanted || strcmp(port, wanted) == 0))
			status = add(l, name);
	}
	free(line);
	fclose(sockets);
	return status;
}

void
spy_door_close(struct spy_bridge *b)
{
	if (b->socket >= 0)
		close(b->socket);
	b->socket = -1;
}

void
spy_door_free(struct spy_door_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		spy_door_close(&l->bridges[i]);
	free(l->bridges);
	*l = (struct spy_door_list){ 0 };
}

/* ---- what a bridge says first ---- */

/* 0; or EOF, a time-out, an error: an errno. */
static int
receive(int fd, void *bytes, size_t size, int64_t until_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t got = 0;

	while (got < size) {
		int64_t left_ms = until_ms - comlease_now_ms();
		int r = poll(&p, 1, left_ms > 0 ? (int)left_ms : 0);
		if (r == 0)
			return ETIMEDOUT;
		ssize_t n = r < 0 ? -1 : recv(fd, (char *)bytes + got, size - got, 0);
		if (n == 0)
			return ECONNRESET;
		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return errno;
		got += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static enum spy_door_answer
take_hello(struct spy_bridge *b, const char *payload, size_t len)
{
	/* two strings or three, the payload's last byte being a NUL */
	size_t port_len = strnlen(payload, len);
	const char *link = payload + port_len + 1, *broker;

	if (len == 0 || payload[len - 1] != '\0' || port_len + 1 >= len ||
	    port_len >= sizeof b->port || strlen(link) >= sizeof b->link)
		return SPY_DOOR_STRANGE;
	memcpy(b->port, payload, port_len + 1);
	memcpy(b->link, link, strlen(link) + 1);
	broker = link + strlen(link) + 1;
	if (broker < payload + len && strlen(broker) < sizeof b->broker)
		memcpy(b->broker, broker, strlen(broker) + 1);
	return SPY_DOOR_HELLO;
}

static enum spy_door_answer
ask_hello(struct spy_bridge *b)
{
	int64_t until_ms = comlease_now_ms() + HELLO_MS;
	char payload[SPY_WIRE_PAYLOAD];
	struct spy_wire_header h = { 0 };

	int error = receive(b->socket, &h, sizeof h, until_ms);
	if (error == 0 && h.length > sizeof payload)
		return SPY_DOOR_STRANGE;
	if (error == 0)
		error = receive(b->socket, payload, h.length, until_ms);
	if (error)
		return error == ETIMEDOUT ? SPY_DOOR_LATE : SPY_DOOR_GONE;
	if (h.kind == SPY_WIRE_REFUSED)
		return h.detail == SPY_WIRE_TOO_MANY ? SPY_DOOR_FULL : SPY_DOOR_FORBIDDEN;
	if (h.kind != SPY_WIRE_HELLO || h.detail != SPY_WIRE_VERSION)
		return SPY_DOOR_STRANGE;
	return take_hello(b, payload, h.length);
}

enum spy_door_answer
spy_door_hello(struct spy_bridge *b)
{
	if (!b->is_asked)
		b->answer = (int)ask_hello(b);
	b->is_asked = true;
	return (enum spy_door_answer)b->answer;
}

int
spy_door_enter(struct spy_bridge *b)
{
	static const struct {
		int status;
		const char *why;
	} reasons[] = {
		[SPY_DOOR_LATE] = { CLI_NOT_IN_TIME,
				    "does not answer; is it stopped? (kill -CONT)" },
		[SPY_DOOR_GONE] = { CLI_NO, "has just ended" },
		[SPY_DOOR_FULL] = { CLI_NOT_IN_TIME,
				    "has as many readers as it takes; end another comlease spy" },
		[SPY_DOOR_FORBIDDEN] = { CLI_DENIED,
					 "refuses: only its own user and root may read along" },
		[SPY_DOOR_STRANGE] = { CLI_PROTOCOL,
				       "is that of another version of comlease; start it again" },
	};
	enum spy_door_answer answer = spy_door_hello(b);
	struct text t = { 0 };

	if (answer == SPY_DOOR_HELLO)
		return 0;
	text_add_process(&t, NULL, b->pid, b->uid);
	cli_fail(reasons[answer].status, "the bridge, %s, %s", t.s, reasons[answer].why);
	text_free(&t);
	return reasons[answer].status;
}
