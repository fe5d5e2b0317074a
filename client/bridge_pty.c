/*
 * bridge_pty.c - a pty whose slave programs open, and whether one has it open.
 *
 * Responsible for: making it, noticing opens and last closes, wiping it between two programs.
 * Refuses to know: the link that leads to it (bridge_link.c), what goes through (bridge_relay.c).
 *
 * The tricky idea. While no slave is open the master reports POLLHUP, for ever: the truth, but
 * nothing to wait for. inotify wakes for each open and close. It also tells of a close and an open
 * between two looks, which POLLHUP does not; but an event that is like the last one in the queue is
 * merged into it, so opens could not be counted. Hence two watches: the folder's event and the
 * node's own come by turns, and are never alike. Two opens at the very same time still are: so
 * `opens` may be too small, and a close that seems to be the last one is only believed when POLLHUP
 * or another open follows.
 */
#include "bridge_pty.h"
#include "bridge_line.h"
#include "cli.h"
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define FOLDER     "/dev/pts"
#define SLAVE_OPEN (O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
/* If neither POLLHUP nor an open follows a close for so long, somebody has it open who was not
 * counted. */
#define LEAVING_MS 1000

/* ---- making it ---- */

static int
fail(struct bridge_pty *p, const char *what)
{
	int error = errno;

	bridge_pty_close(p);
	return cli_fail(CLI_SYSTEM, "%s: %s", what, strerror(error));
}

/* inotify_init1() says EMFILE for a limit that is not RLIMIT_NOFILE. */
static int
fail_watch(struct bridge_pty *p)
{
	int error = errno;

	bridge_pty_close(p);
	if (error == EMFILE)
		return cli_fail(CLI_SYSTEM, "inotify: this user has too many instances: raise "
					    "fs.inotify.max_user_instances, or `ulimit -n`");
	return cli_fail(CLI_SYSTEM, "inotify: %s", strerror(error));
}

static int
set_access(int fd, const struct bridge_access *access)
{
	/* chown() first: it may clear bits of the mode */
	if (access->has_group && fchown(fd, (uid_t)-1, access->group) < 0)
		return cli_fail(errno == EPERM ? CLI_DENIED : CLI_SYSTEM,
				"-g: the pty can't be given to that group: %s%s", strerror(errno),
				errno == EPERM ? ": be a member of it, or root" : "");
	if (access->has_mode && fchmod(fd, access->mode) < 0)
		return cli_fail(CLI_SYSTEM, "-m: %s", strerror(errno));
	return 0;
}

/* A master reports POLLHUP only after a first close of its slave. */
static int
prepare(struct bridge_pty *p, const struct bridge_access *access, const struct bridge_line *line)
{
	int on = 1, status, error = bridge_line_reset(p->master, line);
	int slave = open(p->slave, SLAVE_OPEN);

	if (slave < 0 || error < 0 || ioctl(p->master, TIOCPKT, &on) < 0)
		status = cli_fail(CLI_SYSTEM, "%s: %s", p->slave, strerror(error ? -error : errno));
	else
		status = set_access(slave, access);
	if (slave >= 0)
		close(slave);
	return status;
}

int
bridge_pty_open(struct bridge_pty *p, const struct bridge_access *access,
		const struct bridge_line *line)
{
	int status;

	*p = (struct bridge_pty){ .master = -1, .inotify = -1 };
	p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (p->master < 0)
		return fail(p, "a new pty");
	if (ptsname_r(p->master, p->slave, sizeof p->slave) != 0 ||
	    strncmp(p->slave, FOLDER "/", sizeof FOLDER) != 0 || unlockpt(p->master) < 0)
		return fail(p, "the pty's name");
	status = prepare(p, access, line);
	if (status) {
		bridge_pty_close(p);
		return status;
	}
	p->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (p->inotify < 0)
		return fail_watch(p);
	p->folder = inotify_add_watch(p->inotify, FOLDER, IN_OPEN | IN_CLOSE);
	if (p->folder < 0 || inotify_add_watch(p->inotify, p->slave, IN_OPEN | IN_CLOSE) < 0)
		return fail_watch(p);
	return 0;
}

/* Of a master that closes a read() that waits hears EIO; of a hang-up, which needs CAP_SYS_ADMIN,
 * end-of-file, as with any terminal. */
static void
hang_up_slave(const struct bridge_pty *p)
{
	int slave = open(p->slave, SLAVE_OPEN);

	if (slave < 0)
		return;
	ioctl(slave, TIOCVHANGUP);
	close(slave);
}

void
bridge_pty_close(struct bridge_pty *p)
{
	if (p->master >= 0) {
		hang_up_slave(p);
		close(p->master);
	}
	if (p->inotify >= 0)
		close(p->inotify);
	p->master = p->inotify = -1;
	p->attached = false;
}

/* ---- who is there ---- */

void
bridge_pty_poll(const struct bridge_pty *p, short events, struct pollfd fds[BRIDGE_PTY_FDS])
{
	fds[0] = (struct pollfd){ p->inotify, POLLIN, 0 };
	fds[1] = (struct pollfd){ p->attached ? p->master : -1, events, 0 };
}

