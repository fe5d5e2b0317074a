/*
 * test_e2e_bad_method.c - the methods of arbitration called as they are not meant to be, and
 * clients that go at the wrong moment: each is told, nothing is lost, nobody else notices.
 */
#include "bad.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIST "{\"method\":\"io.comlease.List\"}"
#define CALL(m, parameters, rest)                                                                  \
	"{\"method\":\"io.comlease." m "\",\"parameters\":{" parameters "}" rest "}"
#define ONCE(m, parameters) CALL(m, parameters, "")
#define MORE(m, parameters) CALL(m, parameters, ",\"more\":true")
#define INVALID(parameter)                                                                         \
	"{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":"       \
	"\"" parameter "\"}}"

/* Whoever calls is served on. */
static void
expect_list_works(int socket)
{
	const char *reply;

	ck_assert(bad_send(socket, LIST, sizeof(LIST)));
	reply = bad_hear(socket);
	ck_assert_msg(reply != NULL && strncmp(reply, "{\"parameters\":{\"ports\":[", 24) == 0,
		      "%s", reply);
}

#define P      "\"port\":\"modem0\""
#define HUGE   "9223372036854775807"
#define BEYOND "9223372036854775808"

/* All of them while nobody holds modem0. */
static const struct {
	const char *call, *answer;
} told[] = {
	/* what a request wishes */
	{ ONCE("Acquire", P ",\"class\":1"), INVALID("class") },
	{ ONCE("Acquire", P ",\"class\":\"\""), INVALID("class") },
	{ ONCE("Acquire", P ",\"class\":\"a b\""), INVALID("class") },
	{ ONCE("Acquire", P ",\"class\":\"\\u001b[2J\""), INVALID("class") },
	{ ONCE("Acquire", P ",\"standby\":1"), INVALID("standby") },
	{ ONCE("Acquire", P ",\"standby\":\"yes\""), INVALID("standby") },
	{ ONCE("Acquire", P ",\"maxHold\":-1"), INVALID("maxHold") },
	{ ONCE("Acquire", P ",\"maxHold\":1.5"), INVALID("maxHold") },
	{ ONCE("Acquire", P ",\"maxHold\":\"1\""), INVALID("maxHold") },
	{ ONCE("Acquire", P ",\"maxHold\":" HUGE), INVALID("maxHold") },
	{ ONCE("Acquire", P ",\"yieldGrace\":-1"), INVALID("yieldGrace") },
	{ ONCE("Acquire", P ",\"yieldGrace\":" HUGE), INVALID("yieldGrace") },
	{ ONCE("Acquire", P ",\"yieldGrace\":[]"), INVALID("yieldGrace") },
	{ ONCE("Acquire", P ",\"priority\":-" HUGE), INVALID("priority") },
	{ ONCE("Acquire", P ",\"priority\":true"), INVALID("priority") },
	{ ONCE("Acquire", P ",\"pool\":\"modem\""), INVALID("pool") },
	/* Watch */
	{ MORE("Watch", ""), INVALID("token") },
	{ MORE("Watch", "\"token\":0"), INVALID("token") },
	{ MORE("Watch", "\"token\":-1"), INVALID("token") },
	{ MORE("Watch", "\"token\":null"), INVALID("token") },
	{ MORE("Watch", "\"token\":\"1\""), INVALID("token") },
	{ MORE("Watch", "\"token\":1.0"), INVALID("token") },
	{ MORE("Watch", "\"token\":{}"), INVALID("token") },
	{ MORE("Watch", "\"token\":1,\"port\":\"modem0\""), INVALID("port") },
	{ MORE("Watch", "\"token\":1"), "io.comlease.Revoked" },
	{ MORE("Watch", "\"token\":" HUGE), "io.comlease.Revoked" },
	{ ONCE("Watch", "\"token\":1"), "ExpectedMore" },
	/* Yield */
	{ MORE("Yield", ""), INVALID("token") },
	{ MORE("Yield", "\"token\":0"), INVALID("token") },
	{ MORE("Yield", "\"token\":-" HUGE), INVALID("token") },
	{ MORE("Yield", "\"token\":[1]"), INVALID("token") },
	{ MORE("Yield", "\"token\":1"), "io.comlease.Revoked" },
	{ MORE("Yield", "\"token\":" HUGE), "io.comlease.Revoked" },
	{ ONCE("Yield", "\"token\":1"), "ExpectedMore" },
	/* SetBusy */
	{ ONCE("SetBusy", ""), INVALID("token") },
	{ ONCE("SetBusy", "\"token\":1"), INVALID("busy") },
	{ ONCE("SetBusy", "\"token\":1,\"busy\":null"), INVALID("busy") },
	{ ONCE("SetBusy", "\"token\":1,\"busy\":1"), INVALID("busy") },
	{ ONCE("SetBusy", "\"token\":1,\"busy\":\"true\""), INVALID("busy") },
	{ ONCE("SetBusy", "\"busy\":true"), INVALID("token") },
	{ ONCE("SetBusy", "\"token\":-1,\"busy\":true"), INVALID("token") },
	{ ONCE("SetBusy", "\"token\":0,\"busy\":true"), INVALID("token") },
	{ ONCE("SetBusy", "\"token\":1," P ",\"busy\":true"), INVALID("port") },
	{ ONCE("SetBusy", "\"token\":1,\"busy\":true"), "io.comlease.Revoked" },
	{ ONCE("SetBusy", "\"port\":\"elsewhere\",\"busy\":true"), "NoSuchPort" },
	{ ONCE("SetBusy", "\"port\":\"\",\"busy\":true"), INVALID("port") },
	{ ONCE("SetBusy", P ",\"busy\":true"), "io.comlease.NotHolder" },
	/* Handoff */
	{ ONCE("Handoff", ""), INVALID("port") },
	{ ONCE("Handoff", P), INVALID("pid") },
	{ ONCE("Handoff", "\"pid\":1"), INVALID("port") },
	{ ONCE("Handoff", P ",\"pid\":0"), INVALID("pid") },
	{ ONCE("Handoff", P ",\"pid\":-1"), INVALID("pid") },
	{ ONCE("Handoff", P ",\"pid\":2147483648"), INVALID("pid") },
	{ ONCE("Handoff", P ",\"pid\":\"1\""), INVALID("pid") },
	{ ONCE("Handoff", P ",\"label\":\"\""), INVALID("label") },
	{ ONCE("Handoff", P ",\"label\":7"), INVALID("label") },
	{ ONCE("Handoff", P ",\"pid\":1,\"label\":\"x\""), INVALID("label") },
	{ ONCE("Handoff", "\"port\":\"elsewhere\",\"pid\":1"), "NoSuchPort" },
	{ ONCE("Handoff", P ",\"pid\":1"), "io.comlease.NotHolder" },
	{ ONCE("Handoff", "\"port\":\"modem1\",\"pid\":1"), "NoSuchWaiter" },
	{ ONCE("Handoff", "\"port\":\"modem1\",\"label\":\"x\""), "NoSuchWaiter" },
	{ ONCE("Handoff", "\"port\":\"modem1\",\"label\":\"x\",\"token\":1"), INVALID("token") },
	/* Evict */
	{ ONCE("Evict", ""), INVALID("port") },
	{ ONCE("Evict", "\"port\":1"), INVALID("port") },
	{ ONCE("Evict", P ",\"terminate\":1"), INVALID("terminate") },
	{ ONCE("Evict", P ",\"terminate\":\"yes\""), INVALID("terminate") },
	{ ONCE("Evict", P ",\"pid\":1"), INVALID("pid") },
	{ ONCE("Evict", "\"port\":\"elsewhere\""), "NoSuchPort" },
	{ ONCE("Evict", P), "io.comlease.NotForeign" },
	{ ONCE("Evict", P ",\"terminate\":true"), "io.comlease.NotForeign" },
	{ ONCE("Evict", "\"port\":\"modem1\",\"terminate\":true"), "io.comlease.NotForeign" },
	/* Disable, Enable */
	{ ONCE("Disable", ""), INVALID("port") },
	{ ONCE("Disable", "\"port\":[]"), INVALID("port") },
	{ ONCE("Disable", "\"port\":\"elsewhere\""), "NoSuchPort" },
	{ ONCE("Disable", P ",\"reason\":1"), INVALID("reason") },
	{ ONCE("Disable", P ",\"reason\":[\"x\"]"), INVALID("reason") },
	{ ONCE("Disable", P ",\"until\":1"), INVALID("until") },
	{ ONCE("Enable", ""), INVALID("port") },
	{ ONCE("Enable", "\"port\":null"), INVALID("port") },
	{ ONCE("Enable", "\"port\":\"elsewhere\""), "NoSuchPort" },
	{ ONCE("Enable", P ",\"reason\":\"x\""), INVALID("reason") },
	{ ONCE("Enable", P), "{\"parameters\":{}}" }, /* it is: that is no fault */
	/* Monitor, List */
	{ MORE("Monitor", "\"ports\":1"), INVALID("ports") },
	{ MORE("Monitor", "\"ports\":[\"elsewhere\"]"), "NoSuchPort" },
	{ ONCE("Monitor", ""), "ExpectedMore" },
	{ ONCE("List", "\"pools\":[]"), INVALID("pools") },
	{ ONCE("Release", "\"token\":1.5"), INVALID("token") },
	{ ONCE("Attach", "\"token\":" HUGE), "io.comlease.NotHolder" },
};

