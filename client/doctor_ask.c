/*
 * doctor_ask.c - what several checks need, gathered once: the broker's answers, who asks, the
 * machine's ports, the kernel's abilities.
 *
 * Responsible for: never waiting long. A broker that hangs is one of the things that a doctor is
 * called for.
 */
#include "doctor.h"
#include "internal.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ANSWER_MS 3000

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

/* The reply of a method, or NULL, and errno. */
static json_t *
ask(struct comlease *c, const char *method)
{
	json_t *reply;

	return comlease_call_within(c, method, NULL, &reply, ANSWER_MS) == 0 ? reply : NULL;
}

static void
ask_broker(struct doctor *d, const char *socket)
{
	struct comlease *c = comlease_connect(socket);
	socklen_t size = sizeof(struct ucred);
	struct ucred peer;

	if (!c)
		return;
	if (doctor_is_asleep(d) && strcmp(comlease_socket_path(c), COMLEASE_SOCKET_SYSTEM) == 0) {
		d->error = EHOSTDOWN; /* nothing is started by us */
	} else if (comlease_open_socket(c) < 0) {
		/* the plain reason: the library makes "nobody there" of several */
		d->error = comlease_try_connect(c) < 0 ? errno : 0;
	}
	if (d->error == 0 &&
	    getsockopt(comlease_socket(c), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
		d->owner = peer.uid;
	if (d->error == 0) {
		d->info = ask(c, "org.varlink.service.GetInfo");
		d->error = d->info ? 0 : errno;
	}
	if (d->error == 0) {
		d->list = ask(c, "io.comlease.List");
		d->error = d->list ? 0 : errno;
	}
	d->socket = strdup(comlease_socket_path(c));
	d->reason = strdup(d->error ? comlease_error(c) : "");
	comlease_disconnect(c);
}

static void
see_who(struct doctor *d)
{
	const char *name = text_user(geteuid());
	int n = getgroups((int)(sizeof d->groups / sizeof *d->groups) - 1, d->groups);

	d->uid = geteuid();
	if (name)
		snprintf(d->user, sizeof d->user, "%s", name);
	else
		snprintf(d->user, sizeof d->user, "uid %u", (unsigned)d->uid);
	d->group_count = n > 0 ? (size_t)n : 0;
	d->groups[d->group_count++] = getegid();
}

static struct doctor_kernel
see_kernel(void)
{
	struct doctor_kernel kernel = { 0 };
	uint32_t action = SECCOMP_RET_USER_NOTIF;
	int pair[2], value;
	socklen_t size = sizeof value;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
		kernel.passrights =
		    getsockopt(pair[0], SOL_SOCKET, SO_PASSRIGHTS, &value, &size) == 0;
		size = sizeof value;
		if (getsockopt(pair[0], SOL_SOCKET, SO_PEERPIDFD, &value, &size) == 0) {
			kernel.peerpidfd = true;
			close(value);
		}
		close(pair[0]);
		close(pair[1]);
	}
	int pidfd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	kernel.pidfd = pidfd >= 0;
	if (pidfd >= 0)
		close(pidfd);
	kernel.notifications = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
	return kernel;
}

void
doctor_gather(struct doctor *d, const char *socket)
{
	doctor_ask_systemd(d);
	ask_broker(d, socket);
	see_who(d);
	d->kernel = see_kernel();
	ports_read(&d->ports); /* none to be had: that is said where udev is looked at */
	ports_find_logins(&d->ports, d->root);
	ports_match(&d->ports, d->list);
	ports_name(&d->ports, d->list);
}
