/*
 * test_config.c - the configuration: what is accepted, what each fault is told as, word by word,
 * the defaults for root and for an ordinary user, and that printing and reading are inverse.
 */
#include "../broker/config.h"
#include "../broker/config_key.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define PORT         "[port modem0]\ndevice = /dev/ttyS0\n"
#define D20          "/3456789012345678901" /* 20 bytes of a path */
#define D100         D20 D20 D20 D20 D20

static const struct config_rules root = { .privileged = true, .can_revoke = true };
static const struct config_rules user = { .privileged = false, .can_revoke = false };

static char error[CONFIG_ERROR_MAX];

static int
read_bytes(const char *bytes, size_t size, const struct config_rules *rules, struct config *config)
{
	int fd = memfd_create("config", MFD_CLOEXEC);
	int result;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size); /* leaves the offset at the end */
	result = config_read(fd, "f.conf", rules, config, error);
	close(fd);
	return result;
}

static int
read_text(const char *text, const struct config_rules *rules, struct config *config)
{
	return read_bytes(text, strlen(text), rules, config);
}

static void
read_good(const char *text, const struct config_rules *rules, struct config *config)
{
	int result = read_text(text, rules, config);

	ck_assert_msg(result == 0, "%d: %s", result, error);
	ck_assert_str_eq(error, "");
}

static void
require_fault(const char *text, const struct config_rules *rules, const char *message)
{
	struct config config, untouched;

	memset(&config, 0x5a, sizeof(config));
	memcpy(&untouched, &config, sizeof(config));
	ck_assert_msg(read_text(text, rules, &config) == -EINVAL, "accepted: %s", text);
	ck_assert_str_eq(error, message);
	ck_assert_mem_eq(&config, &untouched, sizeof(config));
}

/* What config_print() writes; the caller's to free. */
static char *
print(const struct config *config)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(config_print(config, file), 0);
	fclose(file);
	return text;
}

/* Faults */

