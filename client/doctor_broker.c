/*
 * doctor_broker.c - is there a broker, does it fit this command, may this user ask it, and what
 * its ports say of themselves.
 *
 * Responsible for: from why a connection failed to what mends it. Refuses to know: the wire
 * (doctor_ask.c), how the system starts comleased but for the command.
 */
#include "command_find.h"
#include "comlease.h"
#include "doctor.h"
#include "status_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- is there one ---- */

static bool
is_installed(const struct doctor *d)
{
	char path[PATH_MAX];

	if (d->root[0] == '\0' && command_find("comleased", path) == 0)
		return true;
	return doctor_exists(d, "/usr/sbin/comleased") ||
	       doctor_exists(d, "/usr/local/sbin/comleased") ||
	       doctor_exists(d, "/usr/bin/comleased");
}

static bool
has_unit(const struct doctor *d)
{
	return doctor_exists(d, "/etc/systemd/system/comleased.service") ||
	       doctor_exists(d, "/usr/lib/systemd/system/comleased.service") ||
	       doctor_exists(d, "/lib/systemd/system/comleased.service") ||
	       doctor_exists(d, "/usr/local/lib/systemd/system/comleased.service");
}

void
doctor_mend_start(struct doctor *d)
{
	if (!is_installed(d))
		doctor_mend(d, "install comleased: the package of that name, or make install");
	else if (doctor_has_systemd(d) && has_unit(d))
		doctor_mend(d, "%ssystemctl start comleased", doctor_sudo(d));
	else
		doctor_mend(d, "%scomleased & (comleased(8) tells how to have it started)",
			    doctor_sudo(d));
}

static void
say_no_answer(struct doctor *d)
{
	doctor_say(d, DOCTOR_WRONG, NULL, "somebody listens at %s and does not answer: %s",
		   d->socket, d->error == ETIMEDOUT ? "nothing came for 3 seconds" : d->reason);
	if (doctor_has_systemd(d) && has_unit(d))
		doctor_mend(d, "%ssystemctl restart comleased (leases live on)", doctor_sudo(d));
	else
		doctor_mend(d, "stop comleased and start it again: leases live on");
}

void
doctor_check_broker(struct doctor *d)
{
	switch (d->error) {
	case 0:
		doctor_say(d, DOCTOR_OK, NULL, "comleased answers at %s: %zu port%s", d->socket,
			   json_array_size(json_object_get(d->list, "ports")),
			   json_array_size(json_object_get(d->list, "ports")) == 1 ? "" : "s");
		break;
	case ENOENT:
	case ENOTDIR:
		doctor_say(d, DOCTOR_WRONG, NULL, "comleased does not run: there is no socket %s",
			   d->socket);
		doctor_mend_start(d);
		break;
	case ECONNREFUSED:
	case EPROTOTYPE:
		doctor_say(d, DOCTOR_WRONG, NULL,
			   "comleased does not run: nobody listens at %s any more", d->socket);
		doctor_mend_start(d);
		break;
	case EHOSTDOWN:
		doctor_say(d, DOCTOR_OK, NULL,
			   "does not run at the moment; whoever asks first at %s starts it",
			   d->socket);
		break;
	case EACCES:
	case EPERM:
		doctor_say(d, DOCTOR_OK, NULL, "the socket %s is there", d->socket);
		break;
	default:
		say_no_answer(d);
	}
}

void
doctor_check_version(struct doctor *d)
{
	const char *version = status_string(d->info, "version");
	const char *product = status_string(d->info, "product");

	if (!d->info)
		return;
	if (!product || !strstr(product, "comlease")) {
		doctor_say(d, DOCTOR_WRONG,
			   "name comleased's own socket with -s or COMLEASE_SOCKET",
			   "what answers at %s is not comleased but %s", d->socket,
			   product ? product : "something else");
	} else if (version && strcmp(version, COMLEASE_VERSION) == 0) {
		doctor_say(d, DOCTOR_OK, NULL, "comleased and this command are both %s", version);
	} else {
		doctor_say(d, DOCTOR_WARN, NULL,
			   "comleased is %s, this command %s: an older one still runs, or another "
			   "one is installed",
			   version ? version : "of an unknown version", COMLEASE_VERSION);
		if (doctor_has_systemd(d) && has_unit(d))
			doctor_mend(d, "%ssystemctl restart comleased (leases live on)",
				    doctor_sudo(d));
	}
}

