/*
 * keeper.h - the process of one port: every device call of the port is made here, so that a call
 * that hangs holds up nobody else. Its contract with supervisor and broker is ipc.h.
 */
#ifndef COMLEASE_KEEPER_H
#define COMLEASE_KEEPER_H

/* Plays the role until the supervisor's channel (IPC_SUPERVISOR_FD) ends. The exit status. The name
 * must last. */
int keeper_main(const char *port_name);

#endif
