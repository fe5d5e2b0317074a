/*
 * test_e2e_init.c - the chat that prepares a modem for its next lease, with a real comleased and a
 * process that plays the modem at the master of the pty: what it hears, with the line up or down,
 * and what becomes of the port if it answers otherwise than awaited.
 */
#include "chat_modem.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PORT    SUPPORT_PORT_AT("modem0") "hangup-ms = 50\n"
#define CHAT    PORT "init = ATZ OK\ninit-timeout-ms = 300\n"
#define PATIENT PORT "init = ATZ OK\ninit-timeout-ms = 5000\n"

static void
begin(const char *config, enum mood mood)
{
	support_begin();
	plug((char)mood);
	support_start(config);
}

static void
expect_heard(const char *line)
{
	ck_assert_str_eq(support_hear_line(&modem), line);
}

static void
set_mood(enum mood mood)
{
	support_say(&modem, (char)mood);
	expect_heard("mood");
}

static void
end(void)
{
	support_wait_port("modem0", "free", 0);
	support_finish(&modem);
	support_end();
}

/* ---- leases ---- */

/* Both ways; the modem answers nothing meanwhile. */
static void
expect_line(int fd)
{
	char byte = 0;

	set_mood(MOOD_SILENT);
	support_write(fd, "hello\r", 6);
	expect_heard("hello up");
	support_write(master, "!", 1);
	ck_assert_uint_eq(support_read(fd, &byte, 1), 1);
	ck_assert_int_eq(byte, '!');
}

static void
expect_nothing_to_read(int fd)
{
	char byte;

	ck_assert_int_eq(read(fd, &byte, 1), -1);
	ck_assert_int_eq(errno, EAGAIN);
}

/* Nothing tells when the speed changes. */
static void
wait_line(bool up)
{
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;

	while (line_is_up() != up) {
		ck_assert_int_lt(support_now_ms(), until);
		poll(NULL, 0, 1);
	}
}

/* One is granted after the last one's chat. */
static void
begin_turnaround(struct support_client *waiter)
{
	int fd = support_acquire("modem0", NULL);

	support_queue(waiter, "modem0", NULL);
	close(fd);
}

/* ---- answered ---- */

START_TEST(modem_is_prepared_with_the_line_up_and_idles_with_it_down)
{
	int fd;

	begin(SUPPORT_PORT_AT("modem0") "hangup-ms = 300\ninit = ATZ OK\n", MOOD_OK);
	expect_heard("ATZ up");
	wait_line(false);
	fd = support_acquire("modem0", NULL);
	ck_assert(line_is_up());
	expect_nothing_to_read(fd);
	expect_line(fd);
	set_mood(MOOD_SILENT);
	close(fd);
	wait_line(false); /* the call before is hung up first */
	expect_heard("ATZ up");
	ck_assert(line_is_up());
	set_mood(MOOD_OK);
	expect_heard("ATZ up"); /* the second try */
	end();
}
END_TEST

START_TEST(several_words_are_said_in_turn)
{
	begin(PORT "init = ATZ OK ATE0 OK AT&F OK\n", MOOD_OK);
	expect_heard("ATZ up");
	expect_heard("ATE0 up");
	expect_heard("AT&F up");
	close(support_acquire("modem0", NULL));
	expect_heard("ATZ up");
	expect_heard("ATE0 up");
	expect_heard("AT&F up");
	end();
}
END_TEST

START_TEST(answer_may_come_late)
{
	struct support_client waiter;
	int64_t begun;
	int fd;

	begin(PATIENT, MOOD_OK);
	expect_heard("ATZ up");
	set_mood(MOOD_LATE);
	begun = support_now_ms();
	begin_turnaround(&waiter);
	expect_heard("ATZ up");
	fd = support_granted(&waiter, NULL);
	ck_assert_int_ge(support_now_ms() - begun, LATE_MS);
	ck_assert(support_is_quiet(&modem, 0)); /* it was not asked twice */
	expect_nothing_to_read(fd);
	set_mood(MOOD_OK);
	close(fd);
	support_close(&waiter);
	expect_heard("ATZ up");
	end();
}
END_TEST

