/*
 * queue_rig.c - see queue_rig.h.
 */
#include "queue_rig.h"

#include <unistd.h>

void
queue_expect_known(const struct support_child *holder, int64_t token,
		   const struct support_child waiters[QUEUE_WAITERS])
{
	struct support_client c;
	json_t *port;

	support_wait_port("modem0", "held", QUEUE_WAITERS);
	port = support_list("modem0");
	ck_assert_int_eq(support_int(port, "lease", "token", NULL), token);
	ck_assert_int_eq(support_int(port, "lease", "owner", "pid", NULL), holder->pid);
	ck_assert_int_eq(support_int(port, "lease", "owner", "uid", NULL), (json_int_t)getuid());
	ck_assert_str_eq(support_string(port, "lease", "label", NULL), "first");
	json_decref(port);
	support_connect_stranger(&c);
	support_call(&c, "Acquire", json_pack("{s:s, s:i}", "port", "modem0", "wait", 100), false);
	support_error(&c, "TimedOut");
	support_close(&c);
	ck_assert(support_is_quiet(&waiters[0], 0) && support_is_quiet(&waiters[1], 0));
}

void
queue_expect_served(struct support_child waiters[QUEUE_WAITERS], int64_t token)
{
	static const int order[QUEUE_WAITERS] = { 2, 0, 1 };
	int64_t last = token, next;
	int i, j;

	for (i = 0; i < QUEUE_WAITERS; i++) {
		next = support_held(&waiters[order[i]]);
		ck_assert_int_gt(next, last);
		last = next;
		for (j = i + 1; j < QUEUE_WAITERS; j++)
			ck_assert(support_is_quiet(&waiters[order[j]], 20));
		support_finish(&waiters[order[i]]);
	}
}
