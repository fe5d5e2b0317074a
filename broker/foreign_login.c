/*
 * foreign_login.c - who offers logins on a serial line. Such a one does not let go: when he ends,
 * he is started again. Knows names only, and asks the system nothing.
 */
#include "foreign_login.h"

#include <string.h>

static bool
is_one_of(const char *name, const char *const *names)
{
	for (; *names != NULL; names++)
		if (strcmp(name, *names) == 0)
			return true;
	return false;
}

bool
foreign_offers_login(const struct foreign *who)
{
	/* they wait for calls and step aside for others (LCK..): let them run under comlease */
	static const char *const modem[] = { "mgetty", "vgetty", "faxgetty", "uugetty", NULL };
	static const char *const local[] = { "agetty",  "getty",  "fgetty", "mingetty",
					     "fbgetty", "ngetty", "login",  NULL };
	static const char *const units[] = { "serial-getty@", "getty@", "container-getty@",
					     "console-getty.", NULL };
	const char *const *unit;

	if (is_one_of(who->command, modem))
		return false;
	if (is_one_of(who->command, local))
		return true;
	for (unit = units; *unit != NULL; unit++)
		if (strncmp(who->unit, *unit, strlen(*unit)) == 0)
			return true;
	return false;
}
