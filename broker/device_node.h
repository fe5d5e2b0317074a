/*
 * device_node.h - what stands at a path, found out without opening it. For device.c alone. Also
 * device_is_at() and device_has_left() of device.h.
 */
#ifndef COMLEASE_DEVICE_NODE_H
#define COMLEASE_DEVICE_NODE_H

#include <stdbool.h>
#include <sys/types.h>

#include "device.h"

/* Where `path` leads (node[PATH_MAX]; "": nowhere), and whether that is a serial device to be
 * leased: 0; DEVICE_ABSENT; -ENOTTY: something else; -EBUSY: the kernel's console; -errno. text:
 * why.
 */
int node_find(const char *path, char *node, dev_t *rdev, bool *is_pty, char text[DEVICE_TEXT_MAX]);

/* Text for a failed open or look-up of that path; DEVICE_ABSENT where the error means that there is
 * no such device, else -error. */
int node_explain(const char *path, int error, char text[DEVICE_TEXT_MAX]);

/* Writes a text of at most DEVICE_TEXT_MAX bytes. */
void node_text(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
