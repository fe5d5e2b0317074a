/*
 * broker_foreign.h - what the files about foreign holders share: broker_inspector.c asks,
 * broker_foreign.c draws the conclusions, broker_evict.c drives them out.
 */
#ifndef COMLEASE_BROKER_FOREIGN_H
#define COMLEASE_BROKER_FOREIGN_H

#include "broker.h"

struct foreign_answer {
	bool held, blind, login;
	bool reopened;      /* of a device that was hung up, since then */
	unsigned count;     /* >= 1 if held */
	struct foreign who; /* the first of them; pid -1 unless held */
};

/* ---- broker_inspector.c ---- */

/* Who has the port's device? One question a port at a time: while one is under way the next is
 * asked after it. foreign_answered() follows, perhaps before this returns. */
void foreign_ask(struct port *);

/* IPC_EVICT. False: there is no inspector, or it does not listen. */
bool foreign_ask_evict(struct port *, bool terminate);

/* ---- broker_foreign.c ---- */

void foreign_answered(struct port *, const struct foreign_answer *);

/* ---- broker_evict.c ---- */

void evict_init(struct port *);
void evict_forget(struct port *);

/* Somebody has the port, and it is known who; nobody has it (or is beside the lease) any more. */
void evict_known(struct port *);
void evict_gone(struct port *);

/* IPC_EVICTED. */
void evict_signalled(struct port *, unsigned count, int error);

/* The lease has ended beside which he was, and its port will be hung up or not. */
void evict_lease_ended(struct port *, bool hangs_up);

void evict_settled(struct port *);

#endif
