/*
 * comlease.h - the client library of comlease, the serial-port arbitration broker.
 *
 *	struct comlease_request request = COMLEASE_REQUEST_INIT;
 *	request.port = "modem0";
 *	struct comlease *c = comlease_connect(NULL);
 *	int fd = c ? comlease_acquire(c, &request, NULL) : -1;
 *	comlease_disconnect(c);
 *	... use fd like any open serial device; close(fd) ends the lease ...
 *
 * A lease lives as long as its descriptor does: through fork, exec, dup and passing it on, until
 * the last copy is closed. There is nothing to renew and no connection to keep.
 *
 * Conventions. Functions return -1 (or NULL) and set errno on failure; a sentence for people is
 * then in comlease_error(). Times are in milliseconds. Strings are UTF-8 and NUL-terminated; those
 * that the library returns belong to the object that they came from. The library never prints,
 * never installs signal handlers, has no global state; all its descriptors are close-on-exec.
 *
 * Threads. One struct comlease may be used by one thread at a time; different ones are independent.
 *
 * errno values with a meaning of their own:
 *	ENOENT		no such port, and no port has that device
 *	EBUSY		wait_ms was 0 and the port was not free
 *	ETIMEDOUT	the time to wait is over
 *	ENODEV		the same, or wait_ms was 0, and the device is not there
 *	EIO		the device is there and can't be used (comlease_error() says why)
 *	EINVAL		the request makes no sense (comlease_error() says what may stand there)
 *	EDEADLK		the caller would wait for itself
 *	ENOSPC		the port's queue is full
 *	EDQUOT		too many connections
 *	EACCES		no permission for the socket
 *	EPERM		not allowed by the broker
 *	ESTALE		the lease has been taken back
 *	ESRCH		nobody of that name waits; nobody outside has the port
 *	ECONNRESET	the broker has gone (where the library does not wait for it)
 *	ECONNREFUSED	there is no broker (nobody at the socket, for reconnect_ms)
 *	EPROTO		the broker answered something that is no answer
 *	EINTR		a signal handler without SA_RESTART ran (if the wait has a deadline, or no
 *			broker is there, any handler); the request is withdrawn
 *	ENOMEM, EMFILE	as always
 */
#ifndef COMLEASE_H
#define COMLEASE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#define COMLEASE_VERSION "0.4.0"

/* For wait_ms: as long as it takes. */
#define COMLEASE_FOREVER (-1)

/* A connection to the broker. Opaque. */
struct comlease;

/* Who holds or waits. */
struct comlease_process {
	pid_t pid;
	uid_t uid;
	const char *command; /* NULL: not known */
};

/* What is asked for. Always start from COMLEASE_REQUEST_INIT: members may be added. */
struct comlease_request {
	size_t size;          /* sizeof(struct comlease_request): which members there are */
	const char *port;     /* the port's or pool's name, or NULL and ... */
	const char *device;   /* ... the absolute path of its device, and */
	uint64_t rdev;        /* its st_rdev; 0: not known. EITHER port OR device. */
	int64_t wait_ms;      /* 0: not at all; COMLEASE_FOREVER */
	int priority;         /* -100..100 */
	const char *label;    /* what to call this work; NULL */
	const char *key;      /* 32 hexadecimal digits: whoever shows it joins this lease; NULL */
	int64_t reconnect_ms; /* how long to look for a broker that has gone or is not there yet:
			       * 30000; 0: not at all */
	/* Since 0.2.0. */
	const char *class_name; /* the kind of work, a name; NULL: as the port's rules say */
	int standby;            /* 1: gives way when somebody else waits: watch the lease */
	int64_t max_hold_ms; /* how long the lease may last, not 0; COMLEASE_FOREVER: as the port's
			      * rules say, which also bound it */
	int64_t yield_grace_ms; /* from being asked to let go to being revoked; COMLEASE_FOREVER: as
				 * the port's rules say, which also bound it */
};

#define COMLEASE_REQUEST_INIT                                                                      \
	{                                                                                          \
		sizeof(struct comlease_request), NULL, NULL, 0, COMLEASE_FOREVER, 0, NULL, NULL,   \
		    30000, NULL, 0, COMLEASE_FOREVER, COMLEASE_FOREVER                             \
	}

/* A granted lease, for display and for comlease_release(). The caller's; a plain value. */
struct comlease_lease {
	size_t size; /* set it to sizeof(struct comlease_lease) */
	uint64_t token;
	int64_t waited_ms;
	char port[65];
	char device[256];
};

/* Why a request waits. The strings live until the next call on the connection. */
struct comlease_waiting {
	const char *port, *device;
	const char *state;              /* "held", "yielding", "foreign", "turnaround", ... */
	const char *reason;             /* for people, or NULL */
	int64_t ahead;                  /* how many are before this request */
	struct comlease_process holder; /* who has it, foreign holders too; pid 0: nobody, or (state
					 * "foreign") nobody that can be seen */
	int64_t holder_since_ms;        /* since 1970 */
};

/*
 * Makes a connection object. socket_path NULL: $COMLEASE_SOCKET, else /run/comlease/comlease.sock,
 * else (where that does not exist) $XDG_RUNTIME_DIR/comlease/comlease.sock. The socket is connected
 * by the first call that needs it: a broker that is not there shows then. NULL: ENOMEM only.
 */
struct comlease *comlease_connect(const char *socket_path);

