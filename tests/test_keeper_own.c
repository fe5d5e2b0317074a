/*
 * test_keeper_own.c - the outward locks: what programs outside comlease find while the port is
 * ours, and what a keeper does about what they have. The lock files are in the rig's folder.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST   "hangup-ms = 0\n"
#define LEASED "own = leased\n" FAST

/* A program outside opens the device; -1: TIOCEXCL keeps it out. */
static int
open_outside(void)
{
	return open(rig.device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
}

static int
is_exclusive(int fd)
{
	int is_set = -1;

	ck_assert_int_eq(ioctl(fd, TIOCGEXCL, &is_set), 0);
	return is_set;
}

static void
assert_flocked(int fd, bool flocked)
{
	int result = flock(fd, LOCK_EX | LOCK_NB);

	ck_assert_int_eq(result, flocked ? -1 : 0);
	if (flocked)
		ck_assert_int_eq(errno, EWOULDBLOCK);
	else
		flock(fd, LOCK_UN);
}

START_TEST(free_port_is_locked_for_programs_outside)
{
	int fd;

	rig_ready(FAST);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
	ck_assert_int_ge(rig_count_locks(), 2); /* that of the link's target, too */
	fd = open_outside();
	ck_assert_int_ge(fd, 0);
	assert_flocked(fd, true);
	ck_assert_int_eq(is_exclusive(fd), geteuid() == 0);
	close(fd);
	rig_end();
}
END_TEST

/* A moment after the end of a lease: nobody waits for it. */
static void
assert_flocked_soon(int fd)
{
	double end = rig_now_us() + RIG_SOON_MS * 1e3;

	while (flock(fd, LOCK_SH | LOCK_NB) == 0 && rig_now_us() < end) {
		flock(fd, LOCK_UN);
		poll(NULL, 0, 3);
	}
	assert_flocked(fd, true);
}

/* picocom, tio and gammu flock what they were given, and give up if somebody else has. */
START_TEST(holder_can_flock_and_the_lock_file_stays)
{
	int i, fd, outside;

	rig_ready(FAST);
	for (i = 1; i <= 3; i++) {
		fd = rig_open((uint64_t)i, true);
		ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
		ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
		ck_assert_int_eq(is_exclusive(fd), geteuid() == 0);
		ck_assert_int_eq(ioctl(fd, TIOCNXCL), 0); /* his to do; ours again afterwards */
		close(fd);
		ck_assert_uint_eq(rig_expect(IPC_GONE).flag, 1);
		outside = open_outside();
		assert_flocked_soon(outside);
		ck_assert_int_eq(is_exclusive(outside), geteuid() == 0);
		close(outside);
	}
	rig_end();
}
END_TEST

START_TEST(leased_port_is_locked_only_as_long_as_it_is_leased)
{
	int fd, outside;

	rig_ready(LEASED);
	ck_assert_int_eq(rig_count_locks(), 0);
	fd = rig_open(1, true);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
	ck_assert_int_eq(is_exclusive(fd), geteuid() == 0);
	close(fd);
	rig_expect(IPC_GONE);
	ck_assert_int_eq(rig_count_locks(), 0);
	outside = open_outside();
	assert_flocked(outside, false);
	ck_assert_int_eq(is_exclusive(outside), 0);
	close(outside);
	rig_end();
}
END_TEST

START_TEST(disabled_port_is_not_locked)
{
	int fd, outside;

	rig_ready(FAST);
	fd = rig_open(1, true);
	rig_tell(IPC_OWN, 0, 0, "");
	close(rig_open(1, false)); /* answered: it has been taken in */
	rig_expect(IPC_COUNT);
	ck_assert_int_eq(rig_count_locks(), 0);
	ck_assert_int_eq(is_exclusive(fd), 0);
	close(fd);
	rig_expect(IPC_GONE);
	rig_turnaround(1, LEASE_RELEASED, 0);
	ck_assert_int_eq(rig_count_locks(), 0);
	outside = open_outside();
	assert_flocked(outside, false);
	close(outside);
	rig_tell(IPC_OWN, 0, 1, "");
	close(rig_open(2, true));
	rig_expect(IPC_GONE);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
	rig_end();
}
END_TEST

/* A line that somebody else uses is left as it is. */
START_TEST(line_of_a_foreign_lock_file_is_not_touched)
{
	struct termios before, after;
	char node[64];
	int fd;

	rig_init("hangup-ms = 20\n");
	rig_plug();
	ck_assert_int_eq(ptsname_r(rig.master, node, sizeof(node)), 0);
	rig_write_lock(rig_lock_name(), (long)getpid());
	fd = open(node, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_eq(tcgetattr(fd, &before), 0);
	rig_start();
	ck_assert_uint_eq(rig_turnaround_foreign(0), IPC_EVIDENCE_LOCKFILE);
	ck_assert_int_eq(tcgetattr(fd, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag); /* cooked, as ptys are born */
	ck_assert_uint_ne(after.c_lflag, 0);
	ck_assert_uint_eq(cfgetospeed(&after), cfgetospeed(&before));
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), getpid());
	ck_assert_int_eq(rig_count_locks(), 1);
	ck_assert_int_eq(is_exclusive(fd), 0);
	assert_flocked(fd, false);
	close(fd);
	rig_write_lock(rig_lock_name(), 0x7ffffff0); /* nobody */
	rig_turnaround(0, LEASE_NONE, 0);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
	rig_end();
}
END_TEST

START_TEST(foreign_flock_is_reported_until_it_goes)
{
	int fd;

	rig_ready(LEASED);
	fd = open_outside();
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	ck_assert_uint_eq(rig_turnaround_foreign(0), IPC_EVIDENCE_FLOCK);
	rig_turnaround(0, LEASE_NONE, IPC_TURN_ANYWAY);
	close(fd);
	rig_turnaround(0, LEASE_NONE, 0);
	rig_end();
}
END_TEST

START_TEST(foreign_tiocexcl_is_reported_until_it_goes)
{
	int fd;

	rig_ready(LEASED);
	fd = open_outside();
	ck_assert_int_eq(ioctl(fd, TIOCEXCL), 0);
	ck_assert_uint_eq(rig_turnaround_foreign(0), IPC_EVIDENCE_EXCLUSIVE);
	ck_assert_int_eq(is_exclusive(fd), 1);
	ck_assert_int_eq(ioctl(fd, TIOCNXCL), 0);
	rig_turnaround(0, LEASE_NONE, 0);
	close(fd);
	rig_end();
}
END_TEST

START_TEST(lease_of_a_port_that_is_locked_outside_is_not_opened)
{
	struct ipc_message m;

	rig_ready(LEASED);
	rig_write_lock(rig_lock_name(), (long)getpid());
	rig_ask(IPC_OPEN, 1, 1, 0);
	m = rig_expect(IPC_OPENED);
	ck_assert_int_eq(m.error, EADDRINUSE);
	ck_assert_str_eq(m.text, "modem0: a program outside comlease has it: a lock file");
	ck_assert_int_eq(rig_count_locks(), 1);
	rig_turnaround(0, LEASE_NONE, IPC_TURN_ANYWAY);
	close(rig_open(2, true));
	rig_expect(IPC_GONE);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), getpid());
	rig_end();
}
END_TEST

