/*
 * ports.h - the serial ports that the machine has, as udev and sysfs describe them, and what there
 * is to say about each. Nothing here opens a device. For `comlease ports` and `comlease doctor`.
 */
#ifndef COMLEASE_PORTS_H
#define COMLEASE_PORTS_H

#include "text.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PORTS_TEXT_MAX  256
#define PORTS_VALUE_MAX 120 /* bytes of what a section can say of a device by udev's properties */
#define PORTS_NAME_MAX  64  /* bytes of a port's name */

/* How a section says which device it means. */
enum ports_key {
	PORTS_BY_SERIAL, /* usb-serial and usb-interface */
	PORTS_BY_PATH,   /* usb-path: the socket that it is plugged into */
	PORTS_BY_LINK,   /* device = /dev/serial/... */
	PORTS_BY_NODE,   /* device = /dev/ttyS0 */
};

/* What is not known is "". */
struct ports_device {
	char node[64]; /* /dev/ttyUSB0 */
	dev_t rdev;
	char description[PORTS_TEXT_MAX]; /* FT232R USB UART */
	char driver[64];                  /* ftdi_sio */
	char vendor[PORTS_TEXT_MAX];      /* FTDI */
	char usb_id[16];                  /* 0403:6001 */
	char usb_serial[PORTS_TEXT_MAX];
	char usb_interface[8];         /* 00 */
	char usb_path[PORTS_TEXT_MAX]; /* pci-0000:00:14.0-usb-0:2:1.0 */
	char usb_device[1024];         /* the adapter's folder in /sys: shared by all its ports */
	char by_id[PORTS_TEXT_MAX];    /* /dev/serial/by-id/... */
	char by_path[PORTS_TEXT_MAX];  /* /dev/serial/by-path/... */
	char by_name[PORTS_TEXT_MAX];  /* /dev/comlease/...: what comleased would call it */
	char login[PORTS_TEXT_MAX];    /* who offers a login on it: "agetty (pid 812)" */
	bool is_ignored;               /* COMLEASE_IGNORE=1 */
	bool is_console;               /* the kernel writes its messages to it */
	bool is_modem_candidate;       /* ModemManager may open it to see whether it is one */
	const json_t *port;            /* the port that it is, of List's reply; NULL: none */

	char name[PORTS_NAME_MAX + 1]; /* the section that it could have; "": it gets none */
	enum ports_key key;
};

struct ports {
	struct ports_device *devices; /* sorted by node */
	size_t count;
};

/* ---- ports_udev.c ---- */

/* What is there now; ports_free() it. 0, or -errno: udev's library finds no /sys. */
int ports_read(struct ports *);
void ports_free(struct ports *);

/* ---- ports_serial.c ---- */

/* Adds what libserialport knows of it: the description, and ids where udev has not run. */
void ports_describe(struct ports_device *);

/* ---- ports_login.c ---- */

/* Sets `login` of all. root: before /proc, /run and /etc; "" but in tests. */
void ports_find_logins(struct ports *, const char *root);

/* ---- ports_section.c ---- */

/* Sets `port` of all from List's reply, which must stay; NULL: no broker. */
void ports_match(struct ports *, const json_t *list);

/* Sets `name` and `key` of those that no port is and that can be one: a name that neither another
 * one nor a port or pool of the list has. After ports_match() and ports_find_logins(). */
void ports_name(struct ports *, const json_t *list);

/* A section of comlease.conf for a device that has a name, with a comment and an empty line. */
void ports_add_section(struct text *, const struct ports_device *);

/* ---- ports_print.c ---- */

/* "managed", "ignored", "console", "login", "not managed". */
const char *ports_state(const struct ports_device *);

/* "FT232R USB UART, USB 0403:6001, serial number A50285BI (ftdi_sio)". */
void ports_add_description(struct text *, const struct ports_device *);

/* The table, columns: of the terminal, 0: no limit; and as an array. */
void ports_add_table(struct text *, const struct ports *, size_t columns, bool colour);
json_t *ports_json(const struct ports *);

#endif
