/*
 * fake_broker_internal.h - what the two halves of the fake broker share.
 */
#ifndef COMLEASE_FAKE_BROKER_INTERNAL_H
#define COMLEASE_FAKE_BROKER_INTERNAL_H

#include "../client/varlink.h"
#include "fake_broker.h"

struct peer {
	struct varlink varlink;
	bool close;    /* once all is sent */
	bool watching; /* has a Watch under way */
	bool waiting;  /* has an Acquire or Yield in mode FAKE_HOLD, with `more` or ... */
	bool more;
};

/* The message is stolen. */
void fake_say(struct peer *, json_t *message, int fd);
void fake_fail(struct peer *, const char *error);

/* A new token, the lease, and (where it can come with this reply) its descriptor. */
void fake_grant(struct fake_broker *, struct peer *, bool more);

void fake_answer(struct fake_broker *, struct peer *, json_t *message);

#endif