static void
expect_told(int socket, const char *call, const char *wanted)
{
	const char *answer;

	ck_assert(bad_send(socket, call, strlen(call) + 1));
	answer = bad_hear(socket);
	ck_assert_msg(answer != NULL && strstr(answer, wanted) != NULL, "%s was answered with %s",
		      call, answer);
	ck_assert_msg(strchr(answer, '\033') == NULL, "%s", answer);
}

START_TEST(what_makes_no_sense_is_answered_and_nothing_has_changed)
{
	int socket = bad_connect();

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		expect_told(socket, told[i].call, told[i].answer);
		expect_list_works(socket);
	}
	close(socket);
	support_wait_port("modem0", "free", 0);
	calm_expect();
	ck_assert_int_eq(support_log_count("evict port=|disable port=|handoff port="), 0);
}
END_TEST

/* A number that no 64 bits hold ends the connection, as any message that is none. */
START_TEST(number_beyond_64_bits_is_cut_off)
{
	static const char *const calls[] = {
		MORE("Watch", "\"token\":" BEYOND),
		MORE("Yield", "\"token\":-9223372036854775809"),
		ONCE("SetBusy", "\"token\":" BEYOND ",\"busy\":true"),
		ONCE("Handoff", P ",\"pid\":" BEYOND),
		ONCE("Acquire", P ",\"maxHold\":" BEYOND),
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int socket = bad_connect();

		ck_assert(bad_send(socket, calls[i], strlen(calls[i]) + 1));
		bad_expect_cut(socket, SUPPORT_SOON_MS);
	}
	calm_expect();
}
END_TEST