START_TEST(stale_lock_of_a_killed_keeper_is_taken_over)
{
	long old;

	rig_ready(FAST);
	old = rig_read_lock(rig_lock_name());
	rig_kill_keeper();
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), old);
	rig_start();
	rig_turnaround(0, LEASE_NONE, 0);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
	ck_assert_int_ne(rig.keeper, (pid_t)old);
	rig_end();
}
END_TEST

START_TEST(new_keeper_locks_a_live_lease_again_and_leaves_its_line_alone)
{
	struct termios before, after;
	int fd;

	rig_ready(FAST);
	fd = rig_open(1, true);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(tcgetattr(fd, &before), 0);
	before.c_lflag |= ECHO | ICANON;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &before), 0);
	ck_assert_int_eq(ioctl(fd, TIOCNXCL), 0);
	rig_kill_keeper();
	ck_assert_uint_eq(rig_start().token, 1);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
	ck_assert_int_eq(is_exclusive(fd), geteuid() == 0);
	ck_assert_int_eq(tcgetattr(fd, &after), 0);
	ck_assert_uint_eq(after.c_lflag, before.c_lflag);
	close(fd);
	rig_expect(IPC_GONE);
	rig_turnaround(1, LEASE_RELEASED, 0);
	rig_end();
}
END_TEST

