/*
 * test_e2e_handoff.c - a lease that is handed over with its line, with a real comleased: the
 * successor finds speed and settings as they were, with and without a hang-up in the port's
 * turnaround, and nobody who dies on the way makes it unsafe.
 */
#include "support.h"

#include <termios.h>
#include <unistd.h>

static int master;

static void
begin(const char *config)
{
	support_begin();
	master = support_plug("modem0");
	support_start(config);
}

static void
begin_plain(void)
{
	begin(SUPPORT_PORT("modem0"));
}

static void
begin_hangup(void)
{
	begin(SUPPORT_PORT_AT("modem0") "hangup-ms = 50\n");
}

static void
hand_off(const char *label)
{
	struct support_client c;

	support_connect(&c);
	support_ask(&c, "Handoff", json_pack("{s:s, s:s}", "port", "modem0", "label", label));
	support_close(&c);
}

static json_t *
label(const char *name)
{
	return json_pack("{s:s}", "label", name);
}

/* As no turnaround would leave it. */
static void
set_up_call(int fd, struct termios *t)
{
	ck_assert_int_eq(tcgetattr(fd, t), 0);
	cfsetspeed(t, B1200);
	t->c_cflag |= CSTOPB;
	t->c_iflag |= IXON;
	t->c_lflag |= ICANON;
	t->c_cc[VEOL] = '#';
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, t), 0);
	ck_assert_int_eq(tcgetattr(fd, t), 0);
}

static void
expect_call(int fd, const struct termios *before)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B1200);
	ck_assert_uint_eq(t.c_cflag, before->c_cflag);
	ck_assert_uint_eq(t.c_iflag, before->c_iflag);
	ck_assert_uint_eq(t.c_oflag, before->c_oflag);
	ck_assert_uint_eq(t.c_lflag, before->c_lflag);
	ck_assert_int_eq(t.c_cc[VEOL], '#');
}

static void
expect_default(int fd)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B115200);
	ck_assert_uint_eq(t.c_lflag & ICANON, 0);
	ck_assert_uint_eq(t.c_cflag & CSTOPB, 0);
}