/* +1: an open; -1: a close; 0: nothing of ours. */
static int
kind(const struct bridge_pty *p, const struct inotify_event *e)
{
	if (e->wd != p->folder || e->len == 0 || strcmp(e->name, p->slave + sizeof FOLDER) != 0)
		return 0;
	return e->mask & IN_OPEN ? 1 : -1;
}

static void
opened(struct bridge_pty *p)
{
	if (p->leaving && comlease_now_ms() - p->leaving_ms < LEAVING_MS)
		p->was_left = p->is_taken_over = true;
	else if (!p->attached)
		p->is_taken_over = true;
	p->leaving = false;
	p->attached = true;
	p->opens++;
}

static void
closed(struct bridge_pty *p)
{
	if (p->opens > 0)
		p->opens--;
	if (p->opens > 0 || !p->attached)
		return;
	p->leaving = true;
	p->leaving_ms = comlease_now_ms();
}

static void
count(struct bridge_pty *p, int kind)
{
	if (kind > 0)
		opened(p);
	else if (kind < 0)
		closed(p);
}

/* tally: adds opens and closes up there, and does no more with them; NULL: count(). */
static void
read_events(struct bridge_pty *p, int tally[2])
{
	_Alignas(struct inotify_event) char buffer[4096];
	ssize_t n;

	while ((n = read(p->inotify, buffer, sizeof buffer)) > 0) {
		for (const char *at = buffer; at < buffer + n;) {
			const struct inotify_event *e = (const void *)at;
			int k = kind(p, e);
			if (tally && k)
				tally[k < 0]++;
			else
				count(p, k);
			at += sizeof *e + e->len;
		}
	}
}

static short
master_is(const struct bridge_pty *p, short events)
{
	struct pollfd master = { p->master, events, 0 };

	return poll(&master, 1, 0) == 1 ? master.revents : 0;
}

/* Reads what there is to read, and says whether nobody had it open after the last event. An open
 * is told of once it is done, a close before. So who is not told of yet has written nothing. */
static bool
is_hung_up(struct bridge_pty *p, int tally[2])
{
	int unread;

	for (;;) {
		read_events(p, tally);
		if (!(master_is(p, 0) & POLLHUP))
			return false;
		if (ioctl(p->inotify, FIONREAD, &unread) < 0 || unread == 0)
			return true;
	}
}

static void
settle(struct bridge_pty *p)
{
	if (!is_hung_up(p, NULL)) {
		p->attached = true;
		return;
	}
	p->was_left |= p->attached;
	p->attached = p->leaving = false;
	p->opens = 0;
}

bool
bridge_pty_look(struct bridge_pty *p, const struct pollfd fds[BRIDGE_PTY_FDS])
{
	bool was_left;

	if (fds[0].revents || fds[1].revents & POLLHUP)
		settle(p);
	was_left = p->was_left;
	p->was_left = p->is_taken_over = false;
	return was_left;
}

bool
bridge_pty_may_be_of_next(struct bridge_pty *p)
{
	settle(p);
	return p->is_taken_over;
}

/* ---- between two programs ---- */

/* After an open and a close of our own, which are nobody's coming and going. Somebody else's at the
 * same moment may have been merged with them: one that is counted too little does no harm. */
static void
forget_own(struct bridge_pty *p)
{
	int tally[2] = { 0, 0 };

	p->attached = !is_hung_up(p, tally);
	p->leaving = false;
	p->opens += tally[0] - tally[1];
	if (tally[0] != 1 || tally[1] != 1)
		p->opens = p->opens > 0;
	if (!p->attached)
		p->opens = 0;
}

/* TIOCEXCL (screen, gammu) outlives the program that said it. Only who has the slave open can take
 * it back, and an ordinary user does not get there any more. */
static int
wipe(struct bridge_pty *p, bool is_free)
{
	tcflush(p->master, TCOFLUSH); /* see bridge_line_reset() */

	int slave = open(p->slave, SLAVE_OPEN);
	if (slave < 0)
		return -1;
	tcflush(slave, TCIFLUSH);
	if (is_free)
		ioctl(slave, TIOCNXCL);
	close(slave);
	forget_own(p);
	return 0;
}

int
bridge_pty_clean(struct bridge_pty *p, const struct bridge_line *line)
{
	bool is_free, is_shut;
	char status;

	do {
		bool is_reset = bridge_line_is_reset(p->master, line);
		settle(p);
		is_free = !p->attached;
		/* Whoever opens it between this look and the reset, and has set the line already,
		 * loses that: two system calls of his within one of ours. TIOCSPTLCK would close
		 * that gap, but his open() would fail. */
		if (is_free && !is_reset)
			bridge_line_reset(p->master, line);
		is_shut = wipe(p, is_free) < 0 && errno == EBUSY;
		settle(p);
	} while (!is_free && !p->attached); /* he has gone meanwhile, and his settings have not */
	/* In packet mode both are reported, as if a program had done them. */
	while (read(p->master, &status, 1) < 0 && errno == EINTR)
		;
	p->was_left = p->is_taken_over = false;
	return is_shut && is_free && !p->attached;
}

bool
bridge_pty_has_rest(const struct bridge_pty *p)
{
	return !p->attached && master_is(p, POLLIN) & POLLIN;
}
