/*
 * test_shim.c - the preload library, by running tests/shim_client.c under it with a fake broker in
 * this process. COMLEASE_TEST_SHIM and COMLEASE_TEST_CLIENT say where the two are; otherwise they
 * are looked for beside this program.
 */
#include "shim_fixture.h"
#include "support.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FLAGS "rw,noctty"

/* ---- what a program gets ---- */

START_TEST(each_kind_of_open_gets_the_lease)
{
	static const char *const kinds[] = { "open",   "open64",   "__open_2",   "__open64_2",
					     "openat", "openat64", "__openat_2", "__openat64_2",
					     "creat",  "creat64",  "__open",     "__open64" };
	char line[80];

	snprintf(line, sizeof(line), "%s 3 O_RDWR\nfds 4\n", kinds[_i]);
	run_client(line, kinds[_i], fake.device, FLAGS, "fds", NULL);
	ck_assert_int_eq(fake.acquires, 1);
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST

START_TEST(the_descriptor_has_the_callers_flags_and_no_others)
{
	run_client("open 3 O_RDWR|O_NONBLOCK\n", "open", fake.device, "rw,noctty,nonblock", NULL);
	run_client("open 3 O_RDWR|O_CLOEXEC\n", "open", fake.device, "rw,noctty,cloexec", NULL);
	run_client("open 3 O_RDWR|O_APPEND\n", "open", fake.device, "rw,noctty,append", NULL);
	run_client("open 3 O_RDWR\nfds 4\n", "open", fake.device, "r,noctty", "exec",
		   shim_client_path(), "fds", NULL);
	run_client("open 3 O_RDWR|O_CLOEXEC\nfds 3\n", "open", fake.device, "r,cloexec", "exec",
		   shim_client_path(), "fds", NULL);
}
END_TEST

START_TEST(the_descriptor_is_the_lowest_free_one)
{
	run_client("open 0 O_RDWR\nfds 3\n", "close-fd", "0", "open", fake.device, FLAGS, "fds",
		   NULL);
	run_client("open 3 O_RDONLY\nopen 4 O_RDONLY\nopen 3 O_RDWR\nopen 5 O_RDWR\nfds 6\n",
		   "open", "/", "r", "open", "/", "r", "close-fd", "3", "open", fake.device, FLAGS,
		   "open", fake.device, FLAGS, "fds", NULL);
}
END_TEST

START_TEST(streams_get_the_lease)
{
	run_client("fopen 3 O_RDWR\nfopen64 4 O_RDWR\nfds 5\n", "fopen", fake.device, "r+",
		   "fopen64", fake.device, "w", "fds", NULL);
	run_client("fopen 3 O_RDWR|O_CLOEXEC\n", "fopen", fake.device, "re", NULL);
	run_client("freopen 0 O_RDWR\nfds 3\n", "freopen", fake.device, "r+", "fds", NULL);
	run_client("freopen64 0 O_RDWR|O_CLOEXEC\nfds 3\n", "freopen64", fake.device, "re", "fds",
		   NULL);
	ck_assert_int_eq(fake.acquires, 5);
	fake.mode = FAKE_ERROR;
	fake.error = "io.comlease.Busy";
	run_client("fopen NULL EBUSY\nfreopen NULL EBUSY\nfds 2\n", "fopen", fake.device, "r+",
		   "freopen", fake.device, "r+", "fds", NULL);
	run_client("fopen NULL EINVAL\n", "fopen", fake.device, "q", NULL);
	fake.mode = FAKE_GRANT;
	run_client("wide 3 O_RDWR\nwide 4 O_RDWR|O_CLOEXEC\nfds 5\n", "fopen", fake.device,
		   "r+,ccs=UTF-8", "fopen", fake.device, "re,ccs=UTF-8", "fds", NULL);
}
END_TEST

START_TEST(each_form_of_the_path_is_recognised)
{
	const char *name = strrchr(fake.device, '/') + 1;
	char link[128], odd[128], device[128];

	snprintf(link, sizeof(link), "%s/modem", fake.folder);
	snprintf(odd, sizeof(odd), "//dev/./pts//../pts/%s", name);
	ck_assert_int_eq(symlink(fake.device, link), 0);
	run_client("open 3 O_RDWR\n", "open", link, FLAGS, NULL);
	fake_last_text(&fake, "device", device, sizeof(device));
	ck_assert_str_eq(device, link);
	run_client("open 3 O_RDWR\n", "open", odd, FLAGS, NULL);
	fake_last_text(&fake, "device", device, sizeof(device));
	ck_assert_str_eq(device, fake.device);
	ck_assert_int_eq(fake_last_number(&fake, "rdev"), (json_int_t)fake.rdev);
	run_client("chdir 0 -\nopen 3 O_RDWR\n", "chdir", "/dev/pts", "open", name, FLAGS, NULL);
	fake_last_text(&fake, "device", device, sizeof(device));
	ck_assert_str_eq(device, fake.device);
	run_client("below 4 O_RDWR\n", "below", "/dev/pts", name, NULL);
	fake_last_text(&fake, "device", device, sizeof(device));
	ck_assert_str_eq(device, fake.device);
	run_client("open -1 ELOOP\n", "open", link, "rw,nofollow", NULL);
	ck_assert_int_eq(fake.acquires, 4);
}
END_TEST

START_TEST(a_device_that_is_not_there_is_asked_for_by_its_name)
{
	char absent[128], dangling[128], device[128];

	run_client("open 3 O_RDWR\n", "open", "/dev/comlease-absent", FLAGS, NULL);
	ck_assert_int_eq(fake_last_number(&fake, "rdev"), -1);
	run_client("open -1 ENOENT\n", "open", "/dev/comlease-other", FLAGS, NULL);
	ck_assert_int_eq(fake.acquires, 2);
	snprintf(absent, sizeof(absent), "%s/absent", fake.folder);
	snprintf(dangling, sizeof(dangling), "%s/dangling", fake.folder);
	ck_assert_int_eq(symlink("/dev/comlease-absent", dangling), 0);
	run_client("open -1 ENOENT\n", "open", absent, FLAGS, NULL);
	ck_assert_int_eq(fake.acquires, 2);
	run_client("open 3 O_RDWR\n", "open", dangling, FLAGS, NULL);
	ck_assert_int_eq(fake.acquires, 3);
	setenv("COMLEASE_DEVICES", absent, 1);
	run_client("open -1 ENOENT\n", "open", absent, FLAGS, NULL);
	fake_last_text(&fake, "device", device, sizeof(device));
	ck_assert_str_eq(device, absent);
	/* In the list a colon of a path is written "\\:". */
	snprintf(absent, sizeof(absent), "%s/pci-0:1", fake.folder);
	setenv("COMLEASE_DEVICES", "/dev/other:/tmp/pci-0\\:1", 1);
	run_client("open -1 ENOENT\n", "open", "/tmp/pci-0:1", FLAGS, NULL);
	fake_last_text(&fake, "device", device, sizeof(device));
	ck_assert_str_eq(device, "/tmp/pci-0:1");
}
END_TEST

START_TEST(a_device_that_its_permissions_forbid_is_accessible_if_it_is_managed)
{
	ck_assert_int_eq(chmod(fake.folder, 0755), 0);
	ck_assert_int_eq(chmod(fake.path, 0666), 0);
	setenv("COMLEASE_DEVICES", fake.device, 1);
	run_client("setuid 0 -\naccess-rw 0 -\naccess-rw -1 EACCES\nopen 3 O_RDWR\n", "setuid",
		   "65534", "access-rw", fake.device, "access-rw", "/etc/shadow", "open",
		   fake.device, FLAGS, NULL);
	setenv("COMLEASE_DEVICES", "/dev/null", 1);
	run_client("setuid 0 -\naccess-rw -1 EACCES\n", "setuid", "65534", "access-rw", fake.device,
		   NULL);
}
END_TEST

/* ---- what is not ours ---- */

START_TEST(other_opens_go_to_the_kernel_as_they_are)
{
	char fifo[128], file[128], dangling[128], longest[5000];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	snprintf(fifo, sizeof(fifo), "%s/fifo", fake.folder);
	snprintf(file, sizeof(file), "%s/file", fake.folder);
	snprintf(dangling, sizeof(dangling), "%s/dangling", fake.folder);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_assert_int_eq(symlink("nowhere", dangling), 0);
	run_client("open -1 EFAULT\n", "open", "@null", "r", NULL);
	run_client("open -1 ENAMETOOLONG\n", "open", longest, "r", NULL);
	run_client("open -1 ENOENT\n", "open", "", "r", NULL);
	run_client("open 3 O_RDONLY|O_NONBLOCK\n", "open", fifo, "r,nonblock", NULL);
	run_client("open -1 ENXIO\n", "open", fifo, "w,nonblock", NULL);
	run_client("open -1 ENOENT\n", "open", dangling, "r", NULL);
	run_client("open 3 O_RDONLY\n", "open", "/", "r", NULL);
	run_client("open -1 EISDIR\n", "open", "/", "rw", NULL);
	run_client("open 3 O_RDWR\nopen -1 EEXIST\n", "open", file, "rw,creat,excl", "open", file,
		   "rw,creat,excl", NULL);
	run_client("open 3 O_RDWR\nopen 4 O_RDONLY\nopen 5 O_RDWR\n", "open", "/dev/null", "rw",
		   "open", "/dev/urandom", "r", "open", "/dev/ptmx", "rw,noctty", NULL);
	run_client("open -1 ENOTDIR\n", "open", fake.device, "r,directory", NULL);
	run_client("open -1 EEXIST\n", "open", fake.device, "rw,creat,excl", NULL);
	run_client("open 3 O_RDONLY\n", "open", fake.device, "path", NULL);
	ck_assert_int_eq(fake.connections, 0);
}
END_TEST

START_TEST(a_terminal_that_no_port_has_is_really_opened)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	char name[64];

	ck_assert_int_eq(grantpt(master), 0);
	ck_assert_int_eq(unlockpt(master), 0);
	ck_assert_int_eq(ptsname_r(master, name, sizeof(name)), 0);
	run_client("open 3 O_RDONLY\nfds 4\n", "open", name, "r,noctty", "fds", NULL);
	ck_assert_int_eq(fake.acquires, 1);
	close(master);
}
END_TEST

