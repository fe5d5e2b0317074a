/*
 * test_e2e_fault.c - devices and keepers in trouble: not there, gone in the middle of a lease, no
 * serial device at all, not permitted, a keeper that hangs. The port says what is wrong, its
 * waiters wait or are told, and the other ports go on.
 */
#include "bad.h"

#include <fcntl.h>
#include <poll.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define NOBODY 65534

/* `text` has all of it. */
static void
expect_text(const char *text, const char *pattern)
{
	regex_t regex;

	ck_assert_int_eq(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	ck_assert_msg(regexec(&regex, text, 0, NULL, 0) == 0, "not %s: %s", pattern, text);
	regfree(&regex);
}

static void
expect_reason(const char *name, const char *state, const char *pattern)
{
	json_t *port;

	support_wait_port(name, state, -1);
	port = support_list(name);
	expect_text(support_string(port, "reason", NULL), pattern);
	json_decref(port);
}

/* Acquire is refused at once, and says why. */
static void
expect_refusal(const char *name, const char *error, json_int_t wait, const char *pattern)
{
	struct support_client c;

	support_connect(&c);
	support_call(&c, "Acquire", json_pack("{s:s, s:I}", "port", name, "wait", wait), false);
	expect_text(support_string(support_error(&c, error), "message", NULL), pattern);
	support_close(&c);
}

/* As it was at the start: a keeper without a device has a descriptor less. */
static void
unplug_and_end(void)
{
	support_unplug("modem0");
	support_wait_port("modem0", "absent", 0);
	support_end();
}

/* ---- not there ---- */

#define WAITERS 3

/* Processes that wait for modem0, in this order. */
static void
start_waiters(struct support_child *waiters, const char *state)
{
	for (int i = 0; i < WAITERS; i++) {
		support_fork(&waiters[i], bad_hold_and_write, (void *)(uintptr_t) "modem0", -1);
		support_wait_port("modem0", state, i + 1);
	}
}

/* It has the port, and the line works. */
static void
expect_granted(const struct support_child *waiter, int modem)
{
	char byte = 0;

	ck_assert_int_eq(support_hear(waiter), '.');
	ck_assert_uint_eq(support_read(modem, &byte, 1), 1);
	ck_assert_int_eq(byte, '!');
}

START_TEST(waiters_of_an_absent_device_are_served_when_it_comes)
{
	struct support_child waiters[WAITERS];
	int modem;

	support_begin();
	support_start(SUPPORT_PORT("modem0"));
	expect_reason("modem0", "absent", "/modem0: no such device");
	expect_refusal("modem0", "Absent", 0, "^modem0: .*/modem0: no such device");
	start_waiters(waiters, "absent");
	modem = support_plug("modem0");
	for (int i = 0; i < WAITERS; i++) {
		expect_granted(&waiters[i], modem);
		support_wait_port("modem0", "held", WAITERS - 1 - i);
		support_finish(&waiters[i]);
	}
	unplug_and_end();
}
END_TEST

START_TEST(device_that_goes_in_the_middle_of_a_lease_ends_it_and_waiters_stay)
{
	struct support_child waiters[WAITERS];
	int modem, fd;

	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	fd = support_acquire("modem0", NULL);
	support_unplug("modem0");
	support_log_wait("end port=modem0 .*reason=unplugged");
	ck_assert(support_is_dead(fd));
	start_waiters(waiters, "absent");
	modem = support_plug("modem0");
	for (int i = 0; i < WAITERS; i++) {
		expect_granted(&waiters[i], modem);
		ck_assert(support_is_dead(fd));
		support_finish(&waiters[i]);
	}
	close(fd);
	support_end();
}
END_TEST

/* They queue behind a holder, who loses the device; then the first of them loses it, and so on. */
START_TEST(waiters_behind_a_holder_keep_their_places_when_the_device_goes)
{
	struct support_child waiters[WAITERS], other;
	int modem;

	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	support_fork(&other, bad_hold, (void *)(uintptr_t) "modem0", -1);
	support_hear(&other);
	start_waiters(waiters, "held");
	for (int i = 0; i < WAITERS; i++) {
		support_unplug("modem0");
		support_wait_port("modem0", "absent", WAITERS - i);
		modem = support_plug("modem0");
		expect_granted(&waiters[i], modem);
		support_wait_port("modem0", "held", WAITERS - 1 - i);
	}
	for (int i = 0; i < WAITERS; i++)
		support_finish(&waiters[i]);
	support_finish(&other);
	support_end();
}
END_TEST

/* ---- what is no serial device ---- */

static void
start_with(const char *device)
{
	char config[512];

	snprintf(config, sizeof(config), "[port bad]\ndevice = %s\n%s", device,
		 "%r\n" SUPPORT_PORT("modem1"));
	support_start(config);
}

/* The refusal names the path and the reason, and the other port works. */
static void
expect_no_port(const char *device, const char *reason)
{
	int line = support_plug("modem1"), fd;

	start_with(device);
	expect_reason("bad", "faulted", reason);
	expect_refusal("bad", "OpenFailed", 0, reason);
	expect_refusal("bad", "OpenFailed", 60000, reason);
	fd = support_acquire("modem1", NULL);
	support_expect_line(fd, line);
	close(fd);
	support_end();
}

START_TEST(regular_file_is_refused)
{
	support_begin();
	close(open(support_path("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
	expect_no_port(support_path("file"), "/file: not a serial device: a regular file");
}
END_TEST

START_TEST(directory_is_refused)
{
	support_begin();
	ck_assert_int_eq(mkdir(support_path("folder"), 0777), 0);
	expect_no_port(support_path("folder"), "/folder: not a serial device: a directory");
}
END_TEST

START_TEST(null_device_is_refused)
{
	support_begin();
	expect_no_port("/dev/null", "/dev/null: not a serial device: .*subsystem mem");
}
END_TEST

START_TEST(console_is_refused)
{
	support_begin();
	expect_no_port("/dev/ptmx", "/dev/(ptmx|pts/ptmx): not a serial device: a console");
}
END_TEST

/* An open for writing without a reader is refused: so nobody had opened it. */
START_TEST(fifo_is_refused_and_never_opened)
{
	char path[128];

	support_begin();
	snprintf(path, sizeof(path), "%s", support_path("fifo"));
	ck_assert_int_eq(mkfifo(path, 0666), 0);
	support_plug("modem1");
	start_with(path);
	expect_reason("bad", "faulted", "/fifo: not a serial device: a FIFO");
	for (int i = 0; i < 5; i++) {
		expect_refusal("bad", "OpenFailed", 0, "not a serial device: a FIFO");
		ck_assert_int_eq(open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
	}
	support_end();
}
END_TEST

/* A mere open of such a one reboots the machine minutes later. /dev/kmsg would tell too, but the
 * watchdog's number may have no driver here: then sysfs does not know it. */
START_TEST(watchdog_is_refused_by_its_number)
{
	char path[128];

	support_begin();
	snprintf(path, sizeof(path), "%s", support_path("watchdog"));
	if (mknod(path, S_IFCHR | 0666, makedev(10, 130)) < 0)
		strcpy(path, "/dev/kmsg");
	expect_no_port(path, "not a serial device: a character device");
}
END_TEST

/* The wrong thing under that name goes, the right one comes. */
START_TEST(port_recovers_when_the_device_is_a_device_at_last)
{
	struct support_client c;
	int modem, fd;

	support_begin();
	ck_assert_int_eq(mkdir(support_path("modem0"), 0777), 0);
	support_start(SUPPORT_PORT("modem0"));
	expect_reason("modem0", "faulted", "a directory");
	ck_assert_int_eq(rmdir(support_path("modem0")), 0);
	support_wait_port("modem0", "absent", 0);
	support_queue(&c, "modem0", NULL);
	modem = support_plug("modem0");
	fd = support_granted(&c, NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_close(&c);
	unplug_and_end();
}
END_TEST

/* ---- no permission ---- */

/* comleased belongs to nobody, the pty to root. */
START_TEST(device_without_permission_is_named_with_the_reason_and_the_way_out)
{
	static const char way_out[] = "/modem0: Permission denied for uid 65534; let it read and "
				      "write the device \\(chown, chmod or a udev rule\\)";
	struct stat st;
	int modem, fd;

	support_begin();
	support_use_uid(NOBODY);
	modem = support_plug("modem0");
	ck_assert_int_eq(stat(support_path("modem0"), &st), 0);
	ck_assert_int_eq(chown(support_path("modem0"), 0, (gid_t)-1), 0);
	ck_assert_int_eq(chmod(support_path("modem0"), 0600), 0);
	support_start(SUPPORT_PORT("modem0"));
	expect_reason("modem0", "faulted", way_out);
	expect_refusal("modem0", "OpenFailed", 0, way_out);
	ck_assert_int_eq(chown(support_path("modem0"), NOBODY, (gid_t)-1), 0);
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, modem);
	close(fd);
	unplug_and_end();
}
END_TEST

/* ---- a keeper that hangs ---- */

/* Nobody waits there for the keeper of the first one, which is given 5 s. */
static void
expect_other_port_is_quick(void)
{
	int64_t begin = support_now_ms();

	for (int i = 0; i < 5; i++)
		close(support_acquire("modem1", NULL));
	ck_assert_int_lt(support_now_ms() - begin, 4000);
}

START_TEST(keeper_that_hangs_makes_its_port_faulted_and_no_other)
{
	struct support_client waiter;
	pid_t keeper;
	int64_t begin;
	int modem, fd;

	support_begin();
	modem = support_plug("modem0");
	support_plug("modem1");
	support_start(SUPPORT_PORT("modem0") SUPPORT_PORT("modem1"));
	keeper = support_keeper("modem0");
	ck_assert_int_eq(kill(keeper, SIGSTOP), 0);
	begin = support_now_ms();
	support_connect(&waiter);
	support_call(&waiter, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	expect_other_port_is_quick();
	expect_text(support_string(support_error(&waiter, "OpenFailed"), "message", NULL),
		    "modem0: its keeper does not answer");
	ck_assert_int_ge(support_now_ms() - begin, 4500);
	ck_assert_int_lt(support_now_ms() - begin, 8000);
	support_close(&waiter);
	expect_reason("modem0", "faulted", "its keeper does not answer.*unplug the device");
	expect_refusal("modem0", "OpenFailed", 60000, "its keeper does not answer");
	expect_other_port_is_quick();
	ck_assert_int_eq(kill(keeper, SIGCONT), 0);
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(support_keeper("modem0"), keeper);
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_end();
}
END_TEST

/* While somebody holds it: he is undisturbed, and his end is seen when the keeper is back. */
START_TEST(holder_does_not_notice_that_the_keeper_hangs)
{
	struct support_client waiter;
	struct support_child other;
	pid_t keeper;
	int modem, fd;

	support_begin();
	modem = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	support_fork(&other, bad_hold, (void *)(uintptr_t) "modem0", -1);
	support_hear(&other);
	keeper = support_keeper("modem0");
	ck_assert_int_eq(kill(keeper, SIGSTOP), 0);
	support_queue(&waiter, "modem0", NULL);
	support_finish(&other);
	support_expect_silence(&waiter, 100);
	ck_assert_int_eq(kill(keeper, SIGCONT), 0);
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_close(&waiter);
	support_end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("fault");
	TCase *tcase = tcase_create("fault");
	bool root = geteuid() == 0;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, waiters_of_an_absent_device_are_served_when_it_comes);
	tcase_add_test(tcase, device_that_goes_in_the_middle_of_a_lease_ends_it_and_waiters_stay);
	tcase_add_test(tcase, waiters_behind_a_holder_keep_their_places_when_the_device_goes);
	tcase_add_test(tcase, regular_file_is_refused);
	tcase_add_test(tcase, directory_is_refused);
	tcase_add_test(tcase, null_device_is_refused);
	tcase_add_test(tcase, console_is_refused);
	tcase_add_test(tcase, fifo_is_refused_and_never_opened);
	tcase_add_test(tcase, watchdog_is_refused_by_its_number);
	tcase_add_test(tcase, port_recovers_when_the_device_is_a_device_at_last);
	support_add(tcase, device_without_permission_is_named_with_the_reason_and_the_way_out, root,
		    "needs root, for a comleased that may less");
	tcase_add_test(tcase, keeper_that_hangs_makes_its_port_faulted_and_no_other);
	tcase_add_test(tcase, holder_does_not_notice_that_the_keeper_hangs);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
