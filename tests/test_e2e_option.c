/*
 * test_e2e_option.c - comleased's options and its configuration, read at the start and again on
 * SIGHUP: every fault is named with file and line, and a bad file changes nothing.
 */
#include "bad.h"

#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char out[16384], err[16384];

/* All that a descriptor gives. */
static void
read_all(int fd, char *text, size_t size)
{
	size_t have = 0;
	ssize_t n;

	while (have < size - 1 && (n = read(fd, text + have, size - 1 - have)) > 0)
		have += (size_t)n;
	text[have] = '\0';
}

/* Its exit status; what it said is in out and err. */
static int
run(const char *const argv[])
{
	struct support_child child;
	int status, fd;

	unlink(support_path("child.err"));
	support_exec(&child, argv);
	read_all(child.hear, out, sizeof(out));
	status = support_reap(&child);
	fd = open(support_path("child.err"), O_RDONLY | O_CLOEXEC);
	read_all(fd, err, sizeof(err));
	close(fd);
	ck_assert_msg(WIFEXITED(status), "it ended with %#x", status);
	return WEXITSTATUS(status);
}
#define RUN(...) run((const char *const[]){ "comleased", __VA_ARGS__, NULL })

static void
write_file(const char *name, const char *text)
{
	FILE *f = fopen(support_path(name), "we");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

/* ---- options ---- */

START_TEST(wrong_options_are_told)
{
	ck_assert_int_eq(RUN("--frobnicate"), 64);
	ck_assert_ptr_nonnull(strstr(err, "--help"));
	ck_assert_int_eq(RUN("-c"), 64);
	ck_assert_int_eq(RUN("modem0"), 64);
	ck_assert_ptr_nonnull(strstr(err, "modem0: unexpected"));
	ck_assert_int_eq(RUN("--role=broker", "x"), 64);
	ck_assert_int_eq(RUN("--role=thief"), 64);
}
END_TEST

START_TEST(help_and_version_go_to_stdout)
{
	ck_assert_int_eq(RUN("--help"), 0);
	ck_assert_ptr_nonnull(strstr(out, "usage: comleased"));
	ck_assert_str_eq(err, "");
	ck_assert_int_eq(RUN("--version"), 0);
	ck_assert_ptr_nonnull(strstr(out, COMLEASE_VERSION));
}
END_TEST

#define PATHS "-s", support_socket, "--state-dir", support_path("state")

START_TEST(printed_configuration_is_complete_and_good)
{
	write_file("conf", "[port modem0]\ndevice = /dev/modem0\nrevocation = none\n");
	ck_assert_int_eq(RUN("-c", support_path("conf"), PATHS, "--check-config"), 0);
	ck_assert_str_eq(out, "");
	ck_assert_str_eq(err, "");
	ck_assert_int_eq(RUN("-c", support_path("conf"), PATHS, "--print-config"), 0);
	ck_assert_ptr_nonnull(
	    strstr(out, "[port modem0]\ndevice = /dev/modem0\n; usb-serial is not set\n"));
	ck_assert_ptr_nonnull(strstr(out, support_socket));
	write_file("printed", out);
	ck_assert_int_eq(RUN("-c", support_path("printed"), "--check-config"), 0);
	ck_assert_int_lt(access(support_socket, F_OK), 0);
}
END_TEST

static const char faulty[] = "[broker]\n"
			     "sockte = /tmp/x\n"
			     "mode = 999\n"
			     "[port modem0]\n"
			     "device = relative\n"
			     "baud = fast\n"
			     "hangup-ms = 99999\n"
			     "[prot modem1]\n"
			     "device = /dev/x\n"
			     "[port a b]\n"
			     "device = /dev/y\n"
			     "[port two]\n"
			     "\x1b[31m = 1\n"
			     "nonsense\n";

/* Each line is `FILE:LINE: what is wrong`, and the lines 2 to 7 are among them. */
static void
expect_faults(const char *text, const char *file)
{
	char copy[16384], pattern[512], *line, *rest = copy;
	unsigned seen = 0;

	ck_assert_msg(strchr(text, '\033') == NULL, "%s", text);
	snprintf(copy, sizeof(copy), "%s", text);
	snprintf(pattern, sizeof(pattern), "%s:", file);
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *at = strstr(line, pattern), *end;
		long number;

		if (*line == '\0' || strstr(line, " more") != NULL)
			continue;
		ck_assert_msg(at != NULL, "%s", line);
		number = strtol(at + strlen(pattern), &end, 10);
		ck_assert_msg(number > 0 && strncmp(end, ": ", 2) == 0 && end[2] != '\0', "%s",
			      line);
		seen |= number < 32 ? 1U << number : 0;
	}
	for (unsigned number = 2; number <= 7; number++)
		if (number != 4)
			ck_assert_msg((seen >> number & 1) != 0, "line %u: not in %s", number,
				      text);
}

