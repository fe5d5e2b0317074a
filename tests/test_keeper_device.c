/*
 * test_keeper_device.c - the device of a keeper: it comes, goes, is another one, is no serial
 * device at all, or is hung up by somebody else. No sleeps: what the keeper says is waited for.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST "hangup-ms = 0\n"

static void
assert_absent_report(void)
{
	struct ipc_message m = rig_start();
	char text[128];

	ck_assert_uint_eq(m.flag, 0);
	snprintf(text, sizeof(text), "%s: no such device", rig.device);
	ck_assert_str_eq(m.text, text);
}

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

START_TEST(absent_device_is_noticed_when_its_link_appears)
{
	rig_init(FAST);
	assert_absent_report();
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	rig_expect(IPC_ABSENT);
	rig_plug();
	rig_expect(IPC_PRESENT);
	assert_usable(1);
	rig_end();
}
END_TEST

START_TEST(absent_device_is_noticed_when_missing_folders_and_links_appear)
{
	char deep[200], middle[300], elsewhere[200];

	rig_init(FAST);
	/* FOLDER/tty -> a/b/link (relative), FOLDER/a/b/link -> FOLDER/c/real, all of it missing */
	rig_plug();
	snprintf(elsewhere, sizeof(elsewhere), "%s/c", rig.folder);
	ck_assert_int_eq(mkdir(elsewhere, 0700), 0);
	snprintf(elsewhere, sizeof(elsewhere), "%s/c/real", rig.folder);
	ck_assert_int_eq(rename(rig.device, elsewhere), 0);
	ck_assert_int_eq(symlink("./a//b/../b/link", rig.device), 0);
	assert_absent_report();
	snprintf(deep, sizeof(deep), "%s/a", rig.folder);
	ck_assert_int_eq(mkdir(deep, 0700), 0);
	snprintf(deep, sizeof(deep), "%s/a/x", rig.folder);
	ck_assert_int_eq(mkdir(deep, 0700), 0);
	snprintf(middle, sizeof(middle), "%s/link", deep);
	ck_assert_int_eq(symlink(elsewhere, middle), 0);
	rig_expect_quiet();
	snprintf(middle, sizeof(middle), "%s/a/b", rig.folder);
	ck_assert_int_eq(rename(deep, middle), 0);
	rig_expect(IPC_PRESENT);
	assert_usable(1);
	rig_end();
}
END_TEST

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

START_TEST(unplugged_device_is_absent_and_let_go_and_comes_back)
{
	struct ipc_message m;
	int fd, i;

	rig_ready(FAST);
	for (i = 1; i <= 10; i++) {
		ck_assert_int_eq(keeper_ptys(), 1);
		fd = rig_open((uint64_t)i, true);
		rig_unplug();
		m = rig_expect(IPC_ABSENT);
		ck_assert_uint_eq(m.id, 0);
		ck_assert_int_eq(keeper_ptys(), 0);
		if (i % 2 == 0) /* else the dead descriptor is kept */
			close(fd);
		rig_plug();
		rig_expect(IPC_PRESENT);
		rig_turnaround((uint64_t)i, LEASE_UNPLUGGED, false);
	}
	rig_end();
}
END_TEST

START_TEST(idle_device_that_goes_is_absent)
{
	rig_ready(FAST);
	rig_unplug();
	rig_expect(IPC_ABSENT);
	rig_plug();
	rig_expect(IPC_PRESENT);
	assert_usable(1);
	rig_end();
}
END_TEST

START_TEST(unplugging_ends_a_turnaround_that_waits)
{
	uint64_t id;

	rig_init("hangup-ms = 60000\n");
	rig_plug();
	rig_start();
	id = rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	ck_assert_uint_eq(rig_expect_busy(), 60000);
	rig_unplug();
	ck_assert_uint_eq(rig_expect(IPC_ABSENT).id, id);
	rig_end();
}
END_TEST

/* ---- what is no serial device ---- */

static void
make_file(const char *path)
{
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

static void
make_fifo(const char *path)
{
	mkfifo(path, 0600);
}

static void
make_folder(const char *path)
{
	mkdir(path, 0700);
}

static void
make_null(const char *path)
{
	if (symlink("/dev/null", path) < 0)
		abort();
}

static void
make_console(const char *path)
{
	if (symlink("/dev/tty", path) < 0)
		abort();
}

static const struct {
	void (*make)(const char *path);
	const char *reason;
} impostors[] = {
	{ make_file, "a regular file" }, { make_fifo, "a FIFO" },
	{ make_folder, "a directory" },  { make_null, "a character device of subsystem mem" },
	{ make_console, "a console" },
};

START_TEST(impostor_is_refused_with_the_reason_and_replaced_later)
{
	struct ipc_message m;
	char text[256];

	rig_init(FAST);
	impostors[_i].make(rig.device);
	ck_assert_uint_eq(rig_start().flag, 0);
	snprintf(text, sizeof(text), "%s: not a serial device: %s", rig.device,
		 impostors[_i].reason);
	m = rig_expect(IPC_FAULT);
	ck_assert_uint_eq(m.id, 0);
	ck_assert_str_eq(m.text, text);
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, false);
	m = rig_expect(IPC_FAULT);
	ck_assert_uint_eq(m.id, rig.ids);
	ck_assert_str_eq(m.text, text);
	rig_ask(IPC_OPEN, 1, 1, false);
	ck_assert_int_ne(rig_expect(IPC_OPENED).error, 0);
	ck_assert_int_eq(remove(rig.device), 0);
	rig_expect(IPC_ABSENT);
	rig_plug();
	rig_expect(IPC_PRESENT);
	assert_usable(2);
	rig_end();
}
END_TEST

