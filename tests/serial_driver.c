/*
 * serial_driver.c - see serial_driver.h. Linked into the tests and into preload_serial.so. Knows
 * nothing of paths.
 *
 * The tricky idea: whether a description still works is the pty's to say. A request that is
 * answered here first asks it something harmless (TIOCGETD), so that one that was hung up, or whose
 * pty has gone, gives EIO as on a real port.
 */
#include "serial_driver_internal.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/serial.h>
#include <linux/tty_flags.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- output ---- */

static int
queued(struct serial_line *line)
{
	int n = atomic_load(&line->queued), step = atomic_load(&line->step);

	serial_note(line, SERIAL_SENT, n);
	if (!atomic_load(&line->is_stopped))
		atomic_store(&line->queued, n > step ? n - step : 0);
	return n;
}

/* The driver's wait for what has not gone out yet; a signal ends it. */
static int
wait_until_sent(struct serial_line *line, int fd)
{
	int result = 0;

	while (result == 0 && atomic_load(&line->queued) > 0) {
		result = serial_sleep(&line->still, atomic_load(&line->still));
		if (result == 0)
			result = serial_is_alive(fd);
		if (!atomic_load(&line->is_stopped))
			atomic_fetch_sub(&line->queued, atomic_load(&line->step));
	}
	if (atomic_load(&line->queued) < 0)
		atomic_store(&line->queued, 0);
	return result;
}

static void
flush(struct serial_line *line, int which)
{
	serial_note(line, SERIAL_FLUSHED, which);
	if (which != TCIFLUSH && !atomic_load(&line->flushes_nothing))
		atomic_store(&line->queued, 0);
}

static void
set_break(struct serial_line *line, bool on)
{
	if (atomic_exchange(&line->is_break, on) != on)
		serial_note(line, SERIAL_BREAK, on);
}

/* ---- what the driver keeps ---- */

static bool
is_admin(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };

	return syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective >> CAP_SYS_ADMIN & 1) != 0;
}

static int
get_serial(struct serial_line *line, struct serial_struct *serial)
{
	if (atomic_load(&line->has_no_serial))
		return -ENOTTY;
	memset(serial, 0, sizeof(*serial));
	serial->type = PORT_16550A;
	serial->baud_base = 115200;
	serial->close_delay = 50;
	serial->flags = atomic_load(&line->flags);
	serial->custom_divisor = atomic_load(&line->custom_divisor);
	serial->closing_wait = (unsigned short)atomic_load(&line->closing_wait);
	return 0;
}

/* serial_core.c, usb-serial.c: closing_wait and most flags are for CAP_SYS_ADMIN; all or nothing.
 */
static int
set_serial(struct serial_line *line, const struct serial_struct *serial)
{
	int changed = serial->flags ^ atomic_load(&line->flags);

	if (atomic_load(&line->has_no_serial))
		return -ENOTTY;
	if (!is_admin() && ((changed & (int)~ASYNC_USR_MASK) != 0 ||
			    serial->closing_wait != atomic_load(&line->closing_wait)))
		return -EPERM;
	atomic_store(&line->flags, serial->flags);
	atomic_store(&line->custom_divisor, serial->custom_divisor);
	atomic_store(&line->closing_wait, serial->closing_wait);
	return 0;
}

static int
rs485(struct serial_line *line, bool set, struct serial_rs485 *mode)
{
	if (atomic_load(&line->has_no_rs485))
		return -ENOTTY;
	if (set) {
		atomic_store(&line->rs485, mode->flags);
		return 0;
	}
	memset(mode, 0, sizeof(*mode));
	mode->flags = atomic_load(&line->rs485);
	return 0;
}

/* ---- settings, hang-ups, opens ---- */

static struct termios2
termios_of(const struct serial_settings *settings)
{
	struct termios2 t;

	_Static_assert(sizeof(t) <= sizeof(settings->bytes), "it has room");
	memcpy(&t, settings->bytes, sizeof(t));
	return t;
}

static tcflag_t
cflag_of(const struct serial_settings *settings)
{
	return termios_of(settings).c_cflag;
}

/* uart_set_termios(): B0 is a hang-up of the line, and any speed behind it the end of that. */
static void
remember(struct serial_line *line, int fd)
{
	bool was_b0 = atomic_load(&line->has_settings) && (cflag_of(&line->settings) & CBAUD) == B0;
	bool is_b0;

	if (serial_pty(fd, TCGETS2, &line->settings) < 0)
		return;
	atomic_store(&line->has_settings, true);
	is_b0 = (cflag_of(&line->settings) & CBAUD) == B0;
	if (is_b0 != was_b0)
		serial_set_outputs(line, SERIAL_OUTPUTS, is_b0 ? 0 : SERIAL_OUTPUTS);
}

/* A UART keeps its settings over a hang-up, a pty gets the terminal's: whoever opens next puts them
 * back. */
static int
hang_up(struct serial_line *line, int fd)
{
	struct serial_settings settings = line->settings;
	int discipline = N_TTY, error;

	serial_pty(fd, TIOCGETD, &discipline);
	serial_pty(fd, TCGETS2, &settings); /* N_NULL has none: then the last ones that were seen */
	error = serial_pty(fd, TIOCVHANGUP, NULL);
	if (error < 0)
		return error;
	line->hung_up = settings;
	atomic_store(&line->hung_up_discipline, discipline);
	atomic_store(&line->is_hung_up, true);
	serial_note(line, SERIAL_HUNG_UP, 0);
	atomic_store(&line->queued, 0);
	set_break(line, false);
	if (cflag_of(&settings) & HUPCL)
		serial_set_outputs(line, SERIAL_OUTPUTS, 0);
	return 0;
}