START_TEST(successor_finds_the_line_as_it_was_and_the_next_one_does_not)
{
	struct support_client first, successor;
	struct termios t;
	int fd = support_acquire("modem0", NULL), next;

	support_queue(&first, "modem0", NULL);
	support_queue(&successor, "modem0", label("login"));
	set_up_call(fd, &t);
	hand_off("login");
	support_write(master, "ring#", 5);
	close(fd);
	next = support_granted(&successor, NULL);
	expect_call(next, &t);
	ck_assert_int_eq(tcgetattr(master, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B1200);
	close(next);
	next = support_granted(&first, NULL);
	expect_default(next);
	support_expect_line(next, master);
	close(next);
	support_close(&first);
	support_close(&successor);
}
END_TEST

/* It may be handed on, more than once. */
START_TEST(line_goes_through_several_hands)
{
	struct support_client hands[3];
	struct termios t;
	int i, fd = support_acquire("modem0", NULL);

	set_up_call(fd, &t);
	for (i = 0; i < 3; i++) {
		support_queue(&hands[i], "modem0", label("hand"));
		hand_off("hand");
		close(fd);
		fd = support_granted(&hands[i], NULL);
		expect_call(fd, &t);
	}
	close(fd);
	for (i = 0; i < 3; i++)
		support_close(&hands[i]);
	fd = support_acquire("modem0", NULL);
	expect_default(fd);
	close(fd);
}
END_TEST

/* The last word counts. */
START_TEST(lease_is_handed_to_whom_was_named_last)
{
	struct support_client first, second;
	int fd = support_acquire("modem0", NULL), next;

	support_queue(&first, "modem0", label("first"));
	support_queue(&second, "modem0", label("second"));
	hand_off("first");
	hand_off("second");
	close(fd);
	next = support_granted(&second, NULL);
	close(next);
	close(support_granted(&first, NULL));
	support_close(&first);
	support_close(&second);
}
END_TEST

START_TEST(successor_who_is_revoked_at_once_leaves_a_clean_line)
{
	struct support_client successor, c;
	struct termios t;
	int fd = support_acquire("modem0", NULL), next;

	support_queue(&successor, "modem0", label("login"));
	set_up_call(fd, &t);
	hand_off("login");
	close(fd);
	next = support_granted(&successor, NULL);
	support_connect(&c);
	support_ask(&c, "Revoke", json_pack("{s:s}", "port", "modem0"));
	ck_assert(support_is_dead(next));
	close(next);
	support_close(&c);
	support_close(&successor);
	fd = support_acquire("modem0", NULL);
	expect_default(fd);
	support_expect_line(fd, master);
	close(fd);
}
END_TEST

/* It may have been left anyhow. */
START_TEST(line_of_a_revoked_holder_is_not_handed_on)
{
	struct support_client successor, c;
	struct termios t;
	int fd = support_acquire("modem0", NULL), next;

	support_queue(&successor, "modem0", label("login"));
	set_up_call(fd, &t);
	hand_off("login");
	support_connect(&c);
	support_ask(&c, "Revoke", json_pack("{s:s}", "port", "modem0"));
	next = support_granted(&successor, NULL);
	ck_assert(support_is_dead(fd));
	expect_default(next);
	support_expect_line(next, master);
	close(fd);
	close(next);
	support_close(&c);
	support_close(&successor);
}
END_TEST

/* _i: bit 0: the broker dies, bit 1: the keeper. What was agreed may be forgotten; the port is
 * safe, and everybody gets it. */
START_TEST(death_between_hand_off_and_close_is_safe)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child first, successor;
	struct termios t;
	int64_t a, b;
	int fd = support_acquire("modem0", NULL);

	wish.port = "modem0";
	wish.label = "first";
	support_hold(&first, &wish);
	support_wait_port("modem0", "held", 1);
	/* who comes back says how long he has waited: on a busy machine that is not exact */
	support_poll(-1, 0, support_now_ms() + 300);
	wish.label = "login";
	support_hold(&successor, &wish);
	support_wait_port("modem0", "held", 2);
	set_up_call(fd, &t);
	hand_off("login");
	if (_i & 2)
		support_kill_keeper("modem0");
	if (_i & 1)
		support_kill_broker();
	support_wait_port("modem0", "held", 2);
	expect_call(fd, &t);
	close(fd);
	if (_i & 1) { /* an ordinary end: the first one's turn */
		a = support_held(&first);
		ck_assert(support_is_quiet(&successor, 50));
		support_finish(&first);
		b = support_held(&successor);
		support_finish(&successor);
	} else {
		a = support_held(&successor);
		ck_assert(support_is_quiet(&first, 50));
		support_finish(&successor);
		b = support_held(&first);
		support_finish(&first);
	}
	ck_assert_int_gt(b, a);
	fd = support_acquire("modem0", NULL);
	expect_default(fd);
	support_expect_line(fd, master);
	close(fd);
}
END_TEST

static void
add_tests(Suite *s, const char *name, void (*setup)(void))
{
	static const char needs_cap[] = "taking a port back needs CAP_SYS_ADMIN";
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, support_end);
	tcase_add_test(tc, successor_finds_the_line_as_it_was_and_the_next_one_does_not);
	tcase_add_test(tc, line_goes_through_several_hands);
	tcase_add_test(tc, lease_is_handed_to_whom_was_named_last);
	support_add(tc, successor_who_is_revoked_at_once_leaves_a_clean_line, support_can_revoke(),
		    needs_cap);
	support_add(tc, line_of_a_revoked_holder_is_not_handed_on, support_can_revoke(), needs_cap);
	tcase_add_loop_test(tc, death_between_hand_off_and_close_is_safe, 1, 4);
	suite_add_tcase(s, tc);
}

int
main(void)
{
	Suite *s = suite_create("e2e_handoff");

	add_tests(s, "at_once", begin_plain);
	add_tests(s, "hangup", begin_hangup);
	return support_run(s);
}
