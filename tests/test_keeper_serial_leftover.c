/*
 * test_keeper_serial_leftover.c - what a bad holder leaves behind on a real port is gone at the
 * next grant, whether he closes, keeps his descriptor and is revoked, or comes back through a
 * hang-up. One row of the table for each thing that real drivers keep. (Not here: seven bits; a pty
 * has eight.)
 */
#include "keeper_rig.h"
#include "serial_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <linux/tty_flags.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define OPTIONS      "hangup-ms = 20\nbaud = 38400\nflow = rtscts\nown = leased\n"
#define CLOSING_WAIT 3000 /* the kernel's */
#define OPTIONS_LEFT (int)(ASYNC_SPD_CUST | ASYNC_LOW_LATENCY)
#define OPTIONS_MASK (int)(ASYNC_SPD_MASK | ASYNC_LOW_LATENCY)
#define N_NULL       27 /* a line discipline that every kernel has */

static struct serial_line *line;

static void
begin(void)
{
	serial_rig_reset();
	line = serial_rig_any();
}

/* ---- the rows ---- */

static void
leave_settings(int fd)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	t.c_iflag |= IXON | IXOFF | ICRNL | INLCR | ISTRIP | IGNCR | PARMRK | IXANY;
	t.c_oflag |= OPOST | ONLCR | OLCUC;
	t.c_lflag |= ICANON | ECHO | ISIG | TOSTOP | NOFLSH | IEXTEN;
	t.c_cflag |= CSTOPB | PARENB | PARODD | HUPCL;
	t.c_cflag &= (tcflag_t) ~(CREAD | CLOCAL | CRTSCTS);
	memset(t.c_cc, 'e', sizeof(t.c_cc));
	cfsetspeed(&t, B300);
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
}

static void
expect_settings(int fd)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B38400);
	ck_assert_uint_eq(cfgetispeed(&t), B38400);
	ck_assert_uint_eq(t.c_iflag | t.c_oflag | t.c_lflag, 0);
	ck_assert_uint_eq(t.c_cflag & (CSIZE | PARENB | CSTOPB | CREAD | CLOCAL | CRTSCTS | HUPCL),
			  CS8 | CREAD | CLOCAL | CRTSCTS);
	ck_assert_uint_eq(t.c_cc[VMIN], 1);
	ck_assert_uint_eq(t.c_cc[VTIME], 0);
	ck_assert_uint_eq(t.c_cc[VSTART], 17);
}

/* A speed of zero is a line that is hung up. */
static void
leave_b0(int fd)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	cfsetspeed(&t, B0);
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
	ck_assert_uint_eq(line->modem & (TIOCM_DTR | TIOCM_RTS), 0);
}

static void
expect_lines_up(int fd)
{
	expect_settings(fd);
	ck_assert_uint_eq(line->modem & (TIOCM_DTR | TIOCM_RTS), TIOCM_DTR | TIOCM_RTS);
}

static void
leave_lines_down(int fd)
{
	int both = TIOCM_DTR | TIOCM_RTS;

	ck_assert_int_eq(ioctl(fd, TIOCMBIC, &both), 0);
	ck_assert_uint_eq(line->modem & (TIOCM_DTR | TIOCM_RTS), 0);
}

static void
leave_stopped_output(int fd)
{
	ck_assert_int_eq(tcflow(fd, TCOOFF), 0);
	ck_assert(line->is_stopped);
}

static void
expect_running_output(int fd)
{
	char byte = 0;

	ck_assert(!line->is_stopped);
	ck_assert_int_eq(write(fd, "!", 1), 1);
	ck_assert_uint_eq(rig_read_master(&byte, 1), 1);
	ck_assert_int_eq(byte, '!');
}

static void
leave_exclusive(int fd)
{
	ck_assert_int_eq(ioctl(fd, TIOCEXCL), 0);
}

/* With `own = leased` it is the keeper's own during a lease, and nobody's before. */
static void
expect_not_exclusive(void)
{
	int exclusive = -1, fd = open(rig.device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, TIOCGEXCL, &exclusive), 0);
	ck_assert_int_eq(exclusive, 0);
	close(fd);
}

static void
expect_nothing(int fd)
{
	(void)fd;
}

static void
leave_break(int fd)
{
	ck_assert_int_eq(ioctl(fd, TIOCSBRK), 0);
	ck_assert(line->is_break);
}

static void
expect_no_break(int fd)
{
	(void)fd;
	ck_assert(!line->is_break);
}

static void
leave_discipline(int fd)
{
	int discipline = N_NULL;

	ck_assert_int_eq(ioctl(fd, TIOCSETD, &discipline), 0);
}

static void
expect_discipline(int fd)
{
	int discipline = -1;

	ck_assert_int_eq(ioctl(fd, TIOCGETD, &discipline), 0);
	ck_assert_int_eq(discipline, N_TTY);
}

