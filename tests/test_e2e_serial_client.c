/*
 * test_e2e_serial_client.c - programs that want modem lines, on a leased port that has some: what
 * they see and set is the port's, through the shim as by the library.
 */
#include "serial_rig.h"
#include "support.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int master;
static struct serial_line *line;

static void
begin(void)
{
	support_begin();
	serial_rig_reset();
	master = support_plug("modem0");
	line = serial_rig_plug(master);
	support_start(SUPPORT_PORT_AT("modem0") "hangup-ms = 20\nbaud = 9600\nown = leased\n");
}

static bool
is_up(unsigned lines)
{
	return (atomic_load(&line->modem) & lines) == lines;
}

/* ---- by hand ---- */

START_TEST(holder_sees_and_sets_the_lines)
{
	int lines = 0, rts = TIOCM_RTS, fd = support_acquire("modem0", NULL);

	serial_set_inputs(line, TIOCM_RI, true);
	ck_assert_int_eq(ioctl(fd, TIOCMGET, &lines), 0);
	ck_assert_int_eq(lines, TIOCM_DTR | TIOCM_RTS | TIOCM_CTS | TIOCM_DSR | TIOCM_RI);
	ck_assert_int_eq(ioctl(fd, TIOCMBIC, &rts), 0);
	ck_assert(!is_up(TIOCM_RTS));
	close(fd);
}
END_TEST

/* Forked: it waits for the line that the test raises. */
static void
wait_for_ring(struct support_child *test, void *unused)
{
	int fd = support_acquire_here("modem0", NULL);

	(void)unused;
	support_say(test, 'h');
	if (ioctl(fd, TIOCMIWAIT, TIOCM_RI) == 0)
		support_say(test, 'r');
	else
		support_say(test, errno == EIO ? 'e' : '?');
}

START_TEST(holder_can_wait_for_a_line)
{
	struct support_child holder;

	support_fork(&holder, wait_for_ring, NULL, -1);
	ck_assert_int_eq(support_hear(&holder), 'h');
	serial_rig_wait(&line->waits, 1);
	serial_set_inputs(line, TIOCM_CD, true);
	ck_assert(support_is_quiet(&holder, 50));
	serial_set_inputs(line, TIOCM_RI, true);
	ck_assert_int_eq(support_hear(&holder), 'r');
	support_finish(&holder);
}
END_TEST

START_TEST(revocation_ends_a_wait_for_a_line)
{
	struct support_child holder;
	struct support_client admin;

	support_fork(&holder, wait_for_ring, NULL, -1);
	ck_assert_int_eq(support_hear(&holder), 'h');
	serial_rig_wait(&line->waits, 1);
	support_connect(&admin);
	support_ask(&admin, "Revoke", json_pack("{s:s}", "port", "modem0"));
	ck_assert_int_eq(support_hear(&holder), 'e');
	support_close(&admin);
	support_finish(&holder);
}
END_TEST

/* ---- programs, by the shim ---- */

static const char script[] =
    "import serial, sys\n"
    "with serial.Serial(sys.argv[1], 9600, timeout=10) as p:\n"
    "    print('CD', p.cd, 'CTS', p.cts, 'DSR', p.dsr, 'RI', p.ri, flush=True)\n"
    "    sys.stdin.readline()\n"
    "    print('CD', p.cd, flush=True)\n"
    "    p.rts = False\n"
    "    p.break_condition = True\n"
    "    print('set', flush=True)\n"
    "    sys.stdin.readline()\n";

START_TEST(pyserial_sees_and_sets_the_lines)
{
	struct support_child python;
	const char *const words[] = {
		"comlease", "run", "--", "/usr/bin/python3", "-c", script, support_path("modem0"),
		NULL
	};
	int fd;

	support_exec(&python, words);
	support_expect_line_of(&python, "CD False CTS True DSR True RI False");
	ck_assert(is_up(TIOCM_DTR | TIOCM_RTS));
	serial_set_inputs(line, TIOCM_CD, true);
	support_say(&python, '\n');
	support_expect_line_of(&python, "CD True");
	support_expect_line_of(&python, "set");
	ck_assert(!is_up(TIOCM_RTS));
	ck_assert(line->is_break);
	support_kill(&python);
	fd = support_acquire("modem0", NULL);
	ck_assert(is_up(TIOCM_DTR | TIOCM_RTS));
	ck_assert(!line->is_break);
	close(fd);
}
END_TEST

