/*
 * seccomp_wait.c - the open()s that wait for a lease: asks the broker for each on a connection of
 * its own, gives the descriptor to the program, and notices when nobody waits for it any more.
 * What is a port is decided elsewhere (seccomp_open.c).
 *
 * Interruptions are the tricky part. A signal ends the program's wait in the kernel, and nobody
 * tells us; if its handler was installed with SA_RESTART, or the program was only stopped, the very
 * same open() comes back as a new notification. So a wait outlives its notification: for
 * RETURN_MS, as long as the program is stopped, or until it does something else than to return. A
 * look at each wait every LOOK_MS is all that can find the others out. A lease that comes when
 * nobody takes it is not kept for longer than that.
 *
 * The broker notes our name when we ask: it is to be the program's. So one asks after the other,
 * each when the broker has answered the one before.
 */
#include "internal.h"
#include "seccomp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS        250
#define RETURN_MS      500
#define STOPPED_MAX_MS 2000 /* with a lease at hand: others may wait for it */
#define ANSWER_MS      1000
#define SETTABLE_FLAGS (O_APPEND | O_NONBLOCK | O_ASYNC)

struct wait {
	TAILQ_ENTRY(wait) entry; /* of waits, in the order in which they came */
	uint64_t id;
	pid_t tid;
	int pidfd;
	struct seccomp_wish wish;
	char printable[PATH_MAX];
	struct seccomp_environment environment;
	struct comlease *c; /* NULL: it has not been asked yet */
	int fd;             /* granted; -1 */
	int64_t granted_ms; /* since then */
	int64_t gone_ms;    /* since when its open() is interrupted; 0: it is not */
};

static TAILQ_HEAD(wait_list, wait) waits = TAILQ_HEAD_INITIALIZER(waits);
static size_t wait_count;
static struct wait *asking; /* whom the broker is to know by our name; NULL */
static int64_t asked_ms, look_at_ms;

/* ---- beginning and end ---- */

static void
end(struct wait *w)
{
	TAILQ_REMOVE(&waits, w, entry);
	wait_count--;
	if (asking == w)
		asking = NULL;
	if (w->fd >= 0)
		close(w->fd);
	comlease_disconnect(w->c);
	seccomp_environment_free(&w->environment);
	close(w->pidfd);
	free(w);
	if (wait_count == 0)
		prctl(PR_SET_NAME, "comlease");
}

static struct wait *
find(pid_t tid)
{
	struct wait *w;

	TAILQ_FOREACH (w, &waits, entry)
		if (w->tid == tid)
			break;
	return w;
}

static bool
is_same(const struct seccomp_wish *a, const struct seccomp_wish *b)
{
	return a->rdev == b->rdev && a->flags == b->flags && strcmp(a->absolute, b->absolute) == 0;
}

/* 0, or the errno for the caller. */
static int
add(const struct seccomp_event *e, const struct seccomp_wish *wish)
{
	int pidfd = seccomp_tracee_pidfd(e->tid);
	struct wait *w = pidfd < 0 ? NULL : calloc(1, sizeof *w);

	if (!w) {
		if (pidfd >= 0)
			close(pidfd);
		return errno;
	}
	if (wait_count == 0)
		look_at_ms = comlease_now_ms() + LOOK_MS;
	w->id = e->id;
	w->tid = e->tid;
	w->pidfd = pidfd;
	w->wish = *wish;
	w->fd = -1;
	seccomp_environment_read(&w->environment, e->tid);
	TAILQ_INSERT_TAIL(&waits, w, entry);
	wait_count++;
	return 0;
}

/* ---- the answer ---- */

static void
give(struct wait *w)
{
	if (seccomp_listener_give(w->id, w->fd, w->wish.flags & O_CLOEXEC) != -ENOENT) {
		end(w);
		return;
	}
	if (w->gone_ms == 0)
		w->gone_ms = comlease_now_ms();
}

static void
granted(struct wait *w, int fd)
{
	seccomp_debug("%s: a lease for thread %d", w->wish.absolute, (int)w->tid);
	fcntl(fd, F_SETFL, w->wish.flags & SETTABLE_FLAGS);
	w->fd = fd;
	w->granted_ms = comlease_now_ms();
	give(w);
}

static bool
is_required(const struct wait *w)
{
	return w->wish.listed && seccomp_environment_get(&w->environment, "COMLEASE_REQUIRE");
}

static void ask(struct wait *);

/* Not the broker's: perhaps the next link's name is, or the kernel has the last word. */
static void
refused(struct wait *w, int error)
{
	struct seccomp_stat status;

	if (error == ENOENT && w->wish.rdev == 0 &&
	    seccomp_open_next_name(&w->wish.path, w->wish.absolute, w->wish.flags,
				   &w->wish.listed)) {
		ask(w);
		return;
	}
	if (error == ENOENT || (error == EINVAL && !is_required(w))) {
		seccomp_listener_pass(w->id);
	} else {
		seccomp_path_stat(&w->wish.path, true, &status);
		seccomp_listener_fail(w->id, comlease_open_errno(error, status.error != ENOENT));
	}
	end(w);
}

/* To the broker, under its program's name. */
static void
introduce(struct wait *w)
{
	char name[16];

	seccomp_tracee_name(w->tid, name);
	prctl(PR_SET_NAME, name);
	asking = w;
	asked_ms = comlease_now_ms();
}

/* Has it lost the broker? */
static bool
is_looking(const struct wait *w)
{
	return comlease_socket(w->c) < 0;
}

/* Not while another one is introduced: it may find the broker, and ask. */
static bool
may_step(const struct wait *w)
{
	return w->c && w->fd < 0 && (!asking || asking == w || !is_looking(w));
}

