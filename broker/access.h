/*
 * access.h - who may do what: the rules of [access], [access PORT] and [access POOL], applied to an
 * identity from a socket. Pure: no I/O, no look-up, no state.
 *
 * Names are those of ports and pools that the configuration has; for any other one [access] holds.
 */
#ifndef COMLEASE_ACCESS_H
#define COMLEASE_ACCESS_H

#include "config.h"

#define ACCESS_CEILING 100 /* the highest priority there is; that of everybody by default */

struct access_identity {
	uid_t uid;
	const gid_t *groups; /* all of them, the primary one too */
	size_t group_count;
	bool is_admin; /* root, or the broker's own user: may do everything */
};

enum access_right { ACCESS_REVOKE, ACCESS_EVICT, ACCESS_DISABLE };

/* Does a rule for that user, that group or everybody mean this identity? (Never CONFIG_COMMAND.) */
bool access_fits(enum config_who, uint32_t id, const struct access_identity *);

/*
 * May it ask for that port? `pool`: the pool whose name it asked by; NULL: it named the port. The
 * key `ask` is looked for in [access POOL], [access PORT], [access], and the first section that has
 * it decides; without any, everybody may. So a pool's list opens ports that are closed by name, and
 * where it has none, a pool gives only those of its ports that each for itself would.
 */
bool access_may_ask(const struct config *, const struct access_identity *, const char *port,
		    const char *pool);

/*
 * The highest priority that it may ask with, found the same way: of the list's entries that fit the
 * one that allows most; 0 if none fits; ACCESS_CEILING without a list, and for an administrator. A
 * request with a higher one is not refused but lowered to it.
 */
int access_ceiling(const struct config *, const struct access_identity *, const char *port,
		   const char *pool);

/* May it do that to the port? [access PORT], [access]; without either: administrators only. That a
 * holder may revoke his own lease is for the caller to say. */
bool access_may(const struct config *, const struct access_identity *, enum access_right,
		const char *port);

#endif
