/* test_inspector.c - the inspector itself, over its channels: questions, and what it tells unasked.
 */
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

/* ---- questions ---- */

START_TEST(question_is_answered_with_nobody_or_with_who_it_is)
{
	struct support_child holder;
	struct ipc_message m;
	struct foreign who;

	ck_assert_int_eq(inspection_ask_with(0, &m).pid, -1);
	ck_assert_str_eq(m.text, "modem0");
	inspection_start_holder(&holder, true);
	who = inspection_ask_with(IPC_EVIDENCE_EXCLUSIVE, &m);
	ck_assert_uint_eq(m.number, 1);
	ck_assert_int_eq(who.pid, holder.pid);
	ck_assert_uint_eq(who.how, FOREIGN_OPEN | FOREIGN_EXCLUSIVE);
	ck_assert_int_le(llabs(who.since_real_ms - (int64_t)time(NULL) * 1000), 3000);
	support_finish(&holder);
	inspection_expect_news();
}
END_TEST

START_TEST(many_questions_are_each_answered_once)
{
	struct ipc_message m;
	uint64_t first = inspection.ids + 1;
	bool seen[20] = { false };
	int i;

	for (i = 0; i < 20; i++)
		inspection_send_to(IPC_INSPECT, i % 2 == 0 ? "modem0" : "modem1", inspection.rdev,
				   0);
	for (i = 0; i < 20; i++) {
		ck_assert(inspection_receive(&m, SUPPORT_SOON_MS));
		ck_assert_uint_lt(m.id - first, 20);
		ck_assert(!seen[m.id - first]);
		seen[m.id - first] = true;
		ck_assert_str_eq(m.text, (m.id - first) % 2 == 0 ? "modem0" : "modem1");
	}
	inspection_expect_quiet();
}
END_TEST

START_TEST(question_about_a_port_that_is_not_configured_is_refused)
{
	struct ipc_message m;

	inspection_send_to(IPC_INSPECT, "other", inspection.rdev, 0);
	inspection_expect_answer(inspection.ids, &m, SUPPORT_SOON_MS);
	ck_assert_int_eq(m.error, ENODEV);
	inspection_send_to(IPC_EVICT, "other", 0, 1);
	ck_assert(inspection_receive(&m, SUPPORT_SOON_MS));
	ck_assert_uint_eq(m.type, IPC_EVICTED);
	ck_assert_int_eq(m.error, ENODEV);
}
END_TEST

START_TEST(lease_of_the_roster_is_not_foreign_and_its_lock_file_neither)
{
	int fd = open(support_path("modem0"), O_RDWR | O_NOCTTY | O_CLOEXEC);

	ck_assert_int_eq(inspection_ask().pid, getpid());
	ck_assert_int_eq(roster_add(inspection.roster, fd, 3), 0);
	ck_assert_int_eq(inspection_ask().pid, -1);
	inspection_put_lock("LCK..modem0", getpid());
	inspection_expect_quiet();
	close(fd);
	ck_assert_int_eq(inspection_ask().pid, getpid()); /* now it is only a lock file */
	inspection_remove_lock("LCK..modem0");
	inspection_expect_news();
}
END_TEST

/* What the keeper has noticed counts only if somebody may be there whom nobody can see. */
START_TEST(evidence_without_a_process_is_somebody_only_where_some_cant_be_seen)
{
	struct ipc_message m;
	struct foreign who = inspection_ask_with(IPC_EVIDENCE_OPEN | IPC_EVIDENCE_FLOCK, &m);

	if ((m.flag & IPC_FOREIGN_BLIND) != 0) {
		ck_assert_int_eq(who.pid, 0);
		ck_assert_uint_eq(who.how, FOREIGN_OPEN | FOREIGN_FLOCK);
		ck_assert_uint_eq(m.number, 1);
	} else {
		ck_assert_int_eq(who.pid, -1);
	}
	ck_assert_int_eq(inspection_ask_with(0, &m).pid, -1);
}
END_TEST

/* ---- news ---- */

START_TEST(holders_exit_is_told_at_once)
{
	struct support_child holders[5];
	int i;

	for (i = 0; i < 5; i++)
		inspection_start_holder(&holders[i], true);
	ck_assert_int_ge(inspection_ask().pid, 0);
	for (i = 0; i < 5; i++) {
		support_kill(&holders[i]);
		ck_assert_int_eq(inspection_expect_news().pid == -1, i == 4);
		inspection_ask(); /* takes what a look takes here */
	}
	printf("# an exit was told after %lld ms, where a question takes %lld\n",
	       (long long)inspection.news_ms, (long long)inspection.ask_ms);
	ck_assert_int_le(inspection.news_ms, INSPECTION_HERE_MS);
	inspection_expect_quiet();
}
END_TEST

