/*
 * supervisor_child.c - the supervisor's children: started, connected with one another, told of the
 * configuration, heard, ended.
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
#define KILLED_MS 3000 /* and for one that was killed */

/* ---- what the children are told ---- */

void
supervisor_tell(const struct child *child, const struct ipc_message *message, int fd)
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
	struct ipc_message m = { .type = IPC_CONFIG, .id = s->readings };
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
	supervisor_tell(child, &m, fd);
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
	supervisor_tell(&s->broker, &to_broker, a);
	supervisor_tell(&k->child, &to_keeper, b);
	close(a);
	close(b);
}

void
supervisor_show_roster(const struct supervisor *s, const struct keeper *k)
{
	struct ipc_message m = { .type = IPC_INSPECT_ROSTER };

	memcpy(m.text, k->name, sizeof(k->name));
	supervisor_tell(&s->inspector, &m, k->roster);
}

static void
connect_inspector(const struct supervisor *s)
{
	struct ipc_message to_broker = { .type = IPC_INSPECTOR },
			   to_inspector = { .type = IPC_BROKER };
	int a, b;

	if (s->broker.channel < 0 || s->inspector.channel < 0)
		return; /* whoever starts later connects */
	if (ipc_pair(&a, &b) < 0) {
		log_line("channel inspector error=%s", strerror(errno));
		return;
	}
	supervisor_tell(&s->broker, &to_broker, a);
	supervisor_tell(&s->inspector, &to_inspector, b);
	close(a);
	close(b);
}

void
supervisor_start_inspector(struct supervisor *s)
{
	struct keeper *k;
	int error =
	    child_start(&s->inspector, CHILD_INSPECTOR, NULL, s->options->verbose, clock_now_ms());

	if (error < 0) {
		log_line("start inspector error=%s", strerror(-error));
		return;
	}
	log_debug("start inspector pid=%ld", (long)s->inspector.pid);
	supervisor_tell_config(s, &s->inspector);
	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed)
			supervisor_show_roster(s, k);
	connect_inspector(s);
}

void
supervisor_start_keeper(struct supervisor *s, struct keeper *k)
{
	struct ipc_message roster = { .type = IPC_ROSTER }, memory = { .type = IPC_MEMORY },
			   memo = { .type = IPC_MEMO_FILE };
	int error =
	    child_start(&k->child, CHILD_KEEPER, k->name, s->options->verbose, clock_now_ms());

	if (error < 0) {
		log_line("start keeper=%s error=%s", k->name, strerror(-error));
		return;
	}
	log_debug("start keeper=%s pid=%ld", k->name, (long)k->child.pid);
	supervisor_tell_config(s, &k->child);
	supervisor_tell(&k->child, &memory, k->memory);
	supervisor_tell(&k->child, &roster, k->roster);
	if (k->memo >= 0)
		supervisor_tell(&k->child, &memo, k->memo);
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
	error = child_start(&s->broker, CHILD_BROKER, NULL, s->options->verbose, clock_now_ms());
	if (error < 0) {
		log_line("start broker error=%s", strerror(-error));
		return;
	}
	log_debug("start broker pid=%ld epoch=%u", (long)s->broker.pid, epoch);
	m.number = (uint64_t)epoch << 32 | 1;
	m.flag = restart;
	supervisor_tell(&s->broker, &m, s->listen.socket);
	supervisor_tell_config(s, &s->broker);
	connect_inspector(s);
	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed)
			connect_keeper(s, k);
	watchdog_begin(s);
}

/* ---- what the broker says ---- */

static bool
has_open(const struct keeper *k, uint64_t token, pid_t pid)
{
	return (k->list < 0 ? roster_has_process(k->roster, token, pid)
			    : roster_list_has_process(k->list, k->roster, token, pid)) == 1;
}

/* The broker's question: does that process belong to the holder? */
static void
answer(struct supervisor *s, const struct ipc_message *question)
{
	const struct keeper *k = supervisor_find_keeper(s, question->text);
	struct ipc_message m = { .type = IPC_ANSWER, .id = question->id };
	pid_t pid = (pid_t)(question->number >> 32), holder = (pid_t)(uint32_t)question->number;

	memcpy(m.text, question->text, sizeof(m.text));
	m.flag = k != NULL && (kin_is_descendant(pid, holder) || has_open(k, question->token, pid));
	supervisor_tell(&s->broker, &m, -1);
}

void
supervisor_hear_broker(struct supervisor *s)
{
	struct ipc_message m;
	int fd;

	/* nearly always there is one; if there are more, the loop comes back */
	if (s->broker.channel >= 0 && ipc_receive(s->broker.channel, &m, &fd) == 0) {
		if (fd >= 0)
			close(fd);
		if (m.type == IPC_LOOKUP)
			answer(s, &m);
		else if (m.type == IPC_PONG)
			watchdog_answered(s, m.id);
		else if (m.type == IPC_SERVES)
			supervisor_notify_served(s, m.number);
	}
}

/* ---- the end ---- */

static void
wait_for(struct child *child, uint64_t until_ms)
{
	struct pollfd fd = { .fd = child->pidfd, .events = POLLIN };
	uint64_t now = clock_now_ms();

	if (child->pidfd < 0)
		return;
	if (poll(&fd, 1, until_ms > now ? (int)(until_ms - now) : 0) != 1) {
		kill(child->pid, SIGKILL);
		/* one that the kernel holds in a driver is left to it */
		poll(&fd, 1, KILLED_MS);
	}
	waitpid(child->pid, NULL, WNOHANG);
	close(child->pidfd);
	child->pidfd = -1;
}

/* The children end when their channel does; whoever does not, is killed. */
void
supervisor_stop_children(struct supervisor *s)
{
	uint64_t until = clock_now_ms() + STOP_MS;
	struct keeper *k;

	child_stop(&s->broker);
	child_stop(&s->inspector);
	for (k = s->keepers; k != NULL; k = k->next)
		child_stop(&k->child);
	for (k = s->keepers; k != NULL; k = k->next)
		wait_for(&k->child, until);
	wait_for(&s->inspector, until);
	wait_for(&s->broker, until);
	while (s->keepers != NULL)
		supervisor_free_keeper(s, s->keepers);
}
