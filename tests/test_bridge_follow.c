/*
 * test_bridge_follow.c - `comlease bridge`: the line settings of its program, on the device.
 */
#include "bridge_rig.h"

#include <string.h>
#include <termios.h>
#include <unistd.h>

static void
wait_line_of(int fd, bool (*is_so)(const struct termios *))
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	struct termios t;

	do {
		ck_assert_int_eq(tcgetattr(fd, &t), 0);
		ck_assert_msg(support_now_ms() < until, "it is never set: %x %x %d", t.c_iflag,
			      t.c_cflag, (int)cfgetospeed(&t));
		usleep(5000);
	} while (!is_so(&t));
}

static void
wait_line(bool (*is_so)(const struct termios *))
{
	wait_line_of(bridge_master, is_so);
}

static bool
is_all_set(const struct termios *t)
{
	return cfgetospeed(t) == B3000000 && t->c_cflag & CSTOPB && t->c_cflag & CRTSCTS &&
	       !(t->c_cflag & CLOCAL) && t->c_iflag & IXON && t->c_iflag & IGNBRK &&
	       t->c_cc[VSTOP] == 'p' && !(t->c_lflag & (ECHO | ICANON)) && !t->c_oflag;
}

static bool
is_default(const struct termios *t)
{
	return cfgetospeed(t) == B115200 && !(t->c_cflag & (CSTOPB | CRTSCTS)) &&
	       t->c_cflag & CLOCAL && !(t->c_iflag & (IXON | IGNBRK));
}

static bool
is_b0(const struct termios *t)
{
	return cfgetospeed(t) == B0;
}

static void
set_all(int fd)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	cfsetspeed(&t, B3000000);
	t.c_cflag |= CSTOPB | CRTSCTS;
	t.c_cflag &= ~(tcflag_t)CLOCAL;
	t.c_iflag |= IXON | IGNBRK;
	t.c_cc[VSTOP] = 'p';
	t.c_oflag |= OPOST | ONLCR; /* what is done with characters is the pty's business */
	t.c_lflag |= ECHO;
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
}

START_TEST(settings_of_the_program_are_set_on_the_device)
{
	struct termios t;

	bridge_start();
	int fd = bridge_connect();
	wait_line_of(fd, is_default); /* the port's, since nobody has set another */
	set_all(fd);
	wait_line(is_all_set);
	tcgetattr(fd, &t);
	cfsetspeed(&t, B0);
	tcsetattr(fd, TCSANOW, &t);
	wait_line(is_b0);
	close(fd);
	support_log_expect("end port=modem0 .*reason=released", 1);
	fd = bridge_open();
	support_log_expect("grant port=modem0", 2);
	wait_line(is_default);
	wait_line_of(fd, is_default);
	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(t.c_lflag | t.c_oflag, 0);
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(settings_made_while_waiting_are_there_with_the_grant)
{
	int holder = support_acquire("modem0", NULL);

	bridge_start();
	int fd = bridge_open();
	set_all(fd);
	support_write(fd, "x", 1);
	support_wait_port("modem0", "held", 1);
	close(holder);
	bridge_expect(bridge_master, "x");
	struct termios t;
	ck_assert_int_eq(tcgetattr(bridge_master, &t), 0);
	ck_assert(is_all_set(&t));
	close(fd);
	bridge_stop();
}
END_TEST

START_TEST(settings_made_before_a_byte_are_there_before_it)
{
	static const speed_t speeds[] = { B1200, B115200, B2400, B19200, B57600, B300 };
	struct termios t;

	bridge_start();
	int fd = bridge_connect();
	for (int i = 0; i < 60; i++) {
		tcgetattr(fd, &t);
		cfsetspeed(&t, speeds[i % 6]);
		tcsetattr(fd, TCSANOW, &t);
		support_write(fd, "x", 1);
		bridge_expect(bridge_master, "x");
		ck_assert_int_eq(tcgetattr(bridge_master, &t), 0);
		ck_assert_uint_eq(cfgetospeed(&t), speeds[i % 6]);
	}
	close(fd);
	bridge_stop();
}
END_TEST

static bool
has_two_stop_bits(const struct termios *t)
{
	return t->c_cflag & CSTOPB;
}

START_TEST(frame_that_was_named_is_set_whatever_the_program_sets)
{
	struct termios t;

	bridge_start_with("--frame", "7E2", NULL);
	int fd = bridge_connect();
	wait_line(has_two_stop_bits); /* a pty shows no more of it */
	tcgetattr(fd, &t);
	cfsetspeed(&t, B0);
	t.c_cflag &= ~(tcflag_t)CSTOPB;
	tcsetattr(fd, TCSANOW, &t);
	wait_line(is_b0);
	wait_line(has_two_stop_bits);
	close(fd);
	bridge_stop();
}
END_TEST

static int right;

static void
begin_pool(void)
{
	bridge.pid = 0;
	support_begin();
	support_plug("left");
	right = support_plug("right");
	support_start(SUPPORT_PORT("left") "baud = 9600\n" SUPPORT_PORT(
	    "right") "baud = 19200\n[pool modem0]\nports = left right\n");
}

/* The first program has set the line before it was granted the other port. */
START_TEST(settings_of_a_port_are_not_set_on_another_one)
{
	int holders[] = { support_acquire("left", NULL), support_acquire("right", NULL) };

	bridge_start();
	int fd = bridge_open();
	set_all(fd);
	support_wait_port("left", "held", 1);
	close(holders[0]);
	support_log_wait("grant port=left .*label=link");
	close(fd);
	support_wait_port("left", "free", 0);
	holders[0] = support_acquire("left", NULL);
	fd = bridge_open();
	support_wait_port("left", "held", 1);
	close(holders[1]);
	support_log_wait("grant port=right .*label=link");
	support_write(fd, "x", 1);
	bridge_expect(right, "x");
	struct termios t;
	ck_assert_int_eq(tcgetattr(right, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B19200);
	close(fd);
	close(holders[0]);
	bridge_stop();
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("bridge_follow");
	TCase *tc = support_case(s, "settings", bridge_begin);

	tcase_add_test(tc, settings_of_the_program_are_set_on_the_device);
	tcase_add_test(tc, settings_made_while_waiting_are_there_with_the_grant);
	tcase_add_test(tc, settings_made_before_a_byte_are_there_before_it);
	tcase_add_test(tc, frame_that_was_named_is_set_whatever_the_program_sets);
	tc = support_case(s, "a pool", begin_pool);
	tcase_add_test(tc, settings_of_a_port_are_not_set_on_another_one);
	return support_run(s);
}
