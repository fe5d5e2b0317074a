/*
 * test_doctor.c - each sentence of `comlease doctor` about the broker: is there one, does it fit,
 * may this user ask it, and what its ports say of themselves.
 */
#include "doctor_rig.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET "/run/comlease/comlease.sock"
#define FREE   "'state':'free','revocable':true,'name':"

static struct doctor *d;

static void
begin(void)
{
	d = doctor_rig_begin();
}

static void
end(void)
{
	doctor_rig_end();
}

/* ---- the broker ---- */

START_TEST(broker_that_answers_is_ok)
{
	doctor_rig_broker(FREE "'a'", NULL);
	doctor_rig_expect(doctor_check_broker, DOCTOR_OK, "comleased answers at " SOCKET ": 1 port",
			  NULL);
	doctor_rig_broker(FREE "'a'", FREE "'b'");
	doctor_rig_expect(doctor_check_broker, DOCTOR_OK,
			  "comleased answers at " SOCKET ": 2 ports", NULL);
}
END_TEST

START_TEST(without_a_socket_it_does_not_run)
{
	doctor_rig_expect(doctor_check_broker, DOCTOR_WRONG,
			  "comleased does not run: there is no socket " SOCKET,
			  "install comleased: the package of that name, or make install");
	doctor_rig_file("/usr/sbin/comleased", "");
	doctor_rig_expect(doctor_check_broker, DOCTOR_WRONG,
			  "comleased does not run: there is no socket " SOCKET,
			  "sudo comleased & (comleased(8) tells how to have it started)");
	doctor_rig_file("/run/systemd/system/", NULL);
	doctor_rig_file("/usr/lib/systemd/system/comleased.service", "");
	d->uid = 0;
	doctor_rig_expect(doctor_check_broker, DOCTOR_WRONG,
			  "comleased does not run: there is no socket " SOCKET,
			  "systemctl start comleased");
}
END_TEST

START_TEST(socket_that_nobody_listens_at_is_told)
{
	d->error = ECONNREFUSED;
	doctor_rig_file("/usr/sbin/comleased", "");
	doctor_rig_expect(doctor_check_broker, DOCTOR_WRONG,
			  "comleased does not run: nobody listens at " SOCKET " any more",
			  "sudo comleased & (comleased(8) tells how to have it started)");
}
END_TEST

START_TEST(broker_that_hangs_is_told)
{
	d->error = ETIMEDOUT;
	doctor_rig_expect(doctor_check_broker, DOCTOR_WRONG,
			  "somebody listens at " SOCKET
			  " and does not answer: nothing came for 3 seconds",
			  "stop comleased and start it again: leases live on");
	doctor_rig_file("/run/systemd/system/", NULL);
	doctor_rig_file("/etc/systemd/system/comleased.service", "");
	d->error = EPROTO;
	free(d->reason);
	d->reason = strdup("it speaks HTTP");
	doctor_rig_expect(doctor_check_broker, DOCTOR_WRONG,
			  "somebody listens at " SOCKET " and does not answer: it speaks HTTP",
			  "sudo systemctl restart comleased (leases live on)");
}
END_TEST

START_TEST(version_of_both_is_compared)
{
	doctor_rig_run(doctor_check_version, 0);
	d->info = json_pack("{ss ss}", "product", "comleased", "version", COMLEASE_VERSION);
	doctor_rig_expect(doctor_check_version, DOCTOR_OK,
			  "comleased and this command are both " COMLEASE_VERSION, NULL);
	json_object_set_new(d->info, "version", json_string("9.9.9"));
	doctor_rig_expect(doctor_check_version, DOCTOR_WARN,
			  "comleased is 9.9.9, this command " COMLEASE_VERSION
			  ": an older one still runs, or another one is installed",
			  NULL);
	doctor_rig_file("/run/systemd/system/", NULL);
	doctor_rig_file("/lib/systemd/system/comleased.service", "");
	doctor_rig_expect(doctor_check_version, DOCTOR_WARN,
			  "comleased is 9.9.9, this command " COMLEASE_VERSION
			  ": an older one still runs, or another one is installed",
			  "sudo systemctl restart comleased (leases live on)");
	json_object_set_new(d->info, "product", json_string("systemd"));
	doctor_rig_expect(doctor_check_version, DOCTOR_WRONG,
			  "what answers at " SOCKET " is not comleased but systemd",
			  "name comleased's own socket with -s or COMLEASE_SOCKET");
}
END_TEST

