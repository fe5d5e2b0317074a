/*
 * seccomp_internal.h - what the parts of the supervisor share (seccomp.h names them).
 *
 * Error rule inside: 0, or a negative errno. The supervisor has nobody to talk to, and prints
 * nothing unless COMLEASE_DEBUG is set.
 */
#ifndef COMLEASE_SECCOMP_INTERNAL_H
#define COMLEASE_SECCOMP_INTERNAL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- seccomp_filter.c ---- */

enum seccomp_kind {
	SECCOMP_KIND_OPEN,
	SECCOMP_KIND_OPENAT2,
	SECCOMP_KIND_CREAT,
	SECCOMP_KIND_REMOVE,
	SECCOMP_KIND_LINK,
	SECCOMP_KIND_SYMLINK,
	SECCOMP_KIND_RENAME,
	SECCOMP_KIND_ADORN,    /* chmod, chown */
	SECCOMP_KIND_TERMINAL, /* ioctl(fd, TIOCSCTTY) */
};

/* The system calls that the supervisor hears of: which argument is what; -1: there is none, for a
 * folder: it is the working directory. */
struct seccomp_call {
	const char *name;
	enum seccomp_kind kind;
	signed char dirfd, path;
	signed char to_dirfd, to_path; /* of link, rename */
	signed char flags;             /* openat2: its struct open_how */
};

/* Loads the filter into this process: its listener (close-on-exec), or a negative errno. */
int seccomp_filter_load(void);

/* Before seccomp_filter_find(). */
void seccomp_filter_init(void);

/* The call of that number; NULL: none that the filter catches. arch: AUDIT_ARCH_... */
const struct seccomp_call *seccomp_filter_find(uint32_t arch, int number);

/* ---- seccomp_listener.c ---- */

/* A call that waits for its answer. */
struct seccomp_event {
	uint64_t id; /* of the notification: what the kernel knows it by */
	pid_t tid;   /* the thread that makes the call */
	const struct seccomp_call *call;
	uint64_t argument[6];
};

/* Takes over the listener: 0, or -ENOSYS: this kernel can't put a descriptor into a process. */
int seccomp_listener_init(int fd);
int seccomp_listener_fd(void);

/* The next call, when poll() has said that there is one. -EAGAIN: it was none of ours, or has
 * gone. */
int seccomp_listener_next(struct seccomp_event *);

/* Answers: the kernel does what was asked of it; the call returns that value, or fails with that
 * errno. What has gone meanwhile needs no answer. */
void seccomp_listener_pass(uint64_t id);
void seccomp_listener_answer(uint64_t id, int64_t value);
void seccomp_listener_fail(uint64_t id, int error);

/* Answers with a copy of that descriptor: 0; -ENOENT: the call is no longer waited for. Another
 * errno (EMFILE) has been given to the caller. */
int seccomp_listener_give(uint64_t id, int fd, bool close_on_exec);

/* Is that call still waited for? */
bool seccomp_listener_is_waiting(uint64_t id);

/* ---- seccomp_tracee.c: of another process ---- */

/* Reads as much as there is, up to size: how much, or a negative errno. */
ssize_t seccomp_tracee_read(pid_t tid, uint64_t address, void *buffer, size_t size);

/* A path out of its memory: 0, or negative: NULL, unmapped, too long, unreadable. */
int seccomp_tracee_path(pid_t tid, uint64_t address, char path[PATH_MAX]);

/* The name of its program, as in /proc/PID/comm. */
void seccomp_tracee_name(pid_t tid, char name[16]);

/* Is it stopped (by a signal or a debugger)? */
bool seccomp_tracee_is_stopped(pid_t tid);

/* The process that the thread belongs to; 0: it has gone. */
pid_t seccomp_tracee_pid(pid_t tid);

/* A descriptor that is readable when it has ended; -1: it has, or that can't be had. */
int seccomp_tracee_pidfd(pid_t tid);

/* What `comlease run` told that program by its environment; our own where it has none of it. */
struct seccomp_environment {
	char *text; /* NULL: ours */
	size_t size;
};

