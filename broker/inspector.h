/*
 * inspector.h - the process that looks who has a device open without us. A look through /proc takes
 * milliseconds, or a second where there are many descriptors: neither the broker nor the supervisor
 * has the time, and the broker not the right. Its contract with both is ipc.h.
 */
#ifndef COMLEASE_INSPECTOR_H
#define COMLEASE_INSPECTOR_H

/* Plays the role until the supervisor's channel (IPC_SUPERVISOR_FD) ends. The exit status. */
int inspector_main(void);

#endif