/* ---- may this user ask it ---- */

static bool
is_in(const struct doctor *d, gid_t gid)
{
	for (size_t i = 0; i < d->group_count; i++) {
		if (d->groups[i] == gid)
			return true;
	}
	return false;
}

/* The group may use the socket, and this user is not, or not yet, one of it. */
static void
say_not_in_group(struct doctor *d, const struct stat *st)
{
	char group[64];
	bool has_user;

	doctor_group(d, st->st_gid, d->user, group, &has_user);
	if (has_user) {
		doctor_say(d, DOCTOR_WRONG, NULL,
			   "%s is in group %s, which may use %s, but was not yet when this session "
			   "began",
			   d->user, group, d->socket);
		doctor_mend(d, "newgrp %s, or log out and in again", group);
		return;
	}
	doctor_say(d, DOCTOR_WRONG, NULL,
		   "%s may not ask comleased: %s is for group %s, and %s is not in it", d->user,
		   d->socket, group, d->user);
	doctor_mend(d, "sudo usermod -aG %s %s, then log out and in again (or: newgrp %s)", group,
		    d->user, group);
}

static void
say_denied(struct doctor *d)
{
	struct stat st;

	if (!doctor_stat(d, d->socket, &st))
		doctor_say(d, DOCTOR_WRONG, "ask its owner: that folder should be open to all",
			   "%s can't get at %s: a folder on the way to it is closed", d->user,
			   d->socket);
	else if ((st.st_mode & S_IWGRP) && !is_in(d, st.st_gid))
		say_not_in_group(d, &st);
	else
		doctor_say(d, DOCTOR_WRONG, "`mode` and `group` in [broker], see comlease.conf(5)",
			   "%s may not ask comleased: the permissions of %s are %04o", d->user,
			   d->socket, (unsigned)st.st_mode & 07777);
}

void
doctor_check_access(struct doctor *d)
{
	char group[64];
	bool has_user;
	struct stat st;

	if (d->error == EACCES || d->error == EPERM) {
		say_denied(d);
		return;
	}
	if (!d->list || !doctor_stat(d, d->socket, &st))
		return;
	doctor_group(d, st.st_gid, d->user, group, &has_user);
	if (st.st_mode & S_IWOTH)
		doctor_say(d, DOCTOR_OK, NULL, "everybody may ask comleased (%s is open to all)",
			   d->socket);
	else if (d->uid == st.st_uid || d->uid == 0)
		doctor_say(d, DOCTOR_OK, NULL, "%s may ask comleased, and whoever is in group %s",
			   d->user, group);
	else
		doctor_say(d, DOCTOR_OK, NULL, "%s may ask comleased, being in group %s", d->user,
			   group);
}

/* ---- its ports ---- */

static bool
is_state(const json_t *port, const char *state)
{
	const char *is = status_string(port, "state");

	return is && strcmp(is, state) == 0;
}

/* The kernel's console, or a login: doctor_check_logins() tells that, and what mends it. */
static bool
is_told_with_logins(const struct doctor *d, const json_t *port)
{
	for (size_t i = 0; i < d->ports.count; i++) {
		const struct ports_device *device = &d->ports.devices[i];
		if (device->port == port && (device->is_console || device->login[0]))
			return true;
	}
	return false;
}

