/*
 * bridge_spy_door.c - who may come in to read along at a bridge.
 *
 * Responsible for: the listening socket, whose connections are accepted, getting rid of the others.
 * Refuses to know: what readers get.
 *
 * The tricky idea: anybody can connect to an abstract socket, and send it descriptors before the
 * connection is accepted; with the connection these are closed, which can block for hours. Newer
 * kernels refuse to send them (SO_PASSRIGHTS); elsewhere a thread closes what holds anything, and
 * while a handful of those are stuck nobody else is let in. The bridge goes on.
 */
#include "bridge_spy_door.h"

#include "cli.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define BACKLOG     16
#define CLOSERS_MAX 8

static atomic_int closers; /* threads; a property of the process */

int
bridge_spy_door_listen(const char *port)
{
	struct sockaddr_un address;
	uint32_t number = 0;
	int off = 0, fd = -1;

	if (getrandom(&number, sizeof number, GRND_NONBLOCK) < 0)
		number = (uint32_t)spy_wire_now_us();
	socklen_t len = spy_wire_address(&address, port, getpid(), number);
	if (len == 0)
		return -1; /* a word that the broker knows no port by */
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0) {
		setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
		if (bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, BACKLOG) == 0)
			return fd;
	}
	cli_fail(0, "%s: nobody can read along (comlease spy): %s", port, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static void *
close_in_thread(void *argument)
{
	close((int)(intptr_t)argument);
	atomic_fetch_sub(&closers, 1);
	return NULL;
}

/* A thread that can't be had leaves it open, and counts as one that is stuck. */
static void
close_elsewhere(int fd)
{
	sigset_t all, before;
	pthread_attr_t attributes;
	pthread_t thread;

	atomic_fetch_add(&closers, 1);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	/* signals are the bridge's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_create(&thread, &attributes, close_in_thread, (void *)(intptr_t)fd);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
}

static bool
may_read(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

bool
bridge_spy_door_check(int fd)
{
	char byte;

	/* from here on nothing more can be sent to it */
	if (shutdown(fd, SHUT_RD) < 0 || recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) != 0) {
		close_elsewhere(fd);
		return false;
	}
	if (may_read(fd))
		return true;
	bridge_spy_door_refuse(fd, SPY_WIRE_NOT_ALLOWED);
	return false;
}

void
bridge_spy_door_refuse(int fd, enum spy_wire_refusal why)
{
	struct spy_wire_header h = { .kind = SPY_WIRE_REFUSED,
				     .detail = (uint8_t)why,
				     .time_us = spy_wire_now_us() };

	/* the buffer of a new connection has room for it */
	send(fd, &h, sizeof h, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

bool
bridge_spy_door_is_free(void)
{
	return atomic_load(&closers) < CLOSERS_MAX;
}
