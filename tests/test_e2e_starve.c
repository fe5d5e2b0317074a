/*
 * test_e2e_starve.c - a real comleased that runs out of something: descriptors, memory, readers of
 * its log. Whoever needs what is missing is told, and it goes on: it neither ends nor spins.
 */
#include "bad.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CROWD 90

/* ---- descriptors ---- */

static void
limit_broker(int resource, rlim_t limit)
{
	struct rlimit now;

	ck_assert_int_eq(prlimit(support_broker(), (enum __rlimit_resource)resource, NULL, &now),
			 0);
	now.rlim_cur = limit;
	ck_assert_int_eq(prlimit(support_broker(), (enum __rlimit_resource)resource, &now, NULL),
			 0);
}

static rlim_t
limit_of_broker(int resource)
{
	struct rlimit now;

	ck_assert_int_eq(prlimit(support_broker(), (enum __rlimit_resource)resource, NULL, &now),
			 0);
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
	bad_expect_turned_away(sockets[CROWD - 1], "no descriptor left");
	/* Who is in gets a port all the same. */
	reply = support_ask(&client, "Acquire", json_pack("{s:s}", "port", "modem0"));
	ck_assert_int_gt(support_int(reply, "lease", "token", NULL), 0);
	close(support_take(&client));
	support_close(&client);
	for (int i = 0; i < CROWD - 1; i++)
		close(sockets[i]);
	limit_broker(RLIMIT_NOFILE, limit);
	bad_await(bad_new_one_is_served, NULL, "a place is free again");
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
	ck_assert_ptr_nonnull(
	    strstr(support_string(support_error(&client, "OpenFailed"), "message", NULL),
		   "no descriptor"));
	support_ask(&client, "List", NULL);
	expect_no_spinning();
	limit_broker(RLIMIT_NOFILE, limit);
	for (int i = 0; i < CROWD; i++)
		close(sockets[i]);
	support_ask(&client, "Acquire", json_pack("{s:s}", "port", "modem0"));
	close(support_take(&client));
	support_close(&client);
	bad_await(bad_new_one_is_served, NULL, "a place is free again");
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
	bad_await(bad_new_one_is_served, NULL, "memory is there again");
	calm_expect();
	limit_broker(RLIMIT_AS, limit);
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

/* The lease comes, and there is no room for its descriptor. */
static void
acquire_without_room(struct support_child *me, void *unused)
{
	struct comlease_request request = COMLEASE_REQUEST_INIT;
	struct comlease *c = comlease_connect(support_socket);
	struct comlease_port *ports;
	struct rlimit limit;
	size_t count;

	(void)unused;
	request.port = "modem0";
	ck_assert_int_eq(comlease_list(c, &ports, &count), 0); /* connected */
	comlease_list_free(ports, count);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = (rlim_t)comlease_fd(c) + 1;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (dup(me->hear) >= 0)
		;
	errno = 0;
	ck_assert_int_eq(comlease_acquire(c, &request, NULL), -1);
	ck_assert_int_eq(errno, EMFILE);
	comlease_disconnect(c);
}

START_TEST(client_without_a_descriptor_is_told_and_the_lease_ends)
{
	struct support_child child;

	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	support_fork(&child, acquire_without_room, NULL, -1);
	support_finish(&child);
	support_log_expect("end port=modem0", 1);
	support_end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("starve");
	TCase *tcase = tcase_create("starve");

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase,
		       crowd_that_uses_up_the_descriptors_is_turned_away_and_others_are_granted);
	tcase_add_test(tcase, broker_without_a_descriptor_goes_on);
#ifdef __SANITIZE_ADDRESS__
	support_add(tcase, broker_without_memory_goes_on, false,
		    "AddressSanitizer needs terabytes");
#else
	tcase_add_test(tcase, broker_without_memory_goes_on);
#endif
	tcase_add_test(tcase, log_that_nobody_reads_stops_nobody);
	tcase_add_test(tcase, client_without_a_descriptor_is_told_and_the_lease_ends);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
