/*
 * test_doctor_machine.c - each sentence of `comlease doctor` about the machine: systemd, udev, the
 * ports' nodes, who else lives on them.
 */
#include "doctor_rig.h"
#include "support.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT "'name':'modem0','state':'free','revocable':true,'node':'/dev/ttyUSB0'"

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

/* ---- systemd ---- */

static char systemctl[128];

/* A systemctl that says so of the two units. */
static void
make_systemctl(const char *service, const char *sock)
{
	char script[1024];

	snprintf(script, sizeof(script),
		 "#!/bin/sh\nprintf 'Id=comleased.service\\n%s\\n\\nId=comleased.socket\\n%s\\n'\n",
		 service, sock);
	doctor_rig_file("/run/systemd/system/", NULL);
	doctor_rig_file("/systemctl", script);
	doctor_rig_mode("/systemctl", 0755);
	snprintf(systemctl, sizeof(systemctl), "%s/systemctl", d->root);
	d->systemctl = systemctl;
}

static void
check_systemd(struct doctor *patient)
{
	patient->knows_units = false;
	doctor_ask_systemd(patient);
	doctor_check_systemd(patient);
}

#define LOADED  "LoadState=loaded\\n"
#define ENABLED "UnitFileState=enabled\\n"
#define ACTIVE  "ActiveState=active\\n"
#define FINE    LOADED ENABLED ACTIVE

START_TEST(without_systemd_systemctl_is_not_called)
{
	make_systemctl("ActiveState=failed", "");
	d->root = "/nonexistent";
	doctor_rig_expect(check_systemd, DOCTOR_OK, "does not run here", NULL);
	ck_assert(!d->knows_units);
}
END_TEST

START_TEST(units_that_are_well_are_ok)
{
	make_systemctl(FINE, FINE);
	d->error = 0;
	doctor_rig_expect(check_systemd, DOCTOR_OK,
			  "comleased.service is active, and starts with the machine", NULL);
}
END_TEST

START_TEST(service_that_failed_is_wrong)
{
	make_systemctl(LOADED ENABLED "ActiveState=failed\\nResult=exit-code", FINE);
	doctor_rig_expect(check_systemd, DOCTOR_WRONG, "comleased.service has failed (exit-code)",
			  "comleased --check-config, and sudo journalctl -u comleased -n 50 (why), "
			  "then sudo systemctl restart comleased");
}
END_TEST

START_TEST(service_that_is_masked_is_wrong)
{
	make_systemctl("LoadState=masked\\nUnitFileState=masked\\nActiveState=inactive", FINE);
	doctor_rig_expect(check_systemd, DOCTOR_WRONG,
			  "comleased.service is masked: nothing starts it",
			  "sudo systemctl unmask comleased");
}
END_TEST

START_TEST(units_that_are_not_enabled_are_told)
{
	make_systemctl(LOADED ACTIVE "UnitFileState=disabled",
		       LOADED ACTIVE "UnitFileState=disabled");
	doctor_rig_expect(check_systemd, DOCTOR_WARN,
			  "comleased is not enabled: it is not started when the machine is",
			  "sudo systemctl enable --now comleased.socket comleased.service");
}
END_TEST

START_TEST(comleased_beside_systemd_is_told)
{
	make_systemctl(LOADED ENABLED "ActiveState=inactive", FINE);
	d->error = 0;
	doctor_rig_expect(
	    check_systemd, DOCTOR_WARN,
	    "the comleased that answers was not started by systemd: comleased.service "
	    "is inactive",
	    "end that one, then sudo systemctl start comleased");
}
END_TEST

START_TEST(socket_unit_that_is_not_active_is_told)
{
	make_systemctl(FINE, LOADED ENABLED "ActiveState=inactive");
	d->error = 0;
	doctor_rig_expect(check_systemd, DOCTOR_WARN,
			  "comleased.socket is inactive: programs that ask while comleased starts "
			  "again are turned away",
			  "sudo systemctl enable --now comleased.socket");
}
END_TEST

