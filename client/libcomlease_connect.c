/*
 * libcomlease_connect.c - finding the broker: which socket, connecting to it, waiting until it is
 * there. It knows nothing of messages.
 *
 * The tricky idea: waiting costs nothing. The folders on the way to the socket are watched by
 * inotify from the root down, so that a missing one's parent is watched before it is looked for,
 * and nothing can appear unseen; then all but the last of them are let go. A socket file appears
 * (bind) a moment before it can be connected to (listen). comleased's then gets its permissions,
 * which is an event; no event tells of systemd's: hence a few attempts after each event, at growing
 * intervals, and then silence again.
 */
#include "libcomlease.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RETRY_FIRST_MS     5
#define RETRY_LAST_MS      640
#define RETRY_BACKLOG_MS   20  /* it is there, and too many are connecting */
#define RETRY_UNWATCHED_MS 500 /* no inotify to be had, or a folder that we may not read */
#define WATCH_EVENTS       (IN_CREATE | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

int64_t
comlease_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
comlease_after_ms(int64_t now_ms, int64_t ms)
{
	return ms < 0 || ms > INT64_MAX - now_ms ? INT64_MAX : now_ms + ms;
}

int
comlease_poll_ms(int64_t at_ms)
{
	int64_t left_ms;

	if (at_ms == INT64_MAX)
		return -1;
	left_ms = at_ms - comlease_now_ms();
	if (left_ms <= 0)
		return 0;
	return left_ms >= INT_MAX ? INT_MAX : (int)left_ms;
}

static char *
user_path(void)
{
	const char *folder = secure_getenv("XDG_RUNTIME_DIR");
	char *path = NULL;

	if (!folder || folder[0] != '/')
		return NULL;
	if (asprintf(&path, "%s/comlease/comlease.sock", folder) < 0)
		return NULL;
	return path;
}

int
comlease_set_paths(struct comlease *c, const char *socket_path)
{
	const char *path = socket_path ? socket_path : secure_getenv("COMLEASE_SOCKET");
	bool given = path && path[0];

	c->path[0] = strdup(given ? path : COMLEASE_SOCKET_SYSTEM);
	c->path[1] = given ? NULL : user_path();
	return c->path[0] ? 0 : -1;
}

const char *
comlease_socket_path(const struct comlease *c)
{
	return c->path[c->path_used];
}

int
comlease_socket(const struct comlease *c)
{
	return c->socket;
}

/* A Unix connect() never waits, but for a full backlog: EAGAIN then. */
static int
connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	/* Only the connecting must not block; see await() in libcomlease.c. */
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	    fcntl(fd, F_SETFL, 0) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

int
comlease_try_connect(struct comlease *c)
{
	int fd = -1;

	c->path_used = 0;
	for (int i = 0; i < 2 && c->path[i]; i++) {
		int error = errno;

		fd = connect_to(c->path[i]);
		if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR)) {
			c->path_used = i;
			break;
		}
		if (i > 0)
			errno = error; /* the first one is the one to talk about */
	}
	if (fd < 0)
		return -1;
	c->socket = fd;
	c->maker = getpid();
	varlink_init(&c->varlink, fd, VARLINK_REPLY_BYTES_MAX, true);
	return 0;
}

/* shutdown() first: a child that another thread forked a moment ago may hold a copy of the socket,
 * and the broker has to see at once that nobody waits here any more. */
void
comlease_drop(struct comlease *c)
{
	int socket = c->socket;

	if (socket < 0)
		return;
	varlink_clear(&c->varlink);
	if (c->maker == getpid())
		shutdown(socket, SHUT_RDWR);
	c->socket = -1; /* first: in a child forked here the number may be another file's */
	close(socket);
}

void
comlease_leave_to_parent(struct comlease *c)
{
	int socket = c->socket;

	c->socket = -1;
	if (socket >= 0)
		close(socket);
}

int
comlease_open_socket(struct comlease *c)
{
	struct pollfd gone = { .fd = c->socket, .events = POLLIN };

	/* Idle, something to read: that is the end, or nothing that was asked for. */
	if (c->socket >= 0 && c->phase == PHASE_IDLE && poll(&gone, 1, 0) > 0)
		comlease_drop(c);
	if (c->socket >= 0)
		return 0;
	comlease_forget_error(c);
	return comlease_try_connect(c) == 0 ? 0 : comlease_fail_connect(c, errno);
}

/* ---- waiting for it ---- */

#define FOLDERS_MAX 128 /* above two socket paths */

struct watches {
	int wd[FOLDERS_MAX];
	size_t count;
};

/* Watches the folders above path, from the root down, so that each is watched before the next one
 * is looked for. Returns the last one's watch, which is the only one needed from then on;
 * *complete: the socket, or the folder that it lacks, would appear in that one. */
static int
watch_folders(int inotify, const char *path, struct watches *all, bool *complete)
{
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
	int last = path[0] == '/' ? -1 : inotify_add_watch(inotify, ".", WATCH_EVENTS);

	*complete = true;
	for (size_t i = 0; i < sizeof(folder) - 1 && path[i] && all->count < FOLDERS_MAX; i++) {
		int wd;

		if (path[i] != '/')
			continue;
		memcpy(folder, path, i);
		folder[i] = '\0';
		wd = inotify_add_watch(inotify, i == 0 ? "/" : folder, WATCH_EVENTS);
		*complete = wd >= 0 || errno == ENOENT;
		if (wd >= 0)
			last = all->wd[all->count++] = wd;
		else if (errno == ENOENT)
			break; /* its parent will tell when it comes */
	}
	*complete = *complete && last >= 0;
	return last;
}

