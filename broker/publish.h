/*
 * publish.h - who is told of changes: subscribers, monitors, the log, waiters. broker.h includes
 * it: it has the structs.
 */
#ifndef COMLEASE_PUBLISH_H
#define COMLEASE_PUBLISH_H

#include "broker.h"

/* The port has changed: subscribers and the first waiters hear of it soon. */
void publish_port(struct port *);

/* A port that is no longer configured. */
void publish_removed(struct port *);

/* To the log and to the monitors, at once. */
void publish_event(struct broker *, const struct publish_event *);

/* The same within milliseconds: for what happens while somebody waits for his port. Before a port
 * or request that may stand in a note changes for the log or is freed: publish_notes(). */
void publish_note(struct broker *, const struct publish_event *);
void publish_notes(struct broker *);

/* Has publish_notes() called within the same time. */
void publish_notes_later(struct broker *);

/* What is due by then. */
void publish_due(struct broker *, uint64_t now_ms);

enum subscription_kind { SUBSCRIBE_LIST, SUBSCRIBE_MONITOR };

/* `ports`: an array of names or NULL: all. The call is not done before the connection ends. 0,
 * -ENOMEM. */
int publish_subscribe(struct broker *, struct peer *, enum subscription_kind, json_t *ports);
void publish_unsubscribe(struct broker *, struct peer *);
void publish_init(struct broker *);

/* Tells a waiter with `more` where it stands. */
void publish_waiting(struct request *);

#endif
