/*
 * test_config.c - the configuration: what is accepted, and that printing and reading are inverse;
 * the sample that is installed.
 */
#include "config_fixture.h"

#include "../broker/config_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Good texts */

START_TEST(every_key_is_taken)
{
	struct config config;
	const struct config_port *port;

	conf_read_good(
	    "[broker]\nsocket = /s\nlock-dir = /l\nstate-dir = /d\nuser = u\ngroup = g\nmode = "
	    "0600\n"
	    "max-connections = 5\nmax-connections-per-user = 6\n"
	    "[port a]\ndevice = /dev/a\nusb-serial = A1\nusb-id = 0403:6001\nusb-path = p\n"
	    "usb-interface = 01\nudev-tag = t\nbaud = 9600\nframe = 7E2\nflow = rtscts\n"
	    "revocation = none\nhangup-ms = 1\nsettle-ms = 2\ndrain-ms = 3\nmax-waiters = 4\n"
	    "linger-ms = 5\nquiet-ms = 6\ninit = ATZ OK\ninit-timeout-ms = 7\norder = mail fax\n"
	    "class-of = efax:fax\nage-step = 8\nmax-hold = 9 fax:10\nmin-hold = 11\n"
	    "yield-grace = 12\nidle-timeout = 13\npreempt = lower\nbusy-by = activity:14 dcd\n"
	    "max-busy = 15\nown = leased\ntag = lab\n",
	    &conf_root, &config);
	ck_assert_str_eq(config.socket, "/s");
	ck_assert_str_eq(config.lock_dir, "/l");
	ck_assert_str_eq(config.state_dir, "/d");
	ck_assert_str_eq(config.user, "u");
	ck_assert_str_eq(config.group, "g");
	ck_assert_uint_eq(config.mode, 0600);
	ck_assert_uint_eq(config.connections_max, 5);
	ck_assert_uint_eq(config.connections_uid_max, 6);
	ck_assert_uint_eq(config.port_count, 1);
	port = config_find(&config, "a");
	ck_assert_ptr_eq(port, &config.ports[0]);
	ck_assert_str_eq(port->device, "/dev/a");
	ck_assert_str_eq(port->usb_serial, "A1");
	ck_assert_str_eq(port->usb_id, "0403:6001");
	ck_assert_str_eq(port->usb_path, "p");
	ck_assert_str_eq(port->usb_interface, "01");
	ck_assert_str_eq(port->udev_tag, "t");
	ck_assert_uint_eq(port->baud, 9600);
	ck_assert_uint_eq(port->bits, 7);
	ck_assert_int_eq(port->parity, 'E');
	ck_assert_uint_eq(port->stop, 2);
	ck_assert_int_eq(port->flow, CONFIG_FLOW_RTSCTS);
	ck_assert(!port->revocable);
	ck_assert_uint_eq(port->hangup_ms, 1);
	ck_assert_uint_eq(port->settle_ms, 2);
	ck_assert_uint_eq(port->drain_ms, 3);
	ck_assert_uint_eq(port->queue_max, 4);
	ck_assert_uint_eq(port->linger_ms, 5);
	ck_assert_uint_eq(port->quiet_ms, 6);
	ck_assert_str_eq(port->init, "ATZ OK");
	ck_assert_uint_eq(port->init_timeout_ms, 7);
	ck_assert_uint_eq(port->order_count, 2);
	ck_assert_str_eq(port->order[0], "mail");
	ck_assert_str_eq(port->order[1], "fax");
	ck_assert_uint_eq(port->class_of_count, 1);
	ck_assert_int_eq(port->class_of[0].who, CONFIG_COMMAND);
	ck_assert_str_eq(port->class_of[0].command, "efax");
	ck_assert_str_eq(port->class_of[0].class, "fax");
	ck_assert_uint_eq(port->age_step_s, 8);
	ck_assert_uint_eq(port->max_hold_s, 9);
	ck_assert_uint_eq(port->class_hold_count, 1);
	ck_assert_str_eq(port->class_hold[0].class, "fax");
	ck_assert_uint_eq(port->class_hold[0].hold_s, 10);
	ck_assert_uint_eq(port->min_hold_s, 11);
	ck_assert_uint_eq(port->yield_grace_s, 12);
	ck_assert_uint_eq(port->idle_timeout_s, 13);
	ck_assert_int_eq(port->preempt, CONFIG_PREEMPT_LOWER);
	ck_assert(port->busy_by_dcd);
	ck_assert_uint_eq(port->busy_by_activity_s, 14);
	ck_assert_uint_eq(port->max_busy_s, 15);
	ck_assert(!port->own_always);
	ck_assert_str_eq(port->tag, "lab");
	ck_assert_str_eq(port->file, "f.conf");
	ck_assert_uint_eq(port->line, 10);
	ck_assert_ptr_null(config_find(&config, "b"));
	config_free(&config);
	ck_assert_ptr_null(config.ports);
	ck_assert_ptr_null(config.lock_dir);
}
END_TEST