START_TEST(every_fault_is_named_with_file_and_line)
{
	write_file("conf", faulty);
	ck_assert_int_eq(RUN("-c", support_path("conf"), PATHS, "--check-config"), 78);
	expect_faults(err, support_path("conf"));
	ck_assert_int_eq(RUN("-c", support_path("conf"), PATHS), 78);
	expect_faults(err, support_path("conf"));
	ck_assert_int_eq(RUN("-c", support_path("absent"), PATHS), 78);
	ck_assert_ptr_nonnull(strstr(err, "/absent: cannot read it: No such file"));
	ck_assert_int_eq(RUN("-c", support_scratch, PATHS), 78);
	ck_assert_ptr_nonnull(strstr(err, support_scratch));
}
END_TEST

/* ---- SIGHUP ---- */

/* %s: the scratch folder; revocation as needed. */
static void
write_conf(const char *const ports[], const char *more)
{
	char text[4096] = "";

	for (; *ports != NULL; ports++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "[port %s]\ndevice = %s\n%s%s", *ports, support_path(*ports),
			 support_can_revoke() ? "" : "revocation = none\n", more);
	write_file("conf", text);
}
#define PORTS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
reload(const char *result)
{
	char pattern[64];

	support_log_skip();
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	snprintf(pattern, sizeof(pattern), "reload result=%s", result);
	support_log_wait(pattern);
}

static bool
is_configured(void *name)
{
	struct support_client c;
	bool known;

	support_connect(&c);
	support_call(&c, "List", json_pack("{s:[s]}", "ports", (const char *)name), false);
	ck_assert(support_next(&c));
	known = c.reply.error == NULL;
	support_close(&c);
	return known;
}

static bool
is_not_configured(void *name)
{
	return !is_configured(name);
}

/* The test's end compares with the start: so this comleased ends first. */
static void
stop_and_end(void)
{
	support_stop();
	support_end();
}

START_TEST(bad_file_changes_nothing)
{
	int modem, lease;

	support_begin();
	modem = support_plug("modem0");
	support_plug("modem1");
	support_start(SUPPORT_PORT("modem0") SUPPORT_PORT("modem1"));
	lease = support_acquire("modem0", NULL);
	write_file("conf", faulty);
	reload("refused");
	ck_assert_int_ge(support_log_count("/conf:[0-9]+: "), 3);
	ck_assert_int_eq(support_log_count("\033"), 0);
	unlink(support_path("conf"));
	reload("refused");
	support_expect_line(lease, modem);
	close(support_acquire("modem1", NULL));
	close(lease);
	support_end();
}
END_TEST

START_TEST(good_file_adds_and_removes_ports_and_leaves_the_others)
{
	struct support_client waiter;
	struct support_child other;
	int kept, kept_modem, gone, gone_modem, modem, fd;

	support_begin();
	kept_modem = support_plug("kept");
	gone_modem = support_plug("gone");
	support_plug("queued");
	modem = support_plug("new");
	support_start(SUPPORT_PORT("kept") SUPPORT_PORT("gone") SUPPORT_PORT("queued"));
	kept = support_acquire("kept", NULL);
	gone = support_acquire("gone", NULL);
	support_fork(&other, bad_hold, (void *)(uintptr_t) "queued", -1);
	support_hear(&other);
	support_connect(&waiter);
	support_call(&waiter, "Acquire", json_pack("{s:s}", "port", "queued"), false);
	support_wait_port("queued", "held", 1);

	write_conf(PORTS("kept", "new"), "hangup-ms = 0\n");
	reload("done");
	ck_assert_ptr_nonnull(
	    strstr(support_string(support_error(&waiter, "OpenFailed"), "message", NULL),
		   "queued: it is no longer configured"));
	support_close(&waiter);
	support_expect_line(kept, kept_modem);
	support_expect_line(gone, gone_modem); /* the holder is undisturbed */
	bad_await(is_not_configured, (void *)(uintptr_t) "gone", "that port has gone");
	fd = support_acquire("new", NULL);
	support_expect_line(fd, modem);
	close(fd);
	close(gone);
	close(kept);
	support_finish(&other);
	stop_and_end();
}
END_TEST

