/*
 * test_keeper_init.c - the last steps of a turnaround: the chat with a modem, which the test plays
 * at the pty's master, and the wait for silence.
 */
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "keeper_rig.h"

#define FAST "hangup-ms = 0\n"

static uint64_t
start(const char *options)
{
	rig_init(options);
	rig_plug();
	rig_start();
	return rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, 0);
}

/* The modem hears that, and says this. */
static void
chat(const char *heard, const char *said)
{
	char buffer[64] = "";

	ck_assert_uint_eq(rig_read_master(buffer, strlen(heard)), strlen(heard));
	ck_assert_str_eq(buffer, heard);
	ck_assert_int_eq(write(rig.master, said, strlen(said)), (ssize_t)strlen(said));
}

static speed_t
master_speed(void)
{
	struct termios t;

	ck_assert_int_eq(tcgetattr(rig.master, &t), 0);
	return cfgetospeed(&t);
}

/* The line is up for the chat, and down again until the next lease. */
START_TEST(modem_is_initialised_with_the_line_up)
{
	char buffer[8];
	uint64_t id = start("hangup-ms = 20\nbaud = 9600\ninit = ATZ OK ATE0 OK\n");
	int fd;

	chat("ATZ\r", "ATZ\r\r\n");
	ck_assert_uint_eq(master_speed(), B9600);
	ck_assert_int_eq(write(rig.master, "OK\r\n", 4), 4);
	chat("ATE0\r", "ATE0\r\r\nOK\r\n");
	ck_assert_uint_eq(rig_expect(IPC_READY).id, id);
	ck_assert_uint_eq(master_speed(), B0);
	fd = rig_open(1, true);
	ck_assert_int_eq(read(fd, buffer, sizeof(buffer)), -1); /* nothing is left of it */
	close(fd);
	rig_end();
}
END_TEST

START_TEST(answer_in_pieces_is_an_answer)
{
	start(FAST "init = AT OK\n");
	chat("AT\r", "\r\nO");
	rig_expect_quiet();
	ck_assert_int_eq(write(rig.master, "K\r\n", 3), 3);
	rig_expect(IPC_READY);
	rig_end();
}
END_TEST

/* An echo of what was sent is none. */
START_TEST(echo_is_no_answer)
{
	start(FAST "init = ATOK OK\n");
	chat("ATOK\r", "ATOK\r");
	rig_expect_quiet();
	ck_assert_int_eq(write(rig.master, "\r\nOK\r\n", 6), 6);
	rig_expect(IPC_READY);
	rig_end();
}
END_TEST

START_TEST(chat_begins_again_after_an_error)
{
	uint64_t id = start(FAST "init = ATZ OK AT&F OK\n");

	chat("ATZ\r", "\r\nOK\r\n");
	chat("AT&F\r", "\r\nERROR\r\n");
	chat("ATZ\r", "\r\nERROR\r\n");
	chat("ATZ\r", "\r\nOK\r\n");
	chat("AT&F\r", "\r\nOK\r\n");
	ck_assert_uint_eq(rig_expect(IPC_READY).id, id);
	rig_end();
}
END_TEST

START_TEST(third_error_is_a_fault_in_the_modems_words)
{
	uint64_t id = start(FAST "init = ATZ OK\n");
	struct ipc_message m;
	int i;

	for (i = 0; i < 3; i++)
		chat("ATZ\r", "\r\nERROR\r\n");
	m = rig_expect(IPC_FAULT);
	ck_assert_uint_eq(m.id, id);
	ck_assert_str_eq(m.text,
			 "init: sent \"ATZ\", no \"OK\" within 3 s after 3 tries; the modem "
			 "said \"\\r\\nERROR\\r\\n\"");
	rig_end();
}
END_TEST

START_TEST(silent_modem_is_asked_three_times)
{
	double begin = rig_now_us();
	struct ipc_message m;
	int i;

	start(FAST "init = ATZ OK\ninit-timeout-ms = 50\n");
	for (i = 0; i < 3; i++)
		chat("ATZ\r", "");
	m = rig_expect(IPC_FAULT);
	ck_assert_double_ge(rig_now_us() - begin, 149e3);
	ck_assert_str_eq(m.text, "init: sent \"ATZ\", no \"OK\" within 0.05 s after 3 tries; the "
				 "modem said nothing");
	/* the next time it answers */
	rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, 0);
	chat("ATZ\r", "\r\nOK\r\n");
	rig_expect(IPC_READY);
	rig_end();
}
END_TEST