/* A device as written, and as it is understood. */
static const struct {
	const char *text, *device;
} devices[] = {
	{ "[port a]\ndevice = /dev/ttyS0", "/dev/ttyS0" },
	{ "\xef\xbb\xbf[port a]\r\ndevice = /dev/ttyS0\r\n", "/dev/ttyS0" },
	{ "[port a]\n\t device=/dev/ttyS0 \t\n", "/dev/ttyS0" },
	{ "  [ port\ta ]  ; the fax\n\n# x\n;y\ndevice:/dev/ttyS0 ; COM1\n", "/dev/ttyS0" },
	{ "[port a]\nbaud = 1\n  device = /dev/a=b:c", "/dev/a=b:c" },
	{ "[port a]\ndevice = /dev/my modem", "/dev/my modem" },
	{ "[port a]\ndevice = /dev/a;b#c", "/dev/a;b#c" },
	{ "[port a]\ndevice = /dev/%s\"'\\[x]", "/dev/%s\"'\\[x]" },
	{ "[port a]\ndevice = /dev/m\xc3\xb6"
	  "dem",
	  "/dev/m\xc3\xb6"
	  "dem" },
	{ "[port a]\ndevice = //dev///x/././y/..z/.a", "/dev/x/y/..z/.a" },
	{ "[port a]\ndevice = " D100 D20 D20 D20 D20, D100 D20 D20 D20 D20 },
};

START_TEST(devices_are_understood_and_printed_so_that_they_come_back)
{
	struct config config, again;
	char *text;

	conf_read_good(devices[_i].text, &conf_root, &config);
	ck_assert_uint_eq(config.port_count, 1);
	ck_assert_str_eq(config.ports[0].name, "a");
	ck_assert_str_eq(config.ports[0].device, devices[_i].device);
	text = conf_print(&config);
	conf_read_good(text, &conf_root, &again);
	ck_assert(config_same_device(&config.ports[0], &again.ports[0]));
	free(text);
	config_free(&config);
	config_free(&again);
}
END_TEST

/* inih alone would cut it to 49 bytes with "port ". */
START_TEST(a_name_of_64_bytes_is_kept)
{
	struct config config;
	const char *name = "0123456789012345678901234567890123456789012345678901234567890123";
	char text[200];

	snprintf(text, sizeof(text), "[port %s]\ndevice = /a\n[port %.63s]\ndevice = /b\n", name,
		 name);
	conf_read_good(text, &conf_root, &config);
	ck_assert_str_eq(config.ports[0].name, name);
	ck_assert_uint_eq(strlen(config.ports[1].name), 63);
	config_free(&config);
	snprintf(text, sizeof(text), "[port %s4]\ndevice = /a\n", name);
	ck_assert_int_eq(conf_read(text, &conf_root, &config), -EINVAL);
}
END_TEST

START_TEST(names_are_checked)
{
	ck_assert(config_name_is_valid("modem0"));
	ck_assert(config_name_is_valid("AZaz09._:@+-"));
	ck_assert(!config_name_is_valid(""));
	ck_assert(!config_name_is_valid("a b"));
	ck_assert(!config_name_is_valid("a/b"));
	ck_assert(!config_name_is_valid("\xc3\xb6"));
}
END_TEST

START_TEST(same_device_means_name_path_and_what_tells_it_from_others)
{
	struct config_port a = { .name = "a", .device = "/a" }, b = a;
	char *const known[] = { b.usb_serial, b.usb_id, b.usb_path, b.usb_interface, b.udev_tag };

	b.baud = 5;
	ck_assert(config_same_device(&a, &b));
	strcpy(b.device, "/b");
	ck_assert(!config_same_device(&a, &b));
	b = a;
	strcpy(b.name, "b");
	ck_assert(!config_same_device(&a, &b));
	for (size_t i = 0; i < COUNT(known); i++) {
		b = a;
		strcpy(known[i], "x");
		ck_assert(!config_same_device(&a, &b));
	}
}
END_TEST

/* Printing */

