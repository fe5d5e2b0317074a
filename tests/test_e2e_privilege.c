/*
 * test_e2e_privilege.c - what the processes of a real comleased may do, and what they have: the
 * broker no capability and no device, a keeper one capability and its own device.
 */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOBODY "65534"

/* ---- what its processes may ---- */

/* The line of /proc/PID/status that starts with `key`, behind it. */
static const char *
status_of(pid_t pid, const char *key)
{
	static char line[256];
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	do
		ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	while (strncmp(line, key, strlen(key)) != 0);
	fclose(f);
	return line + strlen(key);
}

#define CAP_SYS_ADMIN_BIT (1ULL << 21)

static void
expect_capabilities(pid_t pid, unsigned long long caps)
{
	ck_assert_uint_eq(strtoull(status_of(pid, "CapEff:"), NULL, 16), caps);
	ck_assert_uint_eq(strtoull(status_of(pid, "CapPrm:"), NULL, 16), caps);
	ck_assert_int_eq(atoi(status_of(pid, "NoNewPrivs:")), 1);
}

START_TEST(broker_has_the_uid_of_user_and_no_capability_and_keepers_have_one)
{
	static const char ids[] = "\t" NOBODY "\t" NOBODY "\t" NOBODY "\t" NOBODY "\n";

	support_begin();
	support_plug("modem0");
	support_start("[broker]\nuser = nobody\n" SUPPORT_PORT("modem0"));
	ck_assert_str_eq(status_of(support_broker(), "Uid:"), ids);
	ck_assert_str_eq(status_of(support_broker(), "Gid:"), ids);
	ck_assert_int_eq(atoi(status_of(support_broker(), "Groups:")), 0);
	expect_capabilities(support_broker(), 0);
	expect_capabilities(support_keeper("modem0"), CAP_SYS_ADMIN_BIT);
	close(support_acquire("modem0", NULL));
	support_end();
}
END_TEST

/* Also where it stays the same user. */
START_TEST(broker_has_no_capability_whoever_it_is)
{
	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	expect_capabilities(support_broker(), 0);
	expect_capabilities(support_keeper("modem0"), support_can_revoke() ? CAP_SYS_ADMIN_BIT : 0);
	support_end();
}
END_TEST

/* ---- what its processes have ---- */

/* How many descriptors of that device (a path below /dev/pts) a process has. */
static int
count_descriptors(pid_t pid, const char *device)
{
	char path[64], target[256];
	ssize_t n;
	int count = 0;

	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%ld/fd/%d", (long)pid, fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n > 0 ? n : 0] = '\0';
		count += strcmp(target, device) == 0;
	}
	return count;
}

START_TEST(keeper_has_no_descriptor_of_another_port)
{
	static const char *const names[] = { "modem0", "modem1", "modem2" };
	char devices[3][256];
	int leases[3];

	support_begin();
	for (int i = 0; i < 3; i++) {
		support_plug(names[i]);
		ck_assert_ptr_nonnull(realpath(support_path(names[i]), devices[i]));
	}
	support_start(SUPPORT_PORT("modem0") SUPPORT_PORT("modem1") SUPPORT_PORT("modem2"));
	for (int i = 0; i < 3; i++)
		leases[i] = support_acquire(names[i], NULL);
	support_kill_keeper("modem1"); /* the new one is started while all of them are held */
	for (int i = 0; i < 3; i++)
		close(leases[i]);
	close(support_acquire("modem1", NULL));
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++)
			ck_assert_int_eq(count_descriptors(support_keeper(names[i]), devices[j]),
					 i == j);
	for (int j = 0; j < 3; j++) {
		ck_assert_int_eq(count_descriptors(support_broker(), devices[j]), 0);
		ck_assert_int_eq(count_descriptors(support_pid, devices[j]), 0);
	}
	support_end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("privilege");
	TCase *tcase = tcase_create("privilege");

	tcase_set_timeout(tcase, 60);
	support_add(tcase, broker_has_the_uid_of_user_and_no_capability_and_keepers_have_one,
		    geteuid() == 0, "needs root");
	tcase_add_test(tcase, broker_has_no_capability_whoever_it_is);
	tcase_add_test(tcase, keeper_has_no_descriptor_of_another_port);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
