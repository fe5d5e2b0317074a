/*
 * support.h - what the end-to-end tests in C stand on: a scratch folder with ptys as modems, a real
 * comleased, connections to it, child processes, its log; and nothing left at the end. All of it
 * asserts with Check. Nothing here sleeps: whoever waits, waits for an event with a deadline.
 *
 *	START_TEST(...)
 *		struct support_client c;
 *		int master = support_plug("modem0");
 *
 *		support_start(SUPPORT_PORT("modem0"));
 *		support_connect(&c);
 *		...
 *		support_close(&c);
 *	END_TEST
 *
 *	tc = tcase_create(...); tcase_add_checked_fixture(tc, support_begin, support_end);
 *	return support_run(suite);
 *
 * support_end() stops what was started and fails the test that leaves a descriptor or a process, in
 * the test or in the broker. Each test has a process and a process group of its own (CK_FORK),
 * which Check kills altogether when it fails.
 */
#ifndef COMLEASE_TESTS_SUPPORT_H
#define COMLEASE_TESTS_SUPPORT_H

#include "../client/varlink.h"
#include "../include/comlease.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What must come, comes within that time, on a busy machine too. */
#define SUPPORT_SOON_MS 10000

extern char support_scratch[64]; /* the test's own folder, absolute */
extern char support_socket[96];  /* of its comleased */
extern pid_t support_pid;        /* the supervisor's; 0: it does not run */

/* ---- support.c: the test, the modems, comleased ---- */

/* The fixture. */
void support_begin(void);
void support_end(void);

/* The main of a suite: TAP to stdout, skipped tests included. */
int support_run(Suite *);

/* A new case of the suite, whose tests begin with `setup` and end with support_end(). */
TCase *support_case(Suite *, const char *name, void (*setup)(void));

/* Adds the test if `able`; otherwise it counts as skipped, for that reason. */
void support_add(TCase *, const TTest *, bool able, const char *reason);

/* A pty, its slave (raw) linked as SCRATCH/NAME, which is returned by support_path(). Returns the
 * master (non-blocking), which support_unplug() or support_end() closes. */
int support_plug(const char *name);
void support_unplug(const char *name);

/* SCRATCH/NAME, in one of a few buffers used in turn. */
const char *support_path(const char *name);

/* From here to support_end() ptys and comleased belong to that user. Root only; before
 * support_plug(). */
void support_use_uid(uid_t);

/* Can comleased take a port back (CAP_SYS_ADMIN)? Also outside a test. */
bool support_can_revoke(void);

/*
 * Starts comleased -v with this configuration and waits until it serves. In the text %s is the
 * scratch folder, %r the line `revocation = none` where a port can't be taken back, %% a percent
 * sign. NULL: the configuration of last time. Socket and state directory are in the scratch folder.
 */
void support_start(const char *config);
#define SUPPORT_PORT_AT(name) "[port " name "]\ndevice = %s/" name "\n%r"
#define SUPPORT_PORT(name)    SUPPORT_PORT_AT(name) "hangup-ms = 0\n"

/* Ends it with SIGTERM: exit status 0, no process, no socket, no lock file left. */
void support_stop(void);

/* SIGKILL to the supervisor alone: its children must follow it by themselves. */
void support_crash(void);

/* Every port is FREE, then the descriptors of supervisor, broker and keepers must be as many as
 * after support_start() with that configuration, also where they are other processes now (P14).
 * support_end() does it, too. */
void support_expect_no_leak(void);

/* ---- support_log.c: the log of comleased, SCRATCH/broker.log ---- */

/* Waits for a line that matches the extended regular expression, from behind the line that the last
 * call found. Returns it, in a static buffer. */
const char *support_log_wait(const char *pattern);

/* Waits until so many lines match, from the beginning; more than that is a failure. The log may
 * come later than what it tells. */
void support_log_expect(const char *pattern, int count);

/* How many there are now. */
int support_log_count(const char *pattern);