/* What does not tell a device from others. */
#define UNKNOWN                                                                                    \
	"; usb-serial is not set\n; usb-id is not set\n; usb-path is not set\n"                    \
	"; usb-interface is not set\n; udev-tag is not set\n"

/* Every key of every section, none of them at its default in both ports. */
#define CANONICAL                                                                                  \
	"[broker]\nsocket = /run/c.sock\nlock-dir = /var/lock\nstate-dir = /var/lib/c\n"           \
	"; user is not set\n"                                                                      \
	"group = dialout\nmode = 0060\nmax-connections = 4096\nmax-connections-per-user = 128\n"   \
	"\n[port b]\ndevice = /dev/b\nusb-serial = A50285*\nusb-id = 0403:6a01\n"                  \
	"usb-path = pci-0000:00:14.0-usb-0:2:1.0\nusb-interface = 0f\nudev-tag = lab\n"            \
	"baud = 300\nframe = 5O1\nflow = xonxoff\n"                                                \
	"revocation = hangup\nhangup-ms = 0\nsettle-ms = 60000\ndrain-ms = 600000\n"               \
	"max-waiters = 1000000\nlinger-ms = 60000\nquiet-ms = 60000\n"                             \
	"init = ATZ OK AT\\sI \\r\\nOK\\\\\ninit-timeout-ms = 60000\norder = mail fax\n"           \
	"class-of = efax:fax user=10:mail group=4294967294:a:b\nage-step = 86400\n"                \
	"max-hold = 31536000 fax:600 a:b:1 mail:none\nmin-hold = 86400\nyield-grace = 3600\n"      \
	"idle-timeout = 31536000\npreempt = lower\nbusy-by = dcd activity:3600\n"                  \
	"max-busy = none\nown = leased\ntag = lab\n"                                               \
	"\n[port a]\ndevice = /dev/a\n" UNKNOWN "baud = 20000000\nframe = 8N2\nflow = none\n"      \
	"revocation = none\nhangup-ms = 60000\nsettle-ms = 0\ndrain-ms = 0\nmax-waiters = 1\n"     \
	"linger-ms = 0\nquiet-ms = 0\ninit = none\ninit-timeout-ms = 1\norder = none\n"            \
	"class-of = none\nage-step = 0\nmax-hold = none\nmin-hold = 0\nyield-grace = 0\n"          \
	"idle-timeout = none\npreempt = never\nbusy-by = none\nmax-busy = 1\nown = always\n"       \
	"tag = none\n"                                                                             \
	"\n[port usb[0-9]-?*]\n; device is not set\n" UNKNOWN                                      \
	"baud = 115200\nframe = 8N1\nflow = none\nrevocation = hangup\nhangup-ms = 1000\n"         \
	"settle-ms = 0\ndrain-ms = 10000\nmax-waiters = 1000\nlinger-ms = 0\nquiet-ms = 0\n"       \
	"init = none\ninit-timeout-ms = 3000\norder = none\nclass-of = none\nage-step = 60\n"      \
	"max-hold = none\nmin-hold = 0\nyield-grace = 5\nidle-timeout = none\n"                    \
	"preempt = standby\nbusy-by = none\nmax-busy = 3600\nown = always\ntag = none\n"           \
	"\n[pool p]\nports = b a\n"                                                                \
	"\n[pool q]\nmatch = usb:0403:*\n"                                                         \
	"\n[pool r]\nmatch = tag:lab\n"                                                            \
	"\n[pool s]\nmatch = path:/dev/tty[A-Z]*\n"                                                \
	"\n[access]\nask = *\npriority = *:0 @20:-100 10:100\nrevoke = nobody\nevict = @0\n"       \
	"disable = 0 4294967294\n"                                                                 \
	"\n[access b]\nask = nobody\n; priority is not set\n; revoke is not set\n"                 \
	"; evict is not set\n; disable is not set\n"                                               \
	"\n[access p]\n; ask is not set\npriority = nobody\n; revoke is not set\n"                 \
	"; evict is not set\n; disable is not set\n"

START_TEST(canonical_text_is_printed_as_it_was_read)
{
	struct config config;
	char *text;

	conf_read_good(CANONICAL, &conf_root, &config);
	text = conf_print(&config);
	ck_assert_msg(strcmp(text, CANONICAL) == 0, "%.1000s", text);
	free(text);
	config_free(&config);
}
END_TEST

