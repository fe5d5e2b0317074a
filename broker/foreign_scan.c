/*
 * foreign_scan.c - looks through /proc for open devices. Knows nothing of ports, leases, lock files
 * or time, and keeps nothing that it sees.
 *
 * The tricky idea: nobody may slip through by forking. A child has a higher pid than its parent,
 * and /proc is read one process at a time, in their order: who leaves the device to a child and
 * goes before he is looked at has a child that is still to come. Only where the pids have started
 * again from the bottom meanwhile is all of it done again. In the same way a process of which a
 * descriptor went while it was looked at is looked at again: it may have become a lower number.
 */
#include "foreign_scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "foreign_process.h"
#include "kin.h"
#include "roster.h"

#define STEP_DESCRIPTORS 500
#define AGAIN_MAX        3
#define ROUNDS_MAX       3
#define ENTRY_BYTES      32 /* holds one entry of a pid, and no two */
#define FIRST_PID_NS     "pid:[4026531836]"

/* ---- one descriptor ---- */

static void
note_listed(struct foreign_target *target, pid_t pid)
{
	if (target->listed_count < FOREIGN_LISTED_MAX &&
	    (target->listed_count == 0 || target->listed[target->listed_count - 1] != pid))
		target->listed[target->listed_count++] = pid;
}

static int
note_found(struct foreign_target *target, pid_t pid, int fd)
{
	struct foreign who, *last;
	int error;

	if (target->last != pid) {
		error = foreign_process_describe(pid, &who);
		if (error < 0)
			return error;
		target->last = pid;
		if (target->total++ < FOREIGN_FOUND_MAX)
			target->found[target->count++] = who;
	}
	if (target->total > FOREIGN_FOUND_MAX)
		return 0;
	last = &target->found[target->count - 1];
	last->how |= FOREIGN_OPEN | (foreign_process_has_flock(pid, fd) ? FOREIGN_FLOCK : 0);
	return 0;
}

/* 1, 0 or -errno. */
static int
is_ours(struct foreign_scan *s)
{
	struct kin kin;
	int error;

	if (s->ours < 0) {
		error = kin_look(s->pid, &kin);
		if (error < 0)
			return error;
		s->ours = s->pid == s->supervisor || kin.parent == s->supervisor;
	}
	return s->ours;
}

/* Where kcmp is not to be had, nobody is called foreign while there are leases. */
static int
is_listed(const struct foreign_target *target, pid_t pid, int fd)
{
	int result = target->roster < 0 ? 0 : roster_has_descriptor(target->roster, pid, fd);

	return result == -ENOSYS || result == -EPERM ? 1 : result;
}

static int
match(struct foreign_scan *s, struct foreign_target *target, int fd)
{
	int result = is_ours(s);

	if (result != 0)
		return result < 0 ? result : 0;
	result = is_listed(target, s->pid, fd);
	if (result == 1)
		note_listed(target, s->pid);
	if (result == 0) {
		result = foreign_process_is_dead(s->pid, fd);
		target->alive = target->alive || result == 0;
		if (result == 0 || result == 2) /* what can't be known counts */
			return note_found(target, s->pid, fd);
	}
	return result < 0 ? result : 0;
}

/* It could not be done, rather than that there is nothing (more) to be seen. */
static bool
is_failure(int error)
{
	return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -EAGAIN;
}

/* No file system is asked, as it could be the process's own and never answer. */
static int
look_at(struct foreign_scan *s, const char *name)
{
	struct statx st;
	int error = 0;
	size_t i;

	if (statx(dirfd(s->fds), name, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, STATX_TYPE, &st) < 0)
		return -errno;
	if (!S_ISCHR(st.stx_mode))
		return 0;
	for (i = 0; i < s->target_count && !is_failure(error); i++)
		if (s->targets[i]->rdev == makedev(st.stx_rdev_major, st.stx_rdev_minor))
			error = match(s, s->targets[i], atoi(name));
	/* it has gone meanwhile, or that descriptor has: that one may be another number now */
	return error == -ESRCH || error == -EBADF ? -ENOENT : error;
}

/* ---- one process ---- */

/* It could not be looked into. Has it something to show? */
static void
note_unseen(struct foreign_scan *s)
{
	struct kin kin;
	int result = kin_look(s->pid, &kin);

	if (result == 0 ? kin_can_hold(&kin) : result != -ESRCH)
		s->unseen++;
}

/* A leader that has ended, while another of its threads goes on: that one shows them. */
static DIR *
open_thread(pid_t pid)
{
	char path[80];
	struct dirent *d;
	DIR *fds = NULL, *tasks;

	snprintf(path, sizeof(path), "/proc/%ld/task", (long)pid);
	tasks = opendir(path);
	while (tasks != NULL && fds == NULL && (d = readdir(tasks)) != NULL) {
		if (atoi(d->d_name) <= 0 || atoi(d->d_name) == pid)
			continue;
		snprintf(path, sizeof(path), "/proc/%ld/task/%d/fd", (long)pid, atoi(d->d_name));
		fds = opendir(path);
	}
	if (tasks != NULL)
		closedir(tasks);
	return fds;
}

static void
close_process(struct foreign_scan *s)
{
	if (s->fds != NULL)
		closedir(s->fds);
	s->fds = NULL;
}

