/*
 * test_e2e_line.c - what reaches the line and how the next holder finds it, with a real comleased:
 * no byte lost that was written before a close, none of an old holder behind the new one's first,
 * and nothing that a holder does with his descriptor outlives his lease.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define BLOCK 4096

static int master;

#define LINE_PORT SUPPORT_PORT_AT("modem0") "baud = 38400\n"

static void
begin_with(const char *config)
{
	support_begin();
	master = support_plug("modem0");
	support_start(config);
}

/* A turnaround that the keeper does at once, together with the end ... */
static void
begin(void)
{
	begin_with("[broker]\nmode = 0666\n" LINE_PORT "hangup-ms = 0\n");
}

/* ... and one of several steps. */
static void
begin_stepwise(void)
{
	begin_with("[broker]\nmode = 0666\n" LINE_PORT "hangup-ms = 2\nsettle-ms = 1\n");
}

static struct comlease_request
wish_of(void)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;

	wish.port = "modem0";
	return wish;
}

/* ---- bytes ---- */

static void
fill(char *block, int seed)
{
	int i;

	for (i = 0; i < BLOCK; i++)
		block[i] = (char)(i * 7 + seed);
}

/* P15, P3: the block comes whole, and before the first byte of the next holder. */
START_TEST(block_written_just_before_close_arrives_whole_and_first)
{
	char sent[BLOCK], seen[BLOCK], byte;
	int i, fd = support_acquire("modem0", NULL);
	struct support_client next;

	for (i = 0; i < 60; i++) {
		fill(sent, i);
		if (i % 2 == 0)
			support_queue(&next, "modem0", NULL);
		support_write(fd, sent, BLOCK);
		close(fd);
		fd = i % 2 == 0 ? support_granted(&next, NULL) : support_acquire("modem0", NULL);
		support_write(fd, "!", 1);
		ck_assert_uint_eq(support_read(master, seen, BLOCK), BLOCK);
		ck_assert_mem_eq(seen, sent, BLOCK);
		ck_assert_uint_eq(support_read(master, &byte, 1), 1);
		ck_assert_int_eq(byte, '!');
		if (i % 2 == 0)
			support_close(&next);
	}
	close(fd);
}
END_TEST

/* Another process does it, by the library: W closes, X ends. */
static void
expect_block_of(char how, bool killed)
{
	struct comlease_request wish = wish_of();
	struct support_child holder;
	struct support_client next;
	char seen[BLOCK], all[BLOCK], byte;
	int fd;

	memset(all, 'w', BLOCK);
	support_hold(&holder, &wish);
	ck_assert_int_gt(support_held(&holder), 0);
	support_queue(&next, "modem0", NULL);
	support_say(&holder, how);
	if (how != 'X')
		support_expect_line_of(&holder, "written");
	if (killed)
		support_kill(&holder);
	fd = support_granted(&next, NULL);
	support_write(fd, "!", 1);
	ck_assert_uint_eq(support_read(master, seen, BLOCK), BLOCK);
	ck_assert_mem_eq(seen, all, BLOCK);
	ck_assert_uint_eq(support_read(master, &byte, 1), 1);
	ck_assert_int_eq(byte, '!');
	close(fd);
	support_close(&next);
	if (!killed)
		support_finish(&holder);
}

START_TEST(block_written_by_a_process_that_closes_arrives)
{
	int i;

	for (i = 0; i < 10; i++)
		expect_block_of('W', false);
}
END_TEST

START_TEST(block_written_by_a_process_that_ends_arrives)
{
	int i;

	for (i = 0; i < 10; i++)
		expect_block_of('X', false);
}
END_TEST

START_TEST(block_written_by_a_process_that_is_killed_arrives)
{
	int i;

	for (i = 0; i < 10; i++)
		expect_block_of('w', true);
	support_log_expect("end port=modem0 .*reason=died", 10);
}
END_TEST

START_TEST(input_that_nobody_read_does_not_reach_the_next_holder)
{
	int fd = support_acquire("modem0", NULL);
	char seen[8] = "";

	support_write(master, "old news", 8);
	ck_assert(support_poll(fd, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
	close(fd);
	fd = support_acquire("modem0", NULL);
	ck_assert(!support_poll(fd, POLLIN, support_now_ms() + 50));
	support_write(master, "new", 3);
	ck_assert_uint_eq(support_read(fd, seen, 3), 3);
	ck_assert_str_eq(seen, "new");
	close(fd);
}
END_TEST

/* ---- the state of the line ---- */

static void
expect_documented_line(int fd)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	ck_assert_uint_eq(cfgetospeed(&t), B38400);
	ck_assert_uint_eq(cfgetispeed(&t), B38400);
	ck_assert_uint_eq(t.c_iflag & (tcflag_t) ~(IGNBRK | IGNPAR), 0);
	ck_assert_uint_eq(t.c_oflag & OPOST, 0);
	ck_assert_uint_eq(t.c_lflag & (ICANON | ECHO | ISIG | IEXTEN), 0);
	ck_assert_uint_eq(t.c_cflag & (CSIZE | PARENB | CSTOPB | CREAD | CLOCAL | CRTSCTS),
			  CS8 | CREAD | CLOCAL);
	ck_assert_uint_eq(t.c_cc[VMIN], 1);
	ck_assert_uint_eq(t.c_cc[VTIME], 0);
	ck_assert_int_eq(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE | O_APPEND | O_ASYNC),
			 O_NONBLOCK | O_RDWR);
}

