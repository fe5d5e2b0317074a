/*
 * test_varlink.c - the Varlink codec over real sockets: frames, limits, sending.
 *
 * Descriptors are test_varlink_fd.c's subject, what a message says test_varlink_message.c's.
 */
#include "varlink_pair.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- frames ---- */

START_TEST(message_split_at_any_byte_arrives)
{
	static const char text[] = "{\"n\":1}\0{\"n\":22}";
	struct varlink *v = _i == 0 ? &broker : &client;
	int from = pair[_i == 0];

	for (size_t at = 1; at < sizeof(text); at++) {
		int taken = 0;

		for (size_t half = 0; half < 2; half++) {
			size_t len = half == 0 ? at : sizeof(text) - at;
			int r;

			send_raw(from, text + (half == 0 ? 0 : at), len, NULL, 0, 0);
			while ((r = varlink_receive(v)) == 0) {
				json_t *message;

				while (varlink_next(v, &message, NULL) == 0) {
					json_int_t n =
					    json_integer_value(json_object_get(message, "n"));

					ck_assert_int_eq(n, taken == 0 ? 1 : 22);
					taken++;
					json_decref(message);
				}
			}
			ck_assert_int_eq(r, VARLINK_AGAIN);
			ck_assert(varlink_is_partial(v) == (half == 0 && at != 8));
		}
		ck_assert_int_eq(taken, 2);
		ck_assert_ptr_null(v->in);
	}
}
END_TEST

START_TEST(broker_takes_several_messages_from_one_read)
{
	SEND(pair[1], "{\"n\":1}\0{\"n\":2}\0{\"n\":3}\0{\"n\":");
	ck_assert_int_eq(varlink_receive(&broker), 0);
	expect(&broker, 1, false);
	ck_assert(varlink_is_partial(&broker) == false); /* the literal's own NUL ends the rest */
	expect(&broker, 2, false);
	expect(&broker, 3, false);
	json_t *message;
	ck_assert_int_eq(varlink_next(&broker, &message, NULL), -EBADMSG);
	ck_assert_ptr_null(message);
	expect_none(&broker);
	ck_assert_ptr_null(broker.in);
	ck_assert_int_eq(varlink_receive(&broker), VARLINK_AGAIN);
	ck_assert_ptr_null(broker.in);
}
END_TEST

START_TEST(client_reads_one_message_at_a_time)
{
	SEND(pair[0], "{\"n\":1}\0{\"n\":2}");
	ck_assert_int_eq(varlink_receive(&client), 0);
	ck_assert_int_eq(varlink_receive(&client), VARLINK_FULL);
	expect(&client, 1, false);
	expect_none(&client);
	ck_assert_int_eq(varlink_receive(&client), 0);
	expect(&client, 2, false);
	ck_assert_int_eq(varlink_receive(&client), VARLINK_AGAIN);
}
END_TEST

START_TEST(message_of_exactly_the_limit_is_taken)
{
	char *text = long_message(VARLINK_REQUEST_BYTES_MAX);

	send_raw(pair[1], text, VARLINK_REQUEST_BYTES_MAX + 1, NULL, 0, 0);
	ck_assert_int_eq(receive_all(&broker), VARLINK_FULL);
	expect(&broker, 7, false);
	ck_assert_int_eq(varlink_receive(&broker), VARLINK_AGAIN);
	ck_assert_ptr_null(broker.in);
	free(text);
}
END_TEST

START_TEST(message_longer_than_the_limit_is_refused)
{
	char *text = long_message(VARLINK_REQUEST_BYTES_MAX + 1);

	/* With and without its NUL, and with a whole message before it. */
	if (_i == 2)
		SEND(pair[1], "{\"n\":1}");
	send_raw(pair[1], text, VARLINK_REQUEST_BYTES_MAX + 1 + (_i == 1), NULL, 0, 0);
	if (_i == 2) {
		ck_assert_int_eq(receive_all(&broker), VARLINK_FULL);
		expect(&broker, 1, false);
	}
	ck_assert_int_eq(receive_all(&broker), -EMSGSIZE);
	ck_assert_uint_le(broker.in_size, VARLINK_REQUEST_BYTES_MAX + 1);
	ck_assert_int_eq(varlink_receive(&broker), -EMSGSIZE);
	expect_none(&broker);
	free(text);
}
END_TEST

START_TEST(untaken_messages_fill_the_buffer_and_no_more)
{
	static const char text[] = "{\"n\":5}";
	const int count = 9000;
	char *all = malloc((size_t)count * sizeof(text));

	ck_assert_ptr_nonnull(all);
	for (int i = 0; i < count; i++)
		memcpy(all + (size_t)i * sizeof(text), text, sizeof(text));
	send_raw(pair[1], all, (size_t)count * sizeof(text), NULL, 0, 0);
	free(all);
	for (int taken = 0; taken < count;) {
		ck_assert_int_eq(receive_all(&broker), taken == 0 ? VARLINK_FULL : VARLINK_AGAIN);
		ck_assert_uint_eq(broker.in_size, VARLINK_REQUEST_BYTES_MAX + 1);
		for (int i = 0; i < count / 2; i++, taken++)
			expect(&broker, 5, false);
	}
	expect_none(&broker);
	ck_assert_ptr_null(broker.in);
}
END_TEST

