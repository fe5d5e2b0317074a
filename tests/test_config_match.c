/*
 * test_config_match.c - ports that are known by what they are, `[port usb*]`, and what other
 * sections may say of ports that are not there yet.
 */
#include "config_fixture.h"

#include "../broker/config_key.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MISSING                                                                                    \
	"its device is missing; add \"device = /dev/...\", or what tells it from others: "         \
	"usb-serial, usb-id, usb-path, usb-interface, udev-tag (\"comlease ports\" shows them)"
#define PATTERN                                                                                    \
	"that is no pattern of names; * ? and sets like [0-9] may stand there, else use 1 to 64 "  \
	"of the characters A-Z a-z 0-9 . _ : @ + -"
#define N64 "0123456789012345678901234567890123456789012345678901234567890123"

/* ---- what is taken ---- */

START_TEST(ports_without_device_are_taken)
{
	static const char *const texts[] = { "usb-serial = A1", "usb-id = 0403:6001",
					     "usb-path = p", "usb-interface = 00", "udev-tag = t" };
	struct config config;
	char text[80];

	snprintf(text, sizeof(text), "[port a]\n%s\n", texts[_i]);
	conf_read_good(text, &conf_root, &config);
	ck_assert_str_eq(config.ports[0].device, "");
	ck_assert(config_is_identified(&config.ports[0]));
	config_free(&config);
}
END_TEST

START_TEST(a_port_with_device_alone_says_nothing_more)
{
	struct config config;

	conf_read_good(CONF_PORT, &conf_root, &config);
	ck_assert(!config_is_identified(&config.ports[0]));
	config_free(&config);
}
END_TEST

/* As udev writes them. */
START_TEST(hexadecimal_digits_are_made_lower_case)
{
	struct config config;

	conf_read_good("[port a]\nusb-id = 0BDA:6A0F\nusb-interface = 0A\nusb-serial = AB\n"
		       "[port b]\nusb-id = 0BDA:*\n",
		       &conf_root, &config);
	ck_assert_str_eq(config.ports[0].usb_id, "0bda:6a0f");
	ck_assert_str_eq(config.ports[0].usb_interface, "0a");
	ck_assert_str_eq(config.ports[0].usb_serial, "AB");
	ck_assert_str_eq(config.ports[1].usb_id, "0bda:*");
	config_free(&config);
}
END_TEST

/* Which of the two adapters is at ttyUSB0. */
START_TEST(two_ports_may_have_one_path_if_both_say_what_must_be_there)
{
	struct config config;

	conf_read_good("[port a]\ndevice = /d\nusb-serial = A\n[port b]\ndevice = /d\n"
		       "usb-serial = B\n",
		       &conf_root, &config);
	ck_assert_uint_eq(config.port_count, 2);
	config_free(&config);
	conf_require_fault("[port a]\ndevice = /d\nusb-serial = A\n[port b]\ndevice = /d\n",
			   &conf_root,
			   "f.conf:5: port b: device: /d is already that of port a at f.conf:1");
}
END_TEST

START_TEST(sections_with_wildcards_are_templates)
{
	static const char *const names[] = { "*", "usb?", "usb[0-9]", "a[!b-c]*[^x]", "[a]" };
	struct config config;
	char text[200] = "[port real]\ndevice = /d\n";

	for (size_t i = 0; i < COUNT(names); i++)
		sprintf(text + strlen(text), "[port %s] ; [x]\nbaud = %zu\n", names[i], i + 1);
	conf_read_good(text, &conf_root, &config);
	ck_assert_uint_eq(config.port_count, 1);
	ck_assert_uint_eq(config.template_count, COUNT(names));
	for (size_t i = 0; i < COUNT(names); i++) {
		ck_assert_str_eq(config.templates[i].name, names[i]);
		ck_assert_uint_eq(config.templates[i].baud, i + 1);
		ck_assert_uint_eq(config.templates[i].line, 3 + 2 * i);
		ck_assert_ptr_null(config_find(&config, names[i]));
	}
	config_free(&config);
	ck_assert_ptr_null(config.templates);
	ck_assert_uint_eq(config.template_count, 0);
}
END_TEST

