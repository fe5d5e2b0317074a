/*
 * supervisor.c - starts one broker and one keeper a port, restarts with back-off whoever dies, reads
 * the configuration, and answers who belongs to a holder. It refuses to know what a lease is worth
 * or what a client says.
 *
 * The idea: what must survive a crash of the others is held here and is only descriptors: the
 * listening socket (connections queue up in it while a broker starts) and each port's roster (the
 * kernel's record of the live lease). Channels are not kept: a process that starts gets fresh ones,
 * both ends at once, so what was under way to its predecessor ends with it and is never read twice.
 */
#include "supervisor.h"

#include "child.h"
#include "ipc.h"
#include "kin.h"
#include "listen.h"
#include "log.h"
#include "roster.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define STOP_MS 3000 /* for the children to end by themselves */

struct keeper {
	struct child child;
	struct keeper *next;
	int roster;
	bool removed; /* no longer configured: is only to be reaped */
	char name[CONFIG_NAME_MAX + 1];
};

struct supervisor {
	const struct supervisor_options *options;
	struct config config;
	struct listen listen;
	struct child broker;
	struct keeper *keepers; /* in no particular order */
	size_t keeper_count;
	int config_fd; /* a memfd with the configuration as text */
	int signals;
	uid_t broker_uid;
	gid_t broker_gid;
	bool broker_drops;
	bool stopping;
};

static uint64_t
now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

struct config_rules
supervisor_rules(void)
{
	struct config_rules rules = { .privileged = geteuid() == 0 };
	cap_flag_value_t value = CAP_CLEAR;
	cap_t caps = cap_get_proc();

	if (caps != NULL && cap_get_flag(caps, CAP_SYS_ADMIN, CAP_EFFECTIVE, &value) == 0)
		rules.can_revoke = value == CAP_SET;
	cap_free(caps);
	return rules;
}

static int
replace(char **value, const char *option)
{
	char *copy;

	if (option == NULL)
		return 0;
	copy = strdup(option);
	if (copy == NULL)
		return -ENOMEM;
	free(*value);
	*value = copy;
	return 0;
}

int
supervisor_load(const struct supervisor_options *options, struct config *config,
    char error[CONFIG_ERROR_MAX])
{
	struct config_rules rules = supervisor_rules();
	int result = config_load(options->file, &rules, config, error);

	if (result < 0)
		return result;
	result = replace(&config->socket, options->socket);
	if (result == 0)
		result = replace(&config->state_dir, options->state_dir);
	if (result < 0) {
		config_free(config);
		snprintf(error, CONFIG_ERROR_MAX, "no memory");
	}
	return result;
}

/* ---- what the children are told ---- */

/* The configuration as a sealed file that exists nowhere. A descriptor or -errno. */
static int
config_as_file(const struct config *config)
{
	int fd = memfd_create("comlease.conf", MFD_CLOEXEC), copy, error = 0;
	FILE *f;

	if (fd < 0)
		return -errno;
	copy = dup(fd);
	f = copy < 0 ? NULL : fdopen(copy, "w");
	if (f == NULL)
		error = -errno;
	else
		error = config_print(config, f);
	if (f != NULL && fclose(f) != 0 && error == 0)
		error = -EIO;
	if (error < 0) {
		close(fd);
		return error;
	}
	return fd;
}

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

static void
tell_config(const struct supervisor *s, const struct child *child)
{
	struct ipc_message m = { .type = IPC_CONFIG };

	if (child == &s->broker) {
		m.number = s->broker_uid;
		m.token = s->broker_gid;
		m.flag = s->broker_drops;
	}
	tell(child, &m, s->config_fd);
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

static void
start_keeper(struct supervisor *s, struct keeper *k)
{
	struct ipc_message roster = { .type = IPC_ROSTER };
	int error = child_start(&k->child, k->name, s->options->verbose, now_ms());

	if (error < 0) {
		log_line("start keeper=%s error=%s", k->name, strerror(-error));
		return;
	}
	log_debug("start keeper=%s pid=%ld", k->name, (long)k->child.pid);
	tell_config(s, &k->child);
	tell(&k->child, &roster, k->roster);
	connect_keeper(s, k);
}

static void
start_broker(struct supervisor *s)
{
	char text[CONFIG_ERROR_MAX];
	struct ipc_message m = { .type = IPC_LISTEN };
	struct keeper *k;
	uint32_t epoch;
	bool restart;
	int error = listen_next_epoch(&s->listen, &epoch, &restart, text);

	if (error < 0) {
		log_line("%s", text);
		s->broker.restart_ms = now_ms() + 1000;
		return;
	}
	error = child_start(&s->broker, NULL, s->options->verbose, now_ms());
	if (error < 0) {
		log_line("start broker error=%s", strerror(-error));
		return;
	}
	log_debug("start broker pid=%ld epoch=%u", (long)s->broker.pid, epoch);
	m.number = (uint64_t)epoch << 32 | 1;
	m.flag = restart;
	tell(&s->broker, &m, s->listen.socket);
	tell_config(s, &s->broker);
	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed)
			connect_keeper(s, k);
}

