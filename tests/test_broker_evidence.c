/*
 * test_broker_evidence.c - what the keeper has noticed of somebody whom nobody can see counts as
 * long as it is true: it is neither forgotten too early nor kept for ever.
 */
#include "broker_rig.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* Somebody whom nobody can see, by the keeper's evidence. */
static void
answer_unseen(uint64_t id)
{
	const struct foreign who = { .uid = (uid_t)-1, .how = FOREIGN_OPEN };
	struct ipc_message m = { .type = IPC_FOREIGN,
				 .id = id,
				 .number = 1,
				 .flag = IPC_FOREIGN_HELD | IPC_FOREIGN_BLIND,
				 .text = "modem0" };

	foreign_print(&who, m.text + strlen("modem0") + 1);
	rig_say(rig_inspector, &m);
}

START_TEST(who_cant_be_seen_counts_only_as_long_as_there_is_evidence_of_him)
{
	uint64_t id;

	rig_make_free();
	rig_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	id = rig_asked();
	rig_stranger(IPC_STRANGER_CLOSED);
	answer_unseen(id);
	ck_assert(foreign_is_looking(rig_port));
	id = rig_asked();
	rig_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	answer_unseen(id);
	ck_assert_int_eq(rig_port->foreign.pid, 0);
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
	rig_stranger(IPC_STRANGER_CLOSED);
	answer_unseen(rig_asked()); /* to what was asked before he closed it */
	rig_answer(rig_asked(), 0);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

START_TEST(open_during_the_turnaround_is_evidence_until_its_close)
{
	struct ipc_message m;

	rig_answer(rig_asked(), 0);
	rig_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	broker_rig_ready(0);
	m = broker_rig_expect(rig_inspector, IPC_INSPECT);
	ck_assert_uint_eq(m.flag, IPC_EVIDENCE_OPEN);
	rig_answer(m.id, 0);
	m = broker_rig_expect(rig_keeper, IPC_TURNAROUND);
	ck_assert_uint_eq(m.flag & IPC_TURN_ANYWAY, 0); /* it is no lock */
	rig_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	rig_stranger(IPC_STRANGER_CLOSED);
	rig_say(rig_keeper,
		&(struct ipc_message){ .type = IPC_READY, .id = m.id, .number = RIG_DEVICE });
	m = broker_rig_expect(rig_inspector, IPC_INSPECT);
	ck_assert_uint_eq(m.flag, 0);
	rig_answer(m.id, 0);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

/* If he closed it together with the holder, only one close was seen: nothing would ever take his
 * open back. */
START_TEST(open_beside_a_lease_is_no_evidence_after_it)
{
	struct ipc_message m;

	rig_make_free();
	rig_hold();
	rig_port->config.revocable = false;
	rig_stranger(IPC_STRANGER_OPENED | IPC_EVIDENCE_OPEN);
	answer_unseen(rig_asked());
	ck_assert_int_eq(rig_port->intruder.pid, 0);
	rig_gone();
	broker_rig_ready(0);
	m = broker_rig_expect(rig_inspector, IPC_INSPECT);
	ck_assert_uint_eq(m.flag, 0);
	rig_answer(m.id, 0);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("evidence in the broker");
	TCase *tc = tcase_create("evidence");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, rig_begin, broker_rig_end);
	tcase_add_test(tc, who_cant_be_seen_counts_only_as_long_as_there_is_evidence_of_him);
	tcase_add_test(tc, open_during_the_turnaround_is_evidence_until_its_close);
	tcase_add_test(tc, open_beside_a_lease_is_no_evidence_after_it);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