START_TEST(printing_tells_when_the_disk_is_full)
{
	struct config config;
	FILE *file = fopen("/dev/full", "w");

	if (!file)
		return;
	conf_read_good(CONF_PORT, &conf_root, &config);
	ck_assert_int_eq(config_print(&config, file), -EIO);
	fclose(file);
	file = fopen("/dev/full", "w");
	setvbuf(file, NULL, _IONBF, 0);
	ck_assert_int_eq(config_print(&config, file), -EIO);
	fclose(file);
	config_free(&config);
}
END_TEST

START_TEST(reading_from_a_pipe_works)
{
	struct config config;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], CONF_PORT, strlen(CONF_PORT)), (ssize_t)strlen(CONF_PORT));
	close(ends[1]);
	ck_assert_int_eq(config_read(ends[0], "pipe", &conf_root, &config, conf_error), 0);
	ck_assert_uint_eq(config.port_count, 1);
	config_free(&config);
	close(ends[0]);
}
END_TEST

/* The sample */

/* Reads the sample; with `plain` its keys and sections are made real ones. */
static char *
read_sample(bool plain)
{
	const char *path = getenv("COMLEASE_SAMPLE");
	FILE *file = fopen(path ? path : "broker/comlease.conf.sample", "r");
	char line[256], *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	ck_assert_msg(file != NULL, "run it from the top of the tree, or set COMLEASE_SAMPLE");
	while (fgets(line, sizeof(line), file))
		fputs(line + (plain && line[0] == ';' && line[1] != ' '), out);
	fclose(file);
	fclose(out);
	return text;
}

START_TEST(the_sample_changes_nothing_as_it_is)
{
	struct config defaults, config;
	char *text = read_sample(false), *a, *b;

	conf_read_good("", &conf_root, &defaults);
	conf_read_good(text, &conf_root, &config);
	a = conf_print(&defaults);
	b = conf_print(&config);
	ck_assert_str_eq(a, b);
	free(a);
	free(b);
	free(text);
	config_free(&defaults);
	config_free(&config);
}
END_TEST

static void
require_named(const char *text, const struct config_key *key)
{
	for (; key->name; key++) {
		char wanted[80];

		snprintf(wanted, sizeof(wanted), "\n%s = ", key->name);
		ck_assert_msg(strstr(text, wanted) != NULL, "%s", key->name);
	}
}

START_TEST(the_sample_names_every_key_with_its_default)
{
	struct config defaults, config;
	char *text = read_sample(true), *a, *b;

	/* Of [access] the defaults are what an empty one does: see test_access.c. */
	conf_read_good("[broker]\nuser = comlease\ngroup = dialout\n[port modem0]\n"
		       "device = /dev/ttyUSB0\n[port modem1]\nusb-serial = A50285BI\n"
		       "usb-id = 0403:6001\nusb-path = pci-0000:00:14.0-usb-0:2:1.0\n"
		       "usb-interface = 00\nudev-tag = lab\n[port usb-*]\nusb-id = 0403:*\n"
		       "[pool modem]\nports = modem0\n"
		       "[pool lab]\nmatch = tag:lab\n[access]\nask = *\npriority = *:100\n"
		       "revoke = nobody\nevict = nobody\ndisable = nobody\n",
		       &conf_root, &defaults);
	conf_read_good(text, &conf_root, &config);
	a = conf_print(&defaults);
	b = conf_print(&config);
	ck_assert_str_eq(a, b);
	require_named(text, config_broker_keys);
	require_named(text, config_port_keys);
	require_named(text, config_pool_keys);
	require_named(text, config_access_keys);
	free(a);
	free(b);
	free(text);
	config_free(&defaults);
	config_free(&config);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config");
	TCase *texts = tcase_create("texts");

	tcase_add_test(texts, every_key_is_taken);
	tcase_add_loop_test(texts, devices_are_understood_and_printed_so_that_they_come_back, 0,
			    (int)COUNT(devices));
	tcase_add_test(texts, a_name_of_64_bytes_is_kept);
	tcase_add_test(texts, names_are_checked);
	tcase_add_test(texts, same_device_means_name_path_and_what_tells_it_from_others);
	tcase_add_test(texts, canonical_text_is_printed_as_it_was_read);
	tcase_add_test(texts, printing_tells_when_the_disk_is_full);
	tcase_add_test(texts, reading_from_a_pipe_works);
	tcase_add_test(texts, the_sample_changes_nothing_as_it_is);
	tcase_add_test(texts, the_sample_names_every_key_with_its_default);
	suite_add_tcase(suite, texts);
	return conf_run(suite);
}
