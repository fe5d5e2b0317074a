/*
 * test_e2e_crossing_keeper.c - a keeper dies as a request comes. To have them cross, it, the broker
 * and the supervisor are stopped meanwhile.
 */
#include "support.h"

#include <signal.h>
#include <unistd.h>

static int master;

static void
begin(void)
{
	support_begin();
	master = support_plug("modem0");
	support_start(SUPPORT_PORT("modem0"));
}

/* Nobody saw who came in meanwhile. _i 0: the keeper has been asked, and dies before it has done
 * it; 1: the broker does not know yet that it has died. */
START_TEST(request_waits_until_a_new_keeper_knows_who_has_the_device)
{
	struct support_child outsider;
	struct support_client c;
	pid_t broker = support_broker(), keeper = support_keeper("modem0");
	int fd;

	support_connect_stranger(&c);
	support_pause(_i == 0 ? keeper : broker);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem0"), true);
	if (_i == 0)
		support_wait_port("modem0", "held", 0);
	support_pause(support_pid);
	ck_assert_int_eq(kill(keeper, SIGKILL), 0);
	support_outsider(&outsider, SUPPORT_OPEN);
	support_resume(support_pid);
	support_log_wait("start keeper=modem0");
	support_resume(broker);
	json_decref(support_foreign(outsider.pid));
	support_log_expect("grant port=modem0", 0);
	support_finish(&outsider);
	fd = support_granted(&c, NULL);
	support_expect_line(fd, master);
	close(fd);
	support_close(&c);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_crossing_keeper");
	TCase *tc = support_case(s, "crossing_keeper", begin);

	tcase_add_loop_test(tc, request_waits_until_a_new_keeper_knows_who_has_the_device, 0, 2);
	return support_run(s);
}
