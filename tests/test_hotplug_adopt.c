/*
 * test_hotplug_adopt.c - what templates make of devices that no section means, and what is left
 * out; what holds of any plan on any machine. No udev: the devices are made up.
 */
#include "config_fixture.h"
#include "plan_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- templates ---- */

static const struct {
	const char *text, *ports, *links, *notes;
} templates[] = {
	{ "[port usb-*]\n", "usb-A1-if00 usb-C3-if00 usb-B2-if00 usb-C3-if01",
	  "usb-A1-if00=ttyUSB0 usb-C3-if00=ttyUSB1 usb-B2-if00=ttyUSB2 usb-C3-if01=ttyUSB10", "" },
	{ "[port usb-C*]\n", "usb-C3-if00 usb-C3-if01", "usb-C3-if00=ttyUSB1 usb-C3-if01=ttyUSB10",
	  "" },
	{ "[port *]\nusb-id = 0403:6001\nusb-serial = [B-Z]*\n", "usb-B2-if00",
	  "usb-B2-if00=ttyUSB2", "" },
	{ "[port modem*]\n", "", "", "" },
	{ "[port *]\nudev-tag = lab\n", "", "", "" },
	/* what a section means is not for templates, in whatever way it says so */
	{ "[port usb-*]\n[port a]\nusb-serial = A1\n[port b]\ndevice = /dev/ttyUSB2\n"
	  "[port c]\ndevice = /dev/serial/ttyUSB10\n",
	  "a b c usb-C3-if00", "a=ttyUSB0 usb-C3-if00=ttyUSB1", "" },
	{ "[port usb-[AB]*]\n[port a]\nusb-id = 0403:6001\n", "a", "a=ttyUSB0",
	  "port a: /dev/ttyUSB0 and /dev/ttyUSB2 fit; it is /dev/ttyUSB0 now; to make sure of "
	  "that, add \"usb-serial = A1\"" },
	/* both must fit: it does not mean ttyUSB0 */
	{ "[port usb-[AB]*]\n[port a]\ndevice = /dev/ttyUSB0\nusb-serial = B2\n",
	  "a usb-A1-if00 usb-B2-if00", "usb-A1-if00=ttyUSB0 usb-B2-if00=ttyUSB2", "" },
	/* names that are taken */
	{ "[port usb-[AB]*]\n[port usb-A1-if00]\ndevice = /dev/ttyS7\n[pool usb-B2-if00]\n"
	  "match = tag:x\n",
	  "usb-A1-if00", "",
	  "/dev/ttyUSB0: its name, usb-A1-if00, is that of a port in the configuration, so it is "
	  "left out; give the port another name, or write a section for the device\n"
	  "/dev/ttyUSB2: its name, usb-B2-if00, is that of a pool in the configuration, so it is "
	  "left out; give the pool another name, or write a section for the device" },
};

START_TEST(templates_adopt_what_no_section_means)
{
	struct hotplug_plan plan;

	plan_make_good(&plan, templates[_i].text, plan_machine, PLAN_MACHINE, NULL);
	plan_require_ports(&plan, templates[_i].ports);
	hotplug_plan_free(&plan);
	plan_require(templates[_i].text, templates[_i].links, templates[_i].notes);
}
END_TEST

START_TEST(an_adopted_port_has_the_settings_of_the_first_template_that_fits)
{
	struct hotplug_plan plan;
	const struct config_port *port;

	plan_make_good(
	    &plan,
	    "[port usb-*]\nusb-id = 0403:6010\nbaud = 300\ntag = two\n[port *]\nbaud = 600\n"
	    "tag = any\n[port usb-A*]\nbaud = 1200\n[access usb-A1-if00]\nask = nobody\n",
	    plan_machine, PLAN_MACHINE, NULL);
	port = config_find(&plan.config, "usb-C3-if01");
	ck_assert_uint_eq(port->baud, 300);
	ck_assert_str_eq(port->tag, "two");
	ck_assert_str_eq(port->device, PLAN_FOLDER "/usb-C3-if01");
	ck_assert(!config_is_identified(port)); /* so that another filter changes no port */
	ck_assert_str_eq(port->file, "f.conf");
	ck_assert_uint_eq(port->line, 1);
	port = config_find(&plan.config, "usb-A1-if00");
	ck_assert_uint_eq(port->baud, 600);
	ck_assert_ptr_nonnull(config_find_access(&plan.config, "usb-A1-if00"));
	hotplug_plan_free(&plan);
}
END_TEST

