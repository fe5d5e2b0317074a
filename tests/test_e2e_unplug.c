/*
 * test_e2e_unplug.c - a port is known by a link, as the supervisor keeps one to the device that
 * udev names: the link goes, comes back, or leads elsewhere, while the device itself may live. The
 * lease is over then, everybody is told, the waiters stay, and what comes is served.
 */
#include "bad.h"

#include "../client/internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WAITERS 3

/* udev says that it has gone, or is there again. */
static void
hide_link(void)
{
	ck_assert_int_eq(rename(support_path("modem0"), support_path("aside")), 0);
}

static void
show_link(void)
{
	ck_assert_int_eq(rename(support_path("aside"), support_path("modem0")), 0);
}

/* Another device, to which the link leads from one moment to the next. */
static int
move_link(void)
{
	int modem = support_plug("other");

	ck_assert_int_eq(rename(support_path("other"), support_path("modem0")), 0);
	return modem;
}

static void
start_waiters(struct support_child *waiters, const char *state)
{
	for (int i = 0; i < WAITERS; i++) {
		support_fork(&waiters[i], bad_hold_and_write, (void *)(uintptr_t) "modem0", -1);
		support_wait_port("modem0", state, i + 1);
	}
}

/* In their order, each with the line. */
static void
expect_served(struct support_child *waiters, int modem)
{
	for (int i = 0; i < WAITERS; i++) {
		char byte = 0;

		ck_assert_int_eq(support_hear(&waiters[i]), '.');
		ck_assert_uint_eq(support_read(modem, &byte, 1), 1);
		ck_assert_int_eq(byte, '!');
		support_wait_port("modem0", "held", WAITERS - 1 - i);
		support_finish(&waiters[i]);
	}
}

/* ---- only the link goes ---- */

START_TEST(lease_ends_as_unplugged_when_the_link_to_a_living_device_goes)
{
	struct support_child waiters[WAITERS];
	struct support_client watcher;
	uint64_t token;
	json_t *port;
	int modem, fd;

	modem = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	fd = support_acquire("modem0", &token);
	support_watch(&watcher, token, "watching");
	hide_link();
	support_event(&watcher, "unplugged");
	ck_assert(support_is_dead(fd));
	support_log_wait("end port=modem0 .*reason=unplugged.*no such device");
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "state", NULL), "absent");
	ck_assert_ptr_nonnull(strstr(support_string(port, "reason", NULL), "no such device"));
	ck_assert_int_gt(support_int(port, "since", NULL), 0);
	json_decref(port);
	start_waiters(waiters, "absent");
	show_link();
	expect_served(waiters, modem);
	ck_assert(support_is_dead(fd));
	close(fd);
	support_close(&watcher);
}
END_TEST

START_TEST(waiters_behind_a_holder_get_the_device_to_which_the_link_leads_now)
{
	struct support_child waiters[WAITERS];
	struct support_client watcher;
	uint64_t token;
	char byte;
	int before, modem, fd;

	before = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	fd = support_acquire("modem0", &token);
	support_watch(&watcher, token, "watching");
	start_waiters(waiters, "held");
	modem = move_link();
	support_event(&watcher, "unplugged");
	ck_assert(support_is_dead(fd));
	expect_served(waiters, modem);
	ck_assert_int_lt(read(before, &byte, 1), 1); /* nobody wrote there */
	support_log_expect("end port=modem0 .*reason=unplugged", 1);
	close(fd);
	support_close(&watcher);
}
END_TEST

START_TEST(lease_without_revocation_lasts_until_its_holder_lets_go)
{
	struct support_client waiter;
	int modem, fd;

	modem = support_plug("modem0");
	support_start("[port modem0]\ndevice = %s/modem0\nhangup-ms = 0\nrevocation = none\n");
	fd = support_acquire("modem0", NULL);
	support_queue(&waiter, "modem0", NULL);
	hide_link();
	support_expect_silence(&waiter, 100);
	support_expect_line(fd, modem);
	support_wait_port("modem0", "held", 1);
	close(fd);
	support_wait_port("modem0", "absent", 1);
	show_link();
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_close(&waiter);
}
END_TEST

