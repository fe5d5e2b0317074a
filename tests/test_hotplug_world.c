/*
 * test_hotplug_world.c - a real comleased where serial devices come and go, and so does comleased
 * itself: storms of events, what costs nothing, crashes, the next start, no udev at all.
 */
#include "plug_rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEMPLATE_IN_WORDS                                                                          \
	"each USB serial device that no other section means becomes a port under its stable "      \
	"name, if that fits"
#define PLUG_B1 "usb-FTDI_FT232R_B1-if00-port0"

static const struct mock_tty a5 = { .name = "ttyUSB0", .plug = "1-2", .serial = "A5" },
			     a5_moved = { .name = "ttyUSB1", .plug = "1-4", .serial = "A5" };

/* Which text the children have: another one is another file. */
static ino_t
told(void)
{
	char path[64], target[64];
	struct stat st;
	ssize_t n;
	int fd;

	for (fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)support_pid, fd);
		n = readlink(path, target, sizeof(target) - 1);
		target[n < 0 ? 0 : n] = '\0';
		if (strstr(target, "memfd:comlease.conf") != NULL && stat(path, &st) == 0)
			return st.st_ino;
	}
	ck_abort_msg("the supervisor has no configuration");
}

/* ---- what costs nothing, and what must not ---- */

START_TEST(event_that_changes_nothing_for_us_sends_nothing)
{
	struct plugged p, q;
	ino_t before;

	plug_put(&p, &a5, "line");
	plug_run(PLUG_BY_SERIAL);
	before = told();
	mock_udev_tell(&p.tty, "change");
	plug_in(&q, &(struct mock_tty){ .name = "ttyUSB5", .plug = "1-5", .serial = "Z" }, "other");
	plug_out(&q);
	mock_udev_unplug(&p.tty); /* known to have been dealt with, as this one is */
	support_log_wait("hotplug remove .*port=lab");
	ck_assert_uint_eq(told(), before);
	ck_assert_int_eq(support_log_count("hotplug"), 2);
	mock_udev_plug(&p.tty);
	plug_wait_port("lab", "free");
}
END_TEST

START_TEST(storm_of_events_leaves_one_consistent_state)
{
	struct plugged p;
	int fd, i;

	plug_run(PLUG_TEMPLATE);
	plug_put(&p, &a5, "line");
	for (i = 0; i < 100; i++) {
		mock_udev_plug(&p.tty);
		mock_udev_unplug(&p.tty);
	}
	mock_udev_plug(&p.tty);
	plug_wait_port(PLUG_A5, "free");
	fd = support_acquire(PLUG_A5, NULL);
	support_expect_line(fd, p.master);
	plug_expect_link(PLUG_A5, &p);
	close(fd);
	plug_wait_port(PLUG_A5, "free");
	ck_assert_int_eq(plug_count_ports(), 1);
	plug_out(&p);
	plug_wait_port(PLUG_A5, "absent");
	plug_finish(PLUG_A5);
}
END_TEST

/* ---- the end, and the next start ---- */

START_TEST(links_are_right_after_a_crash_and_gone_at_the_end)
{
	struct plugged p, q;
	char folder[160];

	plug_put(&p, &a5, "line");
	plug_put(&q, &(struct mock_tty){ .name = "ttyUSB1", .plug = "1-3", .serial = "B1" },
		 "line2");
	plug_run(PLUG_TEMPLATE);
	plug_wait_port(PLUG_A5, "free");
	plug_wait_port(PLUG_B1, "free");
	support_crash();
	plug_expect_link(PLUG_A5, &p);
	plug_out(&p);
	plug_out(&q);
	plug_put(&p, &a5_moved, "line3");
	plug_run(PLUG_TEMPLATE);
	plug_wait_port(PLUG_A5, "free");
	plug_expect_link(PLUG_A5, &p);
	plug_expect_link(PLUG_B1, NULL);
	support_stop();
	snprintf(folder, sizeof(folder), "%s/port", support_scratch);
	ck_assert_int_lt(access(folder, F_OK), 0);
}
END_TEST

