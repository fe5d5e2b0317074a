/*
 * test_keeper_link.c - the path of a keeper's device is a link, as the supervisor keeps one for the
 * device that udev names: it goes, or leads elsewhere, and the device itself lives. No sleeps: what
 * the keeper says is waited for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST "hangup-ms = 0\n"

static void
assert_usable(uint64_t token)
{
	int fd;

	rig_turnaround(0, LEASE_NONE, false);
	fd = rig_open(token, true);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	close(fd);
	ck_assert_uint_eq(rig_expect(IPC_GONE).token, token);
}

/* How many descriptors on a pty the keeper has. */
static int
keeper_ptys(void)
{
	char command[128];
	FILE *pipe;
	int n = -1;

	snprintf(command, sizeof(command), "ls -l /proc/%d/fd | grep -c /dev/pts/",
		 (int)rig.keeper);
	pipe = popen(command, "r");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_int_eq(fscanf(pipe, "%d", &n), 1);
	pclose(pipe);
	return n;
}

/* Another pty, and at once the link leads there, as the supervisor's do. The master of before. */
static int
plug_elsewhere(void)
{
	char device[sizeof(rig.device)], link[sizeof(rig.device)];
	int before = rig.master;

	strcpy(device, rig.device);
	snprintf(link, sizeof(link), "%s/new", rig.folder);
	strcpy(rig.device, link);
	rig_plug();
	ck_assert_int_eq(rename(link, device), 0);
	strcpy(rig.device, device);
	return before;
}

static bool
is_dead(int fd)
{
	char byte;

	return read(fd, &byte, 1) == 0 && write(fd, "x", 1) < 0 && errno == EIO;
}

START_TEST(lease_ends_when_the_link_to_its_device_goes)
{
	struct ipc_message m;
	int fd, i;

	rig_ready(FAST);
	for (i = 1; i <= 3; i++) {
		fd = rig_open((uint64_t)i, true);
		ck_assert_int_eq(unlink(rig.device), 0);
		m = rig_expect(IPC_ABSENT);
		ck_assert_uint_eq(m.id, 0);
		ck_assert_ptr_nonnull(strstr(m.text, "/tty: no such device"));
		ck_assert(is_dead(fd)); /* before it is told */
		ck_assert_int_eq(keeper_ptys(), 0);
		close(rig.master);
		if (i % 2 == 0)
			close(fd);
		rig_plug();
		rig_expect(IPC_PRESENT);
		rig_turnaround((uint64_t)i, LEASE_UNPLUGGED, false);
	}
	rig_end();
}
END_TEST

START_TEST(lease_ends_when_the_link_leads_to_another_device_and_that_is_there)
{
	struct ipc_message m;
	char node[64];
	int first, fd;

	rig_ready(FAST);
	fd = rig_open(1, true);
	rig.nodes = true;
	first = plug_elsewhere();
	m = rig_expect(IPC_ABSENT);
	ck_assert_uint_eq(m.id, 0);
	ck_assert_ptr_nonnull(strstr(m.text, "/tty: another device is there now"));
	ck_assert(is_dead(fd));
	rig_expect(IPC_PRESENT);
	ck_assert_int_eq(ptsname_r(rig.master, node, sizeof(node)), 0);
	m = rig_expect(IPC_IDENTITY);
	ck_assert_str_eq(m.text, ""); /* a pty is not on USB */
	ck_assert_str_eq(m.text + 1, node);
	rig_turnaround(1, LEASE_UNPLUGGED, false);
	assert_usable(2);
	close(fd);
	close(first);
	rig_expect_quiet();
	rig_end();
}
END_TEST

START_TEST(link_that_leads_to_another_device_is_followed_when_free)
{
	int first;

	rig_ready(FAST);
	first = plug_elsewhere();
	rig_expect(IPC_ABSENT);
	rig_expect(IPC_PRESENT);
	assert_usable(1);
	close(first);
	rig_expect_quiet();
	rig_end();
}
END_TEST