/* From one holder's close to the next one's grant. */
static int64_t
hand_over_ms(void)
{
	int64_t begin = support_now_ms();
	int fd;

	close(support_acquire("modem0", NULL));
	fd = support_acquire("modem0", NULL);
	close(fd);
	support_wait_port("modem0", "free", 0);
	return support_now_ms() - begin;
}

START_TEST(reload_changes_the_settings_of_a_port)
{
	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	ck_assert_int_lt(hand_over_ms(), 2900);
	write_conf(PORTS("modem0"), "hangup-ms = 1500\n");
	reload("done");
	hand_over_ms(); /* it holds from the next turnaround */
	ck_assert_int_ge(hand_over_ms(), 2900);
	write_conf(PORTS("modem0"), "hangup-ms = 0\n");
	reload("done");
	hand_over_ms();
	ck_assert_int_lt(hand_over_ms(), 2900);
	stop_and_end();
}
END_TEST

/* Another device under the same name is another port; whoever waited is told. */
START_TEST(port_that_gets_another_device_is_another_port)
{
	char text[512];
	int first, second, old, new;

	support_begin();
	first = support_plug("modem0");
	second = support_plug("modem1");
	support_start(SUPPORT_PORT("modem0"));
	old = support_acquire("modem0", NULL);
	snprintf(text, sizeof(text), "[port modem0]\ndevice = %s\nhangup-ms = 0\n%s",
		 support_path("modem1"), support_can_revoke() ? "" : "revocation = none\n");
	write_file("conf", text);
	reload("done");
	support_wait_port("modem0", "free", 0);
	new = support_acquire("modem0", NULL);
	support_expect_line(new, second);
	support_expect_line(old, first);
	close(old);
	close(new);
	stop_and_end();
}
END_TEST

/* Many at once, while clients come and go. */
START_TEST(reloads_in_a_row_lose_nothing)
{
	int kept, modem;

	support_begin();
	modem = support_plug("modem0");
	support_plug("modem1");
	support_start(SUPPORT_PORT("modem0") SUPPORT_PORT("modem1"));
	kept = support_acquire("modem0", NULL);
	for (int i = 0; i < 20; i++) {
		if (i % 2 == 0)
			write_conf(PORTS("modem0"), "hangup-ms = 0\n");
		else
			write_conf(PORTS("modem1", "modem0"), "hangup-ms = 0\n");
		reload("done");
		support_expect_line(kept, modem);
	}
	bad_await(is_configured, (void *)(uintptr_t) "modem1", "the port is there");
	close(support_acquire("modem1", NULL));
	close(kept);
	stop_and_end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("option");
	TCase *tcase = tcase_create("options");

	tcase_add_checked_fixture(tcase, support_begin, support_end);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, wrong_options_are_told);
	tcase_add_test(tcase, help_and_version_go_to_stdout);
	tcase_add_test(tcase, printed_configuration_is_complete_and_good);
	tcase_add_test(tcase, every_fault_is_named_with_file_and_line);
	suite_add_tcase(suite, tcase);
	tcase = tcase_create("reload");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, bad_file_changes_nothing);
	tcase_add_test(tcase, good_file_adds_and_removes_ports_and_leaves_the_others);
	tcase_add_test(tcase, reload_changes_the_settings_of_a_port);
	tcase_add_test(tcase, port_that_gets_another_device_is_another_port);
	tcase_add_test(tcase, reloads_in_a_row_lose_nothing);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
