/*
 * bridge_loop.c - the loop of `comlease bridge`.
 *
 * Responsible for: one poll() for everything, signals, and what is there at the beginning and gone
 * at the end. Refuses to know: what becomes of a visit (bridge_session.c).
 *
 * The order within a turn matters in one point: who has gone is looked at before what the broker
 * says, and both before bytes move, so that no byte goes to somebody who has just lost his turn.
 */
#include "bridge_session.h"
#include "bridge_spy.h"
#include "cli.h"
#include "internal.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	AT_SIGNALS,
	AT_PTY,
	AT_DEVICE = AT_PTY + BRIDGE_PTY_FDS,
	AT_LEASE,
	AT_SPY = AT_LEASE + BRIDGE_LEASE_FDS,
	FDS = AT_SPY + BRIDGE_SPY_FDS,
};

/* ---- signals ---- */

static const int ends[] = { SIGTERM, SIGINT, SIGHUP };

/* What is ignored (nohup) is left alone: once blocked, it would come all the same. */
static int
block_signals(struct bridge *b)
{
	struct sigaction action;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		if (sigaction(ends[i], NULL, &action) < 0 || action.sa_handler != SIG_IGN)
			sigaddset(&set, ends[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	b->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return b->signals < 0 ? cli_fail(CLI_SYSTEM, "signalfd: %s", strerror(errno)) : 0;
}

static void
take_signals(struct bridge *b)
{
	struct signalfd_siginfo info;

	if (read(b->signals, &info, sizeof info) == (ssize_t)sizeof info)
		b->is_over = true;
}

/* ---- a service manager that waits for LINK (sd_notify(3), by hand) ---- */

static void
say_ready(const struct bridge *b)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = getenv("NOTIFY_SOCKET");
	size_t len = path ? strlen(path) : 0;
	char text[256];

	if (len < 2 || len >= sizeof address.sun_path || !strchr("/@", *path))
		return;
	memcpy(address.sun_path, path, len);
	if (*path == '@')
		address.sun_path[0] = '\0';
	int n = snprintf(text, sizeof text, "READY=1\nSTATUS=%.64s for %.128s\n", b->options->link,
			 b->options->port);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	sendto(fd, text, (size_t)n, MSG_NOSIGNAL, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

/* ---- the loop ---- */

static int
earlier(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

static void
take_lease(struct bridge *b)
{
	enum bridge_lease_event event;

	while (!b->is_over && (event = bridge_lease_next(&b->lease)) != BRIDGE_LEASE_NOTHING)
		bridge_session_take(b, event);
}

/* A program that has come finds its lease asked for in the same turn, and the one that waited for
 * the end of a visit is served in the turn in which it ends. */
static void
turn(struct bridge *b)
{
	struct pollfd fds[FDS];

	fds[AT_SIGNALS] = (struct pollfd){ b->signals, POLLIN, 0 };
	bridge_pty_poll(&b->pty, bridge_flow_pty_events(b), fds + AT_PTY);
	fds[AT_DEVICE] = bridge_flow_pollfd(b);
	int ms =
	    earlier(bridge_lease_poll(&b->lease, fds + AT_LEASE), bridge_session_timeout_ms(b));
	int spies = bridge_spy_poll(b->spy, fds + AT_SPY);
	ms = earlier(ms, bridge_spy_timeout_ms(b->spy));
	if (b->pty.was_left || (b->phase == BRIDGE_IDLE && (b->pty.attached || b->missed)))
		ms = 0; /* a visit that has no event of its own any more */
	if (poll(fds, AT_SPY + (nfds_t)spies, ms) < 0)
		return;

	if (fds[AT_SIGNALS].revents)
		take_signals(b);
	bridge_session_visit(b, bridge_pty_look(&b->pty, fds + AT_PTY));
	take_lease(b);
	bridge_flow_move(b, fds[AT_PTY + 1].revents, fds[AT_DEVICE].revents);
	bridge_session_tick(b);
	bridge_session_visit(b, false);
	bridge_spy_take(b->spy, fds + AT_SPY, spies);
}

static int
start(struct bridge *b, struct comlease *c)
{
	const struct bridge_options *o = b->options;
	int status = block_signals(b);

	signal(SIGPIPE, SIG_IGN); /* nobody may read our stderr any more */
	bridge_lease_init(&b->lease, c, o);
	b->lease.tell.line = bridge_say_waiting;
	b->lease.tell.argument = b;
	if (status || (status = bridge_link_take(&b->link, o->link)) ||
	    (status = bridge_pty_open(&b->pty, &o->access, &b->own)))
		return status;
	bridge_follow_reset(b);
	b->spy = bridge_spy_new(o->port, o->link, comlease_socket_path(c), o->spy, &status);
	if (!b->spy)
		return status;
	b->relay.spy = b->spy;
	status = bridge_link_point(&b->link, b->pty.slave);
	if (status == 0)
		say_ready(b);
	return status;
}

int
bridge_serve(struct comlease *c, const struct bridge_options *o)
{
	static struct bridge b; /* its buffers are large */

	b = (struct bridge){ .options = o, .signals = -1, .own = bridge_line_unknown };
	b.link.lock = b.pty.master = b.pty.inotify = b.lease.fd = -1;
	b.status = start(&b, c);
	while (b.status == 0 && !b.is_over)
		turn(&b);
	bridge_link_remove(&b.link); /* first: nobody is to come any more */
	bridge_pty_close(&b.pty);
	if (b.lease.c)
		bridge_lease_end(&b.lease);
	bridge_spy_free(b.spy);
	if (b.signals >= 0)
		close(b.signals);
	return b.status;
}