/* Puts support_log_wait() behind what is there now. */
void support_log_skip(void);

/* The number behind `key` in a line: support_number(line, "held_ms="); -1: not there. */
int64_t support_number(const char *line, const char *key);

/* ---- support_process.c: processes ---- */

int64_t support_now_ms(void); /* CLOCK_MONOTONIC */

/* poll() for one descriptor until a time; true: there is something (also POLLHUP). */
bool support_poll(int fd, short events, int64_t until_ms);

pid_t support_broker(void);                    /* 0: there is none now */
pid_t support_keeper(const char *port);        /* 0: there is none now */
int support_children(pid_t, pid_t *, int max); /* how many there are */
void support_command(pid_t, char *, size_t);   /* its command line */
int support_count_fds(pid_t);                  /* 0: that process (or this one); -1: gone */

/* SIGSTOP, and it has stopped when this returns; SIGCONT. */
void support_pause(pid_t);
void support_resume(pid_t);

/* SIGKILL, and waits until the supervisor has logged its end. */
void support_kill_broker(void);
void support_kill_keeper(const char *port);

/* The other side, a child process or in it the test: a pipe to say something and one to hear. */
struct support_child {
	pid_t pid;
	int say, hear;
	int pidfd; /* in the test only */
};

/* Forks only: run() in the child, which has no descriptor of the test but its pipes and `keep` (-1:
 * none), then ends with 0. What it asserts fails the test. */
void support_fork(struct support_child *, void (*run)(struct support_child *, void *), void *,
		  int keep);

/* Forks and executes; the pipes are its stdin and stdout, stderr is SCRATCH/child.err. The first
 * word without a slash is a program of $BUILD. COMLEASE_SOCKET is set. */
void support_exec(struct support_child *, const char *const argv[]);

/* One byte to or from the other side. support_hear() asserts that one comes soon. */
void support_say(const struct support_child *, char);
char support_hear(const struct support_child *);
bool support_is_quiet(const struct support_child *, int for_ms);

/* A whole line that it says, without the newline; in a static buffer. */
const char *support_hear_line(const struct support_child *);

int support_reap(struct support_child *);    /* waits for its end: a status as of waitpid() */
void support_finish(struct support_child *); /* it must end with 0 once it hears end-of-file */
void support_kill(struct support_child *);   /* SIGKILL */

/* ---- support_wire.c: connections ---- */

/* A Varlink connection by hand. */
struct support_client {
	int socket;
	struct varlink varlink;
	json_t *message;               /* the last reply; belongs to it */
	struct varlink_reply reply;    /* and what it says */
	int fd;                        /* that came with it; -1. Take it with support_take() */
	struct support_child stranger; /* pid 0: it is the test's own */
	uid_t uid;                     /* of the stranger */
};

void support_connect(struct support_client *);

/* To the broker this is another process, of the same uid: it would join the lease of neither the
 * test nor another stranger. It lives until support_close(). */
void support_connect_stranger(struct support_client *);
void support_connect_as(struct support_client *, uid_t); /* root only */
void support_close(struct support_client *);

/* Sends a call; "Acquire" is io.comlease.Acquire, a name with a dot is itself. The parameters are
 * stolen; NULL: none. */
void support_call(struct support_client *, const char *method, json_t *parameters, bool more);

/* Waits for the next message. false: the connection has ended. */
bool support_next(struct support_client *);
/* The same; it must be a reply without error. Returns the parameters (borrowed). */
json_t *support_reply(struct support_client *);
/* It must be that error, "Busy" being io.comlease.Busy; returns the parameters (borrowed). */
json_t *support_error(struct support_client *, const char *error);
/* Nothing comes. */
void support_expect_silence(struct support_client *, int for_ms);

/* support_call() and support_reply(). */
json_t *support_ask(struct support_client *, const char *method, json_t *parameters);

/* The descriptor of the last reply is the caller's now; there must be one. */
int support_take(struct support_client *);

