/*
 * doctor_kernel.c - what this kernel can do of what comlease makes use of.
 *
 * Responsible for: saying what is lost without it, which is seldom much. Refuses to know: how it
 * is found out (doctor_ask.c).
 */
#include "doctor.h"

#include <stdlib.h>
#include <string.h>

void
doctor_check_kernel(struct doctor *d)
{
	const struct doctor_kernel *k = &d->kernel;

	if (!k->pidfd)
		doctor_say(
		    d, DOCTOR_WRONG, "a kernel of Linux 5.3 or later",
		    "it has no pidfd_open(), or a container forbids it: comleased can't tell "
		    "that a process has ended");
	if (!k->peerpidfd)
		doctor_say(d, DOCTOR_OK, NULL,
			   "without SO_PEERPIDFD (Linux 6.5): comleased knows its clients by pid");
	if (!k->passrights)
		doctor_say(d, DOCTOR_OK, NULL,
			   "without SO_PASSRIGHTS (Linux 6.16): comleased refuses descriptors from "
			   "clients by other means");
	if (!k->notifications)
		doctor_say(
		    d, DOCTOR_WARN, "Linux 5.9 or later, and a container that allows seccomp()",
		    "without seccomp user notification: `run --seccomp`, and `run` of programs "
		    "that are linked statically, can't catch their opens");
	if (k->pidfd && k->peerpidfd && k->passrights && k->notifications)
		doctor_say(d, DOCTOR_OK, NULL,
			   "it has pidfd_open, SO_PEERPIDFD, SO_PASSRIGHTS, seccomp notification");
}

/* `run --seccomp` reads the paths out of another process's memory. */
void
doctor_check_tracing(struct doctor *d)
{
	char text[16];
	bool known = doctor_read(d, "/proc/sys/kernel/yama/ptrace_scope", text, sizeof text);
	int scope = known ? atoi(text) : 0;

	if (scope == 0)
		doctor_say(d, DOCTOR_OK, NULL,
			   "a program may look into its user's others, as `run "
			   "--seccomp` does");
	else if (scope == 3 || d->uid != 0)
		doctor_say(d, DOCTOR_WARN,
			   scope == 3 ? "kernel.yama.ptrace_scope is set for good until the next "
					"start of the machine"
				      : "sudo sysctl kernel.yama.ptrace_scope=0, or `comlease run "
					"PORT -- ...`, which needs none of it",
			   "kernel.yama.ptrace_scope is %d: `run --seccomp`, and `run` of programs "
			   "that are linked statically, can't look at what those open",
			   scope);
	else
		doctor_say(
		    d, DOCTOR_OK, NULL,
		    "kernel.yama.ptrace_scope is %d: for root `run --seccomp` works, for others "
		    "it does not",
		    scope);
}
