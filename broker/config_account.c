/*
 * config_account.c - the numbers of users and groups. It refuses to know what they may do.
 *
 * The one idea: a name of digits only is the number itself and is never looked up. config_print()
 * writes nothing else, so that processes that must not block never ask the name service.
 */
#include "config_value.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_MAX (1024 * 1024)

/* One try with a buffer of that size: 0, ERANGE, or errno. */
static int
look_up(enum config_who who, const char *name, char *buffer, size_t size, bool *found, uint32_t *id)
{
	struct passwd user, *found_user = NULL;
	struct group group, *found_group = NULL;
	int error;

	if (who == CONFIG_USER)
		error = getpwnam_r(name, &user, buffer, size, &found_user);
	else
		error = getgrnam_r(name, &group, buffer, size, &found_group);
	*found = found_user || found_group;
	if (*found)
		*id = who == CONFIG_USER ? user.pw_uid : group.gr_gid;
	return error;
}

/* 0, -ENOENT (POSIX lets some more errors mean that), -ENOMEM, -errno. */
static int
find(enum config_who who, const char *name, uint32_t *id)
{
	bool found = false;
	int error = ERANGE;

	for (size_t size = 1024; error == ERANGE && size <= BUFFER_MAX; size *= 4) {
		char *buffer = malloc(size);

		if (!buffer)
			return -ENOMEM;
		do
			error = look_up(who, name, buffer, size, &found, id);
		while (error == EINTR);
		free(buffer);
	}
	if (found)
		return 0;
	return error == 0 || error == ESRCH || error == EBADF || error == EPERM ? -ENOENT : -error;
}

int
config_find_account(enum config_who who, const char *name, uint32_t *id,
		    char reason[CONFIG_REASON_MAX])
{
	const char *what = who == CONFIG_USER ? "user" : "group";
	int error = config_parse_number(name, 10, id);

	if (error == -ERANGE || (error == 0 && *id == UINT32_MAX))
		return config_refuse(reason, "%.40s is out of range for a %s (0..%u)", name, what,
				     UINT32_MAX - 1);
	if (error == 0)
		return 0;
	error = name[0] == '\0' ? -ENOENT : find(who, name, id);
	if (error == -ENOENT)
		return config_refuse(reason, "there is no %s \"%.40s\"", what, name);
	if (error < 0 && error != -ENOMEM)
		return config_refuse(reason, "%s \"%.40s\" cannot be looked up: %s", what, name,
				     strerror(-error));
	return error;
}