START_TEST(missing_unit_is_told)
{
	make_systemctl("LoadState=not-found\\nActiveState=inactive", "LoadState=not-found");
	doctor_rig_expect(check_systemd, DOCTOR_WARN,
			  "it has no comleased.service: nothing starts comleased with the machine",
			  "install the package comleased, or: make install");
}
END_TEST

START_TEST(systemctl_that_says_nothing_or_hangs_is_told)
{
	doctor_rig_file("/run/systemd/system/", NULL);
	doctor_rig_expect(check_systemd, DOCTOR_WARN,
			  "systemctl does not tell the state of comleased",
			  "systemctl status comleased");
	make_systemctl("", "");
	doctor_rig_file("/systemctl", "#!/bin/sh\nexec sleep 60\n");
	doctor_rig_expect(check_systemd, DOCTOR_WARN,
			  "systemctl does not tell the state of comleased",
			  "systemctl status comleased");
}
END_TEST

START_TEST(broker_that_a_client_would_start_is_asleep)
{
	make_systemctl(LOADED ENABLED "ActiveState=inactive", FINE);
	doctor_ask_systemd(d);
	ck_assert(doctor_is_asleep(d));
	d->error = EHOSTDOWN;
	doctor_rig_expect(doctor_check_broker, DOCTOR_OK,
			  "does not run at the moment; whoever asks first at "
			  "/run/comlease/comlease.sock starts it",
			  NULL);
	make_systemctl(LOADED ENABLED "ActiveState=active", FINE);
	doctor_ask_systemd(d);
	ck_assert(!doctor_is_asleep(d));
}
END_TEST

/* ---- udev, the user ---- */

START_TEST(udev_and_its_rules_are_looked_for)
{
	doctor_rig_expect(
	    doctor_check_udev, DOCTOR_OK,
	    "does not run here: comleased is not told of ports that are plugged in or "
	    "pulled out",
	    NULL);
	doctor_rig_device("/dev/ttyUSB0", -1);
	doctor_rig_expect(
	    doctor_check_udev, DOCTOR_WARN,
	    "does not run here: comleased is not told of ports that are plugged in or "
	    "pulled out",
	    "start udev; in a container: `device =` in comlease.conf names ports that "
	    "stay");
	doctor_rig_file("/run/udev/control", "");
	doctor_rig_expect(
	    doctor_check_udev, DOCTOR_WARN,
	    "70-comlease.rules is not installed: a port that is plugged in does not "
	    "start comleased, and has no name in /dev/comlease",
	    "install comlease again, then sudo udevadm control --reload && sudo udevadm "
	    "trigger --subsystem-match=tty --action=change");
	doctor_rig_file("/usr/lib/udev/rules.d/70-comlease.rules", "# some");
	doctor_rig_expect(doctor_check_udev, DOCTOR_OK,
			  "it runs, with /usr/lib/udev/rules.d/70-comlease.rules", NULL);
}
END_TEST

START_TEST(user_of_the_broker_is_looked_for)
{
	doctor_rig_run(doctor_check_user, 0);
	doctor_rig_broker(NULL, NULL);
	doctor_rig_expect(
	    doctor_check_user, DOCTOR_WARN,
	    "there is no user comlease: the broker process, which clients talk to, runs "
	    "as root (unless `user` in comlease.conf names another one)",
	    "sudo useradd --system --no-create-home comlease, then start comleased "
	    "again");
	doctor_rig_file("/etc/passwd", "root:x:0:0::/:/bin/sh\ncomlease:x:99:99::/:/bin/false\n");
	doctor_rig_expect(doctor_check_user, DOCTOR_OK,
			  "there is a user comlease for the broker process, which clients talk to",
			  NULL);
	d->owner = 4294967294;
	doctor_rig_expect(doctor_check_user, DOCTOR_OK,
			  "comleased is not root's: it has the rights of a user without a name",
			  NULL);
}
END_TEST

/* ---- nodes ---- */

/* As root it may be anybody's group; otherwise it is ours. */
static bool
give_to_group(const char *path, gid_t gid)
{
	char full[256];
	struct stat st;

	snprintf(full, sizeof(full), "%s%s", d->root, path);
	return chown(full, (uid_t)-1, gid) == 0 && stat(full, &st) == 0 && st.st_gid == gid;
}

