/*
 * systemd_rig_internal.h - between systemd_rig*.c.
 */
#ifndef COMLEASE_TESTS_SYSTEMD_RIG_INTERNAL_H
#define COMLEASE_TESTS_SYSTEMD_RIG_INTERNAL_H

#define SYSTEMD_STORE_MAX 64

/* Listens on that datagram socket (taken over), in a thread. */
void systemd_hear(int fd);
void systemd_hear_no_more(void);

/* The i-th stored descriptor; -1: there are no more. In a forked child, without any lock. */
int systemd_list_stored(int i, const char **name);

#endif
