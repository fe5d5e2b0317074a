/*
 * supervisor_child.c - the supervisor's children: started, connected with one another, told of the
 * configuration, asked nothing, ended.
 */
#include "supervisor_internal.h"
#include "clock.h"

#include "kin.h"
#include "log.h"
#include "roster.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_MS   3000 /* for the children to end by themselves */
#define KILLED_MS 1000 /* and for one that was killed */

/* ---- what the children are told ---- */

/* A child that can't be written to is one that ends or hangs: the pidfd decides. */
static void
tell(const struct child *child, const struct ipc_message *message, int fd)
{
	int error;

	if (child->channel < 0)
		return;
	error = ipc_send(child->channel, message, fd);
	if (error < 0 && error != -EPIPE)
		log_line("tell pid=%ld type=%u error=%s", (long)child->pid, message->type,
			 strerror(-error));
}

/* A description of its own for each child: they read at the same time, and the offset belongs to
 * the description. */
static int
reopen(int fd)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void
supervisor_tell_config(const struct supervisor *s, const struct child *child)
{
	struct ipc_message m = { .type = IPC_CONFIG };
	int fd = reopen(s->config_fd);

	if (fd < 0) {
		log_line("configuration pid=%ld error=%s", (long)child->pid, strerror(errno));
		return;
	}
	if (child == &s->broker) {
		m.number = s->broker_uid;
		m.token = s->broker_gid;
		m.flag = s->broker_drops;
	}
	tell(child, &m, fd);
	close(fd);
}

/* Both ends of a new channel, to both of them. */
static void
connect_keeper(const struct supervisor *s, const struct keeper *k)
{
	struct ipc_message to_broker = { .type = IPC_CHANNEL }, to_keeper = { .type = IPC_BROKER };
	int a, b;

	if (s->broker.channel < 0 || k->child.channel < 0)
		return; /* whoever starts later connects */
	if (ipc_pair(&a, &b) < 0) {
		log_line("channel port=%s error=%s", k->name, strerror(errno));
		return;
	}
	memcpy(to_broker.text, k->name, sizeof(k->name));
	tell(&s->broker, &to_broker, a);
	tell(&k->child, &to_keeper, b);
	close(a);
	close(b);
}

void
supervisor_start_keeper(struct supervisor *s, struct keeper *k)
{
	struct ipc_message roster = { .type = IPC_ROSTER };
	int error = child_start(&k->child, k->name, s->options->verbose, clock_now_ms());

	if (error < 0) {
		log_line("start keeper=%s error=%s", k->name, strerror(-error));
		return;
	}
	log_debug("start keeper=%s pid=%ld", k->name, (long)k->child.pid);
	supervisor_tell_config(s, &k->child);
	tell(&k->child, &roster, k->roster);
	connect_keeper(s, k);
}

void
supervisor_start_broker(struct supervisor *s)
{
	char text[CONFIG_ERROR_MAX];
	struct ipc_message m = { .type = IPC_LISTEN };
	struct keeper *k;
	uint32_t epoch;
	bool restart;
	int error = listen_next_epoch(&s->listen, &epoch, &restart, text);

	if (error < 0) {
		log_line("%s", text);
		s->broker.restart_ms = clock_now_ms() + 1000;
		return;
	}
	error = child_start(&s->broker, NULL, s->options->verbose, clock_now_ms());
	if (error < 0) {
		log_line("start broker error=%s", strerror(-error));
		return;
	}
	log_debug("start broker pid=%ld epoch=%u", (long)s->broker.pid, epoch);
	m.number = (uint64_t)epoch << 32 | 1;
	m.flag = restart;
	tell(&s->broker, &m, s->listen.socket);
	supervisor_tell_config(s, &s->broker);
	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed)
			connect_keeper(s, k);
}

/* ---- the set of keepers ---- */

struct keeper *
supervisor_find_keeper(const struct supervisor *s, const char *name)
{
	struct keeper *k;

	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed && strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

int
supervisor_add_keeper(struct supervisor *s, const char *name)
{
	struct keeper *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return -ENOMEM;
	child_init(&k->child);
	k->roster = roster_new();
	if (k->roster < 0) {
		log_line("roster port=%s error=%s", name, strerror(-k->roster));
		free(k);
		return -EMFILE;
	}
	memcpy(k->name, name, strlen(name) + 1);
	k->next = s->keepers;
	s->keepers = k;
	s->keeper_count++;
	supervisor_start_keeper(s, k);
	return 0;
}

void
supervisor_free_keeper(struct supervisor *s, struct keeper *k)
{
	struct keeper **link;

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
	close(k->roster);
	k->roster = -1;
	if (k->child.pidfd < 0)
		supervisor_free_keeper(s, k); /* else once it is reaped */
}

/* ---- what the broker asks ---- */

/* The broker's question: does that process belong to the holder? */
static void
answer(struct supervisor *s, const struct ipc_message *question)
{
	const struct keeper *k = supervisor_find_keeper(s, question->text);
	struct ipc_message m = { .type = IPC_ANSWER, .id = question->id };
	pid_t pid = (pid_t)(question->number >> 32), holder = (pid_t)(uint32_t)question->number;

	memcpy(m.text, question->text, sizeof(m.text));
	m.flag = k != NULL && (kin_is_descendant(pid, holder) ||
			       roster_has_process(k->roster, question->token, pid) == 1);
	tell(&s->broker, &m, -1);
}

void
supervisor_hear_broker(struct supervisor *s)
{
	struct ipc_message m;
	int fd;

	while (s->broker.channel >= 0 && ipc_receive(s->broker.channel, &m, &fd) == 0) {
		if (fd >= 0)
			close(fd);
		if (m.type == IPC_LOOKUP)
			answer(s, &m);
	}
}

/* ---- the end ---- */

/* The children end when their channel does; whoever does not, is killed. */
void
supervisor_stop_children(struct supervisor *s)
{
	uint64_t until = clock_now_ms() + STOP_MS, now;
	struct pollfd fd = { .events = POLLIN };
	struct keeper *k;

	child_stop(&s->broker);
	for (k = s->keepers; k != NULL; k = k->next)
		child_stop(&k->child);
	for (k = s->keepers;; k = k->next) {
		struct child *child = k == NULL ? &s->broker : &k->child;

		now = clock_now_ms();
		fd.fd = child->pidfd;
		if (child->pidfd >= 0) {
			if (poll(&fd, 1, until > now ? (int)(until - now) : 0) != 1) {
				kill(child->pid, SIGKILL);
				/* one that the kernel holds in a driver is left to it */
				poll(&fd, 1, KILLED_MS);
			}
			waitpid(child->pid, NULL, WNOHANG);
			close(child->pidfd);
		}
		if (k == NULL)
			break;
	}
	while (s->keepers != NULL) {
		if (s->keepers->roster >= 0)
			close(s->keepers->roster);
		supervisor_free_keeper(s, s->keepers);
	}
}
