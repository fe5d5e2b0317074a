/*
 * test_shim_process.c - the shim in each kind of process: forked, spawned, executed, a daemon, with
 * threads, in signal handlers, before main(), with hardly any descriptors, without privileges.
 */
#include "shim_fixture.h"
#include "support.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAGS "rw,noctty"

static const char absent[] = "/dev/comlease-absent"; /* the fake broker grants it, too */

/* ---- processes ---- */

START_TEST(a_forked_child_gets_the_lease)
{
	run_client("open 3 O_RDWR\nopen 4 O_RDWR\nfds 5\n", "open", fake.device, FLAGS, "fork",
		   "open", fake.device, FLAGS, "fds", NULL);
	ck_assert_int_eq(fake.acquires, 2);
}
END_TEST

START_TEST(a_vforked_child_gets_the_lease_and_leaves_its_parent_whole)
{
	run_client("vfork 3\nfds 3\nopen 3 O_RDWR\nvfork 4\nopen -1 ENOENT\nfds 4\n", "vfork",
		   fake.device, "fds", "open", fake.device, FLAGS, "vfork", fake.device, "open",
		   "/dev/comlease-other", FLAGS, "fds", NULL);
	ck_assert_int_eq(fake.acquires, 4);
}
END_TEST

START_TEST(a_chain_of_spawned_and_executed_programs_gets_the_lease)
{
	const char *self = shim_client_path();

	run_client("open 3 O_RDWR\nopen 4 O_RDWR|O_CLOEXEC\nopen 4 O_RDWR\nfds 5\n", "open",
		   fake.device, FLAGS, "exec", self, "open", fake.device, "rw,cloexec", "spawn",
		   self, "open", fake.device, FLAGS, "fds", NULL);
	ck_assert_int_eq(fake.acquires, 3);
}
END_TEST

START_TEST(a_daemon_gets_and_keeps_the_lease)
{
	run_client("open 3 O_RDWR\nopen 4 O_RDWR\nfds 5\n", "open", fake.device, FLAGS, "daemon",
		   "open", fake.device, FLAGS, "fds", NULL);
	ck_assert_int_eq(fake.acquires, 2);
}
END_TEST

START_TEST(a_program_that_first_closes_all_descriptors_gets_the_lease)
{
	run_client("open 3 O_RDWR\nopen 3 O_RDWR\nfds 4\n", "open", "/dev/null", "rw", "close-all",
		   "open", fake.device, FLAGS, "fds", NULL);
}
END_TEST

START_TEST(a_constructor_that_opens_before_main_gets_the_lease)
{
	char link[128];

	snprintf(link, sizeof(link), "%s/modem", fake.folder);
	ck_assert_int_eq(symlink(fake.device, link), 0);
	shim_preload_first = "preload_early.so";
	setenv("COMLEASE_TEST_EARLY", link, 1);
	run_client("early 3\nopen 4 O_RDWR\nfds 5\n", "open", fake.device, FLAGS, "fds", NULL);
	ck_assert_int_eq(fake.acquires, 2);
	setenv("COMLEASE_TEST_EARLY", "/dev/null", 1);
	run_client("early 3\nfds 4\n", "fds", NULL);
	ck_assert_int_eq(fake.acquires, 2);
	unsetenv("COMLEASE_TEST_EARLY");
}
END_TEST

#ifndef __SANITIZE_ADDRESS__ /* which looks its own functions up, too */
START_TEST(a_look_up_that_opens_a_file_itself_ends)
{
	shim_preload_first = "preload_lookup.so";
	run_client("open 3 O_RDWR\nopen 4 O_RDWR\nfds 5\n", "open", "/dev/null", FLAGS, "open",
		   fake.device, FLAGS, "fds", NULL);
	ck_assert_int_eq(fake.acquires, 1);
}
END_TEST
#endif

/* ---- threads ---- */

START_TEST(threads_open_two_ports_at_the_same_time)
{
	run_client("threads 16\nfds 3\nthreads 16\nthreads 16\nfds 3\n", "threads", fake.device,
		   absent, "fds", "threads", "/dev/null", fake.device, "threads", "/dev/null",
		   "/dev/zero", "fds", NULL);
	ck_assert_int_eq(fake.acquires, 24);
}
END_TEST

#ifndef __SANITIZE_ADDRESS__ /* which makes frames larger */
START_TEST(a_thread_with_the_smallest_stack_opens_ports_and_other_files)
{
	setenv("COMLEASE_DEVICES", "/dev/comlease-other", 1);
	run_client("small-stack 1\nsmall-stack 0\nsmall-stack 1\n", "small-stack", "/dev/null",
		   "small-stack", "/nowhere/at/all", "small-stack", fake.device, NULL);
}
END_TEST
#endif

/* ---- signals ---- */

