/*
 * bridge_spy_door.h - who may come in to read along at this process: its own user, and root.
 */
#ifndef COMLEASE_BRIDGE_SPY_DOOR_H
#define COMLEASE_BRIDGE_SPY_DOOR_H

#include "spy_wire.h"

/* A listening socket by which `comlease spy` finds this process; -1, after having said why. */
int bridge_spy_door_listen(const char *port);

/* Takes a connection: true: he may read along, can't send anything and has not sent anything;
 * false: he was refused, and the descriptor is no longer the caller's. */
bool bridge_spy_door_check(int fd);

/* Says so to him, and closes the connection. */
void bridge_spy_door_refuse(int fd, enum spy_wire_refusal);

/* May anybody be let in at the moment? Not while too many are still being thrown out. */
bool bridge_spy_door_is_free(void);

#endif
