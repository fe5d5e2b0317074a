/*
 * test_config_fault.c - what each fault of a configuration is told as, word by word.
 */
#include "config_fixture.h"

#include "../broker/config_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALL_SECTIONS "there are [broker], [port NAME], [pool NAME], [access] and [access NAME]"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
	const char *text, *message;
} faults[] = {
	{ CONF_PORT "bauds = 1\n",
	  "f.conf:3: port modem0: unknown key \"bauds\"; did you mean \"baud\"?" },
	{ CONF_PORT "hangup_ms = 1\n",
	  "f.conf:3: port modem0: unknown key \"hangup_ms\"; did you mean \"hangup-ms\"?" },
	{ CONF_PORT "colour = 1\n",
	  "f.conf:3: port modem0: unknown key \"colour\"; see comlease.conf(5)" },
	{ CONF_PORT "= 1\n", "f.conf:3: port modem0: unknown key \"\"; see comlease.conf(5)" },
	{ CONF_PORT "mode = 0600\n", "f.conf:3: port modem0: \"mode\" belongs under [broker]" },
	{ "[broker]\nbaud = 1\n", "f.conf:2: broker: \"baud\" belongs under [port NAME]" },
	{ "baud = 1\n", "f.conf:1: \"baud\" stands before any section; put it under [port NAME]" },
	{ "\n;x\nmode = 1\n",
	  "f.conf:3: \"mode\" stands before any section; put it under [broker]" },
	{ CONF_PORT "baud = fast\n", "f.conf:3: port modem0: baud: \"fast\" is no number" },
	{ CONF_PORT "baud = -1\n", "f.conf:3: port modem0: baud: \"-1\" is no number" },
	{ CONF_PORT "baud = 0x10\n", "f.conf:3: port modem0: baud: \"0x10\" is no number" },
	{ CONF_PORT "baud = 9600 # slow\n",
	  "f.conf:3: port modem0: baud: \"9600 # slow\" is no number" },
	{ CONF_PORT "baud =\n", "f.conf:3: port modem0: baud: has no value" },
	{ CONF_PORT "baud = ; 9600\n", "f.conf:3: port modem0: baud: has no value" },
	{ CONF_PORT "baud = 0\n", "f.conf:3: port modem0: baud: 0 is out of range (1..20000000)" },
	{ CONF_PORT "hangup-ms = 60001\n",
	  "f.conf:3: port modem0: hangup-ms: 60001 is out of range (0..60000)" },
	{ CONF_PORT "hangup-ms = 99999999999999999999999\n",
	  "f.conf:3: port modem0: hangup-ms: 99999999999999999999999 is out of range (0..60000)" },
	{ CONF_PORT "baud = 18446744073709561216\n", /* 2^64 + 9600 */
	  "f.conf:3: port modem0: baud: 18446744073709561216 is out of range (1..20000000)" },
	{ CONF_PORT "settle-ms = 4294967296\n",
	  "f.conf:3: port modem0: settle-ms: 4294967296 is out of range (0..60000)" },
	{ CONF_PORT "drain-ms = 600001\n",
	  "f.conf:3: port modem0: drain-ms: 600001 is out of range (0..600000)" },
	{ CONF_PORT "max-waiters = 0\n",
	  "f.conf:3: port modem0: max-waiters: 0 is out of range (1..1000000)" },
	{ CONF_PORT "frame = 8n1\n",
	  "f.conf:3: port modem0: frame: \"8n1\" is no frame: data bits 5 to 8, parity N, E or O, "
	  "stop bits 1 or 2, like 8N1" },
	{ CONF_PORT "flow = RTS\n",
	  "f.conf:3: port modem0: flow: \"RTS\" is not one of none, rtscts, xonxoff" },
	{ CONF_PORT "revocation = no\n",
	  "f.conf:3: port modem0: revocation: \"no\" is not one of hangup, none" },
	{ CONF_PORT "baud = 1\n\nbaud = 2\n",
	  "f.conf:5: port modem0: baud is already set at f.conf:3" },
	{ "[broker]\nmode = 1\n[broker]\nmode = 1\n",
	  "f.conf:4: broker: mode is already set at f.conf:2" },
	{ "[broker]\nmode = 0668\n",
	  "f.conf:2: broker: mode: \"0668\" is no octal number, like 0660" },
	{ "[broker]\nmode = 01777\n", "f.conf:2: broker: mode: 01777 is out of range (0..0777)" },
	{ "[broker]\nmax-connections = 65537\n",
	  "f.conf:2: broker: max-connections: 65537 is out of range (1..65536)" },
	{ "[broker]\nmax-connections-per-user = 0\n",
	  "f.conf:2: broker: max-connections-per-user: 0 is out of range (1..65536)" },
	{ "[broker]\nuser = a b\n", "f.conf:2: broker: user: \"a b\" is no user name" },
	{ "[broker]\ngroup = 0123456789012345678901234567890123\n",
	  "f.conf:2: broker: group: \"0123456789012345678901234567890123...\" is longer than 32 "
	  "bytes" },
	{ "[broker]\nsocket = c.sock\n",
	  "f.conf:2: broker: socket: \"c.sock\" is no absolute path; start it with \"/\"" },
	{ "[broker]\nsocket = " D100 "/1234567\n",
	  "f.conf:2: broker: socket: \"" D20 D20 "...\" has 108 bytes, 107 are allowed" },
	{ "[broker]\nstate-dir = /var/lib/\n",
	  "f.conf:2: broker: state-dir: \"/var/lib/\" ends with \"/\"; leave that out" },
	{ "[port a]\ndevice = ttyS0\n",
	  "f.conf:2: port a: device: \"ttyS0\" is no absolute path; start it with \"/\"" },
	{ "[port a]\ndevice = " D100 D20 D20 D20 D20 "1\n",
	  "f.conf:2: port a: device: \"" D20 D20 "...\" has 181 bytes, 180 are allowed" },
	{ "[port a]\ndevice = /dev/a\tb\n",
	  "f.conf:2: port a: device: \"/dev/a\\x09b\" has bytes that are not printable UTF-8" },
	{ "[port a]\ndevice = /dev/\xc3\n",
	  "f.conf:2: port a: device: \"/dev/\\xc3\" has bytes that are not printable UTF-8" },
	{ "[port a]\ndevice = /dev/\xc2\x9b\n",
	  "f.conf:2: port a: device: \"/dev/\\xc2\\x9b\" has bytes that are not printable UTF-8" },
	{ "[port a]\ndevice = /dev/\xc0\xaf\n",
	  "f.conf:2: port a: device: \"/dev/\\xc0\\xaf\" has bytes that are not printable UTF-8" },
	{ "[port a]\ndevice = /dev/\xed\xa0\x80\n",
	  "f.conf:2: port a: device: \"/dev/\\xed\\xa0\\x80\" has bytes that are not printable "
	  "UTF-8" },
	{ "[port a]\ndevice = /dev/a # fax\n",
	  "f.conf:2: port a: device: \"/dev/a # fax\": behind a blank, \";\" starts a comment and "
	  "\"#\" "
	  "is not allowed; rename it, or put the comment on a line of its own" },
	{ "[port a]\n",
	  "f.conf:1: port a: its device is missing; add \"device = /dev/...\", or "
	  "what tells it from others: usb-serial, usb-id, usb-path, usb-interface, udev-tag "
	  "(\"comlease ports\" shows them)" },
	{ "[port a]\n\n[port b]\ndevice = /b\n",
	  "f.conf:1: port a: its device is missing; add \"device = /dev/...\", or "
	  "what tells it from others: usb-serial, usb-id, usb-path, usb-interface, udev-tag "
	  "(\"comlease ports\" shows them)" },
	{ CONF_PORT "[port fax]\nbaud = 1\ndevice = /dev//./ttyS0\n",
	  "f.conf:5: port fax: device: /dev/ttyS0 is already that of port modem0 at f.conf:1" },
	{ CONF_PORT "[broker]\n" CONF_PORT,
	  "f.conf:4: port modem0 is already defined at f.conf:1" },
	{ CONF_PORT "[port modem0]\nbaud = x\n",
	  "f.conf:3: port modem0 is already defined at f.conf:1\n"
	  "f.conf:4: port modem0: baud: \"x\" is no number" },
	{ "[port]\ndevice = /d\n", "f.conf:1: section [port] has no name; write [port NAME]" },
	{ "[port a b]\ndevice = /d\n", "f.conf:1: port \"a b\": that is no name; use 1 to 64 of "
				       "the characters A-Z a-z 0-9 . _ : @ "
				       "+ -" },
	{ "[port a\x1b(31m]\ndevice = /d\n", "f.conf:1: port \"a\\x1b(31m\": that is no name; use "
					     "1 to 64 of the characters A-Z a-z 0-9 . "
					     "_ : @ + -" },
	{ "[pool x]\nports = a\nbaud = 1\n",
	  "f.conf:3: pool x: \"baud\" belongs under [port NAME]\n"
	  "f.conf:1: pool x: ports: there is no port a; add [port a], or leave it out" },
	{ "[broker x]\n", "f.conf:1: unknown section [broker x]; " ALL_SECTIONS },
	{ "[]\nx\n", "f.conf:1: unknown section []; " ALL_SECTIONS },
	{ "[port a\ndevice = /d\n", "f.conf:1: section without \"]\": [port a" },
	{ "[broker] mode = 0600\n",
	  "f.conf:1: \"mode = 0600\" behind a section; put it on a line of its own" },
	{ CONF_PORT "baud\nbaud = x\n",
	  "f.conf:3: no \"KEY = VALUE\" and no [section]; comments start with \";\" or \"#\"\n"
	  "f.conf:4: port modem0: baud: \"x\" is no number" },
	{ CONF_PORT "  9600",
	  "f.conf:3: no \"KEY = VALUE\" and no [section]; comments start with \";\" or "
	  "\"#\"" },
	{ "[broker]\nstate-dir=" D100 D20 D20 D20 D20 "123456789\n",
	  "f.conf:2: the line is too long, 198 bytes are allowed" },
};