START_TEST(node_that_everybody_can_open_is_wrong)
{
	doctor_rig_broker(PORT, NULL);
	doctor_rig_file("/dev/ttyUSB0", "");
	doctor_rig_mode("/dev/ttyUSB0", 0666);
	doctor_rig_expect(
	    doctor_check_nodes, DOCTOR_WRONG,
	    "everybody can open modem0 (/dev/ttyUSB0) around comlease, without waiting",
	    "sudo chmod o-rw /dev/ttyUSB0, and take MODE=\"0666\" out of the rule in "
	    "/etc/udev/rules.d that made it so");
}
END_TEST

START_TEST(without_a_broker_all_that_could_be_ports_are_looked_at)
{
	doctor_rig_device("/dev/ttyUSB0", -1);
	doctor_rig_device("/dev/ttyUSB1", -1)->name[0] = '\0';
	doctor_rig_file("/dev/ttyUSB0", "");
	doctor_rig_file("/dev/ttyUSB1", "");
	doctor_rig_mode("/dev/ttyUSB0", 0604);
	doctor_rig_mode("/dev/ttyUSB1", 0666);
	doctor_rig_expect(doctor_check_nodes, DOCTOR_WRONG,
			  "everybody can open /dev/ttyUSB0 around comlease, without waiting",
			  "sudo chmod o-rw /dev/ttyUSB0, and take MODE=\"0666\" out of the rule in "
			  "/etc/udev/rules.d that made it so");
}
END_TEST

START_TEST(node_of_a_group_is_told_and_wrong_if_that_should_not_be)
{
	gid_t gid = geteuid() == 0 ? 20 : getegid();
	char group[64];

	doctor_rig_broker(PORT, NULL);
	doctor_rig_file("/dev/ttyUSB0", "");
	doctor_rig_mode("/dev/ttyUSB0", 0660);
	ck_assert(give_to_group("/dev/ttyUSB0", gid));
	snprintf(group, sizeof(group), "dialout:x:%u:\n", (unsigned)gid);
	doctor_rig_file("/etc/group", group);
	doctor_rig_expect(doctor_check_nodes, DOCTOR_OK,
			  "group dialout can also open modem0 (/dev/ttyUSB0) without comlease; "
			  "72-comlease-enforce.rules would prevent that (comleased(8))",
			  NULL);
	doctor_rig_file("/etc/udev/rules.d/72-comlease-enforce.rules", "# some");
	doctor_rig_expect(doctor_check_nodes, DOCTOR_WARN,
			  "/etc/udev/rules.d/72-comlease-enforce.rules is installed, and yet group "
			  "dialout can open modem0 (/dev/ttyUSB0) around comlease",
			  "sudo udevadm control --reload && sudo udevadm trigger "
			  "--subsystem-match=tty --action=change");
	doctor_rig_mode("/dev/ttyUSB0", 0600);
	doctor_rig_expect(doctor_check_nodes, DOCTOR_OK,
			  "nobody but root can open the ports around comlease "
			  "(72-comlease-enforce.rules is installed)",
			  NULL);
}
END_TEST

/* ---- who else ---- */

START_TEST(console_and_logins_on_ports_are_wrong)
{
	struct ports_device *device;

	doctor_rig_run(doctor_check_logins, 0);
	doctor_rig_broker(PORT, NULL);
	device = doctor_rig_device("/dev/ttyS0", 0);
	doctor_rig_expect(doctor_check_logins, DOCTOR_OK,
			  "no port is the kernel's console or has a getty", NULL);
	device->is_console = true;
	doctor_rig_expect(doctor_check_logins, DOCTOR_WRONG,
			  "modem0 is /dev/ttyS0, to which the kernel writes its messages: it can't "
			  "be leased",
			  "take [port modem0] out of comlease.conf, or console=ttyS0 from the "
			  "kernel's command line");
	device->is_console = false;
	strcpy(device->login, "agetty (pid 8)");
	device->is_console = true;
	doctor_rig_run(doctor_check_logins, 1);
	device->is_console = false;
	doctor_rig_expect(doctor_check_logins, DOCTOR_WRONG,
			  "modem0 is /dev/ttyS0, where agetty (pid 8) offers a login: it can't be "
			  "leased",
			  "take the line of ttyS0 out of /etc/inittab, then: sudo telinit q");
	doctor_rig_file("/run/systemd/system/", NULL);
	doctor_rig_expect(doctor_check_logins, DOCTOR_WRONG,
			  "modem0 is /dev/ttyS0, where agetty (pid 8) offers a login: it can't be "
			  "leased",
			  "sudo systemctl disable --now serial-getty@ttyS0");
}
END_TEST

