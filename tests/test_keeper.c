/*
 * test_keeper.c - leases as a keeper sees them: they live as long as their descriptions, wherever
 * these are, and through new keepers and brokers. What a turnaround does to the line is in
 * test_keeper_turnaround.c, what happens to the device in test_keeper_device.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST "hangup-ms = 0\n"

START_TEST(opened_description_carries_data_both_ways_untouched)
{
	const char out[] = "AT\r\n\x03\x11\x7f", in[] = "OK\r\n\x04\x13";
	char buffer[64];
	struct pollfd p;
	int fd;

	rig_ready(FAST);
	fd = rig_open(1, true);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	ck_assert_int_eq(write(fd, out, sizeof(out)), sizeof(out));
	ck_assert_uint_eq(rig_read_master(buffer, sizeof(out)), sizeof(out));
	ck_assert_mem_eq(buffer, out, sizeof(out));
	ck_assert_int_eq(write(rig.master, in, sizeof(in)), sizeof(in));
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	ck_assert_int_eq(poll(&p, 1, RIG_SOON_MS), 1);
	ck_assert_int_eq(read(fd, buffer, sizeof(buffer)), sizeof(in));
	ck_assert_mem_eq(buffer, in, sizeof(in));
	close(fd);
	rig_end();
}
END_TEST

START_TEST(lease_is_gone_with_its_last_description)
{
	struct ipc_message m;
	double start;
	int a, b;

	rig_ready(FAST);
	a = rig_open(7, true);
	b = rig_open(7, false);
	rig_expect_quiet();
	close(a);
	m = rig_expect(IPC_COUNT);
	ck_assert_uint_eq(m.token, 7);
	ck_assert_uint_eq(m.number, 1);
	start = rig_now_us();
	close(b);
	m = rig_expect(IPC_GONE);
	ck_assert_double_lt(rig_now_us() - start,
			    900e3); /* P7 says 20 ms; once a second it looks anyway */
	ck_assert_uint_eq(m.token, 7);
	rig_turnaround(7, LEASE_RELEASED, false);
	rig_end();
}
END_TEST

START_TEST(duplicate_in_a_child_keeps_the_lease)
{
	int fd, pipes[2];
	pid_t child;

	rig_ready(FAST);
	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	fd = rig_open(1, true);
	child = fork();
	if (child == 0) {
		char c;

		close(pipes[1]);
		_exit(dup(fd) < 0 || read(pipes[0], &c, 1) != 0);
	}
	close(fd);
	rig_expect_quiet();
	close(pipes[1]);
	rig_expect(IPC_GONE);
	waitpid(child, NULL, 0);
	rig_end();
}
END_TEST

START_TEST(lease_is_gone_when_its_holder_is_killed)
{
	pid_t child;
	int fd;

	rig_ready(FAST);
	fd = rig_open(1, true);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	close(fd);
	kill(child, SIGKILL);
	rig_expect(IPC_GONE);
	waitpid(child, NULL, 0);
	rig_turnaround(1, LEASE_DIED, false);
	rig_end();
}
END_TEST

