/*
 * bridge_line.c - line settings from one terminal to another.
 *
 * Responsible for: which settings a pty carries, and what they are on a port. Refuses to know: when
 * they are to be looked at and set (bridge_loop.c).
 *
 * The tricky idea: the kernel's struct termios2 is used, the only one that can hold any speed, and
 * a speed goes over as it is (code and number), so that no table of speeds is needed. <termios.h>
 * can't be included beside it.
 */
#include "bridge_line.h"

#include <asm/termbits.h>
#include <ctype.h>
#include <errno.h>
#include <linux/serial.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define SPEED        ((tcflag_t)(CBAUD | CIBAUD))
#define CARRIED      (SPEED | CSTOPB | CRTSCTS | CLOCAL)
#define FRAME        ((tcflag_t)(CSIZE | PARENB | PARODD | CMSPAR | CSTOPB))
#define CARRIED_IN   ((tcflag_t)(IXON | IXOFF | IXANY | IGNBRK | IGNPAR | INPCK))
#define UNKNOWN_BAUD 134

const struct bridge_line bridge_line_unknown = { .cflag = B134 | CLOCAL,
						 .input_baud = UNKNOWN_BAUD,
						 .output_baud = UNKNOWN_BAUD,
						 .start = 17,
						 .stop = 19 };

int
bridge_frame_parse(const char *s, struct bridge_frame *frame)
{
	static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
	static const struct {
		char letter;
		tcflag_t flags;
	} parities[] = { { 'N', 0 },
			 { 'E', PARENB },
			 { 'O', PARENB | PARODD },
			 { 'M', PARENB | PARODD | CMSPAR },
			 { 'S', PARENB | CMSPAR } };

	if (strlen(s) != 3 || s[0] < '5' || s[0] > '8' || (s[2] != '1' && s[2] != '2'))
		return -1;
	for (size_t i = 0; i < sizeof parities / sizeof *parities; i++) {
		if (parities[i].letter != toupper((unsigned char)s[1]))
			continue;
		frame->is_given = true;
		frame->cflag =
		    sizes[s[0] - '5'] | parities[i].flags | (s[2] == '2' ? (tcflag_t)CSTOPB : 0);
		return 0;
	}
	return -1;
}

/* ---- what is carried ---- */

void
bridge_line_from(const struct termios2 *t, struct bridge_line *line)
{
	*line = (struct bridge_line){ .cflag = t->c_cflag & CARRIED,
				      .iflag = t->c_iflag & CARRIED_IN,
				      .input_baud = t->c_ispeed,
				      .output_baud = t->c_ospeed,
				      .start = t->c_cc[VSTART],
				      .stop = t->c_cc[VSTOP] };
}

/* HUPCL stays as it is: DTR between two leases is the broker's to time. */
void
bridge_line_into(const struct bridge_line *line, const struct bridge_frame *frame,
		 struct termios2 *t)
{
	t->c_cflag = (t->c_cflag & ~(tcflag_t)CARRIED) | line->cflag | CREAD;
	if (frame && frame->is_given)
		t->c_cflag = (t->c_cflag & ~FRAME) | frame->cflag;
	t->c_iflag = (t->c_iflag & ~CARRIED_IN) | line->iflag;
	t->c_ispeed = line->input_baud;
	t->c_ospeed = line->output_baud;
	t->c_cc[VSTART] = line->start;
	t->c_cc[VSTOP] = line->stop;
}

bool
bridge_line_equals(const struct bridge_line *a, const struct bridge_line *b)
{
	return a->cflag == b->cflag && a->iflag == b->iflag && a->input_baud == b->input_baud &&
	       a->output_baud == b->output_baud && a->start == b->start && a->stop == b->stop;
}

/* ---- on terminals ---- */

static int
call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

int
bridge_line_get(int fd, struct bridge_line *line)
{
	struct termios2 t;
	int error = call(fd, TCGETS2, &t);

	if (error == 0)
		bridge_line_from(&t, line);
	return error;
}