/* ---- the set of keepers ---- */

static struct keeper *
find_keeper(const struct supervisor *s, const char *name)
{
	struct keeper *k;

	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed && strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

static int
add_keeper(struct supervisor *s, const char *name)
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
	start_keeper(s, k);
	return 0;
}

/* The keeper ends on its own time; its holder goes on undisturbed, no longer ours. */
static void
remove_keeper(struct keeper *k)
{
	k->removed = true;
	child_stop(&k->child);
	close(k->roster);
	k->roster = -1;
}

static void
free_keeper(struct supervisor *s, struct keeper *k)
{
	struct keeper **link;

	for (link = &s->keepers; *link != k; link = &(*link)->next)
		;
	*link = k->next;
	s->keeper_count--;
	free(k);
}

/* ---- reload ---- */

/* What has gone or has another device goes; what is new comes; the rest is told. */
static void
apply_config(struct supervisor *s, struct config *new)
{
	const struct config_port *port;
	struct config old = s->config;
	struct keeper *k;
	size_t i;

	s->config = *new;
	tell_config(s, &s->broker);
	for (k = s->keepers; k != NULL; k = k->next) {
		if (k->removed)
			continue;
		port = config_find(&s->config, k->name);
		if (port != NULL && config_same_device(port, config_find(&old, k->name)))
			tell_config(s, &k->child);
		else
			remove_keeper(k);
	}
	for (i = 0; i < s->config.port_count; i++)
		if (find_keeper(s, s->config.ports[i].name) == NULL)
			add_keeper(s, s->config.ports[i].name);
	config_free(&old);
}

/* Each line of a message about the configuration on a line of its own. */
static void
log_lines(const char *text)
{
	char *copy = strdup(text), *line, *rest = copy;

	if (copy == NULL)
		return;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			log_line("%s", line);
	free(copy);
}

static void
reload(struct supervisor *s)
{
	char error[CONFIG_ERROR_MAX];
	struct config new;
	int fd;

	if (supervisor_load(s->options, &new, error) < 0) {
		log_lines(error);
		log_line("reload result=refused; the old configuration stays");
		return;
	}
	if (strcmp(new.socket, s->config.socket) != 0 ||
	    strcmp(new.state_dir, s->config.state_dir) != 0)
		log_line("reload: socket and state-dir change at the next start only");
	fd = config_as_file(&new);
	if (fd < 0) {
		log_line("reload error=%s; the old configuration stays", strerror(-fd));
		config_free(&new);
		return;
	}
	close(s->config_fd);
	s->config_fd = fd;
	apply_config(s, &new);
	log_line("reload result=done ports=%zu", s->config.port_count);
}

/* ---- the loop ---- */

/* The broker's question: does that process belong to the holder? */
static void
answer(struct supervisor *s, const struct ipc_message *question)
{
	const struct keeper *k = find_keeper(s, question->text);
	struct ipc_message m = { .type = IPC_ANSWER, .id = question->id };
	pid_t pid = (pid_t)(question->number >> 32), holder = (pid_t)(uint32_t)question->number;

	memcpy(m.text, question->text, sizeof(m.text));
	m.flag = k != NULL && (kin_is_descendant(pid, holder) ||
				  roster_has_process(k->roster, question->token, pid) == 1);
	tell(&s->broker, &m, -1);
}

static void
hear_broker(struct supervisor *s)
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

static void
restart_due(struct supervisor *s)
{
	uint64_t now = now_ms();
	struct keeper *k;

	if (s->broker.pidfd < 0 && s->broker.restart_ms <= now)
		start_broker(s);
	for (k = s->keepers; k != NULL; k = k->next)
		if (!k->removed && k->child.pidfd < 0 && k->child.restart_ms <= now)
			start_keeper(s, k);
}

static int
timeout_ms(const struct supervisor *s)
{
	uint64_t next = UINT64_MAX, now = now_ms();
	const struct keeper *k;

	if (s->broker.pidfd < 0)
		next = s->broker.restart_ms;
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

	child_ended(child, now_ms(), how, sizeof(how));
	log_line("ended %s%s%s pid=%ld %s", what, *name != '\0' ? "=" : "", name, (long)pid, how);
}

static void
keeper_ended(struct supervisor *s, struct keeper *k)
{
	note_end(&k->child, "keeper", k->name);
	if (k->removed)
		free_keeper(s, k);
}

