/*
 * test_e2e_bad.c - what a client can send to a real comleased: bytes that are no message, messages
 * that are no call, calls that make no sense. It is told, or cut off; nobody else notices, nothing
 * of it stays.
 */
#include "bad.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define LONGEST             65536
#define LIST                "{\"method\":\"io.comlease.List\"}"
#define CALL(m)             "{\"method\":\"io.comlease." m "\"}"
#define WITH(m, parameters) "{\"method\":\"io.comlease." m "\",\"parameters\":{" parameters "}}"

/* Nobody else noticed: checked by everyone at once, as the fixture's end does once more. */
static void
expect_list_works(int socket)
{
	const char *reply;

	ck_assert(bad_send(socket, LIST, sizeof(LIST)));
	reply = bad_hear(socket);
	ck_assert_msg(reply != NULL && strncmp(reply, "{\"parameters\":{\"ports\":[", 24) == 0,
		      "%s", reply);
}

/* ---- what is no message: cut off ---- */

#define BYTES(text)                                                                                \
	{                                                                                          \
		text, sizeof(text)                                                                 \
	}

static const struct {
	const char *bytes;
	size_t size; /* with the NUL */
} cut_off[] = {
	BYTES(""),
	BYTES("GET / HTTP/1.0\r\n\r\n"),
	BYTES("\x7f\x45\x4c\x46\x02\x01\x01"),
	BYTES("[]"),
	BYTES("1"),
	BYTES("null"),
	BYTES("\"io.comlease.List\""),
	BYTES("{}"),
	BYTES("{\"method\":\"io.comlease.List\""),
	BYTES(LIST "x"),
	BYTES(LIST LIST),
	BYTES("{\"method\":\"io.comlease.List\",\"method\":\"io.comlease.List\"}"),
	BYTES("{\"method\":1}"),
	BYTES("{\"method\":null}"),
	BYTES("{\"method\":\"io.comlease.List\",\"parameters\":[]}"),
	BYTES("{\"method\":\"io.comlease.List\",\"more\":1}"),
	BYTES("{\"method\":\"io.comlease.List\",\"colour\":\"red\"}"),
	BYTES("{\"method\":\"io.comlease.List\",\"more\":true,\"oneway\":true}"),
	BYTES("{\"method\":\"io.comlease.List\0\"}"),
	BYTES(WITH("Acquire", "\"port\":\"modem0\\u0000\"")),
	BYTES(WITH("Acquire", "\"port\":\"modem0\xff\"")),
	BYTES(WITH("Acquire", "\"port\":\"\xc0\xaf\"")),
	BYTES(WITH("Acquire", "\"port\":\"\\ud800\"")),
	BYTES(WITH("Acquire", "\"port\":\"modem0\",\"wait\":99999999999999999999")),
	BYTES(WITH("Acquire", "\"port\":\"modem0\",\"wait\":1e999")),
	BYTES(WITH("Acquire", "\"port\":\"modem0\",\"wait\":NaN")),
};

START_TEST(what_is_no_call_is_cut_off)
{
	for (size_t i = 0; i < sizeof(cut_off) / sizeof(cut_off[0]); i++) {
		int socket = bad_connect();

		expect_list_works(socket);
		ck_assert(bad_send(socket, cut_off[i].bytes, cut_off[i].size));
		support_log_wait("client pid=[0-9]+ uid=[0-9]+ cut off: ");
		bad_expect_cut(socket, SUPPORT_SOON_MS);
	}
	calm_expect();
}
END_TEST

/* ---- what is a call, and wrong: told ---- */

#define INVALID(parameter)                                                                         \
	"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":"       \
	"\"" parameter "\"}}"

