/*
 * test_notify.c - what notify.c makes of the variables of a service manager, hostile and broken
 * ones too. Each case runs in a child process: it is about descriptors 3, 4, ... and the
 * environment.
 */
#include "../broker/notify.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The children's asserts: the line is the exit status' to tell. */
#define must(what)                                                                                 \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			dprintf(2, "%s:%d: not true: %s\n", __FILE__, __LINE__, #what);            \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static const char *const variables[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID",
					 "LISTEN_FDS",    "LISTEN_PID",    "LISTEN_FDNAMES" };

/* Descriptors 3 to 3 + count - 1 are pipes, and no others are open. */
static void
open_fds(int count)
{
	int i, fds[2];

	close_range(3, ~0U, 0);
	for (i = 0; i < count; i++) {
		if (pipe(fds) < 0 || dup2(fds[0], 100 + i) < 0)
			_exit(1);
		close(fds[0]);
		close(fds[1]);
	}
	for (i = 0; i < count; i++)
		dup2(100 + i, 3 + i);
	close_range((unsigned)(3 + count), ~0U, 0);
}

static void
set_own_pid(const char *name)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", (int)getpid());
	setenv(name, text, 1);
}

static void
run(void (*body)(int), int i)
{
	int status;
	pid_t pid = fork();
	size_t v;

	if (pid == 0) {
		for (v = 0; v < sizeof(variables) / sizeof(variables[0]); v++)
			unsetenv(variables[v]);
		body(i);
		for (v = 0; v < sizeof(variables) / sizeof(variables[0]); v++)
			must(getenv(variables[v]) == NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ended with %#x", status);
}

/* ---- nothing is set ---- */

static void
nothing(int i)
{
	struct notify n;

	(void)i;
	open_fds(2);
	notify_begin(&n);
	must(n.socket == -1 && n.watchdog_ms == 0 && n.fd_count == 0);
	must(notify_take(&n, "") == -1 && notify_take(&n, "x") == -1);
	notify_tell(&n, "READY=1");
	notify_store(&n, "x", 3);
	notify_forget(&n, "x");
	notify_end(&n);
	must(fcntl(3, F_GETFD) == 0 && fcntl(4, F_GETFD) == 0); /* none of ours */
}

START_TEST(without_the_variables_nothing_happens)
{
	run(nothing, 0);
}
END_TEST

/* ---- LISTEN_FDS ---- */

static void
three_fds(int i)
{
	struct notify n;

	(void)i;
	open_fds(4);
	setenv("LISTEN_FDS", "3", 1);
	set_own_pid("LISTEN_PID");
	setenv("LISTEN_FDNAMES", "a:b:a", 1);
	notify_begin(&n);
	must(n.fd_count == 3);
	must(fcntl(3, F_GETFD) == FD_CLOEXEC && fcntl(5, F_GETFD) == FD_CLOEXEC);
	must(fcntl(6, F_GETFD) == 0);
	must(notify_take(&n, "b") == 4 && notify_take(&n, "b") == -1);
	must(notify_take(&n, "a") == 3 && notify_take(&n, "a") == 5 && notify_take(&n, "a") == -1);
	close(3);
	notify_end(&n);
	must(fcntl(4, F_GETFD) >= 0 && fcntl(5, F_GETFD) >= 0); /* taken */
}

START_TEST(descriptors_are_taken_by_name_and_close_on_exec)
{
	run(three_fds, 0);
}
END_TEST

static void
left_over(int i)
{
	struct notify n;

	(void)i;
	open_fds(2);
	setenv("LISTEN_FDS", "2", 1);
	set_own_pid("LISTEN_PID");
	notify_begin(&n);
	notify_end(&n);
	must(fcntl(3, F_GETFD) < 0 && fcntl(4, F_GETFD) < 0);
}

START_TEST(what_nobody_takes_is_closed)
{
	run(left_over, 0);
}
END_TEST

static const struct {
	const char *fds, *pid, *names; /* pid "=": our own; NULL: not set */
	size_t count;
	const char *name; /* that descriptor 4 then has; NULL: none */
} listen_cases[] = {
	{ "2", NULL, "a:b", 0, NULL }, /* inherited by mistake */
	{ "2", "1", "a:b", 0, NULL },
	{ "2", "", "a:b", 0, NULL },
	{ "2", "x", "a:b", 0, NULL },
	{ "2", "99999999999999999999", "a:b", 0, NULL },
	{ "2", "-1", "a:b", 0, NULL },
	{ "", "=", "a:b", 0, NULL },
	{ "0", "=", "a:b", 0, NULL },
	{ "-2", "=", "a:b", 0, NULL },
	{ "2x", "=", "a:b", 0, NULL },
	{ " 2", "=", "a:b", 0, NULL },
	{ "99999999999999999999", "=", "a:b", 0, NULL },
	{ "2147483648", "=", "a:b", 0, NULL },
	{ "2147483647", "=", "a:b", 2, "b" }, /* two are open */
	{ "3", "=", "a:b:c", 2, "b" },
	{ "2", "=", NULL, 2, "" },
	{ "2", "=", "", 2, "" },
	{ "2", "=", "a", 2, "" },
	{ "2", "=", "a:", 2, "" },
	{ "2", "=", ":::::", 2, "" },
	{ "2", "=", "a:b:c:d", 2, "b" },
	{ "2", "=", "a:\xff\x01\n", 2, "\xff\x01\n" },
};

static void
listen_case(int i)
{
	struct notify n;

	open_fds(2);
	setenv("LISTEN_FDS", listen_cases[i].fds, 1);
	if (listen_cases[i].names != NULL)
		setenv("LISTEN_FDNAMES", listen_cases[i].names, 1);
	if (listen_cases[i].pid != NULL && *listen_cases[i].pid == '=')
		set_own_pid("LISTEN_PID");
	else if (listen_cases[i].pid != NULL)
		setenv("LISTEN_PID", listen_cases[i].pid, 1);
	notify_begin(&n);
	must(n.fd_count == listen_cases[i].count);
	if (listen_cases[i].name != NULL)
		must(strcmp(n.fds[1].name, listen_cases[i].name) == 0);
	notify_end(&n);
	if (listen_cases[i].count == 0) /* they were not meant for us */
		must(fcntl(3, F_GETFD) == 0 && fcntl(4, F_GETFD) == 0);
}

START_TEST(promise_of_descriptors_is_checked)
{
	run(listen_case, _i);
}
END_TEST

static void
long_names(int i)
{
	char *names = malloc(100002);
	struct notify n;

	(void)i;
	open_fds(2);
	memset(names, 'x', 100001);
	names[100001] = '\0';
	names[100000 - NOTIFY_NAME_MAX] = ':';
	setenv("LISTEN_FDNAMES", names, 1);
	setenv("LISTEN_FDS", "2", 1);
	set_own_pid("LISTEN_PID");
	notify_begin(&n);
	must(n.fd_count == 2 && n.fds[0].name[0] == '\0');
	must(strlen(n.fds[1].name) == NOTIFY_NAME_MAX);
	free(names);
	notify_end(&n);
}

START_TEST(name_that_is_too_long_is_none)
{
	run(long_names, 0);
}
END_TEST

/* ---- WATCHDOG_USEC ---- */

static const struct {
	const char *us, *pid;
	uint64_t ms;
} watchdog_cases[] = {
	{ "30000000", NULL, 30000 },
	{ "30000000", "=", 30000 },
	{ "30000000", "1", 0 },
	{ "30000000", "x", 0 },
	{ "0", NULL, 0 },
	{ "999999", NULL, 0 },
	{ "1000000", NULL, 1000 },
	{ "", NULL, 0 },
	{ "-30000000", NULL, 0 },
	{ "30s", NULL, 0 },
	{ "99999999999999999999999", NULL, 0 },
	{ "9223372036854775807", NULL, 9223372036854775 },
	{ "18446744073709551615", NULL, 0 },
};

static void
watchdog_case(int i)
{
	struct notify n;

	open_fds(0);
	setenv("NOTIFY_SOCKET", "/nonexistent/notify", 1);
	setenv("WATCHDOG_USEC", watchdog_cases[i].us, 1);
	if (watchdog_cases[i].pid != NULL && *watchdog_cases[i].pid == '=')
		set_own_pid("WATCHDOG_PID");
	else if (watchdog_cases[i].pid != NULL)
		setenv("WATCHDOG_PID", watchdog_cases[i].pid, 1);
	notify_begin(&n);
	must(n.watchdog_ms == watchdog_cases[i].ms);
	notify_end(&n);
}

START_TEST(time_of_the_watchdog_is_checked)
{
	run(watchdog_case, _i);
}
END_TEST

/* ---- NOTIFY_SOCKET ---- */

static const char *const bad_sockets[] = { "", "/", "@", "relative", "vsock:2:1234", "%long" };

static void
bad_socket(int i)
{
	char path[300];
	struct notify n;

	open_fds(0);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	setenv("NOTIFY_SOCKET", *bad_sockets[i] == '%' ? path : bad_sockets[i], 1);
	setenv("WATCHDOG_USEC", "30000000", 1);
	notify_begin(&n);
	must(n.socket == -1 && n.watchdog_ms == 0);
	notify_tell(&n, "READY=1");
	notify_end(&n);
}

START_TEST(socket_that_can_be_none_is_ignored)
{
	run(bad_socket, _i);
}
END_TEST

/* A socket whose other end is ours, under a name that has only this process. */
static int
make_manager(struct notify *n)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(name, sizeof(name), "@comlease-test-%d", (int)getpid());
	strcpy(address.sun_path, name);
	address.sun_path[0] = '\0';
	must(bind(fd, (struct sockaddr *)&address,
		  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))) == 0);
	setenv("NOTIFY_SOCKET", name, 1);
	notify_begin(n);
	must(n->socket >= 0);
	return fd;
}

