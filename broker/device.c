/*
 * device.c - one port's device: which node it is, our own description of it, fresh ones for leases,
 * revocation, and the state in which each lease finds the line. Refuses to know who has a lease and
 * when: it does what the keeper tells it. The only file that includes libserialport.h.
 *
 * The tricky idea: our own description. As long as it exists no holder's close is the last one, so
 * none drains for 30 s, and the settings are ours to make at any time. While somebody's lease is
 * alive it is a plain open, because sp_open() changes settings; before the line is configured a
 * real port's becomes libserialport's. A pty's is always a plain open. Each open and close is
 * counted, as inotify will tell of it.
 *
 * What libserialport 0.1.1 gets wrong is put right here: no O_CLOEXEC; RTS/CTS is not set; HUPCL
 * stays on (line_set_raw() clears it).
 */
#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <libserialport.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device_line.h"
#include "device_node.h"

void
device_init(struct device *device)
{
	memset(device, 0, sizeof(*device));
	device->fd = -1;
}

void
device_detach(struct device *device)
{
	device->closes += device->fd >= 0;
	if (device->port != NULL) {
		sp_close(device->port);
		sp_free_port(device->port);
	} else if (device->fd >= 0) {
		close(device->fd);
	}
	device->port = NULL;
	device->fd = -1;
}

/* The node may have become another device between the look-up and the open. */
static bool
is_same(const struct device *device, int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == device->rdev;
}

