/*
 * test_e2e_limit.c - clients that want too much of a real comleased: connections, places in a queue,
 * replies that they do not read, its descriptors, its memory, its time. Each is told why, or cut off,
 * and everybody else is served as before.
 */
#include "bad.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LIST	     "{\"method\":\"io.comlease.List\"}"
#define CROWD	     90
#define ROOT_RESERVE 16 /* connections that root has beyond every limit */

static bool
is_served(int socket)
{
	const char *reply;

	if (!bad_send(socket, LIST, sizeof(LIST)))
		return false;
	reply = bad_hear(socket);
	return reply != NULL && strncmp(reply, "{\"parameters\":{\"ports\":[", 24) == 0;
}

/* Told why, without having asked, and closed. */
static void
expect_turned_away(int socket, const char *why)
{
	const char *message = bad_hear(socket);

	ck_assert_ptr_nonnull(message);
	ck_assert_msg(strstr(message, "io.comlease.QuotaExceeded") != NULL, "%s", message);
	ck_assert_msg(strstr(message, why) != NULL, "%s", message);
	bad_expect_cut(socket, SUPPORT_SOON_MS);
}

/* ---- replies that nobody reads ---- */

START_TEST(client_that_never_reads_is_cut_off)
{
	int socket;

	calm_begin();
	calm_watch();
	socket = bad_connect();
	while (bad_send(socket, LIST, sizeof(LIST)))
		;
	close(socket);
	support_log_wait("cut off: it does not read its replies");
	calm_expect_quick();
	calm_end();
}
END_TEST

/* A `more` stream that is not read ends too; what others do on the port costs it nothing. */
START_TEST(subscriber_that_never_reads_is_cut_off)
{
	static const char monitor[] = "{\"method\":\"io.comlease.Monitor\",\"more\":true}";
	int socket, size = 1;

	calm_begin();
	socket = bad_connect();
	ck_assert_int_eq(setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)), 0);
	ck_assert(bad_send(socket, monitor, sizeof(monitor)));
	ck_assert_ptr_nonnull(bad_hear(socket));
	for (int i = 0; support_log_count("cut off: it does not read") == 0; i += 20) {
		ck_assert_int_lt(i, 10000);
		for (int n = 0; n < 20; n++)
			close(support_acquire("modem0", NULL));
	}
	close(socket);
	calm_end();
}
END_TEST

/* ---- connections ---- */

static unsigned
of_this_user(unsigned limit)
{
	return limit + (geteuid() == 0 ? ROOT_RESERVE : 0);
}

static bool
new_one_is_served(void *unused)
{
	int socket = bad_connect();
	bool served = is_served(socket);

	(void)unused;
	close(socket);
	return served;
}

static void
fill_up(const char *section, unsigned limit, const char *why)
{
	int sockets[64];
	unsigned n;

	calm_begin_with(section);
	for (n = 0; n < of_this_user(limit); n++) {
		sockets[n] = bad_connect();
		ck_assert(is_served(sockets[n]));
	}
	for (int i = 0; i < 10; i++)
		expect_turned_away(bad_connect(), why);
	ck_assert(is_served(sockets[0]));
	close(sockets[--n]);
	bad_await(new_one_is_served, NULL, "a place is free again");
	while (n > 0)
		close(sockets[--n]);
	bad_await(new_one_is_served, NULL, "all places are free again");
	calm_end();
}

START_TEST(more_connections_than_a_user_may_have_are_turned_away)
{
	fill_up("[broker]\nmax-connections-per-user = 8\n", 8, "max-connections-per-user");
}
END_TEST

START_TEST(more_connections_than_all_may_have_are_turned_away)
{
	fill_up("[broker]\nmax-connections = 8\n", 8, "max-connections)");
}
END_TEST

static void
be_somebody_else(struct support_child *me, void *uid)
{
	if (setgroups(0, NULL) < 0 || setuid(*(uid_t *)uid) < 0)
		_exit(1);
	support_say(me, '.');
	while (support_poll(me->hear, POLLIN, support_now_ms() + SUPPORT_SOON_MS)) {
		char byte;

		if (read(me->hear, &byte, 1) != 1)
			return;
		close(support_acquire("modem0", NULL));
		support_say(me, '.');
	}
}

