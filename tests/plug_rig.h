/*
 * plug_rig.h - a real comleased on a machine where serial devices are plugged in and out. What is
 * plugged in is a pty to comleased; the kernel gives each replugged one another number, as it does
 * with devices.
 */
#ifndef COMLEASE_TESTS_PLUG_RIG_H
#define COMLEASE_TESTS_PLUG_RIG_H

#include "mock_udev.h"
#include "support.h"

#define PLUG_TEMPLATE  "[port usb-*]\nhangup-ms = 0\n%r"
#define PLUG_BY_SERIAL "[port lab]\nusb-serial = A5\nhangup-ms = 0\n%r"
#define PLUG_A5        "usb-FTDI_FT232R_A5-if00-port0" /* as what a template names that device */

struct plugged {
	struct mock_tty tty;
	char node[32]; /* below /dev */
	char line[32]; /* SCRATCH/line is a link to it */
	int master;    /* the far side */
};

/* The fixture; its end is support_end(). */
void plug_begin(void);

/* support_start(), on that machine. */
void plug_run(const char *config);

/* The device is there, and nobody has been told: before plug_run(). line: another name for each
 * that is there. */
void plug_put(struct plugged *, const struct mock_tty *, const char *line);

void plug_in(struct plugged *, const struct mock_tty *, const char *line);
void plug_out(struct plugged *);

/* Until there is a port of that name in that state; until there is none of that name any more. */
void plug_wait_port(const char *name, const char *state);
void plug_wait_no_port(const char *name);

int plug_count_ports(void);

/* SCRATCH/port/PORT leads there, or (NULL) is not there. */
void plug_expect_link(const char *port, const struct plugged *);

/* SIGHUP. */
void plug_reload(void);

/* Ends it where ptys have gone: their numbers may be another test's by now, whose processes the
 * inspector takes for somebody outside; so only the supervisor's descriptors are counted, once all
 * is as at the start. forgotten: an adopted port that is away, or NULL. */
void plug_finish(const char *forgotten);

#endif
