/*
 * test_config_load.c - the defaults for root and for an ordinary user, and the files and drop-ins
 * that a configuration is read from.
 */
#include "config_fixture.h"

#include "../broker/config_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Defaults */

START_TEST(defaults_of_root)
{
	struct config config;

	setenv("XDG_RUNTIME_DIR", "/run/user/0", 1);
	setenv("XDG_STATE_HOME", "/state", 1);
	conf_read_good("", &conf_root, &config);
	ck_assert_str_eq(config.socket, "/run/comlease/comlease.sock");
	ck_assert_str_eq(config.state_dir, "/var/lib/comlease");
	ck_assert_str_eq(config.lock_dir, "/run/lock");
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
	conf_read_good("", &conf_user, &config);
	ck_assert_str_eq(config.socket, "/run/user/1000//comlease/comlease.sock");
	ck_assert_str_eq(config.state_dir, "/home/ann/state/comlease");
	ck_assert_str_eq(config.lock_dir, "/run/lock");
	config_free(&config);
	setenv("XDG_STATE_HOME", "relative", 1);
	conf_read_good("", &conf_user, &config);
	ck_assert_str_eq(config.state_dir, "/home/ann/.local/state/comlease");
	config_free(&config);
}
END_TEST

START_TEST(missing_environment_matters_only_where_it_is_needed)
{
	struct config config;
	struct config_rules options = conf_user;

	unsetenv("XDG_RUNTIME_DIR");
	unsetenv("XDG_STATE_HOME");
	unsetenv("HOME");
	conf_require_fault(
	    "", &conf_user,
	    "f.conf: socket: there is no default, as XDG_RUNTIME_DIR is not set to an absolute "
	    "path; "
	    "set it, or \"socket = PATH\" under [broker], or use -s\n"
	    "f.conf: state-dir: there is no default, as neither XDG_STATE_HOME nor HOME is set to "
	    "an "
	    "absolute path; set one, or \"state-dir = PATH\" under [broker], or use --state-dir");
	conf_require_fault(
	    "[broker]\nsocket = x\nstate-dir = /d\n", &conf_user,
	    "f.conf:2: broker: socket: \"x\" is no absolute path; start it with \"/\"");
	conf_require_fault(
	    "[broker]\nsocket = /x\nstate-dir = d\n", &conf_user,
	    "f.conf:3: broker: state-dir: \"d\" is no absolute path; start it with \"/\"");
	conf_read_good("[broker]\nsocket = /s\nstate-dir = /d\n", &conf_user, &config);
	config_free(&config);
	options.socket = "/s";
	options.state_dir = "/d";
	conf_read_good("", &options, &config);
	config_free(&config);
	setenv("XDG_RUNTIME_DIR", "/" D100, 1);
	setenv("HOME", "/home/a ;b", 1);
	conf_require_fault(
	    "", &conf_user,
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
	struct config_rules options = conf_root;

	options.socket = "/option.sock";
	options.state_dir = "/option";
	conf_read_good("[broker]\nsocket = /s\nstate-dir = /d\n", &options, &config);
	ck_assert_str_eq(config.socket, "/option.sock");
	ck_assert_str_eq(config.state_dir, "/option");
	config_free(&config);
	options.socket = "c.sock";
	options.state_dir = "";
	conf_require_fault(
	    "", &options,
	    "f.conf: socket (-s): \"c.sock\" is no absolute path; start it with \"/\"\n"
	    "f.conf: state-dir (--state-dir): has no value");
	options.socket = "/s ";
	options.state_dir = "/d\n[port x]";
	conf_require_fault(
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

	conf_read_good(CONF_PORT, &conf_root, &config);
	ck_assert(config.ports[0].revocable);
	config_free(&config);
	conf_require_fault(
	    CONF_PORT, &rules,
	    "f.conf:1: port modem0: taking a port back from a hung holder needs CAP_SYS_ADMIN; run "
	    "comleased as root, or set \"revocation = none\"");
	conf_require_fault(
	    CONF_PORT "\nrevocation = hangup\n", &rules,
	    "f.conf:4: port modem0: taking a port back from a hung holder needs CAP_SYS_ADMIN; run "
	    "comleased as root, or set \"revocation = none\"");
	conf_read_good(CONF_PORT "revocation = none\n", &rules, &config);
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
	return config_load_from(file, drop_ins, &conf_root, config, conf_error);
}

/* ---- no file at all ---- */

START_TEST(without_any_file_every_usb_port_is_managed)
{
	struct config config;
	struct config_port defaults;

	ck_assert_int_eq(
	    config_load_from("/nonexistent/c", "/nonexistent/d", &conf_root, &config, conf_error),
	    0);
	ck_assert_uint_eq(config.port_count, 0);
	ck_assert_uint_eq(config.template_count, 1);
	ck_assert_str_eq(config.templates[0].file, "default");
	ck_assert_uint_eq(config.templates[0].line, 0);
	config_port_defaults(&defaults);
	strcpy(defaults.name, "usb-*");
	defaults.file = config.templates[0].file;
	ck_assert_mem_eq(&defaults, &config.templates[0], sizeof(defaults));
	config_free(&config);
	ck_assert_ptr_null(config.templates);
}
END_TEST

/* He may well run one for two ports of his own; the rest of the machine is not his. */
START_TEST(without_any_file_nothing_is_managed_by_who_cannot_revoke)
{
	const struct config_rules rules = { .privileged = true };
	struct config config;

	ck_assert_int_eq(
	    config_load_from("/nonexistent/c", "/nonexistent/d", &rules, &config, conf_error), 0);
	ck_assert_uint_eq(config.port_count, 0);
	ck_assert_uint_eq(config.template_count, 0);
	config_free(&config);
}
END_TEST

START_TEST(an_empty_folder_is_no_file)
{
	struct config config;

	put("d/readme", "none yet\n");
	ck_assert_msg(load_folder(&config) == 0, "%s", conf_error);
	ck_assert_uint_eq(config.template_count, 1);
	config_free(&config);
}
END_TEST

START_TEST(any_file_means_that_nothing_else_is_managed)
{
	const char *name = _i == 0 ? "c.conf" : "d/1.conf";
	struct config config;

	put(name, "; nothing\n");
	ck_assert_msg(load_folder(&config) == 0, "%s", conf_error);
	ck_assert_uint_eq(config.template_count, 0);
	config_free(&config);
}
END_TEST

/* Its target is on a disk that is not mounted yet, perhaps: that is not "no file". */
START_TEST(a_link_that_leads_nowhere_is_told)
{
	struct config config;
	char path[128], expected[256];

	snprintf(path, sizeof(path), "%s/c.conf", folder);
	ck_assert_int_eq(symlink("nowhere", path), 0);
	ck_assert_int_eq(load_folder(&config), -ENOENT);
	snprintf(expected, sizeof(expected), "%s: cannot read it: No such file or directory", path);
	ck_assert_str_eq(conf_error, expected);
}
END_TEST

/* ---- several files ---- */

START_TEST(drop_ins_are_read_in_the_order_of_their_names)
{
	struct config config;

	put("d/20.conf", "[port c]\ndevice = /c\n");
	put("d/10.conf", "[broker]\nmode = 0600\n[port b]\ndevice = /b\n");
	put("d/.30.conf", "x");
	put("d/30.conf~", "x");
	put("d/.conf", "x");
	put("c.conf", "[broker]\nsocket = /s\n[port z]\ndevice = /z\n");
	ck_assert_msg(load_folder(&config) == 0, "%s", conf_error);
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
	ck_assert_str_eq(conf_error, expected);
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
	ck_assert_str_eq(conf_error, expected);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("config_load");
	TCase *defaults = tcase_create("defaults");
	TCase *files = tcase_create("files");

	tcase_add_test(defaults, defaults_of_root);
	tcase_add_test(defaults, defaults_of_an_ordinary_user);
	tcase_add_test(defaults, missing_environment_matters_only_where_it_is_needed);
	tcase_add_test(defaults, options_win_over_the_files_and_obey_the_same_rules);
	tcase_add_test(defaults, ports_are_revocable_only_with_the_capability);
	tcase_add_test(defaults, without_any_file_every_usb_port_is_managed);
	tcase_add_test(defaults, without_any_file_nothing_is_managed_by_who_cannot_revoke);
	suite_add_tcase(suite, defaults);
	tcase_add_checked_fixture(files, make_folder, remove_folder);
	tcase_add_test(files, an_empty_folder_is_no_file);
	tcase_add_loop_test(files, any_file_means_that_nothing_else_is_managed, 0, 2);
	tcase_add_test(files, a_link_that_leads_nowhere_is_told);
	tcase_add_test(files, drop_ins_are_read_in_the_order_of_their_names);
	tcase_add_test(files, faults_across_files_name_both_places);
	tcase_add_test(files, a_drop_in_that_cannot_be_read_is_told);
	suite_add_tcase(suite, files);
	return conf_run(suite);
}
