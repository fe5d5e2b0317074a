/*
 * varlink.h - Varlink on one socket: frames, JSON, descriptors, limits. The broker, the client
 * library, the command line and the tests use it; it knows nothing of ports or leases.
 *
 * A message is one JSON object and one NUL byte. A descriptor travels with the first byte of the
 * message that it belongs to, and only with the sole reply of a call (DESIGN.md section 6).
 *
 * Error rule: negative = -errno, 0 = done, positive = a documented condition. Not thread-safe: one
 * thread at a time per struct varlink. JSON objects are jansson's, with its reference counts.
 */
#ifndef COMLEASE_VARLINK_H
#define COMLEASE_VARLINK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define VARLINK_DEPTH_MAX 32
/* What a broker takes from a client, and what a client takes from a broker (a list may be long). */
#define VARLINK_REQUEST_BYTES_MAX ((size_t)64 * 1024)
#define VARLINK_REPLY_BYTES_MAX   ((size_t)16 * 1024 * 1024)

enum varlink_condition {
	VARLINK_AGAIN = 1, /* nothing (more) to be had at the moment: wait for the socket */
	VARLINK_EOF,       /* the peer has closed, at a message boundary */
	VARLINK_FULL,      /* nothing was read: take the messages that are there first */
};

/* One end of a connection: what has been received and not taken, what is still to be sent. Buffers
 * are allocated when they are needed and freed when they are empty: an idle one costs nothing. */
struct varlink {
	int socket;       /* borrowed: never closed here */
	size_t bytes_max; /* of one received message, without its NUL */
	bool takes_fds;   /* a client: descriptors are received; otherwise they are refused */
	bool peeks;       /* the kernel doesn't refuse them, so look before reading */
	char *in;         /* received bytes; those before in_start are taken */
	size_t in_start, in_len, in_size, in_scanned;
	int fd;    /* received with the message that starts at in[in_start]; -1 */
	char *out; /* bytes still to be sent */
	size_t out_len, out_size, out_sent;
	int out_fd; /* owned; goes with out[out_fd_at]; -1 */
	size_t out_fd_at;
};

/* Makes one or two system calls on the socket, which has to be open: whether its kernel refuses
 * descriptors (SO_PASSRIGHTS is 0) is looked up here, once. */
void varlink_init(struct varlink *, int socket, size_t bytes_max, bool takes_fds);

/* Frees the buffers, closes descriptors that nobody took. The socket is the caller's. */
void varlink_clear(struct varlink *);

/*
 * Reads what the socket has, once, and never blocks, whatever the socket's flags are. 0 (there is
 * more than before: see varlink_next()), VARLINK_AGAIN, VARLINK_EOF, VARLINK_FULL, or:
 * -EMSGSIZE	a message is longer than bytes_max
 * -EPROTO	descriptors came where none may come or more than one (takes_fds false: they are
 *		still in the socket, see below), or the end came within a message; whole messages
 *		that came before can still be taken
 * -EMFILE	a descriptor came and this process may open no more; it is lost
 * -ECONNRESET	the peer closed without having read all that was sent to it
 * -errno	of recvmsg; -ENOMEM
 * With takes_fds a read never goes beyond one message, so that a descriptor is the right one's, and
 * VARLINK_FULL is the answer as long as a whole message waits to be taken. Without takes_fds it is
 * the answer when untaken messages of bytes_max bytes altogether are held.
 * Without takes_fds no control buffer is offered, ever. Where descriptors can arrive all the same
 * (no SO_PASSRIGHTS), it peeks first and never drops their last reference: on -EPROTO the caller
 * hands the socket to somebody who may block in close().
 */
int varlink_receive(struct varlink *);

/* The next whole message: 0 and *message (the caller's reference), *fd if the connection takes
 * descriptors and one came with it (the caller's to close; otherwise -1; fd may be NULL for "none
 * is expected": then one that comes is closed and -EPROTO). VARLINK_AGAIN: none is whole yet.
 * -EBADMSG: no JSON object, too deep, a duplicate key, no UTF-8, a number out of range, a string
 * with \u0000. -ENOMEM. After any of these the message is gone and *message is NULL. */
int varlink_next(struct varlink *, json_t **message, int *fd);

/* True while received bytes are held that varlink_next() has not taken. */
bool varlink_has_input(const struct varlink *);

/* True while bytes of an unfinished message are held: a request is under way. */
bool varlink_is_partial(const struct varlink *);

/* Queues a message (a borrowed reference) and, if fd >= 0, a descriptor with it, which belongs to
 * the struct from here, also on failure. -ENOMEM; -EBUSY: a descriptor is already queued. After a
 * failure nothing of this message is queued. */
int varlink_queue(struct varlink *, const json_t *message, int fd);

/* Sends what is queued, as far as the socket takes it. 0: all is gone; VARLINK_AGAIN; -errno
 * (-EPIPE: the peer has gone, what it sent before can still be received; -EPERM: it takes no
 * descriptors). Never blocks or raises SIGPIPE. */
int varlink_flush(struct varlink *);

/* Bytes queued and not yet taken by the socket. */
size_t varlink_unsent(const struct varlink *);

/* ---- messages ---- */

/* A call as received. The strings and `parameters` are borrowed from the message. */
struct varlink_call {
	const char *interface_method; /* "io.comlease.Acquire" */
	json_t *parameters;           /* an object; never NULL: {} if the caller sent none */
	bool more, oneway, upgrade;
};

/* 0; -EBADMSG: not a call (no method, wrong types, unknown members, more than one of `more`,
 * `oneway`, `upgrade`); -ENOMEM. */
int varlink_call_parse(json_t *message, struct varlink_call *);

/* New references. `parameters` is stolen, also on failure. NULL: no memory, which may be the
 * constructor's of `parameters` (NULL comes in, NULL goes out; for none give json_object()), or a
 * name that is not UTF-8. Note that json_string() too is NULL for what is not UTF-8. */
json_t *varlink_call_new(const char *interface_method, json_t *parameters, bool more);
json_t *varlink_reply_new(json_t *parameters, bool continues);
json_t *varlink_error_new(const char *error, json_t *parameters);

/* The standard errors of org.varlink.service. */
#define VARLINK_ERROR(name) "org.varlink.service." name
/* InterfaceNotFound{interface}, MethodNotFound{method}, MethodNotImplemented{method},
 * InvalidParameter{parameter}, PermissionDenied{}, ExpectedMore{} */

/* A reply as received by a client. */
struct varlink_reply {
	const char *error;  /* NULL: none */
	json_t *parameters; /* borrowed; an object, never NULL */
	bool continues;
};

/* 0; -EBADMSG: not a reply (wrong types, unknown members, an error that continues); -ENOMEM. */
int varlink_reply_parse(json_t *message, struct varlink_reply *);

/* ---- org.varlink.service ---- */

struct varlink_interface {
	const char *name;
	const char *description; /* the .varlink text */
};

struct varlink_service {
	const char *vendor, *product, *version, *url;
	const struct varlink_interface *interfaces; /* ends with a NULL name; org.varlink.service
						     * itself is added by the codec */
};

/* Answers a call to org.varlink.service, and with InterfaceNotFound a call to an interface that is
 * not in the list: 0, *reply is a new reference (which a `oneway` call must not be sent). 1: a
 * method of a listed interface, known or not (the caller dispatches; *reply untouched). -ENOMEM. */
int varlink_service_answer(const struct varlink_service *, const struct varlink_call *,
			   json_t **reply);

#endif
