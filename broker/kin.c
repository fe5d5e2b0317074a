/*
 * kin.c - what /proc tells of processes. Reads only; knows nothing of ports.
 */
#include "kin.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEPTH_MAX 256

/* From the kernel's include/linux/sched.h; field 9 of /proc/PID/stat shows them to everybody. */
#define FLAG_EXITING  0x00000004UL
#define FLAG_SIGNALED 0x00000400UL

/* From the kernel's uapi/linux/pidfd.h (6.13; the exit code since 6.15, also of a reaped one). */
struct pidfd_info_v1 {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define PIDFD_GET_INFO_V1   _IOWR(0xFF, 11, struct pidfd_info_v1)
#define PIDFD_INFO_EXIT_BIT (1ULL << 3)

static size_t
read_file(pid_t pid, const char *file, char *buffer, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buffer, size - 1);
	if (fd >= 0)
		close(fd);
	buffer[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* The fields after the name, which itself may hold blanks and brackets. */
static bool
parse_stat(const char *text, char *state, pid_t *parent, unsigned long *flags)
{
	const char *end = strrchr(text, ')');
	long ppid;

	if (end == NULL || sscanf(end + 1, " %c %ld %*d %*d %*d %*d %lu", state, &ppid, flags) != 3)
		return false;
	*parent = (pid_t)ppid;
	return true;
}

static bool
read_stat(pid_t pid, char *state, pid_t *parent, unsigned long *flags)
{
	char text[1024];

	return read_file(pid, "stat", text, sizeof(text)) > 0 &&
	       parse_stat(text, state, parent, flags);
}

bool
kin_is_descendant(pid_t pid, pid_t ancestor)
{
	unsigned long flags;
	char state;
	int depth;

	for (depth = 0; depth < DEPTH_MAX && pid > 1 && ancestor > 0; depth++) {
		if (pid == ancestor)
			return true;
		if (!read_stat(pid, &state, &pid, &flags))
			return false;
	}
	return false;
}

void
kin_command(pid_t pid, char *name, size_t size)
{
	read_file(pid, "comm", name, size);
	name[strcspn(name, "\n")] = '\0';
}

int
kin_stat(pid_t pid)
{
	char path[64];
	int fd;

	/* the task's is the process's without the sums over its threads, which cost */
	snprintf(path, sizeof(path), "/proc/%ld/task/%ld/stat", (long)pid, (long)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool
kin_was_killed(int stat, int pidfd)
{
	struct pidfd_info_v1 info = { .mask = PIDFD_INFO_EXIT_BIT };
	unsigned long flags;
	char state, text[1024];
	pid_t parent;
	ssize_t n = stat < 0 ? -1 : pread(stat, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	if (parse_stat(text, &state, &parent, &flags))
		return (flags & FLAG_SIGNALED) != 0 &&
		       ((flags & FLAG_EXITING) != 0 || state == 'Z' || state == 'X');
	if (pidfd < 0 || ioctl(pidfd, PIDFD_GET_INFO_V1, &info) < 0 ||
	    (info.mask & PIDFD_INFO_EXIT_BIT) == 0)
		return false;
	return WIFSIGNALED(info.exit_code);
}

int
kin_pidfd(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

bool
kin_has_ended(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}