/* One that can't be had at the moment. True: something was said, here or there. */
static bool
check_port(struct doctor *d, const json_t *port)
{
	const char *name = status_string(port, "name"), *reason = status_string(port, "reason");
	const char *device = status_string(port, "device"), *sudo = doctor_sudo(d);

	if (!reason)
		reason = "no reason is given";
	if ((is_state(port, "faulted") || is_state(port, "foreign")) &&
	    is_told_with_logins(d, port)) {
		return true;
	} else if (is_state(port, "faulted")) {
		doctor_say(d, DOCTOR_WRONG, NULL, "%s: %s can't be used: %s", name, device, reason);
		doctor_mend(d, "comlease status %s tells more; comlease.conf(5)", name);
	} else if (is_state(port, "absent")) {
		doctor_say(d, DOCTOR_WARN, "plug it in, or take its section out of comlease.conf",
			   "%s: %s is not there: %s", name, device, reason);
	} else if (is_state(port, "foreign")) {
		struct text t = { 0 };
		status_stranger(&t, status_object(port, "foreign"));
		doctor_say(d, DOCTOR_WARN, NULL, "%s: %s has it without comlease; all others wait",
			   name, t.s ? t.s : "somebody");
		doctor_mend(
		    d, "end it and start it again with `comlease run`, or: %scomlease evict %s",
		    sudo, name);
		text_free(&t);
	} else if (is_state(port, "disabled")) {
		doctor_say(d, DOCTOR_WARN, NULL, "%s is disabled: %s", name, reason);
		doctor_mend(d, "%scomlease enable %s", sudo, name);
	} else {
		return false;
	}
	return true;
}

/* Somebody has opened it beside its holder. */
static bool
check_intruder(struct doctor *d, const json_t *port)
{
	const json_t *intruder = status_object(port, "intruder");
	struct text t = { 0 };

	if (!intruder)
		return false;
	status_stranger(&t, intruder);
	doctor_say(d, DOCTOR_WARN, "start it with `comlease run`, and it waits its turn",
		   "%s: %s has opened it beside its holder: both lose bytes",
		   status_string(port, "name"), t.s);
	text_free(&t);
	return true;
}

/* What the broker remarks, once for all the ports of which it says so: from port `first` on, if
 * none before it has the same. */
static bool
check_notice(struct doctor *d, const json_t *ports, size_t first)
{
	const char *notice = status_string(json_array_get(ports, first), "notice");
	struct text names = { 0 };
	bool is_new = notice != NULL;
	const json_t *port;
	size_t i;

	json_array_foreach (ports, i, port) {
		const char *its = status_string(port, "notice");
		if (!notice || !its || strcmp(its, notice) != 0)
			continue;
		is_new &= i >= first;
		text_addf(&names, "%s%s", names.len ? ", " : "", status_string(port, "name"));
	}
	if (is_new)
		doctor_say(d, DOCTOR_WARN, NULL, "%s: %s", names.s, notice);
	text_free(&names);
	return notice != NULL;
}

void
doctor_check_ports(struct doctor *d)
{
	const json_t *ports = json_object_get(d->list, "ports"), *port;
	size_t said = 0, i;

	json_array_foreach (ports, i, port) {
		said += check_port(d, port);
		said += check_intruder(d, port);
		said += check_notice(d, ports, i);
	}
	if (d->list && json_array_size(ports) == 0) {
		doctor_say(d, DOCTOR_WARN,
			   d->ports.count ? "comlease ports (prints what to add to comlease.conf)"
					  : "plug in an adapter, or see comlease.conf(5)",
			   "no port is configured");
	} else if (d->list && said == 0) {
		doctor_say(d, DOCTOR_OK, NULL, "every port is there and can be used");
	}
}

void
doctor_check_revocation(struct doctor *d)
{
	const json_t *ports = json_object_get(d->list, "ports"), *port;
	struct text names = { 0 };
	size_t without = 0, i;

	json_array_foreach (ports, i, port) {
		if (json_is_true(json_object_get(port, "revocable")))
			continue;
		text_addf(&names, "%s%s", without++ ? ", " : "", status_string(port, "name"));
	}
	if (without)
		doctor_say(
		    d, DOCTOR_WARN,
		    "run comleased as root (it needs CAP_SYS_ADMIN for TIOCVHANGUP), without "
		    "`revocation = none`",
		    "comleased can't take %s back from a program that does not let go", names.s);
	else if (json_array_size(ports))
		doctor_say(d, DOCTOR_OK, NULL,
			   "comleased can take every port back (TIOCVHANGUP is allowed)");
	text_free(&names);
}