static const struct {
	const char *text, *message;
} faults[] = {
	{ PORT "bauds = 1\n",
	  "f.conf:3: port modem0: unknown key \"bauds\"; did you mean \"baud\"?" },
	{ PORT "hangup_ms = 1\n",
	  "f.conf:3: port modem0: unknown key \"hangup_ms\"; did you mean \"hangup-ms\"?" },
	{ PORT "colour = 1\n",
	  "f.conf:3: port modem0: unknown key \"colour\"; see comlease.conf(5)" },
	{ PORT "= 1\n", "f.conf:3: port modem0: unknown key \"\"; see comlease.conf(5)" },
	{ PORT "mode = 0600\n", "f.conf:3: port modem0: \"mode\" belongs under [broker]" },
	{ "[broker]\nbaud = 1\n", "f.conf:2: broker: \"baud\" belongs under [port NAME]" },
	{ "baud = 1\n", "f.conf:1: \"baud\" stands before any section; put it under [port NAME]" },
	{ "\n;x\nmode = 1\n",
	  "f.conf:3: \"mode\" stands before any section; put it under [broker]" },
	{ PORT "baud = fast\n", "f.conf:3: port modem0: baud: \"fast\" is no number" },
	{ PORT "baud = -1\n", "f.conf:3: port modem0: baud: \"-1\" is no number" },
	{ PORT "baud = 0x10\n", "f.conf:3: port modem0: baud: \"0x10\" is no number" },
	{ PORT "baud = 9600 # slow\n",
	  "f.conf:3: port modem0: baud: \"9600 # slow\" is no number" },
	{ PORT "baud =\n", "f.conf:3: port modem0: baud: has no value" },
	{ PORT "baud = ; 9600\n", "f.conf:3: port modem0: baud: has no value" },
	{ PORT "baud = 0\n", "f.conf:3: port modem0: baud: 0 is out of range (1..20000000)" },
	{ PORT "hangup-ms = 60001\n",
	  "f.conf:3: port modem0: hangup-ms: 60001 is out of range (0..60000)" },
	{ PORT "hangup-ms = 99999999999999999999999\n",
	  "f.conf:3: port modem0: hangup-ms: 99999999999999999999999 is out of range (0..60000)" },
	{ PORT "baud = 18446744073709561216\n", /* 2^64 + 9600 */
	  "f.conf:3: port modem0: baud: 18446744073709561216 is out of range (1..20000000)" },
	{ PORT "settle-ms = 4294967296\n",
	  "f.conf:3: port modem0: settle-ms: 4294967296 is out of range (0..60000)" },
	{ PORT "drain-ms = 600001\n",
	  "f.conf:3: port modem0: drain-ms: 600001 is out of range (0..600000)" },
	{ PORT "max-waiters = 0\n",
	  "f.conf:3: port modem0: max-waiters: 0 is out of range (1..1000000)" },
	{ PORT "frame = 8n1\n",
	  "f.conf:3: port modem0: frame: \"8n1\" is no frame: data bits 5 to 8, parity N, E or O, "
	  "stop bits 1 or 2, like 8N1" },
	{ PORT "flow = RTS\n",
	  "f.conf:3: port modem0: flow: \"RTS\" is not one of none, rtscts, xonxoff" },
	{ PORT "revocation = no\n",
	  "f.conf:3: port modem0: revocation: \"no\" is not one of hangup, none" },
	{ PORT "baud = 1\n\nbaud = 2\n", "f.conf:5: port modem0: baud is already set at f.conf:3" },
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
	{ "[port a]\n", "f.conf:1: port a: device is missing; add \"device = /dev/...\"" },
	{ "[port a]\n\n[port b]\ndevice = /b\n",
	  "f.conf:1: port a: device is missing; add \"device = /dev/...\"" },
	{ PORT "[port fax]\nbaud = 1\ndevice = /dev//./ttyS0\n",
	  "f.conf:5: port fax: device: /dev/ttyS0 is already that of port modem0 at f.conf:1" },
	{ PORT "[broker]\n" PORT, "f.conf:4: port modem0 is already defined at f.conf:1" },
	{ PORT "[port modem0]\nbaud = x\n", "f.conf:3: port modem0 is already defined at f.conf:1\n"
					    "f.conf:4: port modem0: baud: \"x\" is no number" },
	{ "[port]\ndevice = /d\n", "f.conf:1: section [port] has no name; write [port NAME]" },
	{ "[port a b]\ndevice = /d\n", "f.conf:1: port \"a b\": that is no name; use 1 to 64 of "
				       "the characters A-Z a-z 0-9 . _ : @ "
				       "+ -" },
	{ "[port a\x1b[31m]\ndevice = /d\n", "f.conf:1: port \"a\\x1b[31m\": that is no name; use "
					     "1 to 64 of the characters A-Z a-z 0-9 . "
					     "_ : @ + -" },
	{ "[pool x]\nports = a\nbaud = 1\n",
	  "f.conf:1: unknown section [pool x]; there are [broker] and [port NAME]" },
	{ "[broker x]\n",
	  "f.conf:1: unknown section [broker x]; there are [broker] and [port NAME]" },
	{ "[]\nx\n", "f.conf:1: unknown section []; there are [broker] and [port NAME]" },
	{ "[port a\ndevice = /d\n", "f.conf:1: section without \"]\": [port a" },
	{ "[broker] mode = 0600\n",
	  "f.conf:1: \"mode = 0600\" behind a section; put it on a line of its own" },
	{ PORT "baud\nbaud = x\n",
	  "f.conf:3: no \"KEY = VALUE\" and no [section]; comments start with \";\" or \"#\"\n"
	  "f.conf:4: port modem0: baud: \"x\" is no number" },
	{ PORT "  9600",
	  "f.conf:3: no \"KEY = VALUE\" and no [section]; comments start with \";\" or "
	  "\"#\"" },
	{ "[broker]\nstate-dir=" D100 D20 D20 D20 D20 "123456789\n",
	  "f.conf:2: the line is too long, 198 bytes are allowed" },
};

START_TEST(each_fault_is_told_with_its_place_reason_and_way_out)
{
	require_fault(faults[_i].text, &root, faults[_i].message);
}
END_TEST