START_TEST(second_comleased_on_the_same_socket_takes_no_link_away)
{
	struct support_child second;
	struct plugged p;
	char conf[160], state[160];

	plug_put(&p, &a5, "line");
	plug_run(PLUG_TEMPLATE);
	snprintf(conf, sizeof(conf), "%s/conf", support_scratch);
	snprintf(state, sizeof(state), "%s/state2", support_scratch);
	support_exec(&second, (const char *const[]){ "comleased", "-c", conf, "-s", support_socket,
						     "--state-dir", state, NULL });
	ck_assert_int_ne(support_reap(&second), 0);
	plug_expect_link(PLUG_A5, &p);
}
END_TEST

START_TEST(section_that_is_added_gets_the_device_that_was_adopted)
{
	struct plugged p;
	FILE *conf;

	plug_put(&p, &a5, "line");
	plug_run(PLUG_TEMPLATE);
	plug_wait_port(PLUG_A5, "free");
	conf = fopen(support_path("conf"), "ae");
	ck_assert_ptr_nonnull(conf);
	fprintf(conf, "[port lab]\nusb-serial = A5\nhangup-ms = 0\n%s",
		support_can_revoke() ? "" : "revocation = none\n");
	ck_assert_int_eq(fclose(conf), 0);
	plug_reload();
	plug_wait_no_port(PLUG_A5);
	plug_wait_port("lab", "free");
	plug_expect_link("lab", &p);
	plug_expect_link(PLUG_A5, NULL);
	ck_assert_int_eq(plug_count_ports(), 1);
}
END_TEST

START_TEST(without_udev_ports_with_a_device_work)
{
	struct plugged p;
	int fd;

	plug_put(&p, &a5, "line");
	mock_udev_break();
	plug_run("[port modem0]\ndevice = %s/line\nhangup-ms = 0\n%r" PLUG_BY_SERIAL);
	ck_assert_int_eq(support_log_count("udev can't be asked"), 1);
	fd = support_acquire("modem0", NULL);
	support_expect_line(fd, p.master);
	close(fd);
	plug_wait_port("modem0", "free");
	plug_wait_port("lab", "absent");
}
END_TEST

START_TEST(where_nothing_is_to_be_found_udev_is_not_asked)
{
	char pattern[160];
	struct plugged p;

	plug_put(&p, &a5, "line");
	plug_run("[port modem0]\ndevice = %s/line\nhangup-ms = 0\n%r");
	ck_assert_int_eq(support_log_count("udev"), 0);
	snprintf(pattern, sizeof(pattern), "test -z \"$(ls %s/machine | grep event)\"",
		 support_scratch);
	ck_assert_int_eq(system(pattern), 0);
	snprintf(pattern, sizeof(pattern), "%s/port", support_scratch);
	ck_assert_int_lt(access(pattern, F_OK), 0);
}
END_TEST

START_TEST(template_is_shown_in_words)
{
	struct support_child child;
	char conf[160];
	FILE *f;

	snprintf(conf, sizeof(conf), "%s/conf", support_scratch);
	f = fopen(conf, "we");
	ck_assert_ptr_nonnull(f);
	fprintf(f, "[port usb-*]\n%s", support_can_revoke() ? "" : "revocation = none\n");
	ck_assert_int_eq(fclose(f), 0);
	support_exec(&child,
		     (const char *const[]){ "comleased", "-c", conf, "-s", support_socket,
					    "--state-dir", support_path("state"),
					    _i == 0 ? "--check-config" : "--print-config", NULL });
	ck_assert_str_eq(support_hear_line(&child), _i == 0 ? "[port usb-*]: " TEMPLATE_IN_WORDS
							    : "; [port usb-*]: " TEMPLATE_IN_WORDS);
	ck_assert_int_eq(support_reap(&child), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("hotplug_world");
	TCase *t = support_case(s, "hotplug_world", plug_begin);

	tcase_add_test(t, event_that_changes_nothing_for_us_sends_nothing);
	tcase_add_test(t, storm_of_events_leaves_one_consistent_state);
	tcase_add_test(t, links_are_right_after_a_crash_and_gone_at_the_end);
	tcase_add_test(t, second_comleased_on_the_same_socket_takes_no_link_away);
	tcase_add_test(t, section_that_is_added_gets_the_device_that_was_adopted);
	tcase_add_test(t, without_udev_ports_with_a_device_work);
	tcase_add_test(t, where_nothing_is_to_be_found_udev_is_not_asked);
	tcase_add_loop_test(t, template_is_shown_in_words, 0, 2);
	return support_run(s);
}
