/*
 * test_e2e_revoke.c - taking a port back, with a real comleased: whose descriptors die, when, and
 * who may do it. Where a port can't be taken back (an ordinary user) most of it is skipped.
 */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOBODY 65534
#define ROUNDS 40

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start("[broker]\nmode = 0666\n" SUPPORT_PORT("modem0"));
}

static json_t *
revocation(uint64_t token)
{
	json_t *parameters = json_pack("{s:s}", "port", "modem0");

	if (token != 0)
		json_object_set_new(parameters, "token", json_integer((json_int_t)token));
	return parameters;
}

static void
take_back(uint64_t token)
{
	struct support_client c;

	support_connect(&c);
	support_ask(&c, "Revoke", revocation(token));
	support_close(&c);
}

/* ---- what dies ---- */

START_TEST(revoked_descriptor_is_dead_when_revoke_is_answered)
{
	uint64_t token;
	int fd = support_acquire("modem0", &token), next;

	support_expect_line(fd, master);
	take_back(token);
	ck_assert(support_is_dead(fd));
	support_log_wait("end port=modem0 .*reason=revoked");
	next = support_acquire("modem0", NULL);
	support_expect_line(next, master);
	ck_assert(support_is_dead(fd));
	close(fd);
	support_expect_line(next, master);
	close(next);
}
END_TEST

START_TEST(descriptor_is_dead_once_the_end_is_logged)
{
	struct support_client c;
	int fd, i;

	for (i = 0; i < 20; i++) {
		fd = support_acquire("modem0", NULL);
		support_connect(&c);
		support_call(&c, "Revoke", revocation(0), false);
		support_log_wait("end port=modem0 .*reason=revoked");
		ck_assert(support_is_dead(fd));
		support_reply(&c);
		support_close(&c);
		close(fd);
	}
}
END_TEST

/* A process with a copy that blocks in read(): says what read() returned. */
static void
block_in_read(struct support_child *test, void *arg)
{
	int fd = *(int *)arg;
	char byte;
	ssize_t n;

	ck_assert_int_eq(fcntl(fd, F_SETFL, O_RDWR), 0);
	support_say(test, 'r');
	n = read(fd, &byte, 1);
	support_say(test, (char)('0' + n));
	ck_assert(support_is_dead(fd));
}

START_TEST(copy_in_another_process_dies_and_its_blocked_read_returns)
{
	int fd = support_acquire("modem0", NULL);
	struct support_child reader;

	support_fork(&reader, block_in_read, &fd, fd);
	ck_assert_int_eq(support_hear(&reader), 'r');
	ck_assert(support_is_quiet(&reader, 100));
	take_back(0);
	ck_assert_int_eq(support_hear(&reader), '0');
	support_finish(&reader);
	close(fd);
}
END_TEST

static void
send_fd(int socket, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec iov = { .iov_base = (char[]){ 'f' }, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };

	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.align), &fd, sizeof(int));
	ck_assert_int_eq(sendmsg(socket, &msg, 0), 1);
}

static int
receive_fd(int socket)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fd;

	ck_assert_int_eq(recvmsg(socket, &msg, MSG_CMSG_CLOEXEC), 1);
	memcpy(&fd, CMSG_DATA(&control.align), sizeof(int));
	return fd;
}

START_TEST(descriptor_in_flight_in_a_socket_dies)
{
	int pair[2], fd = support_acquire("modem0", NULL), next;

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	send_fd(pair[0], fd);
	close(fd);
	take_back(0);
	next = support_acquire("modem0", NULL);
	fd = receive_fd(pair[1]);
	ck_assert(support_is_dead(fd));
	support_expect_line(next, master);
	close(fd);
	close(next);
	close(pair[0]);
	close(pair[1]);
}
END_TEST

/* P1: when a grant arrives, no older descriptor works. All of them are kept. */
START_TEST(at_no_grant_does_an_older_descriptor_work)
{
	struct support_client waiters[ROUNDS], c;
	int fds[ROUNDS + 1], i, j;
	uint64_t token;

	fds[0] = support_acquire("modem0", &token);
	for (i = 0; i < ROUNDS; i++)
		support_queue(&waiters[i], "modem0", NULL);
	for (i = 0; i < ROUNDS; i++) {
		support_connect(&c);
		if (i % 2 == 0)
			support_call(&c, "Release", json_pack("{s:I}", "token", (json_int_t)token),
				     false);
		else
			support_call(&c, "Revoke", revocation(token), false);
		fds[i + 1] = support_granted(&waiters[i], &token);
		for (j = i; j >= 0 && j > i - 8; j--)
			ck_assert_msg(support_is_dead(fds[j]), "at grant %d descriptor %d works",
				      i + 1, j);
		support_expect_line(fds[i + 1], master);
		support_reply(&c);
		support_close(&c);
		support_close(&waiters[i]);
	}
	for (i = 0; i <= ROUNDS; i++)
		close(fds[i]);
}
END_TEST