/* ---- access ---- */

/* The socket, with the group that it gets from us. */
static void
make_socket(mode_t mode, const char *members)
{
	char group[128];
	struct stat st;

	doctor_rig_file(SOCKET, "");
	doctor_rig_mode(SOCKET, mode);
	ck_assert(doctor_stat(d, SOCKET, &st));
	snprintf(group, sizeof(group), "dialout:x:%u:%s\n", (unsigned)st.st_gid, members);
	doctor_rig_file("/etc/group", group);
	d->group_count = 0; /* the real ones may have that number */
	d->uid = st.st_uid + 1;
}

START_TEST(who_is_not_in_the_group_is_told_how_to_get_in)
{
	d->error = EACCES;
	make_socket(0660, "bob");
	doctor_rig_expect(doctor_check_access, DOCTOR_WRONG,
			  "ann may not ask comleased: " SOCKET
			  " is for group dialout, and ann is not in it",
			  "sudo usermod -aG dialout ann, then log out and in again (or: newgrp "
			  "dialout)");
	doctor_rig_expect(doctor_check_broker, DOCTOR_OK, "the socket " SOCKET " is there", NULL);
}
END_TEST

START_TEST(who_got_into_the_group_since_is_told_to_log_in_again)
{
	d->error = EACCES;
	make_socket(0660, "bob,ann");
	doctor_rig_expect(doctor_check_access, DOCTOR_WRONG,
			  "ann is in group dialout, which may use " SOCKET
			  ", but was not yet when this session began",
			  "newgrp dialout, or log out and in again");
}
END_TEST

START_TEST(socket_that_no_group_may_use_is_told)
{
	d->error = EACCES;
	make_socket(0600, "ann");
	doctor_rig_expect(doctor_check_access, DOCTOR_WRONG,
			  "ann may not ask comleased: the permissions of " SOCKET " are 0600",
			  "`mode` and `group` in [broker], see comlease.conf(5)");
}
END_TEST

START_TEST(closed_folder_is_told)
{
	d->error = EACCES;
	doctor_rig_expect(doctor_check_access, DOCTOR_WRONG,
			  "ann can't get at " SOCKET ": a folder on the way to it is closed",
			  "ask its owner: that folder should be open to all");
}
END_TEST

START_TEST(who_may_ask_is_told_why)
{
	doctor_rig_run(doctor_check_access, 0);
	doctor_rig_broker(NULL, NULL);
	make_socket(0660, "ann");
	doctor_rig_expect(doctor_check_access, DOCTOR_OK,
			  "ann may ask comleased, being in group dialout", NULL);
	d->uid--;
	doctor_rig_expect(doctor_check_access, DOCTOR_OK,
			  "ann may ask comleased, and whoever is in group dialout", NULL);
	doctor_rig_mode(SOCKET, 0666);
	doctor_rig_expect(doctor_check_access, DOCTOR_OK,
			  "everybody may ask comleased (" SOCKET " is open to all)", NULL);
}
END_TEST

/* ---- the ports ---- */

#define MODEM0 "'name':'modem0','device':'/dev/x','reason':'no such file','state':"

START_TEST(port_that_can_not_be_used_is_told)
{
	doctor_rig_broker(MODEM0 "'faulted'", NULL);
	doctor_rig_expect(doctor_check_ports, DOCTOR_WRONG,
			  "modem0: /dev/x can't be used: no such file",
			  "comlease status modem0 tells more; comlease.conf(5)");
	doctor_rig_broker(MODEM0 "'absent'", NULL);
	doctor_rig_expect(doctor_check_ports, DOCTOR_WARN,
			  "modem0: /dev/x is not there: no such file",
			  "plug it in, or take its section out of comlease.conf");
	doctor_rig_broker(MODEM0 "'disabled'", NULL);
	doctor_rig_expect(doctor_check_ports, DOCTOR_WARN, "modem0 is disabled: no such file",
			  "sudo comlease enable modem0");
}
END_TEST

