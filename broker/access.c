/*
 * access.c - may this identity do that, on this port? It refuses to know where identities come from
 * (peer.c) and what a request is.
 *
 * The one idea: rules are never merged. The most special section that has the key at all gives the
 * whole list, so that whoever reads that section knows who may.
 */
#include "access.h"

#include <assert.h>
#include <stddef.h>

#define LIST(member) offsetof(struct config_access, member)

bool
access_fits(enum config_who who, uint32_t id, const struct access_identity *identity)
{
	if (who == CONFIG_EVERYBODY)
		return true;
	if (who == CONFIG_USER)
		return identity->uid == id;
	assert(who == CONFIG_GROUP);
	for (size_t i = 0; i < identity->group_count; i++)
		if (identity->groups[i] == id)
			return true;
	return false;
}

/* The list at that offset in the section of that name; NULL: it isn't set there. */
static const struct config_grants *
list_in(const struct config *config, const char *name, size_t offset)
{
	const struct config_access *access = name ? config_find_access(config, name) : NULL;
	const struct config_grants *list;

	if (!access)
		return NULL;
	list = (const void *)((const char *)access + offset);
	return list->is_set ? list : NULL;
}

/* The list that decides, or NULL. */
static const struct config_grants *
deciding_list(const struct config *config, const char *port, const char *pool, size_t offset)
{
	const char *const names[] = { pool, port, "" };
	const struct config_grants *list = NULL;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !list; i++)
		list = list_in(config, names[i], offset);
	return list;
}

static bool
is_on(const struct config_grants *list, const struct access_identity *identity)
{
	for (uint32_t i = 0; i < list->count; i++)
		if (access_fits(list->list[i].who, list->list[i].id, identity))
			return true;
	return false;
}

bool
access_may_ask(const struct config *config, const struct access_identity *identity,
	       const char *port, const char *pool)
{
	const struct config_grants *list = deciding_list(config, port, pool, LIST(ask));

	return identity->is_admin || !list || is_on(list, identity);
}

int
access_ceiling(const struct config *config, const struct access_identity *identity,
	       const char *port, const char *pool)
{
	const struct config_grants *list = deciding_list(config, port, pool, LIST(priority));
	bool fits = false;
	int ceiling = 0;

	if (identity->is_admin || !list)
		return ACCESS_CEILING;
	for (uint32_t i = 0; i < list->count; i++) {
		const struct config_grant *grant = &list->list[i];

		if (!access_fits(grant->who, grant->id, identity))
			continue;
		if (!fits || grant->priority > ceiling)
			ceiling = grant->priority;
		fits = true;
	}
	return ceiling;
}

bool
access_may(const struct config *config, const struct access_identity *identity,
	   enum access_right right, const char *port)
{
	static const size_t lists[] = { [ACCESS_REVOKE] = LIST(revoke),
					[ACCESS_EVICT] = LIST(evict),
					[ACCESS_DISABLE] = LIST(disable) };
	const struct config_grants *list = deciding_list(config, port, NULL, lists[right]);

	return identity->is_admin || (list && is_on(list, identity));
}
