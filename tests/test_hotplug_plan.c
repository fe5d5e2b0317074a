/*
 * test_hotplug_plan.c - which device each section has, what stays as it was, and what is said of
 * all that is ambiguous or left out. No udev: the devices are made up.
 */
#include "config_fixture.h"
#include "plan_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- sections ---- */

static const struct {
	const char *text, *links, *notes;
} sections[] = {
	{ "[port a]\nusb-serial = A1\n", "a=ttyUSB0", "" },
	{ "[port a]\nusb-serial = B*\nusb-id = 0403:*\n", "a=ttyUSB2", "" },
	{ "[port a]\nusb-path = usb-3:1.01\n", "a=ttyUSB10", "" },
	{ "[port a]\nusb-id = 0403:6010\nusb-interface = 01\n", "a=ttyUSB10", "" },
	{ "[port a]\nudev-tag = l?b\n", "a=ttyS0", "" },
	{ "[port a]\nudev-tag = la\n[port b]\nudev-tag = lab?\n", "", "" },
	{ "[port a]\nusb-serial = A1\nusb-interface = 01\n", "", "" },
	{ "[port a]\nusb-serial = D4\n", "", "" },
	/* ttyS0 has no serial number at all */
	{ "[port a]\nusb-serial = *\nudev-tag = lab\n", "", "" },
	/* both must fit */
	{ "[port a]\ndevice = /dev/ttyUSB0\nusb-serial = A1\n", "a=ttyUSB0", "" },
	{ "[port a]\ndevice = /dev/ttyUSB0\nusb-serial = B2\n", "", "" },
	{ "[port a]\ndevice = /dev/serial/ttyUSB2\nusb-serial = B2\n", "a=ttyUSB2", "" },
	{ "[port a]\ndevice = /dev/ttyUSB0\nusb-serial = A1\n"
	  "[port b]\ndevice = /dev/ttyUSB0\nusb-serial = B2\n",
	  "a=ttyUSB0", "" },
	/* `device` alone is nobody's business */
	{ "[port a]\ndevice = /dev/ttyUSB0\n", "", "" },
	/* several fit */
	{ "[port a]\nusb-serial = C3\n", "a=ttyUSB1",
	  "port a: /dev/ttyUSB1 and /dev/ttyUSB10 fit; it is /dev/ttyUSB1 now; to make sure of "
	  "that, add \"usb-interface = 00\"" },
	{ "[port a]\nusb-id = 0403:6001\n", "a=ttyUSB0",
	  "port a: /dev/ttyUSB0 and /dev/ttyUSB2 fit; it is /dev/ttyUSB0 now; to make sure of "
	  "that, add \"usb-serial = A1\"" },
	{ "[port a]\nusb-id = 0403:*\nusb-interface = 00\n", "a=ttyUSB0",
	  "port a: /dev/ttyUSB0, /dev/ttyUSB1 and /dev/ttyUSB2 fit; it is /dev/ttyUSB0 now; to "
	  "make sure of that, add \"usb-serial = A1\"" },
	{ "[port a]\nudev-tag = systemd\nusb-id = 0403:6010\n", "a=ttyUSB1",
	  "port a: /dev/ttyUSB1 and /dev/ttyUSB10 fit; it is /dev/ttyUSB1 now; to make sure of "
	  "that, add \"usb-interface = 00\"" },
	{ "[port a]\nudev-tag = systemd\n", "a=ttyS0",
	  "port a: /dev/ttyS0, /dev/ttyUSB0, /dev/ttyUSB1 and 2 more fit; it is /dev/ttyS0 now; "
	  "udev knows of no difference" },
	/* the first section has it */
	{ "[port a]\nusb-serial = A1\n[port b]\nusb-path = usb-1:*\n", "a=ttyUSB0",
	  "port b: /dev/ttyUSB0 fits, but it is that of port a; say in both sections what tells "
	  "their devices apart, or leave one out" },
	{ "[port b]\nusb-path = usb-1:*\n[port a]\nusb-serial = A1\n", "b=ttyUSB0",
	  "port a: /dev/ttyUSB0 fits, but it is that of port b; say in both sections what tells "
	  "their devices apart, or leave one out" },
	/* the special one before the general one: nothing is ambiguous */
	{ "[port a]\nusb-serial = A1\n[port b]\nusb-id = 0403:6001\n", "a=ttyUSB0 b=ttyUSB2", "" },
	{ "[port a]\nusb-id = 0403:6001\n[port b]\nusb-id = 0403:6001\n", "a=ttyUSB0 b=ttyUSB2",
	  "port a: /dev/ttyUSB0 and /dev/ttyUSB2 fit; it is /dev/ttyUSB0 now; to make sure of "
	  "that, add \"usb-serial = A1\"" },
	/* a keeper opens what `device` leads to, wherever its section stands */
	{ "[port a]\nusb-serial = A1\n[port b]\ndevice = /dev/serial/ttyUSB0\n", "",
	  "port a: /dev/ttyUSB0 fits, but it is that of port b; say in both sections what tells "
	  "their devices apart, or leave one out" },
	{ "[port a]\ndevice = /dev/ttyUSB0\n[port b]\ndevice = /dev/serial/ttyUSB0\n", "",
	  "port b: /dev/serial/ttyUSB0 leads to /dev/ttyUSB0, and so does the device of port a; "
	  "leave one of the two out" },
};