START_TEST(nul_bytes_are_told)
{
	struct config config;
	static const char text[] = "[broker]\nmode = 06\0"
				   "00\n\nx = 1\n";

	ck_assert_int_eq(read_bytes(text, sizeof(text) - 1, &root, &config), -EINVAL);
	ck_assert_str_eq(error, "f.conf:2: the line has a NUL byte; is this a text file?\n"
				"f.conf:4: broker: unknown key \"x\"; see comlease.conf(5)");
}
END_TEST

/* Whatever follows the cut must not be lost: here what comes after 1,100 blanks. */
START_TEST(very_long_lines_are_told_but_for_comments)
{
	char text[4000];

	snprintf(text, sizeof(text), "[broker]\nmode = 0600%1100s;x\nmode = 0600%1100sx\n", "", "");
	require_fault(text, &root,
		      "f.conf:2: the line is too long, 198 bytes are allowed\n"
		      "f.conf:3: the line is too long, 198 bytes are allowed");
	snprintf(text, sizeof(text), "#%2000s\n  ;%300s\n[oops]", "", "");
	require_fault(text, &root,
		      "f.conf:3: unknown section [oops]; there are [broker] and [port NAME]");
}
END_TEST

START_TEST(a_list_of_faults_that_is_too_long_is_counted)
{
	char text[2000] = "[broker]\n";
	const char *last;

	for (int i = 0; i < 100; i++)
		strcat(text, "colour = 1\n");
	ck_assert_int_eq(read_text(text, &root, &(struct config){ 0 }), -EINVAL);
	ck_assert_uint_lt(strlen(error), CONFIG_ERROR_MAX);
	last = strrchr(error, '\n');
	ck_assert_ptr_nonnull(last);
	ck_assert_str_eq(last, "\n... and 84 more");
	for (const char *c = error; c < last; c++)
		ck_assert(*c != '\n' || strncmp(c + 1, "f.conf:", 7) == 0 || c + 1 > last - 1);
}
END_TEST

START_TEST(a_file_without_end_is_refused)
{
	struct config config;

	ck_assert_int_eq(config_load("/dev/zero", &root, &config, error), -EINVAL);
	ck_assert_str_eq(error, "/dev/zero:1: the line has a NUL byte; is this a text file?\n"
				"/dev/zero:1: the file is too long, 1048576 bytes are allowed");
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_told)
{
	struct config config;

	ck_assert_int_eq(config_load("/nonexistent/c", &root, &config, error), -ENOENT);
	ck_assert_str_eq(error, "/nonexistent/c: cannot read it: No such file or directory");
	ck_assert_int_eq(config_load("/", &root, &config, error), -EISDIR);
	ck_assert_str_eq(error, "/: cannot read it: Is a directory");
	ck_assert_int_eq(config_read(-1, "x", &root, &config, error), -EBADF);
	ck_assert_str_eq(error, "x: cannot read it: Bad file descriptor");
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
	ck_assert_int_eq(read_text(text, &root, &config), -EINVAL);
	ck_assert_str_eq(error, "f.conf:2001: port p1000: too many ports, 1000 are allowed");
	free(text);
}
END_TEST

/* Good texts */

START_TEST(every_key_is_taken)
{
	struct config config;
	const struct config_port *port;

	read_good(
	    "[broker]\nsocket = /s\nstate-dir = /d\nuser = u\ngroup = g\nmode = 0600\n"
	    "max-connections = 5\nmax-connections-per-user = 6\n"
	    "[port a]\ndevice = /dev/a\nbaud = 9600\nframe = 7E2\nflow = rtscts\n"
	    "revocation = none\nhangup-ms = 1\nsettle-ms = 2\ndrain-ms = 3\nmax-waiters = 4\n",
	    &root, &config);
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

	read_good(devices[_i].text, &root, &config);
	ck_assert_uint_eq(config.port_count, 1);
	ck_assert_str_eq(config.ports[0].name, "a");
	ck_assert_str_eq(config.ports[0].device, devices[_i].device);
	text = print(&config);
	read_good(text, &root, &again);
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
	read_good(text, &root, &config);
	ck_assert_str_eq(config.ports[0].name, name);
	ck_assert_uint_eq(strlen(config.ports[1].name), 63);
	config_free(&config);
	snprintf(text, sizeof(text), "[port %s4]\ndevice = /a\n", name);
	ck_assert_int_eq(read_text(text, &root, &config), -EINVAL);
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

	read_good(CANONICAL, &root, &config);
	text = print(&config);
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
	read_good(PORT, &root, &config);
	ck_assert_int_eq(config_print(&config, file), -EIO);
	fclose(file);
	file = fopen("/dev/full", "w");
	setvbuf(file, NULL, _IONBF, 0);
	ck_assert_int_eq(config_print(&config, file), -EIO);
	fclose(file);
	config_free(&config);
}
END_TEST

