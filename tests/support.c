/*
 * support.c - the scratch folder, the modems and the comleased of one test, and what must be gone
 * when it ends. Knows nothing of leases.
 *
 * The tricky idea: what a test leaves is found by taking over its orphans (a child subreaper), and
 * by counting descriptors when nothing else can move: while a fresh connection has just been
 * answered, everything that was closed before it is closed in the broker, too.
 */
#include "support.h"

#include "support_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORTS_MAX 16
#define FDS_MAX   1024

char support_scratch[64], support_socket[96], support_build[PATH_MAX + 1];
pid_t support_pid;

static struct modem {
	char name[32];
	int master;
} modems[PORTS_MAX];

/* How many descriptors a process of comleased has; which one is told by its command line. */
struct count {
	char command[160];
	pid_t pid;
	int fds;
};
static struct count counts[PORTS_MAX + 3]; /* when it served for the first time */
static int counts_len;

static bool at_begin[FDS_MAX];
static int fds_at_begin;
int support_pidfd = -1;
static uid_t user;

/* ---- the test ---- */

const char *
support_path(const char *name)
{
	static char paths[8][128];
	static unsigned turn;
	char *path = paths[turn++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", support_scratch, name);
	return path;
}

static void
clear_environment(void)
{
	static const char *const names[] = { "SOCKET", "PORT", "DEVICE", "FD",   "TOKEN",
					     "KEY",    "WAIT", "LABEL",  "DEBUG" };
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(name, sizeof(name), "COMLEASE_%s", names[i]);
		unsetenv(name);
	}
}

static void
find_build(void)
{
	const char *build = getenv("BUILD");
	char path[PATH_MAX];

	ck_assert_ptr_nonnull(realpath(build != NULL ? build : "build/release", path));
	snprintf(support_build, sizeof(support_build), "%s/", path);
}

void
support_begin(void)
{
	int fd;

	for (fd = 0; fd < FDS_MAX; fd++)
		at_begin[fd] = fcntl(fd, F_GETFD) >= 0;
	fds_at_begin = support_count_fds(0);
	for (fd = 0; fd < PORTS_MAX; fd++)
		modems[fd].master = -1;
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	clear_environment();
	find_build();
	snprintf(support_scratch, sizeof(support_scratch), "%s/XXXXXX", getenv("COMLEASE_SUITE"));
	ck_assert_ptr_nonnull(mkdtemp(support_scratch));
	ck_assert_int_eq(chmod(support_scratch, 0755), 0);
	ck_assert_int_eq(mkdir(support_path("lock"), 0777), 0);
	ck_assert_int_eq(chmod(support_path("lock"), 01777), 0);
	snprintf(support_socket, sizeof(support_socket), "%s/socket", support_scratch);
}

static void
remove_folder(const char *path)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", path, (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

void
support_end(void)
{
	int i, status, fds;
	pid_t pid;

	if (support_pid != 0) {
		support_expect_no_leak();
		support_stop();
	}
	pid = waitpid(-1, &status, WNOHANG);
	ck_assert_msg(pid == -1 && errno == ECHILD, "a process is left: pid %d", (int)pid);
	for (i = 0; i < PORTS_MAX; i++)
		if (modems[i].master >= 0)
			support_unplug(modems[i].name);
	remove_folder(support_scratch);
	fds = support_count_fds(0);
	ck_assert_msg(fds == fds_at_begin, "%d descriptors at the end, %d at the beginning", fds,
		      fds_at_begin);
}

void
support_close_all_but(const int *keep, size_t count)
{
	size_t i;
	int fd;

	for (fd = 0; fd < FDS_MAX; fd++) {
		bool kept = at_begin[fd];

		for (i = 0; i < count; i++)
			kept = kept || keep[i] == fd;
		if (!kept)
			close(fd);
	}
}

/* ---- modems ---- */

int
support_plug(const char *name)
{
	struct modem *m = modems;
	struct termios raw;
	char slave[64];
	int fd;

	while (m->master >= 0)
		ck_assert_ptr_ne(++m, modems + PORTS_MAX);
	cfmakeraw(memset(&raw, 0, sizeof(raw)));
	raw.c_cflag |= CREAD | CLOCAL;
	cfsetspeed(&raw, B9600);
	ck_assert_int_eq(openpty(&m->master, &fd, slave, &raw, NULL), 0);
	if (user != 0)
		ck_assert_int_eq(fchown(fd, user, (gid_t)-1), 0);
	close(fd);
	ck_assert_int_eq(fcntl(m->master, F_SETFD, FD_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(m->master, F_SETFL, O_NONBLOCK | O_RDWR), 0);
	ck_assert_int_eq(symlink(slave, support_path(name)), 0);
	snprintf(m->name, sizeof(m->name), "%s", name);
	return m->master;
}

void
support_unplug(const char *name)
{
	struct modem *m = modems;

	while (m->master < 0 || strcmp(m->name, name) != 0)
		ck_assert_ptr_ne(++m, modems + PORTS_MAX);
	unlink(support_path(name));
	close(m->master);
	m->master = -1;
}

/* ---- comleased ---- */

void
support_use_uid(uid_t uid)
{
	ck_assert_uint_eq(geteuid(), 0);
	ck_assert_int_eq(chown(support_scratch, uid, (gid_t)-1), 0);
	user = uid;
}

bool
support_can_revoke(void)
{
	unsigned long long effective = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		sscanf(line, "CapEff: %llx", &effective);
	if (f != NULL)
		fclose(f);
	return user == 0 && (effective >> 21 & 1) != 0;
}

/* The machine's own lock files are none of ours. At the end: lines keep their numbers. */
static void
write_lock_dir(FILE *f, const char *section)
{
	fprintf(f, "%slock-dir = %s/lock\n", section, support_scratch);
}

static void
write_config(const char *config)
{
	static const char section[] = "[broker]\n";
	const char *after = strstr(config, section);

	FILE *f = fopen(support_path("conf"), "we");

	after = after == NULL ? NULL : after + strlen(section);
	ck_assert_ptr_nonnull(f);
	for (; *config != '\0'; config++) {
		if (config == after)
			write_lock_dir(f, "");
		if (*config != '%') {
			fputc(*config, f);
			continue;
		}
		config++;
		if (*config == 's')
			fputs(support_scratch, f);
		else if (*config == 'r')
			fputs(support_can_revoke() ? "" : "revocation = none\n", f);
		else
			fputc(*config, f);
	}
	if (after == NULL)
		write_lock_dir(f, section);
	ck_assert_int_eq(fclose(f), 0);
}

/* In the child. */
static void
execute(void)
{
	const char *log = support_path("broker.log");
	int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0644);
	char program[PATH_MAX + 16];

	if (fd < 0 || dup2(fd, 2) < 0)
		_exit(126);
	if (user != 0 && (setgroups(0, NULL) < 0 || setresuid(user, user, user) < 0))
		_exit(126);
	support_close_all_but(NULL, 0);
	snprintf(program, sizeof(program), "%scomleased", support_build);
	execl(program, "comleased", "-v", "-c", support_path("conf"), "-s", support_socket,
	      "--state-dir", support_path("state"), (char *)NULL);
	_exit(127);
}

