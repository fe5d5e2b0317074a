/*
 * test_shim_node.c - under the shim a managed port's node keeps its owner and permissions; every
 * other file changes as ever.
 */
#include "shim_fixture.h"
#include "support.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static struct stat before;
static char file[128], link_to_device[128];

static void
set_up(void)
{
	shim_set_up();
	ck_assert_int_eq(stat(fake.device, &before), 0);
	snprintf(file, sizeof(file), "%s/file", fake.folder);
	snprintf(link_to_device, sizeof(link_to_device), "%s/modem", fake.folder);
	close(open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	ck_assert_int_eq(symlink(fake.device, link_to_device), 0);
}

static void
assert_kept(void)
{
	struct stat now;

	ck_assert_int_eq(stat(fake.device, &now), 0);
	ck_assert_uint_eq(now.st_mode, before.st_mode);
	ck_assert_uint_eq(now.st_uid, before.st_uid);
	ck_assert_uint_eq(now.st_gid, before.st_gid);
}

static void
name_ports(int how)
{
	if (how == 0)
		setenv("COMLEASE_DEVICES", fake.device, 1);
}

START_TEST(a_ports_node_keeps_what_the_administrator_set)
{
	name_ports(_i);
	run_client("chmod 0 -\nfchmodat 0 -\nchown 0 -\nlchown 0 -\nfchownat 0 -\n", "chmod",
		   fake.device, "fchmodat", fake.device, "chown", fake.device, "lchown",
		   fake.device, "fchownat", fake.device, NULL);
	assert_kept();
	run_client("chmod 0 -\nfchmodat 0 -\nchown 0 -\nfchownat 0 -\n", "chmod", link_to_device,
		   "fchmodat", link_to_device, "chown", link_to_device, "fchownat", link_to_device,
		   NULL);
	assert_kept();
	run_client("open 3 O_RDWR\nfchmod 0 -\nfchown 0 -\nfchownat-fd 0 -\n", "open", fake.device,
		   "rw,noctty", "fchmod", "3", "fchown", "3", "fchownat-fd", "3", NULL);
	assert_kept();
	/* So it would be without the shim: the test means something. */
	run_plain_client("chmod 0 -\n", "chmod", fake.device, NULL);
	ck_assert_uint_ne(before.st_mode, 020644);
	ck_assert_int_eq(stat(fake.device, &before), 0);
	ck_assert_uint_eq(before.st_mode, 020644);
}
END_TEST

START_TEST(another_file_is_changed_as_ever)
{
	struct stat now;

	name_ports(_i);
	run_client("chmod 0 -\n", "chmod", file, NULL);
	ck_assert_int_eq(stat(file, &now), 0);
	ck_assert_uint_eq(now.st_mode & 0777, 0644);
	ck_assert_int_eq(chmod(file, 0600), 0);
	run_client("open 3 O_RDWR\nfchmod 0 -\n", "open", file, "rw", "fchmod", "3", NULL);
	ck_assert_int_eq(stat(file, &now), 0);
	ck_assert_uint_eq(now.st_mode & 0777, 0644);
	run_client("chmod -1 ENOENT\nfchmod -1 EBADF\nfchown -1 EBADF\n", "chmod",
		   "/dev/comlease-other", "fchmod", "77", "fchown", "77", NULL);
}
END_TEST

START_TEST(another_files_owner_is_changed_as_ever)
{
	struct stat now;

	run_client("lchown 0 -\nchown 0 -\n", "lchown", link_to_device, "chown", file, NULL);
	ck_assert_int_eq(lstat(link_to_device, &now), 0);
	ck_assert_uint_eq(now.st_uid, 65534); /* the link itself */
	ck_assert_int_eq(stat(file, &now), 0);
	ck_assert_uint_eq(now.st_uid, 65534);
	assert_kept();
}
END_TEST

START_TEST(an_unmanaged_terminal_is_changed_as_ever)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct stat now;
	char name[64];

	name_ports(_i);
	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, name, sizeof(name)), 0);
	run_client("chmod 0 -\n", "chmod", name, NULL);
	ck_assert_int_eq(stat(name, &now), 0);
	ck_assert_uint_eq(now.st_mode, 020644);
	close(master);
}
END_TEST

START_TEST(times_are_nobodys_rights)
{
	struct stat now;

	name_ports(_i);
	run_client("utimensat 0 -\n", "utimensat", fake.device, NULL);
	ck_assert_int_eq(stat(fake.device, &now), 0);
	ck_assert_int_eq(now.st_mtime, 1);
	run_client("utimensat 0 -\n", "utimensat", file, NULL);
	ck_assert_int_eq(stat(file, &now), 0);
	ck_assert_int_eq(now.st_mtime, 1);
}
END_TEST

START_TEST(without_a_broker_no_node_is_a_ports)
{
	struct stat now;

	fake_down(&fake, true);
	run_client("chmod 0 -\n", "chmod", fake.device, NULL);
	ck_assert_int_eq(stat(fake.device, &now), 0);
	ck_assert_uint_eq(now.st_mode, 020644);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shim_node");
	TCase *t = tcase_create("nodes");

	suite_add_tcase(suite, t);
	tcase_set_timeout(t, 20);
	tcase_add_checked_fixture(t, set_up, shim_tear_down);
	tcase_add_loop_test(t, a_ports_node_keeps_what_the_administrator_set, 0, 2);
	tcase_add_loop_test(t, another_file_is_changed_as_ever, 0, 2);
	support_add(t, another_files_owner_is_changed_as_ever, geteuid() == 0,
		    "only root gives files away");
	tcase_add_loop_test(t, an_unmanaged_terminal_is_changed_as_ever, 0, 2);
	tcase_add_loop_test(t, times_are_nobodys_rights, 0, 2);
	tcase_add_test(t, without_a_broker_no_node_is_a_ports);
	return support_run(suite);
}
