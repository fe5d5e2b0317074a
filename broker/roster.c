/*
 * roster.c - the kernel's list of the descriptions of a port's leases. Knows nothing of devices,
 * leases or time; it can only add and read, never remove: that the kernel does at the last close.
 *
 * The tricky idea: an epoll instance is used as a set, not to wait. /proc/self/fdinfo/ROSTER prints
 * a line for each description, `tfd: N events: 40000018 data: TOKEN ...` (TOKEN and events in hex),
 * and EPOLLONESHOT leaves a trace: once its hang-up has been taken, `events` is 40000000.
 */
#include "roster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINE_BYTES 128 /* more than a line of fdinfo ever has */

int
roster_new(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int
roster_add(int roster, int fd, uint64_t token)
{
	struct epoll_event event = { .events = EPOLLONESHOT, .data.u64 = token };

	return epoll_ctl(roster, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int
roster_take_events(int roster)
{
	struct epoll_event events[16];
	int n, sum = 0;

	do {
		n = epoll_wait(roster, events, 16, 0);
		if (n < 0 && errno != EINTR)
			return -errno;
		sum += n > 0 ? n : 0;
	} while (n == 16 || n < 0);
	return sum;
}

/* The number behind `key` in a line, or false. */
static bool
field(const char *line, const char *key, int base, uint64_t *value)
{
	const char *at = strstr(line, key);
	char *end;

	if (at == NULL)
		return false;
	at += strlen(key);
	*value = strtoull(at, &end, base);
	return end != at;
}

static bool
parse_line(const char *line, struct roster_entry *entry)
{
	uint64_t target, events, token, inode, device;

	if (strncmp(line, "tfd:", 4) != 0 || !field(line, "tfd:", 10, &target) ||
	    !field(line, "events:", 16, &events) || !field(line, "data:", 16, &token) ||
	    !field(line, "ino:", 16, &inode) || !field(line, "sdev:", 16, &device))
		return false;
	*entry = (struct roster_entry){ .token = token,
					.target = (int)target,
					.inode = inode,
					.device = device,
					.hungup = (events & EPOLLHUP) == 0 };
	return true;
}

static size_t
parse(char *text, struct roster_entry *entries, size_t max)
{
	size_t i, n = 0;
	char *line, *next;

	for (line = text; line != NULL && n < max; line = next) {
		next = strchr(line, '\n');
		if (next != NULL)
			*next++ = '\0';
		if (!parse_line(line, &entries[n]))
			continue;
		for (i = 0; i < n; i++)
			entries[n].nth += entries[i].target == entries[n].target;
		n++;
	}
	return n;
}

int
roster_open_list(int roster)
{
	char path[40];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", roster);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int
roster_read_list(int list, struct roster_entry *entries, size_t max)
{
	char text[ROSTER_ENTRIES_MAX * LINE_BYTES];
	ssize_t n;

	/* the kernel makes the text anew at offset 0, and gives all of it to one read that has room
	 */
	do
		n = pread(list, text, sizeof(text) - 1, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	return (int)parse(text, entries, max);
}

int
roster_read(int roster, struct roster_entry *entries, size_t max)
{
	int n, list = roster_open_list(roster);

	if (list < 0)
		return list;
	n = roster_read_list(list, entries, max);
	close(list);
	return n;
}

/* Is descriptor `fd` of that process the same description as that entry? */
static int
same_description(pid_t pid, int fd, pid_t self, int roster, const struct roster_entry *entry)
{
	struct kcmp_epoll_slot slot = { .efd = (unsigned)roster,
					.tfd = (unsigned)entry->target,
					.toff = entry->nth };
	long r = syscall(SYS_kcmp, pid, self, KCMP_EPOLL_TFD, (unsigned long)fd, &slot);

	if (r >= 0)
		return r == 0;
	/* that descriptor or that entry has gone meanwhile */
	return errno == EBADF || errno == ENOENT ? 0 : -errno;
}

/* Not by memcmp(): there is padding, and clearing all of it costs more than the comparison. */
static bool
is_same_list(const struct roster_entry *a, const struct roster_entry *b, int n)
{
	int i;

	for (i = 0; i < n; i++)
		if (a[i].token != b[i].token || a[i].target != b[i].target ||
		    a[i].inode != b[i].inode || a[i].device != b[i].device ||
		    a[i].nth != b[i].nth || a[i].hungup != b[i].hungup)
			return false;
	return true;
}

bool
roster_entry_is_of(const struct roster_entry *entry, const struct statx *st)
{
	return st->stx_ino == entry->inode &&
	       ((uint64_t)st->stx_dev_major << 20 | st->stx_dev_minor) == entry->device;
}

/* Most descriptors are of another node: with several entries kcmp is asked about the others only.
 * No file system is asked, as it could be the process's own and never answer. */
static int
compare_all(DIR *dir, pid_t pid, int roster, const struct roster_entry *entries, int n)
{
	pid_t self = getpid(); /* a system call each time */
	struct dirent *d;
	struct statx st;
	int i, r;

	while (n > 0 && (d = readdir(dir)) != NULL) {
		if (d->d_name[0] == '.' ||
		    (n > 1 && statx(dirfd(dir), d->d_name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
				    STATX_INO, &st) < 0))
			continue;
		for (i = 0; i < n; i++) {
			r = n == 1 || roster_entry_is_of(&entries[i], &st)
				? same_description(pid, atoi(d->d_name), self, roster, &entries[i])
				: 0;
			if (r != 0)
				return r;
		}
	}
	return 0;
}

static int
read_token(int list, uint64_t token, struct roster_entry *entries)
{
	int i, n = roster_read_list(list, entries, ROSTER_ENTRIES_MAX), kept = 0;

	for (i = 0; i < n; i++)
		if (entries[i].token == token)
			entries[kept++] = entries[i];
	return n < 0 ? n : kept;
}

int
roster_list_has_process(int list, int roster, uint64_t token, pid_t pid)
{
	struct roster_entry entries[ROSTER_ENTRIES_MAX], after[ROSTER_ENTRIES_MAX];
	int n, m, r, tries;
	char path[40];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return errno == ENOENT ? -ESRCH : errno == EACCES ? -EPERM : -errno;
	/* `nth` shifts when another entry goes: what was compared must still stand afterwards */
	for (tries = 0; tries < 3; tries++) {
		if (tries > 0)
			rewinddir(dir);
		n = read_token(list, token, entries);
		r = n < 0 ? n : compare_all(dir, pid, roster, entries, n);
		m = r == 1 ? read_token(list, token, after) : 0;
		if (r != 1 || (m == n && is_same_list(entries, after, n)))
			break;
		r = -EAGAIN;
	}
	closedir(dir);
	return r;
}

int
roster_has_process(int roster, uint64_t token, pid_t pid)
{
	int r, list = roster_open_list(roster);

	if (list < 0)
		return list;
	r = roster_list_has_process(list, roster, token, pid);
	close(list);
	return r;
}

static int
compare_descriptor(int roster, pid_t pid, int fd, const struct roster_entry *entries, int n)
{
	pid_t self = getpid();
	int i, r = 0;

	for (i = 0; i < n && r == 0; i++)
		r = same_description(pid, fd, self, roster, &entries[i]);
	return r;
}

int
roster_has_descriptor(int roster, pid_t pid, int fd)
{
	struct roster_entry entries[ROSTER_ENTRIES_MAX] = { 0 }, after[ROSTER_ENTRIES_MAX] = { 0 };
	int n, m, r, tries;

	/* here a no counts as much as a yes: both only if nothing has shifted meanwhile */
	for (tries = 0; tries < 5; tries++) {
		n = roster_read(roster, entries, ROSTER_ENTRIES_MAX);
		if (n <= 0)
			return n;
		r = compare_descriptor(roster, pid, fd, entries, n);
		m = roster_read(roster, after, ROSTER_ENTRIES_MAX);
		if (r < 0 || (m == n && memcmp(entries, after, (size_t)n * sizeof(*after)) == 0))
			return r;
	}
	return -EAGAIN;
}
