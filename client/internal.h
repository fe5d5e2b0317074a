/*
 * internal.h - what the command line (and the shim) use of the client library beyond comlease.h:
 * any method of the interface, streams of replies, and the texts behind an errno. None of this is
 * exported by libcomlease.so: the programs of this tree link libcomlease.a.
 *
 * Error rule: that of comlease.h: -1 and errno, a sentence in comlease_error(). The typed errors of
 * the wire are mapped to the errno values that comlease.h lists; org.varlink.service's
 * InvalidParameter is EINVAL, PermissionDenied EPERM, MethodNotFound and its kin ENOSYS; an error
 * that is not known is EPROTO. NotHolder is EPERM, NotRevocable ENOTSUP, NoSuchWaiter and
 * NotForeign ESRCH.
 */
#ifndef COMLEASE_INTERNAL_H
#define COMLEASE_INTERNAL_H

#include <comlease.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>

#define COMLEASE_SOCKET_SYSTEM "/run/comlease/comlease.sock"

/*
 * One call, one reply. method: "io.comlease.List". parameters is stolen, also on failure; NULL: {}.
 * *reply: a new reference to the reply's parameters (an object); reply may be NULL. It connects if
 * need be, once, without waiting for a broker: ECONNREFUSED at once. EALREADY: a request or a
 * stream is under way on this connection. EINTR: a signal handler ran; the connection is closed.
 */
int comlease_call(struct comlease *, const char *method, json_t *parameters, json_t **reply);

/* The same; ETIMEDOUT: the broker is there and has not answered for that long. -1: no limit. The
 * connection is closed. */
int comlease_call_within(struct comlease *, const char *method, json_t *parameters, json_t **reply,
			 int timeout_ms);

/* Starts a call with `more`: 0, or -1 as above. Replies come from comlease_next_reply(). */
int comlease_call_more(struct comlease *, const char *method, json_t *parameters);

/*
 * Waits for the next reply of the stream: 0 and *reply (a new reference to its parameters); 1 and
 * *reply: that was the last one; -1: EINTR (a signal handler ran: the stream goes on, call again),
 * EAGAIN (timeout_ms passed; -1: none), ECONNRESET (the broker has gone: the stream is over; start
 * it again after comlease_look()), or a typed error, which ends the stream.
 */
int comlease_next_reply(struct comlease *, json_t **reply, int timeout_ms);

/* The socket of the stream, for a poll() together with other descriptors; -1: not connected.
 * Replies may be in the buffer already: call comlease_next_reply(..., 0) until EAGAIN first. */
int comlease_socket(const struct comlease *);

/* The broker's last error by its name ("io.comlease.NoSuchPort") and its parameters (borrowed,
 * until the next call); NULL if the last failure was not one of the broker's. */
const char *comlease_error_name(const struct comlease *);
const json_t *comlease_error_parameters(const struct comlease *);

/* The socket path in use: what is connected, or what was tried last, or will be tried first. */
const char *comlease_socket_path(const struct comlease *);

/* Connects now, once, if it is not connected: 0, or -1: ECONNREFUSED (nobody there, or no such
 * path), EACCES, ... comlease_error() is set. */
int comlease_open_socket(struct comlease *);

/* The same, and no sentence: errno as connect() left it. */
int comlease_try_connect(struct comlease *);

/* Waits until the broker can be reached and connects: at most timeout_ms (-1: for ever). No
 * polling: inotify on the socket's folder. 0, or -1: ECONNREFUSED, EINTR, EACCES... */
int comlease_look(struct comlease *, int64_t timeout_ms);

/*
 * The same in a loop of one's own: poll comlease_fd() for POLLIN, at most comlease_timeout_ms(),
 * and call comlease_look_dispatch(): 0: connected; -1: EAGAIN (poll again), or a failure that ends
 * the look. delay_ms: from now to the first attempt (an event on the way to the socket is one in
 * any case). comlease_cancel() ends it. EALREADY: something is under way on this connection.
 */
int comlease_look_request(struct comlease *, int64_t delay_ms, int64_t timeout_ms);
int comlease_look_dispatch(struct comlease *);

/*
 * For a caller that has signals blocked: these are blocked instead of them while comlease_acquire()
 * waits, and only then, so that a handler finds the connection whole: it may jump out of the wait
 * to where comlease_disconnect() is called. The set is the caller's, until that.
 */
void comlease_set_signals(struct comlease *, const sigset_t *);

/* CLOCK_MONOTONIC: to wait by. It may be called in a signal handler. */
int64_t comlease_now_ms(void);

/* In a forked child: closes its copy of the connection, which stays the parent's. It may be called
 * in a signal handler. */
void comlease_leave_to_parent(struct comlease *);

/*
 * libcomlease_open.c - what the open() of a device and of its lock file mean, for all that stands
 * before a program's calls (the shim, `run --seccomp`). They neither allocate nor ask the broker,
 * and may be called in a signal handler; errno may change.
 */

/* Could a character device of that number be a serial port? False for null, tty, ptmx... */
bool comlease_can_be_serial(dev_t rdev);

/* What open() may say for an errno of comlease_acquire(); there: the device's node exists. */
int comlease_open_errno(int error, bool there);

/* With these flags open() opens no port: only a path or a folder, or what is not there yet. */
bool comlease_is_no_port_open(int flags);

/* The absolute path, without "//", "." and "..", by its letters alone: links stay. folder: where it
 * begins if it is relative, absolute itself; NULL: not known. False (and ""): that, or too long. */
bool comlease_absolute(const char *folder, const char *path, char *absolute, size_t size);

/* May a device that is not there be meant by that path, which is absolute? */
bool comlease_is_below_dev(const char *absolute);

/* The next path of COMLEASE_DEVICES, in which a colon is written "\:" and a backslash "\\"; cut if
 * it is longer than any device's. Returns the rest of the list. */
const char *comlease_next_device(const char *list, char *path, size_t size);

/* The NAME of /var/lock/LCK..NAME, in one of the folders that programs use, or in `more` (the
 * broker's lock-dir; NULL); otherwise NULL. It may have a '/' (LCK..pts/3). absolute: without "//",
 * "." and "..". */
const char *comlease_lock_name(const char *absolute, const char *more);

/* Do programs that open this device by its path, or by one of its usual links, call its lock file
 * LCK..NAME? */
bool comlease_is_lock_of(const char *name, const char *device);

#endif
