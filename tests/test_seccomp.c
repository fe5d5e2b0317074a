/*
 * test_seccomp.c - `comlease run --seccomp` with a real comleased: which opens get a lease, which
 * are left alone, and that a supervisor is nobody's business. Waiting is test_seccomp_wait.c's.
 */
#include "seccomp_rig.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *
copy_of(const char *text)
{
	static char copies[4][160];
	static int next;

	next = (next + 1) % 4;
	snprintf(copies[next], sizeof(copies[next]), "%s", text);
	return copies[next];
}

static const char *
target_of(const char *link)
{
	static char target[128];
	ssize_t n = readlink(link, target, sizeof(target) - 1);

	ck_assert_int_gt(n, 0);
	target[n] = '\0';
	return target;
}

static bool
calls_of_32_bits_work(void)
{
	int status = -1;
#if defined(__x86_64__) && defined(__LP64__)
	pid_t pid = fork();

	if (pid == 0) {
		long number = 20; /* getpid(); SIGSEGV where there is none */
		__asm__ volatile("int $0x80" : "+a"(number) : : "r8", "r9", "r10", "r11");
		_exit(number != getpid());
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
#endif
	return status == 0;
}

/* ---- what a program gets ---- */

START_TEST(each_kind_of_open_of_a_static_program_gets_the_lease)
{
	static const char *const kinds[] = { "open", "legacy", "openat2" };
	const char *device = seccomp_rig_device();
	char line[64];

	for (int i = 0; i < 3; i++) {
		snprintf(line, sizeof(line), "%s 3 O_RDWR\n", i == 2 ? "openat2" : "open");
		seccomp_rig_expect(line, seccomp_rig_client(), kinds[i], device, "r", NULL);
	}
	seccomp_rig_expect("creat 3 O_RDWR\n", seccomp_rig_client(), "creat", device, NULL);
	support_log_expect("grant port=modem0 .*command=seccomp_client", 4);
}
END_TEST

/* Its registers may have anything in their upper halves: a 64-bit program can make such a call. */
START_TEST(open_of_32_bits_gets_the_lease)
{
	seccomp_rig_expect("int80 3 O_RDWR\n", seccomp_rig_client(), "int80", seccomp_rig_device(),
			   "rw", NULL);
	support_log_expect("grant port=modem0 .*command=seccomp_client", 1);
}
END_TEST

START_TEST(descriptor_has_the_callers_flags_and_the_lowest_number)
{
	const char *device = seccomp_rig_device(), *client = seccomp_rig_client();

	seccomp_rig_expect("open 3 O_RDWR|O_NONBLOCK\n", client, "open", device, "rw,nonblock",
			   NULL);
	seccomp_rig_expect("open 3 O_RDWR|O_APPEND|O_CLOEXEC\n", client, "open", device,
			   "rw,append,cloexec", NULL);
	seccomp_rig_expect("open 3 O_RDONLY\nopen 4 O_RDONLY\nclose 0\nopen 3 O_RDWR\n", client,
			   "open", "/", "r", "open", "/", "r", "close", "3", "open", device, "rw",
			   NULL);
}
END_TEST

START_TEST(each_form_of_the_path_is_recognised)
{
	const char *device = copy_of(seccomp_rig_device()), *client = seccomp_rig_client();
	const char *real = copy_of(target_of(device));
	char odd[160], detour[256];

	snprintf(odd, sizeof(odd), "//dev/./pts//../pts/%s", strrchr(real, '/') + 1);
	seccomp_rig_expect("open 3 O_RDWR\n", client, "open", real, "rw", NULL);
	seccomp_rig_expect("open 3 O_RDWR\n", client, "open", odd, "rw", NULL);
	seccomp_rig_expect("chdir 0\nopen 3 O_RDWR\n", client, "chdir", support_scratch, "open",
			   "modem0", "rw", NULL);
	seccomp_rig_expect("below 4 O_RDWR\n", client, "below", support_scratch, "modem0", "rw",
			   NULL);
	seccomp_rig_expect("edge 3 O_RDWR\nedge -1 EFAULT\nedge -1 EFAULT\n", client, "edge",
			   device, "rw", NULL);
	/* its own descriptor, by name: the kernel would open the device anew */
	seccomp_rig_expect("open 3 O_RDWR\nopen 4 O_RDWR\n", client, "open", device, "rw", "open",
			   "/proc/self/fd/3", "rw", NULL);
	support_log_expect("grant port=modem0", 6);
	support_log_expect("join port=modem0", 1);
	snprintf(detour, sizeof(detour), "%s/detour", support_scratch);
	ck_assert_int_eq(symlink(device, detour), 0);
	seccomp_rig_expect("open 3 O_RDWR\nopen -1 ELOOP\n", client, "open", detour, "rw", "open",
			   detour, "rw,nofollow", NULL);
}
END_TEST

/* A device number that could never be opened there: only the supervisor can have given it. */
START_TEST(path_counts_as_it_is_in_the_programs_own_root)
{
	const char *client = seccomp_rig_client();
	struct stat status;
	char node[160], link[160], root[128];

	ck_assert_int_eq(stat(seccomp_rig_device(), &status), 0);
	snprintf(root, sizeof(root), "%s/root", support_scratch);
	snprintf(node, sizeof(node), "%s/node", root);
	snprintf(link, sizeof(link), "%s/link", root);
	ck_assert_int_eq(mkdir(root, 0755), 0);
	ck_assert_int_eq(mknod(node, S_IFCHR | 0600, status.st_rdev), 0);
	ck_assert_int_eq(symlink("/node", link), 0);
	seccomp_rig_expect(
	    "chroot 0\nchdir 0\nopen 3 O_RDWR\nopen 4 O_RDWR\nopen 5 O_RDWR\nopen -1 ENOENT\n",
	    client, "chroot", root, "chdir", "/", "open", "/link", "rw", "open", "../node", "rw",
	    "open", "link", "rw", "open", "/etc/passwd", "r", NULL);
}
END_TEST

START_TEST(children_threads_and_what_they_execute_are_served)
{
	seccomp_rig_expect("open 3 O_RDWR\nopen 4 O_RDWR\nchild 0\nchild 0\n", seccomp_rig_client(),
			   "fork", "thread", "open", seccomp_rig_device(), "rw", "fork", "exec",
			   "open", seccomp_rig_device(), "rw", NULL);
}
END_TEST

START_TEST(dynamic_programs_are_served_when_it_is_asked_for)
{
	char script[256];

	snprintf(script, sizeof(script),
		 "exec 3<>%s && test -z \"$LD_PRELOAD\" && echo \"held $(cut -c1-5 /etc/hostname "
		 "| wc -l)\"",
		 seccomp_rig_device());
	seccomp_rig_expect("held 1\n", "--seccomp", "sh", "-c", script, NULL);
	support_log_expect("grant port=modem0 .*command=sh", 1);
}
END_TEST

/* The lease that run has taken, and not a second one that waits for it for ever. */
START_TEST(with_a_port_it_joins_the_lease_of_run)
{
	struct support_child child;

	seccomp_rig_run(&child, "-w", "0", "modem0", "--", seccomp_rig_client(), "open", "{}", "rw",
			"hear", NULL);
	seccomp_rig_hear(&child, "open 3 O_RDWR\n");
	support_wait_descriptions("modem0", 2);
	support_finish(&child);
}
END_TEST

START_TEST(run_inside_a_run_is_served_by_the_outer_one_with_its_own_options)
{
	setenv("C", seccomp_rig_client(), 1);
	setenv("D", seccomp_rig_device(), 1);
	seccomp_rig_expect("open 3 O_RDWR\nopen 3 O_RDWR\n", "-l", "outer", "--seccomp", "sh", "-c",
			   "B=${C%/tests/*}; $B/comlease run -l inner $C open $D rw; "
			   "$B/comlease run -l port modem0 -- $C open $D rw",
			   NULL);
	support_log_expect("request port=modem0 .*label=inner", 1);
	support_log_expect("request port=modem0 .*label=port", 1);
	support_log_expect("join port=modem0", 1);
}
END_TEST

START_TEST(port_becomes_nobodys_controlling_terminal)
{
	seccomp_rig_expect("open 3 O_RDWR\nterminal 0\nchild 0\n", seccomp_rig_client(), "fork",
			   "open", seccomp_rig_device(), "rw", "terminal", "3", NULL);
}
END_TEST

START_TEST(device_that_is_not_there_is_waited_for_by_its_name)
{
	struct support_child child;
	char dangling[160];

	snprintf(dangling, sizeof(dangling), "%s/dangling", support_scratch);
	ck_assert_int_eq(symlink(seccomp_rig_device(), dangling), 0);
	support_unplug("modem0");
	support_wait_port("modem0", "absent", 0);
	seccomp_rig_expect("open -1 ENOENT\n", "-w", "0.1", seccomp_rig_client(), "open", dangling,
			   "rw", NULL);
	seccomp_rig_run(&child, seccomp_rig_client(), "open", dangling, "rw", NULL);
	support_wait_port("modem0", "absent", 1);
	support_plug("modem0");
	seccomp_rig_hear(&child, "open 3 O_RDWR\n");
	support_finish(&child);
}
END_TEST

/* ---- what is left alone ---- */

START_TEST(other_opens_go_to_the_kernel_as_they_are)
{
	const char *client = seccomp_rig_client();
	char fifo[160], file[160], dangling[160], longest[5000];

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	snprintf(fifo, sizeof(fifo), "%s/fifo", support_scratch);
	snprintf(file, sizeof(file), "%s/file", support_scratch);
	snprintf(dangling, sizeof(dangling), "%s/dangling", support_scratch);
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_assert_int_eq(symlink("nowhere", dangling), 0);
	seccomp_rig_expect("open -1 ENAMETOOLONG\nopen -1 ENOENT\nopen -1 ENXIO\n"
			   "open -1 ENOENT\nopen -1 EISDIR\nopen -1 ENOENT\n",
			   client, "open", longest, "r", "open", "", "r", "open", fifo,
			   "w,nonblock", "open", dangling, "r", "open", "/", "rw", "open",
			   "/dev/comlease-absent", "rw", NULL);
	seccomp_rig_expect("open 3 O_RDWR\nopen -1 EEXIST\nopen 4 O_RDWR\nopen 5 O_RDONLY\n",
			   client, "open", file, "rw,creat,excl", "open", file, "rw,creat,excl",
			   "open", "/dev/null", "rw", "open", "/dev/urandom", "r", NULL);
	seccomp_rig_expect("open 3 O_RDONLY\nopen -1 EEXIST\n", client, "open",
			   seccomp_rig_device(), "path", "open", seccomp_rig_device(),
			   "rw,creat,excl", NULL);
	support_log_expect("request port=", 0);
}
END_TEST

START_TEST(thousands_of_opens_by_many_processes_all_succeed)
{
	setenv("C", seccomp_rig_client(), 1);
	seccomp_rig_expect("often 0\noften 0\noften 0\noften 0\noften 0\noften 0\noften 0\noften "
			   "0\ndone\n",
			   "--seccomp", "sh", "-c",
			   "for i in 1 2 3 4 5 6 7 8; do $C often /dev/null 1000 & done; wait; "
			   "echo done",
			   NULL);
}
END_TEST

/* ---- the supervisor ---- */

START_TEST(pipeline_ends_with_the_command_although_a_descendant_lives_on)
{
	struct support_child child;
	pid_t sleeper;
	char byte;

	seccomp_rig_run(&child, "--seccomp", "sh", "-c",
			"sleep 1000 </dev/null >/dev/null 2>&1 & echo $!", NULL);
	sleeper = (pid_t)atoi(support_hear_line(&child));
	ck_assert(support_poll(child.hear, POLLIN, support_now_ms() + SUPPORT_SOON_MS));
	ck_assert_int_eq(read(child.hear, &byte, 1), 0);
	support_finish(&child);
	ck_assert_int_gt(seccomp_rig_supervisor(), 0);
	ck_assert_int_eq(kill(sleeper, SIGKILL), 0);
	ck_assert_int_eq(waitpid(sleeper, NULL, 0), sleeper);
	seccomp_rig_await_supervisors();
}
END_TEST

START_TEST(signals_that_end_programs_do_not_end_the_supervisor)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGALRM };
	struct support_child child;

	seccomp_rig_run(&child, seccomp_rig_client(), "open", "/", "r", "hear", "open",
			seccomp_rig_device(), "rw", NULL);
	seccomp_rig_hear(&child, "open 3 O_RDONLY\n");
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		ck_assert_int_eq(kill(seccomp_rig_supervisor(), signals[i]), 0);
	support_say(&child, 'g');
	seccomp_rig_hear(&child, "open 4 O_RDWR\n");
	support_finish(&child);
}
END_TEST