START_TEST(release_cuts_off_the_copy_of_a_child)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct support_child holder;
	struct comlease *c = comlease_connect(support_socket);
	pid_t orphan;
	int64_t token;
	int fd;

	wish.port = "modem0";
	support_hold(&holder, &wish);
	token = support_held(&holder);
	support_say(&holder, 'f');
	orphan = (pid_t)support_number(support_hear_line(&holder), "forked ");
	ck_assert_int_gt(orphan, 0);
	support_say(&holder, 'c');
	support_expect_line_of(&holder, "closed");
	ck_assert_int_eq(comlease_release(c, (uint64_t)token), 0);
	support_log_wait("end port=modem0 .*reason=released");
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, master);
	ck_assert_int_eq(comlease_release(c, (uint64_t)token), -1);
	ck_assert_int_eq(errno, ESTALE);
	support_expect_line(fd, master);
	close(fd);
	comlease_disconnect(c);
	support_finish(&holder);
	support_reap_orphan(orphan);
}
END_TEST

/* ---- who may ---- */

START_TEST(revoke_with_a_stale_token_is_refused)
{
	uint64_t first, second;
	int fd = support_acquire("modem0", &first);
	struct support_client c;

	close(fd);
	fd = support_acquire("modem0", &second);
	support_connect(&c);
	support_call(&c, "Revoke", revocation(first), false);
	support_error(&c, "Revoked");
	support_expect_line(fd, master);
	close(fd);
	support_wait_port("modem0", "free", 0);
	support_call(&c, "Revoke", revocation(second), false);
	support_error(&c, "NotHolder");
	support_close(&c);
}
END_TEST

START_TEST(other_users_may_not_end_a_lease)
{
	struct support_client c;
	uint64_t token;
	int fd = support_acquire("modem0", &token);

	support_connect_as(&c, NOBODY);
	support_call(&c, "Revoke", revocation(0), false);
	support_error(&c, "org.varlink.service.PermissionDenied");
	support_call(&c, "Release", json_pack("{s:I}", "token", (json_int_t)token), false);
	support_error(&c, "org.varlink.service.PermissionDenied");
	support_close(&c);
	support_expect_line(fd, master);
	close(fd);
}
END_TEST

START_TEST(holders_user_and_root_may_end_his_lease)
{
	struct support_client holder, c;
	int fd;

	support_connect_as(&holder, NOBODY);
	support_ask(&holder, "Acquire", json_pack("{s:s}", "port", "modem0"));
	fd = support_take(&holder);
	support_connect_as(&c, NOBODY);
	support_ask(&c, "Revoke", revocation(0));
	ck_assert(support_is_dead(fd));
	close(fd);
	support_ask(&holder, "Acquire", json_pack("{s:s}", "port", "modem0"));
	fd = support_take(&holder);
	take_back(0);
	ck_assert(support_is_dead(fd));
	close(fd);
	support_close(&c);
	support_close(&holder);
}
END_TEST

/* ---- without the privilege ---- */

static void
begin_as_user(void)
{
	support_begin();
	if (geteuid() == 0)
		support_use_uid(NOBODY);
	master = support_plug("modem0");
	support_start("[broker]\nmode = 0666\n" SUPPORT_PORT("modem0"));
}

START_TEST(unprivileged_broker_says_that_it_can_not_take_a_port_back)
{
	struct support_client c, waiter;
	uint64_t token;
	int fd = support_acquire("modem0", &token);
	json_t *port = support_list("modem0");

	ck_assert(json_is_false(json_object_get(port, "revocable")));
	json_decref(port);
	support_connect(&c);
	support_call(&c, "Revoke", revocation(token), false);
	support_error(&c, "NotRevocable");
	support_call(&c, "Release", json_pack("{s:I}", "token", (json_int_t)token), false);
	support_error(&c, "NotRevocable");
	support_close(&c);
	support_queue(&waiter, "modem0", NULL);
	support_expect_line(fd, master);
	support_expect_silence(&waiter, 100);
	close(fd);
	fd = support_granted(&waiter, NULL);
	support_expect_line(fd, master);
	close(fd);
	support_close(&waiter);
}
END_TEST

int
main(void)
{
	static const char needs_root[] = "other users' processes need root";
	static const char needs_cap[] = "taking a port back needs CAP_SYS_ADMIN";
	Suite *s = suite_create("e2e_revoke");
	TCase *tc = tcase_create("revoke"), *user = tcase_create("user");
	bool able = support_can_revoke(), root = geteuid() == 0;

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, support_end);
	support_add(tc, revoked_descriptor_is_dead_when_revoke_is_answered, able, needs_cap);
	support_add(tc, descriptor_is_dead_once_the_end_is_logged, able, needs_cap);
	support_add(tc, copy_in_another_process_dies_and_its_blocked_read_returns, able, needs_cap);
	support_add(tc, descriptor_in_flight_in_a_socket_dies, able, needs_cap);
	support_add(tc, at_no_grant_does_an_older_descriptor_work, able, needs_cap);
	support_add(tc, release_cuts_off_the_copy_of_a_child, able, needs_cap);
	support_add(tc, revoke_with_a_stale_token_is_refused, true, NULL);
	support_add(tc, other_users_may_not_end_a_lease, root, needs_root);
	support_add(tc, holders_user_and_root_may_end_his_lease, able && root, needs_root);
	tcase_set_timeout(user, 60);
	tcase_add_checked_fixture(user, begin_as_user, support_end);
	tcase_add_test(user, unprivileged_broker_says_that_it_can_not_take_a_port_back);
	suite_add_tcase(s, tc);
	suite_add_tcase(s, user);
	return support_run(s);
}
