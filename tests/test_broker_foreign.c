/*
 * test_broker_foreign.c - what the broker makes of foreign holders and intruders, and of evictions.
 */
#include "broker_rig.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- without a lease ---- */

START_TEST(port_is_foreign_until_somebody_has_looked)
{
	uint64_t id = rig_asked();

	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
	ck_assert(foreign_is_looking(rig_port));
	rig_answer(id, 0);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

START_TEST(foreign_holder_keeps_the_port_until_the_inspector_says_that_he_has_gone)
{
	rig_answer(rig_asked(), 77);
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
	ck_assert(!foreign_is_looking(rig_port));
	ck_assert_int_eq(rig_port->foreign.pid, 77);
	rig_expect_nothing(rig_keeper);
	rig_answer(0, 0);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

START_TEST(nobody_counts_only_if_nothing_happened_since_the_question)
{
	uint64_t id = rig_asked();

	rig_stranger(IPC_STRANGER_OPENED);
	rig_answer(id, 0);
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
	rig_answer(rig_asked(), 0);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

START_TEST(free_port_that_a_stranger_opens_is_not_granted_before_it_is_known_who)
{
	rig_make_free();
	rig_stranger(IPC_STRANGER_OPENED);
	rig_call("io.comlease.Acquire", json_pack("{s:s}", "port", "modem0"));
	rig_answer(rig_asked(), 77);
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
	rig_expect_nothing(rig_keeper);
	rig_stranger(IPC_STRANGER_CLOSED);
	rig_answer(rig_asked(), 0);
	broker_rig_ready(0);
	broker_rig_expect(rig_keeper, IPC_OPEN);
}
END_TEST

START_TEST(stranger_during_the_turnaround_is_looked_at_before_the_grant)
{
	rig_answer(rig_asked(), 0);
	rig_stranger(IPC_STRANGER_OPENED);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
	rig_answer(rig_asked(), 77);
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
}
END_TEST

START_TEST(locks_that_nobody_has_do_not_keep_the_port)
{
	struct ipc_message m;

	rig_answer(rig_asked(), 0);
	broker_rig_ready(IPC_EVIDENCE_FLOCK);
	m = broker_rig_expect(rig_inspector, IPC_INSPECT);
	ck_assert_uint_eq(m.flag, IPC_EVIDENCE_FLOCK);
	ck_assert_uint_eq(m.number, RIG_DEVICE);
	rig_answer(m.id, 0);
	m = broker_rig_expect(rig_keeper, IPC_TURNAROUND);
	ck_assert_uint_eq(m.flag & IPC_TURN_ANYWAY, IPC_TURN_ANYWAY);
	rig_say(rig_keeper, &(struct ipc_message){ .type = IPC_READY,
						   .id = m.id,
						   .number = RIG_DEVICE,
						   .flag = IPC_EVIDENCE_FLOCK });
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

START_TEST(lock_found_at_the_open_is_looked_at_and_the_request_waits)
{
	struct ipc_message m;

	rig_make_free();
	rig_call("io.comlease.Acquire", json_pack("{s:s}", "port", "modem0"));
	m = broker_rig_expect(rig_keeper, IPC_OPEN);
	rig_say(rig_keeper, &(struct ipc_message){ .type = IPC_OPENED,
						   .id = m.id,
						   .token = m.token,
						   .error = EADDRINUSE,
						   .text = "locked" });
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
	ck_assert_uint_eq(rig_port->lease.waiting, 1);
	rig_answer(rig_asked(), 0);
	m = broker_rig_expect(rig_keeper, IPC_TURNAROUND);
	ck_assert_uint_eq(m.flag & IPC_TURN_ANYWAY, IPC_TURN_ANYWAY);
	rig_say(rig_keeper,
		&(struct ipc_message){ .type = IPC_READY, .id = m.id, .number = RIG_DEVICE });
	broker_rig_expect(rig_keeper, IPC_OPEN);
}
END_TEST

START_TEST(new_inspector_is_asked_everything_again)
{
	int end;

	rig_asked();
	close(rig_inspector);
	rig_pump();
	ck_assert_int_eq(ipc_pair(&rig_inspector, &end), 0);
	foreign_connect(&rig_broker, end);
	rig_answer(rig_asked(), 0);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

START_TEST(without_an_inspector_the_port_is_granted_and_says_so)
{
	close(rig_inspector);
	rig_pump();
	ck_assert_ptr_null(foreign_notice(rig_port));
	event_active(&rig_broker.inspector_late, EV_TIMEOUT, 0);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
	ck_assert_ptr_nonnull(foreign_notice(rig_port));
	rig_inspector = -1;
}
END_TEST

/* ---- beside a lease ---- */

START_TEST(intruder_is_hung_up_after_the_lease)
{
	struct ipc_message m;

	rig_make_free();
	rig_hold();
	rig_stranger(IPC_STRANGER_OPENED);
	rig_answer(rig_asked(), 77);
	ck_assert_int_eq(rig_state(), LEASE_HELD);
	ck_assert_int_eq(rig_port->intruder.pid, 77);
	rig_gone();
	m = broker_rig_expect(rig_keeper, IPC_TURNAROUND);
	ck_assert_uint_eq(m.flag & IPC_TURN_DRAINED, IPC_TURN_DRAINED);
	rig_say(rig_keeper,
		&(struct ipc_message){ .type = IPC_READY, .id = m.id, .number = RIG_DEVICE });
	ck_assert_int_eq(rig_state(), LEASE_FREE);
	rig_answer(rig_asked(), 77); /* he still has his dead descriptor */
	rig_answer(0, 77);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

/* minicom does: the keeper may take that for an open of its own. */
START_TEST(who_opens_again_while_he_is_hung_up_is_found_by_a_question)
{
	struct ipc_message m;

	rig_make_free();
	rig_hold();
	rig_stranger(IPC_STRANGER_OPENED);
	rig_answer(rig_asked(), 77);
	rig_gone();
	m = broker_rig_expect(rig_keeper, IPC_TURNAROUND);
	rig_say(rig_keeper,
		&(struct ipc_message){ .type = IPC_READY, .id = m.id, .number = RIG_DEVICE });
	ck_assert_int_eq(rig_state(), LEASE_FREE);
	rig_alive = true;
	rig_answer(0, 77); /* it may have been found before the hang-up */
	ck_assert_int_eq(rig_state(), LEASE_FREE);
	rig_answer(rig_asked(), 77);
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
	ck_assert_int_eq(rig_port->foreign.pid, 77);
	rig_alive = false;
	rig_answer(0, 77); /* now it is known that he has opened it since */
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
}
END_TEST

START_TEST(intruder_on_a_port_without_revocation_becomes_a_foreign_holder)
{
	rig_make_free();
	rig_hold();
	rig_port->config.revocable = false;
	rig_stranger(IPC_STRANGER_OPENED);
	rig_answer(rig_asked(), 77);
	rig_gone();
	broker_rig_ready(0);
	rig_answer(rig_asked(), 77);
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
	ck_assert_int_lt(rig_port->intruder.pid, 0);
}
END_TEST

START_TEST(intruder_who_goes_is_forgotten)
{
	rig_make_free();
	rig_hold();
	rig_stranger(IPC_STRANGER_OPENED);
	rig_answer(rig_asked(), 77);
	rig_stranger(IPC_STRANGER_CLOSED);
	rig_answer(rig_asked(), 0);
	ck_assert_int_lt(rig_port->intruder.pid, 0);
	rig_gone();
	ck_assert_uint_eq(broker_rig_expect(rig_keeper, IPC_TURNAROUND).flag, 0);
}
END_TEST

/* ---- eviction ---- */

static void
evict(bool terminate)
{
	rig_call("io.comlease.Evict",
		 json_pack("{s:s, s:b}", "port", "modem0", "terminate", terminate));
}

START_TEST(evict_hangs_up_and_answers_when_the_port_is_clean)
{
	struct ipc_message m;

	rig_answer(rig_asked(), 77);
	evict(false);
	ck_assert_uint_eq(broker_rig_expect(rig_inspector, IPC_EVICT).flag, 0);
	m = broker_rig_expect(rig_keeper, IPC_TURNAROUND);
	ck_assert_uint_eq(m.flag, IPC_TURN_REVOKE | IPC_TURN_ANYWAY);
	ck_assert_str_eq(rig_reply(), "");
	rig_say(rig_keeper,
		&(struct ipc_message){ .type = IPC_READY, .id = m.id, .number = RIG_DEVICE });
	ck_assert_ptr_nonnull(strstr(rig_reply(), "\"pid\":77"));
	ck_assert_int_eq(rig_state(), LEASE_FREE);
}
END_TEST

START_TEST(evict_with_term_signals_and_hangs_up_only_who_stays)
{
	rig_answer(rig_asked(), 77);
	evict(true);
	ck_assert_uint_eq(broker_rig_expect(rig_inspector, IPC_EVICT).flag, 1);
	rig_expect_nothing(rig_keeper);
	event_active(&rig_port->evict_late, EV_TIMEOUT, 0);
	ck_assert_uint_eq(broker_rig_expect(rig_inspector, IPC_EVICT).flag, 0);
	broker_rig_ready(0);
	ck_assert_ptr_nonnull(strstr(rig_reply(), "\"pid\":77"));
}
END_TEST

START_TEST(evict_with_term_that_works_needs_no_hang_up)
{
	struct ipc_message m;

	rig_answer(rig_asked(), 77);
	evict(true);
	rig_answer(0, 0);
	ck_assert(!evtimer_pending(&rig_port->evict_late, NULL));
	m = broker_rig_expect(rig_keeper, IPC_TURNAROUND);
	ck_assert_uint_eq(m.flag, 0);
	rig_say(rig_keeper,
		&(struct ipc_message){ .type = IPC_READY, .id = m.id, .number = RIG_DEVICE });
	ck_assert_ptr_nonnull(strstr(rig_reply(), "\"pid\":77"));
}
END_TEST

START_TEST(evict_waits_until_it_is_known_who_has_the_port)
{
	uint64_t id = rig_asked();

	evict(false);
	rig_expect_nothing(rig_inspector);
	rig_answer(id, 0);
	ck_assert_ptr_nonnull(strstr(rig_reply(), "NotForeign"));
}
END_TEST

START_TEST(intruder_is_evicted_by_a_signal_only)
{
	rig_make_free();
	rig_hold();
	evict(true);
	ck_assert_ptr_nonnull(strstr(rig_reply(), "NotForeign"));
	rig_stranger(IPC_STRANGER_OPENED);
	rig_answer(rig_asked(), 77);
	evict(false);
	ck_assert_ptr_nonnull(strstr(rig_reply(), "NotRevocable"));
	evict(true);
	ck_assert_uint_eq(broker_rig_expect(rig_inspector, IPC_EVICT).flag, 1);
	rig_answer(0, 0);
	ck_assert_ptr_nonnull(strstr(rig_reply(), "\"pid\":77"));
	ck_assert_int_eq(rig_state(), LEASE_HELD);
}
END_TEST

START_TEST(port_without_revocation_can_only_be_evicted_by_a_signal)
{
	rig_port->config.revocable = false;
	rig_answer(rig_asked(), 77);
	evict(false);
	ck_assert_ptr_nonnull(strstr(rig_reply(), "NotRevocable"));
	evict(true);
	ck_assert_uint_eq(broker_rig_expect(rig_inspector, IPC_EVICT).flag, 1);
	event_active(&rig_port->evict_late, EV_TIMEOUT, 0);
	ck_assert_ptr_nonnull(strstr(rig_reply(), "NotRevocable"));
	ck_assert_int_eq(rig_state(), LEASE_FOREIGN);
}
END_TEST

START_TEST(evictor_may_go_and_the_eviction_goes_on)
{
	rig_answer(rig_asked(), 77);
	evict(false);
	close(rig_client);
	rig_pump();
	ck_assert_ptr_null(rig_port->evictor);
	broker_rig_ready(0);
	ck_assert_int_eq(rig_state(), LEASE_FREE);
	rig_client = -1;
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("foreign holders in the broker");
	TCase *tc = tcase_create("foreign");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tc, rig_begin, broker_rig_end);
	tcase_add_test(tc, port_is_foreign_until_somebody_has_looked);
	tcase_add_test(tc, foreign_holder_keeps_the_port_until_the_inspector_says_that_he_has_gone);
	tcase_add_test(tc, nobody_counts_only_if_nothing_happened_since_the_question);
	tcase_add_test(tc, free_port_that_a_stranger_opens_is_not_granted_before_it_is_known_who);
	tcase_add_test(tc, stranger_during_the_turnaround_is_looked_at_before_the_grant);
	tcase_add_test(tc, locks_that_nobody_has_do_not_keep_the_port);
	tcase_add_test(tc, lock_found_at_the_open_is_looked_at_and_the_request_waits);
	tcase_add_test(tc, new_inspector_is_asked_everything_again);
	tcase_add_test(tc, without_an_inspector_the_port_is_granted_and_says_so);
	tcase_add_test(tc, intruder_is_hung_up_after_the_lease);
	tcase_add_test(tc, who_opens_again_while_he_is_hung_up_is_found_by_a_question);
	tcase_add_test(tc, intruder_on_a_port_without_revocation_becomes_a_foreign_holder);
	tcase_add_test(tc, intruder_who_goes_is_forgotten);
	tcase_add_test(tc, evict_hangs_up_and_answers_when_the_port_is_clean);
	tcase_add_test(tc, evict_with_term_signals_and_hangs_up_only_who_stays);
	tcase_add_test(tc, evict_with_term_that_works_needs_no_hang_up);
	tcase_add_test(tc, evict_waits_until_it_is_known_who_has_the_port);
	tcase_add_test(tc, intruder_is_evicted_by_a_signal_only);
	tcase_add_test(tc, port_without_revocation_can_only_be_evicted_by_a_signal);
	tcase_add_test(tc, evictor_may_go_and_the_eviction_goes_on);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
