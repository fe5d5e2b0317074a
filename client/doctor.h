/*
 * doctor.h - what the checks of `comlease doctor` share: the patient, and how a finding is told.
 *
 * A check is a function that looks at one subject and says one sentence or several about it; none
 * says nothing, so that whoever reads the list sees what has been looked at. It starts, changes
 * and opens nothing: files are read, devices only asked for with stat(). The table of the checks
 * is in doctor.c.
 *
 *	doctor_finding.c	the list of what was found
 *	doctor_ask.c		gathers what several checks need: the broker's answers, the ports
 *	doctor_file.c		reading files and /proc below `root`
 *	doctor_broker.c		is there one, its version, may I ask it, its ports, revocation
 *	doctor_systemd.c	systemd's units
 *	doctor_udev.c		udev, the user that the broker runs as
 *	doctor_device.c		the ports' nodes: permissions, console, logins, unmanaged ones
 *	doctor_rival.c		ModemManager, brltty, gpsd
 *	doctor_lock.c		stale lock files
 *	doctor_kernel.c		what this kernel can do
 *	doctor_shim.c		the shim, jansson, COMLEASE_... in the environment
 */
#ifndef COMLEASE_DOCTOR_H
#define COMLEASE_DOCTOR_H

#include "ports.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

enum doctor_mark {
	DOCTOR_OK,
	DOCTOR_WARN,  /* it works, but not as well as it could, or not for long */
	DOCTOR_WRONG, /* something does not work */
};

struct doctor_finding {
	enum doctor_mark mark;
	const char *subject;
	char *says;
	char *mend; /* what mends it: a command, or what to do; NULL */
};

/* What this kernel can do. */
struct doctor_kernel {
	bool passrights, peerpidfd, pidfd, notifications;
};

/* A unit of systemd's, in its own words. */
struct doctor_unit {
	char load[32], active[32], file[32], result[32];
};

struct doctor {
	const char *root;      /* before each path that is looked at; "" but in tests */
	const char *systemctl; /* that program */

	/* The broker. */
	char *socket; /* the path that was tried */
	json_t *info; /* GetInfo's reply; NULL: none */
	json_t *list; /* List's; NULL: none */
	int error;    /* errno, if there is no list */
	char *reason; /* and why, in words */
	uid_t owner;  /* who listens there, if somebody does */

	struct doctor_unit service, socket_unit; /* of comleased */
	bool knows_units;

	/* Who asks. */
	uid_t uid;
	char user[64];
	gid_t groups[256];
	size_t group_count;

	struct ports ports; /* the machine's, matched with the list */
	struct doctor_kernel kernel;

	const char *subject; /* of the check that runs */
	struct doctor_finding *findings;
	size_t count;
};

/* ---- doctor_finding.c ---- */

/* One finding about the subject; mend: NULL, or what mends it. Foreign words may be in both: they
 * are made harmless when they are printed. */
void doctor_say(struct doctor *, enum doctor_mark, const char *mend, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same where what mends it has to be put together: adds it to the last finding. */
void doctor_mend(struct doctor *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Frees all that is in it. */
void doctor_clear(struct doctor *);

/* ---- doctor_ask.c ---- */

/* Fills everything above but root and systemctl. A broker that does not answer costs 3 seconds. */
void doctor_gather(struct doctor *, const char *socket);

/* ---- doctor_file.c ---- */

/* stat() of root + path. */
bool doctor_stat(const struct doctor *, const char *path, struct stat *);
bool doctor_exists(const struct doctor *, const char *path);

/* The beginning of a file, at most size - 1 bytes, terminated. False (and ""): it can't be read. */
bool doctor_read(const struct doctor *, const char *path, char *text, size_t size);

/* Is there a process of that name that can be seen? */
bool doctor_is_running(const struct doctor *, const char *command);

/* Where udev's rules are, those first that win; the last one is NULL. */
extern const char *const doctor_rules_folders[];

/* The first of the folders of udev's rules that has a file of that name, and is not masked by one
 * before it that is empty or a link to /dev/null: its path in `path`. */
bool doctor_find_rules(const struct doctor *, const char *name, char path[256]);

/* Calls `take` for each name in a folder. */
void doctor_each_file(struct doctor *, const char *folder,
		      void (*take)(struct doctor *, const char *folder, const char *name,
				   void *context),
		      void *context);

/* The name of a group, or its number; whether it has, in the system's list, that user. */
void doctor_group(const struct doctor *, gid_t, const char *user, char name[64], bool *has_user);

/* Does the system's list have that user? */
bool doctor_has_user(const struct doctor *, const char *name);

/* Is systemd this machine's init? */
bool doctor_has_systemd(const struct doctor *);

/* Before a command that only root may give: "sudo ", or "" for root. */
const char *doctor_sudo(const struct doctor *);

/* The command that starts comleased here. */
void doctor_mend_start(struct doctor *);

/* ---- doctor_systemd.c ---- */

/* Fills the units, where systemd runs; costs 2 seconds at the most. */
void doctor_ask_systemd(struct doctor *);

/* Is it systemd that listens, so that to connect would be to start comleased? */
bool doctor_is_asleep(const struct doctor *);

/* ---- the checks ---- */

void doctor_check_broker(struct doctor *);
void doctor_check_version(struct doctor *);
void doctor_check_access(struct doctor *);
void doctor_check_ports(struct doctor *);
void doctor_check_revocation(struct doctor *);

void doctor_check_systemd(struct doctor *);
void doctor_check_udev(struct doctor *);
void doctor_check_user(struct doctor *);

void doctor_check_nodes(struct doctor *);
void doctor_check_logins(struct doctor *);
void doctor_check_unmanaged(struct doctor *);

void doctor_check_modem_manager(struct doctor *);
void doctor_check_brltty(struct doctor *);
void doctor_check_gpsd(struct doctor *);

void doctor_check_locks(struct doctor *);

void doctor_check_kernel(struct doctor *);
void doctor_check_tracing(struct doctor *);

void doctor_check_environment(struct doctor *);
void doctor_check_shim(struct doctor *);
void doctor_check_jansson(struct doctor *);

/* The two above, of another folder, and as if there were a 32-bit shim or none: for tests. */
void doctor_check_shim_in(struct doctor *, const char *folder);
void doctor_check_jansson_of(struct doctor *, bool has_shim_32);

#endif
