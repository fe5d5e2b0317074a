/*
 * device_identity.h - which device it is that stands at a path: on USB its ids, its serial number
 * and where it is plugged in. Whoever comes back as ttyUSB0 need not be who was ttyUSB0.
 */
#ifndef COMLEASE_DEVICE_IDENTITY_H
#define COMLEASE_DEVICE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>

#define DEVICE_IDENTITY_TEXT_MAX 120

/* All "": it is not on USB, or nothing is known. A plain value: keepers share it in memory. */
struct device_identity {
	char usb_id[12];   /* 0403:6001, lower case */
	char serial[32];   /* escaped; "": it has none */
	char product[24];  /* the same */
	char place[24];    /* where it is plugged in: 1-1.2, bus and the hubs' ports */
	char function[12]; /* which of its lines: the interface, and the port if it has several */
};

/* Of the tty of that node (/dev/ttyUSB0), by sysfs. */
void device_identity_read(const char *node, struct device_identity *);

bool device_identity_is_known(const struct device_identity *);

/* Is what was found the one that was there before? It is if it has the same ids and the same serial
 * number, or is plugged in where that was: with other ids too, as boards come back from their boot
 * loader; of an adapter with several lines the same line. True if nothing is known of before. */
bool device_identity_fits(const struct device_identity *before,
			  const struct device_identity *found);

/* For people: `0403:6001 "FT232R USB UART", serial number A50285BI, at usb 1-1.2`; or "not a USB
 * device". */
void device_identity_print(const struct device_identity *, char text[DEVICE_IDENTITY_TEXT_MAX]);

#endif