START_TEST(description_in_flight_keeps_the_lease)
{
	struct ipc_message m = { .type = IPC_OPENED };
	int fd, a, b;

	rig_ready(FAST);
	fd = rig_open(1, true);
	ck_assert_int_eq(ipc_pair(&a, &b), 0);
	ck_assert_int_eq(ipc_send(a, &m, fd), 0);
	close(fd);
	close(a);
	rig_expect_quiet();
	close(b);
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

static void
assert_dead(int fd)
{
	char c;

	ck_assert_int_eq(read(fd, &c, 1), 0);
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(errno, EIO);
}

START_TEST(revocation_kills_every_duplicate_and_only_those)
{
	int old, copy, fresh;

	rig_ready(FAST);
	old = rig_open(1, true);
	copy = dup(old);
	rig_turnaround(1, LEASE_EXPIRED, true);
	assert_dead(old);
	assert_dead(copy);
	fresh = rig_open(2, true);
	ck_assert_int_eq(write(fresh, "x", 1), 1);
	/* the old ones stand under their own token: their close ends nothing */
	close(old);
	close(copy);
	rig_expect_quiet();
	ck_assert_int_eq(write(fresh, "x", 1), 1);
	close(fresh);
	ck_assert_uint_eq(rig_expect(IPC_GONE).token, 2);
	rig_end();
}
END_TEST

START_TEST(leftover_description_is_revoked_without_being_asked)
{
	int old;

	rig_ready(FAST);
	old = rig_open(1, true);
	rig_turnaround(1, LEASE_RELEASED, false);
	assert_dead(old);
	close(old);
	rig_end();
}
END_TEST

START_TEST(without_revocation_nothing_is_hung_up)
{
	int old;

	rig_ready(FAST "revocation = none\n");
	old = rig_open(1, true);
	rig_turnaround(1, LEASE_EXPIRED, true);
	ck_assert_int_eq(write(old, "x", 1), 1);
	close(old);
	rig_end();
}
END_TEST

START_TEST(late_join_is_refused)
{
	struct ipc_message m;
	int fd;

	rig_ready(FAST);
	fd = rig_open(1, true);
	close(fd);
	rig_expect(IPC_GONE);
	rig_ask(IPC_OPEN, 1, 0, false);
	m = rig_expect(IPC_OPENED);
	ck_assert_int_eq(m.error, ESTALE);
	ck_assert_str_eq(m.text, "modem0: that lease has ended");
	rig_end();
}
END_TEST

START_TEST(new_keeper_finds_the_lease_of_the_old_one)
{
	struct termios before, after;
	struct ipc_message m;
	int fd, second;

	rig_ready(FAST);
	fd = rig_open(41, true);
	second = rig_open(41, false);
	ck_assert_int_eq(tcgetattr(fd, &before), 0);
	before.c_lflag |= ECHO;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &before), 0);
	rig_kill_keeper();
	m = rig_start();
	ck_assert_uint_eq(m.token, 41);
	ck_assert_uint_eq(m.flag, 1);
	ck_assert_uint_eq(rig_expect(IPC_COUNT).number, 2);
	ck_assert_int_eq(tcgetattr(fd, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag); /* he is left alone */
	close(second);
	rig_expect(IPC_COUNT);
	close(fd);
	ck_assert_uint_eq(rig_expect(IPC_GONE).token, 41);
	rig_turnaround(41, LEASE_RELEASED, false);
	rig_end();
}
END_TEST

START_TEST(new_broker_is_told_who_holds_it)
{
	struct ipc_message m = { .type = IPC_HOLDER, .token = 5, .text = "uid=1 pid=2" };
	int fd;

	rig_ready(FAST);
	fd = rig_open(5, true);
	ck_assert_int_eq(ipc_send(rig.broker, &m, -1), 0);
	close(rig_open(5, false)); /* an answer: the holder has been taken in */
	rig_expect(IPC_COUNT);
	m = rig_reconnect();
	ck_assert_uint_eq(m.token, 5);
	ck_assert_str_eq(m.text, "uid=1 pid=2");
	close(rig.broker);
	rig.broker = -1;
	close(fd);
	/* whether the keeper learns it before or after: the lease is over, once */
	m = rig_reconnect();
	if (m.token != 0)
		rig_expect(IPC_GONE);
	rig_turnaround(5, LEASE_RELEASED, false);
	rig_end();
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("lease"), *root = tcase_create("revocation");

	tcase_add_test(t, opened_description_carries_data_both_ways_untouched);
	tcase_add_test(t, lease_is_gone_with_its_last_description);
	tcase_add_test(t, duplicate_in_a_child_keeps_the_lease);
	tcase_add_test(t, lease_is_gone_when_its_holder_is_killed);
	tcase_add_test(t, description_in_flight_keeps_the_lease);
	tcase_add_test(t, without_revocation_nothing_is_hung_up);
	tcase_add_test(t, late_join_is_refused);
	tcase_add_test(t, new_keeper_finds_the_lease_of_the_old_one);
	tcase_add_test(t, new_broker_is_told_who_holds_it);
	tcase_add_test(root, revocation_kills_every_duplicate_and_only_those);
	tcase_add_test(root, leftover_description_is_revoked_without_being_asked);
	return rig_run("keeper", t, root);
}