/* Ends the connection: a waiting request leaves its queue; leases live on. NULL is allowed. */
void comlease_disconnect(struct comlease *);

/* The last failure on this connection as a sentence that names the thing, the reason and the way
 * out; "" if there was none. */
const char *comlease_error(const struct comlease *);

/*
 * Waits for a port and returns its open descriptor (the caller's to close; O_NONBLOCK is set, as
 * with any fresh lease; clear it with fcntl() if you want), or -1. lease may be NULL. With a NULL
 * connection one is made for this call. If the broker goes away the wait goes on as soon as it is
 * back, with its original place and deadline. EINTR: see above.
 */
int comlease_acquire(struct comlease *, const struct comlease_request *, struct comlease_lease *);

/*
 * The same for a program with a loop of its own:
 *
 *	comlease_request(c, &request);
 *	poll comlease_fd(c) for comlease_events(c), at most comlease_timeout_ms(c);
 *	fd = comlease_dispatch(c, &lease);	-1 and errno EAGAIN: not yet, poll again
 *
 * comlease_fd() can change after each dispatch (a reconnection). What the request points to must
 * stay until it is over. One request at a time for each connection (EALREADY).
 */
int comlease_request(struct comlease *, const struct comlease_request *);
int comlease_fd(const struct comlease *);
short comlease_events(const struct comlease *);   /* POLLIN, POLLOUT */
int comlease_timeout_ms(const struct comlease *); /* -1: none */
int comlease_dispatch(struct comlease *, struct comlease_lease *);

/* Between comlease_request() and its end: why it waits. 0, or -1 with EAGAIN (nothing known yet).
 */
int comlease_waiting(const struct comlease *, struct comlease_waiting *);

/* Withdraws the request under way. */
void comlease_cancel(struct comlease *);

/*
 * Ends a lease although copies of its descriptor may be open elsewhere: they are drained and cut
 * off. Close your own descriptor first. Not needed where all copies are simply closed.
 * 0, or -1: ESTALE (it is no longer alive), EPERM (not yours), ENOTSUP (can't be taken back).
 */
int comlease_release(struct comlease *, uint64_t token);

/*
 * What happens to a lease, on a connection of its own:
 *
 *	comlease_watch(w, token);
 *	comlease_next_event(w, &event, 0);	again, until -1 and errno EAGAIN: none yet, then
 *	poll comlease_fd(w) for POLLIN, and so on
 *
 * comlease_watch() returns when the broker has answered: from then on no event is missed.
 * After REVOKED, UNPLUGGED or ENDED nothing comes any more. The strings live until the next call on
 * the connection. ESTALE: that lease has ended. EPERM: not yours. ECONNRESET, from
 * comlease_next_event(): the broker has gone; watch again.
 */
enum comlease_event_type {
	COMLEASE_EVENT_YIELD_WANTED = 1, /* let go of the port within left_ms, or it is taken */
	COMLEASE_EVENT_RESUMED,          /* no longer: go on */
	COMLEASE_EVENT_REVOKED,
	COMLEASE_EVENT_UNPLUGGED,
	COMLEASE_EVENT_ENDED, /* any other end: `reason` */
};

struct comlease_event {
	size_t size; /* set it to sizeof(struct comlease_event) */
	enum comlease_event_type type;
	int64_t left_ms;               /* YIELD_WANTED: until the deadline, >= 0 */
	const char *reason;            /* "yielded", "preempted", "expired", ...; NULL */
	struct comlease_process asker; /* YIELD_WANTED: for whom; pid 0: for a deadline */
};

int comlease_watch(struct comlease *, uint64_t token);

/* timeout_ms: 0: not at all; COMLEASE_FOREVER. EINTR: a signal handler ran; call again. */
int comlease_next_event(struct comlease *, struct comlease_event *, int64_t timeout_ms);

/*
 * Lets a standby lease go, and waits until the port is back: the new descriptor, or -1, as
 * comlease_acquire(). Close your own descriptor first or after; copies that are still open are cut
 * off. `request`: as the lease was acquired (a broker that comes back is asked with it again). If
 * the lease has ended already this is comlease_acquire(). comlease_yield_request() is the same for
 * comlease_dispatch().
 */
int comlease_yield(struct comlease *, uint64_t token, const struct comlease_request *,
		   struct comlease_lease *);
int comlease_yield_request(struct comlease *, uint64_t token, const struct comlease_request *);

/* A standby holder is in a call (1), and not asked to yield, or no longer (0). 0, or -1: ESTALE,
 * EPERM. */
int comlease_busy(struct comlease *, uint64_t token, int busy);

/* A port as it is now. */
struct comlease_port {
	const char *name, *device;
	const char *state;  /* "absent", "foreign", "disabled", "turnaround", "free", "held",
			     * "yielding", "faulted" */
	const char *reason; /* for people, or NULL */
	uint64_t rdev;      /* 0: not there */
	uint64_t token;     /* 0: nobody has it */
	struct comlease_process holder;
	int64_t holder_since_ms; /* since 1970 */
	size_t waiting;
};

/* All ports, in the broker's order: *ports is an array of *count, to be freed with
 * comlease_list_free(). 0 or -1. */
int comlease_list(struct comlease *, struct comlease_port **ports, size_t *count);
void comlease_list_free(struct comlease_port *ports, size_t count);

/* "0.4.0": of the library that is running. */
const char *comlease_version(void);

#ifdef __cplusplus
}
#endif

#endif
