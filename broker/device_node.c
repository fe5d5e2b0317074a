/*
 * device_node.c - is that a serial device that may be leased? It refuses to open anything: the mere
 * open of a watchdog reboots the machine minutes later, that of a tape rewinds it.
 *
 * The tricky idea: sysfs says of each character device to which subsystem it belongs, without an
 * open. Pseudo terminals are not in sysfs; their major numbers are fixed. The tty subsystem also
 * has what is no port (console, virtual terminals, ptmx): known by number. A port on which the
 * kernel writes its messages is no port for others either: the kernel needs no open for that, and
 * nothing would keep it from the line.
 */
#include "device_node.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAJOR_CONSOLES      4 /* minors below 64 */
#define MAJOR_TTY           5 /* tty, console, ptmx */
#define MAJOR_PTY_MASTER    128
#define MAJOR_PTY_SLAVE     136
#define MAJOR_PTY_SLAVE_END 144

void
node_text(char *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, DEVICE_TEXT_MAX, format, arguments);
	va_end(arguments);
}

int
node_explain(const char *path, int error, char text[DEVICE_TEXT_MAX])
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ENXIO:
	case ENODEV:
		node_text(text, "%s: no such device", path);
		return DEVICE_ABSENT;
	case EACCES:
	case EPERM:
		node_text(text,
			  "%s: %s for uid %u; let it read and write the device (chown, chmod or a "
			  "udev rule)",
			  path, strerror(error), (unsigned)geteuid());
		return -error;
	case EBUSY:
		node_text(text,
			  "%s: %s: a program outside comlease has it for itself (TIOCEXCL); end it",
			  path, strerror(error));
		return -error;
	default:
		node_text(text, "%s: %s", path, strerror(error));
		return -error;
	}
}

static const char *
kind_of(const struct stat *st)
{
	unsigned major_number = major(st->st_rdev);

	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return "a regular file";
	case S_IFDIR:
		return "a directory";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFBLK:
		return "a block device";
	}
	if (major_number == MAJOR_TTY ||
	    (major_number == MAJOR_CONSOLES && minor(st->st_rdev) < 64))
		return "a console";
	if (major_number >= MAJOR_PTY_MASTER && major_number < MAJOR_PTY_SLAVE)
		return "the master of a pseudo terminal";
	return NULL;
}

/* The subsystem of a character device, or "". */
static void
subsystem_of(dev_t rdev, char *name, size_t size)
{
	char path[64], target[PATH_MAX];
	const char *slash, *last;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/subsystem", major(rdev), minor(rdev));
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	slash = strrchr(target, '/');
	last = slash == NULL ? target : slash + 1;
	n = (ssize_t)strnlen(last, size - 1);
	memcpy(name, last, (size_t)n);
	name[n] = '\0';
}

/* ---- the kernel's console ---- */

/* Does the file have that word, up to a blank or one of `ends`? */
static bool
has_word(const char *file, const char *word, const char *ends)
{
	char text[4096];
	FILE *f = fopen(file, "re");
	size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text) - 1, f), length = strlen(word);
	const char *at = text;

	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	for (; (at = strstr(at, word)) != NULL; at++)
		if ((at == text || at[-1] == ' ') && strchr(ends, at[length]) != NULL)
			return true;
	return false;
}

static bool
is_kernel_console(const char *node, char text[DEVICE_TEXT_MAX])
{
	const char *name = strncmp(node, "/dev/", 5) == 0 ? node + 5 : node;
	char parameter[80];

	if (!has_word("/sys/class/tty/console/active", name, " \n"))
		return false;
	snprintf(parameter, sizeof(parameter), "console=%.64s", name);
	if (has_word("/proc/cmdline", parameter, " ,\n"))
		node_text(text,
			  "%.100s: the kernel's console, which writes its messages there: it can't "
			  "be leased before the boot parameter %s is removed",
			  node, parameter);
	else
		node_text(text,
			  "%.100s: the kernel's console, which writes its messages there: it can't "
			  "be leased before the kernel is booted with another one (such as "
			  "console=tty0)",
			  node);
	return true;
}

/* ---- what it is ---- */

/* More than the subsystem's name tells. */
static const char *
describe_subsystem(const char *subsystem, const char *name)
{
	if (strcmp(subsystem, "usbmisc") == 0 && strncmp(name, "cdc-wdm", 7) == 0)
		return "a modem's control channel, which speaks QMI or MBIM; lease its AT port, "
		       "mostly one of its /dev/ttyUSB or /dev/ttyACM, instead";
	if (strcmp(subsystem, "wwan") == 0)
		return "a modem's channel of the subsystem wwan, no tty: it can't be hung up and "
		       "so not be taken back; lease a /dev/ttyUSB or /dev/ttyACM of that modem, "
		       "if it has one, or leave it to ModemManager";
	return NULL;
}

static int
refuse(const char *path, const char *node, const struct stat *st, char text[DEVICE_TEXT_MAX])
{
	const char *slash = strrchr(node, '/'), *what;
	char subsystem[64];

	subsystem_of(st->st_rdev, subsystem, sizeof(subsystem));
	if (strcmp(subsystem, "tty") == 0)
		return is_kernel_console(node, text) ? -EBUSY : 0;
	what = describe_subsystem(subsystem, slash == NULL ? node : slash + 1);
	if (what != NULL)
		node_text(text, "%.100s: not a serial device: %s", path, what);
	else if (subsystem[0] == '\0')
		node_text(
		    text,
		    "%s: not a serial device: a character device (%u:%u) that sysfs does not know",
		    path, major(st->st_rdev), minor(st->st_rdev));
	else
		node_text(text, "%s: not a serial device: a character device of subsystem %s", path,
			  subsystem);
	return -ENOTTY;
}

static int
check(const char *path, const char *node, const struct stat *st, bool is_pty,
      char text[DEVICE_TEXT_MAX])
{
	const char *kind = kind_of(st);

	if (kind != NULL) {
		node_text(text, "%s: not a serial device: %s", path, kind);
		return -ENOTTY;
	}
	return is_pty ? 0 : refuse(path, node, st, text);
}

int
node_find(const char *path, char *node, dev_t *rdev, bool *is_pty, char text[DEVICE_TEXT_MAX])
{
	struct stat st;

	if (realpath(path, node) == NULL || stat(node, &st) < 0) {
		node[0] = '\0';
		return node_explain(path, errno, text);
	}
	*rdev = st.st_rdev;
	*is_pty = S_ISCHR(st.st_mode) && major(st.st_rdev) >= MAJOR_PTY_SLAVE &&
		  major(st.st_rdev) < MAJOR_PTY_SLAVE_END;
	return check(path, node, &st, *is_pty, text);
}

/* ---- is it still there? ---- */

static bool
is_it(const struct device *device, const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == device->rdev && st->st_ino == device->inode;
}

bool
device_is_at(const struct device *device, const char *path)
{
	struct stat st;

	return device->fd >= 0 && stat(path, &st) == 0 && is_it(device, &st);
}

bool
device_has_left(const struct device *device, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR || errno == ENXIO || errno == ENODEV;
	return !is_it(device, &st);
}
