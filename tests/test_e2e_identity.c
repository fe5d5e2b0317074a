/*
 * test_e2e_identity.c - a port that is known by its path alone: whoever comes back there must be
 * the device that was there before, by its serial number or by where it is plugged in. The USB
 * devices are ptys in the disguise of serial_rig.h, with a place of their own in sysfs.
 */
#include "serial_rig.h"
#include "support.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A device that may be plugged in: it is `name` in sysfs, in the scratch folder and to support.c.
 */
struct usb {
	const char *name, *product, *serial, *path;
};

static const struct usb a = { "a", "6001", "A50285BI", "1" };
static const struct usb a_elsewhere = { "b", "6001", "A50285BI", "4.2" };
static const struct usb other = { "c", "6001", "FT999999", "2" };
static const struct usb loader = { "d", "ff00", "", "1" };

static struct serial_line *line;

static void
begin(void)
{
	serial_rig_reset();
	support_begin();
}

static void
shell(const char *command)
{
	ck_assert_int_eq(system(command), 0);
}

static void
make_sysfs(const struct usb *usb, int number)
{
	char command[1024];

	snprintf(command, sizeof(command),
		 "set -e; cd '%s/sys'; d=devices/usb1/%s; i=$d/if; p=$i/port/tty/port; rm -rf $d; "
		 "mkdir -p $p; ln -s ../../../port $p/device; "
		 "ln -s ../../../../../../../class/tty $p/subsystem; "
		 "echo 0403 >$d/idVendor; echo %s >$d/idProduct; echo 1 >$d/busnum; "
		 "echo %s >$d/devpath; echo 7 >$d/devnum; echo 00 >$i/bInterfaceNumber; "
		 "[ -z '%s' ] || echo '%s' >$d/serial; "
		 "ln -sfn ../$p %d/tty; ln -sfn ../$p %d/dev",
		 serial_folder(), usb->name, usb->product, usb->path, usb->serial, usb->serial,
		 number, number);
	shell(command);
}

/* The whole of it is there when the path leads to it. */
static int
plug(const struct usb *usb)
{
	int master = support_plug(usb->name);

	line = serial_rig_plug(master);
	make_sysfs(usb, serial_line_number(line));
	serial_rig_mark();
	ck_assert_int_eq(rename(support_path(usb->name), support_path("modem0")), 0);
	return master;
}

static void
unplug(const struct usb *usb)
{
	ck_assert_int_eq(unlink(support_path("modem0")), 0);
	support_unplug(usb->name);
	support_wait_port("modem0", "absent", -1);
	atomic_store(&line->minor, 0); /* its number may be another pty's now */
}

static void
expect_line(int fd, int master)
{
	support_expect_line(fd, master);
	close(fd);
	support_wait_port("modem0", "free", 0);
}

/* It says who is there and who was expected, has not been touched, and is waited at. */
static void
expect_stranger(int waiting)
{
	static const char reason[] =
	    "/modem0 is another device now: 0403:6001, serial number FT999999, at usb 1-2; "
	    "expected 0403:6001, serial number A50285BI, at usb 1-1; plug that in, or take this "
	    "one: comlease enable modem0";
	json_t *port;

	support_log_wait("state port=modem0 state=absent reason=.*another device");
	support_wait_port("modem0", "absent", waiting);
	port = support_list("modem0");
	ck_assert_msg(strstr(support_string(port, "reason", NULL), reason) != NULL, "%s",
		      support_string(port, "reason", NULL));
	ck_assert_ptr_null(json_object_get(port, "node"));
	ck_assert_ptr_null(json_object_get(port, "usb"));
	json_decref(port);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_OPENED, 1), 0);
}

