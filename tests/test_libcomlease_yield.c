/*
 * test_libcomlease_yield.c - the client library lets a lease go and gets the port back, whatever
 * becomes of the broker meanwhile; and it looks for a broker in a loop of its caller's.
 */
#include "libcomlease_fixture.h"

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static int
dispatch(struct comlease_lease *lease)
{
	int fd;

	while ((fd = comlease_dispatch(c, lease)) < 0 && errno == EAGAIN)
		poll(&(struct pollfd){ comlease_fd(c), comlease_events(c), 0 }, 1,
		     comlease_timeout_ms(c));
	return fd;
}

START_TEST(a_yielded_port_comes_back_with_a_new_lease)
{
	struct comlease_lease lease = { .size = sizeof(lease) };
	int fd;

	request.standby = 1;
	fake.rising = true;
	if (_i == 0) {
		fd = comlease_yield(c, 17, &request, &lease);
	} else {
		ck_assert_int_eq(comlease_yield_request(c, 17, &request), 0);
		fd = dispatch(&lease);
	}
	ck_assert_msg(fd >= 0, "%s", comlease_error(c));
	close(fd);
	ck_assert_uint_eq(lease.token, 18);
	assert_call("Yield", 0, "{\"token\":17}");
	assert_call("Attach", 0, "{\"token\":18}");
	ck_assert_int_eq(fake.acquires, 0);
}
END_TEST

START_TEST(who_yields_learns_whom_he_waits_for_and_can_leave_the_queue)
{
	struct comlease_waiting waiting;

	fake.yield_mode = FAKE_HOLD;
	ck_assert_int_eq(comlease_yield_request(c, 17, &request), 0);
	while (comlease_waiting(c, &waiting) < 0) {
		poll(&(struct pollfd){ comlease_fd(c), comlease_events(c), 0 }, 1, 1000);
		comlease_dispatch(c, NULL);
	}
	ck_assert_str_eq(waiting.holder.command, "efax");
	comlease_cancel(c);
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST

START_TEST(a_lease_that_has_ended_is_acquired_anew)
{
	int fd;

	fake.yield_mode = FAKE_ERROR; /* Revoked */
	request.standby = 1;
	fd = comlease_yield(c, 17, &request, NULL);
	ck_assert_msg(fd >= 0, "%s", comlease_error(c));
	close(fd);
	ck_assert_str_eq(comlease_error(c), "");
	assert_call("Acquire", 0, "{\"port\":\"modem0\",\"standby\":true}");
	ck_assert_int_eq(fake.connections, 1);
}
END_TEST

START_TEST(the_deadline_of_a_yield_is_the_librarys)
{
	int64_t start_ms = library_now_ms();

	fake.yield_mode = FAKE_HOLD;
	request.wait_ms = 300;
	assert_fails(comlease_yield(c, 17, &request, NULL), ETIMEDOUT);
	ck_assert_int_ge(library_now_ms() - start_ms, 300);
	ck_assert_int_lt(library_now_ms() - start_ms, 5000);
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST

/* The broker goes; whoever is there next grants. */
static void *
replace_broker(void *method)
{
	ck_assert(fake_await_calls(&fake, method, 1));
	usleep(300000);
	fake_down(&fake, true);
	fake.yield_mode = FAKE_GRANT;
	usleep(200000);
	fake_up(&fake);
	return NULL;
}

START_TEST(a_yield_that_was_taken_goes_on_as_an_acquire_with_its_waiting_time)
{
	pthread_t thread;
	int fd;

	fake.yield_mode = FAKE_HOLD;
	request.standby = 1;
	pthread_create(&thread, NULL, replace_broker, (void *)(uintptr_t) "Yield");
	fd = comlease_yield(c, 17, &request, NULL);
	pthread_join(thread, NULL);
	ck_assert_msg(fd >= 0, "%s", comlease_error(c));
	close(fd);
	ck_assert_int_eq(fake_calls(&fake, "Yield"), 1);
	ck_assert_int_eq(fake_calls(&fake, "Acquire"), 1);
	ck_assert_int_ge(fake_last_number(&fake, "waited"), 500);
	ck_assert_int_eq(fake_last_number(&fake, "standby"), 0); /* there, and no number */
}
END_TEST

START_TEST(a_yield_that_no_broker_has_taken_is_sent_again)
{
	int fd;

	fake_down(&fake, true);
	ck_assert_int_eq(comlease_yield_request(c, 17, &request), 0);
	fake_up(&fake);
	fd = dispatch(NULL);
	ck_assert_msg(fd >= 0, "%s", comlease_error(c));
	close(fd);
	ck_assert_int_eq(fake_calls(&fake, "Yield"), 1);
	ck_assert_int_eq(fake.acquires, 0);
	fake.yield_mode = FAKE_CLOSE; /* gone before it took it */
	request.reconnect_ms = 2000;
	assert_fails(comlease_yield(c, 18, &request, NULL), ECONNREFUSED);
	ck_assert_int_ge(fake_calls(&fake, "Yield"), 3);
	ck_assert_int_eq(fake.acquires, 0);
}
END_TEST

/* ---- looking for the broker in a loop of one's own ---- */

START_TEST(a_look_in_a_loop_finds_the_broker_when_it_comes)
{
	int turns = 0;

	ck_assert_int_eq(comlease_busy(c, 17, 1), 0);
	fake_down(&fake, true);
	ck_assert_int_eq(comlease_look_request(c, 0, COMLEASE_FOREVER), 0);
	assert_fails(comlease_look_request(c, 0, 0), EALREADY);
	ck_assert_int_eq(comlease_look_dispatch(c), -1);
	ck_assert_int_eq(errno, EAGAIN);
	fake_up(&fake);
	while (comlease_look_dispatch(c) < 0 && turns++ < 50) {
		ck_assert_int_eq(errno, EAGAIN);
		poll(&(struct pollfd){ comlease_fd(c), POLLIN, 0 }, 1, comlease_timeout_ms(c));
	}
	ck_assert_int_lt(turns, 20);
	ck_assert_int_eq(comlease_busy(c, 17, 1), 0);
	ck_assert_int_eq(comlease_look_request(c, 0, 0), 0);
	comlease_cancel(c);
}
END_TEST

static void
add_yield(TCase *tcase)
{
	tcase_add_loop_test(tcase, a_yielded_port_comes_back_with_a_new_lease, 0, 2);
	tcase_add_test(tcase, who_yields_learns_whom_he_waits_for_and_can_leave_the_queue);
	tcase_add_test(tcase, a_lease_that_has_ended_is_acquired_anew);
	tcase_add_test(tcase, the_deadline_of_a_yield_is_the_librarys);
	tcase_add_test(tcase, a_yield_that_was_taken_goes_on_as_an_acquire_with_its_waiting_time);
	tcase_add_test(tcase, a_yield_that_no_broker_has_taken_is_sent_again);
	tcase_add_test(tcase, a_look_in_a_loop_finds_the_broker_when_it_comes);
}

int
main(void)
{
	Suite *suite = suite_create("libcomlease_yield");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_yield(library_case(suite, "yield"));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