/* No more descriptors. Where there were none, they may be a thread's. */
static void
finish_process(struct foreign_scan *s)
{
	struct kin kin;

	close_process(s);
	if (s->is_empty && kin_look(s->pid, &kin) == 0 && kin.state == 'Z' && kin.threads > 1)
		s->fds = open_thread(s->pid);
	s->is_empty = false;
}

/* 0; -errno: it could not be tried. */
static int
open_process(struct foreign_scan *s)
{
	char path[40];

	s->looked_at++;
	s->again = 0;
	s->ours = -1;
	s->is_empty = true;
	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)s->pid);
	s->fds = opendir(path);
	if (s->fds == NULL && is_failure(-errno))
		return -errno;
	if (s->fds == NULL && (errno == EACCES || errno == EPERM)) {
		finish_process(s);
		if (s->fds == NULL)
			note_unseen(s);
	}
	return 0;
}

static int
step_process(struct foreign_scan *s)
{
	struct dirent *d = NULL;
	int i, error = 0;

	for (i = 0; i < STEP_DESCRIPTORS; i++) {
		errno = 0;
		d = readdir(s->fds);
		if (d == NULL) {
			error = -errno;
			break;
		}
		if (d->d_name[0] == '.')
			continue;
		s->is_empty = false;
		error = look_at(s, d->d_name);
		if (error == -ENOENT && s->again++ < AGAIN_MAX) {
			rewinddir(s->fds); /* it may be a lower number now */
			return 1;
		}
		if (is_failure(error))
			return error;
		if (error == -EACCES || error == -EPERM)
			break;
	}
	if (error == -EACCES || error == -EPERM) {
		note_unseen(s);
		close_process(s);
	} else if (d == NULL) {
		finish_process(s);
	}
	return 1;
}

/* ---- all processes ---- */

/* The newest pid, as the kernel counts them. */
static unsigned
newest_pid(void)
{
	char text[128], *blank;
	int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	blank = strrchr(text, ' ');
	return blank == NULL ? 0 : (unsigned)strtoul(blank + 1, NULL, 10);
}

/* Processes outside our pid namespace, or that the mount option hidepid keeps from us. */
static bool
are_hidden(void)
{
	char link[64];
	ssize_t n = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = '\0';
	return strcmp(link, FIRST_PID_NS) != 0 || access("/proc/1/stat", R_OK) < 0;
}

static int
rewind_all(struct foreign_scan *s)
{
	size_t i;

	for (i = 0; i < s->target_count; i++) {
		struct foreign_target *t = s->targets[i];

		t->count = t->total = t->listed_count = 0;
		t->last = 0;
		t->alive = false;
	}
	close_process(s);
	s->at_processes = false;
	s->looked_at = s->unseen = 0;
	s->rounds++;
	s->newest = newest_pid();
	return lseek(s->proc, 0, SEEK_SET) < 0 ? -errno : 0;
}

int
foreign_scan_begin(struct foreign_scan *s, struct foreign_target **targets, size_t count,
		   pid_t supervisor)
{
	memset(s, 0, sizeof(*s));
	s->targets = targets;
	s->target_count = count;
	s->supervisor = supervisor;
	s->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->proc < 0)
		return -errno;
	s->hidden = are_hidden();
	return rewind_all(s);
}

void
foreign_scan_end(struct foreign_scan *s)
{
	close_process(s);
	if (s->proc > 0)
		close(s->proc);
	s->proc = 0;
}

/* Where in /proc the processes begin: position = pid + offset. 0 or -errno. */
static int
find_processes(struct foreign_scan *s)
{
	char entries[512] __attribute__((aligned(8)));
	struct dirent64 *d;
	off_t here = 0;
	long n, at;

	while ((n = syscall(SYS_getdents64, s->proc, entries, sizeof(entries))) > 0) {
		for (at = 0; at < n; at += d->d_reclen) {
			d = (struct dirent64 *)(void *)(entries + at);
			s->pid = (pid_t)atoi(d->d_name) - 1;
			if (s->pid >= 0) {
				s->offset = here - s->pid - 1;
				s->at_processes = true;
				return here > 0 ? 0 : -EIO;
			}
			here = d->d_off;
		}
	}
	return n < 0 ? -errno : -EIO;
}

/* The next process: 1; 0: there are no more; -errno. One at a time, as what is read ahead is old
 * when its turn comes; and by its position, as the kernel looks for the one after it at once:
 * behind the newest it would be at the end, whoever came since. */
static int
next_pid(struct foreign_scan *s)
{
	char entry[ENTRY_BYTES] __attribute__((aligned(8)));
	int error = s->at_processes ? 0 : find_processes(s);
	long n;

	if (error < 0)
		return error;
	if (lseek(s->proc, s->offset + s->pid + 1, SEEK_SET) < 0)
		return -errno;
	n = syscall(SYS_getdents64, s->proc, entry, sizeof(entry));
	if (n <= 0)
		return n < 0 ? -errno : 0;
	s->pid = (pid_t)atoi(((struct dirent64 *)(void *)entry)->d_name);
	return s->pid > 0 ? 1 : -EIO;
}

int
foreign_scan_step(struct foreign_scan *s)
{
	int result;

	if (s->fds != NULL)
		return step_process(s);
	result = next_pid(s);
	if (result == 0 && newest_pid() < s->newest && s->rounds < ROUNDS_MAX) {
		result = rewind_all(s);
		return result < 0 ? result : 1;
	}
	if (result <= 0)
		return result;
	result = open_process(s);
	return result < 0 ? result : 1;
}
