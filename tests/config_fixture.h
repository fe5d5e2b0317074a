/*
 * config_fixture.h - what the tests of the configuration share: texts to read, faults to expect.
 */
#ifndef COMLEASE_TESTS_CONFIG_FIXTURE_H
#define COMLEASE_TESTS_CONFIG_FIXTURE_H

#include "../broker/config.h"

#include <check.h>

#define CONF_PORT "[port modem0]\ndevice = /dev/ttyS0\n"
#define D20       "/3456789012345678901" /* 20 bytes of a path */
#define D100      D20 D20 D20 D20 D20

extern const struct config_rules conf_root, conf_user;
extern char conf_error[CONFIG_ERROR_MAX]; /* of the last reading */

/* As config_read(), from a file named f.conf. */
int conf_read_bytes(const char *bytes, size_t size, const struct config_rules *, struct config *);
int conf_read(const char *text, const struct config_rules *, struct config *);

/* It must be good. */
void conf_read_good(const char *text, const struct config_rules *, struct config *);

/* It must be refused with that message, and the configuration be left alone. */
void conf_require_fault(const char *text, const struct config_rules *, const char *message);

/* What config_print() writes; the caller's to free. */
char *conf_print(const struct config *);

/* Runs the suite: an exit status. */
int conf_run(Suite *);

#endif
