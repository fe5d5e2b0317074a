/*
 * supervisor_start.c - what the supervisor is and may when it starts: rules, configuration, users,
 * signals, limits.
 */
#include "supervisor_internal.h"

#include "log.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

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

int
supervisor_load(const struct supervisor_options *options, struct config *config,
		char error[CONFIG_ERROR_MAX])
{
	struct config_rules rules = supervisor_rules();

	rules.socket = options->socket;
	rules.state_dir = options->state_dir;
	return config_load(options->file, &rules, config, error);
}

/* The configuration as a sealed file that exists nowhere. A descriptor or -errno. */
int
supervisor_config_file(const struct config *config)
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

int
supervisor_prepare(struct supervisor *s, gid_t *socket_group)
{
	if (find_broker_user(s) < 0 || find_socket_group(&s->config, socket_group) < 0)
		return EX_CONFIG;
	raise_limits();
	s->signals = open_signals();
	if (s->signals >= 0)
		return EX_OK;
	log_line("start error=%s", strerror(errno));
	return EX_OSERR;
}

/* It is called by its unit's name; where that is another one, it is the only socket. */
int
supervisor_passed_socket(struct supervisor *s)
{
	int fd = notify_take(&s->notify, "comleased.socket");
	const struct notify_fd *only = NULL;
	size_t i, sockets = 0;
	struct stat st;

	if (fd < 0)
		fd = notify_take(&s->notify, "comlease");
	for (i = 0; fd < 0 && i < s->notify.fd_count; i++) {
		if (fstat(s->notify.fds[i].fd, &st) < 0 || !S_ISSOCK(st.st_mode))
			continue;
		only = &s->notify.fds[i];
		sockets++;
	}
	return fd < 0 && sockets == 1 ? notify_take(&s->notify, only->name) : fd;
}
