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
	    "[broker]\nsocket = /s\nstate-dir = /d\nuser = u\ngroup = g\nmode = 0600\n"
	    "max-connections = 5\nmax-connections-per-user = 6\n"
	    "[port a]\ndevice = /dev/a\nbaud = 9600\nframe = 7E2\nflow = rtscts\n"
	    "revocation = none\nhangup-ms = 1\nsettle-ms = 2\ndrain-ms = 3\nmax-waiters = 4\n",
	    &conf_root, &config);
	ck_assert_str_eq(config.socket, "/s");
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
	ck_assert_str_eq(port->file, "f.conf");
	ck_assert_uint_eq(port->line, 9);
	ck_assert_ptr_null(config_find(&config, "b"));
	config_free(&config);
	ck_assert_ptr_null(config.ports);
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

START_TEST(same_device_means_name_and_path)
{
	struct config_port a = { .name = "a", .device = "/a" }, b = a;

	b.baud = 5;
	ck_assert(config_same_device(&a, &b));
	strcpy(b.device, "/b");
	ck_assert(!config_same_device(&a, &b));
	b = a;
	strcpy(b.name, "b");
	ck_assert(!config_same_device(&a, &b));
}
END_TEST

/* Printing */

#define CANONICAL                                                                                  \
	"[broker]\nsocket = /run/c.sock\nstate-dir = /var/lib/c\n; user is not set\n"              \
	"group = dialout\nmode = 0060\nmax-connections = 4096\nmax-connections-per-user = 128\n"   \
	"\n[port b]\ndevice = /dev/b\nbaud = 300\nframe = 5O1\nflow = xonxoff\n"                   \
	"revocation = hangup\nhangup-ms = 0\nsettle-ms = 60000\ndrain-ms = 600000\n"               \
	"max-waiters = 1000000\n"                                                                  \
	"\n[port a]\ndevice = /dev/a\nbaud = 20000000\nframe = 8N2\nflow = none\n"                 \
	"revocation = none\nhangup-ms = 60000\nsettle-ms = 0\ndrain-ms = 0\nmax-waiters = 1\n"

START_TEST(canonical_text_is_printed_as_it_was_read)
{
	struct config config;
	char *text;

	conf_read_good(CANONICAL, &conf_root, &config);
	text = conf_print(&config);
	ck_assert_str_eq(text, CANONICAL);
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

START_TEST(the_sample_names_every_key_with_its_default)
{
	struct config defaults, config;
	char *text = read_sample(true), *a, *b;

	conf_read_good("[broker]\nuser = comlease\ngroup = dialout\n[port modem0]\n"
		       "device = /dev/ttyUSB0\n",
		       &conf_root, &defaults);
	conf_read_good(text, &conf_root, &config);
	a = conf_print(&defaults);
	b = conf_print(&config);
	ck_assert_str_eq(a, b);
	for (const struct config_key *key = config_broker_keys; key->name; key++) {
		char wanted[80];

		snprintf(wanted, sizeof(wanted), "\n%s = ", key->name);
		ck_assert_msg(strstr(text, wanted) != NULL, "%s", key->name);
	}
	for (const struct config_key *key = config_port_keys; key->name; key++) {
		char wanted[80];

		snprintf(wanted, sizeof(wanted), "\n%s = ", key->name);
		ck_assert_msg(strstr(text, wanted) != NULL, "%s", key->name);
	}
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
	tcase_add_test(texts, same_device_means_name_and_path);
	tcase_add_test(texts, canonical_text_is_printed_as_it_was_read);
	tcase_add_test(texts, printing_tells_when_the_disk_is_full);
	tcase_add_test(texts, reading_from_a_pipe_works);
	tcase_add_test(texts, the_sample_changes_nothing_as_it_is);
	tcase_add_test(texts, the_sample_names_every_key_with_its_default);
	suite_add_tcase(suite, texts);
	return conf_run(suite);
}