/* ---- waiting, and its end ---- */

static const struct {
	const char *name, *seen;
} outcomes[] = {
	{ "io.comlease.Busy", "EBUSY" },
	{ "io.comlease.TimedOut", "EBUSY" },
	{ "io.comlease.Deadlock", "EBUSY" },
	{ "io.comlease.QueueFull", "EBUSY" },
	{ "io.comlease.QuotaExceeded", "EBUSY" },
	{ "io.comlease.Revoked", "EBUSY" },
	{ "io.comlease.OpenFailed", "EIO" },
	{ "io.comlease.Absent", "ENXIO" },
	{ "org.varlink.service.PermissionDenied", "EACCES" },
	{ "io.example.Unheard", "EBUSY" },
};

START_TEST(each_typed_error_becomes_what_open_may_say)
{
	char line[80];

	fake.mode = FAKE_ERROR;
	fake.error = outcomes[_i].name;
	snprintf(line, sizeof(line), "open -1 %s\nfds 3\n", outcomes[_i].seen);
	run_client(line, "open", fake.device, FLAGS, "fds", NULL);
}
END_TEST

START_TEST(an_absent_device_is_ENOENT_where_nothing_is_there)
{
	fake.mode = FAKE_ERROR;
	fake.error = "io.comlease.Absent";
	run_client("open -1 ENOENT\n", "open", "/dev/comlease-absent", FLAGS, NULL);
}
END_TEST