static void
step(struct wait *w)
{
	int fd;

	if (is_looking(w))
		introduce(w);
	fd = comlease_dispatch(w->c, NULL);
	if (asking == w && (is_looking(w) || fd >= 0 || errno != EAGAIN))
		asking = NULL;
	if (fd < 0 && errno == EAGAIN)
		return;
	if (fd >= 0) {
		granted(w, fd);
		return;
	}
	int error = errno;
	seccomp_debug("%s: %s", w->wish.absolute, comlease_error(w->c));
	refused(w, error);
}

/* ---- the question ---- */

/* Without one the kernel has the last word; but not because we may open no more. */
static void
no_broker(struct wait *w)
{
	int error = errno == EMFILE || errno == ENFILE || errno == ENOMEM ? errno : ENOENT;

	seccomp_debug("%s: no broker at %s", w->wish.absolute, comlease_socket_path(w->c));
	refused(w, error);
}

static void
ask(struct wait *w)
{
	struct comlease_request request;

	seccomp_request_make(&request, &w->wish, &w->environment, w->printable);
	comlease_disconnect(w->c);
	w->c = comlease_connect(NULL);
	if (!w->c) {
		refused(w, ENOMEM);
		return;
	}
	if (!is_required(w) && comlease_try_connect(w->c) < 0) {
		no_broker(w);
		return;
	}
	introduce(w);
	if (comlease_request(w->c, &request) == 0) {
		step(w);
		return;
	}
	int error = errno;
	seccomp_debug("%s: %s", w->wish.absolute, comlease_error(w->c));
	asking = NULL;
	refused(w, error);
}

static bool
is_answered(const struct wait *w)
{
	struct comlease_waiting waiting;

	return comlease_waiting(w->c, &waiting) == 0 || is_looking(w) ||
	       comlease_now_ms() - asked_ms >= ANSWER_MS;
}

static void
ask_next(void)
{
	struct wait *w, *next;

	if (asking && is_answered(asking))
		asking = NULL;
	for (w = TAILQ_FIRST(&waits); w && !asking; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (!w->c)
			ask(w);
	}
}

void
seccomp_wait_begin(const struct seccomp_event *e, const struct seccomp_wish *wish)
{
	struct wait *w = find(e->tid);
	int error;

	if (w && is_same(&w->wish, wish)) {
		w->id = e->id;
		w->gone_ms = 0;
		if (w->fd >= 0)
			give(w);
		return;
	}
	if (w)
		end(w);
	/* what was read belongs to that thread, and not to one that has its number now */
	if (!seccomp_listener_is_waiting(e->id))
		return;
	error = seccomp_has_room(seccomp_wait_fds() + 2) ? add(e, wish) : EMFILE;
	if (error)
		seccomp_listener_fail(e->id, error == EMFILE || error == ENOMEM ? error : EBUSY);
	ask_next();
}

/* ---- the end of interest ---- */

void
seccomp_wait_interrupted(pid_t tid)
{
	struct wait *w = wait_count > 0 ? find(tid) : NULL;

	if (w && w->gone_ms == 0)
		w->gone_ms = comlease_now_ms();
}

/* Does nobody wait for it any more? */
static bool
is_over(struct wait *w)
{
	int64_t now = comlease_now_ms();

	if (w->gone_ms == 0 && seccomp_listener_is_waiting(w->id))
		return false;
	if (w->gone_ms == 0)
		w->gone_ms = now;
	if (seccomp_tracee_is_stopped(w->tid)) {
		w->gone_ms = now; /* once it goes on it needs a moment to be back */
		return w->fd >= 0 && now - w->granted_ms >= STOPPED_MAX_MS;
	}
	return now - w->gone_ms >= RETURN_MS;
}

static void
look(void)
{
	struct wait *w, *next;

	for (w = TAILQ_FIRST(&waits); w; w = next) {
		next = TAILQ_NEXT(w, entry);
		if (is_over(w))
			end(w);
	}
	look_at_ms = comlease_now_ms() + LOOK_MS;
}

/* ---- the loop's part ---- */

size_t
seccomp_wait_fds(void)
{
	return 2 * wait_count;
}

static int
earlier(int a_ms, int b_ms)
{
	return a_ms < 0 || (b_ms >= 0 && b_ms < a_ms) ? b_ms : a_ms;
}

int
seccomp_wait_poll(struct pollfd *fds)
{
	int64_t left_ms = look_at_ms - comlease_now_ms();
	struct wait *w;
	int timeout_ms = wait_count == 0 ? -1 : left_ms > 0 ? (int)left_ms : 0;

	for (w = TAILQ_FIRST(&waits); w; w = TAILQ_NEXT(w, entry)) {
		bool is_asked = may_step(w);
		*fds++ = (struct pollfd){ w->pidfd, POLLIN, 0 };
		*fds++ = is_asked ? (struct pollfd){ comlease_fd(w->c), comlease_events(w->c), 0 }
				  : (struct pollfd){ -1, 0, 0 };
		if (is_asked)
			timeout_ms = earlier(timeout_ms, comlease_timeout_ms(w->c));
	}
	return timeout_ms;
}

/* None is added while this runs but at the end, and it may only end itself. */
void
seccomp_wait_dispatch(const struct pollfd *fds)
{
	struct wait *w, *next;

	for (w = TAILQ_FIRST(&waits); w; w = next, fds += 2) {
		next = TAILQ_NEXT(w, entry);
		if (fds[0].revents)
			end(w);
		else if (may_step(w) && (fds[1].revents || comlease_timeout_ms(w->c) == 0))
			step(w);
	}
	if (wait_count > 0 && comlease_now_ms() >= look_at_ms)
		look();
	ask_next();
}
