/*
 * test_e2e_serial.c - real ports, with a real comleased and ptys that look like some: DTR between
 * leases and while idle, output that nobody takes, and a driver that does not return.
 */
#include "serial_rig.h"
#include "support.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define HANGUP_MS 300
#define CALM      "[port modem1]\ndevice = %s/modem1\nhangup-ms = 0\n%r"

static int master;
static struct serial_line *line;

static void
begin(const char *config)
{
	support_begin();
	serial_rig_reset();
	master = support_plug("modem0");
	line = serial_rig_plug(master);
	serial_rig_plug(support_plug("modem1"));
	support_start(config);
}

static bool
is_up(unsigned lines)
{
	return (atomic_load(&line->modem) & lines) == lines;
}

/* ---- DTR and RTS ---- */

static void
begin_plain(void)
{
	begin(SUPPORT_PORT_AT("modem0") "hangup-ms = 300\n" CALM);
}

START_TEST(dtr_is_down_while_idle_and_up_in_a_lease)
{
	int fd;

	ck_assert(!is_up(TIOCM_DTR));
	serial_rig_mark();
	fd = support_acquire("modem0", NULL);
	ck_assert(is_up(TIOCM_DTR | TIOCM_RTS));
	ck_assert_int_eq(serial_rig_count(line, SERIAL_DTR, 1), 1);
	close(fd);
	support_wait_port("modem0", "free", 0);
	ck_assert(!is_up(TIOCM_DTR));
	ck_assert_int_eq(serial_rig_count(line, SERIAL_DTR, 1), 1);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_DTR, 0), 1);
}
END_TEST

/* The last time that it went down and up: what a modem takes for a hang-up. */
static double
last_pause_ms(void)
{
	return serial_rig_last_ms(line, SERIAL_DTR, 1) - serial_rig_last_ms(line, SERIAL_DTR, 0);
}

START_TEST(dtr_is_down_for_hangup_ms_between_leases)
{
	struct support_client next;
	int fd = support_acquire("modem0", NULL);

	support_queue(&next, "modem0", NULL);
	serial_rig_mark();
	close(fd);
	fd = support_granted(&next, NULL);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_DTR, 0), 1);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_DTR, 1), 1);
	ck_assert_double_ge(last_pause_ms(), HANGUP_MS - 1);
	ck_assert(is_up(TIOCM_RTS));
	close(fd);
	support_close(&next);
}
END_TEST

/* A hang-up of the kernel's is a pulse, and no more; with HUPCL or without. */
START_TEST(dtr_is_down_for_hangup_ms_after_a_revocation)
{
	struct support_client next, admin;
	struct termios t;
	int old = support_acquire("modem0", NULL), fd;

	ck_assert_int_eq(tcgetattr(old, &t), 0);
	t.c_cflag |= HUPCL;
	if (_i == 1)
		ck_assert_int_eq(tcsetattr(old, TCSANOW, &t), 0);
	support_queue(&next, "modem0", NULL);
	serial_rig_mark();
	support_connect(&admin);
	support_ask(&admin, "Revoke", json_pack("{s:s}", "port", "modem0"));
	fd = support_granted(&next, NULL);
	ck_assert_double_ge(last_pause_ms(), HANGUP_MS - 1);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_DTR, 0), _i == 1 ? 2 : 1);
	ck_assert(support_is_dead(old));
	support_expect_line(fd, master);
	close(fd);
	close(old);
	support_close(&admin);
	support_close(&next);
}
END_TEST

START_TEST(holder_who_drops_the_lines_does_so_for_himself_alone)
{
	int both = TIOCM_DTR | TIOCM_RTS, fd = support_acquire("modem0", NULL);

	ck_assert_int_eq(ioctl(fd, TIOCMBIC, &both), 0);
	close(fd);
	fd = support_acquire("modem0", NULL);
	ck_assert(is_up(TIOCM_DTR | TIOCM_RTS));
	close(fd);
}
END_TEST

/* The lease does not notice, and the line stays up. */
START_TEST(dtr_does_not_fall_when_a_keeper_dies)
{
	int fd = support_acquire("modem0", NULL);

	serial_rig_mark();
	support_kill_keeper("modem0");
	support_wait_port("modem0", "held", 0);
	support_expect_line(fd, master);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_DTR, 0), 0);
	ck_assert(is_up(TIOCM_DTR | TIOCM_RTS));
	close(fd);
	support_wait_port("modem0", "free", 0);
	ck_assert(!is_up(TIOCM_DTR));
}
END_TEST