/* Reads on until the terminal has shown that. */
static void
expect_shown(const struct support_child *terminal, const char *text)
{
	static char shown[65536];
	int64_t until = support_now_ms() + SUPPORT_SOON_MS;
	size_t n = 0;

	while (memmem(shown, n, text, strlen(text)) == NULL) {
		ck_assert_msg(n < sizeof(shown) && support_poll(terminal->hear, POLLIN, until),
			      "never showed %s: %.*s", text, (int)n, shown);
		ck_assert_int_eq(read(terminal->hear, shown + n, 1), 1);
		n += shown[n] >= ' ';
	}
}

static void
say(const struct support_child *terminal, const char *keys)
{
	ck_assert_int_eq(write(terminal->say, keys, strlen(keys)), (ssize_t)strlen(keys));
}

/* On a terminal of its own. */
static void
start_terminal(struct support_child *terminal, const char *command)
{
	char words[256];

	setenv("HOME", support_scratch, 1);
	setenv("TERM", "vt100", 1);
	snprintf(words, sizeof(words),
		 "stty rows 30 cols 100; exec \"${BUILD:-build/release}/comlease\" run -- %s",
		 command);
	support_exec(terminal,
		     (const char *const[]){ "/usr/bin/script", "-qefc", words, "/dev/null", NULL });
}

START_TEST(picocom_shows_the_lines)
{
	struct support_child terminal;
	char command[160];

	serial_set_inputs(line, TIOCM_CD, true);
	snprintf(command, sizeof(command), "picocom -b 9600 --nolock %s", support_path("modem0"));
	start_terminal(&terminal, command);
	expect_shown(&terminal, "Terminal ready");
	say(&terminal, "\001\026"); /* C-a C-v: status */
	expect_shown(&terminal, "DTR:1 DSR:1 DCD:1 RTS:1 CTS:1 RI:0");
	say(&terminal, "\001\024"); /* C-a C-t: DTR down or up */
	expect_shown(&terminal, "DTR: down");
	ck_assert(!is_up(TIOCM_DTR));
	say(&terminal, "\001\030"); /* C-a C-x: the end */
	ck_assert_int_eq(support_reap(&terminal), 0);
}
END_TEST

/* It has a status line where there is room for one. */
START_TEST(minicom_is_online_with_a_carrier)
{
	struct support_child terminal;
	char command[160];

	snprintf(command, sizeof(command), "minicom -o -D %s", support_path("modem0"));
	start_terminal(&terminal, command);
	expect_shown(&terminal, "Offline");
	serial_set_inputs(line, TIOCM_CD, true);
	expect_shown(&terminal, "Online");
	say(&terminal, "\001q");
	expect_shown(&terminal, "reset");
	say(&terminal, "\r");
	ck_assert_int_eq(support_reap(&terminal), 0);
}
END_TEST

int
main(int argc, char **argv)
{
	Suite *s = suite_create("e2e_serial_client");
	TCase *tc;

	(void)argc;
	serial_rig_main(argv);
	tc = support_case(s, "client", begin);
	tcase_add_test(tc, holder_sees_and_sets_the_lines);
	tcase_add_test(tc, holder_can_wait_for_a_line);
	support_add(tc, revocation_ends_a_wait_for_a_line, support_can_revoke(),
		    "taking a port back needs CAP_SYS_ADMIN");
	tcase_add_test(tc, pyserial_sees_and_sets_the_lines);
	tcase_add_test(tc, picocom_shows_the_lines);
	tcase_add_test(tc, minicom_is_online_with_a_carrier);
	return serial_rig_end(support_run(s));
}
