/*
 * supervisor.c - starts one broker, one inspector and one keeper a port, restarts with back-off
 * whoever dies, reads the configuration, and answers who belongs to a holder. It refuses to know
 * what a lease is worth or what a client says.
 *
 * The idea: what must survive a crash of the others is held here and is only descriptors: the
 * listening socket (connections queue up in it while a broker starts) and each port's roster (the
 * kernel's record of the live lease). A service manager that can holds both once more, over our own
 * end. Channels are not kept: a process that starts gets fresh ones,
 * both ends at once, so what was under way to its predecessor ends with it and is never read twice.
 */
#include "supervisor_internal.h"
#include "clock.h"

#include "log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

/* ---- reload ---- */

void
supervisor_apply(struct supervisor *s, const struct config *old)
{
	const struct config_port *port;
	struct keeper *k, *next;
	size_t i;

	/* before the broker, who will ask it about the new ports */
	supervisor_tell_config(s, &s->inspector);
	supervisor_tell_config(s, &s->broker);
	for (k = s->keepers; k != NULL; k = next) {
		next = k->next;
		if (k->removed)
			continue;
		port = config_find(&s->config, k->name);
		if (port != NULL && config_same_device(port, config_find(old, k->name)))
			supervisor_tell_config(s, &k->child);
		else
			supervisor_remove_keeper(s, k);
	}
	for (i = 0; i < s->config.port_count; i++)
		if (supervisor_find_keeper(s, s->config.ports[i].name) == NULL)
			supervisor_add_keeper(s, s->config.ports[i].name);
	store_sweep(s, &s->written);
	supervisor_notify_status(s);
}

static void
reload(struct supervisor *s)
{
	struct config new;
	char error[CONFIG_ERROR_MAX];
	int result;

	supervisor_notify_reload(s);
	if (supervisor_load(s->options, &new, error) < 0) {
		supervisor_log_lines(error);
		log_line("reload result=refused; the old configuration stays");
		supervisor_notify_reloaded(s, error);
		return;
	}
	if (strcmp(new.socket, s->config.socket) != 0 ||
	    strcmp(new.state_dir, s->config.state_dir) != 0 || new.mode != s->config.mode)
		log_line("reload: socket, mode, state-dir, user and group change at the next start "
			 "only");
	result = supervisor_hotplug_reload(s, &new);
	if (result < 0) {
		log_line("reload error=%s; the old configuration stays", strerror(-result));
		config_free(&new);
		supervisor_notify_reloaded(s, strerror(-result));
		return;
	}
	log_line("reload result=done ports=%zu", s->config.port_count);
	supervisor_notify_reloaded(s, NULL);
}

/* ---- the loop ---- */

static void
restart_due(struct supervisor *s)
{
	uint64_t now = clock_now_ms();
	struct keeper *k;

	if (s->inspector.pidfd < 0 && s->inspector.restart_ms <= now)
		supervisor_start_inspector(s);
	if (s->broker.pidfd < 0 && s->broker.restart_ms <= now)
		supervisor_start_broker(s);
	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed && k->child.pidfd < 0 && k->child.restart_ms <= now)
			supervisor_start_keeper(s, k);
	supervisor_hotplug_retry(s);
	watchdog_check(s);
}

static int
timeout_ms(const struct supervisor *s)
{
	uint64_t next = s->replan_ms, now = clock_now_ms();
	const struct keeper *k;

	if (watchdog_due(s) < next)
		next = watchdog_due(s);
	if (s->broker.pidfd < 0 && s->broker.restart_ms < next)
		next = s->broker.restart_ms;
	if (s->inspector.pidfd < 0 && s->inspector.restart_ms < next)
		next = s->inspector.restart_ms;
	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed && k->child.pidfd < 0 && k->child.restart_ms < next)
			next = k->child.restart_ms;
	if (next == UINT64_MAX)
		return -1;
	return next <= now ? 0 : (int)(next - now);
}

static void
take_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload(s);
		else
			s->stopping = true;
	}
}

static void
note_end(struct child *child, const char *what, const char *name)
{
	char how[32];
	pid_t pid = child->pid;

	child_ended(child, clock_now_ms(), how, sizeof(how));
	log_line("ended %s%s%s pid=%ld %s", what, *name != '\0' ? "=" : "", name, (long)pid, how);
}

