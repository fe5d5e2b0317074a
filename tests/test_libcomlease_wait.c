/*
 * test_libcomlease_wait.c - the client library's wait: signals, deadlines, a broker that goes,
 * comes back, or is not there.
 */
#include "libcomlease_fixture.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- signals and time ---- */

static void
ignore_signal(int number)
{
	(void)number;
}

/* And again and again: the first one may come before the wait. */
static void
alarm_in(int ms, int flags)
{
	struct sigaction action = { .sa_handler = ignore_signal, .sa_flags = flags };
	struct itimerval timer = { .it_value = { .tv_usec = ms * 1000 },
				   .it_interval = { .tv_usec = ms * 1000 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static void
no_alarm(void)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ .it_value = { 0 } }, NULL);
}

START_TEST(a_signal_handler_ends_the_wait)
{
	fake.mode = FAKE_HOLD;
	alarm_in(100, 0);
	assert_fails(comlease_acquire(c, &request, NULL), EINTR);
	no_alarm();
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST

static int handled;

/* The first time it runs with SA_RESTART, the second time without. */
static void
handle_twice(int number)
{
	(void)number;
	if (++handled == 1)
		alarm_in(100, 0);
}

START_TEST(a_signal_handler_with_SA_RESTART_does_not)
{
	struct sigaction action = { .sa_handler = handle_twice, .sa_flags = SA_RESTART };
	struct itimerval timer = { .it_value = { .tv_usec = 100000 } };
	int64_t start_ms = library_now_ms();

	fake.mode = FAKE_HOLD;
	handled = 0;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
	assert_fails(comlease_acquire(c, &request, NULL), EINTR);
	no_alarm();
	ck_assert_int_eq(handled, 1);
	ck_assert_int_ge(library_now_ms() - start_ms, 200);
}
END_TEST

/* As the shim has it: signals are blocked but in the wait, and one has come meanwhile. */
START_TEST(a_signal_that_came_before_the_wait_ends_it)
{
	struct sigaction action = { .sa_handler = ignore_signal };
	sigset_t blocked, before;

	fake.mode = FAKE_HOLD;
	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	comlease_set_signals(c, &before);
	raise(SIGUSR1);
	assert_fails(comlease_acquire(c, &request, NULL), EINTR);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}
END_TEST

START_TEST(a_signal_handler_ends_the_look_for_a_broker)
{
	fake_down(&fake, true);
	alarm_in(100, SA_RESTART);
	assert_fails(comlease_acquire(c, &request, NULL), EINTR);
	no_alarm();
}
END_TEST

START_TEST(a_silent_broker_is_given_two_seconds_beyond_the_deadline)
{
	int64_t start_ms = library_now_ms();

	fake.mode = FAKE_HOLD;
	request.wait_ms = 100;
	assert_fails(comlease_acquire(c, &request, NULL), ETIMEDOUT);
	ck_assert_int_ge(library_now_ms() - start_ms, 2100);
	ck_assert_int_le(library_now_ms() - start_ms, 6000);
	ck_assert(fake_await(&fake.hung_up, 1));
}
END_TEST

/* ---- no broker ---- */

START_TEST(no_broker_is_told_at_once_where_nobody_waits)
{
	int64_t start_ms = library_now_ms();

	fake_down(&fake, _i == 0);
	request.wait_ms = 0;
	assert_fails(comlease_acquire(c, &request, NULL), ECONNREFUSED);
	request.wait_ms = COMLEASE_FOREVER;
	request.reconnect_ms = 0;
	assert_fails(comlease_acquire(c, &request, NULL), ECONNREFUSED);
	assert_fails(comlease_list(c, &(struct comlease_port *){ 0 }, &(size_t){ 0 }),
		     ECONNREFUSED);
	ck_assert_int_le(library_now_ms() - start_ms, 3000); /* a look takes 30 s */
	ck_assert_ptr_nonnull(strstr(comlease_error(c), "no broker"));
}
END_TEST

/* What goes on in a busy folder above that of the socket. */
static void *
make_noise(void *stop)
{
	while (!*(atomic_bool *)stop) {
		int fd = open("/tmp/comlease-noise", O_CREAT | O_RDWR | O_CLOEXEC, 0600);

		close(fd);
		unlink("/tmp/comlease-noise");
		usleep(10000);
	}
	return NULL;
}

START_TEST(the_deadline_holds_while_looking_for_a_broker)
{
	struct rusage before, after;
	atomic_bool stop = false;
	int64_t start_ms;
	pthread_t noise;

	fake_down(&fake, true);
	pthread_create(&noise, NULL, make_noise, &stop);
	getrusage(RUSAGE_THREAD, &before);
	if (_i == 0)
		request.wait_ms = 1500;
	else
		request.reconnect_ms = 1500;
	start_ms = library_now_ms();
	assert_fails(comlease_acquire(c, &request, NULL), ECONNREFUSED);
	getrusage(RUSAGE_THREAD, &after);
	stop = true;
	pthread_join(noise, NULL);
	ck_assert_int_ge(library_now_ms() - start_ms, 1500);
	ck_assert_int_le(library_now_ms() - start_ms, 6000);
	ck_assert_int_le(after.ru_nvcsw - before.ru_nvcsw, 30); /* no polling */
}
END_TEST

struct restart {
	int after_ms;
	int away_ms;
	bool remove_socket, remove_folder;
};

/* By an inotify of this process: what appears in it is not come upon by looking now and then. */
static bool
is_watched(const char *folder)
{
	char path[64], line[256];
	unsigned long inode;
	bool found = false;
	struct stat st;
	FILE *f;
	int fd;

	ck_assert_int_eq(stat(folder, &st), 0);
	for (fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		f = fopen(path, "re");
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			if (sscanf(line, "inotify wd:%*x ino:%lx", &inode) == 1)
				found |= inode == st.st_ino;
		if (f != NULL)
			fclose(f);
	}
	return found;
}

static void *
restart_broker(void *context)
{
	const struct restart *restart = context;

	ck_assert(fake_await(&fake.acquires, 1));
	usleep((useconds_t)restart->after_ms * 1000);
	fake_down(&fake, restart->remove_socket || restart->remove_folder);
	if (restart->remove_folder)
		rmdir(fake.folder);
	fake.mode = FAKE_GRANT;
	usleep((useconds_t)restart->away_ms * 1000);
	ck_assert(is_watched(restart->remove_folder ? "/tmp" : fake.folder));
	if (restart->remove_folder)
		mkdir(fake.folder, 0700);
	fake_up(&fake);
	return NULL;
}

static const struct restart restarts[] = {
	{ 300, 200, true, false },
	{ 300, 200, false, false },
	{ 300, 1850, true, false },
	{ 300, 1850, true, true },
};

START_TEST(a_wait_survives_the_brokers_restart_with_its_original_waiting_time)
{
	struct restart restart = restarts[_i];
	int gone_ms = restart.after_ms + restart.away_ms, fd;
	pthread_t thread;

	fake.mode = FAKE_HOLD;
	request.wait_ms = 20000;
	pthread_create(&thread, NULL, restart_broker, &restart);
	fd = comlease_acquire(c, &request, NULL);
	pthread_join(thread, NULL);
	ck_assert_msg(fd >= 0, "%s", comlease_error(c));
	close(fd);
	ck_assert_int_eq(fake.acquires, 2);
	ck_assert_int_ge(fake_last_number(&fake, "waited"), gone_ms);
	ck_assert_int_le(fake_last_number(&fake, "wait"), 20000 - gone_ms);
	ck_assert_int_ge(fake_last_number(&fake, "wait") + fake_last_number(&fake, "waited"),
			 20000);
	ck_assert_int_le(fake_last_number(&fake, "wait") + fake_last_number(&fake, "waited"),
			 20000 + 1);
}
END_TEST

START_TEST(a_pollable_request_survives_the_brokers_restart)
{
	struct restart restart = restarts[0];
	pthread_t thread;
	int fd;

	fake.mode = FAKE_HOLD;
	pthread_create(&thread, NULL, restart_broker, &restart);
	ck_assert_int_eq(comlease_request(c, &request), 0);
	while ((fd = comlease_dispatch(c, NULL)) < 0 && errno == EAGAIN)
		poll(&(struct pollfd){ comlease_fd(c), comlease_events(c), 0 }, 1,
		     comlease_timeout_ms(c));
	pthread_join(thread, NULL);
	ck_assert_msg(fd >= 0, "%s", comlease_error(c));
	close(fd);
	ck_assert_int_ge(fake_last_number(&fake, "waited"), 500);
}
END_TEST

START_TEST(a_broker_that_hangs_up_again_and_again_is_not_hammered)
{
	fake.mode = FAKE_CLOSE;
	request.reconnect_ms = 1500;
	assert_fails(comlease_acquire(c, &request, NULL), ECONNREFUSED);
	ck_assert_int_ge(fake.acquires, 3);
	ck_assert_int_le(fake.acquires, 12);
}
END_TEST

START_TEST(no_permission_names_the_group_and_the_way_out)
{
	int status, pipe_fds[2];
	char text[512] = "";

	if (geteuid() != 0)
		return; /* needs another user */
	ck_assert_int_eq(chmod(fake.folder, 0755), 0);
	ck_assert_int_eq(chown(fake.path, 0, 20), 0);
	ck_assert_int_eq(chmod(fake.path, 0660), 0);
	ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
	if (fork() == 0) {
		if (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0)
			_exit(1);
		if (comlease_acquire(c, &request, NULL) != -1 || errno != EACCES)
			_exit(2);
		if (write(pipe_fds[1], comlease_error(c), strlen(comlease_error(c))) < 0)
			_exit(3);
		_exit(0);
	}
	ck_assert_int_gt(wait(&status), 0);
	ck_assert_int_eq(status, 0);
	ck_assert_int_gt(read(pipe_fds[0], text, sizeof(text) - 1), 0);
	ck_assert_ptr_nonnull(strstr(
	    text,
	    "/s: no permission: it belongs to group dialout and you are not in it; \"sudo adduser "
	    "nobody dialout\", then log in again"));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}
END_TEST

static void
add_time(TCase *tcase)
{
	tcase_add_test(tcase, a_signal_handler_ends_the_wait);
	tcase_add_test(tcase, a_signal_that_came_before_the_wait_ends_it);
	tcase_add_test(tcase, a_signal_handler_with_SA_RESTART_does_not);
	tcase_add_test(tcase, a_signal_handler_ends_the_look_for_a_broker);
	tcase_add_test(tcase, a_silent_broker_is_given_two_seconds_beyond_the_deadline);
	tcase_add_loop_test(tcase, no_broker_is_told_at_once_where_nobody_waits, 0, 2);
	tcase_add_loop_test(tcase, the_deadline_holds_while_looking_for_a_broker, 0, 2);
	tcase_add_loop_test(tcase,
			    a_wait_survives_the_brokers_restart_with_its_original_waiting_time, 0,
			    sizeof(restarts) / sizeof(restarts[0]));
	tcase_add_test(tcase, a_pollable_request_survives_the_brokers_restart);
	tcase_add_test(tcase, a_broker_that_hangs_up_again_and_again_is_not_hammered);
	tcase_add_test(tcase, no_permission_names_the_group_and_the_way_out);
}

int
main(void)
{
	Suite *suite = suite_create("libcomlease_wait");
	SRunner *runner = srunner_create(suite);
	int failed;

	add_time(library_case(suite, "time"));
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