START_TEST(child_that_inherited_is_found_when_its_parent_exits)
{
	struct support_child holder;
	struct foreign who;

	inspection_start_holder(&holder, true);
	ck_assert_int_eq(inspection_ask().pid, holder.pid);
	support_say(&holder, 'f');
	support_hear(&holder);     /* its child */
	inspection_expect_quiet(); /* nobody has noticed */
	ck_assert_int_eq(kill(holder.pid, SIGKILL), 0);
	ck_assert_int_eq(waitpid(holder.pid, NULL, 0), holder.pid);
	who = inspection_expect_news();
	ck_assert_int_gt(who.pid, 0);
	ck_assert_int_ne(who.pid, holder.pid);
	close(holder.pidfd);
	close(holder.hear);
	close(holder.say);
	ck_assert_int_eq(waitpid(who.pid, NULL, 0), who.pid);
	ck_assert_int_eq(inspection_expect_news().pid, -1);
}
END_TEST

START_TEST(lock_file_that_comes_or_goes_is_told_at_once)
{
	struct support_child owner;
	struct foreign who;

	inspection_start_holder(&owner, false);
	ck_assert_int_eq(inspection_ask().pid, -1);
	inspection_put_lock("LCK..other", owner.pid);
	inspection_expect_quiet();
	inspection_put_lock("LCK..modem0", owner.pid);
	who = inspection_expect_news();
	ck_assert_int_eq(who.pid, owner.pid);
	ck_assert_uint_eq(who.how, FOREIGN_LOCKFILE);
	ck_assert_str_eq(who.lock, "LCK..modem0");
	inspection_remove_lock("LCK..modem0");
	ck_assert_int_eq(inspection_expect_news().pid, -1);
	inspection_put_lock("LCK..modem0", owner.pid);
	ck_assert_int_eq(inspection_expect_news().pid, owner.pid);
	support_finish(&owner); /* then it is stale */
	ck_assert_int_eq(inspection_expect_news().pid, -1);
	inspection_remove_lock("LCK..modem0");
	inspection_put_lock("LCK..modem0",
			    inspection.parent.pid); /* one of ours, as a keeper's is */
	inspection_expect_quiet();
}
END_TEST

START_TEST(folder_of_lock_files_may_come_later_or_be_another)
{
	struct support_child owner;

	inspection_start_holder(&owner, false);
	inspection_put_lock("LCK..modem0", owner.pid);
	ck_assert_int_eq(inspection_ask().pid, owner.pid);
	inspection_tell_config(support_path("none"));
	ck_assert_int_eq(inspection_expect_news().pid, -1);
	ck_assert_int_eq(rename(support_path("lock"), support_path("none")), 0);
	ck_assert_int_eq(inspection_ask().pid, owner.pid); /* it is looked for again */
	support_finish(&owner);
	inspection_expect_news();
}
END_TEST

START_TEST(new_broker_is_told_nothing_before_it_asks)
{
	struct support_child holder;
	struct ipc_message m;

	inspection_start_holder(&holder, true);
	ck_assert_int_eq(inspection_ask().pid, holder.pid);
	inspection_connect_broker();
	inspection_put_lock("LCK..modem0", holder.pid);
	inspection_expect_quiet();
	ck_assert_uint_eq(inspection_ask_with(0, &m).how, FOREIGN_OPEN | FOREIGN_LOCKFILE);
	support_finish(&holder);
	ck_assert_int_eq(inspection_expect_news().pid, -1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("inspector");
	TCase *t = tcase_create("inspector");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, inspection_begin, inspection_end);
	tcase_add_test(t, question_is_answered_with_nobody_or_with_who_it_is);
	tcase_add_test(t, many_questions_are_each_answered_once);
	tcase_add_test(t, question_about_a_port_that_is_not_configured_is_refused);
	tcase_add_test(t, lease_of_the_roster_is_not_foreign_and_its_lock_file_neither);
	tcase_add_test(t, evidence_without_a_process_is_somebody_only_where_some_cant_be_seen);
	tcase_add_test(t, holders_exit_is_told_at_once);
	tcase_add_test(t, child_that_inherited_is_found_when_its_parent_exits);
	tcase_add_test(t, lock_file_that_comes_or_goes_is_told_at_once);
	tcase_add_test(t, folder_of_lock_files_may_come_later_or_be_another);
	tcase_add_test(t, new_broker_is_told_nothing_before_it_asks);
	suite_add_tcase(suite, t);
	return support_run(suite);
}