START_TEST(device_with_the_same_serial_number_resumes_the_queue_wherever_it_is_plugged_in)
{
	struct support_client waiter;
	json_t *port;
	int fd, modem;

	plug(&a);
	support_start(SUPPORT_PORT("modem0"));
	fd = support_acquire("modem0", NULL);
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "usb", NULL), "0403:6001");
	json_decref(port);
	support_queue(&waiter, "modem0", NULL);
	unplug(&a);
	support_log_wait("end port=modem0 .*reason=unplugged");
	close(fd);
	port = support_list("modem0");
	ck_assert_ptr_nonnull(strstr(support_string(port, "reason", NULL),
				     "no such device; it was 0403:6001, serial number A50285BI, at "
				     "usb 1-1"));
	json_decref(port);
	modem = plug(&a_elsewhere);
	expect_line(support_granted(&waiter, NULL), modem);
	support_close(&waiter);
	unplug(&a_elsewhere);
	plug(&a);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(another_device_under_that_path_is_left_alone_until_the_right_one_comes)
{
	struct support_client waiter;
	int modem;

	plug(&a);
	support_start(SUPPORT_PORT("modem0"));
	unplug(&a);
	support_queue(&waiter, "modem0", NULL);
	plug(&other);
	expect_stranger(1);
	unplug(&other);
	modem = plug(&a);
	expect_line(support_granted(&waiter, NULL), modem);
	support_close(&waiter);
}
END_TEST

/* From one to the other, with a lease alive. */
START_TEST(path_that_leads_to_another_device_at_once_ends_the_lease)
{
	struct serial_line *first;
	int fd;

	plug(&a);
	first = line;
	support_start(SUPPORT_PORT("modem0"));
	fd = support_acquire("modem0", NULL);
	plug(&other);
	support_log_wait("end port=modem0 .*reason=unplugged");
	ck_assert(support_is_dead(fd));
	support_wait_port("modem0", "absent", 0);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_OPENED, 1), 0);
	close(fd);
	unplug(&other);
	atomic_store(&first->minor, 0);
	support_unplug("a");
	plug(&a);
	support_wait_port("modem0", "free", 0);
}
END_TEST

/* _i: by enable, by a reload, by the end of a maintenance in which it was exchanged. */
START_TEST(another_device_is_accepted_by_who_says_so)
{
	struct support_client admin;
	int modem;

	plug(&a);
	support_start(SUPPORT_PORT("modem0"));
	support_connect(&admin);
	unplug(&a);
	modem = plug(&other);
	expect_stranger(0);
	if (_i == 2)
		support_ask(&admin, "Disable", json_pack("{s:s}", "port", "modem0"));
	if (_i == 1)
		ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	else
		support_ask(&admin, "Enable", json_pack("{s:s}", "port", "modem0"));
	support_wait_port("modem0", "free", 0);
	expect_line(support_acquire("modem0", NULL), modem);
	support_close(&admin);
	unplug(&other); /* from now on that one is expected */
	plug(&other);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(boot_loader_in_the_same_place_is_the_same_device)
{
	int modem;

	plug(&a);
	support_start(SUPPORT_PORT("modem0"));
	unplug(&a);
	modem = plug(&loader);
	support_wait_port("modem0", "free", 0);
	expect_line(support_acquire("modem0", NULL), modem);
	unplug(&loader);
	modem = plug(&a);
	support_wait_port("modem0", "free", 0);
	expect_line(support_acquire("modem0", NULL), modem);
}
END_TEST

/* _i: the keeper, or the broker, is another one by then. */
START_TEST(what_the_device_was_outlives_keeper_and_broker)
{
	plug(&a);
	support_start(SUPPORT_PORT("modem0"));
	unplug(&a);
	if (_i == 0)
		support_kill_keeper("modem0");
	else
		support_kill_broker();
	support_wait_port("modem0", "absent", 0);
	plug(&other);
	expect_stranger(0);
	unplug(&other);
	plug(&a);
	support_wait_port("modem0", "free", 0);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *suite = suite_create("identity");
	TCase *t;

	(void)argc;
	serial_rig_main(argv);
	t = support_case(suite, "identity", begin);
	tcase_add_test(
	    t, device_with_the_same_serial_number_resumes_the_queue_wherever_it_is_plugged_in);
	tcase_add_test(t, another_device_under_that_path_is_left_alone_until_the_right_one_comes);
	support_add(t, path_that_leads_to_another_device_at_once_ends_the_lease,
		    support_can_revoke(), "needs CAP_SYS_ADMIN, to revoke");
	tcase_add_loop_test(t, another_device_is_accepted_by_who_says_so, 0, 3);
	tcase_add_test(t, boot_loader_in_the_same_place_is_the_same_device);
	tcase_add_loop_test(t, what_the_device_was_outlives_keeper_and_broker, 0, 2);
	return serial_rig_end(support_run(suite));
}