START_TEST(adopted_ports_stay_in_their_order_and_are_forgotten_at_a_reload)
{
	struct hotplug_device devices[] = { B2, A1 };
	const char *text = "[port a]\ndevice = /dev/ttyS1\n[port usb-*]\nbaud = 300\n"
			   "[access usb-A1-if00]\nask = nobody\n";
	struct hotplug_plan before, after;

	plan_make_good(&before, text, devices, 1, NULL);
	plan_require_ports(&before, "a usb-B2-if00");
	plan_make_good(&after, text, devices, 2, &before);
	plan_require_ports(&after, "a usb-B2-if00 usb-A1-if00");
	hotplug_plan_free(&before);
	plan_make_good(&before, text, devices, 0, &after);
	plan_require_ports(&before, "a usb-B2-if00 usb-A1-if00");
	ck_assert_uint_eq(before.link_count, 0);
	ck_assert_uint_eq(config_find(&before.config, "usb-A1-if00")->baud, 300);
	ck_assert_ptr_nonnull(config_find_access(&before.config, "usb-A1-if00"));
	hotplug_plan_free(&after);
	plan_make_good(&after, text, devices, 1, NULL);
	plan_require_ports(&after, "a usb-B2-if00");
	hotplug_plan_free(&before);
	hotplug_plan_free(&after);
}
END_TEST

/* A section's `device` leads there now, or a udev rule has come. */
START_TEST(an_adopted_port_goes_when_its_device_is_no_longer_for_templates)
{
	struct hotplug_device devices[] = { A1, B2 };
	const char *text = "[port a]\ndevice = /dev/ttyUSB7\n[port usb-*]\n";
	struct hotplug_plan before, after;

	plan_make_good(&before, text, devices, 2, NULL);
	plan_require_ports(&before, "a usb-A1-if00 usb-B2-if00");
	strcpy(devices[0].node, "/dev/ttyUSB7");
	devices[1].ignored = true;
	plan_make_good(&after, text, devices, 2, &before);
	plan_require_ports(&after, "a");
	hotplug_plan_free(&before);
	hotplug_plan_free(&after);
}
END_TEST

/* Cheap adapters with one serial number for all of them. */
START_TEST(of_two_devices_with_one_name_the_second_is_left_out)
{
	struct hotplug_device devices[] = { A1, A1, A1 };
	struct hotplug_plan before, after;

	strcpy(devices[0].node, "/dev/ttyUSB10");
	strcpy(devices[0].usb_path, "usb-9:1.0");
	strcpy(devices[1].node, "/dev/ttyUSB9");
	plan_make_good(&before, "[port usb-*]\n", devices, 2, NULL);
	plan_require_ports(&before, "usb-A1-if00");
	plan_require_link(&before, "usb-A1-if00", "/dev/ttyUSB9");
	ck_assert_str_eq(plan_notes,
			 "/dev/ttyUSB10: its name, usb-A1-if00, is that of /dev/ttyUSB9 "
			 "already, so it is left out; write a section for it, with "
			 "\"usb-path = usb-9:1.0\"");
	/* who has it keeps it */
	plan_make_good(&after, "[port usb-*]\n", devices, 3, &before);
	plan_require_link(&after, "usb-A1-if00", "/dev/ttyUSB9");
	ck_assert_str_eq(plan_notes,
			 "/dev/ttyUSB0: its name, usb-A1-if00, is that of /dev/ttyUSB9 "
			 "already, so it is left out; write a section for it, with "
			 "\"device = /dev/ttyUSB0\"\n"
			 "/dev/ttyUSB10: its name, usb-A1-if00, is that of /dev/ttyUSB9 "
			 "already, so it is left out; write a section for it, with "
			 "\"usb-path = usb-9:1.0\"");
	hotplug_plan_free(&before);
	hotplug_plan_free(&after);
	/* and with the section that was advised */
	plan_make_good(&after, "[port usb-*]\n[port b]\nusb-path = usb-9:1.0\n", devices, 2, NULL);
	plan_require_link(&after, "usb-A1-if00", "/dev/ttyUSB9");
	plan_require_link(&after, "b", "/dev/ttyUSB10");
	ck_assert_str_eq(plan_notes, "");
	hotplug_plan_free(&after);
}
END_TEST