START_TEST(a_template_has_filters_and_every_key_of_a_port_but_device)
{
	struct config config;
	const struct config_port *template;

	conf_read_good("[port usb-*]\nusb-id = 0403:*\nudev-tag = lab\ntag = x\norder = a b\n",
		       &conf_root, &config);
	template = &config.templates[0];
	ck_assert_str_eq(template->usb_id, "0403:*");
	ck_assert_str_eq(template->udev_tag, "lab");
	ck_assert_str_eq(template->tag, "x");
	ck_assert_uint_eq(template->order_count, 2);
	ck_assert_str_eq(template->device, "");
	config_free(&config);
}
END_TEST

START_TEST(access_may_name_what_a_template_may_adopt)
{
	struct config config;

	conf_read_good("[access usb-A]\nask = nobody\n[port usb-[A-C]]\n", &conf_root, &config);
	ck_assert_ptr_nonnull(config_find_access(&config, "usb-A"));
	config_free(&config);
	conf_require_fault("[access usb-D]\nask = nobody\n[port usb-[A-C]]\n", &conf_root,
			   "f.conf:1: access usb-D: there is no port or pool of that name");
}
END_TEST

/* ---- faults ---- */

static const struct {
	const char *text, *message;
} faults[] = {
	{ "[port a]\nbaud = 1\n", "f.conf:1: port a: " MISSING },
	{ "[port a]\nusb-id = 403:6001\n", "f.conf:2: port a: usb-id: \"403:6001\": write VID:PID "
					   "with four hexadecimal digits each, or VID:*" },
	{ "[port a]\nusb-id = 0403:60011\n", "f.conf:2: port a: usb-id: \"0403:60011\": write "
					     "VID:PID with four hexadecimal digits each, or "
					     "VID:*" },
	{ "[port a]\nusb-id = *:6001\n", "f.conf:2: port a: usb-id: \"*:6001\": write VID:PID with "
					 "four hexadecimal digits each, or VID:*" },
	{ "[port a]\nusb-id =\n", "f.conf:2: port a: usb-id: has no value" },
	{ "[port a]\nusb-interface = 1\n",
	  "f.conf:2: port a: usb-interface: \"1\" is no interface; write two hexadecimal digits, "
	  "like 00" },
	{ "[port a]\nusb-interface = 0g\n",
	  "f.conf:2: port a: usb-interface: \"0g\" is no interface; write two hexadecimal digits, "
	  "like 00" },
	{ "[port a]\nusb-serial = A 1\n",
	  "f.conf:2: port a: usb-serial: \"A 1\" has a blank; udev writes \"_\" where a device has "
	  "one" },
	{ "[port a]\nusb-serial = A # the fax\n",
	  "f.conf:2: port a: usb-serial: \"A # the fax\" has a blank; udev writes \"_\" where a "
	  "device has one" },
	{ "[port a]\nusb-serial = a\xff\n",
	  "f.conf:2: port a: usb-serial: \"a\\xff\" has bytes that are not printable UTF-8" },
	{ "[port a]\nusb-serial = " D100 D20 "1\n",
	  "f.conf:2: port a: usb-serial: \"" D20 D20 "...\" is longer than 120 bytes" },
	{ "[port a]\nusb-path = /dev/serial/by-path/x\n",
	  "f.conf:2: port a: usb-path: \"/dev/serial/by-path/x\" is a file's path; write \"device "
	  "= ...\" for that, or udev's ID_PATH, like pci-0000:00:14.0-usb-0:2:1.0" },
	{ "[port a]\nudev-tag = a:b\n",
	  "f.conf:2: port a: udev-tag: \"a:b\": no tag of udev has a \":\"" },
	{ "[port a]\nusb-id = x\nusb-id = 0403:6001\n",
	  "f.conf:2: port a: usb-id: \"x\": write VID:PID with four hexadecimal digits each, or "
	  "VID:*\n"
	  "f.conf:3: port a: usb-id is already set at f.conf:2" },
	{ "[port a]\nusb-serail = 1\n",
	  "f.conf:2: port a: unknown key \"usb-serail\"; did you mean \"usb-serial\"?\n"
	  "f.conf:1: port a: " MISSING },
	{ "[broker]\nudev-tag = 1\n", "f.conf:2: broker: \"udev-tag\" belongs under [port NAME]" },
	{ "[port ..]\nusb-serial = 1\n",
	  "f.conf:1: port ..: a link of that name would lead to its device, and no file can have "
	  "it; choose another" },
	{ "[port .]\nusb-serial = 1\ndevice = /d\n",
	  "f.conf:1: port .: a link of that name would lead to its device, and no file can have "
	  "it; choose another" },
	{ "[port usb*]\ndevice = /dev/ttyUSB0\n",
	  "f.conf:2: port usb*: device: a name with * ? or [ is for whatever appears, and a "
	  "device's path for one; leave it out, or give the port a name of its own" },
	{ "[port usb*]\nmatch = usb:0403:*\n",
	  "f.conf:2: port usb*: \"match\" belongs under [pool NAME]" },
	{ "[port usb*]\nbaud = x\n", "f.conf:2: port usb*: baud: \"x\" is no number" },
	{ "[port usb*]\n[port a]\ndevice = /d\n[port usb*]\n",
	  "f.conf:4: port usb* is already defined at f.conf:1" },
	{ "[port usb[]\n", "f.conf:1: port \"usb[\": " PATTERN },
	{ "[port usb[0-9]\n", "f.conf:1: port \"usb[0-9\": " PATTERN },
	{ "[port usb[!]]\n", "f.conf:1: port \"usb[!]\": " PATTERN },
	{ "[port usb[[:digit:]]]\n", "f.conf:1: port \"usb[[:digit:]]\": " PATTERN },
	{ "[port usb[a b]]\n", "f.conf:1: port \"usb[a b]\": " PATTERN },
	{ "[port usb/*]\n", "f.conf:1: port \"usb/*\": " PATTERN },
	{ "[port a\x1b[31m]\n", "f.conf:1: port \"a\\x1b[31m\": " PATTERN },
	{ "[port " N64 "*]\n", "f.conf:1: port \"" N64 "*\": " PATTERN },
	{ "[pool usb*]\nmatch = tag:x\n",
	  "f.conf:1: pool \"usb*\": that is no name; use 1 to 64 of the characters A-Z a-z 0-9 . _ "
	  ": @ + -" },
	{ "[access usb*]\nask = *\n[port usb*]\n",
	  "f.conf:1: access \"usb*\": that is no port's or pool's name; use 1 to 64 of the "
	  "characters A-Z a-z 0-9 . _ : @ + -" },
	{ "[pool p]\nports = usb-A\n[port usb-*]\n",
	  "f.conf:1: pool p: ports: there is no port usb-A; add [port usb-A], or leave it out; "
	  "ports that [port usb-*] adopts are matched with \"match = usb:VID:PID\", \"tag:NAME\" "
	  "or \"path:PATTERN\"" },
};

