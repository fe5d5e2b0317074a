/*
 * seccomp_tracee.c - what another process has: words of its memory, its name, its state, its
 * environment. It knows nothing of what is done with them.
 *
 * The tricky idea: the environment that a program was started with tells what the nearest `comlease
 * run` around it wants (-w, --class, the key of its PORT), so runs inside a run need no supervisor
 * of their own.
 */
#include "seccomp_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define ENVIRONMENT_BYTES_MAX (1 << 20)
#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9: of one thread */
#endif

static int
open_file(pid_t tid, const char *file)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d/%s", (int)tid, file);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* ---- memory ---- */

/* Where process_vm_readv() is not built in, or forbidden while this is not. */
static ssize_t
read_file(pid_t tid, uint64_t address, void *buffer, size_t size)
{
	int fd = open_file(tid, "mem");
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pread(fd, buffer, size, (off_t)address);
	n = n < 0 ? -errno : n;
	close(fd);
	return n;
}

/* In two parts: what is read ends with a page if the next one is not there. */
ssize_t
seccomp_tracee_read(pid_t tid, uint64_t address, void *buffer, size_t size)
{
	size_t page = 4096, first = page - (size_t)(address % page);
	struct iovec local = { buffer, size }, remote[2];
	ssize_t n;

	if (first > size)
		first = size;
	remote[0] = (struct iovec){ (void *)(uintptr_t)address, first };
	remote[1] = (struct iovec){ (void *)(uintptr_t)(address + first), size - first };
	n = process_vm_readv(tid, &local, 1, remote, size > first ? 2 : 1, 0);
	if (n < 0 && (errno == ENOSYS || errno == EPERM))
		return read_file(tid, address, buffer, size);
	return n < 0 ? -errno : n;
}

int
seccomp_tracee_path(pid_t tid, uint64_t address, char path[PATH_MAX])
{
	ssize_t n = address ? seccomp_tracee_read(tid, address, path, PATH_MAX) : -EFAULT;

	if (n < 0)
		return (int)n;
	return memchr(path, '\0', (size_t)n) ? 0 : -ENAMETOOLONG; /* or EFAULT */
}

/* ---- what it is ---- */

/* From the file's beginning, NUL-terminated; how much. */
static size_t
read_text(pid_t tid, const char *file, char *text, size_t size)
{
	int fd = open_file(tid, file);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

/* Of the process, as `ps` shows it: a thread may be called otherwise. */
void
seccomp_tracee_name(pid_t tid, char name[16])
{
	char text[64];
	pid_t pid = seccomp_tracee_pid(tid);

	read_text(pid > 0 ? pid : tid, "comm", text, sizeof text);
	text[strcspn(text, "\n")] = '\0';
	snprintf(name, 16, "%.15s", text);
}

bool
seccomp_tracee_is_stopped(pid_t tid)
{
	char text[512], *end;

	read_text(tid, "stat", text, sizeof text);
	end = strrchr(text, ')'); /* the name in front of it may have any character */
	return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

pid_t
seccomp_tracee_pid(pid_t tid)
{
	char text[1024];
	const char *line;

	read_text(tid, "status", text, sizeof text);
	line = strstr(text, "\nTgid:");
	return line ? (pid_t)atoi(line + strlen("\nTgid:")) : 0;
}

int
seccomp_tracee_pidfd(pid_t tid)
{
	int fd = (int)syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
	pid_t pid;

	if (fd < 0 && errno == EINVAL && (pid = seccomp_tracee_pid(tid)) > 0)
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
	return fd;
}

/* ---- its environment ---- */

static const char *
find(const char *text, size_t size, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = text; at < text + size; at += strlen(at) + 1)
		if (strncmp(at, name, length) == 0 && at[length] == '=')
			return at + length + 1;
	return NULL;
}

void
seccomp_environment_read(struct seccomp_environment *e, pid_t tid)
{
	char *text = calloc(1, ENVIRONMENT_BYTES_MAX), *less;
	int fd = open_file(tid, "environ");
	ssize_t n;

	*e = (struct seccomp_environment){ NULL, 0 };
	while (text && fd >= 0 && e->size < ENVIRONMENT_BYTES_MAX - 1 &&
	       (n = read(fd, text + e->size, ENVIRONMENT_BYTES_MAX - 1 - e->size)) > 0)
		e->size += (size_t)n;
	if (fd >= 0)
		close(fd);
	if (text && find(text, e->size, "COMLEASE_SOCKET")) {
		less = realloc(text, e->size + 1);
		e->text = less ? less : text;
	} else {
		free(text); /* a program whose environment was thrown away */
	}
}

void
seccomp_environment_free(struct seccomp_environment *e)
{
	free(e->text);
	e->text = NULL;
}

const char *
seccomp_environment_get(const struct seccomp_environment *e, const char *name)
{
	const char *value = e->text ? find(e->text, e->size, name) : getenv(name);

	return value && *value ? value : NULL;
}