static void
leave_driver_options(int fd)
{
	struct serial_struct serial;

	ck_assert_int_eq(ioctl(fd, TIOCGSERIAL, &serial), 0);
	serial.flags |= OPTIONS_LEFT;
	serial.custom_divisor = 13;
	if (geteuid() == 0)
		serial.closing_wait = ASYNC_CLOSING_WAIT_NONE; /* for CAP_SYS_ADMIN */
	ck_assert_int_eq(ioctl(fd, TIOCSSERIAL, &serial), 0);
}

static void
expect_driver_options(int fd)
{
	struct serial_struct serial;

	ck_assert_int_eq(ioctl(fd, TIOCGSERIAL, &serial), 0);
	ck_assert_int_eq(serial.flags & OPTIONS_MASK, 0);
	ck_assert_int_eq(serial.closing_wait, CLOSING_WAIT);
}

static void
leave_rs485(int fd)
{
	struct serial_rs485 mode = { .flags = SER_RS485_ENABLED | SER_RS485_RTS_ON_SEND };

	ck_assert_int_eq(ioctl(fd, TIOCSRS485, &mode), 0);
}

static void
expect_rs232(int fd)
{
	struct serial_rs485 mode;

	ck_assert_int_eq(ioctl(fd, TIOCGRS485, &mode), 0);
	ck_assert_uint_eq(mode.flags & SER_RS485_ENABLED, 0);
}

static void
leave_input(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	ck_assert_int_eq(write(rig.master, "old", 3), 3);
	ck_assert_int_eq(poll(&p, 1, RIG_SOON_MS), 1);
}

static void
expect_no_input(int fd)
{
	char byte;

	ck_assert_int_lt(read(fd, &byte, 1), 0);
	ck_assert_int_eq(errno, EAGAIN);
}

/* What waits for stopped output without limit comes after what ends that. */
static void
leave_all(int fd)
{
	leave_break(fd);
	leave_driver_options(fd);
	leave_rs485(fd);
	leave_settings(fd);
	leave_exclusive(fd);
	leave_lines_down(fd);
	leave_stopped_output(fd);
	leave_discipline(fd);
	line->queued = 1000;
}

static void
expect_all(int fd)
{
	expect_no_break(fd);
	expect_discipline(fd);
	expect_driver_options(fd);
	expect_rs232(fd);
	expect_lines_up(fd);
	expect_running_output(fd);
	ck_assert_int_eq(line->queued, 0);
}

static const struct {
	const char *name;
	void (*leave)(int fd), (*expect)(int fd);
} rows[] = {
	{ "settings", leave_settings, expect_settings },
	{ "B0", leave_b0, expect_lines_up },
	{ "DTR and RTS down", leave_lines_down, expect_lines_up },
	{ "TCOOFF", leave_stopped_output, expect_running_output },
	{ "TIOCEXCL", leave_exclusive, expect_nothing },
	{ "break", leave_break, expect_no_break },
	{ "line discipline", leave_discipline, expect_discipline },
	{ "TIOCSSERIAL", leave_driver_options, expect_driver_options },
	{ "RS485", leave_rs485, expect_rs232 },
	{ "unread input", leave_input, expect_no_input },
	{ "all of it", leave_all, expect_all },
};

#define EXCLUSIVE 4
#define ROWS      ((int)(sizeof(rows) / sizeof(rows[0])))
#define CLOSABLE                                                                                   \
	(ROWS - 1) /* the last one has output that nobody sends: that takes two seconds            \
		    */

static int
make_mess(int row)
{
	int fd;

	rig_ready(geteuid() == 0 ? OPTIONS : OPTIONS "revocation = none\n");
	fd = rig_open(1, true);
	rows[row].leave(fd);
	return fd;
}

static void
expect_next_is_clean(int row)
{
	int fd;

	if (row == EXCLUSIVE)
		expect_not_exclusive();
	fd = rig_open(2, true);
	rows[row].expect(fd);
	close(fd);
	rig_end();
}

/* ---- the ways to end ---- */

START_TEST(it_is_gone_after_a_close)
{
	int fd = make_mess(_i);

	close(fd);
	rig_expect(IPC_GONE);
	rig_turnaround(1, LEASE_RELEASED, 0);
	expect_next_is_clean(_i);
}
END_TEST

START_TEST(it_is_gone_after_a_revocation)
{
	int fd = make_mess(_i);
	double begun = rig_now_us();

	rig_turnaround(1, LEASE_REVOKED, IPC_TURN_REVOKE);
	ck_assert_double_lt(rig_now_us() - begun, 1.9e6); /* nothing waited for its output */
	ck_assert_int_eq(write(fd, "x", 1), -1);
	expect_next_is_clean(_i);
	close(fd);
}
END_TEST

