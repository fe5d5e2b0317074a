/*
 * test_spy_file.c - the transcript of a bridge: the file that it is appended to, whatever it is.
 * Which lines: test_transcript.c. Who reads along: test_spy_readers.c; the command: spy.sh.
 */
#include "spy_fixture.h"
#include "support.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static const char *
path(const char *name)
{
	return support_path(name);
}

/* The file's text without its dates and times. */
static const char *
text_of(const char *name)
{
	static char text[262144];
	char line[8192], *at = text;
	FILE *f = fopen(path(name), "r");

	ck_assert_ptr_nonnull(f);
	*at = '\0';
	while (fgets(line, sizeof(line), f)) {
		bool has_time = isdigit((unsigned char)line[0]) && strlen(line) > 13;
		if (strncmp(line, "-- 20", 5) == 0)
			continue;
		ck_assert_uint_lt((size_t)(at - text) + strlen(line), sizeof(text));
		at = stpcpy(at, has_time ? line + 13 : line);
	}
	fclose(f);
	return text;
}

static void
say(enum bridge_direction direction, const char *bytes)
{
	bridge_spy_data(spy, direction, bytes, strlen(bytes));
}

static const char *
head(void)
{
	static char text[128];

	snprintf(text, sizeof(text), "-- bridge (pid %d) of %s at /run/LINK\n", (int)getpid(),
		 spy_port);
	return text;
}

static void
expect_text(const char *name, const char *expected)
{
	const char *text = text_of(name);

	ck_assert_msg(strncmp(text, head(), strlen(head())) == 0, "%s", text);
	ck_assert_str_eq(text + strlen(head()), expected);
}