/* A terminal's, which nobody has set: the kernel hung it up by itself. */
static bool
was_reset(const struct serial_line *line, const struct serial_settings *now)
{
	const tcflag_t cooked = ICANON | ECHO;

	return atomic_load(&line->has_settings) && (termios_of(now).c_lflag & cooked) == cooked &&
	       (termios_of(&line->settings).c_lflag & cooked) != cooked;
}

/* Until the test lets it go; no signal ends it. */
static void
stand_still(struct serial_line *line, unsigned long request)
{
	if (atomic_load(&line->still_request) != request)
		return;
	atomic_fetch_add(&line->stuck, 1);
	while (atomic_load(&line->still_request) == request)
		serial_sleep(&line->still, atomic_load(&line->still));
	atomic_fetch_sub(&line->stuck, 1);
}

static int
fail(struct serial_line *line, unsigned long request)
{
	stand_still(line, request);
	return atomic_load(&line->bad_request) == request ? -atomic_load(&line->bad_errno) : 0;
}

int
serial_opening(struct serial_line *line)
{
	return fail(line, SERIAL_OPEN);
}

void
serial_opened(struct serial_line *line, int fd, int flags)
{
	struct serial_settings now;
	int discipline;

	serial_note(line, SERIAL_OPENED, (flags & O_CLOEXEC) != 0);
	if (atomic_exchange(&line->is_hung_up, false)) {
		discipline = atomic_load(&line->hung_up_discipline);
		serial_pty(fd, TCSETS2, &line->hung_up);
		if (discipline != N_TTY)
			serial_pty(fd, TIOCSETD, &discipline);
	} else if (serial_pty(fd, TCGETS2, &now) == 0 && was_reset(line, &now)) {
		serial_pty(fd, TCSETS2, &line->settings);
	}
	if (serial_pty(fd, TCGETS2, &now) == 0 && (cflag_of(&now) & CBAUD) != B0)
		serial_set_outputs(line, SERIAL_OUTPUTS, SERIAL_OUTPUTS);
}

/* ---- requests ---- */

/* The others know no queue, no flow and no flush. */
static bool
is_terminal(int fd)
{
	int discipline = N_TTY;

	serial_pty(fd, TIOCGETD, &discipline);
	return discipline == N_TTY;
}

static int
driver_request(struct serial_line *line, int fd, unsigned long request, void *argument)
{
	int *value = argument;

	switch (request) {
	case TIOCGSERIAL:
		return get_serial(line, argument);
	case TIOCSSERIAL:
		return set_serial(line, argument);
	case TIOCGRS485:
		return rs485(line, false, argument);
	case TIOCSRS485:
		return rs485(line, true, argument);
	case TIOCOUTQ:
		if (!is_terminal(fd))
			return -EINVAL;
		*value = queued(line);
		return 0;
	case TIOCSERGETLSR:
		if (atomic_load(&line->has_no_lsr))
			return -ENOTTY;
		*value = atomic_load(&line->unsent) > 0 ? 0 : TIOCSER_TEMT;
		atomic_fetch_sub(&line->unsent, *value == 0);
		return 0;
	}
	return SERIAL_PASS;
}

/* Those that the pty does as well. */
static int
shared_request(struct serial_line *line, int fd, unsigned long request, void *argument)
{
	switch (request) {
	case TIOCSBRK: /* tty_io.c: the other one does not wait */
		if (wait_until_sent(line, fd) < 0)
			return -EINTR;
		set_break(line, true);
		return 0;
	case TIOCCBRK:
		set_break(line, false);
		return 0;
	case TIOCSETD:
	case TCSBRK:
	case TCSBRKP:
	case TCSETSW:
	case TCSETSF:
	case TCSETSW2:
	case TCSETSF2:
		return wait_until_sent(line, fd) < 0 ? -EINTR : SERIAL_PASS;
	case TCFLSH:
		if (is_terminal(fd))
			flush(line, (int)(intptr_t)argument);
		return SERIAL_PASS;
	case TCXONC:
		if (is_terminal(fd) && (intptr_t)argument <= TCOON)
			atomic_store(&line->is_stopped, (intptr_t)argument == TCOOFF);
		return SERIAL_PASS;
	case TIOCVHANGUP:
		return hang_up(line, fd);
	}
	return SERIAL_PASS;
}

int
serial_request(struct serial_line *line, int fd, unsigned long request, void *argument)
{
	int result = serial_is_alive(fd);

	if (result < 0)
		return request == TIOCMIWAIT || result == -EIO ? result : SERIAL_PASS;
	result = fail(line, request);
	if (result == 0)
		result = serial_modem_request(line, fd, request, argument);
	if (result == SERIAL_PASS)
		result = driver_request(line, fd, request, argument);
	return result == SERIAL_PASS ? shared_request(line, fd, request, argument) : result;
}

void
serial_requested(struct serial_line *line, int fd, unsigned long request)
{
	switch (request) {
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		remember(line, fd);
	}
}
