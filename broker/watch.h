/*
 * watch.h - when does a path come to be, change or go, and when is what stands there opened and
 * closed? By inotify on every directory along the path and along the targets of its symbolic links
 * (the nearest ones that exist), so that nothing polls for a device that is not there. Opens
 * nothing.
 */
#ifndef COMLEASE_WATCH_H
#define COMLEASE_WATCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define WATCH_PLACES_MAX 64
#define WATCH_FILES_MAX  4

struct watch {
	int fd;                  /* readable when there is something to take; -1: none */
	int node;                /* the watch of what stands at the end; -1 */
	unsigned opened, closed; /* events of the node since somebody set them to 0 */
	bool last_opened;        /* the last of them was an open */
	bool is_complete;        /* false: the kernel refused a watch (limits): look by time too */
	int files[WATCH_FILES_MAX]; /* watch_file(); -1 */
	size_t count;
	struct {
		int directory;
		char name[NAME_MAX + 1];
	} places[WATCH_PLACES_MAX];
};

#define WATCH_PATH   1 /* something happened on the way: look again, watch_set() again */
#define WATCH_OPENED 4 /* the same of opened */
#define WATCH_CLOSED 2 /* a description of the node was closed, or that can't be excluded */
#define WATCH_FILE   8 /* a watch_file() was removed, moved or changed its attributes, perhaps */

/* 0 or -errno; then fd is -1, and watch_set() and watch_take() do nothing. */
int watch_init(struct watch *);

void watch_free(struct watch *);

/* Watches the way to that path, and no other. Look at the path only afterwards. */
void watch_set(struct watch *, const char *path);

/* Beside the path: the file that stands there now, in place of what that slot (below
 * WATCH_FILES_MAX) had; NULL: none. A link is not followed. 0 or -errno, then nothing is watched.
 */
int watch_file(struct watch *, size_t slot, const char *path);

/* Takes all that has happened before the call: the sum of WATCH_*, and counts. Identical events
 * that follow one another are one: so a count is the least that it was. */
int watch_take(struct watch *);

#endif
