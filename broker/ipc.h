/*
 * ipc.h - what supervisor, broker and keepers say to one another: one struct a message on
 * SOCK_SEQPACKET socketpairs, with at most one descriptor each. Keepers and the inspector (who
 * looks which processes outside have a device) do not talk to each other. All are the same binary,
 * so the struct is the contract. A process whose supervisor channel (descriptor 3) ends, exits.
 *
 * Error rule: negative = -errno, 0 = done, positive = a documented condition.
 */
#ifndef COMLEASE_IPC_H
#define COMLEASE_IPC_H

#include <stdint.h>

#define IPC_SUPERVISOR_FD 3 /* a child's channel to the supervisor */
#define IPC_TEXT_MAX      320

enum ipc_type {
	/* supervisor -> broker and keepers */
	IPC_CONFIG = 1, /* fd: a memfd with the text of the configuration (config_read), at
			 * the start and again at each change; id: how often the files have been
			 * read anew: it rises with a reload, not with what is plugged in. To the
			 * broker the first time: flag: become the user `number` and the group
			 * `token` */

	/* supervisor -> broker */
	IPC_LISTEN,  /* fd: the listening socket; number: the first token; flag: a restart, wait for
		      * the old queue. The first message of all to a broker. */
	IPC_CHANNEL, /* text: a port's name; fd: the channel to its keeper. A new one: the old
		      * keeper has been replaced. */
	IPC_ANSWER,  /* id, text: port; flag: yes. To IPC_LOOKUP. */
	IPC_INSPECTOR, /* fd: the channel to the inspector. A new one: the old inspector has been
			* replaced; ask everything again. */

	IPC_PING, /* id: answered at once by IPC_PONG with that id */

	/* supervisor -> inspector: IPC_CONFIG, IPC_BROKER, and for each port */
	IPC_INSPECT_ROSTER, /* text: a port's name; fd: its roster (whose descriptions are leases,
			     * not foreign). A new one replaces the old. */

	/* broker -> supervisor */
	IPC_LOOKUP, /* id, text: port, token: the live lease, number: pid << 32 | the holder's pid
		     * or 0. Does that process belong to the holder: is it his descendant, or has it
		     * a description of that lease open? */
	IPC_PONG,   /* id */
	IPC_SERVES, /* number: how many ports are absent or faulted. Once it serves clients, and
		     * whenever that number has changed */

	/* supervisor -> keeper */
	IPC_ROSTER,    /* fd: the port's roster, an epoll instance; before IPC_BROKER */
	IPC_MEMORY,    /* fd: a memfd for struct keeper_memory, the same one for each keeper of that
			* port: what the keeper knows and the next one must, if both it and the broker
			* are killed. Before IPC_ROSTER. */
	IPC_MEMO_FILE, /* fd: a file that outlives us all, for the memo (IPC_MEMO), "" if it is
			* empty. Before IPC_BROKER. */
	IPC_BROKER, /* fd: the channel to the broker. A new one: the old broker has been replaced;
		     * report everything again. */

	/* broker -> inspector */
	IPC_INSPECT, /* id, text: port, number: rdev; flag: IPC_EVIDENCE_*, what its keeper knows.
		      * Who has the device without us? Answered by one IPC_FOREIGN with that id. */
	IPC_EVICT,   /* id, text: port; flag: 1: SIGTERM to the foreign holders of the last answer;
		      * 0: only from now on their lock files count for nothing, until they exit.
		      * Answered by IPC_EVICTED. */

	/* inspector -> broker */
	IPC_FOREIGN, /* id (0: by itself), text: port NUL foreign_print()'s line; number: how many
		      * there are; flag: IPC_FOREIGN_*. By itself: whenever the answer may have
		      * changed since the last one for that port (a process exited, a lock file came
		      * or went); the rdev is that of the last question. */
	IPC_EVICTED, /* id, text: port; number: how many processes were signalled; error: errno */

	/* broker -> keeper. Each is answered once, in order, with the same id; OPENED, or one of
	 * READY, ABSENT, FAULT. */
	IPC_OPEN, /* id, token: open a description, roster it, send it: OPENED. number: 0, or 1 when
		   * this is the first of its lease (speed restored, input flushed, DTR up);
		   * then text: who holds it, as IPC_HOLDER */
	IPC_TURNAROUND, /* id, token, flag: IPC_TURN_*; number: enum lease_reason of the lease that
			 * ended, LEASE_NONE if none did. Clean the port; a message that arrives
			 * meanwhile with IPC_TURN_REVOKE ends its drain. */
	IPC_OWN,    /* not answered. flag: 0: give the outward locks (TIOCEXCL, flock, lock file) up
		     * and take none (disabled: somebody is to work on the port by other means);
		     * 1: as the configuration says. The keeper starts with 1. */
	IPC_ACCEPT, /* not answered. Whatever device is at the path now is the port's, even if it is
		     * another one than before */
	IPC_MEMO, /* not answered. text: for the keeper to keep and to send back, as IPC_MEMO, after
		   * each REPORT; "": nothing (the default, which is not sent) */
	IPC_CHECK, /* id: read the roster now: IPC_GONE or IPC_COUNT if it tells something new, then
		    * IPC_CHECKED */
	IPC_HOLDER, /* not answered. flag: its line is to be kept for a successor: at its end clean
		     * nothing unasked. token, text: who holds that lease, for the keeper to keep
		     * and to put into its next IPC_REPORT: so that a new broker knows */