/* Without TIOCEXCL: on a real port it goes with the last close, on a pty it does not. */
static void
begin_unlocked(void)
{
	begin(SUPPORT_PORT_AT("modem0") "hangup-ms = 300\nown = leased\n" CALM);
}

/* Until a new one has cleaned nobody gets the port. */
START_TEST(dtr_is_down_again_when_an_idle_keeper_dies)
{
	struct support_client next;
	int fd;

	serial_rig_mark();
	ck_assert_int_eq(kill(support_pid, SIGSTOP), 0); /* no new one yet */
	ck_assert_int_eq(kill(support_keeper("modem0"), SIGKILL), 0);
	support_wait_port("modem0", "turnaround", 0);
	support_queue(&next, "modem0", NULL);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_DTR, 0), 0);
	ck_assert_int_eq(kill(support_pid, SIGCONT), 0);
	fd = support_granted(&next, NULL);
	ck_assert_int_ge(serial_rig_count(line, SERIAL_DTR, 0), 1);
	ck_assert_double_ge(last_pause_ms(), HANGUP_MS - 1);
	close(fd);
	support_close(&next);
	support_wait_port("modem0", "free", 0);
	ck_assert(!is_up(TIOCM_DTR));
}
END_TEST

/* A modem with DTR down does not answer. */
static void
answer_init(struct support_child *test, void *unused)
{
	char seen[4];

	(void)unused;
	while (support_read(master, seen, 4) == 4) {
		ck_assert_mem_eq(seen, "ATZ\r", 4);
		ck_assert(is_up(TIOCM_DTR));
		support_write(master, "\r\nOK\r\n", 6);
		support_say(test, '.');
	}
}

static void
begin_with_modem(void)
{
	support_begin();
	serial_rig_reset();
	master = support_plug("modem0");
	line = serial_rig_plug(master);
}

START_TEST(modem_is_initialised_while_dtr_is_up)
{
	struct support_child modem;
	int fd;

	begin_with_modem();
	support_fork(&modem, answer_init, NULL, master);
	support_start(SUPPORT_PORT_AT("modem0") "hangup-ms = 100\ninit = ATZ OK\n");
	ck_assert_int_eq(support_hear(&modem), '.');
	ck_assert(!is_up(TIOCM_DTR)); /* or it would answer calls, with S0=1 */
	fd = support_acquire("modem0", NULL);
	ck_assert(is_up(TIOCM_DTR));
	close(fd);
	ck_assert_int_eq(support_hear(&modem), '.');
	support_wait_port("modem0", "free", 0);
	ck_assert(!is_up(TIOCM_DTR));
	support_kill(&modem);
}
END_TEST

/* ---- output ---- */

static void
begin_drain(void)
{
	begin(SUPPORT_PORT("modem0") "drain-ms = 1000\n" CALM);
}

static void
begin_long_drain(void)
{
	begin(SUPPORT_PORT("modem0") "drain-ms = 30000\n" CALM);
}

/* It moves, but not in time, or not at all: he lost it, and the next one is not kept waiting. */
static void
expect_drain(int step, int64_t at_least, int64_t at_most, const char *why)
{
	struct support_client next;
	char pattern[80];
	int64_t start;
	int fd = support_acquire("modem0", NULL);

	support_queue(&next, "modem0", NULL);
	line->queued = 1 << 20;
	line->step = step;
	start = support_now_ms();
	close(fd);
	fd = support_granted(&next, NULL);
	ck_assert_int_ge(support_now_ms() - start, at_least);
	ck_assert_int_le(support_now_ms() - start, at_most);
	ck_assert_int_eq(line->queued, 0);
	snprintf(pattern, sizeof(pattern), "drain port=modem0 .*reason=%s", why);
	support_log_expect(pattern, 1);
	close(fd);
	support_close(&next);
}

START_TEST(output_that_crawls_costs_drain_ms)
{
	expect_drain(1, 990, 9000, "drain-ms");
}
END_TEST

START_TEST(output_that_stands_costs_two_seconds)
{
	expect_drain(0, 1990, 9000, "stalled");
}
END_TEST

