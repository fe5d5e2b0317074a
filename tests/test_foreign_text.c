/* test_foreign_text.c - a foreign holder's line of text, and the unit that a cgroup names. */
#include "support.h"

#include "../broker/foreign.h"
#include "../broker/foreign_unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the text ---- */

static const struct foreign minicom = { .pid = 4312,
					.uid = 1000,
					.start_ticks = 123456,
					.since_real_ms = 1784000000123,
					.how = FOREIGN_OPEN | FOREIGN_LOCKFILE,
					.command = "minicom",
					.unit = "minicom.service",
					.lock = "LCK..tty S0" };

START_TEST(what_was_printed_is_parsed_back)
{
	struct foreign back, unseen = { .uid = (uid_t)-1, .how = FOREIGN_FLOCK };
	char text[FOREIGN_TEXT_MAX];

	memset(&back, 1, sizeof(back));
	foreign_print(&minicom, text);
	ck_assert_int_eq(foreign_parse(text, &back), 0);
	ck_assert_int_eq(back.pid, minicom.pid);
	ck_assert_uint_eq(back.uid, minicom.uid);
	ck_assert_uint_eq(back.start_ticks, minicom.start_ticks);
	ck_assert_int_eq(back.since_real_ms, minicom.since_real_ms);
	ck_assert_uint_eq(back.how, minicom.how);
	ck_assert_str_eq(back.command, minicom.command);
	ck_assert_str_eq(back.unit, minicom.unit);
	ck_assert_str_eq(back.lock, minicom.lock);
	foreign_print(&unseen, text);
	ck_assert_int_eq(foreign_parse(text, &back), 0);
	ck_assert_uint_eq(back.uid, (uid_t)-1);
	ck_assert_str_eq(back.command, "");
}
END_TEST

static void
fill(char *text, size_t size, const char *what)
{
	size_t n = 0;

	while (n + strlen(what) < size)
		n += (size_t)sprintf(text + n, "%s", what);
}

START_TEST(longest_names_fit_or_only_the_lock_file_is_cut)
{
	struct foreign who = { .pid = 4194304,
			       .uid = UINT32_MAX,
			       .start_ticks = 0xfffffffffff,
			       .since_real_ms = 0x1ffffffffff,
			       .how = 15 };
	char text[FOREIGN_TEXT_MAX];
	struct foreign back;

	fill(who.command, sizeof(who.command), "c");
	fill(who.unit, sizeof(who.unit), "u");
	fill(who.lock, sizeof(who.lock), "l");
	foreign_print(&who, text);
	ck_assert_int_eq(foreign_parse(text, &back), 0);
	ck_assert_str_eq(back.lock, who.lock);
	who.pid = INT32_MAX;
	who.start_ticks = UINT64_MAX;
	who.since_real_ms = INT64_MAX;
	fill(who.lock, sizeof(who.lock), "\\xff");
	foreign_print(&who, text);
	ck_assert_int_eq(foreign_parse(text, &back), 0);
	ck_assert_str_eq(back.unit, who.unit);
	ck_assert_uint_eq(back.start_ticks, UINT64_MAX);
	ck_assert_uint_gt(strlen(back.lock), 40);
	ck_assert_uint_eq(strlen(back.lock) % 4, 0); /* not within an escape */
}
END_TEST

START_TEST(malformed_text_is_refused)
{
	static const char *const bad[] = {
		"",
		"1",
		"1 2 3 4 1",
		"1 2 3 4 1\ta\tb",
		"1 2 3 4 1\ta\tb\tc\td",
		"1 2 3 4 1\ta\tb\tc\n",
		"-1 2 3 4 1\ta\tb\tc",
		"+1 2 3 4 1\ta\tb\tc",
		" 1 2 3 4 1\ta\tb\tc",
		"1  2 3 4 1\ta\tb\tc",
		"0x1 2 3 4 1\ta\tb\tc",
		"2147483648 2 3 4 1\ta\tb\tc",
		"1 4294967296 3 4 1\ta\tb\tc",
		"1 2 10000000000000000 4 1\ta\tb\tc",
		"1 2 3 8000000000000000 1\ta\tb\tc",
		"1 2 3 4 10\ta\tb\tc",
		"1 2 3 4 1\ta\x01\tb\tc",
		"1 2 3 4 1\ta\tb\tc\x80",
		("1 2 3 4 1\ta\tb\t"
		 "0123456789012345678901234567890123456789012345678901234567890123"),
	};
	struct foreign who = minicom;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(foreign_parse(bad[i], &who) == -EINVAL, "taken: %s", bad[i]);
	ck_assert_int_eq(who.pid, minicom.pid); /* untouched */
	ck_assert_int_eq(foreign_parse("1 2 3 4 1\ta\tb\tc", &who), 0);
}
END_TEST

/* ---- units ---- */

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

START_TEST(unit_is_the_last_part_that_means_something)
{
	static const char *const cases[][2] = {
		{ "0::/system.slice/minicom.service\n", "minicom.service" },
		{ "0::/system.slice/system-serial\\x2dgetty.slice/serial-getty@ttyS0.service\n",
		  "serial-getty@ttyS0.service" },
		{ "0::/user.slice/user-1000.slice/session-3.scope\n", "" },
		{ "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "" },
		{ "0::/user.slice/user-1000.slice/user@1000.service/app.slice/sms.service\n",
		  "sms.service" },
		{ "0::/system.slice/docker-" ID ".scope\n", "docker-0123456789ab" },
		{ "0::/system.slice/docker-" ID ".scope/init/x.service\n", "docker-0123456789ab" },
		{ "0::/machine.slice/libpod-" ID ".scope/container\n", "libpod-0123456789ab" },
		{ "0::/docker/" ID "\n", "docker-0123456789ab" },
		{ "0::/kubepods/besteffort/pod12/" ID "\n", "0123456789ab" },
		{ "0::/lxc.payload.alpha/system.slice/fax.service\n", "lxc-alpha" },
		{ "0::/\n", "" },
		{ "", "" },
		{ "0::", "" },
		{ "9:name=systemd:/system.slice/cron.service\n8:pids:/\n0::/\n", "cron.service" },
		{ "0::/system.slice/a b\x01.service\n", "a b\\x01.service" },
	};
	char unit[FOREIGN_UNIT_MAX];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		foreign_unit(cases[i][0], unit, sizeof(unit));
		ck_assert_str_eq(unit, cases[i][1]);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("foreign text");
	TCase *t = tcase_create("foreign text");

	tcase_add_test(t, what_was_printed_is_parsed_back);
	tcase_add_test(t, longest_names_fit_or_only_the_lock_file_is_cut);
	tcase_add_test(t, malformed_text_is_refused);
	tcase_add_test(t, unit_is_the_last_part_that_means_something);
	suite_add_tcase(suite, t);
	return support_run(suite);
}