/* Its holder can't be made to let go: two would have it if it came back. */
START_TEST(lease_without_revocation_keeps_its_device_when_the_link_goes)
{
	int fd, i;

	rig_ready(FAST "revocation = none\n");
	for (i = 1; i <= 2; i++) {
		fd = rig_open(1, true);
		ck_assert_int_eq(unlink(rig.device), 0);
		rig_expect_quiet();
		ck_assert_int_eq(write(fd, "x", 1), 1);
		if (i == 1) { /* the same comes back */
			char node[64];

			ck_assert_int_eq(ptsname_r(rig.master, node, sizeof(node)), 0);
			ck_assert_int_eq(symlink(node, rig.device), 0);
			rig_expect_quiet();
		}
		close(fd);
		rig_expect(IPC_GONE);
		rig_ask(IPC_TURNAROUND, 1, LEASE_RELEASED, false);
		rig_expect(i == 1 ? IPC_READY : IPC_ABSENT);
	}
	rig_end();
}
END_TEST

/* _i: it leads elsewhere, or nowhere. */
START_TEST(link_that_changes_ends_a_turnaround_that_waits)
{
	struct ipc_message m;
	uint64_t id;
	int first;

	rig_init("hangup-ms = 60000\n");
	rig_plug();
	rig_start();
	id = rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	ck_assert_uint_eq(rig_expect_busy(), 60000);
	first = _i == 0 ? plug_elsewhere() : -1;
	if (_i == 1)
		ck_assert_int_eq(unlink(rig.device), 0);
	m = rig_expect(IPC_ABSENT);
	ck_assert_uint_eq(m.id, id);
	if (_i == 0) {
		rig_expect(IPC_PRESENT);
		close(first);
	}
	rig_expect_quiet();
	rig_end();
}
END_TEST

/* ---- a link of the supervisor's ---- */

static struct ipc_message
start_at_supervisors_link(const char *keys)
{
	char options[sizeof(rig.options)];

	rig_init("");
	snprintf(rig.device, sizeof(rig.device), "%s/port", rig.folder);
	ck_assert_int_eq(mkdir(rig.device, 0700), 0);
	snprintf(rig.device, sizeof(rig.device), "%s/port/modem0", rig.folder);
	snprintf(options, sizeof(options), "%s%s[broker]\nsocket = %s/sock\n", FAST, keys,
		 rig.folder);
	memcpy(rig.options, options, sizeof(options));
	return rig_start();
}

START_TEST(device_that_is_not_there_is_named_as_the_configuration_names_it)
{
	struct ipc_message m = start_at_supervisors_link("usb-serial = A50285BI\n"
							 "usb-interface = 01\n");

	ck_assert_uint_eq(m.flag, 0);
	ck_assert_str_eq(m.text, "not plugged in: usb-serial = A50285BI, usb-interface = 01");
	rig_end();
}
END_TEST

START_TEST(port_that_a_template_made_is_not_plugged_in)
{
	ck_assert_str_eq(start_at_supervisors_link("").text, "not plugged in");
	rig_end();
}
END_TEST

START_TEST(device_behind_the_link_that_can_not_be_used_is_named_by_its_node)
{
	char path[128];
	struct ipc_message m;

	ck_assert_uint_eq(start_at_supervisors_link("").flag, 0);
	snprintf(path, sizeof(path), "%s/file", rig.folder);
	fclose(fopen(path, "we"));
	ck_assert_int_eq(symlink(path, rig.device), 0);
	m = rig_expect(IPC_FAULT);
	ck_assert_int_eq(strncmp(m.text, path, strlen(path)), 0);
	ck_assert_str_eq(m.text + strlen(path), ": not a serial device: a regular file");
	rig_end();
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("link"), *root = tcase_create("cut");

	tcase_add_test(root, lease_ends_when_the_link_to_its_device_goes);
	tcase_add_test(root, lease_ends_when_the_link_leads_to_another_device_and_that_is_there);
	tcase_add_test(t, link_that_leads_to_another_device_is_followed_when_free);
	tcase_add_test(t, lease_without_revocation_keeps_its_device_when_the_link_goes);
	tcase_add_loop_test(t, link_that_changes_ends_a_turnaround_that_waits, 0, 2);
	tcase_add_test(t, device_that_is_not_there_is_named_as_the_configuration_names_it);
	tcase_add_test(t, port_that_a_template_made_is_not_plugged_in);
	tcase_add_test(t, device_behind_the_link_that_can_not_be_used_is_named_by_its_node);
	return rig_run("keeper_link", t, root);
}
