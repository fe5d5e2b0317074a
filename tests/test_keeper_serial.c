/*
 * test_keeper_serial.c - the keeper's back end for real ports, without one: libserialport and the
 * keeper are made to take a pty for /dev/ttyUSB-something. This program's own stat(), readlink(),
 * open() and ioctl() stand before the C library's, and give the pty what it lacks: a place in
 * sysfs, modem lines, an output queue and a transmitter. What a driver does by itself (an open
 * raises DTR) is imitated; what only real drivers get wrong is not found here.
 */
#undef _FORTIFY_SOURCE /* its inline versions of these functions would stand in the way */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST "hangup-ms = 0\n"

/* Shared with the keeper's process. */
static struct line {
	volatile bool is_on;
	volatile int modem;  /* TIOCM_ */
	volatile int queued; /* TIOCOUTQ */
	volatile int step;   /* by so much it gets shorter each time that it is read */
	volatile int unsent; /* so often the transmitter is said to be busy */
	volatile int opens;  /* by libserialport */
} * line;

static bool
is_our_pty(const struct stat *st)
{
	return line != NULL && line->is_on && S_ISCHR(st->st_mode) && major(st->st_rdev) == 136;
}

static int
disguise(int result, struct stat *st)
{
	if (result == 0 && is_our_pty(st))
		st->st_rdev = makedev(188, minor(st->st_rdev));
	return result;
}

int
stat(const char *restrict path, struct stat *restrict st)
{
	return disguise(fstatat(AT_FDCWD, path, st, 0), st);
}

int
fstat(int fd, struct stat *st)
{
	return disguise(fstatat(fd, "", st, AT_EMPTY_PATH), st);
}

int __lxstat(int version, const char *path, struct stat *st);
int __open_2(const char *path, int flags);

int
__lxstat(int version, const char *path, struct stat *st)
{
	(void)version;
	if (strncmp(path, "/sys/class/tty/pts/", 19) == 0) {
		memset(st, 0, sizeof(*st));
		st->st_mode = S_IFLNK;
		return 0;
	}
	return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

ssize_t
readlink(const char *restrict path, char *restrict buffer, size_t size)
{
	const char *said = "../../../../class/tty"; /* good for both */

	if (strncmp(path, "/sys/dev/char/188:", 18) != 0 &&
	    strncmp(path, "/sys/class/tty/pts/", 19) != 0)
		return readlinkat(AT_FDCWD, path, buffer, size);
	memcpy(buffer, said, strlen(said));
	return (ssize_t)strlen(said);
}

static int
open_line(const char *path, int flags, mode_t mode)
{
	int fd = openat(AT_FDCWD, path, flags, mode);

	if (fd >= 0 && line != NULL && strncmp(path, "/dev/pts/", 9) == 0) {
		line->modem |= TIOCM_DTR | TIOCM_RTS;
		line->opens += (flags & O_CLOEXEC) == 0;
	}
	return fd;
}

int
open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode = 0;

	va_start(arguments, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(arguments, mode_t);
	va_end(arguments);
	return open_line(path, flags, mode);
}

int
__open_2(const char *path, int flags)
{
	return open_line(path, flags, 0);
}

/* What a real port answers and a pty does not; 1: a pty can do that. */
static int
line_ioctl(unsigned long request, void *argument)
{
	int *value = argument;

	switch (request) {
	case TIOCMGET:
		*value = line->modem;
		return 0;
	case TIOCMSET:
		line->modem = *value;
		return 0;
	case TIOCMBIS:
		line->modem |= *value;
		return 0;
	case TIOCMBIC:
		line->modem &= ~*value;
		return 0;
	case TIOCOUTQ:
		*value = line->queued;
		line->queued = *value > line->step ? *value - line->step : 0;
		return 0;
	case TIOCSERGETLSR:
		*value = line->unsent > 0 ? 0 : TIOCSER_TEMT;
		line->unsent -= line->unsent > 0;
		return 0;
	}
	return 1;
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;
	void *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, void *);
	va_end(arguments);
	return line != NULL && line_ioctl(request, argument) == 0
		   ? 0
		   : (int)syscall(SYS_ioctl, fd, request, argument);
}