START_TEST(each_fault_is_told_with_its_place_reason_and_way_out)
{
	conf_require_fault(faults[_i].text, &conf_root, faults[_i].message);
}
END_TEST

START_TEST(a_template_needs_the_capability_to_revoke_or_must_do_without)
{
	const struct config_rules rules = { .privileged = true };
	struct config config;

	conf_require_fault("[port usb*]\n", &rules,
			   "f.conf:1: port usb*: taking a port back from a hung holder needs "
			   "CAP_SYS_ADMIN; run comleased as root, or set \"revocation = none\"");
	conf_read_good("[port usb*]\nrevocation = none\n", &rules, &config);
	config_free(&config);
}
END_TEST

START_TEST(more_templates_than_allowed_are_told)
{
	struct config config;
	char text[250 * 16 + 64] = "";

	for (int i = 0; i < CONFIG_TEMPLATES_MAX; i++)
		sprintf(text + strlen(text), "[port t%d*]\n", i);
	conf_read_good(text, &conf_root, &config);
	config_free(&config);
	strcat(text, "[port *]\n");
	conf_require_fault(text, &conf_root,
			   "f.conf:251: template *: too many templates, 250 are allowed");
}
END_TEST

/* ---- what a supervisor prints for its children ---- */

START_TEST(resolved_ports_have_a_device_of_their_own_whatever_else_they_say)
{
	const struct config_rules rules = { .privileged = true,
					    .can_revoke = true,
					    .resolved = true };
	struct config config;

	conf_read_good("[port a]\ndevice = /d/a\nusb-serial = A\n[port b]\ndevice = /d/b\n"
		       "usb-serial = A\n",
		       &rules, &config);
	ck_assert_uint_eq(config.port_count, 2);
	config_free(&config);
	conf_require_fault("[port a]\nusb-serial = A\n", &rules,
			   "f.conf:1: port a: the supervisor has not said where its device is");
	conf_require_fault(
	    "[port a]\ndevice = /d\nusb-serial = A\n[port b]\ndevice = /d\nusb-serial = B\n",
	    &rules, "f.conf:5: port b: device: /d is already that of port a at f.conf:1");
	conf_require_fault("[port usb*]\n", &rules,
			   "f.conf:1: port usb*: the supervisor has not put ports in its place");
}
END_TEST

