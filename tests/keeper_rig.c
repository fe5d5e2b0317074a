/* keeper_rig.c - see keeper_rig.h. */
#include "keeper_rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../broker/keeper.h"
#include "../broker/roster.h"

struct rig rig;

double
rig_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

void
rig_init(const char *options)
{
	memset(&rig, 0, sizeof(rig));
	rig.supervisor = rig.broker = rig.master = -1;
	strcpy(rig.folder, "/tmp/comlease-keeper-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(rig.folder));
	snprintf(rig.device, sizeof(rig.device), "%s/tty", rig.folder);
	snprintf(rig.locks, sizeof(rig.locks), "%s/locks", rig.folder);
	ck_assert_int_eq(mkdir(rig.locks, 0755), 0);
	snprintf(rig.options, sizeof(rig.options), "%s", options);
	rig.roster = roster_new();
	ck_assert_int_ge(rig.roster, 0);
	signal(SIGPIPE, SIG_IGN);
}

void
rig_plug(void)
{
	char name[64];

	rig.master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	ck_assert_int_ge(rig.master, 0);
	ck_assert_int_eq(grantpt(rig.master), 0);
	ck_assert_int_eq(unlockpt(rig.master), 0);
	ck_assert_int_eq(ptsname_r(rig.master, name, sizeof(name)), 0);
	ck_assert_int_eq(symlink(name, rig.device), 0);
}

void
rig_unplug(void)
{
	/* until the link has gone its number must not become another test's pty, which the keeper
	 * would open */
	int slave = open(rig.device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	close(rig.master);
	rig.master = -1;
	unlink(rig.device);
	if (slave >= 0)
		close(slave);
}

/* ---- the keeper and its channels ---- */

static int
config_memfd(void)
{
	int fd = memfd_create("config", MFD_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	dprintf(fd, "[broker]\nlock-dir = %s\n[port modem0]\ndevice = %s\n%s", rig.locks,
		rig.device, rig.options);
	return fd;
}

static void
tell_keeper(enum ipc_type type, int fd)
{
	struct ipc_message m = { .type = type };

	ck_assert_int_eq(ipc_send(rig.supervisor, &m, fd), 0);
}

struct ipc_message
rig_reconnect(void)
{
	int theirs;

	if (rig.broker >= 0)
		close(rig.broker);
	ck_assert_int_eq(ipc_pair(&rig.broker, &theirs), 0);
	tell_keeper(IPC_BROKER, theirs);
	close(theirs);
	return rig_expect(IPC_REPORT);
}

struct ipc_message
rig_start(void)
{
	int theirs, config = config_memfd();

	ck_assert_int_eq(ipc_pair(&rig.supervisor, &theirs), 0);
	fflush(NULL);
	rig.keeper = fork();
	ck_assert_int_ge(rig.keeper, 0);
	if (rig.keeper == 0) {
		if (theirs != IPC_SUPERVISOR_FD)
			dup2(theirs, IPC_SUPERVISOR_FD);
		close_range(IPC_SUPERVISOR_FD + 1, ~0U, 0);
		fcntl(IPC_SUPERVISOR_FD, F_SETFD, FD_CLOEXEC);
		_exit(keeper_main("modem0"));
	}
	close(theirs);
	tell_keeper(IPC_CONFIG, config);
	close(config);
	tell_keeper(IPC_ROSTER, rig.roster);
	return rig_reconnect();
}

void
rig_kill_keeper(void)
{
	kill(rig.keeper, SIGKILL);
	waitpid(rig.keeper, NULL, 0);
	rig.keeper = 0;
	close(rig.supervisor);
	rig.supervisor = -1;
}

void
rig_ready(const char *options)
{
	struct ipc_message report;

	rig_init(options);
	rig_plug();
	report = rig_start();
	ck_assert_uint_eq(report.flag, 1);
	ck_assert_uint_eq(report.token, 0);
	rig_turnaround(0, LEASE_NONE, false);
}

void
rig_end(void)
{
	int status = -1;
	char command[128];

	close(rig.supervisor);
	if (rig.keeper > 0) {
		ck_assert_int_eq(waitpid(rig.keeper, &status, 0), rig.keeper);
		ck_assert_int_eq(status, 0);
		ck_assert_int_eq(rig_read_lock(rig_lock_name()) == rig.keeper, 0);
	}
	close(rig.broker);
	close(rig.roster);
	if (rig.master >= 0)
		close(rig.master);
	snprintf(command, sizeof(command), "rm -r '%s'", rig.folder);
	ck_assert_int_eq(system(command), 0);
}

/* ---- the broker's side ---- */

uint64_t
rig_ask(enum ipc_type type, uint64_t token, uint64_t number, unsigned flag)
{
	struct ipc_message m = {
		.type = type, .id = ++rig.ids, .token = token, .number = number, .flag = flag
	};

	ck_assert_int_eq(ipc_send(rig.broker, &m, -1), 0);
	return m.id;
}

void
rig_tell(enum ipc_type type, uint64_t token, unsigned flag, const char *text)
{
	struct ipc_message m = { .type = type, .token = token, .flag = flag };

	snprintf(m.text, sizeof(m.text), "%s", text);
	ck_assert_int_eq(ipc_send(rig.broker, &m, -1), 0);
}

static bool
next(struct ipc_message *m, int *fd, int within_ms)
{
	double end = rig_now_us() + within_ms * 1e3;
	struct pollfd p = { .fd = rig.broker, .events = POLLIN };
	int result;

	do {
		double left = (end - rig_now_us()) / 1e3;

		if (left < 0 || poll(&p, 1, (int)left + 1) == 0)
			return false;
		result = ipc_receive(rig.broker, m, fd);
		ck_assert_int_ge(result, 0);
	} while (result == 1 || (m->type == IPC_STRANGER && !rig.strangers) ||
		 (m->type == IPC_IDENTITY && m->text[0] == '\0' && !rig.nodes));
	return true;
}

bool
rig_next(struct ipc_message *m, int *fd, int within_ms)
{
	do
		if (!next(m, fd, within_ms))
			return false;
	while (m->type == IPC_BUSY);
	return true;
}

uint64_t
rig_expect_busy(void)
{
	struct ipc_message m;
	int fd = -1;

	ck_assert_msg(next(&m, &fd, RIG_SOON_MS), "nothing came, but a long step is due");
	ck_assert_uint_eq(m.type, IPC_BUSY);
	return m.number;
}

struct ipc_message
rig_expect(enum ipc_type type)
{
	struct ipc_message m;
	int fd = -1;

	ck_assert_msg(rig_next(&m, &fd, RIG_SOON_MS), "nothing came, but type %d is due",
		      (int)type);
	ck_assert_msg(m.type == type, "type %u came rather than %d: %s", m.type, (int)type, m.text);
	if (fd >= 0)
		close(fd);
	return m;
}

void
rig_expect_quiet(void)
{
	struct ipc_message m;
	int fd = -1;

	if (rig_next(&m, &fd, RIG_QUIET_MS))
		ck_abort_msg("type %u came: %s", m.type, m.text);
}

int
rig_open(uint64_t token, bool first)
{
	uint64_t id = rig_ask(IPC_OPEN, token, first, false);
	struct ipc_message m;
	int fd = -1;

	ck_assert_msg(rig_next(&m, &fd, RIG_SOON_MS), "no answer to an open");
	ck_assert_msg(m.type == IPC_OPENED && fd >= 0, "type %u: %s", m.type, m.text);
	ck_assert_uint_eq(m.id, id);
	ck_assert_uint_eq(m.token, token);
	if (!first)
		rig_expect(IPC_COUNT);
	return fd;
}

void
rig_turnaround(uint64_t token, enum lease_reason reason, unsigned flag)
{
	uint64_t id = rig_ask(IPC_TURNAROUND, token, reason, flag);
	struct ipc_message m = rig_expect(IPC_READY);

	ck_assert_uint_eq(m.id, id);
	ck_assert_uint_ne(m.number, 0);
	ck_assert_uint_eq(m.flag, 0);
}

unsigned
rig_turnaround_foreign(unsigned flag)
{
	uint64_t id = rig_ask(IPC_TURNAROUND, 0, LEASE_NONE, flag);
	struct ipc_message m = rig_expect(IPC_READY);

	ck_assert_uint_eq(m.id, id);
	ck_assert_uint_ne(m.flag, 0);
	return m.flag;
}

/* ---- lock files ---- */

const char *
rig_lock_name(void)
{
	return "LCK..tty";
}

static FILE *
open_lock(const char *name, const char *mode)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", rig.locks, name);
	return fopen(path, mode);
}

void
rig_write_lock(const char *name, long pid)
{
	FILE *file = open_lock(name, "we");

	ck_assert_ptr_nonnull(file);
	fprintf(file, "%10ld\n", pid);
	fclose(file);
}

long
rig_read_lock(const char *name)
{
	FILE *file = open_lock(name, "re");
	long pid = 0;

	if (file == NULL)
		return 0;
	ck_assert_int_eq(fscanf(file, "%ld", &pid), 1);
	fclose(file);
	return pid;
}

int
rig_count_locks(void)
{
	DIR *dir = opendir(rig.locks);
	struct dirent *d;
	int n = 0;

	ck_assert_ptr_nonnull(dir);
	while ((d = readdir(dir)) != NULL)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

size_t
rig_read_master(char *buffer, size_t size)
{
	struct pollfd p = { .fd = rig.master, .events = POLLIN };
	double end = rig_now_us() + RIG_SOON_MS * 1e3;
	size_t have = 0;
	ssize_t n;

	while (have < size && rig_now_us() < end && poll(&p, 1, RIG_SOON_MS) > 0) {
		n = read(rig.master, buffer + have, size - have);
		if (n < 0 && errno == EIO) /* between a hang-up and the next open */
			poll(NULL, 0, 1);
		else if (n <= 0)
			break;
		have += n > 0 ? (size_t)n : 0;
	}
	return have;
}

int
rig_run(const char *suite, TCase *tests, TCase *privileged)
{
	Suite *s = suite_create(suite);
	SRunner *sr;
	int failed;

	tcase_set_timeout(tests, 30);
	suite_add_tcase(s, tests);
	if (privileged != NULL && geteuid() == 0) {
		tcase_set_timeout(privileged, 30);
		suite_add_tcase(s, privileged);
	} else if (privileged != NULL) {
		printf("# SKIP revocation: needs CAP_SYS_ADMIN\n");
	}
	sr = srunner_create(s);
	srunner_set_tap(sr, "-");
	srunner_run_all(sr, CK_SILENT);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
