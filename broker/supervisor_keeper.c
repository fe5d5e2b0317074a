/*
 * supervisor_keeper.c - the set of keepers, and what is held for each over its end: the roster, a
 * memory, the memo file. Starting the process itself is supervisor_child.c's.
 *
 * The tricky idea: roster and memory are kept once more by the service manager, so that the next
 * comleased gets them back and its leases with them (supervisor_store.c). They leave its store only
 * when the port goes, never at our end.
 */
#include "supervisor_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "roster.h"

struct keeper *
supervisor_find_keeper(const struct supervisor *s, const char *name)
{
	struct keeper *k;

	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed && strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

static void
memo_name(const struct keeper *k, char name[CONFIG_NAME_MAX + 8])
{
	snprintf(name, CONFIG_NAME_MAX + 8, "%s.memo", k->name);
}

static int
open_memo(const struct supervisor *s, const struct keeper *k)
{
	char name[CONFIG_NAME_MAX + 8];
	int fd;

	memo_name(k, name);
	fd = openat(s->listen.state, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		log_line("memo file=%s/%s error=%s", s->config.state_dir, name, strerror(errno));
	return fd;
}

/* An empty one is not left behind; that of a port that is no more isn't either. */
static void
close_memo(const struct supervisor *s, struct keeper *k)
{
	char name[CONFIG_NAME_MAX + 8];
	struct stat st;

	if (k->memo < 0)
		return;
	memo_name(k, name);
	if (k->removed || (fstat(k->memo, &st) == 0 && st.st_size == 0))
		unlinkat(s->listen.state, name, 0);
	close(k->memo);
	k->memo = -1;
}

/* What is held for its keepers. */
static void
forget(const struct supervisor *s, struct keeper *k)
{
	close_memo(s, k);
	if (k->roster >= 0)
		close(k->roster);
	if (k->memory >= 0)
		close(k->memory);
	if (k->list >= 0)
		close(k->list);
	k->roster = k->memory = k->list = -1;
}

/* Those of the last comleased, or new ones. */
static int
take_or_make(struct supervisor *s, struct keeper *k)
{
	bool is_new;

	store_take(s, k);
	is_new = k->roster < 0;
	if (is_new)
		k->roster = roster_new();
	if (k->memory < 0) {
		k->memory = memfd_create("keeper", MFD_CLOEXEC);
		is_new = true;
	}
	if (k->roster < 0 || k->memory < 0) {
		log_line("roster port=%s error=%s", k->name,
			 strerror(k->roster < 0 ? -k->roster : errno));
		return -EMFILE;
	}
	if (is_new)
		store_put(s, k);
	return 0;
}

int
supervisor_add_keeper(struct supervisor *s, const char *name)
{
	struct keeper *k = calloc(1, sizeof(*k));
	int error;

	if (k == NULL)
		return -ENOMEM;
	child_init(&k->child);
	k->list = k->memo = k->roster = k->memory = -1;
	memcpy(k->name, name, strlen(name) + 1);
	error = take_or_make(s, k);
	if (error < 0) {
		forget(s, k);
		free(k);
		return error;
	}
	k->list = roster_open_list(k->roster);
	k->memo = open_memo(s, k);
	k->next = s->keepers;
	s->keepers = k;
	s->keeper_count++;
	supervisor_show_roster(s, k);
	supervisor_start_keeper(s, k);
	return 0;
}

void
supervisor_free_keeper(struct supervisor *s, struct keeper *k)
{
	struct keeper **link;

	forget(s, k);
	for (link = &s->keepers; *link != k; link = &(*link)->next)
		;
	*link = k->next;
	s->keeper_count--;
	free(k);
}

void
supervisor_remove_keeper(struct supervisor *s, struct keeper *k)
{
	k->removed = true;
	child_stop(&k->child);
	store_drop(s, k->name);
	forget(s, k);
	if (k->child.pidfd < 0)
		supervisor_free_keeper(s, k); /* else once it is reaped */
}