START_TEST(sections_get_what_fits_and_what_is_unclear_is_told)
{
	plan_require(sections[_i].text, sections[_i].links, sections[_i].notes);
}
END_TEST

START_TEST(the_children_get_a_link_for_a_device_and_all_else_as_it_was)
{
	struct hotplug_plan plan;
	const struct config_port *port;

	plan_make_good(&plan,
		       "[broker]\nmode = 0600\n[port a]\nusb-serial = A1\nbaud = 300\norder = x\n"
		       "[port b]\ndevice = /dev/ttyS1\n[port c]\ndevice = /dev/ttyUSB2\nusb-id = "
		       "0403:6001\n[port usb*]\nusb-id = ffff:*\n[pool p]\nports = a b\n[access]\n"
		       "ask = nobody\n[access usb1]\nask = *\n[access b]\nask = *\n",
		       plan_machine, PLAN_MACHINE, NULL);
	plan_require_ports(&plan, "a b c");
	port = config_find(&plan.config, "a");
	ck_assert_str_eq(port->device, PLAN_FOLDER "/a");
	ck_assert_str_eq(port->usb_serial, "A1");
	ck_assert_uint_eq(port->baud, 300);
	ck_assert_uint_eq(port->order_count, 1);
	ck_assert_str_eq(config_find(&plan.config, "b")->device, "/dev/ttyS1");
	ck_assert_str_eq(config_find(&plan.config, "c")->device, PLAN_FOLDER "/c");
	ck_assert_uint_eq(plan.config.mode, 0600);
	ck_assert_uint_eq(plan.config.template_count, 0);
	ck_assert_uint_eq(plan.config.pool_count, 1);
	ck_assert_ptr_nonnull(config_find_access(&plan.config, "b"));
	ck_assert_ptr_null(config_find_access(&plan.config, "usb1"));
	hotplug_plan_free(&plan);
	ck_assert_ptr_null(plan.links);
}
END_TEST

START_TEST(devices_that_must_be_left_alone_are_and_the_section_is_told_why)
{
	struct hotplug_device devices[] = { A1, B2 };
	struct hotplug_plan plan, before;

	devices[0].console = true;
	plan_make_good(&plan, "[port a]\nusb-serial = A1\n[port usb-*]\n", devices, 2, NULL);
	plan_require_ports(&plan, "a usb-B2-if00");
	plan_require_link(&plan, "a", NULL);
	ck_assert_str_eq(plan_notes,
			 "port a: /dev/ttyUSB0 fits, but the kernel writes its messages to "
			 "it; take \"console=ttyUSB0\" off the kernel's command line");
	hotplug_plan_free(&plan);
	devices[0].console = false;
	devices[0].ignored = true;
	plan_make_good(&plan, "[port a]\nusb-serial = A1\n", devices, 2, NULL);
	plan_require_link(&plan, "a", NULL);
	ck_assert_str_eq(plan_notes,
			 "port a: /dev/ttyUSB0 fits, but a udev rule sets COMLEASE_IGNORE "
			 "for it; take that away");
	hotplug_plan_free(&plan);
	/* not even for who has it */
	plan_make_good(&before, "[port a]\nusb-serial = A1\n", &A1, 1, NULL);
	plan_make_good(&plan, "[port a]\nusb-serial = A1\n", devices, 2, &before);
	plan_require_link(&plan, "a", NULL);
	hotplug_plan_free(&before);
	hotplug_plan_free(&plan);
	plan_make_good(&plan, "[port a]\nusb-id = 0403:6001\n[port *]\n", devices, 2, NULL);
	plan_require_link(&plan, "a", B2.node);
	plan_require_ports(&plan, "a");
	ck_assert_str_eq(plan_notes, "");
	hotplug_plan_free(&plan);
}
END_TEST

