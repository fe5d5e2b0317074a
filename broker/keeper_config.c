/*
 * keeper_config.c - the keeper's configuration, and what it decides about: privileges, and where
 * the lock files are. What the keys mean is known where they are used.
 */
#include "keeper_internal.h"

#include <errno.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "log.h"

/* TIOCVHANGUP needs CAP_SYS_ADMIN, and with TIOCEXCL so does an open; nothing else needs anything.
 * Not even that, where it is not used or not there. */
static int
drop_privileges(bool may_revoke, bool *has_it)
{
	cap_value_t value = CAP_SYS_ADMIN;
	cap_flag_value_t has = CAP_CLEAR;
	cap_t now = cap_get_proc(), wanted = cap_init();
	int error = 0;

	if (now == NULL || wanted == NULL || cap_get_flag(now, value, CAP_PERMITTED, &has) < 0)
		error = -errno;
	if (error == 0 && may_revoke && has == CAP_SET &&
	    (cap_set_flag(wanted, CAP_PERMITTED, 1, &value, CAP_SET) < 0 ||
	     cap_set_flag(wanted, CAP_EFFECTIVE, 1, &value, CAP_SET) < 0))
		error = -errno;
	if (error == 0 && cap_set_proc(wanted) < 0)
		error = -errno;
	*has_it = may_revoke && has == CAP_SET;
	cap_free(now);
	cap_free(wanted);
	if (error == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		error = -errno;
	return error;
}

/* The first configuration decides about privileges. A later one that wants them back gets a new
 * keeper: the leases are in the roster, and lose nothing. */
static void
use_privileges(struct keeper *k, const struct config_port *old, const struct config_port *port)
{
	int error;

	if (old != NULL && !old->revocable && port->revocable) {
		log_line("restart reason=revocation is configured now");
		_exit(0);
	}
	error = drop_privileges(port->revocable, &k->own.may_exclude);
	if (error < 0) {
		log_line("privileges error=%s", strerror(-error));
		_exit(1);
	}
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

void
keeper_configure(struct keeper *k, int fd, uint64_t readings)
{
	/* it was checked by the supervisor, who knows more of the rules than we do now */
	const struct config_rules rules = { .privileged = true,
					    .can_revoke = true,
					    .resolved = true };
	const struct config_port *old = k->port, *port;
	char error[CONFIG_ERROR_MAX];
	struct config config, last;
	bool moved, locks_moved, is_read_anew = readings != k->readings;
	int result = config_read(fd, "configuration", &rules, &config, error);

	if (result < 0) {
		log_line("config error=%s", strerror(-result));
		return;
	}
	port = config_find(&config, k->name);
	if (port == NULL) { /* the supervisor is about to end us */
		config_free(&config);
		return;
	}
	config_keep_port(&config, k->name);
	port = config.ports;
	use_privileges(k, old, port);
	moved = old != NULL && strcmp(old->device, port->device) != 0;
	locks_moved = old != NULL && !same_text(k->config.lock_dir, config.lock_dir);
	if (old != NULL && strcmp(old->init, port->init) != 0)
		init_changed(k);
	last = k->config;
	k->config = config;
	k->port = config_find(&k->config, k->name);
	if (old != NULL)
		config_free(&last);
	if (locks_moved || old == NULL)
		own_configure(k);
	identity_configured(k);
	k->readings = readings;
	if (moved)
		keeper_path_changed(k);
	if (old != NULL && is_read_anew)
		identity_accept(k);
}
