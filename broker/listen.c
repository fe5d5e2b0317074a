/*
 * listen.c - the socket, bound here or taken over from the service manager, its lock and the epoch.
 * A lock file is removed at the end, so whoever gets the lock makes sure that the file under that
 * name is still the one that he locked.
 */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define BACKLOG 4096

__attribute__((format(printf, 3, 4))) static int
fail(char *error, int result, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error, CONFIG_ERROR_MAX, format, args);
	va_end(args);
	return result;
}

void
listen_init(struct listen *l)
{
	l->socket = l->lock = l->state = l->state_lock = -1;
	l->path = NULL;
	l->is_passed = false;
}

/* mkdir -p. */
static int
make_directory(const char *path, mode_t mode)
{
	char *copy = strdup(path), *slash;
	int error = 0;

	if (copy == NULL)
		return -ENOMEM;
	for (slash = strchr(copy + 1, '/'); error == 0; slash = strchr(slash + 1, '/')) {
		if (slash != NULL)
			*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			error = -errno;
		if (slash == NULL)
			break;
		*slash = '/';
	}
	free(copy);
	return error;
}

static int
make_parent(const char *path)
{
	char *copy = strdup(path), *slash;
	int error = 0;

	if (copy == NULL)
		return -ENOMEM;
	slash = strrchr(copy, '/');
	if (slash != NULL && slash != copy) {
		*slash = '\0';
		error = make_directory(copy, 0755);
	}
	free(copy);
	return error;
}

/* The pid that a lock file names, for the message. */
static long
read_pid(int fd)
{
	char text[32] = "";

	return pread(fd, text, sizeof(text) - 1, 0) > 0 ? strtol(text, NULL, 10) : 0;
}

/* Opens and locks a file that its owner may remove at the end. Nobody else may open it: for a lock,
 * reading would do. A descriptor or -errno; -EWOULDBLOCK:
 * *holder has it. */
static int
lock_file(int directory, const char *path, long *holder)
{
	struct stat here, there;
	int fd;

	for (;;) {
		fd = openat(directory, path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			*holder = read_pid(fd);
			close(fd);
			return -EWOULDBLOCK;
		}
		if (fstat(fd, &here) == 0 && fstatat(directory, path, &there, 0) == 0 &&
		    here.st_ino == there.st_ino)
			break;
		close(fd); /* it was removed in between */
	}
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%ld\n", (long)getpid()) < 0)
		*holder = 0; /* only the message of a second one would miss it */
	return fd;
}

static int
take_lock(struct listen *l, char *error)
{
	char *path;
	long holder = 0;

	if (asprintf(&path, "%s.lock", l->path) < 0)
		return fail(error, -ENOMEM, "no memory");
	l->lock = lock_file(AT_FDCWD, path, &holder);
	free(path);
	if (l->lock == -EWOULDBLOCK)
		return fail(
		    error, -EADDRINUSE,
		    "%s: served by another comleased (pid %ld); end that one first, or use another "
		    "socket (-s)",
		    l->path, holder);
	if (l->lock < 0)
		return fail(error, l->lock, "%s.lock: %s", l->path, strerror(-l->lock));
	return 0;
}

/* Does the system's service manager listen there, to start comleased for whoever connects? */
static bool
is_managed(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer = { .pid = 0 };
	socklen_t size = sizeof(peer);

	if (fd < 0)
		return false;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		peer.pid = 0;
	close(fd);
	return peer.pid == 1 && getpid() != 1;
}

/* The socket of one that was killed; ours, as we have the lock. What is no socket is nobody's to
 * remove. */
static int
remove_old(const struct listen *l, const struct sockaddr_un *address, char *error)
{
	struct stat st;

	if (lstat(l->path, &st) < 0)
		return 0; /* bind() will tell */
	if (!S_ISSOCK(st.st_mode))
		return fail(error, -EEXIST,
			    "%s: there already, and no socket; name another one with -s", l->path);
	if (is_managed(address))
		return fail(error, -EADDRINUSE,
			    "%s: systemd listens there, to start comleased; use that one "
			    "(systemctl start comleased), or stop the unit (systemctl stop "
			    "comleased.socket), or use another socket (-s)",
			    l->path);
	unlink(l->path);
	return 0;
}