static void
expect_status_is_clean(void)
{
	struct support_child status;
	char text[8192] = "";
	size_t have = 0;
	ssize_t n;

	support_exec(&status, (const char *const[]){ "comlease", "status", "modem0", NULL });
	while ((n = read(status.hear, text + have, sizeof(text) - 1 - have)) > 0)
		have += (size_t)n;
	support_finish(&status);
	ck_assert_msg(strchr(text, '\033') == NULL, "%s", text);
	ck_assert_msg(strstr(text, "[2J") != NULL, "%s", text);
}

START_TEST(reason_of_a_disabled_port_is_escaped_and_bounded)
{
	char call[512], text[256];
	int socket = bad_connect();

	expect_told(socket, ONCE("Disable", P ",\"reason\":\"a\\u001b[2J\\nb\""),
		    "{\"parameters\":{}}");
	expect_status_is_clean();
	ck_assert_int_eq(support_log_count("\033"), 0);
	memset(text, 'x', sizeof(text));
	text[201] = '\0';
	snprintf(call, sizeof(call), ONCE("Disable", P ",\"reason\":\"%s\""), text);
	expect_told(socket, call, INVALID("reason"));
	expect_told(socket, ONCE("Disable", P ",\"reason\":\"\""), "{\"parameters\":{}}");
	expect_told(socket, ONCE("Enable", P), "{\"parameters\":{}}");
	close(socket);
	calm_expect();
}
END_TEST

