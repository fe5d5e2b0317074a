/*
 * test_doctor_tools.c - each sentence of `comlease doctor` about other programs (ModemManager,
 * brltty, gpsd, stale locks) and about what comlease itself needs: the kernel, the shim, jansson,
 * the environment.
 */
#include "doctor_rig.h"
#include "support.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORT "'name':'gps','state':'free','revocable':true"

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

/* ---- programs that open ports unasked ---- */

START_TEST(modem_manager_is_wrong_where_it_may_open_a_port)
{
	struct ports_device *device;

	doctor_rig_expect(doctor_check_modem_manager, DOCTOR_OK, "does not run", NULL);
	doctor_rig_file("/proc/4312/comm", "ModemManager\n");
	doctor_rig_expect(doctor_check_modem_manager, DOCTOR_OK,
			  "it runs, and leaves the ports alone", NULL);
	doctor_rig_broker(PORT, NULL);
	doctor_rig_device("/dev/ttyUSB1", -1)->is_modem_candidate = true;
	doctor_rig_expect(doctor_check_modem_manager, DOCTOR_WARN,
			  "it runs, and may open /dev/ttyUSB1 to see whether that is a modem",
			  "72-comlease-enforce.rules keeps it off the ports that comlease manages");
	device = doctor_rig_device("/dev/ttyUSB0", 0);
	device->is_modem_candidate = true;
	doctor_rig_expect(doctor_check_modem_manager, DOCTOR_WRONG,
			  "it runs, and sends AT commands to /dev/ttyUSB0 to see whether that is a "
			  "modem",
			  "install 72-comlease-enforce.rules (comleased(8)); if nothing else here "
			  "needs it: sudo systemctl disable --now ModemManager");
}
END_TEST

#define BRLTTY "/usr/lib/udev/rules.d/85-brltty.rules"
#define BRLTTY_MEND                                                                                \
	"if nobody here reads Braille: sudo ln -s /dev/null /etc/udev/rules.d/85-brltty.rules && " \
	"sudo udevadm control --reload, then plug the adapter in again"

START_TEST(brltty_is_wrong_where_it_takes_an_adapter)
{
	doctor_rig_expect(doctor_check_brltty, DOCTOR_OK, "not installed", NULL);
	doctor_rig_file(BRLTTY, "#ENV{PRODUCT}==\"1a86/7523/*\"\nENV{PRODUCT}==\"4b4/100/*\"\n");
	doctor_rig_expect(doctor_check_brltty, DOCTOR_OK,
			  "installed; its rules name no serial adapter", NULL);
	doctor_rig_file(BRLTTY, "# CH340\nENV{PRODUCT}==\"1a86/7523/*\", GOTO=\"x\"\n");
	doctor_rig_expect(doctor_check_brltty, DOCTOR_WARN,
			  "by " BRLTTY
			  " it takes some USB serial adapters (CH340, CP210x, FTDI) for "
			  "Braille displays when they are plugged in",
			  BRLTTY_MEND);
	doctor_rig_file("/sys/bus/usb/devices/1-2/idVendor", "1a86\n");
	doctor_rig_file("/sys/bus/usb/devices/1-2/idProduct", "7523\n");
	doctor_rig_file("/sys/bus/usb/devices/1-2:1.0/bInterfaceNumber", "00\n");
	doctor_rig_expect(
	    doctor_check_brltty, DOCTOR_WRONG,
	    "by " BRLTTY " it takes the adapter 1a86:7523 for a Braille display: its port vanishes",
	    BRLTTY_MEND);
	/* what BRLTTY_MEND does */
	doctor_rig_file("/etc/udev/rules.d/85-brltty.rules", "");
	doctor_rig_expect(doctor_check_brltty, DOCTOR_OK, "not installed", NULL);
}
END_TEST

