/*
 * foreign_process.c - one process of those that have a device open: who it is, and what its
 * descriptors are. Knows nothing of ports and rosters.
 */
#include "foreign_process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

#include "foreign_unit.h"
#include "kin.h"
#include "log.h"

bool
foreign_process_is_ours(pid_t pid, pid_t supervisor)
{
	struct kin kin;

	return pid == supervisor || (kin_look(pid, &kin) == 0 && kin.parent == supervisor);
}

int
foreign_process_describe(pid_t pid, struct foreign *who)
{
	char text[4096], raw[64];
	struct kin kin;
	int error;

	memset(who, 0, sizeof(*who));
	error = kin_look(pid, &kin);
	if (error == 0)
		error = kin_uid(pid, &who->uid);
	if (error < 0)
		return error;
	who->pid = pid;
	who->start_ticks = kin.start_ticks;
	kin_command(pid, raw, sizeof(raw));
	log_escape(raw, who->command, sizeof(who->command));
	if (kin_read(pid, "cgroup", text, sizeof(text)) > 0)
		foreign_unit(text, who->unit, sizeof(who->unit));
	return 0;
}

/* A line of /proc/locks: "1: FLOCK  ADVISORY  WRITE 812 00:16:9 0 EOF". */
static pid_t
parse_lock(const char *line, const struct stat *st)
{
	unsigned major, minor;
	unsigned long inode;
	long pid;

	if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%lu", &pid, &major, &minor, &inode) != 4 ||
	    inode != st->st_ino || major != major(st->st_dev) || minor != minor(st->st_dev))
		return 0;
	return pid > 0 ? (pid_t)pid : 0;
}

static pid_t
search_locks(const struct stat *st)
{
	char line[256], buffer[8192];
	FILE *f = fopen("/proc/locks", "re");
	pid_t pid = 0;

	if (f == NULL)
		return 0;
	setvbuf(f, buffer, _IOFBF, sizeof(buffer));
	while (pid == 0 && fgets(line, sizeof(line), f) != NULL)
		pid = parse_lock(line, st);
	fclose(f);
	return pid;
}

pid_t
foreign_process_find_flock(const char *device)
{
	struct stat st;
	pid_t pid;

	if (stat(device, &st) < 0)
		return 0;
	/* The kernel lists a page at a time, and a lock that goes between two pages makes it skip
	 * another one. */
	pid = search_locks(&st);
	return pid != 0 ? pid : search_locks(&st);
}

/* /proc/locks would not do: it does not tell to which description a lock belongs, and leaves it out
 * once whoever took it has gone. */
bool
foreign_process_has_flock(pid_t pid, int fd)
{
	char file[40], text[2048];

	snprintf(file, sizeof(file), "fdinfo/%d", fd);
	return kin_read(pid, file, text, sizeof(text)) > 0 && strstr(text, "FLOCK") != NULL;
}

/* Nothing in /proc tells that a tty was hung up; a copy of the descriptor does. Where it can't be
 * had (no CAP_SYS_PTRACE) it counts as alive. */
int
foreign_process_is_dead(pid_t pid, int fd)
{
	int copy, pidfd = kin_pidfd(pid), error;
	struct termios termios;
	bool dead;

	if (pidfd < 0)
		return pidfd;
	copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	error = errno;
	close(pidfd);
	if (copy < 0)
		/* ESRCH: the leader of living threads has ended */
		return error == EPERM || error == ESRCH ? 2 : -error;
	dead = tcgetattr(copy, &termios) < 0 && errno == EIO;
	close(copy);
	return dead;
}