START_TEST(each_fault_is_told_with_its_place_reason_and_way_out)
{
	conf_require_fault(faults[_i].text, &conf_root, faults[_i].message);
}
END_TEST

START_TEST(nul_bytes_are_told)
{
	struct config config;
	static const char text[] = "[broker]\nmode = 06\0"
				   "00\n\nx = 1\n";

	ck_assert_int_eq(conf_read_bytes(text, sizeof(text) - 1, &conf_root, &config), -EINVAL);
	ck_assert_str_eq(conf_error, "f.conf:2: the line has a NUL byte; is this a text file?\n"
				     "f.conf:4: broker: unknown key \"x\"; see comlease.conf(5)");
}
END_TEST

/* Whatever follows the cut must not be lost: here what comes after 1,100 blanks. */
START_TEST(very_long_lines_are_told_but_for_comments)
{
	char text[4000];

	snprintf(text, sizeof(text), "[broker]\nmode = 0600%1100s;x\nmode = 0600%1100sx\n", "", "");
	conf_require_fault(text, &conf_root,
			   "f.conf:2: the line is too long, 198 bytes are allowed\n"
			   "f.conf:3: the line is too long, 198 bytes are allowed");
	snprintf(text, sizeof(text), "#%2000s\n  ;%300s\n[oops]", "", "");
	conf_require_fault(text, &conf_root, "f.conf:3: unknown section [oops]; " ALL_SECTIONS);
}
END_TEST