/* By the one who tells what mends it. */
START_TEST(port_that_is_the_console_or_has_a_login_is_told_once)
{
	static const char *const states[] = { "faulted", "foreign" };
	char port[128];

	for (size_t i = 0; i < 4; i++) {
		struct ports_device *device;

		snprintf(port, sizeof(port), "'name':'modem0','device':'/dev/ttyS0','state':'%s'",
			 states[i % 2]);
		doctor_rig_broker(port, NULL);
		d->ports.count = 0;
		doctor_rig_run(doctor_check_ports, 1);
		device = doctor_rig_device("/dev/ttyS0", 0);
		doctor_rig_run(doctor_check_ports, 1);
		device->is_console = i < 2;
		strcpy(device->login, i < 2 ? "" : "agetty (pid 8)");
		doctor_rig_run(doctor_check_ports, 0);
		doctor_rig_run(doctor_check_logins, 1);
	}
}
END_TEST

START_TEST(devices_that_are_not_managed_are_named)
{
	doctor_rig_expect(doctor_check_unmanaged, DOCTOR_OK,
			  "this machine has no serial port at the moment", NULL);
	doctor_rig_broker(PORT, NULL);
	doctor_rig_device("/dev/ttyUSB0", 0);
	doctor_rig_expect(doctor_check_unmanaged, DOCTOR_OK,
			  "comlease manages every port that it can", NULL);
	strcpy(doctor_rig_device("/dev/ttyUSB1", -1)->description, "CH340");
	doctor_rig_device("/dev/ttyUSB2", -1);
	doctor_rig_expect(
	    doctor_check_unmanaged, DOCTOR_WARN,
	    "comlease does not manage /dev/ttyUSB1 (CH340), /dev/ttyUSB2 (serial port)",
	    "comlease ports (prints what to add to comlease.conf)");
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("doctor_machine");
	TCase *tc = tcase_create("doctor_machine");

	tcase_set_timeout(tc, 30);
	tcase_add_checked_fixture(tc, begin, end);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, without_systemd_systemctl_is_not_called);
	tcase_add_test(tc, units_that_are_well_are_ok);
	tcase_add_test(tc, service_that_failed_is_wrong);
	tcase_add_test(tc, service_that_is_masked_is_wrong);
	tcase_add_test(tc, units_that_are_not_enabled_are_told);
	tcase_add_test(tc, comleased_beside_systemd_is_told);
	tcase_add_test(tc, socket_unit_that_is_not_active_is_told);
	tcase_add_test(tc, missing_unit_is_told);
	tcase_add_test(tc, systemctl_that_says_nothing_or_hangs_is_told);
	tcase_add_test(tc, broker_that_a_client_would_start_is_asleep);
	tcase_add_test(tc, udev_and_its_rules_are_looked_for);
	tcase_add_test(tc, user_of_the_broker_is_looked_for);
	tcase_add_test(tc, node_that_everybody_can_open_is_wrong);
	tcase_add_test(tc, without_a_broker_all_that_could_be_ports_are_looked_at);
	tcase_add_test(tc, node_of_a_group_is_told_and_wrong_if_that_should_not_be);
	tcase_add_test(tc, console_and_logins_on_ports_are_wrong);
	tcase_add_test(tc, port_that_is_the_console_or_has_a_login_is_told_once);
	tcase_add_test(tc, devices_that_are_not_managed_are_named);
	return s;
}

int
main(void)
{
	return support_run(suite());
}