/* Counts while a connection has just been answered twice: whatever was closed before it, and by its
 * first answer, has gone. */
static int
count_fds(struct count *found)
{
	struct support_client c;
	pid_t pids[PORTS_MAX + 3];
	int i, n;

	support_connect(&c);
	support_ask(&c, "List", NULL);
	support_ask(&c, "List", NULL);
	n = support_children(support_pid, pids, PORTS_MAX + 2);
	ck_assert_int_le(n, PORTS_MAX + 2);
	pids[n++] = support_pid;
	for (i = 0; i < n; i++) {
		support_command(pids[i], found[i].command, sizeof(found[i].command));
		found[i].pid = pids[i];
		found[i].fds = support_count_fds(pids[i]);
	}
	support_close(&c);
	return n;
}

/* Notes the states that a List reply tells; true: all ports are at rest. */
static bool
note_states(json_t *states, const json_t *ports)
{
	json_t *each;
	const char *name;
	size_t i;

	json_array_foreach (ports, i, each)
		json_object_set(states, support_string(each, "name", NULL),
				json_object_get(each, "state"));
	json_object_foreach (states, name, each)
		if (strcmp(json_string_value(each), "turnaround") == 0 ||
		    strcmp(json_string_value(each), "held") == 0)
			return false;
	return true;
}

static void
wait_for_rest(void)
{
	json_t *states = json_object();
	struct support_client c;

	support_connect(&c);
	support_call(&c, "List", NULL, true);
	while (!note_states(states, json_object_get(support_reply(&c), "ports")))
		;
	support_close(&c);
	json_decref(states);
}

/* The inspector may still be looking, now that the keepers have their lock files: the least of many
 * counts is that of a process at rest. */
static void
count_at_rest(void)
{
	struct count now[PORTS_MAX + 3];
	int tries, i;

	counts_len = count_fds(counts);
	for (tries = 0; tries < 50; tries++) {
		ck_assert_int_eq(count_fds(now), counts_len);
		for (i = 0; i < counts_len; i++)
			if (now[i].fds < counts[i].fds)
				counts[i].fds = now[i].fds;
	}
}

static void
open_log(void)
{
	int fd = open(support_path("broker.log"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	if (user != 0)
		ck_assert_int_eq(fchown(fd, user, (gid_t)-1), 0);
	close(fd);
	support_log_skip();
}

void
support_start(const char *config)
{
	ck_assert_int_eq(support_pid, 0);
	if (config != NULL)
		write_config(config);
	open_log();
	support_pid = fork();
	if (support_pid == 0)
		execute();
	ck_assert_int_gt(support_pid, 0);
	support_pidfd = (int)syscall(SYS_pidfd_open, support_pid, 0);
	ck_assert_int_ge(support_pidfd, 0);
	support_log_wait("comleased: start socket=");
	if (config == NULL)
		return; /* somebody may hold or wait already, and it shall be as it was */
	wait_for_rest();
	count_at_rest();
}

/* On a busy machine it may have been looking as long as it was counted at the start. */
static bool
is_inspector(const struct count *process)
{
	return strstr(process->command, "inspector") != NULL;
}

/* The process that has more descriptors than that one had, or fewer; NULL: none. */
static const struct count *
find_leak(const struct count *now, int n)
{
	int i, j;

	for (i = 0; i < n; i++)
		for (j = 0; j < counts_len; j++)
			if (strcmp(now[i].command, counts[j].command) == 0 &&
			    (now[i].fds > counts[j].fds ||
			     (now[i].fds < counts[j].fds && !is_inspector(&now[i]))))
				return &now[i];
	return NULL;
}

void
support_expect_no_leak(void)
{
	struct count now[PORTS_MAX + 3];
	const struct count *leak = NULL;
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;

	wait_for_rest();
	/* A keeper reads its list by opening a file, the inspector looks at many: what is there by
	 * chance does not stay, and no event tells when it goes. */
	while ((leak = find_leak(now, count_fds(now))) != NULL && support_now_ms() < until)
		support_poll(-1, 0, support_now_ms() + 2);
	if (leak == NULL)
		return;
	ck_abort_msg("%s (pid %d) has %d descriptors, more or fewer than at the start",
		     leak->command, (int)leak->pid, leak->fds);
}
