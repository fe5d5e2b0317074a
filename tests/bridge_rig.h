/*
 * bridge_rig.h - `comlease bridge` as a process of its own, a real comleased, and a pty as its
 * port. Stands on support.h.
 */
#ifndef COMLEASE_TESTS_BRIDGE_RIG_H
#define COMLEASE_TESTS_BRIDGE_RIG_H

#include "support.h"

#include <termios.h>

extern struct support_child bridge; /* pid 0: it does not run */
extern int bridge_master;           /* the far end of modem0's line */

/* The fixture: comleased with modem0, no bridge yet. */
void bridge_begin(void);
/* The same with more lines in the port's section, or with a configuration of one's own. */
void bridge_begin_with(const char *config);

/* Starts `comlease bridge OPTIONS... modem0 SCRATCH/link` and waits until it says (to its service
 * manager) that the link is there. The options end with NULL. */
void bridge_start_with(const char *option, ...) __attribute__((sentinel));
void bridge_start(void); /* without options */

/* The same for one that fails at once: its exit status. */
int bridge_fail(const char *port, const char *link);

/* SIGTERM: exit status 0, and neither link nor lock file are left. */
void bridge_stop(void);

/* Waits until it has said that on stderr. */
void bridge_expect_said(const char *text);
bool bridge_has_said(const char *text);

/* A program opens the link. bridge_connect() waits until it has the port, too. */
int bridge_open(void);
int bridge_connect(void);

/* The next bytes from there are these. */
void bridge_expect(int fd, const char *text);
/* None come. */
void bridge_expect_nothing(int fd, int for_ms);
/* End-of-file comes. */
void bridge_expect_end(int fd);

/* Somebody else has the port for a moment. */
void bridge_borrow(void);
/* The device has that speed, sooner or later. */
void bridge_wait_speed(speed_t);

#endif