START_TEST(a_handler_that_interrupts_the_wait_may_open)
{
	fake.mode = FAKE_HOLD;
	run_client("handler 4 O_RDWR\nopen -1 EINTR\nfds 4\n", "alarm-open", "200", "/dev/null",
		   "open", fake.device, FLAGS, "fds", NULL);
	ck_assert_int_eq(fake.acquires, 1);
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST

/* While the one port is waited for, the handler gets the other; the wait's own connection stays. */
START_TEST(a_handler_that_interrupts_the_wait_may_open_another_port)
{
	char link[128];

	snprintf(link, sizeof(link), "%s/modem", fake.folder);
	ck_assert_int_eq(symlink(fake.device, link), 0);
	fake.mode = FAKE_HOLD;
	fake.free_device = link;
	run_client("handler 4 O_RDWR\nopen -1 EINTR\nfds 4\n", "alarm-open", "200", link, "open",
		   fake.device, FLAGS, "fds", NULL);
	fake.free_device = NULL;
	ck_assert_int_eq(fake.acquires, 2);
	ck_assert(fake_await(&fake.hung_up, 2));
}
END_TEST

START_TEST(a_handler_that_closes_everything_ends_the_wait_and_no_more)
{
	fake.mode = FAKE_HOLD;
	run_client("open -1 EBUSY\nfds 3\nopen 3 O_RDWR\nfds 4\n", "alarm-close", "200", "open",
		   fake.device, FLAGS, "fds", "open", "/dev/null", "rw", "fds", NULL);
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST

/* ---- limits ---- */

START_TEST(a_process_without_free_descriptors_is_told_so)
{
	setenv("COMLEASE_DEVICES", fake.device, 1);
	if (_i)
		setenv("COMLEASE_REQUIRE", "1", 1);
	run_client("limit 0 -\nopen -1 EMFILE\n", "limit", "3", "open", fake.device, FLAGS, NULL);
	ck_assert_int_eq(fake.acquires, 0);
	/* One is not enough: the socket takes it. And it is no reason to open around the broker. */
	run_client("limit 0 -\nopen -1 EMFILE\nopen 3 O_RDWR\nopen -1 EMFILE\nopen -1 EMFILE\n",
		   "limit", "4", "open", fake.device, FLAGS, "open", "/dev/null", "rw", "open",
		   fake.device, FLAGS, "open", "/dev/null", "rw", NULL);
	ck_assert(fake_await(&fake.hung_up, 1));
	run_client("limit 0 -\nopen 3 O_RDWR\n", "limit", "5", "open", fake.device, FLAGS, NULL);
}
END_TEST

START_TEST(a_process_in_a_chroot_gets_the_lease_of_the_device_by_its_number)
{
	char node[128], device[64];

	snprintf(node, sizeof(node), "%s/line", fake.folder);
	ck_assert_int_eq(mknod(node, S_IFCHR | 0600, fake.rdev), 0);
	setenv("COMLEASE_SOCKET", "/s", 1);
	run_client("chroot 0 -\nopen 3 O_RDWR\nsetuid 0 -\nopen 4 O_RDWR\n", "chroot", fake.folder,
		   "open", "/line", FLAGS, "setuid", "0", "open", "line", FLAGS, NULL);
	fake_last_text(&fake, "device", device, sizeof(device));
	ck_assert_str_eq(device, "/line");
	ck_assert_int_eq(fake.acquires, 2);
}
END_TEST

START_TEST(a_process_that_gave_up_its_privileges_gets_the_lease)
{
	ck_assert_int_eq(chmod(fake.folder, 0755), 0);
	ck_assert_int_eq(chmod(fake.path, 0666), 0);
	ck_assert_int_eq(chmod(fake.device, 0600), 0);
	setenv("COMLEASE_DEVICES", fake.device, 1);
	run_client("setuid 0 -\nopen 3 O_RDWR\nfds 4\n", "setuid", "65534", "open", fake.device,
		   FLAGS, "fds", NULL);
	run_plain_client("setuid 0 -\nopen -1 EACCES\n", "setuid", "65534", "open", fake.device,
			 FLAGS, NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("shim_process");
	TCase *t = tcase_create("processes");

	suite_add_tcase(suite, t);
	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, shim_set_up, shim_tear_down);
	tcase_add_test(t, a_forked_child_gets_the_lease);
	tcase_add_test(t, a_vforked_child_gets_the_lease_and_leaves_its_parent_whole);
	tcase_add_test(t, a_chain_of_spawned_and_executed_programs_gets_the_lease);
	tcase_add_test(t, a_daemon_gets_and_keeps_the_lease);
	tcase_add_test(t, a_program_that_first_closes_all_descriptors_gets_the_lease);
	tcase_add_test(t, a_constructor_that_opens_before_main_gets_the_lease);
	tcase_add_test(t, threads_open_two_ports_at_the_same_time);
#ifndef __SANITIZE_ADDRESS__
	tcase_add_test(t, a_look_up_that_opens_a_file_itself_ends);
	tcase_add_test(t, a_thread_with_the_smallest_stack_opens_ports_and_other_files);
#endif
	tcase_add_test(t, a_handler_that_interrupts_the_wait_may_open);
	tcase_add_test(t, a_handler_that_interrupts_the_wait_may_open_another_port);
	tcase_add_test(t, a_handler_that_closes_everything_ends_the_wait_and_no_more);
	tcase_add_loop_test(t, a_process_without_free_descriptors_is_told_so, 0, 2);
	support_add(t, a_process_in_a_chroot_gets_the_lease_of_the_device_by_its_number,
		    geteuid() == 0, "chroot() and mknod() need root");
	support_add(t, a_process_that_gave_up_its_privileges_gets_the_lease, geteuid() == 0,
		    "there are no privileges to give up");
	return support_run(suite);
}