START_TEST(device_forbidden_while_free_says_at_the_next_lease_what_to_do)
{
	struct ipc_message m;
	char node[64];

	rig_ready(FAST);
	ck_assert_int_eq(ptsname_r(rig.master, node, sizeof(node)), 0);
	ck_assert_int_eq(chmod(node, 0), 0);
	rig_ask(IPC_OPEN, 1, 1, false);
	m = rig_expect(IPC_OPENED);
	ck_assert_int_ne(m.error, 0);
	ck_assert_ptr_nonnull(strstr(m.text, "let it read and write the device"));
	rig_end();
}
END_TEST

START_TEST(forbidden_device_is_faulted_until_its_permissions_change)
{
	struct ipc_message m;
	char node[64];

	rig_init(FAST);
	rig_plug();
	ck_assert_int_eq(ptsname_r(rig.master, node, sizeof(node)), 0);
	/* root without CAP_DAC_OVERRIDE is stopped by that as well: the keeper has dropped it */
	ck_assert_int_eq(chmod(node, 0), 0);
	ck_assert_uint_eq(rig_start().flag, 0);
	m = rig_expect(IPC_FAULT);
	ck_assert_ptr_nonnull(strstr(m.text, rig.device));
	ck_assert_ptr_nonnull(strstr(m.text, "Permission denied"));
	ck_assert_int_eq(chmod(node, 0600), 0);
	rig_expect(IPC_PRESENT);
	assert_usable(1);
	rig_end();
}
END_TEST

/* ---- hung up by somebody else ---- */

static void
hang_up(void)
{
	int fd = open(rig.device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ioctl(fd, TIOCVHANGUP), 0);
	close(fd);
}

START_TEST(holder_who_was_hung_up_loses_the_lease_after_a_second)
{
	struct ipc_message m;
	double start;
	int fd;

	rig_ready(FAST);
	fd = rig_open(3, true);
	start = rig_now_us();
	hang_up();
	m = rig_expect(IPC_HUNGUP);
	ck_assert_uint_eq(m.token, 3);
	ck_assert_double_ge(rig_now_us() - start, 990e3);
	rig_turnaround(3, LEASE_HUNGUP, false);
	close(fd);
	assert_usable(4);
	rig_end();
}
END_TEST

START_TEST(holder_who_opens_again_after_a_hangup_keeps_the_lease)
{
	struct ipc_message m;
	int fd, again, none;

	rig_ready(FAST);
	fd = rig_open(3, true);
	hang_up();
	again = rig_open(3, false);
	close(fd);
	ck_assert_uint_eq(rig_expect(IPC_COUNT).number, 1);
	ck_assert(!rig_next(&m, &none, 1200));
	ck_assert_int_eq(write(again, "x", 1), 1);
	close(again);
	ck_assert_uint_eq(rig_expect(IPC_GONE).token, 3);
	rig_end();
}
END_TEST

START_TEST(idle_port_that_is_hung_up_neither_echoes_nor_ends)
{
	char buffer[8];

	rig_ready(FAST);
	hang_up();
	rig_expect_quiet();
	ck_assert_int_eq(write(rig.master, "RING", 4), 4);
	rig_expect_quiet();
	ck_assert_int_eq(read(rig.master, buffer, sizeof(buffer)), -1);
	ck_assert_int_eq(errno, EAGAIN);
	assert_usable(1);
	rig_end();
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("device"), *root = tcase_create("hangup");

	tcase_add_test(t, absent_device_is_noticed_when_its_link_appears);
	tcase_add_test(t, absent_device_is_noticed_when_missing_folders_and_links_appear);
	tcase_add_test(t, unplugged_device_is_absent_and_let_go_and_comes_back);
	tcase_add_test(t, idle_device_that_goes_is_absent);
	tcase_add_test(t, unplugging_ends_a_turnaround_that_waits);
	tcase_add_loop_test(t, impostor_is_refused_with_the_reason_and_replaced_later, 0,
			    sizeof(impostors) / sizeof(impostors[0]));
	tcase_add_test(t, forbidden_device_is_faulted_until_its_permissions_change);
	tcase_add_test(t, device_forbidden_while_free_says_at_the_next_lease_what_to_do);
	tcase_add_test(root, holder_who_was_hung_up_loses_the_lease_after_a_second);
	tcase_add_test(root, holder_who_opens_again_after_a_hangup_keeps_the_lease);
	tcase_add_test(root, idle_port_that_is_hung_up_neither_echoes_nor_ends);
	return rig_run("keeper_device", t, root);
}
