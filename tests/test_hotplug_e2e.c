/*
 * test_hotplug_e2e.c - a real comleased where serial devices are plugged in and out: which ports
 * there are, and what becomes of holders and waiters.
 */
#include "plug_rig.h"

#include <stdlib.h>
#include <unistd.h>

#define PLUG_B1 "usb-FTDI_FT232R_B1-if00-port0"

static const struct mock_tty a5 = { .name = "ttyUSB0", .plug = "1-2", .serial = "A5" },
			     a5_moved = { .name = "ttyUSB1", .plug = "1-4", .serial = "A5" },
			     b1 = { .name = "ttyUSB0", .plug = "1-2", .serial = "B1" };

/* ---- adopted ports ---- */

START_TEST(device_that_is_plugged_in_becomes_a_port_under_its_stable_name)
{
	struct plugged p;
	char node[40];
	json_t *port;
	int fd;

	plug_run(PLUG_TEMPLATE);
	ck_assert_int_eq(plug_count_ports(), 0);
	plug_in(&p, &a5, "line");
	support_log_wait("hotplug add node=/dev/pts/[0-9]+ port=" PLUG_A5 "$");
	plug_wait_port(PLUG_A5, "free");
	plug_expect_link(PLUG_A5, &p);
	fd = support_acquire(PLUG_A5, NULL);
	support_expect_line(fd, p.master);
	port = support_list(PLUG_A5);
	snprintf(node, sizeof(node), "/dev/%s", p.node);
	/* some programs take no path that is not in /dev */
	ck_assert_str_eq(support_string(port, "lease", "device", NULL), node);
	ck_assert(json_is_true(json_object_get(port, "link")));
	json_decref(port);
	close(fd);
	plug_wait_port(PLUG_A5, "free");
	plug_out(&p);
	support_log_wait("hotplug remove node=/dev/pts/[0-9]+ port=" PLUG_A5 "$");
	plug_wait_port(PLUG_A5, "absent");
	plug_expect_link(PLUG_A5, NULL);
	plug_finish(PLUG_A5);
}
END_TEST

START_TEST(device_that_is_there_at_the_start_is_a_port)
{
	struct plugged p;
	int fd;

	plug_put(&p, &a5, "line");
	plug_run(PLUG_TEMPLATE);
	plug_wait_port(PLUG_A5, "free");
	fd = support_acquire(PLUG_A5, NULL);
	support_expect_line(fd, p.master);
	close(fd);
	plug_wait_port(PLUG_A5, "free");
}
END_TEST

START_TEST(port_of_a_device_that_went_stays_until_the_files_are_read_again)
{
	struct plugged p;

	plug_run(PLUG_TEMPLATE);
	plug_in(&p, &a5, "line");
	plug_wait_port(PLUG_A5, "free");
	plug_out(&p);
	plug_wait_port(PLUG_A5, "absent");
	ck_assert_int_eq(plug_count_ports(), 1);
	plug_finish(PLUG_A5);
}
END_TEST

START_TEST(adopted_port_that_is_there_survives_a_reload_with_its_lease)
{
	struct plugged p;
	uint64_t token;
	int fd;

	plug_put(&p, &a5, "line");
	plug_run(PLUG_TEMPLATE);
	fd = support_acquire(PLUG_A5, &token);
	plug_reload();
	support_expect_line(fd, p.master);
	plug_wait_port(PLUG_A5, "held");
	ck_assert_int_eq(support_log_count("end port="), 0);
	close(fd);
	plug_wait_port(PLUG_A5, "free");
}
END_TEST

START_TEST(device_that_is_to_be_left_alone_is_no_port)
{
	struct mock_tty ignored = a5, console = { .name = "ttyS0", .plug = "1-5", .serial = "C" };
	struct plugged p, q, r;

	plug_run(PLUG_TEMPLATE);
	ignored.more = "COMLEASE_IGNORE=1\n";
	plug_in(&p, &ignored, "line");
	plug_in(&q, &console, "line2");
	plug_in(&r, &(struct mock_tty){ .name = "ttyUSB7", .plug = "1-7", .serial = "B1" },
		"line3");
	plug_wait_port(PLUG_B1, "free"); /* what was before it has been dealt with */
	ck_assert_int_eq(plug_count_ports(), 1);
	plug_out(&r);
	plug_out(&q);
	plug_out(&p);
	plug_finish(PLUG_B1);
}
END_TEST

