/*
 * notify.h - what passes between this process and the service manager that started it, by
 * sd_notify(3) and sd_listen_fds(3) without their library: words to it ("READY=1"), descriptors
 * that it keeps for us over our end, and those that it hands us at our start. It is systemd's
 * protocol; whoever sets the same variables is served the same, and where they are not set nothing
 * happens.
 */
#ifndef COMLEASE_NOTIFY_H
#define COMLEASE_NOTIFY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NOTIFY_NAME_MAX 255 /* of a descriptor: printable ASCII without ':' */

/* A descriptor that was handed to us and that nobody has taken yet. */
struct notify_fd {
	int fd; /* -1: taken */
	char name[NOTIFY_NAME_MAX + 1];
};

struct notify {
	int socket; /* -1: nobody wants to be told anything */
	struct sockaddr_un address;
	socklen_t length;
	int last_error;       /* of the last message; 0: it went out */
	uint64_t watchdog_ms; /* WATCHDOG=1 is wanted within that time, always; 0: never */
	struct notify_fd *fds;
	size_t fd_count;
};

/* Reads the variables and removes them from the environment, so that no child of ours takes itself
 * for the one that was meant. Descriptors that were handed over are close-on-exec from here on.
 * Values that make no sense are logged and count as not set. */
void notify_begin(struct notify *);

/* Closes what nobody has taken. */
void notify_end(struct notify *);

/* The descriptor that was handed over under that name, the caller's now; -1: there is none. */
int notify_take(struct notify *, const char *name);

/* Lines "KEY=VALUE", put together by the format. Waits a second at the most, and not at all where
 * the last message had to be given up. What can't be told is logged: once for each kind of failure.
 */
void notify_tell(struct notify *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* To be kept over our end, and handed to the next process under that name; and no longer. A copy
 * goes out: fd stays the caller's. */
void notify_store(struct notify *, const char *name, int fd);
void notify_forget(struct notify *, const char *name);

#endif
