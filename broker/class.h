/*
 * class.h - the class of a request, and what it means on a port. Pure.
 */
#ifndef COMLEASE_CLASS_H
#define COMLEASE_CLASS_H

#include "access.h"
#include "config.h"

/*
 * The class of a request for that port: `wanted`, if it names one; else that of the first rule of
 * `class-of` that fits; else "". `wanted` and `command` (the kernel's name of the process that
 * asks, unescaped) may be NULL or "". The string is an argument's or the port's: copy what must
 * outlive a new configuration.
 */
const char *class_of(const struct config_port *, const char *wanted, const char *command,
		     const struct access_identity *);

/* Its place in `order`, 0 first; order_count for each class that does not stand there, and "". */
uint32_t class_rank(const struct config_port *, const char *class);

/* How long a lease of that class may last: its own `max-hold`, or the port's. Seconds, or
 * CONFIG_NEVER. */
uint32_t class_max_hold_s(const struct config_port *, const char *class);

#endif