/* Defaults */

START_TEST(defaults_of_root)
{
	struct config config;

	setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
	setenv("XDG_STATE_HOME", "/state", 1);
	read_good("", &root, &config);
	ck_assert_str_eq(config.socket, "/run/comlease/comlease.sock");
	ck_assert_str_eq(config.state_dir, "/var/lib/comlease");
	ck_assert_ptr_null(config.user);
	ck_assert_ptr_null(config.group);
	ck_assert_uint_eq(config.mode, 0660);
	ck_assert_uint_eq(config.connections_max, 4096);
	ck_assert_uint_eq(config.connections_uid_max, 128);
	ck_assert_uint_eq(config.port_count, 0);
	config_free(&config);
}
END_TEST

START_TEST(defaults_of_an_ordinary_user)
{
	struct config config;

	setenv("XDG_RUNTIME_DIR", "/run/user/1000/", 1);
	setenv("XDG_STATE_HOME", "/home/ann/state", 1);
	setenv("HOME", "/home/ann", 1);
	read_good("", &user, &config);
	ck_assert_str_eq(config.socket, "/run/user/1000//comlease/comlease.sock");
	ck_assert_str_eq(config.state_dir, "/home/ann/state/comlease");
	config_free(&config);
	setenv("XDG_STATE_HOME", "relative", 1);
	read_good("", &user, &config);
	ck_assert_str_eq(config.state_dir, "/home/ann/.local/state/comlease");
	config_free(&config);
}
END_TEST

START_TEST(missing_environment_matters_only_where_it_is_needed)
{
	struct config config;
	struct config_rules options = user;

	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	require_fault(
	    "", &user,
	    "f.conf: socket: there is no default, as XDG_RUNTIME_DIR is not set to an absolute "
	    "path; "
	    "set it, or \"socket = PATH\" under [broker], or use -s\n"
	    "f.conf: state-dir: there is no default, as neither XDG_STATE_HOME nor HOME is set to "
	    "an "
	    "absolute path; set one, or \"state-dir = PATH\" under [broker], or use --state-dir");
	require_fault("[broker]\nsocket = x\nstate-dir = /d\n", &user,
		      "f.conf:2: broker: socket: \"x\" is no absolute path; start it with \"/\"");
	require_fault(
	    "[broker]\nsocket = /x\nstate-dir = d\n", &user,
	    "f.conf:3: broker: state-dir: \"d\" is no absolute path; start it with \"/\"");
	read_good("[broker]\nsocket = /s\nstate-dir = /d\n", &user, &config);
	config_free(&config);
	options.socket = "/s";
	options.state_dir = "/d";
	read_good("", &options, &config);
	config_free(&config);
	setenv("XDG_RUNTIME_DIR", "/" D100, 1);
	setenv("HOME", "/home/a ;b", 1);
	require_fault(
	    "", &user,
	    "f.conf: socket ($XDG_RUNTIME_DIR): \"/"
	    "/3456789012345678901/345678901234567890"
	    "...\" has 124 bytes, 107 are allowed\n"
	    "f.conf: state-dir ($HOME): \"/home/a ;b/.local/state/comlease\": behind a blank, "
	    "\";\" "
	    "starts a comment and \"#\" is not allowed; rename it, or put the comment on a line of "
	    "its own");
}
END_TEST