START_TEST(output_that_moves_is_waited_for)
{
	struct support_client next;
	int fd = support_acquire("modem0", NULL);

	support_queue(&next, "modem0", NULL);
	line->queued = 4096;
	line->step = 512;
	line->unsent = 3;
	serial_rig_mark();
	close(fd);
	fd = support_granted(&next, NULL);
	ck_assert_int_eq(serial_rig_count(line, SERIAL_SENT, 0), 1); /* until it was empty */
	ck_assert_int_eq(serial_rig_count(line, SERIAL_HUNG_UP, 0), 0);
	ck_assert_int_eq(line->unsent, 0);
	support_log_expect("drain port=modem0", 0);
	close(fd);
	support_close(&next);
}
END_TEST

/* ---- a driver in trouble ---- */

/* The call does not return: the port is at fault, its waiters are told, nobody else notices. */
START_TEST(driver_that_does_not_return_stops_one_port)
{
	struct support_client c;
	int64_t start;
	json_t *port;
	int fd = support_acquire("modem0", NULL), i;

	serial_rig_block(line, TIOCCBRK);
	start = support_now_ms();
	close(fd);
	serial_rig_wait(&line->stuck, 1);
	support_connect(&c);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	for (i = 0; i < 20; i++)
		close(support_acquire("modem1", NULL));
	support_wait_port("modem0", "faulted", -1);
	ck_assert_int_ge(support_now_ms() - start, 4000);
	port = support_list("modem0");
	ck_assert_ptr_nonnull(support_string(port, "reason", NULL));
	json_decref(port);
	close(support_acquire("modem1", NULL));
	support_error(&c, "OpenFailed");
	support_close(&c);
	serial_rig_block(line, 0);
	support_wait_port("modem0", "free", -1); /* by itself: the call has returned */
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, master);
	close(fd);
}
END_TEST

/* `comlease status` says so, too. */
static void
expect_status(const char *text)
{
	struct support_child status;
	char said[4096] = "";

	support_exec(&status, (const char *const[]){ "comlease", "status", "modem0", NULL });
	support_read(status.hear, said, sizeof(said) - 1);
	ck_assert_msg(strstr(said, text) != NULL, "%s", said);
	ck_assert_int_eq(support_reap(&status), 0);
}

START_TEST(driver_that_fails_is_named_and_used_again_when_it_works)
{
	struct support_client c;
	json_t *port;
	int fd = support_acquire("modem0", NULL);

	serial_rig_break(line, TIOCMBIC, EPIPE);
	close(fd);
	support_wait_port("modem0", "faulted", -1);
	port = support_list("modem0");
	ck_assert_ptr_nonnull(
	    strstr(support_string(port, "reason", NULL), "can't drop DTR: Broken pipe"));
	json_decref(port);
	expect_status("can't drop DTR: Broken pipe");
	support_connect(&c);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	ck_assert_ptr_nonnull(
	    strstr(support_string(support_error(&c, "OpenFailed"), "message", NULL), "drop DTR"));
	support_close(&c);
	serial_rig_break(line, 0, 0);
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, master);
	close(fd);
}
END_TEST

int
main(int argc, char **argv)
{
	const char *why = "taking a port back needs CAP_SYS_ADMIN";
	Suite *s = suite_create("e2e_serial");
	bool can = support_can_revoke();
	TCase *tc;

	(void)argc;
	serial_rig_main(argv);
	tc = support_case(s, "plain", begin_plain);
	tcase_add_test(tc, dtr_is_down_while_idle_and_up_in_a_lease);
	tcase_add_test(tc, dtr_is_down_for_hangup_ms_between_leases);
	tcase_add_test(tc, holder_who_drops_the_lines_does_so_for_himself_alone);
	tcase_add_test(tc, dtr_does_not_fall_when_a_keeper_dies);
	tcase_add_test(tc, driver_that_does_not_return_stops_one_port);
	tcase_add_test(tc, driver_that_fails_is_named_and_used_again_when_it_works);
	if (can)
		tcase_add_loop_test(tc, dtr_is_down_for_hangup_ms_after_a_revocation, 0, 2);
	tc = support_case(s, "unlocked", begin_unlocked);
	tcase_add_test(tc, dtr_is_down_again_when_an_idle_keeper_dies);
	tc = tcase_create("init");
	tcase_add_checked_fixture(tc, NULL, support_end);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, modem_is_initialised_while_dtr_is_up);
	suite_add_tcase(s, tc);
	tc = support_case(s, "drain", begin_drain);
	support_add(tc, output_that_crawls_costs_drain_ms, can, why);
	tcase_add_test(tc, output_that_moves_is_waited_for);
	tc = support_case(s, "long drain", begin_long_drain);
	support_add(tc, output_that_stands_costs_two_seconds, can, why);
	return serial_rig_end(support_run(s));
}
