/*
 * supervisor_store.c - what outlives all of comleased: the service manager keeps each port's roster
 * and its keepers' memory in its descriptor store, as roster/NAME and memory/NAME, and hands them
 * to the next supervisor. Without such a manager nothing here does anything, and what is open at
 * the next start is somebody's from outside.
 *
 * The tricky idea: a name is no proof. Whether that roster is the port's is asked of the kernel:
 * the port's path must not lead to another node than the one that its live descriptions are of. (A
 * path that leads nowhere says nothing against it; hung-up descriptions are no lease.) A port that
 * is adopted when its device appears may come late, so what is handed over waits for it here.
 */
#include "supervisor_internal.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "roster.h"

#define NAME_MAX_BYTES (CONFIG_NAME_MAX + 16)
#define ROSTER         "roster/"
#define MEMORY         "memory/"

/* A manager's list of names has ':' between them; no port's name has a ','. */
static void
make_name(char name[NAME_MAX_BYTES], const char *kind, const char *port)
{
	char *p;

	snprintf(name, NAME_MAX_BYTES, "%s%s", kind, port);
	for (p = name; *p != '\0'; p++)
		if (*p == ':')
			*p = ',';
}

/* False: it is none of ours, or no port can be called so. */
static bool
read_name(const char *name, char port[CONFIG_NAME_MAX + 1])
{
	char *p;

	if (strncmp(name, ROSTER, strlen(ROSTER)) == 0)
		name += strlen(ROSTER);
	else if (strncmp(name, MEMORY, strlen(MEMORY)) == 0)
		name += strlen(MEMORY);
	else
		return false;
	if (strlen(name) > CONFIG_NAME_MAX)
		return false;
	memcpy(port, name, strlen(name) + 1);
	for (p = port; *p != '\0'; p++)
		if (*p == ',')
			*p = ':';
	return config_name_is_valid(port);
}

/* ---- what is handed over ---- */

static bool
is_epoll(int fd)
{
	char path[40], target[40];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	if (n < 0)
		return false;
	target[n] = '\0';
	return strcmp(target, "anon_inode:[eventpoll]") == 0;
}

/* A memfd. */
static bool
is_memory(int fd)
{
	struct stat st;

	return fcntl(fd, F_GET_SEALS) >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

/* Are its live descriptions of the device that the port has now? */
static bool
is_of_port(int roster, const struct config_port *port)
{
	struct roster_entry entries[ROSTER_ENTRIES_MAX];
	struct statx st;
	int i, n;

	/* what was hung up while nobody looked is marked by that */
	roster_take_events(roster);
	n = roster_read(roster, entries, ROSTER_ENTRIES_MAX);
	if (n < 0)
		return false;
	if (port == NULL || statx(AT_FDCWD, port->device, AT_STATX_DONT_SYNC, STATX_INO, &st) < 0)
		return true;
	for (i = 0; i < n; i++)
		if (!entries[i].hungup && !roster_entry_is_of(&entries[i], &st))
			return false;
	return true;
}

/* A descriptor under that name which is what it should be; others are closed. */
static int
take(struct supervisor *s, const char *kind, const char *port, bool (*is_right)(int))
{
	char name[NAME_MAX_BYTES];
	int fd;

	make_name(name, kind, port);
	while ((fd = notify_take(&s->notify, name)) >= 0 && !is_right(fd)) {
		log_line("store name=%s: not what comleased had stored; dropped", name);
		close(fd);
	}
	return fd;
}

void
store_take(struct supervisor *s, struct keeper *k)
{
	bool is_ours;

	k->roster = take(s, ROSTER, k->name, is_epoll);
	k->memory = take(s, MEMORY, k->name, is_memory);
	if (k->roster < 0 && k->memory < 0)
		return;
	is_ours = k->roster >= 0 && is_of_port(k->roster, config_find(&s->config, k->name));
	if (is_ours && k->memory >= 0) {
		log_debug("adopt port=%s", k->name);
		return;
	}
	/* a memory without its roster is about nothing; a roster without its memory is the lease */
	store_drop(s, k->name);
	if (k->memory >= 0)
		close(k->memory);
	k->memory = -1;
	if (is_ours || k->roster < 0)
		return;
	log_line("adopt port=%s error=its leases are of another device now; whoever has that one "
		 "open is counted as a foreign holder",
		 k->name);
	close(k->roster);
	k->roster = -1;
}

/* May a port of that name still come? */
static bool
is_awaited(const struct config *config, const char *port)
{
	size_t i;

	for (i = 0; i < config->template_count; i++)
		if (fnmatch(config->templates[i].name, port, 0) == 0)
			return true;
	return false;
}

void
store_sweep(struct supervisor *s, const struct config *written)
{
	char port[CONFIG_NAME_MAX + 1];
	struct notify_fd *fd;
	size_t i;

	for (i = 0; i < s->notify.fd_count; i++) {
		fd = &s->notify.fds[i];
		if (fd->fd < 0 || (read_name(fd->name, port) && is_awaited(written, port)))
			continue;
		log_debug("store drop name=%s", fd->name);
		close(fd->fd);
		fd->fd = -1;
		/* not what is stored under a name that is in use */
		if (!read_name(fd->name, port) || supervisor_find_keeper(s, port) == NULL)
			notify_forget(&s->notify, fd->name);
	}
}

/* ---- what is stored ---- */

void
store_put(struct supervisor *s, const struct keeper *k)
{
	char name[NAME_MAX_BYTES];

	make_name(name, ROSTER, k->name);
	notify_store(&s->notify, name, k->roster);
	make_name(name, MEMORY, k->name);
	notify_store(&s->notify, name, k->memory);
}

void
store_drop(struct supervisor *s, const char *port)
{
	char name[NAME_MAX_BYTES];

	make_name(name, ROSTER, port);
	notify_forget(&s->notify, name);
	make_name(name, MEMORY, port);
	notify_forget(&s->notify, name);
}
