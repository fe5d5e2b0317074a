/*
 * peer_identity.c - who is at the other end of a connection, as the kernel has it: groups, and a
 * pidfd. It refuses to believe anything that a client says. What is seldom asked for is found out
 * when it is asked for.
 */
#include "kin.h"
#include "peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

/* Twice: the kernel says how long the list is when it does not fit. */
static void
read_groups(struct peer *p)
{
	struct ucred cred;
	socklen_t size = 0, cred_size = sizeof(cred);

	if (getsockopt(p->socket, SOL_SOCKET, SO_PEERCRED, &cred, &cred_size) < 0)
		return;
	if (getsockopt(p->socket, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
		size = 0;
	p->groups = malloc(size + sizeof(gid_t));
	if (p->groups == NULL)
		return;
	if (size > 0 && getsockopt(p->socket, SOL_SOCKET, SO_PEERGROUPS, p->groups, &size) < 0)
		size = 0;
	p->group_count = size / sizeof(gid_t);
	p->groups[p->group_count++] = cred.gid;
}

size_t
peer_groups(const struct peer *peer, const gid_t **groups)
{
	struct peer *p =
	    (struct peer *)peer; /* what it is asked for is found out when it is asked */

	if (!p->knows_groups)
		read_groups(p);
	p->knows_groups = true;
	*groups = p->groups;
	return p->group_count;
}

int
peer_pidfd(const struct peer *p)
{
	int fd;
	socklen_t size = sizeof(fd);

	if (getsockopt(p->socket, SOL_SOCKET, SO_PEERPIDFD, &fd, &size) == 0)
		return fd;
	return kin_pidfd(p->pid);
}