static void
lock_in_every_way(int fd)
{
	struct flock all = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct flock none = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	ck_assert_int_eq(flock(fd, LOCK_UN), 0);
	ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
	ck_assert_int_eq(fcntl(fd, F_SETLK, &none), 0);
	ck_assert_int_eq(lockf(fd, F_TLOCK, 0), 0);
	ck_assert_int_eq(fcntl(fd, F_SETLK, &none), 0);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &none), 0);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &all), 0);
	ck_assert_int_eq(ioctl(fd, TIOCEXCL), 0);
}

static void
spoil_line(int fd)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(fd, &t), 0);
	t.c_iflag |= IXON | IXOFF | ICRNL | INLCR | ISTRIP | IGNCR | PARMRK;
	t.c_oflag |= OPOST | ONLCR | OLCUC;
	t.c_lflag |= ICANON | ECHO | ISIG | TOSTOP | NOFLSH;
	t.c_cflag |= CSTOPB | PARENB | PARODD | HUPCL;
	t.c_cflag &= (tcflag_t) ~(CREAD | CLOCAL);
	memset(t.c_cc, 'e', sizeof(t.c_cc));
	cfsetspeed(&t, B300);
	ck_assert_int_eq(tcsetattr(fd, TCSANOW, &t), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_APPEND), 0);
	ck_assert_int_eq(tcflow(fd, TCOOFF), 0);
}

/* It keeps what it has until the test has seen the next holder; -1 then: a forked copy. */
static void
play(struct support_child *test, void *arg)
{
	int fd = support_acquire_here("modem0", NULL);
	bool closes = *(bool *)arg;
	char byte;

	lock_in_every_way(fd);
	spoil_line(fd);
	support_say(test, 'p');
	if (closes)
		ck_assert_int_eq(read(test->hear, &byte, 1), 1);
	if (closes)
		close(fd);
	while (read(test->hear, &byte, 1) > 0)
		;
}

static void
expect_game_changes_nothing(bool closes)
{
	struct support_child player;
	struct support_client next;
	int fd;

	support_fork(&player, play, &closes, -1);
	ck_assert_int_eq(support_hear(&player), 'p');
	support_queue(&next, "modem0", NULL);
	support_expect_silence(&next, 100); /* no unlocking ends the lease */
	if (closes) {
		support_say(&player, 'c');
	} else {
		struct support_client c;

		support_connect(&c);
		support_ask(&c, "Revoke", json_pack("{s:s}", "port", "modem0"));
		support_close(&c);
	}
	fd = support_granted(&next, NULL);
	expect_documented_line(fd);
	support_expect_line(fd, master);
	if (closes) { /* else the dead one still has his locks, on a device that he can't use */
		ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
		ck_assert_int_eq(lockf(fd, F_TLOCK, 0), 0);
	}
	close(fd);
	support_close(&next);
	support_finish(&player);
	fd = support_acquire("modem0", NULL);
	expect_documented_line(fd);
	close(fd);
}

START_TEST(locks_and_settings_of_a_holder_end_with_his_close)
{
	expect_game_changes_nothing(true);
	expect_game_changes_nothing(true);
}
END_TEST

START_TEST(locks_and_settings_of_a_revoked_holder_change_nothing)
{
	expect_game_changes_nothing(false);
	expect_game_changes_nothing(false);
}
END_TEST

/* An ordinary user's TIOCEXCL would keep other ordinary users out. */
START_TEST(games_of_an_ordinary_users_holder_change_nothing)
{
	struct support_client holder, next;
	int fd;

	support_connect_as(&holder, 65534);
	support_ask(&holder, "Acquire", json_pack("{s:s}", "port", "modem0"));
	fd = support_take(&holder);
	lock_in_every_way(fd);
	spoil_line(fd);
	support_connect_as(&next, 65533);
	support_call(&next, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	support_expect_silence(&next, 100);
	close(fd);
	support_reply(&next);
	fd = support_take(&next);
	expect_documented_line(fd);
	support_expect_line(fd, master);
	close(fd);
	support_close(&next);
	support_close(&holder);
}
END_TEST

/* P13, many times: whatever the last one has set. */
START_TEST(each_grant_starts_from_the_documented_state)
{
	int i, fd;

	for (i = 0; i < 40; i++) {
		fd = support_acquire("modem0", NULL);
		expect_documented_line(fd);
		support_expect_line(fd, master);
		spoil_line(fd);
		close(fd);
	}
}
END_TEST

static void
add_tests(Suite *s, const char *name, void (*setup)(void))
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, support_end);
	tcase_add_test(tc, block_written_just_before_close_arrives_whole_and_first);
	tcase_add_test(tc, block_written_by_a_process_that_closes_arrives);
	tcase_add_test(tc, block_written_by_a_process_that_ends_arrives);
	tcase_add_test(tc, block_written_by_a_process_that_is_killed_arrives);
	tcase_add_test(tc, input_that_nobody_read_does_not_reach_the_next_holder);
	tcase_add_test(tc, locks_and_settings_of_a_holder_end_with_his_close);
	support_add(tc, locks_and_settings_of_a_revoked_holder_change_nothing, support_can_revoke(),
		    "taking a port back needs CAP_SYS_ADMIN");
	support_add(tc, games_of_an_ordinary_users_holder_change_nothing, geteuid() == 0,
		    "other users' processes need root");
	tcase_add_test(tc, each_grant_starts_from_the_documented_state);
	suite_add_tcase(s, tc);
}

int
main(void)
{
	Suite *s = suite_create("e2e_line");

	add_tests(s, "at once", begin);
	add_tests(s, "stepwise", begin_stepwise);
	return support_run(s);
}
