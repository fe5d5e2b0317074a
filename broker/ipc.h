/*
 * ipc.h - what supervisor, broker and keepers say to one another: one struct a message on
 * SOCK_SEQPACKET socketpairs, with at most one descriptor each. All three are the same binary, so
 * the struct is the contract. A process whose supervisor channel (descriptor 3) ends, exits.
 *
 * Error rule: negative = -errno, 0 = done, positive = a documented condition.
 */
#ifndef COMLEASE_IPC_H
#define COMLEASE_IPC_H

#include <stdint.h>

#define IPC_SUPERVISOR_FD 3 /* a child's channel to the supervisor */
#define IPC_TEXT_MAX      256

enum ipc_type {
	/* supervisor -> broker and keepers */
	IPC_CONFIG = 1, /* fd: a memfd with the text of the configuration (config_read), at
			 * the start and again at each reload. To the broker the first time: flag:
			 * become the user `number` and the group `token` */

	/* supervisor -> broker */
	IPC_LISTEN,  /* fd: the listening socket; number: the first token; flag: a restart, wait for
		      * the old queue. The first message of all to a broker. */
	IPC_CHANNEL, /* text: a port's name; fd: the channel to its keeper. A new one: the old
		      * keeper has been replaced. */
	IPC_ANSWER,  /* id, text: port; flag: yes. To IPC_LOOKUP. */

	/* broker -> supervisor */
	IPC_LOOKUP, /* id, text: port, token: the live lease, number: pid << 32 | the holder's pid
		     * or 0. Does that process belong to the holder: is it his descendant, or has it
		     * a description of that lease open? */

	/* supervisor -> keeper */
	IPC_ROSTER, /* fd: the port's roster, an epoll instance; before IPC_BROKER */
	IPC_BROKER, /* fd: the channel to the broker. A new one: the old broker has been replaced;
		     * report everything again. */

	/* broker -> keeper. Each is answered once, in order, with the same id; OPENED, or one of
	 * READY, ABSENT, FAULT. */
	IPC_OPEN, /* id, token: open a description, roster it, send it: OPENED. number: 0, or 1 when
		   * this is the first of its lease (speed restored, input flushed, DTR up);
		   * then text: who holds it, as IPC_HOLDER */
	IPC_TURNAROUND, /* id, token, flag: revoke even if nothing is listed; number: enum
			 * lease_reason of the lease that ended, LEASE_NONE if none did. Clean the
			 * port; a message that arrives meanwhile with flag set ends its drain. */
	IPC_HOLDER, /* not answered. token, text: who holds that lease, for the keeper to keep and
		     * to put into its next IPC_REPORT: so that a new broker knows */

	/* keeper -> broker, in answer */
	IPC_OPENED, /* id, token, fd; or no fd, error: errno (positive), text. A lease has to be
		     * alive to be joined (ESTALE), and no turnaround under way (EBUSY) */
	IPC_READY,  /* id: clean, and idle. number: rdev */
	IPC_ABSENT, /* id (0: by itself), text: the device is not there */
	IPC_FAULT,  /* id (0: by itself), text: the device can't be used */

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
};

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
