/*
 * keeper_rig.h - one keeper under test: a pty with a symbolic link in a scratch folder as its
 * device, and both of its channels, so that the test is its supervisor and its broker.
 */
#ifndef COMLEASE_TESTS_KEEPER_RIG_H
#define COMLEASE_TESTS_KEEPER_RIG_H

#include <check.h>
#include <stdbool.h>
#include <sys/types.h>

#include "../broker/ipc.h"
#include "../broker/lease.h"

#define RIG_SOON_MS                                                                                \
	10000            /* what is expected must come within that time; usually in microseconds   \
			  */
#define RIG_QUIET_MS 150 /* what must not come is waited for so long: longer than all re-reads */

struct rig {
	int supervisor, broker, roster, master;
	pid_t keeper;
	uint64_t ids;
	char folder[64], device[80], locks[80]; /* locks: the folder of UUCP lock files */
	char options[256];                      /* of the port: lines */
	bool strangers; /* IPC_STRANGER counts as a message; else it is passed over */
	bool nodes;     /* so does IPC_IDENTITY of what is not on USB */
};

extern struct rig rig;

/* Scratch folder and roster; no device and no keeper yet. */
void rig_init(const char *options);

/* A new pty and the link to it. */
void rig_plug(void);
void rig_unplug(void);

/* Starts the keeper with roster and configuration, and takes its IPC_REPORT. */
struct ipc_message rig_start(void);
void rig_kill_keeper(void);

/* Another broker: takes its report. */
struct ipc_message rig_reconnect(void);

/* All of it: a device, a keeper, a first turnaround. */
void rig_ready(const char *options);

/* The keeper ends by the end of its channel, with status 0, and leaves no lock file of its own;
 * everything is removed. */
void rig_end(void);

/* Asks; the message's id is made here and returned. */
uint64_t rig_ask(enum ipc_type, uint64_t token, uint64_t number, unsigned flag);

/* The same with a text, of a message that is not answered. */
void rig_tell(enum ipc_type, uint64_t token, unsigned flag, const char *text);

/* The next message within that time; false: none. IPC_BUSY is passed over. */
bool rig_next(struct ipc_message *, int *fd, int within_ms);

/* It must be of that type. */
struct ipc_message rig_expect(enum ipc_type);

/* The next one is an IPC_BUSY: the keeper has come to a long step. Its number. */
uint64_t rig_expect_busy(void);

/* Nothing comes. */
void rig_expect_quiet(void);

/* A description: the first of its lease, or another one. */
int rig_open(uint64_t token, bool first);

/* flag: IPC_TURN_*. */
void rig_turnaround(uint64_t token, enum lease_reason, unsigned flag);

/* The same, which must find something of somebody else: IPC_EVIDENCE_*. */
unsigned rig_turnaround_foreign(unsigned flag);

/* A lock file of the device as programs outside would write it; and the names that there are. */
void rig_write_lock(const char *name, long pid);
long rig_read_lock(const char *name); /* its pid; 0: there is none */
int rig_count_locks(void);
const char *rig_lock_name(void); /* LCK..tty: of the configured path */

/* Reads that many bytes from the master, within RIG_SOON_MS: how many came. */
size_t rig_read_master(char *buffer, size_t size);

/* Runs the tests, and those that need CAP_SYS_ADMIN (or NULL) where it is to be had; exit status.
 */
int rig_run(const char *suite, TCase *tests, TCase *privileged);

/* Microseconds. */
double rig_now_us(void);

#endif
