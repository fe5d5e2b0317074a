/*
 * inspector_lock.c - the folder of UUCP lock files: watched by inotify, and read for whom they
 * name. Knows nothing of what stands in such a file.
 */
#include "inspector_internal.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "foreign_process.h"
#include "kin.h"
#include "log.h"

#define FOLDER_DEFAULT "/run/lock"
#define FOLDER_EVENTS                                                                              \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE_SELF |   \
	 IN_MOVE_SELF | IN_ONLYDIR)
#define WRITE_MS 10000 /* what somebody writes is worth a look then, at the latest */

/* ---- the folder ---- */

static void
close_folder(struct inspector *i)
{
	if (i->lock_watch >= 0)
		inotify_rm_watch(i->inotify, i->lock_watch);
	if (i->lock_fd >= 0)
		close(i->lock_fd);
	i->lock_watch = i->lock_fd = -1;
}

/* By its descriptor: what is watched is what is read. */
static void
watch_folder(struct inspector *i)
{
	char path[40];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", i->lock_fd);
	i->lock_watch = inotify_add_watch(i->inotify, path, FOLDER_EVENTS);
	if (i->lock_watch < 0)
		log_line("lock-dir=%s error=%s; lock files that come or go are noticed late",
			 i->lock_dir, strerror(errno));
}

void
lock_open_folder(struct inspector *i)
{
	if (i->lock_fd >= 0 || i->lock_dir == NULL)
		return;
	i->lock_fd = open(i->lock_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (i->lock_fd >= 0) {
		i->lock_logged = false;
		watch_folder(i);
		return;
	}
	if (!i->lock_logged)
		log_line("lock-dir=%s error=%s; other programs' lock files are not seen: create "
			 "it, or set lock-dir, then reload",
			 i->lock_dir, strerror(errno));
	i->lock_logged = true;
}

void
lock_set_folder(struct inspector *i, const char *path)
{
	char *copy;

	if (path == NULL)
		path = FOLDER_DEFAULT;
	if (i->lock_dir == NULL || strcmp(i->lock_dir, path) != 0) {
		copy = strdup(path);
		if (copy == NULL) {
			log_line("lock-dir=%s error=no memory", path);
			return;
		}
		close_folder(i);
		free(i->lock_dir);
		i->lock_dir = copy;
	}
	i->lock_logged = false;
	lock_open_folder(i);
}

/* ---- events ---- */

static bool
has_name(const struct inspected *port, const char *name)
{
	size_t n;

	for (n = 0; n < port->locks.count; n++)
		if (strcmp(port->locks.names[n], name) == 0)
			return true;
	return false;
}

/* name NULL: any. */
static void
want_ports(struct inspector *i, const char *name)
{
	struct inspected *port;

	for (port = i->ports; port != NULL; port = port->next)
		if (port->asked && (name == NULL || has_name(port, name)))
			inspector_want(i, port);
}

static void
take_event(struct inspector *i, const struct inotify_event *event)
{
	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		want_ports(i, NULL);
	} else if (event->wd != i->lock_watch) {
		return; /* of the folder before */
	} else if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) {
		close_folder(i);
		lock_open_folder(i);
		want_ports(i, NULL);
	} else if (event->len > 0) {
		want_ports(i, event->name);
	}
}

void
lock_take_events(struct inspector *i)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	ssize_t at, n = read(i->inotify, buffer, sizeof(buffer));

	for (at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(const void *)(buffer + at);
		take_event(i, event);
	}
}

/* ---- owners ---- */

/* A holder's own lock file is no foreign one. */
static bool
is_foreign(const struct inspector *i, const struct inspected *port, const struct foreign *who)
{
	size_t n;

	for (n = 0; n < port->target.listed_count; n++)
		if (port->target.listed[n] == who->pid)
			return false;
	return !foreign_process_is_ours(who->pid, i->parent) && !evict_has(i, who);
}

/* Anybody who may write into the folder can name anybody. Whom he may not signal himself is not
 * signalled on his word. */
static bool
is_trusted(const struct inspector *i, const char *name, uid_t uid)
{
	struct stat st;

	return fstatat(i->lock_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       (st.st_uid == 0 || st.st_uid == uid);
}

static void
add_owner(struct inspector *i, struct inspected *port, const char *name, pid_t pid,
	  int64_t written_ms, struct holder *found, size_t *count, size_t max)
{
	struct holder *each = found;
	struct foreign who;

	while (each < found + *count && each->who.pid != pid)
		each++;
	if (each == found + *count) {
		if (foreign_process_describe(pid, &who) < 0) /* it lives, but is hidden */
			who = (struct foreign){ .pid = pid, .uid = (uid_t)-1 };
		if (*count == max || !is_foreign(i, port, &who))
			return;
		*each = (struct holder){ .who = who,
					 .pidfd = -1,
					 .may_signal = is_trusted(i, name, who.uid) };
		(*count)++;
	} else if (evict_has(i, &each->who)) {
		return;
	}
	if ((each->who.how & FOREIGN_LOCKFILE) == 0)
		log_escape(name, each->who.lock, sizeof(each->who.lock));
	each->who.how |= FOREIGN_LOCKFILE;
	if (each->who.start_ticks == 0 || written_ms >= kin_start_ms(each->who.start_ticks) - 1000)
		each->who.since_real_ms = written_ms;
}

/* Somebody is writing it: it is looked at again when it is closed, and by time. */
static void
look_later(struct inspected *port, int64_t written_ms)
{
	int64_t left_ms = written_ms + WRITE_MS - clock_real_ms();
	uint64_t at;

	if (left_ms < 0)
		left_ms = 0;
	at = clock_now_ms() + (uint64_t)(left_ms > WRITE_MS ? WRITE_MS : left_ms) + 1;
	if (at < port->look_ms)
		port->look_ms = at;
}

void
lock_add_owners(struct inspector *i, struct inspected *port, struct holder *found, size_t *count,
		size_t max)
{
	int64_t written_ms;
	pid_t owner;
	size_t n;
	int result;

	for (n = 0; i->lock_fd >= 0 && n < port->locks.count; n++) {
		result = lockfile_read(i->lock_fd, port->locks.names[n], &owner, &written_ms);
		if (result == 0)
			add_owner(i, port, port->locks.names[n], owner, written_ms, found, count,
				  max);
		else if (result == 3)
			look_later(port, written_ms);
		else if (result < 0)
			log_debug("lock port=%s file=%s error=%s", port->name, port->locks.names[n],
				  strerror(-result));
	}
}