/* ---- what stays ---- */

START_TEST(a_device_that_comes_back_elsewhere_changes_a_link_and_nothing_else)
{
	struct hotplug_device devices[] = { A1 };
	struct hotplug_plan before, gone, after;
	const char *text = _i == 0 ? "[port a]\nusb-serial = A1\n" : "[port usb-*]\n";
	const char *name = _i == 0 ? "a" : "usb-A1-if00";

	plan_make_good(&before, text, devices, 1, NULL);
	plan_require_link(&before, name, "/dev/ttyUSB0");
	plan_make_good(&gone, text, devices, 0, &before);
	plan_require_link(&gone, name, NULL);
	ck_assert(hotplug_plan_is_same(&before, &gone));
	strcpy(devices[0].node, "/dev/ttyUSB1");
	plan_make_good(&after, text, devices, 1, &gone);
	plan_require_link(&after, name, "/dev/ttyUSB1");
	ck_assert(hotplug_plan_is_same(&before, &after));
	hotplug_plan_free(&before);
	hotplug_plan_free(&gone);
	hotplug_plan_free(&after);
}
END_TEST

/* There may be a lease on what `b` has. */
START_TEST(a_port_keeps_its_device_when_that_of_an_earlier_section_goes)
{
	const char *text = "[port a]\nusb-id = 0403:6001\n[port b]\nusb-id = 0403:6001\n";
	struct hotplug_device devices[] = { B2, A1 };
	struct hotplug_plan before, after, again;

	plan_make_good(&before, text, plan_machine, PLAN_MACHINE, NULL);
	plan_require_link(&before, "b", "/dev/ttyUSB2");
	plan_make_good(&after, text, devices, 1, &before);
	plan_require_link(&after, "a", NULL);
	plan_require_link(&after, "b", "/dev/ttyUSB2");
	plan_make_good(&again, text, devices, 2, &after);
	plan_require_link(&again, "a", "/dev/ttyUSB0");
	plan_require_link(&again, "b", "/dev/ttyUSB2");
	hotplug_plan_free(&again);
	/* the files have been read anew */
	plan_make_good(&again, text, devices, 1, NULL);
	plan_require_link(&again, "a", "/dev/ttyUSB2");
	hotplug_plan_free(&before);
	hotplug_plan_free(&after);
	hotplug_plan_free(&again);
}
END_TEST

/* Another adapter at the node that this one had. */
START_TEST(a_device_is_kept_only_while_it_fits)
{
	struct hotplug_device devices[] = { A1, A1 };
	struct hotplug_plan before, after;

	plan_make_good(&before, "[port a]\nusb-serial = A1\n", devices, 1, NULL);
	strcpy(devices[0].usb_serial, "X9");
	plan_make_good(&after, "[port a]\nusb-serial = A1\n", devices, 1, &before);
	plan_require_link(&after, "a", NULL);
	hotplug_plan_free(&after);
	strcpy(devices[1].node, "/dev/ttyUSB1");
	plan_make_good(&after, "[port a]\nusb-serial = A1\n", devices, 2, &before);
	plan_require_link(&after, "a", "/dev/ttyUSB1");
	hotplug_plan_free(&before);
	hotplug_plan_free(&after);
}
END_TEST

