/*
 * keeper_memory.c - what a keeper knows and must outlive it: who holds the lease, and which device
 * it was, for a keeper that comes after a crash of this one and of the broker; and the port's memo,
 * over everything. It refuses to know what any of them means.
 *
 * The tricky idea: the first two are memory that the supervisor holds (a memfd), since it is
 * written on the way to each grant; the memo a file, written when an administrator says something.
 */
#include "keeper_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"

/* Whoever wrote it may have been cut off. */
static void
terminate(struct keeper_memory *m)
{
	struct device_identity *d = &m->device;

	if (m->version != KEEPER_MEMORY_VERSION) { /* new, or another comleased's */
		memset(m, 0, sizeof(*m));
		m->version = KEEPER_MEMORY_VERSION;
	}
	m->holder[sizeof(m->holder) - 1] = m->memo[sizeof(m->memo) - 1] = '\0';
	d->usb_id[sizeof(d->usb_id) - 1] = d->serial[sizeof(d->serial) - 1] = '\0';
	d->product[sizeof(d->product) - 1] = d->place[sizeof(d->place) - 1] = '\0';
	d->function[sizeof(d->function) - 1] = '\0';
	m->node[sizeof(m->node) - 1] = '\0';
}

/* Shared with those that come after us; without it this one's knowledge ends with it. */
void
memory_take(struct keeper *k, int fd)
{
	struct keeper_memory *m = MAP_FAILED;

	if (ftruncate(fd, sizeof(*m)) == 0)
		m = mmap(NULL, sizeof(*m), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (m == MAP_FAILED) {
		log_line("memory port=%s error=%s", k->name, strerror(errno));
		return;
	}
	terminate(m);
	k->memory = m;
	if (k->port != NULL)
		identity_configured(k);
}

/* What was said before all of comleased ended; the memory knows better if it knows anything. */
void
memory_take_file(struct keeper *k, int fd)
{
	char *memo = k->memory->memo;
	ssize_t n = 0;

	k->memo_file = fd;
	if (*memo == '\0')
		n = pread(fd, memo, sizeof(k->memory->memo) - 1, 0);
	if (n > 0)
		memo[n] = '\0';
}

void
memory_set_holder(struct keeper *k, const struct ipc_message *m)
{
	memcpy(k->memory->holder, m->text, sizeof(k->memory->holder));
	k->memory->has_successor = m->flag != 0;
}

void
memory_set_memo(struct keeper *k, const struct ipc_message *m)
{
	size_t length = strlen(m->text);

	memcpy(k->memory->memo, m->text, sizeof(k->memory->memo));
	if (k->memo_file >= 0 && (ftruncate(k->memo_file, 0) < 0 ||
				  pwrite(k->memo_file, m->text, length, 0) != (ssize_t)length))
		log_line("memo port=%s error=%s", k->name, strerror(errno));
}

/* At the end: what the broker has told somebody is done must not be forgotten. */
void
memory_end(struct keeper *k)
{
	struct ipc_message m;
	int fd;

	while (k->broker >= 0 && ipc_receive(k->broker, &m, &fd) == 0) {
		if (m.type == IPC_MEMO)
			memory_set_memo(k, &m);
		if (fd >= 0)
			close(fd);
	}
}