/* One round: descriptors in a fixed order, then the keepers'. */
static int
run_once(struct supervisor *s)
{
	struct pollfd *fds = calloc(3 + s->keeper_count, sizeof(*fds));
	struct keeper *k, *next;
	nfds_t n = 3;

	if (fds == NULL)
		return -ENOMEM;
	fds[0] = (struct pollfd){ .fd = s->signals, .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = s->broker.channel, .events = POLLIN };
	fds[2] = (struct pollfd){ .fd = s->broker.pidfd, .events = POLLIN };
	for (k = s->keepers; k != NULL; k = k->next)
		fds[n++] = (struct pollfd){ .fd = k->child.pidfd, .events = POLLIN };
	if (poll(fds, n, timeout_ms(s)) > 0) {
		for (k = s->keepers, n = 3; k != NULL; k = next, n++) {
			next = k->next;
			if (fds[n].revents != 0)
				keeper_ended(s, k);
		}
		if (fds[1].revents != 0)
			hear_broker(s);
		if (fds[2].revents != 0)
			note_end(&s->broker, "broker", "");
		if (fds[0].revents != 0)
			take_signals(s);
	}
	free(fds);
	restart_due(s);
	return 0;
}

/* The children end when their channel does; whoever does not, is killed. */
static void
stop_children(struct supervisor *s)
{
	uint64_t until = now_ms() + STOP_MS, now;
	struct pollfd fd = { .events = POLLIN };
	struct keeper *k;

	child_stop(&s->broker);
	for (k = s->keepers; k != NULL; k = k->next)
		child_stop(&k->child);
	for (k = s->keepers;; k = k->next) {
		struct child *child = k == NULL ? &s->broker : &k->child;

		now = now_ms();
		fd.fd = child->pidfd;
		if (child->pidfd >= 0) {
			if (poll(&fd, 1, until > now ? (int)(until - now) : 0) != 1)
				kill(child->pid, SIGKILL);
			waitpid(child->pid, NULL, 0);
			close(child->pidfd);
		}
		if (k == NULL)
			return;
	}
}

/* ---- start and end ---- */

/* Who the broker shall be: `user`, or `comlease` where that exists. */
static int
find_broker_user(struct supervisor *s)
{
	const char *name = s->config.user != NULL ? s->config.user : "comlease";
	const struct passwd *user;

	if (geteuid() != 0)
		return 0;
	user = getpwnam(name);
	if (user == NULL && s->config.user != NULL) {
		log_line("user = %s: no such user; create it, or name another one", name);
		return -EINVAL;
	}
	if (user != NULL) {
		s->broker_drops = true;
		s->broker_uid = user->pw_uid;
		s->broker_gid = user->pw_gid;
	}
	return 0;
}

static int
find_socket_group(const struct config *config, gid_t *gid)
{
	const char *name = config->group != NULL ? config->group : "dialout";
	const struct group *group;

	*gid = (gid_t)-1;
	if (config->group == NULL && geteuid() != 0)
		return 0;
	group = getgrnam(name);
	if (group == NULL && config->group != NULL) {
		log_line("group = %s: no such group; create it, or name another one", name);
		return -EINVAL;
	}
	if (group != NULL)
		*gid = group->gr_gid;
	return 0;
}

static int
open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* As many descriptors as allowed: each client costs one. */
static void
raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int
start(struct supervisor *s)
{
	char error[CONFIG_ERROR_MAX];
	gid_t group;
	size_t i;
	int result;

	if (find_broker_user(s) < 0 || find_socket_group(&s->config, &group) < 0)
		return EX_CONFIG;
	result = listen_open(&s->listen, &s->config, group, error);
	if (result < 0) {
		log_line("%s", error);
		return result == -EADDRINUSE ? EX_UNAVAILABLE : EX_OSERR;
	}
	s->config_fd = config_as_file(&s->config);
	s->signals = open_signals();
	if (s->config_fd < 0 || s->signals < 0) {
		log_line("start error=%s", strerror(errno));
		return EX_OSERR;
	}
	for (i = 0; i < s->config.port_count; i++)
		if (add_keeper(s, s->config.ports[i].name) < 0)
			return EX_OSERR;
	start_broker(s);
	log_line("start socket=%s ports=%zu", s->config.socket, s->config.port_count);
	if (s->config.port_count == 0)
		log_line("no port is configured: add a section \"[port NAME]\" with \"device = PATH\" to "
			 "%s, then send SIGHUP",
		    s->options->file != NULL ? s->options->file : "/etc/comlease/comlease.conf");
	return EX_OK;
}

int
supervisor_main(const struct supervisor_options *options, struct config *config)
{
	struct supervisor s = { .options = options, .config = *config, .config_fd = -1,
		.signals = -1 };
	int status;

	listen_init(&s.listen);
	child_init(&s.broker);
	raise_limits();
	status = start(&s);
	while (status == EX_OK && !s.stopping)
		if (run_once(&s) < 0)
			status = EX_OSERR;
	stop_children(&s);
	while (s.keepers != NULL) {
		if (s.keepers->roster >= 0)
			close(s.keepers->roster);
		free_keeper(&s, s.keepers);
	}
	if (s.stopping)
		log_line("stop");
	listen_close(&s.listen);
	if (s.config_fd >= 0)
		close(s.config_fd);
	if (s.signals >= 0)
		close(s.signals);
	config_free(&s.config);
	return status;
}
