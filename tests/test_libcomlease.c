/*
 * test_libcomlease.c - the client library against a broker that misbehaves on demand. What needs a
 * real broker (order, leases, turnaround) is tested end to end.
 */
#include "libcomlease_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- one answer ---- */

START_TEST(acquire_returns_the_descriptor_and_the_lease)
{
	struct comlease_lease lease = { .size = sizeof(lease) };
	int fd = comlease_acquire(c, &request, &lease);
	struct stat status;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fstat(fd, &status), 0);
	ck_assert_uint_eq(status.st_rdev, fake.rdev);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_uint_eq(lease.token, 17);
	ck_assert_int_eq(lease.waited_ms, 340);
	ck_assert_str_eq(lease.port, "modem0");
	ck_assert_str_eq(lease.device, fake.device);
	ck_assert_str_eq(comlease_error(c), "");
	ck_assert_int_eq(fake_last_number(&fake, "wait"), -1);
	ck_assert_int_eq(fake_last_number(&fake, "waited"), -1);
	close(fd);
}
END_TEST

START_TEST(a_small_lease_structure_is_not_overrun)
{
	struct {
		struct comlease_lease lease;
	} small;
	int fd;

	memset(&small, 0x55, sizeof(small));
	small.lease.size = offsetof(struct comlease_lease, port);
	fd = comlease_acquire(c, &request, &small.lease);
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(small.lease.token, 17);
	ck_assert_int_eq(small.lease.port[0], 0x55);
	close(fd);
}
END_TEST

START_TEST(a_request_says_all_that_was_asked_for)
{
	char text[64];
	int fd;

	request.port = NULL;
	request.device = fake.device;
	request.rdev = fake.rdev;
	request.wait_ms = 5000;
	request.priority = -7;
	request.label = "night run";
	request.key = "0123456789abcdef0123456789abcdef";
	fd = comlease_acquire(c, &request, NULL);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert_int_eq(fake_last_number(&fake, "rdev"), (json_int_t)fake.rdev);
	ck_assert_int_eq(fake_last_number(&fake, "priority"), -7);
	ck_assert_int_le(fake_last_number(&fake, "wait"), 5000);
	ck_assert_int_gt(fake_last_number(&fake, "wait"), 4000);
	fake_last_text(&fake, "label", text, sizeof(text));
	ck_assert_str_eq(text, "night run");
	fake_last_text(&fake, "key", text, sizeof(text));
	ck_assert_str_eq(text, request.key);
	fake_last_text(&fake, "port", text, sizeof(text));
	ck_assert_str_eq(text, "");
}
END_TEST