START_TEST(options_win_over_the_files_and_obey_the_same_rules)
{
	struct config config;
	struct config_rules options = root;

	options.socket = "/option.sock";
	options.state_dir = "/option";
	read_good("[broker]\nsocket = /s\nstate-dir = /d\n", &options, &config);
	ck_assert_str_eq(config.socket, "/option.sock");
	ck_assert_str_eq(config.state_dir, "/option");
	config_free(&config);
	options.socket = "c.sock";
	options.state_dir = "";
	require_fault("", &options,
		      "f.conf: socket (-s): \"c.sock\" is no absolute path; start it with \"/\"\n"
		      "f.conf: state-dir (--state-dir): has no value");
	options.socket = "/s ";
	options.state_dir = "/d\n[port x]";
	require_fault(
	    "", &options,
	    "f.conf: socket (-s): \"/s \" ends with a blank\n"
	    "f.conf: state-dir (--state-dir): \"/d\\x0a[port x]\" has bytes that are not printable "
	    "UTF-8");
}
END_TEST

START_TEST(ports_are_revocable_only_with_the_capability)
{
	struct config config;
	struct config_rules rules = { .privileged = true };

	read_good(PORT, &root, &config);
	ck_assert(config.ports[0].revocable);
	config_free(&config);
	require_fault(
	    PORT, &rules,
	    "f.conf:1: port modem0: taking a port back from a hung holder needs CAP_SYS_ADMIN; run "
	    "comleased as root, or set \"revocation = none\"");
	require_fault(
	    PORT "\nrevocation = hangup\n", &rules,
	    "f.conf:4: port modem0: taking a port back from a hung holder needs CAP_SYS_ADMIN; run "
	    "comleased as root, or set \"revocation = none\"");
	read_good(PORT "revocation = none\n", &rules, &config);
	ck_assert(!config.ports[0].revocable);
	config_free(&config);
}
END_TEST

/* Files */

static char folder[64];