START_TEST(user_with_too_many_connections_does_not_lock_out_others)
{
	struct support_child other;
	int sockets[128];
	unsigned n, count = of_this_user(8);

	calm_begin_with("[broker]\nmax-connections-per-user = 8\nmode = 0666\n");
	support_fork(&other, be_somebody_else, &(uid_t){ 65534 }, -1);
	support_hear(&other);
	for (n = 0; n < count; n++)
		sockets[n] = bad_connect();
	expect_turned_away(bad_connect(), "max-connections-per-user");
	support_say(&other, '.');
	support_hear(&other);
	while (n > 0)
		close(sockets[--n]);
	support_finish(&other);
	bad_await(new_one_is_served, NULL, "a place is free again");
	calm_end();
}
END_TEST

/* ---- places in the queue ---- */

START_TEST(queue_takes_as_many_as_configured)
{
	struct support_client waiting[3], another;
	struct support_child other;
	int holder;

	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0") "max-waiters = 3\n");
	/* Somebody else holds it: our own requests would join our lease. */
	support_fork(&other, bad_hold, (void *)(uintptr_t) "modem0", -1);
	support_hear(&other);
	for (int i = 0; i < 3; i++)
		support_queue(&waiting[i], "modem0", NULL);
	support_connect(&another);
	support_call(&another, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	ck_assert_ptr_nonnull(strstr(support_string(support_error(&another, "QueueFull"),
						    "message", NULL),
				     "modem0: 3 wait already, as many as max-waiters allows"));
	support_close(&waiting[1]);
	support_wait_port("modem0", "held", 2);
	support_call(&another, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	support_wait_port("modem0", "held", 3);
	support_close(&waiting[0]);
	support_close(&waiting[2]);
	support_finish(&other);
	support_reply(&another);
	holder = support_take(&another);
	support_close(&another);
	close(holder);
	support_end();
}
END_TEST

/* ---- descriptors ---- */

static void
limit_broker(int resource, rlim_t limit)
{
	struct rlimit now;

	ck_assert_int_eq(prlimit(support_broker(), (enum __rlimit_resource)resource, NULL, &now), 0);
	now.rlim_cur = limit;
	ck_assert_int_eq(prlimit(support_broker(), (enum __rlimit_resource)resource, &now, NULL), 0);
}

static rlim_t
limit_of_broker(int resource)
{
	struct rlimit now;

	ck_assert_int_eq(prlimit(support_broker(), (enum __rlimit_resource)resource, NULL, &now), 0);
	return now.rlim_cur;
}

/* What the broker uses in a second in which a crowd wants in. */
static void
expect_no_spinning(void)
{
	pid_t broker = support_broker();
	int64_t before = bad_cpu_ms(broker);

	poll(NULL, 0, 1000); /* what is measured */
	ck_assert_int_lt(bad_cpu_ms(broker) - before, 150);
}

/* It has ROOM for more, and keeps some of that for what those who are in are granted. */
#define ROOM 60

START_TEST(crowd_that_uses_up_the_descriptors_is_turned_away_and_others_are_granted)
{
	struct support_client client;
	int sockets[CROWD], told = 0;
	json_t *reply;
	rlim_t limit;

	calm_begin();
	limit = limit_of_broker(RLIMIT_NOFILE);
	support_connect(&client);
	support_ask(&client, "List", NULL);
	limit_broker(RLIMIT_NOFILE, (rlim_t)support_count_fds(support_broker()) + ROOM);
	for (int i = 0; i < CROWD; i++)
		sockets[i] = bad_connect();
	expect_no_spinning();
	for (int i = 0; i < CROWD; i++)
		told += support_poll(sockets[i], POLLIN, 0);
	ck_assert_int_ge(told, CROWD - ROOM);
	expect_turned_away(sockets[CROWD - 1], "no descriptor left");
	/* Who is in gets a port all the same. */
	reply = support_ask(&client, "Acquire", json_pack("{s:s}", "port", "modem0"));
	ck_assert_int_gt(support_int(reply, "lease", "token", NULL), 0);
	close(support_take(&client));
	support_close(&client);
	for (int i = 0; i < CROWD - 1; i++)
		close(sockets[i]);
	limit_broker(RLIMIT_NOFILE, limit);
	bad_await(new_one_is_served, NULL, "a place is free again");
	calm_end();
}
END_TEST

/* None at all: not for a connection, and not for a lease. */
START_TEST(broker_without_a_descriptor_goes_on)
{
	struct support_client client;
	int sockets[CROWD];
	rlim_t limit;

	calm_begin();
	limit = limit_of_broker(RLIMIT_NOFILE);
	support_connect(&client);
	support_ask(&client, "List", NULL);
	limit_broker(RLIMIT_NOFILE, 3);
	for (int i = 0; i < CROWD; i++)
		sockets[i] = bad_connect();
	support_call(&client, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	ck_assert_ptr_nonnull(strstr(
	    support_string(support_error(&client, "OpenFailed"), "message", NULL), "no descriptor"));
	support_ask(&client, "List", NULL);
	expect_no_spinning();
	limit_broker(RLIMIT_NOFILE, limit);
	for (int i = 0; i < CROWD; i++)
		close(sockets[i]);
	support_ask(&client, "Acquire", json_pack("{s:s}", "port", "modem0"));
	close(support_take(&client));
	support_close(&client);
	bad_await(new_one_is_served, NULL, "a place is free again");
	calm_end();
}
END_TEST

/* ---- memory ---- */

static rlim_t
address_space(void)
{
	char path[64];
	long pages = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%ld/statm", (long)support_broker());
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%ld", &pages), 1);
	fclose(f);
	return (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE);
}

START_TEST(broker_without_memory_goes_on)
{
	static char bytes[VARLINK_REQUEST_BYTES_MAX];
	int sockets[CROWD], cut = 0;
	rlim_t limit;

	calm_begin();
	limit = limit_of_broker(RLIMIT_AS);
	limit_broker(RLIMIT_AS, address_space() + 256 * 1024);
	memset(bytes, ' ', sizeof(bytes));
	for (int i = 0; i < CROWD; i++) {
		sockets[i] = bad_connect();
		bad_send(sockets[i], bytes, sizeof(bytes));
	}
	support_log_wait("cut off: (no memory|Cannot allocate memory)");
	for (int i = 0; i < CROWD; i++) {
		cut += support_poll(sockets[i], POLLIN, 0);
		close(sockets[i]);
	}
	ck_assert_int_gt(cut, CROWD / 4);
	bad_await(new_one_is_served, NULL, "memory is there again");
	calm_expect();
	limit_broker(RLIMIT_AS, limit);
	calm_end();
}
END_TEST

/* ---- time ---- */

/* Asks, and reads nothing. */
static void
ask_and_sleep(struct support_child *me, void *unused)
{
	struct support_client c;

	(void)unused;
	support_connect(&c);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), false);
	support_say(me, '.');
	support_poll(me->hear, POLLIN, support_now_ms() + SUPPORT_SOON_MS);
	support_close(&c);
}

START_TEST(place_of_a_stopped_client_is_given_on_if_others_wait)
{
	struct support_child first, stopped;
	int64_t begin;
	int fd;

	calm_begin();
	support_fork(&first, bad_hold, (void *)(uintptr_t) "modem0", -1);
	support_hear(&first);
	support_fork(&stopped, ask_and_sleep, NULL, -1);
	support_hear(&stopped);
	support_wait_port("modem0", "held", 1);
	ck_assert_int_eq(kill(stopped.pid, SIGSTOP), 0);
	begin = support_now_ms();
	support_finish(&first);
	fd = support_acquire("modem0", NULL);
	ck_assert_int_ge(support_now_ms() - begin, 4900);
	ck_assert_int_lt(support_now_ms() - begin, 8000);
	support_log_wait("cut off: it was granted a port and does not take it");
	support_log_wait("end port=modem0 .*reason=expired");
	close(fd);
	ck_assert_int_eq(kill(stopped.pid, SIGCONT), 0);
	support_finish(&stopped);
	calm_end();
}
END_TEST

/* ---- the log ---- */

/* Into a pipe that nobody reads any more. */
static void
start_with_pipe(struct support_child *broker)
{
	char command[512], conf[512];
	int fd = open(support_path("conf"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	snprintf(conf, sizeof(conf), "[port modem0]\ndevice = %s\nhangup-ms = 0\n%s",
		 support_path("modem0"), support_can_revoke() ? "" : "revocation = none\n");
	ck_assert_int_eq(write(fd, conf, strlen(conf)), (ssize_t)strlen(conf));
	close(fd);
	snprintf(command, sizeof(command),
		 "exec \"$BUILD/comleased\" -v -c '%s' -s '%s' --state-dir '%s' 2>&1",
		 support_path("conf"), support_socket, support_path("state"));
	support_exec(broker, (const char *const[]){ "/bin/sh", "-c", command, NULL });
	while (strstr(support_hear_line(broker), "start socket=") == NULL)
		;
}

/* Lines are dropped: what is logged does not arrive. */
static bool
is_full(void *broker)
{
	int pipe = ((struct support_child *)broker)->hear, before = bad_pipe_bytes(pipe);

	for (int i = 0; i < 8; i++) { /* each of which is logged */
		int socket = bad_connect();

		bad_send(socket, "", 1);
		bad_expect_cut(socket, SUPPORT_SOON_MS);
	}
	return bad_pipe_bytes(pipe) == before;
}

START_TEST(log_that_nobody_reads_stops_nobody)
{
	struct support_child broker;
	int64_t begin;
	int modem, fd, status;

	support_begin();
	modem = support_plug("modem0");
	start_with_pipe(&broker);
	ck_assert_int_gt(fcntl(broker.hear, F_SETPIPE_SZ, 4096), 0);
	bad_await(is_full, &broker, "the pipe is full");
	begin = support_now_ms();
	for (int i = 0; i < 20; i++) {
		fd = support_acquire("modem0", NULL);
		support_expect_line(fd, modem);
		close(fd);
	}
	ck_assert_int_lt(support_now_ms() - begin, 2000);
	ck_assert_int_eq(kill(broker.pid, SIGTERM), 0);
	status = support_reap(&broker);
	ck_assert_int_eq(status, 0);
	ck_assert_int_lt(access(support_socket, F_OK), 0);
	support_end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("limit");
	TCase *tcase = tcase_create("limit");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, client_that_never_reads_is_cut_off);
	tcase_add_test(tcase, subscriber_that_never_reads_is_cut_off);
	tcase_add_test(tcase, more_connections_than_a_user_may_have_are_turned_away);
	tcase_add_test(tcase, more_connections_than_all_may_have_are_turned_away);
	support_add(tcase, user_with_too_many_connections_does_not_lock_out_others, geteuid() == 0,
		    "needs root, to be two users");
	tcase_add_test(tcase, queue_takes_as_many_as_configured);
	tcase_add_test(tcase,
		       crowd_that_uses_up_the_descriptors_is_turned_away_and_others_are_granted);
	tcase_add_test(tcase, broker_without_a_descriptor_goes_on);
#ifdef __SANITIZE_ADDRESS__
	support_add(tcase, broker_without_memory_goes_on, false, "AddressSanitizer needs terabytes");
#else
	tcase_add_test(tcase, broker_without_memory_goes_on);
#endif
	support_add(tcase, place_of_a_stopped_client_is_given_on_if_others_wait,
		    support_can_revoke(), "needs CAP_SYS_ADMIN, to take a port back");
	tcase_add_test(tcase, log_that_nobody_reads_stops_nobody);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