	/* keeper -> broker, in answer */
	IPC_OPENED,  /* id, token, fd; or no fd, error: errno (positive), text. A lease has to be
		      * alive to be joined (ESTALE), and no turnaround under way (EBUSY). EADDRINUSE:
		      * the first of a lease, and somebody outside has one of the outward locks:
		      * nothing was opened */
	IPC_CHECKED, /* id */
	IPC_READY,   /* id: clean, and idle. number: rdev; flag: IPC_EVIDENCE_*: which outward locks
		      * somebody else has, unless IPC_TURN_ANYWAY was said (those are gone without) */
	IPC_ABSENT,  /* id (0: by itself), text: the device is not there */
	IPC_FAULT,   /* id (0: by itself), text: the device can't be used */

	/* keeper -> broker, by itself */
	IPC_REPORT,  /* the first on a channel. token: the live lease that the roster lists or 0;
		      * flag:  the device is there; number: rdev; text: who holds it, as it was
		      * given,  or why  it is not there. The keeper takes the highest token listed
		      * with a  description  that has not been hung up. A FAULT follows if the device
		      * is there  and  can't be used. */
	IPC_PRESENT, /* the device appeared. Asks for a TURNAROUND. number: rdev */
	IPC_GONE,    /* token: the roster lists no description of it any more. flag: and the port is
		      * clean, as after a TURNAROUND because of an honest release: done already, as
		      * none of its steps had to wait or could hang */
	IPC_COUNT,   /* token, number: how many descriptions of it are listed now (>= 1): after one
		      * has gone or joined, and after a REPORT if it is not 1 */
	IPC_HUNGUP,  /* token: every description of it was hung up by somebody else, and the holder
		      * did  not open again in time */
	IPC_BUSY,    /* number: milliseconds that the next step may take */
	IPC_STRANGER, /* flag: IPC_STRANGER_*, IPC_EVIDENCE_*. Somebody opened or closed the device,
		       * and that was none of ours (the holder's is ours) */
	IPC_LINE,     /* token; flag: IPC_LINE_*. What the line of the live lease does has changed;
		       * after the first open of a lease: nothing of it */
	IPC_IDENTITY, /* text: "usb:VID:PID" (lower-case, 4 digits each) or "" NUL the node's path;
		       * after a REPORT (of a device that is there) and with PRESENT */
};

/* What tells a keeper that somebody outside has the device, even if nobody can be seen. */
#define IPC_EVIDENCE_LOCKFILE  0x10u /* a UUCP lock file of a live process */
#define IPC_EVIDENCE_FLOCK     0x20u
#define IPC_EVIDENCE_EXCLUSIVE 0x40u /* TIOCEXCL is set, and not by us */
#define IPC_EVIDENCE_OPEN      0x80u /* an open was seen, and no close since */

#define IPC_STRANGER_OPENED 0x1u
#define IPC_STRANGER_CLOSED 0x2u

#define IPC_TURN_REVOKE  0x1u /* revoke at once, even if nothing is listed */
#define IPC_TURN_DRAINED 0x2u /* revoke even if nothing is listed, after the drain */
#define IPC_TURN_KEEP                                                                              \
	0x4u                 /* the line stays up: no hang-up, no init, nothing is flushed; the    \
			      * next lease goes on with the call */
#define IPC_TURN_ANYWAY 0x8u /* go without the outward locks that somebody else has */

#define IPC_LINE_CARRIER 0x1u /* busy-by = dcd, and carrier detect is up */
#define IPC_LINE_ACTIVE  0x2u /* busy-by = activity:SECS, and a byte passed within that time */
#define IPC_LINE_IDLE    0x4u /* no byte either way for idle-timeout */

#define IPC_FOREIGN_HELD  0x1u /* somebody has it */
#define IPC_FOREIGN_BLIND 0x2u /* some processes can't be seen: who holds it may be one of them */
#define IPC_FOREIGN_LOGIN 0x4u /* he offers a login on it (a getty), and would be back at once */
#define IPC_FOREIGN_ALIVE 0x8u /* somebody's descriptor was tried: no hang-up has made it dead */

/* What is not said to be used is 0. */
struct ipc_message {
	uint32_t type;
	int32_t error;
	uint64_t id;
	uint64_t token;
	uint64_t number;
	uint32_t flag;
	uint32_t reserved;
	char text[IPC_TEXT_MAX]; /* NUL-terminated */
};

/* *a and *b: the ends of a new channel, close-on-exec. */
int ipc_pair(int *a, int *b);

/* Sends a message and, if fd >= 0, a copy of that descriptor. Does not block: -EAGAIN: the peer has
 * not read for long; -EPIPE: it has gone. */
int ipc_send(int channel, const struct ipc_message *, int fd);

/* Receives a message; *fd is the caller's to close, or -1. Does not block. 0; 1: nothing there;
 * -EPIPE: the peer has gone; -EPROTO: no message of ours. A descriptor that came and could not be
 * taken, as this process may open no more, is lost: 0, *fd is -1 and message->error EMFILE. */
int ipc_receive(int channel, struct ipc_message *, int *fd);

#endif