static void
make_folder(void)
{
	char path[128];

	strcpy(folder, "/tmp/test_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/d", folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void
remove_folder(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -r %s", folder);
	ck_assert_int_eq(system(command), 0);
}

static void
put(const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static int
load_folder(struct config *config)
{
	char file[128], drop_ins[128];

	snprintf(file, sizeof(file), "%s/c.conf", folder);
	snprintf(drop_ins, sizeof(drop_ins), "%s/d", folder);
	return config_load_from(file, drop_ins, &root, config, error);
}

START_TEST(files_that_are_not_there_mean_no_ports)
{
	struct config config;

	ck_assert_int_eq(
	    config_load_from("/nonexistent/c", "/nonexistent/d", &root, &config, error), 0);
	ck_assert_uint_eq(config.port_count, 0);
	config_free(&config);
}
END_TEST

START_TEST(drop_ins_are_read_in_the_order_of_their_names)
{
	struct config config;

	put("d/20.conf", "[port c]\ndevice = /c\n");
	put("d/10.conf", "[broker]\nmode = 0600\n[port b]\ndevice = /b\n");
	put("d/.30.conf", "x");
	put("d/30.conf~", "x");
	put("d/.conf", "x");
	put("c.conf", "[broker]\nsocket = /s\n[port z]\ndevice = /z\n");
	ck_assert_msg(load_folder(&config) == 0, "%s", error);
	ck_assert_uint_eq(config.port_count, 3);
	ck_assert_str_eq(config.ports[0].name, "z");
	ck_assert_str_eq(config.ports[1].name, "b");
	ck_assert_str_eq(config.ports[2].name, "c");
	ck_assert_uint_eq(config.mode, 0600);
	ck_assert_str_eq(config.socket, "/s");
	ck_assert_str_eq(strrchr(config.ports[1].file, '/'), "/10.conf");
	ck_assert_uint_eq(config.ports[1].line, 3);
	config_free(&config);
}
END_TEST

START_TEST(faults_across_files_name_both_places)
{
	struct config config;
	char expected[1024];

	put("c.conf", "[broker]\nmode = 0600\n[port a]\ndevice = /a\n");
	put("d/1.conf", "baud = 1\n[port b]\ndevice = /a\n[broker]\nmode = 0600\n[port a]\n");
	ck_assert_int_eq(load_folder(&config), -EINVAL);
	snprintf(expected, sizeof(expected),
		 "%s/d/1.conf:1: \"baud\" stands before any section; put it under [port NAME]\n"
		 "%s/d/1.conf:3: port b: device: /a is already that of port a at %s/c.conf:3\n"
		 "%s/d/1.conf:5: broker: mode is already set at %s/c.conf:2\n"
		 "%s/d/1.conf:6: port a is already defined at %s/c.conf:3",
		 folder, folder, folder, folder, folder, folder, folder);
	ck_assert_str_eq(error, expected);
}
END_TEST

START_TEST(a_drop_in_that_cannot_be_read_is_told)
{
	struct config config;
	char path[128], expected[256];

	snprintf(path, sizeof(path), "%s/d/1.conf", folder);
	ck_assert_int_eq(symlink("nowhere", path), 0);
	ck_assert_int_eq(load_folder(&config), -ENOENT);
	snprintf(expected, sizeof(expected), "%s: cannot read it: No such file or directory", path);
	ck_assert_str_eq(error, expected);
}
END_TEST

START_TEST(reading_from_a_pipe_works)
{
	struct config config;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], PORT, strlen(PORT)), (ssize_t)strlen(PORT));
	close(ends[1]);
	ck_assert_int_eq(config_read(ends[0], "pipe", &root, &config, error), 0);
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

	read_good("", &root, &defaults);
	read_good(text, &root, &config);
	a = print(&defaults);
	b = print(&config);
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

	read_good("[broker]\nuser = comlease\ngroup = dialout\n[port modem0]\n"
		  "device = /dev/ttyUSB0\n",
		  &root, &defaults);
	read_good(text, &root, &config);
	a = print(&defaults);
	b = print(&config);
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

static void
add_texts(TCase *tcase)
{
	tcase_add_loop_test(tcase, each_fault_is_told_with_its_place_reason_and_way_out, 0,
			    (int)COUNT(faults));
	tcase_add_test(tcase, nul_bytes_are_told);
	tcase_add_test(tcase, very_long_lines_are_told_but_for_comments);
	tcase_add_test(tcase, a_list_of_faults_that_is_too_long_is_counted);
	tcase_add_test(tcase, a_file_without_end_is_refused);
	tcase_add_test(tcase, a_file_that_cannot_be_read_is_told);
	tcase_add_test(tcase, more_ports_than_allowed_are_told);
	tcase_add_test(tcase, every_key_is_taken);
	tcase_add_loop_test(tcase, devices_are_understood_and_printed_so_that_they_come_back, 0,
			    (int)COUNT(devices));
	tcase_add_test(tcase, a_name_of_64_bytes_is_kept);
	tcase_add_test(tcase, names_are_checked);
	tcase_add_test(tcase, same_device_means_name_and_path);
	tcase_add_test(tcase, canonical_text_is_printed_as_it_was_read);
	tcase_add_test(tcase, printing_tells_when_the_disk_is_full);
	tcase_add_test(tcase, reading_from_a_pipe_works);
	tcase_add_test(tcase, the_sample_changes_nothing_as_it_is);
	tcase_add_test(tcase, the_sample_names_every_key_with_its_default);
}

static void
add_defaults(TCase *tcase)
{
	tcase_add_test(tcase, defaults_of_root);
	tcase_add_test(tcase, defaults_of_an_ordinary_user);
	tcase_add_test(tcase, missing_environment_matters_only_where_it_is_needed);
	tcase_add_test(tcase, options_win_over_the_files_and_obey_the_same_rules);
	tcase_add_test(tcase, ports_are_revocable_only_with_the_capability);
	tcase_add_test(tcase, files_that_are_not_there_mean_no_ports);
}

static void
add_files(TCase *tcase)
{
	tcase_add_checked_fixture(tcase, make_folder, remove_folder);
	tcase_add_test(tcase, drop_ins_are_read_in_the_order_of_their_names);
	tcase_add_test(tcase, faults_across_files_name_both_places);
	tcase_add_test(tcase, a_drop_in_that_cannot_be_read_is_told);
}

int
main(void)
{
	Suite *suite = suite_create("config");
	TCase *texts = tcase_create("texts"), *defaults = tcase_create("defaults");
	TCase *files = tcase_create("files");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_texts(texts);
	add_defaults(defaults);
	add_files(files);
	suite_add_tcase(suite, texts);
	suite_add_tcase(suite, defaults);
	suite_add_tcase(suite, files);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