START_TEST(modem_that_says_ERROR_is_asked_once_more)
{
	struct support_client waiter;
	int fd;

	begin(PATIENT, MOOD_OK);
	expect_heard("ATZ up");
	set_mood(MOOD_ERROR);
	begin_turnaround(&waiter);
	expect_heard("ATZ up");
	expect_heard("ATZ up");
	fd = support_granted(&waiter, NULL);
	expect_nothing_to_read(fd);
	expect_line(fd);
	set_mood(MOOD_OK);
	close(fd);
	support_close(&waiter);
	end();
}
END_TEST

/* ---- not answered ---- */

/* _i: says nothing, or something else. */
START_TEST(port_is_faulted_and_the_next_request_tries_again)
{
	struct support_client waiter;
	json_t *port, *error;
	const char *reason;
	int i, fd;

	begin(CHAT, MOOD_OK);
	expect_heard("ATZ up");
	set_mood(_i == 0 ? MOOD_SILENT : MOOD_STRANGE);
	begin_turnaround(&waiter);
	for (i = 0; i < 3; i++)
		expect_heard("ATZ up");
	do
		ck_assert(support_next(&waiter));
	while (waiter.reply.error == NULL);
	ck_assert_str_eq(waiter.reply.error, "io.comlease.OpenFailed");
	error = waiter.reply.parameters;
	reason = _i == 0 ? "within 0.3 s after 3 tries; the modem said nothing"
			 : "within 0.3 s after 3 tries; the modem said \"\\r\\nNO\\x01 "
			   "\\\"DIALTONE\\\"\\r\\n\"";
	ck_assert_msg(strstr(support_string(error, "message", NULL), reason) != NULL, "%s",
		      support_string(error, "message", NULL));
	support_close(&waiter);
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "state", NULL), "faulted");
	ck_assert_ptr_nonnull(strstr(support_string(port, "reason", NULL), reason));
	json_decref(port);
	ck_assert_int_eq(support_log_count("\001"), 0);
	wait_line(false);
	set_mood(MOOD_OK);
	fd = support_acquire("modem0", NULL);
	expect_heard("ATZ up");
	expect_line(fd);
	set_mood(MOOD_OK);
	close(fd);
	end();
}
END_TEST

/* ---- what else happens meanwhile ---- */

START_TEST(revoked_holder_is_cut_off_before_the_modem_has_answered)
{
	struct support_client c, waiter;
	int fd, next;

	begin(PATIENT, MOOD_OK);
	expect_heard("ATZ up");
	fd = support_acquire("modem0", NULL);
	support_queue(&waiter, "modem0", NULL);
	set_mood(MOOD_SILENT);
	support_connect(&c);
	support_call(&c, "Revoke", json_pack("{s:s}", "port", "modem0"), false);
	expect_heard("ATZ up");
	ck_assert(support_is_dead(fd));
	close(fd);
	support_write(master, "\r\nOK\r\n", 6);
	next = support_granted(&waiter, NULL);
	support_reply(&c);
	support_close(&c);
	expect_nothing_to_read(next);
	expect_line(next);
	set_mood(MOOD_OK);
	close(next);
	support_close(&waiter);
	end();
}
END_TEST

START_TEST(device_that_goes_during_the_chat_is_prepared_when_it_is_back)
{
	struct support_client waiter;
	int fd;

	begin(PATIENT, MOOD_OK);
	expect_heard("ATZ up");
	set_mood(MOOD_SILENT);
	begin_turnaround(&waiter);
	expect_heard("ATZ up");
	support_finish(&modem);
	support_unplug("modem0");
	support_wait_port("modem0", "absent", 1);
	plug(MOOD_OK);
	expect_heard("ATZ up");
	fd = support_granted(&waiter, NULL);
	expect_nothing_to_read(fd);
	expect_line(fd);
	set_mood(MOOD_OK);
	close(fd);
	support_close(&waiter);
	end();
}
END_TEST