/* He is hung up by somebody else, keeps his dead descriptor, and does not open again. */
START_TEST(it_is_gone_after_a_hang_up)
{
	int fd = make_mess(_i);

	ck_assert_int_eq(ioctl(fd, TIOCVHANGUP), 0);
	rig_expect(IPC_HUNGUP);
	rig_turnaround(1, LEASE_HUNGUP, IPC_TURN_REVOKE);
	expect_next_is_clean(_i);
	close(fd);
}
END_TEST

/* The keeper has died meanwhile. */
START_TEST(it_is_gone_though_another_keeper_cleans)
{
	int fd = make_mess(_i);

	rig_kill_keeper();
	close(fd);
	rig_start();
	rig_turnaround(1, LEASE_DIED, _i == ROWS - 1 ? IPC_TURN_REVOKE : 0);
	expect_next_is_clean(_i);
}
END_TEST

START_TEST(driver_without_options_is_as_good)
{
	int fd;

	line->has_no_serial = line->has_no_rs485 = line->has_no_lsr = true;
	rig_ready(OPTIONS);
	fd = rig_open(1, true);
	leave_settings(fd);
	leave_break(fd);
	close(fd);
	rig_expect(IPC_GONE);
	rig_turnaround(1, LEASE_RELEASED, 0);
	fd = rig_open(2, true);
	expect_lines_up(fd);
	expect_no_break(fd);
	close(fd);
	rig_end();
}
END_TEST

/* ---- and what is no leftover ---- */

/* closing_wait is for CAP_SYS_ADMIN, and so it was for whoever set it; a holder's flags are not. */
START_TEST(keeper_without_privilege_resets_what_a_holder_could_set)
{
	struct serial_struct serial;
	int fd;

	if (geteuid() == 0)
		ck_assert_int_eq(setresuid(65534, 65534, 65534), 0);
	line->closing_wait = ASYNC_CLOSING_WAIT_NONE; /* root's, since the machine started */
	rig_ready("hangup-ms = 0\nrevocation = none\n");
	fd = rig_open(1, true);
	ck_assert_int_eq(ioctl(fd, TIOCGSERIAL, &serial), 0);
	serial.flags |= OPTIONS_LEFT;
	serial.custom_divisor = 13;
	ck_assert_int_eq(ioctl(fd, TIOCSSERIAL, &serial), 0);
	close(fd);
	rig_expect(IPC_GONE);
	rig_turnaround(1, LEASE_RELEASED, 0);
	ck_assert_int_eq(line->flags & OPTIONS_MASK, 0);
	ck_assert_int_eq(line->closing_wait, ASYNC_CLOSING_WAIT_NONE);
	rig_end();
}
END_TEST

/* cdc_acm's flush does nothing: only a hang-up discards what a revoked holder has written. */
START_TEST(output_that_no_flush_discards_goes_with_the_hang_up)
{
	int fd;

	line->flushes_nothing = true;
	rig_ready(OPTIONS);
	fd = rig_open(1, true);
	line->queued = 1000;
	rig_turnaround(1, LEASE_REVOKED, IPC_TURN_REVOKE);
	ck_assert_int_eq(line->queued, 0);
	close(fd);
	rig_end();
}
END_TEST

int
main(int argc, char **argv)
{
	TCase *t = tcase_create("leftover"), *root = tcase_create("revocation");

	(void)argc;
	serial_rig_main(argv);
	tcase_add_checked_fixture(t, begin, NULL);
	tcase_add_checked_fixture(root, begin, NULL);
	tcase_add_loop_test(t, it_is_gone_after_a_close, 0, CLOSABLE);
	tcase_add_loop_test(root, it_is_gone_after_a_close, CLOSABLE, ROWS);
	tcase_add_loop_test(root, it_is_gone_after_a_revocation, 0, ROWS);
	tcase_add_loop_test(root, it_is_gone_after_a_hang_up, 0, ROWS);
	/* a pty's TIOCEXCL outlives the last close, and would keep an ordinary user's keeper out */
	tcase_add_loop_test(t, it_is_gone_though_another_keeper_cleans, 0, EXCLUSIVE);
	tcase_add_loop_test(root, it_is_gone_though_another_keeper_cleans, EXCLUSIVE,
			    EXCLUSIVE + 1);
	tcase_add_loop_test(t, it_is_gone_though_another_keeper_cleans, EXCLUSIVE + 1, ROWS - 1);
	tcase_add_loop_test(root, it_is_gone_though_another_keeper_cleans, ROWS - 1, ROWS);
	tcase_add_test(t, driver_without_options_is_as_good);
	tcase_add_test(t, keeper_without_privilege_resets_what_a_holder_could_set);
	tcase_add_test(root, output_that_no_flush_discards_goes_with_the_hang_up);
	return serial_rig_end(rig_run("keeper_serial_leftover", t, root));
}