START_TEST(gpsd_is_told_off_managed_ports)
{
	struct ports_device *device;

	doctor_rig_expect(doctor_check_gpsd, DOCTOR_OK, "not installed", NULL);
	doctor_rig_file("/etc/default/gpsd",
			"# none yet\nDEVICES=\"/dev/ttyUSB0 /dev/pps0\"\nUSBAUTO=\"true\"\n");
	doctor_rig_expect(doctor_check_gpsd, DOCTOR_OK,
			  "installed, and told to open no managed port", NULL);
	doctor_rig_file("/proc/77/comm", "gpsd\n");
	doctor_rig_expect(doctor_check_gpsd, DOCTOR_OK, "runs, and is told to open no managed port",
			  NULL);
	doctor_rig_broker(PORT, NULL);
	device = doctor_rig_device("/dev/ttyUSB0", 0);
	doctor_rig_expect(
	    doctor_check_gpsd, DOCTOR_WARN,
	    "DEVICES in /etc/default/gpsd names /dev/ttyUSB0 (gps), which it opens "
	    "without waiting",
	    "give it a bridge instead: comlease bridge --standby PORT LINK; see gpsd in "
	    "comlease-clients(7)");
	strcpy(device->node, "/dev/ttyUSB");
	doctor_rig_expect(doctor_check_gpsd, DOCTOR_OK, "runs, and is told to open no managed port",
			  NULL);
	strcpy(device->usb_id, "10c4:ea60");
	doctor_rig_file("/lib/udev/rules.d/60-gpsd.rules",
			"# ATTRS{idVendor}==\"10c4\", ATTRS{idProduct}==\"ea60\"\n");
	doctor_rig_expect(doctor_check_gpsd, DOCTOR_OK, "runs, and is told to open no managed port",
			  NULL);
	doctor_rig_file(
	    "/lib/udev/rules.d/60-gpsd.rules",
	    "ATTRS{idVendor}==\"10c4\", ATTRS{idProduct}==\"ea60\", TAG+=\"systemd\"\n");
	doctor_rig_expect(doctor_check_gpsd, DOCTOR_WARN,
			  "it opens /dev/ttyUSB (gps) when that is plugged in: "
			  "/lib/udev/rules.d/60-gpsd.rules names its ids, 10c4:ea60",
			  "USBAUTO=\"false\" in /etc/default/gpsd");
	doctor_rig_file("/etc/default/gpsd", "USBAUTO=\"false\"\n");
	doctor_rig_expect(doctor_check_gpsd, DOCTOR_OK, "runs, and is told to open no managed port",
			  NULL);
}
END_TEST

START_TEST(lock_files_of_the_dead_are_stale)
{
	char own[32];
	int dead = 0x77777777; /* more than there can be */

	doctor_rig_file("/run/lock/", NULL);
	doctor_rig_expect(doctor_check_locks, DOCTOR_OK, "none in /run/lock is stale (0 in use)",
			  NULL);
	snprintf(own, sizeof(own), "%10d\n", (int)getpid());
	doctor_rig_file("/run/lock/LCK..ttyS0", own);
	doctor_rig_file("/run/lock/LCK..init", "1\n"); /* somebody else's, unless we are root */
	doctor_rig_file("/run/lock/LCK..empty", "");
	doctor_rig_file("/run/lock/other", "2000000000\n");
	doctor_rig_expect(doctor_check_locks, DOCTOR_OK, "none in /run/lock is stale (2 in use)",
			  NULL);
	doctor_rig_broker(NULL, NULL);
	json_object_set_new(d->list, "lockDir", json_string("/var/lock"));
	doctor_rig_file("/var/lock/LCK..ttyUSB0", "2000000000\n");
	doctor_rig_file("/var/lock/LCK..ttyUSB1", "");
	snprintf(own, sizeof(own), "%.4s", (const char *)&dead);
	doctor_rig_file("/var/lock/LCK..ttyUSB2", own);
	doctor_rig_run(doctor_check_locks, 2);
	doctor_rig_finding(0, DOCTOR_WARN,
			   "/var/lock/LCK..ttyUSB0 is stale: its process, 2000000000, is no more; "
			   "some programs take the port for busy",
			   "sudo rm /var/lock/LCK..ttyUSB0");
	doctor_rig_finding(1, DOCTOR_WARN,
			   "/var/lock/LCK..ttyUSB2 is stale: its process, 2004318071, is no more; "
			   "some programs take the port for busy",
			   "sudo rm /var/lock/LCK..ttyUSB2");
}
END_TEST

START_TEST(folder_of_the_lock_files_is_there_and_comleased_may_write_there)
{
	struct stat st;

	doctor_rig_expect(doctor_check_locks, DOCTOR_WARN,
			  "there is no folder /run/lock: programs outside comlease don't see that "
			  "a port is in use, nor comlease their locks",
			  "sudo mkdir -m 1777 /run/lock, or set lock-dir (comlease.conf(5))");
	doctor_rig_file("/run/lock/", NULL);
	doctor_rig_broker(NULL, NULL);
	doctor_rig_mode("/run/lock", 0755);
	ck_assert(doctor_stat(d, "/run/lock", &st));
	d->owner = st.st_uid + 1;
	doctor_rig_run(doctor_check_locks, 1);
	ck_assert_ptr_nonnull(strstr(d->findings[0].says, " may not write into /run/lock: "));
	doctor_rig_mode("/run/lock", 01777);
	doctor_rig_expect(doctor_check_locks, DOCTOR_OK, "none in /run/lock is stale (0 in use)",
			  NULL);
	doctor_rig_mode("/run/lock", 0755);
	d->owner = st.st_uid;
	doctor_rig_expect(doctor_check_locks, DOCTOR_OK, "none in /run/lock is stale (0 in use)",
			  NULL);
	d->owner = 0;
	doctor_rig_expect(doctor_check_locks, DOCTOR_OK, "none in /run/lock is stale (0 in use)",
			  NULL);
}
END_TEST