START_TEST(waiter_who_goes_during_the_chat_leaves_a_free_port)
{
	struct support_client waiter;

	begin(PATIENT, MOOD_OK);
	expect_heard("ATZ up");
	set_mood(MOOD_SILENT);
	begin_turnaround(&waiter);
	expect_heard("ATZ up");
	support_close(&waiter);
	support_wait_port("modem0", "turnaround", 0);
	support_write(master, "\r\nOK\r\n", 6);
	support_wait_port("modem0", "free", 0);
	set_mood(MOOD_OK);
	close(support_acquire("modem0", NULL));
	expect_heard("ATZ up");
	end();
}
END_TEST

/* _i: bit 0: the broker dies, bit 1: the keeper, who begins the chat anew. */
START_TEST(chat_outlives_broker_and_keeper)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child waiter;
	int fd;

	begin(PATIENT, MOOD_OK);
	expect_heard("ATZ up");
	fd = support_acquire("modem0", NULL);
	wish.port = "modem0";
	support_hold(&waiter, &wish);
	support_wait_port("modem0", "held", 1);
	set_mood(MOOD_SILENT);
	close(fd);
	expect_heard("ATZ up");
	if (_i & 2)
		support_kill_keeper("modem0");
	if (_i & 1)
		support_kill_broker();
	if (_i & 2)
		expect_heard("ATZ up");
	set_mood(MOOD_OK);
	support_write(master, "\r\nOK\r\n", 6);
	ck_assert_int_gt(support_held(&waiter), 0);
	support_finish(&waiter);
	end();
}
END_TEST

/* ---- what the modem says more ---- */

START_TEST(nothing_of_the_chat_reaches_the_next_holder)
{
	struct support_client waiter;
	int fd;

	begin(PATIENT, MOOD_OK);
	expect_heard("ATZ up");
	set_mood(MOOD_NOISY);
	begin_turnaround(&waiter);
	fd = support_granted(&waiter, NULL);
	expect_heard("ATZ up");
	expect_nothing_to_read(fd);
	expect_line(fd);
	set_mood(MOOD_OK);
	close(fd);
	support_close(&waiter);
	end();
}
END_TEST

START_TEST(quiet_ms_waits_until_the_modem_says_no_more)
{
	struct support_client waiter;
	int64_t begun;
	int fd;

	begin(PATIENT "quiet-ms = 600\n", MOOD_OK);
	expect_heard("ATZ up");
	set_mood(MOOD_CHATTY);
	begun = support_now_ms();
	begin_turnaround(&waiter);
	fd = support_granted(&waiter, NULL);
	ck_assert_int_ge(support_now_ms() - begun, NOISE_MS + 600);
	expect_heard("ATZ up");
	expect_nothing_to_read(fd);
	expect_line(fd);
	set_mood(MOOD_OK);
	close(fd);
	support_close(&waiter);
	end();
}
END_TEST

int
main(void)
{
	static const char needs_cap[] = "taking a port back needs CAP_SYS_ADMIN";
	bool able = support_can_revoke();
	Suite *s = suite_create("e2e_init");
	TCase *tc = tcase_create("init");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, modem_is_prepared_with_the_line_up_and_idles_with_it_down);
	tcase_add_test(tc, several_words_are_said_in_turn);
	tcase_add_test(tc, answer_may_come_late);
	tcase_add_test(tc, modem_that_says_ERROR_is_asked_once_more);
	tcase_add_loop_test(tc, port_is_faulted_and_the_next_request_tries_again, 0, 2);
	support_add(tc, revoked_holder_is_cut_off_before_the_modem_has_answered, able, needs_cap);
	tcase_add_test(tc, device_that_goes_during_the_chat_is_prepared_when_it_is_back);
	tcase_add_test(tc, waiter_who_goes_during_the_chat_leaves_a_free_port);
	tcase_add_loop_test(tc, chat_outlives_broker_and_keeper, 1, 4);
	tcase_add_test(tc, nothing_of_the_chat_reaches_the_next_holder);
	tcase_add_test(tc, quiet_ms_waits_until_the_modem_says_no_more);
	suite_add_tcase(s, tc);
	return support_run(s);
}
