/*
 * test_keeper_stranger.c - opens and closes of the device that are none of ours are told, and ours
 * are not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST "hangup-ms = 0\n"

static int
open_outside(void)
{
	int fd = open(rig.device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void
expect_stranger(unsigned flag)
{
	ck_assert_uint_eq(rig_expect(IPC_STRANGER).flag, flag);
}

START_TEST(open_and_close_of_a_free_device_are_told)
{
	int fd;

	rig_ready(FAST);
	rig.strangers = true;
	fd = open_outside();
	expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	rig_expect_quiet();
	close(fd);
	expect_stranger(IPC_STRANGER_CLOSED);
	rig_expect_quiet();
	rig_end();
}
END_TEST

START_TEST(intruder_is_told_from_the_holder)
{
	int a, b, fd;

	rig_ready(FAST);
	rig.strangers = true;
	a = rig_open(1, true);
	b = rig_open(1, false);
	fd = open_outside();
	expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	close(b);
	rig_expect(IPC_COUNT);
	rig_expect_quiet();
	close(fd);
	expect_stranger(IPC_STRANGER_CLOSED);
	fd = open_outside();
	expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	close(a);
	ck_assert_uint_eq(rig_expect(IPC_GONE).flag, 0); /* with him there, it is to be asked */
	rig_expect_quiet();
	close(fd);
	expect_stranger(IPC_STRANGER_CLOSED);
	rig_end();
}
END_TEST

/* Leases, joins, turnarounds, broken line: all of it is ours. */
START_TEST(nothing_of_our_own_is_told)
{
	uint64_t token;
	int a, b;

	rig_init("hangup-ms = 1\n");
	rig_plug();
	rig_start();
	rig.strangers = true;
	rig_turnaround(0, LEASE_NONE, 0);
	for (token = 1; token <= 100; token++) {
		a = rig_open(token, true);
		b = rig_open(token, false);
		close(a);
		if (token % 2 == 0)
			rig_expect(IPC_COUNT);
		close(b);
		if (token % 2 != 0) {
			struct ipc_message m;
			int fd;

			/* both may be seen at once */
			ck_assert(rig_next(&m, &fd, RIG_SOON_MS));
			if (m.type == IPC_GONE)
				goto turn;
			ck_assert_uint_eq(m.type, IPC_COUNT);
		}
		rig_expect(IPC_GONE);
	turn:
		rig_turnaround(token, LEASE_RELEASED, 0);
	}
	rig_expect_quiet();
	rig_end();
}
END_TEST

START_TEST(revocation_is_not_told_as_a_stranger)
{
	int fd;

	rig_ready(FAST);
	rig.strangers = true;
	fd = rig_open(1, true);
	rig_turnaround(1, LEASE_REVOKED, IPC_TURN_REVOKE);
	rig_expect_quiet();
	close(fd);
	rig_expect_quiet();
	rig_end();
}
END_TEST

/* He is hung up with all others: his open counts no longer. */
START_TEST(revocation_ends_the_evidence_of_an_open)
{
	int fd;

	rig_ready(FAST);
	rig.strangers = true;
	fd = open_outside();
	expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, IPC_TURN_REVOKE);
	ck_assert_uint_eq(rig_expect(IPC_READY).flag, 0);
	expect_stranger(IPC_STRANGER_CLOSED);
	close(fd);
	rig_end();
}
END_TEST

START_TEST(masses_of_opens_are_few_messages_and_the_last_state_is_told)
{
	struct ipc_message m = { 0 };
	double start = rig_now_us();
	int i, fd, none, count = 0;

	rig_ready(FAST);
	rig.strangers = true;
	for (i = 0; i < 2000; i++)
		close(open_outside());
	fd = open_outside();
	while (rig_next(&m, &none, RIG_QUIET_MS))
		count++;
	ck_assert_int_le(count, 2 * (int)((rig_now_us() - start) / 10e3 + 2));
	ck_assert_uint_ne(m.flag & IPC_EVIDENCE_OPEN, 0);
	close(fd);
	expect_stranger(IPC_STRANGER_CLOSED);
	rig_end();
}
END_TEST

START_TEST(new_broker_is_told_of_who_is_there_and_by_which_locks)
{
	int fd;

	rig_ready("own = leased\n" FAST);
	rig.strangers = true;
	fd = open_outside();
	expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	ck_assert_int_eq(ioctl(fd, TIOCEXCL), 0);
	rig_write_lock(rig_lock_name(), (long)getpid());
	rig_reconnect();
	expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN | IPC_EVIDENCE_EXCLUSIVE |
			IPC_EVIDENCE_LOCKFILE);
	close(fd);
	rig_end();
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("stranger"), *root = tcase_create("revocation");

	tcase_add_test(t, open_and_close_of_a_free_device_are_told);
	tcase_add_test(t, intruder_is_told_from_the_holder);
	tcase_add_test(t, nothing_of_our_own_is_told);
	tcase_add_test(t, masses_of_opens_are_few_messages_and_the_last_state_is_told);
	tcase_add_test(t, new_broker_is_told_of_who_is_there_and_by_which_locks);
	tcase_add_test(root, revocation_is_not_told_as_a_stranger);
	tcase_add_test(root, revocation_ends_the_evidence_of_an_open);
	return rig_run("keeper_stranger", t, root);
}