static void
watch(struct comlease *c)
{
	struct look *look = &c->look;
	struct watches all = { .count = 0 };
	int last[2] = { -1, -1 };
	bool complete;

	look->watched = look->inotify >= 0;
	for (int i = 0; i < 2 && c->path[i] && look->inotify >= 0; i++) {
		last[i] = watch_folders(look->inotify, c->path[i], &all, &complete);
		look->watched &= complete;
	}
	/* What happens in /tmp or /run beside our folder would wake us for nothing. */
	for (size_t i = 0; i < all.count; i++)
		if (all.wd[i] != last[0] && all.wd[i] != last[1])
			inotify_rm_watch(look->inotify, all.wd[i]);
}

static void
schedule_retry(struct look *look, int error)
{
	int64_t now_ms = comlease_now_ms();

	if (error == EAGAIN) {
		look->retry_at_ms = now_ms + RETRY_BACKLOG_MS;
	} else if (look->retry_ms <= RETRY_LAST_MS) {
		look->retry_at_ms = now_ms + look->retry_ms;
		look->retry_ms *= 2;
	} else {
		look->retry_at_ms = look->watched ? INT64_MAX : now_ms + RETRY_UNWATCHED_MS;
		look->appearing = false;
	}
}

void
comlease_look_start(struct comlease *c, int64_t first_at_ms, int64_t until_ms, bool restarting)
{
	struct look *look = &c->look;

	comlease_look_stop(c);
	look->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	look->until_ms = until_ms;
	look->appearing = restarting;
	look->retry_ms = RETRY_FIRST_MS;
	watch(c);
	look->retry_at_ms = first_at_ms; /* not before all is watched */
}

void
comlease_look_stop(struct comlease *c)
{
	if (c->look.inotify >= 0)
		close(c->look.inotify);
	c->look.inotify = -1;
}

int64_t
comlease_look_wakes_ms(const struct comlease *c)
{
	const struct look *look = &c->look;

	return look->retry_at_ms < look->until_ms ? look->retry_at_ms : look->until_ms;
}

/* Of a folder itself, or of something in it that is a part of one of our paths. */
static bool
is_about_us(const struct comlease *c, const struct inotify_event *event)
{
	if (event->mask & IN_IGNORED) /* a watch that we removed */
		return false;
	if (event->len == 0)
		return true;
	for (int i = 0; i < 2 && c->path[i]; i++)
		if (strstr(c->path[i], event->name))
			return true;
	return false;
}

static bool
take_events(const struct comlease *c)
{
	_Alignas(struct inotify_event) char events[4096];
	bool any = false;
	ssize_t length;

	while (c->look.inotify >= 0 &&
	       (length = read(c->look.inotify, events, sizeof(events))) > 0) {
		for (char *at = events; at < events + length;) {
			const struct inotify_event *event = (const void *)at;

			any |= is_about_us(c, event);
			at += sizeof(*event) + event->len;
		}
	}
	return any;
}

static bool
is_worth_waiting(const struct look *look, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
	case ECONNREFUSED:
	case EAGAIN:
	case EPROTOTYPE:
		return true;
	case EACCES:
	case EPERM: /* between its bind() and its chmod() */
		return look->appearing;
	default:
		return false;
	}
}

int
comlease_look_step(struct comlease *c)
{
	struct look *look = &c->look;
	int64_t now_ms = comlease_now_ms();
	int error;

	if (take_events(c)) {
		look->appearing = true;
		look->retry_ms = RETRY_FIRST_MS;
		watch(c);
	} else if (now_ms < look->retry_at_ms && now_ms < look->until_ms) {
		errno = EAGAIN;
		return -1;
	}
	if (comlease_try_connect(c) == 0) {
		comlease_look_stop(c);
		return 0;
	}
	error = errno;
	if (now_ms < look->until_ms && is_worth_waiting(look, error)) {
		schedule_retry(look, error);
		errno = EAGAIN;
		return -1;
	}
	comlease_look_stop(c);
	return comlease_fail_connect(c, error);
}

int
comlease_look(struct comlease *c, int64_t timeout_ms)
{
	if (comlease_open_socket(c) == 0)
		return 0;
	comlease_look_start(c, 0, comlease_after_ms(comlease_now_ms(), timeout_ms), false);
	while (comlease_look_step(c) < 0) {
		struct pollfd pollfd = { .fd = c->look.inotify, .events = POLLIN };

		if (errno != EAGAIN)
			return -1;
		if (poll(&pollfd, 1, comlease_poll_ms(comlease_look_wakes_ms(c))) < 0) {
			comlease_look_stop(c);
			return comlease_fail(c, EINTR, "interrupted while looking for the broker");
		}
	}
	return 0;
}

int
comlease_look_request(struct comlease *c, int64_t delay_ms, int64_t timeout_ms)
{
	int64_t now_ms = comlease_now_ms();

	if (c->phase != PHASE_IDLE)
		return comlease_fail(c, EALREADY, "a request is under way on this connection");
	comlease_drop(c);
	comlease_forget_error(c);
	comlease_look_start(c, now_ms + delay_ms, comlease_after_ms(now_ms, timeout_ms), true);
	c->phase = PHASE_LOOK;
	return 0;
}

int
comlease_look_dispatch(struct comlease *c)
{
	int r = comlease_look_step(c);

	if (r == 0 || errno != EAGAIN)
		c->phase = PHASE_IDLE;
	return r;
}
