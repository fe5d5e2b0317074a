/*
 * test_keeper_serial_fault.c - a real port whose driver fails: an adapter that stops answering, one
 * that lost its lines, a port that has none. The fault names the device and what could not be done;
 * nothing is blamed on strangers, and what works again is granted again.
 */
#include "keeper_rig.h"
#include "serial_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct serial_line *line;

static void
begin(void)
{
	serial_rig_reset();
	line = serial_rig_any();
}

static void
expect_fault(const char *what, const char *why)
{
	struct ipc_message m;

	rig_ask(IPC_TURNAROUND, 1, LEASE_RELEASED, 0);
	m = rig_expect(IPC_FAULT);
	ck_assert_msg(strncmp(m.text, "/dev/pts/", 9) == 0, "%s", m.text);
	ck_assert_msg(strstr(m.text, what) != NULL, "%s", m.text);
	ck_assert_msg(strstr(m.text, why) != NULL, "%s", m.text);
}

/* Broken after a lease, whole again for the next one. */
static void
expect_fault_and_recovery(unsigned long request, int error, const char *what, const char *why)
{
	struct ipc_message m;
	int fd;

	rig_ready("hangup-ms = 20\n");
	rig.strangers = true;
	fd = rig_open(1, true);
	line->rs485 = 1;
	serial_rig_break(line, request, error);
	close(fd);
	rig_expect(IPC_GONE);
	expect_fault(what, why);
	while (rig_next(&m, &fd, RIG_QUIET_MS))
		ck_assert_msg(m.type != IPC_STRANGER, "somebody has it open, it says");
	expect_fault(what, why);
	serial_rig_break(line, 0, 0);
	rig_turnaround(1, LEASE_NONE, 0);
	fd = rig_open(2, true);
	ck_assert_uint_ne(line->modem & TIOCM_DTR, 0);
	close(fd);
	rig_expect(IPC_GONE);
	rig_end();
}

static const struct {
	unsigned long request;
	int error;
	const char *what, *why;
} failures[] = {
	{ TIOCMBIC, EIO, "drop DTR", "Input/output error" },
	{ TIOCMBIC, EPIPE, "drop DTR", "Broken pipe" },
	{ TCXONC, EIO, "restart its output", "Input/output error" },
	{ TIOCCBRK, EPIPE, "end its break", "Broken pipe" },
	{ TIOCSRS485, EIO, "leave RS485 mode", "Input/output error" },
	{ TIOCGSERIAL, EPIPE, "speed and closing options", "Broken pipe" },
};

START_TEST(call_that_fails_is_a_fault_that_names_it)
{
	expect_fault_and_recovery(failures[_i].request, failures[_i].error, failures[_i].what,
				  failures[_i].why);
}
END_TEST

/* libserialport wants the lines when it opens: with a new device, after a hang-up. _i: what an
 * adapter says that stops answering, and a driver that has none. */
START_TEST(port_whose_lines_cannot_be_read_is_a_fault)
{
	static const int errors[] = { EIO, EPIPE, ETIMEDOUT, ENOTTY };
	static const char *const texts[] = { "Input/output error", "Broken pipe",
					     "Connection timed out", "Inappropriate ioctl" };
	struct ipc_message m;
	int fd;

	rig_init("hangup-ms = 20\n");
	rig_plug();
	rig_start();
	rig.strangers = true;
	serial_rig_break(line, TIOCMGET, errors[_i]);
	expect_fault("read its modem lines", texts[_i]);
	while (rig_next(&m, &fd, RIG_QUIET_MS))
		ck_assert_msg(m.type != IPC_STRANGER, "somebody has it open, it says");
	serial_rig_break(line, 0, 0);
	rig_turnaround(0, LEASE_NONE, 0);
	close(rig_open(1, true));
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

/* A revocation that cannot open it again, for once. */
START_TEST(port_that_opens_no_more_after_a_revocation_is_a_fault)
{
	int fd;

	rig_ready("hangup-ms = 20\n");
	fd = rig_open(1, true);
	serial_rig_break(line, SERIAL_OPEN, EIO);
	rig_ask(IPC_TURNAROUND, 1, LEASE_REVOKED, IPC_TURN_REVOKE);
	ck_assert_ptr_nonnull(strstr(rig_expect(IPC_FAULT).text, "Input/output error"));
	ck_assert_int_eq(write(fd, "x", 1), -1);
	serial_rig_break(line, 0, 0);
	rig_turnaround(1, LEASE_NONE, IPC_TURN_REVOKE);
	close(fd);
	fd = rig_open(2, true);
	close(fd);
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

/* The lease goes on, and nobody is told of a call. */
START_TEST(adapter_that_loses_its_carrier_line_does_not_end_a_lease)
{
	struct ipc_message m;
	int fd;

	rig_ready("hangup-ms = 0\nbusy-by = dcd\n");
	serial_set_inputs(line, TIOCM_CD, true);
	fd = rig_open(1, true);
	ck_assert_uint_eq(rig_expect(IPC_LINE).flag, IPC_LINE_CARRIER);
	serial_rig_break(line, TIOCMGET, EPIPE);
	serial_set_inputs(line, TIOCM_CD, false);
	m = rig_expect(IPC_LINE);
	ck_assert_uint_eq(m.flag, 0);
	rig_expect_quiet();
	serial_rig_break(line, 0, 0);
	close(fd);
	rig_expect(IPC_GONE);
	rig_end();
}
END_TEST

/* An edge that came while nobody waited is found within a second. */
START_TEST(edge_that_was_missed_is_found)
{
	int fd;

	rig_ready("hangup-ms = 0\nbusy-by = dcd\n");
	fd = rig_open(1, true);
	serial_rig_wait(&line->waits, 1);
	atomic_fetch_or(&line->modem, TIOCM_CD); /* and nobody is woken */
	ck_assert_uint_eq(rig_expect(IPC_LINE).flag, IPC_LINE_CARRIER);
	close(fd);
	rig_end();
}
END_TEST

int
main(int argc, char **argv)
{
	TCase *t = tcase_create("fault"), *root = tcase_create("revocation");

	(void)argc;
	serial_rig_main(argv);
	tcase_add_checked_fixture(t, begin, NULL);
	tcase_add_checked_fixture(root, begin, NULL);
	tcase_add_loop_test(t, call_that_fails_is_a_fault_that_names_it, 0,
			    (int)(sizeof(failures) / sizeof(failures[0])));
	tcase_add_loop_test(t, port_whose_lines_cannot_be_read_is_a_fault, 0, 4);
	tcase_add_test(root, port_that_opens_no_more_after_a_revocation_is_a_fault);
	tcase_add_test(t, adapter_that_loses_its_carrier_line_does_not_end_a_lease);
	tcase_add_test(t, edge_that_was_missed_is_found);
	return serial_rig_end(rig_run("keeper_serial_fault", t, root));
}