void seccomp_environment_read(struct seccomp_environment *, pid_t tid);
void seccomp_environment_free(struct seccomp_environment *);

/* NULL: unset or "". It lives as long as the environment. */
const char *seccomp_environment_get(const struct seccomp_environment *, const char *name);

/* ---- seccomp_path.c: as the program means it ---- */

struct seccomp_path {
	pid_t tid;
	int dirfd; /* AT_FDCWD */
	char name[PATH_MAX];
};

struct seccomp_stat {
	int error;
	mode_t mode;
	dev_t rdev;
};

void seccomp_path_init(void);
void seccomp_path_stat(const struct seccomp_path *, bool follow, struct seccomp_stat *);

/* What one of its descriptors is. */
void seccomp_path_stat_fd(pid_t tid, int fd, struct seccomp_stat *);

/* Without "//", "." and "..", by the letters alone. False: too long, or its folder is not known. */
bool seccomp_path_absolute(const struct seccomp_path *, char absolute[PATH_MAX]);

/* The absolute path becomes that which the link of that name leads to. False: it is none. */
bool seccomp_path_follow(const struct seccomp_path *, char absolute[PATH_MAX]);

/* One of COMLEASE_DEVICES? rdev 0: by path alone. */
bool seccomp_path_is_listed(const char *absolute, dev_t rdev);

/* The lock file of one of COMLEASE_DEVICES, or, if `device` is not NULL, of that one? */
bool seccomp_path_is_lock(const struct seccomp_path *, const char *device);

/* ---- seccomp_open.c, seccomp_lock.c: they answer, or begin a wait ---- */

void seccomp_open(const struct seccomp_event *);

/* Is there anything after `absolute` in its chain of links that a device could be called? The next
 * one replaces it. */
bool seccomp_open_next_name(const struct seccomp_path *, char absolute[PATH_MAX], int flags,
			    bool *listed);

/* Is one of its parts LCK..something? Nearly never. */
bool seccomp_lock_is_name(const char *path);
void seccomp_lock_open(const struct seccomp_event *, const struct seccomp_path *, int flags);
void seccomp_lock_call(const struct seccomp_event *);

/* ---- seccomp_wait.c ---- */

/* What an open() asks for. */
struct seccomp_wish {
	struct seccomp_path path;
	char absolute[PATH_MAX];
	dev_t rdev;  /* 0: the device is not there */
	bool listed; /* it is known to be managed */
	int flags;
};

struct comlease_request;

/* seccomp_request.c: the request points to what is passed here. */
void seccomp_request_make(struct comlease_request *, const struct seccomp_wish *,
			  const struct seccomp_environment *, char printable[PATH_MAX]);

/* Waits for the lease; or goes on waiting, if this thread has been interrupted in the same open().
 */
void seccomp_wait_begin(const struct seccomp_event *, const struct seccomp_wish *);

/* That thread does something else now: its open() was interrupted. */
void seccomp_wait_interrupted(pid_t tid);

struct pollfd;

/* How many descriptors seccomp_wait_poll() fills in; when to be called again at the latest (-1:
 * whenever one is ready). */
size_t seccomp_wait_fds(void);
int seccomp_wait_poll(struct pollfd *);

/* Goes on with those that poll() has found something for. */
void seccomp_wait_dispatch(const struct pollfd *);

/* ---- seccomp_supervisor.c ---- */

/* To stderr, which it has kept if COMLEASE_DEBUG is set; otherwise nothing happens. */
__attribute__((format(printf, 1, 2))) void seccomp_debug(const char *format, ...);

/* May the waits have so many? poll() takes no more entries than that either, and a few have to be
 * left to find out what a path is. */
bool seccomp_has_room(size_t descriptors);

/* Serves to the end. socket: see struct seccomp_hello. */
_Noreturn void seccomp_supervisor_run(int socket);

/* The first message to the supervisor: something to try to read. The second brings the listener.
 * Each is answered with an int: 0, or a negative errno. */
struct seccomp_hello {
	int64_t pid;
	uint64_t address; /* of a word of its memory ... */
	uint64_t word;    /* ... that is this */
};

#endif