START_TEST(unplugged_device_is_not_locked)
{
	rig_ready(FAST);
	rig_unplug();
	rig_expect(IPC_ABSENT);
	ck_assert_int_eq(rig_count_locks(), 0);
	rig_end();
}
END_TEST

START_TEST(port_works_without_a_folder_for_lock_files)
{
	int fd;

	rig_init(FAST);
	rig_plug();
	ck_assert_int_eq(rmdir(rig.locks), 0);
	rig_start();
	rig_turnaround(0, LEASE_NONE, 0);
	fd = open_outside();
	assert_flocked(fd, true);
	close(fd);
	close(rig_open(1, true));
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

/* Without CAP_SYS_ADMIN the keeper can't open it either, until it has gone. */
START_TEST(foreign_tiocexcl_without_privileges_is_a_fault_until_it_goes)
{
	char node[64];
	int fd;

	rig_init("revocation = none\n" FAST);
	rig_plug();
	ck_assert_int_eq(ptsname_r(rig.master, node, sizeof(node)), 0);
	fd = open(node, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_eq(ioctl(fd, TIOCEXCL), 0);
	ck_assert_uint_eq(rig_start().flag, 0);
	ck_assert_ptr_nonnull(strstr(rig_expect(IPC_FAULT).text, "TIOCEXCL"));
	ck_assert_int_eq(ioctl(fd, TIOCNXCL), 0);
	close(fd);
	rig_expect(IPC_PRESENT);
	rig_turnaround(0, LEASE_NONE, 0);
	rig_end();
}
END_TEST

START_TEST(holder_with_tiocexcl_can_open_again_without_privileges)
{
	int fd;

	rig_ready("revocation = none\n" FAST);
	fd = rig_open(1, true);
	ck_assert_int_eq(ioctl(fd, TIOCEXCL), 0);
	close(rig_open(1, false));
	rig_expect(IPC_COUNT);
	ck_assert_int_eq(is_exclusive(fd), 1);
	close(fd);
	rig_expect(IPC_GONE);
	close(rig_open(2, true));
	rig_end();
}
END_TEST

/* He keeps his dead descriptor for ever, and the flock with it. */
START_TEST(flock_of_a_revoked_holder_stops_nobody)
{
	int old;

	rig_ready(FAST);
	old = rig_open(1, true);
	ck_assert_int_eq(flock(old, LOCK_EX | LOCK_NB), 0);
	rig_turnaround(1, LEASE_REVOKED, IPC_TURN_REVOKE);
	ck_assert_int_eq(rig_read_lock(rig_lock_name()), rig.keeper);
	rig_turnaround(0, LEASE_NONE, 0);
	close(rig_open(2, true));
	rig_expect(IPC_GONE);
	close(old);
	rig_end();
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("own"), *root = tcase_create("revocation");

	tcase_add_test(t, holder_can_flock_and_the_lock_file_stays);
	tcase_add_test(t, free_port_is_locked_for_programs_outside);
	tcase_add_test(t, leased_port_is_locked_only_as_long_as_it_is_leased);
	tcase_add_test(t, disabled_port_is_not_locked);
	tcase_add_test(t, line_of_a_foreign_lock_file_is_not_touched);
	tcase_add_test(t, foreign_flock_is_reported_until_it_goes);
	tcase_add_test(t, foreign_tiocexcl_is_reported_until_it_goes);
	tcase_add_test(t, lease_of_a_port_that_is_locked_outside_is_not_opened);
	tcase_add_test(t, stale_lock_of_a_killed_keeper_is_taken_over);
	tcase_add_test(t, new_keeper_locks_a_live_lease_again_and_leaves_its_line_alone);
	tcase_add_test(t, unplugged_device_is_not_locked);
	tcase_add_test(t, port_works_without_a_folder_for_lock_files);
	tcase_add_test(t, foreign_tiocexcl_without_privileges_is_a_fault_until_it_goes);
	tcase_add_test(t, holder_with_tiocexcl_can_open_again_without_privileges);
	tcase_add_test(root, flock_of_a_revoked_holder_stops_nobody);
	return rig_run("keeper_own", t, root);
}