START_TEST(who_has_a_port_without_comlease_is_named)
{
	doctor_rig_broker(MODEM0 "'foreign','foreign':{'how':'','since':0,'others':0,'process':"
				 "{'pid':7,'uid':4294967294,'command':'minicom'}}",
			  FREE "'b','intruder':{'how':'','since':0,'others':0}");
	doctor_rig_run(doctor_check_ports, 2);
	doctor_rig_finding(0, DOCTOR_WARN,
			   "modem0: minicom (pid 7, uid 4294967294) has it without comlease; all "
			   "others wait",
			   "end it and start it again with `comlease run`, or: sudo comlease evict "
			   "modem0");
	doctor_rig_finding(1, DOCTOR_WARN,
			   "b: a process that I can't see has opened it beside its holder: both "
			   "lose bytes",
			   "start it with `comlease run`, and it waits its turn");
}
END_TEST

START_TEST(notices_are_passed_on_and_each_is_once)
{
	doctor_rig_broker(FREE "'a','notice':'others can not be seen'", NULL);
	doctor_rig_expect(doctor_check_ports, DOCTOR_WARN, "a: others can not be seen", NULL);
	doctor_rig_broker(FREE "'a','notice':'same'", FREE "'b','notice':'same'");
	doctor_rig_expect(doctor_check_ports, DOCTOR_WARN, "a, b: same", NULL);
	doctor_rig_broker(FREE "'a','notice':'one'", FREE "'b','notice':'other'");
	doctor_rig_run(doctor_check_ports, 2);
	doctor_rig_finding(1, DOCTOR_WARN, "b: other", NULL);
}
END_TEST

START_TEST(ports_that_are_well_are_one_line_and_no_ports_a_hint)
{
	doctor_rig_run(doctor_check_ports, 0);
	doctor_rig_broker(FREE "'a'", FREE "'b'");
	doctor_rig_expect(doctor_check_ports, DOCTOR_OK, "every port is there and can be used",
			  NULL);
	doctor_rig_broker(NULL, NULL);
	doctor_rig_expect(doctor_check_ports, DOCTOR_WARN, "no port is configured",
			  "plug in an adapter, or see comlease.conf(5)");
	doctor_rig_device("/dev/ttyUSB0", -1);
	doctor_rig_expect(doctor_check_ports, DOCTOR_WARN, "no port is configured",
			  "comlease ports (prints what to add to comlease.conf)");
}
END_TEST

START_TEST(ports_that_can_not_be_taken_back_are_named)
{
	doctor_rig_broker(FREE "'a'", NULL);
	doctor_rig_expect(doctor_check_revocation, DOCTOR_OK,
			  "comleased can take every port back (TIOCVHANGUP is allowed)", NULL);
	doctor_rig_broker("'name':'a','revocable':false", "'name':'b','revocable':false");
	doctor_rig_expect(doctor_check_revocation, DOCTOR_WARN,
			  "comleased can't take a, b back from a program that does not let go",
			  "run comleased as root (it needs CAP_SYS_ADMIN for TIOCVHANGUP), without "
			  "`revocation = none`");
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("doctor");
	TCase *tc = tcase_create("doctor");

	tcase_add_checked_fixture(tc, begin, end);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, broker_that_answers_is_ok);
	tcase_add_test(tc, without_a_socket_it_does_not_run);
	tcase_add_test(tc, socket_that_nobody_listens_at_is_told);
	tcase_add_test(tc, broker_that_hangs_is_told);
	tcase_add_test(tc, version_of_both_is_compared);
	tcase_add_test(tc, who_is_not_in_the_group_is_told_how_to_get_in);
	tcase_add_test(tc, who_got_into_the_group_since_is_told_to_log_in_again);
	tcase_add_test(tc, socket_that_no_group_may_use_is_told);
	tcase_add_test(tc, closed_folder_is_told);
	tcase_add_test(tc, who_may_ask_is_told_why);
	tcase_add_test(tc, port_that_can_not_be_used_is_told);
	tcase_add_test(tc, who_has_a_port_without_comlease_is_named);
	tcase_add_test(tc, notices_are_passed_on_and_each_is_once);
	tcase_add_test(tc, ports_that_are_well_are_one_line_and_no_ports_a_hint);
	tcase_add_test(tc, ports_that_can_not_be_taken_back_are_named);
	return s;
}

int
main(void)
{
	return support_run(suite());
}