/* ---- the same device is the same port ---- */

/* _i: 0: of a template, 1: by its serial number. */
START_TEST(waiter_gets_the_device_that_came_back_under_another_name)
{
	const char *port = _i == 0 ? PLUG_A5 : "lab";
	struct support_client waiter, watch;
	struct plugged p;
	uint64_t token, next;
	char end;
	int fd;

	plug_run(_i == 0 ? PLUG_TEMPLATE : PLUG_BY_SERIAL);
	plug_in(&p, &a5, "line");
	plug_wait_port(port, "free");
	fd = support_acquire(port, &token);
	support_watch(&watch, token, "watching");
	support_queue(&waiter, port, NULL);
	plug_out(&p);
	support_event(&watch, "unplugged");
	ck_assert_int_le(read(fd, &end, 1), 0);
	close(fd);
	support_wait_port(port, "absent", 1);
	plug_in(&p, &a5_moved, "line2");
	fd = support_granted(&waiter, &next);
	ck_assert_uint_gt(next, token);
	support_expect_line(fd, p.master);
	plug_expect_link(port, &p);
	close(fd);
	support_close(&waiter);
	support_close(&watch);
	plug_wait_port(port, "free");
	plug_out(&p);
	plug_wait_port(port, "absent");
	plug_finish(_i == 0 ? port : NULL);
}
END_TEST

START_TEST(another_device_under_the_same_name_is_not_granted)
{
	struct support_client waiter;
	struct plugged p;
	int fd;

	plug_run(PLUG_BY_SERIAL PLUG_TEMPLATE);
	plug_in(&p, &a5, "line");
	plug_wait_port("lab", "free");
	fd = support_acquire("lab", NULL);
	support_queue(&waiter, "lab", NULL);
	plug_out(&p);
	close(fd);
	support_wait_port("lab", "absent", 1);
	plug_in(&p, &b1, "line"); /* as ttyUSB0, where the other one was plugged in */
	plug_wait_port(PLUG_B1, "free");
	plug_expect_link("lab", NULL);
	support_wait_port("lab", "absent", 1);
	ck_assert_int_eq(support_log_count("grant port=lab"), 1);
	plug_out(&p);
	plug_in(&p, &a5_moved, "line");
	fd = support_granted(&waiter, NULL);
	close(fd);
	support_close(&waiter);
	plug_wait_port("lab", "free");
	plug_out(&p);
	plug_wait_port("lab", "absent");
	plug_finish(PLUG_B1);
}
END_TEST

START_TEST(two_interfaces_of_an_adapter_are_two_ports)
{
	const struct mock_tty second = {
		.name = "ttyUSB1", .plug = "1-2", .interface = 1, .serial = "A5"
	};
	struct plugged p, q;
	int a, b;

	plug_put(&q, &second, "line1");
	plug_put(&p, &a5, "line0");
	plug_run("[port a]\nusb-serial = A5\nusb-interface = 00\nhangup-ms = 0\n%r"
		 "[port b]\nusb-serial = A5\nusb-interface = 01\nhangup-ms = 0\n%r");
	plug_expect_link("a", &p);
	plug_expect_link("b", &q);
	a = support_acquire("a", NULL);
	b = support_acquire("b", NULL);
	support_expect_line(a, p.master);
	support_expect_line(b, q.master);
	close(a);
	close(b);
	plug_wait_port("a", "free");
	plug_wait_port("b", "free");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hotplug_e2e");
	TCase *t = support_case(s, "hotplug_e2e", plug_begin);

	tcase_add_test(t, device_that_is_plugged_in_becomes_a_port_under_its_stable_name);
	tcase_add_test(t, device_that_is_there_at_the_start_is_a_port);
	tcase_add_test(t, port_of_a_device_that_went_stays_until_the_files_are_read_again);
	tcase_add_test(t, adopted_port_that_is_there_survives_a_reload_with_its_lease);
	tcase_add_test(t, device_that_is_to_be_left_alone_is_no_port);
	tcase_add_loop_test(t, waiter_gets_the_device_that_came_back_under_another_name, 0, 2);
	tcase_add_test(t, another_device_under_the_same_name_is_not_granted);
	tcase_add_test(t, two_interfaces_of_an_adapter_are_two_ports);
	return support_run(s);
}
