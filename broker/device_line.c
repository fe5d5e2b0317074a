/*
 * device_line.c - line settings by ioctl. Knows nothing of paths, leases or libserialport.
 *
 * The tricky idea: it uses the kernel's struct termios2 rather than the C library's termios,
 * because only that can hold any speed, and because each setting is then exactly one system call.
 * The two cannot be included together: keep <termios.h> out of this file.
 */
#include "device_line.h"

#include <asm/termbits.h>
#include <errno.h>
#include <linux/serial.h>
#include <linux/tty_flags.h>
#include <string.h>
#include <sys/ioctl.h>

#define CLOSING_WAIT_DEFAULT 3000 /* the kernel's: 30 s, in 1/100 s */

static const struct {
	uint32_t baud;
	tcflag_t code;
} speeds[] = { { 50, B50 },           { 75, B75 },           { 110, B110 },
	       { 134, B134 },         { 150, B150 },         { 200, B200 },
	       { 300, B300 },         { 600, B600 },         { 1200, B1200 },
	       { 1800, B1800 },       { 2400, B2400 },       { 4800, B4800 },
	       { 9600, B9600 },       { 19200, B19200 },     { 38400, B38400 },
	       { 57600, B57600 },     { 115200, B115200 },   { 230400, B230400 },
	       { 460800, B460800 },   { 500000, B500000 },   { 576000, B576000 },
	       { 921600, B921600 },   { 1000000, B1000000 }, { 1152000, B1152000 },
	       { 1500000, B1500000 }, { 2000000, B2000000 }, { 2500000, B2500000 },
	       { 3000000, B3000000 }, { 3500000, B3500000 }, { 4000000, B4000000 } };