START_TEST(a_null_connection_makes_one_for_the_call)
{
	int fd;

	setenv("COMLEASE_SOCKET", fake.path, 1);
	fd = comlease_acquire(NULL, &request, NULL);
	ck_assert_int_ge(fd, 0);
	close(fd);
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST

static const struct {
	const char *name;
	int error;
} typed_errors[] = {
	{ "io.comlease.NoSuchPort", ENOENT },
	{ "io.comlease.Busy", EBUSY },
	{ "io.comlease.TimedOut", ETIMEDOUT },
	{ "io.comlease.Absent", ENODEV },
	{ "io.comlease.OpenFailed", EIO },
	{ "io.comlease.Revoked", ESTALE },
	{ "io.comlease.NotHolder", EPERM },
	{ "io.comlease.Deadlock", EDEADLK },
	{ "io.comlease.QueueFull", ENOSPC },
	{ "io.comlease.QuotaExceeded", EDQUOT },
	{ "io.comlease.NotRevocable", ENOTSUP },
	{ "io.comlease.NoSuchWaiter", ESRCH },
	{ "io.comlease.NotForeign", ESRCH },
	{ "org.varlink.service.PermissionDenied", EPERM },
	{ "org.varlink.service.InvalidParameter", EINVAL },
	{ "org.varlink.service.MethodNotFound", ENOSYS },
	{ "io.example.Unheard", EPROTO },
};

START_TEST(each_typed_error_has_its_errno_and_its_sentence)
{
	fake.mode = FAKE_ERROR;
	fake.error = typed_errors[_i].name;
	assert_fails(comlease_acquire(c, &request, NULL), typed_errors[_i].error);
	ck_assert_str_eq(comlease_error_name(c), typed_errors[_i].name);
	if (typed_errors[_i].error != EPERM || typed_errors[_i].name[0] == 'i')
		ck_assert_str_eq(comlease_error(c), "modem0: a sentence for people");
	ck_assert_int_eq(comlease_request(c, &request), 0);
	while (comlease_dispatch(c, NULL) < 0 && errno == EAGAIN)
		poll(&(struct pollfd){ comlease_fd(c), comlease_events(c), 0 }, 1, 1000);
	assert_fails(-1, typed_errors[_i].error);
	ck_assert_int_eq(fake.connections, 1);
}
END_TEST

START_TEST(no_such_port_names_those_that_there_are)
{
	request.port = "other";
	assert_fails(comlease_acquire(c, &request, NULL), ENOENT);
	ck_assert_str_eq(comlease_error(c), "other: no such port; there are: modem0");
}
END_TEST

START_TEST(a_quota_error_that_comes_before_the_call_is_understood)
{
	fake.mode = FAKE_QUOTA;
	assert_fails(comlease_acquire(c, &request, NULL), EDQUOT);
}
END_TEST

START_TEST(an_answer_that_is_none_is_EPROTO)
{
	static const int modes[] = { FAKE_GARBAGE, FAKE_NO_FD, FAKE_BOTH };

	fake.mode = modes[_i];
	assert_fails(comlease_acquire(c, &request, NULL), EPROTO);
	ck_assert_int_eq(comlease_socket(c), -1);
	fake.mode = FAKE_GRANT;
	close(comlease_acquire(c, &request, NULL));
	ck_assert_str_eq(comlease_error(c), "");
}
END_TEST

START_TEST(a_request_that_makes_no_sense_is_EINVAL)
{
	request.device = "/dev/x";
	assert_fails(comlease_acquire(c, &request, NULL), EINVAL);
	request.device = request.port = NULL;
	assert_fails(comlease_acquire(c, &request, NULL), EINVAL);
	request.port = "modem0";
	request.priority = 101;
	assert_fails(comlease_acquire(c, &request, NULL), EINVAL);
	request.priority = 0;
	request.label = "\xff";
	assert_fails(comlease_acquire(c, &request, NULL), EINVAL);
	ck_assert_int_eq(fake.acquires, 0);
}
END_TEST

/* ---- the pollable form ---- */

START_TEST(a_pollable_request_tells_why_it_waits_and_can_be_cancelled)
{
	struct comlease_waiting waiting;

	fake.mode = FAKE_HOLD;
	ck_assert_int_eq(comlease_request(c, &request), 0);
	ck_assert_int_eq(comlease_waiting(c, &waiting), -1);
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_int_eq(comlease_timeout_ms(c), -1);
	while (comlease_waiting(c, &waiting) < 0) {
		ck_assert_int_eq(comlease_dispatch(c, NULL), -1);
		ck_assert_int_eq(errno, EAGAIN);
		ck_assert_int_ge(comlease_fd(c), 0);
		poll(&(struct pollfd){ comlease_fd(c), comlease_events(c), 0 }, 1, 1000);
	}
	ck_assert_str_eq(waiting.port, "modem0");
	ck_assert_str_eq(waiting.state, "held");
	ck_assert_int_eq(waiting.ahead, 2);
	ck_assert_int_eq(waiting.holder.pid, 4711);
	ck_assert_str_eq(waiting.holder.command, "efax");
	ck_assert_int_eq(waiting.holder_since_ms, 1700000000000);
	assert_fails(comlease_request(c, &request), EALREADY);
	assert_fails(comlease_list(c, &(struct comlease_port *){ 0 }, &(size_t){ 0 }), EALREADY);
	comlease_cancel(c);
	ck_assert(fake_await(&fake.hung_up, 1));
	assert_fails(comlease_dispatch(c, NULL), EINVAL);
}
END_TEST

START_TEST(a_pollable_request_attaches_its_lease)
{
	struct comlease_lease lease = { .size = sizeof(lease) };
	int fd;

	ck_assert_int_eq(comlease_request(c, &request), 0);
	while ((fd = comlease_dispatch(c, &lease)) < 0 && errno == EAGAIN)
		poll(&(struct pollfd){ comlease_fd(c), comlease_events(c), 0 }, 1,
		     comlease_timeout_ms(c));
	ck_assert_int_ge(fd, 0);
	ck_assert_uint_eq(lease.token, 17);
	close(fd);
	close(comlease_acquire(c, &request, NULL)); /* the connection is free again */
	ck_assert_int_eq(fake.connections, 1);
}
END_TEST

/* ---- the rest ---- */

START_TEST(list_shows_each_port)
{
	struct comlease_port *ports;
	size_t count;

	ck_assert_int_eq(comlease_list(c, &ports, &count), 0);
	ck_assert_uint_eq(count, 1);
	ck_assert_str_eq(ports[0].name, "modem0");
	ck_assert_str_eq(ports[0].device, fake.device);
	ck_assert_str_eq(ports[0].state, "held");
	ck_assert_uint_eq(ports[0].rdev, fake.rdev);
	ck_assert_uint_eq(ports[0].token, 17);
	ck_assert_uint_eq(ports[0].waiting, 3);
	ck_assert_uint_eq(ports[0].holder.uid, 1000);
	ck_assert_ptr_null(ports[0].reason);
	comlease_list_free(ports, count);
	comlease_list_free(NULL, 0);
	ck_assert_str_eq(comlease_version(), COMLEASE_VERSION);
}
END_TEST

START_TEST(a_call_after_the_brokers_restart_connects_anew)
{
	ck_assert_int_eq(comlease_release(c, 17), 0);
	fake_down(&fake, true);
	fake_up(&fake);
	ck_assert_int_eq(comlease_release(c, 17), 0);
	fake.mode = FAKE_CLOSE;
	assert_fails(comlease_release(c, 17), ECONNRESET);
}
END_TEST

START_TEST(a_stream_ends_with_its_last_reply)
{
	json_t *reply;

	ck_assert_int_eq(comlease_call_more(c, "io.comlease.List", NULL), 0);
	assert_fails(comlease_call(c, "io.comlease.List", NULL, NULL), EALREADY);
	ck_assert_int_eq(comlease_next_reply(c, &reply, 5000), 1);
	json_decref(reply);
	assert_fails(comlease_next_reply(c, &reply, 0), EINVAL);
}
END_TEST

START_TEST(a_forked_child_does_not_end_its_parents_request)
{
	int status;

	fake.mode = FAKE_HOLD;
	ck_assert_int_eq(comlease_request(c, &request), 0);
	ck_assert(fake_await(&fake.acquires, 1));
	if (fork() == 0) {
		comlease_disconnect(c);
		_exit(0);
	}
	ck_assert_int_gt(wait(&status), 0);
	usleep(50000);
	ck_assert_int_eq(fake.hung_up, 0);
}
END_TEST

START_TEST(the_socket_is_found_by_the_environment)
{
	char folder[200], path[300];
	struct comlease *other;

	unsetenv("COMLEASE_SOCKET");
	if (access(COMLEASE_SOCKET_SYSTEM, F_OK) == 0)
		return;
	snprintf(folder, sizeof(folder), "%s/comlease", fake.folder);
	snprintf(path, sizeof(path), "%s/comlease.sock", folder);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	ck_assert_int_eq(symlink(fake.path, path), 0);
	setenv("XDG_RUNTIME_DIR", fake.folder, 1);
	other = comlease_connect(NULL);
	ck_assert_int_eq(comlease_release(other, 1), 0);
	ck_assert_str_eq(comlease_socket_path(other), path);
	comlease_disconnect(other);
	unlink(path);
	other = comlease_connect(NULL);
	ck_assert_int_eq(comlease_release(other, 1), -1);
	ck_assert_int_eq(errno, ECONNREFUSED);
	ck_assert_str_eq(comlease_socket_path(other), COMLEASE_SOCKET_SYSTEM);
	comlease_disconnect(other);
}
END_TEST

static void
add_answers(TCase *tcase)
{
	const int errors = sizeof(typed_errors) / sizeof(typed_errors[0]);

	tcase_add_test(tcase, acquire_returns_the_descriptor_and_the_lease);
	tcase_add_test(tcase, a_small_lease_structure_is_not_overrun);
	tcase_add_test(tcase, a_request_says_all_that_was_asked_for);
	tcase_add_test(tcase, a_null_connection_makes_one_for_the_call);
	tcase_add_loop_test(tcase, each_typed_error_has_its_errno_and_its_sentence, 0, errors);
	tcase_add_test(tcase, no_such_port_names_those_that_there_are);
	tcase_add_test(tcase, a_quota_error_that_comes_before_the_call_is_understood);
	tcase_add_loop_test(tcase, an_answer_that_is_none_is_EPROTO, 0, 3);
	tcase_add_test(tcase, a_request_that_makes_no_sense_is_EINVAL);
}

static void
add_rest(TCase *tcase)
{
	tcase_add_test(tcase, a_pollable_request_tells_why_it_waits_and_can_be_cancelled);
	tcase_add_test(tcase, a_pollable_request_attaches_its_lease);
	tcase_add_test(tcase, list_shows_each_port);
	tcase_add_test(tcase, a_call_after_the_brokers_restart_connects_anew);
	tcase_add_test(tcase, a_stream_ends_with_its_last_reply);
	tcase_add_test(tcase, a_forked_child_does_not_end_its_parents_request);
	tcase_add_test(tcase, the_socket_is_found_by_the_environment);
}

int
main(void)
{
	Suite *suite = suite_create("libcomlease");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_answers(library_case(suite, "answers"));
	add_rest(library_case(suite, "rest"));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