/* A holder who is not in standby can't be busy, and does not yield. */
START_TEST(plain_lease_neither_yields_nor_is_busy)
{
	struct support_client c;
	uint64_t token;
	int fd = support_acquire("modem0", &token);
	json_t *port;

	support_connect(&c);
	support_call(&c, "Yield", json_pack("{s:I}", "token", (json_int_t)token), true);
	support_error(&c, "NotHolder");
	support_ask(&c, "SetBusy", json_pack("{s:I, s:b}", "token", (json_int_t)token, "busy", 1));
	port = support_list("modem0");
	ck_assert_ptr_null(json_object_get(json_object_get(port, "lease"), "busySince"));
	json_decref(port);
	support_close(&c);
	close(fd);
	calm_expect();
}
END_TEST

/* ---- who goes without having read ---- */

/* The kernel tells that end in another way. _i: it has sent more, which may not be read yet. */
START_TEST(waiter_who_goes_with_an_answer_unread_leaves_the_queue)
{
	struct support_client waiter;
	int64_t cpu;
	int fd = support_acquire("modem0", NULL);

	support_connect_stranger(&waiter);
	support_call(&waiter, "Acquire", json_pack("{s:s}", "port", "modem0"), true);
	if (_i > 0)
		support_call(&waiter, "List", NULL, false);
	support_wait_port("modem0", "held", 1);
	ck_assert(support_poll(waiter.socket, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
	support_close(&waiter);
	support_wait_port("modem0", "held", 0);
	cpu = bad_cpu_ms(support_broker());
	ck_assert(!support_poll(fd, 0, support_now_ms() + 300));
	ck_assert_int_lt(bad_cpu_ms(support_broker()) - cpu, 150);
	close(fd);
	calm_expect();
}
END_TEST

/* The same for who watches, and who monitors. */
START_TEST(subscribers_who_go_with_events_unread_leave_nothing)
{
	char call[128];
	int64_t cpu;
	uint64_t token;
	int i, sockets[3], fd = support_acquire("modem0", &token);

	snprintf(call, sizeof(call), MORE("Watch", "\"token\":%llu"), (unsigned long long)token);
	for (i = 0; i < 3; i++)
		sockets[i] = bad_connect();
	ck_assert(bad_send(sockets[0], call, strlen(call) + 1));
	ck_assert(bad_send(sockets[1], MORE("Monitor", ""), sizeof(MORE("Monitor", ""))));
	ck_assert(bad_send(sockets[2], MORE("List", ""), sizeof(MORE("List", ""))));
	for (i = 0; i < 3; i++) {
		ck_assert(bad_send(sockets[i], LIST, sizeof(LIST)));
		ck_assert(support_poll(sockets[i], POLLIN, support_now_ms() + SUPPORT_SOON_MS));
		close(sockets[i]);
	}
	cpu = bad_cpu_ms(support_broker());
	ck_assert(!support_poll(fd, 0, support_now_ms() + 300));
	ck_assert_int_lt(bad_cpu_ms(support_broker()) - cpu, 150);
	close(fd);
	calm_expect();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("bad_method");
	TCase *tcase = tcase_create("bad_method");

	tcase_add_checked_fixture(tcase, calm_begin, calm_end);
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, what_makes_no_sense_is_answered_and_nothing_has_changed);
	tcase_add_test(tcase, number_beyond_64_bits_is_cut_off);
	tcase_add_test(tcase, reason_of_a_disabled_port_is_escaped_and_bounded);
	tcase_add_test(tcase, plain_lease_neither_yields_nor_is_busy);
	tcase_add_loop_test(tcase, waiter_who_goes_with_an_answer_unread_leaves_the_queue, 0, 2);
	tcase_add_test(tcase, subscribers_who_go_with_events_unread_leave_nothing);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
