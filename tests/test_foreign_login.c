/*
 * test_foreign_login.c - who of those that have a device offers logins on it.
 */
#include "../broker/foreign_login.h"

#include <check.h>
#include <stdio.h>

#include "support.h"

static const struct {
	const char *command, *unit;
	bool offers;
} cases[] = {
	{ "agetty", "serial-getty@ttyS0.service", true },
	{ "agetty", "", true },
	{ "getty", "", true },                        /* busybox, from inittab */
	{ "login", "", true },                        /* in the session that it has opened */
	{ "sh", "serial-getty@ttyS0.service", true }, /* a site's own */
	{ "kmscon", "console-getty.service", true },
	{ "mgetty", "serial-getty@ttyS0.service", false },
	{ "mgetty", "", false },
	{ "vgetty", "", false },
	{ "faxgetty", "hylafax.service", false },
	{ "bash", "", false },
	{ "minicom", "minicom.service", false },
	{ "agetty2", "my-serial-getty@ttyS0.service", false },
	{ "", "", false },
};

START_TEST(gettys_and_logins_are_told_from_all_others)
{
	struct foreign who = { .pid = 1 };

	snprintf(who.command, sizeof(who.command), "%s", cases[_i].command);
	snprintf(who.unit, sizeof(who.unit), "%s", cases[_i].unit);
	ck_assert_msg(foreign_offers_login(&who) == cases[_i].offers, "%s of %s", cases[_i].command,
		      cases[_i].unit);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("foreign_login");
	TCase *t = tcase_create("login");

	tcase_add_loop_test(t, gettys_and_logins_are_told_from_all_others, 0,
			    sizeof(cases) / sizeof(cases[0]));
	suite_add_tcase(suite, t);
	return support_run(suite);
}