START_TEST(a_transcript_is_appended_to_and_only_its_owners_to_read)
{
	struct stat st;

	umask(022);
	spy_start(path("transcript"));
	ck_assert_int_eq(stat(path("transcript"), &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	say(BRIDGE_TO_DEVICE, "ATZ\r\n");
	expect_text("transcript", "> ATZ\\r\\n\n");
	bridge_spy_event(spy, "granted: token 17");
	say(BRIDGE_FROM_DEVICE, "OK");
	bridge_spy_free(spy);
	expect_text("transcript", "> ATZ\\r\\n\n-- granted: token 17\n< OK\n-- the bridge ends\n");
	spy_start(path("transcript"));
	bridge_spy_free(spy);
	ck_assert_ptr_nonnull(strstr(text_of("transcript"), "-- the bridge ends\n-- bridge (pid"));
}
END_TEST

START_TEST(half_a_line_is_written_after_a_pause)
{
	spy_start(path("transcript"));
	ck_assert_int_eq(bridge_spy_timeout_ms(spy), -1);
	say(BRIDGE_FROM_DEVICE, "login: ");
	expect_text("transcript", "");
	int timeout_ms = bridge_spy_timeout_ms(spy);
	ck_assert_int_ge(timeout_ms, 0);
	ck_assert_int_le(timeout_ms, 100);
	while (bridge_spy_timeout_ms(spy) >= 0)
		spy_round(-1);
	expect_text("transcript", "< login: \n");
	bridge_spy_free(spy);
}
END_TEST

static void
expect_refused(const char *file, int status, const char *why)
{
	int got = -1, count = support_count_fds(getpid());

	ck_assert_ptr_null(bridge_spy_new("spy", "LINK", "socket", file, &got));
	ck_assert_int_eq(got, status);
	ck_assert_msg(strstr(spy_said, why) != NULL, "%s", spy_said);
	ck_assert_int_eq(support_count_fds(getpid()), count);
}

START_TEST(a_file_that_cannot_be_a_transcript_is_refused_at_once)
{
	ck_assert_int_eq(mkfifo(path("fifo"), 0600), 0);
	expect_refused(path("fifo"), 71, "nobody reads from this FIFO");
	expect_refused(support_scratch, 71, "Is a directory");
	expect_refused(path("no/folder"), 71, "there is no such folder");
	expect_refused("", 71, "--spy : ");
	if (geteuid() != 0) {
		int fd = open(path("theirs"), O_CREAT | O_WRONLY | O_CLOEXEC, 0400);
		close(fd);
		expect_refused(path("theirs"), 77, "Permission denied");
	}
}
END_TEST

START_TEST(a_full_fifo_holds_up_nobody_and_misses_whole_lines)
{
	char bytes[1001] = "", text[8192];
	int missed = 0, more = 0;
	size_t len = 0;

	ck_assert_int_eq(mkfifo(path("fifo"), 0600), 0);
	int reader = open(path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	spy_start(path("fifo"));
	for (int i = 0; i < 500; i++)
		strcat(bytes, "x\n");
	for (int i = 0; i < 100; i++)
		say(BRIDGE_FROM_DEVICE, bytes);
	ck_assert_int_eq(spy_said_count, 0);
	/* room again */
	FILE *f = fdopen(reader, "r");
	int lines_read = 0;
	while (fgets(text, sizeof(text), f)) {
		len = strlen(text);
		ck_assert_int_eq(text[len - 1], '\n');
		lines_read += strstr(text, " < x\\n\n") != NULL;
		if (sscanf(text, "... %d lines missed ...", &more) == 1)
			missed += more;
	}
	clearerr(f);
	say(BRIDGE_FROM_DEVICE, "after\n");
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	ck_assert_int_eq(sscanf(text, "... %d lines missed ...", &more), 1);
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	ck_assert_ptr_nonnull(strstr(text, " < after\\n\n"));
	ck_assert_int_eq(lines_read + missed + more, 50000);
	bridge_spy_free(spy);
	fclose(f);
}
END_TEST

START_TEST(a_fifo_whose_reader_has_gone_ends_no_bridge)
{
	ck_assert_int_eq(mkfifo(path("fifo"), 0600), 0);
	int reader = open(path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	signal(SIGPIPE, SIG_DFL);
	spy_start(path("fifo"));
	close(reader);
	for (int i = 0; i < 10; i++)
		say(BRIDGE_FROM_DEVICE, "x\n");
	ck_assert_int_eq(spy_said_count, 1);
	ck_assert_ptr_nonnull(strstr(spy_said, "nobody reads it any more; the bridge goes on"));
	reader = open(path("fifo"), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	say(BRIDGE_FROM_DEVICE, "y\n");
	char text[256] = "";
	ck_assert_int_gt(read(reader, text, sizeof(text) - 1), 0);
	ck_assert_ptr_nonnull(strstr(text, "... 10 lines missed ...\n"));
	bridge_spy_free(spy);
	close(reader);
}
END_TEST

START_TEST(a_full_disk_is_said_once_and_marked_when_there_is_room_again)
{
	struct rlimit limit = { 200, RLIM_INFINITY };
	char text[256];

	spy_start(path("transcript"));
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(text, sizeof(text), "line %d\n", i);
		say(BRIDGE_FROM_DEVICE, text);
	}
	limit.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(spy_said_count, 1);
	ck_assert_ptr_nonnull(strstr(spy_said, "File too large; the bridge goes on"));
	say(BRIDGE_FROM_DEVICE, "after\n");
	bridge_spy_free(spy);

	const char *at = text_of("transcript"), *mark = strstr(at, "... ");
	int whole = 0, missed = 0;
	ck_assert_ptr_nonnull(mark);
	for (const char *s = at; s < mark; s++)
		whole += strncmp(s, "\\n\n", 3) == 0; /* a line that was torn has no such end */
	ck_assert_int_eq(mark[-1], '\n');
	ck_assert_int_eq(sscanf(mark, "... %d lines missed ...", &missed), 1);
	ck_assert_int_eq(whole + missed, 20);
	ck_assert_ptr_nonnull(strstr(mark, "missed ...\n< after\\n\n-- the bridge ends\n"));
}
END_TEST

/* Of a disk that is full all along. */
START_TEST(a_device_that_takes_nothing_ends_no_bridge)
{
	spy_start("/dev/full");
	for (int i = 0; i < 10; i++)
		say(BRIDGE_FROM_DEVICE, "x\n");
	ck_assert_int_eq(spy_said_count, 1);
	ck_assert_ptr_nonnull(strstr(spy_said, "/dev/full: No space left on device"));
	bridge_spy_free(spy);
}
END_TEST

/* ---- standard output ---- */

static int
become_stdout(int fd)
{
	int before = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);

	ck_assert_int_ge(before, 0);
	ck_assert_int_ge(dup2(fd, STDOUT_FILENO), 0);
	return before;
}

static void
flood_stdout(int fd)
{
	int before = become_stdout(fd), flags = fcntl(fd, F_GETFL);
	char bytes[1000];

	memset(bytes, '\n', sizeof(bytes));
	spy_start("-");
	for (int i = 0; i < 200; i++)
		bridge_spy_data(spy, BRIDGE_FROM_DEVICE, bytes, sizeof(bytes));
	bridge_spy_free(spy);
	ck_assert_int_eq(fcntl(fd, F_GETFL), flags);
	ck_assert_int_ge(dup2(before, STDOUT_FILENO), 0);
	close(before);
}

START_TEST(a_pipe_that_nobody_empties_as_stdout_holds_up_nobody)
{
	int ends[2];
	char text[64] = "";

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	flood_stdout(ends[1]);
	ck_assert_int_eq(read(ends[0], text, 5), 5);
	ck_assert_str_eq(text, "-- 20");
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(a_stopped_terminal_as_stdout_holds_up_nobody)
{
	int master, slave;
	char text[64] = "";

	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	flood_stdout(slave);
	ck_assert_int_eq(tcflow(slave, TCOOFF), 0);
	flood_stdout(slave);
	ck_assert_int_eq(read(master, text, 5), 5);
	ck_assert_str_eq(text, "-- 20");
	close(master);
	close(slave);
}
END_TEST

START_TEST(a_socket_as_stdout_holds_up_nobody)
{
	int ends[2];
	char text[64] = "";

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	flood_stdout(ends[1]);
	ck_assert_int_eq(read(ends[0], text, 5), 5);
	ck_assert_str_eq(text, "-- 20");
	close(ends[0]);
	close(ends[1]);
}
END_TEST

/* A pipe of another user can't be opened afresh: then poll() must do. */
START_TEST(the_pipe_of_another_user_as_stdout_holds_up_nobody)
{
	int ends[2];

	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(fchmod(ends[1], 0), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	flood_stdout(ends[1]);
	ck_assert_int_eq(seteuid(0), 0);
	char text[64] = "";
	ck_assert_int_eq(read(ends[0], text, 5), 5);
	ck_assert_str_eq(text, "-- 20");
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(the_terminal_of_another_user_as_stdout_holds_up_nobody)
{
	int master, slave;
	char text[64] = "";

	ck_assert_int_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	ck_assert_int_eq(fchmod(slave, 0), 0);
	ck_assert_int_eq(seteuid(65534), 0);
	flood_stdout(slave);
	ck_assert_int_eq(seteuid(0), 0);
	ck_assert_int_eq(read(master, text, 5), 5);
	ck_assert_str_eq(text, "-- 20");
	close(master);
	close(slave);
}
END_TEST

/* Without file and readers it does nothing, and no bridge costs nothing. */
START_TEST(a_bridge_without_spies_has_nothing_to_do)
{
	struct pollfd fds[BRIDGE_SPY_FDS];

	spy_start(NULL);
	say(BRIDGE_TO_DEVICE, "AT");
	bridge_spy_event(spy, "granted: token 17");
	ck_assert_int_eq(bridge_spy_timeout_ms(spy), -1);
	ck_assert_int_eq(bridge_spy_poll(spy, fds), 1);
	bridge_spy_take(spy, fds, 0);
	bridge_spy_free(spy);
	spy = NULL;
	say(BRIDGE_TO_DEVICE, "AT");
	bridge_spy_event(spy, "");
	ck_assert_int_eq(bridge_spy_timeout_ms(spy), -1);
	ck_assert_int_eq(bridge_spy_poll(spy, fds), 0);
	bridge_spy_take(spy, fds, 0);
	bridge_spy_free(spy);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("spy_file");
	TCase *tc;
	bool root = geteuid() == 0;

	tc = support_case(suite, "file", support_begin);
	tcase_add_test(tc, a_transcript_is_appended_to_and_only_its_owners_to_read);
	tcase_add_test(tc, half_a_line_is_written_after_a_pause);
	tcase_add_test(tc, a_file_that_cannot_be_a_transcript_is_refused_at_once);
	tcase_add_test(tc, a_full_fifo_holds_up_nobody_and_misses_whole_lines);
	tcase_add_test(tc, a_fifo_whose_reader_has_gone_ends_no_bridge);
	tcase_add_test(tc, a_full_disk_is_said_once_and_marked_when_there_is_room_again);
	tcase_add_test(tc, a_device_that_takes_nothing_ends_no_bridge);
	tcase_add_test(tc, a_pipe_that_nobody_empties_as_stdout_holds_up_nobody);
	tcase_add_test(tc, a_stopped_terminal_as_stdout_holds_up_nobody);
	tcase_add_test(tc, a_socket_as_stdout_holds_up_nobody);
	support_add(tc, the_pipe_of_another_user_as_stdout_holds_up_nobody, root, "needs root");
	support_add(tc, the_terminal_of_another_user_as_stdout_holds_up_nobody, root, "needs root");
	tcase_add_test(tc, a_bridge_without_spies_has_nothing_to_do);
	return support_run(suite);
}