/* ---- tests ---- */

static void
set_up(void)
{
	line = mmap(NULL, sizeof(*line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(line, MAP_FAILED);
	line->is_on = true;
}

START_TEST(line_is_set_by_libserialport_and_in_full)
{
	struct termios t;
	int fd;

	rig_ready(FAST "baud = 19200\nflow = rtscts\n");
	fd = rig_open(1, true);
	ck_assert_int_eq(line->opens, 1);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B19200);
	ck_assert_uint_eq(t.c_cflag & (CRTSCTS | HUPCL | CLOCAL | CREAD), CRTSCTS | CLOCAL | CREAD);
	ck_assert_uint_eq(t.c_lflag | t.c_oflag | t.c_iflag, 0);
	close(fd);
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

/* Descriptors of the keeper on the line; every one must be close-on-exec, which sp_open() forgets.
 */
static int
keeper_descriptors(void)
{
	char path[64], text[256];
	int fd, file, count = 0;

	for (fd = 0; fd < 64; fd++) {
		memset(text, 0, sizeof(text));
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)rig.keeper, fd);
		if (readlink(path, text, sizeof(text) - 1) < 0 ||
		    strncmp(text, "/dev/pts/", 9) != 0)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", (int)rig.keeper, fd);
		file = open(path, O_RDONLY | O_CLOEXEC);
		ck_assert_int_gt(read(file, text, sizeof(text) - 1), 0);
		close(file);
		ck_assert_int_ne(strtol(strstr(text, "flags:") + 6, NULL, 8) & O_CLOEXEC, 0);
		count++;
	}
	return count;
}

START_TEST(keeper_has_one_description_of_its_own)
{
	rig_ready(FAST);
	ck_assert_int_eq(keeper_descriptors(), 1);
	rig_turnaround(0, LEASE_NONE, false);
	ck_assert_int_eq(keeper_descriptors(), 1);
	rig_end();
}
END_TEST

START_TEST(frame_that_the_device_refuses_is_a_fault_that_names_it)
{
	struct ipc_message m;

	rig_init(FAST "frame = 7E1\n"); /* a pty has eight bits */
	rig_plug();
	rig_start();
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	m = rig_expect(IPC_FAULT);
	ck_assert_msg(strstr(m.text, "frame") != NULL, "%s", m.text);
	rig_end();
}
END_TEST

START_TEST(dtr_is_low_between_leases_and_high_during_one)
{
	double start;
	int fd;

	rig_ready("hangup-ms = 60\n");
	ck_assert_int_eq(line->modem & TIOCM_DTR, 0);
	fd = rig_open(1, true);
	ck_assert_int_ne(line->modem & TIOCM_DTR, 0);
	close(fd);
	rig_expect(IPC_GONE);
	start = rig_now_us();
	rig_turnaround(1, LEASE_RELEASED, false);
	ck_assert_double_ge(rig_now_us() - start, 59e3);
	ck_assert_int_eq(line->modem & TIOCM_DTR, 0);
	rig_end();
}
END_TEST

START_TEST(output_is_waited_for_after_an_honest_end)
{
	int fd;

	rig_ready(FAST);
	fd = rig_open(1, true);
	line->queued = 1000;
	line->step = 300;
	line->unsent = 3;
	close(fd);
	rig_expect(IPC_GONE);
	rig_ask(IPC_TURNAROUND, 1, LEASE_RELEASED, false);
	ck_assert_uint_ge(rig_expect_busy(), 10000);
	rig_expect(IPC_READY);
	ck_assert_int_eq(line->queued, 0);
	ck_assert_int_eq(line->unsent, 0);
	rig_end();
}
END_TEST

START_TEST(transmitter_that_is_never_done_is_waited_for_a_while)
{
	rig_ready(FAST);
	line->unsent = 1 << 30;
	rig_turnaround(1, LEASE_DIED, false);
	rig_end();
}
END_TEST

START_TEST(output_is_not_waited_for_after_a_revocation)
{
	rig_ready(FAST);
	line->queued = 1000;
	rig_turnaround(1, LEASE_REVOKED, true);
	ck_assert_int_eq(line->queued, 1000);
	rig_end();
}
END_TEST

