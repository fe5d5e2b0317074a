/*
 * softmodem_line.c - the pty of one modem, in place of a serial line
 *
 * Responsible for the pty, its link, and what it tells about the program behind: open or not, DTR
 * (speed not B0), bytes. It refuses to know what a call is.
 *
 * The tricky idea: a pty has no DTR and announces nothing, so the state is asked for at every step
 * and after every read. After, not before: what was read may have been written just before the
 * hang-up, and then it still counts. Nothing here opens the slave once it runs, since a broker
 * watches for opens not its own.
 */
#include "softmodem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <spandsp/expose.h>

enum { SETTLE_STEPS = 2, DRAIN_BYTES = 128 * 1024 };

static bool
is_pristine(const struct modem *m, const struct termios *t)
{
	return t->c_iflag == m->pristine.c_iflag && t->c_oflag == m->pristine.c_oflag &&
	       t->c_cflag == m->pristine.c_cflag && t->c_lflag == m->pristine.c_lflag;
}

static enum line_state
probe(struct modem *m)
{
	struct pollfd pfd = { .fd = m->master, .events = POLLIN };
	struct termios t;

	if (poll(&pfd, 1, 0) < 0)
		return LINE_CLOSED;
	m->unread = pfd.revents & POLLIN;
	if ((pfd.revents & POLLHUP) || tcgetattr(m->master, &t) < 0)
		return LINE_CLOSED;
	if (is_pristine(m, &t))
		return LINE_UNSET;
	return cfgetospeed(&t) == B0 ? LINE_B0 : LINE_UP;
}

/* Through the master, so the slave need not be opened. */
static int
make_raw(const struct modem *m, int how)
{
	struct termios t = m->pristine;

	cfmakeraw(&t);
	t.c_cflag |= CLOCAL;
	return tcsetattr(m->master, how, &t);
}

/* A link of ours is left by a killed run, dangling; anything else is somebody's. */
static int
make_link(const struct modem *m)
{
	struct stat st;

	if (symlink(m->slave, m->link) == 0)
		return 0;
	if (errno != EEXIST)
		return complain(m->link, strerror(errno));
	if (lstat(m->link, &st) < 0 || !S_ISLNK(st.st_mode) || stat(m->link, &st) == 0)
		return complain(m->link, "is there already, and is no dangling link");
	if (unlink(m->link) < 0 || symlink(m->slave, m->link) < 0)
		return complain(m->link, strerror(errno));
	return 0;
}

void
line_unlink(const struct modem *m)
{
	char target[sizeof(m->slave)];
	ssize_t len = readlink(m->link, target, sizeof(target));

	if (len > 0 && (size_t)len == strlen(m->slave) &&
	    memcmp(target, m->slave, (size_t)len) == 0)
		unlink(m->link);
}

int
line_open(struct modem *m, mode_t mode)
{
	int slave;

	m->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (m->master < 0 || grantpt(m->master) < 0 || unlockpt(m->master) < 0 ||
	    ptsname_r(m->master, m->slave, sizeof(m->slave)) != 0 || chmod(m->slave, mode) < 0 ||
	    tcgetattr(m->master, &m->pristine) < 0 || make_raw(m, TCSANOW) < 0)
		return complain("pty", strerror(errno));
	slave =
	    open(m->slave, O_RDWR | O_NOCTTY | O_CLOEXEC); /* before the first close a pty says */
	if (slave < 0)                                     /* nothing about being open */
		return complain(m->slave, strerror(errno));
	close(slave);
	return make_link(m);
}

static void
hang_up_line(struct modem *m)
{
	const char *why = m->line == LINE_CLOSED ? "close" : m->line == LINE_B0 ? "b0" : "hangup";

	log_event(m, "closed reason=%s", why);
	call_hang_up(m, why);
	modem_init(m);
}

static void
line_changes(struct modem *m, enum line_state now)
{
	bool was_up = m->line == LINE_UP;

	m->line = now;
	m->line_steps = 0;
	if (now != LINE_CLOSED)
		m->dirty = true;
	if (was_up)
		hang_up_line(m);
	else if (now == LINE_UP)
		log_event(m, "opened");
}

static ssize_t
read_some(const struct modem *m, uint8_t *bytes, size_t size)
{
	ssize_t n;

	do
		n = read(m->master, bytes, size);
	while (n < 0 && errno == EINTR);
	return n;
}

/* The program has gone: what it had written before still counts, and the far side's queue is large
 * enough for all that a pty holds. */
static void
drain(struct modem *m)
{
	uint8_t bytes[ROOM_BYTES];
	size_t total = 0;
	ssize_t n;

	while (total < DRAIN_BYTES && (n = read_some(m, bytes, sizeof(bytes))) > 0) {
		if (m->line == LINE_UP)
			modem_input(m, bytes, (size_t)n);
		total += (size_t)n;
	}
}

/* Came and went since we last looked, but left something: to be recorded all the same. */
static void
short_visit(struct modem *m)
{
	enum line_state now = m->line;

	line_changes(m, LINE_UP);
	drain(m);
	line_changes(m, now);
}

void
line_check(struct modem *m)
{
	enum line_state now = probe(m);

	if (now == m->line) {
		if (m->unread && (now == LINE_CLOSED || (now == LINE_B0 && m->visited)))
			short_visit(m);
		return;
	}
	if (m->line == LINE_UP || (m->line == LINE_B0 && now != LINE_UP && !m->visited))
		drain(m);
	line_changes(m, now);
}

static void
read_up(struct modem *m)
{
	uint8_t bytes[ROOM_BYTES];
	size_t room = modem_room(m);
	ssize_t n = room ? read_some(m, bytes, room) : 0;

	if (n > 0)
		modem_input(m, bytes, (size_t)n);
	line_check(m);
}

void
line_read(struct modem *m)
{
	if (m->line != LINE_UP)
		line_check(m);
	if (m->line == LINE_UP)
		read_up(m);
	else if (m->line == LINE_B0 && m->unread)
		drain(m); /* DTR is low: to nobody */
}

void
line_write(struct modem *m)
{
	ssize_t n;

	if (!m->out_len || probe(m) != LINE_UP)
		return; /* whatever it is now, the next step sees to it */
	n = write(m->master, m->out + m->out_head, m->out_len);
	if (n <= 0)
		return;
	m->out_head += (size_t)n;
	m->out_len -= (size_t)n;
	if (!m->out_len)
		m->out_head = 0;
}

/* A kernel hang-up leaves the slave cooked with echo, and our own output would come back as
 * commands. Once that has stood for a while, so that whoever opens it now to set it himself is not
 * disturbed, it is made raw. After the last close also what nobody read is thrown away. */
void
line_tidy(struct modem *m)
{
	if (m->line_steps++ < SETTLE_STEPS)
		return;
	if (m->line == LINE_UNSET)
		make_raw(m, TCSANOW);
	else if (m->line == LINE_CLOSED && m->dirty && make_raw(m, TCSAFLUSH) == 0)
		m->dirty = false;
}

short
line_events(const struct modem *m)
{
	short events = 0;

	if (m->line == LINE_B0 || (m->line == LINE_UP && modem_room(m) > 0))
		events |= POLLIN;
	if (m->line == LINE_UP && m->out_len > 0)
		events |= POLLOUT;
	return events;
}
