/*
 * test_spy_door.c - who may read along at a bridge, who is refused, and that nobody who knocks
 * holds it up.
 */
#include "spy_fixture.h"
#include "support.h"

#include "../client/bridge_spy_readers.h"
#include "../client/internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

#define LINGER_S 20

static bool old_kernel;

/* In front of libc's: a kernel before 6.16. */
int
setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	if (old_kernel && level == SOL_SOCKET && option == SO_PASSRIGHTS) {
		errno = ENOPROTOOPT;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, fd, level, option, value, size);
}

START_TEST(a_reader_can_write_nothing)
{
	spy_start(NULL);
	int reader = spy_greeted();
	ck_assert_int_eq(send(reader, "AT", 2, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	bridge_spy_data(spy, BRIDGE_FROM_DEVICE, "OK", 2);
	spy_expect(reader, SPY_WIRE_DATA, BRIDGE_FROM_DEVICE, "OK");
	bridge_spy_free(spy);
	close(reader);
}
END_TEST

START_TEST(who_has_written_before_he_was_let_in_is_thrown_out)
{
	spy_start(NULL);
	int reader = spy_reader();
	ck_assert_int_eq(send(reader, "AT", 2, MSG_NOSIGNAL), 2);
	ck_assert(!spy_next(reader));
	close(reader);
	close(spy_greeted());
	bridge_spy_free(spy);
}
END_TEST

/* A connection on loopback: *end is full and lingers, nobody reads *other. */
static void
make_lingering(int *end, int *other)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = LINGER_S };
	static const char bytes[65536];
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	*end = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(*end, (struct sockaddr *)&address, len), 0);
	*other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	ck_assert_int_ge(*other, 0);
	close(listener);
	ck_assert_int_eq(setsockopt(*end, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	while (send(*end, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static bool
send_descriptor(int socket, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec part = { .iov_base = (char[]){ 'x' }, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(int)),
			       .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(socket, &m, MSG_NOSIGNAL) == 1;
}

START_TEST(a_lingering_socket_that_is_sent_before_delays_nobody)
{
	int end, other, count = support_count_fds(getpid());

	old_kernel = true;
	spy_start(NULL);
	make_lingering(&end, &other);
	int stranger = spy_reader();
	ck_assert(send_descriptor(stranger, end));
	close(end); /* what is in flight is the last one */
	int64_t from_ms = comlease_now_ms();
	int reader = spy_greeted();
	close(stranger);
	ck_assert_int_lt(comlease_now_ms() - from_ms, LINGER_S * 1000 / 2);
	close(reader);
	close(other); /* with what it has not read: the other end lingers no longer */
	bridge_spy_free(spy);
	for (int i = 0; i < 1000 && support_count_fds(getpid()) > count; i++)
		usleep(10000); /* the end of a thread that is nobody's tells nothing */
}
END_TEST

START_TEST(the_ninth_reader_is_refused_until_another_one_goes)
{
	int readers[BRIDGE_SPY_READERS];

	spy_start(NULL);
	for (int i = 0; i < BRIDGE_SPY_READERS; i++)
		readers[i] = spy_greeted();
	int ninth = spy_reader();
	spy_expect(ninth, SPY_WIRE_REFUSED, SPY_WIRE_TOO_MANY, "");
	ck_assert(!spy_next(ninth));
	close(ninth);
	close(readers[3]);
	spy_round(-1); /* his end */
	readers[3] = spy_greeted();
	bridge_spy_free(spy);
	for (int i = 0; i < BRIDGE_SPY_READERS; i++)
		close(readers[i]);
}
END_TEST

START_TEST(another_user_is_refused)
{
	spy_start(NULL);
	/* the connection's credentials are those of the moment of connect() */
	ck_assert_int_eq(seteuid(65534), 0);
	int reader = spy_reader();
	ck_assert_int_eq(seteuid(0), 0);
	spy_expect(reader, SPY_WIRE_REFUSED, SPY_WIRE_NOT_ALLOWED, "");
	ck_assert(!spy_next(reader));
	close(reader);
	bridge_spy_free(spy);
}
END_TEST

START_TEST(root_may_read_along_at_a_users_bridge)
{
	spy_start(NULL);
	int reader = spy_reader();
	ck_assert_int_eq(seteuid(65534), 0); /* the bridge */
	spy_expect(reader, SPY_WIRE_HELLO, SPY_WIRE_VERSION, spy_port);
	bridge_spy_free(spy);
	ck_assert_int_eq(seteuid(0), 0);
	close(reader);
}
END_TEST

START_TEST(without_descriptors_the_bridge_does_not_turn_round_for_nothing)
{
	struct rlimit before, none;
	struct pollfd fds[BRIDGE_SPY_FDS];

	spy_start(NULL);
	int reader = spy_reader();
	int count = bridge_spy_poll(spy, fds);
	ck_assert_int_eq(poll(fds, (nfds_t)count, 0), 1);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	bridge_spy_take(spy, fds, count);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(bridge_spy_poll(spy, fds), 0);
	int timeout_ms = bridge_spy_timeout_ms(spy);
	ck_assert_int_gt(timeout_ms, 0);
	ck_assert_int_le(timeout_ms, 1000);
	spy_expect(reader, SPY_WIRE_HELLO, SPY_WIRE_VERSION, spy_port);
	close(reader);
	bridge_spy_free(spy);
}
END_TEST

START_TEST(a_word_that_is_no_ports_name_is_listened_for_by_nobody)
{
	struct pollfd fds[BRIDGE_SPY_FDS];
	int status;

	spy = bridge_spy_new("no/port", "LINK", "socket", NULL, &status);
	ck_assert_ptr_nonnull(spy);
	ck_assert_int_eq(bridge_spy_poll(spy, fds), 0);
	bridge_spy_free(spy);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spy_door");
	TCase *tc = support_case(suite, "door", spy_begin);
	bool root = geteuid() == 0;

	tcase_add_test(tc, a_reader_can_write_nothing);
	tcase_add_test(tc, who_has_written_before_he_was_let_in_is_thrown_out);
	tcase_add_test(tc, a_lingering_socket_that_is_sent_before_delays_nobody);
	tcase_add_test(tc, the_ninth_reader_is_refused_until_another_one_goes);
	support_add(tc, another_user_is_refused, root, "needs root");
	support_add(tc, root_may_read_along_at_a_users_bridge, root, "needs root");
	tcase_add_test(tc, without_descriptors_the_bridge_does_not_turn_round_for_nothing);
	tcase_add_test(tc, a_word_that_is_no_ports_name_is_listened_for_by_nobody);
	return support_run(suite);
}