/* ---- what comlease needs ---- */

START_TEST(kernel_that_can_do_less_is_told_what_that_costs)
{
	d->kernel = (struct doctor_kernel){ true, true, true, true };
	doctor_rig_expect(doctor_check_kernel, DOCTOR_OK,
			  "it has pidfd_open, SO_PEERPIDFD, SO_PASSRIGHTS, seccomp notification",
			  NULL);
	d->kernel = (struct doctor_kernel){ false, false, false, false };
	doctor_rig_run(doctor_check_kernel, 4);
	doctor_rig_finding(
	    0, DOCTOR_WRONG,
	    "it has no pidfd_open(), or a container forbids it: comleased can't tell "
	    "that a process has ended",
	    "a kernel of Linux 5.3 or later");
	doctor_rig_finding(1, DOCTOR_OK,
			   "without SO_PEERPIDFD (Linux 6.5): comleased knows its clients by pid",
			   NULL);
	doctor_rig_finding(2, DOCTOR_OK,
			   "without SO_PASSRIGHTS (Linux 6.16): comleased refuses descriptors from "
			   "clients by other means",
			   NULL);
	doctor_rig_finding(3, DOCTOR_WARN,
			   "without seccomp user notification: `run --seccomp`, and `run` of "
			   "programs that are linked statically, can't catch their opens",
			   "Linux 5.9 or later, and a container that allows seccomp()");
}
END_TEST

START_TEST(yama_is_told_by_what_it_forbids)
{
	doctor_rig_expect(doctor_check_tracing, DOCTOR_OK,
			  "a program may look into its user's others, as `run --seccomp` does",
			  NULL);
	doctor_rig_file("/proc/sys/kernel/yama/ptrace_scope", "1\n");
	doctor_rig_expect(
	    doctor_check_tracing, DOCTOR_WARN,
	    "kernel.yama.ptrace_scope is 1: `run --seccomp`, and `run` of programs that "
	    "are linked statically, can't look at what those open",
	    "sudo sysctl kernel.yama.ptrace_scope=0, or `comlease run PORT -- ...`, "
	    "which needs none of it");
	d->uid = 0;
	doctor_rig_expect(
	    doctor_check_tracing, DOCTOR_OK,
	    "kernel.yama.ptrace_scope is 1: for root `run --seccomp` works, for others "
	    "it does not",
	    NULL);
	doctor_rig_file("/proc/sys/kernel/yama/ptrace_scope", "3\n");
	doctor_rig_expect(
	    doctor_check_tracing, DOCTOR_WARN,
	    "kernel.yama.ptrace_scope is 3: `run --seccomp`, and `run` of programs that "
	    "are linked statically, can't look at what those open",
	    "kernel.yama.ptrace_scope is set for good until the next start of the "
	    "machine");
}
END_TEST

static void
check_lib(struct doctor *patient)
{
	doctor_check_shim_in(patient, "/lib");
}

static void
check_spaced(struct doctor *patient)
{
	doctor_check_shim_in(patient, "/a b");
}

/* The header of our own program, with one byte of it changed; at 0: none. */
static void
make_shim(const char *path, size_t at, char byte)
{
	char header[24], full[256];
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	ck_assert_int_eq(read(fd, header, sizeof(header)), sizeof(header));
	close(fd);
	if (at)
		header[at] = byte;
	doctor_rig_file(path, "");
	snprintf(full, sizeof(full), "%s%s", d->root, path);
	fd = open(full, O_WRONLY | O_CLOEXEC);
	ck_assert_int_eq(write(fd, header, sizeof(header)), sizeof(header));
	close(fd);
}

#define SHIM "/lib/libcomlease-shim.so"

