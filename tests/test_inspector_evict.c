/* test_inspector_evict.c - the inspector evicts; what it may and can, and what it does where it
 * can't. */
#include "inspection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../broker/roster.h"

#define CROWD 100000

/* ---- eviction ---- */

static void
evict(uint32_t flag, uint64_t count, int error)
{
	struct ipc_message m;

	inspection_send_to(IPC_EVICT, "modem0", 0, flag);
	ck_assert(inspection_receive(&m, SUPPORT_SOON_MS));
	ck_assert_uint_eq(m.type, IPC_EVICTED);
	ck_assert_uint_eq(m.id, inspection.ids);
	ck_assert_uint_eq(m.number, count);
	ck_assert_int_eq(m.error, error);
}

START_TEST(evicted_holders_get_sigterm)
{
	struct support_child holders[2];
	int i, status;

	evict(1, 0, ENODEV); /* nothing has been asked yet */
	for (i = 0; i < 2; i++)
		inspection_start_holder(&holders[i], true);
	inspection_ask();
	evict(1, 2, 0);
	for (i = 0; i < 2; i++) {
		status = support_reap(&holders[i]);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	}
	while (inspection_expect_news().pid != -1)
		;
}
END_TEST

START_TEST(evicted_process_counts_by_its_descriptor_only)
{
	struct support_child holder;
	struct ipc_message m;

	inspection_start_holder(&holder, false);
	inspection_put_lock("LCK..modem0", holder.pid);
	ck_assert_int_eq(inspection_ask().pid, holder.pid);
	evict(0, 0, 0);
	ck_assert_int_eq(inspection_expect_news().pid, -1);
	ck_assert_int_eq(inspection_ask_with(0, &m).pid, -1);
	support_finish(&holder);
	inspection_start_holder(&holder, true);
	inspection_put_lock("LCK..modem0", holder.pid);
	ck_assert_uint_eq(inspection_ask_with(0, &m).how, FOREIGN_OPEN | FOREIGN_LOCKFILE);
	evict(0, 0, 0);
	ck_assert_uint_eq(inspection_expect_news().how, FOREIGN_OPEN);
	support_finish(&holder);
	ck_assert_int_eq(inspection_expect_news().pid, -1);
}
END_TEST

/* Anybody may write anybody's pid into a lock file. */
START_TEST(process_that_only_another_users_lock_file_names_is_not_signalled)
{
	struct support_child holder;
	char path[160];

	inspection_start_holder(&holder, false);
	inspection_put_lock("LCK..modem0", holder.pid);
	snprintf(path, sizeof(path), "%s/LCK..modem0", support_path("lock"));
	ck_assert_int_eq(chown(path, INSPECTION_NOBODY, INSPECTION_NOBODY), 0);
	ck_assert_int_eq(inspection_ask().pid, holder.pid);
	evict(1, 0, EPERM);
	support_finish(&holder);
	inspection_expect_news();
}
END_TEST

/* ---- privileges, limits ---- */

static unsigned long long
status_of(const char *key)
{
	unsigned long long value = 0;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)inspection.inspector);
	f = fopen(path, "re");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			value = strtoull(line + strlen(key), NULL, 16);
	fclose(f);
	return value;
}

START_TEST(it_keeps_three_capabilities_and_no_more)
{
	const unsigned long long three = 1ULL << 19 | 1ULL << 2 | 1ULL << 5;

	inspection_ask();
	ck_assert_uint_eq(status_of("CapEff:"), three);
	ck_assert_uint_eq(status_of("CapPrm:"), three);
	ck_assert_uint_eq(status_of("NoNewPrivs:"), 1);
}
END_TEST

static void
start_as_ordinary_user(void)
{
	close(inspection.supervisor);
	support_finish(&inspection.parent);
	close(inspection.roster);
	close(inspection.broker);
	inspection.user = INSPECTION_NOBODY;
	inspection_start();
}

START_TEST(ordinary_user_is_blind_and_says_so)
{
	struct support_child holder;
	struct ipc_message m;
	struct foreign who;
	pid_t pid;
	int fd;

	start_as_ordinary_user();
	inspection_start_holder(&holder, true); /* root's */
	who = inspection_ask_with(0, &m);
	ck_assert_int_eq(who.pid, -1);
	ck_assert_uint_eq(m.flag, IPC_FOREIGN_BLIND);
	who = inspection_ask_with(IPC_EVIDENCE_OPEN, &m);
	ck_assert_uint_eq(m.flag, IPC_FOREIGN_BLIND | IPC_FOREIGN_HELD);
	ck_assert_int_eq(who.pid, 0);
	evict(1, 0, ESRCH);
	inspection_put_lock("LCK..modem0", holder.pid); /* which names it all the same */
	ck_assert_int_eq(inspection_expect_news().pid, holder.pid);
	evict(1, 0, EPERM);
	inspection_remove_lock("LCK..modem0");
	inspection_expect_news();
	fd = open(support_path("modem0"), O_RDWR | O_NOCTTY | O_CLOEXEC);
	pid = getpid();
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(inspection_ask_with(IPC_EVIDENCE_FLOCK, &m).pid, pid);
	close(fd);
	support_finish(&holder);
	inspection_ask();
}
END_TEST

