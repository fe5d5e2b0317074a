/*
 * test_keeper_stranger.c - opens and closes of the device that are none of ours are told, and ours
 * are not.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST "hangup-ms = 0\n"

/* ---- what the keeper does not see coming ---- */

static int
is_armed(const char *what)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", rig.folder, what);
	return unlink(path) == 0;
}

/* Once, a stranger opens the device in the keeper's way: "open": right before its own next open,
 * and closes it again; "message": when it takes the next message, "hangup": right after its next
 * hang-up, and stays. */
static void
arm(const char *what)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/%s", rig.folder, what);
	ck_assert_int_eq(mknod(path, S_IFREG | 0600, 0), 0);
}

static int
visit(void)
{
	return (int)syscall(SYS_openat, AT_FDCWD, rig.device,
			    O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC, 0);
}

/* The keeper's calls, in this program's copy of it. */
int
open(const char *path, int flags, ...)
{
	mode_t mode = 0;
	va_list rest;

	if ((flags & O_CREAT) != 0) {
		va_start(rest, flags);
		mode = va_arg(rest, mode_t);
		va_end(rest);
	}
	if (rig.keeper == 0 && (flags & O_NOCTTY) != 0 && is_armed("open"))
		close(visit());
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int
ioctl(int fd, unsigned long request, ...)
{
	va_list rest;
	void *argument;
	int result;

	va_start(rest, request);
	argument = va_arg(rest, void *);
	va_end(rest);
	result = (int)syscall(SYS_ioctl, fd, request, argument);
	if (request == TIOCVHANGUP && result == 0 && rig.keeper == 0 && is_armed("hangup"))
		visit();
	return result;
}

ssize_t
recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t n = syscall(SYS_recvmsg, fd, message, flags);

	if (n > 0 && rig.keeper == 0 && is_armed("message"))
		visit();
	return n;
}

/* What happens until it goes on is one round's. */
static void
stop_keeper(void)
{
	int status;

	ck_assert_int_eq(kill(rig.keeper, SIGSTOP), 0);
	ck_assert_int_eq(waitpid(rig.keeper, &status, WUNTRACED), rig.keeper);
	ck_assert(WIFSTOPPED(status));
}

/* ---- */

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

/* As in /tmp and /dev on a busy machine: much more is in the queue than one reading takes. */
static void
make_many_events(void)
{
	char path[100];
	int i;

	snprintf(path, sizeof(path), "%s/neighbour", rig.folder);
	for (i = 0; i < 1000; i++) {
		ck_assert_int_eq(mkdir(path, 0700), 0);
		ck_assert_int_eq(rmdir(path), 0);
	}
}

START_TEST(our_own_open_behind_many_events_is_not_told_as_a_stranger)
{
	uint64_t id;
	int fd;

	rig_ready(FAST);
	rig.strangers = true;
	stop_keeper();
	make_many_events();
	id = rig_ask(IPC_OPEN, 1, 1, 0);
	kill(rig.keeper, SIGCONT);
	ck_assert_uint_eq(rig_expect(IPC_OPENED).id, id); /* which closes it */
	rig_expect(IPC_GONE);
	rig_expect_quiet();
	/* and a real one behind as many is told */
	stop_keeper();
	make_many_events();
	fd = open_outside();
	kill(rig.keeper, SIGCONT);
	expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	close(fd);
	expect_stranger(IPC_STRANGER_CLOSED);
	rig_end();
}
END_TEST

/* As when the keeper stands for a moment before its own open. */
START_TEST(who_opened_and_closed_right_before_our_own_open_is_not_there)
{
	int fd;

	rig_ready(FAST);
	rig.strangers = true;
	arm("open");
	fd = rig_open(1, true);
	/* a slow keeper has made up its mind before it tells */
	ck_assert_uint_ne(rig_expect(IPC_STRANGER).flag & IPC_STRANGER_OPENED, 0);
	expect_stranger(IPC_STRANGER_CLOSED);
	close(fd);
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

/* Of what comes in masses the rest is told later; but then the port may be granted already. */
START_TEST(open_is_told_before_the_port_is_said_to_be_ready)
{
	int a, b;

	rig_ready(FAST);
	rig.strangers = true;
	for (int i = 0; i < 20; i++) {
		a = open_outside();
		expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
		stop_keeper();
		b = open_outside();
		rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, 0);
		kill(rig.keeper, SIGCONT);
		expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
		rig_expect(IPC_READY);
		stop_keeper();
		close(a);
		close(b);
		kill(rig.keeper, SIGCONT);
		expect_stranger(IPC_STRANGER_CLOSED);
	}
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

START_TEST(who_opens_right_before_the_revocation_is_revoked)
{
	rig_ready(FAST);
	rig.strangers = true;
	arm("message");
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, IPC_TURN_REVOKE);
	expect_stranger(IPC_STRANGER_OPENED);
	expect_stranger(IPC_STRANGER_CLOSED);
	ck_assert_uint_eq(rig_expect(IPC_READY).flag, 0);
	rig_expect_quiet();
	rig_end();
}
END_TEST

/* As a getty does, or minicom. */
START_TEST(who_opens_again_at_once_has_it_in_spite_of_the_revocation)
{
	rig_ready(FAST);
	rig.strangers = true;
	arm("hangup");
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, IPC_TURN_REVOKE);
	expect_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	ck_assert_uint_eq(rig_expect(IPC_READY).flag, 0);
	rig_expect_quiet();
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
	tcase_add_test(t, our_own_open_behind_many_events_is_not_told_as_a_stranger);
	tcase_add_test(t, who_opened_and_closed_right_before_our_own_open_is_not_there);
	tcase_add_test(t, open_is_told_before_the_port_is_said_to_be_ready);
	tcase_add_test(t, masses_of_opens_are_few_messages_and_the_last_state_is_told);
	tcase_add_test(t, new_broker_is_told_of_who_is_there_and_by_which_locks);
	tcase_add_test(root, revocation_is_not_told_as_a_stranger);
	tcase_add_test(root, who_opens_right_before_the_revocation_is_revoked);
	tcase_add_test(root, who_opens_again_at_once_has_it_in_spite_of_the_revocation);
	tcase_add_test(root, revocation_ends_the_evidence_of_an_open);
	return rig_run("keeper_stranger", t, root);
}
