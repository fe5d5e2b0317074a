/*
 * doctor_device.c - the ports' nodes: who can open them around comlease, who else lives on them,
 * and which of the machine's ports are nobody's.
 *
 * Responsible for: reading permissions and never opening. Refuses to know: other programs' own
 * configuration (doctor_rival.c).
 */
#include "doctor.h"
#include "status_table.h"

#include <stdio.h>
#include <string.h>

#define ENFORCE "72-comlease-enforce.rules"

/* ---- permissions ---- */

struct permissions {
	struct text everybody, group; /* the devices that these may open */
	struct text nodes;            /* of `everybody` */
	char groups[64];              /* the last such group's name */
	size_t seen;
};

/* port: the one that it is, or NULL. */
static void
see_device(struct doctor *d, struct permissions *p, const char *node, const char *port)
{
	struct text *t = NULL;
	struct stat st;
	bool has_user;

	if (!node || !doctor_stat(d, node, &st))
		return;
	p->seen++;
	if (st.st_mode & (S_IROTH | S_IWOTH)) {
		t = &p->everybody;
		text_addf(&p->nodes, " %s", node);
	} else if ((st.st_mode & (S_IRGRP | S_IWGRP)) && st.st_gid != 0) {
		t = &p->group;
		doctor_group(d, st.st_gid, d->user, p->groups, &has_user);
	}
	if (t && port)
		text_addf(t, "%s%s (%s)", t->len ? ", " : "", port, node);
	else if (t)
		text_addf(t, "%s%s", t->len ? ", " : "", node);
}

/* The devices of the broker's ports; without a broker all that could be ports. */
static void
see_devices(struct doctor *d, struct permissions *p)
{
	const json_t *port;
	size_t i;

	json_array_foreach (json_object_get(d->list, "ports"), i, port) {
		const char *node = status_string(port, "node");
		see_device(d, p, node ? node : status_string(port, "device"),
			   status_string(port, "name"));
	}
	for (i = 0; !d->list && i < d->ports.count; i++) {
		if (d->ports.devices[i].name[0])
			see_device(d, p, d->ports.devices[i].node, NULL);
	}
}

void
doctor_check_nodes(struct doctor *d)
{
	struct permissions p = { 0 };
	char rules[256];
	bool enforced = doctor_find_rules(d, ENFORCE, rules);

	see_devices(d, &p);
	if (p.everybody.len) {
		doctor_say(d, DOCTOR_WRONG, NULL,
			   "everybody can open %s around comlease, without waiting", p.everybody.s);
		doctor_mend(d,
			    "%schmod o-rw%s, and take MODE=\"0666\" out of the rule in "
			    "/etc/udev/rules.d that made it so",
			    doctor_sudo(d), p.nodes.s);
	}
	if (p.group.len && enforced) {
		doctor_say(d, DOCTOR_WARN, NULL,
			   "%s is installed, and yet group %s can open %s around comlease", rules,
			   p.groups, p.group.s);
		doctor_mend(d,
			    "%sudevadm control --reload && %sudevadm trigger "
			    "--subsystem-match=tty --action=change",
			    doctor_sudo(d), doctor_sudo(d));
	} else if (p.group.len) {
		doctor_say(d, DOCTOR_OK, NULL,
			   "group %s can also open %s without comlease; " ENFORCE
			   " would prevent that (comleased(8))",
			   p.groups, p.group.s);
	}
	if (!p.everybody.len && !p.group.len && p.seen)
		doctor_say(d, DOCTOR_OK, NULL,
			   "nobody but root can open the ports around comlease%s",
			   enforced ? " (" ENFORCE " is installed)" : "");
	text_free(&p.nodes);
	text_free(&p.everybody);
	text_free(&p.group);
}

/* ---- consoles and logins on ports that comlease manages ---- */

static void
check_console(struct doctor *d, const struct ports_device *device, const char *port)
{
	const char *name = strrchr(device->node, '/') + 1;

	doctor_say(d, DOCTOR_WRONG, NULL,
		   "%s is %s, to which the kernel writes its messages: it can't be leased", port,
		   device->node);
	doctor_mend(d,
		    "take [port %s] out of comlease.conf, or console=%s from the kernel's "
		    "command line",
		    port, name);
}

static void
check_login(struct doctor *d, const struct ports_device *device, const char *port)
{
	const char *name = strrchr(device->node, '/') + 1;

	doctor_say(d, DOCTOR_WRONG, NULL, "%s is %s, where %s offers a login: it can't be leased",
		   port, device->node, device->login);
	if (doctor_has_systemd(d))
		doctor_mend(d, "%ssystemctl disable --now serial-getty@%s", doctor_sudo(d), name);
	else
		doctor_mend(d, "take the line of %s out of /etc/inittab, then: %stelinit q", name,
			    doctor_sudo(d));
}

void
doctor_check_logins(struct doctor *d)
{
	size_t managed = 0, said = 0;

	for (size_t i = 0; i < d->ports.count; i++) {
		const struct ports_device *device = &d->ports.devices[i];
		const char *port = status_string(device->port, "name");

		if (!port)
			continue;
		managed++;
		if (device->is_console)
			check_console(d, device, port);
		else if (device->login[0])
			check_login(d, device, port);
		said += device->is_console || device->login[0];
	}
	if (managed && !said)
		doctor_say(d, DOCTOR_OK, NULL, "no port is the kernel's console or has a getty");
}

/* ---- ports that could be managed ---- */

void
doctor_check_unmanaged(struct doctor *d)
{
	struct text t = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < d->ports.count; i++) {
		if (d->ports.devices[i].name[0] == '\0')
			continue;
		text_addf(&t, "%s%s (", n++ ? ", " : "", d->ports.devices[i].node);
		const char *description = d->ports.devices[i].description;
		text_addf(&t, "%s)", description[0] ? description : "serial port");
	}
	if (d->ports.count == 0)
		doctor_say(d, DOCTOR_OK, NULL, "this machine has no serial port at the moment");
	else if (!d->list)
		; /* whether they are configured can't be told */
	else if (n)
		doctor_say(d, DOCTOR_WARN, "comlease ports (prints what to add to comlease.conf)",
			   "comlease does not manage %s", t.s);
	else
		doctor_say(d, DOCTOR_OK, NULL, "comlease manages every port that it can");
	text_free(&t);
}