/* _i: it comes back as it was, or elsewhere. */
START_TEST(free_port_follows_its_link)
{
	int modem, fd;

	modem = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	support_wait_port("modem0", "free", 0);
	if (_i == 0) {
		hide_link();
		support_wait_port("modem0", "absent", 0);
		show_link();
	} else {
		support_log_skip();
		modem = move_link();
		support_log_wait("device port=modem0 state=present");
	}
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, modem);
	close(fd);
}
END_TEST

START_TEST(link_that_goes_in_a_turnaround_leaves_the_queue_as_it_is)
{
	struct support_client waiter;
	int modem, fd;

	modem = support_plug("modem0");
	support_start(SUPPORT_PORT_AT("modem0") "hangup-ms = 1500\n");
	fd = support_acquire("modem0", NULL);
	support_queue(&waiter, "modem0", NULL);
	close(fd);
	support_wait_port("modem0", "turnaround", 1);
	hide_link();
	support_wait_port("modem0", "absent", 1);
	show_link();
	support_wait_port("modem0", "turnaround", 1);
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_close(&waiter);
}
END_TEST

/* ---- the device goes before its link does ---- */

START_TEST(device_that_hangs_up_before_its_link_goes_is_unplugged)
{
	struct support_client watcher, waiter;
	char node[128];
	ssize_t n;
	uint64_t token;
	int modem, fd;

	support_plug("modem0");
	n = readlink(support_path("modem0"), node, sizeof(node) - 1);
	ck_assert_int_gt(n, 0);
	node[n] = '\0';
	support_start(SUPPORT_PORT("modem0"));
	fd = support_acquire("modem0", &token); /* its number stays taken */
	support_watch(&watcher, token, "watching");
	support_queue(&waiter, "modem0", NULL);
	/* a link of udev's that is not up to date */
	ck_assert_int_eq(symlink(node, support_path("late")), 0);
	ck_assert_int_eq(rename(support_path("late"), support_path("modem0")), 0);
	support_unplug("modem0");
	ck_assert_int_eq(symlink(node, support_path("modem0")), 0);
	support_event(&watcher, "unplugged");
	ck_assert(support_is_dead(fd));
	support_wait_port("modem0", "absent", 1);
	ck_assert_int_eq(unlink(support_path("modem0")), 0);
	support_log_expect("end port=modem0 ", 1);
	modem = support_plug("modem0");
	close(fd);
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_close(&waiter);
	support_close(&watcher);
}
END_TEST

/* Its keeper sees both at once: the hang-up, and that there is one. */
START_TEST(device_that_is_exchanged_while_nobody_looks_is_unplugged)
{
	struct support_client waiter;
	int modem, fd;
	pid_t keeper;

	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	fd = support_acquire("modem0", NULL); /* its number stays taken */
	support_queue(&waiter, "modem0", NULL);
	keeper = support_keeper("modem0");
	ck_assert_int_eq(kill(keeper, SIGSTOP), 0);
	support_unplug("modem0");
	modem = support_plug("modem0");
	ck_assert_int_eq(kill(keeper, SIGCONT), 0);
	support_log_wait("end port=modem0 .*reason=unplugged");
	close(fd);
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_close(&waiter);
}
END_TEST

/* _i: the link is gone, or leads elsewhere, when the next keeper looks; 2, 3: and the next broker,
 * who knows of the lease from that keeper. */
START_TEST(link_that_goes_while_there_is_no_keeper_ends_the_lease)
{
	struct support_client waiter;
	int modem, fd;
	pid_t keeper;

	modem = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	fd = support_acquire("modem0", NULL);
	support_queue(&waiter, "modem0", NULL);
	keeper = support_keeper("modem0");
	ck_assert_int_eq(kill(keeper, SIGSTOP), 0);
	if (_i % 2 == 0)
		hide_link();
	else
		modem = move_link();
	if (_i >= 2) {
		support_close(&waiter);
		support_kill_broker();
	}
	ck_assert_int_eq(kill(keeper, SIGKILL), 0);
	support_log_wait("end port=modem0 .*reason=unplugged");
	ck_assert(support_is_dead(fd));
	if (_i % 2 == 0) {
		support_wait_port("modem0", "absent", _i == 0);
		show_link();
	}
	if (_i >= 2)
		support_queue(&waiter, "modem0", NULL);
	close(fd);
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, modem);
	support_log_expect("end port=modem0 ", 1);
	close(fd);
	support_close(&waiter);
}
END_TEST

/* ---- what is shown ---- */

