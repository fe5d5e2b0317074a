/*
 * broker_access.c - who may do what: access.c and class.c, which decide, for our peers and ports.
 * Who a peer is comes from its socket, and from nothing that it says.
 */
#include "access.h"
#include "broker.h"
#include "class.h"

#include <stdio.h>
#include <unistd.h>

static struct access_identity
identify(const struct peer *p)
{
	struct access_identity identity = { .uid = p->uid,
					    .is_admin = p->uid == 0 || p->uid == geteuid() };

	identity.group_count = peer_groups(p, &identity.groups);
	return identity;
}

static const char *
or_null(const char *name)
{
	return name != NULL && *name != '\0' ? name : NULL;
}

bool
access_peer_may_ask(const struct peer *p, const struct port *port, const char *pool)
{
	const struct access_identity identity = identify(p);

	return access_may_ask(&port->broker->config, &identity, port->config.name, or_null(pool));
}

int
access_top_priority(const struct peer *p, const struct port *port, const char *pool)
{
	const struct access_identity identity = identify(p);

	return access_ceiling(&port->broker->config, &identity, port->config.name, or_null(pool));
}

static bool
may(const struct peer *p, const struct port *port, enum access_right right)
{
	const struct access_identity identity = identify(p);

	return access_may(&port->broker->config, &identity, right, port->config.name);
}

bool
access_may_revoke(const struct peer *p, const struct port *port)
{
	return (port->holder != NULL && port->holder->uid == p->uid) || may(p, port, ACCESS_REVOKE);
}

bool
access_may_evict(const struct peer *p, const struct port *port)
{
	return may(p, port, ACCESS_EVICT);
}

bool
access_may_disable(const struct peer *p, const struct port *port)
{
	return may(p, port, ACCESS_DISABLE);
}

void
access_class(const struct peer *p, const struct port *port, const char *command, char *class)
{
	const struct access_identity identity = identify(p);

	snprintf(class, CONFIG_NAME_MAX + 1, "%s",
		 class_of(&port->config, NULL, command, &identity));
}