START_TEST(names_that_are_no_files_are_not_adopted)
{
	struct hotplug_device devices[] = { A1, A1, A1, A1 };
	struct hotplug_plan plan;

	strcpy(devices[0].name, "..");
	strcpy(devices[1].name, ".");
	strcpy(devices[2].name, "a/b");
	strcpy(devices[3].name, "");
	plan_make_good(&plan, "[port *]\n", devices, 4, NULL);
	plan_require_ports(&plan, "");
	hotplug_plan_free(&plan);
}
END_TEST

/* ---- limits ---- */

START_TEST(no_more_ports_are_adopted_than_the_limit_and_that_is_told)
{
	struct hotplug_device *devices = plan_many(HOTPLUG_ADOPTED_MAX + 2);
	struct hotplug_plan before, after;

	plan_make_good(&before, "[port usb-*]\n", devices, HOTPLUG_ADOPTED_MAX, NULL);
	ck_assert_uint_eq(before.config.port_count, HOTPLUG_ADOPTED_MAX);
	ck_assert_str_eq(plan_notes, "");
	/* those that are away count */
	plan_make_good(&after, "[port usb-*]\n", devices + 1, HOTPLUG_ADOPTED_MAX, &before);
	ck_assert_uint_eq(after.config.port_count, HOTPLUG_ADOPTED_MAX);
	ck_assert_uint_eq(after.link_count, HOTPLUG_ADOPTED_MAX - 1);
	ck_assert_str_eq(plan_notes,
			 "/dev/ttyUSB256: left out, as 256 ports are adopted already, and "
			 "no more can be; write sections instead of templates, or reload, "
			 "which forgets ports that are away");
	hotplug_plan_free(&after);
	plan_make_good(&after, "[port usb-*]\n", devices, HOTPLUG_ADOPTED_MAX + 2, &before);
	ck_assert(strncmp(plan_notes, "/dev/ttyUSB256 and others: left out", 35) == 0);
	hotplug_plan_free(&before);
	hotplug_plan_free(&after);
	free(devices);
}
END_TEST

START_TEST(sections_and_adopted_ports_together_are_as_many_as_the_children_take)
{
	struct hotplug_device *devices = plan_many(3);
	struct hotplug_plan plan;
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	fprintf(file, "[port usb-*]\n");
	for (int i = 0; i < CONFIG_PORTS_MAX - 2; i++)
		fprintf(file, "[port p%d]\ndevice = /dev/p%d\n", i, i);
	fclose(file);
	plan_make_good(&plan, text, devices, 3, NULL);
	ck_assert_uint_eq(plan.config.port_count, CONFIG_PORTS_MAX);
	ck_assert_str_eq(plan_notes,
			 "/dev/ttyUSB2: left out, as 2 ports are adopted already, and no "
			 "more can be; write sections instead of templates, or reload, "
			 "which forgets ports that are away");
	hotplug_plan_free(&plan);
	free(text);
	free(devices);
}
END_TEST

START_TEST(notes_that_are_too_many_are_counted)
{
	struct hotplug_device *devices = plan_many(40);
	struct hotplug_plan plan;

	for (int i = 0; i < 40; i++)
		strcpy(devices[i].name, "usb-x");
	plan_make_good(&plan, "[port usb-*]\n", devices, 40, NULL);
	ck_assert_uint_lt(strlen(plan_notes), CONFIG_ERROR_MAX);
	ck_assert_str_eq(strrchr(plan_notes, '\n'), "\n... and 32 more");
	hotplug_plan_free(&plan);
	free(devices);
}
END_TEST

