/*
 * doctor_udev.c - does udev tell comleased of ports that come and go, and is there a user for the
 * broker to be.
 *
 * Responsible for: what is installed. Refuses to know: what udev says of each port (ports_udev.c).
 */
#include "doctor.h"

#include <stdio.h>

void
doctor_check_udev(struct doctor *d)
{
	char rules[256];

	if (!doctor_exists(d, "/run/udev/control")) {
		doctor_say(
		    d, d->ports.count ? DOCTOR_WARN : DOCTOR_OK,
		    d->ports.count ? "start udev; in a container: `device =` in comlease.conf "
				     "names ports that stay"
				   : NULL,
		    "does not run here: comleased is not told of ports that are plugged in or "
		    "pulled out");
	} else if (!doctor_find_rules(d, "70-comlease.rules", rules)) {
		doctor_say(d, DOCTOR_WARN, NULL,
			   "70-comlease.rules is not installed: a port that is plugged in does not "
			   "start comleased, and has no name in /dev/comlease");
		doctor_mend(d,
			    "install comlease again, then %sudevadm control --reload && %sudevadm "
			    "trigger --subsystem-match=tty --action=change",
			    doctor_sudo(d), doctor_sudo(d));
	} else {
		doctor_say(d, DOCTOR_OK, NULL, "it runs, with %s", rules);
	}
}

/* ---- the user ---- */

void
doctor_check_user(struct doctor *d)
{
	if (!d->list)
		return;
	if (d->owner != 0) {
		const char *name = text_user(d->owner);
		doctor_say(d, DOCTOR_OK, NULL, "comleased is not root's: it has the rights of %s",
			   name ? name : "a user without a name");
	} else if (doctor_has_user(d, "comlease")) {
		doctor_say(
		    d, DOCTOR_OK, NULL,
		    "there is a user comlease for the broker process, which clients talk to");
	} else {
		doctor_say(d, DOCTOR_WARN, NULL,
			   "there is no user comlease: the broker process, which clients talk to, "
			   "runs as root (unless `user` in comlease.conf names another one)");
		doctor_mend(d,
			    "%suseradd --system --no-create-home comlease, then start comleased "
			    "again",
			    doctor_sudo(d));
	}
}