START_TEST(long_answer_is_escaped_and_cut)
{
	struct ipc_message m;
	char noise[400];
	int i;

	memset(noise, 0xfe, sizeof(noise) - 1);
	noise[sizeof(noise) - 1] = '\0';
	start(FAST "init = ATZ OK\ninit-timeout-ms = 50\n");
	for (i = 0; i < 3; i++)
		chat("ATZ\r", noise);
	m = rig_expect(IPC_FAULT);
	ck_assert_ptr_nonnull(strstr(m.text, "\"\\xfe\\xfe"));
	ck_assert_ptr_nonnull(strstr(m.text, "...\""));
	rig_end();
}
END_TEST

START_TEST(unplugging_ends_a_chat)
{
	uint64_t id = start(FAST "init = ATZ OK\ninit-timeout-ms = 60000\n");

	ck_assert_uint_eq(rig_expect_busy(), 60000);
	rig_unplug();
	ck_assert_uint_eq(rig_expect(IPC_ABSENT).id, id);
	rig_end();
}
END_TEST

START_TEST(revocation_begins_a_chat_anew)
{
	uint64_t first = start(FAST "init = ATZ OK\ninit-timeout-ms = 60000\n"), second;

	rig_expect_busy();
	chat("ATZ\r", "\r\n");
	second = rig_ask(IPC_TURNAROUND, 0, LEASE_REVOKED, IPC_TURN_REVOKE);
	rig_expect_busy(); /* the line has been hung up, and opened again */
	chat("ATZ\r", "\r\nOK\r\n");
	ck_assert_uint_eq(rig_expect(IPC_READY).id, first);
	ck_assert_uint_eq(rig_expect(IPC_READY).id, second);
	rig_end();
}
END_TEST

/* ---- quiet-ms ---- */

START_TEST(input_is_waited_for_until_it_ends)
{
	double begin;
	char buffer[8];
	int i, fd, none;
	struct ipc_message m;

	start(FAST "quiet-ms = 2000\n");
	begin = rig_now_us();
	for (i = 0; i < 5; i++) {
		ck_assert_int_eq(write(rig.master, "x", 1), 1);
		ck_assert(!rig_next(&m, &none, 50));
	}
	rig_expect(IPC_READY);
	ck_assert_double_ge(rig_now_us() - begin, 2190e3);
	ck_assert_double_lt(rig_now_us() - begin, 9000e3);
	fd = rig_open(1, true);
	ck_assert_int_eq(read(fd, buffer, sizeof(buffer)), -1);
	close(fd);
	rig_end();
}
END_TEST

START_TEST(input_without_end_is_waited_for_ten_times_as_long)
{
	double begin;
	struct ipc_message m;
	int none;

	start(FAST "quiet-ms = 800\n"); /* so long this process may get no processor */
	begin = rig_now_us();
	do
		ck_assert_int_eq(write(rig.master, "x", 1), 1);
	while (!rig_next(&m, &none, 5));
	ck_assert_uint_eq(m.type, IPC_READY);
	ck_assert_double_ge(rig_now_us() - begin, 7900e3);
	rig_end();
}
END_TEST

int
main(void)
{
	TCase *t = tcase_create("init"), *root = tcase_create("revocation");

	tcase_add_test(t, modem_is_initialised_with_the_line_up);
	tcase_add_test(t, answer_in_pieces_is_an_answer);
	tcase_add_test(t, echo_is_no_answer);
	tcase_add_test(t, chat_begins_again_after_an_error);
	tcase_add_test(t, third_error_is_a_fault_in_the_modems_words);
	tcase_add_test(t, silent_modem_is_asked_three_times);
	tcase_add_test(t, long_answer_is_escaped_and_cut);
	tcase_add_test(t, unplugging_ends_a_chat);
	tcase_add_test(t, input_is_waited_for_until_it_ends);
	tcase_add_test(t, input_without_end_is_waited_for_ten_times_as_long);
	tcase_add_test(root, revocation_begins_a_chat_anew);
	return rig_run("keeper_init", t, root);
}