static int
call(int fd, unsigned long request, void *argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

static int
call_number(int fd, unsigned long request, int argument)
{
	return ioctl(fd, request, argument) < 0 ? -errno : 0;
}

/* Some line disciplines (N_NULL, PPP) do not know some of a terminal's requests. */
static bool
is_unknown(int error)
{
	return error == -EINVAL || error == -ENOTTY || error == -EOPNOTSUPP;
}

int
line_probe(int fd)
{
	struct termios2 t;
	int discipline, error = call(fd, TCGETS2, &t);

	return is_unknown(error) ? call(fd, TIOCGETD, &discipline) : error;
}

int
line_probe_lines(int fd)
{
	int lines;

	return call(fd, TIOCMGET, &lines);
}

static int
restart(int fd, bool discard_output, const char **step)
{
	int error;

	*step = "restart its output";
	error = call_number(fd, TCXONC, TCOON);
	if (error < 0)
		return error;
	*step = "flush it";
	return call_number(fd, TCFLSH, discard_output ? TCIOFLUSH : TCIFLUSH);
}

/* That waits for output, as a break does, without limit: so it is restarted and flushed before,
 * where the other discipline knows how. Only then is everything known. */
static int
leave_discipline(int fd, bool discard_output, const char **step)
{
	int discipline = N_TTY, error;

	*step = "set its line discipline";
	error = call(fd, TIOCGETD, &discipline);
	if (error < 0 || discipline == N_TTY)
		return error;
	restart(fd, discard_output, step);
	*step = "set its line discipline";
	discipline = N_TTY;
	return call(fd, TIOCSETD, &discipline);
}

int
line_release(int fd, bool is_pty, bool discard_output, bool exclusive, const char **step)
{
	int error = leave_discipline(fd, discard_output, step);

	if (error == 0)
		error = restart(fd, discard_output, step);
	if (error < 0)
		return error;
	*step = exclusive ? "set its exclusive mode" : "end its exclusive mode";
	error = call_number(fd, exclusive ? TIOCEXCL : TIOCNXCL, 0);
	if (error < 0 || is_pty)
		return error;
	*step = "end its break"; /* a pty has none */
	error = call_number(fd, TIOCCBRK, 0);
	return is_unknown(error) ? 0 : error; /* EOPNOTSUPP: a modem that can't (cdc_acm) */
}

static tcflag_t
speed_code(uint32_t baud)
{
	size_t i;

	for (i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		if (speeds[i].baud == baud)
			return speeds[i].code;
	return BOTHER;
}

static tcflag_t
frame_flags(const struct config_port *port)
{
	static const tcflag_t sizes[] = { CS5, CS6, CS7, CS8 };
	tcflag_t flags = sizes[(port->bits - 5) & 3];

	if (port->parity != 'N')
		flags |= PARENB;
	if (port->parity == 'O')
		flags |= PARODD;
	if (port->stop == 2)
		flags |= CSTOPB;
	return flags;
}

/* Everything but speed and frame. No HUPCL: DTR is the keeper's to time. */
static void
make_raw(struct termios2 *t, const struct config_port *port)
{
	static const cc_t characters[NCCS] = {
		[VINTR] = 3,     [VQUIT] = 28,   [VERASE] = 127, [VKILL] = 21, [VEOF] = 4,
		[VMIN] = 1,      [VSTART] = 17,  [VSTOP] = 19,   [VSUSP] = 26, [VREPRINT] = 18,
		[VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22
	};

	t->c_iflag = port->flow == CONFIG_FLOW_XONXOFF ? IXON | IXOFF : 0;
	t->c_oflag = 0;
	t->c_lflag = 0;
	t->c_line = N_TTY;
	memcpy(t->c_cc, characters, sizeof(characters));
	t->c_cflag &= CBAUD | CIBAUD | CSIZE | PARENB | PARODD | CSTOPB;
	t->c_cflag |= CREAD | CLOCAL;
	if (port->flow == CONFIG_FLOW_RTSCTS)
		t->c_cflag |= CRTSCTS;
}

static int
set(int fd, const struct config_port *port, tcflag_t speed, uint32_t baud)
{
	struct termios2 t;

	memset(&t, 0, sizeof(t));
	t.c_cflag = frame_flags(port) | speed;
	t.c_ispeed = t.c_ospeed = baud;
	make_raw(&t, port);
	return call(fd, TCSETS2, &t);
}

int
line_set(int fd, const struct config_port *port)
{
	return set(fd, port, speed_code(port->baud), port->baud);
}

int
line_set_b0(int fd, const struct config_port *port)
{
	return set(fd, port, B0, 0);
}

int
line_set_raw(int fd, const struct config_port *port)
{
	struct termios2 t;
	int error = call(fd, TCGETS2, &t);

	if (error < 0)
		return error;
	make_raw(&t, port);
	return call(fd, TCSETS2, &t);
}

int
line_save_without_hupcl(int fd, struct line_settings *settings)
{
	struct termios2 t;
	int error = call(fd, TCGETS2, &t);

	_Static_assert(sizeof(t) <= sizeof(settings->bytes), "it has room");
	settings->is_known = error == 0;
	if (error < 0)
		return is_unknown(error) ? 0 : error;
	t.c_cflag &= ~(tcflag_t)HUPCL;
	memcpy(settings->bytes, &t, sizeof(t));
	return call(fd, TCSETS2, &t);
}

int
line_load(int fd, const struct line_settings *settings)
{
	struct termios2 t;

	memcpy(&t, settings->bytes, sizeof(t));
	return settings->is_known ? call(fd, TCSETS2, &t) : 0;
}

/* Hardware divides a clock: 3 % is what a receiver tolerates. */
static bool
is_near(uint32_t a, uint32_t b)
{
	return a <= b + b / 32 && b <= a + a / 32;
}

int
line_verify(int fd, const struct config_port *port, bool is_pty, const char **what)
{
	/* a pty takes no frame but 8N1, and flow control means nothing to it */
	tcflag_t flags = is_pty ? 0 : CSIZE | PARENB | PARODD | CMSPAR | CSTOPB | CRTSCTS;
	struct termios2 t, wanted = { .c_cflag = frame_flags(port) };
	int error = call(fd, TCGETS2, &t);

	make_raw(&wanted, port);
	if (error < 0) {
		*what = "settings";
		return error;
	}
	if (!is_near(t.c_ospeed, port->baud))
		*what = "speed";
	else if (((t.c_cflag ^ wanted.c_cflag) & flags & ~(tcflag_t)CRTSCTS) != 0)
		*what = "frame";
	else if (((t.c_cflag ^ wanted.c_cflag) & flags) != 0 || t.c_iflag != wanted.c_iflag)
		*what = "flow control";
	else if (t.c_oflag != 0 || t.c_lflag != 0)
		*what = "raw mode";
	else
		return 0;
	return -EINVAL;
}

static int
reset_serial(int fd)
{
	const int touched = ASYNC_SPD_MASK | ASYNC_LOW_LATENCY;
	struct serial_struct serial;
	unsigned short closing_wait;
	int error = call(fd, TIOCGSERIAL, &serial);

	if (error < 0)
		return is_unknown(error) ? 0 : error;
	closing_wait = serial.closing_wait;
	if ((serial.flags & touched) == 0 && serial.custom_divisor == 0 &&
	    closing_wait == CLOSING_WAIT_DEFAULT)
		return 0;
	serial.flags &= ~touched;
	serial.custom_divisor = 0; /* or the next one's SPD_CUST means the last one's speed */
	serial.closing_wait = CLOSING_WAIT_DEFAULT;
	error = call(fd, TIOCSSERIAL, &serial);
	/* without CAP_SYS_ADMIN closing_wait is not ours to change, nor was it the holder's */
	if (error == -EPERM) {
		serial.closing_wait = closing_wait;
		error = call(fd, TIOCSSERIAL, &serial);
	}
	return error == -EPERM || is_unknown(error) ? 0 : error;
}

int
line_reset_driver(int fd, const char **step)
{
	struct serial_rs485 rs485;
	int error;

	*step = "reset its speed and closing options";
	error = reset_serial(fd);
	if (error < 0)
		return error;
	*step = "leave RS485 mode";
	memset(&rs485, 0, sizeof(rs485));
	if (call(fd, TIOCGRS485, &rs485) < 0 || (rs485.flags & SER_RS485_ENABLED) == 0)
		return 0;
	memset(&rs485, 0, sizeof(rs485));
	return call(fd, TIOCSRS485, &rs485);
}

int
line_flush_input(int fd)
{
	return call_number(fd, TCFLSH, TCIFLUSH);
}

int
line_queued(int fd)
{
	int n = 0, error = call(fd, TIOCOUTQ, &n);

	return error < 0 ? error : n;
}

bool
line_is_sent(int fd)
{
	unsigned status = 0;

	return ioctl(fd, TIOCSERGETLSR, &status) < 0 || (status & TIOCSER_TEMT) != 0;
}
