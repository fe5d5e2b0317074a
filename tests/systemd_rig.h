/*
 * systemd_rig.h - the test plays systemd for a comleased: listens on its socket, hears what it
 * says, keeps what it stores, and hands that to the next one. Goes with support.h, whose
 * support_start() and support_stop() it replaces. All of it asserts with Check.
 */
#ifndef COMLEASE_TESTS_SYSTEMD_RIG_H
#define COMLEASE_TESTS_SYSTEMD_RIG_H

#include <stdbool.h>
#include <stdint.h>

extern int systemd_listener;         /* bound to support_socket; the test's to change. -1: none */
extern const char *systemd_fd_name;  /* of that one: "comleased.socket" */
extern uint64_t systemd_watchdog_us; /* 0: none */
extern bool systemd_is_abstract;     /* the notification socket has no path */

/* After support_begin(). systemd_end() stops comleased if it runs, and is support_end(), too. */
void systemd_begin(void);
void systemd_end(void);

/* Writes the configuration, as support_start(); NULL: that of last time. */
void systemd_configure(const char *config);

/* Starts comleased with all that it had stored; systemd_serve(): and waits until it serves. */
void systemd_start(void);
void systemd_serve(void);

/* SIGTERM, and it must end with 0 and have said that it stops. */
void systemd_stop(void);

/* SIGKILL to all of its processes at once. */
void systemd_kill(void);

/* systemd_stop() (0) or systemd_kill() (1), then systemd_serve(). */
void systemd_restart(int how);

/* It ends by itself: its exit status. */
int systemd_expect_end(void);

/* Waits until a line that begins so has been heard since the last systemd_forget(); returns what is
 * behind that, of the last such line, in a static buffer. */
const char *systemd_wait(const char *line);
bool systemd_has_heard(const char *line);
void systemd_forget(void);

/* The descriptor that is stored under that name; -1. It stays the rig's. */
int systemd_stored(const char *name);
int systemd_count_stored(void);

/* Waits until nothing is stored under that name. */
void systemd_wait_unstored(const char *name);

/* As if comleased had stored that (the descriptor is taken over), or nothing. */
void systemd_put(const char *name, int fd);
void systemd_unstore(const char *name);

#endif