START_TEST(end_is_clean_only_between_messages)
{
	if (_i == 0) {
		shutdown(pair[1], SHUT_WR);
		ck_assert_int_eq(varlink_receive(&broker), VARLINK_EOF);
		return;
	}
	SEND(pair[1], "{\"n\":1}");
	send_raw(pair[1], "{", (size_t)_i - 1, NULL, 0, 0);
	shutdown(pair[1], SHUT_WR);
	ck_assert_int_eq(varlink_receive(&broker), 0);
	ck_assert_int_eq(varlink_receive(&broker), _i == 1 ? VARLINK_EOF : -EPROTO);
	expect(&broker, 1, false);
	expect_none(&broker);
}
END_TEST

START_TEST(peer_that_left_our_message_unread_is_reported)
{
	json_t *message = json_object();

	ck_assert_int_eq(varlink_queue(&broker, message, -1), 0);
	ck_assert_int_eq(varlink_flush(&broker), 0);
	SEND(pair[1], "{\"n\":1}");
	close(pair[1]);
	pair[1] = dup(pair[0]);
	ck_assert_int_eq(varlink_receive(&broker), 0);
	expect(&broker, 1, false);
	ck_assert_int_eq(varlink_receive(&broker), -ECONNRESET);
	json_decref(message);
}
END_TEST

/* ---- sending ---- */

START_TEST(flush_to_a_peer_that_does_not_read_waits_and_goes_on)
{
	char *text = long_message(100000);
	json_t *message = json_loads(text, 0, NULL);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd, queued = 0, taken = 0, r;

	while ((r = varlink_flush(&broker)) == 0) {
		ck_assert_int_eq(varlink_queue(&broker, message, -1), 0);
		queued++;
	}
	ck_assert_int_eq(r, VARLINK_AGAIN);
	ck_assert_int_eq(varlink_queue(&broker, message, null), 0);
	while (taken < queued + 1) {
		r = varlink_flush(&broker);
		ck_assert(r == VARLINK_AGAIN || r == 0);
		ck_assert(receive_all(&client) > 0);
		json_t *got;
		if (varlink_next(&client, &got, &fd) == VARLINK_AGAIN)
			continue;
		ck_assert(json_equal(got, message));
		json_decref(got);
		ck_assert((fd >= 0) == (taken == queued));
		taken++;
	}
	close(fd);
	ck_assert_uint_eq(varlink_unsent(&broker), 0);
	ck_assert_ptr_null(broker.out);
	json_decref(message);
	free(text);
}
END_TEST

START_TEST(stream_that_never_empties_does_not_grow)
{
	char *text = long_message(4000);
	json_t *message = json_loads(text, 0, NULL), *got;
	size_t sent = 0, size_most = 0;

	while (sent < 5000) {
		/* Always much more than fits into the socket. */
		do {
			ck_assert_int_eq(varlink_queue(&broker, message, -1), 0);
			sent++;
			varlink_flush(&broker);
		} while (varlink_unsent(&broker) < 500000);
		for (int i = 0; i < 50; i++) {
			while (varlink_next(&client, &got, NULL) == VARLINK_AGAIN)
				if (varlink_receive(&client) == VARLINK_AGAIN)
					varlink_flush(&broker);
			ck_assert(json_equal(got, message));
			json_decref(got);
		}
		if (broker.out_size > size_most)
			size_most = broker.out_size;
	}
	ck_assert_uint_lt(size_most, 2500000);
	json_decref(message);
	free(text);
}
END_TEST

START_TEST(peer_that_has_gone_is_epipe_and_no_signal)
{
	json_t *message = json_object();
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (_i == 1) {
		ck_assert_int_eq(varlink_queue(&client, message, -1), 0);
		ck_assert_int_eq(varlink_flush(&client), 0);
	}
	close(pair[0]);
	pair[0] = -1;
	ck_assert_int_eq(varlink_queue(&client, message, null), 0);
	ck_assert_int_eq(varlink_flush(&client), -EPIPE);
	ck_assert_uint_eq(varlink_unsent(&client), 3);
	json_decref(message);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("varlink");
	TCase *t = tcase_create("sockets");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(t, pair_open, pair_close);
	tcase_add_loop_test(t, message_split_at_any_byte_arrives, 0, 2);
	tcase_add_test(t, broker_takes_several_messages_from_one_read);
	tcase_add_test(t, client_reads_one_message_at_a_time);
	tcase_add_test(t, message_of_exactly_the_limit_is_taken);
	tcase_add_loop_test(t, message_longer_than_the_limit_is_refused, 0, 3);
	tcase_add_test(t, untaken_messages_fill_the_buffer_and_no_more);
	tcase_add_loop_test(t, end_is_clean_only_between_messages, 0, 3);
	tcase_add_test(t, peer_that_left_our_message_unread_is_reported);
	tcase_add_test(t, flush_to_a_peer_that_does_not_read_waits_and_goes_on);
	tcase_add_test(t, stream_that_never_empties_does_not_grow);
	tcase_add_loop_test(t, peer_that_has_gone_is_epipe_and_no_signal, 0, 2);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