/* ---- the whole ---- */

#define WHOLE                                                                                      \
	"[broker]\nuser = u\ngroup = g\n[port a]\ndevice = /a\norder = x y\n[port b]\n"            \
	"usb-serial = B\n[port usb*]\n[port tty?]\n[pool p]\nports = b a\n[pool q]\n"              \
	"match = tag:x\n[access]\nask = 1 @2\npriority = *:5\n[access usb1]\nask = nobody\n"       \
	"[access p]\nrevoke = 3\nevict = 4\ndisable = 5\n[access usb2]\nask = *\n[access a]\n"

START_TEST(a_copy_is_the_same_and_shares_nothing)
{
	struct config config, copy;
	char *text, *copied;

	conf_read_good(WHOLE, &conf_root, &config);
	text = conf_print(&config);
	ck_assert_int_eq(config_copy(&copy, &config), 0);
	ck_assert_str_eq(copy.templates[1].file, "f.conf");
	ck_assert_uint_eq(copy.pools[1].line, config.pools[1].line);
	config_free(&config); /* a sanitizer, or valgrind, sees what was shared */
	copied = conf_print(&copy);
	ck_assert_str_eq(text, copied);
	free(text);
	free(copied);
	config_free(&copy);
	ck_assert_int_eq(config_copy(&copy, &config), 0); /* of nothing */
	config_free(&copy);
}
END_TEST

START_TEST(children_are_told_of_no_template_and_of_no_access_that_waits_for_one)
{
	struct config config;

	conf_read_good(WHOLE, &conf_root, &config);
	config_drop_templates(&config);
	ck_assert_uint_eq(config.template_count, 0);
	ck_assert_uint_eq(config.port_count, 2);
	ck_assert_uint_eq(config.access_count, 3);
	ck_assert_str_eq(config.access[0].name, "");
	ck_assert_str_eq(config.access[1].name, "p");
	ck_assert_str_eq(config.access[2].name, "a");
	config_free(&config);
}
END_TEST

START_TEST(a_keeper_keeps_its_port_alone)
{
	struct config config;

	conf_read_good(WHOLE, &conf_root, &config);
	config_keep_port(&config, "b");
	ck_assert_uint_eq(config.port_count, 1);
	ck_assert_str_eq(config.ports[0].usb_serial, "B");
	ck_assert_uint_eq(config.template_count + config.pool_count + config.access_count, 0);
	config_free(&config);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config_match");
	TCase *tcase = tcase_create("match");

	tcase_add_loop_test(tcase, ports_without_device_are_taken, 0, 5);
	tcase_add_test(tcase, a_port_with_device_alone_says_nothing_more);
	tcase_add_test(tcase, hexadecimal_digits_are_made_lower_case);
	tcase_add_test(tcase, two_ports_may_have_one_path_if_both_say_what_must_be_there);
	tcase_add_test(tcase, sections_with_wildcards_are_templates);
	tcase_add_test(tcase, a_template_has_filters_and_every_key_of_a_port_but_device);
	tcase_add_test(tcase, access_may_name_what_a_template_may_adopt);
	tcase_add_loop_test(tcase, each_fault_is_told_with_its_place_reason_and_way_out, 0,
			    (int)COUNT(faults));
	tcase_add_test(tcase, a_template_needs_the_capability_to_revoke_or_must_do_without);
	tcase_add_test(tcase, more_templates_than_allowed_are_told);
	tcase_add_test(tcase, resolved_ports_have_a_device_of_their_own_whatever_else_they_say);
	tcase_add_test(tcase, a_copy_is_the_same_and_shares_nothing);
	tcase_add_test(tcase, children_are_told_of_no_template_and_of_no_access_that_waits_for_one);
	tcase_add_test(tcase, a_keeper_keeps_its_port_alone);
	suite_add_tcase(suite, tcase);
	return conf_run(suite);
}
