/*
 * test_e2e_store.c - all of comleased ends and starts again under a service manager (systemd_rig.c)
 * that keeps its descriptors, as at an upgrade. P9: no holder notices, nobody else gets in, whoever
 * waited gets the port in his turn; and what is handed over is not believed blindly.
 */
#include "queue_rig.h"
#include "systemd_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int masters[2];
static struct support_child holder, waiters[QUEUE_WAITERS];
static int64_t token;

static void
begin(void)
{
	support_begin();
	masters[0] = support_plug("modem0");
	masters[1] = support_plug("modem1");
	systemd_begin();
	systemd_configure(SUPPORT_PORT("modem0") SUPPORT_PORT("modem1"));
	systemd_serve();
}

/* ---- a holder who writes all the time ---- */

static void
write_on(struct support_child *test, void *arg)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	struct comlease_lease lease = { .size = sizeof(lease) };
	struct comlease *c = comlease_connect(support_socket);
	unsigned char next = 0;
	bool is_told = false;
	int fd;

	(void)arg;
	wish.port = "modem0";
	wish.label = "first";
	fd = comlease_acquire(c, &wish, &lease);
	comlease_disconnect(c);
	ck_assert_int_ge(fd, 0);
	dprintf(test->say, "held %lld\n", (long long)lease.token);
	while (!support_poll(test->hear, POLLIN, support_now_ms() + 2)) {
		struct pollfd p = { .fd = fd };

		ck_assert_msg(poll(&p, 1, 0) == 0, "a hang-up was seen: %#x", p.revents);
		ck_assert(write(fd, &next, 1) == 1 || errno == EAGAIN);
		next++;
		if (next == 255 && !is_told) {
			dprintf(test->say, "wrote\n");
			is_told = true;
		}
	}
	dprintf(test->say, "%d\n", next);
	close(fd);
}

/* What he wrote came, in his order and without a gap. */
static void
expect_all_written(void)
{
	unsigned char bytes[4096], next = 0;
	int last, i;
	ssize_t n;

	support_say(&holder, 'q');
	last = atoi(support_hear_line(&holder));
	while (support_poll(masters[0], POLLIN, support_now_ms() + 100) &&
	       (n = read(masters[0], bytes, sizeof(bytes))) > 0)
		for (i = 0; i < n; i++)
			ck_assert_uint_eq(bytes[i], next++);
	ck_assert_int_eq(next, last);
}

static void
hold_and_queue(void)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;
	int i;

	support_fork(&holder, write_on, NULL, -1);
	ck_assert_int_eq(sscanf(support_hear_line(&holder), "held %ld", &token), 1);
	wish.port = "modem0";
	for (i = 0; i < QUEUE_WAITERS; i++) {
		wish.priority = i == QUEUE_WAITERS - 1 ? 9 : 0;
		support_hold(&waiters[i], &wish);
		support_wait_port("modem0", "held", i + 1);
	}
}

static void
expect_known(void)
{
	queue_expect_known(&holder, token, waiters);
}

static void
expect_queue_served(void)
{
	queue_expect_served(waiters, token);
}

/* ---- restart ---- */

START_TEST(restart_keeps_lease_and_queue)
{
	hold_and_queue();
	systemd_restart(_i);
	expect_known();
	systemd_restart(_i); /* what was handed over once is still kept */
	expect_known();
	ck_assert_str_eq(support_hear_line(&holder), "wrote");
	expect_all_written();
	support_finish(&holder);
	expect_queue_served();
	ck_assert_int_eq(systemd_count_stored(), 4);
}
END_TEST