/* All in one, as a stranger who ends at once: a lease, waited for. token may be NULL. */
int support_acquire(const char *port, uint64_t *token);
int support_acquire_here(const char *port, uint64_t *token); /* as this process */

/* The same with all of Acquire's parameters (stolen). The connection is closed. */
int support_acquire_with(json_t *parameters, uint64_t *token);

/* modem0 in standby, for a fax. */
int support_stand_by(uint64_t *token);

/* Connects and watches that lease; the first event must be that one ("watching"). */
void support_watch(struct support_client *, uint64_t token, const char *event);

/* The next event must be that one. Returns it (borrowed). */
json_t *support_event(struct support_client *, const char *event);

/* Connects as a stranger and sends Acquire with `more`; returns when the broker has queued it.
 * `parameters` (stolen; NULL) are added to the port. Then support_granted() waits for the lease and
 * attaches; the descriptor is the caller's. */
void support_queue(struct support_client *, const char *port, json_t *parameters);
int support_granted(struct support_client *, uint64_t *token);

/* The port as List shows it: a new reference. */
json_t *support_list(const char *port);

/* Waits, by List with `more`, until the port has that state, and that many waiters (-1: any). */
void support_wait_port(const char *port, const char *state, int waiting);

/* The same, until its lease has that many descriptions. */
void support_wait_descriptions(const char *port, int count);

/* json_object_get() along names, with asserts: support_int(port, "lease", "owner", "pid", NULL). */
json_int_t support_int(json_t *, ...) __attribute__((sentinel));
const char *support_string(json_t *, ...) __attribute__((sentinel));

/* ---- support_holder.c: children that use libcomlease ---- */

/*
 * A child that acquires, then says "held TOKEN" or "errno N", then does as it is told by bytes that
 * support_say() sends, and ends with 0 when it hears end-of-file. Its bytes:
 *	c	closes its descriptor, says "closed"
 *	w	writes 4096 bytes 'w' to the line, says "written"
 *	W	the same, and closes at once, says "written"
 *	X	the same, and ends without closing
 *	r	reads 4 bytes from the line, says "read BYTES"
 *	a	acquires once more, says "held TOKEN" or "errno N"
 *	f	forks a child that keeps the descriptors and does no more than wait for end-of-file,
 *		says "forked PID"
 *	p	ends; what it forked stays
 *	e	executes cat, with the descriptors
 */
void support_hold(struct support_child *, const struct comlease_request *);

/* "held": its token; it must have it soon. "errno": that, as a negative number. */
int64_t support_held(const struct support_child *);

/* The child must say that line. */
void support_expect_line_of(const struct support_child *, const char *line);

/* Waits for the end of an orphan. */
void support_reap_orphan(pid_t);

/* ---- support_outsider.c: programs that have the device of modem0 without comlease ---- */

/* With TIOCEXCL set by comleased (own = always) only root gets it open. */
#define SUPPORT_OPEN_PORT SUPPORT_PORT("modem0") "own = leased\n"

int support_open_device(void);

enum support_way { SUPPORT_OPEN, SUPPORT_FLOCK, SUPPORT_EXCLUSIVE, SUPPORT_INHERITED };

/* A child that has the device open in that way, and does as it is told: c: closes it, says 'c'; d:
 * says 'y' or 'n': its descriptor is dead. Ends with 0 when it hears end-of-file. */
void support_outsider(struct support_child *, enum support_way);

/* Waits until the first port is known to be that process's; the port as List shows it: a new
 * reference. */
json_t *support_foreign(pid_t);

/* ---- support_line.c: what goes over the line ---- */

/* Reads that many bytes from a master or a leased descriptor, soon; how many came. */
size_t support_read(int fd, void *buffer, size_t size);
void support_write(int fd, const void *bytes, size_t size);

/* The descriptor is dead (EOF, EIO on write and ioctl), or works. */
bool support_is_dead(int fd);

/* Bytes go both ways. */
void support_expect_line(int fd, int master);

#endif
