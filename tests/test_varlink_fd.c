/*
 * test_varlink_fd.c - descriptors in the Varlink codec: each comes with its message or is refused,
 * and none is ever left open.
 */
#include "varlink_pair.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* ---- descriptors that a client receives ---- */

START_TEST(descriptor_is_received_with_the_message_that_it_was_sent_with)
{
	int ends[2], fd;
	json_t *messages[3];

	make_pipe(ends);
	for (int i = 0; i < 3; i++) {
		messages[i] = json_pack("{s:i}", "n", i);
		ck_assert_int_eq(varlink_queue(&broker, messages[i], i == 1 ? ends[1] : -1), 0);
		json_decref(messages[i]);
	}
	ck_assert_int_eq(varlink_flush(&broker), 0);
	ck_assert_int_eq(broker.out_fd, -1);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(varlink_receive(&client), 0);
		fd = expect(&client, i, i == 1);
		if (i != 1)
			continue;
		ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
		ck_assert(is_open_elsewhere(ends[0]));
		close(fd);
		ck_assert(is_closed_elsewhere(ends[0]));
	}
	close(ends[0]);
}
END_TEST

START_TEST(descriptor_waits_in_a_long_queue_for_its_message)
{
	char *text = long_message(4000);
	json_t *plain = json_loads(text, 0, NULL), *marked = json_pack("{s:i}", "n", 8);
	int ends[2], fd, with_fd = 0;

	/* A descriptor far behind in a queue whose sent part is dropped again and again. */
	make_pipe(ends);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(varlink_queue(&broker, plain, -1), 0);
	ck_assert_int_eq(varlink_queue(&broker, marked, ends[1]), 0);
	for (int taken = 0; taken < 600; taken++) {
		json_t *got;
		int r;

		ck_assert(varlink_flush(&broker) >= 0);
		if (taken < 299)
			ck_assert_int_eq(varlink_queue(&broker, plain, -1), 0);
		while ((r = varlink_next(&client, &got, &fd)) == VARLINK_AGAIN)
			ck_assert_int_eq(varlink_receive(&client), 0);
		ck_assert_int_eq(r, 0);
		ck_assert(json_equal(got, taken == 300 ? marked : plain));
		ck_assert((fd >= 0) == (taken == 300));
		json_decref(got);
		if (fd >= 0)
			close(fd);
		with_fd += fd >= 0;
	}
	ck_assert_int_eq(with_fd, 1);
	ck_assert_uint_eq(varlink_unsent(&broker), 0);
	close(ends[0]);
	json_decref(plain);
	json_decref(marked);
	free(text);
}
END_TEST

START_TEST(descriptor_stays_with_a_message_that_arrives_in_pieces)
{
	static const char text[] = "{\"n\":4}";
	int ends[2];

	make_pipe(ends);
	SEND(pair[0], "{\"n\":3}");
	send_raw(pair[0], text, 1, &ends[1], 1, 0);
	close(ends[1]);
	send_raw(pair[0], text + 1, 3, NULL, 0, 0);
	ck_assert_int_eq(varlink_receive(&client), 0);
	expect(&client, 3, false);
	ck_assert_int_eq(receive_all(&client), VARLINK_AGAIN);
	expect_none(&client);
	send_raw(pair[0], text + 4, 4, NULL, 0, 0);
	ck_assert_int_eq(varlink_receive(&client), 0);
	close(expect(&client, 4, true));
	ck_assert(is_closed_elsewhere(ends[0]));
	close(ends[0]);
}
END_TEST

START_TEST(descriptor_that_nobody_takes_is_closed)
{
	int ends[2];
	json_t *message;

	make_pipe(ends);
	if (_i == 1)
		SEND_WITH(pair[0], "{\"n\":1", &ends[1], 1);
	else
		SEND_WITH(pair[0], "{\"n\":1}", &ends[1], 1);
	close(ends[1]);
	ck_assert_int_eq(varlink_receive(&client), 0);
	ck_assert(is_open_elsewhere(ends[0]));
	if (_i == 0)
		ck_assert_int_eq(varlink_next(&client, &message, NULL), -EPROTO);
	else if (_i == 1)
		ck_assert_int_eq(varlink_next(&client, &message, &(int){ 0 }), -EBADMSG);
	else
		varlink_clear(&client);
	ck_assert(is_closed_elsewhere(ends[0]));
	close(ends[0]);
}
END_TEST

START_TEST(more_than_one_descriptor_is_an_error_and_none_stays)
{
	int ends[2], fds[8];

	make_pipe(ends);
	for (int i = 0; i < 8; i++)
		fds[i] = ends[1];
	SEND_WITH(pair[0], "{\"n\":1}", fds, (size_t)_i);
	close(ends[1]);
	ck_assert_int_eq(varlink_receive(&client), -EPROTO);
	ck_assert(is_closed_elsewhere(ends[0]));
	close(ends[0]);
}
END_TEST

START_TEST(descriptor_within_a_message_is_an_error)
{
	int ends[2];

	make_pipe(ends);
	send_raw(pair[0], "{", 1, &ends[1], (size_t)_i, 0);
	ck_assert_int_eq(varlink_receive(&client), 0);
	SEND_WITH(pair[0], "\"n\":1}", &ends[1], 1);
	close(ends[1]);
	ck_assert_int_eq(varlink_receive(&client), -EPROTO);
	varlink_clear(&client);
	ck_assert(is_closed_elsewhere(ends[0]));
	close(ends[0]);
}
END_TEST

