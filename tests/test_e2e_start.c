/*
 * test_e2e_start.c - one comleased and its surroundings: a second one, one that was killed, its end
 * by each signal, and an ordinary user's.
 */
#include "bad.h"

#include "support_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY "65534"
#define PATHS  "-c", support_path("conf"), "-s", support_socket, "--state-dir", support_path("state")

static char err[8192];

static bool
listens(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool does;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", support_socket);
	does = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return does;
}

/* A comleased of this test's own, logging to SCRATCH/child.err. */
static void
wait_until_it_listens(const struct support_child *child)
{
	while (!listens()) { /* nothing tells but the log, which not all of them keep */
		ck_assert_msg(waitpid(child->pid, NULL, WNOHANG) == 0, "it has ended");
		poll(NULL, 0, 2);
	}
}

static void
start_own(struct support_child *child, const char *const argv[])
{
	unlink(support_path("child.err"));
	support_exec(child, argv);
	wait_until_it_listens(child);
}

static void
write_conf(const char *more)
{
	char text[1024];
	int fd = open(support_path("conf"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	snprintf(text, sizeof(text), "%s[port modem0]\ndevice = %s\nhangup-ms = 0\n%s", more,
		 support_path("modem0"), support_can_revoke() ? "" : "revocation = none\n");
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void
read_err(void)
{
	int fd = open(support_path("child.err"), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, err, sizeof(err) - 1);

	err[n > 0 ? n : 0] = '\0';
	close(fd);
}

static void
expect_ends_with(struct support_child *child, int status)
{
	int how = support_reap(child);

	read_err();
	ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == status, "it ended with %#x: %s", how,
		      err);
}

/* ---- a second one ---- */

START_TEST(second_one_on_the_same_socket_names_the_first)
{
	struct support_child second;
	char pid[32];

	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	support_exec(&second, (const char *const[]){ "comleased", "-c", support_path("conf"), "-s",
						     support_socket, "--state-dir",
						     support_path("other"), NULL });
	expect_ends_with(&second, 69);
	ck_assert_ptr_nonnull(strstr(err, support_socket));
	snprintf(pid, sizeof(pid), "(pid %d)", (int)support_pid);
	ck_assert_ptr_nonnull(strstr(err, pid));
	ck_assert_ptr_nonnull(strstr(err, "use another socket"));
	close(support_acquire("modem0", NULL));
	support_end();
}
END_TEST

START_TEST(second_one_with_the_same_state_directory_does_not_start)
{
	struct support_child second;
	char other[128];

	support_begin();
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	snprintf(other, sizeof(other), "%s", support_path("other"));
	support_exec(&second,
		     (const char *const[]){ "comleased", "-c", support_path("conf"), "-s", other,
					    "--state-dir", support_path("state"), NULL });
	expect_ends_with(&second, 69);
	ck_assert_ptr_nonnull(strstr(err, support_path("state")));
	ck_assert_int_lt(access(other, F_OK), 0);
	snprintf(other, sizeof(other), "%s", support_path("other.lock"));
	ck_assert_int_lt(access(other, F_OK), 0);
	close(support_acquire("modem0", NULL));
	support_end();
}
END_TEST

START_TEST(file_in_the_place_of_the_socket_is_not_removed)
{
	struct support_child child;
	char path[128];

	support_begin();
	support_plug("modem0");
	write_conf("");
	snprintf(path, sizeof(path), "%s", support_path("precious"));
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
	support_exec(&child,
		     (const char *const[]){ "comleased", "-c", support_path("conf"), "-s", path,
					    "--state-dir", support_path("state"), NULL });
	expect_ends_with(&child, 71);
	ck_assert_ptr_nonnull(strstr(err, "precious: there already, and no socket"));
	ck_assert_int_eq(access(path, F_OK), 0);
	support_end();
}
END_TEST

/* Whoever may read a file may lock it: nobody else may read these. */
START_TEST(others_can_not_lock_it_out)
{
	struct stat st;
	char lock[128];
	int fd;

	support_begin();
	fd = open(support_scratch, O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(fd, "state", 0755), 0);
	close(fd);
	fd = open(support_path("state"), O_RDONLY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
	snprintf(lock, sizeof(lock), "%s.lock", support_socket);
	ck_assert_int_eq(stat(lock, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert_int_eq(stat(support_path("state/lock"), &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	close(fd);
	support_end();
}
END_TEST

/* ---- the end ---- */

START_TEST(one_that_was_killed_leaves_no_process_and_the_next_one_starts)
{
	struct support_child killed;
	pid_t children[8];
	int n, holder, modem, fd, status;

	support_begin();
	modem = support_plug("modem0");
	write_conf("");
	start_own(&killed, (const char *const[]){ "comleased", PATHS, NULL });
	holder = support_acquire("modem0", NULL);
	n = support_children(killed.pid, children, 8);
	ck_assert_int_eq(n, 3);
	support_kill(&killed);
	for (int i = 0; i < n; i++) /* ours now: they are reaped as soon as they have ended */
		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
	ck_assert_int_eq(access(support_socket, F_OK), 0);
	support_expect_line(holder, modem);
	close(holder);
	support_start(SUPPORT_PORT("modem0"));
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, modem);
	close(fd);
	support_end();
}
END_TEST

START_TEST(signal_ends_it_cleanly_with_a_holder_and_waiters)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct support_child broker, other;
	struct support_client waiters[3];
	pid_t children[8];
	int modem, n;

	support_begin();
	modem = support_plug("modem0");
	write_conf("");
	start_own(&broker, (const char *const[]){ "comleased", PATHS, NULL });
	support_fork(&other, bad_hold, (void *)(uintptr_t) "modem0", -1);
	support_hear(&other);
	for (int i = 0; i < 3; i++)
		support_queue(&waiters[i], "modem0", NULL);
	n = support_children(broker.pid, children, 8);
	/* a terminal's ^C goes to all of them */
	for (int i = 0; i < n && signals[_i] == SIGINT; i++)
		ck_assert_int_eq(kill(children[i], SIGINT), 0);
	ck_assert_int_eq(kill(broker.pid, signals[_i]), 0);
	expect_ends_with(&broker, 0);
	for (int i = 0; i < n; i++)
		ck_assert_msg(kill(children[i], 0) < 0, "a child is left");
	for (int i = 0; i < 3; i++) {
		while (support_next(&waiters[i])) /* the last news, then the end */
			;
		support_close(&waiters[i]);
	}
	ck_assert_int_lt(access(support_socket, F_OK), 0);
	ck_assert_int_lt(access(support_path("socket.lock"), F_OK), 0);
	support_write(modem, "x", 1); /* the holder has it still */
	support_finish(&other);
	support_end();
}
END_TEST

/* ---- an ordinary user ---- */

/* With the user's default paths: what clients of his find. */
#define AS_NOBODY                                                                                  \
	"/usr/bin/setpriv", "--reuid=" NOBODY, "--clear-groups", "--inh-caps=-all",                \
	    "--bounding-set=-all", "/usr/bin/env", "-u", "COMLEASE_SOCKET", runtime, state
#define AS_MYSELF "/usr/bin/env", "-u", "COMLEASE_SOCKET", runtime, state

static char runtime[160], state[160], program[4200];

static void
exec_as_user(struct support_child *child, const char *name, const char *const arguments[])
{
	const char *root[32] = { AS_NOBODY, program }, *user[32] = { AS_MYSELF, program };
	const char **argv = geteuid() == 0 ? root : user;
	size_t n = 0;

	snprintf(runtime, sizeof(runtime), "XDG_RUNTIME_DIR=%s", support_path("run"));
	snprintf(state, sizeof(state), "XDG_STATE_HOME=%s", support_path("state"));
	snprintf(program, sizeof(program), "%s%s", support_build, name);
	while (argv[n] != NULL)
		n++;
	while (*arguments != NULL)
		argv[n++] = *arguments++;
	support_exec(child, argv);
}
#define AS_USER(child, name, ...)                                                                  \
	exec_as_user(child, name, (const char *const[]){ __VA_ARGS__, NULL })

static void
make_users_folders(void)
{
	uid_t uid = geteuid() == 0 ? (uid_t)atoi(NOBODY) : geteuid();

	if (geteuid() == 0)
		support_use_uid(uid);
	ck_assert_int_eq(mkdir(support_path("run"), 0700), 0);
	ck_assert_int_eq(chown(support_path("run"), uid, (gid_t)-1), 0);
	snprintf(support_socket, sizeof(support_socket), "%s",
		 support_path("run/comlease/comlease.sock"));
}

START_TEST(ordinary_user_has_his_own_and_his_clients_find_it)
{
	struct support_child broker, status;
	int modem, fd;

	support_begin();
	make_users_folders();
	modem = support_plug("modem0");
	write_conf("");
	AS_USER(&broker, "comleased", "-c", support_path("conf"));
	wait_until_it_listens(&broker);
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, modem);
	close(fd);
	AS_USER(&status, "comlease", "status", "--json");
	ck_assert_ptr_nonnull(strstr(support_hear_line(&status), "\"modem0\""));
	support_finish(&status);
	ck_assert_int_eq(access(support_path("state/comlease/epoch"), F_OK), 0);
	ck_assert_int_eq(kill(broker.pid, SIGTERM), 0);
	expect_ends_with(&broker, 0);
	support_end();
}
END_TEST

START_TEST(ordinary_user_is_told_that_revocation_needs_more)
{
	struct support_child broker;
	int fd;

	support_begin();
	make_users_folders();
	support_plug("modem0");
	fd = open(support_path("conf"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	ck_assert_int_gt(dprintf(fd, "[port modem0]\ndevice = %s\n", support_path("modem0")), 0);
	close(fd);
	AS_USER(&broker, "comleased", "-c", support_path("conf"));
	expect_ends_with(&broker, 78);
	ck_assert_ptr_nonnull(strstr(err, "/conf:1: "));
	ck_assert_ptr_nonnull(strstr(err, "modem0"));
	ck_assert_ptr_nonnull(strstr(err, "revocation = none"));
	support_end();
}
END_TEST

START_TEST(user_or_group_that_does_not_exist_is_told)
{
	struct support_child broker;

	support_begin();
	write_conf(_i == 0 ? "[broker]\nuser = no-such-user\n"
			   : "[broker]\ngroup = no-such-group\n");
	support_exec(&broker, (const char *const[]){ "comleased", PATHS, NULL });
	expect_ends_with(&broker, 78);
	ck_assert_ptr_nonnull(strstr(err, _i == 0 ? "no-such-user: no such user; create it"
						  : "no-such-group: no such group; create it"));
	ck_assert_int_lt(access(support_socket, F_OK), 0);
	support_end();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("start");
	TCase *tcase = tcase_create("start");
	bool root = geteuid() == 0,
	     system_socket = access("/run/comlease/comlease.sock", F_OK) == 0;

	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, second_one_on_the_same_socket_names_the_first);
	tcase_add_test(tcase, second_one_with_the_same_state_directory_does_not_start);
	tcase_add_test(tcase, file_in_the_place_of_the_socket_is_not_removed);
	tcase_add_test(tcase, others_can_not_lock_it_out);
	tcase_add_test(tcase, one_that_was_killed_leaves_no_process_and_the_next_one_starts);
	tcase_add_loop_test(tcase, signal_ends_it_cleanly_with_a_holder_and_waiters, 0, 2);
	support_add(tcase, ordinary_user_has_his_own_and_his_clients_find_it, !system_socket,
		    "a comleased of the system runs, which clients find first");
	tcase_add_test(tcase, ordinary_user_is_told_that_revocation_needs_more);
	if (root)
		tcase_add_loop_test(tcase, user_or_group_that_does_not_exist_is_told, 0, 2);
	else
		tcase_add_loop_test(tcase, user_or_group_that_does_not_exist_is_told, 1, 2);
	suite_add_tcase(suite, tcase);
	return support_run(suite);
}
