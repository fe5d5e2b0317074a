/*
 * watch.c - inotify along a path. Knows nothing of devices.
 *
 * The tricky idea: a path is followed the way the kernel follows it, one name after another, and
 * each directory is watched *before* the name in it is looked at; so whatever happens after
 * watch_set(), one of the watched places tells. A directory's other names are ignored.
 */
#include "watch.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel */
#define DIRECTORY_EVENTS                                                                           \
	(IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF |        \
	 IN_MOVE_SELF | IN_ONLYDIR)
#define FILE_EVENTS (IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_DONT_FOLLOW)
#define NODE_EVENTS (IN_OPEN | IN_CLOSE | IN_ATTRIB | IN_DELETE_SELF)

int
watch_init(struct watch *watch)
{
	size_t i;

	memset(watch, 0, sizeof(*watch));
	watch->node = -1;
	for (i = 0; i < WATCH_FILES_MAX; i++)
		watch->files[i] = -1;
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return watch->fd < 0 ? -errno : 0;
}

void
watch_free(struct watch *watch)
{
	if (watch->fd >= 0)
		close(watch->fd);
	watch->fd = -1;
}

static void
add_place(struct watch *watch, const char *directory, const char *name)
{
	int wd = inotify_add_watch(watch->fd, directory, DIRECTORY_EVENTS);

	if (wd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return; /* it went: its own directory is watched and tells */
	if (wd < 0 || watch->count == WATCH_PLACES_MAX || strlen(name) > NAME_MAX) {
		watch->is_complete = false;
		return;
	}
	watch->places[watch->count].directory = wd;
	strcpy(watch->places[watch->count].name, name);
	watch->count++;
}

/* Cuts the first name off `rest`. False: there is none. */
static bool
next_name(char *rest, char *name, size_t size)
{
	size_t skip = strspn(rest, "/"), length = strcspn(rest + skip, "/");

	snprintf(name, size, "%.*s", (int)length, rest + skip);
	memmove(rest, rest + skip + length, strlen(rest + skip + length) + 1);
	return length > 0;
}

static void
go_up(char *directory)
{
	char *slash = strrchr(directory, '/');

	if (slash != NULL)
		*slash = '\0';
}

/* `rest` becomes what the link says and then what was left. */
static bool
follow_link(const char *link, char *directory, char *rest)
{
	char target[PATH_MAX], joined[PATH_MAX];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	if (snprintf(joined, sizeof(joined), "%s/%s", target, rest) >= (int)sizeof(joined))
		return false;
	strcpy(rest, joined);
	if (target[0] == '/')
		directory[0] = '\0';
	return true;
}

/* `directory` is "" for the root, and never ends with a slash. */
static void
walk(struct watch *watch, const char *path)
{
	char directory[PATH_MAX] = "", rest[PATH_MAX], name[PATH_MAX], full[PATH_MAX];
	struct stat st;
	int links = 0;

	snprintf(rest, sizeof(rest), "%s", path);
	while (next_name(rest, name, sizeof(name))) {
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			go_up(directory);
			continue;
		}
		add_place(watch, directory[0] == '\0' ? "/" : directory, name);
		if (snprintf(full, sizeof(full), "%s/%s", directory, name) >= (int)sizeof(full) ||
		    lstat(full, &st) < 0)
			return;
		if (S_ISLNK(st.st_mode)) {
			if (++links > LINKS_MAX || !follow_link(full, directory, rest))
				return;
		} else if (S_ISDIR(st.st_mode)) {
			strcpy(directory, full);
		} else {
			if (S_ISCHR(st.st_mode))
				watch->node = inotify_add_watch(watch->fd, full, NODE_EVENTS);
			return;
		}
	}
}

static bool
is_watched(const struct watch *watch, int wd)
{
	size_t i;

	for (i = 0; i < watch->count; i++)
		if (watch->places[i].directory == wd)
			return true;
	return wd == watch->node;
}

void
watch_set(struct watch *watch, const char *path)
{
	struct watch old = *watch;
	size_t i;

	watch->count = 0;
	watch->node = -1;
	watch->is_complete = watch->fd >= 0;
	if (watch->fd < 0)
		return;
	walk(watch, path);
	if (old.node >= 0 && !is_watched(watch, old.node))
		inotify_rm_watch(watch->fd, old.node);
	/* a directory can stand there several times: a second removal fails, and harms nothing */
	for (i = 0; i < old.count; i++)
		if (!is_watched(watch, old.places[i].directory))
			inotify_rm_watch(watch->fd, old.places[i].directory);
}

int
watch_file(struct watch *watch, size_t slot, const char *path)
{
	int wd = -1, error = 0;

	if (path != NULL) {
		wd = inotify_add_watch(watch->fd, path, FILE_EVENTS);
		error = wd < 0 ? -errno : 0;
	}
	if (watch->files[slot] >= 0 && watch->files[slot] != wd)
		inotify_rm_watch(watch->fd, watch->files[slot]);
	watch->files[slot] = wd;
	return error;
}

static int
node_meaning(struct watch *watch, uint32_t mask)
{
	if ((mask & (IN_OPEN | IN_CLOSE)) == 0)
		return WATCH_PATH;
	watch->last_opened = (mask & IN_OPEN) != 0;
	if (watch->last_opened)
		watch->opened++;
	else
		watch->closed++;
	return watch->last_opened ? WATCH_OPENED : WATCH_CLOSED;
}

static int
meaning(struct watch *watch, const struct inotify_event *event)
{
	const uint32_t self = IN_DELETE_SELF | IN_MOVE_SELF;
	size_t i;

	if ((event->mask & IN_Q_OVERFLOW) != 0) {
		watch->opened++;
		watch->closed++;
		watch->last_opened = false; /* nobody is said to have it for want of an event */
		return WATCH_PATH | WATCH_OPENED | WATCH_CLOSED | WATCH_FILE;
	}
	for (i = 0; i < WATCH_FILES_MAX; i++)
		if (event->wd == watch->files[i])
			return WATCH_FILE;
	if (event->wd == watch->node)
		return node_meaning(watch, event->mask);
	for (i = 0; i < watch->count; i++) {
		if (watch->places[i].directory != event->wd)
			continue;
		if ((event->mask & self) != 0 || event->len == 0 ||
		    strcmp(event->name, watch->places[i].name) == 0)
			return WATCH_PATH;
	}
	return 0;
}

int
watch_take(struct watch *watch)
{
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	const struct inotify_event *event;
	int result = 0, queued = 0;
	ssize_t n = 1, at;

	if (watch->fd < 0)
		return 0;
	/* no more than that: who raises events all the time must not keep us */
	for (ioctl(watch->fd, FIONREAD, &queued); queued > 0 && n > 0; queued -= (int)n) {
		n = read(watch->fd, buffer, sizeof(buffer));
		for (at = 0; at < n; at += (ssize_t)(sizeof(*event) + event->len)) {
			event = (const struct inotify_event *)(const void *)(buffer + at);
			result |= meaning(watch, event);
		}
	}
	return result;
}
