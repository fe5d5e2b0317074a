/*
 * bridge_link.h - the symbolic link by which programs find a bridge's pty, and the lock file beside
 * it, LINK.lock, that says whose it is.
 */
#ifndef COMLEASE_BRIDGE_LINK_H
#define COMLEASE_BRIDGE_LINK_H

struct bridge_link {
	const char *path; /* the caller's */
	char *lock_path;
	int lock;        /* -1: not ours */
	char target[64]; /* "": there is no link yet */
};

/* The link is ours to make from now on: nobody else's, or that of a bridge that was killed. 0, or
 * the exit status after having said why not. */
int bridge_link_take(struct bridge_link *, const char *path);

/* It leads there, from one moment to the next. 0, or the exit status after having said why not. */
int bridge_link_point(struct bridge_link *, const char *target);

/* Link and lock file are gone. Also after a failure, and twice. */
void bridge_link_remove(struct bridge_link *);

#endif