/* ---- any machine ---- */

static unsigned
random_below(unsigned limit)
{
	static uint64_t state = 0x9e3779b97f4a7c15U;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state % limit);
}

static size_t
random_machine(struct hotplug_device devices[12])
{
	size_t count = 0;

	for (unsigned node = 0; node < 12; node++) {
		struct hotplug_device *device = &devices[count];
		unsigned serial = random_below(5), interface = random_below(2);

		if (random_below(3) == 0)
			continue;
		*device = (struct hotplug_device){ 0 };
		sprintf(device->node, "/dev/ttyUSB%u", node);
		sprintf(device->name, "usb-%u-%u", serial, interface);
		sprintf(device->usb_id, "0403:600%u", random_below(3));
		sprintf(device->usb_serial, "%u", serial);
		sprintf(device->usb_interface, "%02u", interface);
		sprintf(device->usb_path, "p%u:%u", random_below(4), interface);
		device->ignored = random_below(8) == 0;
		device->console = random_below(8) == 0;
		count++;
	}
	return count;
}

static void
random_text(char *text)
{
	unsigned count = random_below(6);

	text[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		text += sprintf(text, "[port p%u]\n", i);
		if (random_below(4) == 0)
			text += sprintf(text, "device = /dev/%sttyUSB%u\n",
					random_below(2) ? "serial/" : "./", 2 * i);
		else
			text += sprintf(text, "usb-id = 0403:%s\n", random_below(2) ? "6001" : "*");
		if (random_below(3) == 0)
			text += sprintf(text, "usb-serial = %u\n", random_below(5));
		if (random_below(3) == 0)
			text += sprintf(text, "usb-interface = %02u\n", random_below(2));
	}
	if (random_below(2))
		text += sprintf(text, "[port usb-?-1]\nusb-serial = [0-2]\n");
	if (random_below(2))
		sprintf(text, "[port usb-*]\nbaud = 300\n");
}

/* The devices that are there in both plans are where they were, unless a path leads there. */
START_TEST(on_any_machine_no_device_is_two_ports_and_what_changes_nothing_moves_nothing)
{
	struct hotplug_device devices[12];
	struct hotplug_plan plan, next;
	char text[2000];

	for (int i = 0; i < 300; i++) {
		random_text(text);
		plan_make_good(&plan, text, devices, random_machine(devices), NULL);
		for (int j = 0; j < 5; j++) {
			size_t count = random_machine(devices);

			plan_make_good(&next, text, devices, count, &plan);
			hotplug_plan_free(&plan);
			plan_make_good(&plan, text, devices, count, &next);
			ck_assert(hotplug_plan_is_same(&plan, &next));
			ck_assert_uint_eq(plan.link_count, next.link_count);
			for (size_t k = 0; k < plan.link_count; k++)
				plan_require_link(&plan, next.links[k].port, next.links[k].node);
			hotplug_plan_free(&next);
		}
		hotplug_plan_free(&plan);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("hotplug_adopt");
	TCase *tcase = tcase_create("plan");

	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, templates_adopt_what_no_section_means, 0, (int)COUNT(templates));
	tcase_add_test(tcase, an_adopted_port_has_the_settings_of_the_first_template_that_fits);
	tcase_add_test(tcase, adopted_ports_stay_in_their_order_and_are_forgotten_at_a_reload);
	tcase_add_test(tcase, an_adopted_port_goes_when_its_device_is_no_longer_for_templates);
	tcase_add_test(tcase, of_two_devices_with_one_name_the_second_is_left_out);
	tcase_add_test(tcase, names_that_are_no_files_are_not_adopted);
	tcase_add_test(tcase, no_more_ports_are_adopted_than_the_limit_and_that_is_told);
	tcase_add_test(tcase, sections_and_adopted_ports_together_are_as_many_as_the_children_take);
	tcase_add_test(tcase, notes_that_are_too_many_are_counted);
	tcase_add_test(
	    tcase, on_any_machine_no_device_is_two_ports_and_what_changes_nothing_moves_nothing);
	suite_add_tcase(suite, tcase);
	return conf_run(suite);
}