int
bridge_line_set(int fd, const struct bridge_line *line, const struct bridge_line *own,
		const struct bridge_frame *frame)
{
	struct bridge_line l = *line;
	struct termios2 t;
	int error = call(fd, TCGETS2, &t);

	if (error < 0)
		return error;
	if (l.output_baud == UNKNOWN_BAUD) {
		l.cflag = (l.cflag & ~SPEED) | (own->cflag & SPEED);
		l.input_baud = own->input_baud;
		l.output_baud = own->output_baud;
	}
	bridge_line_into(&l, frame, &t);
	return call(fd, TCSETS2, &t);
}

int
bridge_line_offer(int master, const struct bridge_line *others, const struct bridge_line *line)
{
	struct bridge_line now;
	struct termios2 t;
	int error = call(master, TCGETS2, &t);

	if (error < 0)
		return error;
	bridge_line_from(&t, &now);
	if (!bridge_line_equals(&now, others))
		return 0;
	bridge_line_into(line, NULL, &t);
	return call(master, TCSETS2, &t);
}

static void
make_raw(const struct bridge_line *line, struct termios2 *t)
{
	*t = (struct termios2){
		.c_cflag = CS8,
		.c_cc = { [VINTR] = 3,
			  [VQUIT] = 28,
			  [VERASE] = 127,
			  [VKILL] = 21,
			  [VEOF] = 4,
			  [VMIN] = 1,
			  [VSTART] = 17,
			  [VSTOP] = 19,
			  [VSUSP] = 26,
			  [VREPRINT] = 18,
			  [VDISCARD] = 15,
			  [VWERASE] = 23,
			  [VLNEXT] = 22 },
	};
	bridge_line_into(line, NULL, t);
}

/* An ioctl for line settings is about the slave also when it comes from the master, but TCFLSH is
 * not: there TCOFLUSH throws away what is still on its way to the slave's input queue, and the
 * flush of TCSETSF2 the queue. */
int
bridge_line_reset(int master, const struct bridge_line *line)
{
	struct termios2 t;

	make_raw(line, &t);
	ioctl(master, TCFLSH, TCOFLUSH);
	return call(master, TCSETSF2, &t);
}

bool
bridge_line_is_reset(int master, const struct bridge_line *line)
{
	struct termios2 raw, now;

	make_raw(line, &raw);
	return call(master, TCGETS2, &now) == 0 && memcmp(&now, &raw, sizeof raw) == 0;
}

int
bridge_line_queued(int fd)
{
	unsigned int state = TIOCSER_TEMT;
	int queued = 0;

	if (ioctl(fd, TIOCOUTQ, &queued) < 0 || queued > 0)
		return queued;
	return ioctl(fd, TIOCSERGETLSR, &state) == 0 && !(state & TIOCSER_TEMT);
}

static char
parity(tcflag_t cflag)
{
	if (!(cflag & PARENB))
		return 'N';
	if (cflag & CMSPAR)
		return cflag & PARODD ? 'M' : 'S';
	return cflag & PARODD ? 'O' : 'E';
}

void
bridge_line_text(int fd, char text[BRIDGE_LINE_TEXT])
{
	struct termios2 t;

	if (call(fd, TCGETS2, &t) < 0) {
		snprintf(text, BRIDGE_LINE_TEXT, "unknown");
		return;
	}
	snprintf(text, BRIDGE_LINE_TEXT, "%u %c%c%c%s%s%s", t.c_ospeed,
		 "5678"[(t.c_cflag & CSIZE) / CS6], parity(t.c_cflag),
		 t.c_cflag & CSTOPB ? '2' : '1', t.c_cflag & CRTSCTS ? " rtscts" : "",
		 t.c_iflag & IXON ? " xon" : "", t.c_iflag & IXOFF ? " xoff" : "");
}