static void
keeper_ended(struct supervisor *s, struct keeper *k)
{
	note_end(&k->child, "keeper", k->name);
	if (k->removed)
		supervisor_free_keeper(s, k);
}

#define FIXED_FDS 5

/* One round: descriptors in a fixed order, then the keepers'. */
static int
run_once(struct supervisor *s)
{
	struct pollfd *fds = calloc(FIXED_FDS + s->keeper_count, sizeof(*fds));
	struct keeper *k, *next;
	nfds_t n = FIXED_FDS;

	if (fds == NULL)
		return -ENOMEM;
	fds[0] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = s->broker.channel, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = s->broker.pidfd, .events = POLLIN };
	fds[3] = (struct pollfd){ .fd = s->inspector.pidfd, .events = POLLIN };
	fds[4] = (struct pollfd){ .fd = s->hotplug != NULL ? hotplug_fd(s->hotplug) : -1,
				  .events = POLLIN };
	for (k = s->keepers; k != NULL; k = k->next)
		fds[n++] = (struct pollfd){ .fd = k->child.pidfd, .events = POLLIN };
	if (poll(fds, n, timeout_ms(s)) > 0) {
		for (k = s->keepers, n = FIXED_FDS; k != NULL; k = next, n++) {
			next = k->next;
			if (fds[n].revents != 0)
				keeper_ended(s, k);
		}
		if (fds[1].revents != 0)
			supervisor_hear_broker(s);
		if (fds[2].revents != 0)
			note_end(&s->broker, "broker", "");
		if (fds[3].revents != 0)
			note_end(&s->inspector, "inspector", "");
		if (fds[4].revents != 0)
			supervisor_hotplug_event(s);
		if (fds[0].revents != 0)
			take_signals(s);
	}
	free(fds);
	restart_due(s);
	return 0;
}

static void
say_no_port(const struct supervisor *s)
{
	if (s->written.template_count > 0 && s->hotplug != NULL)
		log_line("no port yet: each USB serial device that is plugged in becomes one");
	else
		log_line("no port is configured: add a section \"[port NAME]\" with \"device = "
			 "PATH\" to %s, then send SIGHUP%s",
			 s->options->file != NULL ? s->options->file
						  : "/etc/comlease/comlease.conf",
			 s->options->file == NULL && geteuid() != 0
			     ? "; or to a file of your own, and name it with -c"
			     : "");
}

static int
start(struct supervisor *s)
{
	char error[CONFIG_ERROR_MAX];
	gid_t group;
	size_t i;
	int result;

	result = supervisor_prepare(s, &group);
	if (result != EX_OK)
		return result;
	result = listen_open(&s->listen, &s->config, group, supervisor_passed_socket(s), error);
	if (result < 0) {
		log_line("%s", error);
		return result == -EADDRINUSE ? EX_UNAVAILABLE
		       : result == -EINVAL   ? EX_CONFIG
					     : EX_OSERR;
	}
	result = supervisor_hotplug_start(s);
	if (result != EX_OK)
		return result;
	supervisor_start_inspector(s);
	for (i = 0; i < s->config.port_count; i++)
		if (supervisor_add_keeper(s, s->config.ports[i].name) < 0)
			return EX_OSERR;
	store_sweep(s, &s->written);
	supervisor_start_broker(s);
	log_line("start socket=%s ports=%zu", s->config.socket, s->config.port_count);
	if (s->config.port_count == 0)
		say_no_port(s);
	return EX_OK;
}

int
supervisor_main(const struct supervisor_options *options, struct config *config)
{
	struct supervisor s = {
		.options = options,
		.written = *config,
		.config = *config,
		.config_fd = -1,
		.signals = -1,
		.replan_ms = UINT64_MAX,
	};
	int status;

	listen_init(&s.listen);
	child_init(&s.broker);
	child_init(&s.inspector);
	notify_begin(&s.notify);
	status = start(&s);
	while (status == EX_OK && !s.stopping)
		if (run_once(&s) < 0)
			poll(NULL, 0, 100); /* no memory at the moment */
	if (s.stopping)
		supervisor_notify_stop(&s);
	supervisor_stop_children(&s);
	if (s.stopping)
		log_line("stop");
	notify_end(&s.notify);
	listen_close(&s.listen);
	if (s.config_fd >= 0)
		close(s.config_fd);
	if (s.signals >= 0)
		close(s.signals);
	supervisor_hotplug_stop(&s);
	return status;
}
