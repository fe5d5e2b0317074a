/*
 * broker_port.h - a port: what its keeper is told and says, maintenance, how a lease goes on
 * and ends. broker.h includes it: it has the structs.
 */
#ifndef COMLEASE_BROKER_PORT_H
#define COMLEASE_BROKER_PORT_H

#include "broker.h"

/* ---- broker_port.c ---- */

int port_new(struct broker *, const struct config_port *);

/* No longer configured: its requests are told, the holder goes on undisturbed. */
void port_free(struct port *);

/* The core's steps. */
void port_turnaround(struct port *, const struct lease_step *);
void port_open(struct port *, struct request *);
void port_late(struct port *);

/* To the keeper; if there is none at the moment, its successor will ask. */
void port_tell(struct port *, const struct ipc_message *);

/* Who holds it, for the keeper to keep. */
void port_tell_holder(struct port *);

/* The keeper's next word is due within that time. */
void port_expect(struct port *, uint64_t in_ms);

/* A lease is alive: a word is due if somebody is to join it. */
void port_expect_joining(struct port *);

/* The turnaround is done: the port is free. */
void port_clean(struct port *);

/* The lease has ended; the core turns the port around. Log and monitors hear of the end when that
 * is done: then no old descriptor works any more. detail: NULL. */
void port_end(struct port *, enum lease_reason, const char *detail);

/* The turnaround is done, or failed, or it is known who else has the port: the end is made known,
 * whoever asked for it is answered, and so are those who don't want to wait. */
void port_settled(struct port *);

/* ---- broker_disable.c ---- */

/* For maintenance (reason: for people, or NULL), and back. Tells the monitors. The end of it, also
 * if it never began, means that whatever device is there now is the port's. */
void port_disable(struct port *, bool disabled, const char *reason);

/* What the keeper kept over a restart of this process. */
void port_remember(struct port *, const char *memo);

/* The same the other way. */
void port_tell_disabled(struct port *);

/* ---- broker_keeper.c ---- */

/* The channel to a (new) keeper. Owns it. */
void port_connect(struct port *, int channel);
void port_disconnect(struct port *);

/* ---- broker_yield.c ---- */

/* The core's steps. */
void port_yield(struct port *, const struct lease_step *);
void port_keep(struct port *);
void port_revoke(struct port *, enum lease_reason);
void port_lingered(struct port *);

/* Somebody has opened a lingering lease again. */
void port_revived(struct port *);

/* Nothing of the live lease is open: it ends, or lingers while its process lives. is_clean: the
 * keeper has cleaned the port already. */
void port_gone(struct port *, bool is_clean);

/* What makes a standby holder busy has changed (port->line, busy_by_word), or what makes any
 * holder idle. */
void port_line_changed(struct port *);

/* The core's part of a port's configuration: at its start and at each reload. */
void port_policy(struct port *);

#endif