static void
expect_node(int modem)
{
	json_t *port = support_list("modem0");
	char node[64];

	ck_assert_int_eq(ptsname_r(modem, node, sizeof(node)), 0);
	ck_assert_str_eq(support_string(port, "node", NULL), node);
	ck_assert_str_eq(support_string(port, "device", NULL), support_path("modem0"));
	ck_assert_ptr_null(json_object_get(port, "usb"));
	ck_assert_ptr_null(json_object_get(port, "link"));
	json_decref(port);
}

START_TEST(node_is_shown_while_the_device_is_there)
{
	json_t *port;
	int modem = support_plug("modem0"), fd;

	support_start(SUPPORT_PORT("modem0"));
	support_wait_port("modem0", "free", 0);
	expect_node(modem);
	support_kill_broker();
	support_wait_port("modem0", "free", 0);
	expect_node(modem);
	support_kill_keeper("modem0");
	fd = support_acquire("modem0", NULL);
	expect_node(modem);
	close(fd);
	support_wait_port("modem0", "free", 0);
	hide_link();
	support_wait_port("modem0", "absent", 0);
	port = support_list("modem0");
	ck_assert_ptr_null(json_object_get(port, "node"));
	json_decref(port);
	show_link();
	support_wait_port("modem0", "free", 0);
	expect_node(modem);
	hide_link();
	support_wait_port("modem0", "absent", 0);
	modem = move_link();
	support_wait_port("modem0", "free", 0);
	expect_node(modem);
}
END_TEST

/* Programs open the device by its own name, and lock it so. */
START_TEST(lock_file_of_the_node_is_that_of_the_port_by_its_link)
{
	char node[64], device[128], name[64];
	int modem = support_plug("modem0");

	support_start(SUPPORT_PORT("modem0"));
	support_wait_port("modem0", "free", 0);
	ck_assert_int_eq(ptsname_r(modem, node, sizeof(node)), 0);
	snprintf(device, sizeof(device), "%s", support_path("modem0"));
	ck_assert(comlease_is_lock_of("modem0", device));
	ck_assert(comlease_is_lock_of(strrchr(node, '/') + 1, device));
	snprintf(name, sizeof(name), "pts_%s", strrchr(node, '/') + 1);
	ck_assert(comlease_is_lock_of(name, device));
	ck_assert(!comlease_is_lock_of("modem1", device));
	/* and these are what others find while it is ours */
	snprintf(name, sizeof(name), "lock/LCK..%s", strrchr(node, '/') + 1);
	ck_assert_int_eq(access(support_path(name), R_OK), 0);
	ck_assert_int_eq(access(support_path("lock/LCK..modem0"), R_OK), 0);
	hide_link();
	support_wait_port("modem0", "absent", 0);
	ck_assert_int_ne(access(support_path(name), F_OK), 0);
	ck_assert_int_ne(access(support_path("lock/LCK..modem0"), F_OK), 0);
	show_link();
	support_wait_port("modem0", "free", 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("unplug");
	TCase *t = support_case(suite, "unplug", support_begin);
	bool can_revoke = support_can_revoke();
	const char *why = "needs CAP_SYS_ADMIN, to revoke";

	tcase_set_timeout(t, 60);
	support_add(t, lease_ends_as_unplugged_when_the_link_to_a_living_device_goes, can_revoke,
		    why);
	support_add(t, waiters_behind_a_holder_get_the_device_to_which_the_link_leads_now,
		    can_revoke, why);
	tcase_add_test(t, lease_without_revocation_lasts_until_its_holder_lets_go);
	tcase_add_loop_test(t, free_port_follows_its_link, 0, 2);
	tcase_add_test(t, link_that_goes_in_a_turnaround_leaves_the_queue_as_it_is);
	tcase_add_test(t, device_that_hangs_up_before_its_link_goes_is_unplugged);
	tcase_add_test(t, device_that_is_exchanged_while_nobody_looks_is_unplugged);
	if (can_revoke)
		tcase_add_loop_test(t, link_that_goes_while_there_is_no_keeper_ends_the_lease, 0,
				    4);
	else
		support_add(t, link_that_goes_while_there_is_no_keeper_ends_the_lease, false, why);
	tcase_add_test(t, node_is_shown_while_the_device_is_there);
	tcase_add_test(t, lock_file_of_the_node_is_that_of_the_port_by_its_link);
	return support_run(suite);
}