/* The roster is the one that lists him, so who has it belongs to him. */
START_TEST(holder_joins_his_lease_after_a_restart)
{
	struct comlease_request wish = COMLEASE_REQUEST_INIT;

	wish.port = "modem0";
	support_hold(&holder, &wish);
	token = support_held(&holder);
	systemd_restart(_i);
	support_say(&holder, 'a');
	ck_assert_int_eq(support_held(&holder), token);
	support_wait_descriptions("modem0", 2);
	support_finish(&holder);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(lease_that_ended_meanwhile_is_over)
{
	hold_and_queue();
	if (_i == 0)
		systemd_stop();
	else
		systemd_kill();
	support_say(&holder, 'q');
	support_finish(&holder);
	systemd_serve();
	expect_queue_served();
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(client_that_connects_meanwhile_is_served)
{
	struct support_client c;
	int fd;

	systemd_stop();
	support_connect(&c);
	support_call(&c, "Acquire", json_pack("{s:s}", "port", "modem1"), false);
	systemd_serve();
	support_reply(&c);
	fd = support_take(&c);
	support_expect_line(fd, masters[1]);
	close(fd);
	support_close(&c);
}
END_TEST

/* ---- what is not to be adopted ---- */

START_TEST(port_that_is_configured_no_longer_leaves_the_store)
{
	ck_assert_int_ge(systemd_stored("roster/modem1"), 0);
	ck_assert_int_ge(systemd_stored("memory/modem1"), 0);
	systemd_configure(SUPPORT_PORT("modem0"));
	if (_i == 0)
		ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	else
		systemd_restart(0);
	systemd_wait_unstored("roster/modem1");
	systemd_wait_unstored("memory/modem1");
	ck_assert_int_ge(systemd_stored("roster/modem0"), 0);
	ck_assert_int_ge(systemd_stored("memory/modem0"), 0);
}
END_TEST

START_TEST(name_with_a_colon_goes_through_the_store)
{
	int fd;

	systemd_stop();
	support_plug("usb:1");
	systemd_configure(SUPPORT_PORT("usb:1"));
	systemd_serve();
	ck_assert_int_ge(systemd_stored("roster/usb,1"), 0);
	fd = support_acquire_here("usb:1", NULL);
	systemd_restart(0);
	support_wait_port("usb:1", "held", 0);
	close(fd);
	support_wait_port("usb:1", "free", 0);
}
END_TEST

/* Ports were renamed while comleased was away: the lease is none of what has its name now. */
START_TEST(roster_of_another_device_is_not_taken)
{
	uint64_t old, other;
	int fd = support_acquire("modem0", &old), next;

	systemd_stop();
	systemd_configure("[port modem0]\ndevice = %s/modem1\n%rhangup-ms = 0\n"
			  "[port modem1]\ndevice = %s/modem0\n%rhangup-ms = 0\n");
	systemd_serve();
	support_log_wait("adopt port=modem0 error=its leases are of another device");
	support_wait_port("modem1", "foreign", 0);
	next = support_acquire("modem0", &other);
	ck_assert_uint_gt(other, old);
	support_expect_line(next, masters[1]);
	support_expect_line(fd, masters[0]);
	close(next);
	close(fd);
	support_wait_port("modem1", "free", 0);
	ck_assert_int_eq(systemd_count_stored(), 4);
}
END_TEST

/* Another version's: the lease is the kernel's to know, who has it is not known any more. */
START_TEST(memory_of_another_version_is_not_read)
{
	static const uint64_t versions[] = { 0, 7, UINT64_MAX };
	char rubbish[6000];
	json_t *port;
	int fd, memory;

	fd = support_acquire("modem0", (uint64_t *)&token);
	systemd_stop();
	memory = systemd_stored("memory/modem0");
	memset(rubbish, 'x', sizeof(rubbish));
	memcpy(rubbish, &versions[_i], sizeof(versions[0]));
	ck_assert_int_eq(pwrite(memory, rubbish, sizeof(rubbish), 0), sizeof(rubbish));
	systemd_serve();
	support_wait_port("modem0", "held", 0);
	port = support_list("modem0");
	ck_assert_int_eq(support_int(port, "lease", "token", NULL), token);
	json_decref(port);
	support_log_wait("restore port=modem0 .*holder unknown");
	support_expect_line(fd, masters[0]);
	close(fd);
	support_wait_port("modem0", "free", 0);
}
END_TEST

START_TEST(store_without_the_memory_still_has_the_lease)
{
	int fd = support_acquire("modem0", (uint64_t *)&token);
	json_t *port;

	systemd_stop();
	systemd_unstore("memory/modem0");
	systemd_serve();
	support_wait_port("modem0", "held", 0);
	port = support_list("modem0");
	ck_assert_int_eq(support_int(port, "lease", "token", NULL), token);
	json_decref(port);
	close(fd);
	support_wait_port("modem0", "free", 0);
	ck_assert_int_ge(systemd_stored("memory/modem0"), 0);
}
END_TEST

START_TEST(rubbish_in_the_store_is_dropped)
{
	static const char *const names[] = { "roster/modem0",           "memory/modem0", "roster/",
					     "roster/../../etc/passwd", "memory/modem1", "x" };
	size_t i;

	systemd_stop();
	systemd_unstore("roster/modem0");
	systemd_unstore("memory/modem0");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		systemd_put(names[i], open("/dev/null", O_RDWR | O_CLOEXEC));
	systemd_put("memory/modem0", memfd_create("second", MFD_CLOEXEC));
	systemd_serve();
	close(support_acquire("modem0", NULL));
	close(support_acquire("modem1", NULL));
	systemd_wait_unstored("x");
	systemd_wait_unstored("roster/");
	systemd_restart(0);
	close(support_acquire("modem0", NULL));
}
END_TEST

/* A port that a template makes comes when its device does. */
START_TEST(what_a_template_may_still_mean_is_kept)
{
	systemd_stop();
	systemd_configure(SUPPORT_PORT("modem0") "[port none-*]\n%r");
	systemd_put("roster/none-1", epoll_create1(EPOLL_CLOEXEC));
	systemd_put("memory/none-1", memfd_create("memory", MFD_CLOEXEC));
	systemd_put("roster/other-1", epoll_create1(EPOLL_CLOEXEC));
	systemd_serve();
	systemd_wait_unstored("roster/other-1");
	ck_assert_int_ge(systemd_stored("roster/none-1"), 0);
	systemd_configure(SUPPORT_PORT("modem0") "[port none-1]\ndevice = %s/modem1\n%r");
	ck_assert_int_eq(kill(support_pid, SIGHUP), 0);
	support_log_wait("adopt port=none-1");
	close(support_acquire("none-1", NULL));
	ck_assert_int_ge(systemd_stored("memory/none-1"), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("e2e_store");
	TCase *tc = tcase_create("store");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, systemd_end);
	tcase_add_loop_test(tc, restart_keeps_lease_and_queue, 0, 2);
	tcase_add_loop_test(tc, holder_joins_his_lease_after_a_restart, 0, 2);
	tcase_add_loop_test(tc, lease_that_ended_meanwhile_is_over, 0, 2);
	tcase_add_test(tc, client_that_connects_meanwhile_is_served);
	tcase_add_loop_test(tc, port_that_is_configured_no_longer_leaves_the_store, 0, 2);
	tcase_add_test(tc, name_with_a_colon_goes_through_the_store);
	tcase_add_test(tc, roster_of_another_device_is_not_taken);
	tcase_add_loop_test(tc, memory_of_another_version_is_not_read, 0, 3);
	tcase_add_test(tc, store_without_the_memory_still_has_the_lease);
	tcase_add_test(tc, rubbish_in_the_store_is_dropped);
	tcase_add_test(tc, what_a_template_may_still_mean_is_kept);
	suite_add_tcase(s, tc);
	return support_run(s);
}