START_TEST(plans_differ_when_the_children_must_be_told)
{
	struct hotplug_plan one, other;

	plan_make_good(&one, "[port usb-*]\n", plan_machine, 1, NULL);
	plan_make_good(&other, "[port usb-*]\nbaud = 300\n", plan_machine, 1, NULL);
	ck_assert(!hotplug_plan_is_same(&one, &other));
	hotplug_plan_free(&other);
	plan_make_good(&other, "[port usb-*]\n", plan_machine, 2, &one);
	ck_assert(!hotplug_plan_is_same(&one, &other));
	hotplug_plan_free(&one);
	hotplug_plan_free(&other);
}
END_TEST

START_TEST(what_a_device_says_of_itself_plays_no_tricks)
{
	struct hotplug_device devices[] = { A1, B2 };
	struct hotplug_plan plan;

	strcpy(devices[0].usb_serial, "\x1b[31m\nport b: fine");
	plan_make_good(&plan, "[port a]\nusb-id = 0403:6001\n", devices, 2, NULL);
	ck_assert_str_eq(plan_notes,
			 "port a: /dev/ttyUSB0 and /dev/ttyUSB2 fit; it is /dev/ttyUSB0 "
			 "now; to make sure of that, add \"usb-serial = ?[31m?port b: "
			 "fine\"");
	hotplug_plan_free(&plan);
}
END_TEST

/* ---- what is refused ---- */

START_TEST(a_section_that_leads_into_the_folder_of_the_links_is_refused)
{
	static const char *const texts[] = {
		"[port a]\nusb-serial = A1\n[port b]\ndevice = " PLAN_FOLDER "/a\n",
		"[port b]\ndevice = " PLAN_FOLDER "/a\nusb-serial = A1\n",
	};
	struct hotplug_plan plan;

	ck_assert_int_eq(plan_make(&plan, texts[_i], plan_machine, PLAN_MACHINE, NULL), -EINVAL);
	ck_assert_str_eq(
	    plan_notes, "port b: device: " PLAN_FOLDER "/a is a link of comleased's own; write the "
			"device's own path, or what tells it from others, like \"usb-serial = "
			"...\"");
	ck_assert_uint_eq(plan.config.port_count + plan.link_count, 0);
	hotplug_plan_free(&plan);
}
END_TEST

START_TEST(a_folder_that_is_no_folder_for_links_is_refused)
{
	struct config written;
	struct hotplug_plan plan;

	conf_read_good("", &conf_root, &written);
	ck_assert_int_eq(
	    hotplug_plan_make(&plan, &written, NULL, 0, "run/c", NULL, NULL, plan_notes), -EINVAL);
	ck_assert_str_eq(plan_notes,
			 "run/c: the folder of the ports' links needs an absolute path of "
			 "at most 115 bytes; choose another \"socket = ...\"");
	ck_assert_int_eq(hotplug_plan_make(&plan, &written, NULL, 0, D100 "/01234567890123", NULL,
					   NULL, plan_notes),
			 0);
	hotplug_plan_free(&plan);
	ck_assert_int_eq(hotplug_plan_make(&plan, &written, NULL, 0, D100 "/012345678901234", NULL,
					   NULL, plan_notes),
			 -EINVAL);
	config_free(&written);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hotplug_plan");
	TCase *tcase = tcase_create("plan");

	tcase_add_loop_test(tcase, sections_get_what_fits_and_what_is_unclear_is_told, 0,
			    (int)COUNT(sections));
	tcase_add_test(tcase, the_children_get_a_link_for_a_device_and_all_else_as_it_was);
	tcase_add_test(tcase, devices_that_must_be_left_alone_are_and_the_section_is_told_why);
	tcase_add_loop_test(
	    tcase, a_device_that_comes_back_elsewhere_changes_a_link_and_nothing_else, 0, 2);
	tcase_add_test(tcase, a_port_keeps_its_device_when_that_of_an_earlier_section_goes);
	tcase_add_test(tcase, a_device_is_kept_only_while_it_fits);
	tcase_add_test(tcase, plans_differ_when_the_children_must_be_told);
	tcase_add_test(tcase, what_a_device_says_of_itself_plays_no_tricks);
	tcase_add_loop_test(tcase, a_section_that_leads_into_the_folder_of_the_links_is_refused, 0,
			    2);
	tcase_add_test(tcase, a_folder_that_is_no_folder_for_links_is_refused);
	suite_add_tcase(suite, tcase);
	return conf_run(suite);
}