static const struct {
	const char *call, *answer;
} told[] = {
	{ CALL("Frobnicate"), "MethodNotFound\",\"parameters\":{\"method\":\"io.comlease.Frob" },
	{ CALL("list"), "MethodNotFound" },
	{ CALL("List.List"), "InterfaceNotFound" },
	{ "{\"method\":\"io.comlease2.List\"}", "InterfaceNotFound\",\"parameters\":{\"interface\":"
						"\"io.comlease2\"" },
	{ "{\"method\":\"List\"}", "InterfaceNotFound" },
	{ "{\"method\":\"\"}", "InterfaceNotFound" },
	{ "{\"method\":\"org.varlink.service.Frobnicate\"}", "MethodNotFound" },
	{ CALL("Monitor"), "ExpectedMore" },
	{ WITH("List", "\"colour\":1"), INVALID("colour") },
	{ WITH("List", "\"ports\":\"modem0\""), INVALID("ports") },
	{ WITH("List", "\"ports\":[1]"), INVALID("ports") },
	{ WITH("List", "\"ports\":[null]"), INVALID("ports") },
	{ WITH("List", "\"ports\":{}"), INVALID("ports") },
	{ WITH("List", "\"ports\":[\"elsewhere\"]"), "NoSuchPort" },
	{ CALL("Acquire"), INVALID("port") },
	{ WITH("Acquire", "\"port\":1"), INVALID("port") },
	{ WITH("Acquire", "\"port\":\"\""), INVALID("port") },
	{ WITH("Acquire", "\"port\":\"../modem0\""), INVALID("port") },
	{ WITH("Acquire", "\"port\":\"elsewhere\""), "NoSuchPort" },
	{ WITH("Acquire", "\"device\":\"/etc/passwd\""), "NoSuchPort" },
	{ WITH("Acquire", "\"port\":\"modem0\",\"device\":\"/dev/null\""), INVALID("device") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"wait\":-1"), INVALID("wait") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"wait\":1.5"), INVALID("wait") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"wait\":\"1\""), INVALID("wait") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"wait\":9223372036854775807"), INVALID("wait") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"waited\":-9223372036854775808"),
	  INVALID("waited") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"priority\":101"), INVALID("priority") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"priority\":-101"), INVALID("priority") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"key\":\"0\""), INVALID("key") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"key\":\"0123456789abcdef0123456789abcdeg\""),
	  INVALID("key") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"rdev\":-1"), INVALID("rdev") },
	{ WITH("Attach", "\"token\":0"), INVALID("token") },
	{ WITH("Attach", "\"token\":1"), "NotHolder" },
	{ CALL("Attach"), INVALID("token") },
	{ WITH("Release", "\"token\":-1"), INVALID("token") },
	{ WITH("Release", "\"token\":9223372036854775807"), "Revoked" },
	{ CALL("Release"), INVALID("token") },
	{ CALL("Revoke"), INVALID("port") },
	{ WITH("Revoke", "\"port\":\"modem0\""), "NotHolder" },
	{ WITH("Revoke", "\"port\":\"modem1\",\"token\":1"), "Revoked" },
	{ WITH("Revoke", "\"port\":\"modem1\",\"token\":\"1\""), INVALID("token") },
	{ "{\"method\":\"io.comlease.List\",\"upgrade\":true}", INVALID("upgrade") },
	/* Control characters: never in a name. */
	{ WITH("Acquire", "\"port\":\"\\u001b[31mmodem0\""), INVALID("port") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"label\":\"\\u001b]0;x\\u0007\""),
	  INVALID("label") },
	{ WITH("Acquire", "\"port\":\"modem0\",\"label\":\"a\\nb\""), INVALID("label") },
	{ WITH("Revoke", "\"port\":\"modem1\\n\""), INVALID("port") },
};

START_TEST(what_makes_no_sense_is_answered_and_the_next_call_works)
{
	int socket = bad_connect();

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		const char *answer;

		ck_assert(bad_send(socket, told[i].call, strlen(told[i].call) + 1));
		answer = bad_hear(socket);
		ck_assert_msg(answer != NULL && strstr(answer, told[i].answer) != NULL,
			      "%s was answered with %s", told[i].call, answer);
		ck_assert_msg(strchr(answer, '\033') == NULL, "%s", answer);
		expect_list_works(socket);
	}
	close(socket);
	calm_expect();
	ck_assert_int_eq(support_log_count("\033"), 0);
}
END_TEST

/* Varlink: to a oneway call no answer is sent. Without one, none of ours makes sense. */
START_TEST(oneway_call_is_not_answered_and_not_carried_out)
{
	static const char get_info[] =
	    "{\"method\":\"org.varlink.service.GetInfo\",\"oneway\":true}",
			  acquire[] = "{\"method\":\"io.comlease.Acquire\",\"oneway\":true,"
				      "\"parameters\":{\"port\":\"modem0\"}}";
	int socket = bad_connect();

	ck_assert(bad_send(socket, get_info, sizeof(get_info)));
	expect_list_works(socket);
	ck_assert(bad_send(socket, acquire, sizeof(acquire)));
	expect_list_works(socket);
	calm_expect();
	close(socket);
}
END_TEST

/* ---- length and depth ---- */

/* A List of that many bytes, and its NUL. */
static char *
long_call(size_t size)
{
	char *text = malloc(size + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, ' ', size);
	memcpy(text, LIST, strlen(LIST));
	text[size] = '\0';
	return text;
}

START_TEST(message_of_64_kib_is_taken_and_a_byte_more_is_cut_off)
{
	char *text = long_call(LONGEST);
	int socket = bad_connect();

	ck_assert(bad_send(socket, text, LONGEST + 1));
	ck_assert_ptr_nonnull(bad_hear(socket));
	close(socket);
	free(text);
	text = long_call(LONGEST + 1);
	socket = bad_connect();
	bad_send(socket, text, LONGEST + 1); /* without the NUL */
	support_log_wait("cut off: a message is longer than 64 KiB");
	bad_expect_cut(socket, 1000);
	free(text);
}
END_TEST

/* Every bad client at once, without a NUL in 64 KiB. */
START_TEST(many_long_halves_leave_nothing)
{
	char *text = long_call(LONGEST);
	int sockets[100];

	calm_watch();
	for (int i = 0; i < 100; i++) {
		sockets[i] = bad_connect();
		ck_assert(bad_send(sockets[i], text, LONGEST));
	}
	calm_expect();
	for (int i = 0; i < 100; i++)
		close(sockets[i]);
	calm_expect_quick();
	free(text);
}
END_TEST