START_TEST(without_its_supervisor_a_program_opens_nothing)
{
	struct support_child child;
	pid_t supervisor;

	seccomp_rig_run(&child, seccomp_rig_client(), "open", "/", "r", "hear", "open", "/", "r",
			"open", seccomp_rig_device(), "rw", NULL);
	seccomp_rig_hear(&child, "open 3 O_RDONLY\n");
	supervisor = seccomp_rig_supervisor();
	ck_assert_int_eq(kill(supervisor, SIGKILL), 0);
	ck_assert_int_eq(waitpid(supervisor, NULL, 0), supervisor);
	support_say(&child, 'g');
	seccomp_rig_hear(&child, "open -1 ENOSYS\nopen -1 ENOSYS\n");
	support_finish(&child);
}
END_TEST

/* The command's process is the one that was started: its status, and who may signal it. */
START_TEST(command_keeps_runs_process)
{
	struct support_child child;
	int status;

	seccomp_rig_run(&child, "--seccomp", "sh", "-c", "echo $$; kill -USR1 $$", NULL);
	ck_assert_int_eq(atoi(support_hear_line(&child)), child.pid);
	status = support_reap(&child);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}
END_TEST

/* One listener is all that the kernel allows; that the outer one is ours is not to be known here.
 */
START_TEST(nothing_runs_where_opens_can_not_be_caught)
{
	setenv("C", seccomp_rig_client(), 1);
	seccomp_rig_expect("78 comlease: true: its opens can't be caught: a container, or a\n"
			   "78 comlease: C is linked statically, out of the shim's reach\n",
			   "--seccomp", "sh", "-c",
			   "unset COMLEASE_SECCOMP; B=${C%/tests/*}/comlease; "
			   "S=$($B run --seccomp true 2>&1); echo $? ${S%% program*}; "
			   "S=$($B run $C open / r 2>&1); S=${S%%:\\ its*}; "
			   "echo 78 comlease: C ${S#*seccomp_client }",
			   NULL);
}
END_TEST

