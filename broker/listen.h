/*
 * listen.h - what makes this comleased the only one: its socket, and its state directory with the
 * epoch from which tokens are counted. Error rule: -errno, with a sentence in `error`.
 */
#ifndef COMLEASE_LISTEN_H
#define COMLEASE_LISTEN_H

#include "config.h"

#include <stdbool.h>
#include <stdint.h>

struct listen {
	int socket;     /* listening; -1 */
	int lock;       /* SOCKET.lock, flocked as long as we run; -1 */
	int state;      /* the state directory; -1 */
	int state_lock; /* `lock` in there, flocked too; -1 */
	char *path;
	bool is_passed; /* the socket is the service manager's, who listens while we don't run */
};

void listen_init(struct listen *);

/* Locks and listens. -EADDRINUSE: another comleased has the socket or the state directory; the
 * error names it. gid: the socket's group, or -1. passed: the socket, bound and listening, that the
 * service manager has handed over, -1: none; it is owned here, also after an error. -EINVAL: it is
 * not the one that the configuration means. */
int listen_open(struct listen *, const struct config *, gid_t, int passed,
		char error[CONFIG_ERROR_MAX]);

/* Begins the next epoch, on disk before it returns. *restart: there was one before since the
 * machine started, so that an old queue may come back. */
int listen_next_epoch(const struct listen *, uint32_t *epoch, bool *restart,
		      char error[CONFIG_ERROR_MAX]);

/* Removes the lock file, and the socket unless it was passed. */
void listen_close(struct listen *);

#endif
