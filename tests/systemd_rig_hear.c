/*
 * systemd_rig_hear.c - the thread in which the test's service manager listens, what it has heard,
 * and its store.
 *
 * The tricky idea: it must listen while the test does something else, since comleased waits for it
 * when its queue (ten messages, on some machines) is full. What is heard is one growing text, in
 * which the test looks for lines.
 */
#include "systemd_rig.h"

#include "support.h"
#include "systemd_rig_internal.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

static struct stored {
	char name[256];
	int fd;
} store[SYSTEMD_STORE_MAX];
static int stored;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_t thread;
static int notify_fd = -1, news = -1, end = -1;
static char heard[64 * 1024];
static size_t heard_len;

/* ---- the store; with the mutex ---- */

static int
find(const char *name)
{
	int i;

	for (i = 0; i < stored; i++)
		if (strcmp(store[i].name, name) == 0)
			return i;
	return -1;
}

static void
put(const char *name, int fd)
{
	if (stored == SYSTEMD_STORE_MAX) {
		close(fd);
		return;
	}
	snprintf(store[stored].name, sizeof(store[0].name), "%s", name);
	store[stored++].fd = fd;
}

static void
unstore(const char *name)
{
	int i;

	while ((i = find(name)) >= 0) {
		close(store[i].fd);
		store[i] = store[--stored];
	}
}

/* ---- what comleased says ---- */

static bool
value_of(const char *text, const char *key, char *value, size_t size)
{
	const char *at = strstr(text, key);

	if (at == NULL || (at != text && at[-1] != '\n'))
		return false;
	at += strlen(key);
	snprintf(value, size, "%.*s", (int)strcspn(at, "\n"), at);
	return true;
}

static void
take(const char *text, int fd)
{
	char name[256] = "stored", value[16];

	value_of(text, "FDNAME=", name, sizeof(name));
	if (value_of(text, "FDSTOREREMOVE=", value, sizeof(value)))
		unstore(name);
	if (fd >= 0 && value_of(text, "FDSTORE=", value, sizeof(value)))
		put(name, fd);
	else if (fd >= 0)
		close(fd);
	heard_len += (size_t)snprintf(heard + heard_len, sizeof(heard) - heard_len, "%s\n", text);
	if (heard_len >= sizeof(heard))
		abort();
}

static void
receive(void)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char text[4096];
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c;
	ssize_t n = recvmsg(notify_fd, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	int fd = -1;

	if (n < 0)
		return;
	text[n] = '\0';
	c = CMSG_FIRSTHDR(&header);
	if (c != NULL && c->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	pthread_mutex_lock(&mutex);
	take(text, fd);
	pthread_mutex_unlock(&mutex);
	eventfd_write(news, 1);
}

static void *
listen_on(void *arg)
{
	struct pollfd p[2] = { { .fd = notify_fd, .events = POLLIN },
			       { .fd = end, .events = POLLIN } };

	while (poll(p, 2, -1) > 0 && p[1].revents == 0)
		receive();
	return arg;
}

/* The line, since the last systemd_forget(). */
static const char *
find_line(const char *line)
{
	const char *at, *found = NULL;

	for (at = heard; (at = strstr(at, line)) != NULL; at++)
		if (at == heard || at[-1] == '\n')
			found = at + strlen(line);
	return found;
}

bool
systemd_has_heard(const char *line)
{
	bool has;

	pthread_mutex_lock(&mutex);
	has = find_line(line) != NULL;
	pthread_mutex_unlock(&mutex);
	return has;
}

static void
wait_for_news(const char *what, int64_t until)
{
	eventfd_t count;

	ck_assert_msg(support_poll(news, POLLIN, until), "no \"%s\" in what it said:\n%s", what,
		      heard);
	eventfd_read(news, &count);
}

const char *
systemd_wait(const char *line)
{
	static char value[512];
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	const char *found;

	for (;;) {
		pthread_mutex_lock(&mutex);
		found = find_line(line);
		if (found != NULL)
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(found, "\n"), found);
		pthread_mutex_unlock(&mutex);
		if (found != NULL)
			return value;
		wait_for_news(line, until);
	}
}

void
systemd_forget(void)
{
	pthread_mutex_lock(&mutex);
	heard_len = 0;
	heard[0] = '\0';
	pthread_mutex_unlock(&mutex);
}

/* ---- the store, for the test ---- */

int
systemd_stored(const char *name)
{
	int i, fd;

	pthread_mutex_lock(&mutex);
	i = find(name);
	fd = i < 0 ? -1 : store[i].fd;
	pthread_mutex_unlock(&mutex);
	return fd;
}

int
systemd_count_stored(void)
{
	int n;

	pthread_mutex_lock(&mutex);
	n = stored;
	pthread_mutex_unlock(&mutex);
	return n;
}

void
systemd_wait_unstored(const char *name)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;

	while (systemd_stored(name) >= 0)
		wait_for_news(name, until);
}

void
systemd_put(const char *name, int fd)
{
	pthread_mutex_lock(&mutex);
	put(name, fd);
	pthread_mutex_unlock(&mutex);
}

void
systemd_unstore(const char *name)
{
	pthread_mutex_lock(&mutex);
	unstore(name);
	pthread_mutex_unlock(&mutex);
}

/* ---- for systemd_rig.c ---- */

int
systemd_list_stored(int i, const char **name)
{
	if (i >= stored)
		return -1;
	*name = store[i].name;
	return store[i].fd;
}

void
systemd_hear(int fd)
{
	notify_fd = fd;
	news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	end = eventfd(0, EFD_CLOEXEC);
	ck_assert_int_eq(pthread_create(&thread, NULL, listen_on, NULL), 0);
}

void
systemd_hear_no_more(void)
{
	eventfd_write(end, 1);
	pthread_join(thread, NULL);
	while (stored > 0)
		unstore(store[0].name);
	close(notify_fd);
	close(news);
	close(end);
}