START_TEST(a_list_of_faults_that_is_too_long_is_counted)
{
	char text[2000] = "[broker]\n";
	const char *last;

	for (int i = 0; i < 100; i++)
		strcat(text, "colour = 1\n");
	ck_assert_int_eq(conf_read(text, &conf_root, &(struct config){ 0 }), -EINVAL);
	ck_assert_uint_lt(strlen(conf_error), CONFIG_ERROR_MAX);
	last = strrchr(conf_error, '\n');
	ck_assert_ptr_nonnull(last);
	ck_assert_str_eq(last, "\n... and 84 more");
	for (const char *c = conf_error; c < last; c++)
		ck_assert(*c != '\n' || strncmp(c + 1, "f.conf:", 7) == 0 || c + 1 > last - 1);
}
END_TEST

START_TEST(a_file_without_end_is_refused)
{
	struct config config;

	ck_assert_int_eq(config_load("/dev/zero", &conf_root, &config, conf_error), -EINVAL);
	ck_assert_str_eq(conf_error,
			 "/dev/zero:1: the line has a NUL byte; is this a text file?\n"
			 "/dev/zero:1: the file is too long, 16777216 bytes are allowed");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_told)
{
	struct config config;

	ck_assert_int_eq(config_load("/nonexistent/c", &conf_root, &config, conf_error), -ENOENT);
	ck_assert_str_eq(conf_error, "/nonexistent/c: cannot read it: No such file or directory");
	ck_assert_int_eq(config_load("/", &conf_root, &config, conf_error), -EISDIR);
	ck_assert_str_eq(conf_error, "/: cannot read it: Is a directory");
	ck_assert_int_eq(config_read(-1, "x", &conf_root, &config, conf_error), -EBADF);
	ck_assert_str_eq(conf_error, "x: cannot read it: Bad file descriptor");
}
END_TEST

START_TEST(more_ports_than_allowed_are_told)
{
	struct config config;
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	for (int i = 0; i <= CONFIG_PORTS_MAX; i++)
		fprintf(file, "[port p%d]\ndevice = /dev/p%d\n", i, i);
	fclose(file);
	ck_assert_int_eq(conf_read(text, &conf_root, &config), -EINVAL);
	ck_assert_str_eq(conf_error, "f.conf:2001: port p1000: too many ports, 1000 are allowed");
	free(text);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config_fault");
	TCase *tcase = tcase_create("faults");

	tcase_add_loop_test(tcase, each_fault_is_told_with_its_place_reason_and_way_out, 0,
			    (int)COUNT(faults));
	tcase_add_test(tcase, nul_bytes_are_told);
	tcase_add_test(tcase, very_long_lines_are_told_but_for_comments);
	tcase_add_test(tcase, a_list_of_faults_that_is_too_long_is_counted);
	tcase_add_test(tcase, a_file_without_end_is_refused);
	tcase_add_test(tcase, a_file_that_cannot_be_read_is_told);
	tcase_add_test(tcase, more_ports_than_allowed_are_told);
	suite_add_tcase(suite, tcase);
	return conf_run(suite);
}
