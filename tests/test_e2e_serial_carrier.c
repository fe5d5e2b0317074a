/*
 * test_e2e_serial_carrier.c - the carrier of a modem, with a real comleased: while there is one a
 * standby holder is in a call, and when the kernel hangs up because it is lost, the holder may come
 * back.
 */
#include "serial_rig.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define CALM "[port modem1]\ndevice = %s/modem1\nhangup-ms = 0\n%r"

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

/* ---- a call ---- */

static void
begin_dcd(void)
{
	begin(SUPPORT_PORT("modem0") "busy-by = dcd\norder = mail fax\n" CALM);
}

START_TEST(standby_holder_is_not_asked_while_there_is_a_carrier)
{
	struct support_client watch, mail;
	uint64_t token;
	json_t *port;
	int i, fd = support_stand_by(&token);

	support_watch(&watch, token, "watching");
	serial_set_inputs(line, TIOCM_CD, true);
	support_log_wait("busy port=modem0");
	support_queue(&mail, "modem0", NULL);
	support_expect_silence(&watch, 300);
	port = support_list("modem0");
	ck_assert_int_gt(support_int(port, "lease", "busySince", NULL), 0);
	json_decref(port);
	/* the other lines mean nothing */
	for (i = 0; i < 3; i++)
		serial_set_inputs(line, TIOCM_RI | TIOCM_DSR, i % 2 == 0);
	support_expect_silence(&watch, 100);
	serial_set_inputs(line, TIOCM_CD, false);
	support_event(&watch, "yieldWanted");
	serial_set_inputs(line, TIOCM_CD, true); /* the next call comes before he has gone */
	support_event(&watch, "resumed");
	serial_set_inputs(line, TIOCM_CD, false);
	support_event(&watch, "yieldWanted");
	close(fd);
	close(support_granted(&mail, NULL));
	support_event(&watch, "ended");
	support_close(&mail);
	support_close(&watch);
}
END_TEST

START_TEST(call_outlives_broker_and_keeper)
{
	struct support_client watch;
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child waiter;
	uint64_t token;
	int fd = support_stand_by(&token);

	serial_set_inputs(line, TIOCM_CD, true);
	support_log_wait("busy port=modem0");
	wish.port = "modem0";
	support_hold(&waiter, &wish);
	support_wait_port("modem0", "held", 1);
	if (_i & 1)
		support_kill_broker();
	if (_i & 2)
		support_kill_keeper("modem0");
	support_wait_port("modem0", "held", 1);
	support_watch(&watch, token, "watching");
	support_expect_silence(&watch, 2500); /* nobody is asked in the first two seconds anyway */
	serial_set_inputs(line, TIOCM_CD, false);
	support_event(&watch, "yieldWanted");
	close(fd);
	ck_assert_int_gt(support_held(&waiter), 0);
	support_event(&watch, "ended");
	support_close(&watch);
	support_finish(&waiter);
}
END_TEST

static void
begin_max_busy(void)
{
	begin(SUPPORT_PORT("modem0") "busy-by = dcd\nmax-busy = 1\n" CALM);
}

START_TEST(carrier_counts_for_no_longer_than_max_busy)
{
	struct support_client watch, mail;
	uint64_t token;
	int64_t start;
	int fd = support_stand_by(&token);

	support_watch(&watch, token, "watching");
	start = support_now_ms();
	serial_set_inputs(line, TIOCM_CD, true);
	support_log_wait("busy port=modem0");
	support_queue(&mail, "modem0", NULL);
	support_event(&watch, "yieldWanted");
	ck_assert_int_ge(support_now_ms() - start, 900);
	close(fd);
	close(support_granted(&mail, NULL));
	support_event(&watch, "ended");
	support_close(&mail);
	support_close(&watch);
}
END_TEST

/* ---- a carrier that is lost ---- */

static void
set_clocal(int fd, bool on)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	t.c_cflag = on ? t.c_cflag | CLOCAL : t.c_cflag & (tcflag_t)~CLOCAL;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
}

static void
begin_linger(void)
{
	begin(SUPPORT_PORT("modem0") "linger-ms = 1500\n" CALM);
}

/* The kernel hangs up, and he does not come back. */
START_TEST(lost_carrier_ends_the_lease_of_who_does_not_come_back)
{
	struct support_client next;
	int64_t start;
	int old = support_acquire("modem0", NULL), fd;

	serial_set_inputs(line, TIOCM_CD, true);
	set_clocal(old, false);
	support_queue(&next, "modem0", NULL);
	start = support_now_ms();
	serial_rig_lose_carrier(line, old);
	ck_assert(support_is_dead(old));
	fd = support_granted(&next, NULL);
	ck_assert_int_ge(support_now_ms() - start, 1400);
	support_log_expect("end port=modem0 .*reason=hungup", 1);
	support_expect_line(fd, master);
	ck_assert(is_up(TIOCM_DTR | TIOCM_RTS));
	close(fd);
	close(old);
	support_close(&next);
}
END_TEST

/* As getty and pppd do. */
START_TEST(lost_carrier_does_not_end_the_lease_of_who_opens_again)
{
	uint64_t token, again;
	struct support_client watch;
	int old = support_acquire_here("modem0", &token), fd;

	set_clocal(old, false);
	support_watch(&watch, token, "watching");
	serial_rig_lose_carrier(line, old);
	fd = support_acquire_here("modem0", &again);
	ck_assert_uint_eq(again, token);
	support_expect_silence(&watch, 2000);
	support_expect_line(fd, master);
	close(old);
	close(fd);
	support_event(&watch, "ended");
	support_log_expect("end port=modem0 .*reason=released", 1);
	support_close(&watch);
}
END_TEST

START_TEST(carrier_means_nothing_to_a_local_line)
{
	int fd = support_acquire("modem0", NULL);

	serial_set_inputs(line, TIOCM_CD, true);
	serial_rig_lose_carrier(line, fd);
	support_expect_line(fd, master);
	support_wait_port("modem0", "held", 0);
	close(fd);
}
END_TEST

int
main(int argc, char **argv)
{
	const char *why = "taking a port back needs CAP_SYS_ADMIN";
	Suite *s = suite_create("e2e_serial_carrier");
	bool can = support_can_revoke();
	TCase *tc;

	(void)argc;
	serial_rig_main(argv);
	tc = support_case(s, "dcd", begin_dcd);
	tcase_add_test(tc, standby_holder_is_not_asked_while_there_is_a_carrier);
	tcase_add_loop_test(tc, call_outlives_broker_and_keeper, 1, 4);
	tc = support_case(s, "max_busy", begin_max_busy);
	tcase_add_test(tc, carrier_counts_for_no_longer_than_max_busy);
	tc = support_case(s, "linger", begin_linger);
	support_add(tc, lost_carrier_ends_the_lease_of_who_does_not_come_back, can, why);
	support_add(tc, lost_carrier_does_not_end_the_lease_of_who_opens_again, can, why);
	tcase_add_test(tc, carrier_means_nothing_to_a_local_line);
	return serial_rig_end(support_run(s));
}