static int
bind_socket(struct listen *l, const struct config *config, gid_t group, char *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int off = 0, result, bound;
	mode_t mask;

	if (strlen(l->path) >= sizeof(address.sun_path))
		return fail(error, -ENAMETOOLONG,
			    "%s: longer than the %zu bytes of a socket's path", l->path,
			    sizeof(address.sun_path) - 1);
	strcpy(address.sun_path, l->path);
	result = remove_old(l, &address, error);
	if (result < 0)
		return result;
	l->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->socket < 0)
		return fail(error, -errno, "socket: %s", strerror(errno));
	/* Clients send no descriptors; a kernel before 6.16 can't be told (varlink.c peeks). */
	setsockopt(l->socket, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	/* Nobody else connects before the permissions are what they shall be, and who waits for us
	 * is woken (IN_ATTRIB) when he can: they come last. */
	mask = umask(0177);
	bound = bind(l->socket, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (bound < 0 || listen(l->socket, BACKLOG) < 0 ||
	    (group != (gid_t)-1 && chown(l->path, (uid_t)-1, group) < 0) ||
	    chmod(l->path, config->mode) < 0)
		return fail(error, -errno, "%s: %s", l->path, strerror(errno));
	return 0;
}

/* The same file, however its path is written. */
static bool
is_same_path(const char *a, const char *b)
{
	struct stat st, other;

	return strcmp(a, b) == 0 || (stat(a, &st) == 0 && stat(b, &other) == 0 &&
				     st.st_dev == other.st_dev && st.st_ino == other.st_ino);
}

/* Permissions and backlog are its maker's; so is the peer that clients see. */
static int
take_socket(struct listen *l, char *error)
{
	struct sockaddr_un address = { .sun_family = AF_UNSPEC };
	socklen_t length = sizeof(address) - 1, size = sizeof(int);
	int type = 0, listens = 0, flags = fcntl(l->socket, F_GETFL), off = 0;

	/* the path may fill all of sun_path; the last byte stays 0 */
	if (getsockname(l->socket, (struct sockaddr *)&address, &length) < 0 ||
	    getsockopt(l->socket, SOL_SOCKET, SO_TYPE, &type, &size) < 0 ||
	    getsockopt(l->socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 ||
	    address.sun_family != AF_UNIX || type != SOCK_STREAM || !listens)
		return fail(error, -EINVAL,
			    "the socket that was passed to comleased is no listening Unix stream "
			    "socket; it needs \"ListenStream=%s\" in comleased.socket",
			    l->path);
	if (!is_same_path(address.sun_path, l->path))
		return fail(error, -EINVAL,
			    "%s: this is the socket of the configuration, but the one that was "
			    "passed to comleased is %s; let both be the same (\"socket =\" in the "
			    "configuration, \"ListenStream=\" in comleased.socket)",
			    l->path,
			    address.sun_path[0] != '\0' ? address.sun_path : "one without a path");
	if (flags < 0 || fcntl(l->socket, F_SETFL, flags | O_NONBLOCK) < 0)
		return fail(error, -errno, "%s: %s", l->path, strerror(errno));
	setsockopt(l->socket, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off));
	return 0;
}

static int
lock_state(struct listen *l, const char *directory, char *error)
{
	int result = make_directory(directory, 0755);
	long holder = 0;

	if (result < 0)
		return fail(error, result, "%s: %s; name another one with --state-dir", directory,
			    strerror(-result));
	l->state = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->state < 0)
		return fail(error, -errno, "%s: %s", directory, strerror(errno));
	l->state_lock = lock_file(l->state, "lock", &holder);
	if (l->state_lock < 0 && l->state_lock != -EWOULDBLOCK)
		return fail(error, l->state_lock, "%s/lock: %s", directory,
			    strerror(-l->state_lock));
	if (l->state_lock < 0)
		return fail(error, -EADDRINUSE,
			    "%s: the state directory of another comleased; name another one with "
			    "--state-dir",
			    directory);
	return 0;
}

int
listen_open(struct listen *l, const struct config *config, gid_t group, int passed,
	    char error[CONFIG_ERROR_MAX])
{
	int result;

	l->socket = passed;
	l->is_passed = passed >= 0;
	l->path = strdup(config->socket);
	if (l->path == NULL)
		return fail(error, -ENOMEM, "no memory");
	result = make_parent(l->path);
	if (result < 0)
		return fail(error, result, "%s: its directory: %s; name another socket with -s",
			    l->path, strerror(-result));
	result = take_lock(l, error);
	if (result == 0)
		result = lock_state(l, config->state_dir, error);
	if (result == 0)
		result =
		    l->is_passed ? take_socket(l, error) : bind_socket(l, config, group, error);
	return result;
}

static void
read_boot_id(char *id, size_t size)
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f == NULL || fgets(id, (int)size, f) == NULL)
		snprintf(id, size, "unknown");
	if (f != NULL)
		fclose(f);
	id[strcspn(id, "\n")] = '\0';
}

/* Whole or not at all, and on the disk: a token must never be given twice. */
static int
write_epoch(int directory, uint32_t epoch, const char *boot)
{
	int error = 0, fd;

	fd = openat(directory, "epoch.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0644);
	if (fd < 0)
		return -errno;
	if (dprintf(fd, "%u %s\n", epoch, boot) < 0 || fsync(fd) < 0)
		error = -errno;
	if (close(fd) < 0 && error == 0)
		error = -errno;
	if (error == 0 &&
	    (renameat(directory, "epoch.new", directory, "epoch") < 0 || fsync(directory) < 0))
		error = -errno;
	return error;
}

int
listen_next_epoch(const struct listen *l, uint32_t *epoch, bool *restart,
		  char error[CONFIG_ERROR_MAX])
{
	char text[128] = "", boot[64], old_boot[64] = "";
	unsigned long last = 0;
	int fd = openat(l->state, "epoch", O_RDONLY | O_CLOEXEC), result;

	if (fd < 0 && errno != ENOENT)
		return fail(error, -errno, "epoch, in the state directory: %s", strerror(errno));
	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0 ||
		    sscanf(text, "%lu %63s", &last, old_boot) != 2 || last >= INT32_MAX) {
			close(fd);
			return fail(error, -EINVAL,
				    "epoch, in the state directory: damaged; tokens could be given "
				    "twice. Write "
				    "\"N x\" into it, with N larger than any token of the log "
				    "divided by 2^32");
		}
		close(fd);
	}
	read_boot_id(boot, sizeof(boot));
	*restart = strcmp(boot, old_boot) == 0;
	*epoch = (uint32_t)last + 1;
	result = write_epoch(l->state, *epoch, boot);
	if (result < 0)
		return fail(error, result, "epoch, in the state directory: %s", strerror(-result));
	return 0;
}

void
listen_close(struct listen *l)
{
	char *lock;

	if (l->socket >= 0) {
		if (!l->is_passed)
			unlink(l->path);
		close(l->socket);
	}
	if (l->lock >= 0) {
		if (asprintf(&lock, "%s.lock", l->path) >= 0) {
			unlink(lock);
			free(lock);
		}
		close(l->lock);
	}
	if (l->state_lock >= 0)
		close(l->state_lock);
	if (l->state >= 0)
		close(l->state);
	free(l->path);
	listen_init(l);
}
