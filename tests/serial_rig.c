/* serial_rig.c - see serial_rig.h. */
#include "serial_rig.h"

#include <check.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS 10000

static size_t mark;

/* ---- the program and its folder ---- */

/* What sysfs has of a port on the board and of one on USB, for each line. */
static const char tree[] =
    "set -e; cd '%s'; mkdir sys; for i in 0 1 2 3 4 5 6 7; do\n"
    "board=sys/$i/platform/serial8250 usb=sys/$i/usb1/1-1/1-1:1.0/port\n"
    "mkdir -p $board/tty/port $usb/tty/port\n"
    "ln -s ../../../serial8250 $board/tty/port/device; ln -s ../../../port $usb/tty/port/device\n"
    "ln -s ../../../class/tty $board/tty/port/subsystem\n"
    "ln -s ../../../class/tty $usb/tty/port/subsystem\n"
    "echo 00 >$usb/../bInterfaceNumber; echo 0 >$usb/port_number; done\n";

static bool
make_folder(char *folder)
{
	char command[sizeof(tree) + PATH_MAX];
	int fd;

	if (mkdtemp(folder) == NULL || chmod(folder, 0755) < 0)
		return false;
	snprintf(command, sizeof(command), tree, folder);
	if (system(command) != 0)
		return false;
	snprintf(command, sizeof(command), "%s/state", folder);
	fd = open(command, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0 || ftruncate(fd, sizeof(struct serial_state)) < 0 || fchmod(fd, 0666) < 0)
		return false;
	close(fd);
	return true;
}

/* preload_serial.so stands beside the program. */
static bool
set_environment(const char *folder)
{
	const char *asan = getenv("ASAN_OPTIONS");
	char path[PATH_MAX + 32] = "", options[512];

	if (readlink("/proc/self/exe", path, PATH_MAX - 1) < 0)
		return false;
	strcpy(strrchr(path, '/'), "/preload_serial.so");
	/* the sanitizer's library would rather be the first */
	snprintf(options, sizeof(options), "%s%sverify_asan_link_order=0", asan ? asan : "",
		 asan ? ":" : "");
	return access(path, R_OK) == 0 && setenv("LD_PRELOAD", path, 1) == 0 &&
	       setenv("ASAN_OPTIONS", options, 1) == 0 &&
	       setenv(SERIAL_ENVIRONMENT, folder, 1) == 0;
}

void
serial_rig_main(char **argv)
{
	char folder[] = "/tmp/comlease-serial.XXXXXX";

	if (serial_state() != NULL)
		return;
	if (make_folder(folder) && set_environment(folder))
		execv("/proc/self/exe", argv);
	perror("preload_serial.so");
	exit(EXIT_FAILURE);
}

int
serial_rig_end(int status)
{
	char command[PATH_MAX];

	snprintf(command, sizeof(command), "rm -r '%s'", serial_folder());
	return system(command) == 0 ? status : EXIT_FAILURE;
}

/* ---- ports ---- */

static void
link_line(int number, const char *to)
{
	static const char *const names[] = { "tty", "dev" };
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/sys/%d/%s", serial_folder(), number, names[i]);
		unlink(path);
		ck_assert_int_eq(symlink(to, path), 0);
	}
}

void
serial_rig_reset(void)
{
	struct serial_state *state = serial_state();
	int i;

	memset(state, 0, sizeof(*state));
	mark = 0;
	for (i = 0; i < SERIAL_LINES_MAX; i++)
		link_line(i, "platform/serial8250/tty/port");
}

static struct serial_line *
add(int minor)
{
	struct serial_line *line = serial_state()->lines;

	while (atomic_load(&line->minor) != 0)
		ck_assert_ptr_ne(++line, serial_state()->lines + SERIAL_LINES_MAX);
	atomic_store(&line->modem, TIOCM_CTS | TIOCM_DSR);
	atomic_store(&line->closing_wait, 3000);
	atomic_store(&line->minor, minor);
	return line;
}

struct serial_line *
serial_rig_plug(int master)
{
	unsigned number;

	ck_assert_int_eq(ioctl(master, TIOCGPTN, &number), 0);
	return add((int)number + 1);
}

struct serial_line *
serial_rig_any(void)
{
	return add(SERIAL_ANY);
}

void
serial_rig_make_usb(struct serial_line *line)
{
	static const char *const files[][2] = {
		{ "idVendor", "0403" },     { "idProduct", "6001" },
		{ "busnum", "1" },          { "devnum", "1" },
		{ "devpath", "1" },         { "serial", "A50285BI" },
		{ "manufacturer", "FTDI" }, { "product", "FT232R USB UART" },
	};
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		serial_rig_set_usb(line, files[i][0], files[i][1]);
	link_line(serial_line_number(line), "usb1/1-1/1-1:1.0/port/tty/port");
}

void
serial_rig_set_usb(struct serial_line *line, const char *file, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/sys/%d/usb1/1-1/%s", serial_folder(),
		 serial_line_number(line), file);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "%s\n", text);
	ck_assert_int_eq(fclose(f), 0);
}

/* ---- what the test sees ---- */

void
serial_rig_mark(void)
{
	mark = atomic_load(&serial_state()->events);
}

static int
search(const struct serial_line *line, enum serial_what what, int value, double *last_ms)
{
	const struct serial_state *state = serial_state();
	size_t i, end = atomic_load(&state->events);
	int count = 0;

	ck_assert_uint_le(end, SERIAL_JOURNAL_MAX);
	for (i = mark; i < end; i++) {
		const struct serial_event *e = &state->journal[i];

		if (e->line != serial_line_number(line) || e->what != what || e->value != value)
			continue;
		count++;
		*last_ms = (double)e->ns / 1e6;
	}
	return count;
}

int
serial_rig_count(const struct serial_line *line, enum serial_what what, int value)
{
	double last_ms;

	return search(line, what, value, &last_ms);
}

double
serial_rig_last_ms(const struct serial_line *line, enum serial_what what, int value)
{
	double last_ms = 0;

	search(line, what, value, &last_ms);
	return last_ms;
}

void
serial_rig_wait(atomic_int *number, int value)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	int i;

	for (i = 0; i < WAIT_MS && atomic_load(number) != value; i++)
		nanosleep(&tick, NULL);
	ck_assert_int_eq(atomic_load(number), value);
}

/* ---- what the test does ---- */

void
serial_rig_block(struct serial_line *line, unsigned long request)
{
	atomic_store(&line->still_request, request);
	atomic_fetch_add(&line->still, 1);
	syscall(SYS_futex, &line->still, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

void
serial_rig_break(struct serial_line *line, unsigned long request, int error)
{
	atomic_store(&line->bad_errno, error);
	atomic_store(&line->bad_request, error != 0 ? request : 0);
}

void
serial_rig_lose_carrier(struct serial_line *line, int fd)
{
	struct termios t;

	serial_set_inputs(line, TIOCM_CD, false);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	if ((t.c_cflag & CLOCAL) == 0)
		ck_assert_int_eq(ioctl(fd, TIOCVHANGUP), 0);
}
