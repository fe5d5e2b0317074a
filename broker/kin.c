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
#include <time.h>
#include <unistd.h>

#define DEPTH_MAX 256

/* From the kernel's include/linux/sched.h; field 9 of /proc/PID/stat shows them to everybody. */
#define FLAG_EXITING  0x00000004UL
#define FLAG_SIGNALED 0x00000400UL
#define FLAG_KTHREAD  0x00200000UL

/* From the kernel's uapi/linux/pidfd.h (6.13; the exit code since 6.15, also of a reaped one). */
struct pidfd_info_v1 {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
	int32_t exit_code;
};
#define PIDFD_GET_INFO_V1   _IOWR(0xFF, 11, struct pidfd_info_v1)
#define PIDFD_INFO_EXIT_BIT (1ULL << 3)

int
kin_read(pid_t pid, const char *file, char *buffer, size_t size)
{
	char path[64];
	ssize_t n;
	int fd, error;

	buffer[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	n = read(fd, buffer, size - 1);
	error = errno;
	close(fd);
	if (n < 0)
		return -error;
	buffer[n] = '\0';
	return (int)n;
}

/* Numbers that follow each other, skipping some; false: there are no more. sscanf() would take ten
 * times as long, and a request for a held port waits for it. */
static bool
take_field(const char **at, unsigned skip, long long *value)
{
	char *end = NULL;

	while (skip-- > 0) {
		*at += strspn(*at, " ");
		*at += strcspn(*at, " ");
	}
	*value = strtoll(*at, &end, 10);
	if (end == *at)
		return false;
	*at = end;
	return true;
}

/* The fields after the name, which itself may hold blanks and brackets. */
static bool
parse_stat(const char *text, struct kin *kin)
{
	const char *at = strrchr(text, ')');
	long long parent, flags, threads, start;

	if (at == NULL || at[1] != ' ' || at[2] == '\0')
		return false;
	kin->state = at[2];
	at += 3;
	if (!take_field(&at, 0, &parent) || !take_field(&at, 4, &flags) ||
	    !take_field(&at, 10, &threads) || !take_field(&at, 1, &start))
		return false;
	kin->parent = (pid_t)parent;
	kin->flags = (unsigned long)flags;
	kin->threads = (long)threads;
	kin->start_ticks = (uint64_t)start;
	return true;
}

int
kin_look(pid_t pid, struct kin *kin)
{
	char text[1024];
	int n = kin_read(pid, "stat", text, sizeof(text));

	if (n < 0)
		return n;
	return parse_stat(text, kin) ? 0 : -ESRCH;
}

bool
kin_is_kernel(const struct kin *kin)
{
	return (kin->flags & FLAG_KTHREAD) != 0;
}

bool
kin_can_hold(const struct kin *kin)
{
	bool has_ended = kin->state == 'Z' || kin->state == 'X';

	/* a leader that has ended may leave threads that go on */
	return !kin_is_kernel(kin) && (!has_ended || kin->threads > 1);
}

int
kin_uid(pid_t pid, uid_t *uid)
{
	char text[2048];
	const char *at;
	unsigned long effective;
	int n = kin_read(pid, "status", text, sizeof(text));

	if (n < 0)
		return n;
	at = strstr(text, "\nUid:");
	if (at == NULL || sscanf(at, "\nUid: %*u %lu", &effective) != 1)
		return -ESRCH;
	*uid = (uid_t)effective;
	return 0;
}

int64_t
kin_boot_ms(void)
{
	struct timespec real, boot;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	return ((int64_t)real.tv_sec - (int64_t)boot.tv_sec) * 1000 +
	       (real.tv_nsec - boot.tv_nsec) / 1000000;
}

int64_t
kin_start_ms(uint64_t start_ticks)
{
	long hz = sysconf(_SC_CLK_TCK);

	return kin_boot_ms() + (int64_t)(start_ticks * 1000 / (uint64_t)(hz > 0 ? hz : 100));
}

bool
kin_is_descendant(pid_t pid, pid_t ancestor)
{
	struct kin kin, first;
	int depth;

	if (pid == ancestor || ancestor <= 0 || kin_look(ancestor, &first) < 0)
		return pid == ancestor && pid > 1;
	for (depth = 0; depth < DEPTH_MAX && pid > 1; depth++) {
		if (pid == ancestor)
			return true;
		/* whoever is older than the ancestor descends from others, as do all above him */
		if (kin_look(pid, &kin) < 0 || kin.start_ticks < first.start_ticks)
			return false;
		pid = kin.parent;
	}
	return false;
}

void
kin_command(pid_t pid, char *name, size_t size)
{
	kin_read(pid, "comm", name, size);
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

static bool
read_stat(int stat, struct kin *kin)
{
	char text[1024];
	ssize_t n = stat < 0 ? -1 : pread(stat, text, sizeof(text) - 1, 0);

	text[n > 0 ? n : 0] = '\0';
	return parse_stat(text, kin);
}

uint64_t
kin_start_ticks(int stat)
{
	struct kin kin;

	return read_stat(stat, &kin) ? kin.start_ticks : 0;
}

bool
kin_was_killed(int stat, int pidfd)
{
	struct pidfd_info_v1 info = { .mask = PIDFD_INFO_EXIT_BIT };
	struct kin kin;

	if (read_stat(stat, &kin))
		return (kin.flags & FLAG_SIGNALED) != 0 &&
		       ((kin.flags & FLAG_EXITING) != 0 || kin.state == 'Z' || kin.state == 'X');
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