START_TEST(shim_is_there_and_made_for_this_machine)
{
	doctor_rig_expect(check_lib, DOCTOR_WRONG, SHIM " is not there: `comlease run` can't work",
			  "install comlease again");
	doctor_rig_file(SHIM, "nothing");
	doctor_rig_expect(check_lib, DOCTOR_WRONG,
			  SHIM " can't be read, or is no library: `comlease run` can't work",
			  "install comlease again");
	make_shim(SHIM, 18, 99);
	doctor_rig_expect(check_lib, DOCTOR_WRONG,
			  SHIM " is made for another kind of machine than this command",
			  "install comlease again (that of this machine's architecture)");
	make_shim("/a b/libcomlease-shim.so", 0, 0);
	doctor_rig_expect(check_spaced, DOCTOR_WRONG,
			  "/a b/libcomlease-shim.so has a colon or a space in it, which LD_PRELOAD "
			  "does not take",
			  "move comlease to a folder without those");
	if (sizeof(void *) < 8)
		return;
	make_shim(SHIM, 0, 0);
	doctor_rig_expect(check_lib, DOCTOR_OK,
			  SHIM "; none for 32-bit programs, whose opens `run` catches by seccomp",
			  NULL);
	make_shim("/lib/comlease-shim/lib/i386-linux-gnu/libcomlease-shim.so", EI_CLASS,
		  ELFCLASS32);
	doctor_rig_expect(check_lib, DOCTOR_OK,
			  SHIM ", and for 32-bit programs "
			       "/lib/comlease-shim/lib/i386-linux-gnu/libcomlease-shim.so",
			  NULL);
}
END_TEST

START_TEST(jansson_of_the_32_bit_shim_is_looked_for)
{
	char says[64];

	snprintf(says, sizeof(says), "%s", jansson_version_str());
	doctor_check_jansson_of(d, false);
	doctor_rig_finding(0, DOCTOR_OK, says, NULL);
	doctor_check_jansson_of(d, true);
	doctor_rig_finding(1, DOCTOR_WARN,
			   "there is no 32-bit jansson: the shim does not load into 32-bit "
			   "programs, which then open ports without waiting",
			   "sudo apt-get install libjansson4:i386");
	make_shim("/usr/lib/i386-linux-gnu/libjansson.so.4", EI_CLASS, ELFCLASS32);
	doctor_check_jansson_of(d, true);
	strcat(says, ", and a 32-bit one");
	doctor_rig_finding(2, DOCTOR_OK, says, NULL);
}
END_TEST

START_TEST(variables_that_change_things_are_told_and_keys_kept)
{
	extern char **environ;
	char *none[] = { NULL };

	environ = none;
	doctor_rig_expect(doctor_check_environment, DOCTOR_OK, "no COMLEASE_... variable is set",
			  NULL);
	setenv("COMLEASE_SOCKET", "/tmp/s", 1);
	doctor_rig_expect(
	    doctor_check_environment, DOCTOR_WARN,
	    "COMLEASE_SOCKET is /tmp/s: all commands ask the broker there, and no other",
	    "unset COMLEASE_SOCKET, if that is not meant");
	unsetenv("COMLEASE_SOCKET");
	setenv("COMLEASE_KEY", "0123456789abcdef", 1);
	doctor_rig_expect(doctor_check_environment, DOCTOR_WARN,
			  "COMLEASE_KEY is set: whatever is started here belongs to one holder's "
			  "lease",
			  "unset COMLEASE_KEY, if that is not meant");
	unsetenv("COMLEASE_KEY");
	setenv("LD_PRELOAD", "/x/libcomlease-shim.so", 1);
	doctor_rig_expect(doctor_check_environment, DOCTOR_OK,
			  "this runs under `comlease run`: LD_PRELOAD has the shim in it", NULL);
	unsetenv("LD_PRELOAD");
}
END_TEST

static Suite *
suite(void)
{
	Suite *s = suite_create("doctor_tools");
	TCase *tc = tcase_create("doctor_tools");

	tcase_add_checked_fixture(tc, begin, end);
	suite_add_tcase(s, tc);
	tcase_add_test(tc, modem_manager_is_wrong_where_it_may_open_a_port);
	tcase_add_test(tc, brltty_is_wrong_where_it_takes_an_adapter);
	tcase_add_test(tc, gpsd_is_told_off_managed_ports);
	tcase_add_test(tc, lock_files_of_the_dead_are_stale);
	tcase_add_test(tc, folder_of_the_lock_files_is_there_and_comleased_may_write_there);
	tcase_add_test(tc, kernel_that_can_do_less_is_told_what_that_costs);
	tcase_add_test(tc, yama_is_told_by_what_it_forbids);
	tcase_add_test(tc, shim_is_there_and_made_for_this_machine);
	tcase_add_test(tc, jansson_of_the_32_bit_shim_is_looked_for);
	tcase_add_test(tc, variables_that_change_things_are_told_and_keys_kept);
	return s;
}

int
main(void)
{
	return support_run(suite());
}