START_TEST(revocation_cuts_a_drain_short)
{
	double start;
	int fd;

	rig_ready(FAST);
	fd = rig_open(1, true);
	line->queued = 1 << 30;
	line->step = 1;
	start = rig_now_us();
	rig_ask(IPC_TURNAROUND, 1, LEASE_RELEASED, false);
	rig_expect_busy();
	rig_ask(IPC_TURNAROUND, 1, LEASE_REVOKED, true);
	rig_expect(IPC_READY);
	rig_expect(IPC_READY);
	ck_assert_double_lt(rig_now_us() - start, 1e6);
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(errno, EIO);
	close(fd);
	rig_end();
}
END_TEST

/* _i 0: it never moves, 2 s; 1: it moves, but not in time: drain-ms. */
START_TEST(drain_that_runs_out_is_ended_by_a_revocation)
{
	double start, us;
	int claims;

	rig_ready(FAST "drain-ms = 3000\n");
	claims = line->opens;
	line->queued = 1 << 30;
	line->step = _i;
	start = rig_now_us();
	rig_ask(IPC_TURNAROUND, 1, LEASE_RELEASED, false);
	rig_expect_busy();
	while (rig_now_us() - start < 1.5e6)
		rig_expect_quiet();
	rig_expect(IPC_READY);
	us = rig_now_us() - start;
	ck_assert_double_ge(us, _i == 0 ? 1.99e6 : 2.99e6);
	ck_assert_double_lt(us, _i == 0 ? 2.9e6 : 4e6);
	ck_assert_int_gt(line->opens, claims); /* hung up, and opened anew */
	rig_end();
}
END_TEST

START_TEST(live_lease_is_not_disturbed_by_a_new_keeper)
{
	struct termios before, after;
	int fd;

	rig_ready("hangup-ms = 20\n");
	fd = rig_open(1, true);
	ck_assert_int_eq(tcgetattr(fd, &before), 0);
	before.c_lflag |= ECHO | ICANON;
	before.c_iflag |= ICRNL;
	before.c_cflag |= HUPCL;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &before), 0);
	rig_kill_keeper();
	ck_assert_uint_eq(rig_start().token, 1);
	ck_assert_int_eq(line->opens, 1); /* libserialport has not touched it again */
	ck_assert_int_eq(tcgetattr(fd, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
	ck_assert_uint_eq(after.c_iflag, before.c_iflag);
	ck_assert_uint_eq(after.c_cflag, before.c_cflag);
	close(fd);
	rig_expect(IPC_GONE);
	rig_turnaround(1, LEASE_RELEASED, false);
	ck_assert_int_eq(line->opens, 2);
	fd = rig_open(2, true);
	ck_assert_int_eq(tcgetattr(fd, &after), 0);
	ck_assert_uint_eq(after.c_lflag | after.c_iflag, 0);
	ck_assert_uint_eq(after.c_cflag & HUPCL, 0);
	rig_unplug(); /* the description that took over is listened to */
	rig_expect(IPC_ABSENT);
	close(fd);
	rig_end();
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("serial"), *root = tcase_create("revocation");

	tcase_add_checked_fixture(t, set_up, NULL);
	tcase_add_checked_fixture(root, set_up, NULL);
	tcase_add_test(t, line_is_set_by_libserialport_and_in_full);
	tcase_add_test(t, keeper_has_one_description_of_its_own);
	tcase_add_test(t, frame_that_the_device_refuses_is_a_fault_that_names_it);
	tcase_add_test(t, dtr_is_low_between_leases_and_high_during_one);
	tcase_add_test(t, output_is_waited_for_after_an_honest_end);
	tcase_add_test(t, transmitter_that_is_never_done_is_waited_for_a_while);
	tcase_add_test(t, live_lease_is_not_disturbed_by_a_new_keeper);
	tcase_add_test(root, output_is_not_waited_for_after_a_revocation);
	tcase_add_test(root, revocation_cuts_a_drain_short);
	tcase_add_loop_test(root, drain_that_runs_out_is_ended_by_a_revocation, 0, 2);
	return rig_run("keeper_serial", t, root);
}
