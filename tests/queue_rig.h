/*
 * queue_rig.h - a holder of modem0, who calls himself "first", and three who wait, the last of them
 * with priority: what must be true of them whatever becomes of comleased.
 */
#ifndef COMLEASE_TESTS_QUEUE_RIG_H
#define COMLEASE_TESTS_QUEUE_RIG_H

#include "support.h"

#define QUEUE_WAITERS 3

/* The status shows that holder and that lease, with the queue; nobody else gets in. */
void queue_expect_known(const struct support_child *holder, int64_t token,
			const struct support_child waiters[QUEUE_WAITERS]);

/* The waiters have it in their order, one at a time, each with a higher token. */
void queue_expect_served(struct support_child waiters[QUEUE_WAITERS], int64_t token);

#endif