START_TEST(descriptor_that_finds_no_room_in_the_process_is_emfile)
{
	struct rlimit limit, low;
	int ends[2], r;

	make_pipe(ends);
	SEND_WITH(pair[0], "{\"n\":1}", &ends[1], 1);
	close(ends[1]);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	r = varlink_receive(&client);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(r, -EMFILE);
	ck_assert(is_closed_elsewhere(ends[0]));
	close(ends[0]);
}
END_TEST

START_TEST(second_descriptor_in_the_queue_is_refused_and_closed)
{
	json_t *message = json_pack("{s:i}", "n", 1);
	int first[2], second[2];

	make_pipe(first);
	make_pipe(second);
	ck_assert_int_eq(varlink_queue(&broker, message, first[1]), 0);
	ck_assert_int_eq(varlink_queue(&broker, message, second[1]), -EBUSY);
	ck_assert(is_closed_elsewhere(second[0]));
	ck_assert_int_eq(varlink_flush(&broker), 0);
	ck_assert_int_eq(varlink_receive(&client), 0);
	close(expect(&client, 1, true));
	ck_assert(is_closed_elsewhere(first[0]));
	ck_assert_int_eq(varlink_receive(&client), VARLINK_AGAIN);
	ck_assert_int_eq(varlink_queue(&broker, message, open("/dev/null", O_CLOEXEC)), 0);
	close(first[0]);
	close(second[0]);
	json_decref(message);
}
END_TEST

/* ---- descriptors that the broker must refuse ---- */

START_TEST(broker_leaves_a_descriptor_in_the_socket)
{
	int ends[2], r;

	ck_assert(broker.peeks);
	make_pipe(ends);
	/* Alone, behind a message, within a message, out of band. */
	if (_i == 1)
		SEND(pair[1], "{\"n\":1}");
	if (_i == 2)
		send_raw(pair[1], "{", 1, NULL, 0, 0);
	if (_i == 3)
		ck_assert_int_eq(send_raw(pair[1], "x", 1, &ends[1], 1, MSG_OOB), 1);
	else
		SEND_WITH(pair[1], "{\"n\":2}", &ends[1], 1);
	if (_i == 3)
		SEND(pair[1], "{\"n\":3}");
	close(ends[1]);
	while ((r = varlink_receive(&broker)) == 0)
		;
	ck_assert_int_eq(r, -EPROTO);
	ck_assert_int_eq(varlink_receive(&broker), -EPROTO);
	ck_assert(is_open_elsewhere(ends[0]));
	close(pair[0]);
	pair[0] = -1;
	ck_assert(is_closed_elsewhere(ends[0]));
	close(ends[0]);
}
END_TEST

START_TEST(broker_never_reads_beyond_what_it_peeked)
{
	char *text = long_message(4096 + 4095);
	int ends[2], r;

	/* The first read would end just before the byte that has the descriptor; the kernel's peek
	 * (6.18) looks at what follows too, which is early, and not wrong. */
	make_pipe(ends);
	send_raw(pair[1], text, 4096, NULL, 0, 0);
	send_raw(pair[1], text + 4096, 4096, &ends[1], 1, 0);
	close(ends[1]);
	while ((r = varlink_receive(&broker)) == 0)
		;
	ck_assert_int_eq(r, -EPROTO);
	ck_assert_uint_le(broker.in_len, 4096);
	ck_assert(is_open_elsewhere(ends[0]));
	close(ends[0]);
	free(text);
}
END_TEST

START_TEST(kernel_that_refuses_descriptors_is_trusted)
{
	int off = 0, ends[2];

	if (setsockopt(pair[0], SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof(off)) < 0)
		return; /* before Linux 6.16 */
	varlink_init(&broker, pair[0], VARLINK_REQUEST_BYTES_MAX, false);
	ck_assert(!broker.peeks);
	make_pipe(ends);
	ck_assert_int_eq(send_raw(pair[1], "{", 1, &ends[1], 1, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_int_eq(send_raw(pair[1], "{", 1, &ends[1], 1, MSG_OOB), -1);
	ck_assert_int_eq(errno, EPERM);
	SEND(pair[1], "{\"n\":1}\0{\"n\":2}");
	ck_assert_int_eq(varlink_receive(&broker), 0);
	expect(&broker, 1, false);
	expect(&broker, 2, false);
	ck_assert_int_eq(varlink_receive(&broker), VARLINK_AGAIN);
	/* The other direction stays open. */
	SEND_WITH(pair[0], "{\"n\":3}", &ends[1], 1);
	ck_assert_int_eq(varlink_receive(&client), 0);
	close(expect(&client, 3, true));
	close(ends[0]);
	close(ends[1]);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("varlink_fd");
	TCase *t = tcase_create("sockets");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(t, pair_open, pair_close);
	tcase_add_test(t, descriptor_is_received_with_the_message_that_it_was_sent_with);
	tcase_add_test(t, descriptor_waits_in_a_long_queue_for_its_message);
	tcase_add_test(t, descriptor_stays_with_a_message_that_arrives_in_pieces);
	tcase_add_loop_test(t, descriptor_that_nobody_takes_is_closed, 0, 3);
	tcase_add_loop_test(t, more_than_one_descriptor_is_an_error_and_none_stays, 2, 9);
	tcase_add_loop_test(t, descriptor_within_a_message_is_an_error, 0, 2);
	tcase_add_test(t, descriptor_that_finds_no_room_in_the_process_is_emfile);
	tcase_add_test(t, second_descriptor_in_the_queue_is_refused_and_closed);
	tcase_add_loop_test(t, broker_leaves_a_descriptor_in_the_socket, 0, 4);
	tcase_add_test(t, broker_never_reads_beyond_what_it_peeked);
	tcase_add_test(t, kernel_that_refuses_descriptors_is_trusted);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