/* What its keeper knows belongs to the look that answers it, not to the one under way. */
START_TEST(question_that_comes_during_a_look_is_answered_by_its_own_evidence)
{
	int64_t until_ms = support_now_ms() + 20000; /* a slow machine has fewer moments */
	struct ipc_message m;
	uint64_t first;
	int fd, n;

	start_as_ordinary_user();
	fd = open(support_path("modem0"), O_RDWR | O_NOCTTY | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	for (n = 0; n < 200 && support_now_ms() < until_ms; n++) {
		inspection_send_to(IPC_INSPECT, "modem0", inspection.rdev, IPC_EVIDENCE_FLOCK);
		first = inspection.ids;
		usleep((useconds_t)n * 10); /* at all moments of the first one's look */
		inspection_send_to(IPC_INSPECT, "modem0", inspection.rdev, IPC_EVIDENCE_FLOCK);
		ck_assert_int_eq(inspection_expect_answer(first, &m, SUPPORT_SOON_MS).pid,
				 getpid());
		ck_assert_int_eq(inspection_expect_answer(inspection.ids, &m, SUPPORT_SOON_MS).pid,
				 getpid());
	}
	close(fd);
	inspection_ask();
}
END_TEST

/* It listens while it looks at a process with very many descriptors. */
START_TEST(crowded_process_does_not_make_it_deaf)
{
	static int crowd[CROWD];
	struct rlimit limit, many;
	int64_t before, took_ms;
	int i, fd = open("/dev/null", O_RDONLY | O_CLOEXEC), opened = 0;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	many = limit;
	many.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &many), 0);
	while (opened < CROWD && (crowd[opened] = fcntl(fd, F_DUPFD_CLOEXEC, 0)) >= 0)
		opened++;
	inspection_ask();
	for (i = 0; i < 3; i++)
		inspection_send_to(IPC_INSPECT, "modem0", inspection.rdev, 0);
	before = support_now_ms();
	close(inspection.supervisor);
	ck_assert(support_poll(inspection.parent.pidfd, POLLIN, before + SUPPORT_SOON_MS));
	took_ms = support_now_ms() - before;
	printf(
	    "# ended %lld ms after its channel, beside %d descriptors, where a look takes %lld\n",
	    (long long)took_ms, opened, (long long)inspection.ask_ms);
	ck_assert_int_le(took_ms, INSPECTION_SOON_MS + inspection.ask_ms); /* deaf: all three */
	for (i = 0; i < opened; i++)
		close(crowd[i]);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	close(fd);
	inspection.supervisor = open("/dev/null", O_RDONLY | O_CLOEXEC);
}
END_TEST

START_TEST(without_descriptors_it_answers_later_but_not_wrongly)
{
	struct rlimit few, limit;
	struct support_child holder;
	struct ipc_message m;

	inspection_start_holder(&holder, true);
	inspection_ask();
	ck_assert_int_eq(prlimit(inspection.inspector, RLIMIT_NOFILE, NULL, &limit), 0);
	few = limit;
	few.rlim_cur = 4;
	ck_assert_int_eq(prlimit(inspection.inspector, RLIMIT_NOFILE, &few, NULL), 0);
	inspection_send_to(IPC_INSPECT, "modem0", inspection.rdev, 0);
	inspection_expect_quiet();
	ck_assert_int_eq(prlimit(inspection.inspector, RLIMIT_NOFILE, &limit, NULL), 0);
	ck_assert_int_eq(inspection_expect_answer(inspection.ids, &m, 5000).pid, holder.pid);
	support_finish(&holder);
	inspection_expect_news();
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("inspector evict");
	TCase *t = tcase_create("inspector evict");
	bool root = geteuid() == 0;

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, inspection_begin, inspection_end);
	tcase_add_test(t, evicted_holders_get_sigterm);
	tcase_add_test(t, evicted_process_counts_by_its_descriptor_only);
	support_add(t, process_that_only_another_users_lock_file_names_is_not_signalled, root,
		    "needs root");
	support_add(t, it_keeps_three_capabilities_and_no_more, root, "needs root");
	support_add(t, ordinary_user_is_blind_and_says_so, root, "needs root");
	support_add(t, question_that_comes_during_a_look_is_answered_by_its_own_evidence, root,
		    "needs root");
	tcase_add_test(t, crowded_process_does_not_make_it_deaf);
	tcase_add_test(t, without_descriptors_it_answers_later_but_not_wrongly);
	suite_add_tcase(suite, t);
	return support_run(suite);
}