/* One message; the number of descriptors that came with it. */
static int
hear(int manager, char *text, size_t size)
{
	char control[CMSG_SPACE(sizeof(int) * 4)];
	struct iovec iov = { .iov_base = text, .iov_len = size - 1 };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control,
				 .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(manager, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *c;

	text[n > 0 ? n : 0] = '\0';
	c = n < 0 ? NULL : CMSG_FIRSTHDR(&header);
	return c == NULL ? 0 : (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
}

static void
messages(int i)
{
	char text[2048], long_text[2048];
	struct notify n;
	int manager;

	(void)i;
	open_fds(0);
	manager = make_manager(&n);
	notify_tell(&n, "READY=1\nSTATUS=serving %d ports", 3);
	must(hear(manager, text, sizeof(text)) == 0);
	must(strcmp(text, "READY=1\nSTATUS=serving 3 ports") == 0);
	notify_store(&n, "roster/modem0", manager);
	must(hear(manager, text, sizeof(text)) == 1);
	must(strcmp(text, "FDSTORE=1\nFDNAME=roster/modem0\nFDPOLL=0") == 0);
	notify_forget(&n, "roster/modem0");
	must(hear(manager, text, sizeof(text)) == 0);
	must(strcmp(text, "FDSTOREREMOVE=1\nFDNAME=roster/modem0") == 0);
	/* not cut off, which could mean something else */
	memset(long_text, 'x', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	notify_tell(&n, "STATUS=%s", long_text);
	must(hear(manager, text, sizeof(text)) == 0 && text[0] == '\0');
	close(manager);
	notify_tell(&n, "READY=1"); /* it has gone */
	notify_store(&n, "x", 2);
	notify_end(&n);
}

START_TEST(messages_are_what_the_manual_says)
{
	run(messages, 0);
}
END_TEST

/* Its queue is full: a second for all of what is to be told, not for each. */
static void
deaf(int i)
{
	struct timespec a, b;
	char text[64];
	struct notify n;
	int manager;

	open_fds(0);
	manager = make_manager(&n);
	while (sendto(n.socket, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&n.address, n.length) > 0)
		;
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (i = 0; i < 30; i++)
		notify_tell(&n, "READY=1");
	clock_gettime(CLOCK_MONOTONIC, &b);
	must(b.tv_sec > a.tv_sec && b.tv_sec - a.tv_sec < 10);
	do /* it reads again */
		hear(manager, text, sizeof(text));
	while (text[0] != '\0');
	notify_tell(&n, "READY=1");
	hear(manager, text, sizeof(text));
	must(strcmp(text, "READY=1") == 0 && n.last_error == 0);
	close(manager);
	notify_end(&n);
}

START_TEST(manager_that_does_not_read_is_not_waited_for_long)
{
	run(deaf, 0);
}
END_TEST

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

int
main(void)
{
	Suite *s = suite_create("notify");
	TCase *tc = tcase_create("notify");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, without_the_variables_nothing_happens);
	tcase_add_test(tc, descriptors_are_taken_by_name_and_close_on_exec);
	tcase_add_test(tc, what_nobody_takes_is_closed);
	tcase_add_loop_test(tc, promise_of_descriptors_is_checked, 0, COUNT(listen_cases));
	tcase_add_test(tc, name_that_is_too_long_is_none);
	tcase_add_loop_test(tc, time_of_the_watchdog_is_checked, 0, COUNT(watchdog_cases));
	tcase_add_loop_test(tc, socket_that_can_be_none_is_ignored, 0, COUNT(bad_sockets));
	tcase_add_test(tc, messages_are_what_the_manual_says);
	tcase_add_test(tc, manager_that_does_not_read_is_not_waited_for_long);
	suite_add_tcase(s, tc);
	runner = srunner_create(s);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