START_TEST(a_signal_ends_the_wait_with_EINTR)
{
	fake.mode = FAKE_HOLD;
	/* As in any open(), a handler with SA_RESTART runs and the wait goes on. */
	run_client(_i ? "handler\nagain\nopen -1 EINTR\nfds 3\n" : "open -1 EINTR\nfds 3\n",
		   _i ? "alarm-restart" : "alarm", "200", "open", fake.device, FLAGS, "fds", NULL);
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST

#ifndef __SANITIZE_ADDRESS__ /* which does not understand a cancelled thread's stack */
START_TEST(a_thread_that_waits_can_be_cancelled)
{
	fake.mode = FAKE_HOLD;
	run_client("cancel canceled\nfds 3\n", "cancel", fake.device, "fds", NULL);
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST
#endif

START_TEST(threads_open_at_the_same_time)
{
	run_client("threads 16\nfds 3\n", "threads", fake.device, "/dev/comlease-absent", "fds",
		   NULL);
}
END_TEST

static const struct {
	const char *text;
	int ms;
} waits[] = {
	{ "0", 0 },      { "2", 2000 },     { "1.25", 1250 },
	{ "0.0009", 0 }, { "forever", -1 }, { "", -1 },
	{ "12x", -1 },   { "-5", -1 },      { "99999999999999999999", -1 },
};

START_TEST(COMLEASE_WAIT_is_seconds)
{
	json_int_t ms;

	setenv("COMLEASE_WAIT", waits[_i].text, 1);
	run_client("open 3 O_RDWR\n", "open", fake.device, FLAGS, NULL);
	ms = fake_last_number(&fake, "wait");
	ck_assert_int_le(ms, waits[_i].ms);
	ck_assert_int_ge(ms, waits[_i].ms > 500 ? waits[_i].ms - 500 : waits[_i].ms);
}
END_TEST

START_TEST(the_environment_gives_class_max_hold_priority_label_and_key)
{
	char text[64];

	setenv("COMLEASE_PRIORITY", "-5", 1);
	setenv("COMLEASE_CLASS", "fax", 1);
	setenv("COMLEASE_MAX_HOLD", "1.5", 1);
	setenv("COMLEASE_LABEL", "fax 12", 1);
	setenv("COMLEASE_KEY", "0123456789abcdef0123456789abcdef", 1);
	run_client("open 3 O_RDWR\n", "open", fake.device, FLAGS, NULL);
	ck_assert_int_eq(fake_last_number(&fake, "priority"), -5);
	ck_assert_int_eq(fake_last_number(&fake, "maxHold"), 1500);
	ck_assert_int_eq(fake_last_number(&fake, "standby"), -1); /* that is for run alone */
	fake_last_text(&fake, "class", text, sizeof(text));
	ck_assert_str_eq(text, "fax");
	fake_last_text(&fake, "label", text, sizeof(text));
	ck_assert_str_eq(text, "fax 12");
	fake_last_text(&fake, "key", text, sizeof(text));
	ck_assert_str_eq(text, "0123456789abcdef0123456789abcdef");
}
END_TEST

START_TEST(COMLEASE_DEBUG_says_what_happens)
{
	setenv("COMLEASE_DEBUG", "1", 1);
	setenv("COMLEASE_TEST_STDERR", "1", 1); /* run_client() then takes stderr as well */
	fake.mode = FAKE_ERROR;
	fake.error = "io.comlease.Deadlock";
	run_client("*a sentence for people*open -1 EBUSY\n", "open", fake.device, FLAGS, NULL);
}
END_TEST

/* ---- no broker ---- */

START_TEST(without_a_broker_the_real_call_is_made_at_once)
{
	fake_down(&fake, _i == 0);
	run_client("open 3 O_RDONLY\nopen -1 ENOENT\nfds 4\n", "open", fake.device, "r,noctty",
		   "open", "/dev/comlease-absent", FLAGS, "fds", NULL);
	ck_assert_int_le(run_client_ms, 500);
}
END_TEST

START_TEST(a_required_port_is_never_opened_around_the_broker)
{
	char link[128];

	snprintf(link, sizeof(link), "%s/modem", fake.folder);
	ck_assert_int_eq(symlink(fake.device, link), 0);
	setenv("COMLEASE_REQUIRE", "1", 1);
	setenv("COMLEASE_WAIT", "0.5", 1);
	setenv("COMLEASE_DEVICES", _i == 0 ? fake.device : link, 1);
	fake_down(&fake, true);
	run_client("open -1 EBUSY\nopen -1 EBUSY\nfds 3\n", "open", fake.device, FLAGS, "open",
		   link, FLAGS, "fds", NULL);
	setenv("COMLEASE_DEVICES", "/dev/something-else", 1);
	run_client("open 3 O_RDWR\n", "open", fake.device, FLAGS, NULL);
}
END_TEST

static TCase *
new_case(Suite *suite, const char *name)
{
	TCase *tcase = tcase_create(name);

	tcase_add_checked_fixture(tcase, shim_set_up, shim_tear_down);
	tcase_set_timeout(tcase, 20);
	suite_add_tcase(suite, tcase);
	return tcase;
}

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static void
add_opens(TCase *tcase)
{
	tcase_add_loop_test(tcase, each_kind_of_open_gets_the_lease, 0, 12);
	tcase_add_test(tcase, the_descriptor_has_the_callers_flags_and_no_others);
	tcase_add_test(tcase, the_descriptor_is_the_lowest_free_one);
	tcase_add_test(tcase, streams_get_the_lease);
	tcase_add_test(tcase, each_form_of_the_path_is_recognised);
	tcase_add_test(tcase, a_device_that_is_not_there_is_asked_for_by_its_name);
	support_add(tcase, a_device_that_its_permissions_forbid_is_accessible_if_it_is_managed,
		    geteuid() == 0, "needs another user");
	tcase_add_test(tcase, other_opens_go_to_the_kernel_as_they_are);
	tcase_add_test(tcase, a_terminal_that_no_port_has_is_really_opened);
}

static void
add_waits(TCase *tcase)
{
	tcase_add_loop_test(tcase, each_typed_error_becomes_what_open_may_say, 0, COUNT(outcomes));
	tcase_add_test(tcase, an_absent_device_is_ENOENT_where_nothing_is_there);
	tcase_add_loop_test(tcase, a_signal_ends_the_wait_with_EINTR, 0, 2);
#ifndef __SANITIZE_ADDRESS__
	tcase_add_test(tcase, a_thread_that_waits_can_be_cancelled);
#endif
	tcase_add_test(tcase, threads_open_at_the_same_time);
	tcase_add_loop_test(tcase, COMLEASE_WAIT_is_seconds, 0, COUNT(waits));
	tcase_add_test(tcase, the_environment_gives_class_max_hold_priority_label_and_key);
	tcase_add_test(tcase, COMLEASE_DEBUG_says_what_happens);
	tcase_add_loop_test(tcase, without_a_broker_the_real_call_is_made_at_once, 0, 2);
	tcase_add_loop_test(tcase, a_required_port_is_never_opened_around_the_broker, 0, 2);
}

int
main(void)
{
	Suite *suite = suite_create("shim");

	add_opens(new_case(suite, "opens"));
	add_waits(new_case(suite, "waits"));
	return support_run(suite);
}