/* Objects and arrays: the call, its parameters, and so many arrays. */
static const char *
deep_call(int arrays)
{
	static char text[512];
	char *to = text;

	to += sprintf(to, "{\"method\":\"io.comlease.List\",\"parameters\":{\"ports\":");
	for (int i = 0; i < arrays; i++)
		*to++ = '[';
	for (int i = 0; i < arrays; i++)
		*to++ = ']';
	strcpy(to, "}}");
	return text;
}

START_TEST(depth_of_32_is_taken_and_33_is_cut_off)
{
	const char *text = deep_call(32 - 2);
	int socket = bad_connect();

	ck_assert(bad_send(socket, text, strlen(text) + 1));
	ck_assert_str_eq(bad_hear(socket), INVALID("ports"));
	text = deep_call(33 - 2);
	ck_assert(bad_send(socket, text, strlen(text) + 1));
	bad_expect_cut(socket, 1000);
}
END_TEST

/* ---- half of one ---- */

START_TEST(half_a_message_and_a_close_leave_nothing)
{
	int socket;

	for (size_t size = 1; size < sizeof(LIST) - 1; size++) {
		socket = bad_connect();
		ck_assert(bad_send(socket, LIST, size));
		close(socket);
	}
	socket = bad_connect(); /* a whole one, and half of one */
	expect_list_works(socket);
	ck_assert(bad_send(socket, LIST, 5));
	close(socket);
	calm_expect();
}
END_TEST

/* A byte now and then does not make the time longer. */
START_TEST(half_a_message_is_cut_off_after_5_s)
{
	int silent = bad_connect(), slow = bad_connect(), idle = bad_connect();
	int64_t begin = support_now_ms();

	ck_assert(bad_send(silent, LIST, 5));
	for (int i = 0; bad_send(slow, &LIST[i], 1); i++) {
		ck_assert_msg(support_now_ms() < begin + BAD_CUT_MS + 2000, "it trickles on");
		if (support_poll(slow, POLLIN, support_now_ms() + 500))
			break;
		if (i == 4)
			calm_expect();
	}
	ck_assert_int_ge(support_now_ms(), begin + BAD_CUT_MS - 100);
	bad_expect_cut(slow, 1000);
	bad_expect_cut(silent, 1000);
	support_log_wait("cut off: its request did not arrive whole within 5 s");
	expect_list_works(idle); /* who says nothing is welcome */
	close(idle);
}
END_TEST

/* ---- names from /proc ---- */

#define EVIL "\033[2Jx\"\\y"

static void
hold_under_a_name(struct support_child *me, void *unused)
{
	struct support_client c;
	int fd;

	(void)unused;
	prctl(PR_SET_NAME, EVIL);
	fd = support_acquire("modem0", NULL);
	support_queue(&c, "modem1", NULL);
	support_say(me, '.');
	support_poll(me->hear, POLLIN, support_now_ms() + SUPPORT_SOON_MS);
	close(fd);
	support_close(&c);
}

/* What `comlease status` prints is escaped, and names the process all the same. */
static void
expect_status_is_clean(const char *option)
{
	struct support_child status;
	char text[8192] = "";
	size_t have = 0;
	ssize_t n;

	support_exec(&status, (const char *const[]){ "comlease", "status", option, NULL });
	while ((n = read(status.hear, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	support_finish(&status);
	ck_assert_msg(strchr(text, '\033') == NULL, "%s", text);
	ck_assert_msg(strstr(text, "x1b[2Jx") != NULL, "%s", text);
}

START_TEST(name_of_a_process_is_escaped_in_status_json_and_log)
{
	struct support_child holder;
	json_t *port;

	support_fork(&holder, hold_under_a_name, NULL, -1);
	support_hear(&holder);
	port = support_list("modem0");
	ck_assert_str_eq(support_string(port, "lease", "owner", "command", NULL),
			 "\\x1b[2Jx\\x22\\x5cy");
	json_decref(port);
	expect_status_is_clean("modem0");
	expect_status_is_clean("--json");
	support_log_wait("grant port=modem0 .*[\\]x1b"); /* escaped once, as in status */
	ck_assert_int_eq(support_log_count("\033"), 0);
	support_finish(&holder);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("bad");
	TCase *tcase = tcase_create("bad");

	tcase_add_checked_fixture(tcase, calm_begin, calm_end);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, what_is_no_call_is_cut_off);
	tcase_add_test(tcase, what_makes_no_sense_is_answered_and_the_next_call_works);
	tcase_add_test(tcase, oneway_call_is_not_answered_and_not_carried_out);
	tcase_add_test(tcase, message_of_64_kib_is_taken_and_a_byte_more_is_cut_off);
	tcase_add_test(tcase, many_long_halves_leave_nothing);
	tcase_add_test(tcase, depth_of_32_is_taken_and_33_is_cut_off);
	tcase_add_test(tcase, half_a_message_and_a_close_leave_nothing);
	tcase_add_test(tcase, half_a_message_is_cut_off_after_5_s);
	tcase_add_test(tcase, name_of_a_process_is_escaped_in_status_json_and_log);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