START_TEST(ordinary_user_needs_no_privilege)
{
	const char *client = seccomp_rig_client();
	struct support_child child;
	char comlease[PATH_MAX];

	snprintf(comlease, sizeof(comlease), "%.*s/comlease",
		 (int)(strstr(client, "/tests/") - client), client);
	support_exec(&child, (const char *const[]){ "/usr/bin/setpriv", "--reuid=65534",
						    "--regid=65534", "--clear-groups", comlease,
						    "run", client, "open", seccomp_rig_device(),
						    "rw", "fork", "open", "/etc/shadow", "r",
						    "open", seccomp_rig_device(), "rw", NULL });
	seccomp_rig_hear(&child, "open 3 O_RDWR\nopen -1 EACCES\nopen 4 O_RDWR\nchild 0\n");
	support_finish(&child);
}
END_TEST

static void
begin_as_user(void)
{
	seccomp_rig_prepare();
	support_use_uid(65534);
	seccomp_rig_start();
}

static Suite *
suite(void)
{
	Suite *s = suite_create("seccomp");
	TCase *tc = tcase_create("seccomp");

	tcase_add_checked_fixture(tc, seccomp_rig_begin, seccomp_rig_end);
	tcase_set_timeout(tc, 60);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, each_kind_of_open_of_a_static_program_gets_the_lease);
	support_add(tc, open_of_32_bits_gets_the_lease, calls_of_32_bits_work(),
		    "this kernel or machine knows no 32-bit system calls");
	tcase_add_test(tc, descriptor_has_the_callers_flags_and_the_lowest_number);
	tcase_add_test(tc, each_form_of_the_path_is_recognised);
	support_add(tc, path_counts_as_it_is_in_the_programs_own_root, geteuid() == 0,
		    "chroot() needs root");
	tcase_add_test(tc, children_threads_and_what_they_execute_are_served);
	tcase_add_test(tc, dynamic_programs_are_served_when_it_is_asked_for);
	tcase_add_test(tc, with_a_port_it_joins_the_lease_of_run);
	tcase_add_test(tc, run_inside_a_run_is_served_by_the_outer_one_with_its_own_options);
	tcase_add_test(tc, port_becomes_nobodys_controlling_terminal);
	tcase_add_test(tc, device_that_is_not_there_is_waited_for_by_its_name);
	tcase_add_test(tc, other_opens_go_to_the_kernel_as_they_are);
	tcase_add_test(tc, thousands_of_opens_by_many_processes_all_succeed);
	tcase_add_test(tc, pipeline_ends_with_the_command_although_a_descendant_lives_on);
	tcase_add_test(tc, signals_that_end_programs_do_not_end_the_supervisor);
	tcase_add_test(tc, without_its_supervisor_a_program_opens_nothing);
	tcase_add_test(tc, command_keeps_runs_process);
	tcase_add_test(tc, nothing_runs_where_opens_can_not_be_caught);
	tc = tcase_create("user");
	tcase_add_checked_fixture(tc, begin_as_user, seccomp_rig_end);
	suite_add_tcase(s, tc);
	support_add(tc, ordinary_user_needs_no_privilege, geteuid() == 0,
		    "to become another user needs root");
	return s;
}

int
main(void)
{
	return support_run(suite());
}