static int
open_node(struct device *device)
{
	int fd = open(device->node, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	device->opens++;
	if (is_same(device, fd))
		return fd;
	close(fd);
	device->closes++;
	return -ENODEV;
}

int
device_open(struct device *device)
{
	int fd = open_node(device);

	/* without CAP_SYS_ADMIN a holder's TIOCEXCL shuts out us, too; he gets it back */
	if (fd == -EBUSY && device->fd >= 0 && device_is_exclusive(device)) {
		device_set_exclusive(device, false);
		fd = open_node(device);
		device_set_exclusive(device, true);
	}
	return fd;
}

static int
serial_fault(const char *node, const char *what, enum sp_return r, char text[DEVICE_TEXT_MAX])
{
	int error = r == SP_ERR_FAIL ? sp_last_error_code() : EINVAL;
	char *message = r == SP_ERR_FAIL ? sp_last_error_message() : NULL;

	if (error <= 0)
		error = EIO;
	if (message != NULL)
		node_text(text, "%s: can't %s: %s", node, what, message);
	else
		node_text(text, "%s: can't %s: libserialport says %s", node, what,
			  r == SP_ERR_ARG    ? "that it knows no such port"
			  : r == SP_ERR_SUPP ? "that the port can't do that"
					     : "that memory is short");
	if (message != NULL)
		sp_free_error_message(message);
	return -error;
}

/* Our own description becomes libserialport's. The old one is closed last: no last close. */
static int
serial_claim(struct device *device, char text[DEVICE_TEXT_MAX])
{
	struct sp_port *port = NULL;
	int fd = -1, error = line_probe_lines(device->fd);
	enum sp_return r;

	/* sp_open() wants them, too, and would have opened and closed it before it says so */
	if (error < 0) {
		node_text(text, "%s: can't read its modem lines: %s", device->node,
			  strerror(-error));
		return error;
	}
	r = sp_get_port_by_name(device->node, &port);
	if (r != SP_OK)
		return serial_fault(device->node, "look it up", r, text);
	r = sp_open(port, SP_MODE_READ_WRITE);
	if (r != SP_OK) {
		serial_fault(device->node, "open it", r, text);
		sp_free_port(port);
		return -EIO;
	}
	device->opens++;
	if (sp_get_port_handle(port, &fd) != SP_OK || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
	    !is_same(device, fd)) {
		node_text(text, "%s: it became another device", device->node);
		sp_close(port);
		sp_free_port(port);
		device->closes++;
		return -EIO;
	}
	if (device->fd >= 0 && close(device->fd) == 0)
		device->closes++;
	device->port = port;
	device->fd = fd;
	device->generation++;
	return 0;
}

/* Speed and frame by libserialport, the rest by ourselves. */
static int
serial_configure(struct device *device, const struct config_port *config,
		 char text[DEVICE_TEXT_MAX])
{
	const char *what = "set its speed";
	enum sp_return r = sp_set_baudrate(device->port, (int)config->baud);
	int error;

	if (r == SP_OK) {
		what = "set its frame";
		r = sp_set_bits(device->port, config->bits);
	}
	if (r == SP_OK)
		r = sp_set_parity(device->port, config->parity == 'E'   ? SP_PARITY_EVEN
						: config->parity == 'O' ? SP_PARITY_ODD
									: SP_PARITY_NONE);
	if (r == SP_OK)
		r = sp_set_stopbits(device->port, config->stop);
	if (r != SP_OK)
		return serial_fault(device->node, what, r, text);
	error = line_set_raw(device->fd, config);
	if (error < 0)
		node_text(text, "%s: can't set it up: %s", device->node, strerror(-error));
	return error;
}

/* Step 3 of the turnaround, its last part: every setting, read back. */
static int
configure(struct device *device, const struct config_port *config, char text[DEVICE_TEXT_MAX])
{
	const char *what = "settings";
	int error = 0;

	if (!device->is_pty && device->port == NULL)
		error = serial_claim(device, text);
	if (error < 0)
		return error;
	if (!device->is_pty)
		error = serial_configure(device, config, text);
	else
		error = line_set(device->fd, config);
	if (error < 0 && !device->is_pty)
		return error;
	if (error == 0)
		error = line_verify(device->fd, config, device->is_pty, &what);
	if (error == -EINVAL)
		node_text(text, "%s: the device did not take the %s of %s:%u", device->node, what,
			  config->file != NULL ? config->file : "its configuration", config->line);
	else if (error < 0)
		node_text(text, "%s: can't set it up: %s", device->node, strerror(-error));
	return error;
}

/* True: it is not the one that is expected, and the text says which is. */
static bool
is_another(struct device *device, const struct config_port *config, char text[DEVICE_TEXT_MAX])
{
	char found[DEVICE_IDENTITY_TEXT_MAX], expected[DEVICE_IDENTITY_TEXT_MAX];

	memset(&device->identity, 0, sizeof(device->identity));
	if (!device->is_pty)
		device_identity_read(device->node, &device->identity);
	if (device->expected == NULL || device_identity_fits(device->expected, &device->identity))
		return false;
	device_identity_print(&device->identity, found);
	device_identity_print(device->expected, expected);
	node_text(text,
		  "%.60s is another device now: %s; expected %s; plug that in, or take this one: "
		  "comlease enable %s",
		  config->device, found, expected, config->name);
	return true;
}

static int
open_failed(const struct device *device, const struct config_port *config, int error,
	    char text[DEVICE_TEXT_MAX])
{
	if (error == EIO && device->is_pty) {
		node_text(text, "%s: not ready yet", config->device);
		return -EAGAIN;
	}
	return node_explain(config->device, error, text);
}

int
device_attach(struct device *device, const struct config_port *config, char text[DEVICE_TEXT_MAX])
{
	struct stat st;
	int error;

	device_detach(device);
	device->node[0] = '\0';
	error = node_find(config->device, device->node, &device->rdev, &device->is_pty, text);
	device->is_other = error == 0 && is_another(device, config, text);
	if (error != 0 || device->is_other)
		return error != 0 ? error : DEVICE_ABSENT;
	device->fd = open_node(device);
	if (device->fd < 0) {
		error = -device->fd;
		device->fd = -1;
		return open_failed(device, config, error, text);
	}
	device->inode = fstat(device->fd, &st) == 0 ? st.st_ino : 0;
	device->generation++;
	error = line_probe(device->fd);
	if (error == 0)
		return 0;
	if (device->is_pty) /* hung up again already */
		error = -EAGAIN;
	else
		node_text(text, "%s: no hardware answers: %s", config->device, strerror(-error));
	device_detach(device);
	return error;
}

int
device_wake(const struct device *device, const struct config_port *config)
{
	/* always on a pty, whether it was idle or not: it costs a microsecond, and undoes what a
	 * program outside comlease may have set meanwhile */
	int error = device->is_pty ? line_set(device->fd, config) : 0;

	return error < 0 ? error : line_flush_input(device->fd);
}

/* Of a hang-up DTR stays up without HUPCL only, and it makes a pty cooked. */
static int
hang_up_keeping(struct device *device, const struct config_port *config, char text[DEVICE_TEXT_MAX])
{
	struct line_settings settings;
	int error = line_save_without_hupcl(device->fd, &settings);

	if (error == 0 && ioctl(device->fd, TIOCVHANGUP) < 0)
		error = -errno;
	if (error < 0)
		return error;
	error = device_attach(device, config, text);
	return error != 0 ? error : line_load(device->fd, &settings);
}

static int
hang_up(struct device *device, const struct config_port *config, char text[DEVICE_TEXT_MAX])
{
	int error;

	if (ioctl(device->fd, TIOCVHANGUP) < 0)
		return -errno;
	error = device_attach(device, config, text);
	/* the kernel has made a pty cooked and echoing: what comes in would go back as output */
	return error == 0 && device->is_pty ? configure(device, config, text) : error;
}

int
device_cut(struct device *device)
{
	int error = ioctl(device->fd, TIOCVHANGUP) < 0 ? -errno : 0;

	device_detach(device);
	return error;
}

int
device_revoke(struct device *device, const struct config_port *config, bool keep,
	      char text[DEVICE_TEXT_MAX])
{
	int error;

	text[0] = '\0';
	error = keep ? hang_up_keeping(device, config, text) : hang_up(device, config, text);
	if (error < 0 && text[0] == '\0')
		node_text(text, "%s: can't revoke it: %s%s", device->node, strerror(-error),
			  error == -EPERM ? "; run comleased as root, or set revocation = none"
					  : "");
	return error;
}

int
device_restore(struct device *device, const struct config_port *config, bool discard_output,
	       bool exclusive, char text[DEVICE_TEXT_MAX])
{
	const char *step = "";
	int error = line_release(device->fd, device->is_pty, discard_output, exclusive, &step);

	if (error == 0) {
		error = configure(device, config, text);
		if (error < 0)
			return error;
		error = device->is_pty ? 0 : line_reset_driver(device->fd, &step);
	}
	if (error < 0)
		node_text(text, "%s: can't %s: %s", device->node, step, strerror(-error));
	return error;
}

static int
set_dtr(const struct device *device, enum sp_dtr dtr, const char *what, char text[DEVICE_TEXT_MAX])
{
	enum sp_return r = sp_set_dtr(device->port, dtr);

	return r == SP_OK ? 0 : serial_fault(device->node, what, r, text);
}

int
device_line_down(const struct device *device, const struct config_port *config,
		 char text[DEVICE_TEXT_MAX])
{
	int error;

	if (!device->is_pty)
		return set_dtr(device, SP_DTR_OFF, "drop DTR", text);
	error = line_set_b0(device->fd, config);
	if (error < 0)
		node_text(text, "%s: can't hang up: %s", device->node, strerror(-error));
	return error;
}

int
device_line_up(const struct device *device, const struct config_port *config,
	       char text[DEVICE_TEXT_MAX])
{
	int error;

	if (!device->is_pty)
		return set_dtr(device, SP_DTR_ON, "raise DTR", text);
	error = line_set(device->fd, config);
	if (error < 0)
		node_text(text, "%s: can't set its speed: %s", device->node, strerror(-error));
	return error;
}

int
device_flush_input(const struct device *device)
{
	return line_flush_input(device->fd);
}

int
device_queued(const struct device *device)
{
	return line_queued(device->fd);
}

bool
device_is_sent(const struct device *device)
{
	return line_is_sent(device->fd);
}
